#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A store whose drive, card, disk or neighbour misbehaves: what each command says, and what is left.
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$TMPDIR" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
# shellcheck source=tests/cli/tap.sh
. "$here/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
pid=
trap 'kill -KILL $pid 2>/dev/null; umount "$tmp/full" 2>/dev/null; rm -rf "$tmp"' EXIT
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "# SEED=$SEED"
export SEED
build=$(dirname "$(readlink -f "$tool")")
tool=$(readlink -f "$tool")
cd "$tmp" || exit 1

# py STATEMENTS: with np, json, os, struct, store, rng
py() {
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here "$python" -c "
import json, os, struct
import numpy as np
import store
rng = np.random.default_rng(int(os.environ['SEED']))
$1" >out 2>err
}
# patch FILE BYTE: one bit of it is turned
patch() {
	printf '%b' "\\x$(printf %x $(($(od -An -tu1 -j "$2" -N 1 "$1") ^ 4)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
# right [WANT]: y.npy is f4, and has the shape and the numbers of WANT.npy
right() {
	local want=${1:-want}.npy header shape
	header=$(head -c 128 "$want" | tr -d '\0')
	shape="${header#*shape\': }"
	shape="${shape%%)*})"
	head -c 128 y.npy | grep -qaF "'shape': $shape" && head -c 128 y.npy | grep -qaF "'<f4'" && cmp -s -i 128 y.npy "$want"
}
# afresh: S, with tables t and other, and raw0,raw1, with table r, as they were imported
afresh() {
	rm -rf S raw0 raw1
	cp -r S.good S && cp --sparse=always raw0.good raw0 && cp --sparse=always raw1.good raw1
}
# bad_read NAME FROM BYTES ARG...: run on a drive that cannot read that
bad_read() {
	LD_PRELOAD=$build/tests/cli/badread.so BAD_READ="$1 $2 $3" "$tool" "${@:4}" >"$tmp/out" 2>"$tmp/err"
	code=$?
}
lookup() {
	rm -f y.npy
	run lookup --indices i.npy --offsets o.npy --output y.npy "$@"
}
# gone TEXT NAME: the last run failed, said one line with TEXT, and wrote no result
gone() {
	refused 1 "$1" "$2"
	[ ! -e y.npy ]; ok $? "$2: no result"
}

py "
x = rng.integers(-50, 50, (500, 33)).astype('f4')
np.save('x.npy', x)
i = rng.integers(0, 500, 400)
i[:4] = 3, 77, 78, 499
np.save('i.npy', i)
np.save('o.npy', np.arange(0, 401, 4))
np.save('want.npy', x[i].reshape(100, 4, 33).sum(1))
np.save('few.npy', np.array([3, 4]))
np.save('new.npy', np.full((2, 33), 9, 'f4'))
np.save('one.npy', np.array([5]))
np.save('newer.npy', np.full((1, 33), 8, 'f4'))
np.save('big.npy', rng.standard_normal((70000, 64), dtype='f4'))
good = [b for b in range(100) if not (set(i[4 * b:4 * b + 4].tolist()) & set(range(60, 100)))] # they want nothing near row 77
np.save('good-i.npy', np.concatenate([i[4 * b:4 * b + 4] for b in good]))
np.save('good-o.npy', np.arange(0, 4 * len(good) + 1, 4))
np.save('good-want.npy', x[i].reshape(100, 4, 33).sum(1)[good])
np.save('many-i.npy', np.arange(500).repeat(200) % 500)
np.save('many.npy', np.zeros((100000, 33), 'f4'))
"
ok $? "inputs"
run table import t --from x.npy --store S.good && run table import other --from x.npy --format int8-rowwise --store S.good
truncate -s 64M raw0.good raw1.good
run table import r --from x.npy --store raw0.good,raw1.good --force --shard row
exits 0 "two stores"
afresh
lookup --store S --table t
right
ok $? "a lookup without faults"

# ---- tables that were cut off, or have a bit turned ----
for part in rows crc delta; do
	truncate -s -4096 S/t.1.0.$part.obj
	for verb in info verify; do
		run table $verb t --store S
		refused 1 "table 't': t.1.0.$part on S was cut short" "$verb: $part cut off"
	done
	lookup --store S --table t
	gone "t.1.0.$part on S was cut short" "lookup: $part cut off"
	lookup --store S --table other
	exits 0 "lookup: another table does not mind"
	truncate -s 100 S/t.1.0.$part.obj
	run table verify t --store S
	refused 1 "S/t.1.0.$part.obj is damaged: it has 100 bytes" "verify: $part cut off in a block"
	rm S/t.1.0.$part.obj
	run table verify t --store S
	refused 1 "table 't' is damaged: S/t.1.0.$part.obj: No such file or directory; restore that from a backup, or import the table again" "verify: no $part"
	afresh
done
patch S/t.1.0.rows.obj 20
for verb in info verify; do
	run table $verb t --store S
	refused 1 "table 't', shard 0 on S: its header is damaged" "$verb: a bit of the header is turned"
done
lookup --store S --table t
gone "its header is damaged" "lookup: a bit of the header is turned"
afresh
# Rows of 132 bytes, as many of them in a block as there is room for
run table info t --store S --json
block=$(sed -n 's/.*"block": \([0-9]*\).*/\1/p' out | head -1)
per=$((block / 132))
# place ROW: its byte in the object of rows
place() { local span=$(($1 / per)); echo $((4096 + span * block + $1 % per * 132)); }
at77=$(place 77)
patch S/t.1.0.rows.obj $((at77 + 5))
run table verify t --store S
refused 1 "table 't', row 77 on S: its bytes are not those that were imported (CRC)" "verify: a bit of a row is turned: which row"
lookup --store S --table t
exits 0 "lookup does not look at checksums"
run table compact t --store S
refused 1 "table 't', row 77 on S" "compact does not carry a damaged row on"
py "
x = np.load('x.npy')
np.save('i77.npy', np.array([77]))
np.save('x77.npy', x[77:78])"
cp -r S S.heal
run table update t --indices i77.npy --rows x77.npy --store S.heal
run table verify t --store S.heal
[ "$code" = 0 ] && grep -q "^t: whole; table 't', row 77 on S.heal: .* but an update replaced them: compact the table$" out; ok $? "verify: the row was written again"
run table verify t --store S.heal --json
[ "$code" = 0 ] && grep -q '"whole": true' out && grep -q '"replaced": "table' out; ok $? "verify --json: the same"
run table compact t --store S.heal
exits 0 "compact leaves the damaged bytes behind"
run table verify t --store S.heal
[ "$code" = 0 ] && grep -q '^t: whole$' out; ok $? "then the table is whole"
rm -r S.heal
run table info t --store S --json
said out '"generation": 1' "the table is as it was"
afresh
patch S/t.1.0.crc.obj $((4096 + 4 * 78))
run table verify t --store S
refused 1 "table 't', row 78 on S" "verify: a bit of a checksum is turned"
afresh
# On raw namespaces: row 499 is row 249 of shard 1, which is on the second one
offset=$(PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here "$python" -c "
import json
data = open('raw1', 'rb').read(4096 + (8 << 20))
text = data[4096 + 48:]
print([o for o in json.JSONDecoder().raw_decode(text[:text.index(b'\0')].decode())[0]['objects'] if o[0].endswith('.1.rows')][0][1])")
patch raw1 $((offset + $(place 249) + 7))
run table verify r --store raw0,raw1
refused 1 "table 'r', row 499 on raw1" "verify: a turned bit on the second namespace, by the table's number of the row"
afresh
run table update t --indices few.npy --rows new.npy --store S && run table update t --indices one.npy --rows newer.npy --store S
exits 0 "two updates"
patch S/t.1.0.delta.obj $((block + 9))
for verb in info verify; do
	run table $verb t --store S
	refused 1 "table 't', shard 0 on S: delta: record 1 at byte 0 is damaged: record 2, which came later, is there" "$verb: an update that is not the last is damaged"
done
afresh
run table update t --indices few.npy --rows new.npy --store S && run table update t --indices one.npy --rows newer.npy --store S
patch S/t.1.0.delta.obj $((3 * block + 9))
run table info t --store S --json
said out '"updated": 2' "the last update, damaged, is as if it were not: nobody can tell it from one that was cut short"
run table verify t --store S
exits 0 "verify: and so it is whole"
afresh

# ---- what the volumes say of themselves ----
for slot in 0 1; do
	patch raw0 $((4096 + slot * 4194304 + 60))
	run table list --store raw0,raw1
	if [ $slot = 0 ]; then exits 0 "one of two slots is damaged"; else refused 1 "raw0 is damaged: neither slot 0 nor slot 1 is whole" "both are"; fi
done
afresh
patch raw0 4150
run table update r --indices few.npy --rows new.npy --store raw0,raw1 && patch raw0 $((4096 + 4194304 + 60)) && run table verify r --store raw0,raw1
exits 0 "the next writer makes two of one"
afresh
patch raw1 4000
run table list --store raw0,raw1
refused 1 "raw1: block 0 of the volume is damaged" "a damaged first block"
truncate -s 50M raw1
run table list --store raw0,raw1
refused 1 "raw1 has 52428800 bytes; a store needs at least" "a namespace that became smaller"
afresh
# hostile FILE TEXT WORDS
hostile() {
	printf '%s' "$2" >S/"$1"
	run table list --store S
	refused 1 "$3" "$1: $(cut -c1-60 <<<"$2")"
	afresh
}
hostile volume.json '' "S/volume.json is damaged"
hostile volume.json '{"magic": "another", "version": 1, "uuid": ""}' "S/volume.json is not one of ours"
hostile volume.json '{"magic": "smartssd-volume", "version": 2, "uuid": ""}' "S/volume.json has version 2; this program reads version 1"
hostile volume.json '{"magic": "smartssd-volume", "version": 1, "uuid": "../../etc"}' "S/volume.json is damaged: uuid"
hostile manifest.json '[[[[' "S/manifest.json is damaged: line 1"
hostile manifest.json '{"generation": 9, "crc32c": 7, "manifest": ""}' "S/manifest.json is damaged: its CRC-32C is not 7"
hostile manifest.json '{"generation": -1, "crc32c": 0, "manifest": ""}' "S/manifest.json is damaged"
hostile manifest.json "$(printf '[%.0s' {1..5000})" "S/manifest.json is damaged: line 1"
rm S/manifest.json
run table list --store S
refused 1 "S is damaged: manifest.json is missing" "no manifest.json"
mkdir S/manifest.json
run table list --store S
refused 1 "S/manifest.json is damaged: no regular file" "a folder in its place"
afresh

# ---- files to import that are not what they say ----
py "
def st(name, header, data=b'', n=None):
	header = header.encode() if isinstance(header, str) else header
	open(name, 'wb').write(struct.pack('<Q', len(header) if n is None else n) + header + data)
def one(**what):
	return json.dumps({'a': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24]} | what})
st('short.safetensors', one(), bytes(20))
st('huge.safetensors', one(), bytes(24), 1 << 40)
st('shape.safetensors', one(shape=[3, 3]), bytes(24))
st('over.safetensors', one(shape=[1 << 40, 1 << 40]), bytes(24))
st('minus.safetensors', one(data_offsets=[-8, 16]), bytes(24))
st('back.safetensors', one(data_offsets=[24, 0]), bytes(24))
st('type.safetensors', one(dtype='X7'), bytes(24))
st('int.safetensors', one(dtype='I32'), bytes(24))
st('twice.safetensors', '{\"a\":{\"dtype\":\"U8\",\"shape\":[1,9],\"data_offsets\":[0,9]},\"b\":{\"dtype\":\"U8\",\"shape\":[1,9],\"data_offsets\":[8,17]}}', bytes(17))
st('same.safetensors', '{\"a\":1,\"a\":2}')
st('json.safetensors', '{\"a\":')
st('list.safetensors', '[]')
open('tiny.safetensors', 'wb').write(b'abc')
np.save('flat.npy', np.zeros(9, 'f4'))
np.save('wide.npy', np.zeros((1, 5000), 'f4'))
np.save('none.npy', np.zeros((0, 8), 'f4'))
np.save('thin.npy', np.zeros((4, 8), 'u1'))
np.save('whole.npy', np.zeros((100, 8), 'f4'))
data = open('whole.npy', 'rb').read()
open('cut.npy', 'wb').write(data[:1000])
open('claims.npy', 'wb').write(data.replace(b'(100, 8)', b'(1 << 9)'))
open('more.npy', 'wb').write(data.replace(b'(100, 8), }', b'(4294967295, 4294967295), }'.ljust(11))[:600])
"
ok $? "hostile files"
# bad FILE WORDS
bad() {
	run table import h --from "$1" --store S
	refused 1 "$2" "import $1: $(cut -c1-100 err)"
}
bad short.safetensors "tensor 'a' ends at byte 24 of the data, of which the file has 20: was it cut short?"
bad huge.safetensors "says that its header has 1099511627776 bytes"
bad shape.safetensors "tensor 'a' has 24 bytes, its shape and dtype need 36"
bad over.safetensors "tensor 'a': its shape is too large"
bad minus.safetensors "tensor 'a': data_offsets are not [begin, end]"
bad back.safetensors "tensor 'a': data_offsets are not [begin, end]"
bad type.safetensors "dtype 'X7' is not known"
bad int.safetensors "elements of type I32"
bad twice.safetensors "tensors 'a' and 'b' overlap"
bad same.safetensors "duplicate object key"
bad json.safetensors "header, line 1"
bad list.safetensors "the header is not an object"
bad tiny.safetensors "3 bytes: no safetensors file"
bad flat.npy "a table has two dimensions"
bad wide.npy "a table has two dimensions, rows and 1 to 4096 elements"
bad none.npy "no rows"
bad thin.npy "9 to 4104 bytes"
bad cut.npy "cut.npy"
bad claims.npy "claims.npy"
bad more.npy "more.npy"
run table list --store S --json
[ "$code" = 0 ] && [ "$(grep -c '"name"' out)" = 2 ]; ok $? "none of them left anything"

# ---- a drive that cannot read something ----
bad_read t.1.0.rows.obj $((at77 - at77 % 512)) 512 table verify t --store S
refused 1 "Input/output error" "verify: a block that cannot be read"
rm -f y.npy
bad_read t.1.0.rows.obj $((at77 - at77 % 512)) 512 lookup --store S --table t --indices i.npy --offsets o.npy --output y.npy
[ "$code" = 1 ] && grep -q "table 't', bag 0: row 7[0-9] cannot be read from S: Input/output error" err && [ ! -e y.npy ]; ok $? "lookup: a block that cannot be read: bag and row are named"
bad_read t.1.0.rows.obj $((at77 - at77 % 512)) 512 lookup --store S --table other --indices i.npy --offsets o.npy --output y.npy
exits 0 "lookup: another table does not mind"
bad_read t.1.0.rows.obj $((at77 - at77 % 512)) 512 lookup --store S --table t --indices good-i.npy --offsets good-o.npy --output y.npy
right good-want
ok $? "lookup: bags that do not want it do not mind"
bad_read t.1.0.rows.obj $((at77 - at77 % 512)) 512 table compact t --store S
refused 1 "Input/output error" "compact: a block that cannot be read"
run table verify t --store S
exits 0 "the table is as it was"
bad_read x.npy 66000 128 table import again --from x.npy --store S
refused 1 "x.npy: rows from 0 on cannot be read: Input/output error" "import: its file cannot be read"
run table list --store S --json
[ "$code" = 0 ] && [ "$(grep -c '"name"' out)" = 2 ]; ok $? "no table, and no objects: $(find S -name 'again*' | wc -l)"

# ---- cards that are lost, or do not what they should; compute units 2 and 3 are embedding_bag ----
# Not hang: that waits for a time-out.
for knob in gone crash no-irq wrong; do
	lookup --store raw0,raw1 --table r --batch 10 --device "emu:,emu:fault=$knob:2:3" --json
	[ "$code" = 0 ]; ok $? "lookup: the second card's fault is $knob"
	right
	ok $? "and the result is right"
	[ $knob = gone ] || continue
	lookup --store raw0,raw1 --table r --batch 10 --device "emu:,emu:fault=gone:2:3" --json
	said err "was lost: the host read and pooled the rows of volume 1, raw1, since" "it says that a card was lost"
	[ "$(wc -l <err)" = 1 ] && [ "$(grep -c '"lost": true' out)" = 1 ] && [ "$(grep -c '"lost": false' out)" = 1 ]; ok $? "and which"
done
lookup --store raw0,raw1 --table r --batch 10 --device "emu:fault=gone:2:1,emu:fault=gone:2:1"
[ "$code" = 0 ] && [ "$(grep -c 'was lost' err)" = 2 ]; ok $? "both cards are lost"
right
ok $? "the host does all of it"

# ---- disks that are full ----
for nr in 0 1; do truncate -s 64M tight$nr; done
run table import x --from x.npy --store tight0,tight1 --force --volume 1
run table import big --from big.npy --store tight0,tight1 --volume 0
exits 0 "a namespace with some room left"
run table import big2 --from big.npy --store tight0,tight1 --volume 0
exits 0 "and with less"
for how in "big3 --volume 0" "big --volume 0 --replace" "big3 --shard row --format fp16"; do
	# shellcheck disable=SC2086
	run table import $how --from big.npy --store tight0,tight1
	[ "$code" = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -qE 'tight0: no room for big3?\.[0-9]+\.[01]\.[a-z]+ of [0-9]+ bytes: the largest free run has [0-9]+, [0-9]+ are missing' err; ok $? "a full namespace, import $how: how much is missing"
done
run table compact big --store tight0,tight1
refused 1 "are missing" "compact on a full namespace"
run table verify --all --store tight0,tight1
[ "$code" = 0 ] && [ "$(tr '\n' ' ' <out)" = "big: whole big2: whole x: whole " ]; ok $? "the store is as it was"
py "
m = json.loads(store.read_raw('tight0')[1])
have = set(store.read_raw('tight0')[2]) | set(store.read_raw('tight1')[2])
named = {'%s.%u.%u.%s' % (t['name'], t['generation'], s, p) for t in m['tables'] for s in range(t['shards']) for p in ('rows', 'crc', 'delta')}
assert have == named and not m['imports'], (have ^ named, m['imports'])"
ok $? "no object is left of what had no room"
mkdir full
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=24m none full 2>/dev/null; then
	run table import x --from x.npy --store full/a,S2 && run table import r --from big.npy --store full/a,S2 --shard row
	refused 1 "are missing" "a full disk under one of two volumes"
	run table list --store full/a,S2 --json
	[ "$code" = 0 ] && [ "$(grep -c '"name"' out)" = 1 ] && ! ls S2/r.* full/a/r.* 2>/dev/null; ok $? "nothing is left on the other"
	head -c 30m /dev/zero >full/filler 2>/dev/null
	truncate -s -64K full/filler # manifests are written anew
	run table update x --indices few.npy --rows new.npy --store full/a,S2
	exits 0 "an update needs no room that is not reserved"
	run table compact x --store full/a,S2
	refused 1 "are missing" "compact on a full disk"
	run table info x --store full/a,S2 --json
	said out '"updated": 2' "the table is as it was"
	run table remove x --store full/a,S2
	[ "$code" = 0 ] && ! ls full/a/x.* 2>/dev/null; ok $? "remove makes room"
	umount full
else
	skip "a full disk" "only root mounts one"
fi
# All updates of a table that it has room for
run table update t --indices many-i.npy --rows many.npy --store S
refused 1 "at a time, or import the table again in place of the old one (--replace)" "an update that the delta never has room for"
run table info t --store S --json
said out '"updated": 0' "none of it is there"

# ---- two processes ----
LD_PRELOAD=$build/tests/cli/stopwrite.so STOP_AT=2 "$tool" table import slow --from big.npy --store S >/dev/null 2>&1 &
pid=$!
for _ in {1..500}; do
	[ "$(cut -d' ' -f3 /proc/$pid/stat 2>/dev/null)" = T ] && break
	sleep 0.01
done
run table update t --indices few.npy --rows new.npy --store S
refused 1 "S: process $pid is writing to it; wait until that has ended" "a second writer is refused, by the first one's process"
run table compact t --store S
refused 1 "process $pid is writing to it" "so is one who compacts"
lookup --store S --table t
right
ok $? "a reader reads beside it"
(lookup --store S --table t && [ "$code" = 0 ]) & one=$!
run table verify --all --store S
wait $one && [ "$code" = 0 ]; ok $? "two readers beside it"
kill -KILL $pid
wait $pid 2>/dev/null
pid=
run table update t --indices few.npy --rows new.npy --store S
exits 0 "when it is dead, the next one writes"
[ -z "$(find S -name 'slow.*')" ]; ok $? "and nothing of the import is left, as it had saved nothing"
finish
