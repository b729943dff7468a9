#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong command lines, verb by verb, and the ways out that they name.

usage: test_usage.py ASSAY SOURCE_ROOT
"""
import os
import re
import sys
import unittest

from test_cli import NONE, ROOT, Case, run

RESULTS = os.path.join(ROOT, "results", "nb201-default-cifar10.h5")
QUICK = os.path.join(ROOT, "configs", "nb201-quickstart.ini")
SEARCH = os.path.join(ROOT, "configs", "nb201-tenas-search.ini")
CANDIDATES = {"--first x": "--first", "--first 15625": "candidates.first", "--count 15626": "candidates.count",
              "--sample many": "--sample", "--sample 15626": "candidates.sample", "--count 5 --sample 6": "candidates.sample",
              "--seed x": "--seed", "--archs f --sample 3": "candidates.archs", "--archs f --first 3": "candidates.archs",
              "--shard 3": "candidates.shard", "--shard 4/3": "candidates.shard", "--metrics kapa": "kapa",
              "--metrics=": "metric", "--memory much": "--memory", "--members=yes": "--members",
              "--set run.metrics=kapa": "kapa", "--set ntk.batch=1": "ntk.batch", "--set network.image=30": "network.image",
              "--set space.name=nas-bench-102": "nas-bench-102", "--set network.channels=5000": "network.channels",
              "--set ntk.init=xavier": "ntk.init", "--set run.redraw=perhaps": "run.redraw",
              "--set data.source=cifar100": "network.classes", "--set data.source=cifar": "data.source: unknown source 'cifar'", "--set run": "SECTION.KEY=VALUE",
              "--set nonsense.key=1": "unknown key nonsense.key"}
# verb -> (words it works with but for what follows, {wrong words: what is said})
WRONG = {
    "sweep": ([QUICK, "-o", "run"], {**CANDIDATES, "--top 3": "--top", "-z": "-z", "more": "'more'", "--quiet=1": "--quiet",
                                     "-o other": "given twice", "--output": "needs a value"}),
    "plan": ([QUICK], {**CANDIDATES, "--ntasks x": "--ntasks", "--seconds -1": "--seconds", "--replay": "needs a value",
                       "-o run": "-o"}),
    "search": ([SEARCH, "-o", "run", "--set", "data.source=gaussian"],
               {"--set search.method=tenaz": "search.method", "--set search.seeds=x": "search.seeds",
                "--set search.by=kapa --set search.method=random": "search.by", "--set search.steps=0": "search.steps",
                "--target accuracy": "--truth", "--key arch": "--truth", "--sample 3": "--sample"}),
    "rank": ([RESULTS], {"--by kapa": "'kapa'", "--columns kappa,kapa": "'kapa'", "--top x": "--top", "--top 0": "--top",
                         "--all=1": "--all", "--set ntk.batch=3": "--set", "other.h5": "'other.h5'"}),
    "correlate": ([RESULTS, "--truth", "t.csv"],
                  {"--invalid maybe": "'maybe'", "--bootstrap x": "--bootstrap", "--seed x": "--seed", "--truth u.csv": "given twice"}),
    "eval": (["nas-bench-201", "5"],
             {"--weights w.h5:/w": "--batch", "--bn batch": "--weights", "--channels 0": "network.channels",
              "--classes many": "network.classes", "--set cost.cells=0": "cost.cells is 0", "--memory x": "run.memory", "--supernet full": "--supernet", "6": "'6'",
              "--dump o.h5": "--weights", "--set run.metrics=kapa": "kapa", "-c": "needs a value"}),
    "show": (["nas-bench-201", "5"], {"--key name": "--order", "6": "'6'", "--supernet full": "--supernet", "--order": "needs a value"}),
    "list": (["spaces"], {"metrics": "'metrics'", "--all": "--all"}),
    "pack": (["run"], {"other": "'other'", "-o x": "-o"}),
    "merge": (["part1", "-o", "run"], {"--partial=1": "--partial", "-x": "-x"}),
    "help": (["rank"], {"list": "'list'"}),
}
# Whole command lines.
ALSO = {"nonsense": "unknown verb 'nonsense'", "sweep": "too few words", "sweep c.ini": "-o DIR", "plan": "too few words",
        "search c.ini": "-o DIR", "search": "too few words", "rank": "too few words", "correlate": "too few words",
        f"correlate {RESULTS}": "--truth", "eval nas-bench-201": "too few words", "eval": "too few words",
        "eval nas-bench-2 5": "'nas-bench-2'", "eval nas-bench-201 15625": "15624", "eval nas-bench-201 |none~5|": "character",
        "eval nas-bench-201 --supernet 9": "supernet", "show nas-bench-2 5": "'nas-bench-2'", "show nas-bench-201": "too few words",
        "show nas-bench-201 15625": "15624", "show nas-bench-201 |none~5|": "character", "list": "too few words",
        "list colours": "'colours'", "pack": "too few words", "merge": "too few words", "merge part": "-o DIR",
        "help nonsense": "unknown verb 'nonsense'"}
# What is wrong with files, machines or the system is no wrong command line.
FILES = {"sweep none.ini -o run": "none.ini", "plan none.ini": "none.ini", "rank none.h5": "none.h5", "rank bad.ini": "bad.ini",
         f"correlate {RESULTS} --truth none.csv": "none.csv", "eval nas-bench-201 5 -c bad.ini": "bad.ini:2",
         "sweep bad.ini -o run": "bad.ini:2: ntk.batch", "sweep bad.ini -o run --set ntk.batch=8": "bad.ini:2: ntk.batch", "plan bad.ini": "bad.ini:2", f"sweep {QUICK} -o run --archs none": "none",
         f"sweep {QUICK} -o run --archs bad.ini": "bad.ini:1", "show nas-bench-201 5 --order none.csv": "none.csv",
         "pack none": "none", "merge none -o run": "none", "sweep far.ini -o run": "candidates.first",
         "sweep metric.ini -o run": "kapa", "sweep both.ini -o run": "candidates.archs",
         f"plan {QUICK} --memory 1": "over the limit of 1 MiB"}


class Usage(Case):
    def setUp(self):
        super().setUp()
        for name, text in (("bad", "[ntk]\nbatch = 1\n"), ("far", "[candidates]\nfirst = 15625\n"), ("metric", "[run]\nmetrics = kapa\n"),
                           ("both", "[candidates]\narchs = f\nsample = 3\n")):
            self.write(f"{name}.ini", text)

    def code(self, expected, words, says):
        with self.subTest(words=words):
            self.fails(expected, *words, says=[says], cwd=self.dir)

    def test_wrong_words_are_2(self):
        for verb, (right, wrong) in WRONG.items():
            for words, says in wrong.items():
                self.code(2, [verb, *right, *words.split()], says)
        for words, says in ALSO.items():
            self.code(2, words.split(), says)
        self.assertFalse(os.path.exists(self.path("run")))

    def test_what_is_wrong_elsewhere_is_1(self):
        for words, says in FILES.items():
            self.code(1, words.split(), says)
        self.assertFalse(os.path.exists(self.path("run")))

    def test_only_near_words_are_suggested(self):
        for words, near in (("swep x", "sweep"), ("corelate x", "correlate"), ("rank x --tp 3", "--top"), ("nonsense", None),
                            ("test", None), ("qq", None), ("rank x --nonsense", None), ("rank x --x", None),
                            ("list spaces --colour", None), (f"sweep {QUICK} -o r --set ntk.btach=3", "ntk.batch"),
                            (f"sweep {QUICK} -o r --set nkt.batch=3", "ntk.batch"), (f"sweep {QUICK} -o r --set a.b=3", None),
                            (f"sweep {QUICK} -o r --set model.dropout=0.1", None)):
            with self.subTest(words=words):
                text = self.fails(2, *words.split()).stderr
                self.assertEqual(re.findall(r"did you mean (\S+)\?", text), [near] if near else [])

    def test_help(self):
        whole = self.works("help")
        self.assertEqual(whole, self.works("--help"))
        for verb in re.findall(r"(?m)^  (\w+)  ", whole.split("usage:")[1].split("\n\n  assay")[0]):
            self.assertEqual(self.works("help", verb), self.works(verb, "--help"))
        self.assertIn("assay help VERB", whole)


class Directory(Case):
    def test_a_run_directory_stands_for_its_results(self):
        config = self.write("c.ini", "[candidates]\ncount = 30\n[run]\nmetrics = cost\n")
        self.assertEqual(run("sweep", config, "-o", self.path("run"), "-q").returncode, 0)
        file = os.path.join(self.path("run"), "results.h5")
        truth = self.write("t.csv", "arch,test_accuracy\n" + NONE + ",10\n")
        correlate = ("--truth", truth, "--bootstrap", "0")
        for words in (("rank", "--all"), ("correlate", *correlate)):
            by_file = run(words[0], file, *words[1:])
            by_directory = run(words[0], self.path("run"), *words[1:])
            self.assertEqual((by_directory.returncode, by_directory.stdout), (by_file.returncode, by_file.stdout))
        self.assertEqual(len(self.works("rank", self.path("run"), "--all").splitlines()), 32)
        os.unlink(file)
        for words in (("rank",), ("correlate", *correlate)):
            self.fails(1, words[0], self.path("run"), *words[1:],
                       says=[f"{self.path('run')} has no results.h5", f"`assay pack {self.path('run')}`"])
        self.assertEqual(run("pack", self.path("run")).returncode, 0)
        self.works("rank", self.path("run"))
        os.mkdir(self.path("empty"))
        self.fails(1, "rank", self.path("empty"), says=[self.path("empty"), "no run directory"])
        os.mkdir(self.path("search"))
        self.write("search/search.h5", "")
        self.fails(1, "rank", self.path("search"), says=["holds a search", "`assay report` shows", "results.h5 of a sweep"])


class NoImages(Case):
    """Without the data set a run ends with both ways out; what it would take is told all the same."""
    def setUp(self):
        super().setUp()
        self.config = self.write("c.ini", "[candidates]\nsample = 30\n[data]\nsource = cifar10\npath = cifar\n"
                                          "[nasi]\nlabels = true\nbatch = 4\n[ntk]\nbatch = 4\n[run]\nmetrics = ntk_ridge,nasi,cost\n")

    def test_a_run_names_both_ways_out(self):
        for verb in ("sweep", "search"):
            self.fails(1, verb, self.config, "-o", self.path("run"), cwd=self.dir,
                       says=["data.path = 'cifar': no such directory", "jobs/fetch-cifar.sh", "cifar-10-binary.tar.gz", "data.source=gaussian"])
        self.fails(1, "eval", "nas-bench-201", "5", "--set", "data.source=hdf5", "--set", f"data.path={self.path('x.h5')}:/x",
                   says=["x.h5:/x': no such file", "HDF5", "data.source=gaussian"])
        self.assertFalse(os.path.exists(self.path("run")))

    def test_what_it_would_take(self):
        dry = ("sweep", self.config, "-o", self.path("run"), "--dry-run")
        for words in (dry, ("plan", self.config, "--seconds", "0", "--ntasks", "2")):
            text = self.works(*words, cwd=self.dir)
            self.assertIn("30 candidates", text)
            self.assertIn("warning: data.path = 'cifar' is not there: sizes and times are told as if it were\n", text)
            self.assertIn("images 146.7", text)  # 50,000 of 3,072 bytes and a label of 4
        text = self.works(*dry, "--set", "data.source=hdf5", "--set", "data.path=no.h5:/x")
        self.assertIn("warning: data.path = 'no.h5:/x' is not there: sizes and times are told without its images\n", text)
        self.assertIn("a new run", text)
        self.assertEqual(run("sweep", self.config, "-o", self.path("run"), "-q", "--set", "data.source=gaussian", "--metrics", "cost").returncode, 0)
        self.assertIn("holds a run; whether of these images only they can tell", self.works(*dry, cwd=self.dir))

    def test_what_is_damaged_is_an_error(self):
        os.mkdir(self.path("cifar"))
        for words in (("sweep", self.config, "-o", self.path("run"), "--dry-run"), ("plan", self.config)):
            self.fails(1, *words, cwd=self.dir, says=["cifar"])
            self.fails(2, *words, "--set", "network.image=16", cwd=self.dir, says=["network.image = 16"])


class Candidates(Case):
    """Another choice of candidates on the command line stands in place of the file's."""
    FILES = {"sample": "sample = 300\nseed = 1\n", "range": "first = 100\ncount = 50\n",
             "both": "first = 100\ncount = 50\nsample = 20\nseed = 1\n", "list": "archs = list\n"}

    def chosen(self, file, *words):
        text = self.works("sweep", self.write(f"{file}.ini", "[candidates]\n" + self.FILES[file]), "-o", self.path("run"), "--dry-run",
                          *words, cwd=self.dir)
        keys = dict(re.findall(r"(?m)^(first|count|sample|seed|archs) = (.*)$", text.split("[candidates]")[1].split("[network]")[0]))
        return int(re.search(r": (\d+) candidates", text)[1]), keys

    def test_choices(self):
        self.write("list", f"{NONE}\n")
        self.write("other", f"# two\n{NONE}\n{NONE.replace('none~2', 'skip_connect~2')}\n")
        for file, words, n, keys in (
                ("sample", [], 300, {"sample": "300"}),
                ("sample", ["--first", "100", "--count", "50"], 50, {"first": "100", "count": "50", "sample": "0"}),
                ("sample", ["--first", "15600"], 25, {"sample": "0"}),
                ("sample", ["--archs", "other"], 2, {"archs": "other", "sample": "0"}),
                ("sample", ["--sample", "7"], 7, {"sample": "7", "seed": "1"}),
                ("sample", ["--seed", "9"], 300, {"sample": "300", "seed": "9"}),
                ("range", ["--count", "20"], 20, {"first": "100", "count": "20"}),
                ("range", ["--sample", "7"], 7, {"first": "100", "count": "50", "sample": "7"}),
                ("range", ["--archs", "other"], 2, {"first": "0", "count": "0"}),
                ("both", ["--first", "7"], 50, {"first": "7", "count": "50", "sample": "0"}),
                ("both", ["--first", "7", "--count", "60", "--sample", "9"], 9, {"first": "7", "count": "60", "sample": "9"}),
                ("both", ["--set", "candidates.archs=other"], 2, {"sample": "0", "first": "0"}),
                ("list", ["--sample", "7"], 7, {"archs": "", "sample": "7"}),
                ("list", ["--count", "7"], 7, {"archs": "", "count": "7"}),
                ("list", ["--set", "candidates.count=7"], 7, {"archs": "", "count": "7"}),
                ("list", ["--archs", "other"], 2, {"archs": "other"})):
            with self.subTest(file=file, words=words):
                got = self.chosen(file, *words)
                self.assertEqual((got[0], {k: got[1][k] for k in keys}), (n, keys))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
