# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the scripts of this folder: TAP, and a fresh folder $work that goes away.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tests/xclbin
tool=$root/build/tests/xclbin/smartssd-xclbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work/tmp # what the tool leaves behind is seen there
mkdir "$TMPDIR"
export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
unset SOURCE_DATE_EPOCH CC OBJCOPY
tests=0 failures=0

# result CODE NAME: one line of TAP
result() {
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $2"
	fi
}

# check NAME COMMAND...: ok when the command succeeds; what it printed is shown when it does not
check() {
	local name=$1
	shift
	if "$@" >"$work/check.log" 2>&1; then
		result 0 "$name"
	else
		result 1 "$name"
		sed 's/^/# /' "$work/check.log"
	fi
}

finish() {
	echo "1..$tests"
	[ "$failures" = 0 ]
}
