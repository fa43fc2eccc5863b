#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Where there is no peer path: everything still works, bounced, and says why.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
mkdir -p build/test-logs
build/smartssd vm --kernel debug --topology alone --virtio-disk --strict --timeout 600 --log build/test-logs/vm-nopeer.klog -- tests/e2e/guest-nopeer.sh
check "guest run and kernel log" test $? = 0
finish
