#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is printed on a terminal fits its width; what goes elsewhere is whole.

usage: test_terminal.py ASSAY SOURCE_ROOT
"""
import csv
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
import unittest

from test_cli import ASSAY, ENV, ROOT, VERBS, Case

RESULTS = os.path.join(ROOT, "results", "nb201-default-cifar10.h5")
CHEAP = ("[network]\nimage = 8\n[ntk]\nbatch = 6\n[nasi]\nbatch = 8\n[regions]\nbatch = 50\n"
         "[candidates]\nfirst = 9000\ncount = 80\n[run]\nrepeats = 8\n")


class Terminal(Case):
    def screen(self, columns, *words, expect=(0,)):
        """Everything that the program writes to a terminal of so many columns."""
        far, near = pty.openpty()
        fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen([ASSAY, *words], stdin=subprocess.DEVNULL, stdout=near, stderr=near, env=ENV,
                              cwd=self.dir) as process:
            os.close(near)
            text = b""
            try:
                while more := os.read(far, 65536):
                    text += more
            except OSError:  # the other end is closed
                pass
            os.close(far)
        text = text.decode().replace("\r\n", "\n")
        self.assertIn(process.returncode, expect, text)
        return text

    def parts(self, text):
        """The lines of each part of a divided table, without the lines below it."""
        table = text.split("15625 candidates")[0]
        return [part.splitlines() for part in table.split("\n\n")]

    def test_rank(self):
        whole = self.works("rank", RESULTS, "--top", "30", "--columns", "all").split("15625 candidates")[0].splitlines()
        self.assertIn("|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|  ", whole[1])
        for columns in (200, 100, 80, 45, 40):
            with self.subTest(columns=columns):
                parts = self.parts(self.screen(columns, "rank", RESULTS, "--top", "30", "--columns", "all"))
                for part in parts:
                    self.assertLessEqual(max(map(len, part)), columns)
                # Side by side again, but for the key and what was cut.
                rows = [[re.split("  +", line.strip()) for line in part] for part in parts]
                for i, line in enumerate(whole):
                    row = rows[0][i] + [cell for part in rows[1:] for cell in part[i][2:]]
                    for cell, full in zip(row, re.split("  +", line.strip()), strict=True):
                        if cell != full:
                            self.assertTrue(full.startswith("|"), full)
                            self.assertEqual(cell, full[:len(cell) - 3] + "...")

    def test_only_a_terminal_is_narrow(self):
        whole = self.works("rank", RESULTS, "--all")
        self.assertEqual(whole, self.works("rank", RESULTS, "--all", env=dict(ENV, COLUMNS="40")))
        self.assertEqual(whole, self.screen(300, "rank", RESULTS, "--all"))
        self.assertNotIn("...", whole)

    def test_a_csv_is_whole_on_a_terminal(self):
        words = ("rank", RESULTS, "--top", "3", "--csv")
        self.assertEqual(self.screen(40, *words), self.works(*words))

    def test_correlate(self):
        ranked = csv.DictReader(io.StringIO(self.works("rank", RESULTS, "--top", "500", "--csv")))
        truth = self.write("truth.csv", "arch,test_accuracy\n" + "".join(
            f"{row['arch']},{90 - int(row['rank']) % 37}\n" for row in ranked))
        words = ("correlate", RESULTS, "--truth", truth, "--bootstrap", "50")
        whole = self.parts(self.works(*words))[0]
        parts = self.parts(self.screen(80, *words))
        self.assertGreater(len(parts), 1)
        self.assertLessEqual(max(len(line) for part in parts for line in part), 80)
        # Without columns' padding, a line is the first part's and the others', each after its name.
        for i, line in enumerate(whole):
            pieces = [part[i].split() for part in parts]
            for piece in pieces[1:]:
                self.assertEqual(piece[0], pieces[0][0])
            self.assertEqual([word for k, piece in enumerate(pieces) for word in piece[k > 0:]], line.split())

    def test_lists(self):
        for topic in ("spaces", "metrics", "protocols", "methods", "kernels", "options"):
            text = self.screen(80, "list", topic)
            long = [line for line in text.splitlines() if len(line) > 80]
            self.assertEqual([line for line in long if len(line.split()) > 1], [])  # an architecture is not broken
            whole = self.works("list", topic)
            self.assertEqual(text.replace("# ", "").split(), whole.replace("# ", "").split())

    def test_list_options_is_a_configuration_on_a_terminal(self):
        options = self.write("options.ini", self.screen(60, "list", "options"))
        text = self.works("sweep", options, "--count", "3", "-o", self.path("run"), "--dry-run")
        self.assertIn("3 candidates", text)

    def test_help(self):
        for verb in (*VERBS, "merge"):
            text = self.screen(80, verb, "--help").split("\nexamples:\n")[0]
            self.assertEqual([line for line in text.splitlines() if len(line) > 80 or line.endswith(" ")], [])
            self.assertEqual(text.split(), self.works(verb, "--help").split("\nexamples:\n")[0].split())

    def test_general_help(self):
        text = self.screen(80, "help")
        self.assertEqual([line for line in text.splitlines() if len(line) > 80], [])
        self.assertEqual(text.split(), self.works("help").split())

    def test_plan(self):
        words = ("plan", self.write("c.ini", CHEAP), "--seconds", "0")
        table = self.screen(80, *words).split("\n\n")[1].splitlines()
        self.assertLessEqual(max(map(len, table)), 80)
        self.assertEqual(table[0].split()[0], "ranks")
        self.assertEqual(table[1], f"{'what limits it':>80}")
        self.assertTrue(any(re.match(r" {40,}[a-z][a-z0 -]+\Z", line) for line in table[2:]))
        wide = self.screen(120, *words).split("\n\n")[1].splitlines()
        self.assertRegex(wide[0], "rank 0  what limits it$")

    def test_progress(self):
        config = self.write("c.ini", CHEAP)
        for columns in (80, 40):
            with self.subTest(columns=columns):
                text = self.screen(columns, "sweep", config, "-o", self.path(f"run{columns}"), expect=(0, 3))
                head, *bars = text.split("\r")
                self.assertIn("1 rank computes", head)
                self.assertGreater(len(bars), 1)
                for bar in bars[:-1]:
                    self.assertRegex(bar, r"\A(\[#*\.*\] )?\d+ of \d+ done [^\n]*\x1b\[K\Z")
                    self.assertLess(len(bar) - len("\x1b[K"), columns)
                self.assertRegex(bars[-1], r"\A\x1b\[Kassay: evaluated ")


if __name__ == "__main__":
    unittest.main(argv=["test_terminal.py"], verbosity=2)
