#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd lookup --store against NumPy, which knows nothing of this project.
. "$(dirname "$0")/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with NumPy (Debian: python3-numpy)"
	exit 77
fi
"$python" -B "$(dirname "$0")/lookup_store.py" "$tool" "${SEED:-}"
