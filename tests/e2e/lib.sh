# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# TAP for scripts: ok TEXT / not_ok TEXT / check TEXT COMMAND... / skip TEXT REASON / done_tap. Sourced.
tap_n=0
ok() { tap_n=$((tap_n + 1)); echo "ok $tap_n $*"; }
not_ok() { tap_n=$((tap_n + 1)); echo "not ok $tap_n $*"; }
skip() { tap_n=$((tap_n + 1)); echo "ok $tap_n $1 # SKIP $2"; }
done_tap() { echo "1..$tap_n"; }

# check TEXT COMMAND...: ok when the command succeeds; its output is shown as comment when it does not
check() {
	local text=$1 out code
	shift
	out=$("$@" 2>&1); code=$?
	if [ $code = 0 ]; then ok "$text"; else not_ok "$text (exit $code)"; sed 's/^/# /' <<<"$out" | tail -20; fi
	return $code
}
