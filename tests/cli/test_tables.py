#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rank and correlate on made-up values, against the definitions computed here.

usage: test_tables.py ASSAY SOURCE_ROOT
"""
import csv
import io
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zlib

import h5py
import numpy as np

from definitions import partial, spearman, tau_b
from test_cli import ROOT, Case, run

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
OK, DEGENERATE, DEAD, FAILED, UNFINISHED = 0, 1, 2, 3, -1
N = 120
COUNTS = "120 candidates: 108 ok, 3 degenerate, 3 dead, 3 failed, 3 unfinished"


def arch_of(index, node_sep="+", swap=False):
    digits = [index // 5 ** (5 - i) % 5 for i in range(6)]
    nodes = []
    for node in range(1, 4):
        edges = [f"{OPS[digits.pop(0)]}~{j}" for j in range(node)]
        nodes.append("|" + "|".join(reversed(edges) if swap else edges) + "|")
    return node_sep.join(nodes)


def make_rows(indices):
    rng = random.Random(5)
    rows = []
    for i, index in enumerate(indices):
        accuracy = round(rng.uniform(80, 94), 1)
        rows.append(dict(index=index, arch=arch_of(index), accuracy=accuracy,
                         status=[DEAD, DEGENERATE, FAILED, UNFINISHED][i // 10 % 4] if i % 10 == 9 else OK,
                         kappa=round(10 + 5 * (94 - accuracy) + rng.uniform(0, 40)),
                         regions=round(100 * accuracy + rng.uniform(-300, 300), -2),
                         entropy=float(rng.randrange(7)), params=accuracy // 2 + rng.randrange(9),
                         flops=accuracy // 3 + rng.randrange(5)))
    return rows


DIRECTION = dict(kappa=-1, regions=1, entropy=0, params=1, flops=1, tenas=-1)

MADE_UP = [name for name, direction in DIRECTION.items() if direction]
COSTS = ["params", "flops", "layers", "macs", "vkdnw_dim", "log_weights", "params_live", "macs_live", "layers_live",
         "log_weights_live"]


def is_ok(row):
    return row["status"] == OK


def order(rows, name):
    return sorted(range(len(rows)), key=lambda i: (not is_ok(rows[i]), is_ok(rows[i]) and
                                                   -DIRECTION[name] * rows[i][name], i))


def add_tenas(rows):
    for name in ("kappa", "regions"):
        for row in filter(is_ok, rows):
            better = sum(DIRECTION[name] * (r[name] - row[name]) > 0 for r in rows if is_ok(r))
            row["tenas"] = row.get("tenas", 0) + 1 + better
    for row in rows:
        row.setdefault("tenas", math.nan)
        if row["status"] in (DEAD, UNFINISHED):
            row["kappa"] = math.nan


def rewrite_results(path, rows):
    """Puts the made-up values into a file that a sweep wrote."""
    with h5py.File(path, "r+") as f:
        f["table/status_code"][:] = [r["status"] for r in rows]
        for name, direction in DIRECTION.items():
            f["table"][name][:] = [r[name] for r in rows]
            if direction:
                f["rankings"][name][:] = order(rows, name)


class Results(Case):
    """A results file with made-up values, and a table of accuracies."""
    @classmethod
    def setUpClass(cls):
        cls.run_dir = tempfile.mkdtemp(prefix="assay-tables-")
        cls.addClassCleanup(shutil.rmtree, cls.run_dir)
        cheap = ["network.image=8", "network.channels=2", "ntk.batch=4", "regions.batch=20"]
        words = [word for key in cheap for word in ("--set", key)]
        run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", cls.run_dir, "--sample", str(N), "--quiet",
            "--metrics", "ntk,regions,cost", *words)
        with h5py.File(f"{cls.run_dir}/results.h5") as f:
            cls.rows = make_rows([int(i) for i in f["table/index"]])
        add_tenas(cls.rows)

    def setUp(self):
        super().setUp()
        self.results = self.path("results.h5")
        shutil.copy(f"{self.run_dir}/results.h5", self.results)
        rewrite_results(self.results, self.rows)
        self.truth = self.write_truth(self.rows)

    def write_truth(self, rows, name="truth.csv", arch="arch"):
        lines = [f"valid_accuracy,{arch},test_accuracy"]
        lines += [f"{100 - r['accuracy']},{r[arch]},{r['accuracy']}" for r in rows]
        return self.write(name, "\n".join(lines) + "\n")


class Tables(Results):
    def table(self, *words):
        return list(csv.DictReader(io.StringIO(self.works(*words, "--csv"))))

    def correlate(self, *words, truth=None):
        rows = self.table("correlate", self.results, "--truth", truth or self.truth, *words)
        return {row["column"]: row for row in rows}

    # ---- rank
    def test_rank_orders_by_tenas_then_by_any_ranking(self):
        for words, name in (([], "tenas"), (["--by", "kappa"], "kappa"), (["--by", "flops"], "flops")):
            shown = self.table("rank", self.results, "--all", *words)
            self.assertEqual([int(r["index"]) for r in shown],
                             [self.rows[i]["index"] for i in order(self.rows, name)])
            for place, row in enumerate(shown, 1):
                self.assertEqual(row["rank"], str(place) if row["status"] == "ok" else "")
                self.assertEqual(row["arch"], arch_of(int(row["index"])))
        self.assertEqual(list(self.table("rank", self.results)[0]),
                         ["rank", "index", "arch", "status", "tenas", "kappa", "regions", "params", "flops"])

    def test_rank_shows_what_is_asked_for(self):
        self.assertEqual(len(self.table("rank", self.results)), 20)
        self.assertEqual(len(self.table("rank", self.results, "--top", "3")), 3)
        self.assertEqual(len(self.table("rank", self.results, "--top", "1000000")), N)
        row = self.table("rank", self.results, "--columns", "regions,entropy", "--top", "1")[0]
        self.assertEqual(list(row)[4:], ["regions", "entropy"])
        text = self.works("rank", self.results, "--top", "2").splitlines()
        self.assertEqual(len(text), 4)
        self.assertEqual(len(text[0]), len(text[1]))
        self.assertEqual(text[-1], COUNTS + "; best first by tenas; only ok candidates have a rank")

    def test_rank_refuses(self):
        self.fails(2, "rank", self.results, "--by", "entropy", says=["'entropy'", "tenas", "kappa"])
        self.fails(2, "rank", self.results, "--columns", "kapa", says=["'kapa'", "kappa"])
        self.fails(2, "rank", self.results, "--top", "0", says=["--top"])
        self.fails(1, "rank", self.truth, says=["truth.csv"])
        self.fails(1, "rank", self.path("none.h5"), says=["none.h5"])

    def test_a_file_that_another_program_left_open(self):
        code = "import h5py, os, sys; f = h5py.File(sys.argv[1], 'r+'); os._exit(0)"
        subprocess.run([sys.executable, "-c", code, self.results], check=True, timeout=60)
        p = self.fails(1, "rank", self.results, says=["already open for write"])
        self.assertNotIn("assay pack", p.stderr)
        journal = shutil.copy(f"{self.run_dir}/journal", self.dir)
        for file in (self.results, "results.h5"):
            self.fails(1, "rank", file, cwd=self.dir, says=[
                "already open for write", f"`assay pack {os.path.dirname(file) or '.'}` writes it anew"])
        self.assertEqual(run("pack", os.path.dirname(journal)).returncode, 0)
        self.works("rank", self.results)

    def forged(self):
        """(part, edit of the open file, what is said): what no run writes."""
        def put(name, value, **how):
            def edit(f):
                del f[name]
                f.create_dataset(name, data=value, **how)
            return edit

        def attribute(name, value, dtype=None):
            return lambda f: f.attrs.create(name, value, dtype=dtype)

        def link(name, to):
            def edit(f):
                del f[name]
                f[name] = to
            return edit

        def unfilled(name, n, dtype, **how):
            def edit(f):
                del f[name]
                f.create_dataset(name, (n,), dtype, **how)
            return edit

        def first(name, value):
            def edit(f):
                f[name][0] = value
            return edit

        def group(f):
            del f["table/kappa"]
            f.create_group("table/kappa")

        def bomb(f):
            unfilled("table/index", 1 << 28, "u8", chunks=(1 << 28,))(f)
            f["table/index"].id.write_direct_chunk((0,), b"x" * 100)

        def cut_short(f):
            unfilled("table/index", N, "u8", **huge)(f)
            f["table/index"].id.write_direct_chunk((0,), b"x" * 100)

        def few_values(f):
            unfilled("table/kappa", N, "f8", chunks=(N,), compression="gzip")(f)
            f["table/kappa"].id.write_direct_chunk((0,), zlib.compress(b"few"))

        with h5py.File(self.results) as f:
            index = f["table/index"][()]
        os.mkfifo(self.path("pipe"))
        not_scalar = "is not a scalar"
        yield "version array", attribute("assay_results", np.arange(1000)), "attribute assay_results " + not_scalar
        yield "version text", attribute("assay_results", "1"), "attribute assay_results is not an integer"
        yield "version real", attribute("assay_results", 1.0), "attribute assay_results is not an integer"
        yield "space array", attribute("space", ["darts"] * 100), "attribute space " + not_scalar
        yield "space fixed array", attribute("space", np.array([b"x" * 60] * 900)), "attribute space " + not_scalar
        yield "space number", attribute("space", 3), "attribute space is not a text"
        yield "space empty", attribute("space", h5py.Empty("S9")), "attribute space " + not_scalar
        yield "space long", attribute("space", "x" * 5000), "attribute space is too long a text"
        yield "space wide", attribute("space", np.bytes_(b"x" * 5000)), "attribute space is too long a text"
        yield "space control", attribute("space", "\33[2J"), "attribute space holds control characters"
        for name in ("table", "columns", "rankings", "table/kappa", "table/arch", "rankings/tenas", "table/index"):
            yield f"external {name}", link(name, h5py.ExternalLink("pipe", "/x")), name.rpartition("/")[2] + " is a link"
        yield "soft link", link("table/kappa", h5py.SoftLink("/table/flops")), "kappa is a link to something else"
        yield "set for a group", put("rankings", 3), "rankings is no group"
        yield "group for a set", group, "kappa is no data set"
        yield "longer", put("table/kappa", np.zeros(N + 1)), "kappa has another length"
        yield "shorter", put("table/arch", np.zeros(N - 1, "S9")), "arch has another length"
        yield "shorter status", put("table/status_code", np.zeros(1, "i4")), "status_code has another length"
        yield "flat", put("table/kappa", np.zeros((N, 1))), "kappa is not one-dimensional"
        yield "scalar", put("table/index", 5), "index is not one-dimensional"
        yield "text for numbers", put("table/kappa", np.zeros(N, "S8")), "kappa holds no numbers"
        yield "numbers for text", put("table/arch", np.zeros(N)), "arch holds no texts"
        yield "reals for integers", put("table/index", np.arange(N) + 0.5), "index holds no integers"
        yield "wide", put("table/arch", np.zeros(N, "S70000")), "arch holds texts of more than"
        yield "varying", put("table/arch", ["x"] * N), "arch holds no texts of one length"
        yield "control", put("table/arch", np.array([b"\33]0;x\7"] * N)), "arch holds control characters"
        for text in ("\x9b2J", "\u202eh5", "\u2028"):
            yield f"control {text!r}", put("table/arch", np.array([text.encode()] * N)), "arch holds control characters"
        yield "no UTF-8", put("table/arch", np.array([b"\xff"] * N)), "arch is not in UTF-8"
        yield "unfilled", unfilled("table/index", 1 << 40, "u8"), "index was created, but never filled"
        yield "unfilled chunks", unfilled("table/index", 1 << 40, "u8", chunks=(1 << 20,)), "never filled"
        yield "a chunk of 2 GiB", bomb, "index is larger than the file can hold"
        huge = {"maxshape": (None,), "chunks": (1 << 28,)}
        yield "a few values of a chunk of 2 GiB", unfilled("table/index", N, "u8", **huge), "index was created, but never filled"
        yield "a chunk of a few values", few_values, "kappa has a chunk of another size"
        yield "a chunk cut short", cut_short, "index is larger than the file can hold"
        raw = {"external": [("pipe", 0, 8 * N)]}
        yield "raw file", unfilled("table/kappa", N, "f8", **raw), "kappa has its values in another file"
        for status in (4, -2, 2**31 - 1):
            yield f"status {status}", first("table/status_code", status), "status_code holds a number that is no status"
        yield "descending", put("table/index", index[::-1]), "index does not ascend"
        yield "repeated", put("table/index", np.minimum(index, index[-2])), "index does not ascend"
        yield "direction", first("columns/direction", 2), "direction holds another number"
        for name in (b"../table/kappa", b"", b".", b"a/b"):
            yield f"name {name}", first("columns/name", name), "name holds what is no column's name"

    def test_forged_results(self):
        good = self.path("good.h5")
        shutil.copy(self.results, good)
        for part, edit, says in self.forged():
            shutil.copy(good, self.results)
            with h5py.File(self.results, "r+") as f:
                edit(f)
            for words in (("rank", self.results), ("correlate", self.results, "--truth", self.truth)):
                with self.subTest(part=part, verb=words[0]):
                    self.fails(1, *words, says=["results.h5", says])

    # ---- correlate
    def test_correlate_agrees_with_the_definitions(self):
        valid = [r for r in self.rows if is_ok(r)]
        y = [r["accuracy"] for r in valid]
        shown = self.correlate()
        with h5py.File(self.results) as f:
            ranked = list(f["rankings"])
        self.assertEqual(list(shown), [n for n in ranked if n not in COSTS] + COSTS)
        for name in MADE_UP:
            row = shown[name]
            x = [r[name] for r in valid]
            self.assertEqual((row["n"], row["invalid"]), ("108", "12"))
            self.assertAlmostEqual(float(row["tau_b"]), tau_b(x, y), 9)
            self.assertAlmostEqual(float(row["rho"]), spearman(x, y), 9)
            self.assertLess(float(row["tau_b_lo"]), float(row["tau_b"]))
            self.assertGreater(float(row["rho_hi"]), float(row["rho"]))
            if name != "flops":
                z = [r["flops"] for r in valid]
                self.assertAlmostEqual(float(row["partial"]), partial(x, y, z), 9)
        self.assertEqual(shown["flops"]["partial"], "")
        self.assertLess(float(shown["kappa"]["tau_b"]), 0)
        self.assertGreater(float(shown["regions"]["tau_b"]), 0)
        self.assertEqual((shown["kappa"]["better"], shown["regions"]["better"]), ("smaller", "larger"))

    def test_given_another_column(self):
        words = ("correlate", self.results, "--truth", self.truth, "--bootstrap", "0", "--given")
        valid = [r for r in self.rows if is_ok(r)]
        seen = self.correlate("--bootstrap", "0", "--given", "regions")["kappa"]["partial"]
        self.assertAlmostEqual(float(seen), partial(*([r[name] for r in valid] for name in ("kappa", "accuracy", "regions"))), 9)
        self.assertIn("  given regions  ", self.works(*words, "regions").splitlines()[0])
        self.fails(2, *words, "region", says=["--given", "'region'"])
        rewrite_results(self.results, [{**r, "regions": math.nan} if r is valid[0] else r for r in self.rows])
        self.assertEqual(self.correlate("--bootstrap", "0", "--given", "regions")["kappa"]["partial"], "")

    def test_invalid_candidates_can_be_tied_last(self):
        y = [r["accuracy"] for r in self.rows]
        shown = self.correlate("--invalid", "last", "--bootstrap", "0")
        x = [r["kappa"] if is_ok(r) else 1e9 for r in self.rows]
        self.assertEqual((shown["kappa"]["n"], shown["kappa"]["invalid"]), ("120", "12"))
        given = self.correlate("--invalid", "last", "--bootstrap", "0", "--given", "kappa")["regions"]["partial"]
        self.assertAlmostEqual(float(given), partial([r["regions"] if is_ok(r) else -1 for r in self.rows], y, x), 9)
        self.assertAlmostEqual(float(shown["kappa"]["tau_b"]), tau_b(x, y), 9)
        self.assertAlmostEqual(float(shown["flops"]["tau_b"]), tau_b([r["flops"] for r in self.rows], y), 9)
        self.assertEqual(shown["kappa"]["tau_b_lo"], "")
        with h5py.File(self.results) as f:
            live = f["table"]["params_live"][:]
        # What is live of a disconnected network is nothing, whatever is counted outside of its cells.
        x = [-1 if r["status"] == DEAD else n for r, n in zip(self.rows, live)]
        self.assertAlmostEqual(float(shown["params_live"]["tau_b"]), tau_b(x, y), 9)

    def test_invalid_candidates_can_be_as_released(self):
        rows = [{**r, "kappa": math.nan} if not is_ok(r) else r for r in self.rows]
        rewrite_results(self.results, rows)
        shown = self.correlate("--invalid", "released", "--bootstrap", "0")
        takes_part = [r for r in rows if r["status"] not in (FAILED, UNFINISHED)]
        self.assertLess(len(takes_part), len(rows))
        x = [1e5 if math.isnan(r["kappa"]) else r["kappa"] for r in takes_part]
        self.assertIn(1e5, x)
        self.assertEqual(shown["kappa"]["n"], str(len(x)))
        self.assertAlmostEqual(float(shown["kappa"]["tau_b"]), tau_b(x, [r["accuracy"] for r in takes_part]), 9)
        # The number of regions has no constant.
        self.assertEqual(shown["regions"]["n"], str(sum(math.isfinite(r["regions"]) for r in takes_part)))

    def test_top_of_the_ranking(self):
        shown = self.correlate("--bootstrap", "0")
        for name in MADE_UP:
            row = shown[name]
            y = [self.rows[i]["accuracy"] for i in order(self.rows, name)]
            for k in (1, 10, 100):
                self.assertAlmostEqual(float(row[f"best_{k}"]), max(y[:k]))
                self.assertAlmostEqual(float(row[f"regret_{k}"]), max(y) - max(y[:k]))
            ideal = sorted(y, reverse=True)
            gain, most = (sum((v[i] - min(y)) / math.log2(i + 2) for i in range(100)) for v in (y, ideal))
            self.assertAlmostEqual(float(row["ndcg_100"]), gain / most, 9)

    def test_other_columns_and_targets(self):
        shown = self.correlate("--columns", "entropy,kappa,entropy", "--target", "valid_accuracy", "--bootstrap", "0")
        self.assertEqual(list(shown), ["entropy", "kappa", *COSTS])
        self.assertGreater(float(shown["kappa"]["tau_b"]), 0)
        self.assertEqual((shown["entropy"]["better"], shown["entropy"]["best_10"]), ("", ""))

    def test_join_is_by_architecture(self):
        rows = [dict(r, arch=arch_of(r["index"], " + ", swap=True)) for r in self.rows]
        random.Random(1).shuffle(rows)
        other = self.write_truth(rows + [dict(accuracy=1, arch=arch_of(i)) for i in range(15625)
                                         if i not in {r["index"] for r in rows}], "other.csv")
        self.assertEqual(self.correlate(truth=other), self.correlate())
        fewer = self.correlate("--bootstrap", "0", truth=self.write_truth(self.rows[:40], "few.csv"))
        self.assertEqual((fewer["kappa"]["n"], fewer["kappa"]["invalid"]), ("36", "4"))

    def test_bootstrap_is_repeatable(self):
        self.assertEqual(self.correlate(), self.correlate())
        self.assertNotEqual(self.correlate("--seed", "2"), self.correlate())

    def test_readable_table(self):
        text = self.works("correlate", self.results, "--truth", self.truth)
        self.assertRegex(text, r"\nkappa +smaller +108 +-0\.\d{3} \[-0\.\d{3}, [-+]0\.\d{3}\]")
        self.assertIn(f"\n{COUNTS}\n", text)
        self.assertIn("120 architectures with test_accuracy, 120 of them among the results", text)

    def test_correlate_refuses(self):
        def bad(text, *says):
            file = self.write("bad.csv", text)
            self.fails(1, "correlate", self.results, "--truth", file, says=["bad.csv", *says])

        arch = self.rows[0]["arch"]
        bad(f"arch,test_accuracy\n{arch},90\n|nor_conv_9x9~0|,91\n", ":3: ", "nor_conv_9x9")
        bad(f"arch,test_accuracy\n{arch},90\n\n{arch},91\n", ":4: ", "line 2")
        bad(f"arch,test_accuracy\n{arch},high\n", ":2: ", "'high'")
        bad(f"arch,test_accuracy\n{arch}\n", ":2: ")
        bad(f"arch,accuracy\n{arch},90\n", "'test_accuracy'", "accuracy")
        bad(f"arch,accuracy\n{arch},90\n", "--target", "accuracy")
        bad(f"name,test_accuracy\n{arch},90\n", "'arch'", "--key", "name")
        bad("", "empty")
        other = next(i for i in range(15625) if i not in {r["index"] for r in self.rows})
        bad(f"arch,test_accuracy\n{arch_of(other)},90\n", "none of its 1 architectures")
        self.fails(2, "correlate", self.results, says=["--truth"])
        self.fails(2, "correlate", self.results, "--truth", self.truth, "--invalid", "first", says=["first"])
        self.fails(2, "correlate", self.results, "--truth", self.truth, "--columns", "kapa", says=["'kapa'"])
        self.fails(1, "correlate", self.results, "--truth", self.path("none.csv"), says=["none.csv"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
