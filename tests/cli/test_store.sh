#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Tables in a store and traces, by the command; what lies on the drive is judged by a reader in NumPy that knows Documentation/store.rst only.
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$TMPDIR" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
# shellcheck source=tests/cli/tap.sh
. "$here/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
trap 'kill -KILL $pid 2>/dev/null; umount "$tmp/full" 2>/dev/null; rm -rf "$tmp"' EXIT
pid=
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "# SEED=$SEED"
export SEED
shim=$(dirname "$(readlink -f "$tool")")/tests/cli/stopwrite.so
tool=$(readlink -f "$tool") # $tmp is where everything happens
page=$PWD/Documentation/man
cd "$tmp" || exit 1

# judge NAME PYTHON: statements, asserts among them; with np, json, store, rng
judge() {
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here "$python" -c "
import json, os
import numpy as np
import store
rng = np.random.default_rng(int(os.environ['SEED']))
$2" >out 2>err
	ok $? "$1"
}

# starts NAME STOP_AT ARG...: runs until it has stopped itself, so many MiB into its writes; $pid. An import's chunks are of 4 MiB, here 16384 rows
starts() {
	local name=$1 state=
	LD_PRELOAD=$shim STOP_AT=$2 env --default-signal=INT,TERM "$tool" "${@:3}" >bg.out 2>bg.err &
	pid=$!
	stopped "$name"
}
stopped() {
	for _ in {1..1000}; do
		state=$(cut -d' ' -f3 /proc/$pid/stat 2>/dev/null)
		if [ "$state" = T ] || [ "$state" = Z ] || [ -z "$state" ]; then break; fi
		sleep 0.01
	done
	[ "$state" = T ]
	ok $? "$1"
}

judge "inputs" "
x = (rng.standard_normal((500, 33)) * 10.0 ** rng.integers(-4, 4, (500, 1))).astype('f4')
x[7] = 3.25
x[8] = 0
np.save('x.npy', x)
np.save('x16.npy', x.astype('f2'))
np.save('fused.npy', store.encode(x, 'int8-rowwise'))
np.save('nan.npy', np.where(np.arange(33) == 9, np.nan, x[:9]).astype('f4'))
np.save('i8.npy', np.zeros((4, 4), 'i8'))
half = (x.view('u4') >> 16).astype('u2')
store.safetensors('t.safetensors', {'emb.weight': ('F32', x), 'other:name': ('BF16', half)})
wide = rng.standard_normal((40, 1500)).astype('f4')
np.save('wide.npy', wide)
np.save('big.npy', rng.standard_normal((70000, 64), dtype='f4'))
np.save('idx.npy', np.array([3, 499, 0, 3, 250], 'i4'))
np.save('new.npy', rng.standard_normal((5, 33)).astype('f4'))
np.save('far.npy', np.array([3, 500], 'i8'))
np.save('two.npy', x[:2])
"
# ---- an import that is stopped in its second chunk: until line 'end of the stopped import' ----
started=$SECONDS
starts "an import stops in its midst" 6,14 table import big --from big.npy --store K

# ---- import, as FBGEMM and NumPy have it ----
for format in fp32 fp16 int8-rowwise int4-rowwise; do
	run table import ${format%%-*} --from x.npy --format $format --store S
	exits 0 "import: $format"
done
run table import bf16 --from t.safetensors:other:name --store S
exits 0 "import: a BF16 tensor with a colon in its name"
run table import st --from t.safetensors:emb.weight --format int4-rowwise --store S
exits 0 "import: a tensor of .safetensors"
run table import fused --from fused.npy --store S
exits 0 "import: int8-rowwise rows as they are"
run table import half --from x16.npy --store S --json
exits 0 "import: f2"
mv out half.json
run table import wide --from wide.npy --store S --progress off
exits 0 "import: rows longer than a block"
truncate -s 64M raw0 raw1
raw=raw0,raw1
run table import r --from x.npy --store $raw
refused 1 "raw0 is not a store yet, and what is on it now would be lost: say --force if it may be" "a namespace is not overwritten"
run table import r --from x.npy --store $raw --force --shard row --cards 2 --format int8-rowwise
exits 0 "import: row by row on two namespaces"
run table import r1 --from x.npy --store $raw --volume 1
exits 0 "import: on the second of them"
run table import r2 --from x.npy --store $raw
exits 0 "import: on the one with fewer bytes"
judge "the drive has what NumPy computes, at the places that the document says" "
x = np.load('x.npy')
for name in ('fp32', 'fp16', 'int8', 'int4', 'half'):
	assert store.same(['S'], name, x), name
assert store.same(['S'], 'st', x) and store.read_table(['S'], 'st')[1]['format'] == 'int4-rowwise'
assert store.same(['S'], 'bf16', (x.view('u4') >> 16 << 16).view('f4'))
assert np.array_equal(store.read_table(['S'], 'fused')[0], np.load('fused.npy'))
assert store.same(['S'], 'wide', np.load('wide.npy'))
both = ['raw0', 'raw1']
for name in ('r', 'r1', 'r2'):
	assert store.same(both, name, x), name
at = {name: store.read_table(both, name)[1] for name in ('r', 'r1', 'r2')}
assert at['r']['shards'] == 2 and at['r']['format'] == 'int8-rowwise' and at['r1']['volume'] == 1 and at['r2']['volume'] == 0
assert json.load(open('half.json'))['format'] == 'fp16' and store.read_table(['S'], 'fused')[1]['format'] == 'int8-rowwise'
"
# ---- list and info ----
run table list --store S --json; mv out list.json
run table info r --store $raw --json; mv out info.json
run table info wide --store S --json; mv out wide.json
judge "list --json and info --json say what is there" "
l = json.load(open('list.json'))
assert [t['name'] for t in l['tables']] == sorted('fp32 fp16 int8 int4 bf16 st fused half wide'.split()), l
assert len(l['volumes']) == 1 and l['volumes'][0]['path'] == 'S' and l['volumes'][0]['free'] > 0 and l['volumes'][0]['uuid'] == store.read_folder('S')[0]
i, (rows, t) = json.load(open('info.json')), store.read_table(['raw0', 'raw1'], 'r')
assert (i['rows'], i['dim'], i['format'], i['row_bytes'], i['shards'], i['updated'], i['generation']) == (500, 33, 'int8-rowwise', 41, 2, 0, t['generation'])
assert i['checksum'] == '%08x' % t['crc'] and i['layout'] == {'block': t['block'], 'span': t['block'], 'rows_per_span': t['block'] // 41}
assert [(p['volume'], p['path'], p['rows']) for p in i['placement']] == [(0, 'raw0', 250), (1, 'raw1', 250)]
o = [v for p in ('raw0', 'raw1') for n, v in store.read_raw(p)[2].items() if n.startswith('r.')]
b = i['bytes']
assert b['all'] == sum(map(len, o)) == b['rows'] + b['wasted'] + b['checksums'] + b['deltas'] and b['rows'] == 500 * 41
w = json.load(open('wide.json'))
assert w['layout'] == {'block': store.read_table(['S'], 'wide')[1]['block'], 'span': -(-6000 // w['layout']['block']) * w['layout']['block'], 'rows_per_span': 1}
"
run table info wide --store S
[ "$code" = 0 ] && grep -q 'rows of 6000 bytes, each in' out && grep -q 'shard 0 *volume 0, S: 40 rows' out; ok $? "info as text"
run table list --store $raw
[ "$code" = 0 ] && grep -q 'r  *500 *33 int8-rowwise .*all 2 volumes, row by row' out && grep -q 'r1 .*volume 1$' out; ok $? "list as text"

# ---- update, compact ----
for table in int4 fp32; do
	run table update $table --indices idx.npy --rows new.npy --store S --json
	exits 0 "update: $table"
done
cp out update.json
run table update r --indices idx.npy --rows new.npy --store $raw
said out "r: 5 rows written, 4 updated since the import" "update: over two namespaces"
run table update fp32 --indices far.npy --rows two.npy --store S
refused 1 "index 500 at position 1; it has 500 rows" "update: an index out of range, with its position"
run table update fp32 --indices idx.npy --rows two.npy --store S
refused 1 "--rows: 2 rows, but --indices has 5 numbers" "update: fewer rows than indices"
run table update wide --indices far.npy --rows two.npy --store S
refused 1 "--rows: rows of 33, but those of table 'wide' have 1500" "update: rows of another length"
updated="
x = np.load('x.npy')
x[np.load('idx.npy')] = 0
for i, row in zip(np.load('idx.npy'), np.load('new.npy')):
	x[i] = row
for paths, name in ((['S'], 'int4'), (['S'], 'fp32'), (['raw0', 'raw1'], 'r')):
	assert store.same(paths, name, x), name
"
judge "updated rows are read by the document, of two the last" "$updated
u = json.load(open('update.json'))
assert u['written'] == 5 and u['updated'] == 4 and u['name'] == 'fp32'
np.save('before.npy', [store.read_table(['raw0', 'raw1'], 'r')[1]['generation']])"
run table compact r --store $raw
exits 0 "compact"
run table info r --store $raw --json
judge "a new generation has them in their places" "$updated
i = json.loads('''$(cat out)''')
assert i['updated'] == 0 and i['generation'] > np.load('before.npy')[0]
assert not any(store.read_delta(v, i['generation'], 250, 41, i['layout']['block']) for p in ('raw0', 'raw1') for n, v in store.read_raw(p)[2].items() if n.startswith('r.') and n.endswith('delta'))"

# ---- verify ----
run table verify --all --store S
[ "$code" = 0 ] && [ "$(grep -c ': whole$' out)" = 9 ] && [ ! -s err ]; ok $? "verify --all"
judge "one bit is turned" "store.flip('S', 'half', 123)"
run table verify half --store S
refused 1 "table 'half', row 123 on S: its bytes are not those that were imported" "verify names the row"
run table verify --all --store S --json
[ "$code" = 1 ] && [ "$(grep -c '"whole": true' out)" = 8 ] && [ "$(wc -l <err)" = 1 ]; ok $? "verify --all goes on behind it"
run table import half --from x.npy --format fp16 --replace --store S && run table verify half --store S
exits 0 "imported again in its place, it is whole"
run table remove half --store S
[ "$code" = 0 ] && ! ls S/half.* 2>/dev/null; ok $? "remove: its objects are gone"
run table info half --store S
refused 1 "no table 'half' in the store; there is: bf16, fp16, " "a table that is not there: which are"

# ---- what is refused ----
for name in ../x '' A 'a b' -a _a a.b "$(printf 'a%.0s' {1..40})" é; do
	run table import --from x.npy --store H -- "$name"
	refused 2 "is no name for a table" "the name '$name'"
done
run table remove ../../x --store S
refused 1 "no table '../../x'" "remove: a name that leads out"
run table import a --from i8.npy --store H
refused 1 "elements of type i8; a table has f4 or f2" "elements of another type"
run table import a --from t.safetensors --store H
refused 1 "which tensor? Name one of its 2 as FILE:TENSOR; those with two dimensions: 'emb.weight', 'other:name'" "which tensor"
run table import a --from t.safetensors:no --store H
refused 1 "no tensor 'no'; those with two dimensions: 'emb.weight'" "no such tensor"
run table import a --from none.npy --store H
refused 1 "none.npy" "no such file"
[ ! -e H ]; ok $? "none of these makes a store"
run table import a --from nan.npy --store H
refused 1 "row 0 has a number that is not finite" "a number that is none"
run table list --store H
[ "$code" = 0 ] && grep -q '^no tables$' out; ok $? "and no table"
run table import fp32 --from x.npy --store S
refused 1 "there is a table 'fp32' already: remove it first, or ask to replace it (--replace)" "a table that is there"
run table import a --from x.npy --store S,H,raw0
refused 1 "has 1 volume, 3 are named" "more volumes than the store has"
run table list --store raw1,raw0
refused 1 "raw1 is not the first volume of its store" "the home is another volume"
for wrong in raw1 raw1,raw0 raw0 raw1,S; do
	run table import a --from x.npy --store $wrong
	[ "$code" = 1 ] && run table remove r --store $wrong && [ "$code" = 1 ]; ok $? "nothing is written to a store of which other volumes are named: $wrong"
done
run table verify --all --store $raw
[ "$code" = 0 ] && [ "$(grep -c ': whole$' out)" = 3 ]; ok $? "and nothing of it is lost"
truncate -s 64M nz
printf MYDATA | dd of=nz conv=notrunc 2>/dev/null
cp --sparse=always nz nz.was
for wrong in raw0,nz S,nz nz,S nz,raw1 nz,new,raw1 new,S nz,new,.; do
	run table import a --from x.npy --store $wrong --force --shard row
	[ "$code" = 1 ] && cmp -s nz nz.was && [ ! -e new ]; ok $? "refused: --force has overwritten nothing, and made nothing: $wrong"
done
run table import a --from x.npy --store new,nz
[ "$code" = 1 ] && grep -q -e '--force' err && cmp -s nz nz.was && [ ! -e new ]; ok $? "a namespace without --force: no folder was made beside it"
judge "two rows" "np.save('two.npy', np.ones((2, 4), 'f4'))"
run table import a --from two.npy --store nz,new,new2 --force --shard row
refused 1 "2 rows cannot be shared among the 3 volumes" "fewer rows than volumes"
cmp -s nz nz.was && [ ! -e new ]; ok $? "nothing was made for it"
rm nz nz.was two.npy
run table list --store raw0,S
refused 1 "in its place" "a volume that is not the store's"
run table list --store none
refused 1 "--store: none: there is no such folder" "a store that is not there"
run table list --store "$here"
refused 1 "is no store" "a folder that is no store"
run table list --store S,
refused 1 "an empty name among the volumes" "a comma at the end"
run table list --store ,S
refused 1 "an empty name among the volumes" "an empty name among volumes"
run table import a --from x.npy --store S --cards 2
refused 2 "--cards: 2, but --store names 1: name one volume for each card's drive" "cards without volumes"
run table import a --from x.npy --store S --volume 1
refused 2 "--volume: 1, but --store names 1, counted from 0" "a volume that is none"
run table import a --from x.npy --store S,H --volume 1 --shard row
refused 2 "--volume goes with --shard table" "a volume for rows"
run table verify a --all --store S
refused 2 "'a' or --all, not both" "verify: a name and --all"
for part in import info verify update compact remove; do
	run table $part --nonsense
	refused 2 "--nonsense: no such option" "$part: an unknown option"
done
run table verify --store S
refused 2 "name a table" "verify: no name"
run table remove a b --store S
refused 2 "one table at a time" "remove: two names"
run table
[ "$code" = 2 ] && grep -q '^usage: smartssd table import' err; ok $? "table alone"
run table nonsense
refused 2 "'nonsense': import, list, info, verify, update, compact, remove or plan" "table: another verb"
sed -i 's/"generation"/"generatioN"/' H/manifest.json
run table list --store H
refused 1 "H/manifest.json is damaged" "a damaged manifest"
judge "manifests with the right CRC that make no sense" "
import shutil, struct
empty = {'smartssd-store': 1, 'next': 1, 'volumes': [store.read_folder('S')[0]], 'tables': [], 'imports': []}
for i, text in enumerate(['[', '{}', 'null', json.dumps(empty | {'smartssd-store': 2}), json.dumps(empty | {'volumes': ['x']}),
		json.dumps(empty | {'next': 9, 'tables': [{'name': '../x', 'rows': 1, 'dim': 1, 'format': 'fp32', 'block': 512, 'shards': 1, 'volume': 0, 'generation': 1, 'crc': 0}]})]):
	shutil.copytree('H', 'H%u' % i)
	json.dump({'generation': 9, 'manifest': text, 'crc32c': store.crc32c(struct.pack('<Q', 9) + text.encode())}, open('H%u/manifest.json' % i, 'w'))"
for i in {0..5}; do
	run table list --store "H$i"
	[ "$code" = 1 ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ]; ok $? "number $i is refused: $(cut -c1-90 err)"
done

# ---- full disk ----
mkdir full
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=12m none full 2>/dev/null; then
	run table import a --from big.npy --store full/s
	refused 1 "are free" "a full disk: how much is missing"
	run table list --store full/s
	[ "$code" = 0 ] && grep -q '^no tables$' out && [ "$(du -sk full | cut -f1)" -lt 100 ]; ok $? "nothing is left of it"
	run table import a --from x.npy --store full/s
	exits 0 "what has room goes on it"
	umount full
else
	skip "a full disk" "only root mounts one"
fi

# ---- the stopped import ----
run table import other --from x.npy --store K
refused 1 "process $pid is writing to it" "a second writer is refused while one imports, by its process"
run table remove big --store K
refused 1 "process $pid is writing to it" "so is one who removes"
run table list --store K
[ "$code" = 0 ] && grep -q '^no tables$' out; ok $? "a reader sees the store as it was"
# What is 2 s old is saved; see import.c
while [ $((SECONDS - started)) -lt 3 ]; do sleep 0.1; done
kill -CONT $pid
stopped "the import goes on, into its fourth chunk"
kill -KILL $pid; wait $pid 2>/dev/null
run table verify --all --store K
said out "no tables" "killed: no table"
run table import big --from x.npy --store K
refused 1 "stopped after 32768 of 70000 rows: go on with that, or ask to restart (--restart)" "another file under that name: asks"
touch -r big.npy then
touch -d '2020-01-01' big.npy
run table import big --from big.npy --store K
refused 1 "stopped after 32768 of 70000 rows, and the file, $PWD/big.npy, has changed since: ask to restart (--restart)" "the file has changed: says so"
touch -r then big.npy
run table import big --from big.npy --format fp16 --store K
refused 1 "an import of 'big' in another form (fp32, 1 shard) stopped after 32768 of 70000 rows: go on with that, or ask to restart (--restart)" "in another form: says so"
run table info big --store K
refused 1 "no table 'big' yet: of its import from $PWD/big.npy, 32768 of 70000 rows are on the drive; unless a process is at it, the same import again goes on there" "info says how to go on"
run table list --store K
said out "import of big from $PWD/big.npy, not finished: 32768 of 70000 rows" "list shows it"
run table import other --from x.npy --store K
exits 0 "another table beside it"
starts "the same import goes on" 2 table import big --from big.npy --store K
kill -INT $pid; kill -CONT $pid; wait $pid; code=$?
cp bg.err err; cp bg.out out
refused 130 "stopped after 49152 of 70000 rows; the same import again goes on there" "SIGINT stops it, and says that it can go on"
starts "again" 2 table import big --from big.npy --store K
kill -KILL $pid; wait $pid 2>/dev/null
run table import big --from big.npy --store K
said out "; went on from row 49152" "killed in the midst of that: it goes on where it was saved"
judge "the table is whole" "assert store.same(['K'], 'big', np.load('big.npy'))"
starts "a replacement" 2 table import big --from big.npy --format int8-rowwise --replace --store K
kill -TERM $pid; kill -CONT $pid; wait $pid
[ $? = 143 ]; ok $? "SIGTERM: 143"
run table info big --store K --json
said out '"format": "fp32"' "the old table is there until the new one is whole"
run table list --store K --json; mv out list2.json
judge "list --json shows it" "
i, = json.load(open('list2.json'))['imports']
assert (i['name'], i['from'], i['format'], i['rows'], i['replaces']) == ('big', '$PWD/big.npy', 'int8-rowwise', 70000, True) and 0 < i['done'] < 70000, i"
run table remove big --import --store K
said out "big: interrupted import removed" "remove --import"
run table info big --store K --json
said out '"format": "fp32"' "the table that it was to replace stays"
run table remove big --import --store K
refused 1 "no import of 'big' was interrupted" "there is none any more"
starts "a replacement" 2 table import big --from big.npy --format int8-rowwise --replace --store K
kill -TERM $pid; kill -CONT $pid; wait $pid
run table import big --from big.npy --format int8-rowwise --replace --restart --store K
said out "70000 rows of 64, int8-rowwise" "--restart: from the first row"
run table verify big --store K
exits 0 "and that is whole"
pid=

# ---- traces ----
for seed in 1 2; do
	run trace make --model rm3 --queries 50 --zipf 1.2 --seed $seed -o t$seed.npz
	exits 0 "trace make: seed $seed"
done
run trace make --model rm3 --queries 50 --zipf 1.2 --seed 1 -o again.npz --json
mv out trace.json
cmp -s t1.npz again.npz; ok $? "the same seed, the same file"
echo '{"arch_mlp_bot": "4-8", "arch_mlp_top": "4-1", "arch_embedding_size": "1000-7", "arch_sparse_feature_size": 8, "num_indices_per_lookup": 3}' >c.json
run trace make --model c.json --queries 400 --uniform --seed 0 -o folder
exits 0 "trace make: a config.json, into a folder"
judge "NumPy reads them" "
a, b = np.load('t1.npz'), np.load('t2.npz')
assert a['offsets'].dtype == a['indices'].dtype == 'i8' and np.array_equal(a['offsets'], np.arange(50 * 10 + 1) * 20) and len(a['indices']) == 10000
assert not np.array_equal(a['indices'], b['indices']) and a['indices'].min() >= 0 and a['indices'].max() < 1000000
assert np.bincount(a['indices'].reshape(50, 10, 20)[:, 0].ravel()).max() > 100
o, i = np.load('folder/offsets.npy'), np.load('folder/indices.npy').reshape(400, 2, 3)
assert len(o) == 801 and len(np.unique(i[:, 0])) > 600 and np.bincount(i[:, 1].ravel(), minlength=7).min() > 100 and i[:, 1].max() == 6
assert json.load(open('folder/model.json'))['arch_sparse_feature_size'] == 8
t = json.load(open('trace.json'))
assert (t['model'], t['tables'], t['dim'], t['queries'], t['lookups'], t['zipf'], t['seed']) == ('rm3', 10, 32, 50, 10000, 1.2, 1)"
bad() {
	run trace make "${@:4}"
	refused "$1" "$2" "trace make: $3"
}
bad 2 "--zipf: 'nan' is not a number from 0 to 16" "zipf nan" --model rm1 --queries 1 --zipf nan --seed 1 -o z.npz
bad 2 "--zipf: '17' is not" "zipf 17" --model rm1 --queries 1 --zipf 17 --seed 1 -o z.npz
bad 2 "--zipf or --uniform, not both" "both" --model rm1 --queries 1 --zipf 1 --uniform --seed 1 -o z.npz
bad 2 "'rm4' is neither rm1, rm2" "no such model" --model rm4 --queries 1 --seed 1 -o z.npz
bad 1 "x.npy" "a model that is none" --model x.npy --queries 1 --seed 1 -o z.npz
bad 2 "--seed is required" "no seed" --model rm1 --queries 1 -o z.npz
bad 2 "--queries: '0'" "no query" --model rm1 --queries 0 --seed 1 -o z.npz
bad 1 "ask for fewer" "more than memory holds" --model rm1 --queries 999999999999999 --seed 1 -o z.npz
bad 1 "x.npy is a file; a trace is" "a file in the place of a folder" --model rm1 --queries 1 --seed 1 -o x.npy
bad 2 "would replace c.json" "the model as output" --model c.json --queries 1 --seed 1 -o c.json
bad 2 "would replace folder/model.json" "the folder of the model as output" --model folder/model.json --queries 1 --seed 1 -o folder
bad 1 "none" "a folder that is not there" --model rm1 --queries 1 --seed 1 -o none/z.npz
[ ! -e z.npz ]; ok $? "none of these writes"
run trace nonsense
refused 2 "'nonsense': make" "trace: another verb"

# ---- help and manual pages know the same options ----
for verb in table trace; do
	missing=""
	all=""
	for part in $([ $verb = table ] && echo import list info verify update compact remove || echo make); do
		run $verb "$part" --help
		[ "$code" = 0 ] || missing+=" $part"
		all+=$(cat out)$'\n'
	done
	for option in $(grep -oE '^  (-o, )?--[a-z0-9-]+' <<<"$all" | grep -oE -- '--[a-z0-9-]+' | grep -v -- --help | sort -u); do
		sed 's/\\-/-/g' "$page/smartssd-$verb.1" | grep -qF -- "$option" || missing+=" $option"
	done
	for option in $(sed 's/\\-/-/g; s/\\f[A-Z]/ /g' "$page/smartssd-$verb.1" | grep -E '^\.(B|BR|BI) --' | grep -oE -- '--[a-z0-9-]+'); do
		grep -qF -- "$option" <<<"$all" || missing+=" $option"
	done
	[ -z "$missing" ] || echo "# smartssd-$verb.1:$missing"
	[ -z "$missing" ]; ok $? "$verb: manual page and --help agree"
done
finish
