#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The embedded card's pooling against PyTorch's EmbeddingBag: a table in memory, 1M x 64, 80 lookups for each bag, one thread each, on the same core in the same run, taking turns. Ours
is all of it: command list, registers, the worker process that runs the kernel (tests/bench/bench_card.c). Times are the clock's, as our side is two processes.

    pooling.py [PROGRAM [ROUNDS]]     PROGRAM: bench_card (default build/tests/bench/bench_card)

Exit status 77: there is no PyTorch.
"""
import math
import os
import subprocess
import sys
import time

try:
    import torch
except ImportError:
    print("pooling.py: no PyTorch here (Debian: python3-torch), nothing to compare with")
    sys.exit(77)

TARGETS = {"fp32": 0.8, "int8-rowwise": 4.0, "int4-rowwise": None}


def torch_operator(name, rows, dim, pool, bags):
    indices = torch.randint(0, rows, (bags * pool,))
    offsets = torch.arange(0, bags * pool, pool)
    table = torch.rand(rows, dim) * 2 - 1
    if name == "fp32":
        bag = torch.nn.EmbeddingBag.from_pretrained(table, mode="sum")
        return lambda: bag(indices, offsets)
    ops = torch.ops.quantized
    if name == "int8-rowwise":
        packed = ops.embedding_bag_byte_prepack(table)
        return lambda: ops.embedding_bag_byte_rowwise_offsets(packed, indices, offsets, False, 0, False, None, None, False)
    packed = ops.embedding_bag_4bit_prepack(table)
    return lambda: ops.embedding_bag_4bit_rowwise_offsets(packed, indices, offsets, False, 0, False, None, None, False)


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 11
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    server = subprocess.Popen([sys.argv[1] if len(sys.argv) > 1 else "build/tests/bench/bench_card", "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    shape = list(map(int, server.stdout.readline().split()))
    lookups = shape[2] * shape[3]

    def ours(name):
        server.stdin.write(name + "\n")
        server.stdin.flush()
        return float(server.stdout.readline())

    print(f"pooling on the embedded card against PyTorch {torch.__version__}, {shape[0]} x {shape[1]}, pooling {shape[2]}, one core, {rounds} rounds")
    for name, target in TARGETS.items():
        operator, mine, theirs = torch_operator(name, *shape), [], []
        runs = 1 if name == "int8-rowwise" else 2
        with torch.no_grad():
            ours(name)
            operator()
            for number in range(rounds):
                for side in (0, 1) if number % 2 else (1, 0):
                    if side:
                        mine.append(ours(name))
                        continue
                    start = time.monotonic()
                    for _ in range(runs):
                        operator()
                    theirs.append((time.monotonic() - start) / (runs * lookups))
        ratio = geometric_mean([b / a for a, b in zip(mine, theirs)])
        print(f"  {name:13s} {1e-6 / geometric_mean(mine):7.1f} M rows/s against {1e-6 / geometric_mean(theirs):7.1f}: {ratio:.2f}x (of least times {min(theirs) / min(mine):.2f}x), "
              + (f"target {target}x: " + ("met" if ratio >= target else "NOT MET") if target else "for information"))
    server.stdin.close()
    server.wait()


main()
