#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# smartssd table plan: its placements, loads and hit ratios against NumPy, what it writes, and what it refuses; then tables stored as it says.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli/tap.sh
. "$here/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "# SEED=$SEED"
page=$PWD/Documentation/man/smartssd-table-plan.1
tool=$(readlink -f "$tool")
cd "$tmp" || exit 1

# judge NAME PYTHON: statements, asserts among them; what the last run printed is p when it was JSON
judge() {
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here "$python" -c "
import json, os
import xml.dom.minidom
import numpy as np
import plan
try:
	p = json.load(open('out'))
except ValueError:
	p = None
$2" >judged 2>err
	ok $? "$1"
}

cat >small.json <<'END'
{"model_name": "small", "arch_mlp_bot": "4-16", "arch_mlp_top": "1", "arch_embedding_size": "3000-50-800-1-2000", "arch_sparse_feature_size": 16, "num_indices_per_lookup": 12}
END
run trace make --model small.json --queries 300 --zipf 1.1 --seed "$SEED" -o t.npz
exits 0 "a trace"

# ---- placement ----
: >cases
for case in "1 0 0 64" "2 0 0 1" "3 0 0 16" "3 1 0 16" "4 0 1 64" "5 1 1 8" "24 0 0 64" "48 0 0 64"; do
	read -r cards memory dram batch <<<"$case"
	for format in fp32 int8-rowwise; do
		run table plan --trace t.npz --cards "$cards" --card-memory "$memory" --dram "$dram" --batch "$batch" --format $format --json
		cp out "plan-$(wc -l <cases).json"
		echo "$cards $memory $dram $batch $format" >>cases
	done
done
# All of them by one python; a line for each that is right
judge "all were judged" "
import traceback
for n, line in enumerate(open('cases')):
	cards, memory, dram, batch, form = line.split()
	cards, memory, dram, batch = int(cards), int(memory), int(dram), int(batch)
	name = '%u cards, %u MiB of each, %u of the host, batches of %u, %s: loads and budgets' % (cards, memory, dram, batch, form)
	try:
		p = json.load(open('plan-%u.json' % n))
		load, ddr, host = plan.loads('t.npz', p)
		assert p['cards'] == cards and p['batch'] == batch and p['format'] == form
		said = np.array([l['modelled_seconds_per_query'] for l in p['loads']])
		assert np.allclose(load, said, rtol=1e-6, atol=1e-15), (load, said)
		assert (ddr == [l['pinned_bytes'] for l in p['loads']]).all()
		assert (ddr <= memory << 20).all() and host <= dram << 20
		assert all(t['shard'] == 'table' or t['rows'] >= cards for t in p['tables']), 'row by row, a card would have no row'
		if load.max() > 0:
			assert np.isclose(p['modelled_queries_per_second'], 1 / load.max(), rtol=1e-6)
			assert np.isclose(p['slowest_over_mean'], load.max() / load.mean(), rtol=1e-6)
		assert p['slowest_over_mean'] <= 1.1 or 'not below 1.1' in p['why'], p['why']
		assert [d['drives'] for d in p['modelled_drives']] == list(range(1, 25))
		assert cards > 24 or p['modelled_drives'][cards - 1]['queries_per_second'] == p['modelled_queries_per_second']
		print('0', name)
	except Exception:
		print('# ' + traceback.format_exc().rstrip().replace(chr(10), chr(10) + '# '))
		print('1', name)"
while IFS= read -r line; do
	if [ "${line:0:1}" = "#" ]; then echo "$line"; else result "${line%% *}" "${line#* }"; fi
done <judged
[ "$(grep -c '^[01] ' judged)" = 16 ]
ok $? "16 placements"
judge "figures: each with a source" "
assert len(p['figures']) > 10 and all(f['value'] > 0 and len(f['source']) > 10 and f['unit'] for f in p['figures'])"
run table plan --trace t.npz --cards 2 --card-memory 1 --json
judge "what is wanted more than once fits card memory: pinned, and nothing else; of tables of which all rows are wanted, all" "
count, q = plan.counts('t.npz')
assert [t['distinct'] for t in p['tables']] == [int((c > 0).sum()) for c in count]
assert [t['pinned_card'] for t in p['tables']] == [int((c > ((c == 0).any())).sum()) for c in count], p['tables']"

# ---- the published figures: one drive, no row twice ----
for model in rm1:1200 rm3:3800; do
	run trace make --model ${model%:*} --queries 20 --uniform --seed 1 -o big.npz
	run table plan --trace big.npz --batch 1 --json
	judge "${model%:*}: about ${model#*:} queries/s of a drive at 766k reads/s, here 746k" "
assert abs(p['modelled_queries_per_second'] / (${model#*:} * 746 / 766) - 1) < 0.03, p['modelled_queries_per_second']"
done
rm -f big.npz

# ---- caches ----
run table plan --trace t.npz --cards 2 --batch 8 --svg x.svg --json
exits 0 "--svg"
judge "hit ratios: LRU and Belady as NumPy has them, no policy above Belady, more is not worse" "
r = p['row_cache']
keys, start = plan.accesses('t.npz', r['queries_simulated'], 8)
assert r['accesses'] == len(keys) - start
assert r['first_accesses'] == len(set(keys)) - len(set(keys[:start]))
at = {(x['policy'], x['rows']): x for x in r['points']}
assert {x['rows'] for x in r['points']} >= {0, sum(t['rows'] for t in p['tables'])}
for (policy, rows), x in at.items():
	assert x['hits'] <= at['belady', rows]['hits'] and x['modelled_queries_per_second'] <= at['belady', rows]['modelled_queries_per_second']
	if policy == 'lru':
		assert x['hits'] == plan.lru_hits(keys, start, rows), (rows, x['hits'], plan.lru_hits(keys, start, rows))
	if policy == 'belady':
		assert x['hits'] == plan.belady_hits(keys, start, rows)
	assert x['hits'] <= r['accesses'] - r['first_accesses'] and abs(x['hit_ratio'] - x['hits'] / r['accesses']) < 1e-9
for policy in ('lru', 'belady'):
	hits = [x['hits'] for x in r['points'] if x['policy'] == policy]
	assert hits == sorted(hits) and hits[0] == 0 and hits[-1] == r['accesses'] - r['first_accesses']
"
judge "rates: reads of a drive are what limits without a cache" "
r = p['row_cache']
x = [x for x in r['points'] if x['rows'] == 0]
assert all(y['bound'] == 'flash reads' for y in x)
assert all(np.isclose(y['modelled_queries_per_second'], 2 * 746e3 * r['queries_counted'] / r['accesses'], rtol=1e-6) for y in x)"
judge "the picture: well-formed, says that it is modelled, a line for each policy, nothing from outside" "
d = xml.dom.minidom.parse('x.svg').documentElement
text = ' '.join(t.firstChild.data for t in d.getElementsByTagName('text'))
assert 'MODELLED' in text and 'modelled' in text and 'small' in text
assert all(n in text for n in ('lru', 'fifo', 'clock', 'sieve', 's3-fifo', 'lfu', 'Belady'))
assert len(d.getElementsByTagName('polyline')) == 7 and len(d.getElementsByTagName('circle')) == 70
assert not any(e.getAttribute(a) for e in d.getElementsByTagName('*') for a in ('href', 'xlink:href', 'src'))
assert not d.getElementsByTagName('image') and not d.getElementsByTagName('script')
w, h = (float(x) for x in d.getAttribute('viewBox').split()[2:])
for l in d.getElementsByTagName('polyline'):
	assert all(0 <= float(x.split(',')[0]) <= w and 0 <= float(x.split(',')[1]) <= h for x in l.getAttribute('points').split())"

# ---- text ----
run table plan --trace t.npz --cards 3 --svg x.svg
exits 0 "text"
said out "MODELLED, none is measured" "text: says that it is modelled"
judge "text: no rate without MODELLED near" "
lines = open('out').read().splitlines()
assert all('MODELLED' in l for l in lines if 'queries/s' in l), lines"

# ---- -o, and tables that are stored as it says ----
run table plan --trace t.npz --cards 3 -o p.json
exits 0 "-o"
run table plan --trace t.npz --cards 3 --json
cmp -s p.json out
ok $? "-o: what --json prints"
"$python" -c "
import numpy as np
for t, rows in enumerate((3000, 50, 800)):
	np.save('small-%d.npy' % t, np.random.default_rng(t).standard_normal((rows, 16), 'f4'))
np.save('short.npy', np.zeros((3, 16), 'f4'))
np.save('narrow.npy', np.zeros((50, 8), 'f4'))"
for t in 0 1 2; do
	run table import small-$t --from small-$t.npy --store A,B,C --plan p.json --json
	judge "import --plan: table $t is where the plan says" "
want = json.load(open('p.json'))['tables'][$t]
if want['shard'] == 'row':
	assert p['shards'] == 3
else:
	assert p['shards'] == 1 and p['placement'][0]['volume'] == want['volume']"
done
"$python" - <<'END'
import json
p = json.load(open('p.json'))
p['tables'][0].pop('volume', None)
p['tables'][0]['shard'] = 'row'
p['tables'][1].update(shard='table', volume=2)
p['format'] = 'int8-rowwise'
json.dump(p, open('q.json', 'w'))
for name, change in {'volume': {'volume': 3}, 'shard': {'shard': 'column'}, 'rows': {'rows': -1}}.items():
    q = json.load(open('q.json'))
    q['tables'][1].update(change)
    json.dump(q, open('bad-%s.json' % name, 'w'))
q = json.load(open('q.json'))
q['smartssd-plan'] = 2
json.dump(q, open('bad-version.json', 'w'))
END
run table import small-0 --from small-0.npy --store A,B,C --plan q.json --replace --json
judge "import --plan: row by row, in the plan's format" "assert p['shards'] == 3 and p['format'] == 'int8-rowwise'"
run table import small-1 --from small-1.npy --store A,B,C --plan q.json --replace --format fp16 --json
judge "import --plan: on the plan's volume; --format takes precedence" "assert p['shards'] == 1 and p['placement'][0]['volume'] == 2 and p['format'] == 'fp16'"
for bad in volume shard rows version; do
	run table import small-1 --from small-1.npy --store A,B,C --plan bad-$bad.json --replace
	refused 1 "bad-$bad.json" "import --plan: $bad that is not possible"
done
run table import other --from small-1.npy --store A,B,C --plan p.json
refused 1 "no table 'other' among its 5" "import --plan: a table that the plan does not have"
run table import small-1 --from small-1.npy --store A,B --plan p.json
refused 2 "is for 3 cards, but --store names 2" "import --plan: another number of cards"
run table import small-1 --from short.npy --store A,B,C --plan p.json
refused 1 "is for 50 rows of 'small-1', but short.npy has 3" "import --plan: other rows"
run table import small-1 --from narrow.npy --store A,B,C --plan p.json
refused 1 "is for rows of 16 elements, but narrow.npy has 8" "import --plan: another width"
run table import small-1 --from small-1.npy --store A,B,C --plan p.json --volume 1
refused 2 "without --shard and --volume" "import --plan: with --volume"
run table import small-1 --from small-1.npy --store A,B,C --plan t.npz
refused 1 "t.npz" "import --plan: no JSON"
run table import small-1 --from small-1.npy --store A,B,C --plan nowhere.json
refused 1 "nowhere.json: No such file" "import --plan: no file"

# ---- refused ----
run table plan --trace t.npz --flash 0
refused 1 "table 0 (3000 rows of 64 bytes) does not fit" "flash that is too small names the table"
# Five tables of some KiB: with checksums, room for updates and the list of objects 48 MiB are not enough, 49 are
run table plan --trace t.npz --flash 48
refused 1 "bytes of flash with its checksums and room for updates" "flash: what a table takes beside its rows counts"
run table plan --trace t.npz --flash 49 --json
judge "flash: all of that, by the formula" "
up = lambda n, to: -(-n // to) * to
take = lambda n: 4096 + up(n, 64) * 64 + 4096 + up(4 * n, 4096) + max(8 << 20, up(up(n, 64) * 16, 4096))
assert p['flash_bytes'] == 49 << 20
assert p['loads'][0]['flash_bytes'] == (8 << 20) + 4096 + sum(map(take, (3000, 50, 800, 1, 2000))) <= 49 << 20, p['loads']"
run table plan
refused 2 "--trace" "no trace"
run table plan --trace nowhere.npz
refused 1 "nowhere.npz" "a trace that is not there"
run table plan --trace t.npz --cards 49
refused 2 "--cards" "too many cards"
run table plan --trace t.npz --batch 0
refused 2 "--batch" "batches of nothing"
run table plan --trace t.npz --batch 300 --svg x.svg
refused 1 "two batches" "--svg: one batch only"
run table plan --trace t.npz -o t.npz
refused 2 "t.npz is the trace" "-o: the trace"
run table plan --trace t.npz --svg no/such/x.svg
refused 1 "no/such/x.svg" "--svg: no such folder"
run table plan --trace t.npz --svg z --output z
refused 2 "one file" "--svg and -o are one file"
run table plan small --trace t.npz
refused 2 "'small'" "an argument too many"
[ ! -e z ] && [ ! -e no ]
ok $? "what was refused left nothing"
if [ -w /dev/full ]; then
	run table plan --trace t.npz --svg /dev/full
	refused 1 "/dev/full" "--svg: not a regular file"
fi

# ---- manual page ----
run table plan --help
missing=
for option in $(grep -oE '^  (-o, )?--[a-z0-9-]+' out | grep -oE -- '--[a-z0-9-]+' | grep -v -- --help); do
	sed 's/\\-/-/g' "$page" | grep -qF -- "$option" || missing+=" $option"
done
[ -z "$missing" ] || echo "# $page:$missing"
[ -z "$missing" ]
ok $? "manual page and --help agree"
finish
