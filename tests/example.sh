# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of Documentation/examples/: a fresh folder $work that goes away, the headers and the shared library in it as they are installed, and pkg-config's $flags. Needs NumPy.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lib=$(cd "${SMARTSSD_LIBDIR:-$root/build}" && pwd)
. "$root/tests/tap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SMARTSSD_DEVICE=emu: SMARTSSD_LIBDIR=$lib
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
	echo "1..0 # SKIP no NumPy in /usr/bin/python3 (Debian: python3-numpy)"
	exit 77
fi
mkdir -p "$work/lib" "$work/include/smartssd/runtime" "$work/include/smartssd/uapi"
cp -L "$lib/libsmartssd.so.0" "$work/lib/" && ln -s libsmartssd.so.0 "$work/lib/libsmartssd.so"
cp "$root"/runtime/libsmartssd*.h "$work/include/smartssd/runtime/" && cp "$root/uapi/smartssd.h" "$work/include/smartssd/uapi/"
flags=$(PKG_CONFIG_PATH=$lib pkg-config --define-variable=prefix="$work" --cflags --libs libsmartssd)
