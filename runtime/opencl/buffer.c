// SPDX-License-Identifier: BSD-2-Clause
/*
 * Buffers. A buffer has memory on a device of its context from its creation on (one device), or from its first use there. Which copy is right is
 * known when a command starts: then what the device lacks is brought there, from the host side or from another card.
 */
#include <sys/mman.h>
#include <unistd.h>
#include "cl_impl.h"

#define EXT_FLAG ((cl_mem_flags)1 << 31) /* CL_MEM_EXT_PTR_XILINX, which as an int sets all bits above it, too */
#define ACCESS	 (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY)
#define HOST	 (CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)
#define HOST_ACCESS (CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS)
#define COLLECT_TRIES 1000 /* a millisecond each */
#define EXT_BANKS 0x00ffffffu
#define EXT_TOPOLOGY 0x80000000u /* XCL_MEM_TOPOLOGY, which is not defined for an int */

struct _cl_mem *mem_root(struct _cl_mem *mem)
{
	return mem->parent ? mem->parent : mem;
}

bool mem_inside(const struct _cl_mem *mem, uint64_t offset, uint64_t bytes)
{
	return bytes && offset < mem->bytes && bytes <= mem->bytes - offset;
}

struct _cl_mem *mem_hold(const void *handle, const struct _cl_context *context, cl_int *error)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, handle);

	*error = CL_SUCCESS;
	if (!mem) {
		*error = CL_INVALID_MEM_OBJECT;
	} else if (mem->context != context) {
		object_put(mem);
		mem = NULL;
		*error = CL_INVALID_CONTEXT;
	}
	return mem;
}

/* ---- memory ---- */

static cl_int allocate(struct _cl_mem *root, uint32_t device)
{
	struct storage *s = &root->storage[device];
	int ret;

	if (s->bo.bo)
		return CL_SUCCESS;
	ret = smartssd_bo_create(root->context->devices[device]->dev, root->bytes, &s->bo);
	if (ret)
		s->bo.bo = 0;
	if (ret == -EBUSY) /* as many as a card can have */
		ret = -ENOMEM;
	return status_of_errno(ret);
}

cl_int mem_allocate(struct _cl_mem *mem, uint32_t device)
{
	struct _cl_mem *root = mem_root(mem);
	cl_int ret;

	pthread_mutex_lock(&root->lock);
	ret = allocate(root, device);
	pthread_mutex_unlock(&root->lock);
	return ret;
}

/* One copy over the whole buffer, now. */
static cl_int run_copy(struct _cl_mem *root, uint32_t device, uint32_t peer, const void *host)
{
	uint32_t bo = root->storage[device].bo.bo;
	struct smartssd_list *list;
	int ret;

	if (smartssd_list_create(&list))
		return CL_OUT_OF_HOST_MEMORY;
	ret = host ? smartssd_list_copy_to(list, bo, 0, host, root->bytes) : smartssd_list_copy_bo(list, bo, 0, peer, 0, root->bytes);
	if (ret >= 0)
		ret = engine_run_now(root->context->devices[device], list);
	smartssd_list_destroy(list);
	return status_of_errno(ret);
}

/* The buffer of device @from, as one of @device. */
static cl_int import_peer(struct _cl_mem *root, uint32_t device, uint32_t from, uint32_t *bo)
{
	struct storage *s = &root->storage[device];
	uint64_t bytes;
	int fd, ret;

	if (!s->peers)
		s->peers = calloc(root->context->nr_devices, sizeof(*s->peers));
	if (!s->peers)
		return CL_OUT_OF_HOST_MEMORY;
	if (!s->peers[from]) {
		ret = smartssd_bo_export(root->context->devices[from]->dev, root->storage[from].bo.bo, &fd);
		if (ret)
			return status_of_errno(ret);
		ret = smartssd_bo_import(root->context->devices[device]->dev, fd, &s->peers[from], &bytes);
		close(fd);
		if (ret) {
			s->peers[from] = 0;
			return status_of_errno(ret);
		}
	}
	*bo = s->peers[from];
	return CL_SUCCESS;
}

cl_int mem_use(struct _cl_mem *mem, uint32_t device, bool write, uint32_t *bo)
{
	struct _cl_mem *root = mem_root(mem);
	uint32_t bit = 1u << device, peer = 0;
	cl_int ret;

	pthread_mutex_lock(&root->lock);
	ret = allocate(root, device);
	if (!ret && root->host_valid) {
		ret = run_copy(root, device, 0, root->host);
		if (!ret) {
			root->host_valid = false;
			root->valid = bit;
		}
	} else if (!ret && root->valid && !(root->valid & bit)) {
		ret = import_peer(root, device, (uint32_t)__builtin_ctz(root->valid), &peer);
		if (!ret)
			ret = run_copy(root, device, peer, NULL);
		if (!ret)
			root->valid |= bit;
	}
	if (!ret && write)
		root->valid = bit;
	*bo = root->storage[device].bo.bo;
	pthread_mutex_unlock(&root->lock);
	return ret;
}

void *mem_host(struct _cl_mem *root, uint32_t device)
{
	struct storage *s = &root->storage[device];
	void *at = NULL;

	pthread_mutex_lock(&root->lock);
	if (root->direct) {
		if (!allocate(root, device) && !s->map && smartssd_bo_map(root->context->devices[device]->dev, &s->bo, &s->map))
			s->map = NULL;
		at = s->map;
	} else {
		if (!root->host) {
			at = mmap(NULL, root->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
			root->host = at == MAP_FAILED ? NULL : at;
			root->host_own = root->host;
		}
		at = root->host;
	}
	pthread_mutex_unlock(&root->lock);
	return at;
}

static void free_storage(struct _cl_mem *root)
{
	for (uint32_t i = 0; root->storage && i < root->context->nr_devices; i++) {
		struct smartssd_device *dev = root->context->devices[i]->dev;
		struct storage *s = &root->storage[i];

		for (uint32_t j = 0; s->peers && j < root->context->nr_devices; j++)
			if (s->peers[j])
				smartssd_bo_destroy(dev, s->peers[j]);
		free(s->peers);
		if (s->map)
			smartssd_bo_unmap(dev, &s->bo, s->map);
		if (s->bo.bo)
			smartssd_bo_destroy(dev, s->bo.bo);
	}
	free(root->storage);
}

/* A sub-buffer that goes while it is mapped takes its mappings along: a later one at its address has none of them. */
static void drop_mappings(struct _cl_mem *mem)
{
	struct _cl_mem *root = mem_root(mem);
	struct mapping **p = &root->mappings, *m;

	pthread_mutex_lock(&root->lock);
	while ((m = *p)) {
		if (m->mem == mem || mem == root) {
			*p = m->next;
			free(m);
		} else {
			p = &m->next;
		}
	}
	pthread_mutex_unlock(&root->lock);
}

/* Nobody but commands has it from now on (1), and it is gone (-1). */
static void doom(struct _cl_mem *mem, int by)
{
	for (uint32_t i = 0; i < mem->context->nr_devices; i++)
		atomic_fetch_add(&mem->context->devices[i]->nr_doomed, (unsigned int)by);
}

void mem_destroy(void *object)
{
	struct _cl_mem *mem = object;
	struct mem_callback *c;

	while ((c = mem->callbacks)) {
		mem->callbacks = c->next;
		c->function(mem, c->user);
		free(c);
	}
	drop_mappings(mem);
	free_storage(mem);
	if (mem->host_own)
		munmap(mem->host, mem->bytes);
	if (mem->parent)
		object_put(mem->parent);
	if (atomic_load(&mem->doomed))
		doom(mem, -1);
	pthread_mutex_destroy(&mem->lock);
	object_put(mem->context);
}

struct _cl_mem *mem_new(struct _cl_context *context, cl_mem_flags flags, uint64_t bytes)
{
	struct _cl_mem *mem = object_new(KIND_MEM);

	if (!mem)
		return NULL;
	pthread_mutex_init(&mem->lock, NULL);
	object_get(context);
	mem->context = context;
	mem->flags = flags;
	mem->bytes = bytes;
	mem->storage = calloc(context->nr_devices, sizeof(*mem->storage));
	if (!mem->storage) {
		object_put(mem);
		return NULL;
	}
	return mem;
}

/* ---- create ---- */

static bool one_bit(cl_mem_flags flags)
{
	return !(flags & (flags - 1));
}

static cl_int check_flags(cl_mem_flags flags)
{
	if (flags & ~(cl_mem_flags)(ACCESS | HOST | HOST_ACCESS) || !one_bit(flags & ACCESS) || !one_bit(flags & HOST_ACCESS))
		return CL_INVALID_VALUE;
	if (flags & CL_MEM_USE_HOST_PTR && flags & (CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR))
		return CL_INVALID_VALUE;
	return CL_SUCCESS;
}

/* What the vendor's structure asks for: *@host_ptr and *@direct. */
static cl_int read_extension(struct _cl_context *context, const cl_mem_ext_ptr_t *ext, void **host_ptr, bool *direct)
{
	struct _cl_kernel *kernel;
	unsigned int bank = ext->flags & EXT_BANKS;
	cl_int ret = CL_SUCCESS;

	*host_ptr = ext->obj;
	*direct = ext->flags & (XCL_MEM_EXT_P2P_BUFFER | XCL_MEM_EXT_HOST_ONLY);
	if (ext->param) { /* for an argument of this kernel */
		kernel = object_hold(KIND_KERNEL, ext->param);
		if (!kernel)
			return CL_INVALID_KERNEL;
		if (bank >= kernel->nr_args || kernel->info[bank].kind != SMARTSSD_ARG_GLOBAL)
			ret = CL_INVALID_ARG_INDEX;
		object_put(kernel);
	} else if (ext->flags & EXT_TOPOLOGY ? bank != 0 : bank & ~(unsigned int)XCL_MEM_DDR_BANK0) {
		context_notify(context, "clCreateBuffer: there is no memory bank %s%#x on a SmartSSD: it has one, number 0",
			       ext->flags & EXT_TOPOLOGY ? "number " : "mask ", bank);
		ret = CL_INVALID_VALUE;
	}
	return ret;
}

static cl_int fill_in(struct _cl_mem *mem, void *host_ptr)
{
	struct _cl_device_id *d = mem->context->devices[0];
	bool single = mem->context->nr_devices == 1, more = true;
	cl_int ret = CL_SUCCESS;

	if (single) {
		ret = mem_allocate(mem, 0);
		/* Released buffers may be waiting for their last commands. Not for ever: a command may wait for what the caller does next. */
		for (int i = 0; more && ret == CL_MEM_OBJECT_ALLOCATION_FAILURE && i < COLLECT_TRIES; i++) {
			if (i)
				usleep(1000);
			more = engine_collect(d);
			ret = mem_allocate(mem, 0);
		}
	}
	if (ret)
		return ret;
	if (mem->flags & CL_MEM_USE_HOST_PTR) {
		mem->host_ptr = mem->host = host_ptr;
		mem->host_valid = true;
	} else if (mem->flags & CL_MEM_COPY_HOST_PTR && single) {
		ret = run_copy(mem, 0, 0, host_ptr);
		mem->valid = 1;
	} else if (mem->flags & CL_MEM_COPY_HOST_PTR) {
		bool direct = mem->direct;

		mem->direct = false;
		if (!mem_host(mem, 0))
			return CL_OUT_OF_HOST_MEMORY;
		memcpy(mem->host, host_ptr, mem->bytes);
		mem->host_valid = true;
		mem->direct = direct;
	}
	return ret;
}

static cl_int create(struct _cl_context *context, cl_mem_flags flags, size_t bytes, void *host_ptr, struct _cl_mem **out)
{
	cl_mem_flags plain = flags & EXT_FLAG ? flags & (EXT_FLAG - 1) : flags;
	uint64_t most = 0;
	bool direct = false;
	cl_int ret = check_flags(plain);

	if (!ret && flags & EXT_FLAG)
		ret = host_ptr ? read_extension(context, host_ptr, &host_ptr, &direct) : CL_INVALID_HOST_PTR;
	for (uint32_t i = 0; i < context->nr_devices; i++)
		if (context->devices[i]->ddr_bytes > most)
			most = context->devices[i]->ddr_bytes;
	if (!ret && (!bytes || bytes > most)) {
		if (bytes)
			context_notify(context, "clCreateBuffer: %zu bytes are more than the card's memory, %llu bytes", bytes,
				       (unsigned long long)most);
		ret = CL_INVALID_BUFFER_SIZE;
	}
	if (!ret && !host_ptr != !(plain & (CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR)))
		ret = CL_INVALID_HOST_PTR;
	if (!ret && direct && plain & CL_MEM_USE_HOST_PTR) /* its host side is the card's memory */
		ret = CL_INVALID_VALUE;
	if (ret)
		return ret;
	*out = mem_new(context, flags & EXT_FLAG ? plain | EXT_FLAG : plain, bytes);
	if (!*out)
		return CL_OUT_OF_HOST_MEMORY;
	(*out)->direct = direct;
	ret = fill_in(*out, host_ptr);
	if (ret == CL_MEM_OBJECT_ALLOCATION_FAILURE)
		context_notify(context, "clCreateBuffer: no %zu bytes of card memory are free in one piece: release buffers", bytes);
	if (ret)
		object_put(*out);
	else
		object_publish(*out);
	return ret;
}

cl_mem CL_API_CALL ocl_CreateBuffer(cl_context handle, cl_mem_flags flags, size_t bytes, void *host_ptr, cl_int *errcode)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	struct _cl_mem *mem = NULL;
	cl_int ret = CL_INVALID_CONTEXT;

	if (context) {
		ret = create(context, flags, bytes, host_ptr, &mem);
		object_put(context);
	}
	return create_result(errcode, ret, mem);
}

cl_mem CL_API_CALL ocl_CreateBufferWithProperties(cl_context context, const cl_mem_properties *properties, cl_mem_flags flags, size_t bytes,
						  void *host_ptr, cl_int *errcode)
{
	if (properties && properties[0])
		return create_result(errcode, CL_INVALID_PROPERTY, NULL);
	return ocl_CreateBuffer(context, flags, bytes, host_ptr, errcode);
}

/* What a sub-buffer does not say itself it has from its buffer; it may not allow more. */
static cl_int sub_flags(cl_mem_flags parent, cl_mem_flags *flags)
{
	cl_mem_flags f = *flags;

	if (f & ~(cl_mem_flags)(ACCESS | HOST_ACCESS) || !one_bit(f & ACCESS) || !one_bit(f & HOST_ACCESS))
		return CL_INVALID_VALUE;
	if ((parent & CL_MEM_WRITE_ONLY && f & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY)) ||
	    (parent & CL_MEM_READ_ONLY && f & (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY)) ||
	    (parent & CL_MEM_HOST_WRITE_ONLY && f & CL_MEM_HOST_READ_ONLY) || (parent & CL_MEM_HOST_READ_ONLY && f & CL_MEM_HOST_WRITE_ONLY) ||
	    (parent & CL_MEM_HOST_NO_ACCESS && f & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY)))
		return CL_INVALID_VALUE;
	if (!(f & ACCESS))
		f |= parent & ACCESS;
	if (!(f & HOST_ACCESS))
		f |= parent & HOST_ACCESS;
	*flags = f | (parent & HOST);
	return CL_SUCCESS;
}

static cl_int create_sub(struct _cl_mem *parent, cl_mem_flags flags, cl_buffer_create_type type, const cl_buffer_region *region, struct _cl_mem **out)
{
	bool aligned = false;
	cl_int ret;

	if (parent->parent)
		return CL_INVALID_MEM_OBJECT;
	ret = sub_flags(parent->flags, &flags);
	if (ret || type != CL_BUFFER_CREATE_TYPE_REGION || !region)
		return CL_INVALID_VALUE;
	if (!region->size)
		return CL_INVALID_BUFFER_SIZE;
	if (!mem_inside(parent, region->origin, region->size))
		return CL_INVALID_VALUE;
	for (uint32_t i = 0; i < parent->context->nr_devices; i++)
		aligned |= region->origin % parent->context->devices[i]->bo_align == 0;
	if (!aligned)
		return CL_MISALIGNED_SUB_BUFFER_OFFSET;
	*out = mem_new(parent->context, flags, region->size);
	if (!*out)
		return CL_OUT_OF_HOST_MEMORY;
	(*out)->parent = parent;
	object_get(parent);
	(*out)->offset = region->origin;
	(*out)->host_ptr = parent->host_ptr ? (char *)parent->host_ptr + region->origin : NULL;
	(*out)->direct = parent->direct;
	object_publish(*out);
	return CL_SUCCESS;
}

cl_mem CL_API_CALL ocl_CreateSubBuffer(cl_mem handle, cl_mem_flags flags, cl_buffer_create_type type, const void *region, cl_int *errcode)
{
	struct _cl_mem *parent = object_hold(KIND_MEM, handle), *mem = NULL;
	cl_int ret = CL_INVALID_MEM_OBJECT;

	if (parent) {
		ret = create_sub(parent, flags, type, region, &mem);
		object_put(parent);
	}
	return create_result(errcode, ret, mem);
}

/* ---- the rest ---- */

cl_int CL_API_CALL ocl_RetainMemObject(cl_mem handle)
{
	return object_retain(KIND_MEM, handle, CL_INVALID_MEM_OBJECT);
}

cl_int CL_API_CALL ocl_ReleaseMemObject(cl_mem handle)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, handle);
	cl_int ret;

	if (!mem)
		return CL_INVALID_MEM_OBJECT;
	ret = object_release(KIND_MEM, handle, CL_INVALID_MEM_OBJECT);
	/* Commands under way still have it: nobody may wait for them, and the card's memory is wanted back. */
	if (!ret && !object_users(mem) && atomic_load(&mem->object.refs) > 1) {
		if (!atomic_exchange(&mem->doomed, true))
			doom(mem, 1);
		for (uint32_t i = 0; i < mem->context->nr_devices; i++)
			engine_reap(mem->context->devices[i]);
	}
	object_put(mem);
	return ret;
}

cl_int CL_API_CALL ocl_SetMemObjectDestructorCallback(cl_mem handle, void (CL_CALLBACK *function)(cl_mem, void *), void *user)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, handle);
	struct mem_callback *c;

	if (!mem)
		return CL_INVALID_MEM_OBJECT;
	c = function ? malloc(sizeof(*c)) : NULL;
	if (c) {
		pthread_mutex_lock(&mem->lock);
		*c = (struct mem_callback){ mem->callbacks, function, user };
		mem->callbacks = c;
		pthread_mutex_unlock(&mem->lock);
	}
	object_put(mem);
	return c ? CL_SUCCESS : function ? CL_OUT_OF_HOST_MEMORY : CL_INVALID_VALUE;
}

static cl_uint map_count(struct _cl_mem *mem)
{
	struct _cl_mem *root = mem_root(mem);
	cl_uint n = 0;

	pthread_mutex_lock(&root->lock);
	for (struct mapping *m = root->mappings; m; m = m->next)
		n += m->mem == mem;
	pthread_mutex_unlock(&root->lock);
	return n;
}

static cl_int get_info(struct _cl_mem *mem, cl_mem_info param, const struct info *info)
{
	switch (param) {
	case CL_MEM_TYPE:
		return info_value(info, cl_mem_object_type, CL_MEM_OBJECT_BUFFER);
	case CL_MEM_FLAGS:
		return info_value(info, cl_mem_flags, mem->flags);
	case CL_MEM_SIZE:
		return info_value(info, size_t, mem->bytes);
	case CL_MEM_HOST_PTR:
		return info_value(info, void *, mem->host_ptr);
	case CL_MEM_MAP_COUNT:
		return info_value(info, cl_uint, map_count(mem));
	case CL_MEM_REFERENCE_COUNT:
		return info_value(info, cl_uint, object_users(mem));
	case CL_MEM_CONTEXT:
		return info_value(info, cl_context, mem->context);
	case CL_MEM_ASSOCIATED_MEMOBJECT:
		return info_value(info, cl_mem, mem->parent);
	case CL_MEM_OFFSET:
		return info_value(info, size_t, mem->offset);
	case CL_MEM_BANK:
		return info_value(info, int, 0);
	default:
		return CL_INVALID_VALUE;
	}
}

cl_int CL_API_CALL ocl_GetMemObjectInfo(cl_mem handle, cl_mem_info param, size_t room, void *out, size_t *used)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, handle);
	const struct info info = { room, out, used };
	cl_int ret;

	if (!mem)
		return CL_INVALID_MEM_OBJECT;
	ret = get_info(mem, param, &info);
	object_put(mem);
	return ret;
}
