#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest: two cards, ext4 on /mnt/ssd0 and /mnt/ssd1. TAP.
. tests/tap.sh
export SMARTSSD_LIBDIR=build
unset SMARTSSD_DEVICE
data=build/e2e-data/store
batch=build/tests/e2e/store_batch
reply=/tmp/reply.json

# smartssd table VERB ...: on the store in question
table() { build/smartssd table "$@" --store $store; }
# lookup TABLE WANT [OPTION...]: pooled by the cards of the drives, the result is $data/WANT.npy
lookup() {
	rm -f /tmp/y.npy
	build/smartssd lookup --store $store --table "$1" --indices $data/i.npy --offsets $data/o.npy --output /tmp/y.npy --json --progress off "${@:3}" >$reply && cmp /tmp/y.npy $data/"$2".npy
}
# dlrm [OPTION...]: the model, its answers checked
dlrm() { build/smartssd dlrm --model $data/model.json --seed 5 --store $store --trace $data/trace.npz --batch 16 --verify --json --progress off "$@" >$reply; }
# field NAME: a number of the last reply; where there are several of that name, the last one
field() { sed -n "s/^ *\"$1\": \([0-9.]*\),\?$/\1/p" $reply | tail -1; }
# at_most A B: of decimal numbers
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a <= b) }'; }
# fault CARD KNOB
fault() { echo "$2" >/sys/kernel/debug/smartssd/smartssd"$1"/fault; }

# on_cards WHERE: a, on the first volume; b, on the second; r, row by row
on_cards() {
	local t cards link

	check "$1: import" table import a --from $data/t.npy --volume 0 "${@:2}"
	check "$1: import on the second" table import b --from $data/t.npy --volume 1
	check "$1: import row by row" table import r --from $data/t.npy --shard row --cards 2
	check "$1: verify" table verify --all
	for t in a b r; do
		check "$1: lookup in $t" lookup $t want --row-cache 0 --p2p require
		check "$1: $t: nothing was bounced" test "$(field bounce_read)$(field bounce_write)" = 00
		check "$1: $t: blocks read: $(field block_amplification) of those that are wanted" at_most "$(field block_amplification)" 1.05
		cards=1
		[ $t = r ] && cards=2 # each has a sum of its rows
		# 48000 indices of 4 bytes; results of 600 bags, 32 floats each
		link=$(awk -v link="$(field host_link)" -v least=$((4 * 48000 + cards * 600 * 128)) 'BEGIN { printf "%.4f", link / least }')
		check "$1: $t: the host link carried $link of indices and pooled results" at_most "$link" 1.02
	done
	grep -q '"device": "/dev/smartssd0"' $reply && grep -q '"device": "/dev/smartssd1"' $reply
	check "$1: each volume has the card of its drive" test $? = 0
	check "$1: update" table update r --indices $data/u.npy --rows $data/n.npy
	check "$1: lookups have the updated rows" lookup r new
}

echo "# folders on ext4"
store=/mnt/ssd0/s,/mnt/ssd1/s
on_cards ext4
check "ext4: DLRM, its tables row by row" dlrm --shard row
check "ext4: it moved nothing by way of the host" test "$(field bounce_read)$(field bounce_write)$(field lost_cards)" = 000
umount /mnt/ssd0 /mnt/ssd1

echo "# namespaces"
store=/dev/ssd0,/dev/ssd1
table import a --from $data/t.npy 2>/tmp/refused
check "a namespace is not overwritten" grep -q 'is not a store yet, and what is on it now would be lost: say --force' /tmp/refused
on_cards namespaces --force
check "namespaces: DLRM" dlrm
check "namespaces: it moved nothing by way of the host" test "$(field bounce_read)$(field bounce_write)$(field lost_cards)" = 000
for t in a b; do
	$batch amplify $store $t
done

echo "# a drive that fails, everything or once"
check "row-wise anew" table import r --from $data/t.npy --shard row --replace
$batch faults $store a b r

echo "# cards that fail"
fault 1 crash:2:3
check "a compute unit crashes in mid-run: the same result" lookup r want --batch 20
check "and no card is lost" test "$(field lost_cards)" = 0
fault 1 gone:2:3
lookup r want --batch 20 2>/tmp/said
check "a card goes away in mid-run: the same result" test $? = 0
check "it is said that it was lost, and what of" grep -q 'card /dev/smartssd1 was lost: the host read and pooled the rows of volume 1, /dev/ssd1, since' /tmp/said
check "and reported, with what the host did" test "$(field lost_cards)" = 1 -a "$(field host_rows)" -gt 0
fault 0 gone:2:3
dlrm --device /dev/smartssd0 2>/tmp/said
check "the other one goes away in the midst of DLRM: the answers are right" test $? = 0
check "that is said, too" grep -q 'card /dev/smartssd0 was lost' /tmp/said
check "and reported" test "$(field lost_cards)" = 2 -a "$(field host_rows)" -gt 0
finish
