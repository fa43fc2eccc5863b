// SPDX-License-Identifier: BSD-2-Clause
/* Programs: an xclbin for each device, loaded when the program is made, and what is in it. */
#include <stdio.h>
#include "cl_impl.h"

#define XCLBIN_MAGIC	 "xclbin2" /* with its zero */
#define XCLBIN_LENGTH_AT 304	   /* of the file, in the header */

static void design_free(struct design *design)
{
	for (uint32_t i = 0; design && i < SMARTSSD_MAX_CUS; i++)
		free(design->args[i]);
	free(design);
}

void program_destroy(void *object)
{
	struct _cl_program *program = object;

	for (uint32_t i = 0; i < program->nr; i++) {
		design_free(program->devices[i].design);
		free(program->devices[i].binary);
	}
	free(program->devices);
	pthread_mutex_destroy(&program->lock);
	object_put(program->context);
}

/* ---- loading ---- */

static int read_args(struct smartssd_device *dev, uint32_t index, struct cu *cu, struct smartssd_arg_info **out)
{
	*out = calloc(cu->nr_args + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (uint32_t i = 0; i < cu->nr_args; i++) {
		int ret = smartssd_arg_info(dev, index, i, &(*out)[i]);

		if (ret)
			return ret;
	}
	return 0;
}

/* program_lock held: what is loaded stays. */
static int read_design(struct smartssd_device *dev, struct design **out)
{
	struct design *design = *out = calloc(1, sizeof(*design));
	struct smartssd_query query;
	struct smartssd_cu_info info;
	int ret;

	if (!design)
		return -ENOMEM;
	ret = smartssd_query(dev, &query);
	if (ret)
		return ret;
	memcpy(design->uuid, query.uuid, sizeof(design->uuid));
	design->nr_cus = query.nr_cus;
	for (uint32_t i = 0; i < query.nr_cus; i++) {
		struct cu *cu = &design->cus[i];
		size_t length;

		ret = smartssd_cu_info(dev, i, &info);
		if (ret)
			return ret;
		memcpy(cu->name, info.name, sizeof(cu->name));
		cu->name[sizeof(cu->name) - 1] = 0;
		cu->base = info.base;
		cu->nr_args = info.nr_args < SMARTSSD_MAX_ARGS ? info.nr_args : SMARTSSD_MAX_ARGS;
		length = strcspn(cu->name, ":");
		cu->kernel = i;
		for (uint32_t j = 0; j < i && cu->kernel == i; j++)
			if (!strncmp(design->cus[j].name, cu->name, length) && design->cus[j].name[length] == ':')
				cu->kernel = j;
		if (cu->kernel == i)
			ret = read_args(dev, i, cu, &design->args[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static const char *load_error(int error)
{
	switch (error) {
	case -EPERM:
		return "loading an xclbin takes CAP_SYS_ADMIN; have the administrator load it once (smartssd xclbin load), then everybody may use it";
	case -EBUSY:
		return "commands are in flight on the card, or a compute unit hangs: finish them, then load";
	case -EBADMSG:
		return "it is no well-formed xclbin; `smartssd xclbin info FILE` says where it breaks";
	case -EOPNOTSUPP:
		return "it is not for this card: packed for another platform, or with a control protocol other than ap_ctrl_hs and ap_ctrl_chain";
	case -EIO:
		return "the card refused the bitstream; no xclbin is loaded now";
	case -EINVAL:
		return "it is empty or too large";
	default:
		return strerror(-error);
	}
}

/* Does the header make sense? A driver knows what is loaded already by its UUID, and then does not look at the rest. */
static bool has_header(const struct program_device *p)
{
	uint64_t length;

	if (p->bytes < XCLBIN_LENGTH_AT + sizeof(length) || memcmp(p->binary, XCLBIN_MAGIC, sizeof(XCLBIN_MAGIC)))
		return false;
	memcpy(&length, (const char *)p->binary + XCLBIN_LENGTH_AT, sizeof(length));
	return length > XCLBIN_LENGTH_AT && length <= p->bytes;
}

static cl_int load(struct _cl_context *context, struct program_device *p)
{
	struct _cl_device_id *d = p->device;
	int ret;

	pthread_rwlock_wrlock(&d->program_lock);
	ret = has_header(p) ? smartssd_xclbin_load(d->dev, p->binary, p->bytes) : -EBADMSG;
	if (ret)
		d->loaded = d->loaded && ret != -EIO && ret != -ENODEV;
	else
		ret = read_design(d->dev, &p->design);
	if (!ret) {
		memcpy(d->uuid, p->design->uuid, sizeof(d->uuid));
		d->loaded = true;
	}
	pthread_rwlock_unlock(&d->program_lock);
	if (!ret)
		return CL_SUCCESS;
	context_notify(context, "clCreateProgramWithBinary: the xclbin of %zu bytes cannot be loaded on %s: %s", p->bytes, d->uri, load_error(ret));
	switch (ret) {
	case -EBADMSG:
	case -EOPNOTSUPP:
	case -EINVAL:
	case -EIO:
		return CL_INVALID_BINARY;
	case -ENOMEM:
		return CL_OUT_OF_HOST_MEMORY;
	case -ENODEV:
		return CL_DEVICE_NOT_AVAILABLE;
	default:
		return CL_OUT_OF_RESOURCES;
	}
}

static cl_int fill_in(struct _cl_program *program, cl_uint nr, const cl_device_id *devices, const size_t *lengths, const unsigned char **binaries,
		      cl_int *status)
{
	cl_int ret = CL_SUCCESS;

	program->devices = calloc(nr, sizeof(*program->devices));
	if (!program->devices)
		return CL_OUT_OF_HOST_MEMORY;
	for (cl_uint i = 0; i < nr; i++) {
		struct _cl_device_id *d = object_hold(KIND_DEVICE, devices[i]);

		if (!d || context_device(program->context, d) < 0)
			ret = CL_INVALID_DEVICE;
		for (cl_uint j = 0; j < i; j++)
			if (devices[j] == devices[i])
				ret = CL_INVALID_DEVICE;
		if (d)
			object_put(d);
		if (ret)
			return ret;
	}
	for (cl_uint i = 0; i < nr; i++) {
		bool empty = !lengths[i] || !binaries[i];

		if (status)
			status[i] = empty ? CL_INVALID_VALUE : CL_SUCCESS;
		if (empty)
			ret = CL_INVALID_VALUE;
	}
	if (ret)
		return ret;
	/* All of them, also behind one that fails: the caller is told about each. */
	for (cl_uint i = 0; i < nr; i++) {
		struct program_device *p = &program->devices[program->nr++];
		cl_int loaded = CL_OUT_OF_HOST_MEMORY;

		p->device = devices[i];
		p->bytes = lengths[i];
		p->binary = malloc(lengths[i]);
		if (p->binary) {
			memcpy(p->binary, binaries[i], lengths[i]);
			loaded = load(program->context, p);
		}
		if (status)
			status[i] = loaded;
		if (!ret)
			ret = loaded;
	}
	return ret;
}

cl_program CL_API_CALL ocl_CreateProgramWithBinary(cl_context handle, cl_uint nr, const cl_device_id *devices, const size_t *lengths,
						   const unsigned char **binaries, cl_int *status, cl_int *errcode)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	struct _cl_program *program;
	cl_int ret;

	if (!context)
		return create_result(errcode, CL_INVALID_CONTEXT, NULL);
	if (!nr || !devices || !lengths || !binaries) {
		object_put(context);
		return create_result(errcode, CL_INVALID_VALUE, NULL);
	}
	program = object_new(KIND_PROGRAM);
	if (!program) {
		object_put(context);
		return create_result(errcode, CL_OUT_OF_HOST_MEMORY, NULL);
	}
	pthread_mutex_init(&program->lock, NULL);
	program->context = context;
	ret = fill_in(program, nr, devices, lengths, binaries, status);
	if (ret)
		object_put(program);
	else
		object_publish(program);
	return create_result(errcode, ret, program);
}

cl_program CL_API_CALL ocl_CreateProgramWithSource(cl_context handle, cl_uint nr, const char **texts, const size_t *lengths, cl_int *errcode)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	cl_int ret = CL_INVALID_OPERATION;

	(void)lengths;
	if (!context)
		return create_result(errcode, CL_INVALID_CONTEXT, NULL);
	if (!nr || !texts)
		ret = CL_INVALID_VALUE;
	else
		context_notify(context, "clCreateProgramWithSource: there is no OpenCL C compiler for an FPGA here; pack an xclbin (smartssd xclbin "
					"pack) and use clCreateProgramWithBinary");
	object_put(context);
	return create_result(errcode, ret, NULL);
}

/* ---- build: nothing is left to be done ---- */

static struct program_device *find_device(struct _cl_program *program, const void *device)
{
	for (uint32_t i = 0; i < program->nr; i++)
		if (program->devices[i].device == device)
			return &program->devices[i];
	return NULL;
}

static cl_int build(struct _cl_program *program, cl_uint nr, const cl_device_id *devices, const char *options)
{
	cl_int ret = CL_SUCCESS;

	for (cl_uint i = 0; i < nr; i++)
		if (!find_device(program, devices[i]))
			return CL_INVALID_DEVICE;
	pthread_mutex_lock(&program->lock);
	if (program->nr_kernels)
		ret = CL_INVALID_OPERATION;
	for (uint32_t i = 0; !ret && i < program->nr; i++)
		snprintf(program->devices[i].options, sizeof(program->devices[i].options), "%s", options ? options : "");
	pthread_mutex_unlock(&program->lock);
	return ret;
}

cl_int CL_API_CALL ocl_BuildProgram(cl_program handle, cl_uint nr, const cl_device_id *devices, const char *options,
				    void (CL_CALLBACK *notify)(cl_program, void *), void *user)
{
	struct _cl_program *program = object_hold(KIND_PROGRAM, handle);
	cl_int ret;

	if (!program)
		return CL_INVALID_PROGRAM;
	if (!nr != !devices || (!notify && user))
		ret = CL_INVALID_VALUE;
	else
		ret = build(program, nr, devices, options);
	if (!ret && notify)
		notify(program, user);
	object_put(program);
	return ret;
}

cl_int CL_API_CALL ocl_CompileProgram(cl_program handle, cl_uint nr, const cl_device_id *devices, const char *options, cl_uint nr_headers,
				      const cl_program *headers, const char **names, void (CL_CALLBACK *notify)(cl_program, void *), void *user)
{
	struct _cl_program *program = object_hold(KIND_PROGRAM, handle);

	(void)options, (void)headers, (void)names;
	if (!program)
		return CL_INVALID_PROGRAM;
	object_put(program);
	if (!nr != !devices || (!notify && user) || !nr_headers != !headers || !nr_headers != !names)
		return CL_INVALID_VALUE;
	return CL_INVALID_OPERATION; /* it has no source */
}

cl_int CL_API_CALL ocl_UnloadCompiler(void)
{
	return CL_SUCCESS;
}

cl_int CL_API_CALL ocl_UnloadPlatformCompiler(cl_platform_id platform)
{
	return platform_is(platform) ? CL_SUCCESS : CL_INVALID_PLATFORM;
}

cl_int CL_API_CALL ocl_RetainProgram(cl_program handle)
{
	return object_retain(KIND_PROGRAM, handle, CL_INVALID_PROGRAM);
}

cl_int CL_API_CALL ocl_ReleaseProgram(cl_program handle)
{
	return object_release(KIND_PROGRAM, handle, CL_INVALID_PROGRAM);
}

/* ---- information ---- */

/* Names of the kernels of all devices, with ';' between them; their number. */
static uint32_t kernel_names(const struct _cl_program *program, char **text)
{
	size_t room = (size_t)program->nr * SMARTSSD_MAX_CUS * SMARTSSD_NAME_LEN + 1, used = 0;
	uint32_t nr = 0;
	char *out = *text = calloc(1, room);

	for (uint32_t d = 0; out && d < program->nr; d++) {
		const struct design *design = program->devices[d].design;

		for (uint32_t i = 0; i < design->nr_cus; i++) {
			char name[SMARTSSD_NAME_LEN + 2];
			bool seen = design->cus[i].kernel != i;

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(design->cus[i].name, ":"), design->cus[i].name);
			for (const char *p = out; !seen && p && *p; p = strchr(p, ';') ? strchr(p, ';') + 1 : NULL)
				seen = !strncmp(p, name, strlen(name)) && (p[strlen(name)] == ';' || !p[strlen(name)]);
			if (!seen)
				used += (size_t)snprintf(out + used, room - used, "%s%s", nr++ ? ";" : "", name);
		}
	}
	return nr;
}

static cl_int get_binaries(const struct _cl_program *program, const struct info *info)
{
	void **to = info->out;

	if (info->out && info->room < program->nr * sizeof(void *))
		return CL_INVALID_VALUE;
	for (uint32_t i = 0; to && i < program->nr; i++)
		if (to[i])
			memcpy(to[i], program->devices[i].binary, program->devices[i].bytes);
	if (info->used)
		*info->used = program->nr * sizeof(void *);
	return CL_SUCCESS;
}

static cl_int get_list(const struct _cl_program *program, cl_program_info param, const struct info *info)
{
	size_t sizes[16];
	cl_device_id devices[16];

	for (uint32_t i = 0; i < program->nr && i < 16; i++) {
		sizes[i] = program->devices[i].bytes;
		devices[i] = program->devices[i].device;
	}
	if (param == CL_PROGRAM_DEVICES)
		return info_bytes(info, devices, program->nr * sizeof(devices[0]));
	return info_bytes(info, sizes, program->nr * sizeof(sizes[0]));
}

static cl_int get_names(const struct _cl_program *program, cl_program_info param, const struct info *info)
{
	char *text;
	uint32_t nr = kernel_names(program, &text);
	cl_int ret;

	if (!text)
		return CL_OUT_OF_HOST_MEMORY;
	ret = param == CL_PROGRAM_NUM_KERNELS ? info_value(info, size_t, nr) : info_text(info, text);
	free(text);
	return ret;
}

cl_int CL_API_CALL ocl_GetProgramInfo(cl_program handle, cl_program_info param, size_t room, void *out, size_t *used)
{
	struct _cl_program *program = object_hold(KIND_PROGRAM, handle);
	const struct info info = { room, out, used };
	cl_int ret;

	if (!program)
		return CL_INVALID_PROGRAM;
	switch (param) {
	case CL_PROGRAM_REFERENCE_COUNT:
		ret = info_value(&info, cl_uint, object_users(program));
		break;
	case CL_PROGRAM_CONTEXT:
		ret = info_value(&info, cl_context, program->context);
		break;
	case CL_PROGRAM_NUM_DEVICES:
		ret = info_value(&info, cl_uint, program->nr);
		break;
	case CL_PROGRAM_DEVICES:
	case CL_PROGRAM_BINARY_SIZES:
		ret = get_list(program, param, &info);
		break;
	case CL_PROGRAM_SOURCE:
		ret = info_text(&info, "");
		break;
	case CL_PROGRAM_BINARIES:
		ret = get_binaries(program, &info);
		break;
	case CL_PROGRAM_NUM_KERNELS:
	case CL_PROGRAM_KERNEL_NAMES:
		ret = get_names(program, param, &info);
		break;
	default:
		ret = CL_INVALID_VALUE;
	}
	object_put(program);
	return ret;
}

cl_int CL_API_CALL ocl_GetProgramBuildInfo(cl_program handle, cl_device_id device, cl_program_build_info param, size_t room, void *out, size_t *used)
{
	struct _cl_program *program = object_hold(KIND_PROGRAM, handle);
	const struct info info = { room, out, used };
	const struct program_device *p;
	cl_int ret = CL_INVALID_DEVICE;

	if (!program)
		return CL_INVALID_PROGRAM;
	p = find_device(program, device);
	pthread_mutex_lock(&program->lock);
	if (p) {
		switch (param) {
		case CL_PROGRAM_BUILD_STATUS:
			ret = info_value(&info, cl_build_status, CL_BUILD_SUCCESS);
			break;
		case CL_PROGRAM_BUILD_OPTIONS:
			ret = info_text(&info, p->options);
			break;
		case CL_PROGRAM_BUILD_LOG:
			ret = info_text(&info, ""); /* a program that could not be loaded is not there to be asked: see the context's callback */
			break;
		case CL_PROGRAM_BINARY_TYPE:
			ret = info_value(&info, cl_program_binary_type, CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
			break;
		case CL_PROGRAM_TARGET_TYPE:
			ret = info_value(&info, cl_program_target_type,
					 p->device->features & SMARTSSD_FEATURE_EMULATED ? CL_PROGRAM_TARGET_TYPE_SW_EMU : CL_PROGRAM_TARGET_TYPE_HW);
			break;
		default:
			ret = CL_INVALID_VALUE;
		}
	}
	pthread_mutex_unlock(&program->lock);
	object_put(program);
	return ret;
}
