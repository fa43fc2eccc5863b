# SPDX-License-Identifier: BSD-2-Clause
"""A reader of stores by Documentation/store.rst alone, and FBGEMM's row formats in NumPy: what test_store.sh judges by."""
import glob
import json
import os
import struct

import numpy as np

POLYNOMIAL = 0x82f63b78  # CRC-32C, reflected
TABLE = np.arange(256, dtype=np.uint32)
for _ in range(8):
    TABLE = np.where(TABLE & 1, (TABLE >> np.uint32(1)) ^ np.uint32(POLYNOMIAL), TABLE >> np.uint32(1)).astype(np.uint32)
FORMATS = ["fp32", "fp16", "int8-rowwise", "int4-rowwise"]


def crc32c_rows(a):
    """Of each row of u1 [n][bytes]."""
    crc = np.full(len(a), 0xffffffff, np.uint32)
    for column in a.T:
        crc = TABLE[(crc ^ column) & np.uint32(0xff)] ^ (crc >> np.uint32(8))
    return ~crc


def crc32c(data):
    return int(crc32c_rows(np.frombuffer(bytes(data), np.uint8)[None])[0]) if len(data) < 1000 else crc32c_long(data)


def crc32c_long(data):
    table, crc = TABLE.tolist(), 0xffffffff
    for b in bytes(data):
        crc = table[(crc ^ b) & 0xff] ^ (crc >> 8)
    return crc ^ 0xffffffff


assert crc32c(b"123456789") == 0xe3069283


def encode(x, form):
    """f4 [rows][dim] to u1 [rows][row bytes]."""
    f4, f2 = np.float32, np.float16
    x = np.ascontiguousarray(x, f4)
    if form == "fp32":
        return x.view(np.uint8).reshape(len(x), -1)
    if form == "fp16":
        return x.astype(f2).view(np.uint8).reshape(len(x), -1)
    low, high = x.min(1, keepdims=True), x.max(1, keepdims=True)
    if form == "int8-rowwise":
        q = np.rint((x - low) * (f4(255) / (high - low + f4(1e-8)))).astype(np.uint8)
        return np.hstack([q, np.hstack([(high - low) / f4(255), low]).view(np.uint8)])
    bias = low.astype(f2)
    low = bias.astype(f4)
    scale = np.where(high == low, f4(1), (high - low) / f4(15)).astype(f2)
    scale[scale == 0] = 1
    q = np.clip(np.rint((x - low) * (f4(1) / scale.astype(f4))), 0, 15).astype(np.uint8)
    if q.shape[1] % 2:
        q = np.hstack([q, np.zeros((len(q), 1), np.uint8)])
    return np.hstack([q[:, 0::2] | q[:, 1::2] << 4, np.hstack([scale, bias]).view(np.uint8)])


def read_folder(path):
    """(manifest as text, objects by name)"""
    volume = json.load(open(os.path.join(path, "volume.json")))
    assert volume["magic"] == "smartssd-volume" and volume["version"] == 1
    m = json.load(open(os.path.join(path, "manifest.json")))
    assert m["crc32c"] == crc32c(struct.pack("<Q", m["generation"]) + m["manifest"].encode())
    objects = {os.path.basename(f)[:-4]: np.memmap(f, np.uint8, "r") for f in glob.glob(os.path.join(path, "*.obj"))}
    return volume["uuid"], m["manifest"], objects


def read_raw(path):
    data = np.memmap(path, np.uint8, "r")
    head = bytes(data[:4096])
    magic, version, crc, uuid, slot_bytes = struct.unpack_from("<8sII16sQ", head)
    assert magic == b"SSDSTORE" and version == 1 and slot_bytes == 4 << 20
    assert crc == crc32c_long(head[:12] + bytes(4) + head[16:])
    best = None
    for at in (4096, 4096 + slot_bytes):
        head = bytes(data[at:at + 48])
        magic, owner, sequence, size, crc, _ = struct.unpack("<8s16sQQII", head)
        text = bytes(data[at + 48:at + 48 + size]) if magic == b"SSDSLOT\0" and owner == uuid else b""
        if text and crc == crc32c_long(head[:40] + bytes(4) + head[44:] + text) and (best is None or sequence > best[0]):
            best = (sequence, json.loads(text))
    slot = best[1]
    assert all(at >= 4096 + 2 * slot_bytes and at % 4096 == 0 for _, at, _ in slot["objects"])
    h = uuid.hex()
    return ("-".join((h[:8], h[8:12], h[12:16], h[16:20], h[20:])), slot["manifest"],
            {name: data[at:at + size] for name, at, size in slot["objects"]})


def places(rows, row_bytes, block):
    """Where rows 0.. are, from the first one's place on, and the bytes of whole spans."""
    per = max(block // row_bytes, 1)
    span = -(-row_bytes // block) * block
    r = np.arange(rows)
    return r // per * span + r % per * row_bytes, -(-rows // per) * span


def take(data, at, row_bytes):
    return np.frombuffer(data, np.uint8)[np.asarray(at)[:, None] + np.arange(row_bytes)]


def read_delta(data, generation, rows, row_bytes, block):
    """{row of the shard: its newest bytes}"""
    newest, at, last, first = {}, 0, 0, None
    while at + 56 <= len(data):
        magic, sequence, gen, epoch, count, size, body, head = struct.unpack_from("<8sQQQQQII", data, at)
        if magic != b"SSDDELTA" or head != crc32c(data[at:at + 52]) or gen != generation or sequence != last + 1 or epoch != (first or epoch):
            break
        if not count:  # taken back
            at, last, first = at + size, sequence, epoch
            continue
        if body != crc32c_long(data[at + 56:at + size]):
            break
        numbers = np.frombuffer(data, "<u8", count, at + 56)
        assert (numbers < rows).all()
        begin = at + -(-(56 + 8 * count) // block) * block
        where, length = places(count, row_bytes, block)
        assert begin + length == at + size
        for n, row in zip(numbers.tolist(), take(data, begin + where, row_bytes)):
            newest[n] = row
        at, last, first = at + size, sequence, epoch
    return newest


def read_table(paths, name):
    """u1 [rows][row bytes] with updates, and the manifest's entry; every checksum on the way is looked at."""
    volumes = [read_folder(p) if os.path.isdir(p) else read_raw(p) for p in paths]
    m = json.loads(volumes[0][1])
    assert m["smartssd-store"] == 1 and m["volumes"] == [v[0] for v in volumes]
    t = next(t for t in m["tables"] if t["name"] == name)
    row_bytes = {"fp32": t["dim"] * 4, "fp16": t["dim"] * 2, "int8-rowwise": t["dim"] + 8, "int4-rowwise": (t["dim"] + 1) // 2 + 4}[t["format"]]
    out, crcs = np.zeros((t["rows"], row_bytes), np.uint8), np.zeros(t["rows"], np.uint32)
    for shard in range(t["shards"]):
        objects = volumes[(t["volume"] + shard) % len(volumes)][2]
        rows, crc, delta = (objects[f"{name}.{t['generation']}.{shard}.{part}"] for part in ("rows", "crc", "delta"))
        mine = np.arange(shard, t["rows"], t["shards"])
        h = struct.unpack_from("<8sIIQQIIIII40sI", rows)
        assert h == (b"SSDROWS1", 1, FORMATS.index(t["format"]), len(mine), t["generation"], t["dim"], row_bytes, t["block"], shard, t["shards"],
                     name.encode().ljust(40, b"\0"), crc32c(rows[:92]))
        at, size = places(len(mine), row_bytes, t["block"])
        assert len(rows) == -(-(4096 + size) // 4096) * 4096
        out[mine] = take(rows, 4096 + at, row_bytes)
        crcs[mine] = np.frombuffer(crc, "<u4", len(mine), 4096)
        numbers = mine.astype("<u8").view(np.uint8).reshape(-1, 8)
        assert (crc32c_rows(np.hstack([out[mine], numbers])) == crcs[mine]).all()
        for n, row in read_delta(delta, t["generation"], len(mine), row_bytes, t["block"]).items():
            out[n * t["shards"] + shard] = row
    assert t["crc"] == crc32c_long(crcs.astype("<u4").tobytes())
    return out, t


def same(paths, name, x):
    """Does the table have what NumPy makes of x?"""
    have, t = read_table(paths, name)
    return np.array_equal(have, encode(x, t["format"]))


def flip(path, name, row):
    """One bit of one row; where it lies by the document."""
    have, t = read_table([path], name)
    at, _ = places(t["rows"], have.shape[1], t["block"])
    f = open(os.path.join(path, f"{name}.{t['generation']}.0.rows.obj"), "r+b")
    f.seek(4096 + int(at[row]) + 5)
    byte = f.read(1)[0]
    f.seek(-1, 1)
    f.write(bytes([byte ^ 16]))


def safetensors(path, tensors):
    """{name: (dtype, array)}"""
    header, at = {}, 0
    for name, (dtype, a) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for _, a in tensors.values()))
