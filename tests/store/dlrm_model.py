# SPDX-License-Identifier: BSD-2-Clause
"""A small DLRM for dlrm.sh: `dlrm_model.py FOLDER` writes its weights as PyTorch names them, config.json, a trace, dense features, and the probabilities that are right, by NumPy in
double: want-FORMAT.npy. Where PyTorch is there, the weights are those of its own modules, and want-torch-FORMAT.npy are its results (dlrm_torch.py)."""
import json
import os
import sys

import numpy as np
import store

SEED = int(os.environ["SEED"])
DIM, DENSE, QUERIES, ROWS = 16, 13, 203, [300, 50, 1000, 7]
BOTTOM, TOP = [40, DIM], [30, 20, 1]
INTERACTION = DIM + (len(ROWS) + 1) * len(ROWS) // 2
NAMES = {"bot_l": [DENSE] + BOTTOM, "top_l": [INTERACTION] + TOP}
folder = sys.argv[1]
rng = np.random.default_rng(SEED)


def random_weights():
    w = {}
    for name, widths in NAMES.items():
        for k in range(len(widths) - 1):
            w[f"{name}.{2 * k}.weight"] = rng.standard_normal((widths[k + 1], widths[k])) * np.sqrt(2 / (widths[k] + widths[k + 1]))
            w[f"{name}.{2 * k}.bias"] = rng.standard_normal(widths[k + 1]) * np.sqrt(1 / widths[k + 1])
    for t, rows in enumerate(ROWS):
        w[f"emb_l.{t}.weight"] = rng.uniform(-1, 1, (rows, DIM)) / np.sqrt(rows)
    return {name: a.astype("f4") for name, a in w.items()}


def decode(rows, form):
    """What store.encode() made, in double."""
    if form in ("fp32", "fp16"):
        return rows.view("f4" if form == "fp32" else "f2").astype("f8")
    if form == "int8-rowwise":
        pair = np.ascontiguousarray(rows[:, -8:]).view("f4").astype("f8")
        return rows[:, :-8] * pair[:, :1] + pair[:, 1:]
    pair = np.ascontiguousarray(rows[:, -4:]).view("f2").astype("f8")
    return np.stack([rows[:, :-4] & 15, rows[:, :-4] >> 4], 2).reshape(len(rows), -1)[:, :DIM] * pair[:, :1] + pair[:, 1:]


def mlp(w, name, x):
    layers = len(NAMES[name]) - 1
    for k in range(layers):
        x = x @ w[f"{name}.{2 * k}.weight"].T.astype("f8") + w[f"{name}.{2 * k}.bias"]
        if name == "bot_l" or k + 1 < layers:
            x = np.maximum(x, 0)
    return x


def forward(w, dense, bags, form):
    x = mlp(w, "bot_l", dense.astype("f8"))
    v = [x]
    for t in range(len(ROWS)):
        rows = decode(store.encode(w[f"emb_l.{t}.weight"], form), form)
        v.append(np.array([rows[bag].sum(0) for bag in bags[t::len(ROWS)]]))
    z = np.hstack([x] + [(v[i] * v[j]).sum(1, keepdims=True) for i in range(len(v)) for j in range(i)])
    return 1 / (1 + np.exp(-mlp(w, "top_l", z)[:, 0]))


try:
    import dlrm_torch
except ImportError:
    dlrm_torch = None
weights = dlrm_torch.random_weights(SEED, NAMES, ROWS, DIM) if dlrm_torch else random_weights()
dense = rng.standard_normal((QUERIES, DENSE)).astype("f4")
# In the order query, table; some empty, some with a row twice
bags = [rng.integers(0, ROWS[b % len(ROWS)], rng.integers(0, 25)) for b in range(QUERIES * len(ROWS))]
offsets = np.concatenate([[0], np.cumsum([len(b) for b in bags])]).astype("i8")
model = {"model_name": "small", "arch_mlp_bot": "-".join(map(str, NAMES["bot_l"])), "arch_mlp_top": "-".join(map(str, TOP)), "arch_embedding_size": "-".join(map(str, ROWS)),
         "arch_sparse_feature_size": DIM, "num_indices_per_lookup": 12}
store.safetensors(f"{folder}/w.safetensors", {name: ("F32", a) for name, a in weights.items()})
json.dump(model, open(f"{folder}/config.json", "w"))
np.savez(f"{folder}/trace.npz", offsets=offsets, indices=np.concatenate(bags).astype("i8"), model=np.frombuffer(json.dumps(model).encode(), np.uint8))
np.save(f"{folder}/dense.npy", dense)
for form in store.FORMATS:
    want = forward(weights, dense, bags, form)
    np.save(f"{folder}/want-{form}.npy", want)
    if dlrm_torch:
        theirs = dlrm_torch.forward(weights, NAMES, dense, bags, len(ROWS), form)
        assert np.abs(theirs - want).max() < 2e-6, (form, np.abs(theirs - want).max())
        np.save(f"{folder}/want-torch-{form}.npy", theirs)
# It is no test when all queries are alike.
assert np.std(want) > 0.01, np.std(want)
