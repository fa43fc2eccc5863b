#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Unbind, surprise removal and a dead card process under load.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
mkdir -p build/test-logs
build/smartssd vm --kernel debug --cards 2 --fs ext4 --strict --timeout 600 --log build/test-logs/vm-removal.klog -- tests/e2e/guest-removal.sh
check "guest run and kernel log" test $? = 0
finish
