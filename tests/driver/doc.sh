#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Documentation keeps up with what it documents: the ABI page is what the header says, each verb and tool has its manual page, links lead
# somewhere, every source file says its licence. TAP.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
check "Documentation/abi.rst is that of uapi/smartssd.h (else: make doc)" diff <(tools/doc/abi-rst uapi/smartssd.h) Documentation/abi.rst
for verb in $(build/smartssd --help | awk '/^  / { print $1 }'); do
	check "smartssd-$verb(1)" test -f "Documentation/man/smartssd-$verb.1"
done
missing=$(grep -oE '\]\([A-Za-z][^)#]*\)' README.md | tr -d '()]' | while read -r f; do [ -e "$f" ] || echo "$f"; done)
[ -z "$missing" ]
check "links of the README${missing:+: $missing}" test $? = 0
bare=$(git ls-files -- '*.c' '*.h' '*.sh' '*.mk' '*.py' '*.cpp' '*.rst' Kbuild Makefile | while read -r f; do head -3 "$f" | grep -q SPDX-License-Identifier || echo "$f"; done)
[ -z "$bare" ]
check "SPDX lines${bare:+: missing in $bare}" test $? = 0
finish
