#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches that evaluate only what counts leave.

usage: test_screen.py ASSAY SOURCE_ROOT
"""
import math
import sys
import unittest

import test_search

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
                            (["screen=params", "screened=10"], ["search.screened = 10", "no more than samples"])):
            lines = "\n".join(["[search]", "method = random", "samples = 9", *[w.replace("=", " = ") for w in words]])
            self.fails(1, "search", self.write("c.ini", lines + "\n"), "-o", self.path("x"), says=says)


test_search.keep_own(Screen)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
