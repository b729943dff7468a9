#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches that evaluate only what counts leave, and what a few true accuracies would change.

usage: test_screen.py ASSAY SOURCE_ROOT
"""
import csv
import math
import statistics
import sys
import unittest

import test_search
from test_cli import ROOT, run

RANDOM = ("search.method=random", "search.by=regions", "search.seeds=4-6", "search.samples=40", "run.repeats=1",
          "regions.batch=400")
CONFIG = "nb201-tenas-search.ini"


class Screen(test_search.Search):
    def architectures(self, directory):
        """Rows of each seed."""
        seeds = {}
        for row in self.trajectory(directory)["architectures"]:
            seeds.setdefault(row["seed"], []).append(row)
        return seeds

    def test_the_best_by_counts_are_evaluated(self):
        """Of the same draws, the first of equal ones; and the score's ranks are among those."""
        self.search(CONFIG, *RANDOM, "search.by=params_live", directory="all")
        self.search(CONFIG, *RANDOM, "search.screen=params_live", "search.screened=6", directory="some")
        drawn, kept = self.architectures("all"), self.architectures("some")
        self.assertEqual(sorted(kept), [4, 5, 6])
        for seed, rows in kept.items():
            self.assertEqual(len(drawn[seed]), 40)
            best = sorted(drawn[seed], key=lambda r: -r["value"] if math.isfinite(r["value"]) else math.inf)[:6]
            self.assertEqual([r["arch"] for r in rows], [r["arch"] for r in best])
        for found in self.trajectory("some")["found"]:
            self.assertEqual(found["evaluations"], 6)
            self.assertEqual(found["arch"], max(kept[found["seed"]], key=lambda r: r["regions"])["arch"])

    def test_refusals(self):
        for words, says in ((["screen=regions", "screened=3"], ["search.screen = regions", "regions is measured"]),
                            (["screen=parms", "screened=3"], ["search.screen = parms"]),
                            (["screen=params"], ["search.screened = 0", "search.samples = 9"]),
                            (["screened=3"], ["search.screened = 3: search.screen is empty"]),
                            (["screen=params", "screened=10"], ["search.screened = 10", "no more than samples"])):
            lines = "\n".join(["[search]", "method = random", "samples = 9", *[w.replace("=", " = ") for w in words]])
            self.fails(1, "search", self.write("c.ini", lines + "\n"), "-o", self.path("x"), says=says)

    def test_oracle(self):
        """The best true accuracy among the first by score is told, and how many were looked up."""
        self.search(CONFIG, *RANDOM, "search.method=random, evolution", "search.population=8", directory="r")
        rows = {}
        for row in self.trajectory("r")["architectures"]:
            rows.setdefault((row["method"], row["seed"]), []).append(row)
        accuracy = {row["arch"]: 50 + 40 * math.sin(i) for i, row in enumerate(r for v in rows.values() for r in v)}
        with open(self.path("truth.csv"), "w") as f:
            csv.writer(f).writerows([("arch", "test_accuracy"), *accuracy.items()])
        settings = [w for s in [*test_search.CHEAP, *RANDOM, "search.method=random, evolution", "search.population=8"]
                    for w in ("--set", s)]
        for k in (1, 5):
            p = run("search", f"{ROOT}/configs/{CONFIG}", "-o", self.path("r"), *settings, "--truth",
                    self.path("truth.csv"), "--oracle", str(k))
            for method in ("random", "evolution"):
                best = [max(accuracy[r["arch"]] for r in self.first(rows[method, seed], k)) for seed in (4, 5, 6)]
                told = f"mean {statistics.mean(best):.2f}, standard deviation {statistics.stdev(best):.2f} over 3"
                self.assertIn(f"{method}, if the accuracies of the {k} best of each search decided: {told}; "
                              f"{3 * k} looked up\n", p.stdout)
        self.fails(2, "search", f"{ROOT}/configs/{CONFIG}", "-o", self.path("r"), "--oracle", "3", says=["--truth"])

    def first(self, rows, k):
        """The k best, each another network."""
        kept, networks = [], set()
        for r in sorted(rows, key=lambda r: -r["regions"] if math.isfinite(r["regions"]) else math.inf):
            if len(kept) == k:
                break
            shown = self.works("show", "nas-bench-201", r["arch"])
            network = next(line for line in shown.splitlines() if line.startswith("class"))
            if network not in networks:
                kept.append(r)
                networks.add(network)
        return kept


test_search.keep_own(Screen)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
