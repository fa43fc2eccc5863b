// SPDX-License-Identifier: BSD-2-Clause
/* Contexts: which devices share objects, and whom to tell what went wrong. */
#include <stdarg.h>
#include <stdio.h>
#include "cl_impl.h"

void context_destroy(void *object)
{
	struct _cl_context *context = object;

	free(context->devices);
	free(context->properties);
}

int context_device(const struct _cl_context *context, const struct _cl_device_id *device)
{
	for (uint32_t i = 0; i < context->nr_devices; i++)
		if (context->devices[i] == device)
			return (int)i;
	return -1;
}

bool be_verbose(void)
{
	const char *verbose = getenv("SMARTSSD_VERBOSE");

	return verbose && *verbose && strcmp(verbose, "0");
}

void context_notify(struct _cl_context *context, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (context->notify)
		context->notify(text, NULL, 0, context->notify_user);
	if (be_verbose())
		fprintf(stderr, "smartssd-opencl: %s\n", text);
}

static cl_int check_properties(const cl_context_properties *p, size_t *nr)
{
	bool platform = false, sync = false;

	*nr = 0;
	if (!p)
		return CL_SUCCESS;
	for (; p[*nr]; *nr += 2) {
		bool *seen = p[*nr] == CL_CONTEXT_PLATFORM ? &platform : p[*nr] == CL_CONTEXT_INTEROP_USER_SYNC ? &sync : NULL;

		if (!seen || *seen)
			return CL_INVALID_PROPERTY;
		*seen = true;
		if (seen == &platform && !platform_is((void *)p[*nr + 1]))
			return CL_INVALID_PLATFORM;
	}
	*nr += 1;
	return CL_SUCCESS;
}

cl_context CL_API_CALL ocl_CreateContext(const cl_context_properties *properties, cl_uint nr, const cl_device_id *devices,
					 void (CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user, cl_int *errcode)
{
	struct _cl_context *context;
	cl_int ret;
	size_t n;

	ret = check_properties(properties, &n);
	if (ret)
		return create_result(errcode, ret, NULL);
	if (!devices || !nr || (!notify && user))
		return create_result(errcode, CL_INVALID_VALUE, NULL);
	context = object_new(KIND_CONTEXT);
	if (!context)
		return create_result(errcode, CL_OUT_OF_HOST_MEMORY, NULL);
	/* Devices are never destroyed, so they need not be held. One that is named twice is there once. */
	for (cl_uint i = 0; !ret && i < nr; i++) {
		struct _cl_device_id *device = object_hold(KIND_DEVICE, devices[i]), **more;

		if (!device) {
			ret = CL_INVALID_DEVICE;
			break;
		}
		object_put(device);
		if (context_device(context, device) >= 0)
			continue;
		more = realloc(context->devices, (context->nr_devices + 1) * sizeof(*more));
		if (!more) {
			ret = CL_OUT_OF_HOST_MEMORY;
			break;
		}
		context->devices = more;
		context->devices[context->nr_devices++] = device;
	}
	if (!ret && n) {
		context->properties = malloc(n * sizeof(*properties));
		context->nr_properties = n;
		if (context->properties)
			memcpy(context->properties, properties, n * sizeof(*properties));
		else
			ret = CL_OUT_OF_HOST_MEMORY;
	}
	context->notify = notify;
	context->notify_user = user;
	if (ret)
		object_put(context);
	else
		object_publish(context);
	return create_result(errcode, ret, context);
}

cl_context CL_API_CALL ocl_CreateContextFromType(const cl_context_properties *properties, cl_device_type type,
						 void (CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user,
						 cl_int *errcode)
{
	cl_device_id devices[16];
	cl_uint nr = 0;
	cl_int ret;
	size_t n;

	ret = check_properties(properties, &n);
	if (!ret && !notify && user)
		ret = CL_INVALID_VALUE;
	if (!ret)
		ret = ocl_GetDeviceIDs(NULL, type, ARRAY_SIZE(devices), devices, &nr);
	if (ret)
		return create_result(errcode, ret, NULL);
	return ocl_CreateContext(properties, nr, devices, notify, user, errcode);
}

cl_int CL_API_CALL ocl_RetainContext(cl_context handle)
{
	return object_retain(KIND_CONTEXT, handle, CL_INVALID_CONTEXT);
}

cl_int CL_API_CALL ocl_ReleaseContext(cl_context handle)
{
	return object_release(KIND_CONTEXT, handle, CL_INVALID_CONTEXT);
}

cl_int CL_API_CALL ocl_GetContextInfo(cl_context handle, cl_context_info param, size_t room, void *out, size_t *used)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);
	const struct info info = { room, out, used };
	cl_int ret;

	if (!context)
		return CL_INVALID_CONTEXT;
	switch (param) {
	case CL_CONTEXT_REFERENCE_COUNT:
		ret = info_value(&info, cl_uint, object_users(context));
		break;
	case CL_CONTEXT_NUM_DEVICES:
		ret = info_value(&info, cl_uint, context->nr_devices);
		break;
	case CL_CONTEXT_DEVICES:
		ret = info_bytes(&info, context->devices, context->nr_devices * sizeof(cl_device_id));
		break;
	case CL_CONTEXT_PROPERTIES:
		ret = info_bytes(&info, context->properties, context->nr_properties * sizeof(cl_context_properties));
		break;
	default:
		ret = CL_INVALID_VALUE;
	}
	object_put(context);
	return ret;
}

cl_int CL_API_CALL ocl_GetSupportedImageFormats(cl_context handle, cl_mem_flags flags, cl_mem_object_type type, cl_uint room, cl_image_format *out,
						cl_uint *nr)
{
	struct _cl_context *context = object_hold(KIND_CONTEXT, handle);

	(void)flags, (void)type;
	if (!context)
		return CL_INVALID_CONTEXT;
	object_put(context);
	if (out && !room)
		return CL_INVALID_VALUE;
	if (nr)
		*nr = 0; /* no images */
	return CL_SUCCESS;
}
