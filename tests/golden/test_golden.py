#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference values computed elsewhere (PyTorch, float64) against `assay eval --weights`.

usage: test_golden.py ASSAY, with $ASSAY_TEST_DATA/golden/*.h5; skipped (77) without them. Every kernel rung
this CPU runs is checked.
"""
import glob
import os
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
GOLDEN = os.path.join(os.environ.get("ASSAY_TEST_DATA", ""), "golden")


ALL = sorted(glob.glob(os.path.join(GOLDEN, "*.h5")))
THIN = [f for f in ALL if os.path.basename(f).startswith("regions_")]
NETS = [f for f in ALL if f not in THIN]
if not os.environ.get("ASSAY_TEST_DATA") or not NETS or not THIN:
    print("skipped: ASSAY_TEST_DATA names no directory with golden/*.h5 and golden/regions_*.h5")
    sys.exit(77)


def mask(golden):
    """The live operations, which have the logit 0, in the notation of --supernet."""
    cells = [golden[name][:] for name in ("alphas0", "alphas1") if name in golden]
    return "/".join(",".join("".join(map(str, np.flatnonzero(edge == 0))) or "-" for edge in cell) for cell in cells)


def network(golden):
    """The words that name and size the network of a golden case."""
    attrs = golden.attrs
    if attrs["kind"] == "nb201-discrete":
        return ["nas-bench-201", attrs["arch"], "--channels", str(attrs["C"]), "--cells", str(attrs["N"])]
    if attrs["kind"] == "nb201-supernet":
        return ["nas-bench-201", "--supernet", mask(golden), "--channels", str(attrs["C"]), "--cells", str(attrs["N"])]
    if attrs["kind"] in ("darts-discrete", "darts-supernet"):
        cells = attrs["depth"] if attrs["depth"] > 0 else 3 * attrs["N"]
        which = [attrs["genotype"]] if attrs["kind"] == "darts-discrete" else ["--supernet", mask(golden)]
        return ["darts", *which, "--channels", str(attrs["C"]), "--cells", str(cells), "--set",
                f"network.stem={attrs['stem_multiplier']}"]
    raise AssertionError("a golden case of the unknown kind " + attrs["kind"])


def runnable_rungs():
    rungs = []
    for rung in ("baseline", "avx2", "avx512"):
        words = [ASSAY, "eval", "null", "conv_1x1", "--set", "run.metrics=regions", "--set", "regions.batch=2",
                 "--set", f"run.cpu={rung}"]
        if subprocess.run(words, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0:
            rungs.append(rung)
    return rungs


def evaluate(case, rung, *more, name=network):
    """The dump of a golden case as a dict of arrays and attributes."""
    with tempfile.TemporaryDirectory(prefix="assay-golden-") as directory, h5py.File(case, "r") as golden:
        out = os.path.join(directory, "out.h5")
        words = [ASSAY, "eval", *name(golden), "--set", f"run.cpu={rung}", "--weights", case + ":/weights",
                 "--batch", case + ":/batch/x", "--dump", out, *more]
        p = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300,
                           stdin=subprocess.DEVNULL)
        if p.returncode != 0:
            raise AssertionError(f"exit code {p.returncode}: {p.stderr}")
        with h5py.File(out, "r") as f:
            return {**{k: v[()] for k, v in f.items()}, **dict(f.attrs)}


class Golden(unittest.TestCase):
    RUNGS = runnable_rungs()

    def close(self, name, seen, expected, tolerance):
        seen, expected = np.asarray(seen), np.asarray(expected)
        self.assertEqual(seen.shape, expected.shape, name)
        error = np.abs(seen - expected).max() / np.abs(expected).max()
        self.assertLess(error, tolerance, name)

    def each(self, files, check):
        self.assertIn("baseline", self.RUNGS)
        for case in files:
            with h5py.File(case, "r") as golden:
                group = golden["expect"]
                expect = {**{k: v[()] for k, v in group.items()}, **dict(group.attrs)}
            for rung in self.RUNGS:
                with self.subTest(case=os.path.basename(case), rung=rung):
                    check(case, rung, expect)

    def test_batch_coupled_kernel(self):
        def check(case, rung, expect):
            out = evaluate(case, rung)
            self.close("logits", out["logits"], expect["logits"], 1e-6)
            self.close("gram", out["gram"], expect["gram"], 1e-6)
            self.close("eigenvalues", out["eigenvalues"], expect["eigenvalues"], 1e-6)
            self.close("kappa", out["kappa"], expect["kappa"], 1e-5)
            self.close("trace", out["trace"], expect["trace"], 1e-6)
            self.close("sum_logit_batchmean_sq", out["sum_logit_batchmean_sq"], expect["sum_logit_batchmean_sq"], 1e-6)
            self.assertEqual(out["ntk_parameters"], expect["ntk_parameters"])
            self.assertEqual((out["status"], out["bn"]), ("ok", "batch"))

        self.each(NETS, check)

    def test_double_precision(self):
        def check(case, rung, expect):
            if rung != self.RUNGS[-1]:
                return
            out = evaluate(case, rung, "--set", "run.precision=double")
            self.close("gram", out["gram"], expect["gram"], 1e-9)
            self.close("kappa", out["kappa"], expect["kappa"], 1e-9)
            self.close("sum_logit_batchmean_sq", out["sum_logit_batchmean_sq"], expect["sum_logit_batchmean_sq"], 1e-9)

        self.each(NETS, check)

    def test_frozen_kernel(self):
        def check(case, rung, expect):
            out = evaluate(case, rung, "--bn", "frozen")
            self.close("frozen_gram", out["frozen_gram"], expect["frozen_gram"], 1e-6)
            self.close("frozen_kappa", out["frozen_kappa"], expect["frozen_kappa"], 1e-5)
            self.assertTrue((out["gram"] == out["frozen_gram"]).all())
            self.assertEqual(out["kappa"], out["frozen_kappa"])
            self.assertEqual((out["status"], out["bn"]), ("ok", "frozen"))

        self.each(NETS, check)

    def test_regions(self):
        def check(case, rung, expect):
            out = evaluate(case, rung, "--network", "thin")
            self.assertEqual(out["regions"], expect["regions"])
            self.assertEqual(out["relu_units"], expect["relu_units"])
            self.assertEqual(out["region_samples"], len(expect["patterns"]))
            self.assertEqual(len(np.unique(out["patterns"], axis=0)), expect["regions"])
            # Samples alike in one are alike in the other, bit order aside.
            _, ours = np.unique(out["patterns"], axis=0, return_inverse=True)
            _, theirs = np.unique(expect["patterns"], axis=0, return_inverse=True)
            self.assertEqual(len(set(zip(ours.tolist(), theirs.tolist()))), expect["regions"])

        self.each(THIN, check)

    def test_a_genotype_is_its_supernet(self):
        def as_supernet(golden):
            space, _, *size = network(golden)
            return [space, "--supernet", mask(golden), *size]

        def check(case, rung, expect):
            out = evaluate(case, rung, name=as_supernet)
            self.close("gram", out["gram"], expect["gram"], 1e-6)
            self.assertTrue((out["gram"] == evaluate(case, rung)["gram"]).all())

        darts = [f for f in NETS if h5py.File(f, "r").attrs["kind"] == "darts-discrete"]
        self.assertTrue(darts)
        self.each(darts, check)

    def test_bn_batches_matter(self):
        def check(case, rung, expect):
            out = evaluate(case, rung, "--network", "thin", "--regions-batch", "700")
            self.assertNotEqual(out["regions"], expect["regions"])

        self.each(THIN[:1], check)


if __name__ == "__main__":
    print("rungs:", *Golden.RUNGS, " cases:", *map(os.path.basename, NETS + THIN))
    unittest.main(argv=sys.argv[:1], verbosity=2)
