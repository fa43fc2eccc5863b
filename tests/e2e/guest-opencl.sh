#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest: two cards, ext4 on /mnt/ssd0 and /mnt/ssd1. TAP.
. tests/tap.sh
export SMARTSSD_LIBDIR=build OCL_ICD_VENDORS=$PWD/build/opencl/vendors SMARTSSD_DEVICE=/dev/smartssd0
export OPENCL_TEST_CARDS="/dev/smartssd0 /dev/smartssd1" OPENCL_TEST_DIR=/mnt/ssd0 ROUNDS=2

for t in platform buffers program events hosts threads; do
	check "test_$t" build/tests/opencl/test_$t
done
finish
