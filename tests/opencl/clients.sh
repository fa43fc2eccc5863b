#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Foreign clients on the OpenCL platform: clinfo, pyopencl, and a C++ host program of the kind that the vendor's examples are. TAP.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
lib=$(cd "${SMARTSSD_LIBDIR:-$root/build}" && pwd)
. "$root/tests/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OCL_ICD_VENDORS=$lib/opencl/vendors SMARTSSD_DEVICE=emu:ddr=256M

if command -v clinfo >/dev/null; then
	check "clinfo runs" sh -c "clinfo >'$work/clinfo' 2>&1"
	check "it finds one platform, Xilinx, and one accelerator" test "$(grep -cE '^ *Platform Name +Xilinx$|^Number of devices +1$|Device Type +Accelerator' "$work/clinfo")" -ge 3
	clinfo --raw >"$work/raw" 2>&1
	check "all of its queries succeed" sh -c "! grep -nE 'CL_INVALID|CL_OUT_OF|<[^>]*error|Error|core dumped' '$work/raw' | grep -v ERROR_CORRECTION"
else
	skip clinfo "not installed (Debian: clinfo)"
fi

if /usr/bin/python3 -c 'import pyopencl, numpy' 2>/dev/null; then
	check "pyopencl creates, maps, runs and profiles" env PYOPENCL_NO_CACHE=1 /usr/bin/python3 -B "$root/tests/opencl/client.py" "$lib/examples.xclbin"
else
	skip pyopencl "not installed (Debian: python3-pyopencl)"
fi

if [ -f /usr/include/CL/cl2.hpp ]; then
	check "a C++ host program compiles" g++ -std=c++14 -O1 -w "$root/tests/opencl/client.cpp" -I/usr/include/xrt -lOpenCL -pthread -o "$work/client"
	check "and runs" "$work/client" "$lib/examples.xclbin"
else
	skip "a C++ host program" "no CL/cl2.hpp (Debian: opencl-clhpp-headers)"
fi

nm -D --defined-only "$lib/libsmartssd-opencl.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
check "it exports what a loader needs and the vendor's extension functions, nothing else" test "$(tr '\n' ' ' <"$work/exported")" = \
	"clGetExtensionFunctionAddress clIcdGetPlatformIDsKHR xclGetComputeUnitInfo xclGetMemObjDeviceAddress xclGetMemObjectFd xclGetMemObjectFromFd "
# No card is named, and there is none: the platform says what it uses instead, once.
check "it says that the card is an embedded one, once" sh -c "env -u SMARTSSD_DEVICE '$work/client' '$lib/examples.xclbin' 2>&1 | grep -c 'embedded card' | grep -qx 1 || test -e /dev/smartssd0 -o ! -x '$work/client'"
SMARTSSD_DEVICE=nonsense "$work/client" "$lib/examples.xclbin" >"$work/out" 2>&1
check "a device that cannot be opened is named, with the reason" grep -q 'nonsense.*is no device' "$work/out"
finish
