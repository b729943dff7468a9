#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches by other scores than TE-NAS's own.

usage: test_search_by.py ASSAY SOURCE_ROOT
"""
import math
import os
import sys
import unittest

import h5py
import numpy as np

import test_search
from test_cli import run
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

    # ---- ranks against a stored table ----------------------------------------------------------------------------------
    SMALL = ("network.channels=2", "run.repeats=1", "search.seeds=1", "search.samples=12")

    def make_table(self, *settings):
        words = [w for s in (*test_search.CHEAP[:5], "network.channels=2", "run.repeats=2", "run.seed=9",
                             "run.metrics=ntk,regions,cost", *settings) for w in ("--set", s)]
        self.works("sweep", f"{test_search.ROOT}/configs/nb201-tenas.ini", "-o", self.path("table"), "--sample", "200",
                   "--quiet", *words)
        return self.path("table/results.h5")

    def test_ranks_of_a_stored_table(self):
        path = self.make_table()
        with h5py.File(path) as f:
            ok = f["table/status"].asstr()[()] == "ok"
            worth = {name: np.where(ok, sign * f["table/" + name][()], -math.inf)
                     for name, sign in (("log_kappa", -1), ("regions", 1), ("params", 1))}
        self.assertTrue(0 < ok.sum() < len(ok))

        def rank(name, x):
            return 1 + (worth[name] > x).sum()

        def ln(name, x):
            place = rank(name, x) + (worth[name] == x).sum() / 2
            return math.log((len(ok) + 2 - place) / (len(ok) + 1))

        votes = ("log_kappa", "regions", "regions", "params")  # one that has two

        def vote(values):
            lost = sum((worth[name] < values[name]).astype(int) for name in votes)
            return (2 * lost >= len(votes)).sum()

        formulas = {"log_kappa + 2*params": lambda v: rank("log_kappa", v["log_kappa"]) + 2 * rank("params", v["params"]),
                    "lnrank(regions) + lnrank(params)": lambda v: ln("regions", v["regions"]) + ln("params", v["params"]),
                    f"vote({', '.join(votes)})": vote}
        screen = ("search.screened=5", "search.screen=params + flops")  # not of the table's columns
        for i, (by, of) in enumerate(formulas.items()):
            self.search("nb201-tenas-search.ini", *self.SMALL, "search.method=random", f"search.by={by}",
                        f"search.ranks={path}", *(screen if i == 2 else ()), directory=f"run{i}")
            for row in self.trajectory(f"run{i}")["architectures"]:
                values = {name: sign * row[name] for name, sign in (("log_kappa", -1), ("regions", 1), ("params", 1))
                          if name in row}
                if math.isfinite(row["value"]):
                    self.assertAlmostEqual(row["value"], of(values), delta=1e-12)
        # The journal knows which values they were, not where.
        words = [w for s in (*test_search.CHEAP, *self.SMALL, "search.method=random", "search.by=log_kappa + 2*params")
                 for w in ("--set", s)]
        again = ("search", f"{test_search.ROOT}/configs/nb201-tenas-search.ini", "-o", self.path("run0"), "--quiet", *words)
        os.rename(path, self.path("moved.h5"))
        # search.finish is marginal's: a random search asks for none of its columns.
        self.works(*again, "--set", f"search.ranks={self.path('moved.h5')}", "--set", "search.finish=flops + 2*naswot")
        p = run(*again)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, r"another configuration[^\n]*\n  \[search\]\n- # ranks: \w{16}\n\Z")

    def test_tables_that_do_not_match(self):
        path = self.make_table()

        def bad(code, *settings, says):
            words = [w for s in (*test_search.CHEAP, *self.SMALL, "search.method=random", f"search.ranks={path}", *settings)
                     for w in ("--set", s)]
            self.fails(code, "search", f"{test_search.ROOT}/configs/nb201-tenas-search.ini", "-o", self.path("x"), *words,
                       says=says)
        bad(1, "ntk.batch=5", says=[f"{path} (search.ranks): column kappa is of another protocol", "batch=4", "batch=5"])
        bad(1, "search.by=synflow + kappa", says=[path, "has no column synflow"])
        bad(1, "space.name=darts", says=[path, "nas-bench-201", "darts"])
        bad(2, "search.by=kappa", says=["search.ranks", "one column", "expected a sum"])
        bad(2, "search.method=tenas", says=["search.ranks", "tenas", "expected random"])
        bad(2, "search.method=nasi,nasi-random", says=[f"search.ranks = {path}", "NASI", "expected random"])
        bad(1, f"search.ranks={self.path('none.h5')}", says=["none.h5: No such file"])
        with h5py.File(path, "r+") as f:
            f["table/regions"][...] = np.inf
        bad(1, says=[f"{path} (search.ranks): column regions has no value in any of the 200 rows"])


test_search.keep_own(By)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
