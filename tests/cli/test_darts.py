#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sweeps of a space too large to enumerate, and supernets, on the command line.

usage: test_darts.py ASSAY SOURCE_ROOT
"""
import csv
import io
import re
import sys
import unittest

import h5py

from test_cli import CONV, ROOT, Case, run

CONFIG = f"{ROOT}/configs/darts-sample.ini"
SIZE = 1076746950455072400
CHEAP = ["--set", "run.repeats=1", "--set", "ntk.batch=4", "--set", "regions.batch=20", "--set", "network.image=8"]
V2 = ("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
      "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
      "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
      "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
      "reduce_concat=[2, 3, 4, 5])")
V2_MASK = "2,2,2,2,-,1,2,-,-,1,-,4,-,-/7,7,-,7,1,7,-,1,-,-,7,1,-,-"


class Sweeps(Case):
    def sweep(self, name, *words):
        self.works("sweep", CONFIG, "-o", self.path(name), "--quiet", *CHEAP, *words)
        return self.path(name) + "/results.h5"

    def table(self, file):
        with h5py.File(file, "r") as f:
            table = f["table"]
            rows = {int(i): (a.decode(), c) for i, a, c in zip(table["index"], table["arch"], table["class"])}
            values = {name: table[name][:] for name in ("kappa", "regions", "params")}
            return rows, values, dict(f.attrs)

    def test_a_sample(self):
        file = self.sweep("a", "--sample", "9", "--seed", "3")
        rows, values, attrs = self.table(file)
        self.assertEqual(len(rows), 9)
        self.assertGreater(max(rows), 2 ** 53)  # no float holds them
        self.assertLess(max(rows), SIZE)
        for index, (arch, representative) in rows.items():
            self.assertEqual(index, representative)
            self.assertRegex(self.works("show", "darts", arch), rf"(?m)^index +{index}$")
        self.assertIn("cells = 20", attrs["config"])
        again = self.table(self.sweep("b", "--sample", "9", "--seed", "3"))
        self.assertTrue(all((values[name] == again[1][name]).all() for name in values))

    def test_a_list(self):
        rows, values, _ = self.table(self.sweep("a", "--sample", "6"))
        text = "\n".join(arch.replace(" ", "").replace("'", '"') for arch, _ in rows.values())
        listed = self.write("archs", f"# six\n{text}\n\n{V2}  # and one\n")
        more, same, _ = self.table(self.sweep("b", "--set", "candidates.sample=0", "--set", "candidates.seed=0",
                                              "--archs", listed))
        self.assertEqual(len(more), 7)
        for i, index in enumerate(rows):
            k = list(more).index(index)
            self.assertEqual((values["kappa"][i], values["regions"][i], values["params"][i]),
                             (same["kappa"][k], same["regions"][k], same["params"][k]))
        index = int(re.search(r"(?m)^index +(\d+)$", self.works("show", "darts", V2)).group(1))
        self.assertEqual(same["params"][list(more).index(index)], 3349342)
        bad = self.write("bad", f"{V2}\nGenotype(normal=[('conv', 0)])\n")
        self.fails(1, "sweep", CONFIG, "-o", self.path("c"), "--sample", "0", "--archs", bad,
                   says=[":2: ", "found 'conv' at character 20"])

    def test_tables_hold_whole_genotypes_and_indices(self):
        file = self.sweep("a", "--sample", "5")
        rows, _, _ = self.table(file)
        shown = list(csv.DictReader(io.StringIO(self.works("rank", file, "--all", "--csv"))))
        self.assertEqual({int(r["index"]): r["arch"] for r in shown}, {i: arch for i, (arch, _) in rows.items()})
        truth = io.StringIO()
        csv.writer(truth).writerows([["arch", "test_accuracy"], *([r["arch"], r["rank"]] for r in shown)])
        text = self.works("correlate", file, "--truth", self.write("t.csv", truth.getvalue()), "--bootstrap", "0")
        self.assertIn("5 of them among the results", text)

    def test_the_last_candidates(self):
        file = self.sweep("a", "--sample", "0", "--set", f"candidates.first={SIZE - 3}", "--metrics", "cost")
        with h5py.File(file, "r") as f:
            self.assertEqual([int(i) for i in f["table/index"]], [SIZE - 3, SIZE - 2, SIZE - 1])

    def test_the_whole_space_is_refused(self):
        for words in ([], ["--count", "200000000"], ["--set", "candidates.sample=200000000"]):
            given = words if any("sample" in w for w in words) else ["--sample", "0", *words]
            self.fails(2, "sweep", CONFIG, "-o", self.path("a"), *given, says=["too many", "candidates.sample"])
            self.fails(2, "sweep", CONFIG, "-o", self.path("a"), "--dry-run", *given, says=["too many"])


class Supernets(Case):
    def values(self, *words):
        text = self.works("eval", *words, *CHEAP)
        return dict(re.findall(r"(?m)^(\w+) +(\S+) .*\[\d+\]$", text)), text

    def test_an_architecture_is_a_supernet(self):
        """darts names the parameters of both alike, so that they draw the same weights."""
        genotype, _ = self.values("darts", V2)
        mask, text = self.values("darts", "--supernet", V2_MASK)
        self.assertEqual(genotype, mask)
        self.assertRegex(text, rf"(?m)^supernet +{V2_MASK}$")
        self.assertEqual(genotype["params"], "3349342")

    def test_costs_of_a_discrete_supernet(self):
        arch, _ = self.values("nas-bench-201", CONV)
        mask, _ = self.values("nas-bench-201", "--supernet", "3,3,3,3,3,3")
        self.assertEqual((arch["params"], arch["flops"]), (mask["params"], mask["flops"]))

    def test_what_is_pruned_changes_nothing_else(self):
        full, _ = self.values("nas-bench-201", "--supernet", "full")
        some, _ = self.values("nas-bench-201", "--supernet", "1234,134,1234,1234,1234,1234")
        self.assertLess(int(some["params"]), int(full["params"]))
        self.assertNotEqual(some["kappa"], full["kappa"])
        shown = self.works("show", "nas-bench-201", "--supernet", "1234,134,1234,1234,1234,1234")
        self.assertIn("cells.0.edges.2<-0.3.op.1.weight", shown)
        self.assertNotIn("cells.0.edges.2<-0.2.op.1.weight", shown)

    def test_wrong_words(self):
        for verb in ("eval", "show"):
            self.fails(2, verb, "darts", says=["too few words", "--supernet MASK"])
            self.fails(2, verb, "darts", "5", "--supernet", "full", says=["'5' is one word too many"])
            self.fails(2, verb, "darts", "--supernet", "1,2", says=["at character 4", "','"])
            self.fails(2, verb, "null", "--supernet", "full", says=["null has no supernets"])
        self.fails(2, "eval", "nas-bench-201", "5", "--set", "network.stem=3", says=["network.stem"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
