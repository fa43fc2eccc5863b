#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Networks by the four verbs: quantize, compile, plan, run. The trained small network on pictures that are drawn here; then all that can be wrong with the
# arguments of `smartssd run`.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli/tap.sh
. "$here/tap.sh"
models=$here/../nn/models
for verb in quantize compile run; do
	if ! "$tool" "$verb" --help >/dev/null 2>&1; then
		echo "1..0 # SKIP there is no 'smartssd $verb'"
		exit 77
	fi
done
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi

# judge NAME PYTHON-EXPRESSION: with np, json, load(file) of $tmp
judge() {
	(cd "$tmp" && "$python" -c "
import json, sys
import numpy as np
sys.exit(0 if ($2) else 1)") >"$tmp/out" 2>"$tmp/err"
	ok $? "$1"
}

nr=200
"$python" "$models/shapes.py" $nr 11 "$tmp/x.npy" "$tmp/l.npy" && "$python" "$models/shapes.py" 60 12 "$tmp/c.npy" &&
	"$python" "$models/shapes.py" --ppm 20 11 "$tmp/folder"
ok $? "pictures are drawn"

run quantize "$models/shapes.onnx" --calibrate "$tmp/c.npy" --mean 0.5 --std 0.25 --output "$tmp/q.onnx"
exits 0 "quantize"
run compile "$tmp/q.onnx" --output "$tmp/m.ssp"
exits 0 "compile"
if "$tool" plan --help >/dev/null 2>&1; then
	run plan "$tmp/m.ssp"
	exits 0 "plan"
	run plan "$tmp/m.ssp" --json
	cp "$tmp/out" "$tmp/plan.json"
	judge "plan --json" "json.load(open('plan.json'))"
else
	skip "plan" "there is no 'smartssd plan' yet"
fi

run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/y.npy" --json
exits 0 "run"
cp "$tmp/out" "$tmp/r.json"
judge "accuracy is at least 97 %" "np.mean(np.load('y.npy').reshape($nr, -1).argmax(1) == np.load('l.npy')) >= 0.97"
judge "the report: all images, read once by the card, little on the host link" "(lambda r: r['images'] == $nr and r['emulated'] and
	r['host_link_per_image'] < 1500 and r['bytes']['bounce_read'] == 0 and r['host_only'] == $nr * 3072 and r['lost'] == r['redone'] == 0 and
	sum(l['place'] == 'card' for l in r['layers']) > 8)(json.load(open('r.json')))"
# What the planner says of the same program, on one card and on two
judge "a plausible modelled time" "1e-6 < json.load(open('r.json'))['modelled_seconds_per_image'] < 1e-2"
if [ -s "$tmp/plan.json" ]; then
	judge "  which is that of the plan" "abs(json.load(open('r.json'))['modelled_seconds_per_image'] *
		json.load(open('plan.json'))['image']['modelled_images_per_second'] - 1) < 1e-3"
fi
run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" --cards 2 --json
cp "$tmp/out" "$tmp/r2.json"
judge "  two cards take half of it" "abs(json.load(open('r2.json'))['modelled_seconds_per_image'] * 2 /
	json.load(open('r.json'))['modelled_seconds_per_image'] - 1) < 0.1"

# The same bytes, however it is run
for how in "--batch 7" "--cards 3 --batch 2" "--batch 3 --p2p off" "--cards 2 --device emu:ddr=64M,serial=3"; do
	# shellcheck disable=SC2086
	run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" $how
	exits 0 "run $how"
	cmp -s "$tmp/y.npy" "$tmp/z.npy"
	ok $? "  the same result"
done
said out EMULATED "an emulated card's figures say so"

# A host that takes part in the plan does not change the result
run compile "$tmp/q.onnx" --output "$tmp/host.ssp" --host-gmacs 100000000 --json
exits 0 "compile --host-gmacs: a very fast host"
cp "$tmp/out" "$tmp/h.json"
judge "  has layers on the host that the card could do" "json.load(open('h.json'))['on_host_for_speed'] > 0"
judge "  and the plan says what that means" "json.load(open('h.json'))['decision'].startswith('do not offload')"
run run "$tmp/host.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy"
exits 0 "  run"
cmp -s "$tmp/y.npy" "$tmp/z.npy"
ok $? "  the same result"
run compile "$tmp/q.onnx" --output "$tmp/host.ssp" --host-gmacs 0 --json
cp "$tmp/out" "$tmp/h.json"
judge "  0 is the default: only what the card cannot do" "json.load(open('h.json'))['on_host_for_speed'] == 0"
cmp -s "$tmp/m.ssp" "$tmp/host.ssp"
ok $? "  the same program as without the option"
run compile "$tmp/q.onnx" --output "$tmp/host.ssp" --host-gmacs -1
refused 2 "--host-gmacs" "  a negative one is refused"

for fault in hang crash wrong gone; do
	[ $fault = hang ] && continue # a hang takes the time of the watchdog: tests/nn/test_session.c
	run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" --json --device "emu:fault=$fault:0:40"
	exits 0 "run on a card that does this: $fault"
	cp "$tmp/out" "$tmp/r.json"
	cmp -s "$tmp/y.npy" "$tmp/z.npy"
	ok $? "  the same result"
	judge "  and the report says so" "(lambda r: r['redone'] > 0 and r['lost' if '$fault' == 'gone' else 'faults'] == 1)(json.load(open('r.json')))"
done
run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" --json --device "emu:fault=gone:0:40,emu:"
cmp -s "$tmp/y.npy" "$tmp/z.npy" && [ "$code" = 0 ]
ok $? "the other card takes over from one that is gone"

# A folder of pictures: the first 20 are the same ones
run run "$tmp/m.ssp" --input "$tmp/folder" --output "$tmp/f.npy" --verify
exits 0 "a folder of pictures, verified"
said out "the same as the reference" "  and it says so"
grep -q "the host-only way: [1-9].* times less: --verify" "$tmp/out"
ok $? "  --verify moves more over the host link than the host-only way, and says so"
judge "  the same scores" "(np.load('f.npy') == np.load('y.npy')[:20]).all()"
# Reading the files is what the host-only way does; here the card gets the pixels on top of that, and --verify copies every value back.
files=$(cat "$tmp"/folder/* | wc -c)
run run "$tmp/m.ssp" --input "$tmp/folder" --output "$tmp/f.npy" --json
cp "$tmp/out" "$tmp/r.json"
judge "  the host-only way reads the files" "(lambda r: r['host_only'] == r['host_read'] == $files and
	r['host_link'] >= $files + 20 * 3072)(json.load(open('r.json')))"
run run "$tmp/m.ssp" --input "$tmp/folder" --output "$tmp/f.npy"
said out "this does not pay here" "  and a folder does not pay"
# Not all of them bytes: pictures, an array of bytes and one of values, and what is no image
mkdir "$tmp/mixed"
cp "$tmp"/folder/* "$tmp/mixed/" && echo "no image" >"$tmp/mixed/README"
judge "a folder of all kinds" "[np.save('mixed/y.npy', np.load('x.npy')[20]), np.save('mixed/z.npy', (np.load('x.npy')[21:22].astype(np.float32) *
	np.float32(1 / 255) - np.float32(0.5)) / np.float32(0.25))]"
run run "$tmp/m.ssp" --input "$tmp/mixed" --output "$tmp/f.npy" --batch 65536 --device emu:ddr=16M
exits 0 "  run, with a batch larger than that"
judge "  the same classes" "(np.load('f.npy').argmax(1) == np.load('y.npy')[:22].argmax(1)).mean() > 0.9"
judge "  and one of another size" "[np.save('mixed/zz.npy', np.zeros((3, 16, 16), np.uint8))]"
run run "$tmp/m.ssp" --input "$tmp/mixed" --output "$tmp/n.npy"
refused 1 "mixed/zz.npy" "  is named"
# Values of -128 to 127, which become floats on the host
judge "pictures as i1" "[np.save('i1.npy', (np.load('x.npy')[:20] // 2).astype(np.int8))]"
run run "$tmp/m.ssp" --input "$tmp/i1.npy" --output "$tmp/f.npy"
said out "the host read the images itself" "bytes with a sign: not peer to peer"
said out "times less: this does not pay here" "  and it says that more crosses the host link"

# Without a card: a model of floats, none of whose layers a card can do, and a card that is gone from the beginning
run compile "$models/shapes.onnx" --output "$tmp/fp32.ssp"
exits 0 "compile: a model that was not quantised"
run run "$tmp/fp32.ssp" --input "$tmp/i1.npy" --output "$tmp/f.npy"
exits 0 "  run"
said out "no layer is on one: the host read the images itself" "  no path to a card is claimed"
said out "all of it is the host's" "  nor a time of one"
! grep -qE 'peer to peer|times the slower' "$tmp/out"
ok $? "  anywhere"
run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" --device emu:fault=gone:0:1
cmp -s "$tmp/y.npy" "$tmp/z.npy"
ok $? "a card that is gone before anything was computed: the same result"
said out "lost before anything was computed on it: the host read" "  and the report says who did it"
! grep -qE 'peer to peer|times the slower' "$tmp/out"
ok $? "  and claims nothing else"
# Bytes are for at most four channels
"$python" - "$tmp/relu.onnx" <<-'END'
	import sys
	text = lambda field, b: bytes([field << 3 | 2, len(b)]) + b
	number = lambda field, i: bytes([field << 3, i])
	value = lambda name: text(1, name) + text(2, text(1, number(1, 1) + text(2, b"".join(text(1, number(1, d)) for d in (1, 17, 4, 4)))))
	graph = text(1, text(1, b"x") + text(2, b"y") + text(4, b"Relu")) + text(2, b"g") + text(11, value(b"x")) + text(12, value(b"y"))
	open(sys.argv[1], "wb").write(number(1, 8) + text(7, graph) + text(8, number(2, 13)))
END
mkdir "$tmp/seventeen"
judge "17 channels" "[np.save('b17.npy', np.full((2, 17, 4, 4), 9, np.uint8)), np.save('v17.npy', np.full((2, 17, 4, 4), -9, np.float32)),
	np.save('seventeen/a.npy', np.zeros((17, 4, 4), np.uint8))]"
run compile "$tmp/relu.onnx" --output "$tmp/relu.ssp"
exits 0 "  compile"
for input in b17.npy seventeen; do
	run run "$tmp/relu.ssp" --input "$tmp/$input" --output "$tmp/n.npy"
	refused 1 "at most four channels; give it values (f4)" "  $input: bytes are refused, and why"
done
run run "$tmp/relu.ssp" --input "$tmp/v17.npy" --output "$tmp/f.npy"
judge "  values are not" "np.load('f.npy').shape == (2, 17, 4, 4) and not np.load('f.npy').any()"
# The other overlay
run compile "$tmp/q.onnx" --shell dfx --output "$tmp/dfx.ssp"
exits 0 "compile --shell dfx"
run run "$tmp/dfx.ssp" --input "$tmp/folder" --output "$tmp/z.npy" --verify --json
exits 0 "  run --verify"
cp "$tmp/out" "$tmp/r.json"
judge "  the same scores" "(np.load('z.npy') == np.load('y.npy')[:20]).all()"
judge "  all layers were compared" "(lambda r: r['agrees'] and r['verified'] > 100000)(json.load(open('r.json')))"
run run "$tmp/dfx.ssp" --input "$tmp/folder" --output "$tmp/z.npy" --shell flat
judge "  on the flat shell, too" "(np.load('z.npy') == np.load('y.npy')[:20]).all()"

# A damaged file of weights: found before anything is compared with it
"$python" - "$tmp/m.ssp" "$tmp/bad.ssp" <<-'END'
	import sys
	data = bytearray(open(sys.argv[1], 'rb').read())
	data[-100] ^= 1
	open(sys.argv[2], 'wb').write(data)
END
run run "$tmp/bad.ssp" --input "$tmp/folder" --output "$tmp/n.npy" --verify
refused 1 "SHA-256" "--verify of a damaged model"

# Values instead of bytes: what the card makes of bytes is what NumPy makes of them
judge "pictures as floats" "[np.save('v.npy', (np.load('x.npy')[:20].astype(np.float32) * np.float32(1 / 255) - np.float32(0.5)) / np.float32(0.25))]"
run run "$tmp/m.ssp" --input "$tmp/v.npy" --output "$tmp/f.npy" --verify
exits 0 "floats"
judge "  the same classes" "(np.load('f.npy').argmax(1) == np.load('y.npy')[:20].argmax(1)).mean() > 0.9"

run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" --cards 2 --timeline "$tmp/t.json"
exits 0 "--timeline"
judge "a timeline that Perfetto takes: complete events, named processes and threads, none overlap in a thread" "(lambda t:
	sum(e['ph'] == 'X' for e in t) > 1000 and {e['pid'] for e in t if e['name'] == 'process_name'} == {1, 2} and
	all(e['ts'] >= 0 and e['dur'] >= 0 for e in t if e['ph'] == 'X') and
	{(e['pid'], e['tid']) for e in t if e['ph'] == 'X'} == {(e['pid'], e['tid']) for e in t if e['name'] == 'thread_name'} and
	all(b[0] >= a[1] - 0.002 for k in {(e['pid'], e['tid']) for e in t if e['ph'] == 'X'}
		for l in [sorted((e['ts'], e['ts'] + e['dur']) for e in t if e['ph'] == 'X' and (e['pid'], e['tid']) == k)] for a, b in zip(l, l[1:])))(json.load(open('t.json')))"

# Reads of later images while earlier ones are computed, on one card
run run "$tmp/m.ssp" --input "$tmp/x.npy" --output "$tmp/z.npy" --timeline "$tmp/t.json"
judge "reading overlaps computing" "(lambda x: (lambda reads, ends: sum(r['args']['images'] for r in reads) == $nr and
	sum(r['args']['images'] for r in reads if any(ends[i] > r['ts'] for i in ends if i < r['args']['first_image'])) > $nr / 2)([e for e in x if e['cat'] == 'read'],
	{i: max(e['ts'] + e['dur'] for e in x if e['cat'] == 'run' and e['args']['first_image'] == i) for i in range($nr)}))
	([e for e in json.load(open('t.json')) if e['ph'] == 'X'])"

# What is wrong is said in one line, and nothing is written
rm -f "$tmp/n.npy"
no=(--output "$tmp/n.npy")
run run "$tmp/q.onnx" --input "$tmp/x.npy" "${no[@]}"
refused 1 "q.onnx" "not an .ssp"
head -c 9000 "$tmp/m.ssp" >"$tmp/cut.ssp"
run run "$tmp/cut.ssp" --input "$tmp/x.npy" "${no[@]}"
refused 1 "cut.ssp" "an .ssp that is cut off"
judge "wrong inputs" "[np.save('s.npy', np.zeros((2, 3, 16, 32), np.uint8)), np.save('i.npy', np.zeros((2, 3, 32, 32), np.int32))]"
run run "$tmp/m.ssp" --input "$tmp/s.npy" "${no[@]}"
refused 1 "[2, 3, 16, 32]" "wrong shape"
run run "$tmp/m.ssp" --input "$tmp/i.npy" "${no[@]}"
refused 1 "i4" "wrong type"
run run "$tmp/m.ssp" --input "$tmp/nothing" "${no[@]}"
refused 1 "nothing" "no such input"
run run "$tmp/m.ssp" --input "$tmp/x.npy" "${no[@]}" --device emu:ddr=2M --batch 5000
refused 1 "does not fit the memory" "a card that is too small"
run run "$tmp/m.ssp" --input "$tmp/x.npy" --output /nonexistent/y.npy
refused 1 "/nonexistent" "an output that cannot be written"
run run "$tmp/m.ssp" --input "$tmp/x.npy" --output /dev/full
refused 1 "/dev/full" "an output that is no file"
run run "$tmp/m.ssp" --input "$tmp/x.npy" "${no[@]}" --timeline /nonexistent/t.json
refused 1 "/nonexistent" "a timeline that cannot be written"
run run "$tmp/m.ssp" --input "$tmp/x.npy" "${no[@]}" --cards 1 --device emu:,emu:
refused 2 "--cards" "fewer cards than devices"
run run --input "$tmp/x.npy" "${no[@]}"
refused 2 ".ssp" "no model"
run run "$tmp/m.ssp" "${no[@]}"
refused 2 "--input" "no input"
cp "$tmp/x.npy" "$tmp/x2.npy" && cp "$tmp/m.ssp" "$tmp/m2.ssp" && ln -s x2.npy "$tmp/link.npy"
run run "$tmp/m2.ssp" --input "$tmp/x2.npy" --output "$tmp/link.npy"
refused 2 "is the input" "the input as output, by another name"
run run "$tmp/m2.ssp" --input "$tmp/x2.npy" --output "$tmp/m2.ssp"
refused 2 "is the model" "the model as output"
run run "$tmp/m2.ssp" --input "$tmp/x2.npy" "${no[@]}" --timeline "$tmp/x2.npy"
refused 2 "is the input" "the input as timeline"
run run "$tmp/m2.ssp" --input "$tmp/x2.npy" "${no[@]}" --timeline "$tmp/n.npy"
refused 2 "is also the output" "output and timeline in one file"
cmp -s "$tmp/x.npy" "$tmp/x2.npy" && cmp -s "$tmp/m.ssp" "$tmp/m2.ssp"
ok $? "  and they are as they were"
mkfifo "$tmp/pipe"
run run "$tmp/m.ssp" --input "$tmp/pipe" "${no[@]}"
refused 1 "is a pipe" "a pipe as input"
judge "no image" "[np.save('none.npy', np.zeros((0, 3, 32, 32), np.uint8))]"
run run "$tmp/m.ssp" --input "$tmp/none.npy" "${no[@]}"
refused 1 "no image" "an array without images"
run run "$tmp/m.ssp" --input "$tmp/x.npy" "${no[@]}" --cards 49
refused 2 "48" "more cards than there can be"
run run "$tmp/m.ssp" --input "$tmp/x.npy" "${no[@]}" --cards 2 --device /dev/smartssd97
refused 1 "/dev/smartssd97" "more cards than there are"
# A drive that is full
mkdir "$tmp/full"
if unshare -m mount -t tmpfs -o size=4k none "$tmp/full" 2>/dev/null; then
	unshare -m sh -c 'mount -t tmpfs -o size=4k none "$1" && "$2" run "$3" --input "$4" --output "$1/y.npy"; code=$?; ls -A "$1"; exit $code' sh "$tmp/full" "$tool" \
		"$tmp/m.ssp" "$tmp/x.npy" >"$tmp/out" 2>"$tmp/err"
	code=$?
	refused 1 "No space left" "no room for the output, and no part of it left behind"
else
	skip "no room for the output" "no right to mount a small tmpfs"
fi
# Interrupted in the middle: no file, and no part of one
judge "many pictures" "[np.save('many.npy', np.tile(np.load('x.npy'), (30, 1, 1, 1)))]"
mkdir "$tmp/interrupted"
"$tool" run "$tmp/m.ssp" --input "$tmp/many.npy" --output "$tmp/interrupted/y.npy" --verify >"$tmp/out" 2>"$tmp/err" &
sleep 0.5
kill -TERM $!
wait $!
code=$?
exits 143 "ended by a signal"
[ -z "$(ls -A "$tmp/interrupted")" ]
ok $? "  nothing is left behind"
[ ! -e "$tmp/n.npy" ]
ok $? "none of these wrote anything"
finish
