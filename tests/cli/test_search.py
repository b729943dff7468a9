#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole small searches: their trajectories against the rules of TE-NAS's released code, written down here anew.

usage: test_search.py ASSAY SOURCE_ROOT
"""
import math
import sys
import unittest

import h5py
import numpy as np

from test_cli import ROOT, Case, run

CHEAP = ["data.source=gaussian", "network.image=8", "ntk.batch=4", "regions.batch=40", "regions.batches=1",
         "search.method=tenas", "search.baseline=false"]
DARTS_TO = [0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3]


def dense_ranks(values, descending):
    """As the release: sorted, and one more for every value that differs from the one before."""
    order = sorted(range(len(values)), key=lambda i: values[i], reverse=descending)
    ranks, last = {}, None
    for place, i in enumerate(order):
        if place == 0:
            ranks[i] = 0
        else:
            ranks[i] = ranks[last] + (values[i] != values[last])
        last = i
    return [ranks[i] for i in range(len(values))]


def pruned_of(rows, group, most):
    """The candidates that go; group: which stand together; most: how many of a group go."""
    gone, count = set(), {}
    kappa = [r["rank_kappa"] for r in rows]
    total = [r["rank_kappa"] + r["rank_regions"] for r in rows]
    for i in sorted(range(len(rows)), key=lambda i: (total[i], kappa[i], i)):
        key = group(rows[i])
        if count.get(key, 0) < most(key):
            gone.add(i)
            count[key] = count.get(key, 0) + 1
    return gone


def parse_mask(text):
    return [["" if e == "-" else e for e in cell.split(",")] for cell in text.split("/")]


class Search(Case):
    def search(self, config, *settings, directory="run", code=0):
        words = [w for s in [*CHEAP, *settings] for w in ("--set", s)]
        p = run("search", f"{ROOT}/configs/{config}", "-o", self.path(directory), *words)
        self.assertEqual(p.returncode, code, p.stderr)
        return p

    def trajectory(self, directory="run"):
        tables = {}
        with h5py.File(self.path(f"{directory}/search.h5")) as f:
            for name in f:
                if name != "run":
                    columns = {k: v[()] for k, v in f[name].items()}
                    self.assertEqual(len({len(v) for v in columns.values()}), 1, name)
                    n = len(next(iter(columns.values())))
                    tables[name] = [{k: v[i].decode() if isinstance(v[i], bytes) else v[i]
                                     for k, v in columns.items()} for i in range(n)]
        return tables

    def check_round(self, row, rows, prune):
        """One round by the rules; returns the mask that it leaves."""
        mask = parse_mask(row["mask"])
        edges = bool(row["edges"])
        alive = {(c, e): ops for c, cell in enumerate(mask) for e, ops in enumerate(cell)}
        expected = [(c, e, int(op)) for (c, e), ops in alive.items() for op in ops
                    if (DARTS_TO[e] > 0 if edges else len(ops) > 1)]
        self.assertEqual([(r["cell"], r["edge"], r["op"]) for r in rows], expected)
        groups = {}
        for i, r in enumerate(rows):
            groups.setdefault((r["cell"], DARTS_TO[r["edge"]]) if edges else 0, []).append(i)
        for members in groups.values():
            for name, descending in (("kappa", True), ("regions", False)):
                values = [rows[i]["delta_" + name] for i in members]
                self.assertEqual([rows[i]["rank_" + name] for i in members], dense_ranks(values, descending))
        if edges:
            gone = pruned_of(rows, lambda r: (r["cell"], DARTS_TO[r["edge"]]), lambda key: DARTS_TO.count(key[1]) - 2)
        else:
            gone = pruned_of(rows, lambda r: (r["cell"], r["edge"]), lambda key: min(prune, len(alive[key]) - 1))
        self.assertEqual({i for i, r in enumerate(rows) if r["pruned"]}, gone)
        for i in gone:
            c, e, op = expected[i]
            mask[c][e] = mask[c][e].replace(str(op), "")
        return mask

    def check_trajectory(self, tables, prune):
        for found in tables["found"]:
            mask = None
            rounds = [r for r in tables["rounds"] if r["seed"] == found["seed"]]
            self.assertEqual([r["round"] for r in rounds], list(range(1, found["rounds"] + 1)))
            for row in rounds:
                if mask is not None:
                    self.assertEqual(parse_mask(row["mask"]), mask)
                mask = self.check_round(row, [c for c in tables["candidates"] if (c["seed"], c["round"]) ==
                                              (row["seed"], row["round"])], prune)
            self.assertTrue(all(len(e) <= 1 for cell in mask for e in cell))
            yield found, mask

    def test_tenas_on_nas_bench_201(self):
        p = self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=0-1", "run.repeats=1")
        ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
        tables = self.trajectory()
        self.assertEqual(len(tables["candidates"]), 2 * (24 + 18 + 12))
        for found, mask in self.check_trajectory(tables, 1):
            names = [ops[int(e)] for e in mask[0]]
            node = [f"|{'|'.join(f'{names.pop(0)}~{j}' for j in range(i))}|" for i in (1, 2, 3)]
            self.assertEqual(found["arch"], "+".join(node))
            self.assertIn(found["arch"], p.stdout)
            self.assertEqual(found["evaluations"], 25 + 19 + 13)
        for c in tables["candidates"]:
            base = next(r for r in tables["rounds"] if (r["seed"], r["round"]) == (c["seed"], c["round"]))
            if c["status"] == base["status"] == "ok":
                for name in ("kappa", "regions"):
                    delta = (base[name][0] - c[name]) / base[name][0]
                    self.assertEqual(c["delta_" + name], float(f"{delta:.2e}"))
            elif base["status"] == "ok":
                self.assertEqual((c["delta_kappa"], c["delta_regions"]), (-math.inf, math.inf))
        self.assertRegex(p.stderr, r"seed 0: pruned none on every edge; 24 of 30 left\n")
        self.assertRegex(p.stderr, r"seed 1 round 3: kappa \S+, regions \S+; pruned 1<-0 \w+, .*; 6 of 12 left; 13 ")

    def test_supernets_are_those_of_eval(self):
        """The first round's supernet is what `assay eval --supernet full` says with that seed."""
        self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=5")
        words = [w for s in [*CHEAP, "network.channels=2", "run.seed=5", "run.metrics=ntk,regions"] for w in ("--set", s)]
        text = self.works("eval", "nas-bench-201", "--supernet", "full", "-c", f"{ROOT}/configs/nb201-tenas.ini", *words,
                          "--set", "run.repeats=3")
        kappa = next(line.split() for line in text.splitlines() if line.startswith("kappa "))
        row = self.trajectory()["rounds"][0]
        np.testing.assert_allclose([float(x) for x in kappa[2:5]], row["kappa"], rtol=1e-9)

    def test_tenas_on_darts(self):
        p = self.search("darts-tenas-search.ini", "run.repeats=1", "ntk.batch=3")
        tables = self.trajectory()
        self.assertEqual(len(tables["candidates"]), 196 + 112 + 24)
        for found, mask in self.check_trajectory(tables, 3):
            for cell in mask:
                for node in range(4):
                    self.assertEqual(sum(len(e) for e, to in zip(cell, DARTS_TO) if to == node), 2)
            text = self.works("show", "darts", found["arch"])
            self.assertIn(found["arch"], text)
        self.assertIn("params", p.stdout)

    def test_draws_of_their_own(self):
        """common = false: each candidate has its own supernet, with its own images."""
        self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=0", "search.common=false")
        tables = self.trajectory()
        self.assertEqual(tables["found"][0]["evaluations"], 2 * (24 + 18 + 12))
        for _ in self.check_trajectory(tables, 1):
            pass

    def test_random_and_evolution(self):
        for by, key, better in (("kappa", "kappa", min), ("regions", "regions", max), ("params", "value", max)):
            for method, samples in (("random", 30), ("evolution", 50)):
                directory = f"{method}-{by}"
                self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=3", f"search.method={method}",
                            f"search.by={by}", f"search.samples={samples}", "search.population=12", "search.children=5",
                            "search.tournament=4", directory=directory)
                tables = self.trajectory(directory)
                rows = tables["architectures"]
                self.assertEqual(len(rows), samples)
                best = better(r[key] for r in rows if not math.isnan(r[key]))
                first = next(r for r in rows if r[key] == best)
                self.assertEqual(tables["found"][0]["arch"], first["arch"])
                if method == "evolution":
                    last = [r["value"] for r in rows[-15:] if not math.isnan(r["value"])]
                    start = [r["value"] for r in rows[:12] if not math.isnan(r["value"])]
                    self.assertGreater(np.mean(last) if better is max else -np.mean(last),
                                       np.mean(start) if better is max else -np.mean(start))

    NASI = ("search.channels=2", "search.cells=1", "search.stem=1", "nasi.batch=6", "search.steps=7", "search.seeds=2-3",
            "search.baseline=false")

    def nasi(self, methods, *settings, space="nas-bench-201", directory="run"):
        config = self.write("nasi.ini", f"[space]\nname = {space}\n[search]\nmethod = {methods}\n")
        words = [w for s in [*CHEAP[:2], *self.NASI, *settings] for w in ("--set", s)]
        p = run("search", config, "-o", self.path(directory), *words)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p, self.trajectory(directory)

    def check_nasi(self, tables, found, mu, nu):
        """The decision from the steps, by the paper's formula; returns the options taken."""
        mine = lambda table: [r for r in tables[table] if (r["method"], r["seed"]) == (found["method"], found["seed"])]
        ada, traces, largest, delta = found["method"] == "nasi-ada", 0, 0, 0
        for t, s in enumerate(mine("steps"), 1):
            bound = (nu + traces) / t if ada else nu
            over = s["nasi_trace"] > bound
            g = s["dalpha"] * (1 - mu if over else 1)
            largest = max(largest, np.linalg.norm(g))
            delta = delta + g / largest
            traces += s["nasi_trace"]
            self.assertEqual((s["step"], s["over"]), (t, over))
            np.testing.assert_allclose([s["nu"], s["norm"]], [bound, np.linalg.norm(g)], rtol=1e-12)
        choices = mine("choices")
        np.testing.assert_allclose([c["delta"] for c in choices], delta / t, rtol=1e-9, atol=1e-15)
        return [c for c in choices if c["taken"]]

    def test_nasi_on_nas_bench_201(self):
        p, tables = self.nasi("nasi,nasi-ada,nasi-random", "search.nu=1", "search.nu_adaptive=3", "search.mu=1.5", "search.samples=21")
        self.assertEqual(len(tables["steps"]), 2 * (7 + 7 + 21))
        for found in tables["found"]:
            if found["method"] == "nasi-random":
                rows = [r for r in tables["steps"] if (r["method"], r["seed"]) == (found["method"], found["seed"])]
                best = max(rows, key=lambda r: r["nasi_trace"] - 1.5 * max(0, r["nasi_trace"] - 1))
                self.assertEqual((found["arch"], found["evaluations"]), (best["arch"], 21))
                continue
            taken = self.check_nasi(tables, found, 1.5, 3 if found["method"] == "nasi-ada" else 1)
            names = [c["name"].split()[1] for c in taken]
            for choice in range(6):
                rows = [c for c in tables["choices"] if (c["method"], c["seed"], c["choice"]) ==
                        (found["method"], found["seed"], choice)]
                self.assertEqual(taken[choice]["option"], max(rows, key=lambda c: c["delta"])["option"])
            node = [f"|{'|'.join(f'{names.pop(0)}~{j}' for j in range(i))}|" for i in (1, 2, 3)]
            self.assertEqual((found["arch"], found["evaluations"]), ("+".join(node), 7))
            self.assertIn(found["arch"], p.stdout)
        # nasi and nasi-ada have the same steps; nasi-random's first are the same samples and images.
        steps = lambda m: [r["nasi_trace"] for r in tables["steps"] if r["method"] == m]
        self.assertEqual(steps("nasi"), steps("nasi-ada"))
        np.testing.assert_allclose(steps("nasi")[:7], steps("nasi-random")[:7], rtol=1e-4)
        self.assertIn("complete: 56 done", p.stderr)
        self.assertRegex(p.stderr, r"seed 2: nasi: 7 steps, trace norm \S+ \(\S+ to \S+\), above nu in [0-7], nu 1 at last")

    def test_nasi_bound_by_a_quantile(self):
        """It is that of all T of the search, of each method and seed its own."""
        tables = self.nasi("nasi,nasi-random", "search.nu=q60", "search.samples=9")[1]
        for found in tables["found"]:
            rows = [r for r in tables["steps"] if (r["method"], r["seed"]) == (found["method"], found["seed"])]
            bound = np.quantile([r["nasi_trace"] for r in rows], 0.6)
            np.testing.assert_allclose([r["nu"] for r in rows], bound, rtol=1e-12)
            if found["method"] == "nasi":
                self.check_nasi(tables, found, 2, bound)
        self.assertEqual(len({r["nu"] for r in tables["steps"]}), 4)

    def test_nasi_without_none(self):
        plain = self.nasi("nasi,nasi-random", "search.samples=7")[1]
        tables = self.nasi("nasi,nasi-random", "search.samples=7", "search.none=false", "search.norm=own", directory="b")[1]
        text = lambda t: "".join(r["arch"] for r in [*t["steps"], *t["found"]])
        self.assertIn("none", text(plain))
        self.assertNotIn("none", text(tables))
        for found in tables["found"][:2]:
            rows = lambda table: [r for r in tables[table] if (r["method"], r["seed"]) == ("nasi", found["seed"])]
            delta = np.mean([s["dalpha"] / np.linalg.norm(s["dalpha"]) * (1 - 2 * s["over"]) for s in rows("steps")], 0)
            np.testing.assert_allclose([c["delta"] for c in rows("choices")], delta, rtol=1e-9, atol=1e-15)

    def test_nasi_at_equal_cost(self):
        """A step evaluates all operations three times, a sample those it takes once."""
        found = self.nasi("nasi,nasi-random", "search.steps=20")[1]["found"]
        self.assertEqual([f["evaluations"] for f in found[:2]], [20, 20])
        self.assertTrue(60 < found[2]["evaluations"] == found[3]["evaluations"] < 160, found[2]["evaluations"])

    def test_nasi_on_darts(self):
        p, tables = self.nasi("nasi,nasi-ada", "search.cells=3", "search.steps=4", space="darts")
        for found in tables["found"]:
            taken = self.check_nasi(tables, found, 2, 500 if found["method"] == "nasi-ada" else 100)
            self.assertEqual(len(taken), 32)
            text = found["arch"]
            for cell in ("normal", "reduc"):
                genes = text.split(cell + ("e" if cell == "reduc" else "") + "=[", 1)[1].split("]")[0]
                words = genes.replace("(", "").replace(")", "").replace("'", "").split(", ")
                pairs = sorted(zip([i // 2 // 2 for i in range(len(words)) if i % 2], words[1::2], words[::2]))
                mine = [c for c in taken if c["name"].startswith(cell)]
                want = sorted(((int(a["name"].split()[2]) - 2), a["name"].split()[-1], b["name"].split()[-1])
                              for a, b in zip(mine[::2], mine[1::2]))
                self.assertEqual(pairs, want)

    def test_nasi_on_nas_bench_1shot1(self):
        """A vertex gets the best of its parents, as many as it has."""
        for i, parents in enumerate(([1, 2, 2, 2, 2], [1, 1, 2, 2, 3], [1, 1, 1, 2, 2, 2]), 1):
            tables = self.nasi("nasi,nasi-random", "search.cells=3", "search.steps=3", "search.affine=true", "search.samples=4",
                               space=f"nas-bench-1shot1-s{i}", directory=f"s{i}")[1]
            for found in tables["found"][:2]:
                taken, n = self.check_nasi(tables, found, 2, 100), len(parents) + 1
                cut = [row["name"].replace("output", f"node {n - 1}")[5:].split(": ") for row in taken]
                edges = {(int(what[7:]), int(v)) for v, what in cut if what.startswith("parent ")}
                edges |= {(u, v) for v, k in enumerate(parents, 1) if k == v for u in range(v)}
                ops = "".join({"max": "2", "con": "01"[what[4] == "1"]}.get(what[:3], "") for _, what in cut)
                self.assertEqual(found["arch"], ";".join("".join(str(int((u, v) in edges)) for v in range(n)) for u in range(n)) + "/" + ops)
                for choice in {c["choice"] for c in taken}:
                    delta = [[c["delta"] for c in tables["choices"] if (c["method"], c["seed"], c["choice"], c["taken"]) ==
                              (found["method"], found["seed"], choice, t)] for t in (0, 1)]
                    self.assertLess(max(delta[0]), min(delta[1]))
            traces = {m: [s["nasi_trace"] for s in tables["steps"] if s["method"] == m][:3] for m in ("nasi", "nasi-random")}
            np.testing.assert_allclose(traces["nasi"], traces["nasi-random"], rtol=1e-4)

    def test_nasi_samples_labels_and_images(self):
        """Options change what they name: samples per cell, labels, images, the network, and nothing else."""
        trace = lambda t: [s["nasi_trace"] for s in t["steps"]]
        plain = self.nasi("nasi")[1]
        for i, setting in enumerate(["search.affine=true", "search.channels=3", "search.cells=2", "nasi.batch=5",
                                     "ntk.init=pytorch", "search.per_cell=true"]):
            other = self.nasi("nasi", setting, directory=f"run{i}")[1]
            self.assertFalse(set(trace(plain)) & set(trace(other)), setting)
            self.assertEqual("arch" in other["steps"][0], "per_cell" not in setting)
            if "per_cell" not in setting:
                self.assertEqual([s["arch"] for s in plain["steps"]], [s["arch"] for s in other["steps"]])
        with h5py.File(self.path("images.h5"), "w") as f:
            f["x"] = np.random.default_rng(1).random((80, 3, 8, 8))
            f["labels"] = np.arange(80) % 10
        images = ("data.source=hdf5", f"data.path={self.path('images.h5')}:/x")
        real, true = (self.nasi("nasi", *images, f"nasi.labels={labels}", directory=labels)[1]
                      for labels in ("random", "true"))
        self.assertFalse(set(trace(plain)) & set(trace(real)))
        self.assertFalse(set(trace(true)) & set(trace(real)))

    def test_methods_side_by_side(self):
        """What a method finds does not depend on the others of its run."""
        cheap = ("network.channels=2", "search.seeds=0-1", "search.samples=40")
        for method in ("tenas", "random", "tenas,random"):
            p = self.search("nb201-tenas-search.ini", f"search.method={method}", *cheap, directory=method)
        both = self.trajectory("tenas,random")
        for method in ("tenas", "random"):
            found = self.trajectory(method)["found"]
            self.assertEqual([f for f in both["found"] if f["method"] == method], found)
            self.assertRegex(p.stdout, rf"\n{method}: .* CPU time a search; [12] of 2 seeds found the same network\n")
        self.assertIn("\n4 searches in ", p.stdout)

    def test_equal_cost(self):
        p = self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=0", "search.method=random")
        n = self.trajectory()["found"][0]["evaluations"]
        self.assertRegex(p.stderr, rf"random of {n} architectures, as many as cost the FLOPs of a TE-NAS search")
        self.assertTrue(60 < n < 300, n)

    def test_truth(self):
        self.search("nb201-tenas-search.ini", "network.channels=2", "regions.batch=400", "search.seeds=0-1")
        archs = [f["arch"] for f in self.trajectory()["found"]]
        truth = self.write("t.csv", "arch,test_accuracy\n" + "".join(f"{a},{90 + i}\n" for i, a in enumerate(archs)))
        words = [w for s in [*CHEAP, "network.channels=2", "regions.batch=400", "search.seeds=0-1"] for w in ("--set", s)]
        text = self.works("search", f"{ROOT}/configs/nb201-tenas-search.ini", "-o", self.path("run"), "--truth", truth,
                          "--quiet", *words)
        self.assertIn("test_accuracy: mean 90.50, standard deviation 0.71 over 2", text)

    def test_a_search_is_no_sweep(self):
        self.search("nb201-tenas-search.ini", "network.channels=2", "search.seeds=0")
        self.fails(1, "pack", self.path("run"), says=["holds a search"])
        p = run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", self.path("run"), "--quiet")
        self.assertEqual(p.returncode, 1)
        self.assertIn("another configuration", p.stderr)

    def test_refusals(self):
        config = f"{ROOT}/configs/nb201-tenas-search.ini"
        def bad(setting, *says):
            self.fails(2, "search", config, "-o", self.path("x"), "--set", "data.source=gaussian", "--set", setting,
                       says=[setting.split("=")[0], *says])
        bad("search.method=tenaz", "tenaz", "tenas, ")
        bad("search.method=tenas,tenas", "twice")
        bad("search.method=tenas random", "commas")
        bad("search.method=tenas,", "''")
        self.fails(2, "search", config, "-o", self.path("x"), "--set", "data.source=gaussian", "--set",
                   "search.method=random,marginal", "--set", "search.finish=params",
                   says=["random and marginal do not", "metrics ntk,regions and ntk,regions,cost"])
        bad("search.method=tenas,nasi", "tenas and nasi do not")
        bad("search.steps=0", "1 to 100000")
        bad("search.mu=-1", "-1")
        for nu in ("big", "q101", "q", "-1"):
            bad(f"search.nu={nu}", f"'{nu}'", "or q and a percentage")
        bad("search.per_cell=some", "some")
        bad("search.norm=mean", "largest")
        nasi = ("search", config, "-o", self.path("x"), "--quiet", "--set", "data.source=gaussian", "--set")
        self.fails(2, *nasi, "search.method=nasi", "--set", "nasi.labels=none", says=["nasi.labels = none", "true or random"])
        self.fails(2, *nasi, "search.method=nasi-random", "--set", "search.per_cell=true", says=["search.per_cell = true"])
        self.fails(1, *nasi, "search.method=nasi", "--set", "space.name=null", says=["null has no one-shot network"])
        self.fails(1, *nasi, "search.method=nasi", "--set", "search.cells=1", "--set", "run.memory=1",
                   says=["for the one-shot network", "over the limit of 1 MiB", "run.memory"])
        bad("search.seeds=3-1", "ends before it begins")
        bad("search.prune=17", "17")
        bad("search.common=perhaps", "perhaps")
        self.fails(2, "search", config, says=["-o DIR"])
        for method in ("random", "evolution"):
            self.fails(2, "search", config, "-o", self.path("x"), "--quiet", "--set", "data.source=gaussian", "--set",
                       f"search.method={method}", "--set", "search.by=kapa", says=["search.by = kapa"])
        self.fails(2, "search", config, "-o", self.path("x"), "--quiet", "--set", "data.source=gaussian", "--set",
                   "search.method=evolution", "--set", "search.tournament=33", says=["tournament = 33", "population = 32"])
        self.fails(1, "search", config, "-o", self.path("x"), "--quiet", "--set", "data.source=gaussian", "--set",
                   "space.name=null", says=["no supernets"])
        self.fails(1, "search", config, "-o", self.path("x"), "--quiet", "--set", "data.source=gaussian", "--set",
                   "space.name=nas-bench-1shot1-s1", says=["no supernets", "kappa of its one-shot network is infinite"])


def keep_own(case):
    """Tests that a case inherits are not run again."""
    for name in [n for n in dir(case) if n.startswith("test_") and n not in vars(case)]:
        setattr(case, name, None)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
