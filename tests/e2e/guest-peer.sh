#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest, xfs on /mnt/ssd0: I/O whose DMA addresses QEMU's own NVMe trace will be held against. Leaves the aperture's place and what the
# driver counted in $1. TAP.
. tests/tap.sh
export SMARTSSD_DEVICE=/dev/smartssd0 SMARTSSD_TEST_DIR=/mnt/ssd0
build/tests/e2e/noise 8 >/mnt/ssd0/raw.dat
build/tests/e2e/noise 8 >/mnt/ssd0/raw-w.dat
sync
# A hole has no place on the drive: the CPU fills in zeros (Documentation/data-path.rst), which would be counted but not traced.
build/tests/uapi/io -T holes_read_as_zeros
build/tests/e2e/raw /mnt/ssd0/raw.dat /mnt/ssd0/raw-w.dat

echo "# tracepoints"
ev=/sys/kernel/tracing/events/smartssd
check "switch them on" bash -c "echo 1 >$ev/enable"
build/tests/uapi/cu -t runs
build/tests/uapi/io -t read_whole_file
echo 0 >$ev/enable
for e in submit io_done cu_done; do
	check "smartssd_$e was seen" grep -q "smartssd_$e:" /sys/kernel/tracing/trace
done
pci=$(readlink -f /sys/class/smartssd/smartssd0/device)
{
	sed -n 3p "$pci/resource"
	cat /sys/class/smartssd/smartssd0/counters
} >"$1"
finish
