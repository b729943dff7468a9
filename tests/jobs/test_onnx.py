#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The script that exports networks of PyTorch, and the example of a space of one's own; skipped without PyTorch and onnx.

usage: test_onnx.py ASSAY SOURCE_ROOT
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import onnx  # noqa: F401
    import torch
    from torch import nn
except ImportError:
    print("skipped: PyTorch and the package onnx are needed")
    sys.exit(77)

ASSAY, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(ROOT / "jobs"))
import export_onnx  # noqa: E402
import sample_onnx  # noqa: E402


class Heads(nn.Module):
    """A network with a head that is not used, a dropout, and batch norms that are equal when fresh."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5),
                                  nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head, self.auxiliary = nn.Linear(8, 10), nn.Linear(8, 10)

    def forward(self, x):
        x = self.body(x).flatten(1)
        return self.head(x) + (self.auxiliary(x) if self.training else 0)


class Onnx(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="assay-export-")
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)

    def assay(self, *words):
        p = subprocess.run([ASSAY, *map(str, words), "--format", "json"], capture_output=True, text=True)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return json.loads(p.stdout)

    def test_every_way_is_the_same_network(self):
        model, told = Heads().train(), []
        for dynamo in (False, True):
            for weights in (True, False):
                path = self.dir / f"{dynamo}{weights}.onnx"
                unused = export_onnx.export(model, path, image=(3, 8, 8), weights=weights, dynamo=dynamo)
                self.assertEqual(unused, ["auxiliary.weight", "auxiliary.bias"])
                self.assertEqual(self.assay("show", "onnx", path)["params"], 216 + 576 + 2 * 16 + 90)
                got = self.assay("eval", "onnx", path, "--set", "data.source=gaussian", "--set", "ntk.batch=4", "--metrics", "ntk")
                told.append({name: column["repeats"] for name, column in got["columns"].items()})
        self.assertTrue(all(columns == told[0] for columns in told))
        self.assertTrue(model.training)
        self.assertEqual([f for f in os.listdir(self.dir) if not f.endswith(".onnx")], [])

    def test_what_is_lost_is_told(self):
        export = torch.onnx.export
        self.addCleanup(setattr, torch.onnx, "export", export)
        torch.onnx.export = lambda *a, training=None, optimize=None, do_constant_folding=None, **k: export(*a, **k)  # folds batch norms, as by default
        for dynamo in (False, True):
            with self.assertRaisesRegex(ValueError, "lost|kept 0 of 2 batch norms"):
                export_onnx.export(Heads(), self.dir / "a.onnx", image=(3, 8, 8), dynamo=dynamo)
        self.assertEqual(os.listdir(self.dir), [])

    def test_sample_of_a_space(self):
        model = sample_onnx.network(((1, 8, 3), (2, 8, 5), (1, 12, 3)))
        export_onnx.export(model, self.dir / "a.onnx", weights=False)
        self.assertEqual(self.assay("show", "onnx", self.dir / "a.onnx")["params"], sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
