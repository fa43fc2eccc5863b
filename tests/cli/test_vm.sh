#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd vm up to where QEMU begins: QEMU and the kernel's build are scripts here.
. "$(dirname "$0")/tap.sh"
tool=$(realpath "$tool")
card=$(realpath "${tool%/*}/smartssd-card")
# Quotes, blanks and commas in every path
lib="$tmp/it's a, lib" bin=$tmp/bin here="$tmp/we, here"
mkdir -p "$lib/vm" "$bin" "$here" "$tmp/t,mp" "$tmp/kernel"
echo init >"$lib/vm-init"
ln -s "$card" "$lib/smartssd-card"
echo kernel >"$tmp/kernel/bzImage"
export SMARTSSD_LIBDIR=$lib TMPDIR="$tmp/t,mp" FAKE=$tmp
# QEMU: what it was told, and what the guest leaves
cat >"$bin/qemu-system-x86_64" <<'END'
#!/bin/bash
printf '%s\n' "$@" >"$FAKE/qemu-args"
klog=$(printf '%s\n' "$@" | sed -n 's/^file,id=klog,path=//p' | sed 's/,,/,/g')
echo "the guest's last words" >"$klog"
[ ! -e "$FAKE/status" ] || cp "$FAKE/status" "${klog%/*}/run/status"
END
# The build: slow when told so, with a child that would go on by itself
cat >"$lib/vm/build-kernel.sh" <<'END'
if [ "${2:-}" = --path ]; then
	echo "$FAKE/kernel${FAKE_BUILD:+-none}"
	exit
fi
case $FAKE_BUILD in
slow) sleep 1000 & echo $! >"$FAKE/child"; wait ;;
fails) echo half a path; exit 3 ;;
*) echo "$FAKE/kernel" ;;
esac
END
chmod +x "$bin/qemu-system-x86_64"
export PATH=$bin:$PATH
cd "$here" || exit 1
vm() { run vm --module none "$@" -- true; }
# ended PID: it does within a second; a zombie has, whoever is to reap it
ended() { local i; for i in $(seq 50); do grep -q '^State:[[:space:]][^ZX]' "/proc/$1/status" 2>/dev/null || return 0; sleep 0.02; done; false; }

echo 7 >"$tmp/status"
vm --cards 0
exits 7 "the guest's exit status"
vm --cards 1 --drive "$here/a,b.img" --virtio-disk
exits 7 "with a card and drives"
grep -qxF "local,id=fs-share,path=${here//,/,,},security_model=none,multidevs=remap" "$tmp/qemu-args"; ok $? "commas: the shared folder"
grep -qF "file=${here//,/,,}/a,,b.img,if=none" "$tmp/qemu-args"; ok $? "commas: --drive"
[ "$(grep -cE '(^|,)(path|file)=.*/t,,mp/smartssd-vm-' "$tmp/qemu-args")" = 4 ] && ! grep -qE '/t,mp/.*=' "$tmp/qemu-args"
ok $? "commas: log, run folder, card and disk"
[ -z "$(ls "$TMPDIR")" ]; ok $? "no files stay"

# Both kernels are there, the driver of one
mkdir "$lib/kmod-debug"
: >"$lib/kmod-debug/smartssd.ko"
run vm --cards 0 -- true
exits 7 "the kernel whose driver is built is taken"
rm -r "$lib/kmod-debug"

: >"$tmp/status"
vm --cards 0
exits 125 "a guest that left an empty status"
said err "its last words:" "... says so"
said out "the guest's last words" "... and prints them"
rm "$tmp/status"
vm --cards 0
[ "$code" = 125 ] && grep -q "the guest's last words" "$tmp/out"; ok $? "a guest that left none"

rm -f "$tmp/qemu-args"
FAKE_BUILD=fails vm --cards 0
[ "$code" = 125 ] && grep -q "no guest kernel" "$tmp/err" && [ ! -e "$tmp/qemu-args" ]; ok $? "a kernel that cannot be built: nothing goes on"
FAKE_BUILD=slow vm --cards 0 --timeout 1
exits 124 "--timeout ends the kernel's build"
said err "not done after 1 s" "... and says so"
ended "$(cat "$tmp/child")"; ok $? "... with all its processes"
for sig in TERM INT; do
	rm -f "$tmp/child"
	FAKE_BUILD=slow env --default-signal=INT "$tool" vm --cards 0 --module none -- true >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	for i in $(seq 250); do [ -s "$tmp/child" ] && break; sleep 0.02; done
	kill -$sig $pid; wait $pid; code=$?
	exits $((128 + $(kill -l $sig))) "SIG$sig ends the kernel's build"
	ended "$(cat "$tmp/child")"; ok $? "... with all its processes"
done
[ ! -e "$tmp/qemu-args" ] && [ -z "$(ls "$TMPDIR")" ]; ok $? "no guest was started, no files stay"

PATH=$tmp/nowhere vm --cards 0
refused 125 "apt-get install qemu-system-x86" "no QEMU: which package it is in"
finish
