#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Marginal pruning: whole small searches against its rules, written down here anew.

usage: test_marginal.py ASSAY SOURCE_ROOT
"""
import itertools
import math
import sys
import unittest

import numpy as np

import test_search
from test_search import DARTS_TO

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
DARTS_OPS = ["none", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "avg_pool_3x3",
             "max_pool_3x3"]
FROM = [0, 1, 0, 1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4]  # of darts' edges


def places_201(arch):
    """{(cell, edge): operation} of an architecture."""
    words = [w.split("~")[0] for node in arch.split("+") for w in node.strip("|").split("|")]
    return {(0, e): OPS.index(w) for e, w in enumerate(words)}


def places_darts(arch):
    places = {}
    for cell, name in enumerate(("normal=[", "reduce=[")):
        genes = eval("[" + arch.split(name)[1].split("]")[0] + "]")
        for i, (op, source) in enumerate(genes):
            edge = next(e for e in range(14) if DARTS_TO[e] == i // 2 and FROM[e] == source)
            places[cell, edge] = DARTS_OPS.index(op)
    return places


def ranks_of(values, better):
    """1 + the number of better ones; those without a value are last."""
    known = [v for v in values if math.isfinite(v)]
    return [1 + sum(better(k, v) for k in known) if math.isfinite(v) else len(known) + 1 for v in values]


class Marginal(test_search.Search):
    def marginal(self, config, *settings, directory="run"):
        return self.search(config, "search.method=marginal", "run.repeats=1", *settings, directory=directory)

    def check(self, places, n, last, edges_too, better=lambda a, b: a < b, finish_better=lambda a, b: a < b):
        tables = self.trajectory()
        rows, marginals = tables["architectures"], tables["marginals"]
        for found in tables["found"]:
            mine = [r for r in rows if r["seed"] == found["seed"]]
            rounds = found["rounds"] - 1
            self.assertEqual(len(mine), found["evaluations"])
            for k in range(rounds):
                batch = mine[k * n:(k + 1) * n]
                table = [m for m in marginals if (m["seed"], m["round"]) == (found["seed"], k + 1)]
                ranks = ranks_of([r["value"] for r in batch], better)
                has = [places(r["arch"]) for r in batch]
                alive = {}
                for m in table:
                    key = (m["cell"], m["edge"])
                    alive.setdefault(key, []).append(m["op"])
                    own = [r for r, h in zip(ranks, has) if h.get(key) == m["op"]]
                    self.assertEqual(m["architectures"], len(own))
                    np.testing.assert_equal(m["rank"], np.mean(own) if own else math.nan)
                for h in has:
                    self.assertTrue(all(op in alive[key] for key, op in h.items()))
                self.check_pruned(table, alive, edges_too)
                if k:
                    self.assertEqual({(m["cell"], m["edge"], m["op"]) for m in table}, left)
                left = {(m["cell"], m["edge"], m["op"]) for m in table if not m["pruned"]}
            final = mine[rounds * n:]
            self.assertLessEqual(len(final), last)
            self.assertEqual(sorted(str(sorted(places(r["arch"]).items())) for r in final),
                             sorted(str(sorted(a.items())) for a in self.all_of(left, edges_too)))
            known = [r for r in final if math.isfinite(r["value"])]
            best = next(r for r in known if not any(finish_better(k["value"], r["value"]) for k in known))
            self.assertEqual(found["arch"], best["arch"])
        return tables

    def check_pruned(self, table, alive, edges_too):
        """The worst operation of every edge goes; where none can, the worst edge of every node."""
        groups = {}
        several = any(len(ops) > 1 for ops in alive.values())
        for m in table:
            groups.setdefault((m["cell"], m["edge"] if several else DARTS_TO[m["edge"]]), []).append(m)
        for members in groups.values():
            known = [m for m in members if m["architectures"]]
            gone = max(known, key=lambda m: m["rank"]) if known and len(members) > (1 if several else 2) else None
            self.assertTrue(several or edges_too)
            self.assertEqual([m for m in members if m["pruned"]], [gone] if gone else [])

    def all_of(self, left, edges_too):
        edges = sorted({(c, e) for c, e, _ in left})
        ops = {key: [op for c, e, op in sorted(left) if (c, e) == key] for key in edges}
        nodes = {}
        for c, e in edges:
            nodes.setdefault((c, DARTS_TO[e]) if edges_too else 0, []).append((c, e))
        ways = [itertools.combinations(group, 2) if edges_too else [tuple(group)] for group in nodes.values()]
        for kept in itertools.product(*ways):
            keys = [key for group in kept for key in group]
            for chosen in itertools.product(*[ops[key] for key in keys]):
                yield dict(zip(keys, chosen))

    def test_on_nas_bench_201(self):
        p = self.marginal("nb201-tenas-search.ini", "network.channels=2", "search.seeds=0-1", "search.round=15")
        tables = self.check(places_201, 15, 64, False)
        self.assertEqual([f["evaluations"] for f in tables["found"]], [3 * 15 + 64] * 2)
        self.assertRegex(p.stderr, r"seed 1 round 3: pruned 1<-0 \w+, .*; 12 of 18 left, 64 architectures; 15 evaluations")

    def test_finished_by_another_score(self):
        """The last are compared by search.finish, the others by search.by, whose direction need not be the same."""
        settings = ("network.channels=2", "search.seeds=3", "search.round=12", "search.last=20", "search.by=regions")
        self.marginal("nb201-tenas-search.ini", *settings, "search.finish=kappa + 2*params")
        tables = self.check(places_201, 12, 20, False, better=lambda a, b: a > b)
        self.assertEqual(tables["found"][0]["rounds"], 5)
        final = tables["architectures"][4 * 12:]
        self.assertEqual(len(final), 1)
        self.assertEqual(final[0]["value"], 3)
        self.fails(1, "search", self.write("c.ini", "[search]\nmethod = marginal\nfinish = kapa\n"), "-o", self.path("x"),
                   says=["search.finish = kapa"])

    def test_on_darts(self):
        self.marginal("darts-tenas-search.ini", "ntk.batch=3", "search.seeds=0", "search.round=14",
                      "search.by=params")
        tables = self.check(places_darts, 14, 14, True, *[lambda a, b: a > b] * 2)
        self.assertEqual(tables["found"][0]["rounds"], 6 + 2 + 1)

    def test_spaces_without_choices_on_edges(self):
        for space in ("nats-sss", "nas-bench-1shot1-s1", "null"):
            self.fails(1, "search", self.write("c.ini", f"[space]\nname = {space}\n[search]\nmethod = marginal\n"), "-o",
                       self.path("x"), says=[space, "marginal", "expected one of ", "nas-bench-201", "darts"])


test_search.keep_own(Marginal)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
