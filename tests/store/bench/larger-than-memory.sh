#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# RM1 (1.02 GB) by processes that may have a quarter of that: a memory group (cgroup) for each, in which all that it uses counts: its own memory,
# the embedded card's DDR and worker process, and what the page cache keeps for it. A page counts for the group that read it first, so whoever goes
# through the page cache has a copy of the tables of its own, and all that is there of them is dropped before. Reads with O_DIRECT leave nothing there.
# Each is warm when it is measured: a row cache takes many queries for that, the page cache, which keeps 4096 bytes for each row, some hundreds.
#
#   larger-than-memory.sh [LOOKUPS [OPTION=VALUE...]]     LOOKUPS: the program; options of `lookups compare`
#
# $STORE_BENCH_DIR: where the files are made, 5.2 GB (default /var/tmp). Exit status 77: no memory group can be made here.
cd "$(dirname "$0")/../../.." || exit 1
lookups=${1:-build/tests/store/bench/lookups}
shift
group=
folder=$(mktemp -d "${STORE_BENCH_DIR:-/var/tmp}/smartssd-bench-XXXXXX") || exit 1
program=
clean() {
	[ -z "$program" ] || kill "$program" 2>/dev/null
	wait
	rm -r "$folder"
	drop_groups
	[ -z "$group" ] || rmdir "$group"
}
# A group goes when its processes have gone, the last of which are the card's workers.
drop_groups() {
	local _
	[ -z "$group" ] || for _ in 1 2 3 4 5 6 7 8 9 10; do
		rmdir "$group"/*/ 2>/dev/null
		compgen -G "$group/*/" >/dev/null || break
		sleep 0.2
	done
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

# Of version 1 within our own group; of version 2 next to the others, as ours may not have groups and processes.
make_group() {
	local own
	if [ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
		own=$(awk -F: '$2 == "memory" { print $3 }' /proc/self/cgroup)
		group=/sys/fs/cgroup/memory$own/smartssd-bench-$$
		mkdir "$group" 2>/dev/null && return
	elif grep -qs '\<memory\>' /sys/fs/cgroup/cgroup.subtree_control; then
		group=/sys/fs/cgroup/smartssd-bench-$$
		mkdir "$group" 2>/dev/null && echo +memory >"$group/cgroup.subtree_control" 2>/dev/null && return
		rmdir "$group" 2>/dev/null
	fi
	group=
	echo "larger-than-memory.sh: no memory cgroup can be made here (that takes root and the memory controller): nothing is measured"
	exit 77
}

make_group
"$lookups" make "$folder/a" rm1 || exit 1
for copy in b c d; do cp -r "$folder/a" "$folder/$copy" || exit 1; done
compare() {
	for f in "$folder"/[a-d]/*; do dd of="$f" oflag=nocache conv=notrunc,fdatasync count=0 status=none; done
	"$lookups" compare "$folder/a" rm1 queries=256 warm=12288 rounds=5 groups="$group" limit=$((256 << 20)) torch=tests/store/bench/torch_mmap.py folder="$folder" "$@" &
	program=$!
	wait $program
	local code=$?
	program=
	drop_groups
	return $code
}
card=device=emu:ddr=288M,staging=32

# Mapped as most would do it (one thread, the kernel reads ahead by itself), and better: two threads, told that accesses are random.
compare "$@" "engine,name=engine cache 128 MiB,threads=2,cache=128,$card" \
	"mmap,name=mmap one thread unadvised,threads=1,ahead,store=$folder/b,target=5,warm=256" \
	"torch,name=PyTorch mmap,threads=2,store=$folder/c,target=5,warm=512" "mmap,name=mmap two threads,threads=2,store=$folder/d,target=5,warm=1024" || exit 1
compare "$@" "engine,name=engine cache 128 MiB,threads=2,cache=128,$card" \
	"uring,name=io_uring,threads=2,target=1.5,warm=256" "uring,name=io_uring cache 128 MiB,threads=2,cache=128,target=1.5" || exit 1
