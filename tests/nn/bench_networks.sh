#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ResNet-50 in its true shape (random weights), int8, batch 1, on an embedded card with one core for everything, end to end from the file on; next to PyTorch's
# quantised ResNet-50 on one thread, on the same core. Prints ratios:
#   total / max(read, compute)         reading overlaps computing; the target is 1.10. ResNet-50 reads little for what it computes, so the same for a network of one light
#                                      layer (make_model stem): images in the page cache, reading takes a fifth to a half of computing; and from the
#                                      disk, as fast as whatever caches it answers
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
# random_images N FILE: a .npy of random bytes: header of 128 bytes, then elements
random_images() {
	local header="{'descr': '|u1', 'fortran_order': False, 'shape': ($1, 3, 224, 224), }"

	{ printf '\x93NUMPY\x01\x00\x76\x00'; printf '%-117s\n' "$header"; head -c $(($1 * 3 * 224 * 224)) /dev/urandom; } >"$2"
}
random_images "$images" "$tmp/x.npy"

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
resnet50=$best

# The price of --verify: all layers once more with the reference, and their outputs copied out.
random_images 1 "$tmp/one.npy"
"${one[@]}" "$tool" run "$tmp/r50.ssp" --input "$tmp/one.npy" --output "$tmp/y.npy" --device emu: --verify --json >"$tmp/r.json" || exit 1
echo "resnet50_verify_seconds $(field seconds)   one image, $(field verified) values compared with the reference"

# Reading and computing at once need a core each: not on one. Enough images that beginning and end, where nothing overlaps, count little.
many=${STEM_IMAGES:-4000}
"$make_model" stem --form qdq --seed 1 -o "$tmp/stem.onnx" && "$tool" compile "$tmp/stem.onnx" --output "$tmp/stem.ssp" >/dev/null || exit 1
random_images "$many" "$tmp/many.npy"
for from in cache disk; do
	best=
	for ((i = 0; i < rounds; i++)); do
		if [ $from = cache ]; then
			cat "$tmp/many.npy" >/dev/null
		else
			dd of="$tmp/many.npy" oflag=nocache conv=notrunc,fdatasync count=0 status=none
		fi
		"$tool" run "$tmp/stem.ssp" --input "$tmp/many.npy" --output "$tmp/y.npy" --device emu: --batch 8 --json >"$tmp/r.json" || exit 1
		s=$(field seconds)
		if [ -z "$best" ] || awk "BEGIN { exit !($s < $best) }"; then
			best=$s
			read=$(field read_seconds) compute=$(field compute_seconds)
		fi
	done
	awk -v f="$from" -v n="$many" -v s="$best" -v r="$read" -v c="$compute" 'BEGIN {
		printf "stem_%s_overlap %.3f   total / max(reading %.3f s, computing %.3f s), %d images, batch 8, EMULATED card, all cores; target 1.10\n",
			f, s / (r > c ? r : c), r, c, n }'
done
rm "$tmp/many.npy"

torch=$("${one[@]}" /usr/bin/python3 "$here/models/bench_torch_resnet50.py" 2>&1)
case $? in
0)
	awk -v n="$images" -v s="$resnet50" -v t="$(sed -n 's/^torch_resnet50_int8_ms //p' <<<"$torch")" 'BEGIN {
		printf "torch_resnet50_int8_ms %.2f   one thread\nresnet50_to_torch %.3f   target 1.10\n", t, s / n * 1e3 / t }'
	;;
77) echo "# SKIP resnet50_to_torch: $(tail -1 <<<"$torch")" ;;
*)
	echo "$torch" >&2
	exit 1
	;;
esac
