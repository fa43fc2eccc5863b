#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd plan on the trained model: what it shows, planning anew, JSON, the plot, and what is refused.
. "$(dirname "$0")/../cli/tap.sh"
models=$(dirname "$0")/models
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
"$python" -B "$models/shapes.py" 20 7 "$tmp/cal.npy" || exit 1
run quantize "$models/shapes.onnx" --calibrate "$tmp/cal.npy" --mean 0.5 --std 0.25 -o "$tmp/int8.onnx"
exits 0 "a model to plan"
ssp=$tmp/shapes.ssp
run compile "$tmp/int8.onnx" -o "$ssp"
exits 0 "compiled"
sum=$(sha256sum <"$ssp")

run plan "$ssp"
exits 0 "plan"
said out "modelled, none is measured" "says that it is modelled"
said out "everything that can be is on the card" "and what was decided"
[ "$(grep -cE ' (conv|depthwise|pool|input|graph) +(card|host) ' "$tmp/out")" -ge 10 ]
ok $? "a line for each layer"
[ "$(awk '$2 ~ /^(conv|depthwise|pool|input|add|graph)$/ { print $1 }' "$tmp/out" | sort | uniq -d)" = "" ]
ok $? "with names that differ"
[ "$(grep -cE '^ +(1|2|4|8|16|24|32|48) +[0-9.]+ +[0-9.]+% ' "$tmp/out")" = 8 ]
ok $? "and for each number of cards"
said out "saturated from" "and where that ends"

run plan "$ssp" --host-gmacs 100000000
exits 0 "planned anew with a very fast host"
said out "do not offload" "which does it alone"
run plan "$ssp" --cards 4
said out "images over 4 cards" "planned anew for 4 cards"
[ "$sum" = "$(sha256sum <"$ssp")" ]
ok $? "the file is as it was"

run plan "$ssp" --batch 5
exits 0 "jobs of 5 images"
said out "one job of 5 images" "and says so"
run plan "$ssp" --batch 5 --json
exits 0 "and as JSON"
cp "$tmp/out" "$tmp/batch.json"
run plan "$ssp" --batch 65536
refused 1 "smaller batch" "more images than a card's memory holds"

run plan "$ssp" --json --scale "$tmp/plot.svg"
exits 0 "JSON and a plot"
"$python" - "$tmp" 2>"$tmp/err" <<'PY'
import json, sys
import xml.dom.minidom
d = json.load(open(sys.argv[1] + "/out"))
card = [l for l in d["layers"] if l["place"] == "card"]
assert len(card) >= 10 and all(l["why"] and l["modelled_cycles"] > 0 and l["modelled_seconds"] > 0 for l in card)
assert all(l["tile"]["channels"] > 0 and l["on_chip_bytes"] > 0 for l in card if l["kind"] in ("conv", "depthwise", "pool"))
for link in ("flash_to_card", "flash_to_host", "host_to_card", "card_to_host", "card_to_card"):
    assert sum(l[link + "_bytes"] for l in d["layers"]) == d["image"][link + "_bytes"], link
assert d["image"]["flash_to_card_bytes"] == 3 * 32 * 32 and d["image"]["jobs"] == 1
assert abs(sum(l["modelled_seconds"] for l in card) - d["image"]["card_seconds"]) < 1e-9
points = d["modelled_scale"]["points"]
assert [p["cards"] for p in points] == [1, 2, 4, 8, 16, 24, 32, 48]
assert all(a["images_per_second"] <= b["images_per_second"] for a, b in zip(points, points[1:]))
assert abs(points[0]["images_per_second"] - d["image"]["modelled_images_per_second"]) < 1e-3
svg = xml.dom.minidom.parse(sys.argv[1] + "/plot.svg").documentElement
assert svg.tagName == "svg" and len(svg.getElementsByTagName("circle")) == 8
PY
ok $? "sums agree, and the plot is one"

# What moves is what a session counts; beside it 16 bytes of status for each layer, there and back.
cp "$tmp/out" "$tmp/plan.json"
run run "$ssp" --input "$tmp/cal.npy" --output "$tmp/y.npy" --json
exits 0 "run on the embedded card"
"$python" - "$tmp" 2>"$tmp/err" <<'PY'
import json, sys
plan, run = (json.load(open(sys.argv[1] + "/" + f)) for f in ("plan.json", "out"))
n, image = run["images"], plan["image"]
status = 16 * sum(l["place"] == "card" for l in plan["layers"])
assert n == 20 and n * image["jobs"] <= run["jobs"] <= 2 * n * image["jobs"], run["jobs"] # beside them, those that only read ahead
b, w = run["bytes"], run["weights"]
# Files that do not begin at a block's boundary are read from there.
assert n * image["flash_to_card_bytes"] <= b["ssd_to_card"] - w["ssd_to_card"] < 2 * n * image["flash_to_card_bytes"]
assert b["card_to_host"] == n * (image["card_to_host_bytes"] + status), b
PY
ok $? "jobs and bytes to the host are those of the plan"

# In jobs of 5 images plan and run say the same.
run run "$ssp" --input "$tmp/cal.npy" --output "$tmp/y.npy" --batch 5 --json
exits 0 "run in jobs of 5 images"
"$python" - "$tmp" 2>"$tmp/err" <<'PY'
import json, sys
one, plan, run = (json.load(open(sys.argv[1] + "/" + f)) for f in ("plan.json", "batch.json", "out"))
a, b = one["image"], plan["image"]
assert one["batch"] == 1 and plan["batch"] == 5 and plan["decision_batch"] == 1
assert 20 // 5 * b["jobs"] <= run["jobs"] <= 2 * 20 // 5 * b["jobs"], run["jobs"]
assert abs(run["modelled_seconds_per_image"] * b["modelled_images_per_second"] - 1) < 1e-6, run["modelled_seconds_per_image"]
assert b["flash_to_card_bytes"] == a["flash_to_card_bytes"] and b["card_to_host_bytes"] == a["card_to_host_bytes"]
assert b["card_seconds"] < a["card_seconds"] and b["modelled_latency_seconds"] > a["modelled_latency_seconds"]
assert b["cpu_seconds"] < a["cpu_seconds"]
for one_layer, layer in zip(one["layers"], plan["layers"]):
    assert layer["card_ddr_bytes"] <= one_layer["card_ddr_bytes"] and layer["modelled_seconds"] <= one_layer["modelled_seconds"] * 1.001, layer["name"]
PY
ok $? "which model the same time"

run plan
refused 2 "which program?" "no program"
run plan "$ssp" "$ssp"
refused 2 "too many" "two"
run plan "$ssp" --cards 49
refused 2 "cards" "49 cards"
run plan "$tmp/cal.npy"
refused 1 "cal.npy" "something else than a program"
run plan "$ssp" --scale "$tmp/no/such/folder.svg"
refused 1 "plan: --scale: $tmp/no/such/folder.svg: cannot be written" "a plot nowhere"
run plan "$tmp/none.ssp"
refused 1 "plan: $tmp/none.ssp: No such file" "no such file, named once"
finish
