# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# TAP for scripts: source this, then result/check/skip for each result, and end with finish.
tap_count=0 tap_failed=0

# result CODE NAME: ok when CODE is 0
result() {
	tap_count=$((tap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_count $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count $2"
	fi
}

# skip NAME REASON
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $1 # SKIP $2"
}

# check NAME COMMAND...: ok when the command succeeds; what it printed is shown when it does not
check() {
	local name=$1 out code
	shift
	out=$("$@" 2>&1)
	code=$?
	result $code "$name"
	[ $code = 0 ] || sed 's/^/# /' <<<"exit status $code: $out" | tail -20
	return $code
}

finish() {
	echo "1..$tap_count"
	[ $tap_failed = 0 ]
}
