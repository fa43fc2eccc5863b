# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the scripts of this folder: a fresh folder $work that goes away.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/tap.sh
. "$root/tests/tap.sh"
here=$root/tests/xclbin
tool=$root/build/tests/xclbin/smartssd-xclbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work/tmp # what the tool leaves behind is seen there
mkdir "$TMPDIR"
export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=print_stacktrace=1
unset SOURCE_DATE_EPOCH CC CXX OBJCOPY
