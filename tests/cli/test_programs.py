#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What other programs read: every column of a table, as JSON and in their own formats.

usage: test_programs.py ASSAY SOURCE_ROOT
"""
import csv
import io
import json
import math
import sys
import unittest

import h5py

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


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
