// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is reached by name: the loader's entries, and the vendor's extension functions, which are exported as well, for programs that link with
 * them.
 */
#include "cl_impl.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint nr, cl_platform_id *out, cl_uint *nr_out);
cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint nr, cl_platform_id *out, cl_uint *nr_out)
{
	return ocl_GetPlatformIDs(nr, out, nr_out);
}

/* ---- a buffer as a file descriptor ---- */

/* Of the device that has the right contents; the first one that has it at all when nobody has written yet. */
static int exporting_device(struct _cl_mem *root)
{
	if (root->valid)
		return __builtin_ctz(root->valid);
	for (uint32_t i = 0; i < root->context->nr_devices; i++)
		if (root->storage[i].bo.bo)
			return (int)i;
	return -1;
}

static cl_int export(struct _cl_mem *mem, int *fd)
{
	uint32_t bo;
	int device;
	cl_int ret;

	pthread_mutex_lock(&mem->lock);
	device = exporting_device(mem);
	pthread_mutex_unlock(&mem->lock);
	if (device < 0) {
		context_notify(mem->context, "xclGetMemObjectFd: the buffer is on none of the context's %u cards yet: use it on one of them first",
			       mem->context->nr_devices);
		return CL_INVALID_MEM_OBJECT;
	}
	/* What the host has put there goes along; and somebody else may write to it from now on. */
	ret = mem_use(mem, (uint32_t)device, true, &bo);
	if (!ret && smartssd_bo_export(mem->context->devices[device]->dev, bo, fd))
		ret = CL_INVALID_MEM_OBJECT;
	return ret;
}

EXPORT cl_int CL_API_CALL xclGetMemObjectFd(cl_mem handle, int *fd)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, handle);
	cl_int ret;

	if (!mem)
		return CL_INVALID_MEM_OBJECT;
	if (!fd)
		ret = CL_INVALID_VALUE;
	else if (mem->parent)
		ret = CL_INVALID_MEM_OBJECT; /* a descriptor is of a whole buffer */
	else
		ret = export(mem, fd);
	object_put(mem);
	return ret;
}

static cl_int import(struct _cl_context *context, struct _cl_device_id *d, cl_mem_flags flags, int fd, struct _cl_mem **out)
{
	int device = context_device(context, d), ret;
	uint64_t bytes;
	struct _cl_mem *mem;
	uint32_t bo;

	if (device < 0)
		return CL_INVALID_DEVICE;
	ret = smartssd_bo_import(d->dev, fd, &bo, &bytes);
	if (ret) {
		context_notify(context, "xclGetMemObjectFromFd: descriptor %d is no buffer that %s can import: %s", fd, d->uri, strerror(-ret));
		return CL_INVALID_MEM_OBJECT;
	}
	mem = mem_new(context, flags & 0x7fffffff, bytes);
	if (!mem) {
		smartssd_bo_destroy(d->dev, bo);
		return CL_OUT_OF_HOST_MEMORY;
	}
	mem->storage[device].bo.bo = bo;
	mem->storage[device].bo.bytes = bytes;
	mem->valid = 1u << device;
	object_publish(mem);
	*out = mem;
	return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL xclGetMemObjectFromFd(cl_context handle, cl_device_id device, cl_mem_flags flags, int fd, cl_mem *out)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	struct _cl_device_id *d = object_hold(KIND_DEVICE, device);
	cl_int ret;

	if (!context || !out || fd < 0)
		ret = CL_INVALID_VALUE;
	else if (!d)
		ret = CL_INVALID_DEVICE;
	else
		ret = import(context, d, flags, fd, out);
	if (d)
		object_put(d);
	if (context)
		object_put(context);
	return ret;
}

/* Where it lies in card memory. */
EXPORT cl_int CL_API_CALL xclGetMemObjDeviceAddress(cl_mem handle, cl_device_id device, size_t bytes, void *address)
{
	struct _cl_mem *mem = object_hold(KIND_MEM, handle), *root;
	struct _cl_device_id *d = object_hold(KIND_DEVICE, device);
	cl_int ret = CL_SUCCESS;
	uint64_t at = 0;
	int index;

	if (!mem) {
		ret = CL_INVALID_MEM_OBJECT;
	} else if (!d) {
		ret = CL_INVALID_DEVICE;
	} else if (!address || bytes != sizeof(uintptr_t)) {
		ret = CL_INVALID_VALUE;
	} else {
		root = mem_root(mem);
		index = context_device(root->context, d);
		pthread_mutex_lock(&root->lock);
		/* An imported buffer's address is its exporter's affair. */
		if (index < 0 || !root->storage[index].bo.bo || !root->storage[index].bo.size)
			ret = CL_INVALID_MEM_OBJECT;
		else
			at = root->storage[index].bo.address + mem->offset;
		pthread_mutex_unlock(&root->lock);
		if (!ret)
			*(uintptr_t *)address = at;
	}
	if (d)
		object_put(d);
	if (mem)
		object_put(mem);
	return ret;
}

/* ---- compute units ---- */

/* Memory bank of each argument: the one there is, or none for a scalar. */
static cl_int connections(const struct _cl_kernel *kernel, const struct info *info)
{
	cl_ulong banks[SMARTSSD_MAX_ARGS];

	for (uint32_t i = 0; i < kernel->nr_args; i++)
		banks[i] = kernel->info[i].kind == SMARTSSD_ARG_GLOBAL ? 0 : ~(cl_ulong)0;
	return info_bytes(info, banks, kernel->nr_args * sizeof(banks[0]));
}

EXPORT cl_int CL_API_CALL xclGetComputeUnitInfo(cl_kernel handle, cl_uint unit, xcl_compute_unit_info param, size_t room, void *out, size_t *used)
{
	struct _cl_kernel *kernel = object_hold(KIND_KERNEL, handle);
	const struct info info = { room, out, used };
	uint64_t mask = 0;
	uint32_t index;
	cl_int ret = CL_INVALID_VALUE;

	if (!kernel)
		return CL_INVALID_KERNEL;
	for (uint32_t i = 0; i < kernel->program->nr && !mask; i++)
		mask = kernel->mask[i];
	if (unit < (cl_uint)__builtin_popcountll(mask)) {
		while (unit--)
			mask &= mask - 1;
		index = (uint32_t)__builtin_ctzll(mask);
		switch (param) {
		case XCL_COMPUTE_UNIT_NAME: /* without the kernel's */
			ret = info_text(&info, kernel->design->cus[index].name + strcspn(kernel->design->cus[index].name, ":") + 1);
			break;
		case XCL_COMPUTE_UNIT_INDEX:
			ret = info_value(&info, cl_uint, index);
			break;
		case XCL_COMPUTE_UNIT_BASE_ADDRESS:
			ret = info_value(&info, size_t, kernel->design->cus[index].base);
			break;
		case XCL_COMPUTE_UNIT_CONNECTIONS:
			ret = connections(kernel, &info);
			break;
		default:
			break;
		}
	}
	object_put(kernel);
	return ret;
}

/* ---- by name ---- */

#define NAMED(function) { #function, (void (*)(void))function }

EXPORT void *CL_API_CALL clGetExtensionFunctionAddress(const char *name);
void *CL_API_CALL clGetExtensionFunctionAddress(const char *name)
{
	static const struct {
		const char *name;
		void (*function)(void);
	} functions[] = {
		NAMED(clIcdGetPlatformIDsKHR), NAMED(xclGetMemObjectFd),     NAMED(xclGetMemObjectFromFd),
		NAMED(xclGetComputeUnitInfo),  NAMED(xclGetMemObjDeviceAddress),
		{ "clGetPlatformInfo", (void (*)(void))ocl_GetPlatformInfo }, /* the loader wants it before it has a handle */
	};
	void *address;

	for (size_t i = 0; name && i < ARRAY_SIZE(functions); i++) {
		if (!strcmp(name, functions[i].name)) {
			memcpy(&address, &functions[i].function, sizeof(address));
			return address;
		}
	}
	return NULL;
}

void *CL_API_CALL ocl_GetExtensionFunctionAddress(const char *name)
{
	return clGetExtensionFunctionAddress(name);
}

void *CL_API_CALL ocl_GetExtensionFunctionAddressForPlatform(cl_platform_id platform, const char *name)
{
	return platform_is(platform) ? clGetExtensionFunctionAddress(name) : NULL;
}
