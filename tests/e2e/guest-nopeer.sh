#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest: a card without an SSD behind its switch, a virtio disk, a tmpfs. TAP.
. tests/tap.sh
export SMARTSSD_DEVICE=/dev/smartssd0 SMARTSSD_TEST_DIR=/tmp
t=build/tests
$t/uapi/io
build/tests/e2e/noise 8 >/tmp/raw.dat
cp /tmp/raw.dat /tmp/raw-w.dat
$t/e2e/raw /tmp/raw.dat /tmp/raw-w.dat no-filesystem
build/tests/e2e/noise 40 >/dev/vda
$t/e2e/raw /dev/vda /dev/vda no-queue
out=$(build/smartssd check /dev/smartssd0 2>&1)
check "smartssd check exits 1" test $? = 1
check "and names the cause" grep -qi 'no nvme' <<<"$out"
sed 's/^/# /' <<<"$out"
check "sysfs names it too" grep -q no-ssd /sys/class/smartssd/smartssd0/peer

echo "# card memory as plain I/O memory, as on a kernel without CONFIG_PCI_P2PDMA: its own allocator, PFN mappings, all I/O bounced"
check "load the driver with peer=0" bash -c "rmmod smartssd && insmod build/kmod-debug/smartssd.ko peer=0"
for _ in $(seq 100); do [ -e /dev/smartssd0 ] && break; sleep 0.1; done
check "it says so" grep -q '^off' /sys/class/smartssd/smartssd0/peer
for p in abi bo io job cu; do
	$t/uapi/$p
done
finish
