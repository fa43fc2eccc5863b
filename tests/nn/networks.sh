#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Whole networks with weights from a seed (tests/nn/models), for pictures of 64 x 64: all that computes is on the card, and each layer is the reference's bit for
# bit. $MODELS and $SIDE name others: MODELS="resnet18 resnet50 vgg11_bn vgg16" SIDE=224 are the true ones. TAP.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
lib=${SMARTSSD_LIBDIR:-$root/build}
. "$root/tests/tap.sh"
tool=$lib/smartssd make_model=$lib/tests/nn/models/make_model side=${SIDE:-64} seed=${SEED:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SMARTSSD_DEVICE=emu:
echo "# SEED=$seed"
"$make_model" pictures --images 3 --side "$side" --seed "$seed" -o "$work/pictures.npy" || exit 1

# placed PLAN.json: only the last layer is the host's, where bytes become float results.
placed() {
	/usr/bin/python3 - "$1" <<'END'
import json, sys
layers = json.load(open(sys.argv[1]))["layers"]
host = [l for l in layers if l["place"] == "host"]
for l in host:
    print("# on the host:", l["name"], l["why"])
if len(host) != 1 or host[0] is not layers[-1] or "converted" not in host[0]["why"]:
    sys.exit("# not all that computes is on the card")
sys.exit(sum(l["kind"] in ("conv", "depthwise") for l in layers) < 9)
END
}

for model in ${MODELS:-squeezenet1_1 mobilenetv2}; do
	name="$model, $side x $side"
	check "$name: written in QDQ form" "$make_model" "$model" --side "$side" --seed "$seed" --form qdq -o "$work/m.onnx"
	check "$name: compiled" "$tool" compile "$work/m.onnx" -o "$work/m.ssp" --json
	"$tool" plan "$work/m.ssp" --json >"$work/plan.json"
	placed "$work/plan.json"
	result $? "$name: what computes is on the card"
	check "$name: three pictures on the embedded card, every layer as the reference has it" \
		"$tool" run "$work/m.ssp" --input "$work/pictures.npy" --output "$work/y.npy" --batch 2 --verify
done
finish
