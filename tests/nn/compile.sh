#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd compile as a user meets it: layers that other tools' models have, run on the embedded card with the same bytes as the evaluation gives; and what it says
# when something is wrong, with no file left behind. TAP.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
lib=$(cd "${SMARTSSD_LIBDIR:-$root/build}" && pwd)
. "$root/tests/tap.sh"
tool=$lib/smartssd seed=${SEED:-$RANDOM}
work=$(mktemp -d)
trap 'umount "$work/drive" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
export SMARTSSD_DEVICE=emu:
echo "# SEED=$seed"

for kind in image channel pool weights; do
	for turn in 1 2 3; do
		SEED=$((seed + turn)) "$lib/tests/nn/write_net" $kind . >/dev/null &&
			"$tool" compile net.onnx -o net.ssp >text && grep -q 'on the host   0 layers' text &&
			"$tool" run net.ssp --input x.npy --output y.npy --batch 2 --verify >text && cmp y.npy want.npy
		result $? "$kind, SEED=$((seed + turn)): all on the card, three inputs, the bytes of the evaluation"
	done
done

# says CODE TEXT NAME COMMAND...: it ends with that code, says that, and leaves no program
says() {
	local code=$1 text=$2 name=$3 out
	shift 3
	rm -f out.ssp
	out=$("$@" 2>&1 >/dev/null)
	[ $? = "$code" ] && grep -qF -- "$text" <<<"$out" && ! ls ./*.ssp* >/dev/null 2>&1
	result $? "$name"
	[ $tap_failed = 0 ] || echo "# $out"
}
rm -f net.ssp
says 2 "'0' is not a whole number from 1 to 48" "--cards 0" "$tool" compile net.onnx -o out.ssp --cards 0
says 2 "'some' is not a whole number from 1 to 48" "--cards some" "$tool" compile net.onnx -o out.ssp --cards some
says 2 "'both' is none of flat|dfx" "--shell both" "$tool" compile net.onnx -o out.ssp --shell both
says 1 "No such file or directory" "no such model" "$tool" compile none.onnx -o out.ssp
says 1 "nowhere/out.ssp: cannot be written" "no such folder, before the work" "$tool" compile none.onnx -o nowhere/out.ssp
head -c 200 net.onnx >cut.onnx
says 1 "cut.onnx: not an ONNX model, or damaged" "a model that is cut off" "$tool" compile cut.onnx -o out.ssp
cp net.onnx kept.onnx
says 2 "is the model, which would be lost" "the output is the model" "$tool" compile net.onnx -o ./net.onnx
check "which is still there" cmp net.onnx kept.onnx

"$tool" compile "$root/tests/nn/models/shapes.onnx" -o float.ssp >text 2>note && grep -qF "smartssd quantize $root/tests/nn/models/shapes.onnx --calibrate" note
result $? "a model in floating point: how to quantise it"
check "  one layer is one" grep -qx '  on the host   1 layer' text
"$tool" compile net.onnx -o whole.ssp >/dev/null 2>note && ! [ -s note ]
result $? "no such note for a quantised one"

mkdir drive
if mount -t tmpfs -o size=8k tmpfs drive 2>/dev/null; then
	! "$tool" compile net.onnx -o drive/out.ssp 2>note && grep -q "out.ssp: no room for the [0-9]* bytes" note && [ -z "$(ls -A drive)" ]
	result $? "a drive that is too small: said, nothing left on it"
	echo old >drive/out.ssp
	! "$tool" compile net.onnx -o drive/out.ssp 2>note && [ "$(cat drive/out.ssp)" = old ]
	result $? "a program that was there stays"
else
	skip "a drive that is too small" "needs root, to mount a small tmpfs"
fi
finish
