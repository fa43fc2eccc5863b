#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The driver builds without a warning (W=1) on the distribution's kernels, and sparse and checkpatch find no error. TAP.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh

for series in 6.1 6.12; do
	if ! compgen -G "/usr/src/linux-headers-$series.*-amd64" >/dev/null; then
		skip "build on Debian's $series headers" "linux-headers-$series is not among this machine's packages"
		continue
	fi
	rm -rf build/kmod-$series
	out=$(make --no-print-directory kmod-$series 2>&1)
	check "builds on Debian's $series headers" test -f build/kmod-$series/smartssd.ko
	warnings=$(grep -iE 'warning|error' <<<"$out" | grep -vE 'Skipping BTF|compiler differs|was built by|You are using')
	[ -z "$warnings" ]
	check "without warnings${warnings:+: $warnings}" test $? = 0
done

if command -v sparse >/dev/null && compgen -G "/usr/src/linux-headers-6.12.*-amd64" >/dev/null; then
	out=$(make --no-print-directory kmod-sparse 2>&1)
	code=$?
	echo "$out" | grep -E 'warning|error' | grep -vE 'Skipping BTF|compiler differs' | head -5 | sed 's/^/# /'
	check "sparse is content" test $code = 0
else
	skip "sparse" "sparse or the 6.12 headers are not there"
fi

checkpatch=$(tools/vm/build-kernel.sh debug --path)/build/scripts/checkpatch.pl
if [ -f "$checkpatch" ] && command -v perl >/dev/null; then
	found=$(perl "$checkpatch" --no-tree --terse -f driver/*.[ch] driver/core/*.[ch] uapi/smartssd.h 2>/dev/null | grep ERROR)
	[ -z "$found" ]
	check "checkpatch finds no error${found:+: $found}" test $? = 0
else
	skip "checkpatch" "comes with the guest kernel"
fi
finish
