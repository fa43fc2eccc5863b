#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd demo, with a small table so that it takes seconds.
. "$(dirname "$0")/tap.sh"
d=$tmp/drive
run demo --drive "$d" --out "$tmp/out.d" --rows 20000
exits 0 "demo: exit 0"
said out "there is no /dev/smartssd0" "says which card it took, and why"
said out "are exactly those of the C reference" "feature maps agree exactly"
said out "of the bound for single precision" "pooled vectors agree within the bound"
said out "emulated: no hardware figure" "time is labelled as emulated"
grep -qE 'Host link in all: .*; the host-only way: .*, [0-9.]+ times as much' "$tmp/out"; ok $? "bytes over the host link against the host-only way"
[ "$(head -c 4 "$tmp/out.d/features.png" | od -An -tx1 | tr -d ' \n')" = 89504e47 ]; ok $? "the sheet is a PNG"
[ -z "$(find "$d" "$tmp/out.d" -name '*.tmp*')" ]; ok $? "no temporary files stay"

# A picture of the user's: 5 x 3 pixels
{ printf 'P6\n# hello\n5 3\n255\n'; head -c 45 /dev/urandom; } >"$tmp/p.ppm"
small=(demo --image "$tmp/p.ppm" --drive "$d" --out "$tmp/out.d" --rows 20000)
run "${small[@]}"
exits 0 "demo: a tiny PPM"

# A second run writes no data again; a file that is not right is made anew
before=$(stat -c %Y.%i "$d/table.npy" "$d/image.npy")
run "${small[@]}"
[ "$code" = 0 ] && [ "$before" = "$(stat -c %Y.%i "$d/table.npy" "$d/image.npy")" ]; ok $? "data files are reused"
printf X | dd of="$d/image.npy" bs=1 seek=140 conv=notrunc status=none
printf XXXX | dd of="$d/table.npy" bs=1 seek=$((128 + 19999 * 128)) conv=notrunc status=none
run "${small[@]}"
[ "$code" = 0 ] && [ "$(comm -12 <(sort <<<"$before") <(stat -c %Y.%i "$d/table.npy" "$d/image.npy" | sort))" = "" ]
ok $? "spoiled data files are made anew"


run "${small[@]}" --filters 64 --json --p2p off
exits 0 "demo: 64 filters, bounced, JSON"
if [ "$python" ]; then
	"$python" - "$tmp/out" "$d" "$tool" <<'P' 2>"$tmp/err"; ok $? "demo --json parses, and the arrays on the drive are NumPy's"
import json, subprocess, sys
import numpy as np
j = json.load(open(sys.argv[1]))
p, l = j["picture"], j["lookup"]
assert j["right"] and p["values"] == 64 * 2 * 3 and p["values_wrong"] == 0 and 0 <= l["share_of_bound"] <= 1
assert p["path"] == l["path"] == "bounce" and p["emulated"] and l["lookups"] == 1024 * 80
assert j["host_link_bytes"] == p["bytes"]["host_link"] + l["bytes"]["host_link"]
t, i, o = (np.load(f"{sys.argv[2]}/{n}.npy") for n in ("table", "indices", "offsets"))
assert t.shape == (20000, 32) and np.abs(t).max() <= 1 and np.load(sys.argv[2] + "/image.npy").shape == (1, 3, 3, 5)
top = np.sort(np.bincount(i, minlength=20000))[::-1]
assert 5 < top[0] / top[9] < 20, top[:10]	# Zipf: the first is wanted ten times as often as the tenth
w = np.load(sys.argv[2] + "/filters.npy")
assert (w.astype(int).reshape(64, -1).sum(1) == 0).sum() == 63	# all but brightness ignore an even surface
P
else
	skip "demo --json" "no python3 with numpy"
fi
# Stopped while it writes the table: nothing half-written stays
"$tool" "${small[@]:0:7}" --rows 4000000 >"$tmp/out" 2>"$tmp/err" &
pid=$!
# it has no name, or a temporary one, while it grows
growing() { local f; for f in /proc/$pid/fd/*; do
	case $(readlink "$f") in "$d/#"*|"$d/table.npy."*) [ "$(stat -Lc %s "$f" 2>/dev/null || echo 0)" -gt 1000000 ] && return; esac; done; false; }
for i in $(seq 500); do [ -d /proc/$pid ] || break; growing && break; sleep 0.02; done
kill -TERM $pid 2>/dev/null; wait $pid; code=$?
[ "$code" = 1 ] && [ -z "$(find "$d" -name '*.tmp')" ] && [ "$(stat -c %s "$d/table.npy")" = $((128 + 20000 * 128)) ]
ok $? "stopped by a signal: exit 1, the half-written table is taken away"
run demo --drive /proc/nowhere --out "$tmp/out.d" --rows 20000
[ "$code" = 1 ] && grep -q -- '--drive' "$tmp/err"; ok $? "a drive folder that cannot be made"
run demo --image "$tmp/nowhere.png" --drive "$d" --out "$tmp/out.d"
[ "$code" = 1 ] && grep -q 'nowhere.png' "$tmp/err"; ok $? "a picture that is not there"
mkfifo "$tmp/pipe.png"
code=0
timeout 20 "$tool" demo --image "$tmp/pipe.png" --drive "$d" --out "$tmp/out.d" >"$tmp/out" 2>"$tmp/err" || code=$?
[ "$code" = 1 ] && grep -q 'pipe.png is no regular file' "$tmp/err"; ok $? "a pipe as picture is refused, and not waited for"
finish
