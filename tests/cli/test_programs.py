#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What other programs read: every column of a table, as JSON and in their own formats.

usage: test_programs.py ASSAY SOURCE_ROOT
"""
import csv
import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
import unittest

import h5py
import numpy as np

from test_cli import ASSAY, ENV, ROOT, run
from test_tables import N, Results


def same(text, value):
    """A cell of JSON, against a number of the file: null stands for what is not finite."""
    return text is None if not math.isfinite(value) else text == value


class Programs(Results):
    def lines(self, *words):
        return [json.loads(line, parse_constant=self.fail) for line in self.works(*words).splitlines()]

    # ---- rank
    def test_rank_knows_every_column(self):
        with h5py.File(self.results) as f:
            table = {k: v[:] for k, v in f["table"].items()}
            seconds = f["run/seconds"][:]
        table["reason"] = [r.decode() for r in table["reason"]]
        place = {int(index): i for i, index in enumerate(table["index"])}
        names = "kappa,kappa_stderr,class,status_code,reason,seconds"
        shown = self.lines("rank", self.results, "--all", "--columns", names, "--format", "json")
        self.assertEqual(len(shown), N)
        for row in shown:
            i = place[row["index"]]
            self.assertEqual(list(row), ["rank", "index", "arch", "status", *names.split(",")])
            self.assertTrue(same(row["kappa"], table["kappa"][i]))
            self.assertTrue(same(row["kappa_stderr"], table["kappa_stderr"][i]))
            self.assertEqual((row["class"], row["status_code"], row["reason"], row["seconds"]),
                             (table["class"][i], table["status_code"][i], table["reason"][i], seconds[i]))
            self.assertEqual(row["rank"] is None, row["status"] != "ok")
        self.assertGreater(sum(row["kappa_stderr"] is not None for row in shown), N / 2)
        self.assertTrue(any(table["reason"]))
        rows = list(csv.DictReader(io.StringIO(self.works("rank", self.results, "--all", "--columns", "all", "--csv"))))
        self.assertEqual(set(rows[0]) - {"rank", "index", "arch", "status"},
                         set(table) - {"index", "arch", "status"} | {"seconds"})
        self.fails(2, "rank", self.results, "--columns", "params_stderr", says=["'params_stderr'"])
        with h5py.File(self.results, "r+") as f:
            del f["run"]
        self.fails(2, "rank", self.results, "--columns", "seconds", says=["'seconds'"])
        self.assertNotIn("seconds", self.works("rank", self.results, "--columns", "all", "--csv"))

    # ---- JSON
    def test_json_of_a_table_is_its_csv(self):
        for words in (["rank", self.results, "--by", "kappa + regions"],
                      ["correlate", self.results, "--truth", self.truth, "--bootstrap", "20"]):
            text = self.works(*words, "--csv")
            self.assertEqual(self.works(*words, "--format", "csv"), text)
            rows = list(csv.DictReader(io.StringIO(text)))
            shown = self.lines(*words, "--format", "json")
            self.assertEqual([list(row) for row in shown], [list(row) for row in rows])
            numbers = 0
            for row, cells in zip(shown, rows):
                for name, value in row.items():
                    numbers += isinstance(value, (int, float))
                    want = cells[name]
                    self.assertEqual(value, want if isinstance(value, str) else float(want) if want else None)
            self.assertGreater(numbers, 4 * len(rows))
        self.fails(2, "rank", self.results, "--format", "xml", says=["--format", "'xml'", "text, csv or json"])
        self.fails(2, "rank", self.results, "--csv", "--format", "json", says=["--csv is short for --format csv"])

    def test_json_of_show(self):
        seen, = self.lines("show", "nas-bench-201", "42", "--format", "json")
        text = self.works("show", "nas-bench-201", "42")
        self.assertEqual((seen["space"], seen["index"], seen["dead"]), ("nas-bench-201", 42, False))
        self.assertIn(f"arch        {seen['arch']}\n", text)
        self.assertIn(f"class       {seen['class']} {seen['class_arch']}\n", text)
        self.assertIn(f"members     {seen['members']} architectures", text)
        for net in seen["networks"]:
            self.assertIn(f"{net['params'] / 1e6:.6f} M parameters, {net['flops'] / 1e6:.6f} MFLOPs, {net['layers']} layers, "
                          f"{net['relus']} ReLU units", text)
        self.assertEqual([net["channels"] for net in seen["networks"]], [16, 3])
        self.assertTrue(self.lines("show", "nas-bench-201", "0", "--format", "json")[0]["dead"])
        mask = "1234,3,0134,-,13,2"
        self.assertEqual(self.lines("show", "nas-bench-201", "--supernet", mask, "--format", "json")[0]["supernet"], mask)
        self.assertEqual(len(self.lines("show", "nas-bench-101", "7", "--format", "json")[0]["hash"]), 32)

    def test_json_of_eval(self):
        words = ["eval", "nas-bench-201", "1462", "--metrics", "ntk,cost", "--image", "8", "--set", "run.repeats=2",
                 "--set", "ntk.batch=4"]
        seen, = self.lines(*words, "--format", "json")
        text = self.works(*words)
        self.assertEqual((seen["index"], seen["class"], seen["status"], seen["reason"]), (1462, 1327, "ok", ""))
        shown = {line.split()[0]: line.split() for line in text.splitlines() if line.endswith("]") and " [" in line}
        self.assertEqual(set(seen["columns"]), set(shown))
        for name, column in seen["columns"].items():
            self.assertAlmostEqual(column["value"], float(shown[name][1]), delta=1e-8 * abs(column["value"]))
            self.assertIn(column["protocol"], text)
        kappa = seen["columns"]["kappa"]
        self.assertEqual((kappa["direction"], len(kappa["repeats"])), (-1, 2))
        self.assertAlmostEqual(kappa["value"], sum(kappa["repeats"]) / 2, 9)
        self.assertNotIn("repeats", seen["columns"]["params"])
        dead, = self.lines(*words[:2], "0", *words[3:], "--format", "json")
        self.assertEqual((dead["status"], dead["columns"]["kappa"]["value"]), ("dead", None))

    # ---- export
    def export(self, kind, *words):
        p = subprocess.run([ASSAY, "export", self.results, "--format", kind, *words], env=ENV, capture_output=True, check=False)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        return p.stdout

    def test_tables_are_exported_whole(self):
        whole = csv.DictReader(io.StringIO(self.works("rank", self.results, "--all", "--columns", "all", "--csv")))
        rows = sorted(whole, key=lambda row: int(row["index"]))
        for row in rows:
            del row["rank"]
        self.assertEqual(list(csv.DictReader(io.StringIO(self.export("csv").decode()))), rows)
        lines = [json.loads(line) for line in self.export("json").splitlines()]
        self.assertEqual(lines, sorted(({k: v for k, v in row.items() if k != "rank"} for row in self.lines(
            "rank", self.results, "--all", "--columns", "all", "--format", "json")), key=lambda row: row["index"]))
        few = self.export("csv", "--columns", "kappa,reason").decode().splitlines()
        self.assertEqual((few[0], len(few)), ("index,arch,status,kappa,reason", N + 1))

    def test_a_long_table_has_one_header(self):
        text = self.works("export", f"{ROOT}/results/nb201-tenas-code-cifar10.h5", "--format", "csv", "--columns", "kappa").splitlines()
        self.assertEqual([i for i, line in enumerate(text) if line.startswith("index,")], [0])
        self.assertEqual([int(line.split(",")[0]) for line in text[1:]], list(range(15625)))

    def test_suite_zero(self):
        seen = json.loads(self.export("suite-zero"), parse_constant=self.fail)
        with h5py.File(self.results) as f:
            arch = [a.decode() for a in f["table/arch"][:]]
            names = [n.decode() for n in f["columns/name"][:]]
            value = {name: f["table"][name][:] for name in names}
            seconds, dead = f["run/seconds"][:], f["table/reason"][:]
        self.assertEqual(list(seen), arch)
        both = 0
        for i, proxies in enumerate(seen.values()):
            self.assertEqual(list(proxies), names)
            for name, cell in proxies.items():
                self.assertEqual(list(cell), ["score", "time"])
                self.assertTrue(same(cell["score"], value[name][i]), name)
            time = {name: cell["time"] for name, cell in proxies.items()}
            self.assertEqual((time["params"], time["flops"]), (0, 0))
            if b"does not depend" in dead[i]:
                continue
            both += 1
            # Kernels and regions share nothing, so that their parts are a whole, which the score takes.
            self.assertEqual(time["kappa"], time["trace"])
            self.assertAlmostEqual(time["kappa"] + time["regions"], seconds[i], 12)
            self.assertAlmostEqual(time["tenas"], seconds[i], 12)
            self.assertTrue(0 < time["regions"] < time["kappa"])
        self.assertGreater(both, N / 2)
        with h5py.File(self.results, "r+") as f:
            del f["run"]
        self.assertIsNone(json.loads(self.export("suite-zero"))[arch[0]]["kappa"]["time"])

    def test_npy(self):
        with h5py.File(self.results) as f:
            table = {k: v[:] for k, v in f["table"].items()}
        seen = np.load(io.BytesIO(self.export("npy")), allow_pickle=False)
        self.assertEqual(seen.shape, (15625,))
        self.assertEqual(set(seen.dtype.names), set(table) - {"index", "arch", "status", "reason"} | {"seconds"})
        for name in set(table) & set(seen.dtype.names):
            np.testing.assert_array_equal(seen[name][table["index"]], table[name], err_msg=name)
        rest = np.delete(seen, table["index"])
        self.assertTrue((rest["status_code"] == -1).all() and np.isnan(rest["kappa"]).all() and (rest["class"] < 15625).all())
        few = np.load(io.BytesIO(self.export("npy", "--columns", "kappa_stderr")))
        self.assertEqual(few.dtype.names, ("class", "status_code", "kappa_stderr"))

    def test_where_it_is_exported_to(self):
        out = self.write("out.csv", "old")
        self.works("export", self.results, "--format", "csv", "-o", out)
        with open(out, "rb") as f:
            self.assertEqual(f.read(), self.export("csv"))
        os.remove(out)
        os.symlink("victim", out)
        self.works("export", self.results, "--format", "csv", "-o", out)
        self.assertFalse(os.path.islink(out) or os.path.exists(self.path("victim")))
        self.write("out.csv", "old")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        p = run("export", self.results, "--format", "json", "-o", out, preexec_fn=limit)
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("cannot write", p.stderr)
        with open(out, encoding="ascii") as f:
            self.assertEqual(f.read(), "old")
        self.assertEqual([name for name in os.listdir(self.dir) if "tmp" in name], [])

    def test_export_refuses(self):
        words = ("export", self.results)
        self.fails(2, *words, says=["--format is missing"])
        self.fails(2, *words, "--format", "xls", says=["'xls', expected csv, json, suite-zero or npy"])
        self.fails(2, *words, "--format", "csv", "--columns", "kapa", says=["'kapa'"])
        for kind in ("csv", "json", "suite-zero", "npy"):
            self.fails(2, *words, "--format", kind, "--columns", "kappa,params,kappa", says=["--columns: kappa stands there twice"])
        self.fails(1, *words, "--format", "csv", "-o", self.path("none/x"), says=["none/x", "No such file"])
        self.fails(1, "export", self.path("none.h5"), "--format", "csv", says=["none.h5"])
        for name in ("suite-zero", "npy"):
            with h5py.File(self.results, "r+") as f:
                f.attrs["space"] = "nowhere"
            self.fails(1, *words, "--format", name, says=["results.h5", "'nowhere'"])
        with h5py.File(self.results, "r+") as f:
            f.attrs["space"] = "darts"
        self.fails(2, *words, "--format", "npy", says=["all 1076746950455072400 architectures of darts"])
        with h5py.File(self.results, "r+") as f:
            f.attrs["space"] = "nas-bench-macro"
        self.fails(1, *words, "--format", "npy", says=["index holds what is no architecture"])
        p = run(*words, "--format", "suite-zero")
        self.assertEqual(p.returncode, 1)
        self.assertIn("class holds what is no architecture", p.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
