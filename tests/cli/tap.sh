# SPDX-License-Identifier: BSD-2-Clause
# TAP for shell tests: source this, then run/ok/..., and end with "finish".
# $tool: the command under test; $tmp: a folder of this test, removed at the end.
tool=${SMARTSSD:-build/smartssd}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0 failed=0
unset SMARTSSD_DEVICE

# ok CONDITION-STATUS NAME: one result
ok() {
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count $2"
	else
		echo "not ok $count $2"
		failed=$((failed + 1))
		sed 's/^/# out: /' "$tmp/out" | head -40
		sed 's/^/# err: /' "$tmp/err" | head -20
	fi
}

skip() {
	count=$((count + 1))
	echo "ok $count $1 # SKIP $2"
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

finish() {
	echo "1..$count"
	[ $failed = 0 ]
}
