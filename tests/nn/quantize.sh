#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd quantize on the trained model: accuracy, what others say to the file, and what is refused.
. "$(dirname "$0")/../cli/tap.sh"
models=$(dirname "$0")/models
accuracy=${ACCURACY:-build/tests/nn/accuracy}
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
seed=${SEED:-7}
echo "# SEED=$seed"
draw() { "$python" -B "$models/shapes.py" "$@" || exit 1; }
draw 200 "$seed" "$tmp/cal.npy"
draw 1000 $((seed + 1000)) "$tmp/test.npy" "$tmp/labels.npy"
draw 200 $((seed + 2000)) "$tmp/few.npy" "$tmp/few-labels.npy"
draw --ppm 30 "$seed" "$tmp/ppm"
fp32=$models/shapes.onnx int8=$tmp/int8.onnx
norm=(--mean 0.5 --std 0.25)

run quantize "$fp32" --calibrate "$tmp/cal.npy" "${norm[@]}" -o "$int8"
exits 0 "quantised with an array of bytes"
said out "24 nodes in int8, 0 left in float, 10 batch normalisations folded, calibrated with 100 images" "and says what it did"
"$accuracy" "$fp32" "$int8" "$tmp/test.npy" "$tmp/labels.npy" 1
result $? "accuracy on 1000 pictures: at most one point less than fp32"
for p in 100 99.9; do
	run quantize "$fp32" --calibrate "$tmp/cal.npy" "${norm[@]}" --percentile $p --images 50 --output "$tmp/p.onnx" --json
	[ "$code" = 0 ] && grep -q '"images": 50' "$tmp/out"; ok $? "percentile $p, 50 images, JSON"
	"$accuracy" "$fp32" "$tmp/p.onnx" "$tmp/few.npy" "$tmp/few-labels.npy" 2
	result $? "percentile $p: accuracy on 200 pictures"
done

# Bytes from pictures, from an array, and the same as floats: the same model
"$python" - "$tmp" <<'PY'
import sys, os, numpy as np
t = sys.argv[1]
a = np.load(t + "/cal.npy")[:30]
np.save(t + "/u.npy", a)
f = (a.astype(np.float32) * np.float32(1 / 255) - np.float32(.5)) / np.float32(.25)
np.save(t + "/f.npy", f)
os.mkdir(t + "/npys")
for i in range(30):
    np.save(t + "/npys/%02d.npy" % i, f[i] if i % 2 else a[i:i + 1])
np.save(t + "/f8.npy", f.astype(np.float64))
np.save(t + "/i4.npy", a.astype(np.int32))
np.save(t + "/small.npy", a[:, :, :16])
np.save(t + "/grey.npy", a[:, :1])
f[3, 1, 5, 6] = np.nan
np.save(t + "/nan.npy", f)
np.save(t + "/none.npy", a[:0])
np.save(t + "/zero.npy", np.zeros_like(f[:4]))
PY
for from in u.npy f.npy npys ppm; do
	run quantize "$fp32" --calibrate "$tmp/$from" "${norm[@]}" -o "$tmp/$from.onnx"
	exits 0 "calibrated with $from"
done
cmp -s "$tmp/u.npy.onnx" "$tmp/ppm.onnx"; result $? "pictures and an array of their bytes give the same model"
cmp -s "$tmp/u.npy.onnx" "$tmp/f.npy.onnx"; result $? "so does the array as floats"
cmp -s "$tmp/u.npy.onnx" "$tmp/npys.onnx"; result $? "so does a folder of arrays"
run quantize "$fp32" --calibrate "$tmp/f.npy" -o "$tmp/plain.onnx"
exits 0 "floats without --mean"
! grep -q smartssd.input "$tmp/plain.onnx" && grep -q smartssd.input "$int8"; result $? "metadata on bytes where there were bytes, and only there"

# Others read it
if /usr/bin/python3 -c 'import onnx' 2>/dev/null; then
	check "ONNX's own checker, with shape inference" /usr/bin/python3 - "$int8" <<'PY'
import sys, onnx
m = onnx.load(sys.argv[1])
onnx.checker.check_model(m, full_check=True)
assert m.opset_import[0].version == 13, m.opset_import
kinds = {n.op_type for n in m.graph.node}
assert "BatchNormalization" not in kinds and {"QuantizeLinear", "DequantizeLinear", "Conv", "Gemm", "Add", "Clip"} <= kinds, kinds
t = {i.name: i for i in m.graph.initializer}
made = {n.output[0]: n for n in m.graph.node}
convs = [n for n in m.graph.node if n.op_type == "Conv"]
assert len(convs) == 10, len(convs)
for n in convs:
    w, b = made[n.input[1]], made[n.input[2]]
    assert t[w.input[0]].data_type == onnx.TensorProto.INT8 and t[b.input[0]].data_type == onnx.TensorProto.INT32
    assert t[w.input[1]].dims == t[b.input[1]].dims == t[w.input[0]].dims[:1] == t[b.input[0]].dims
PY
else
	skip "ONNX's own checker" "no python3-onnx here"
fi

# Refused, with nothing written
bad() { # STATUS TEXT NAME ARG...
	local status=$1 text=$2 name=$3
	shift 3
	run quantize "$@" -o "$tmp/refused.onnx"
	refused "$status" "$text" "$name"
	[ -z "$(ls "$tmp" | grep '^refused')" ]; result $? "  and nothing is written"
}
bad 1 "quantised already" "an int8 model" "$int8" --calibrate "$tmp/cal.npy"
bad 1 "wants N images of [3, 32, 32]" "an array of another shape" "$fp32" --calibrate "$tmp/small.npy"
bad 1 "wants N images of [3, 32, 32]" "an array of another number of channels" "$fp32" --calibrate "$tmp/grey.npy"
bad 1 "i4" "an array of integers" "$fp32" --calibrate "$tmp/i4.npy"
bad 1 "astype(np.float32)" "an array of doubles" "$fp32" --calibrate "$tmp/f8.npy"
bad 1 "no image" "an array of no images" "$fp32" --calibrate "$tmp/none.npy"
bad 1 "element 1190 of tensor 'image' is nan" "not a number in an image" "$fp32" --calibrate "$tmp/nan.npy"
bad 1 "No such file" "no such folder" "$fp32" --calibrate "$tmp/nowhere"
bad 1 "No such file" "no such model" "$tmp/nowhere.onnx" --calibrate "$tmp/cal.npy"
mkdir "$tmp/empty" "$tmp/wrong" "$tmp/broken"
touch "$tmp/empty/a.jpg"
bad 1 "no image in this folder" "a folder without pictures" "$fp32" --calibrate "$tmp/empty"
{ printf 'P6\n31 32\n255\n'; head -c 2976 /dev/zero; } >"$tmp/wrong/a.ppm"
bad 1 "a.ppm: the picture is 31 x 32 pixels (width x height); the network wants 32 x 32" "a picture of another size" "$fp32" --calibrate "$tmp/wrong"
{ printf 'P6\n32 32\n255\n'; head -c 3000 /dev/zero; } >"$tmp/broken/a.ppm"
bad 1 "ends early" "a picture that is cut off" "$fp32" --calibrate "$tmp/broken"
bad 2 "--mean has 3 numbers, --std 2" "means and stds of different numbers" "$fp32" --calibrate "$tmp/cal.npy" --mean 1,2,3 --std 1,2
bad 2 "3 channels" "as many means as there are no channels" "$fp32" --calibrate "$tmp/cal.npy" --mean 1,2
bad 2 "not 1 to 4 numbers" "a std of 0" "$fp32" --calibrate "$tmp/cal.npy" --std 0
bad 2 "not 1 to 4 numbers" "a mean that is none" "$fp32" --calibrate "$tmp/cal.npy" --mean 1,,2
bad 2 "more than 100" "percentile 101" "$fp32" --calibrate "$tmp/cal.npy" --percentile 101
bad 2 "name a model" "no model" --calibrate "$tmp/cal.npy"
bad 2 "--calibrate is required" "no calibration" "$fp32"
run quantize "$fp32" --calibrate "$tmp/cal.npy" -o "$tmp/nowhere/x.onnx"
refused 1 "nowhere" "an output folder that is not there"
run quantize "$fp32" --calibrate "$tmp/cal.npy" -o
refused 2 "-o: a value is missing" "-o without a name"
cp "$fp32" "$tmp/self.onnx"
ln -s self.onnx "$tmp/link.onnx"
run quantize "$tmp/self.onnx" --calibrate "$tmp/cal.npy" -o "$tmp/link.onnx"
refused 2 "is the model to quantise, which would be lost" "the output is the model"
run quantize "$tmp/self.onnx" --calibrate "$tmp/u.npy" -o "$tmp/u.npy"
refused 2 "is the array to calibrate with, which would be lost" "the output is the array"
cmp -s "$fp32" "$tmp/self.onnx"; result $? "  and nothing is written over"
bad 1 "each of the 4 calibration inputs is 0" "only zeros to calibrate with" "$fp32" --calibrate "$tmp/zero.npy"
# A limit for files is what a full drive is, without root.
mkdir "$tmp/full"
(trap '' XFSZ; ulimit -f 40; run quantize "$fp32" --calibrate "$tmp/u.npy" -o "$tmp/full/x.onnx"; exit $code); code=$?
refused 1 "x.onnx: cannot be written" "a file that cannot grow"
[ -z "$(ls -A "$tmp/full")" ]; result $? "  and nothing is left of it"
head -c 5000 "$fp32" >"$tmp/cut.onnx"
bad 1 "cut.onnx" "a model that is cut off" "$tmp/cut.onnx" --calibrate "$tmp/cal.npy"
finish
