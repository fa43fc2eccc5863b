#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd xclbin pack: what it makes, that it makes it the same everywhere, and what it says when it cannot. TAP.
. "$(dirname "$0")/tap.sh"

cp "$here"/types.[ch] "$here/second.c" "$work"
cd "$work"

# refused NAME PATTERN ARGS...: exit 1, one complaint, nothing written
refused() {
	local name=$1 pattern=$2 code
	shift 2
	rm -f out.xclbin
	"$tool" pack -o out.xclbin "$@" >said 2>&1
	code=$?
	if [ $code != 1 ] || ! grep -qE -- "$pattern" said || ls out.xclbin* 2>/dev/null || [ -n "$(ls "$TMPDIR")" ]; then
		result 1 "$name"
		sed "s/^/# exit $code: /" said
	else
		result 0 "$name"
	fi
}

# usage NAME PATTERN ARGS...: exit 2
usage() {
	local name=$1 pattern=$2 code
	shift 2
	"$tool" "$@" >said 2>&1
	code=$?
	if [ $code = 2 ] && grep -qE -- "$pattern" said; then result 0 "$name"; else result 1 "$name"; sed "s/^/# exit $code: /" said; fi
}

check 'packs two kernels' "$tool" pack -o a.xclbin --kernel types.c --cus 3 --kernel second.c
check 'leaves no temporary file' [ -z "$(ls "$TMPDIR")" ]
"$root/build/tests/xclbin/call_cu" a.xclbin >calls 2>&1
while read -r line; do
	case $line in
	ok*) result 0 "call_cu: ${line#*- }" ;;
	'not ok'*) result 1 "call_cu: ${line#*- }" ;;
	esac
done <calls
check 'all entry code tests ran' grep -q '^1\.\.18$' calls

"$tool" info --json a.xclbin >a.json
cat >expect.py <<'EOF'
import json
x = json.load(open("a.json"))
assert x["mode"] == "hw_pr" and x["platform"] == "xilinx_u2_gen3x4_xdma_gc_2_202110_1", x
assert x["clocks"] == [{"name": "DATA_CLK", "mhz": 300}], x["clocks"]
assert [s["kind"] for s in x["sections"]] == [0, 6, 7, 8, 11, 2, 14, 15, 16], x["sections"]
assert x["memory"] == [{"tag": "bank0", "base": 0, "bytes": 4 << 30, "used": True}], x["memory"]
cus = x["cus"]
assert [c["name"] for c in cus] == ["types:types_1", "types:types_2", "types:types_3", "second:second_1"], cus
assert [c["base"] for c in cus] == [0x1800000 + 0x10000 * i for i in range(4)], cus
assert [c["irq"] for c in cus] == [0, 1, 2, 3], cus
assert [c["kernel"] for c in cus] == [0, 0, 0, 1], cus
assert [c["control"] for c in cus] == ["chain"] * 3 + ["hs"], cus
args = [(a["name"], a["kind"], a["offset"], a["bytes"]) for a in cus[1]["args"]]
assert args == [("out", "global", 0x10, 8), ("out_bytes", "bound", 0x1c, 8), ("in", "global", 0x28, 8), ("i8", "scalar", 0x34, 4),
	("u8_", "scalar", 0x3c, 4), ("i16", "scalar", 0x44, 4), ("u16_", "scalar", 0x4c, 4), ("i32", "scalar", 0x54, 4),
	("u32_", "scalar", 0x5c, 4), ("i64", "scalar", 0x64, 8), ("u64_", "scalar", 0x70, 8), ("f", "scalar", 0x7c, 4),
	("d", "scalar", 0x84, 8), ("b", "scalar", 0x90, 4)], args
assert [a["type"] for a in cus[1]["args"]][:4] == ["uint8_t*", "uint64_t", "const uint32_t*", "int8_t"], cus[1]["args"]
assert cus[1]["args"][1]["bound_of"] == 0
EOF
check 'info --json says what was packed' python3 expect.py
check 'info prints text' grep -q '^types:types_2  *0x1810000  *1  *chain$' <("$tool" info a.xclbin)

# ---- the same everywhere
pack_at() { # FOLDER FLAGS ARGS...: pack there, with debugging information or without
	local dir=$1 flags=$2
	shift 2
	mkdir -p "$dir"
	cp types.[ch] second.c "$dir"
	(cd "$dir" && TMPDIR=$dir "$tool" pack -o "$work/${dir##*/}.xclbin" --cflags "$flags" "$@")
}
pack_at "$work/one" '' --kernel types.c --kernel second.c
sleep 1.1 # a clock in seconds would show
pack_at "$work/some/where/else/two" '' --kernel "$work/some/where/else/two/types.c" --kernel ../two/second.c
check 'same bytes in another folder, later' cmp one.xclbin two.xclbin
check 'no path of this machine in it' sh -c "! grep -aq -e '$work' -e '$root' one.xclbin"
pack_at "$work/three" '-g -O1' --kernel types.c
pack_at "$work/a/four" '-g -O1' --kernel types.c
check 'also with debugging information' cmp three.xclbin four.xclbin
check 'which is there' grep -aq debug_info three.xclbin
check 'and only when wanted' sh -c '! grep -aq debug_info one.xclbin'
check 'no path in that either' sh -c "! grep -aq -e '$work' -e '$root' three.xclbin"
SOURCE_DATE_EPOCH=1700000000 "$tool" pack -o dated.xclbin --kernel types.c --kernel second.c
check 'SOURCE_DATE_EPOCH is the timestamp' [ "$(od -An -tu8 -j312 -N8 dated.xclbin | tr -d ' ')" = 1700000000 ]
check 'without it, the timestamp is 0' [ "$(od -An -tu8 -j312 -N8 one.xclbin | tr -d ' ')" = 0 ]
check 'the UUID is the contents, not the date' diff <("$tool" info one.xclbin | grep uuid) <("$tool" info dated.xclbin | grep uuid)
sed -i 's/return 2;/return 3;/' second.c
"$tool" pack -o changed.xclbin --kernel types.c --kernel second.c
check 'another constant, another UUID' bash -c "! diff -q <($tool info one.xclbin | grep uuid) <($tool info changed.xclbin | grep uuid)"
cp "$here/second.c" .

# ---- functional versions
cat >fast.c <<'EOF'
#include <stdint.h>
extern int more(void);
typedef unsigned char byte;
void second(byte *result) { result[0] = more(); }
EOF
echo 'int more(void) { return 42; }' >more.c
check 'functional version of two files' "$tool" pack -o f.xclbin --kernel types.c --kernel second.c --functional fast.c --functional more.c
check 'which is what runs' sh -c "$root/build/tests/xclbin/call_cu f.xclbin | grep '^not ok' | grep -c . | grep -qx 1"
check 'other compilers: $CC with options' env CC="gcc -DX=1" "$tool" pack -o cc.xclbin --kernel types.c
mkdir 'a folder'; cp types.[ch] 'a folder'
check 'blanks in names' "$tool" pack -o 'a folder/x y.xclbin' --cflags "-DQ='\"a b\"'" --kernel 'a folder/types.c'
check '--name, --control, --platform' "$tool" pack -o n.xclbin --platform my_shell --kernel types.c --name types --control hs
check 'are in the result' python3 -c 'import json,sys
x = json.load(sys.stdin)
assert x["platform"] == "my_shell" and x["cus"][0]["control"] == "hs"' < <("$tool" info --json n.xclbin)
check '64 compute units' "$tool" pack -o m.xclbin --kernel types.c --cus 63 --kernel second.c
check 'the last has its place' grep -qE 'second:second_1 +0x1bf0000 +63 +hs' <("$tool" info m.xclbin)

# ---- what cannot be packed
echo 'old' >out.old
cp out.old keep.xclbin
echo 'void broken(int *a) { a[0] = ; }' >broken.c
refused 'compile error: what gcc says' 'broken\.c:1:[0-9]+: error' --kernel broken.c
refused 'compile error: which kernel' 'kernel broken: compiling broken\.c failed' --kernel broken.c
"$tool" pack -o keep.xclbin --kernel broken.c 2>/dev/null
check 'an older output file is left alone' cmp out.old keep.xclbin
chmod 600 keep.xclbin
ln -s keep.xclbin link.xclbin
check 'an output that is a symbolic link' "$tool" pack -o link.xclbin --kernel second.c
[ "$(readlink link.xclbin)" = keep.xclbin ] && [ "$(stat -c %a keep.xclbin)" = 600 ]
check 'is followed, and the file keeps its mode' [ $? = 0 ]
check 'and has the new contents' "$tool" info keep.xclbin
echo '#include "nowhere.h"' >broken.c
refused 'missing include' 'nowhere\.h' --kernel broken.c
echo 'int gone(void); void broken(int *a) { a[0] = gone(); }' >broken.c
refused 'missing function' 'undefined reference to .gone' --kernel broken.c
refused 'no such function' "types\.c: no definition of a function 'nobody'" --kernel types.c --name nobody
refused 'missing file' 'none\.c: No such file' --kernel none.c
printf '#include <stdint.h>\nstruct s { int x; };\nvoid broken(struct s v,\n\tint b[2])\n{\n}\n' >broken.c
refused 'struct by value, with its place' "broken\.c:3: kernel broken, argument 'v'" --kernel broken.c
printf '#define A(n) int n[2]\nvoid broken(int *a,\n\tA(b))\n{\n}\n' >broken.c
refused 'array behind a macro, with its place' "broken\.c:3: kernel broken, argument 'b'" --kernel broken.c
printf 'void second(int *out) { out[0] = 1; }\n' >other.c
refused 'functional version with other arguments' "other\.c:1: kernel second, argument 1: 'int\* out' here, but 'uint8_t\* out' in second\.c:9" \
	--kernel second.c --functional other.c
refused 'functional version without the function' 'more\.c does not define' --kernel second.c --functional more.c
refused 'contradicting protocols' 'second\.c: --control chain contradicts' --kernel second.c --control chain
check 'agreeing ones are fine' "$tool" pack -o c.xclbin --kernel second.c --control hs
CC=no-such-compiler refused 'no compiler' "cannot run 'no-such-compiler'" --kernel types.c
SOURCE_DATE_EPOCH=x refused 'bad SOURCE_DATE_EPOCH' 'SOURCE_DATE_EPOCH=x' --kernel types.c
mkdir folder
"$tool" pack -o folder --kernel types.c >said 2>&1
check 'output is a folder' [ $? = 1 ]
"$tool" pack -o no/where/x.xclbin --kernel types.c >said 2>&1
check 'output folder is missing' [ $? = 1 ]
cat >bounds.c <<'EOF'
#include <stdint.h>
void bounds(int *x, uint64_t x_bytes, int *y, uint32_t y_bytes, int *z, float f, uint64_t z_bytes, uint32_t n_bytes, int *last)
{
	*last = x[0] + y[0] + z[0] + (int)(x_bytes + y_bytes + z_bytes + n_bytes + f);
}
EOF
check 'what only looks like a bound is packed' "$tool" pack -o bounds.xclbin --kernel bounds.c
"$tool" pack -o bounds.xclbin --kernel bounds.c >said 2>&1
check 'a bound of 32 bits is warned of' grep -q "^bounds\.c:2: kernel bounds, argument 'y_bytes': warning: .*directly behind 'y'" said
check 'a bound in another place is warned of' grep -q "argument 'z_bytes': warning: .*directly behind 'z'" said
check 'and nothing else' [ "$(wc -l <said)" = 2 ]
mkfifo pipe
(sleep 5; exec 3<>pipe) & writer=$!
start=$SECONDS
"$tool" info pipe >said 2>&1
check 'info: a pipe is refused' grep -q 'pipe: not a regular file' said
check 'info: ... without waiting for a writer' [ $((SECONDS - start)) -lt 4 ]
kill $writer 2>/dev/null
wait $writer 2>/dev/null
"$tool" pack -o pipe --kernel types.c >said 2>&1
check 'output is a pipe: refused, and it stays one' [ $? = 1 -a -p pipe ]

usage 'no -o' '-o is missing' pack --kernel types.c
usage 'no kernel' '--kernel is missing' pack -o x.xclbin
usage 'kernel option without kernel' '--cus: belongs behind the --kernel' pack -o x.xclbin --cus 2
usage 'too many units' '65 compute units' pack -o x.xclbin --kernel types.c --cus 64 --kernel second.c
usage 'bad number' '--cus 2x' pack -o x.xclbin --kernel types.c --cus 2x
usage 'zero units' '--cus 0' pack -o x.xclbin --kernel types.c --cus 0
usage 'bad protocol' '--control none' pack -o x.xclbin --kernel types.c --control none
usage 'same kernel twice' 'kernel types is given twice' pack -o x.xclbin --kernel types.c --kernel types.c
usage 'not a C file' 'types\.h' pack -o x.xclbin --kernel types.h
usage 'not a name' "'two-words' is not the name" pack -o x.xclbin --kernel two-words.c
usage 'long name' 'too long' pack -o x.xclbin --kernel types.c --name a2345678901234567890123456789012
usage 'bad platform' '--platform a b' pack -o x.xclbin --platform 'a b' --kernel types.c
usage 'unknown option' '--frobnicate: no such option' pack -o x.xclbin --frobnicate
usage 'stray argument' "'types\.c': kernels are given with --kernel" pack -o x.xclbin types.c
usage 'no verb' 'usage:' 
usage 'unknown verb' "'unpack': pack, info or load" unpack
usage 'info without a file' 'usage:' info
for verb in '' pack info; do
	check "${verb:-xclbin} --help" grep -q '^usage: smartssd xclbin' <("$tool" $verb --help)
done
check 'nothing was left in the temporary folder' [ -z "$(ls "$TMPDIR")" ]
finish
