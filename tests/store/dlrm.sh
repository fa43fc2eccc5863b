#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd dlrm against a DLRM in NumPy (dlrm_model.py) and, where it is installed, in PyTorch (dlrm_torch.py): formats, cards, placement, threads, caches; and what it refuses. TAP.
# shellcheck disable=SC2086 # options in variables are to be split
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$TMPDIR" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
# shellcheck source=tests/cli/tap.sh
. "$here/../cli/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "# SEED=$SEED"
export SEED PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../cli:$here
tool=$(readlink -f "$tool") # $tmp is where everything happens
badread=$(dirname "$tool")/tests/cli/badread.so
page=$PWD/Documentation/man/smartssd-dlrm.1
cd "$tmp" || exit 1

# judge NAME PYTHON: statements, asserts among them; all are looked at together at the end
judgements=0
judge() {
	judgements=$((judgements + 1))
	echo "$1" >"judge-$judgements.name"
	printf '%s' "$2" >"judge-$judgements.py"
}
judge_all() {
	local line
	"$python" - "$judgements" >judged 2>err <<'EOF'
import json, sys, traceback
import numpy as np
import store

def places(folder):
    """Volume of each table; None: row by row"""
    return {t["name"]: t["volume"] if t["shards"] == 1 else None for t in json.loads(store.read_folder(folder)[1])["tables"]}

for n in range(1, int(sys.argv[1]) + 1):
    code = 0
    try:
        exec(compile(open(f"judge-{n}.py").read(), f"judge-{n}.py", "exec"), {"np": np, "json": json, "store": store, "places": places})
    except Exception:
        code = 1
        print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "))
    print(code, open(f"judge-{n}.name").read().rstrip("\n"))
EOF
	while IFS= read -r line; do
		if [ "${line:0:1}" = "#" ]; then echo "$line"; else result "${line%% *}" "${line#* }"; fi
	done <judged
	[ "$(grep -c '^[01] ' judged)" = "$judgements" ]
	ok $? "all were judged"
}
# close FORMAT NAME: p.npy, which is taken away, is within 1e-5 of what is right
close() {
	local p=p-$((judgements + 1)).npy
	mv p.npy "$p"
	judge "$2: within 1e-5 of NumPy${torch:+, and of PyTorch}" "
p, want = np.load('$p'), [np.load(name) for name in 'want-$1.npy ${torch:+want-torch-$1.npy}'.split()]
assert p.dtype == 'f4'
for w in want:
    assert p.shape == w.shape and np.abs(p - w).max() <= 1e-5, np.abs(p - w).max()"
}
model="--model config.json --trace trace.npz --dense dense.npy"
with="$model --weights w.safetensors --output p.npy"

"$python" "$here/dlrm_model.py" . >out 2>err
ok $? "a model, a trace and what is right for it"
torch=
if [ -e want-torch-fp32.npy ]; then
	torch=1
	result 0 "PyTorch agrees with NumPy, in all four formats"
else
	skip "PyTorch agrees with NumPy" "no PyTorch here (Debian: python3-torch)"
fi
# Weights that lack something, input that is wrong, and a table of rows that are wanted once, one of rows that are wanted twice, and a large one of which few are wanted
"$python" -c "
import json, struct
import numpy as np
import store
raw = open('w.safetensors', 'rb').read()
n = struct.unpack('<Q', raw[:8])[0]
h = json.loads(raw[8:8 + n])
t = {k: ('F32', np.frombuffer(raw[8 + n + v['data_offsets'][0]:8 + n + v['data_offsets'][1]], 'f4').reshape(v['shape'])) for k, v in h.items()}
store.safetensors('mlps.safetensors', {k: v for k, v in t.items() if not k.startswith('emb')})
store.safetensors('less.safetensors', {k: v for k, v in t.items() if k != 'top_l.2.bias'})
t['bot_l.0.weight'] = ('F32', t['bot_l.0.weight'][1].T.copy())
store.safetensors('turned.safetensors', t)
t = dict(np.load('trace.npz'))
o, i = t['offsets'], t['indices'].copy()
bags = [i[o[b]:o[b + 1]] for b in range(len(o) - 1)]
hit = [q for q in range(203) if 3 in bags[4 * q]]
assert hit
open('hit', 'w').write(str(hit[0]))
open('block', 'w').write(' '.join(str(q) for q in range(203) if (bags[4 * q + 2] // 64 == 1).any()))
m = json.loads(t['model'].tobytes())
m['arch_embedding_size'] = '300-50-2000-7'
b = next(b for b in range(2, len(o) - 1, 4) if o[b + 1] > o[b] + 3)
i[o[b] + 3] = 1000
np.savez('high.npz', offsets=o, indices=i, model=np.frombuffer(json.dumps(m).encode(), np.uint8))
open('where', 'w').write('query %d, table 2, position 3: index 1000 is not in 0..999' % (b // 4))
d = np.load('dense.npy')
np.save('short.npy', d[:50])
np.save('f8.npy', d.astype('f8'))
d[17, 5] = np.nan
np.save('nan.npy', d)
m = {'model_name': 'pins', 'arch_mlp_bot': '4-1024', 'arch_mlp_top': '1', 'arch_embedding_size': '500-250-1000', 'arch_sparse_feature_size': 1024, 'num_indices_per_lookup': 10}
json.dump(m, open('pins.json', 'w'))
for table, rows in enumerate((500, 250, 1000)):
    np.save('pins-%d.npy' % table, np.ones((rows, 1024), 'f4'))
bags = np.hstack([np.arange(500).reshape(50, 10), np.arange(500).reshape(50, 10) % 250, np.arange(50).reshape(50, 1)]).reshape(-1)
np.savez('pins.npz', offsets=np.append((np.arange(0, 50)[:, None] * 21 + [0, 10, 20]).reshape(-1), 1050), indices=bags, model=np.frombuffer(json.dumps(m).encode(), np.uint8))" >out 2>err
ok $? "other files"

# ---- results: formats, cards, sharding, threads, caches, pinned rows ----

# verified NAME FORMAT ARG...
verified() {
	run dlrm $with --format "$2" --verify "${@:3}"
	exits 0 "$1: $2"
	said out "verified      203 queries" "$1: verified, and says so"
	close "$2" "$1"
}
mkdir b3
verified "one volume" fp32 --store fp32
! grep -q placed out
ok $? "one volume: there is nothing to place"
verified "three clients, small batches" fp16 --store fp16 --threads 3 --batch 7
verified "row by row, another policy" int8-rowwise --store a1,b1 --shard row --policy sieve
said out "placed        each row by row over all volumes, as --shard row says" "row by row: the report says so"
verified "half a byte for an element" int4-rowwise --store int4
cp "p-$judgements.npy" one.npy
run dlrm $with --store int4 --in-flight 1 --batch 203 --row-cache 0 && cmp -s p.npy one.npy
ok $? "bit for bit the same in one batch, without a cache"
[ "$code" = 0 ] && [ ! -s err ]
ok $? "tables of the same weights, in int4, are no others"
verified "whole tables, pinned rows, many at a time" fp32 --store a2,b2 --shard table --statistics trace.npz --pin-card 1 --pin-host 1 --batch 1 --threads 2 --in-flight 4
said out "placed        each whole, on the volume that had the fewest bytes" "whole tables: the report says so"
judge "whole tables are spread over the volumes" "assert places('a2') == {'small-0': 0, 'small-1': 1, 'small-2': 1, 'small-3': 0}, places('a2')"
verified "row by row, a service for four, results kept, a folder that was empty" fp32 --store a3,b3 --shard row --threads 4 --batch 5 --in-flight 1 --delay-us 200 --pooled-cache 1 --row-cache 0

# ---- tables placed by the trace, as 'smartssd table plan' says ----

run dlrm $with --store c0,c1,c2 --verify --json
exits 0 "placed by the trace"
cp out r.json
close fp32 "placed by the trace"
run table plan --trace trace.npz --cards 3 --batch 32 -o plan.json
exits 0 "a plan of the same trace"
judge "tables are where the plan says, row by row and whole" "
r, p = json.load(open('r.json')), json.load(open('plan.json'))
want = {t['name']: None if t['shard'] == 'row' else t['volume'] for t in p['tables']}
have = {t['name']: t['volume'] if t['shards'] == 1 else None for t in r['tables']}
assert have == want and None in want.values() and set(want.values()) != {None}, (have, want)
assert r['tables_placed'] == 'by the trace: ' + p['why'], r['tables_placed']"
judge "JSON" "
r = json.load(open('r.json'))
assert r['model'] == 'small' and r['queries'] == 203 and r['failed_queries'] == 0 and r['emulated'] is True and r['tables_made'] == 4
assert [t['name'] for t in r['tables']] == ['small-%d' % i for i in range(4)] and r['queries_per_second'] > 0
assert r['latency']['queries'] == 203 and 0 < r['latency']['p50_seconds'] <= r['latency']['p99_seconds'] <= r['latency']['p999_seconds'] <= r['latency']['most_seconds']
t = np.load('trace.npz')
assert r['rows'] == len(t['indices']) and r['bags'] == 203 * 4 and r['flash']['bytes'] > 0 and r['bytes']['card_to_host'] > 0
assert len(r['modelled']['drives']) == 24 and len(r['modelled']['energy_per_query']) == 3
v = r['verified']
assert v['queries'] == 203 and 0 < v['largest_error'] <= v['largest_bound'] < 1e-3 and v['largest_error_over_bound'] <= 1"
run table remove small-2 --store c0,c1,c2
run dlrm $model --weights w.safetensors --output first.npy --store c0,c1,c2 --batch 1 --queries 10
said out "1 of them made in" "a table that is missing is made"
said out "placed        by the trace: " "  and placed"
judge "  the others stay where they are; and the first queries alone" "
r, now = json.load(open('r.json')), places('c0')
assert all(now[t['name']] == (t['volume'] if t['shards'] == 1 else None) for t in r['tables'] if t['name'] != 'small-2') and len(now) == 4, now
made = {t['name']: t['generation'] for t in json.loads(store.read_folder('c0')[1])['tables']}
old = {t['name'] for t in r['tables']} - {'small-2'}
assert all(made['small-2'] > made[name] for name in old), made
p = np.load('first.npy')
assert p.shape == (10,) and np.abs(p - np.load('want-fp32.npy')[:10]).max() <= 1e-5"

# All tables are on volume 1. Its card has room for 256 rows: the 250 that are wanted twice, and 6 of the others; so of 1050 lookups 506 find their row there.
for t in 0 1 2; do run table import pins-$t --from pins-$t.npy --store d0,d1 --volume 1; done
run dlrm --model pins.json --trace pins.npz --seed 1 --store d0,d1 --statistics pins.npz --pin-card 1 --row-cache 0 --batch 1 --json
exits 0 "pinned rows of tables that are on one volume of two"
cp out pins-out.json
judge "  are those that its card has room for, and the best" "
r = json.load(open('pins-out.json'))
assert [t['volume'] for t in r['tables']] == [1, 1, 1]
assert r['pinned'] == {'card_rows': 256, 'host_rows': 0} and r['caches']['pinned_card']['hits'] == 506, (r['pinned'], r['caches'])"
# Now the table that is missing goes where there is least to do, though that volume has the most bytes.
for t in 1 2; do run table remove pins-$t --store d0,d1; done
run table import pins-2 --from pins-2.npy --store d0,d1 --volume 0
run dlrm --model pins.json --trace pins.npz --seed 1 --store d0,d1 --batch 1
said out "placed        by the trace: 3 tables whole, 0 row-wise" "a table is placed by what is there already"
judge "  where there is least to do" "assert places('d0') == {'pins-0': 1, 'pins-1': 0, 'pins-2': 0}, places('d0')"

# ---- seeds: the same on every machine ----

seeded="--model config.json --trace trace.npz"
run dlrm $seeded --seed 7 --store seeded --output p.npy --verify
exits 0 "weights, tables and dense features of a seed"
judge "  are those that dlrm_weights.c describes" "
M, G = (1 << 64) - 1, 0x9e3779b97f4a7c15
def mix(x):
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & M
    x = (x ^ x >> 27) * 0x94d049bb133111eb & M
    return x ^ x >> 31
first = mix(mix(7 + G) ^ (1 << 32 | 2))
want = [np.float32(2 * (mix(first + (i + 1) * G & M) >> 40) / 2 ** 24 - 1) * np.float32(1000 ** -0.5) for i in range(999 * 16, 1000 * 16)]
rows = [o for n, o in store.read_folder('seeded')[2].items() if n.startswith('small-2.') and n.endswith('.rows')][0]
at = 4096 + 999 // 8 * 512 + 999 % 8 * 64
assert rows[at:at + 64].tobytes() == np.array(want, 'f4').tobytes()"
mv p.npy seven.npy
run dlrm $seeded --seed 7 --store seeded2,seeded3 --shard table --threads 2 --batch 9 --output p.npy && cmp -s p.npy seven.npy
ok $? "  and the same again"
run dlrm $seeded --seed 8 --store seeded
exits 0 "tables of another seed are used"
said err "note: 4 of the store's 4 tables, 'small-0' first, are not what --seed would make" "  but it is said"

# ---- stores that are there ----

"$python" -c "
import fcntl, os, struct, subprocess, sys
fd = os.open('seeded/lock', os.O_RDWR)
fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 1, 0))
sys.exit(subprocess.run('$tool dlrm $seeded --seed 7 --store seeded'.split()).returncode)" >out 2>err
ok $? "somebody writes to the store"
said out "203 queries" "  who has all tables is not in the way"
[ ! -s err ]
ok $? "  and tables of the same seed are no others"
run dlrm $model --weights w.safetensors --store fp32 --format fp16
refused 1 "table 'small-0' is fp32 already, not fp16" "another format than the tables have"
run dlrm $model --weights w.safetensors --store a2,b2 --shard row
refused 1 "table 'small-0' is on one volume already" "another sharding"
sed 's/300-50/301-50/' config.json >other.json
run dlrm --model other.json --trace trace.npz --seed 1 --store fp32
refused 1 "its table 'small-0' has 300 rows of 16; the model's table 0 has 301 of 16" "tables of another size"
sed 's/"small"/"No good"/' config.json >other.json
run dlrm --model other.json --trace trace.npz --seed 1 --store fp32
refused 1 "would be called 'No good-3'" "a name that tables cannot have"
run dlrm $model --weights mlps.safetensors --store none
refused 1 "the store has no table 'small-0', and it cannot be made: mlps.safetensors: no tensor" "weights without tables, no store"
[ ! -e none ]
ok $? "  and none is made"
run dlrm $model --weights mlps.safetensors --store fp32 --output p.npy
exits 0 "weights without tables, a store with them"
close fp32 "weights without tables"
run dlrm $model --weights less.safetensors --store fp32
refused 1 "--weights: less.safetensors: no tensor 'top_l.2.bias', of shape [20]" "a tensor is missing"
run dlrm $model --weights turned.safetensors --store fp32
refused 1 "tensor 'bot_l.0.weight' has the shape [13][40]; of this model it must be [40][13]" "a tensor of another shape"
truncate -s 100M raw
run dlrm $model --weights w.safetensors --store raw
refused 1 "raw is not a store yet, and what is on it now would be lost" "a namespace that is no store"
run dlrm $with --store raw --force
exits 0 "  --force makes it one"
close fp32 "a namespace"

# ---- input that is wrong ----

run dlrm --model config.json --trace high.npz --seed 1 --store fp32
refused 1 "$(cat where)" "an index that its table does not have: query, table and position are named"
run dlrm --model rm3 --trace trace.npz --seed 1 --store fp32
refused 1 "is of a model with 4 tables ('small'), but 'rm3' has 10" "another model's trace"
run dlrm $with --store fp32 --queries 204
refused 1 "trace.npz has 203 queries" "more queries than there are"
dense() {
	run dlrm --model config.json --trace trace.npz --weights w.safetensors --store fp32 --dense $1.npy
	refused 1 "$2" "dense features: $1"
}
dense short "must be f4 [203, 13], a row for each query"
dense f8 "a.astype(np.float32)"
dense nan "feature 5 of query 17 is not finite"
run dlrm $model --store fp32
refused 2 "--weights F.safetensors (a PyTorch DLRM's state dict) or --seed S" "neither weights nor a seed"
run dlrm $model --weights w.safetensors --store fp32 --output dense.npy
refused 2 "dense" "its own input is not overwritten"
run dlrm $model --weights w.safetensors --store fp32 --output none/p.npy
refused 1 "none" "an output that cannot be written is known before"
run dlrm --model nothing --trace trace.npz --seed 1 --store fp32
refused 2 "'nothing' is neither rm1" "no such model"

# ---- faults ----

# Rows are stored 8 in each 512 bytes: of row 3, a byte is another one
cp -r fp32 broken
rows=$(basename broken/small-0.*.0.rows.obj)
other=$(basename fp32/small-2.*.0.rows.obj)
at=$((4096 + 3 * 64 + 3))
byte=$(od -An -tu1 -j $at -N 1 "broken/$rows")
printf '%b' "\\x$(printf %x $((byte ^ 64)))" | dd of="broken/$rows" bs=1 seek=$at conv=notrunc 2>/dev/null
rm -f p.npy
run dlrm $with --store broken --verify
refused 1 "--verify: query $(cat hit): table 'small-0', row 3: its bytes are not those that were imported" "--verify finds a byte that is another one, and names query, table and row"
[ ! -e p.npy ]
ok $? "  nothing is written"
if [ -e "$badread" ]; then
	LD_PRELOAD=$badread BAD_READ="fp32/$other 8192 4096" run dlrm $with --store fp32 --batch 8 --row-cache 0 --verify
	exits 1 "a block of the drive cannot be read"
	mv p.npy bad.npy
	judge "  those queries fail that want a row of it, others do not" "
bad = {int(q) for q in open('block').read().split()}
p, want = np.load('bad.npy'), np.load('want-fp32.npy')
assert {q for q in range(203) if np.isnan(p[q])} == bad and 0 < len(bad) < 190
good = [q for q in range(203) if q not in bad]
assert np.abs(p[good] - want[good]).max() <= 1e-5"
	grep -qE "query [0-9]+ failed: table 'small-2', bag [0-9]+: row (6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]) " err
	ok $? "  query, table and row are named"
	said err "$(wc -w <block) of 203 queries failed; their probability in the output is nan" "  and counted"
else
	skip "a block of the drive cannot be read" "no $badread"
fi
run dlrm $with --store a3,b3 --device "emu:,emu:fault=gone:2:3" --batch 16
exits 0 "a card is lost"
said err "was lost: the host read and pooled the rows of volume 1" "  it is said"
said out "LOST" "  in the report, too"
close fp32 "a card is lost"

# ---- all options are in the manual page ----

run dlrm --help
missing=$(grep -o -- '^ *--[a-z0-9-]*' "$tmp/out" | tr -d ' ' | grep -vx -- --help | while read -r o; do grep -qF -- "${o//-/\\-}" "$page" || echo "$o"; done)
[ -z "$missing" ] && grep -q -- --in-flight "$tmp/out"
ok $? "the manual page has all options${missing:+, but not: $missing}"
judge_all
finish
