#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Build the guest kernel from Debian's linux-source package, once per set of inputs, and print its folder.
#
#   build-kernel.sh debug|plain [--path]
#
# The folder (outside the tree: $SMARTSSD_CACHE, else ~/.cache/smartssd) is named after a hash of the inputs and holds
#   bzImage    the kernel
#   build/     what an out-of-tree module needs to build against it
#   selftests/ kselftest.h and kselftest_harness.h
# --path only prints the folder's name, built or not.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
flavour=${1:-}
case "$flavour" in
debug) fragments="$here/guest.config $here/guest-debug.config" ;;
plain) fragments="$here/guest.config" ;;
*) echo "usage: build-kernel.sh debug|plain [--path]" >&2; exit 2 ;;
esac
source_tar=$(ls /usr/src/linux-source-6.12.tar.xz 2>/dev/null || true)
if [ -z "$source_tar" ]; then
	echo "build-kernel: /usr/src/linux-source-6.12.tar.xz is missing; apt-get install linux-source-6.12" >&2
	exit 1
fi
version=$(dpkg-query -W -f '${Version}' linux-source-6.12)
hash=$( { echo "$version"; gcc --version | head -1; cat $fragments "$0"; } | sha256sum | cut -c1-16)
cache=${SMARTSSD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/smartssd}
dir=$cache/kernel-$flavour-$hash

if [ "${2:-}" = --path ]; then
	echo "$dir"
	exit 0
fi
mkdir -p "$cache"
exec 9>"$cache/kernel-$flavour.lock"
flock 9
if [ -e "$dir/bzImage" ]; then
	echo "$dir"
	exit 0
fi

work=$cache/work-$flavour-$hash
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
log=$cache/kernel-$flavour.log
echo "build-kernel: building the $flavour guest kernel ($version) once, about 13 minutes on 2 cores; log in $log" >&2
{
	tar -C "$work" --strip-components=1 -xf "$source_tar"
	cd "$work"
	make tinyconfig
	scripts/kconfig/merge_config.sh -m .config $fragments
	make olddefconfig
	# A fragment line that Kconfig dropped is a guest that lacks what a test is about: refuse it.
	missing=$(cat $fragments | grep '^CONFIG_.*=[^n]' | while read -r line; do
		grep -qxF "$line" .config || echo "$line"; done)
	if [ -n "$missing" ]; then
		echo "build-kernel: dropped by Kconfig:" $missing
		exit 1
	fi
	make -j"$(nproc)" bzImage modules
} >"$log" 2>&1 9>&- || { tail -20 "$log" >&2; echo "build-kernel: failed, see $log" >&2; exit 1; }

# Keep only what a module build reads: headers, Makefiles, scripts and objtool.
mkdir -p "$work/selftests"
cp "$work"/tools/testing/selftests/kselftest.h "$work"/tools/testing/selftests/kselftest_harness.h "$work/selftests/"
cd "$work"
find . -type f \( -name '*.c' -o -name '*.S' -o -name '*.o' -o -name '*.a' -o -name '*.cmd' -o -name '*.rst' -o -name '*.dts*' -o -name '*.json' \) \
	! -path './scripts/*' ! -path './tools/objtool/*' ! -path './selftests/*' -delete
rm -rf Documentation drivers sound fs net samples vmlinux vmlinux.unstripped arch/x86/boot/compressed/vmlinux* arch/x86/boot/setup.elf .tmp_vmlinux*
for a in arch/*; do [ "$a" = arch/x86 ] || [ ! -d "$a" ] || rm -rf "$a"; done
mkdir -p "$dir.tmp"
cp arch/x86/boot/bzImage "$dir.tmp/bzImage"
mv selftests "$dir.tmp/selftests"
cd /
rm -rf "$dir"
mv "$work" "$dir.tmp/build"
mv "$dir.tmp" "$dir"
trap - EXIT
echo "$dir"
