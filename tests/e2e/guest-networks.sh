#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# In the guest: four cards, ext4 on /mnt/ssd0 to /mnt/ssd3. TAP.
. tests/tap.sh
export SMARTSSD_LIBDIR=build
data=build/e2e-data/networks
cp $data/*.npy $data/*.ssp /mnt/ssd0/ && sync
for m in small resnet18; do
	echo "# $m, one card: everything peer to peer"
	check "smartssd run $m" build/smartssd run /mnt/ssd0/$m.ssp --input /mnt/ssd0/$m.npy --output /tmp/$m.npy --batch 2 --device /dev/smartssd0 --p2p require \
		--timeline /tmp/$m-t.json
	check "its result is the embedded card's" cmp /tmp/$m.npy $data/$m-y.out
	build/smartssd run /mnt/ssd0/$m.ssp --input /mnt/ssd0/$m.npy --output /tmp/$m.npy --batch 2 --device /dev/smartssd0 --json >/tmp/$m.json
	check "as JSON" test $? = 0
	check "bytes on the host link as on the embedded card" cmp $data/$m.link <(sed -n '/"host_link_per_image"/p' /tmp/$m.json)
	echo "# $m, four cards; the images are on the first one's drive"
	check "smartssd run $m --cards 4" build/smartssd run /mnt/ssd0/$m.ssp --input /mnt/ssd0/$m.npy --output /tmp/$m-4.npy --cards 4
	check "the same result" cmp /tmp/$m-4.npy $data/$m-y.out
done
check "verified by the reference" build/smartssd run /mnt/ssd0/small.ssp --input /mnt/ssd0/small.npy --output /tmp/small-v.npy --batch 8 --device /dev/smartssd1 --verify
check "the same result" cmp /tmp/small-v.npy $data/small-y.out
finish
