/* SPDX-License-Identifier: BSD-2-Clause */
/* What the OpenCL tests share: they go through the ICD loader, to the platform in the build tree that the program is in. */
#ifndef TESTS_OPENCL_TEST_H
#define TESTS_OPENCL_TEST_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl_ext_xilinx.h>
#include <CL/opencl.h>
#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kernels/suite.h"

#define MAX_DEVICES 4

struct host {
	cl_platform_id platform;
	cl_device_id device[MAX_DEVICES];
	cl_uint nr_devices;
	cl_context context;
	cl_command_queue queue; /* of the first device; in order, with profiling */
	cl_program program;	/* examples.xclbin */
};

/* One embedded card, unless $SMARTSSD_DEVICE says otherwise; @devices "A B": these two, unless $OPENCL_TEST_CARDS names two of the driver's. */
void host_open(struct host *h, const char *devices);
/* Release all; nothing of it is live then. */
void host_close(struct host *h);
cl_program host_program(struct host *h, const char *xclbin);
cl_kernel host_kernel(cl_program program, const char *name);
cl_mem host_buffer(struct host *h, cl_mem_flags flags, size_t bytes);
cl_command_queue host_queue(struct host *h, cl_command_queue_properties properties);
void *host_read_file(const char *name, size_t *bytes);
/* "adder" with its arguments */
void host_adder(cl_kernel kernel, cl_mem in, cl_mem out, cl_int increment, cl_uint size);
/* A vendor's extension buffer */
cl_mem host_p2p(struct host *h, size_t bytes);
/* Text that the context's callback got last, "" none. */
const char *host_said(void);
cl_int event_status(cl_event event);
/* Bytes of the first device's memory. */
size_t host_memory(struct host *h);

/* Where files for O_DIRECT go: $OPENCL_TEST_DIR, on the first card's drive; /var/tmp */
const char *host_dir(void);
/* The build folder with examples.xclbin. */
const char *build_dir(void);

#define ok(call) ck_assert_int_eq((call), CL_SUCCESS)
#define fails(call, code) ck_assert_int_eq((call), (code))

#endif
