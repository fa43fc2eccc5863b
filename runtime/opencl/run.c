// SPDX-License-Identifier: BSD-2-Clause
/*
 * Running kernels. An HLS kernel is one work-item, so one run is one work-group: clEnqueueTask runs once, clEnqueueNDRangeKernel once for each
 * work-group, on whichever compute units are free, without telling the kernel which one it is. Without a local size there is one work-group.
 */
#include "cl_impl.h"

#define PIECES	   1024u /* runs of one job */
#define MAX_ITEMS  4096u /* CL_DEVICE_MAX_WORK_GROUP_SIZE, CL_DEVICE_MAX_WORK_ITEM_SIZES */
#define TIMEOUT_MS 600000u

static uint32_t timeout_ms(void)
{
	static atomic_uint ms;
	unsigned int value = atomic_load(&ms);
	const char *text;

	if (!value) {
		text = getenv("SMARTSSD_RUN_TIMEOUT_MS");
		value = text ? (unsigned int)strtoul(text, NULL, 10) : 0;
		if (!value)
			value = TIMEOUT_MS;
		atomic_store(&ms, value);
	}
	return value;
}

static cl_int run_build(struct _cl_event *event, struct build *b)
{
	struct _cl_device_id *d = event->queue->device;
	struct run *run = event->run.run;
	struct smartssd_arg args[SMARTSSD_MAX_ARGS];
	uint64_t at = event->run.from;
	cl_int ret = CL_SUCCESS;

	/* program_lock is held: what is loaded now is there when the run is submitted. */
	if (!d->loaded || memcmp(d->uuid, run->uuid, sizeof(run->uuid)))
		return CL_INVALID_PROGRAM_EXECUTABLE;
	for (uint32_t i = 0; !ret && i < run->nr; i++) {
		struct _cl_mem *mem = run->args[i].mem;

		args[i] = (struct smartssd_arg){ .index = run->args[i].index, .value = run->args[i].value };
		if (!mem)
			continue;
		args[i].value = mem->offset;
		args[i].bytes = mem->bytes;
		ret = mem_use(mem, event->queue->device_index, !run->args[i].reads_only, &args[i].bo);
	}
	for (; !ret && at < event->run.groups && at - event->run.from < PIECES; at++)
		ret = build_put(b, smartssd_list_run(b->list, run->mask, args, run->nr, timeout_ms()));
	event->run.to = at;
	event->more = at < event->run.groups;
	return ret;
}

static void run_step(struct _cl_event *event)
{
	event->run.from = event->run.to;
}

static void run_release(struct _cl_event *event)
{
	struct run *run = event->run.run;

	if (!run)
		return;
	for (uint32_t i = 0; i < run->nr; i++)
		if (run->args[i].mem)
			object_put(run->args[i].mem);
	object_put(run->kernel);
	free(run);
}

static const struct command run_command = { run_build, run_step, run_release };

/* The buffer that was set as argument; NULL: it was released meanwhile. A new one at the same address is another one. */
static struct _cl_mem *hold_arg(const struct kernel_arg *arg)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, arg->mem);

	if (mem && mem->object.serial != arg->serial) {
		object_put(mem);
		mem = NULL;
	}
	return mem;
}

static cl_int take_arg(struct enqueue *e, const struct _cl_kernel *kernel, uint32_t index, const struct kernel_arg *arg, struct run *run)
{
	const struct smartssd_arg_info *info = &kernel->info[index];
	struct _cl_mem *mem = NULL;

	if (info->kind == SMARTSSD_ARG_BOUND)
		return CL_SUCCESS; /* the driver's */
	if (!arg->set) {
		return CL_INVALID_KERNEL_ARGS;
	} else if (info->kind == SMARTSSD_ARG_GLOBAL) {
		mem = hold_arg(arg);
		if (!mem)
			return CL_INVALID_KERNEL_ARGS;
	}
	run->args[run->nr].mem = mem;
	run->args[run->nr].value = arg->value;
	run->args[run->nr].index = index;
	run->args[run->nr].reads_only = mem && (mem->flags & CL_MEM_READ_ONLY || strstr((const char *)info->type, "const "));
	run->nr++;
	if (mem && mem->parent && mem->offset % e->queue->device->bo_align)
		return CL_MISALIGNED_SUB_BUFFER_OFFSET;
	return mem ? mem_allocate(mem, e->queue->device_index) : CL_SUCCESS;
}

/* The kernel as it is now goes into the event. */
static cl_int take_kernel(struct enqueue *e, cl_kernel handle)
{
	struct _cl_kernel *kernel = object_hold(KIND_KERNEL, handle);
	struct kernel_arg args[SMARTSSD_MAX_ARGS];
	struct _cl_program *program;
	struct run *run;
	cl_int ret = CL_INVALID_PROGRAM_EXECUTABLE;
	uint32_t index = 0;

	if (!kernel)
		return CL_INVALID_KERNEL;
	program = kernel->program;
	run = calloc(1, sizeof(*run) + kernel->nr_args * sizeof(run->args[0]));
	if (!run) {
		object_put(kernel);
		return CL_OUT_OF_HOST_MEMORY;
	}
	run->kernel = kernel;
	e->event->run.run = run; /* released with it */
	if (program->context != e->queue->context)
		return CL_INVALID_CONTEXT;
	for (uint32_t i = 0; i < program->nr; i++) {
		if (program->devices[i].device != e->queue->device || !kernel->mask[i])
			continue;
		run->mask = kernel->mask[i];
		memcpy(run->uuid, program->devices[i].design->uuid, sizeof(run->uuid));
		ret = CL_SUCCESS;
	}
	pthread_mutex_lock(&kernel->lock);
	memcpy(args, kernel->args, kernel->nr_args * sizeof(args[0]));
	pthread_mutex_unlock(&kernel->lock);
	for (; !ret && index < kernel->nr_args; index++)
		ret = take_arg(e, kernel, index, &args[index], run);
	if (ret == CL_INVALID_KERNEL_ARGS)
		context_notify(e->queue->context, "%s: argument %u, %s, is not set, or its buffer was released", kernel->name, index - 1,
			       (const char *)kernel->info[index - 1].name);
	return ret;
}

static cl_int enqueue_run(cl_command_queue queue, cl_kernel kernel, cl_command_type type, uint64_t groups, cl_int early, cl_uint nr,
			  const cl_event *list, cl_event *out)
{
	struct enqueue e;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, type, &run_command);
	if (ret)
		return ret;
	ret = take_kernel(&e, kernel);
	if (early && (!ret || ret != CL_INVALID_KERNEL))
		ret = early;
	if (ret)
		return enqueue_abort(&e, ret);
	e.event->run.groups = groups;
	return enqueue_commit(&e, false, out);
}

cl_int CL_API_CALL ocl_EnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint nr, const cl_event *list, cl_event *out)
{
	return enqueue_run(queue, kernel, CL_COMMAND_TASK, 1, CL_SUCCESS, nr, list, out);
}

/* How many work-groups? */
static cl_int count_groups(cl_uint dims, const size_t *offset, const size_t *global, const size_t *local, uint64_t *groups)
{
	uint64_t items = 1, sum;

	*groups = 1;
	if (dims < 1 || dims > 3)
		return CL_INVALID_WORK_DIMENSION;
	if (!global)
		return CL_INVALID_GLOBAL_WORK_SIZE;
	for (cl_uint i = 0; i < dims; i++) {
		if (!global[i])
			return CL_INVALID_GLOBAL_WORK_SIZE;
		if (offset && __builtin_add_overflow((uint64_t)offset[i], (uint64_t)global[i], &sum))
			return CL_INVALID_GLOBAL_OFFSET;
		if (!local)
			continue;
		if (local[i] > MAX_ITEMS)
			return CL_INVALID_WORK_ITEM_SIZE;
		if (!local[i] || global[i] % local[i])
			return CL_INVALID_WORK_GROUP_SIZE;
		items *= local[i];
		if (items > MAX_ITEMS)
			return CL_INVALID_WORK_GROUP_SIZE;
		if (__builtin_mul_overflow(*groups, (uint64_t)(global[i] / local[i]), groups))
			return CL_INVALID_GLOBAL_WORK_SIZE;
	}
	return CL_SUCCESS;
}

cl_int CL_API_CALL ocl_EnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset, const size_t *global,
					    const size_t *local, cl_uint nr, const cl_event *list, cl_event *out)
{
	uint64_t groups;
	cl_int ret = count_groups(dims, offset, global, local, &groups);

	return enqueue_run(queue, kernel, CL_COMMAND_NDRANGE_KERNEL, groups, ret, nr, list, out);
}
