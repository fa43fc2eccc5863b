#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What `smartssd lookup --store` reports of a run, against what NumPy counts in the indices.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cli/tap.sh
. "$here/tap.sh"
if [ -z "$python" ]; then
	echo "1..0 # SKIP no python3 with numpy here (Debian: python3-numpy)"
	exit 77
fi
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
echo "# SEED=$SEED"
SMARTSSD_LIBDIR=${SMARTSSD_LIBDIR:-$(dirname "$(readlink -f "$tool")")}
export SEED SMARTSSD_LIBDIR
tool=$(readlink -f "$tool")
cd "$tmp" || exit 1

# judge NAME PYTHON: statements, asserts among them; p is the report, i and o the indices and offsets of the lookup
judge() {
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here "$python" -c "
import json, os
import numpy as np
import plan
p = json.load(open('out'))
i, o = np.load('i.npy'), np.load('o.npy')
layout = json.load(open('info'))['layout']
near = lambda a, b: abs(a - b) <= 1e-6 * abs(b)
$2" >judged 2>err
	ok $? "$1"
}
lookup() {
	run lookup --store "$1" --table t-0 --indices i.npy --offsets o.npy -o y.npy --json "${@:2}"
}

cat >m.json <<'END'
{"model_name": "t", "arch_mlp_bot": "4-32", "arch_mlp_top": "1", "arch_embedding_size": "40000", "arch_sparse_feature_size": 32, "num_indices_per_lookup": 30}
END
run trace make --model m.json --queries 1500 --zipf 1.0 --seed "$SEED" -o t.npz
exits 0 "a trace"
"$python" - <<'END'
import os
import numpy as np
np.save('t.npy', np.random.default_rng(int(os.environ['SEED'])).standard_normal((40000, 32), 'f4'))
z = np.load('t.npz')
np.save('i.npy', z['indices'])
np.save('o.npy', z['offsets'])
END
run table import t-0 --from t.npy --store A
exits 0 "a table"
run table import t-0 --from t.npy --store B,C --shard row
exits 0 "a table on two drives"
run table info t-0 --store A --json
cp out info

lookup A --row-cache 0 --batch 1500
exits 0 "no caches, one batch"
judge "rows, duplicates, flash" "
u = np.unique(i)
blocks = len(np.unique(u // layout['rows_per_span']))
f = p['flash']
assert layout['span'] == layout['block']
assert p['bags'] == 1500 and p['rows'] == p['card_lookups'] == len(i) == 45000 and p['distinct_rows'] == len(u)
assert near(p['duplicate_ratio'], 1 - len(u) / len(i))
assert f['row_bytes_wanted'] == len(u) * 128 and f['block_bytes_wanted'] == blocks * layout['block'] == f['bytes']
assert near(f['amplification'], f['bytes'] / f['row_bytes_wanted']) and near(f['block_amplification'], 1)
assert 0 < f['most_reads_in_flight'] <= f['reads'] <= blocks
assert p['caches'] == {}, p['caches']"
judge "links" "
b = p['bytes']
assert b['ssd_to_card'] == p['flash']['bytes'] and b['bounce_read'] == b['bounce_write'] == 0
assert b['indices_and_results'] == 4 * len(i) + 1500 * 32 * 4
assert b['host_link'] == b['host_to_card'] + b['card_to_host'] and near(b['host_link_ratio'], b['host_link'] / b['indices_and_results'])
assert 1 <= b['host_link_ratio'] < 1.1, b"
judge "rates, latencies" "
l = p['latency']
assert p['emulated'] is True and near(p['bags_per_second'], 1500 / p['seconds'])
assert l['queries'] == p['batches'] == 1
assert 0 < l['p50_seconds'] <= l['p99_seconds'] <= l['p999_seconds'] <= l['most_seconds'] <= p['seconds']"
judge "modelled: drives" "
d = p['modelled']['drives']
assert [x['drives'] for x in d] == list(range(1, 25)) and p['modelled']['query'] == 'bag'
for x in d:
	limit = 1500 * 746e3 / p['flash']['reads'] * x['drives']
	assert x['queries_per_second'] <= limit * (1 + 1e-6)
	assert x['bound'] != 'flash reads' or near(x['queries_per_second'], limit)
assert all(a['queries_per_second'] <= b['queries_per_second'] for a, b in zip(d, d[1:]))
m = p['modelled']
assert 0 < m['host_seconds'] < p['seconds'] and m['host_is_limit'] == (m['host_seconds'] >= 0.01)
limit = 1500 / m['host_seconds']
for x in d:
	assert not m['host_is_limit'] or x['queries_per_second'] <= limit * (1 + 1e-6)
	assert x['bound'] != 'host, one core' or m['host_is_limit'] and near(x['queries_per_second'], limit)"
judge "modelled: energy" "
e = {x['system']: x for x in p['modelled']['energy_per_query']}
assert list(e) == ['DRAM only', 'SSD + host', 'SmartSSD']
assert all(near(x['joules'], x['bytes_joules'] + x['devices_joules']) for x in e.values())
assert near(e['DRAM only']['bytes_joules'], (len(i) * 128 + 1500 * 128) * 240e-12 / 1500)
t = 1 / p['modelled']['drives'][0]['queries_per_second']
assert near(e['DRAM only']['devices_joules'], t * 0.3725e-9 * 40000 * 128 + len(i) * 128 / (73e6 * 256) / 1500 * 4.375)
assert e['SmartSSD']['devices_joules'] >= 25 * t"

lookup B,C --row-cache 0 --batch 375
judge "two cards, four batches" "
parts = [np.unique(i[o[k]:o[k + 375]]) for k in range(0, 1500, 375)]
assert p['batches'] == 4 and p['cards'] == 2 and p['lost_cards'] == 0 and p['host_rows'] == 0
assert p['card_lookups'] == len(i) and p['distinct_rows'] == sum(map(len, parts))
assert p['flash']['row_bytes_wanted'] == 128 * p['distinct_rows']"

lookup B,C --row-cache 8 --batch 200
judge "row cache" "
c, d = p['caches'], p['distinct_rows']
assert list(c) == ['memory', 'row_cache']
assert c['row_cache']['hits'] > 0 and c['row_cache']['hits'] + p['flash']['row_bytes_wanted'] // 128 == d
assert near(c['row_cache']['hit_ratio'], c['row_cache']['hits'] / d)
assert near(c['memory']['hit_ratio'], c['memory']['hits'] / len(i)) and 0 < c['memory']['hit_ratio'] < 1
assert c['memory']['all_rows_hit_ratio'] == c['row_cache']['all_rows_hit_ratio'] <= c['memory']['hit_ratio']"

lookup A --row-cache 0 --batch 1500 --statistics t.npz --pin-card 1 --pin-host 1
judge "pinned: 1 MiB of rows in card memory, as much in the host's" "
count = np.bincount(i, minlength=40000)
order = np.lexsort((np.arange(40000), -count))
wanted = int((count > 0).sum())
card, host = order[:8192], order[8192:min(16384, wanted)]
assert p['pinned'] == {'card_rows': min(8192, wanted), 'host_rows': max(min(wanted - 8192, 8192), 0)}, (p['pinned'], wanted)
c = p['caches']
assert c['pinned_card']['hits'] == min(8192, wanted) and len(host) > 500 and c['pinned_host']['hits'] == count[host].sum()
assert c['memory']['hits'] == len(i) and c['memory']['hit_ratio'] == 1 and near(c['memory']['all_rows_hit_ratio'], 1)
assert p['card_lookups'] == count[card].sum() and p['flash']['reads'] == 0"

"$python" -c "
import numpy as np
i, o = np.load('i.npy'), np.load('o.npy')
np.save('i.npy', np.concatenate([i[:3000]] * 8))
np.save('o.npy', np.arange(0, 24001, 30))"
lookup A --row-cache 0 --batch 100 --pooled-cache 64
judge "pooled results: the same hundred bags eight times" "
c = p['caches']['pooled']
assert list(p['caches']) == ['pooled'] and c['hits'] % 100 == 0 and 600 <= c['hits'] <= 700
assert near(c['hit_ratio'], c['hits'] / 800) and c['all_rows_hit_ratio'] == c['hit_ratio']
assert p['rows'] == 24000 and p['card_lookups'] == 24000 - 30 * c['hits']
assert p['bytes']['indices_and_results'] == 4 * p['card_lookups'] + 128 * (800 - c['hits'])"

run lookup --store A --table t-0 --indices i.npy --offsets o.npy -o y.npy --pooled-cache 1
exits 0 "text"
"$python" - <<'END'
lines = open('out').read().splitlines()
for l in lines:
    if l.startswith(('  rate ', '  latency ')):
        assert 'EMULATED' in l, l
    if 'real drives' in l:
        assert '; host, one core: measured over ' in l, l
    if 'real drives' in l or 'energy' in l:
        assert l.startswith('  MODELLED'), l
names = [l.split('  ')[1] for l in lines[1:]]
for n in ('rate', 'latency', 'rows', 'pooled cache', 'in memory', 'row cache', 'flash', 'bytes', 'host link', 'MODELLED'):
    assert n in names, (n, names)
END
ok $? "text: EMULATED seconds, MODELLED figures, a line for each cache that is on"
run lookup --store A --table t-0 --indices i.npy --offsets o.npy -o y.npy --row-cache 0
! grep -qE '^  (row cache|in memory|pinned|pooled)' out
ok $? "text: no line for a cache that is off"
finish
