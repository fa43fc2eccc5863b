#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# reads.c on the raw namespace and on ext4, in one guest with the plain kernel.
cd "$(dirname "$0")/../.." || exit 1
exec build/smartssd vm --kernel plain --fs ext4 --timeout 600 -- bash -c '
	export SMARTSSD_DEVICE=/dev/smartssd0
	build/tests/e2e/noise 64 >/mnt/ssd0/f && sync
	echo "raw namespace:"; build/tests/bench/reads /dev/nvme0n1 && { echo "file on ext4:"; build/tests/bench/reads /mnt/ssd0/f; }'
