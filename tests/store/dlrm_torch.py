# SPDX-License-Identifier: BSD-2-Clause
"""DLRM in PyTorch, by its own modules and its own int8 and int4 embedding bags: a judge of smartssd dlrm that shares nothing with it but the paper."""
import numpy as np
import torch
from torch import nn


def sequence(widths, sigmoid):
    layers = []
    for k in range(len(widths) - 1):
        layers += [nn.Linear(widths[k], widths[k + 1]), nn.Sigmoid() if sigmoid and k + 2 == len(widths) else nn.ReLU()]
    return nn.Sequential(*layers)


class Dlrm(nn.Module):
    def __init__(self, names, rows, dim):
        super().__init__()
        self.bot_l = sequence(names["bot_l"], False)
        self.top_l = sequence(names["top_l"], True)
        self.emb_l = nn.ModuleList(nn.EmbeddingBag(n, dim, mode="sum", include_last_offset=True) for n in rows)

    def pooled(self, t, indices, offsets, form):
        weight = self.emb_l[t].weight
        if form == "int8-rowwise":
            packed = torch.ops.quantized.embedding_bag_byte_prepack(weight)
            return torch.ops.quantized.embedding_bag_byte_rowwise_offsets(packed, indices, offsets, mode=0, include_last_offset=True)
        if form == "int4-rowwise":
            packed = torch.ops.quantized.embedding_bag_4bit_prepack(weight)
            return torch.ops.quantized.embedding_bag_4bit_rowwise_offsets(packed, indices, offsets, mode=0, include_last_offset=True)
        if form == "fp16":
            return nn.functional.embedding_bag(indices, weight.half().float(), offsets, mode="sum", include_last_offset=True)
        return self.emb_l[t](indices, offsets)

    def forward(self, dense, bags, form):
        x = self.bot_l(dense)
        v = torch.stack([x] + [self.pooled(t, *bag, form) for t, bag in enumerate(bags)], 1)
        dots = torch.bmm(v, v.transpose(1, 2))
        i, j = zip(*[(i, j) for i in range(v.shape[1]) for j in range(i)])
        return self.top_l(torch.cat([x, dots[:, i, j]], 1))[:, 0]


def random_weights(seed, names, rows, dim):
    torch.manual_seed(seed)
    model = Dlrm(names, rows, dim)
    for t, e in enumerate(model.emb_l):
        nn.init.uniform_(e.weight, -rows[t] ** -0.5, rows[t] ** -0.5)
    nn.init.normal_(model.top_l[-2].weight)  # else all probabilities are about the same
    return {name: a.numpy() for name, a in model.state_dict().items()}


@torch.no_grad()
def forward(weights, names, dense, bags, tables, form):
    model = Dlrm(names, [len(weights[f"emb_l.{t}.weight"]) for t in range(tables)], weights["emb_l.0.weight"].shape[1])
    model.load_state_dict({name: torch.from_numpy(a) for name, a in weights.items()})
    parts = []
    for t in range(tables):
        mine = bags[t::tables]
        offsets = torch.tensor(np.concatenate([[0], np.cumsum([len(b) for b in mine])]), dtype=torch.int64)
        parts.append((torch.from_numpy(np.concatenate(mine).astype("i8")), offsets))
    return model(torch.from_numpy(dense), parts, form).numpy().astype("f8")
