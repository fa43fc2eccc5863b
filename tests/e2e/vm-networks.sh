#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Networks through the driver, on one and on four emulated cards, images over cards and layers over cards: the trained small one and a ResNet-18 with random weights
# give the embedded card's bytes, and move as many over the host link as it does; so they do when a card hangs, crashes, lies or goes away in mid-run.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
data=build/e2e-data/networks
mkdir -p $data build/test-logs
# .npy of random bytes: NAME IMAGES SIDE
random_images() {
	local header="{'descr': '|u1', 'fortran_order': False, 'shape': ($2, 3, $3, $3), }"
	{ printf '\x93NUMPY\x01\x00\x76\x00'; printf '%-117s\n' "$header"; head -c $(($2 * 3 * $3 * $3)) /dev/urandom; } >$data/"$1".npy
}
if [ ! -x build/tests/nn/models/make_model ]; then
	echo "1..0 # SKIP build/tests/nn/models/make_model is not built"
	exit 77
fi
random_images small 16 32
random_images resnet18 4 224
build/smartssd quantize tests/nn/models/shapes.onnx --calibrate $data/small.npy --mean 0.5 --std 0.25 --output $data/small.onnx >/dev/null &&
	build/tests/nn/models/make_model resnet18 --form qdq --seed 3 -o $data/resnet18.onnx &&
	build/smartssd compile $data/small.onnx --output $data/small.ssp >/dev/null &&
	build/smartssd compile $data/resnet18.onnx --output $data/resnet18.ssp >/dev/null &&
	build/tests/nn/spread_layers $data/small.ssp 4 $data/small-spread.ssp &&
	build/tests/nn/spread_layers $data/resnet18.ssp 4 $data/resnet18-spread.ssp
check "models" test $? = 0
for m in small resnet18; do
	build/smartssd run $data/$m.ssp --input $data/$m.npy --output $data/$m-y.npy --batch 2 --device emu: --json >$data/$m.json &&
		mv $data/$m-y.npy $data/$m-y.out && sed -n '/"host_link_per_image"/p' $data/$m.json >$data/$m.link
	check "$m on the embedded card" test $? = 0 -a -s $data/$m.link
done
build/smartssd vm --kernel debug --cards 4 --fs ext4 --strict --timeout 900 --log build/test-logs/vm-networks.klog -- tests/e2e/guest-networks.sh
check "guest run and kernel log" test $? = 0
finish
