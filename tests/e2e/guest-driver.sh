#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest, ext4 on /mnt/ssd0, a second card with /mnt/ssd1: everything on the driver that needs no removal. TAP.
. tests/tap.sh
export SMARTSSD_DEVICE=/dev/smartssd0 SMARTSSD_TEST_DIR=/mnt/ssd0
t=build/tests

# Programs with TAP of their own: numbers may repeat, the runner adds up plans.
for p in abi bo io job cu; do
	echo "# conformance: $p"
	$t/uapi/$p
done

echo "# one user's files, and one user's commands that do not come back, against another's"
$t/e2e/drv_apart /mnt/ssd0 /mnt/ssd1

echo "# data: ext4, raw namespace"
build/tests/e2e/noise 8 >/mnt/ssd0/raw.dat
build/tests/e2e/noise 8 >/mnt/ssd0/raw-w.dat
sync
$t/e2e/raw /mnt/ssd0/raw.dat /mnt/ssd0/raw-w.dat
umount /mnt/ssd1
build/tests/e2e/noise 48 >/dev/ssd1
sync
SMARTSSD_DEVICE=/dev/smartssd1 $t/e2e/raw /dev/ssd1 /dev/ssd1

echo "# every allocation failed in turn"
$t/e2e/failnth /mnt/ssd0

echo "# two cards, block errors, foreign dma-bufs, a card taken away under all of it"
$t/e2e/drv_card $t/uapi/tk.xclbin /mnt/ssd0 build/kmod-importer/importer.ko

echo "# processes that die in the middle of everything"
$t/e2e/drv_storm $t/uapi/tk.xclbin /mnt/ssd0/storm.dat 8

echo "# fault knobs"
$t/e2e/faults $t/uapi/tk.xclbin

echo "# operators through the driver: the same bytes as on the embedded card"
cp build/e2e-data/*.npy /mnt/ssd0/ && sync
conv=(--input /mnt/ssd0/x.npy --weight /mnt/ssd0/w.npy --bias /mnt/ssd0/b.npy --x-scale 0.02 --x-zero-point 3 --w-scale /mnt/ssd0/ws.npy
	--w-zero-point 0 --y-scale 0.05 --y-zero-point -4 --pad "1,1,1,1")
check "smartssd xclbin load" build/smartssd xclbin load $t/uapi/tk.xclbin --device /dev/smartssd0
build/smartssd conv2d "${conv[@]}" --output /tmp/y.npy --device /dev/smartssd0 2>/tmp/refused
check "smartssd conv2d leaves the tests' xclbin where it is" grep -q 'is loaded, perhaps for somebody else' /tmp/refused
check "smartssd xclbin load replaces it" build/smartssd xclbin load build/kernels.xclbin --device /dev/smartssd0
check "smartssd reset" build/smartssd reset all --device /dev/smartssd0
check "smartssd conv2d" build/smartssd conv2d "${conv[@]}" --output /tmp/y.npy --p2p require --device /dev/smartssd0 --json
check "its result" cmp /tmp/y.npy build/e2e-data/y-embedded.out
lookup=(--table /mnt/ssd0/t.npy --indices /mnt/ssd0/i.npy --offsets /mnt/ssd0/o.npy)
check "smartssd lookup" build/smartssd lookup "${lookup[@]}" --output /tmp/l.npy --p2p require --device /dev/smartssd0 --json
check "its result" cmp /tmp/l.npy build/e2e-data/l-embedded.out
check "smartssd check: peer DMA works" build/smartssd check /dev/smartssd0
check "smartssd demo agrees with the reference" build/smartssd demo --image build/e2e-data/small.ppm --rows 20000 --drive /mnt/ssd0 \
	--out /tmp/demo --p2p require
build/smartssd list --json >/tmp/list.json
check "smartssd list shows the SSD" grep -q SMARTSSD0000 /tmp/list.json
check "and the FPGA paired with it" grep -q smartssd0 /tmp/list.json

echo "# sysfs"
s=/sys/class/smartssd/smartssd0
check "pairing attribute" grep -qx "$(basename "$(readlink /dev/ssd0)" n1)" $s/ssd
check "the xclbin's UUID" grep -Eq '^[0-9a-f]{8}-[0-9a-f]{4}-' $s/xclbin_uuid
check "peer status" grep -q '^ok' $s/peer
finish
