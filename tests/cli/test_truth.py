#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of accuracies as other programs write them: read as they are meant, or refused by file and line; by correlate,
and by search before it begins.

usage: test_truth.py ASSAY SOURCE_ROOT
"""
import csv
import io
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import unittest

import h5py

import test_tables
from test_cli import ASSAY, CONV, ENV, NONE, Case, run
from test_tables import arch_of


class Truth(test_tables.Results):
    def rows_of(self, n=8):
        return [f"{r['arch']},{r['accuracy']}" for r in self.rows[:n]]

    def read(self, text, *words):
        """What correlate makes of a table, as CSV, and its notes."""
        with open(self.path("t.csv"), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        p = run("correlate", self.results, "--truth", self.path("t.csv"), "--csv", "--bootstrap", "0", *words)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout, p.stderr

    def test_tables_as_programs_write_them(self):
        head, rows = "arch,test_accuracy", self.rows_of()
        plain = self.read("\n".join([head, *rows]))
        self.assertEqual(plain[1], "")
        quoted = [f'"{a}\n","{b}"' for a, b in (row.split(",") for row in rows)]
        for name, text in {
            "line feed at the end": "\n".join([head, *rows]) + "\n",
            "CR LF": "\r\n".join([head, *rows]) + "\r\n",
            "CR CR LF": "\r\r\n".join([head, *rows]),
            "mark": "\ufeff" + "\n".join([head, *rows]),
            "mark and quotes": '\ufeff"arch","test_accuracy"\n' + "\n".join(rows),
            "line ends in cells": "\n".join([head, *quoted]),
            "CR LF in cells": "\r\n".join([head, *quoted]).replace('\n"', '\r\n"'),
            "blanks": "\n".join([' arch , "test_accuracy" ', "", *(r.replace(",", " , ") for r in rows), " \t", ","]),
            "doubled quotes": "\n".join(["note," + head, *(f'"the ""best"", or\nnot",{r}' for r in rows)]),
            "other columns twice": "\n".join(["a,a," + head, *(f"1,2,{r}" for r in rows)]),
            "signs and exponents": "\n".join([head, *(f"{a},+{float(b) * 10}e-1" for a, b in (r.split(",") for r in rows))]),
        }.items():
            with self.subTest(name):
                self.assertEqual(self.read(text), plain)

    # ---- JSON
    def need_json(self):
        p = run("correlate", self.results, "--truth", self.write("t.json", "{}"))
        if "made without json-c" in p.stderr:
            self.skipTest("this build does not read JSON")

    def test_json(self):
        """As NAS-Bench-Suite-Zero writes it, as this program does, as lists and lines."""
        self.need_json()
        plain = self.read("\n".join(["arch,test_accuracy", *self.rows_of(40)]))
        rows = [(r["arch"], r["accuracy"]) for r in self.rows[:40]]
        score = {arch: {"id": 7, "test_accuracy": {"score": y, "time": 0.5}} for arch, y in rows}
        number = {"skip_connect": 0, "none": 1, "nor_conv_3x3": 2, "nor_conv_1x1": 3, "avg_pool_3x3": 4}
        naslib = {}
        for arch, _ in rows:
            op = [number[name] for name in re.findall(r"(\w+)~", arch)]
            naslib[arch] = str(tuple(op[i] for i in (0, 1, 3, 2, 4, 5)))
        listed = [{"a": "x", "arch": arch, "test_accuracy": y} for arch, y in rows]
        for name, value in {
            "numbers": {arch: {"test_accuracy": y, "note": "x"} for arch, y in rows},
            "scores": score,
            "one data set": {"cifar10": score},
            "other names of architectures": {"cifar10": {naslib[arch]: cell for arch, cell in score.items()}},
            "texts": {arch: {"test_accuracy": str(y)} for arch, y in rows},
            "list": listed,
        }.items():
            with self.subTest(name):
                self.assertEqual(self.read(json.dumps(value)), plain)
        self.assertEqual(self.read("\n".join(map(json.dumps, listed)) + "\n"), plain)
        sets = {"cifar10": score, "cifar100": {arch: {"test_accuracy": 0} for arch, _ in rows}}
        self.assertEqual(self.read(json.dumps(sets), "--target", "cifar10/test_accuracy"), plain)
        other = [{"net": arch, "y": y} for arch, y in rows]
        self.assertEqual(self.read(json.dumps(other), "--key", "net", "--target", "y")[1], "")

    def test_an_export_is_read(self):
        """A column agrees with itself."""
        self.need_json()
        for kind in ("json", "suite-zero"):
            file = self.path(kind)
            self.works("export", self.results, "--format", kind, "-o", file)
            p = run("correlate", self.results, "--truth", file, "--target", "kappa", "--columns", "kappa", "--csv", "--bootstrap", "0")
            self.assertEqual(p.returncode, 0, p.stderr)
            row = next(csv.DictReader(io.StringIO(p.stdout)))
            self.assertEqual((row["column"], row["tau_b"], row["rho"]), ("kappa", "1", "1"))
            self.assertIn("rows have no kappa and are left out, the first is entry ", p.stderr)

    def test_json_without_values(self):
        self.need_json()
        (a, x), (b, y) = ((r["arch"], r["accuracy"]) for r in self.rows[:2])
        plain = self.read(f"arch,test_accuracy\n{a},{x}\n{b},{y}")
        for gap in ("NaN", "null", '"none"', '{"score": NaN, "time": 1}'):
            text = f'{{"{a}": {{"test_accuracy": {x}}}, "{arch_of(1)}": {{"test_accuracy": {gap}}}, "{arch_of(2)}": {{}}, "{b}": {{"test_accuracy": {y}}}}}'
            seen, note = self.read(text)
            self.assertEqual(seen, plain[0])
            self.assertIn("2 of 4 rows have no test_accuracy and are left out, the first is entry 2", note)

    def test_json_that_is_refused(self):
        self.need_json()
        arch = self.rows[0]["arch"]
        one = json.dumps({arch: {"test_accuracy": 90}})
        for text, *says in ((one[:-1], ":2: no JSON: the text ends inside a value"), ('{\n"a": {},\n]', ":3: no JSON"), ("[" * 100, "no JSON"), ("{\"a\": tru}", "no JSON"),
                            ("{}", "entry 1 has no 'arch'"), ("[]", "no entry has"), ("[1]", "entry 1 has no 'arch'"),
                            ('[{"name": 1}]', "entry 1 has no 'arch' (--key"), (one + "x", "no JSON"),
                            (json.dumps({arch: {"acc": 90, "id": 1}}), "no entry has 'test_accuracy' (--target", "acc, id"),
                            (json.dumps({arch: {"test_accuracy": "high"}}), 'entry 1: test_accuracy is "high"'),
                            (json.dumps({arch: {"test_accuracy": [1]}}), "entry 1: test_accuracy is [ 1 ]"),
                            (json.dumps({arch: {"test_accuracy": math.inf}}), "expected a finite number"),
                            (json.dumps({arch: {"test_accuracy": 1}, "\33[2J": {"test_accuracy": 1}}), "entry 2", "\\x1b"),
                            (json.dumps({arch: {"test_accuracy": 1}, "x": 3}), "entry 2 is no object"),
                            (json.dumps([{"arch": arch, "test_accuracy": 1}] * 2), "entry 2: this architecture stands on entry 1 already"),
                            (json.dumps({"c10": {arch: {"y": 1}}, "c100": {arch: {"y": 1}}}), "none of its data sets", "c10, c100"),
                            (json.dumps({arch: {"test_accuracy": None}}), "none of its 1 rows has a test_accuracy")):
            with self.subTest(text):
                self.fails(1, "correlate", self.results, "--truth", self.write("t.json", text), says=["t.json", *says])

    def test_rows_without_an_accuracy_are_left_out_and_counted(self):
        rows = self.rows_of()
        fewer = self.read("arch,test_accuracy\n" + "\n".join(rows[:1] + rows[4:]))
        for gap in ("", "nan", "NaN", "-nan", "NA", "n/a", "<NA>", "null", "None", '""'):
            with self.subTest(gap):
                holes = [r if i in (0, 4, 5, 6, 7) else r.split(",")[0] + "," + gap for i, r in enumerate(rows)]
                text, note = self.read("arch,test_accuracy\n\n" + "\n".join(holes))
                self.assertEqual(text, fewer[0])
                self.assertEqual(note, f"assay: {self.path('t.csv')}: 3 of 8 rows have no test_accuracy and are left out, "
                                       "the first on line 4\n")
        shown = self.works("correlate", self.results, "--truth", self.path("t.csv"))
        self.assertIn("t.csv: 5 architectures with test_accuracy, 5 of them among the results\n"
                      f"{self.path('t.csv')}: 3 of 8 rows have no test_accuracy and are left out", shown)

    def test_key_names_the_architectures(self):
        rows = self.rows_of()
        plain = self.read("arch,test_accuracy\n" + "\n".join(rows))
        other = "Architecture String,top 1\n" + "\n".join(rows)
        self.assertEqual(self.read(other, "--key", "Architecture String", "--target", "top 1"), plain)
        # The plain name does not count then.
        self.read("arch,name,test_accuracy\n" + "\n".join("x," + r for r in rows), "--key", "name")

    def test_two_columns_of_one_name(self):
        rows = self.rows_of()
        for head, words in (("arch,test_accuracy,test_accuracy", ()), ("arch,test_accuracy, test_accuracy ", ()),
                            ('arch,top1,"top1"', ("--target", "top1")), ("test_accuracy,arch,arch", ()),
                            ("test_accuracy,a,a", ("--key", "a"))):
            with self.subTest(head):
                file = self.write("twice.csv", f"\n{head}\n" + "\n".join(f"{r},1" for r in rows))
                self.fails(1, "correlate", self.results, "--truth", file, *words,
                           says=["twice.csv:2: columns 2 and 3 are both named"])

    def test_files_that_are_no_tables(self):
        arch = self.rows[0]["arch"]
        row = f"arch,test_accuracy\n{arch},90\n"
        for text, *says in (
                ("arch;test_accuracy;note\n" + f"{arch};90,5;\n", ":1: looks separated by ';'"),
                ('"arch";"test_accuracy"\n' + f'"{arch}";"90"\n', ":1: looks separated by ';'"),
                ("arch\ttest_accuracy\n" + f"{arch}\t90\n", ":1: looks separated by tabs"),
                ("sep=;\n" + row, ":1: looks separated by ';'"),
                (row.replace("\n", "\r"), ":1: line ends are CR alone"),
                (row.replace("test_accuracy", '"test_accuracy"').replace("\n", "\r"), ":1: line ends are CR alone"),
                (row + f"{arch}\r,91\n", ":3: line ends are CR alone"),
                (row.encode("utf-16"), "UTF-16"),
                (("\ufeff" + row).encode("utf-16-be"), "UTF-16"),
                (row.encode("utf-16-le"), ":1: a zero byte"),
                (row.encode() + b"\n\0", ":4: a zero byte"),
                (pathlib.Path(self.results).read_bytes(), "a zero byte"),
                ("", "empty"), ("\n \n,,\n", "empty"), ("\ufeff", "empty"),
                ("arch,test_accuracy\n\n", "no row below the header"),
                (f'arch,test_accuracy\n"{arch},90\n{arch},91\n', ":2: a quote that is not closed"),
                (row + f'\n"{arch}"x,91\n', ":4: text after a closing quote"),
                (row + f'"{arch}\n",91,2\n', ":3: 3 cells, expected 2"),
                ('note,arch,test_accuracy\n"a\nb",' + f"{arch},90\n{arch}\n", ":4: 1 cells, expected 3"),
                ("Arch,test_accuracy\n" + f"{arch},90\n", "'arch'", "Arch"),
                (f"arch,test_accuracy\n{arch},\n", "none of its 1 rows has a test_accuracy")):
            with self.subTest(text=text[:40]):
                with open(self.path("no.csv"), "wb") as f:
                    f.write(text if isinstance(text, bytes) else text.encode())
                self.fails(1, "correlate", self.results, "--truth", self.path("no.csv"), says=["no.csv", *says])
        self.fails(1, "correlate", self.results, "--truth", self.dir, says=[self.dir, "a directory"])
        self.fails(1, "correlate", self.results, "--truth", "/dev/zero", says=["/dev/zero:1: a zero byte"])
        self.fails(1, "correlate", self.results, "--truth", "/dev/null", says=["/dev/null", "empty"])
        os.mkfifo(self.path("fifo"))
        self.fails(1, "correlate", self.results, "--truth", self.path("fifo"), says=["fifo", "empty"])

    def test_accuracies_that_are_no_numbers(self):
        arch = self.rows[0]["arch"]
        for cell in ("high", "90.5%", '"1,234"', '"90,5"', "inf", "-Infinity", "1e400", "0x5a", "90 91", "90.5x", "nan(1)", "-"):
            with self.subTest(cell):
                file = self.write("t.csv", f"test_accuracy,arch\n91,{self.rows[1]['arch']}\n{cell},{arch}\n")
                self.fails(1, "correlate", self.results, "--truth", file,
                           says=["t.csv:3: test_accuracy is '" + cell.strip('"'), "expected a finite number"])

    def test_a_pipe_is_read(self):
        rows = self.rows_of()
        plain = self.read("arch,test_accuracy\n" + "\n".join(rows))[0]
        read, write = os.pipe()
        os.write(write, ("arch,test_accuracy\n" + "\n".join(rows[:4])).encode())
        p = subprocess.Popen([ASSAY, "correlate", self.results, "--truth", f"/dev/fd/{read}", "--csv", "--bootstrap", "0"],
                             env=ENV, stdout=subprocess.PIPE, pass_fds=[read], text=True)
        os.close(read)
        os.write(write, ("\n" + "\n".join(rows[4:])).encode())
        os.close(write)
        self.assertEqual((p.communicate(timeout=120)[0], p.returncode), (plain, 0))

class Search(Case):
    """A table of accuracies beside a search."""
    SMALL = "[network]\nimage = 8\nchannels = 2\n[ntk]\nbatch = 4\n[regions]\nbatch = 300\n[search]\nbaseline = false\nseeds = 0-3\n"

    def setUp(self):
        super().setUp()
        self.config = self.write("s.ini", self.SMALL)

    def search(self, *words, directory="run"):
        p = run("search", self.config, "-o", self.path(directory), "--quiet", *words)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return p.stdout

    def found(self):
        lines = self.search().splitlines()
        return [dict(zip(lines[0].replace("CPU s", "cpu").split(), line.split())) for line in lines[1:5]]

    def table(self, *rows):
        return self.write("t.csv", "arch,test_accuracy\n" + "".join(f"{arch},{x}\n" for arch, x in rows))

    def contents(self):
        return {name: (os.stat(self.path("run/" + name)).st_mtime_ns, pathlib.Path(self.path("run/" + name)).read_bytes())
                for name in os.listdir(self.path("run"))}

    def test_the_table_is_read_before_anything_else(self):
        other = self.table(("|nor_conv_9x9~0|", 90))
        bad = [(["--truth", other], 1, "t.csv:2: "), (["--truth", self.path("no.csv")], 1, "no.csv: No such file"),
               (["--truth", self.write("u.csv", "arch,acc\nx,1\n")], 1, "no column 'test_accuracy' (--target"),
               (["--truth", self.write("v.csv", "arch,acc,acc\nx,1,2\n"), "--target", "acc"], 1, "columns 2 and 3"),
               (["--truth", self.write("w.csv", f"arch,test_accuracy\n{CONV},nan\n")], 1, "none of its 1 rows"),
               (["--target", "acc"], 2, "--truth"), (["--key", "acc"], 2, "--truth")]
        for words, code, says in bad:
            with self.subTest(words):
                self.fails(code, "search", self.config, "-o", self.path("run"), *words, says=[says])
                self.assertFalse(os.path.exists(self.path("run")))
        self.search()
        before = self.contents()
        for words, code, says in bad:
            self.fails(code, "search", self.config, "-o", self.path("run"), *words, says=[says])
        self.assertEqual(self.contents(), before)

    def test_what_the_table_lacks_is_not_known(self):
        archs = [f["arch"] for f in self.found()]
        self.assertEqual(len(set(archs)), 4)
        for known, says in ((0, "not known"), (1, "mean 90.00 over 1 of 4"),
                            (2, "mean 90.50, standard deviation 0.71 over 2 of 4"),
                            (4, "mean 91.50, standard deviation 1.29 over 4")):
            table = self.table((CONV, 70), *((a, 90 + i) for i, a in enumerate(archs[:known])), (archs[3], "")
                               if known < 4 else (NONE, ""))
            for directory in ("run", f"fresh{known}"):
                text = self.search("--truth", table, directory=directory)
                self.assertIn(f"; test_accuracy: {says}\n", text)
                rows = [line.split() for line in text.splitlines()[1:5]]
                self.assertEqual([(r[-1], r[-2]) for r in rows],
                                 [(a, str(90 + i) if i < known else "-") for i, a in enumerate(archs)])
                self.assertIn(f"\n{table}: 1 of {known + 2} rows have no test_accuracy and are left out, the first on line "
                              f"{known + 3}\n", text)
        other = self.write("o.csv", f"a,b\n93,{archs[2]}\n")
        self.assertIn("; a: mean 93.00 over 1 of 4\n", self.search("--truth", other, "--target", "a", "--key", "b"))

    def test_any_encoding_of_a_cell_has_its_accuracy(self):
        """By hash, whether NAS-Bench-1Shot1's encodings are numbered or its cells."""
        config = self.write("s.ini", "[space]\nname = nas-bench-1shot1-s1\n[data]\nsource = gaussian\n[network]\nimage = 8\n"
                            "[nasi]\nbatch = 3\n[search]\nmethod = nasi\nnu = q70\nbaseline = false\nseeds = 0-3\nsteps = 3\nchannels = 2\ncells = 1\n")
        for of in ("encodings", "cells"):
            words = ("search", config, "-o", self.path(of), "--set", f"nas-bench-1shot1.of={of}", "--quiet")
            archs = [line.split()[-1] for line in self.works(*words).splitlines() if line.startswith("nasi ")]
            hashes = [self.works("show", "nas-bench-1shot1-s1", a).split("hash")[1].split()[0] for a in archs]
            table = self.write("h.csv", "hash,val\n" + "".join(f"{h},9{hashes.index(h)}\n" for h in dict.fromkeys(hashes)))
            text = self.works(*words, "--truth", table, "--key", "hash", "--target", "val")
            self.assertEqual([float(line.split()[-2]) for line in text.splitlines() if line.startswith("nasi ")],
                             [90 + hashes.index(h) for h in hashes])

    def test_cells_are_joined_to_their_own_accuracies(self):
        """Whatever numbers they have: here the accuracies are the parameters."""
        config = self.write("s.ini", "[space]\nname = nas-bench-1shot1-s1\n[run]\nmetrics = cost\n[data]\nsource = gaussian\n"
                            "[candidates]\nsample = 12\n")
        for of in ("encodings", "cells"):
            self.works("sweep", config, "-o", self.path(of), "--set", f"nas-bench-1shot1.of={of}", "--quiet")
            with h5py.File(self.path(f"{of}/results.h5")) as f:
                rows = zip(f["table/arch"].asstr()[:], f["table/params"][:])
                table = self.write("t.csv", "arch,val\n" + "".join(f'"{a}",{p}\n' for a, p in rows))
            text = self.works("correlate", self.path(of), "--truth", table, "--target", "val", "--bootstrap", "0", "--csv")
            row = next(csv.DictReader(line for line in text.splitlines() if line.startswith(("column,", "params,"))))
            self.assertEqual((row["n"], float(row["tau_b"])), ("12", 1.0))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
