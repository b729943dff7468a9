#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports: what they say of made-up values, what they do with texts that are HTML, scripts or commands of gnuplot, and
what happens where gnuplot is missing.

usage: test_report.py ASSAY SOURCE_ROOT
"""
import html.parser
import os
import re
import shutil
import sys
import unittest

import h5py
import numpy

import test_tables
from test_cli import ENV, Case

EVIL = "</code><script>alert(1)</script>&\"'`touch pwned`"


class Page(html.parser.HTMLParser):
    """The text, elements and ids of a page; it must be one that closes what it opens."""
    EMPTY = {"meta", "br", "hr", "img", "link"}

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.ids, self.words = [], [], [], []
        with open(path, encoding="utf-8") as f:
            self.html = f.read()
        self.feed(self.html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


class Pages(Case):
    def report(self, *words, **more):
        self.works("report", *words, "-o", self.path("r.html"), **more)
        page = Page(self.path("r.html"))
        self.assertEqual(len(page.ids), len(set(page.ids)))
        self.assertNotIn("script", page.tags)
        self.assertNotRegex(page.html, r"(src|href)=.?(https?:|//|file:)")
        return page

    def section(self, page, name):
        return re.search(rf'(?s)<section id="{name}">.*?</section>', page.html)[0]


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Reports(test_tables.Results, Pages):
    def test_what_was_run(self):
        page = self.report(self.results)
        for text in ("nas-bench-201", "120: 108 ok", "3 dead", "3 failed", "3 unfinished", "Seed 0", "ntk,regions,cost", "different networks"):
            self.assertIn(text, page.text)

    def test_the_job_of_a_directory(self):
        page = self.report(self.run_dir)
        self.assertRegex(page.text, r"Last job begun \d{4}-\d\d-\d\d \d\d:\d\d UTC(, took [\d.]+ m?s)?, 1 rank on .*; complete")
        self.assertNotIn("Last job", self.report(self.results).text)

    def test_the_best_are_shown_in_order(self):
        page = self.report(self.results, "--top", "3", "--by", "kappa")
        best = [self.rows[i]["arch"] for i in test_tables.order(self.rows, "kappa")[:4]]
        places = [page.text.find(arch) for arch in best]
        self.assertEqual(places[3], -1)
        self.assertTrue(0 < places[0] < places[1] < places[2], places)
        cards = page.html.split('<div class="card">')[1:4]
        for arch, card in zip(best, cards):
            ops = [word.split("~")[0] for word in re.findall(r"\w+~\d", arch)]
            drawn = re.findall(r'<text [^>]*stroke="#fff"[^>]*>(\w+)</text>', card)
            self.assertEqual(sorted(drawn), sorted(op for op in ops if op != "none"))

    # ---- against accuracy
    def test_columns_agree_as_correlate_says(self):
        page = self.report(self.results, "--truth", self.truth, "--bootstrap", "50", "--columns", "kappa,regions,entropy",
                           "--top", "0")
        told = self.works("correlate", self.results, "--truth", self.truth, "--bootstrap", "50", "--columns",
                          "kappa,regions,entropy")
        for line in told.splitlines()[1:4]:
            intervals = re.findall(r"[+-][\d.]+ \[[^]]+\]", line)
            self.assertEqual(len(intervals), 2)
            for interval in intervals:
                self.assertEqual(page.text.count(interval), 2, interval)  # in the table and under the plot
        self.assertEqual(self.section(page, "agree").count("<svg"), 3)
        self.assertIn("kappa (smaller is better) against test_accuracy", page.text)
        self.assertIn("n = 108", page.text)
        self.assertIn("No accuracies were given", self.report(self.results).text)

    def test_the_top_is_worth_what_correlate_says(self):
        page = self.report(self.results, "--truth", self.truth, "--bootstrap", "0")
        told = self.works("correlate", self.results, "--truth", self.truth, "--bootstrap", "0")
        for name in test_tables.MADE_UP:
            tops = re.search(rf"(?m)^{name} .*$", told)[0]
            tops = re.findall(r"\d\d\.\d\d \(\d+\.\d\d\)", tops)
            self.assertIn(" ".join([name, *tops]), page.text)

    def test_columns_against_each_other(self):
        page = self.report(self.results, "--columns", "kappa,regions,entropy", "--truth", self.truth)
        rows = [r for r in self.rows if r["status"] == test_tables.OK]
        names = ["accuracy", "kappa", "regions", "entropy"]
        for a in names:
            values = [f"{test_tables.spearman([r[a] for r in rows], [r[b] for r in rows]):+.2f}" for b in names]
            self.assertIn(" ".join(values), page.text.replace("-0.00", "+0.00"))

    def test_cost_against_correlation(self):
        page = self.report(self.results, "--columns", "kappa,regions,params,tenas", "--truth", self.truth)
        cost = self.section(page, "cost")
        self.assertIn("n = 3 columns", cost)  # params needs no pass
        self.assertRegex(cost, r"kappa</td><td>[\d.]+ [mµ]?s</td>")
        self.assertRegex(cost, r"params</td><td>none</td>")

    # ---- what they are made of
    def test_shares_of_operations(self):
        page = self.report(self.results, "--columns", "kappa,regions")
        for name in ("all", "kappa", "regions"):
            rows = [r for r in self.rows if r["status"] == test_tables.OK]
            if name != "all":
                rows = [self.rows[i] for i in test_tables.order(self.rows, name)[:11]]  # of 108
            ops = [word.split("~")[0] for r in rows for word in re.findall(r"\w+~\d", r["arch"])]
            heads = re.search(r"best by n ([\w ]+?) all", page.text)[1].split()
            self.assertEqual(sorted(heads), sorted(test_tables.OPS))
            shares = " ".join(f"{100 * ops.count(op) / len(ops):.1f} %" for op in heads)
            self.assertIn(f"{name} {len(rows)} {shares}", page.text)

    def test_spectra(self):
        page = self.report(self.results, "--by", "kappa")
        self.assertIn("kernels of 108 ok architectures, 4 eigenvalues", page.text)
        self.assertIn("best 10 % by kappa, n = 11", page.text)
        with h5py.File(self.results, "r+") as f:
            del f["spectrum"]
        self.assertNotIn("Spectra", self.report(self.results).text)

    def test_values_that_no_axis_holds(self):
        """What is neither positive nor near to what a double holds keeps no report from being made."""
        whole = numpy.logspace(-323, 308, 120)
        for spectrum in (numpy.nan, -1.0, 5e-324, 1.7e308):
            with h5py.File(self.results, "r+") as f:
                f["spectrum"][:] = spectrum
                f["table/kappa"][:] = whole
                f["table/regions"][:] = -whole
                f["run/seconds"][:] = 1e308
            page = self.report(self.results, "--columns", "kappa,regions,params", "--top", "0", "--bootstrap", "0")
            self.assertNotIn("Spectra", page.text)
            self.assertIn("kappa (smaller is better) against params", page.text)

    # ---- what somebody else wrote
    def test_texts_are_texts(self):
        with h5py.File(self.results, "r+") as f:
            arch = f["table/arch"][:].astype("S200")
            arch[:] = EVIL.encode()
            del f["table/arch"]
            f["table/arch"] = arch
            f["run"].attrs["host"] = EVIL
            f.attrs["config"] = "[run]\nseed = " + EVIL + "\n"
        page = self.report(self.results, cwd=self.dir)
        self.assertIn(EVIL, page.text)
        self.assertNotIn("<script", page.html)
        self.assertFalse(os.path.exists(self.path("pwned")))

    def test_names_are_no_commands_of_gnuplot(self):
        for evil in ("x'; system 'touch pwned'; #", "`touch pwned`", "$(touch pwned)", "x\\", 'x"', "@x", "<b>&amp;"):
            shutil.copy(f"{self.run_dir}/results.h5", self.results)
            with h5py.File(self.results, "r+") as f:
                names = f["columns/name"][:].astype("S64")
                names[names == b"regions"] = evil.encode()
                del f["columns/name"]
                f["columns/name"] = names
                for group in ("table", "rankings", "ranks"):
                    f.move(f"{group}/regions", f"{group}/{evil}")
            page = self.report(self.results, "--columns", evil, "--by", "kappa", cwd=self.dir)
            self.assertIn(evil + " (larger is better) against params", page.text)
            self.assertEqual(os.listdir(self.dir).count("pwned"), 0)

    # ---- what is refused
    def test_refused(self):
        out = self.path("r.html")
        self.fails(2, "report", self.results, says=["-o FILE.html"])
        self.fails(2, "report", self.results, "-o", out, "--columns", "kapa", says=["'kapa'"])
        self.fails(2, "report", self.results, "-o", out, "--by", "entropy", says=["'entropy'"])
        self.fails(1, "report", self.path("none.h5"), "-o", out, says=["none.h5", "results.h5 or search.h5"])
        self.fails(1, "report", self.results, "-o", self.path("none/r.html"), says=["none/r.html"])
        self.fails(1, "report", self.results, "-o", out, "--truth", self.path("no.csv"), says=["no.csv"])
        self.assertFalse(os.path.exists(out))

    def test_a_failed_report_leaves_the_old_one(self):
        out = self.write("r.html", "old")
        empty = dict(ENV, PATH=self.dir)
        self.fails(1, "report", self.results, "-o", out, env=empty, says=["gnuplot-nox"])
        self.write("gnuplot", "#!/bin/sh\necho 'line 0: no such terminal' >&2\nexit 1\n")
        os.chmod(self.path("gnuplot"), 0o755)
        self.fails(1, "report", self.results, "-o", out, env=empty, says=["no such terminal"])
        with open(out) as f:
            self.assertEqual(f.read(), "old")
        self.assertFalse([name for name in os.listdir(self.dir) if ".tmp-" in name])


OPS = ["1234,1234,1234,1234,1234,1234", "234,13,14,24,12,34", "2,1,4,2,1,3"]
FOUND = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


def texts(values):
    return numpy.array([value.encode() for value in values])


class MadeUpSearch(Case):
    """A search.h5 with the parts that a test adds."""
    def setUp(self):
        super().setUp()
        self.search = self.path("search.h5")
        with h5py.File(self.search, "w") as f:
            f.attrs["assay_series"] = numpy.int32(1)
            f.attrs["space"] = "nas-bench-201"
            f.attrs["config"] = "[search]\nmethod = tenas, nasi\nseeds = 3-4\n"
            f.create_group("run").attrs["host"] = "here"
            f["run/cpu_seconds"] = [5.0, 600.0]
            f["found/method"], f["found/seed"] = texts(["tenas", "nasi"]), [3, 4]
            f["found/arch"], f["found/index"] = texts([FOUND, FOUND]), [0, 0]
            f["found/rounds"], f["found/evaluations"] = [3, 1], [57, 4]

    def add_rounds(self):
        with h5py.File(self.search, "r+") as f:
            f["rounds/seed"], f["rounds/round"], f["rounds/mask"] = [3, 3, 3], [1, 2, 3], texts(OPS)
            f["rounds/kappa"] = [[50.0, 60.0], [20.0, 22.0], [7.0, 8.0]]
            f["rounds/regions"] = [[90.0, 92.0], [80.0, 82.0], [70.0, 72.0]]

    def add_steps(self):
        with h5py.File(self.search, "r+") as f:
            f["steps/method"], f["steps/seed"], f["steps/step"] = texts(["nasi"] * 4), [4] * 4, [1, 2, 3, 4]
            f["steps/nasi_trace"], f["steps/nu"] = [3.0, 200.0, numpy.nan, 5.0], [100.0] * 4
            f["steps/over"] = [0, 1, 0, 0]
            f["choices/method"], f["choices/seed"] = texts(["nasi"] * 2), [4, 4]
            f["choices/choice"], f["choices/name"] = [0, 0], texts(["1<-0 none", "1<-0 skip_connect"])
            f["choices/delta"], f["choices/taken"] = [-0.5, 0.5], [0, 1]


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Searches(MadeUpSearch, Pages):
    def test_what_was_found(self):
        page = self.report(self.search)
        self.assertIn("tenas, seed 3 " + FOUND, page.text)
        self.assertIn("evaluations 57 CPU time 5 s", page.text)
        self.assertIn("nor_conv_3x3</text>", self.section(page, "found"))
        self.assertNotIn("pruned", page.text)
        truth = self.write("truth.csv", f"arch,test_accuracy\n{FOUND},91.25\n")
        self.assertIn("test_accuracy 91.25", self.report(self.search, "--truth", truth).text)
        os.mkdir(self.path("run"))
        shutil.move(self.search, self.path("run"))
        self.assertIn("tenas, seed 3", self.report(self.path("run")).text)

    def test_rounds_of_pruning(self):
        self.add_rounds()
        page = self.report(self.search)
        self.assertIn("n = 3 rounds of 1 search.", page.text)
        for line in ("3 1 55 91 " + OPS[0], "3 2 21 81 " + OPS[1], "3 3 7.5 71 " + OPS[2]):
            self.assertIn(line, page.text)
        self.assertEqual(self.section(page, "pruning").count("<svg"), 1)

    def test_rounds_without_a_number(self):
        for name in ("kappa", "regions"):
            for value in (numpy.nan, numpy.inf, -1.7e308, 5e-324):
                self.setUp()
                self.add_rounds()
                self.add_steps()
                with h5py.File(self.search, "r+") as f:
                    f[f"rounds/{name}"][:] = value
                    f["steps/nasi_trace"][3], f["steps/nu"][1] = 1e-320, 5e-324
                page = self.report(self.search)
                self.assertIn("3 1 ", page.text)
                self.assertIn("n = 2 steps", page.text)

    def test_steps_of_nasi(self):
        self.add_steps()
        page = self.report(self.search)
        self.assertIn("nasi, seed 4 : trace norm T", page.text)
        self.assertIn("n = 3 steps, T above ν in 1 of them", page.text)
        self.assertIn("1<-0 none -0.5; 1<-0 skip_connect +0.5", page.text)
        self.assertIn("<b>1&lt;-0 skip_connect +0.5</b>", page.html)

    def test_damaged_searches_are_refused(self):
        for name in ("round", "kappa", "regions", "mask"):
            self.setUp()
            self.add_rounds()
            with h5py.File(self.search, "r+") as f:
                values = f[f"rounds/{name}"][:2]
                del f[f"rounds/{name}"]
                f[f"rounds/{name}"] = values
            self.fails(1, "report", self.search, "-o", self.path("r.html"), says=["search.h5", f"rounds/{name}"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
