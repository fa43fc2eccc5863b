// SPDX-License-Identifier: BSD-2-Clause
/* The dispatch table that the loader finds in every handle, and the functions that say no: images, samplers, OpenCL C, and what came after 1.2. */
#include "cl_impl.h"
#include <CL/cl_egl.h>
#include <CL/cl_ext.h>
#include <CL/cl_gl.h>

/*
 * For every refused function that returns a cl_int. It takes none of its arguments, which is all the same to a C calling convention where the
 * caller cleans up.
 */
static cl_int refuse(void)
{
	return CL_INVALID_OPERATION;
}

#define REFUSED(name) .cl##name = (__typeof__(&cl##name))(void (*)(void))refuse,
#define ENTRY(name) .cl##name = ocl_##name,

const cl_icd_dispatch dispatch_table = {
	CL_IMPLEMENTED(ENTRY)
	CL_REFUSED_CREATE(ENTRY)
	REFUSED(GetImageInfo) REFUSED(RetainSampler) REFUSED(ReleaseSampler) REFUSED(GetSamplerInfo)
	REFUSED(EnqueueReadImage) REFUSED(EnqueueWriteImage) REFUSED(EnqueueCopyImage) REFUSED(EnqueueCopyImageToBuffer)
	REFUSED(EnqueueCopyBufferToImage) REFUSED(EnqueueFillImage) REFUSED(EnqueueNativeKernel)
	REFUSED(GetGLObjectInfo) REFUSED(GetGLTextureInfo) REFUSED(EnqueueAcquireGLObjects) REFUSED(EnqueueReleaseGLObjects)
	REFUSED(GetPipeInfo) REFUSED(EnqueueSVMFree) REFUSED(EnqueueSVMMemcpy) REFUSED(EnqueueSVMMemFill) REFUSED(EnqueueSVMMap)
	REFUSED(EnqueueSVMUnmap) REFUSED(SetKernelArgSVMPointer) REFUSED(SetKernelExecInfo) REFUSED(EnqueueSVMMigrateMem)
	REFUSED(GetDeviceAndHostTimer) REFUSED(GetHostTimer) REFUSED(GetKernelSubGroupInfo) REFUSED(SetDefaultDeviceCommandQueue)
	REFUSED(SetProgramReleaseCallback) REFUSED(SetProgramSpecializationConstant) REFUSED(SetContextDestructorCallback)
	/* Extensions that the loader has entries for, too, whatever a platform says it has. Those of Direct3D it has not here: they stay NULL. */
	.clRetainDeviceEXT = ocl_RetainDevice, .clReleaseDeviceEXT = ocl_ReleaseDevice, REFUSED(CreateSubDevicesEXT)
	REFUSED(GetGLContextInfoKHR) REFUSED(EnqueueAcquireEGLObjectsKHR) REFUSED(EnqueueReleaseEGLObjectsKHR) REFUSED(GetKernelSubGroupInfoKHR)
};

/* Functions that return an object: the error goes to the last argument, behind @args. */
#define NO_OBJECT(type, name, ...)                                      \
	type CL_API_CALL ocl_##name(__VA_ARGS__, cl_int *errcode)       \
	{                                                               \
		return create_result(errcode, CL_INVALID_OPERATION, NULL); \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
NO_OBJECT(cl_mem, CreateImage, cl_context c, cl_mem_flags f, const cl_image_format *i, const cl_image_desc *d, void *p)
NO_OBJECT(cl_mem, CreateImage2D, cl_context c, cl_mem_flags f, const cl_image_format *i, size_t w, size_t h, size_t r, void *p)
NO_OBJECT(cl_mem, CreateImage3D, cl_context c, cl_mem_flags f, const cl_image_format *i, size_t w, size_t h, size_t d, size_t r, size_t s, void *p)
NO_OBJECT(cl_mem, CreateImageWithProperties, cl_context c, const cl_mem_properties *m, cl_mem_flags f, const cl_image_format *i, const cl_image_desc *d, void *p)
NO_OBJECT(cl_sampler, CreateSampler, cl_context c, cl_bool n, cl_addressing_mode a, cl_filter_mode f)
NO_OBJECT(cl_sampler, CreateSamplerWithProperties, cl_context c, const cl_sampler_properties *p)
NO_OBJECT(cl_program, CreateProgramWithBuiltInKernels, cl_context c, cl_uint n, const cl_device_id *d, const char *k)
NO_OBJECT(cl_program, CreateProgramWithIL, cl_context c, const void *il, size_t n)
NO_OBJECT(cl_program, LinkProgram, cl_context c, cl_uint n, const cl_device_id *d, const char *o, cl_uint m, const cl_program *p, void (CL_CALLBACK *f)(cl_program, void *), void *u)
NO_OBJECT(cl_mem, CreatePipe, cl_context c, cl_mem_flags f, cl_uint s, cl_uint n, const cl_pipe_properties *p)
NO_OBJECT(cl_kernel, CloneKernel, cl_kernel k)
NO_OBJECT(cl_mem, CreateFromGLBuffer, cl_context c, cl_mem_flags f, cl_GLuint b)
NO_OBJECT(cl_mem, CreateFromGLTexture, cl_context c, cl_mem_flags f, cl_GLenum t, cl_GLint l, cl_GLuint x)
NO_OBJECT(cl_mem, CreateFromGLTexture2D, cl_context c, cl_mem_flags f, cl_GLenum t, cl_GLint l, cl_GLuint x)
NO_OBJECT(cl_mem, CreateFromGLTexture3D, cl_context c, cl_mem_flags f, cl_GLenum t, cl_GLint l, cl_GLuint x)
NO_OBJECT(cl_mem, CreateFromGLRenderbuffer, cl_context c, cl_mem_flags f, cl_GLuint b)
NO_OBJECT(void *, EnqueueMapImage, cl_command_queue q, cl_mem m, cl_bool b, cl_map_flags f, const size_t *o, const size_t *r, size_t *p, size_t *s, cl_uint n, const cl_event *l, cl_event *e)
NO_OBJECT(cl_event, CreateEventFromGLsyncKHR, cl_context c, cl_GLsync s)
NO_OBJECT(cl_mem, CreateFromEGLImageKHR, cl_context c, CLeglDisplayKHR d, CLeglImageKHR i, cl_mem_flags f, const cl_egl_image_properties_khr *p)
NO_OBJECT(cl_event, CreateEventFromEGLSyncKHR, cl_context c, CLeglSyncKHR s, CLeglDisplayKHR d)

void *CL_API_CALL ocl_SVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment)
{
	return NULL;
}

void CL_API_CALL ocl_SVMFree(cl_context context, void *pointer)
{
}
