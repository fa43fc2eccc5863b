/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xclbin packer and reader behind `smartssd xclbin`.
 *
 *   kernel.c --gcc -E--> proto.c: argument list --> meta.c: sections that describe the kernels
 *                                               \-> stub.c: register file -> C call   --gcc--> build.c: ELF shared object
 *   sections + shared object --> axlf.c: the file
 *
 * Functions return 0 or -1; what went wrong has been said on standard error by then.
 */
#ifndef SMARTSSD_TOOLS_XCLBIN_H
#define SMARTSSD_TOOLS_XCLBIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "../../driver/core/core.h"
#include "../../driver/core/regs.h"

#define XCLBIN_PLATFORM "xilinx_u2_gen3x4_xdma_gc_2_202110_1"

/* One argument of a kernel, as its prototype and interface pragmas say. */
struct proto_arg {
	char name[SMARTSSD_NAME_LEN];
	char type[SMARTSSD_NAME_LEN];	/* as written, "const float*" */
	char ctype[SMARTSSD_NAME_LEN];	/* what the generated stub uses for it: stdint names, float, double, _Bool; void for structs */
	char bundle[SMARTSSD_NAME_LEN]; /* pointers: m_axi bundle */
	bool pointer;
	unsigned bytes;	 /* of the scalar, or of what the pointer points to; 0: a struct */
	unsigned offset; /* register offset in the CU's register file */
	unsigned line;
	bool m_axi, s_axilite; /* a pragma said so */
};

struct proto {
	char name[SMARTSSD_NAME_LEN];
	const char *path; /* file with the definition */
	unsigned line;	  /* of the definition; 0: there was none */
	int control;	  /* SMARTSSD_CONTROL_* that a pragma asks for, or -1 */
	unsigned nr;
	struct proto_arg args[SMARTSSD_MAX_ARGS];
};

/* Is a source file C++ (.cpp, .cc, .cxx), not C? */
bool xb_is_cpp(const char *path);
/*
 * Scan preprocessed C or C++ (@text, with line markers) for the definition of @out->name. Without a definition out->line is 0, which is no error.
 * @path stands in messages where a line marker does not say otherwise.
 */
int proto_scan(const char *text, const char *path, struct proto *out);
/* Do two definitions of a kernel take the same arguments? Says where they differ. */
int proto_compare(const struct proto *a, const struct proto *b);

#define MAX_FUNCTIONAL 16

/* A kernel as the command line describes it. */
struct kernel {
	struct proto proto;
	const char *source;
	const char *functional[MAX_FUNCTIONAL];
	unsigned nr_functional;
	unsigned cus;
	int control; /* SMARTSSD_CONTROL_*, -1: not given */
};

struct pack {
	const char *out;
	const char *platform;
	const char *cflags; /* "" for none */
	char *work;	    /* folder for what the compiler makes; goes away at the end */
	struct kernel kernels[SMARTSSD_MAX_CUS];
	unsigned nr_kernels;
};

/* pragma.c: "#pragma HLS INTERFACE ..." (@text, from "HLS" on) of the kernel */
int pragma_interface(struct proto *p, const char *text, const char *path, unsigned line);
/* ... and, after the last one, what they leave open or contradict. */
int pragma_finish(struct proto *p);

/* stub.c: C source of int smartssd_cu_<kernel>(...), see bitstream.h */
void stub_write(FILE *out, const struct proto *p);

/* build.c: preprocess a kernel's source (result is malloc'ed); compile all kernels into a shared object (likewise) */
int build_preprocess(const struct pack *pack, const char *path, char **text);
int build_bitstream(const struct pack *pack, void **data, size_t *bytes);

/* axlf.c: the container. Section data belongs to the axlf once added. */
#define AXLF_BITSTREAM	   0
#define AXLF_METADATA	   2
#define AXLF_MEM_TOPOLOGY  6
#define AXLF_CONNECTIVITY  7
#define AXLF_IP_LAYOUT	   8
#define AXLF_CLOCKS	   11
#define AXLF_BUILD	   14
#define AXLF_KEYVALUE	   15
#define AXLF_USER	   16
#define AXLF_GROUP_TOPOLOGY	26
#define AXLF_GROUP_CONNECTIVITY 27
#define AXLF_MAX_SECTIONS  16
#define AXLF_MODE_HW_PR	   1

struct axlf {
	const char *platform;
	uint64_t timestamp;
	unsigned nr;
	struct axlf_part {
		uint32_t kind;
		void *data;
		size_t bytes;
	} parts[AXLF_MAX_SECTIONS];
};

void axlf_add(struct axlf *x, uint32_t kind, void *data, size_t bytes);
/* The whole file in new memory. */
void axlf_build(const struct axlf *x, uint8_t **data, size_t *bytes);
void axlf_free(struct axlf *x);
const char *axlf_kind_name(uint32_t kind);

/* Little-endian stores. */
void xb_put16(void *p, uint16_t v);
void xb_put32(void *p, uint32_t v);
void xb_put64(void *p, uint64_t v);

/* meta.c: every section that describes the kernels */
int meta_add(struct axlf *x, const struct pack *pack);
/* "kernel:kernel_N", N from 1 */
int meta_cu_name(const struct kernel *k, unsigned n, char name[SMARTSSD_NAME_LEN]);

/* util.c; the prefix because these names are anybody's */
void *xb_alloc(size_t bytes); /* zeroed; a tool has nothing to do without memory, so it ends */
/* "smartssd xclbin: ..." */
void xb_report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "FILE:LINE: ..." as compilers do */
void xb_report_at(const char *path, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Whole file into new memory, with a zero byte behind it. */
int xb_read_file(const char *path, size_t max, void **data, size_t *bytes);
/* Whole or not at all: temporary name in the same folder, then rename. */
int xb_write_file(const char *path, const void *data, size_t bytes);
void xb_sha256(const void *data, size_t bytes, uint8_t digest[32]);

/* An argument vector under construction. */
struct args {
	char **v;
	size_t nr;
};

void xb_args_add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Split at blanks; 'quotes' and "quotes" keep them. */
int xb_args_split(struct args *a, const char *text);
void xb_args_free(struct args *a);
/* Run and wait; @out: standard output goes to this file, or NULL. 0, or -1 when it could not run or did not exit with 0 (then what it printed tells). */
int xb_args_run(const struct args *a, const char *out);

int cmd_xclbin_pack(int argc, char **argv);
int cmd_xclbin_info(int argc, char **argv);
int cmd_xclbin_load(int argc, char **argv);

#endif
