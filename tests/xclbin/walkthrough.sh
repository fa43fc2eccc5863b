#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Documentation/writing-a-kernel.rst, typed in. TAP.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The page shows what happens without a card; the walk-through is not about the one that may be here.
export SMARTSSD=$root SMARTSSD_DEVICE=emu:
exec 3>&1
python3 "$root/tests/xclbin/walkthrough.py" "$root/Documentation/writing-a-kernel.rst" "$work"
