#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Columns made of columns: what [score] stores, against the definitions computed here.

usage: test_score.py ASSAY SOURCE_ROOT
"""
import csv
import io
import os
import re
import sys
import unittest

import h5py
import numpy as np

from test_cli import ROOT, Case, run
from test_tables import Results

CHEAP = ["data.source=gaussian", "network.image=8", "network.channels=2", "ntk.batch=4", "regions.batch=20", "run.metrics=ntk,regions,cost"]
QUICKSTART = f"{ROOT}/configs/nb201-quickstart.ini"
MINE = ["score.mine=2*kappa + regions - 0.5*flops", "score.ln=lnrank(kappa) + 2*lnrank(params)", "score.both=tenas + mine"]


def words(*settings):
    return [w for s in [*CHEAP, *settings] for w in ("--set", s)]


def places(value, direction):
    """1 + the number of better rows, and the mean place counted from the worst row; what is no number is worst."""
    x = np.where(np.isfinite(value), direction * value, -np.inf)
    better, equal = np.greater.outer(x, x).sum(0), np.equal.outer(x, x).sum(0)
    return 1 + better, len(x) - better - (equal - 1) / 2


class Stored(Case):
    def sweep(self, directory, *settings):
        p = run("sweep", QUICKSTART, "-o", self.path(directory), "--sample", "40", "--quiet", *words(*settings))
        self.assertEqual(p.returncode, 0, p.stderr)
        return h5py.File(self.path(f"{directory}/results.h5"))

    def check(self, f):
        table = {k: v[:] for k, v in f["table"].items()}
        ok = table["status_code"] == 0
        rank, ln = {}, {}
        for name, direction in dict(kappa=-1, regions=1, flops=1, params=1).items():
            rank[name], place = places(np.where(ok, table[name], np.nan), direction)
            ln[name] = np.log(place / len(ok))
        whole = ok & np.isfinite(table["kappa"])
        self.assertGreater(whole.sum(), 20)
        self.assertGreater((~ok).sum(), 0)
        mine = np.where(whole, 2 * rank["kappa"] + rank["regions"] - 0.5 * rank["flops"], np.nan)
        np.testing.assert_array_equal(table["mine"], mine)
        np.testing.assert_allclose(table["ln"], np.where(whole, ln["kappa"] + 2 * ln["params"], np.nan), rtol=1e-12)
        both = places(table["tenas"], -1)[0]  # ties of tenas are decided by kappa
        self.assertTrue((f["ranks/tenas"][:] >= both).all())
        np.testing.assert_array_equal(table["both"], np.where(whole, f["ranks/tenas"][:] + f["ranks/mine"][:], np.nan))
        for name, direction in dict(mine=-1, ln=1, both=-1).items():
            value = table[name][f["rankings"][name][:]]
            self.assertTrue(np.isnan(value[whole.sum():]).all())
            self.assertTrue((direction * np.diff(value[:whole.sum()]) <= 0).all(), name)

    def test_scores_stand_beside_their_formula(self):
        f = self.sweep("run", *MINE)
        self.check(f)
        for name, unit, direction in (("mine", "rank sum", -1), ("ln", "sum of ln(rank/M)", 1)):
            for group in ("table", "rankings", "ranks"):
                attributes = f[group][name].attrs
                formula = next(s for s in MINE if s.startswith(f"score.{name}=")).split("=")[1]
                self.assertEqual((attributes["protocol"], attributes["units"], attributes["direction"]),
                                 (formula, unit, direction))
        self.assertEqual(list(f["columns/name"][:])[-4:], [b"tenas", b"mine", b"ln", b"both"])
        self.assertIn("[score]\nmine = 2*kappa", f.attrs["config"])

    def test_scores_of_papers(self):
        """They are there when their columns are, and not otherwise."""
        few = ["proxies.batch=4", "az.batch=4", "run.repeats=1"]
        f = self.sweep("run", "run.metrics=cost,snip,jacov,synflow,az", *few)
        self.assertEqual(list(f["columns/name"][:])[-2:], [b"az", b"vote"])
        table = {k: v[:] for k, v in f["table"].items()}
        ok = table["status_code"] == 0
        self.assertGreater(ok.sum(), 10)
        ln = [np.log(places(np.where(ok, table[name], np.nan), 1)[1] / len(ok))
              for name in ("flops", "az_expressivity", "az_progressivity", "az_trainability")]
        np.testing.assert_allclose(table["az"], np.where(ok, sum(ln), np.nan), rtol=1e-12)
        x = [np.where(ok, table[name], -np.inf) for name in ("synflow", "jacov", "snip")]
        votes = (sum(np.greater.outer(v, v).astype(int) for v in x) >= 2).sum(1)
        np.testing.assert_array_equal(table["vote"], np.where(ok, votes, np.nan))
        for name in ("az", "vote"):
            rows = list(csv.DictReader(io.StringIO(self.works("rank", self.path("run"), "--by", name, "--csv"))))
            self.assertEqual(rows[0]["index"], str(table["index"][np.nanargmax(table[name])]))
        self.assertIn("vote(synflow, jacov)", self.works("rank", self.path("run"), "--by", "vote(synflow, jacov)"))
        self.fails(2, "rank", self.path("run"), "--by", "vkdnw_agg", says=["unknown column 'vkdnw_single'"])

    def test_score_of_ours(self):
        f = self.sweep("run", "run.metrics=ntk,regions,cost,jacov,vkdnw", "proxies.batch=4", "vkdnw.batch=4", "run.repeats=1")
        table = {k: v[:] for k, v in f["table"].items()}
        ok = table["status_code"] == 0
        self.assertGreater(ok.sum(), 10)
        ln = [np.log(places(np.where(ok, table[name], np.nan), -1 if name == "log_kappa" else 1)[1] / len(ok))
              for name in ("log_kappa", "regions", "params", "params_live", "jacov", "vkdnw_entropy")]
        np.testing.assert_allclose(table["assay"], np.where(ok, sum(ln), np.nan), rtol=1e-12)
        self.assertEqual(f["table/assay"].attrs["direction"], 1)

    def test_columns_that_no_candidate_has(self):
        f = self.sweep("run", "run.metrics=meco_opt,grad_norm,cost", "proxies.batch=4", "run.repeats=1")
        ok = f["table/status_code"][:] == 0
        self.assertGreater(ok.sum(), 20)  # two channels are too few for meco_opt, which is not theirs to mend
        self.assertTrue(np.isnan(f["table/meco_opt_first8"][:]).all())
        self.assertTrue(np.isfinite(f["table/grad_norm"][:][ok]).all())

    def test_they_change_nothing_else(self):
        plain, scored = self.sweep("plain"), self.sweep("scored", *MINE)
        seen = 0

        def about(data):  # but for the list of what it is a scale of
            return sorted(str(item) for item in data.attrs.items() if item[0] != "REFERENCE_LIST")
        for group in ("table", "rankings", "ranks", "repeats"):
            for name, data in plain[group].items():
                self.assertEqual(data[()].tobytes(), scored[group][name][()].tobytes(), name)
                self.assertEqual(about(data), about(scored[group][name]))
                seen += 1
        self.assertGreater(seen, 30)
        self.assertNotIn("score", plain.attrs["config"])
        self.assertEqual(set(scored["table"]) - set(plain["table"]), {"mine", "ln", "both"})

    def test_they_are_packed_and_merged(self):
        whole = self.sweep("whole", *MINE)
        for shard in (1, 2):
            self.sweep(f"shard{shard}", *MINE, f"candidates.shard={shard}/2").close()
        self.assertEqual(run("merge", self.path("shard1"), self.path("shard2"), "-o", self.path("merged")).returncode, 0)
        os.rename(self.path("merged/results.h5"), self.path("merged.h5"))
        self.assertEqual(run("pack", self.path("merged")).returncode, 0)
        for name in ("merged.h5", "merged/results.h5"):
            with h5py.File(self.path(name)) as f:
                self.check(f)
                for score in ("mine", "ln", "both"):
                    self.assertEqual(f["table"][score][:].tobytes(), whole["table"][score][:].tobytes())

    def test_wrong_ones_are_refused_before_anything_is_written(self):
        for setting, *says in (("score.x=kappa + kapa", "score.x = ", "position 9", "'kapa'", "kappa, "),
                               ("score.x=kappa + nasi_trace", "'nasi_trace'"),
                               ("score.x=entropy", "'entropy' ranks nothing"),
                               ("score.x=both", "unknown column 'both'"),
                               ("score.x=x", "unknown column 'x'"),
                               ("score.x=kappa + lnrank(regions)", "position 16"),
                               ("score.x=" + "(" * 900, "position 1", "expected a column"),
                               ("score.regions=kappa", "score.regions", "new name"),
                               ("score.ntk_kappa=kappa", "score.ntk_kappa", "new name"),
                               ("score.1=kappa", "score.1", "a name of letters")):
            self.fails(2, "sweep", QUICKSTART, "-o", self.path("run"), *words(setting), says=says)
            self.assertFalse(os.path.exists(self.path("run")))
        config = self.write("c.ini", "[run]\nmetrics = cost\n[score]\nbig = params\nsmall = flops + cost\n")
        self.fails(1, "sweep", config, "-o", self.path("run"), says=["score.small", "'cost'", "log_weights_live, big"])
        self.fails(1, "plan", config, says=["score.small", "'cost'", "log_weights_live, big"])


class Ranked(Results):
    """On a file with made-up values, ties and all kinds of status."""
    def ranked(self, by):
        text = self.works("rank", self.results, "--all", "--csv", "--by", by)
        return list(csv.DictReader(io.StringIO(text)))

    def test_other_names_of_columns(self):
        """The names that others give them are taken where columns are named, and listed."""
        listed = re.findall(r"(?ms)^  (\w+)  (?:(?!^  \w).)*?also called\s+(\w+)", self.works("list", "metrics"))
        self.assertIn(("kappa", "ntk_kappa"), listed)
        columns = re.findall(r"(?m)^  (\w+)  ", self.works("list", "metrics"))
        for column, other in listed:
            self.assertIn(column, columns)
            self.assertNotIn(other, columns)
        for by in ("{}", "{} - 0.5*regions"):
            same = [self.ranked(by.format(name)) for name in ("kappa", "ntk_kappa")]
            self.assertEqual(*same)
        text = self.works("rank", self.results, "--columns", "ntk_kappa,layers_weight", "--csv")
        self.assertIn("status,kappa,layers\n", text)

    def test_formulas_on_a_file(self):
        ok = np.array([r["status"] == 0 for r in self.rows])
        index = [r["index"] for r in self.rows]
        r = {c: places(np.where(ok, [row[c] for row in self.rows], np.nan), d)
             for c, d in dict(kappa=-1, regions=1, params=1, flops=1).items()}
        m = len(ok)
        for by, direction, first, value in (
                ("2*kappa + regions", -1, r["kappa"][0], 2.0 * r["kappa"][0] + r["regions"][0]),
                ("regions - 0.5*params", -1, r["regions"][0], r["regions"][0] - 0.5 * r["params"][0]),
                ("lnrank(flops) + 2*lnrank(kappa)", 1, r["flops"][0], np.log(r["flops"][1] / m) + 2 * np.log(r["kappa"][1] / m))):
            order = sorted(range(m), key=lambda i: (not ok[i], ok[i] and (round(-direction * value[i], 9), first[i]), i))
            rows = self.ranked(by)
            self.assertEqual([int(row["index"]) for row in rows], [index[i] for i in order], by)
            for place, (row, i) in enumerate(zip(rows, order)):
                self.assertEqual(row["rank"], str(place + 1) if ok[i] else "")
                if ok[i]:
                    self.assertAlmostEqual(float(row["score"]), value[i], places=12)
                else:
                    self.assertIn(row["score"], ("", "nan"))

    def test_a_formula_is_the_ranking_of_its_name(self):
        named, formula = self.ranked("tenas"), self.ranked("kappa + regions")
        self.assertEqual([row["tenas"] for row in named if row["rank"]], [row["score"] for row in formula if row["rank"]])
        self.assertEqual([c for c in formula[0]][4:], ["score", "kappa", "regions", "params", "flops"])

    def test_wrong_ones(self):
        for by, *says in (("kappa + kapa", "--by = ", "position 9", "'kapa'", "kappa, "), ("kappa +", "position 8"),
                          ("entropy + kappa", "'entropy' ranks nothing"), ("(" * 5000, "a formula of 5000 bytes"),
                          ("+".join(["kappa"] * 33), "at most 32 terms"), ("kapa", "unknown ranking 'kapa'")):
            self.fails(2, "rank", self.results, "--by", by, says=says)


class Searched(Case):
    def search(self, *settings, code=0):
        directory = self.path(f"run{len(os.listdir(self.dir))}")
        p = run("search", f"{ROOT}/configs/nb201-tenas-search.ini", "-o", directory,
                *words("search.seeds=0-2", "search.samples=30", "run.repeats=1", "regions.batches=1", "search.population=12",
                       "search.children=5", "search.tournament=4", *settings))
        self.assertEqual(p.returncode, code, p.stderr)
        with h5py.File(f"{directory}/search.h5") as f:
            return {group: {k: v[:] for k, v in f[group].items()} for group in f if group != "run"}

    def check_found(self, tables, score, direction, columns):
        """The first of the best by the score of what each method and seed evaluated."""
        found, all_rows = tables["found"], tables["architectures"]
        for row, (method, seed) in enumerate(zip(found["method"], found["seed"])):
            of = (all_rows["seed"] == seed) & (all_rows["method"] == method)
            rows = {k: v[of] for k, v in all_rows.items()}
            self.assertEqual(len(rows["value"]), 30)
            expected = score({c: places(rows[c], d) for c, d in columns.items()})
            expected[~np.isfinite(sum(rows[c] for c in columns))] = np.nan
            np.testing.assert_allclose(rows["value"], expected, rtol=1e-12)
            best = np.nanargmax(direction * rows["value"])
            self.assertEqual(rows["index"][best], found["index"][row])

    def test_formulas_decide(self):
        three = dict(kappa=-1, regions=1, flops=1)
        formulas = (("2*kappa + regions", -1, dict(kappa=-1, regions=1), lambda r: 2.0 * r["kappa"][0] + r["regions"][0]),
                    ("kappa - 0.25*flops + regions", -1, three,
                     lambda r: r["kappa"][0] - 0.25 * r["flops"][0] + r["regions"][0]),
                    ("lnrank(flops) + lnrank(kappa) + lnrank(regions)", 1, three,
                     lambda r: sum(np.log(r[c][1] / 30) for c in r)))
        for formula, direction, columns, score in formulas:
            tables = self.search("search.method=random,evolution", f"search.by={formula}")
            self.assertEqual(len(tables["found"]["seed"]), 6)
            self.check_found(tables, score, direction, columns)

    def test_names_stand_for_their_formulas(self):
        methods = "search.method=tenas,random,evolution"
        one = self.search(methods)
        self.assertEqual(len(one["found"]["seed"]), 9)
        for settings in (["search.by=kappa + regions"], ["search.by=mine", "score.mine=1*kappa + regions"]):
            other = self.search(methods, *settings)
            self.assertEqual(one.keys(), other.keys())
            for group in one:
                self.assertEqual(one[group].keys(), other[group].keys())
                for name, value in one[group].items():
                    self.assertEqual(value.tobytes(), other[group][name].tobytes(), (settings, group, name))

    def test_weights_of_pruning(self):
        decided = 0
        for weights in ((1, 1), (3, 1), (1, 4)):
            c = self.search("search.method=tenas", "regions.batch=200", "search.by={}*kappa + {}*regions".format(*weights))["candidates"]
            rows = [{k: c[k][i] for k in c} for i in range(len(c["seed"]))]
            edges = {}
            for i, r in enumerate(rows):
                edges.setdefault((r["seed"], r["round"], r["edge"]), []).append(
                    (weights[0] * r["rank_kappa"] + weights[1] * r["rank_regions"], r["rank_kappa"], i))
            for those in edges.values():
                first = min(those)[-1]
                for i in (t[-1] for t in those):
                    self.assertEqual(rows[i]["pruned"], i == first)
                plain = min((rows[i]["rank_kappa"] + rows[i]["rank_regions"], k, i) for _, k, i in those)[-1]
                decided += plain != first
        self.assertGreater(decided, 0)

    def test_wrong_ones_are_refused(self):
        for method, by, *says in (("random", "kappa + kapa", "search.by = ", "position 9", "'kapa'", "regions"),
                                  ("evolution", "kappa +", "position 8"),
                                  ("random", "tenas + kappa", "unknown column 'tenas'"),
                                  ("random", "entropy + kappa", "'entropy' ranks nothing"),
                                  ("random", "2*", "position 3"),
                                  ("tenas", "kappa + flps", "'flps'", "position 9"),
                                  ("random", "unknown", "search.by = unknown", "assay list scores")):
            self.fails(2, "search", f"{ROOT}/configs/nb201-tenas-search.ini", "-o", self.path("run"),
                       *words(f"search.method={method}", f"search.by={by}"), says=says)
            self.assertFalse(os.path.exists(self.path("run")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
