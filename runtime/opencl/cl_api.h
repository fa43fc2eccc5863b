/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entries, as ocl_NAME for clNAME: under their own names they would be replaced by the loader's, which has the same ones. They are reached
 * through the dispatch table (icd.c) only, but for those that extension.c exports.
 */
#ifndef SMARTSSD_CL_API_H
#define SMARTSSD_CL_API_H

#define CL_IMPLEMENTED(F)                                                                                                                   \
	F(GetPlatformIDs) F(GetPlatformInfo) F(GetDeviceIDs) F(GetDeviceInfo) F(RetainDevice) F(ReleaseDevice) F(CreateSubDevices)           \
	F(CreateContext) F(CreateContextFromType) F(RetainContext) F(ReleaseContext) F(GetContextInfo)                                       \
	F(CreateCommandQueue) F(CreateCommandQueueWithProperties) F(RetainCommandQueue) F(ReleaseCommandQueue) F(GetCommandQueueInfo)        \
	F(SetCommandQueueProperty) F(Flush) F(Finish)                                                                                        \
	F(CreateBuffer) F(CreateBufferWithProperties) F(CreateSubBuffer) F(RetainMemObject) F(ReleaseMemObject) F(GetMemObjectInfo)          \
	F(SetMemObjectDestructorCallback)                                                                                                    \
	F(CreateProgramWithBinary) F(CreateProgramWithSource) F(BuildProgram) F(CompileProgram) F(RetainProgram) F(ReleaseProgram)           \
	F(GetProgramInfo) F(GetProgramBuildInfo) F(UnloadCompiler) F(UnloadPlatformCompiler)                                                 \
	F(CreateKernel) F(CreateKernelsInProgram) F(RetainKernel) F(ReleaseKernel) F(SetKernelArg) F(GetKernelInfo) F(GetKernelArgInfo)      \
	F(GetKernelWorkGroupInfo)                                                                                                            \
	F(WaitForEvents) F(GetEventInfo) F(GetEventProfilingInfo) F(SetEventCallback) F(CreateUserEvent) F(SetUserEventStatus)               \
	F(RetainEvent) F(ReleaseEvent)                                                                                                       \
	F(EnqueueReadBuffer) F(EnqueueWriteBuffer) F(EnqueueCopyBuffer) F(EnqueueFillBuffer)                                                 \
	F(EnqueueReadBufferRect) F(EnqueueWriteBufferRect) F(EnqueueCopyBufferRect)                                                          \
	F(EnqueueMapBuffer) F(EnqueueUnmapMemObject) F(EnqueueMigrateMemObjects)                                                             \
	F(EnqueueTask) F(EnqueueNDRangeKernel)                                                                                               \
	F(EnqueueMarker) F(EnqueueBarrier) F(EnqueueWaitForEvents) F(EnqueueMarkerWithWaitList) F(EnqueueBarrierWithWaitList)                \
	F(GetExtensionFunctionAddress) F(GetExtensionFunctionAddressForPlatform) F(GetSupportedImageFormats)

/* Those without a queue or context that can be asked for what only later versions or images have, and answer with an error. */
#define CL_REFUSED_CREATE(F)                                                                                                                \
	F(CreateImage) F(CreateImage2D) F(CreateImage3D) F(CreateSampler) F(CreateProgramWithBuiltInKernels) F(LinkProgram)                  \
	F(CreatePipe) F(CreateSamplerWithProperties) F(CreateImageWithProperties) F(CreateProgramWithIL) F(CloneKernel)                      \
	F(CreateFromGLBuffer) F(CreateFromGLTexture) F(CreateFromGLTexture2D) F(CreateFromGLTexture3D) F(CreateFromGLRenderbuffer)           \
	F(SVMAlloc) F(SVMFree) F(EnqueueMapImage)                                                                                            \
	F(CreateEventFromGLsyncKHR) F(CreateFromEGLImageKHR) F(CreateEventFromEGLSyncKHR)

#define CL_DECLARE(name) extern __typeof__(cl##name) ocl_##name;
CL_IMPLEMENTED(CL_DECLARE)
CL_REFUSED_CREATE(CL_DECLARE)
#undef CL_DECLARE

#endif
