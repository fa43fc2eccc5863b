# SPDX-License-Identifier: BSD-2-Clause
# lookup_store.py TOOL [SEED]: TAP on standard output. Lookups from stores, against sums in double of the rows that store.py's encode() makes.
import json, os, random, shutil, subprocess, sys, tempfile
import numpy as np
import store

tool, seed = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else random.SystemRandom().randrange(1 << 32)
rng = np.random.default_rng(seed)
tmp = tempfile.mkdtemp(dir=os.environ.get("TMPDIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
os.chdir(tmp)
os.environ.pop("SMARTSSD_DEVICE", None)
count = failed = 0
print(f"# seed {seed}", flush=True)

def ok(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'' if good else 'not '}ok {count} {name}", flush=True)
    if not good:
        print("# " + str(why).replace("\n", "\n# "), flush=True)

def save(name, array):
    np.save(name, array)
    return name

def run(*args, env=None):
    return subprocess.run([tool, *map(str, args)], capture_output=True, text=True, env=env)

def must(*args):
    r = run(*args)
    if r.returncode:
        ok(False, " ".join(map(str, args)), r.stderr)

def decode(rows, form, dim):
    """Encoded rows to (values, |quantised * scale| + |bias|) in double."""
    if form in ("fp32", "fp16"):
        v = rows.view(np.float32 if form == "fp32" else np.float16).astype(np.float64)
        return v, np.abs(v)
    if form == "int8-rowwise":
        q, sb = rows[:, :dim].astype(np.float64), np.ascontiguousarray(rows[:, dim:]).view(np.float32).astype(np.float64)
    else:
        b = rows[:, :(dim + 1) // 2]
        q = np.stack([b & 15, b >> 4], 2).reshape(len(rows), -1)[:, :dim].astype(np.float64)
        sb = np.ascontiguousarray(rows[:, (dim + 1) // 2:]).view(np.float16).astype(np.float64)
    part, bias = q * sb[:, :1], sb[:, 1:]
    return part + bias, np.abs(part) + np.abs(bias)

class Table:
    def __init__(self, volumes, name, rows, dim, form, shard="table", extra=()):
        self.store, self.name, self.form, self.dim, self.parts = ",".join(volumes), name, form, dim, len(volumes) if shard == "row" else 1
        self.x = rng.normal(size=(rows, dim)).astype("f4")
        must("table", "import", name, "--from", save("t.npy", self.x), "--store", self.store, "--format", form, "--shard", shard, "--progress", "off", *extra)
        self.quantise()

    def quantise(self):
        self.values, self.magnitude = decode(store.encode(self.x, self.form), self.form, self.dim)

    def update(self, nr):
        at = rng.integers(0, len(self.x), nr)
        at[0] = len(self.x) - 1
        rows = rng.normal(size=(nr, self.dim)).astype("f4")
        must("table", "update", self.name, "--indices", save("u.npy", at), "--rows", save("r.npy", rows), "--store", self.store)
        for i, row in zip(at, rows):
            self.x[i] = row
        self.quantise()

def bags_of(table, bags, most=30, hot=False):
    sizes = rng.integers(0, most, bags)
    if bags:
        sizes[rng.integers(0, bags)] = 0
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype("i8")
    rows = len(table.x)
    indices = rng.integers(0, rows, offsets[-1])
    if hot:
        indices = np.minimum(indices, rng.integers(0, rows, offsets[-1]) // 50)
    if len(indices) > 2:
        indices[1], indices[-1] = indices[0], rows - 1
    return indices, offsets

def expected(table, indices, offsets, mode="sum", p=None):
    bags = len(offsets) - 1
    want, bound = np.zeros((bags, table.dim)), np.zeros((bags, table.dim))
    for b in range(bags):
        s = slice(offsets[b], offsets[b + 1])
        f = p[s].astype(np.float64)[:, None] if p is not None else 1.0
        n = s.stop - s.start
        want[b] = (table.values[indices[s]] * f).sum(0)
        # As runtime/store/engine.h states it; a long bag may go in several slices of each card.
        bound[b] = (n + 4 * table.parts + 5) * 2.0**-24 * (table.magnitude[indices[s]] * np.abs(f)).sum(0)
        if mode == "mean" and n:
            want[b], bound[b] = want[b] / n, bound[b] / n
    return want, bound + 1e-40

def case(name, table, indices, offsets, *args, mode="sum", weighted=False, it="i8", ot="i8", look=lambda j: True, err=""):
    """The JSON report, or None."""
    p = rng.normal(size=len(indices)).astype("f4") if weighted else None
    want, bound = expected(table, indices, offsets, mode, p)
    if os.path.exists("y.npy"):
        os.unlink("y.npy")
    r = run("lookup", "--store", table.store, "--table", table.name, "--indices", save("i.npy", indices.astype(it)), "--offsets", save("o.npy", offsets.astype(ot)),
            "--mode", mode, "--output", "y.npy", "--json", *(["--weights", save("p.npy", p)] if weighted else []), *args)
    if r.returncode or err not in r.stderr or (not err and r.stderr):
        return ok(False, name, f"exit {r.returncode}: {r.stderr}")
    y = np.load("y.npy")
    if y.dtype != np.float32 or y.shape != want.shape or not (np.abs(y - want) <= bound).all():
        return ok(False, name, f"{y.dtype}{y.shape}" + (f", largest error {np.nanmax(np.abs(y - want))}" if y.shape == want.shape else ""))
    j = json.loads(r.stdout)
    try:
        good = j["lookups"] == len(indices) and j["shape"] == list(want.shape) and j["table"] == table.name and j["format"] == table.form and look(j)
    except KeyError as e:
        return ok(False, name, f"no member {e} in {r.stdout}")
    ok(good, name, r.stdout)
    return j

three = ["v0", "v1", "v2"]
FORMATS = ["fp32", "fp16", "int8-rowwise", "int4-rowwise"]
tables = {}
for form, dim in zip(FORMATS, (32, 33, 64, 17)):
    short = form.replace("-rowwise", "")
    tables["one", form] = Table(["one"], short, 3000, dim, form)
    tables["row", form] = Table(three, short + "-r", 2000, dim, form, "row")
    tables["table", form] = Table(three, short + "-t", 1000, dim, form)

POLICIES = ("lfu", "lru", "fifo", "clock", "sieve", "s3-fifo")
for number, ((where, form), t) in enumerate(tables.items()):
    policy = POLICIES[number % len(POLICIES)]
    name = f"{form}, {'1 volume' if where == 'one' else '3 volumes, by ' + where}"
    i, o = bags_of(t, 300)
    case(name + ": no caches, weights, small batches", t, i, o, "--row-cache", 0, "--batch", 7, weighted=True, look=lambda j: j["batches"] == 43)
    i, o = bags_of(t, 400, hot=True)
    case(name + f": mean, i4, all caches, policy {policy}, batches of 20", t, i, o, "--row-cache", 1, "--policy", policy, "--pooled-cache", 1, "--batch", 20, mode="mean", it="i4", ot="i4",
         look=lambda j: "pooled" in j["caches"] and j["caches"]["row_cache"]["hits"] > 0)

for where, form in (("one", "int8-rowwise"), ("row", "fp32"), ("table", "int4-rowwise"), ("row", "fp16")):
    t = tables[where, form]
    t.update(200)
    i, o = bags_of(t, 300)
    case(f"{form}, {where}: after an update", t, i, o)
    t.update(1)
    must("table", "compact", t.name, "--store", t.store, "--progress", "off")
    case(f"{form}, {where}: after compaction", t, i, o, "--p2p", "off", mode="mean", look=lambda j: j["bytes"]["ssd_to_card"] == 0 and j["bytes"]["bounce_read"] > 0)

# Other shapes
t = tables["row", "fp32"]
case("no bags at all", t, np.zeros(0, "i8"), np.zeros(1, "i8"))
case("only empty bags", t, np.zeros(0, "i8"), np.zeros(51, "i8"), mode="mean")
case("one bag of one row, one element", Table(["small"], "one", 1, 1, "fp32"), np.zeros(1, "i8"), np.array([0, 1]))
i, o = bags_of(t, 3, most=20000)
case("long bags, little staging", t, i, o, "--staging", 1, "--row-cache", 0, "--batch", 1)
i = np.tile(rng.integers(0, len(t.x), 40), 300)
case("bags that were there before come from the pooled cache", t, i, np.arange(0, len(i) + 1, 40), "--pooled-cache", 4, "--batch", 1,
     look=lambda j: j["caches"]["pooled"]["hits"] > 20)
wide = Table(["wide"], "wide", 60, 4096, "fp32")
i, o = bags_of(wide, 20)
case("rows of several blocks", wide, i, o)
raw = [f"raw{k}" for k in range(2)]
for r in raw:
    with open(r, "wb") as f:
        f.truncate(80 << 20)
t2 = Table(raw, "r", 5000, 16, "int8-rowwise", "row", ["--force"])
i, o = bags_of(t2, 300)
case("files in the place of namespaces", t2, i, o)

# Cards
i, o = bags_of(t, 300)
case("a card for each volume", t, i, o, "--device", "emu:ddr=512M,serial=7,emu:,emu:peer=on",
     look=lambda j: [v["device"] for v in j["volumes"]] == ["emu:ddr=512M,serial=7", "emu:", "emu:peer=on"])
case("one for all", t, i, o, "--device", "emu:ddr=2G,serial=9", look=lambda j: {v["device"] for v in j["volumes"]} == {"emu:ddr=2G,serial=9"})
case("a small card gets a small cache", t, i, o, "--device", "emu:ddr=64M")
case("without a peer path: bounced, and said so", t, i, o, "--device", "emu:,emu:peer=off,emu:",
     err="volume 1, v1, on emu:peer=off: no peer path, its data goes through host memory",
     look=lambda j: [v["path"] for v in j["volumes"]] == ["peer", "bounce", "peer"] and j["bytes"]["bounce_read"] > 0)
env = dict(os.environ, SMARTSSD_DEVICE="emu:serial=77")
r = run("lookup", "--store", t.store, "--table", t.name, "--indices", save("i.npy", i), "--offsets", save("o.npy", o), "--output", "y.npy", env=env)
ok(r.returncode == 0 and r.stdout.count("emu:serial=77") == 3, "$SMARTSSD_DEVICE", r.stdout + r.stderr)

# Faults of a card. Which unit is whose is not this test's business: exactly one of them is the lookup's, one copies rows into the cache.
want, bound = expected(t, i, o)
losses = 0
for cu in range(4):
    r = run("lookup", "--store", t.store, "--table", t.name, "--indices", "i.npy", "--offsets", "o.npy", "--output", "y.npy", "--json", "--batch", 30, "--device",
            f"emu:,emu:fault=gone:{cu}:2,emu:")
    good = r.returncode == 0 and (np.abs(np.load("y.npy") - want) <= bound).all()
    if "lost" in r.stderr and good:
        losses += 1
        j = json.loads(r.stdout)
        good = "card emu:fault=gone" in r.stderr and "was lost: the host read and pooled the rows of volume 1, v1" in r.stderr and r.stderr.count("\n") == 1
        good = good and [v["lost"] for v in j["volumes"]] == [False, True, False] and j["lost_cards"] == 1 and j["host_rows"] > 0
    ok(good, f"a card that is gone with the second run of unit {cu}", r.stderr + r.stdout)
ok(losses >= 1, "a card was lost: said on standard error and in the report", losses)
for cu in range(4):
    r = run("lookup", "--store", t.store, "--table", t.name, "--indices", "i.npy", "--offsets", "o.npy", "--output", "y.npy", "--batch", 30, "--device",
            f"emu:fault=gone:{cu},emu:fault=crash:{cu},emu:fault=wrong:{cu}")
    ok(r.returncode == 0 and (np.abs(np.load("y.npy") - want) <= bound).all(), f"unit {cu} of each card has a fault, each another one: the results are right", f"exit {r.returncode}: {r.stderr}")

# Pinned rows
hot = np.minimum(rng.integers(0, len(t.x), 4000), rng.integers(0, len(t.x), 4000) // 20)
model = {"model_name": "m", "arch_mlp_bot": "4-32", "arch_mlp_top": "4-1", "arch_embedding_size": str(len(t.x)), "arch_sparse_feature_size": 32, "num_indices_per_lookup": 20}
np.savez("trace.npz", indices=hot, offsets=np.arange(0, 4001, 20), model=np.frombuffer(json.dumps(model).encode(), "u1"))
ho = np.arange(0, 4001, 20)
for where in ("card", "host"):
    case(f"rows pinned in the {where}'s memory", t, hot, ho, "--statistics", "trace.npz", f"--pin-{where}", 1, "--row-cache", 0, "--batch", 50,
         look=lambda j: j["pinned"][f"{where}_rows"] == len(np.unique(hot)) and j["flash"]["reads"] == 0)
model["arch_embedding_size"] = f"10-{len(t.x)}"
both = np.stack([np.zeros((200, 20), "i8"), hot.reshape(200, 20)], 1).reshape(-1)
np.savez("trace2.npz", indices=both, offsets=np.arange(0, 8001, 20), model=np.frombuffer(json.dumps(model).encode(), "u1"))
case("by one table of a trace with two", t, hot, ho, "--statistics", "trace2.npz", "--statistics-table", 1, "--pin-host", 1,
     look=lambda j: j["pinned"]["host_rows"] == len(np.unique(hot)))

# A table that is whole on one of three volumes has the pinned memory of one card; the next rows go to the host, as far as there is room.
big = Table(three, "big", 40000, 32, "fp32")
spread = rng.integers(0, len(big.x), 60000)
model["arch_embedding_size"] = str(len(big.x))
np.savez("trace3.npz", indices=spread, offsets=np.arange(0, 60001, 20), model=np.frombuffer(json.dumps(model).encode(), "u1"))
case("pinned rows that the one card has no room for are the host's", big, spread[:3000], np.arange(0, 3001, 20), "--statistics", "trace3.npz", "--pin-card", 1, "--pin-host", 2,
     look=lambda j: j["pinned"] == {"card_rows": (1 << 20) // 128, "host_rows": (2 << 20) // 128})
# What is wrong is said, and nothing is written.
def keeps(name, args, text, code=1, lines=1):
    with open("y.npy", "wb") as f:
        f.write(b"precious")
    before = sorted(os.listdir("."))
    r = run("lookup", *args, "--output", "y.npy")
    said = r.stderr.strip().split("\n")
    good = r.returncode == code and len(said) == lines and all(s in said[-1] for s in ([text] if isinstance(text, str) else text))
    good = good and not r.stdout and open("y.npy", "rb").read() == b"precious" and sorted(os.listdir(".")) == before
    ok(good, name, f"exit {r.returncode}: {r.stderr!r}")

def look(indices, offsets, *args, table=t.name, spec=t.store, it="i8"):
    return ["--store", spec, "--table", table, "--indices", save("i.npy", np.array(indices, it)), "--offsets", save("o.npy", np.array(offsets, "i8")), *args]

n = len(t.x)
keeps("an index beyond the table", look([0, 1, 2, n, 4], [0, 2, 5]), [f"table '{t.name}', bag 1, position 1: index {n}; it has {n} rows"])
keeps("a negative index", look([0, 1, -3], [0, 0, 3], it="i4"), "bag 1, position 2: index -3")
keeps("in a later batch, the bag's number is that of the input", look(list(range(99)) + [n + 5], range(0, 101, 2), "--batch", 3), f"bag 49, position 1: index {n + 5}")
keeps("offsets that decrease", look([0] * 5, [0, 4, 3, 5]), "offsets[2] is 3, less than offsets[1], 4: offsets must not decrease")
keeps("offsets that do not begin at 0", look([0] * 5, [1, 3, 5]), "offsets[0] is 1, it must be 0")
keeps("offsets that do not end at the lookups", look([0] * 5, [0, 2, 4]), "offsets[2], the last, is 4; it must be the number of indices, 5")
keeps("no offsets", look([], []), "must hold one element more than there are bags")
keeps("no such table", look([0], [0, 1], table="nothing"), ["--table: no table 'nothing' in the store", "int4-t"])
keeps("no store", look([0], [0, 1], spec="not-there"), "--store: ")
keeps("volumes in another order", look([0], [0, 1], spec="v1,v0,v2"), "--store: ")
keeps("a volume is missing", look([0], [0, 1], spec="v0,v1"), "--store: ")
keeps("--format", look([0], [0, 1], "--format", "fp32"), "--format: a table in a store has the format", 2)
keeps("weights with mean", look([0], [0, 1], "--mode", "mean", "--weights", save("p.npy", np.ones(1, "f4"))), "--weights: only with --mode sum", 2)
keeps("weights of another number", look([0, 0], [0, 2], "--weights", "p.npy"), "holds 1 elements, but --indices has 2")
keeps("indices that are floats", look([0], [0, 1], it="f4"), "must be of i4 or i8")
keeps("two cards for three volumes", look([0], [0, 1], "--device", "emu:,emu:"), "2 cards for 3 volumes", 2)
keeps("four cards for three volumes", look([0], [0, 1], "--device", "emu:,emu:,emu:,emu:"), "more cards than the 3 volumes", 2)
keeps("no such card", look([0], [0, 1], "--device", "/dev/smartssd99"), "/dev/smartssd99")
keeps("peer required, none there", look([0], [0, 1], "--p2p", "require", "--device", "emu:,emu:,emu:peer=off"), "--p2p require: volume 2, v2, on emu:peer=off: no peer path")
keeps("more pinned rows than the card has room for", look([0], [0, 1], "--statistics", "trace.npz", "--pin-card", 100, "--device", "emu:ddr=64M"),
      "of card memory for caches")
keeps("pinned memory without a trace", look([0], [0, 1], "--pin-card", 1), "--pin-card: --statistics TRACE says which rows", 2)
keeps("a trace without pinned memory", look([0], [0, 1], "--statistics", "trace.npz"), "--pin-card MIB or --pin-host MIB", 2)
keeps("a trace of two tables", look([0], [0, 1], "--statistics", "trace2.npz", "--pin-host", 1), "trace2.npz has 2 tables; --statistics-table N", 2)
keeps("a trace of another table", look([0], [0, 1], "--statistics", "trace2.npz", "--statistics-table", 0, "--pin-host", 1), f"10 rows, but '{t.name}' has {n}")
keeps("table 2 of two", look([0], [0, 1], "--statistics", "trace2.npz", "--statistics-table", 2, "--pin-host", 1), "--statistics-table: trace2.npz has tables 0 to 1 only", 2)
keeps("no such trace", look([0], [0, 1], "--statistics", "none.npz", "--pin-host", 1), "--statistics: none.npz")
keeps("caches without a store", ["--table", save("t.npy", t.x), "--indices", "i.npy", "--offsets", "o.npy", "--row-cache", 1], "go with --store", 2)
victim = open("i.npy", "rb").read()
r = run("lookup", *look([0], [0, 1])[:4], "--indices", "i.npy", "--offsets", "o.npy", "--output", "./i.npy")
ok(r.returncode == 2 and "is the file of --indices" in r.stderr, "the output is the indices", r.stderr)

os.chdir("/")
shutil.rmtree(tmp)
print(f"1..{count}")
sys.exit(failed != 0)
