#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd list on machines that are not there: fake sysfs trees and fake NVMe nodes.
. "$(dirname "$0")/tap.sh"
root=$tmp/root
dev=$root/sys/devices/pci0000:00

# pci PATH VENDOR DEVICE CLASS [DRIVER]
pci() {
	mkdir -p "$dev/$1" "$root/sys/bus/pci/devices"
	echo "$2" >"$dev/$1/vendor"; echo "$3" >"$dev/$1/device"; echo "$4" >"$dev/$1/class"
	ln -s "$dev/$1" "$root/sys/bus/pci/devices/${1##*/}"
	[ $# -lt 5 ] || { mkdir -p "$root/sys/bus/pci/drivers/$5"; ln -s "$root/sys/bus/pci/drivers/$5" "$dev/$1/driver"; }
}

# nvme NAME PCI-PATH MODEL SERIAL NODE-TEXT
nvme() {
	local at=$dev/$2/nvme/$1
	mkdir -p "$at/${1}n1/queue" "$root/sys/class/nvme" "$root/dev"
	echo "$3                  " >"$at/model"; echo "$4" >"$at/serial"; echo "EPK9CB5Q" >"$at/firmware_rev"; echo live >"$at/state"; echo pcie >"$at/transport"
	echo 1 >"$at/${1}n1/nsid"; echo 7501476528 >"$at/${1}n1/size"; echo 4096 >"$at/${1}n1/queue/logical_block_size"
	ln -s "$dev/$2" "$at/device"
	ln -s "$at" "$root/sys/class/nvme/$1"
	echo "$5" >"$root/dev/$1"
}

switch=0000:00:01.0/0000:01:00.0
pci 0000:00:01.0 0x8086 0x1901 0x060400 pcieport
pci $switch 0x10ee 0x9134 0x060400 pcieport
pci $switch/0000:02:00.0 0x10ee 0x9234 0x060400 pcieport
pci $switch/0000:02:01.0 0x10ee 0x9434 0x060400 pcieport
pci $switch/0000:02:00.0/0000:03:00.0 0x144d 0xa825 0x010802 nvme
pci $switch/0000:02:01.0/0000:04:00.0 0x10ee 0x6987 0x120000 xclmgmt
pci $switch/0000:02:01.0/0000:04:00.1 0x10ee 0x6988 0x120000 xocl
nvme nvme0 $switch/0000:02:00.0/0000:03:00.0 'SAMSUNG MZWLJ3T8HBLS-00007' 'S"5\1' 'celsius=41 spare=99 threshold=10 used=3 warnings=5 errors=2 metadata=8'
# An ordinary SSD on a root port of its own, and an FPGA likewise: no pair
pci 0000:00:02.0 0x8086 0x1905 0x060400 pcieport
pci 0000:00:02.0/0000:06:00.0 0x144d 0xa808 0x010802 nvme
nvme nvme10 0000:00:02.0/0000:06:00.0 'Samsung SSD 970' S466 denied
pci 0000:00:03.0 0x8086 0x1906 0x060400 pcieport
pci 0000:00:03.0/0000:07:00.0 0x1af4 0x1110 0x050000 smartssd
mkdir -p "$dev/0000:00:03.0/0000:07:00.0/smartssd/smartssd0"
# Two functions on one conventional bridge below a root port: no switch either
pci 0000:00:04.0 0x8086 0x1907 0x060400 pcieport
pci 0000:00:04.0/0000:08:00.0 0x104c 0x8240 0x060401
pci 0000:00:04.0/0000:08:00.0/0000:09:00.0 0x144d 0xa808 0x010802 nvme
nvme nvme3 0000:00:04.0/0000:08:00.0/0000:09:00.0 'Bridged SSD' S467 'celsius=30'
pci 0000:00:04.0/0000:08:00.0/0000:09:01.0 0x10ee 0x6988 0x120000
# A fabrics controller has no PCI function
mkdir -p "$root/sys/devices/virtual/nvme-fabrics/ctl/nvme2"
echo Linux >"$root/sys/devices/virtual/nvme-fabrics/ctl/nvme2/model"; echo tcp >"$root/sys/devices/virtual/nvme-fabrics/ctl/nvme2/transport"
ln -s "$root/sys/devices/virtual/nvme-fabrics/ctl/nvme2" "$root/sys/class/nvme/nvme2"

fake() { FAKE_ROOT=$root LD_PRELOAD=$PWD/build/tests/cli/fakesys.so "$tool" "$@" >"$tmp/out" 2>"$tmp/err"; code=$?; }

fake list
exits 0 "list: exit 0"
said out 'nvme0  SAMSUNG MZWLJ3T8HBLS-00007, serial S"5\1, firmware EPK9CB5Q, 0000:03:00.0' "model without padding, serial, firmware, address"
said out 'nvme0n1, id 1, 3.84 TB, LBA 4096 bytes + 8 metadata' "namespace with its LBA format"
said out 'WARNING, spare capacity is below its threshold, reliability is degraded by media errors: 41 C, spare 99 % (threshold 10 %), 3 % used, 2 media errors' "health through libnvme"
said out '0000:04:00.1, 10ee:6988 (user function), driver xocl, switch 0000:01:00.0' "FPGA behind the same switch"
said out 'echo 0000:04:00.1 > /sys/bus/pci/drivers/xocl/unbind' "what to do about xocl"
said out '0000:04:00.0, 10ee:6987 (management function), driver xclmgmt' "management function"
said out 'needs root: run' "a node that may not be opened: needs root, and the rest is there"
[ "$(grep -c 'none behind the same switch' "$tmp/out")" = 3 ]; ok $? "no pair through the root complex, a bridge or fabrics"
said out 'no driver is bound: load ours' "what to do about an FPGA without a driver"
said out '0000:07:00.0, 1af4:1110 (emulated card), driver smartssd, /dev/smartssd0' "a card without an SSD"
[ "$(grep -oE '^nvme[0-9]+' "$tmp/out" | tr '\n' ' ')" = 'nvme0 nvme2 nvme3 nvme10 ' ]; ok $? "in the order of their numbers"

fake list --json
exits 0 "list --json: exit 0"
if [ "$python" ]; then
	"$python" - "$tmp/out" <<'P' 2>"$tmp/err"; ok $? "list --json: parses and says the same"
import json, sys
j = json.load(open(sys.argv[1]))
n = {c["name"]: c for c in j["nvme"]}
a = n["nvme0"]
assert a["serial"] == 'S"5\\1' and a["fpga"] == ["0000:04:00.0", "0000:04:00.1"], a
assert a["health"] == {"error": None, "critical_warning": 5, "critical_warning_text": a["health"]["critical_warning_text"], "temperature_celsius": 41,
    "available_spare_percent": 99, "spare_threshold_percent": 10, "used_percent": 3, "media_errors": 2}, a
assert a["namespaces"] == [{"name": "nvme0n1", "nsid": 1, "bytes": 7501476528 * 512, "lba_bytes": 4096, "metadata_bytes": 8}], a
assert n["nvme10"]["health"] == {"error": "needs root"} and n["nvme10"]["fpga"] == [] and n["nvme2"]["pci"] is None
f = {c["pci"]: c for c in j["fpgas"]}
assert f["0000:04:00.1"]["ssd"] == "nvme0" and "unbind" in f["0000:04:00.1"]["remedy"]
assert f["0000:04:00.0"]["remedy"] is None and f["0000:07:00.0"]["ssd"] is None and f["0000:07:00.0"]["node"] == "smartssd0"
P
else
	skip "list --json: parses" "no python3 with numpy"
fi

rm -rf "$root"; mkdir -p "$root/sys"
fake list
[ "$code" = 0 ] && grep -qF 'No NVMe device here' "$tmp/out"; ok $? "a machine without NVMe: a clear line, exit 0"
fake list --json
[ "$code" = 0 ] && [ "$(tr -d ' \n' <"$tmp/out")" = '{"nvme":[],"fpgas":[]}' ]; ok $? "the same as JSON"
finish
