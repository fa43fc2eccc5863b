#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The driver in a guest with KASAN, lockdep, DMA debugging and kmemleak; a dirty kernel log fails the run.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
data=build/e2e-data
mkdir -p $data build/test-logs
build/tests/e2e/mkdata $data &&
	build/smartssd conv2d --input $data/x.npy --weight $data/w.npy --bias $data/b.npy --x-scale 0.02 --x-zero-point 3 --w-scale $data/ws.npy \
		--w-zero-point 0 --y-scale 0.05 --y-zero-point -4 --pad 1,1,1,1 --output $data/y-embedded.npy --device emu: >/dev/null &&
	build/smartssd lookup --table $data/t.npy --indices $data/i.npy --offsets $data/o.npy --output $data/l-embedded.npy --device emu: >/dev/null
check "reference results on the embedded card" test $? = 0
{ printf 'P6 96 64 255\n'; head -c $((96 * 64 * 3)) /dev/urandom; } >$data/small.ppm
mv $data/y-embedded.npy $data/y-embedded.out; mv $data/l-embedded.npy $data/l-embedded.out
build/smartssd vm --kernel debug --cards 2 --fs ext4 --strict --timeout 600 --log build/test-logs/vm-driver.klog -- tests/e2e/guest-driver.sh
check "guest run and kernel log" test $? = 0
finish
