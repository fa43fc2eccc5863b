#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Malformed input files, on a build with AddressSanitizer and UndefinedBehaviorSanitizer: one clear line, exit 1, nothing written.
SMARTSSD=${SMARTSSD_SAN:-build/san/smartssd}
. "$(dirname "$0")/tap.sh"
export SMARTSSD_LIBDIR=${SMARTSSD_LIBDIR:-$PWD/build} ASAN_OPTIONS=detect_leaks=1:exitcode=99 UBSAN_OPTIONS=exitcode=99

# npy FILE HEADER-TEXT BYTES [MAGIC LENGTH]: version 1.0, padded to 128 bytes
npy() {
	printf "${4:-\\x93NUMPY\\x01\\x00}${5:-\\x76\\x00}%-117s\n" "$2" >"$1"
	head -c "$3" /dev/zero >>"$1"
}
good="{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 4, 4), }"
npy "$tmp/w.npy" "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 1, 3, 3), }" 18
npy "$tmp/t.npy" "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }" 32
npy "$tmp/i.npy" "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }" 16
npy "$tmp/good.npy" "$good" 16
echo precious >"$tmp/y.npy"

sound() { ! grep -qE 'Sanitizer|runtime error' "$tmp/err" && [ "$code" != 99 ] && [ "$code" -lt 128 ]; }
conv() { run conv2d --input "$1" --weight "${2:-$tmp/w.npy}" --x-scale 1 --x-zero-point 0 --w-scale 1 --w-zero-point 0 --y-scale 1 --y-zero-point 0 \
	--output "$tmp/y.npy"; }
look() { run lookup --table "${1:-$tmp/t.npy}" --indices "${2:-$tmp/i.npy}" --offsets "${3:-$tmp/i.npy}" --output "$tmp/y.npy"; }
# clear NAME: the last run was refused in one line that names the file, and the output is what it was
clear() {
	sound && [ "$code" = 1 ] && [ "$(wc -l <"$tmp/err")" = 1 ] && grep -q 'bad\.npy' "$tmp/err" && [ "$(cat "$tmp/y.npy")" = precious ]
	ok $? "$1"
}
b=$tmp/bad.npy
header() { npy "$b" "$1" "${3:-16}"; conv "$b"; clear "$2"; }

: >"$b"; conv "$b"; clear "an empty file"
head -c 7 "$tmp/good.npy" >"$b"; conv "$b"; clear "seven bytes"
head -c 60 "$tmp/good.npy" >"$b"; conv "$b"; clear "a header cut short"
head -c 143 "$tmp/good.npy" >"$b"; conv "$b"; clear "one element missing"
rm "$b"; mkdir "$b"; conv "$b"; clear "a folder"; rmdir "$b"
ln -s bad.npy "$b"; conv "$b"; clear "a link to itself"; rm "$b"
# Nobody writes to it: the command must not wait for that. The one who opens it after 5 s is there to end a command that does.
mkfifo "$b"; start=$SECONDS; (sleep 5; exec 3<>"$b") & writer=$!; conv "$b"; clear "a pipe"
[ $((SECONDS - start)) -lt 4 ]; ok $? "... at once"
kill $writer 2>/dev/null; wait $writer 2>/dev/null; rm -f "$b"
for verb in quantize compile plan; do
	mkfifo "$b"; start=$SECONDS; (sleep 5; exec 3<>"$b") & writer=$!
	case $verb in
	quantize) run quantize "$b" --calibrate "$tmp/good.npy" -o "$tmp/none" ;;
	compile) run compile "$b" -o "$tmp/none" ;;
	plan) run plan "$b" ;;
	esac
	[ $((SECONDS - start)) -lt 4 ] && grep -q 'not a regular file' "$tmp/err"; ok $? "$verb: a pipe as the model, at once"
	clear "... in one line"
	kill $writer 2>/dev/null; wait $writer 2>/dev/null; rm -f "$b"
done
npy "$b" "$good" 16 '\x93NUMPX\x01\x00'; conv "$b"; clear "a wrong magic"
npy "$b" "$good" 16 '\x93NUMPY\x09\x00'; conv "$b"; clear "an unknown version"
npy "$b" "$good" 16 '\x93NUMPY\x01\x00' '\xff\xff'; conv "$b"; clear "a header longer than the file"
npy "$b" "$good" 16 '\x93NUMPY\x02\x00' '\xff\xff\xff\xff'; conv "$b"; clear "a header of 4 GB"
npy "$b" "$good" 16 '\x93NUMPY\x01\x00' '\x00\x00'; conv "$b"; clear "a header of no length"
header "" "an empty header"
header "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 1, 4, 4), }" "Fortran order"
header "{'descr': '>i4', 'fortran_order': False, 'shape': (1, 1, 2, 2), }" "big-endian"
header "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1, 4, 4), }" "Python objects"
header "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1, 1, 4, 4), }" "a structured type"
header "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 2), }" "doubles"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 4, -4), }" "a negative size"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 4, 99999999999999999999999), }" "a size beyond 64 bits"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4, 4), }" "a product beyond 64 bits"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 0, 4), }" "a size of 0"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 16), }" "twelve dimensions"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (), }" "no dimension"
header "{'descr': '|u1', 'shape': (1, 1, 4, 4), }" "a key missing"
header "{'descr': '|u1', 'descr': '|u1', 'shape': (1, 1, 4, 4), }" "a key twice"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 4, 4), } + exec('x')" "something after the header"
header "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 4, 4" "a header that ends within the shape"
header "{'descr': '|u1" "a header that ends within a word"
npy "$b" "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 1, 3, 3), }" 17; conv "$tmp/good.npy" "$b"; clear "weights one element short"
npy "$b" "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 0), }" 0; look "$b"; clear "a table of empty rows"
npy "$b" "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }" 15; look "" "$b"; clear "indices one byte short"
npy "$b" "{'descr': '<i8', 'fortran_order': False, 'shape': (1152921504606846976,), }" 16; look "" "" "$b"; clear "offsets that would fill the address space"
printf '\x89PNG\r\n\x1a\nnonsense' >"$b"; run demo --image "$b" --drive "$tmp/d" --out "$tmp/d" --rows 10; clear "demo: a broken PNG"
printf 'P6 99999999 99999999 255\n' >"$b"; run demo --image "$b" --drive "$tmp/d" --out "$tmp/d" --rows 10; clear "demo: a PPM of absurd size"
printf 'P6 4 4 255\nabc' >"$b"; run demo --image "$b" --drive "$tmp/d" --out "$tmp/d" --rows 10; clear "demo: a PPM cut short"
printf 'P6 # x' >"$b"; run demo --image "$b" --drive "$tmp/d" --out "$tmp/d" --rows 10; clear "demo: a PPM that ends in a comment"

# Whatever single bytes of a header become: never a sanitizer report, a crash or a hang
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
echo "# seed $seed"
RANDOM=$seed
bad=0
for i in $(seq 40); do
	cp "$tmp/good.npy" "$b"
	for n in $(seq $((1 + RANDOM % 3))); do
		printf "\\x$(printf %02x $((RANDOM % 256)))" | dd of="$b" bs=1 seek=$((RANDOM % 80)) conv=notrunc status=none
	done
	conv "$b"
	if ! sound || { [ "$code" != 0 ] && [ "$code" != 1 ]; }; then bad=1; cp "$b" "$tmp/keep"; break; fi
done
[ $bad = 0 ] || { echo "# round $i, exit $code:"; od -c "$tmp/keep" | head -12 | sed 's/^/# /'; }
ok $bad "40 headers with random bytes changed"
finish
