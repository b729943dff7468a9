#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: one NTK of the DARTS supernet of TE-NAS's first round, PyTorch against assay, alternating.

usage: bench_pytorch.py ASSAY [BATCH...], with a Python that has torch. One thread each; CPU time of the thread;
medians. PyTorch runs the loop TE-NAS runs: one backward pass per image, then the Gram matrix and its eigenvalues.
"""
import re
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

OPS = 7  # all but none, each weighted 1/7


def relu_conv_bn(c_in, c):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c, 1, bias=False), nn.BatchNorm2d(c))


def depthwise(c, kernel, stride, dilation):
    pad = dilation * (kernel // 2)
    return nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, kernel, stride, pad, dilation, groups=c, bias=False),
                         nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c))


def separable(c, kernel, stride):
    return nn.Sequential(depthwise(c, kernel, stride, 1), depthwise(c, kernel, 1, 1))


class FactorizedReduce(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.part = nn.ModuleList([nn.Conv2d(c, c // 2, 1, 2, bias=False) for _ in range(2)])
        self.bn = nn.BatchNorm2d(c)

    def forward(self, x):
        x = torch.relu(x)
        return self.bn(torch.cat([self.part[0](x), self.part[1](x[:, :, 1:, 1:])], 1))


def mixed(c, stride):
    skip = nn.Identity() if stride == 1 else FactorizedReduce(c)
    return nn.ModuleList([skip, separable(c, 3, stride), separable(c, 5, stride), depthwise(c, 3, stride, 2),
                          depthwise(c, 5, stride, 2), nn.AvgPool2d(3, stride, 1, count_include_pad=False),
                          nn.MaxPool2d(3, stride, 1)])


class Cell(nn.Module):
    def __init__(self, c_before, c_last, c, reduction):
        super().__init__()
        self.inputs = nn.ModuleList([relu_conv_bn(c_before, c), relu_conv_bn(c_last, c)])
        self.edges = nn.ModuleList(mixed(c, 2 if reduction and j < 2 else 1) for i in range(4) for j in range(2 + i))

    def forward(self, before, last):
        states, edges = [self.inputs[0](before), self.inputs[1](last)], iter(self.edges)
        for _ in range(4):
            states.append(sum(op(s) / OPS for s in list(states) for op in next(edges)))
        return torch.cat(states[2:], 1)


class Network(nn.Module):
    """C = 1: a normal and a reduction cell."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1))
        self.normal, self.reduction = Cell(1, 1, 1, False), Cell(1, 4, 2, True)
        self.last = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    def forward(self, x):
        stem = self.stem(x)
        return self.last(self.reduction(stem, self.normal(stem, stem)))


def pytorch_seconds(net, x):
    weights = [p for name, p in net.named_parameters() if "weight" in name]
    start = time.thread_time()
    outputs = net(x).sum(1)
    rows = [torch.cat([g.reshape(-1) for g in torch.autograd.grad(s, weights, retain_graph=True)]) for s in outputs]
    jacobian = torch.stack(rows)
    torch.linalg.eigvalsh(jacobian @ jacobian.T)
    return time.thread_time() - start


def assay_seconds(assay, batch):
    repeats = 8
    words = [assay, "eval", "darts", "--supernet", "full", "--set", f"ntk.batch={batch}", "--set", "run.metrics=ntk",
             "--set", "data.source=gaussian", "--set", f"run.repeats={repeats}"]
    text = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    return float(re.search(r"^CPU time +([0-9.]+) s", text, re.M).group(1)) / repeats


def main():
    torch.set_num_threads(1)
    net = Network()
    print("parameters", sum(p.numel() for p in net.parameters()))
    for batch in [int(word) for word in sys.argv[2:]] or [14, 24]:
        x, theirs, ours = torch.randn(batch, 3, 32, 32), [], []
        for _ in range(5):
            theirs.append(pytorch_seconds(net, x))
            ours.append(assay_seconds(sys.argv[1], batch))
        a, b = statistics.median(theirs), statistics.median(ours)
        print(f"batch {batch}: PyTorch {torch.__version__} {a:.3f} s, assay {b:.4f} s, {a / b:.0f} times")


main()
