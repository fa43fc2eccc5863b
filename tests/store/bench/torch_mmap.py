#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
PyTorch's EmbeddingBag over mapped tables, as a way of lookups.c, which calls it:

    torch_mmap.py GROUP INDICES "TABLES DIM LOOKUPS BATCH ROWS THREADS" OFFSET:FILE...

It joins the memory group when PyTorch is loaded, so that the limit is for what comes then. Exit status 77: there is no PyTorch.
"""
import resource
import sys
import time

try:
    import numpy
    import torch
except ImportError:
    print("torch_mmap.py: no PyTorch here (Debian: python3-torch)", file=sys.stderr)
    sys.exit(77)


def main():
    group, indices, shape = sys.argv[1:4]
    tables, dim, lookups, batch, rows, threads = map(int, shape.split())
    torch.set_num_threads(threads)
    indices = torch.from_numpy(numpy.fromfile(indices, dtype=numpy.int64).reshape(-1, tables, batch * lookups))
    offsets = torch.arange(0, batch * lookups, lookups)
    weights = (2 * numpy.arange(tables * batch * dim, dtype=numpy.uint64) + 1)
    if group:
        with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
            f.write("0")
    bags = []
    for table in sys.argv[4:]:
        offset, path = table.split(":", 1)
        mapped = numpy.memmap(path, dtype=numpy.float32, mode="c", offset=int(offset), shape=(rows, dim))
        bags.append(torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(mapped), mode="sum"))
    print("ready", flush=True)
    for line in sys.stdin:
        if not line.startswith("run"):
            print(flush=True)
            continue
        first, end = map(int, line.split()[1:])
        digest = numpy.uint64(0)
        start, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        with torch.no_grad(), numpy.errstate(over="ignore"):
            for number in range(first, end):
                y = numpy.concatenate([bag(indices[number, t], offsets).numpy().ravel() for t, bag in enumerate(bags)])
                digest += (y.astype(numpy.int64).view(numpy.uint64) * (weights + numpy.uint64(2 * number * y.size))).sum(dtype=numpy.uint64)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(time.monotonic() - start, used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime, digest, flush=True)


main()
