#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd check: the embedded card as it is, and the driver's answers faked.
. "$(dirname "$0")/tap.sh"
root=$tmp/root
mkdir -p "$root/dev" "$root/sys" "$root/boot"
config=$root/boot/config-$(uname -r)
fake() { FAKE_ROOT=$root LD_PRELOAD=$PWD/build/tests/cli/fakesys.so "$tool" "$@" >"$tmp/out" 2>"$tmp/err"; code=$?; }

echo 'CONFIG_PCI_P2PDMA=y' >"$config"
fake check
exits 0 "no card: the embedded one is fine"
said out "peer DMA      works" "the embedded card: peer DMA works"
said out "emulated card inside of this process" "says that it is emulated"
said out "CONFIG_PCI_P2PDMA: yes, says /boot/config-" "the kernel has peer DMA"
printf 'CONFIG_PCI=y\n# CONFIG_PCI_P2PDMA is not set\n' >"$config"
fake check
said out "CONFIG_PCI_P2PDMA: no" "the kernel has none"
said out "boot a kernel built with CONFIG_PCI_P2PDMA=y" "... and what to do"
mkdir -p "$root/proc"; echo 'CONFIG_PCI_P2PDMA=y' | gzip >"$root/proc/config.gz"
fake check
said out "CONFIG_PCI_P2PDMA: yes, says /proc/config.gz" "/proc/config.gz goes first, compressed"
rm -r "$root/proc" "$config"
fake check
said out "CONFIG_PCI_P2PDMA: unknown" "no configuration to read: unknown, not no"

run check emu:peer=off
exits 1 "peer switched off: exit 1"
said out "NO, data goes through host memory" "says no"
said out "switched off" "... and the cause"
run check emu:nonsense=1
exits 1 "a card that cannot be opened: exit 1"

echo 'reason=0 ssd=nvme0 features=3' >"$root/dev/smartssd0"
echo 'reason=4 ssd=nvme1 features=1 cus=2 state=2' >"$root/dev/smartssd10"
echo denied >"$root/dev/smartssd2"
fake check
exits 1 "three cards, two with something: exit 1"
[ "$(grep -E '^/dev' "$tmp/out" | tr '\n' ' ')" = '/dev/smartssd0 /dev/smartssd2 /dev/smartssd10 ' ]; ok $? "all nodes, in the order of their numbers"
said out "data of nvme0 goes straight into card memory" "the first works"
said out "ACS redirect" "the cause for the third"
said out "pci=disable_acs_redir" "... and the remedy"
said out "conv2d:conv2d_2: hung" "a hung unit"
said out "'smartssd reset 1 --device /dev/smartssd10'" "... and the command that brings it back"
said out "no permission to open it" "a node without permission"
fake check /dev/smartssd0
exits 0 "only the card asked for"
echo 'reason=0 ssd=nvme0 cus=1 state=3' >"$root/dev/smartssd11"
fake check /dev/smartssd11
exits 1 "peer DMA works, but a unit crashed: exit 1"
rm "$root/dev/smartssd11"
if [ "$python" ]; then
	fake check --json
	"$python" - "$tmp/out" <<'P' 2>"$tmp/err"; ok $? "check --json parses and says the same"
import json, sys
j = json.load(open(sys.argv[1]))
a, b, c = j["cards"]
assert not j["fine"] and a["fine"] and not b["fine"] and not c["fine"]
assert a["peer"] == {"works": True, "reason": "ok", "cause": None, "remedy": None} and a["user_peer"] and a["ssd"] == "nvme0"
assert "permission" in b["error"]
assert c["peer"]["reason"] == "no-route" and "disable_acs_redir" in c["peer"]["remedy"] and [u["state"] for u in c["cus"]] == ["hung", "hung"]
assert j["host"]["config_pci_p2pdma"] is None
P
else
	skip "check --json" "no python3 with numpy"
fi
for reason in 1 2 3 4 5 6 7 8 9 10; do
	echo "reason=$reason" >"$root/dev/smartssd0"
	fake check /dev/smartssd0
	[ "$code" = 1 ] && grep -A1 'peer DMA      NO' "$tmp/out" | tail -1 | grep -qE '^ {16}[a-z]'
	ok $? "reason $reason: a cause and a remedy"
done

# Loading an xclbin is the administrator's: the operators say so
printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }" >"$tmp/t.npy"; head -c 16 /dev/zero >>"$tmp/t.npy"
printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }" >"$tmp/i.npy"; head -c 16 /dev/zero >>"$tmp/i.npy"
fake lookup --table "$tmp/t.npy" --indices "$tmp/i.npy" --offsets "$tmp/i.npy" --output "$tmp/y.npy"
refused 1 "needs root: run this once with sudo" "an operator that may not load the xclbin says what to do"

# What somebody else loaded stays, whoever asks
echo 'reason=0 cus=2 load=0' >"$root/dev/smartssd0"
fake lookup --table "$tmp/t.npy" --indices "$tmp/i.npy" --offsets "$tmp/i.npy" --output "$tmp/y.npy"
refused 1 "xclbin abababab-abab-abab-abab-abababababab is loaded" "an operator does not replace what is loaded, and names it"
said err "--device /dev/smartssd0' replaces it" "... and says what does"
file=$(sed -n "s/.*'smartssd xclbin load \([^']*\) --device .*/\1/p" "$tmp/err")
[ "${file#/}" != "$file" ] && [ -f "$file" ]
ok $? "... with the file where it is, for whatever folder one is in"
fake xclbin load "${tool%/*}/kernels.xclbin"
exits 0 "xclbin load: exit 0"
said out "/dev/smartssd0: abababab-abab-abab-abab-abababababab, 2 compute units" "... says what is loaded now"
fake xclbin load "$tmp/t.npy" --device /dev/smartssd3
refused 1 "does not exist" "xclbin load: no such card"
fake xclbin load --device /dev/smartssd0
refused 2 "name one xclbin" "xclbin load: no file"
echo 'reason=0 cus=2' >"$root/dev/smartssd0"
fake xclbin load "${tool%/*}/kernels.xclbin"
refused 1 "takes CAP_SYS_ADMIN" "xclbin load without the right to"
fake xclbin load "$tmp/nowhere.xclbin"
refused 1 "nowhere.xclbin: No such file" "xclbin load: no such file"
run xclbin load "${tool%/*}/kernels.xclbin" --device emu:
refused 2 "ends with it" "xclbin load on an emulated card is refused"

# Compute units
fake reset 1
[ "$code" = 0 ] && [ ! -s "$tmp/err" ]; ok $? "reset: one unit"
fake reset all --device /dev/smartssd0
[ "$code" = 0 ] && [ ! -s "$tmp/err" ]; ok $? "reset: all units"
for cu in 2 -1 1x all1 ''; do
	fake reset -- "$cu"
	refused 2 "compute units 0 to 1 of /dev/smartssd0" "reset: '$cu' is no unit"
done
fake reset
refused 2 "name one compute unit" "reset: no unit"
echo 'reason=0 cus=2 reset=1' >"$root/dev/smartssd0"
fake reset all
[ "$code" = 1 ] && [ "$(grep -c "runs somebody else's command" "$tmp/err")" = 2 ]; ok $? "reset: units that others use"
echo 'reason=0' >"$root/dev/smartssd0"
fake reset 0
refused 1 "no xclbin is loaded" "reset: no units"
run reset all --device emu:
refused 2 "ends with it" "reset of an emulated card is refused"

# A user function with somebody else's driver, and ACS of the switch's ports
rm -r "$root/dev"; mkdir -p "$root/dev"
at=$root/sys/devices/pci0000:00
pci() { mkdir -p "$at/$1" "$root/sys/bus/pci/devices"; echo "$2" >"$at/$1/vendor"; echo "$3" >"$at/$1/device"; echo "$4" >"$at/$1/class"
	ln -s "$at/$1" "$root/sys/bus/pci/devices/${1##*/}"; }
s=0000:00:01.0/0000:01:00.0
pci 0000:00:01.0 0x8086 0x1901 0x060400; pci $s 0x10ee 0x9134 0x060400; pci $s/0000:02:00.0 0x10ee 0x9234 0x060400; pci $s/0000:02:01.0 0x10ee 0x9434 0x060400
pci $s/0000:02:01.0/0000:04:00.1 0x10ee 0x6988 0x120000
mkdir -p "$root/sys/bus/pci/drivers/xocl"; ln -s "$root/sys/bus/pci/drivers/xocl" "$at/$s/0000:02:01.0/0000:04:00.1/driver"
# Extended configuration space: one capability at 0x100, ACS (0x000d), with redirect set in its control word on one port
head -c 4096 /dev/zero >"$at/$s/0000:02:00.0/config"; cp "$at/$s/0000:02:00.0/config" "$at/$s/0000:02:01.0/config"
for port in 0000:02:00.0 0000:02:01.0; do printf '\x0d\x00\x01\x00\x7f\x00' | dd of="$at/$s/$port/config" bs=1 seek=256 conv=notrunc status=none; done
printf '\x0c' | dd of="$at/$s/0000:02:01.0/config" bs=1 seek=262 conv=notrunc status=none
fake check
exits 1 "a SmartSSD without our driver: exit 1"
said out "/sys/bus/pci/drivers/xocl/unbind" "what to do about xocl"
said out "port 0000:02:00.0: leaves peer requests in the switch" "ACS off"
said out "boot with pci=disable_acs_redir=0000:02:01.0" "ACS redirect on, and what to do"
finish
