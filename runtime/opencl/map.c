// SPDX-License-Identifier: BSD-2-Clause
/*
 * Map, unmap, migrate. A direct buffer (the vendor's P2P_BUFFER and HOST_ONLY) is mapped as it lies in the card, for loads, stores, pread and
 * pwrite. Any other has a host side, to which a map copies and from which an unmap of a written one copies back.
 */
#include "cl_impl.h"

#define WRITES (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)

/* Is the host side of this buffer behind the devices'? */
static bool host_is_old(struct _cl_mem *root)
{
	bool old;

	pthread_mutex_lock(&root->lock);
	old = !root->host_valid && root->valid;
	pthread_mutex_unlock(&root->lock);
	return old;
}

static cl_int map_build(struct _cl_event *event, struct build *b)
{
	struct _cl_mem *root = mem_root(event->map.mem);
	uint64_t at = event->map.offset;
	uint32_t bo;
	cl_int ret;

	if (root->direct)
		return mem_use(root, event->queue->device_index, event->map.flags & WRITES, &bo);
	if (event->map.flags & CL_MAP_WRITE_INVALIDATE_REGION || !host_is_old(root))
		return CL_SUCCESS;
	ret = mem_use(root, event->queue->device_index, false, &bo);
	return ret ? ret : build_put(b, smartssd_list_copy_from(b->list, (char *)root->host + at, bo, at, event->map.bytes));
}

static cl_int unmap_build(struct _cl_event *event, struct build *b)
{
	struct _cl_mem *root = mem_root(event->map.mem);
	uint64_t at = event->map.offset;
	bool host_valid;
	uint32_t bo;
	cl_int ret;

	pthread_mutex_lock(&root->lock);
	host_valid = root->host_valid;
	pthread_mutex_unlock(&root->lock);
	if (root->direct || host_valid || !(event->map.flags & WRITES))
		return CL_SUCCESS;
	ret = mem_use(root, event->queue->device_index, true, &bo);
	return ret ? ret : build_put(b, smartssd_list_copy_to(b->list, bo, at, (char *)root->host + at, event->map.bytes));
}

static void map_release(struct _cl_event *event)
{
	if (event->map.mem)
		object_put(event->map.mem);
}

static const struct command map_command = { map_build, NULL, map_release };
static const struct command unmap_command = { unmap_build, NULL, map_release };

/* Reading a file into the mapping will not work, and the system call will not say why. */
static void warn_of_no_peer(struct _cl_context *context, const struct _cl_device_id *d)
{
	if (d->features & SMARTSSD_FEATURE_USER_PEER && d->peer_reason == SMARTSSD_PEER_OK)
		return;
	context_notify(context,
		       "clEnqueueMapBuffer: pread() and pwrite() with O_DIRECT on this P2P buffer will fail: %s %s Without O_DIRECT, and by "
		       "clEnqueueWriteBuffer, data gets there through host memory",
		       d->peer_reason != SMARTSSD_PEER_OK ? smartssd_peer_reason_text(d->peer_reason) : "the driver does not map buffers for peer access.",
		       smartssd_peer_reason_remedy(d->peer_reason));
}

static bool good_map_flags(cl_map_flags flags)
{
	const cl_map_flags plain = CL_MAP_READ | CL_MAP_WRITE;

	return !(flags & ~(plain | CL_MAP_WRITE_INVALIDATE_REGION)) && !(flags & CL_MAP_WRITE_INVALIDATE_REGION && flags & plain);
}

static cl_int map(struct enqueue *e, cl_mem handle, cl_map_flags flags, size_t offset, size_t bytes, char **pointer, struct mapping **out)
{
	struct _cl_event *event = e->event;
	struct _cl_mem *mem, *root;
	char *host;
	cl_int ret;

	mem = mem_hold(handle, e->queue->context, &ret);
	if (!mem)
		return ret;
	event->map.mem = mem;
	root = mem_root(mem);
	if (!mem_inside(mem, offset, bytes) || !good_map_flags(flags))
		return CL_INVALID_VALUE;
	if (mem->parent && mem->offset % e->queue->device->bo_align)
		return CL_MISALIGNED_SUB_BUFFER_OFFSET;
	if ((mem->flags & (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS) && flags & CL_MAP_READ) ||
	    (mem->flags & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS) && flags & WRITES))
		return CL_INVALID_OPERATION;
	ret = mem_allocate(mem, e->queue->device_index);
	if (ret)
		return ret;
	host = mem_host(root, e->queue->device_index);
	if (!host)
		return CL_MAP_FAILURE;
	if (root->direct)
		warn_of_no_peer(e->queue->context, e->queue->device);
	event->map.offset = mem->offset + offset;
	event->map.bytes = bytes;
	event->map.flags = flags;
	*pointer = host + event->map.offset;
	*out = malloc(sizeof(**out));
	if (!*out)
		return CL_OUT_OF_HOST_MEMORY;
	**out = (struct mapping){ NULL, *pointer, event->map.offset, bytes, flags, mem };
	pthread_mutex_lock(&root->lock);
	(*out)->next = root->mappings;
	root->mappings = *out;
	pthread_mutex_unlock(&root->lock);
	return CL_SUCCESS;
}

/* Take the last mapping at @pointer out: false when there is none. */
static bool take_mapping(struct _cl_mem *mem, const void *pointer, struct mapping *out)
{
	struct _cl_mem *root = mem_root(mem);
	struct mapping **p, *m;

	pthread_mutex_lock(&root->lock);
	for (p = &root->mappings; (m = *p); p = &m->next)
		if (m->pointer == pointer && m->mem == mem)
			break;
	if (m)
		*p = m->next;
	pthread_mutex_unlock(&root->lock);
	if (!m)
		return false;
	*out = *m;
	free(m);
	return true;
}

void *CL_API_CALL ocl_EnqueueMapBuffer(cl_command_queue queue, cl_mem handle, cl_bool blocking, cl_map_flags flags, size_t offset, size_t bytes,
				       cl_uint nr, const cl_event *list, cl_event *out, cl_int *errcode)
{
	struct mapping *entry = NULL, gone;
	char *pointer = NULL;
	struct _cl_mem *mem;
	struct enqueue e;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, CL_COMMAND_MAP_BUFFER, &map_command);
	if (ret)
		return create_result(errcode, ret, NULL);
	ret = map(&e, handle, flags, offset, bytes, &pointer, &entry);
	if (ret)
		return create_result(errcode, enqueue_abort(&e, ret), NULL);
	mem = e.event->map.mem;
	object_get(mem);
	ret = enqueue_commit(&e, blocking, out);
	if (ret)
		take_mapping(mem, pointer, &gone);
	object_put(mem);
	return create_result(errcode, ret, pointer);
}

cl_int CL_API_CALL ocl_EnqueueUnmapMemObject(cl_command_queue queue, cl_mem handle, void *pointer, cl_uint nr, const cl_event *list, cl_event *out)
{
	struct mapping m;
	struct enqueue e;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, CL_COMMAND_UNMAP_MEM_OBJECT, &unmap_command);
	if (ret)
		return ret;
	e.event->map.mem = mem_hold(handle, e.queue->context, &ret);
	if (!ret && !take_mapping(e.event->map.mem, pointer, &m))
		ret = CL_INVALID_VALUE;
	if (ret)
		return enqueue_abort(&e, ret);
	e.event->map.offset = m.offset;
	e.event->map.bytes = m.bytes;
	e.event->map.flags = m.flags;
	return enqueue_commit(&e, false, out);
}

/* ---- migrate ---- */

/* Has the host a pointer that it may have written through since the device's copy was made? */
static bool host_may_be_newer(struct _cl_mem *root)
{
	bool newer;

	pthread_mutex_lock(&root->lock);
	newer = root->flags & CL_MEM_USE_HOST_PTR;
	for (struct mapping *m = root->mappings; m && !newer; m = m->next)
		newer = m->flags & WRITES;
	newer = newer && !root->host_valid;
	pthread_mutex_unlock(&root->lock);
	return newer;
}

/* Is there a host side at all? */
static bool has_host(struct _cl_mem *root)
{
	bool has;

	pthread_mutex_lock(&root->lock);
	has = !root->direct && root->host;
	pthread_mutex_unlock(&root->lock);
	return has;
}

static cl_int migrate_one(struct _cl_event *event, struct _cl_mem *mem, struct build *b)
{
	cl_mem_migration_flags flags = event->migrate.flags;
	bool to_host = flags & CL_MIGRATE_MEM_OBJECT_HOST, undefined = flags & CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
	struct _cl_mem *root = mem_root(mem);
	uint32_t device = event->queue->device_index, bo;
	bool host = has_host(root), push;
	char *at = host ? (char *)root->host + mem->offset : NULL;
	cl_int ret;

	if (undefined)
		return mem_allocate(mem, device);
	if (to_host) {
		if (!host || !host_is_old(root))
			return CL_SUCCESS;
		ret = mem_use(root, device, false, &bo);
		return ret ? ret : build_put(b, smartssd_list_copy_from(b->list, at, bo, mem->offset, mem->bytes));
	}
	/* Also when no device has anything yet: then what the host wrote is all there is. When its side is the right one, mem_use() brings all of it. */
	push = host && host_may_be_newer(root);
	ret = mem_use(root, device, push, &bo);
	return ret || !push ? ret : build_put(b, smartssd_list_copy_to(b->list, bo, mem->offset, at, mem->bytes));
}

static cl_int migrate_build(struct _cl_event *event, struct build *b)
{
	cl_int ret = CL_SUCCESS;

	for (uint32_t i = 0; !ret && i < event->migrate.nr; i++)
		ret = migrate_one(event, event->migrate.mems[i], b);
	return ret;
}

static void migrate_release(struct _cl_event *event)
{
	while (event->migrate.nr)
		object_put(event->migrate.mems[--event->migrate.nr]);
	free(event->migrate.mems);
}

static const struct command migrate_command = { migrate_build, NULL, migrate_release };

cl_int CL_API_CALL ocl_EnqueueMigrateMemObjects(cl_command_queue queue, cl_uint nr_mems, const cl_mem *mems, cl_mem_migration_flags flags, cl_uint nr,
						const cl_event *list, cl_event *out)
{
	struct _cl_event *event;
	struct enqueue e;
	cl_int ret;

	ret = enqueue_begin(&e, queue, nr, list, CL_COMMAND_MIGRATE_MEM_OBJECTS, &migrate_command);
	if (ret)
		return ret;
	event = e.event;
	if (!nr_mems || !mems || nr_mems > SMARTSSD_MAX_CMDS ||
	    flags & ~(cl_mem_migration_flags)(CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED))
		return enqueue_abort(&e, CL_INVALID_VALUE);
	event->migrate.flags = flags;
	event->migrate.mems = malloc(nr_mems * sizeof(*event->migrate.mems));
	if (!event->migrate.mems)
		return enqueue_abort(&e, CL_OUT_OF_HOST_MEMORY);
	for (cl_uint i = 0; !ret && i < nr_mems; i++) {
		struct _cl_mem *mem = mem_hold(mems[i], e.queue->context, &ret);

		if (!mem)
			break;
		event->migrate.mems[event->migrate.nr++] = mem;
		ret = mem_allocate(mem, e.queue->device_index);
	}
	return ret ? enqueue_abort(&e, ret) : enqueue_commit(&e, false, out);
}
