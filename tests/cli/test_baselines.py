#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random searches at equal cost, which stand beside every other search.

usage: test_baselines.py ASSAY SOURCE_ROOT
"""
import sys
import unittest

import h5py
import numpy as np

import test_search
from test_cli import run

ON = "search.baseline=true"


class Baselines(test_search.Search):
    def check(self, config, baselines, *settings, score=()):
        """They are what random searches of as many architectures find, by the score and by parameters."""
        samples = baselines[0]["samples"]
        for by, more in (("score", score), ("params", ("search.by=params",))):
            rows = sorted((b["seed"], b["arch"]) for b in baselines if b["by"] == by)
            directory = f"random-{samples}-{by}"
            self.search(config, *settings, "search.method=random", f"search.samples={samples}", *more, directory=directory)
            self.assertEqual(sorted((f["seed"], f["arch"]) for f in self.trajectory(directory)["found"]), rows)

    def test_beside_tenas_and_marginal(self):
        cheap = ("network.channels=2", "run.repeats=1", "search.seeds=0-1", "search.round=4", "search.last=8")
        config = "nb201-tenas-search.ini"
        p = self.search(config, *cheap, "search.method=tenas,evolution,marginal", "search.population=8", ON)
        tables = self.trajectory()
        self.assertEqual(len(tables["found"]), 6)
        of = {b["of"]: b["samples"] for b in tables["baselines"]}
        self.assertEqual(set(of), {"tenas, evolution", "marginal"})
        n = {f["method"]: f["evaluations"] for f in tables["found"]}
        self.assertEqual((of["tenas, evolution"], of["marginal"]), (n["evolution"], n["marginal"]))
        for name in of:
            self.check(config, [b for b in tables["baselines"] if b["of"] == name], *cheap)
        for name, k in of.items():
            self.assertRegex(p.stdout, rf"\nrandom\({k}\) +1 .*\nparams\({k}\) +0 ")
            self.assertIn(f"random({k}): the best of random architectures at the cost of {name}, by the same score; ", p.stdout)
            self.assertIn(f"params({k}): the most parameters among the architectures of random({k})", p.stdout)
        self.assertRegex(p.stdout, r"\n6 searches in .* with what stands beside them\n")
        self.search(config, *cheap, "search.method=tenas,evolution,marginal", "search.population=8", directory="off")
        off = self.trajectory("off")
        self.assertNotIn("baselines", off)
        self.assertEqual([f["arch"] for f in off["found"]], [f["arch"] for f in tables["found"]])

    def test_a_random_search_is_its_own(self):
        cheap = ("network.channels=2", "run.repeats=1", "search.seeds=0", "search.method=tenas,random")
        p = self.search("nb201-tenas-search.ini", *cheap, ON)
        rows = self.trajectory()["baselines"]
        self.assertEqual([(b["by"], b["of"]) for b in rows], [("params", "")])
        self.assertRegex(p.stdout, r"\nparams\(\d+\): the most parameters among the architectures of random\n")
        truth = self.write("t.csv", f"arch,test_accuracy\n{rows[0]['arch']},77\n")
        words = [w for s in [*test_search.CHEAP, *cheap, ON] for w in ("--set", s)]
        text = run("search", f"{test_search.ROOT}/configs/nb201-tenas-search.ini", "-o", self.path("run"), "--truth",
                   truth, "--quiet", *words).stdout
        self.assertRegex(text, r"\nparams.*; test_accuracy: mean 77.00 over 1\n")

    def test_a_supernet_beside_every_candidate_costs_more(self):
        cheap = ("network.channels=2", "run.repeats=1", "search.seeds=0", "search.method=tenas", "search.by=params", ON)
        for common in ("true", "false"):
            self.search("nb201-tenas-search.ini", *cheap, f"search.common={common}", directory=common)
        once, each = (self.trajectory(common) for common in ("true", "false"))
        self.assertEqual([t["found"][0]["evaluations"] for t in (once, each)], [57, 108])
        self.assertAlmostEqual(each["baselines"][0]["samples"] / once["baselines"][0]["samples"], 108 / 57, delta=0.1)

    def test_beside_a_screened_search(self):
        """It has as many that were not screened."""
        cheap = ("network.channels=2", "run.repeats=1", "search.seeds=0-1")
        p = self.search("nb201-tenas-search.ini", *cheap, "search.method=random", "search.samples=60", "search.screened=9",
                        "search.screen=params", "search.by=kappa + params", ON)
        rows = self.trajectory()["baselines"]
        self.assertEqual({(b["of"], b["samples"]) for b in rows}, {("random", 9)})
        self.check("nb201-tenas-search.ini", rows, *cheap, score=("search.by=kappa + params",))
        self.assertNotIn("params(60)", p.stdout)

    def test_beside_nasi(self):
        common = ("search.nu=q50", "search.steps=4", "search.seeds=2")
        p, tables = self.nasi("nasi,nasi-ada", *common, ON)
        rows = tables["baselines"]
        self.assertEqual([(b["method"], b["of"], b["by"]) for b in rows],
                         [("nasi-random", "nasi, nasi-ada", by) for by in ("score", "params")])
        samples = rows[0]["samples"]
        self.assertIn(f"nasi-random({samples}): the best of random architectures at the cost of nasi, nasi-ada", p.stdout)
        alone = self.nasi("nasi-random", *common, f"search.samples={samples}", directory="alone")[1]
        self.assertEqual(alone["found"][0]["arch"], rows[0]["arch"])
        self.assertIn(rows[1]["arch"], [s["arch"] for s in alone["steps"]])
        self.assertNotIn("baselines", self.nasi("nasi", *common, ON, "search.per_cell=true", directory="cells")[1])
        both = self.nasi("nasi,nasi-random", *common, ON, f"search.samples={samples}", "search.screen=params",
                         "search.screened=2", directory="both")[1]  # which screens nothing
        self.assertEqual([(b["of"], b["by"]) for b in both["baselines"]], [("", "params")])

    def test_an_undecided_baseline_is_no_error(self):
        with h5py.File(self.path("black.h5"), "w") as f:
            f["x"] = np.zeros((40, 3, 8, 8))
        p = self.search("nb201-tenas-search.ini", "data.source=hdf5", f"data.path={self.path('black.h5')}:/x", ON,
                        "search.method=marginal", "search.by=params", "search.finish=regions", "search.round=1", "search.last=1",
                        "search.seeds=1")
        self.assertIn("beside marginal: seed 1: random: regions is 2 for each", p.stderr)
        self.assertEqual([b["by"] for b in self.trajectory()["baselines"]], ["params"])
        self.assertNotIn("\nrandom(", p.stdout)


test_search.keep_own(Baselines)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
