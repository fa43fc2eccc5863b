#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Which card a store's volume gets by itself: on a machine that is not there, by a fake sysfs in which the folder's filesystem is on a SmartSSD.
. "$(dirname "$0")/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with NumPy (Debian: python3-numpy)"
	exit 77
fi
root=$tmp/root
dev=$root/sys/devices/pci0000:00
elsewhere=$(mktemp -d /dev/shm/smartssd-test-XXXXXX)
trap 'rm -rf "$tmp" "$elsewhere"' EXIT
if [ "$(stat -c %d "$tmp")" = "$(stat -c %d "$elsewhere")" ]; then
	echo "1..0 # SKIP /tmp and /dev/shm are one filesystem here"
	exit 77
fi

# pci PATH VENDOR DEVICE CLASS [DRIVER]
pci() {
	mkdir -p "$dev/$1" "$root/sys/bus/pci/devices"
	echo "$2" >"$dev/$1/vendor"; echo "$3" >"$dev/$1/device"; echo "$4" >"$dev/$1/class"
	ln -s "$dev/$1" "$root/sys/bus/pci/devices/${1##*/}"
	[ $# -lt 5 ] || { mkdir -p "$root/sys/bus/pci/drivers/$5"; ln -s "$root/sys/bus/pci/drivers/$5" "$dev/$1/driver"; }
}

# Two SmartSSDs: nvme0 with smartssd1, nvme1 with smartssd0
for n in 0 1; do
	port=0000:00:0$((n + 1)).0 up=0000:${n}1:00.0
	pci $port 0x8086 0x1901 0x060400 pcieport
	pci $port/$up 0x10ee 0x9134 0x060400 pcieport
	pci $port/$up/0000:${n}2:00.0 0x10ee 0x9234 0x060400 pcieport
	pci $port/$up/0000:${n}2:01.0 0x10ee 0x9434 0x060400 pcieport
	pci $port/$up/0000:${n}2:00.0/0000:${n}3:00.0 0x144d 0xa825 0x010802 nvme
	pci $port/$up/0000:${n}2:01.0/0000:${n}4:00.1 0x10ee 0x6988 0x120000 smartssd
	mkdir -p "$dev/$port/$up/0000:${n}2:01.0/0000:${n}4:00.1/smartssd/smartssd$((1 - n))"
	at=$dev/$port/$up/0000:${n}2:00.0/0000:${n}3:00.0/nvme/nvme$n
	mkdir -p "$at/nvme${n}n1/queue" "$at/nvme${n}n1/nvme${n}n1p2" "$root/sys/class/nvme" "$root/dev" "$root/sys/dev/block"
	echo 2 >"$at/nvme${n}n1/nvme${n}n1p2/partition"
	echo 1 >"$at/nvme${n}n1/nsid"; echo 4096 >"$at/nvme${n}n1/queue/logical_block_size"; echo 7501476528 >"$at/nvme${n}n1/size"
	ln -s "$dev/$port/$up/0000:${n}2:00.0/0000:${n}3:00.0" "$at/device"
	ln -s "$at" "$root/sys/class/nvme/nvme$n"
	echo 'celsius=30' >"$root/dev/nvme$n"
	echo "reason=0 ssd=nvme$n cus=0" >"$root/dev/smartssd$((1 - n))"
done

# on NVME PART: where $tmp is
on() { ln -sfn "$(readlink "$root/sys/class/nvme/$1")/$2" "$root/sys/dev/block/$(stat -c '%Hd:%Ld' "$tmp")"; }
look() {
	FAKE_ROOT=$root LD_PRELOAD=$PWD/build/tests/cli/fakesys.so "$tool" lookup --store "$1" --table t --indices "$tmp/i.npy" --offsets "$tmp/o.npy" --output "$tmp/y.npy" "${@:2}" \
		>"$tmp/out" 2>"$tmp/err"
	code=$?
}

"$python" -c "
import numpy as np, sys
np.save(sys.argv[1] + '/t.npy', np.ones((100, 4), 'f4')); np.save(sys.argv[1] + '/i.npy', np.arange(100)); np.save(sys.argv[1] + '/o.npy', np.arange(0, 101, 10))" "$tmp"
for s in "$tmp/a" "$elsewhere/a" "$elsewhere/b,$tmp/b"; do
	run table import t --from "$tmp/t.npy" --shard row --store "$s"
	exits 0 "a store on ${s//$tmp/a drive}"
done

on nvme0 nvme0n1/nvme0n1p2
look "$tmp/a"
refused 1 "/dev/smartssd1 has no xclbin loaded" "a folder on a partition: the card behind the same switch"
on nvme1 nvme1n1
look "$tmp/a"
refused 1 "/dev/smartssd0 has no xclbin loaded" "a folder on a whole namespace: the other one"
look "$elsewhere/b,$tmp/b"
refused 1 "/dev/smartssd0 has no xclbin loaded" "each volume has its own"
look "$elsewhere/b,$tmp/b" --device emu:
exits 0 "--device counts more"
echo "reason=0 ssd=nvme1 cus=2" >"$root/dev/smartssd0"
look "$tmp/a"
refused 1 "perhaps for somebody else; 'smartssd xclbin load" "somebody else's xclbin stays"
echo denied >"$root/dev/smartssd0"
look "$tmp/a"
refused 1 "/dev/smartssd0" "a card that may not be opened is an error, not an embedded one"
look "$elsewhere/a"
exits 0 "what is on no NVMe device: an embedded card"
said out "volume 0      $elsewhere/a on emu:, peer to peer" "and the report says so"
rm "$root"/sys/dev/block/*
look "$tmp/a"
exits 0 "a filesystem that sysfs does not know: an embedded card"
finish
