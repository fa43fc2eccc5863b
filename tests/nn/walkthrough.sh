#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Documentation/networks-walkthrough.rst, typed in, with other folders for its files and its programs. Its step 2, training, takes two minutes: here the same script
# exports a network that was not trained, when PyTorch is there; all else takes the trained model of the repository, as the page does. TAP.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
lib=$(cd "${SMARTSSD_LIBDIR:-$root/build}" && pwd)
. "$root/tests/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SMARTSSD_DEVICE=emu:
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
	echo "1..0 # SKIP no NumPy in /usr/bin/python3 (Debian: python3-numpy)"
	exit 77
fi
sed "s#/tmp/shapes#$work/shapes#g; s#\bbuild/#$lib/#g" "$root/Documentation/networks-walkthrough.rst" >"$work/page.rst"
/usr/bin/python3 -B "$root/tests/xclbin/walkthrough.py" "$work/page.rst" "$root" 17 >"$work/tap"
status=$?
sed 's/^\(ok\|not ok\|1\.\.\)/# \1/' "$work/tap"
[ $status = 0 ]
result $? "the page's $(grep -c '^\(not \)\?ok' "$work/tap") blocks, as listed above"
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
	check "step 2: torch.onnx.export (a network without training)" /usr/bin/python3 -B "$root/tests/nn/models/train_shapes.py" "$work/export.onnx" 0
	check "step 3 takes what it exported" "$lib/smartssd" quantize "$work/export.onnx" --calibrate "$work/shapes/calibrate.npy" --mean 0.5 --std 0.25 -o "$work/q.onnx"
	check "step 4 takes that" "$lib/smartssd" compile "$work/q.onnx" -o "$work/q.ssp"
else
	skip "step 2: torch.onnx.export" "no PyTorch in /usr/bin/python3 (Debian: python3-torch); the committed tests/nn/models/shapes.onnx stands for the export"
fi
finish
