/* SPDX-License-Identifier: BSD-2-Clause */
/* What the embedded card's tests share. They call runtime/emu.h directly: no device layer in between. */
#ifndef EMU_TEST_H
#define EMU_TEST_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../../runtime/emu.h"

/* Modes of tests/emu/ek.c */
#define EK_ADD	 0
#define EK_SLEEP 1
#define EK_CRASH 2
#define EK_WRITE 3 /* writes n to each page of dst, for ever */

#define NEVER SMARTSSD_DEADLINE_NEVER

uint64_t t_now(void);
/* Failures of these fail the test. */
struct emu *t_open(const char *options);	/* with the test xclbin loaded */
struct emu *t_open_bare(const char *options);	/* without */
int t_load(struct emu *emu);			/* 0 or -errno */
struct smartssd_bo t_bo(struct emu *emu, uint64_t bytes);
void *t_map(struct emu *emu, const struct smartssd_bo *bo);
int t_destroy(struct emu *emu, uint32_t bo);
uint64_t t_free_bytes(struct emu *emu);
struct smartssd_counters t_counters(struct emu *emu);
struct smartssd_cu_info t_cu(struct emu *emu, uint32_t cu);
int t_reset(struct emu *emu, uint32_t cu);
int t_export(struct emu *emu, uint32_t bo);	 /* fd */
uint32_t t_import(struct emu *emu, int fd);	 /* id */

/* An unlinked file of @bytes bytes of t_byte(); its registration on @emu. */
uint8_t t_byte(uint64_t i);
int t_file(uint64_t bytes, int flags);
struct smartssd_file t_register(struct emu *emu, int fd);

int t_submit(struct emu *emu, const struct smartssd_cmd *cmds, uint32_t nr, uint64_t *job);
int t_wait(struct emu *emu, uint64_t job, uint64_t deadline, struct smartssd_wait *out, struct smartssd_result *results, uint32_t nr);
/* Submit and wait: -errno of a call, else the job's status. */
int t_run(struct emu *emu, const struct smartssd_cmd *cmds, uint32_t nr, struct smartssd_result *results);

struct t_args {
	struct smartssd_arg a[4];
};

struct smartssd_cmd t_ek(struct t_args *a, uint64_t mask, uint32_t src, uint32_t dst, uint32_t n, uint32_t mode);
struct smartssd_cmd t_noop(void);
struct smartssd_cmd t_copy_to(uint32_t bo, uint64_t offset, const void *host, uint64_t bytes);
struct smartssd_cmd t_copy_from(void *host, uint32_t bo, uint64_t offset, uint64_t bytes);
struct smartssd_cmd t_copy_bo(uint32_t dst, uint64_t dst_offset, uint32_t src, uint64_t src_offset, uint64_t bytes);
struct smartssd_cmd t_rw(uint32_t op, uint32_t file, uint32_t bo, const struct smartssd_extent *ext, uint32_t nr);

/* xorshift64*: the same numbers everywhere. The seed is printed; $SEED sets it. */
uint64_t t_seed(const char *what);
uint64_t t_random(uint64_t *state);

TCase *tcase_open(void);
TCase *tcase_job(void);
TCase *tcase_io(void);
TCase *tcase_share(void);
TCase *tcase_fault(void);

#endif
