#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# RM1, RM2 and RM3 at full size, a million rows in each table, end to end: tables are made on the drive, then DLRM is run on the embedded card.
#
#   full-size.sh [BUILD]
#
# Memory is of the process, the embedded card's DDR in it as far as it is used; what the kernel keeps of the files beside that is not counted.
# $MODELS: which ones (default "rm1 rm2 rm3"); $STORE_BENCH_DIR: where, 11 GB for rm2 (default /var/tmp). Exit status 77: there is no room.
cd "$(dirname "$0")/../../.." || exit 1
build=${1:-build}
where=${STORE_BENCH_DIR:-/var/tmp}
folder=$(mktemp -d "$where/smartssd-bench-XXXXXX") || exit 1
program=
clean() {
	[ -z "$program" ] || kill "$program" 2>/dev/null
	wait
	rm -r "$folder"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP
declare -A queries=([rm1]=2000 [rm2]=400 [rm3]=4000) megabytes=([rm1]=1500 [rm2]=11000 [rm3]=1900)
skipped=0

# Its figures from the report; what the process had in memory at most from the kernel.
run() { # OUTPUT COMMAND...
	local most=0 now
	"${@:2}" >"$1" &
	program=$!
	while kill -0 $program 2>/dev/null; do
		now=$(awk '/VmHWM/ { print $2 }' /proc/$program/status 2>/dev/null)
		[ "${now:-0}" -gt "$most" ] && most=$now
		sleep 0.1
	done
	wait $program
	local code=$?
	program=
	megabytes_used=$((most * 1024 / 1000000))
	return $code
}

for model in ${MODELS:-rm1 rm2 rm3}; do
	[ -n "${queries[$model]}" ] || { echo "full-size.sh: no model '$model' (MODELS)"; exit 1; }
	free=$(df -m --output=avail "$where" | tail -1)
	if [ "$free" -lt "${megabytes[$model]}" ]; then
		echo "$model: skipped: $where has $free MB, it takes ${megabytes[$model]} (STORE_BENCH_DIR)"
		skipped=1
		continue
	fi
	"$build/smartssd" trace make --model "$model" --queries "${queries[$model]}" --zipf 1.0 --seed 1 -o "$folder/trace.npz" >/dev/null || exit 1
	run "$folder/out" "$build/smartssd" dlrm --model "$model" --seed 1 --store "$folder/store" --trace "$folder/trace.npz" --json --progress off || exit 1
	python3 - "$folder/out" "$megabytes_used" "$(du -sm "$folder/store" | cut -f 1)" <<-'END' || exit 1
		import json, sys
		with open(sys.argv[1]) as f:
		    r = json.load(f)
		t = r["tables"]
		rows, dim = {(x["rows"], x["dim"]) for x in t}.pop()
		assert not r["failed_queries"] and not r["lost_cards"] and r["tables_made"] == len(t)
		print(f'{r["model"]}: {len(t)} tables x {rows} x {dim} {t[0]["format"]}, {r["queries"]} queries, zipf 1.0, from an empty row cache: {r["queries_per_second"]:.0f} queries/s, '
		      f'{r["rows"] / r["seconds"] / 1e6:.2f} M rows/s; {sys.argv[2]} MB of memory at most, {sys.argv[3]} MB on the drive, made in {r["tables_seconds"]:.0f} s')
	END
	rm -r "$folder/store" "$folder/trace.npz"
done
[ "$skipped" = 0 ] || exit 77
