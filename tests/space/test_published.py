#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists of architectures with accuracies, as their publishers have them: all of them are read by sweep and correlate, and
parameters are those published.

usage: test_published.py ASSAY; skipped (77) without $ASSAY_TEST_DATA/data/spaces.
"""
import csv
import gzip
import os
import subprocess
import sys
import tempfile
import unittest

ASSAY = os.path.abspath(sys.argv[1])
TABLES = os.path.join(os.environ.get("ASSAY_TEST_DATA", "/nowhere"), "data", "spaces")
if not os.path.isdir(TABLES):
    print("skipped: no $ASSAY_TEST_DATA/data/spaces")
    sys.exit(77)


def head(arch):
    """Parameters of a TransNAS-Bench-101 network's classifier of 10 classes."""
    doubled = sum(layer in "24" for layer in arch.split("-")[1])
    return 10 * (64 * 2 ** doubled + 1)


class Published(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="assay-published-")
        self.addCleanup(scratch.cleanup)
        self.dir = scratch.name

    def run_assay(self, *words):
        p = subprocess.run([ASSAY, *words], capture_output=True, text=True, check=False, timeout=300, cwd=self.dir,
                           stdin=subprocess.DEVNULL)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout

    def sweep(self, space, table, key, target):
        """The published rows, and those of a sweep of the same file."""
        with gzip.open(os.path.join(TABLES, table + ".csv.gz"), "rt") as f:
            text = f.read()
        for name, what in (("t.csv", text), ("c.ini", f"[space]\nname = {space}\n[run]\nmetrics = cost\nrepeats = 1\n")):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(what)
        self.run_assay("sweep", "c.ini", "-o", table, "--quiet", "--archs", "t.csv", "--key", key)
        published = list(csv.DictReader(text.splitlines()))
        told = self.run_assay("correlate", f"{table}/results.h5", "--truth", "t.csv", "--key", key, "--target", target, "--bootstrap", "0")
        self.assertIn(f"{len(published)} of them among the results", told)
        seen = list(csv.DictReader(self.run_assay("rank", f"{table}/results.h5", "--all", "--csv", "--columns", "params,macs").splitlines()))
        self.assertEqual(len(seen), len(published))
        return published, {row["arch"]: row for row in seen}

    def test_nas_bench_macro(self):
        published, seen = self.sweep("nas-bench-macro", "nasbench_macro_dev", "arch", "test_accuracy")
        for row in published:
            self.assertEqual((seen[row["arch"]]["params"], seen[row["arch"]]["macs"]), (row["params"], row["flops"]), row["arch"])

    def test_transnas(self):
        for which in ("macro", "micro"):
            published, seen = self.sweep(f"transnas-{which}", f"transnas101_{which}_dev", "arch", "class_scene")
            for row in published:
                self.assertEqual(int(seen[row["arch"]]["params"]), int(row["backbone_params"]) + head(row["arch"]), row["arch"])

    def test_lists_of_genotypes(self):
        self.sweep("darts-tolerant", "darts_swap_dev", "genotype", "valid_accuracy")
        self.sweep("darts-tolerant", "nb301_surrogate_dev", "genotype", "val_accuracy_surrogate")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
