#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Wrong usage: one line that says what, where and what to do; exit status 2, and 1 for files.
. "$(dirname "$0")/tap.sh"

"$tool" >"$tmp/out" 2>"$tmp/err"; code=$?
exits 2 "no verb: usage"
run nonsense
refused 2 "'nonsense' is not a verb" "an unknown verb"
for option in --version -V; do
	run $option
	[ "$code" = 0 ] && grep -qxE 'smartssd [0-9]+\.[0-9]+\.[0-9]+' "$tmp/out"; ok $? "$option"
done
for verb in list check conv2d lookup demo reset xclbin vm; do
	run help $verb
	[ "$code" = 0 ] && head -1 "$tmp/out" | grep -q "^usage: smartssd $verb" && [ ! -s "$tmp/err" ]; ok $? "help $verb"
done
for verb in conv2d lookup quantize compile; do
	run $verb --help
	grep -q '^  -o, --output ' "$tmp/out" && ! grep -q 'or -o' "$tmp/out"; ok $? "$verb --help has -o"
done
run compile model.onnx
refused 2 "--output is required (--output OUT.ssp: written whole or not at all); " "what --output is, where it is missing"
run help nonsense
refused 2 "'nonsense' is not a verb" "help for an unknown verb"
for a in "list" "list --json" "check --json emu:" "--help" "help vm" "--version"; do
	"$tool" $a >/dev/full 2>"$tmp/err"; code=$?
	: >"$tmp/out"
	[ "$code" = 1 ] && grep -q "standard output cannot be written: No space" "$tmp/err"; ok $? "$a with nowhere to print to"
done
for verb in list check conv2d lookup demo; do
	run $verb --help
	[ "$code" = 0 ] && head -1 "$tmp/out" | grep -q "^usage: smartssd $verb" && [ ! -s "$tmp/err" ]
	ok $? "$verb --help"
	run $verb --nonsense
	refused 2 "--nonsense: no such option" "$verb: an unknown option"
	run $verb -x
	refused 2 "-x: no such option" "$verb: an unknown letter"
	run $verb --json=1
	refused 2 "takes no value" "$verb: a value for a flag"
done
for verb in list conv2d lookup demo; do
	run $verb --json surplus
	[ "$code" = 2 ]; ok $? "$verb: an argument that is none"
done

# The smallest right command lines, each with one thing wrong
npy() { # FILE DESCR SHAPE BYTES
	local h="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
	printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$h" >"$1"
	head -c "$4" /dev/zero >>"$1"
}
npy "$tmp/x.npy" '|u1' '1, 1, 4, 4' 16
npy "$tmp/w.npy" '|i1' '2, 1, 3, 3' 18
npy "$tmp/b.npy" '<i4' '2,' 8
npy "$tmp/b3.npy" '<i4' '3,' 12
npy "$tmp/f2.npy" '<f2' '2,' 4
npy "$tmp/s0.npy" '<f4' '2,' 8
npy "$tmp/z3.npy" '|i1' '3,' 3
npy "$tmp/e.npy" '<i8' '0,' 0
npy "$tmp/t.npy" '<f4' '4, 2' 32
npy "$tmp/tu.npy" '|u1' '4, 8' 32
npy "$tmp/t4.npy" '|u1' '4, 4' 16
npy "$tmp/i.npy" '<i8' '2,' 16
npy "$tmp/p.npy" '<f4' '3,' 12
conv=(conv2d --input "$tmp/x.npy" --weight "$tmp/w.npy" --x-scale 1 --x-zero-point 0 --w-scale 1 --w-zero-point 0 --y-scale 1 --y-zero-point 0
	--output "$tmp/y.npy")
look=(lookup --table "$tmp/t.npy" --indices "$tmp/i.npy" --offsets "$tmp/i.npy" --output "$tmp/y.npy")

# without OPTION ARG...: the command line without an option and its value
without() { local drop=$1 a=() skip=0; shift; for w; do
	if [ $skip = 1 ]; then skip=0; elif [ "$w" = "$drop" ]; then skip=1; else a+=("$w"); fi; done; run "${a[@]}"; }
for option in --input --weight --x-scale --x-zero-point --w-scale --w-zero-point --y-scale --y-zero-point --output; do
	without $option "${conv[@]}"
	refused 2 "$option is required" "conv2d without $option"
done
for option in --table --indices --offsets --output; do
	without $option "${look[@]}"
	refused 2 "$option is required" "lookup without $option"
done

# bad TEXT NAME ARG...: exit 2;  wrong TEXT NAME ARG...: exit 1
bad() { local text=$1 name=$2; shift 2; run "$@"; refused 2 "$text" "$name"; }
wrong() { local text=$1 name=$2; shift 2; run "$@"; refused 1 "$text" "$name"; }
bad "a value is missing" "a value is missing" "${conv[@]}" --stride
bad "given twice" "an option twice" "${conv[@]}" --output again.npy
bad "is not H,W" "stride: three numbers" "${conv[@]}" --stride 1,1,1
bad "is not H,W" "stride: no number" "${conv[@]}" --stride a
bad "is not H,W" "stride: 0" "${conv[@]}" --stride 0,1
bad "is not H,W" "stride: beyond 16 bits" "${conv[@]}" --stride 1,65536
bad "is not H,W" "stride: blanks" "${conv[@]}" --stride '1, 1'
bad "is not H,W" "dilation: negative" "${conv[@]}" --dilation=-1,1
bad "is not T,L,B,R" "pad: two numbers" "${conv[@]}" --pad 1,1
bad "is not T,L,B,R" "pad: trailing comma" "${conv[@]}" --pad 1,1,1,1,
bad "whole number from 1" "group: 0" "${conv[@]}" --group 0
bad "whole number" "group: beyond everything" "${conv[@]}" --group 99999999999999999999999
bad "is not LO,HI" "clip: the wrong way round" "${conv[@]}" --clip 9,3
bad "not both values of u1" "clip: outside of the output's type" "${conv[@]}" --clip=-1,3
bad "none of auto|require|off" "p2p: nonsense" "${conv[@]}" --p2p maybe
bad "none of auto|off" "progress: nonsense" "${look[@]}" --progress on
bad "none of sum|mean" "mode: nonsense" "${look[@]}" --mode max
bad "none of fp32|fp16|int8-rowwise" "format: nonsense" "${look[@]}" --format fp64
bad "only with --mode sum" "weights with mean" "${look[@]}" --mode mean --weights "$tmp/p.npy"
bad "whole number from 1 to 64" "demo: filters" demo --filters 65
bad "neither a number nor a file" "a scale that is neither" "${conv[@]:0:5}" --x-scale 1e "${conv[@]:7}"
for s in 0 -1 nan inf 1e999; do
	bad "finite and above 0" "a scale of $s" "${conv[@]:0:5}" --x-scale=$s "${conv[@]:7}"
done
bad "is not a value of type u1" "x-zero-point outside of the type" "${conv[@]:0:7}" --x-zero-point 256 "${conv[@]:9}"
bad "is not a value of u1" "y-zero-point of the other type" "${conv[@]:0:15}" --y-zero-point=-1 --output "$tmp/y.npy"

wrong "must be of u1 or i1" "input of a wrong type" conv2d --input "$tmp/t.npy" "${conv[@]:3}"
wrong "must have 4" "weight of a wrong shape" conv2d --input "$tmp/x.npy" --weight "$tmp/z3.npy" "${conv[@]:5}"
wrong "nowhere.npy" "input that is not there" conv2d --input "$tmp/nowhere.npy" "${conv[@]:3}"
wrong "holds 3 elements" "bias of a wrong length" "${conv[@]}" --bias "$tmp/b3.npy"
wrong "must be of i4" "bias of a wrong type" "${conv[@]}" --bias "$tmp/f2.npy"
wrong "element 0 is 0" "a scale of 0 in a file" "${conv[@]:0:9}" --w-scale "$tmp/s0.npy" "${conv[@]:11}"
wrong "must be of f4" "scales of f2" "${conv[@]:0:9}" --w-scale "$tmp/f2.npy" "${conv[@]:11}"
wrong "must hold 1 or 2" "zero points of a wrong length" "${conv[@]:0:11}" --w-zero-point "$tmp/z3.npy" "${conv[@]:13}"
wrong "must be of u1" "a zero point of the other type" "${conv[@]:0:7}" --x-zero-point "$tmp/z3.npy" "${conv[@]:9}"
bad "say --format int8-rowwise" "a u1 table without a format" lookup --table "$tmp/tu.npy" "${look[@]:3}"
wrong "8 bytes more" "int8 rows without room for scale and bias" lookup --table "$tmp/tu.npy" "${look[@]:3}" --format int8-rowwise
wrong "4 bytes more" "int4 rows without room for scale and bias" lookup --table "$tmp/t4.npy" "${look[@]:3}" --format int4-rowwise
wrong "rows are of type f2" "a format that is not the table's" "${look[@]}" --format fp16
wrong "one element more" "offsets without an element" "${look[@]:0:5}" --offsets "$tmp/e.npy" "${look[@]:7}"
wrong "must be of i4 or i8" "indices of a wrong type" "${look[@]:0:3}" --indices "$tmp/p.npy" "${look[@]:5}"
wrong "but --indices has 2" "weights of a wrong length" "${look[@]}" --weights "$tmp/p.npy"
wrong "is no device" "a device that is none" "${conv[@]}" --device nonsense
wrong "does not exist" "a device that is not there" "${conv[@]}" --device /dev/smartssd99
wrong "emu:" "a card with a wrong setting" "${conv[@]}" --device emu:nonsense=1
# Where the output goes is looked at before the card is: a card that cannot be opened would be said first
run "${conv[@]:0:17}" --output "$tmp/no/y.npy" --device nonsense
refused 1 "--output: $tmp/no/y.npy: cannot be written" "an output folder that is not there"
run "${look[@]:0:7}" --output "$tmp" --device nonsense
refused 1 "--output: $tmp is not a regular file" "an output that is a folder"
run "${look[@]:0:7}" --output /dev/null --device nonsense
refused 1 "--output: /dev/null is not a regular file" "an output that is a device"
run "${look[@]:0:7}" --output /proc/y.npy --device nonsense
refused 1 "--output: /proc/y.npy: cannot be written" "an output folder that takes no files"
# A value may begin with a minus
npy "$tmp/zp.npy" '|i1' '1,' 1
run "${conv[@]:0:15}" --y-zero-point "$tmp/zp.npy" --clip -5,20 --output "$tmp/clip.npy"
exits 0 "clip: a negative bound, as a word of its own"
# JSON: UTF-8 as it is, what is none as the replacement character
name=$tmp/$(printf 'a\303\274\342\202\254\360\237\230\200 \377 \303( \355\240\200 \300\257 \364\220\200\200 "\\\001\177.npy')
run "${conv[@]:0:17}" --output "$name" --json
grep -aqF "$(printf 'a\303\274\342\202\254\360\237\230\200 \\ufffd \\ufffd( \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd \\ufffd\\ufffd\\ufffd\\ufffd \\"\\\\\\u0001\\u007f.npy"')" "$tmp/out"
ok $? "--json: UTF-8 passes, other bytes are replaced"
# Manual pages and --help know the same options
for verb in list check conv2d lookup demo reset; do
	run $verb --help
	page=Documentation/man/smartssd-$verb.1 missing=
	for option in $(grep -oE '^  (-o, )?--[a-z0-9-]+' "$tmp/out" | grep -oE -- '--[a-z0-9-]+' | grep -v -- --help); do
		sed 's/\\-/-/g' $page | grep -qF -- "$option" || missing+=" $option"
	done
	for option in $(sed 's/\\-/-/g; s/\\f[A-Z]/ /g' $page | grep -E '^\.(B|BR) -' | grep -oE -- '--[a-z0-9-]+'); do
		grep -qE -- "^  (-o, )?$option" "$tmp/out" || missing+=" $option"
	done
	[ -z "$missing" ] || echo "# $page:$missing"
	[ -z "$missing" ]; ok $? "$verb: manual page and --help agree"
done
[ ! -e "$tmp/y.npy" ]; ok $? "no output file after any of these"
finish
