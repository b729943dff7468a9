#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which candidates a sweep evaluates: files of architectures as people write them, and the order of another table.

usage: test_candidates.py ASSAY SOURCE_ROOT
"""
import csv
import re
import sys
import unittest

from test_cli import CONV, NONE, Case, run

POOL = "|avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
SKIP = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
CELLS = [POOL, CONV, SKIP, NONE]
EDGES = "[('{0}', 0), ('{0}', 1)], [('{0}', 0), ('{0}', 1)], [('{0}', 0), ('{0}', 1)], [('{0}', 0), ('{0}', 1)]"


class Candidates(Case):
    def setUp(self):
        super().setUp()
        self.config = self.write("c.ini", "[run]\nmetrics = cost\nrepeats = 1\n")
        self.n = 0

    def sweep(self, *words):
        """The architectures of a sweep's results."""
        self.n += 1
        p = run("sweep", self.config, "-o", self.path(f"run{self.n}"), "-q", *words)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        rows = csv.DictReader(self.works("rank", self.path(f"run{self.n}/results.h5"), "--all", "--csv").splitlines())
        return sorted(row["arch"] for row in rows)

    def refused(self, code, *words, says):
        self.fails(code, "sweep", self.config, "-o", self.path("run"), *words, says=says)

    def archs(self, text):
        with open(self.path("archs"), "w", newline="") as f:
            f.write(text)
        return "--archs", self.path("archs")

    def table(self, *rows, header="index,arch"):
        return "--order", self.write("t.csv", "\n".join([header, *rows]) + "\n")


class Files(Candidates):
    def test_as_editors_and_programs_write_them(self):
        plain = "\n".join(CELLS) + "\n"
        forms = [plain, "\ufeff" + plain, plain.replace("\n", "\r\n"), plain.replace("\n", "\r"), plain[:-1],
                 "".join(f"  '{c}',  # one\n\n" for c in CELLS), "".join(f'"arch": "{c}",\n' for c in CELLS),
                 "".join(f"Structure(4 nodes with {c})\n" for c in CELLS),
                 f"{POOL}\n15624\n{15624 - 15624}\n4 # 3\n"]
        want = sorted(CELLS)
        for text in forms[:-1]:
            with self.subTest(text=text):
                self.assertEqual(self.sweep(*self.archs(text)), want)
        self.assertEqual(self.sweep(*self.archs(f"{POOL}\n11718\n0\n 25 # the skip\n")), want)

    def test_genotypes_of_several_lines(self):
        def genotype(op):
            lines = "\n  reduce=[ # the other (\n    ".join(
                ["Genotype(\n  normal=[\n\n    " + EDGES.format(op) + "],", EDGES.format(op) + "],"])
            return lines + "\n  normal_concat=range(2, 6), reduce_concat=range(2, 6))\n"
        self.config = self.write("c.ini", "[space]\nname = darts\n[run]\nmetrics = cost\nrepeats = 1\n")
        ops = ["skip_connect", "max_pool_3x3"]
        text = "# genotypes.py\n" + "\n".join(f"NET_{op.upper()} = {genotype(op)}" for op in ops)
        found = self.sweep(*self.archs(text))
        self.assertEqual([op in arch for op, arch in zip(sorted(ops), found)], [True, True])
        self.assertEqual(self.sweep(*self.archs("".join(arch + "\n" for arch in found))), found)
        self.refused(1, *self.archs("\n# one\n" + genotype("skip_conect")), says=["archs:3: ", "'skip_conect' at character 8 of its line 4"])
        self.refused(1, *self.archs("\nGenotype(normal=[\n" + 3 * genotype("skip_connect")), says=["archs:2: "])
        self.refused(1, *self.archs("Genotype(\n" + 3000 * "# x\n[3],\n"), says=["archs:1: ", "8192 or more characters"])

    def test_what_no_file_of_architectures_holds(self):
        for text, says in {f"{NONE}\n15625\n": ":2: index 15625, expected 0 to 15624",
                           f"{NONE}\n{10 ** 30}\n": ":2: index 1000", f"{NONE}\n-1\n": ":2: ",
                           f"{NONE}\nNone\0\n": ":2: a zero byte", f"{NONE} {CONV}\n": ":1: "}.items():
            with self.subTest(text=text):
                self.refused(1, *self.archs(text), says=[self.path("archs") + says])

    def test_a_table_of_architectures(self):
        cell = "[('none', 0), ('skip_connect', 0), ('none', 1), ('none', 2), " + ", ".join(["('sep_conv_3x3', 1)"] * 4) + "]"
        self.config = self.write("c.ini", "[space]\nname = darts-tolerant\n[run]\nmetrics = cost\nrepeats = 1\n")
        self.write("t.csv", f'row,genotype,accuracy\n0,"Genotype(normal={cell}, reduce={cell})",85.5\n1,17,86\n')
        words = ("--archs", self.path("t.csv"))
        found = self.sweep(*words, "--key", "genotype")
        self.assertEqual([("none" in arch) for arch in found], [True, False])
        self.refused(1, *words, says=["t.csv: no column 'arch' (--key names another); it has: row, genotype, accuracy"])
        self.refused(1, *words, "--key", "arch_str", says=["t.csv: no column 'arch_str' (--key names another)"])
        self.write("t.csv", "index,arch\n0,none\n")
        self.refused(1, *words, says=["t.csv:2: DARTS genotype: found 'none'"])
        self.config = self.write("c.ini", "[space]\nname = nas-bench-macro\n[run]\nmetrics = cost\nrepeats = 1\n")
        self.write("t.csv", "arch,accuracy\n00000012,69\n12,70\n")
        self.assertEqual(self.sweep(*words), ["00000012", "00000110"])
        plan = self.works("plan", self.config, "--metrics", "naswot")  # nothing is dead in these
        self.assertIn("6561 candidates, 3969 to evaluate", plan)


class Order(Candidates):
    ROWS = (f"7,{POOL}", f"3,{CONV}", f"5,\"{SKIP}\"", f"9,{NONE}")  # by number: CONV, SKIP, POOL, NONE

    def test_ranges_and_files_count_as_the_table_does(self):
        order = self.table(*self.ROWS)
        for words, want in (((), [CONV, SKIP, POOL, NONE]), (("--first", "5"), [SKIP, POOL, NONE]),
                            (("--first", "5", "--count", "2"), [SKIP, POOL]), (("--count", "1"), [CONV]),
                            (("--first", "7", "--sample", "2"), [POOL, NONE]), (self.archs(f"9\n3\n{SKIP}\n"), [NONE, CONV, SKIP]),
                            (("--set", "candidates.first=9"), [NONE])):
            with self.subTest(words=words):
                self.assertEqual(self.sweep(*order, *words), sorted(want))
        self.assertEqual(self.sweep(*self.table(f"{NONE},x,1", header="net,arch,index"), "--key", "net"), [NONE])

    def test_a_run_resumes_with_its_order_only(self):
        order = self.table(*self.ROWS)
        words = ("sweep", self.config, "-o", self.path("run"), "-q", "--count", "2")
        self.assertEqual(run(*words, *order).returncode, 0)
        self.assertEqual(run(*words, *order).returncode, 0)
        p = run(*words)
        self.assertEqual(p.returncode, 1)
        self.assertIn("- order = " + self.path("t.csv"), p.stderr)
        self.table(f"3,{NONE}", f"5,{SKIP}")
        self.refused(1, "--count", "2", *order, says=["another list of candidates"])

    def test_what_the_table_does_not_say(self):
        order = self.table(*self.ROWS)
        self.refused(1, *order, "--first", "4", says=["candidates.first", "t.csv: none of its 4 rows has the index 4"])
        self.refused(2, *order, "--first", "10", says=["candidates.first = 10", "t.csv has the candidates 3 to 9"])
        self.refused(2, *order, "--first", "5", "--count", "4", says=["candidates.count = 4", "has 3 candidates from 5 on"])
        self.refused(1, *order, *self.archs("3\n4\n"), says=["archs:2: ", "none of its 4 rows has the index 4"])
        self.refused(1, *order, "--key", "net", says=["no column 'net' (--key names another)"])
        self.refused(1, *self.table(f"a,{NONE}"), says=["t.csv:2: index is 'a', expected a whole number"])
        self.refused(1, *self.table(f"3,{NONE}", f"3,{CONV}"), says=["t.csv:3: 3 stands on line 2 already"])
        self.refused(2, "--key", "net", says=["--key", "--order"])

    def test_eval(self):
        order = self.table(*self.ROWS)
        for word in ("5", SKIP):
            self.assertEqual(self.works("eval", "nas-bench-201", word, "-c", self.config, *order),
                             self.works("eval", "nas-bench-201", SKIP, "-c", self.config))
        self.fails(1, "eval", "nas-bench-201", "4", *order, says=["t.csv", "4"])
        self.fails(2, "eval", "nas-bench-201", "|nor_conv_3x3~0|", *order, says=["found the end"])
        self.fails(2, "eval", "nas-bench-201", "4", "--key", "net", says=["--key", "--order"])
        self.fails(2, "eval", "nas-bench-201", "--supernet", "full", *order, says=["no table lists a supernet"])

    def test_plan(self):
        words = ("plan", self.config, "--seconds", "0")
        text = self.works(*words, *self.table(*self.ROWS), "--first", "5")
        self.assertIn("3 candidates", text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
