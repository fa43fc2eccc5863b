# SPDX-License-Identifier: BSD-2-Clause
# operators.py TOOL [SEED]: TAP on standard output. conv2d and lookup on random NumPy files against NumPy's own arithmetic.
import json, os, random, shutil, subprocess, sys, tempfile
import numpy as np

tool, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else random.SystemRandom().randrange(1 << 32)
rng = np.random.default_rng(seed)
tmp = tempfile.mkdtemp()
os.environ.pop("SMARTSSD_DEVICE", None)
count = failed = 0
print(f"# seed {seed}", flush=True)

def ok(good, name, why=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'' if good else 'not '}ok {count} {name}", flush=True)
    if not good:
        print(f"# {why}", flush=True)

def path(name):
    return os.path.join(tmp, name)

def save(name, array, version=None):
    with open(path(name), "wb") as f:
        np.lib.format.write_array(f, np.asarray(array, order="C"), version=version)
    return path(name)

def run(*args):
    return subprocess.run([tool, *map(str, args)], capture_output=True, text=True)

def judge(name, args, want, close=None):
    """Run with --json, compare the output file; @close: bound per element, None: exact."""
    if os.path.exists(path("y.npy")):
        os.unlink(path("y.npy"))
    r = run(*args, "--output", path("y.npy"), "--json")
    if r.returncode:
        return ok(False, name, f"exit {r.returncode}: {r.stderr.strip()} ({' '.join(map(str, args))})")
    y = np.load(path("y.npy"))
    if y.dtype != want.dtype or y.shape != want.shape:
        return ok(False, name, f"{y.dtype}{y.shape}, not {want.dtype}{want.shape}")
    if close is None:
        bad = y != want
    else:
        bad = ~(np.abs(y.astype(np.float64) - want) <= close)
    if bad.any():
        at = np.argwhere(bad)[0]
        return ok(False, name, f"{bad.sum()} of {y.size} differ; at {tuple(at)}: {y[tuple(at)]}, not {want[tuple(at)]} ({' '.join(map(str, args))})")
    try:
        j = json.loads(r.stdout)
        assert j["shape"] == list(want.shape) and j["path"] in ("peer", "bounce") and j["commands"] >= j["jobs"] and j["seconds"] >= 0
        assert j["bytes"]["host_link"] == sum(j["bytes"][k] for k in ("host_to_card", "card_to_host", "bounce_read", "bounce_write"))
    except Exception as e:
        return ok(False, name, f"--json: {e!r}: {r.stdout}")
    ok(True, name)
    return j

def conv2d(x, w, bias, xs, xz, ws, wz, ys, yz, ytype, stride, pad, dilation, group, clip):
    n, c, h, wd = x.shape
    m, cg, kh, kw = w.shape
    xp = np.zeros((n, c, h + pad[0] + pad[2], wd + pad[1] + pad[3]), np.int64)
    xp[:, :, pad[0]:pad[0] + h, pad[1]:pad[1] + wd] = x.astype(np.int64) - xz
    wi = w.astype(np.int64) - np.asarray(wz, np.int64).reshape(-1, 1, 1, 1)
    oh = (xp.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (xp.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    acc = np.zeros((n, m, oh, ow), np.int64)
    for g in range(group):
        ms = slice(g * m // group, (g + 1) * m // group)
        for a in range(kh):
            for b in range(kw):
                part = xp[:, g * cg:(g + 1) * cg, a * dilation[0]:, b * dilation[1]:][:, :, ::stride[0], ::stride[1]][:, :, :oh, :ow]
                acc[:, ms] += np.einsum("ncij,mc->nmij", part, wi[ms, :, a, b])
    if bias is not None:
        acc += bias.astype(np.int64).reshape(1, -1, 1, 1)
    acc = np.clip(acc, -2**31, 2**31 - 1)
    mult = (np.float32(xs) * np.broadcast_to(np.asarray(ws, np.float32), m)) / np.float32(ys)
    v = np.rint(acc.astype(np.float32) * mult.astype(np.float32).reshape(1, -1, 1, 1)).astype(np.float64) + yz
    return np.clip(v, clip[0], clip[1]).astype(ytype)

LIMITS = {"u1": (0, 255), "i1": (-128, 127)}

def conv_case(name, x_shape, w_shape, group=1, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), xt="u1", wt="i1", yt=None, bias=True,
              per_filter=True, clip=False, device=None, version=None):
    x = rng.integers(LIMITS[xt][0], LIMITS[xt][1] + 1, x_shape).astype(xt)
    w = rng.integers(LIMITS[wt][0], LIMITS[wt][1] + 1, w_shape).astype(wt)
    m = w_shape[0]
    b = rng.integers(-20000, 20000, m).astype("i4") if bias else None
    nr = m if per_filter else 1
    xs, ys = np.float32(rng.uniform(0.005, 0.05)), np.float32(rng.uniform(0.2, 2))
    ws = rng.uniform(0.001, 0.02, nr).astype("f4")
    xz = int(rng.integers(LIMITS[xt][0], LIMITS[xt][1] + 1))
    wz = rng.integers(-9, 10, nr).astype("i1") if wt == "i1" else rng.integers(110, 140, nr).astype("u1")
    out = yt or xt
    yz = int(rng.integers(LIMITS[out][0], LIMITS[out][1] + 1))
    lo_hi = (yz, LIMITS[out][1]) if clip else LIMITS[out]
    args = ["conv2d", "--input", save("x.npy", x, version), "--weight", save("w.npy", w, version), "--x-scale", repr(float(xs)), "--x-zero-point", xz,
            "--w-scale", save("ws.npy", ws, version) if per_filter else repr(float(ws[0])),
            "--w-zero-point", save("wz.npy", wz, version) if per_filter else int(wz[0]),
            "--y-scale", save("ys.npy", ys), "--y-zero-point", yz if yt is None else save("yz.npy", np.array(yz, yt)),
            "--stride", "%d,%d" % stride, "--pad", "%d,%d,%d,%d" % pad, "--dilation", "%d,%d" % dilation, "--group", group]
    if bias:
        args += ["--bias", save("b.npy", b, version)]
    if clip:
        args += ["--clip", "%d,%d" % lo_hi]
    if device:
        args += ["--device", device]
    return judge("conv2d: " + name, args, conv2d(x, w, b, xs, xz, ws, wz, ys, yz, out, stride, pad, dilation, group, lo_hi))

j = conv_case("3x3, u1 by i1, per-filter scales and zero points, bias", (1, 8, 14, 15), (12, 8, 3, 3), pad=(1, 1, 1, 1))
ok(bool(j) and j["path"] == "peer" and j["bytes"]["ssd_to_card"] > 0 and j["bytes"]["bounce_read"] == 0, "conv2d: data came peer to peer", j)
conv_case("1x1, i1 by i1, one scale, no bias", (2, 16, 7, 9), (5, 16, 1, 1), xt="i1", per_filter=False, bias=False)
conv_case("7x7 stride 2 of 3 channels, u1 by u1", (1, 3, 37, 41), (8, 3, 7, 7), stride=(2, 2), pad=(3, 3, 3, 3), wt="u1")
conv_case("depthwise 3x3", (1, 12, 11, 10), (12, 1, 3, 3), group=12, pad=(1, 1, 1, 1))
conv_case("3 groups, dilation 2,3", (1, 6, 20, 21), (9, 2, 3, 3), group=3, dilation=(2, 3))
conv_case("pad larger than the kernel, uneven", (1, 2, 5, 6), (3, 2, 2, 3), pad=(4, 0, 1, 5), stride=(3, 1))
conv_case("output i1 from input u1 by a .npy zero point", (1, 4, 9, 9), (4, 4, 3, 3), yt="i1")
conv_case("fused ReLU by --clip", (1, 4, 9, 9), (4, 4, 3, 3), clip=True)
conv_case("format version 2.0 files", (1, 4, 9, 9), (4, 4, 3, 3), version=(2, 0))
j = conv_case("a card without a peer path", (1, 4, 30, 30), (4, 4, 3, 3), device="emu:peer=off")
ok(bool(j) and j["path"] == "bounce" and j["peer_reason"] != "ok" and j["bytes"]["bounce_read"] > 0 and j["bytes"]["ssd_to_card"] == 0,
   "conv2d: bounced, and says so", j)
conv_case("an image of several tiles", (1, 3, 700, 900), (8, 3, 7, 7), stride=(2, 2), pad=(3, 3, 3, 3))
for i in range(10):
    g = int(rng.choice([1, 1, 2, 4]))
    c, m = g * int(rng.integers(1, 6)), g * int(rng.integers(1, 7))
    k = tuple(int(v) for v in rng.integers(1, 6, 2))
    d = tuple(int(v) for v in rng.integers(1, 3, 2))
    size = [int(rng.integers(1, 25)) + (k[a] - 1) * d[a] for a in (0, 1)]
    conv_case(f"random layer {i}", (int(rng.integers(1, 3)), c, *size), (m, c // g, *k), group=g, stride=tuple(int(v) for v in rng.integers(1, 4, 2)),
              pad=tuple(int(v) for v in rng.integers(0, 4, 4)), dilation=d, xt=str(rng.choice(["u1", "i1"])), wt=str(rng.choice(["u1", "i1"])),
              yt=rng.choice([None, "u1", "i1"]), bias=bool(rng.integers(2)), per_filter=bool(rng.integers(2)), clip=bool(rng.integers(2)))

def lookup_case(name, fmt, rows, dim, bags, mode="sum", weighted=False, it="i8", ot="i8", explicit=False, device=None, most=30):
    sizes = rng.integers(0, most, bags)
    sizes[rng.integers(0, bags)] = 0
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    total = int(offsets[-1])
    indices = rng.integers(0, rows, total)
    if total > 2:
        indices[1] = indices[0]
        indices[-1] = rows - 1
    extra = 2
    if fmt == "int8-rowwise":
        q = rng.integers(0, 256, (rows, dim)).astype("u1")
        sb = np.stack([rng.uniform(0.001, 0.1, rows), rng.uniform(-5, 5, rows)], 1).astype("f4")
        table = np.concatenate([q, sb.view("u1").reshape(rows, 8)], 1)
        values = q.astype(np.float64) * sb[:, :1].astype(np.float64) + sb[:, 1:].astype(np.float64)
        magnitude = np.abs(q.astype(np.float64) * sb[:, :1]) + np.abs(sb[:, 1:].astype(np.float64))
        extra = 4
    elif fmt == "int4-rowwise":
        q = rng.integers(0, 16, (rows, dim)).astype("u1")
        sb = np.stack([rng.uniform(0.001, 0.1, rows), rng.uniform(-5, 5, rows)], 1).astype("f2")
        table = np.concatenate([q[:, 0::2] | q[:, 1::2] << 4, sb.view("u1").reshape(rows, 4)], 1)
        values = q.astype(np.float64) * sb[:, :1].astype(np.float64) + sb[:, 1:].astype(np.float64)
        magnitude = np.abs(q * sb[:, :1].astype(np.float64)) + np.abs(sb[:, 1:].astype(np.float64))
        extra = 4
    else:
        table = rng.normal(size=(rows, dim)).astype("f4" if fmt == "fp32" else "f2")
        values = table.astype(np.float64)
        magnitude = np.abs(values)
    p = rng.normal(size=total).astype("f4")
    want, bound = np.zeros((bags, dim)), np.zeros((bags, dim))
    for b in range(bags):
        s = slice(offsets[b], offsets[b + 1])
        f = p[s].astype(np.float64)[:, None] if weighted else 1.0
        n = s.stop - s.start
        want[b] = (values[indices[s]] * f).sum(0)
        bound[b] = (n + extra) * 2.0**-24 * (magnitude[indices[s]] * np.abs(f)).sum(0)
        if mode == "mean" and n:
            want[b] /= n
            bound[b] = bound[b] / n
    # (a denormal's worth, for results that are all but zero)
    args = ["lookup", "--table", save("t.npy", table), "--indices", save("i.npy", indices.astype(it)), "--offsets", save("o.npy", offsets.astype(ot)),
            "--mode", mode]
    if explicit or table.dtype == np.uint8:
        args += ["--format", fmt]
    if weighted:
        args += ["--weights", save("p.npy", p)]
    if device:
        args += ["--device", device]
    if os.path.exists(path("y.npy")):
        os.unlink(path("y.npy"))
    r = run(*args, "--output", path("y.npy"), "--json")
    if r.returncode:
        return ok(False, "lookup: " + name, f"exit {r.returncode}: {r.stderr.strip()}")
    y = np.load(path("y.npy"))
    good = y.dtype == np.float32 and y.shape == want.shape and bool((np.abs(y - want) <= bound + 1e-40).all())
    try:
        j = json.loads(r.stdout)
        good = good and j["lookups"] == total
    except ValueError as e:
        return ok(False, "lookup: " + name, f"--json: {e}")
    ok(good, "lookup: " + name, f"largest error {np.abs(y - want).max() if y.shape == want.shape else (y.dtype, y.shape)}")
    return j

lookup_case("fp32, sum, i8", "fp32", 1000, 32, 50)
lookup_case("fp32, sum, i4 indices and offsets", "fp32", 1000, 64, 20, it="i4", ot="i4")
lookup_case("fp16, mean", "fp16", 500, 48, 30, mode="mean")
lookup_case("fp16 said explicitly, weighted, mixed integers", "fp16", 333, 7, 30, weighted=True, explicit=True, it="i4")
lookup_case("int8-rowwise, sum", "int8-rowwise", 700, 40, 25)
lookup_case("int8-rowwise, mean, odd rows", "int8-rowwise", 700, 33, 25, mode="mean")
lookup_case("int8-rowwise, weighted", "int8-rowwise", 90, 5, 9, weighted=True)
lookup_case("int4-rowwise, sum", "int4-rowwise", 700, 64, 25)
lookup_case("int4-rowwise, weighted, two elements", "int4-rowwise", 90, 2, 9, weighted=True)
lookup_case("int4-rowwise, mean, many bags of a larger table", "int4-rowwise", 60000, 30, 2000, mode="mean")
lookup_case("one row, one element", "fp32", 1, 1, 3)
lookup_case("long rows", "fp32", 40, 4096, 3)
lookup_case("a larger table, many bags", "fp32", 60000, 16, 2000)
j = lookup_case("a card without a peer path", "fp32", 1000, 32, 20, device="emu:peer=off")
ok(bool(j) and j["path"] == "bounce" and j["bytes"]["bounce_read"] > 0, "lookup: bounced, and says so", j)
for i in range(6):
    fmt = str(rng.choice(["fp32", "fp16", "int8-rowwise", "int4-rowwise"]))
    mode = str(rng.choice(["sum", "mean"]))
    dim = int(rng.integers(1, 100)) * (2 if fmt == "int4-rowwise" else 1)
    lookup_case(f"random case {i}", fmt, int(rng.integers(1, 3000)), dim, int(rng.integers(1, 200)), mode=mode,
                weighted=mode == "sum" and bool(rng.integers(2)), it=str(rng.choice(["i4", "i8"])), ot=str(rng.choice(["i4", "i8"])))

# Nothing is written when it fails, and what was there stays.
def keeps(name, args, text, code=1):
    with open(path("y.npy"), "wb") as f:
        f.write(b"precious")
    before = sorted(os.listdir(tmp))
    r = run(*args, "--output", path("y.npy"))
    lines = r.stderr.strip().split("\n")
    good = r.returncode == code and len(lines) == 1 and text in lines[0] and open(path("y.npy"), "rb").read() == b"precious" and sorted(os.listdir(tmp)) == before
    ok(good, name, f"exit {r.returncode}: {r.stderr!r}")

t, o = save("t.npy", np.zeros((10, 4), "f4")), save("o.npy", np.array([0, 2, 5]))
look = ["lookup", "--table", t, "--offsets", o, "--indices"]
keeps("lookup: an index beyond the table names index and position", look + [save("i.npy", np.array([0, 1, 2, 10, 4]))], "10")
keeps("lookup: a negative index", look + [save("i.npy", np.array([0, 1, -3, 1, 4]))], "-3")
i5 = save("i.npy", np.arange(5))
keeps("lookup: offsets that do not end at the lookups", look[:3] + ["--offsets", save("o2.npy", np.array([0, 2, 4])), "--indices", i5], "offsets")
keeps("lookup: offsets that decrease", look[:3] + ["--offsets", save("o3.npy", np.array([0, 4, 3, 5])), "--indices", i5], "offsets")
keeps("lookup: offsets that do not begin at 0", look[:3] + ["--offsets", save("o4.npy", np.array([1, 3, 5])), "--indices", i5], "offsets")
keeps("lookup: peer required, none there", look + [i5, "--p2p", "require", "--device", "emu:peer=off"], "peer")
# Which unit is whose is not this test's business: exactly one of them is lookup's.
crashed = [run(*look, i5, "--output", path("y2.npy"), "--device", f"emu:fault=crash:{cu}").returncode for cu in range(3)]
if os.path.exists(path("y2.npy")):
    os.unlink(path("y2.npy"))
ok(sorted(crashed) == [0, 0, 1], "lookup: a crash of its unit is a failure, one of another's is not", crashed)
keeps("lookup: its unit crashes", look + [i5, "--device", f"emu:fault=crash:{crashed.index(1) if 1 in crashed else 0}"], "embedding_bag")
x, w = save("x.npy", np.zeros((1, 4, 8, 8), "u1")), save("w.npy", np.zeros((2, 3, 3, 3), "i1"))
conv = ["conv2d", "--input", x, "--weight", w, "--x-scale", 1, "--x-zero-point", 0, "--w-scale", 1, "--w-zero-point", 0, "--y-scale", 1, "--y-zero-point", 0]
keeps("conv2d: channels that do not match", conv, "channel")
keeps("conv2d: a kernel larger than the image", conv[:4] + [save("w2.npy", np.zeros((2, 4, 9, 9), "i1"))] + conv[5:], "")
keeps("conv2d: filters that no group divides", conv[:4] + [save("w3.npy", np.zeros((3, 2, 3, 3), "i1"))] + conv[5:] + ["--group", 2], "group")

# An output that is one of the inputs, by whatever name
def spares(name, args, option, victim):
    before = open(victim, "rb").read()
    alias = path("alias.npy")
    os.symlink(victim, alias)
    r = run(*args, "--output", alias)
    os.unlink(alias)
    ok(r.returncode == 2 and f"is the file of --{option}" in r.stderr and open(victim, "rb").read() == before, name, f"exit {r.returncode}: {r.stderr!r}")

spares("lookup: the output is the table", look + [i5], "table", t)
spares("lookup: the output is the indices", look + [i5], "indices", i5)
spares("conv2d: the output is the input", conv, "input", x)
spares("conv2d: the output is the weights", conv, "weight", w)

shutil.rmtree(tmp)
print(f"1..{count}")
sys.exit(failed != 0)
