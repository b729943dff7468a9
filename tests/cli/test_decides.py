#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches in which nothing decides are errors; columns that decide nothing are warned of.

usage: test_decides.py ASSAY SOURCE_ROOT
"""
import os
import sys
import unittest

import h5py
import numpy as np

from test_cli import Case, run

SMALL = """[protocol]
name = custom
[network]
image = 8
channels = 2
[ntk]
batch = 4
[nasi]
batch = 6
[regions]
batch = 300
batches = 1
[data]
source = hdf5
augment = false
normalise = false
[search]
baseline = false
samples = 16
population = 6
tournament = 3
children = 2
channels = 2
cells = 1
steps = 5
[run]
repeats = 2
"""
FOUND = "\n1 search in "


class Decides(Case):
    def setUp(self):
        super().setUp()
        self.config = self.write("s.ini", SMALL)
        x = np.random.default_rng(0).normal(size=(24, 3, 8, 8)).astype("f4")
        with h5py.File(self.path("x.h5"), "w") as f:
            f["all"], f["equal"], f["pairs"], f["black"] = x, np.repeat(x[:1], 24, 0), np.repeat(x[:3], 8, 0), 0 * x
        self.runs = 0

    def search(self, method, images, *settings, directory=None):
        self.runs += 1
        words = [w for s in (f"search.method={method}", f"data.path={self.path('x.h5')}:/{images}", *settings)
                 for w in ("--set", s)]
        return run("search", self.config, "-o", self.path(directory or f"run{self.runs}"), "--quiet", *words)

    def undecided(self, method, images, *settings, says, directory=None):
        p = self.search(method, images, *settings, directory=directory)
        self.assertEqual((p.returncode, p.stdout), (1, ""), p.stderr)
        self.assertRegex(p.stderr, r"\Aassay: [^\n]+\n\Z")
        for text in says:
            self.assertIn(text, p.stderr)

    def warned(self, method, images, *settings, says=()):
        """It finds something, with a line for each text of says and no others."""
        p = self.search(method, images, *settings)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn(FOUND, p.stdout)
        lines = p.stderr.splitlines()
        self.assertEqual(len(lines), len(says), p.stderr)
        for line, text in zip(lines, says):
            self.assertIn("assay: warning: seed 0: ", line)
            self.assertIn(text, line)

    def test_what_decides_is_not_warned_of(self):
        for method in ("tenas", "random", "evolution", "nasi", "nasi-ada", "nasi-random"):
            with self.subTest(method):
                self.warned(method, "all", "search.nu_adaptive=30")
        # Half of the batches have a pair of equal images: other repeats decide.
        self.warned("tenas", "pairs", "ntk.batch=2", "run.repeats=6")

    def test_tenas_without_any_kappa(self):
        for images in ("equal", "pairs", "black"):
            for more in ((), ("search.common=false",), ("space.name=darts", "run.repeats=1")):
                with self.subTest(images=images, more=more):
                    self.undecided("tenas", images, *more,
                                   says=["seed 0 round 1: kappa is infinite or undefined for all", " of 4: lambda_min",
                                         "ntk.batch = 4"])

    def test_tenas_without_regions(self):
        self.warned("tenas", "all", "regions.batch=4", says=["regions decided nothing in 3 of 3 rounds"])
        self.warned("tenas", "all", "regions.batch=4", "space.name=darts", "search.prune=9", "run.repeats=1", "ntk.batch=2",
                    says=["regions decided nothing in 2 of 2 rounds"])

    def test_random_and_evolution(self):
        for method in ("random", "evolution"):
            with self.subTest(method):
                self.undecided(method, "equal", says=[f"{method}: kappa is infinite or undefined for all of the 16", "rank"])
                self.undecided(method, "equal", "search.by=log_kappa", says=["log_kappa is infinite or undefined", "rank"])
                self.warned(method, "equal", "search.by=regions")
                self.undecided(method, "black", "search.by=regions", says=["regions is 1 for each of the 1"])
                self.warned(method, "all", "regions.batch=2", says=[f"{method}: regions decided nothing: 2 for each"])
                self.warned(method, "equal", "search.by=params")
                # The only one that is asked for, or that is ok, needs no decision.
                self.warned(method, "black", "search.by=regions", "search.samples=1")

    def test_kernels_larger_than_networks(self):
        """More images than weights: singular for the smaller networks only, or from some round on."""
        large = ("data.source=gaussian", "network.channels=1", "run.repeats=1")
        self.warned("random", "all", *large, "search.by=kappa", "search.samples=8", "ntk.batch=360",
                    says=["6 of 8 architectures are not ok and count for nothing (ntk: rank"])
        self.undecided("tenas", "all", *large, "ntk.batch=256", says=["seed 0 round 3: kappa", "all of the 12", " of 256"])

    def test_two_columns_that_say_the_opposite(self):
        p = self.search("random", "all", "search.samples=2", "search.seeds=0-9")
        self.assertEqual(p.returncode, 0, p.stderr)
        with h5py.File(self.path("run1/search.h5")) as f:
            kappa, regions = (np.diff(f[f"architectures/{name}"][()].reshape(10, 2)) for name in ("kappa", "regions"))
        opposite = [seed for seed in range(10) if kappa[seed] * regions[seed] > 0]
        self.assertTrue(0 < len(opposite) < 10)
        self.assertEqual([line.split(": ")[2:5] for line in p.stderr.splitlines() if "ranks" in line],
                         [[f"seed {seed}", "random", "the sum of ranks decided nothing"] for seed in opposite])

    def test_nasi(self):
        for method in ("nasi", "nasi-ada"):
            self.undecided(method, "black", says=[f"seed 0: {method}: the objective has a derivative of zero in each of the 5"])
        flat = ("search.mu=1", "search.nu=0.001")
        self.undecided("nasi", "all", *flat, says=["derivative of zero", "above nu = 0.001 it does not change with mu = 1"])
        self.undecided("nasi-random", "all", *flat, says=["nasi-random: the objective is the same in each of the 16 steps"])
        self.warned("nasi", "all", "search.mu=1", "search.nu=50")
        self.warned("nasi", "all", "search.nu=1e9", says=["is above nu in 0 of 5 steps, so that nothing bounds it; search.nu"])
        self.warned("nasi-random", "all", "search.nu=0", says=["is above nu in 16 of 16 steps, so that each is penalised"])
        self.warned("nasi", "all", "search.nu=q99")

    def test_the_same_command_says_the_same_again(self):
        says = ["seed 0 round 1: kappa is infinite"]
        self.undecided("tenas", "pairs", directory="run", says=says)
        with open(self.path("run/journal"), "rb") as f:
            before = f.read()
        self.undecided("tenas", "pairs", directory="run", says=says)
        with open(self.path("run/journal"), "rb") as f:
            self.assertEqual(f.read(), before)
        self.assertFalse(os.path.exists(self.path("run/search.h5")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
