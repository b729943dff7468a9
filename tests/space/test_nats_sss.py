#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The space nats-sss on the command line, and against PyTorch's values (float64).

usage: test_nats_sss.py ASSAY; skipped (77) without h5py; values need $ASSAY_TEST_DATA/golden-spaces.
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
DATA = os.path.join(os.environ.get("ASSAY_TEST_DATA", "/nowhere"), "golden-spaces")
GOLDEN, REGIONS = (sorted(glob.glob(os.path.join(DATA, name))) for name in ("sss_[0-9]*.h5", "sss_regions_*.h5"))


def run(*words, cwd=None):
    return subprocess.run([ASSAY, *words], capture_output=True, text=True, check=False, timeout=300, cwd=cwd,
                          stdin=subprocess.DEVNULL)


class Space(unittest.TestCase):
    def works(self, *words, cwd=None):
        p = run(*words, cwd=cwd)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def refused(self, *words, says):
        p = run("eval", "nats-sss", "8:16:24:32:64", *words)
        self.assertEqual(p.returncode, 2)
        self.assertIn(says, p.stderr)

    def test_sizes_that_are_the_architecture_are_refused(self):
        self.refused("--channels", "16", says="network.channels is 16, expected 0")
        self.refused("--cells", "1", says="network.cells is 1, expected 0")
        self.refused("--set", "cost.channels=16", says="cost.channels is 16, expected 0")

    def test_a_sweep_without_regions(self):
        quick = ["ntk.batch=2", "nasi.batch=2", "run.repeats=1", "network.image=8", "candidates.sample=3"]
        with tempfile.TemporaryDirectory(prefix="assay-sss-") as directory:
            with open(os.path.join(directory, "sss.ini"), "w", encoding="utf-8") as f:
                f.write("[space]\nname = nats-sss\n")
            words = [w for s in quick for w in ("--set", s)]
            for _ in range(2):  # the second goes on with what config.ini and the journal say
                self.works("sweep", "sss.ini", "-o", "run", "--quiet", *words, cwd=directory)
            table = self.works("rank", "run/results.h5", "--by", "kappa", cwd=directory)
            self.assertNotIn("regions", table)
            self.assertIn("3 candidates: 3 ok", table)
            self.works("sweep", "sss.ini", "-o", "asked", "--quiet", "--metrics", "regions", *words, cwd=directory)
            self.assertIn("regions", self.works("rank", "asked", "--by", "regions", cwd=directory))
            with h5py.File(os.path.join(directory, "asked", "results.h5")) as f:
                self.assertIn("input=1x4x4", f["table/regions"].attrs["protocol"])

    @unittest.skipUnless(GOLDEN, "no $ASSAY_TEST_DATA/golden-spaces/sss_*.h5")
    def test_values_computed_elsewhere(self):
        for case in GOLDEN:
            for bn, prefix in (("batch", ""), ("frozen", "frozen_")):
                with self.subTest(case=os.path.basename(case), bn=bn):
                    self.compare(case, bn, prefix)

    @unittest.skipUnless(REGIONS, "no $ASSAY_TEST_DATA/golden-spaces/sss_regions_*.h5")
    def test_regions_computed_elsewhere(self):
        for case in REGIONS:
            with self.subTest(case=os.path.basename(case)), h5py.File(case, "r") as golden, \
                    tempfile.TemporaryDirectory(prefix="assay-sss-") as directory:
                expect, out = golden["expect"], os.path.join(directory, "out.h5")
                self.works("eval", "nats-sss", golden.attrs["arch"], "--weights", case + ":/weights", "--batch", case + ":/batch/x",
                           "--network", "thin", "--regions-batch", str(golden.attrs["batch"]), "--dump", out)
                with h5py.File(out, "r") as seen:
                    # PyTorch's modules apply a ReLU again to what another has passed already.
                    ours, theirs = (np.unpackbits(f["patterns"][:], axis=1, bitorder=order)[:, :int(expect.attrs["relu_units"])].T
                                    for f, order in ((seen, "little"), (expect, "big")))
                    self.assertEqual({unit.tobytes() for unit in ours if unit.any()},
                                     {unit.tobytes() for unit in theirs if unit.any()})
                    for name in "regions", "relu_units":
                        self.assertEqual(seen.attrs[name], expect.attrs[name])

    def compare(self, case, bn, prefix):
        with h5py.File(case, "r") as golden, tempfile.TemporaryDirectory(prefix="assay-sss-") as directory:
            out, arch = os.path.join(directory, "out.h5"), golden.attrs["arch"]
            self.assertIn(f"{golden.attrs['index']}\n", self.works("show", "nats-sss", arch).split("index ")[1][:20])
            self.works("eval", "nats-sss", arch, "--weights", case + ":/weights", "--batch", case + ":/batch/x",
                       "--bn", bn, "--dump", out)
            expect = golden["expect"]
            with h5py.File(out, "r") as seen:
                for name, tolerance in ("logits", 1e-10), (prefix + "gram", 1e-6):
                    a, b = seen[name][:], expect[name][:]
                    self.assertEqual(a.shape, b.shape)
                    self.assertLess(np.abs(a - b).max(), tolerance * np.abs(b).max(), name)
                ratio = seen.attrs[prefix + "kappa"] / expect.attrs[prefix + "kappa"]
                self.assertLess(abs(ratio - 1), 1e-5)
                self.assertEqual(seen.attrs["ntk_parameters"], expect.attrs["ntk_parameters"])
                self.assertEqual(seen.attrs["status"], "ok")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
