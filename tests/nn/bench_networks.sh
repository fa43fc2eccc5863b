#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ResNet-50 in its true shape (random weights), int8, batch 1, on an embedded card with one core for everything, end to end from the file on; next to PyTorch's
# quantised ResNet-50 on one thread, on the same core. Prints ratios:
#   total / max(read, compute)         reading overlaps computing; the target is 1.10
#   time of an image / PyTorch's       the target is 1.10
#   bytes on the host link             the target is under 8 KB an image, against 150 KB of input
here=$(cd "$(dirname "$0")" && pwd)
lib=${SMARTSSD_LIBDIR:-build}
tool=${SMARTSSD:-$lib/smartssd}
make_model=$lib/tests/nn/models/make_model
images=${IMAGES:-40}
rounds=5
if [ ! -x "$make_model" ]; then
	echo "# SKIP $make_model is not built"
	exit 0
fi
tmp=$(mktemp -d /var/tmp/smartssd-bench-XXXXXX)
trap 'rm -rf "$tmp"' EXIT
core=$(($(nproc) - 1))
one=(taskset -c "$core")

"$make_model" resnet50 --form qdq --seed 1 -o "$tmp/r50.onnx" && "$tool" compile "$tmp/r50.onnx" --output "$tmp/r50.ssp" >/dev/null || exit 1
# A .npy of random bytes: header of 128 bytes, then elements
header="{'descr': '|u1', 'fortran_order': False, 'shape': ($images, 3, 224, 224), }"
{ printf '\x93NUMPY\x01\x00\x76\x00'; printf '%-117s\n' "$header"; head -c $((images * 3 * 224 * 224)) /dev/urandom; } >"$tmp/x.npy"

field() { sed -n "s/^  \"$1\": \([0-9.e+-]*\),\{0,1\}\$/\1/p" "$tmp/r.json"; }
best=
for ((i = 0; i < rounds; i++)); do
	# Not from the page cache: it would answer faster than any drive.
	dd of="$tmp/x.npy" oflag=nocache conv=notrunc,fdatasync count=0 status=none
	"${one[@]}" "$tool" run "$tmp/r50.ssp" --input "$tmp/x.npy" --output "$tmp/y.npy" --device emu: --json >"$tmp/r.json" || exit 1
	s=$(field seconds)
	if [ -z "$best" ] || awk "BEGIN { exit !($s < $best) }"; then
		best=$s
		read=$(field read_seconds) compute=$(field compute_seconds) link=$(field host_link_per_image)
	fi
done
awk -v n="$images" -v s="$best" -v r="$read" -v c="$compute" -v l="$link" 'BEGIN {
	m = r > c ? r : c
	printf "resnet50_int8_ms %.2f   EMULATED card, one core, batch 1, %d images\n", s / n * 1e3, n
	printf "resnet50_overlap %.3f   total / max(reading %.3f s, computing %.3f s); target 1.10\n", s / m, r, c
	printf "resnet50_host_link_bytes %.0f   per image, of 150528 bytes of input; target 8192\n", l }'
torch=$("${one[@]}" /usr/bin/python3 "$here/models/bench_torch_resnet50.py" 2>&1)
case $? in
0)
	awk -v n="$images" -v s="$best" -v t="$(sed -n 's/^torch_resnet50_int8_ms //p' <<<"$torch")" 'BEGIN {
		printf "torch_resnet50_int8_ms %.2f   one thread\nresnet50_to_torch %.3f   target 1.10\n", t, s / n * 1e3 / t }'
	;;
77) echo "# SKIP resnet50_to_torch: $(tail -1 <<<"$torch")" ;;
*)
	echo "$torch" >&2
	exit 1
	;;
esac
