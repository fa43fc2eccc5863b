// SPDX-License-Identifier: BSD-2-Clause
/*
 * The platform and its devices. Which cards: $SMARTSSD_DEVICE (one URI, or several with spaces between them), else every /dev/smartssdN, else one
 * embedded card, which is said once on standard error. They are opened when the devices are first asked for, and stay open.
 */
#include <glob.h>
#include <stdio.h>
#include "cl_impl.h"

#define PLATFORM_NAME "Xilinx" /* what host programs look for */
/* What the vendor's stack calls the SmartSSD's shell, and host programs look for, too. */
#define DEVICE_NAME	"xilinx_u2_gen3x4_xdma_gc_2_202110_1"
#define DEVICE_VENDOR	"smartssd project, on libsmartssd"
#define PLATFORM_ABOUT	"OpenCL 1.2 libsmartssd-opencl (open SmartSSD stack, not the vendor's XRT)"
#define MAX_WORK_GROUP	4096

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct _cl_platform_id *platform;
static bool devices_open;

static bool open_device(struct _cl_platform_id *p, const char *uri)
{
	struct _cl_device_id *device;
	struct smartssd_query query;
	struct smartssd_error err = { "" };

	if (p->nr_devices == ARRAY_SIZE(p->devices))
		return false;
	device = object_new(KIND_DEVICE);
	if (!device)
		return false;
	if (smartssd_open(uri, &device->dev, &err) || smartssd_query(device->dev, &query) || engine_init(device)) {
		fprintf(stderr, "smartssd-opencl: %s: %s\n", uri, err.text[0] ? err.text : "the card does not answer, or there is no memory");
		smartssd_close(device->dev);
		object_put(device);
		return false;
	}
	device->ddr_bytes = query.ddr_bytes;
	device->features = query.features;
	device->pci = query.pci;
	device->peer_reason = query.peer_reason;
	device->bo_align = query.bo_align;
	device->max_jobs = query.max_jobs;
	snprintf(device->uri, sizeof(device->uri), "%s", smartssd_uri(device->dev));
	if (be_verbose())
		fprintf(stderr, "smartssd-opencl: device %u is %s\n", p->nr_devices, device->uri);
	object_publish(device);
	p->devices[p->nr_devices++] = device;
	return true;
}

static void open_devices(struct _cl_platform_id *p)
{
	const char *env = getenv("SMARTSSD_DEVICE");
	glob_t found = { 0 };
	char *copy, *rest, *uri;
	size_t i;

	if (env && env[strspn(env, " ")]) {
		rest = copy = strdup(env);
		while (copy && (uri = strsep(&rest, " ")))
			if (*uri)
				open_device(p, uri);
		free(copy);
	} else if (!glob("/dev/smartssd[0-9]*", 0, NULL, &found)) {
		for (i = 0; i < found.gl_pathc; i++)
			open_device(p, found.gl_pathv[i]);
		globfree(&found);
	} else if (open_device(p, "emu:")) {
		fprintf(stderr, "smartssd-opencl: no /dev/smartssdN here: device 0 is an embedded card (emu:), emulated in this process\n");
	}
}

struct _cl_platform_id *platform_get(bool devices)
{
	struct _cl_platform_id *p;

	pthread_mutex_lock(&open_lock);
	if (!platform) {
		platform = object_new(KIND_PLATFORM);
		if (platform)
			object_publish(platform);
	}
	p = platform;
	if (p && devices && !devices_open) {
		open_devices(p);
		devices_open = true;
	}
	pthread_mutex_unlock(&open_lock);
	return p;
}

bool platform_is(const void *handle)
{
	bool is;

	pthread_mutex_lock(&open_lock);
	is = platform && handle == platform;
	pthread_mutex_unlock(&open_lock);
	return is;
}

cl_int CL_API_CALL ocl_GetPlatformIDs(cl_uint nr, cl_platform_id *out, cl_uint *nr_out)
{
	struct _cl_platform_id *p;

	if ((out && !nr) || (!out && !nr_out))
		return CL_INVALID_VALUE;
	p = platform_get(false);
	if (!p)
		return CL_OUT_OF_HOST_MEMORY;
	if (out)
		out[0] = p;
	if (nr_out)
		*nr_out = 1;
	return CL_SUCCESS;
}

cl_int CL_API_CALL ocl_GetPlatformInfo(cl_platform_id handle, cl_platform_info param, size_t room, void *out, size_t *used)
{
	const struct info info = { room, out, used };
	const char *name;

	if (handle && !platform_is(handle))
		return CL_INVALID_PLATFORM;
	switch (param) {
	case CL_PLATFORM_PROFILE:
		return info_text(&info, "EMBEDDED_PROFILE");
	case CL_PLATFORM_VERSION:
		return info_text(&info, PLATFORM_ABOUT);
	case CL_PLATFORM_NAME:
		name = getenv("SMARTSSD_OPENCL_PLATFORM");
		return info_text(&info, name && *name ? name : PLATFORM_NAME);
	case CL_PLATFORM_VENDOR:
		return info_text(&info, DEVICE_VENDOR);
	case CL_PLATFORM_EXTENSIONS:
		return info_text(&info, "cl_khr_icd");
	case CL_PLATFORM_ICD_SUFFIX_KHR:
		return info_text(&info, "SMARTSSD");
	default:
		return CL_INVALID_VALUE;
	}
}

cl_int CL_API_CALL ocl_GetDeviceIDs(cl_platform_id handle, cl_device_type type, cl_uint nr, cl_device_id *out, cl_uint *nr_out)
{
	struct _cl_platform_id *p;

	if (handle && !platform_is(handle))
		return CL_INVALID_PLATFORM;
	if (type != CL_DEVICE_TYPE_ALL && (!type || type & ~(cl_device_type)(CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU |
									       CL_DEVICE_TYPE_ACCELERATOR | CL_DEVICE_TYPE_CUSTOM)))
		return CL_INVALID_DEVICE_TYPE;
	if ((out && !nr) || (!out && !nr_out))
		return CL_INVALID_VALUE;
	p = platform_get(true);
	if (!p)
		return CL_OUT_OF_HOST_MEMORY;
	if (!p->nr_devices || (type != CL_DEVICE_TYPE_ALL && !(type & (CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_ACCELERATOR)))) {
		if (nr_out)
			*nr_out = 0;
		return CL_DEVICE_NOT_FOUND;
	}
	for (cl_uint i = 0; out && i < nr && i < p->nr_devices; i++)
		out[i] = p->devices[i];
	if (nr_out)
		*nr_out = p->nr_devices;
	return CL_SUCCESS;
}

/* A root device's count does not change. */
cl_int CL_API_CALL ocl_RetainDevice(cl_device_id handle)
{
	struct _cl_device_id *device = object_hold(KIND_DEVICE, handle);

	if (!device)
		return CL_INVALID_DEVICE;
	object_put(device);
	return CL_SUCCESS;
}

cl_int CL_API_CALL ocl_ReleaseDevice(cl_device_id handle)
{
	return ocl_RetainDevice(handle);
}

cl_int CL_API_CALL ocl_CreateSubDevices(cl_device_id handle, const cl_device_partition_property *properties, cl_uint nr, cl_device_id *out,
					cl_uint *nr_out)
{
	(void)properties, (void)nr, (void)out, (void)nr_out;
	return ocl_RetainDevice(handle) ? CL_INVALID_DEVICE : CL_INVALID_VALUE; /* no partition type is supported */
}

static cl_int bdf(const struct _cl_device_id *d, const struct info *info)
{
	char text[32];

	if (d->pci == 0xffffffffu)
		return info_text(info, "0000:00:00.0"); /* the embedded card is on no bus */
	snprintf(text, sizeof(text), "%04x:%02x:%02x.%x", d->pci >> 16, d->pci >> 8 & 0xff, d->pci >> 3 & 0x1f, d->pci & 7);
	return info_text(info, text);
}

static cl_uint compute_units(struct _cl_device_id *d)
{
	struct smartssd_query query;

	return smartssd_query(d->dev, &query) || !query.nr_cus ? 1 : query.nr_cus;
}

/* What OpenCL 1.2 can be asked about a device, by type of the answer. */
static cl_int device_text(struct _cl_device_id *d, cl_device_info param, const struct info *info)
{
	char text[512];

	switch (param) {
	case CL_DEVICE_NAME:
		return info_text(info, DEVICE_NAME);
	case CL_DEVICE_VENDOR:
		return info_text(info, DEVICE_VENDOR);
	case CL_DRIVER_VERSION:
		return info_text(info, "0.1");
	case CL_DEVICE_PROFILE:
		return info_text(info, "EMBEDDED_PROFILE");
	case CL_DEVICE_VERSION:
		snprintf(text, sizeof(text), "OpenCL 1.2 SmartSSD %s%s", d->uri,
			 d->features & SMARTSSD_FEATURE_EMULATED ? " (emulated card, no hardware)" : "");
		return info_text(info, text);
	case CL_DEVICE_OPENCL_C_VERSION:
		return info_text(info, "OpenCL C 1.2");
	case CL_DEVICE_EXTENSIONS:
	case CL_DEVICE_BUILT_IN_KERNELS:
		return info_text(info, "");
	case CL_DEVICE_PCIE_BDF:
		return bdf(d, info);
	default:
		return CL_INVALID_VALUE;
	}
}

static cl_int device_flags(struct _cl_device_id *d, cl_device_info param, const struct info *info)
{
	switch (param) {
	case CL_DEVICE_AVAILABLE:
	case CL_DEVICE_ENDIAN_LITTLE:
	case CL_DEVICE_PREFERRED_INTEROP_USER_SYNC:
		return info_value(info, cl_bool, CL_TRUE);
	case CL_DEVICE_ERROR_CORRECTION_SUPPORT:
		return info_value(info, cl_bool, !(d->features & SMARTSSD_FEATURE_EMULATED));
	case CL_DEVICE_COMPILER_AVAILABLE:
	case CL_DEVICE_LINKER_AVAILABLE:
	case CL_DEVICE_IMAGE_SUPPORT:
	case CL_DEVICE_HOST_UNIFIED_MEMORY:
		return info_value(info, cl_bool, CL_FALSE);
	case CL_DEVICE_NODMA: /* the host's CPU copies, there is no DMA engine in use */
		return info_value(info, cl_bool, CL_TRUE);
	case CL_DEVICE_SINGLE_FP_CONFIG:
		return info_value(info, cl_device_fp_config, CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN);
	case CL_DEVICE_DOUBLE_FP_CONFIG:
		return info_value(info, cl_device_fp_config, 0);
	case CL_DEVICE_TYPE:
		return info_value(info, cl_device_type, CL_DEVICE_TYPE_ACCELERATOR);
	case CL_DEVICE_EXECUTION_CAPABILITIES:
		return info_value(info, cl_device_exec_capabilities, CL_EXEC_KERNEL);
	case CL_DEVICE_QUEUE_PROPERTIES:
		return info_value(info, cl_command_queue_properties, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE);
	case CL_DEVICE_LOCAL_MEM_TYPE:
		return info_value(info, cl_device_local_mem_type, CL_LOCAL);
	case CL_DEVICE_GLOBAL_MEM_CACHE_TYPE:
		return info_value(info, cl_device_mem_cache_type, CL_NONE);
	case CL_DEVICE_PARTITION_PROPERTIES:
		return info_value(info, cl_device_partition_property, 0);
	case CL_DEVICE_PARTITION_TYPE:
		return info_bytes(info, NULL, 0);
	case CL_DEVICE_PARTITION_AFFINITY_DOMAIN:
		return info_value(info, cl_device_affinity_domain, 0);
	default:
		return CL_INVALID_VALUE;
	}
}

static cl_int device_sizes(struct _cl_device_id *d, cl_device_info param, const struct info *info)
{
	const size_t items[3] = { MAX_WORK_GROUP, MAX_WORK_GROUP, MAX_WORK_GROUP };

	switch (param) {
	case CL_DEVICE_MAX_WORK_ITEM_SIZES:
		return info_bytes(info, items, sizeof(items));
	case CL_DEVICE_MAX_WORK_GROUP_SIZE:
		return info_value(info, size_t, MAX_WORK_GROUP);
	case CL_DEVICE_MAX_PARAMETER_SIZE:
		return info_value(info, size_t, SMARTSSD_MAX_ARGS * 8 >= 1024 ? SMARTSSD_MAX_ARGS * 8 : 1024);
	case CL_DEVICE_PROFILING_TIMER_RESOLUTION:
		return info_value(info, size_t, 1);
	case CL_DEVICE_PRINTF_BUFFER_SIZE:
		return info_value(info, size_t, 1024);
	case CL_DEVICE_IMAGE2D_MAX_WIDTH:
	case CL_DEVICE_IMAGE2D_MAX_HEIGHT:
	case CL_DEVICE_IMAGE3D_MAX_WIDTH:
	case CL_DEVICE_IMAGE3D_MAX_HEIGHT:
	case CL_DEVICE_IMAGE3D_MAX_DEPTH:
	case CL_DEVICE_IMAGE_MAX_BUFFER_SIZE:
	case CL_DEVICE_IMAGE_MAX_ARRAY_SIZE:
		return info_value(info, size_t, 0);
	case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
	case CL_DEVICE_GLOBAL_MEM_SIZE:
		return info_value(info, cl_ulong, d->ddr_bytes);
	case CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE:
		return info_value(info, cl_ulong, d->ddr_bytes);
	case CL_DEVICE_LOCAL_MEM_SIZE: /* the smallest that the profile allows: kernels bring their own memory */
		return info_value(info, cl_ulong, 16 << 10);
	case CL_DEVICE_GLOBAL_MEM_CACHE_SIZE:
		return info_value(info, cl_ulong, 0);
	default:
		return CL_INVALID_VALUE;
	}
}

static cl_int device_numbers(struct _cl_device_id *d, cl_device_info param, const struct info *info)
{
	switch (param) {
	case CL_DEVICE_VENDOR_ID:
		return info_value(info, cl_uint, 0x10ee); /* of the FPGA's PCI function */
	case CL_DEVICE_MAX_COMPUTE_UNITS:
		return info_value(info, cl_uint, compute_units(d));
	case CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS:
		return info_value(info, cl_uint, 3);
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR:
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT:
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT:
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG:
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_INT:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT:
		return info_value(info, cl_uint, 1);
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE:
	case CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE:
	case CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF:
	case CL_DEVICE_MAX_READ_IMAGE_ARGS:
	case CL_DEVICE_MAX_WRITE_IMAGE_ARGS:
	case CL_DEVICE_MAX_SAMPLERS:
	case CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE:
	case CL_DEVICE_PARTITION_MAX_SUB_DEVICES:
	case CL_DEVICE_KDMA_COUNT:
		return info_value(info, cl_uint, 0);
	case CL_DEVICE_MAX_CLOCK_FREQUENCY:
		return info_value(info, cl_uint, 300);
	case CL_DEVICE_ADDRESS_BITS:
		return info_value(info, cl_uint, 64);
	case CL_DEVICE_MEM_BASE_ADDR_ALIGN:
		return info_value(info, cl_uint, d->bo_align * 8);
	case CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE:
		return info_value(info, cl_uint, 128);
	case CL_DEVICE_MAX_CONSTANT_ARGS:
		return info_value(info, cl_uint, SMARTSSD_MAX_ARGS);
	case CL_DEVICE_REFERENCE_COUNT:
		return info_value(info, cl_uint, 1);
	case CL_DEVICE_PLATFORM:
		return info_value(info, cl_platform_id, platform_get(false));
	case CL_DEVICE_PARENT_DEVICE:
		return info_value(info, cl_device_id, NULL);
	case CL_DEVICE_HANDLE: /* a struct smartssd_device *, for libsmartssd.h */
		return info_value(info, void *, d->dev);
	default:
		return CL_INVALID_VALUE;
	}
}

cl_int CL_API_CALL ocl_GetDeviceInfo(cl_device_id handle, cl_device_info param, size_t room, void *out, size_t *used)
{
	static cl_int (*const groups[])(struct _cl_device_id *, cl_device_info, const struct info *) = {
		device_text, device_flags, device_sizes, device_numbers,
	};
	struct _cl_device_id *device = object_hold(KIND_DEVICE, handle);
	/* Which group knows the parameter? The length alone cannot fail for want of room. */
	size_t bytes, i;
	cl_int ret = CL_INVALID_VALUE;

	if (!device)
		return CL_INVALID_DEVICE;
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (!groups[i](device, param, &(struct info){ 0, NULL, &bytes }))
			break;
	if (i < ARRAY_SIZE(groups))
		ret = groups[i](device, param, &(struct info){ room, out, used });
	object_put(device);
	return ret;
}
