#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd conv2d and lookup against NumPy, which knows nothing of this project.
. "$(dirname "$0")/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
exec "$python" "$(dirname "$0")/operators.py" "$tool" "${SEED:-}"
