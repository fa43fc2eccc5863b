#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest: four cards, ext4 on /mnt/ssd0 to /mnt/ssd3. TAP.
. tests/tap.sh
export SMARTSSD_LIBDIR=build
data=build/e2e-data/networks
cp $data/*.npy $data/*.ssp /mnt/ssd0/ && sync

# in_report FIELD VALUE: what the last run's JSON says
in_report() { grep -q "^  \"$1\": $2,\$" /tmp/r.json; }
# counted FIELD: is it more than 0?
counted() { grep -q "^  \"$1\": [1-9]" /tmp/r.json; }

for m in small resnet18; do
	echo "# $m, one card: everything peer to peer"
	build/smartssd run /mnt/ssd0/$m.ssp --input /mnt/ssd0/$m.npy --output /tmp/$m.npy --batch 2 --device /dev/smartssd0 --p2p require \
		--timeline /tmp/$m-t.json --progress off --json >/tmp/$m.json
	check "smartssd run $m" test $? = 0
	check "its result is the embedded card's" cmp /tmp/$m.npy $data/$m-y.out
	check "its timeline" grep -q '"ph"' /tmp/$m-t.json
	check "bytes on the host link as on the embedded card" cmp $data/$m.link <(sed -n '/"host_link_per_image"/p' /tmp/$m.json)
	for how in images layers; do
		model=$m && [ $how = images ] || model=$m-spread
		echo "# $m, $how over four cards; the images are on the first one's drive"
		build/smartssd run /mnt/ssd0/$model.ssp --input /mnt/ssd0/$m.npy --output /tmp/$m-4.npy --cards 4 --progress off --json >/tmp/r.json
		check "smartssd run $model --cards 4" test $? = 0
		check "the same result" cmp /tmp/$m-4.npy $data/$m-y.out
		check "four cards ran layers" in_report cards_used 4
		check "none was lost" in_report lost 0
	done
done
check "verified by the reference" build/smartssd run /mnt/ssd0/small.ssp --input /mnt/ssd0/small.npy --output /tmp/small-v.npy --batch 8 --device /dev/smartssd1 --verify --progress off
check "the same result" cmp /tmp/small-v.npy $data/small-y.out

# One of the four cards does something wrong in mid-run, in one of its compute units (the units' runs are counted from here on). Every knob leaves the same bytes.
# with_fault MODEL FAULT CARD
with_fault() {
	local model=$1 fault=$2 card=$3

	echo "# $model, card $card: $fault"
	echo "$fault" >/sys/kernel/debug/smartssd/smartssd"$card"/fault
	check "$fault is armed" test $? = 0
	rm -f /tmp/f.npy
	build/smartssd run /mnt/ssd0/$model.ssp --input /mnt/ssd0/small.npy --output /tmp/f.npy --cards 4 --progress off --json >/tmp/r.json
	check "$model with $fault on card $card" test $? = 0
	check "the same result" cmp /tmp/f.npy $data/small-y.out
}
# With the layers over the cards, one knob for all: the others go the same way, and tests/nn/test_session has them on embedded cards.
for knob in small:hang small:crash small:wrong small-spread:crash; do
	with_fault ${knob%:*} ${knob#*:}:0:3 1
	check "the report says so" in_report faults 1
	check "and that images were done anew" counted redone
	check "and no card was lost" in_report lost 0
done
with_fault small no-irq:0:3 1
check "a lost interrupt is nothing to report" in_report faults 0
with_fault small gone:0:3 3
check "the report says that a card was lost" in_report lost 1
check "and which one" grep -q '^    "/dev/smartssd3"$' <(sed -n '/"lost_devices"/,/]/p' /tmp/r.json)
check "and that its images were done anew by others" in_report host_images 0
# Three are left; with the layers over these, the host does those of the one that goes.
build/tests/nn/spread_layers /mnt/ssd0/small.ssp 3 /mnt/ssd0/small-spread3.ssp
echo gone:0:3 >/sys/kernel/debug/smartssd/smartssd2/fault
build/smartssd run /mnt/ssd0/small-spread3.ssp --input /mnt/ssd0/small.npy --output /tmp/f.npy --cards 3 --progress off --json >/tmp/r.json
check "layers over three cards, of which one goes" test $? = 0
check "the same result" cmp /tmp/f.npy $data/small-y.out
check "the report says that a card was lost" in_report lost 1
check "and that the host did its layers" counted host_images
check "the other cards work as before" build/smartssd run /mnt/ssd0/small.ssp --input /mnt/ssd0/small.npy --output /tmp/f.npy --cards 2 --progress off
check "the same result" cmp /tmp/f.npy $data/small-y.out
finish
