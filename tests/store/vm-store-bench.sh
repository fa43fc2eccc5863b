#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# RM1 (1.02 GB) in a guest of 256 MB, through the driver, on the raw namespace and on ext4: the engine against mapped tables and io_uring, what
# crosses the host link, and how much more is read
# than is wanted. The card's memory is the card's, as in hardware; of it the row cache takes no more than that of io_uring has of the guest's.
# Emulated processors (TCG): only ratios are figures.
#
#   vm-store-bench.sh [BUILD]     where the programs are (default build)
#
# $STORE_BENCH_DIR: where the drives' images are made, 3 GB (default /var/tmp).
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
export SMARTSSD_LIBDIR=${SMARTSSD_LIBDIR:-$PWD/$build}
for part in smartssd kmod-plain/smartssd.ko tests/store/bench/lookups; do
	[ -e "$build/$part" ] || { echo "vm-store-bench.sh: $build/$part is missing: run make bench"; exit 1; }
done
folder=$(mktemp -d "${STORE_BENCH_DIR:-/var/tmp}/smartssd-bench-XXXXXX") || exit 1
program=
clean() {
	[ -z "$program" ] || kill "$program" 2>/dev/null
	wait
	rm -r "$folder"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

guest() { # DRIVE COMMANDS...
	"$build/smartssd" vm --kernel plain --memory 256 --ddr 512 --drive "$1" --timeout 500 -- bash -c "export SMARTSSD_LIBDIR='$SMARTSSD_LIBDIR'
lookups='$build/tests/store/bench/lookups' few='queries=256 warm=256 rounds=1 batch=32' card=device=/dev/smartssd0,staging=16
$2" &
	program=$!
	wait $program
	local code=$?
	program=
	return $code
}

truncate -s 1536M "$folder/raw.img"
"$build/tests/store/bench/lookups" make "$folder/raw.img" rm1 || exit 1
# shellcheck disable=SC2016 # for the guest
guest "$folder/raw.img" '
fair="queries=256 warm=4096 rounds=5 batch=32" engine="engine,name=engine,threads=2,cache=64,$card"
echo "raw namespace, cache of 64 MiB in the card:"
$lookups compare /dev/ssd0 rm1 queries=64 warm=4096 rounds=5 batch=32 "$engine" mmap,name=mmap,threads=2,target=5,warm=256 &&
$lookups compare /dev/ssd0 rm1 $fair "$engine" uring,name=io_uring,threads=2,target=1.5,warm=256 &&
$lookups compare /dev/ssd0 rm1 $fair "$engine" "uring,name=io_uring cache 64 MiB,threads=2,cache=64,target=1.5" &&
echo "raw namespace, without cache; target: host link at most 1.02:" &&
$lookups compare /dev/ssd0 rm1 $few "engine,name=engine,$card" &&
echo "raw namespace, without cache and without putting equal rows together; target: flash bytes at most 1.05 of unique blocks:" &&
$lookups compare /dev/ssd0 rm1 $few zipf=0 "engine,name=engine,$card,no_dedup"' || exit 1
rm "$folder/raw.img"

mkdir "$folder/files" && "$build/tests/store/bench/lookups" make "$folder/files/store" rm1 && truncate -s 1536M "$folder/ext4.img" && mkfs.ext4 -q -d "$folder/files" "$folder/ext4.img" || exit 1
rm -r "$folder/files"
# shellcheck disable=SC2016
guest "$folder/ext4.img" '
mkdir -p /run/ssd && mount -o ro /dev/ssd0 /run/ssd || exit 1
echo "ext4, without cache; target: host link at most 1.02:"
$lookups compare /run/ssd/store rm1 $few "engine,name=engine,$card" &&
echo "ext4, without cache and without putting equal rows together; target: flash bytes at most 1.05 of unique blocks:" &&
$lookups compare /run/ssd/store rm1 $few zipf=0 "engine,name=engine,$card,no_dedup"'
