#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`assay join`: columns of several runs side by side, against the run that measures all of them.

usage: test_join.py ASSAY SOURCE_ROOT
"""
import os
import shutil
import sys
import tempfile
import unittest

import h5py
import numpy as np

from test_cli import ROOT, Case, run

CHEAP = ["data.source=gaussian", "network.image=8", "network.channels=2", "ntk.batch=4", "regions.batch=20", "proxies.batch=4",
         "run.repeats=2"]
SMALL = [word for key in CHEAP for word in ("--set", key)]


def sweep(directory, metrics, *words):
    p = run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", "-o", directory, "-q", "--metrics", metrics, *SMALL, *words)
    assert p.returncode == 0, p.stderr


def table_of(directory):
    with h5py.File(f"{directory}/results.h5") as f:
        return {k: v[:] for k, v in f["table"].items()}, {k: v[:] for k, v in f["rankings"].items()}, {
            k: {a: x for a, x in v.attrs.items() if a != "REFERENCE_LIST"} for k, v in f["table"].items()}


class Join(Case):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.mkdtemp(prefix="assay-join-")
        cls.addClassCleanup(shutil.rmtree, cls.made)
        some = ["--sample", "60"]
        cls.both, cls.kernel, cls.proxies, cls.part = (f"{cls.made}/{name}" for name in ("both", "kernel", "proxies", "part"))
        sweep(cls.both, "ntk,regions,snip,jacov,synflow,cost", *some)
        sweep(cls.kernel, "ntk,regions,cost", *some)
        sweep(cls.proxies, "snip,jacov,synflow,cost", *some)
        # A part, with another protocol of kappa, and a score of its own.
        sweep(cls.part, "ntk,snip", "--first", "0", "--count", "2000", "--set", "ntk.batch=3", "--set",
              "score.mine=2*kappa + snip", "--set", "run.repeats=1")

    def join(self, *words, note=""):
        out = self.path("out")
        shutil.rmtree(out, ignore_errors=True)
        p = run("join", *words, "-o", out)
        self.assertEqual(p.returncode, 0, p.stderr)
        if not note:
            self.assertEqual(p.stderr, "")
        return out, p.stderr

    def test_it_is_what_one_run_measures(self):
        out, _ = self.join(self.kernel, self.proxies)
        (seen, order, about), (want, rankings, told) = table_of(out), table_of(self.both)
        self.assertEqual(set(seen), set(want))
        self.assertIn("vote", seen)  # which neither run had the columns for
        for name, values in want.items():
            np.testing.assert_array_equal(seen[name], values, err_msg=name)
            self.assertEqual(sorted(map(str, about[name].items())), sorted(map(str, told[name].items())), name)
        self.assertEqual(set(order), set(rankings))
        for name, rows in rankings.items():
            np.testing.assert_array_equal(order[name], rows, err_msg=name)
        with h5py.File(f"{out}/results.h5") as f, h5py.File(f"{self.kernel}/results.h5") as a, h5py.File(f"{self.proxies}/results.h5") as b:
            np.testing.assert_allclose(f["run/seconds"][:], a["run/seconds"][:] + b["run/seconds"][:])
            self.assertEqual((f.attrs["space"], f.attrs["config_2"]), ("nas-bench-201", b.attrs["config"]))
        self.assertEqual(self.works("rank", out, "--by", "vote", "--csv"), self.works("rank", self.both, "--by", "vote", "--csv"))

    def test_columns_that_differ_keep_their_file(self):
        out, note = self.join(self.kernel, self.part, note="some")
        a, b = table_of(self.kernel)[0], table_of(self.part)[0]
        seen = table_of(out)[0]
        index = np.intersect1d(a["index"], b["index"])
        self.assertTrue(0 < len(index) < 60)
        np.testing.assert_array_equal(seen["index"], index)
        here, there = np.isin(a["index"], index), np.isin(b["index"], index)
        for name in ("kappa", "kappa_stderr"):
            np.testing.assert_array_equal(seen[name], a[name][here])
            np.testing.assert_array_equal(seen[name.replace("kappa", "kappa_2")], b[name][there])
        np.testing.assert_array_equal(seen["snip"], b["snip"][there])
        self.assertNotIn("mine", seen)
        for text in ("kappa differs from an earlier file's, and is kappa_2\n", "the score mine is left out",
                     "architectures that not all files have are left out (--all keeps them)\n"):
            self.assertIn(text, note)

    def test_all_rows(self):
        out, _ = self.join(self.part, self.proxies, "--all", note="some")
        a, b, seen = table_of(self.part)[0], table_of(self.proxies)[0], table_of(out)[0]
        np.testing.assert_array_equal(seen["index"], np.union1d(a["index"], b["index"]))
        at = np.searchsorted(seen["index"], b["index"])
        np.testing.assert_array_equal(seen["jacov"][at], b["jacov"])
        self.assertTrue(np.isnan(np.delete(seen["jacov"], at)).all())
        self.assertIn("mine", seen)  # snip of this file is its own, and that of the other another
        np.testing.assert_array_equal(seen["mine"][np.searchsorted(seen["index"], a["index"])][a["status_code"] == 0] > 0, True)

    def test_a_column_takes_no_values_of_another_protocol(self):
        """Rows that only a file between has, whose column of that name is another."""
        third = shutil.copytree(self.kernel, self.path("third"))
        out, _ = self.join(self.kernel, self.part, third, "--all", note="some")
        a, b, seen = table_of(self.kernel)[0], table_of(self.part)[0], table_of(out)[0]
        there = np.isin(seen["index"], a["index"])
        self.assertTrue(np.isnan(seen["kappa"][~there]).all())
        np.testing.assert_array_equal(seen["kappa"][there], a["kappa"])
        np.testing.assert_array_equal(seen["kappa_2"][np.isin(seen["index"], b["index"])], b["kappa"])

    def test_the_worst_verdict_stands(self):
        two = shutil.copytree(self.proxies, self.path("two"))
        with h5py.File(f"{two}/results.h5", "r+") as f:
            rows = np.flatnonzero(f["table/status_code"][:] == 0)[:3]
            f["table/status_code"][rows[0]], f["table/status_code"][rows[1]], f["table/status_code"][rows[2]] = 3, 1, -1
        out, _ = self.join(self.kernel, two)
        seen = table_of(out)[0]
        self.assertEqual(list(seen["status_code"][rows]), [3, 1, -1])
        self.assertEqual([s.decode() for s in seen["status"][rows]], ["failed", "degenerate", "unfinished"])

    def test_a_join_is_joined(self):
        first, _ = self.join(self.kernel, self.proxies)
        kept = shutil.copytree(first, self.path("first"))
        out, _ = self.join(kept, self.proxies)
        for name, values in table_of(kept)[0].items():
            np.testing.assert_array_equal(table_of(out)[0][name], values, err_msg=name)

    def test_refuses(self):
        out = self.path("out")
        self.fails(2, "join", self.kernel, "-o", out, says=["too few words"])
        self.fails(2, "join", self.kernel, self.proxies, says=["-o DIR is missing"])
        self.fails(1, "join", self.kernel, self.path("none"), "-o", out, says=["none"])
        self.fails(1, "join", self.kernel, f"{ROOT}/results/nas-bench-macro-cheap-cifar10.h5", "-o", out,
                   says=["nas-bench-macro", "expected results of one space"])
        self.assertFalse(os.path.exists(out))
        self.fails(1, "join", self.kernel, self.proxies, "-o", self.kernel, says=["holds a run"])
        other = shutil.copytree(self.proxies, self.path("other"))
        with h5py.File(f"{other}/results.h5", "r+") as f:
            f["table/arch"][3] = f["table/arch"][4]
        self.fails(1, "join", self.kernel, other, "-o", out, says=["number their space differently"])
        with h5py.File(f"{other}/results.h5", "r+") as f:
            f["table/index"][:] += 15000
        self.fails(1, "join", self.kernel, other, "-o", out, says=["no architecture is in all of the files"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
