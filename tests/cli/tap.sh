# SPDX-License-Identifier: BSD-2-Clause
# For tests of the tool: source this, then run/ok/..., and end with "finish".
# $tool: the command under test; $tmp: a folder of this test, removed at the end.
# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
tool=${SMARTSSD:-build/smartssd}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset SMARTSSD_DEVICE

# ok CONDITION-STATUS NAME: one result; what the last run printed when it is bad
ok() {
	result "$1" "$2"
	if [ "$1" != 0 ]; then
		sed 's/^/# out: /' "$tmp/out" | head -40
		sed 's/^/# err: /' "$tmp/err" | head -20
	fi
}

# run ARG...: $code, $tmp/out, $tmp/err
run() {
	"$tool" "$@" >"$tmp/out" 2>"$tmp/err"
	code=$?
}

# exits N NAME: what the last run returned
exits() {
	[ "$code" = "$1" ] || echo "# exit status $code, not $1"
	[ "$code" = "$1" ]
	ok $? "$2"
}

# said FILE TEXT NAME: out or err has this fixed text
said() {
	grep -qF -- "$2" "$tmp/$1"
	ok $? "$3"
}

# refused N TEXT NAME: exit N, exactly one line on standard error, which has TEXT, and nothing on standard output
refused() {
	[ "$code" = "$1" ] && [ "$(wc -l <"$tmp/err")" = 1 ] && [ ! -s "$tmp/out" ] && grep -qF -- "$2" "$tmp/err"
	ok $? "$3"
}

# A NumPy that can judge: Debian's, else whichever python3 has it
python=
for p in /usr/bin/python3 python3; do
	if "$p" -c 'import numpy' 2>/dev/null; then python=$p; break; fi
done
