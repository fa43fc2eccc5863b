# SPDX-License-Identifier: BSD-2-Clause
"""What smartssd table plan says, computed again in NumPy from the formulas of Documentation/recommendation.rst."""
import collections
import functools
import json
import numpy as np

READS, DDR, BLOCK = 746e3, 15.419e9, 4096


def load_trace(path):
    with np.load(path) as z:
        offsets, indices = z["offsets"], z["indices"]
        raw = z.zip.read("model.json") if "model.json" in z.zip.namelist() else z["model"].tobytes()
    m = json.loads(raw)
    rows = [int(x) for x in m["arch_embedding_size"].split("-")] if isinstance(m["arch_embedding_size"], str) else m["arch_embedding_size"]
    return m, rows, offsets, indices


@functools.lru_cache
def counts(path):
    m, rows, offsets, indices = load_trace(path)
    tables = len(rows)
    queries = (len(offsets) - 1) // tables
    out = [np.zeros(r, "u8") for r in rows]
    for q in range(queries):
        for t in range(tables):
            at = q * tables + t
            np.add.at(out[t], indices[offsets[at]:offsets[at + 1]], 1)
    return out, queries


def loads(path, plan):
    """Seconds of each card for a query; the bytes that are pinned on each card, and in the host."""
    count, queries = counts(path)
    cards, batch = plan["cards"], plan["batch"]
    load, ddr, host = np.zeros(cards), np.zeros(cards, "i8"), 0
    for t, c in zip(plan["tables"], count):
        row_bytes = t["row_bytes"]
        x = c / queries
        order = np.lexsort((np.arange(len(c)), -c.astype("i8")))
        flash = x * row_bytes / DDR - np.expm1(-x * batch) / batch * -(-row_bytes // BLOCK) / READS
        seconds = flash.copy()
        pinned, kept = order[:t["pinned_card"]], order[t["pinned_card"]:t["pinned_card"] + t["pinned_host"]]
        seconds[pinned] = x[pinned] * row_bytes / DDR
        seconds[kept] = 0
        host += len(kept) * row_bytes
        card = np.arange(len(c)) % cards if t["shard"] == "row" else np.full(len(c), t["volume"])
        np.add.at(load, card, seconds)
        np.add.at(ddr, card[pinned], row_bytes)
    return load, ddr, host


def accesses(path, queries, batch):
    """Keys that batches want, each once, and how many are before the second half."""
    m, rows, offsets, indices = load_trace(path)
    tables = len(rows)
    keys, half = [], -(-queries // batch) // 2 * batch
    start = 0
    for first in range(0, queries, batch):
        if first == half:
            start = len(keys)
        batch_keys = set()
        for q in range(first, min(first + batch, queries)):
            for t in range(tables):
                at = q * tables + t
                batch_keys.update((t, int(i)) for i in indices[offsets[at]:offsets[at + 1]])
        keys += sorted(batch_keys)
    return keys, start


def lru_hits(keys, start, slots):
    cache, hits = collections.OrderedDict(), 0
    for n, k in enumerate(keys):
        if k in cache:
            cache.move_to_end(k)
            hits += n >= start
            continue
        cache[k] = True
        if len(cache) > slots:
            cache.popitem(last=False)
    return hits


def belady_hits(keys, start, slots):
    """The optimum that may refuse: of those in the cache and the new one, the one that is wanted last goes."""
    after, last = [0] * len(keys), {}
    for n in range(len(keys) - 1, -1, -1):
        after[n] = last.get(keys[n], len(keys) + n)
        last[keys[n]] = n
    cache, hits = {}, 0
    for n, k in enumerate(keys):
        if k in cache:
            hits += n >= start
        cache[k] = after[n]
        if len(cache) > slots:
            del cache[max(cache, key=cache.get)]
    return hits
