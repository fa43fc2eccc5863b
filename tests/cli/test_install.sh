#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make install: what it puts somewhere works without the build tree.
. "$(dirname "$0")/tap.sh"
env -u MAKEFLAGS -u MAKELEVEL make -s install B="${tool%/*}" DESTDIR="$tmp/dest" >"$tmp/out" 2>"$tmp/err"
code=$?
exits 0 "make install"
lib=$tmp/dest/usr/local/lib/smartssd
export SMARTSSD_LIBDIR=$lib
tool=$tmp/dest/usr/local/bin/smartssd
[ -x "$tool" ] && [ -f "$tmp/dest/usr/local/lib/libsmartssd.so.0" ] && [ -f "$tmp/dest/usr/local/share/man/man1/smartssd-run.1" ]
ok $? "command, library and manual pages are there"

# A table of 2 rows, all zeros, pooled to one bag
npy() { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': $3, }" >"$1"; head -c "$4" /dev/zero >>"$1"; }
npy "$tmp/t.npy" '<f4' '(2, 2)' 16
npy "$tmp/i.npy" '<i8' '(0,)' 0
npy "$tmp/o.npy" '<i8' '(2,)' 16
cd "$tmp" || exit 1
run lookup --table t.npy --indices i.npy --offsets o.npy --output y.npy --device emu:
exits 0 "an operator finds its kernels and the card's workers"
for shell in flat dfx; do
	run xclbin info "$lib/overlay-$shell.xclbin"
	exits 0 "the overlay of networks, $shell shell"
done
finish
