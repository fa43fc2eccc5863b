#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
nn_conv's fast version against PyTorch's quantised convolution (oneDNN, one thread): ResNet-50's convolutions, batch 1, on the same core in the
same run, taking turns: in each round a layer by one and then by the other, about a millisecond each, in changing order. A machine that is shared changes its
speed from one millisecond to the next, for both: so the ratio is the median of the rounds' ratios. Times are the least of all rounds, when nobody
disturbed; what they say of the ratio is printed, too.

    bench_nn_conv.py PROGRAM [ROUNDS]       PROGRAM: bench_nn_conv; 31 rounds take some 5 seconds

Exit status 77: there is no PyTorch, or it lacks oneDNN.
"""
import math
import statistics
import subprocess
import sys
import time

try:
    import torch
except ImportError:
    print("bench_nn_conv.py: no PyTorch here (Debian: python3-torch), nothing to compare with")
    sys.exit(77)
if "onednn" not in torch.backends.quantized.supported_engines:
    print("bench_nn_conv.py: this PyTorch has no oneDNN, nothing to compare with")
    sys.exit(77)


class Layer:
    def __init__(self, line):
        (self.channels, self.in_h, self.in_w, self.filters, self.kernel_h, self.kernel_w, self.stride_h, self.stride_w,
         self.times, self.macs) = map(int, line.split())
        self.ours, self.theirs = [], []

    def name(self):
        if self.stem():
            return "7x7/2     3->64   224"
        return f"{self.kernel_h}x{self.kernel_w}/{self.stride_h} {self.channels:5d}->{self.filters:<4d} {self.in_h}"

    def stem(self):
        return self.kernel_h == 7

    def torch_operator(self):
        """The convolution as PyTorch has it; the first one is unfolded for nn_conv, but not for PyTorch."""
        channels, kernel, size = (3, 7, 224) if self.stem() else (self.channels, self.kernel_h, self.in_h)
        x = torch.quantize_per_tensor(torch.rand(1, channels, size, size), 0.02, 0, torch.quint8)
        x = x.contiguous(memory_format=torch.channels_last)
        scales = torch.full((self.filters,), 0.01, dtype=torch.double)
        zeros = torch.zeros(self.filters, dtype=torch.long)
        w = torch.quantize_per_channel(torch.randn(self.filters, channels, kernel, kernel) * 0.05, scales, zeros, 0, torch.qint8)
        conv = torch.nn.quantized.Conv2d(channels, self.filters, kernel, stride=self.stride_h, padding=kernel // 2)
        conv.set_weight_bias(w, torch.zeros(self.filters))
        packed, operator = conv._packed_params, torch.ops.quantized.conv2d
        return lambda: operator(x, packed, 0.05, 0)

    def seconds(self):
        return min(self.ours), min(self.theirs)

    def ratio(self):
        return statistics.median(theirs / ours for ours, theirs in zip(self.ours, self.theirs))


def measure(run, macs):
    """Seconds of one run, the mean over about a millisecond of them: processor time, as the C program measures it."""
    runs = 1 + int(3e8 / macs)
    run()
    start = time.thread_time()
    for _ in range(runs):
        run()
    return (time.thread_time() - start) / runs


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def group(title, layers):
    ratios = [l.ratio() for l in layers]
    least = [theirs / ours for ours, theirs in (l.seconds() for l in layers)]
    ours = sum(l.seconds()[0] * l.times for l in layers)
    theirs = sum(l.seconds()[1] * l.times for l in layers)
    print(f"{title:26s} geometric mean {geometric_mean(ratios):.2f}x (of least times {geometric_mean(least):.2f}x), slowest {min(ratios):.2f}x; "
          f"all of them as often as the network has them: {ours * 1e3:.2f} ms against {theirs * 1e3:.2f} ms, {theirs / ours:.2f}x")


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 31
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "onednn"
    server = subprocess.Popen([sys.argv[1], "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    layers = [Layer(line) for line in iter(server.stdout.readline, "\n")]
    for layer in layers:
        layer.run = layer.torch_operator()
    with torch.no_grad():
        for number in range(rounds):
            for i, layer in enumerate(layers):
                if number % 2:
                    layer.theirs.append(measure(layer.run, layer.macs))
                server.stdin.write(f"avx512 {i}\n")
                server.stdin.flush()
                reply = server.stdout.readline()
                if not reply:
                    print("bench_nn_conv.py: this processor has no AVX-512 VNNI; PyTorch's figures would be of another instruction set")
                    sys.exit(77)
                layer.ours.append(float(reply))
                if number % 2 == 0:
                    layer.theirs.append(measure(layer.run, layer.macs))
    server.stdin.close()
    server.wait()

    print(f"nn_conv (AVX-512) against PyTorch {torch.__version__} (oneDNN), one thread, batch 1: least times and median ratios of {rounds} rounds")
    for layer in layers:
        ours, theirs = layer.seconds()
        print(f"  {layer.name():24s} {ours * 1e6:8.1f} us {layer.macs / ours * 1e-9:6.1f} GMAC/s   "
              f"{theirs * 1e6:8.1f} us {layer.macs / theirs * 1e-9:6.1f} GMAC/s   {layer.ratio():5.2f}x")
    group("3x3 (target 1.0x):", [l for l in layers if l.kernel_h == 3])
    group("1x1 (target 1.2x):", [l for l in layers if l.kernel_h == 1])
    group("all 53:", layers)


main()
