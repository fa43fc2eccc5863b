#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Proof from outside of the driver that data goes peer to peer: the DMA addresses in QEMU's trace of the NVMe device lie inside the card's aperture, and
# add up to what the driver counted.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
mkdir -p build/test-logs
trace=build/test-logs/vm-peer.trace seen=build/test-logs/vm-peer.seen
rm -f $trace $seen
build/smartssd vm --kernel debug --fs xfs --strict --timeout 600 --trace $trace --log build/test-logs/vm-peer.klog -- tests/e2e/guest-peer.sh $seen
check "guest run and kernel log" test $? = 0
read -r start end _ <$seen
counted=$(awk '$1 == "ssd_to_card" || $1 == "card_to_ssd" { n += $2 } END { print n + 0 }' $seen)
# "pci_nvme_map_addr addr 0x... len ...": one line for each piece of a transfer
dma=$(python3 - "$start" "$end" $trace <<'PY'
import re, sys
lo, hi = int(sys.argv[1], 16), int(sys.argv[2], 16)
total = 0
for line in open(sys.argv[3], errors="replace"):
    m = re.search(r"pci_nvme_map_addr addr (0x[0-9a-f]+) len (\d+)", line)
    if m and lo <= int(m[1], 16) and int(m[1], 16) + int(m[2]) - 1 <= hi:
        total += int(m[2])
print(total)
PY
)
echo "# aperture $start..$end: the drive moved $dma bytes there, the driver counted $counted peer to peer"
check "the drive's own DMA addresses account for every byte counted as peer to peer" test "$counted" -gt 1000000 -a "$dma" = "$counted"
rm -f $trace
finish
