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
print("device kintexuplus:xcku15p:ffva1156:-2:e")
for s in x["sections"]:
    print(f"section {s['kind_name']} offset={s['offset']} bytes={s['bytes']}")
for m in x["memory"]:
    print(f"memory {m['tag']} base={m['base']:#x} kib={m['bytes'] // 1024} used={m['used']:d}")
print("ips", len(x["cus"]))
def args(what, owner, cu):
    for i, a in enumerate(cu["args"]):
        mems = "bank0" if a["kind"] == "global" else ""
        print(f"{what} {owner} {i} name={a['name']} offset={a['offset']:#x} size={a['bytes']} type={a['type']} mems={mems}")
seen = set()
for cu in x["cus"]:
    kernel = cu["name"].split(":")[0]
    if kernel not in seen:
        seen.add(kernel)
        print(f"kernel {kernel} args={len(cu['args'])}")
        args("arg", kernel, cu)
    control = {"hs": 0, "chain": 1}[cu["control"]]
    print(f"cu {cu['name']} kernel={kernel} base={cu['base']:#x} control={control} size=0x1000 args={len(cu['args'])}")
    args("cu-arg", cu["name"], cu)
EOF

compare() { # NAME FILE TIMESTAMP
	"$view" "$2" >theirs.txt 2>theirs.err || cat theirs.err >>theirs.txt
	"$tool" info --json "$2" >ours.json && python3 ours.py ours.json "$3" >ours.txt
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
finish
