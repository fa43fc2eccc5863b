# SPDX-License-Identifier: BSD-2-Clause
"""pyopencl as a client: create, map, run, profile, events. The argument is examples.xclbin."""
import sys
import threading

import numpy as np
import pyopencl as cl

platform = [p for p in cl.get_platforms() if p.name == "Xilinx"][0]
device = platform.get_devices(cl.device_type.ACCELERATOR)[0]
assert platform.version.startswith("OpenCL 1.2 ")
context = cl.Context([device])
queue = cl.CommandQueue(context, properties=cl.command_queue_properties.PROFILING_ENABLE)
with open(sys.argv[1], "rb") as f:
    program = cl.Program(context, [device], [f.read()]).build()
assert program.kernel_names == "copy;adder;bandwidth", program.kernel_names

values = np.arange(100000, dtype=np.int32)
flags = cl.mem_flags
source = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=values)
target = cl.Buffer(context, flags.WRITE_ONLY, values.nbytes)
event = program.adder(queue, (1,), (1,), source, target, np.int32(7), np.uint32(values.size))
event.wait()
profile = event.profile
assert profile.queued <= profile.submit <= profile.start < profile.end

result = np.empty_like(values)
cl.enqueue_copy(queue, result, target)
assert (result == values + 7).all()
mapped, _ = cl.enqueue_map_buffer(queue, target, cl.map_flags.READ | cl.map_flags.WRITE, 0, values.shape, values.dtype)
assert (mapped == values + 7).all()
mapped[:] = 3
mapped.base.release(queue)
cl.enqueue_copy(queue, result, target)
assert (result == 3).all()
cl.enqueue_fill_buffer(queue, target, np.int32(9), 0, values.nbytes)
cl.enqueue_copy(queue, source, target)
cl.enqueue_copy(queue, result, source)
assert (result == 9).all()

user = cl.UserEvent(context)
marker = cl.enqueue_marker(queue, [user])
called = threading.Event()
marker.set_callback(cl.command_execution_status.COMPLETE, lambda status: called.set())
assert marker.command_execution_status == cl.command_execution_status.QUEUED
user.set_status(cl.command_execution_status.COMPLETE)
marker.wait()
assert called.wait(10)

try:
    program.all_kernels()[0].set_arg(99, np.int32(1))
    raise SystemExit("argument 99 was taken")
except cl.LogicError as e:
    assert e.code == cl.status_code.INVALID_ARG_INDEX
try:
    cl.Program(context, [device], [b"no xclbin"])
    raise SystemExit("no xclbin was taken")
except cl.Error as e:
    assert e.code == cl.status_code.INVALID_BINARY
