#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd xclbin info on files that are no good: exit 1 and one line that names the file; never a crash (the tool has sanitizers). TAP.
. "$(dirname "$0")/tap.sh"
seed=${SMARTSSD_TEST_SEED:-$RANDOM}
echo "# SMARTSSD_TEST_SEED=$seed"

cp "$here"/types.[ch] "$work"
cd "$work"
"$tool" pack -o good.xclbin --kernel types.c --cus 2 || echo 'Bail out! cannot pack'

# bad NAME PATTERN FILE
bad() {
	local code
	"$tool" info "$3" >out 2>said
	code=$?
	if [ $code = 1 ] && [ ! -s out ] && [ "$(wc -l <said)" = 1 ] && grep -qF "smartssd xclbin: $3: " said && grep -qE -- "$2" said; then
		result 0 "$1"
	else
		result 1 "$1"
		sed "s/^/# exit $code: /" said
	fi
}

# change OFFSET BYTES...: copy of good.xclbin with these bytes (octal escapes)
change() {
	cp good.xclbin bad.xclbin
	printf "$2" | dd of=bad.xclbin bs=1 seek="$1" conv=notrunc status=none
}

bad 'missing file' 'No such file' nowhere.xclbin
bad 'a folder' 'not a regular file' .
: >empty.xclbin
bad 'empty file' . empty.xclbin
echo 'hello' >text.xclbin
bad 'not an xclbin' . text.xclbin
head -c 400 good.xclbin >short.xclbin
bad 'header cut' . short.xclbin
head -c -100 good.xclbin >short.xclbin
bad 'end cut' . short.xclbin
change 0 'xclbin1'; bad 'wrong magic' . bad.xclbin
change 448 '\377\377\377\177'; bad 'absurd section count' . bad.xclbin
change 480 '\377\377\377\377\377\377\377\177'; bad 'section beyond the end' . bad.xclbin
truncate -s 200M huge.xclbin
bad 'too big' 'at most' huge.xclbin

# What the driver's parser has no use for, and the tool reads itself: the clocks.
at=$("$tool" info good.xclbin | awk '$1 == "CLOCK_FREQ_TOPOLOGY" { print $2 }')
change "$at" '\377\177'; bad 'clock count' 'CLOCK_FREQ_TOPOLOGY' bad.xclbin

# Anything may be refused or not, but the exit status is 0 or 1, and a refusal says why.
cat >mutate.py <<'EOF'
import random, subprocess, sys
tool, seed = sys.argv[1], int(sys.argv[2])
rnd = random.Random(seed)
good = open("good.xclbin", "rb").read()
bits = int.from_bytes(good[480:488], "little"), int.from_bytes(good[488:496], "little")
accepted = 0
for n in range(150):
    data = bytearray(good)
    if n % 3 == 0:
        del data[rnd.randrange(len(data)):]
    else:
        for _ in range(rnd.choice((1, 1, 2, 8))):
            at = rnd.randrange(len(data))
            while bits[0] <= at < bits[0] + bits[1] and n % 3 == 1: # the shared object is opaque to the reader
                at = rnd.randrange(len(data))
            data[at] = rnd.choice((0, 1, 0x7f, 0x80, 0xff, rnd.randrange(256)))
    open("mutant.xclbin", "wb").write(data)
    p = subprocess.run([tool, "info", "--json", "mutant.xclbin"], capture_output=True)
    if p.returncode not in (0, 1) or (p.returncode == 1) != bool(p.stderr) or (p.returncode == 1 and p.stderr.count(b"\n") != 1):
        sys.exit(f"mutant {n}: exit {p.returncode}: {p.stderr.decode(errors='replace')}")
    accepted += p.returncode == 0
    if n % 3 == 0 and p.returncode == 0:
        sys.exit(f"mutant {n}: cut to {len(data)} bytes and accepted")
if accepted == 150 or accepted == 0:
    sys.exit(f"{accepted} of 150 mutants accepted: the mutations do not reach the parser")
EOF
check '150 mutants' python3 mutate.py "$tool" "$seed"
finish
