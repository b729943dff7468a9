#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches by other scores than TE-NAS's own.

usage: test_search_by.py ASSAY SOURCE_ROOT
"""
import math
import sys
import unittest

import numpy as np

import test_search
from test_search import dense_ranks, parse_mask


class By(test_search.Search):
    def test_tenas(self):
        """Ranks of any columns, measured or counted, are summed by the formula."""
        for by, terms in (("log_kappa + 2*params", {"log_kappa": (1, False), "params": (2, True)}),
                          ("synflow", {"synflow": (1, True)})):
            directory = terms and next(iter(terms))
            self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=2", "run.repeats=2",
                        f"search.by={by}", directory=directory)
            tables = self.trajectory(directory)
            for row in tables["rounds"]:
                cands = [c for c in tables["candidates"] if c["round"] == row["round"]]
                self.check(row, cands, terms)
            mask = parse_mask(tables["rounds"][-1]["mask"])
            for c in (c for c in cands if c["pruned"]):
                mask[0][c["edge"]] = mask[0][c["edge"]].replace(str(c["op"]), "")
            self.assertTrue(all(len(e) == 1 for e in mask[0]))

    def check(self, row, cands, terms):
        first, total = None, np.zeros(len(cands))
        for name, (weight, larger) in terms.items():
            delta = [c["delta_" + name] for c in cands]
            for c in cands:
                if name == "params":
                    self.assertEqual(c["delta_params"], float(f"{(row[name][0] - c[name]) / row[name][0]:.2e}"))
            ranks = dense_ranks(delta, not larger)
            self.assertEqual([c["rank_" + name] for c in cands], ranks)
            total += weight * np.array(ranks)
            first = first or ranks
        self.assertEqual([c["sum"] for c in cands], list(total))
        for edge in {c["edge"] for c in cands}:
            mine = [i for i, c in enumerate(cands) if c["edge"] == edge]
            gone = min(mine, key=lambda i: (total[i], first[i], i))
            self.assertEqual([i for i in mine if cands[i]["pruned"]], [gone])

    def test_report_of_other_columns(self):
        """Without kappa there is no figure of kappa and regions."""
        self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=0", "search.by=params")
        self.works("report", self.path("run"), "-o", self.path("r.html"))
        with open(self.path("r.html"), encoding="utf-8") as f:
            text = f.read()
        self.assertIn("The supernets of the rounds", text)
        self.assertNotIn("<th>kappa</th>", text)


test_search.keep_own(By)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
