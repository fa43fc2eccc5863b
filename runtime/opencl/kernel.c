// SPDX-License-Identifier: BSD-2-Clause
/* Kernels: a name, the compute units that are to run it, and its arguments. */
#include <stdio.h>
#include "cl_impl.h"

void kernel_destroy(void *object)
{
	struct _cl_kernel *kernel = object;
	struct _cl_program *program = kernel->program;

	pthread_mutex_lock(&program->lock);
	program->nr_kernels--;
	pthread_mutex_unlock(&program->lock);
	pthread_mutex_destroy(&kernel->lock);
	object_put(program);
}

/* ---- create ---- */

/* Is @name, of @length, one of "a,b,c" (up to '}')? */
static bool listed(const char *list, const char *name, size_t length)
{
	while (*list && *list != '}') {
		size_t n = strcspn(list, ",}");

		if (n == length && !strncmp(list, name, length))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* Compute units of kernel @name; @units NULL: all. */
static uint64_t find_units(const struct design *design, const char *name, size_t length, const char *units, uint32_t *first)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < design->nr_cus; i++) {
		const char *full = design->cus[i].name, *unit = full + length + 1;

		if (strncmp(full, name, length) || full[length] != ':')
			continue;
		if (units && !listed(units, unit, strlen(unit)))
			continue;
		mask |= 1ull << i;
		*first = design->cus[i].kernel;
	}
	return mask;
}

/* "name:{a,b}": how many units are named? -1: it is not of that form. */
static int count_units(const char *units)
{
	int n = 0;

	while (*units && *units != '}') {
		size_t length = strcspn(units, ",}");

		if (!length)
			return -1;
		n++;
		units += length + (units[length] == ',');
	}
	return units[0] == '}' && !units[1] ? n : -1;
}

static bool same_args(const struct _cl_kernel *kernel, const struct design *design, uint32_t first)
{
	if (design->cus[first].nr_args != kernel->nr_args)
		return false;
	for (uint32_t i = 0; i < kernel->nr_args; i++)
		if (design->args[first][i].kind != kernel->info[i].kind || design->args[first][i].bytes != kernel->info[i].bytes)
			return false;
	return true;
}

static void say_what_there_is(const struct _cl_program *program, const char *name)
{
	char text[1500];
	size_t used = 0;

	text[0] = 0;
	for (uint32_t d = 0; d < program->nr; d++)
		for (uint32_t i = 0; i < program->devices[d].design->nr_cus && used < sizeof(text) - SMARTSSD_NAME_LEN - 3; i++) {
			const char *unit = program->devices[d].design->cus[i].name;

			if (!strstr(text, unit))
				used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "", unit);
		}
	context_notify(program->context, "clCreateKernel: the xclbin has no \"%.200s\". It has (kernel:compute unit): %s", name, used ? text : "none");
}

static cl_int find(struct _cl_kernel *kernel, const char *text)
{
	struct _cl_program *program = kernel->program;
	size_t length = strcspn(text, ":");
	const char *units = NULL;
	int wanted = 0;

	if (text[length]) {
		units = text + length + 2;
		wanted = text[length + 1] == '{' ? count_units(units) : -1;
	}
	if (!length || length >= sizeof(kernel->name) || wanted < 0 || (units && !wanted))
		return CL_INVALID_KERNEL_NAME;
	memcpy(kernel->name, text, length);
	for (uint32_t i = 0; i < program->nr; i++) {
		const struct design *design = program->devices[i].design;
		uint32_t first = 0;

		kernel->mask[i] = find_units(design, text, length, units, &first);
		if (!kernel->mask[i] || (units && __builtin_popcountll(kernel->mask[i]) != wanted)) {
			kernel->mask[i] = 0;
			continue;
		}
		if (!kernel->design) {
			kernel->design = design;
			kernel->first_cu = first;
			kernel->nr_args = design->cus[first].nr_args;
			kernel->info = design->args[first];
		} else if (!same_args(kernel, design, first)) {
			return CL_INVALID_KERNEL_DEFINITION;
		}
	}
	return kernel->design ? CL_SUCCESS : CL_INVALID_KERNEL_NAME;
}

static cl_int create(struct _cl_program *program, const char *name, struct _cl_kernel **out)
{
	struct _cl_kernel *kernel = *out = object_new(KIND_KERNEL);
	cl_int ret;

	if (!kernel)
		return CL_OUT_OF_HOST_MEMORY;
	pthread_mutex_init(&kernel->lock, NULL);
	kernel->program = program;
	object_get(program);
	pthread_mutex_lock(&program->lock);
	program->nr_kernels++;
	pthread_mutex_unlock(&program->lock);
	ret = find(kernel, name);
	if (ret == CL_INVALID_KERNEL_NAME)
		say_what_there_is(program, name);
	if (ret)
		object_put(kernel);
	else
		object_publish(kernel);
	return ret;
}

cl_kernel CL_API_CALL ocl_CreateKernel(cl_program handle, const char *name, cl_int *errcode)
{
	struct _cl_program *program = object_hold(KIND_PROGRAM, handle);
	struct _cl_kernel *kernel = NULL;
	cl_int ret;

	if (!program)
		return create_result(errcode, CL_INVALID_PROGRAM, NULL);
	ret = name ? create(program, name, &kernel) : CL_INVALID_VALUE;
	object_put(program);
	return create_result(errcode, ret, kernel);
}

cl_int CL_API_CALL ocl_CreateKernelsInProgram(cl_program handle, cl_uint room, cl_kernel *out, cl_uint *nr_out)
{
	struct _cl_program *program = object_hold(KIND_PROGRAM, handle);
	const struct design *design;
	cl_int ret = CL_SUCCESS;
	cl_uint nr = 0, made = 0;

	if (!program)
		return CL_INVALID_PROGRAM;
	design = program->devices[0].design;
	for (uint32_t i = 0; i < design->nr_cus; i++)
		nr += design->cus[i].kernel == i;
	if (out && room < nr)
		ret = CL_INVALID_VALUE;
	for (uint32_t i = 0; out && !ret && i < design->nr_cus; i++) {
		char name[SMARTSSD_NAME_LEN];

		if (design->cus[i].kernel != i)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(design->cus[i].name, ":"), design->cus[i].name);
		ret = create(program, name, &out[made]);
		made += !ret;
	}
	while (ret && made)
		object_release(KIND_KERNEL, out[--made], CL_SUCCESS);
	if (!ret && nr_out)
		*nr_out = nr;
	object_put(program);
	return ret;
}

cl_int CL_API_CALL ocl_RetainKernel(cl_kernel handle)
{
	return object_retain(KIND_KERNEL, handle, CL_INVALID_KERNEL);
}

cl_int CL_API_CALL ocl_ReleaseKernel(cl_kernel handle)
{
	return object_release(KIND_KERNEL, handle, CL_INVALID_KERNEL);
}

/* ---- arguments ---- */

/* Bytes of the C type, which may be fewer than the register has. */
static size_t type_bytes(const struct smartssd_arg_info *info)
{
	const char *type = (const char *)info->type;

	if (strstr(type, "char") || strstr(type, "int8") || strstr(type, "ool"))
		return 1;
	if (strstr(type, "short") || strstr(type, "int16"))
		return 2;
	return info->bytes;
}

static cl_int set_buffer(struct _cl_kernel *kernel, cl_uint index, size_t bytes, const void *value)
{
	struct kernel_arg arg = { .set = true };
	struct _cl_mem *mem;
	cl_mem handle;
	cl_int ret;

	if (bytes != sizeof(cl_mem))
		return CL_INVALID_ARG_SIZE;
	handle = value ? *(const cl_mem *)value : NULL;
	if (!handle) {
		context_notify(kernel->program->context, "clSetKernelArg: argument %u of %s is a pointer, and a card has no null pointers: give it a buffer",
			       index, kernel->name);
		return CL_INVALID_ARG_VALUE;
	}
	mem = mem_hold(handle, kernel->program->context, &ret);
	if (!mem)
		return CL_INVALID_MEM_OBJECT;
	arg.mem = mem;
	arg.serial = mem->object.serial;
	pthread_mutex_lock(&kernel->lock);
	kernel->args[index] = arg;
	pthread_mutex_unlock(&kernel->lock);
	object_put(mem);
	return CL_SUCCESS;
}

static cl_int set_arg(struct _cl_kernel *kernel, cl_uint index, size_t bytes, const void *value)
{
	const struct smartssd_arg_info *info;
	struct kernel_arg arg = { .set = true };

	if (index >= kernel->nr_args) {
		context_notify(kernel->program->context, "clSetKernelArg: %s has %u arguments, there is no number %u", kernel->name, kernel->nr_args, index);
		return CL_INVALID_ARG_INDEX;
	}
	info = &kernel->info[index];
	if (info->kind == SMARTSSD_ARG_GLOBAL)
		return set_buffer(kernel, index, bytes, value);
	if (!value)
		return CL_INVALID_ARG_VALUE;
	if (bytes != info->bytes && bytes != type_bytes(info)) {
		context_notify(kernel->program->context, "clSetKernelArg: argument %u of %s, %s %s, has %zu bytes, not %zu", index, kernel->name,
			       (const char *)info->type, (const char *)info->name, type_bytes(info), bytes);
		return CL_INVALID_ARG_SIZE;
	}
	memcpy(&arg.value, value, bytes); /* little-endian */
	pthread_mutex_lock(&kernel->lock);
	kernel->args[index] = arg;
	pthread_mutex_unlock(&kernel->lock);
	return CL_SUCCESS;
}

cl_int CL_API_CALL ocl_SetKernelArg(cl_kernel handle, cl_uint index, size_t bytes, const void *value)
{
	struct _cl_kernel *kernel = object_hold(KIND_KERNEL, handle);
	cl_int ret;

	if (!kernel)
		return CL_INVALID_KERNEL;
	ret = set_arg(kernel, index, bytes, value);
	object_put(kernel);
	return ret;
}

/* ---- information ---- */

static cl_int get_bases(const struct _cl_kernel *kernel, const struct info *info)
{
	size_t bases[SMARTSSD_MAX_CUS], nr = 0;
	uint64_t mask = 0;

	for (uint32_t i = 0; i < kernel->program->nr && !mask; i++)
		mask = kernel->mask[i];
	for (; mask; mask &= mask - 1)
		bases[nr++] = kernel->design->cus[__builtin_ctzll(mask)].base;
	return info_bytes(info, bases, nr * sizeof(bases[0]));
}

static cl_int get_info(struct _cl_kernel *kernel, cl_kernel_info param, const struct info *info)
{
	uint64_t mask = 0;

	switch (param) {
	case CL_KERNEL_FUNCTION_NAME:
		return info_text(info, kernel->name);
	case CL_KERNEL_NUM_ARGS:
		return info_value(info, cl_uint, kernel->nr_args);
	case CL_KERNEL_REFERENCE_COUNT:
		return info_value(info, cl_uint, object_users(kernel));
	case CL_KERNEL_CONTEXT:
		return info_value(info, cl_context, kernel->program->context);
	case CL_KERNEL_PROGRAM:
		return info_value(info, cl_program, kernel->program);
	case CL_KERNEL_ATTRIBUTES:
		return info_text(info, "");
	case CL_KERNEL_COMPUTE_UNIT_COUNT:
		for (uint32_t i = 0; i < kernel->program->nr && !mask; i++)
			mask = kernel->mask[i];
		return info_value(info, cl_uint, (cl_uint)__builtin_popcountll(mask));
	case CL_KERNEL_INSTANCE_BASE_ADDRESS:
		return get_bases(kernel, info);
	default:
		return CL_INVALID_VALUE;
	}
}

cl_int CL_API_CALL ocl_GetKernelInfo(cl_kernel handle, cl_kernel_info param, size_t room, void *out, size_t *used)
{
	struct _cl_kernel *kernel = object_hold(KIND_KERNEL, handle);
	const struct info info = { room, out, used };
	cl_int ret;

	if (!kernel)
		return CL_INVALID_KERNEL;
	ret = get_info(kernel, param, &info);
	object_put(kernel);
	return ret;
}

static cl_int get_arg_info(const struct smartssd_arg_info *arg, cl_kernel_arg_info param, const struct info *info)
{
	const char *type = (const char *)arg->type;
	bool global = arg->kind == SMARTSSD_ARG_GLOBAL;

	switch (param) {
	case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
		return info_value(info, cl_kernel_arg_address_qualifier, global ? CL_KERNEL_ARG_ADDRESS_GLOBAL : CL_KERNEL_ARG_ADDRESS_PRIVATE);
	case CL_KERNEL_ARG_ACCESS_QUALIFIER:
		return info_value(info, cl_kernel_arg_access_qualifier, CL_KERNEL_ARG_ACCESS_NONE);
	case CL_KERNEL_ARG_TYPE_NAME:
		return info_text(info, !strncmp(type, "const ", 6) ? type + 6 : type);
	case CL_KERNEL_ARG_TYPE_QUALIFIER:
		return info_value(info, cl_kernel_arg_type_qualifier, global && strstr(type, "const ") ? CL_KERNEL_ARG_TYPE_CONST : CL_KERNEL_ARG_TYPE_NONE);
	case CL_KERNEL_ARG_NAME:
		return info_text(info, (const char *)arg->name);
	case CL_KERNEL_ARG_OFFSET:
		return info_value(info, size_t, arg->offset);
	default:
		return CL_INVALID_VALUE;
	}
}

cl_int CL_API_CALL ocl_GetKernelArgInfo(cl_kernel handle, cl_uint index, cl_kernel_arg_info param, size_t room, void *out, size_t *used)
{
	struct _cl_kernel *kernel = object_hold(KIND_KERNEL, handle);
	const struct info info = { room, out, used };
	cl_int ret = CL_INVALID_ARG_INDEX;

	if (!kernel)
		return CL_INVALID_KERNEL;
	if (index < kernel->nr_args)
		ret = get_arg_info(&kernel->info[index], param, &info);
	object_put(kernel);
	return ret;
}

static cl_int get_work_group_info(cl_kernel_work_group_info param, const struct info *info)
{
	const size_t none[3] = { 0, 0, 0 };
	size_t most;

	switch (param) {
	case CL_KERNEL_COMPILE_WORK_GROUP_SIZE:
		return info_bytes(info, none, sizeof(none));
	case CL_KERNEL_WORK_GROUP_SIZE: /* as the device's: a work-group is one run, whatever its size */
		most = 4096;
		return info_value(info, size_t, most);
	case CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE:
		return info_value(info, size_t, 1);
	case CL_KERNEL_LOCAL_MEM_SIZE:
	case CL_KERNEL_PRIVATE_MEM_SIZE:
		return info_value(info, cl_ulong, 0);
	default: /* CL_KERNEL_GLOBAL_WORK_SIZE too: for built-in kernels and custom devices only */
		return CL_INVALID_VALUE;
	}
}

cl_int CL_API_CALL ocl_GetKernelWorkGroupInfo(cl_kernel handle, cl_device_id device, cl_kernel_work_group_info param, size_t room, void *out, size_t *used)
{
	struct _cl_kernel *kernel = object_hold(KIND_KERNEL, handle);
	const struct info info = { room, out, used };
	bool known = false;
	cl_int ret;

	if (!kernel)
		return CL_INVALID_KERNEL;
	for (uint32_t i = 0; i < kernel->program->nr; i++)
		known |= device ? kernel->program->devices[i].device == device : kernel->program->nr == 1;
	ret = known ? get_work_group_info(param, &info) : CL_INVALID_DEVICE;
	object_put(kernel);
	return ret;
}
