#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The OpenCL platform on the driver, with two emulated cards: the programs of tests/opencl, reading and writing files on the cards' own drives through mapped buffers.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
if [ ! -e build/libsmartssd-opencl.so ]; then
	echo "1..0 # SKIP build/libsmartssd-opencl.so is not built: packages opencl-c-headers, ocl-icd-opencl-dev, libxrt-dev"
	exit 77
fi
mkdir -p build/test-logs
build/smartssd vm --kernel debug --cards 2 --fs ext4 --strict --timeout 300 --log build/test-logs/vm-opencl.klog -- tests/e2e/guest-opencl.sh
check "guest run and kernel log" test $? = 0
finish
