/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libsmartssd-opencl from inside: an OpenCL 1.2 platform (an installable client driver) on top of libsmartssd.h. How a command goes:
 *
 *   transfer.c map.c run.c   check arguments, make an event with what is to be done (struct command)
 *   queue.c                  find what it has to wait for; nothing: on to the engine, in the caller's thread
 *   event.c                  the graph: an event ends -> what waited for it may start -> callbacks, waiting threads
 *   engine.c                 events that may start -> one job of libsmartssd; its end -> event.c
 *
 * An event is its command: every command has one, also when the caller wants none. A job is taken (WAIT) by whoever waits for one of its events;
 * by the device's completion thread when something else hangs on it: a command that depends on it, a callback, a full device.
 *
 * Locks, outermost first: device->program_lock; mem->lock (of one root buffer); device->now_lock; graph_lock (status, edges and queues of all events);
 * device->lock (jobs in flight). kernel->lock, program->lock, device->reset_lock and those of one file are held for themselves. Contexts and queues need none after
 * creation. No function of the caller's is called with a lock held, and nothing is submitted with graph_lock or device->lock.
 *
 * Handles live in memory that is never given back, so a handle that was released, or is of another kind, can be told from a good one
 * (object.c). Every entry holds a reference of what it works on until it returns.
 */
#ifndef SMARTSSD_CL_IMPL_H
#define SMARTSSD_CL_IMPL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 300
#endif
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl_ext_xilinx.h>
#include <CL/cl.h>
#include <CL/cl_icd.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../libsmartssd.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- object.c ---- */

enum kind { KIND_PLATFORM, KIND_DEVICE, KIND_CONTEXT, KIND_QUEUE, KIND_MEM, KIND_PROGRAM, KIND_KERNEL, KIND_EVENT, KIND_NR };

/* First member of every object. */
struct cl_object {
	const cl_icd_dispatch *dispatch; /* the loader reads it, also in released handles */
	atomic_uint users;		 /* clRetain*, clRelease* */
	atomic_uint refs;		 /* one for all users together, one for each holder in here */
	uint64_t serial;		 /* tells an object from a later one at the same address */
	struct cl_object *next_free;
	enum kind kind;
};

extern const cl_icd_dispatch dispatch_table;

/* Zeros, with one reference; NULL: no memory */
void *object_new(enum kind kind);
/* It is whole: its handle is good from now on, and the reference is the user's. */
void object_publish(void *object);
/* Make the handle good while a callback has it, also when its users have released it; object_release() ends that. */
void object_lend(void *object);
/* A live object of this kind with one more reference, or NULL. */
void *object_hold(enum kind kind, const void *handle);
void object_get(void *object);
void object_put(void *object);
/* clRetain*, clRelease*: CL_SUCCESS or @invalid */
cl_int object_retain(enum kind kind, const void *handle, cl_int invalid);
cl_int object_release(enum kind kind, const void *handle, cl_int invalid);
cl_uint object_users(void *object);

/* What the kinds do when their last reference goes; no lock is held. */
void context_destroy(void *object);
void queue_destroy(void *object);
void mem_destroy(void *object);
void program_destroy(void *object);
void kernel_destroy(void *object);
void event_destroy(void *object);

/* clGet*Info: what the value is and where it goes. */
struct info {
	size_t room;
	void *out;
	size_t *used;
};
cl_int info_bytes(const struct info *info, const void *value, size_t bytes);
cl_int info_text(const struct info *info, const char *text);
#define info_value(info, type, ...) info_bytes(info, &(type){ __VA_ARGS__ }, sizeof(type))
/* *errcode_ret of a create function */
static inline void *create_result(cl_int *errcode, cl_int code, void *object)
{
	if (errcode)
		*errcode = code;
	return code ? NULL : object;
}

uint64_t now_ns(void);

/* ---- engine.c: jobs of one device ---- */

struct job {
	struct job *next;     /* of the device's */
	_Atomic uint64_t id;  /* 0: not submitted yet */
	struct _cl_event *first; /* its events, by job_next */
	uint32_t nr;	      /* device commands */
	bool wanted;	      /* the completion thread takes it */
	bool over;	      /* without events: it has ended ... */
	int status;	      /* ... so */
};

#define MAX_SPARE_LISTS 8

struct _cl_device_id {
	struct cl_object object;
	struct smartssd_device *dev;
	uint64_t ddr_bytes, features;
	uint32_t pci, peer_reason, bo_align, max_jobs;
	char uri[256];

	/* Loading takes it for writing, submitting a run for reading: a run meets the xclbin that it was made for. */
	pthread_rwlock_t program_lock;
	uint8_t uuid[16];
	bool loaded;

	pthread_mutex_t lock;
	pthread_cond_t work;	 /* for the completion thread: something is wanted */
	pthread_cond_t recorded; /* a job got its id */
	struct job *jobs;
	uint32_t nr_jobs; /* in @jobs and being submitted; not those of engine_run_now() */
	uint32_t nr_submitting;
	uint32_t nr_wanted;
	uint32_t nr_finishing; /* taken, and what their commands refer to not given back yet */
	struct _cl_event *starved, **starved_last; /* may start, but max_jobs are in flight */
	bool thread_started;
	struct smartssd_list *spare[MAX_SPARE_LISTS];
	uint32_t nr_spare;

	pthread_mutex_t reset_lock; /* one looks at compute units and resets them at a time */
	atomic_uint nr_doomed;	    /* buffers that only commands still have */
	pthread_mutex_t now_lock; /* engine_run_now(): one at a time, for which there is always room among the jobs */
};

cl_int engine_init(struct _cl_device_id *device);
/* Events that may start or have ended, to be dealt with without a lock. */
struct ready {
	struct _cl_event *start, **start_last;
	struct _cl_event *dead, **dead_last;
};
/* Submit @event, and what can follow it in the same job. Without a lock. */
void engine_start(struct _cl_event *event, struct ready *ready);
/* Let the completion thread take @event's job. graph_lock held. */
void engine_want(struct _cl_event *event);
/* Take @event's job: wait for it, or (@look) only if it is done. graph_lock held, and dropped meanwhile. False: nothing to wait for here. */
bool engine_take(struct _cl_event *event, bool look);
/* Take, here, what is done: its memory is wanted. Is there more that commands under way are about to give back? */
bool engine_collect(struct _cl_device_id *device);
/* Let the completion thread take what is under way. */
void engine_reap(struct _cl_device_id *device);
/* Submit and wait, outside of any queue: 0 or -errno. No lock but a buffer's is held. */
int engine_run_now(struct _cl_device_id *device, struct smartssd_list *list);

/* ---- platform.c ---- */

struct _cl_platform_id {
	struct cl_object object;
	uint32_t nr_devices;
	struct _cl_device_id *devices[16];
};

/* The platform, its devices opened when @devices. */
struct _cl_platform_id *platform_get(bool devices);
bool platform_is(const void *handle);

/* ---- context.c ---- */

struct _cl_context {
	struct cl_object object;
	uint32_t nr_devices;
	struct _cl_device_id **devices;
	cl_context_properties *properties;
	size_t nr_properties;
	void (CL_CALLBACK *notify)(const char *text, const void *data, size_t bytes, void *user);
	void *notify_user;
};

/* SMARTSSD_VERBOSE */
bool be_verbose(void);
/* Index of @device, or -1 */
int context_device(const struct _cl_context *context, const struct _cl_device_id *device);
/* Tell the user what went wrong, where and what to do: through the context's callback, and on standard error with SMARTSSD_VERBOSE. */
void context_notify(struct _cl_context *context, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- queue.c ---- */

struct _cl_command_queue {
	struct cl_object object;
	struct _cl_context *context;
	struct _cl_device_id *device;
	uint32_t device_index; /* in the context */
	cl_command_queue_properties properties;
	cl_queue_properties *given; /* of clCreateCommandQueueWithProperties */
	size_t nr_given;
	/* graph_lock: */
	struct _cl_event *first, *last; /* unfinished commands in order */
	uint64_t seq;
	struct _cl_event *barrier;	/* the last one, unfinished; out-of-order queues */
};

/* ---- event.c ---- */

extern pthread_mutex_t graph_lock;

/* One command waits for another. */
struct edge {
	struct _cl_event *to;
	struct edge *next;
	bool order; /* only because of the queue's order: when the other one fails, this one runs */
};

struct callback {
	struct callback *next;
	struct _cl_event *event;
	cl_int at, status;
	void (CL_CALLBACK *function)(cl_event event, cl_int status, void *user);
	void *user;
};

/* Device commands being appended for one event. */
struct build {
	struct smartssd_list *list;
	uint32_t fence_from, fence_to; /* each new command waits for these */
};
/* Takes what smartssd_list_*() returned; CL_SUCCESS or CL_OUT_OF_HOST_MEMORY. */
cl_int build_put(struct build *b, int cmd);

struct command {
	/*
	 * Append device commands; none: there is nothing to do. CL_SUCCESS or why it cannot. What does not fit one job is for another:
	 * then event->more, and step() once this one has ended. May be called again before that.
	 */
	cl_int (*build)(struct _cl_event *event, struct build *b);
	void (*step)(struct _cl_event *event);
	/* Give back what the command refers to, done or not. */
	void (*release)(struct _cl_event *event);
};

/* One buffer's part in a rectangular or linear copy. */
struct region {
	struct _cl_mem *mem; /* NULL: host memory ... */
	void *host;	     /* ... here */
	uint64_t offset;     /* of the first byte in the root buffer, or from @host */
	uint64_t row_pitch, slice_pitch;
};

struct _cl_event {
	struct cl_object object;
	struct _cl_context *context;
	struct _cl_command_queue *queue; /* NULL: a user event */
	cl_command_type type;
	const struct command *command;

	/* graph_lock: */
	_Atomic cl_int status;
	bool hidden; /* nobody has a handle */
	bool failed; /* something that it was told to wait for failed */
	bool more;   /* the next piece is a job of its own */
	bool user_set;
	bool waited; /* a thread waits for it, and was there before it was in a job */
	uint64_t seq;
	uint32_t unmet;
	struct edge *edges; /* memory of those that end here */
	struct edge *out;   /* those that begin here */
	struct callback *callbacks;
	struct _cl_event *prev, *next; /* in the queue */
	struct _cl_event *link;	       /* in struct ready, or the device's starved */
	uint64_t queued_ns, submit_ns, start_ns, end_ns;

	/* engine */
	struct job job;		   /* for the first event of a job */
	struct job *in_job;	   /* graph_lock */
	struct _cl_event *job_next;
	uint32_t job_from, job_nr; /* its commands in the job */
	cl_int job_error;	   /* its part of the job is not whole */
	bool again;		   /* it did not start, and is to be submitted once more */
	uint32_t nr_again;	   /* times that it was */

	union {
		struct {
			struct region src, dst;
			uint64_t size[3]; /* bytes, rows, slices */
			uint64_t from, to; /* rows of all slices that this job is for */
		} copy;
		struct {
			struct _cl_mem *mem;
			uint64_t offset, bytes, from, to;
			uint8_t *pattern; /* staging: the pattern over and over */
			uint64_t staged;
		} fill;
		struct {
			struct _cl_mem *mem;
			uint64_t offset, bytes;
			cl_map_flags flags;
		} map;
		struct {
			struct _cl_mem **mems;
			uint32_t nr;
			cl_mem_migration_flags flags;
		} migrate;
		struct {
			struct run *run;
			uint64_t groups, from, to; /* work-groups */
		} run;
	};
};

struct _cl_event *event_new(struct _cl_context *context, struct _cl_command_queue *queue, cl_command_type type);
/* @event has ended: CL_COMPLETE or negative. graph_lock held. */
void event_end(struct _cl_event *event, cl_int status, struct ready *ready);
/* A step before the end. graph_lock held. */
void event_step(struct _cl_event *event, cl_int status);
void event_add_edge(struct _cl_event *from, struct _cl_event *to, struct edge *edge, bool order);
void ready_init(struct ready *ready);
void ready_start(struct ready *ready, struct _cl_event *event);
/* Start and bury what is in there, and what that leads to. Without a lock. */
void ready_go(struct ready *ready);
/* Until all commands of @queue up to now have ended. Without a lock. */
void queue_drain(struct _cl_command_queue *queue);
/* Its final status. Without a lock. */
cl_int event_wait(struct _cl_event *event);
/* For threads that wait for any change of the graph: graph_lock held. */
void graph_wait(void);
void graph_changed(void);
cl_int status_of_errno(int error);

/* A command on its way into a queue. */
struct enqueue {
	struct _cl_command_queue *queue;
	struct _cl_event *event;
	struct _cl_event **waits;
	uint32_t nr_waits;
	struct _cl_event *few[4];
};
/* Hold the queue and the wait list, make the event. Anything but CL_SUCCESS: over. */
cl_int enqueue_begin(struct enqueue *e, cl_command_queue queue, cl_uint nr, const cl_event *list, cl_command_type type,
		     const struct command *command);
/* Give up with @error, which it returns; the command's release is called. */
cl_int enqueue_abort(struct enqueue *e, cl_int error);
/* In it goes. */
cl_int enqueue_commit(struct enqueue *e, bool blocking, cl_event *out);

/* ---- buffer.c ---- */

/* A buffer on one device of its context. */
struct storage {
	struct smartssd_bo bo; /* bo.bo 0: none yet */
	void *map;	       /* direct buffers */
	uint32_t *peers;       /* by device of the context: its BO here, 0: not imported yet */
};

struct mapping {
	struct mapping *next;
	char *pointer;
	uint64_t offset, bytes; /* in the root */
	cl_map_flags flags;
	struct _cl_mem *mem; /* root or sub-buffer that was mapped */
};

struct mem_callback {
	struct mem_callback *next;
	void (CL_CALLBACK *function)(cl_mem mem, void *user);
	void *user;
};

struct _cl_mem {
	struct cl_object object;
	struct _cl_context *context;
	struct _cl_mem *parent; /* of a sub-buffer; never itself one */
	uint64_t offset, bytes;
	cl_mem_flags flags;
	void *host_ptr; /* as given, USE_HOST_PTR only */
	atomic_bool doomed; /* counted in nr_doomed of the context's devices */
	bool direct;	/* the host maps the card's memory itself: P2P_BUFFER, HOST_ONLY */

	pthread_mutex_t lock; /* root buffers: */
	struct storage *storage;
	uint32_t valid;	      /* devices whose copy is right, by bit; 0 and !host_valid: nobody has written yet */
	bool host_valid;      /* the host side is right, and no device's */
	void *host;	      /* host side of a buffer that is not direct: host_ptr, or memory of ours when it was mapped */
	bool host_own;
	struct mapping *mappings;
	struct mem_callback *callbacks;
};

struct _cl_mem *mem_root(struct _cl_mem *mem);
/* There is card memory for it on that device of its context. */
cl_int mem_allocate(struct _cl_mem *mem, uint32_t device);
/* The same, and what the buffer holds is there. @write: the device's copy becomes the only right one. */
cl_int mem_use(struct _cl_mem *mem, uint32_t device, bool write, uint32_t *bo);
/* Host side of a whole root buffer, made when there is none yet; of a direct one, its map. NULL: cannot be had */
void *mem_host(struct _cl_mem *root, uint32_t device);
/* Hold @handle if it is a buffer of @context; *error says why not. */
struct _cl_mem *mem_hold(const void *handle, const struct _cl_context *context, cl_int *error);
/* clCreateBuffer without memory: not published yet */
struct _cl_mem *mem_new(struct _cl_context *context, cl_mem_flags flags, uint64_t bytes);
/* @offset + @bytes lies in @mem, and is not empty. */
bool mem_inside(const struct _cl_mem *mem, uint64_t offset, uint64_t bytes);

/* ---- program.c, kernel.c ---- */

struct cu {
	char name[SMARTSSD_NAME_LEN]; /* "kernel:cu" */
	uint64_t base;
	uint32_t nr_args, kernel; /* @kernel: its first CU */
};

/* What an xclbin has in it, as the device says. */
struct design {
	uint8_t uuid[16];
	uint32_t nr_cus;
	struct cu cus[SMARTSSD_MAX_CUS];
	struct smartssd_arg_info *args[SMARTSSD_MAX_CUS]; /* of each kernel's first CU */
};

struct program_device {
	struct _cl_device_id *device;
	void *binary;
	size_t bytes;
	struct design *design; /* NULL: not loaded */
	char options[256];
};

struct _cl_program {
	struct cl_object object;
	struct _cl_context *context;
	pthread_mutex_t lock; /* options, nr_kernels */
	uint32_t nr_kernels;  /* cl_kernels made of it */
	uint32_t nr;
	struct program_device *devices;
};

struct kernel_arg {
	bool set;
	uint64_t value;
	struct _cl_mem *mem; /* not held: @serial says whether it is still the same */
	uint64_t serial;
};

struct _cl_kernel {
	struct cl_object object;
	struct _cl_program *program;
	char name[SMARTSSD_NAME_LEN];
	uint64_t mask[16];     /* compute units, by device of the program */
	const struct design *design; /* of the first device that has it */
	uint32_t first_cu;
	uint32_t nr_args;
	const struct smartssd_arg_info *info;
	pthread_mutex_t lock;
	struct kernel_arg args[SMARTSSD_MAX_ARGS];
};

/* A kernel with its arguments as they were when it was enqueued. */
struct run {
	struct _cl_kernel *kernel;
	uint64_t mask;
	uint8_t uuid[16];
	uint32_t nr;
	struct {
		struct _cl_mem *mem;
		uint64_t value;
		uint32_t index;
		bool reads_only;
	} args[];
};

#include "cl_api.h"

#endif
