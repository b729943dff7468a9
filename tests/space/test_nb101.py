#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The space nas-bench-101 on the command line, and against PyTorch's values (float64).

usage: test_nb101.py ASSAY; skipped (77) without h5py; values need $ASSAY_TEST_DATA/golden-spaces.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

ASSAY = os.path.abspath(sys.argv[1])
CONFIG = os.path.join(os.path.dirname(__file__), "../../configs/nb101-all.ini")
GOLDEN = sorted(glob.glob(os.path.join(os.environ.get("ASSAY_TEST_DATA", "/nowhere"), "golden-spaces", "nb101_*.h5")))
WARNING = "warning: this is another encoding of "
FIRST = "0111100;0000001;0000001;0000001;0000010;0000001;0000000/01200"  # of the cell of nasbench's example
OTHER = "0111010;0000001;0000001;0000100;0000001;0000001;0000000/10002"


def own(matrix, ops):
    digit = {"conv3x3-bn-relu": "0", "conv1x1-bn-relu": "1", "maxpool3x3": "2"}
    return matrix + "/" + "".join(digit[op] for op in ops.split(",") if op)


class Space(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="assay-nb101-")
        self.addCleanup(self.directory.cleanup)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def run_assay(self, *words):
        return subprocess.run([ASSAY, *words], capture_output=True, text=True, check=False, timeout=300,
                              stdin=subprocess.DEVNULL)

    def works(self, *words):
        p = self.run_assay(*words)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p

    def test_whichever_encoding_is_given_the_benchmarks_is_shown(self):
        shown = self.works("show", "nas-bench-101", FIRST)
        self.assertEqual(shown.stderr, "")
        self.assertIn("hash        28cfc7874f6d200472e1a9dcd8650aa0\n", shown.stdout)
        self.assertIn(" 2.694282 M parameters", shown.stdout)
        other = self.works("show", "nas-bench-101", OTHER)
        self.assertEqual(other.stdout, shown.stdout)
        self.assertIn(WARNING + FIRST, other.stderr)

    def test_a_sweep_of_cells_given_in_files(self):
        with open(self.path("cells"), "w", encoding="utf-8") as f:
            f.write(f"{OTHER}\n043721b9c7fe8c5fad811d47d83132ec\n5\n{FIRST}\n"
                    "matrix=[[0,1,0],\n        [0,0,1],\n        [0,0,0]], ops=['input','maxpool3x3','output']\n")
        quick = [w for s in ("ntk.batch=2", "nasi.batch=2", "regions.batch=50", "network.image=8", "data.source=gaussian",
                             f"candidates.archs={self.path('cells')}") for w in ("--set", s)]
        p = self.works("sweep", CONFIG, "-o", self.path("run"), *quick)
        self.assertIn("4 candidates, 4 to evaluate", p.stderr)
        self.assertIn("warning: 1 of the architectures given are other encodings", p.stderr)
        table = self.works("rank", self.path("run/results.h5"), "--by", "kappa").stdout
        for index, arch in (5, ""), (6992, "01;00/"), (67206, FIRST), (138614, "010;001;000/2"):
            self.assertRegex(table, rf" {index}  {arch}")

    def test_too_few_channels(self):
        p = self.run_assay("eval", "nas-bench-101", "011110;000001;000001;000001;000001;000000/0102", "--channels", "3")
        self.assertEqual(p.returncode, 2)
        self.assertIn("network.channels is 3, expected at least 4", p.stderr)

    def test_units_end_with_their_relu(self):
        table = self.works("eval", "nas-bench-101", FIRST, "--metrics", "naswot,naswot_hnas", "--image", "8", "--set",
                           "run.repeats=1", "--set", "proxies.batch=8").stdout
        values = dict(re.findall(r"(?m)^(naswot\w*) +([-\d.]+)", table))
        self.assertEqual(values["naswot_released"], values["naswot"])
        self.assertEqual(values["naswot_hnas_released"], values["naswot_hnas"])

    @unittest.skipUnless(GOLDEN, "no $ASSAY_TEST_DATA/golden-spaces/nb101_*.h5")
    def test_values_computed_elsewhere(self):
        for case in GOLDEN:
            with self.subTest(case=os.path.basename(case)), h5py.File(case, "r") as golden:
                a = golden.attrs
                self.assertIn(f"index       {a['rank']}\n", self.works("show", "nas-bench-101", a["hash"]).stdout)
                arch, alias = own(a["matrix"], a["ops"]), own(a["alias_matrix"], a["alias_ops"])
                if a["kind"] == "nb101-regions":
                    self.compare_regions(golden, case, arch)
                    continue
                for bn, prefix in (("batch", ""), ("frozen", "frozen_")):
                    self.compare(golden, case, arch, bn, prefix)
                self.compare(golden, case, a["hash"], "batch", "")
                self.compare(golden, case, alias, "batch", "")

    def evaluate(self, case, arch, *words):
        out = self.path("out.h5")
        self.works("eval", "nas-bench-101", arch, "--weights", case + ":/weights", "--batch", case + ":/batch/x",
                   "--dump", out, *words)
        return h5py.File(out, "r")

    def compare(self, golden, case, arch, bn, prefix):
        expect, size = golden["expect"], golden.attrs
        with self.evaluate(case, arch, "--channels", str(size["C"]), "--cells", str(size["N"]), "--bn", bn) as seen:
            for name, tolerance in ("logits", 1e-10), (prefix + "gram", 1e-6):
                a, b = seen[name][:], expect[name][:]
                self.assertEqual(a.shape, b.shape)
                self.assertLess(np.abs(a - b).max(), tolerance * np.abs(b).max(), name)
            for name in prefix + "kappa", "sum_logit_batchmean_sq":
                self.assertLess(abs(seen.attrs[name] / expect.attrs[name] - 1), 1e-5, name)
            for name in "ntk_parameters", "relu_units":
                self.assertEqual(seen.attrs[name], expect.attrs[name])
            self.assertEqual(seen.attrs["status"], "ok")

    def compare_regions(self, golden, case, arch):
        expect = golden["expect"]
        units = int(expect.attrs["relu_units"])
        with self.evaluate(case, arch, "--network", "thin", "--regions-batch", str(golden.attrs["batch"])) as seen:
            bits = np.unpackbits(seen["patterns"][:], axis=1, bitorder="little")[:, :units]
            np.testing.assert_array_equal(bits, np.unpackbits(expect["patterns"][:], axis=1)[:, :units])
            for name in "regions", "relu_units":
                self.assertEqual(seen.attrs[name], expect.attrs[name])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
