#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A search space of one's own, from sampling it to a ranking: an example to copy. Needs PyTorch and the package onnx.

usage: sample_onnx.py DIR [NETWORKS]

Samples NETWORKS (50) networks of residual blocks, each stage with a depth, width and kernel of its own, exports them to
DIR/nets without weights, sweeps them on two ranks into DIR/run, prints the best and writes DIR/report.html.
$ASSAY is the program (build/assay, or assay where it is installed), $RANKS the number of ranks.
"""
import os
import pathlib
import random
import subprocess
import sys

import torch
from torch import nn

from export_onnx import export

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPTHS, WIDTHS, KERNELS, STAGES = (1, 2, 3), (8, 12, 16, 24), (3, 5), 3


class Block(nn.Module):
    def __init__(self, c_in, c, kernel, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, kernel, 1, kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm2d(c)
        plain = stride == 1 and c_in == c
        self.shortcut = nn.Identity() if plain else nn.Sequential(nn.Conv2d(c_in, c, 1, stride, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


def network(stages, classes=10):
    """stages: a (depth, width, kernel) of each."""
    layers, c = [], 3
    for i, (depth, width, kernel) in enumerate(stages):
        for k in range(depth):
            layers.append(Block(c, width, kernel, 2 if i and not k else 1))
            c = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder, n = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 50
    nets = folder / "nets"
    nets.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    chosen = set()
    while len(chosen) < n:
        chosen.add(tuple((rng.choice(DEPTHS), rng.choice(WIDTHS), rng.choice(KERNELS)) for _ in range(STAGES)))
    for stages in sorted(chosen):
        name = "-".join("d%dw%dk%d" % stage for stage in stages)
        export(network(stages), nets / f"{name}.onnx", weights=False)
    built = ROOT / "build/assay"
    assay = os.environ.get("ASSAY") or (str(built) if built.exists() else "assay")
    words = [assay, "sweep", str(ROOT / "configs/onnx.ini"), "--archs", str(nets), "-o", str(folder / "run")]
    subprocess.run(["mpirun", "-n", os.environ.get("RANKS", "2"), *words], check=True)
    subprocess.run([assay, "rank", str(folder / "run"), "--top", "5"], check=True)
    subprocess.run([assay, "report", str(folder / "run"), "-o", str(folder / "report.html")], check=True)


if __name__ == "__main__":
    main()
