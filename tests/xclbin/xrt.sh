#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The real XRT parser against ours, field by field, on what the packer makes. TAP.
. "$(dirname "$0")/tap.sh"
view=$root/build/tests/xclbin/xrt_view
cp "$here"/types.[ch] "$here/second.c" "$work"
cd "$work"

# From info --json, the lines that xrt_view prints.
cat >ours.py <<'EOF'
import json, sys
x = json.load(open(sys.argv[1]))
print("uuid", x["uuid"])
print("platform", x["platform"])
print("target 0")
print("mode", {"flat": 0, "hw_pr": 1}[x["mode"]])
print("bytes", x["bytes"])
print("timestamp", sys.argv[2])
print("device", sys.argv[3])
shown = {"BITSTREAM", "EMBEDDED_METADATA", "MEM_TOPOLOGY", "CONNECTIVITY", "IP_LAYOUT", "CLOCK_FREQ_TOPOLOGY", "BUILD_METADATA", "KEYVALUE_METADATA",
         "USER_METADATA", "ASK_GROUP_TOPOLOGY", "ASK_GROUP_CONNECTIVITY"}
for s in x["sections"]:
    if s["kind_name"] not in shown:
        continue
    print(f"section {s['kind_name']} offset={s['offset']} bytes={s['bytes']}")
for m in x["memory"]:
    print(f"memory {m['tag']} base={m['base']:#x} kib={m['bytes'] // 1024} used={m['used']:d}")
print("ips", len(x["cus"]) + int(sys.argv[4]))
def args(what, owner, cu):
    for i, a in enumerate(cu["args"]):
        mems = " ".join(a.get("memory", []))
        print(f"{what} {owner} {i} name={a['name']} offset={a['offset']:#x} size={a['bytes']} type={a['type']} mems={mems}")
seen = set()
for cu in x["cus"]:
    kernel = cu["name"].split(":")[0]
    if kernel not in seen:
        seen.add(kernel)
        print(f"kernel {kernel} args={len(cu['args'])}")
        args("arg", kernel, cu)
    control = {"hs": 0, "chain": 1}[cu["control"]]
    print(f"cu {cu['name']} kernel={kernel} base={cu['base']:#x} control={control} size={sys.argv[5]} args={len(cu['args'])}")
    args("cu-arg", cu["name"], cu)
EOF

compare() { # NAME FILE TIMESTAMP LINES [DEVICE BLOCKS-THAT-ARE-NO-KERNELS SIZE]
	"$view" "$2" >theirs.txt 2>theirs.err || cat theirs.err >>theirs.txt
	"$tool" info --json "$2" >ours.json && python3 ours.py ours.json "$3" "${5:-kintexuplus:xcku15p:ffva1156:-2:e}" "${6:-0}" "${7:-0x1000}" >ours.txt
	check "$1: XRT accepts it" [ ! -s theirs.err ]
	check "$1: XRT sees the same" diff <(sort ours.txt) <(sort theirs.txt)
	check "$1: and that is something" [ "$(wc -l <theirs.txt)" -ge "$4" ]
}

"$tool" pack -o two.xclbin --kernel types.c --cus 2 --kernel second.c
compare 'two kernels, three units' two.xclbin 0 60
SOURCE_DATE_EPOCH=1234567890 "$tool" pack -o dated.xclbin --platform some.other:shell --kernel second.c
compare 'another platform, dated' dated.xclbin 1234567890 20
"$tool" pack -o many.xclbin --kernel second.c --cus 64
compare '64 units' many.xclbin 0 140
"$tool" pack -o project.xclbin --kernel "$root/kernels/conv2d/conv2d.c" --kernel "$root/kernels/embedding_bag/embedding_bag.c" \
	--kernel "$root/kernels/empty/empty.c" --cus 2
compare 'the kernels of this project' project.xclbin 0 130
# As the vendor's toolchain lays one out, with and without groups of memory.
python3 "$here/toolchain.py" groups.xclbin
compare 'as v++ makes it' groups.xclbin 1650000000 40 kintexuplus:xcku15p:ffva1156:-2LV:e 1 0x10000
check 'as v++ makes it: a port on two memories' python3 -c 'import json
a = [a for c in json.load(open("ours.json"))["cus"] for a in c["args"] if a["name"] == "input0"]
assert a[0]["memory"] == ["bank0", "MBG[0]"], a'
python3 "$here/toolchain.py" plain.xclbin no-groups
compare 'without groups' plain.xclbin 1650000000 40 kintexuplus:xcku15p:ffva1156:-2LV:e 1 0x10000
finish
