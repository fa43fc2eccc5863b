#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""PyTorch's quantised ResNet-50, to compare with: FX graph mode quantisation, engine oneDNN, one thread, batch 1, random weights.

    bench_torch_resnet50.py [ROUNDS] [--engine onednn|fbgemm] [--fp32]

Prints "torch_resnet50_int8_ms MEDIAN", and on a line with # before it the least and the largest time of the rounds. Without PyTorch, or
without that engine: exit 77. The network is defined here, so torchvision is not needed.
"""
import sys
import time
import warnings

warnings.filterwarnings("ignore")
try:
    import torch
    from torch import nn
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
except ImportError as e:
    print("# SKIP no PyTorch with quantisation here (Debian: python3-torch): %s" % e)
    sys.exit(77)


def conv(i, o, k=1, stride=1):
    return nn.Conv2d(i, o, k, stride, k // 2, bias=False)


class Bottleneck(nn.Module):
    def __init__(self, i, width, stride):
        super().__init__()
        o = 4 * width
        self.a, self.an, self.ar = conv(i, width), nn.BatchNorm2d(width), nn.ReLU()
        self.b, self.bn, self.br = conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU()
        self.c, self.cn = conv(width, o), nn.BatchNorm2d(o)
        self.skip = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o)) if i != o or stride != 1 else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x):
        y = self.br(self.bn(self.b(self.ar(self.an(self.a(x))))))
        return self.relu(self.cn(self.c(y)) + self.skip(x))


class ResNet50(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1)
        blocks, i = [], 64
        for stage, n in enumerate((3, 4, 6, 3)):
            for block in range(n):
                blocks.append(Bottleneck(i, 64 << stage, 2 if stage and not block else 1))
                i = 4 * (64 << stage)
        self.blocks = nn.Sequential(*blocks)
        self.mean, self.flat, self.fc = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(i, 1000)

    def forward(self, x):
        return self.fc(self.flat(self.mean(self.blocks(self.pool(self.stem(x))))))


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    rounds = int(args[0]) if args and args[0].isdigit() else 30
    engine = sys.argv[sys.argv.index("--engine") + 1] if "--engine" in sys.argv else "onednn"
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net, x = ResNet50().eval(), torch.randn(1, 3, 224, 224)
    if "--fp32" not in sys.argv:
        if engine not in torch.backends.quantized.supported_engines:
            print("# SKIP this PyTorch has no quantisation engine %s" % engine)
            sys.exit(77)
        torch.backends.quantized.engine = engine
        net = prepare_fx(net, get_default_qconfig_mapping(engine), (x,))
        with torch.no_grad():
            for _ in range(2):
                net(torch.randn(1, 3, 224, 224))
        net = convert_fx(net)
        # Nothing may have stayed in float.
        left = [n for n, m in net.named_modules() if type(m) in (nn.Conv2d, nn.Linear, nn.BatchNorm2d)]
        if left:
            sys.exit("layers that were not quantised: %s" % left)
    times = []
    with torch.no_grad():
        for r in range(rounds + 3):
            start = time.perf_counter()
            net(x)
            if r >= 3:
                times.append(time.perf_counter() - start)
    times.sort()
    print("# PyTorch %s, %s, 1 thread, batch 1, %d rounds: least %.2f ms, largest %.2f ms" %
          (torch.__version__, "fp32" if "--fp32" in sys.argv else "int8 by " + engine, rounds, 1000 * times[0], 1000 * times[-1]))
    print("torch_resnet50_%s_ms %.2f" % ("fp32" if "--fp32" in sys.argv else "int8", 1000 * times[len(times) // 2]))


if __name__ == "__main__":
    main()
