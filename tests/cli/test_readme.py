#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's tables of verbs, spaces and methods, its size and commands, and the documents that it names.

usage: test_readme.py ASSAY SOURCE_ROOT
"""
import os
import re
import sys
import unittest

from test_cli import ROOT, Case
from test_examples import is_command

RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
# Commands of others: tests/run.sh sets up and compiles, test_install.py looks for the target and installs.
ELSEWHERE = ["meson setup build", "meson compile -C build program", "meson install -C build --no-rebuild"]
BETTER = {"": "", "smaller is better": "smaller", "larger is better": "larger"}


def rows(text, title):
    """The cells of every row of the table whose first column is called title."""
    table = re.search(rf"(?ms)^\| {title} \|.*?\n\n", text)[0]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.strip().splitlines()[2:]]


def words(cell):
    return re.findall(r"`([\w-]+)`", cell)


class Readme(Case):
    """What the README tells is what the program has."""
    maxDiff = None

    def setUp(self):
        super().setUp()
        with open(f"{ROOT}/README.md", encoding="utf-8") as f:
            self.text = f.read()
        with open(f"{ROOT}/results/columns.md", encoding="utf-8") as f:
            self.columns = f.read()

    def test_keys(self):
        """Keys that the documents name are there; test_install.py looks for every key and column in the manual."""
        section, keys = None, []
        for line in self.works("list", "options").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and line[0] != "#":
                keys.append(f"{section}.{line.split('=')[0].strip()}")
        sections = {key.split(".")[0] for key in keys}
        for name in ["README.md", "results/columns.md", "results/ranking.md", "results/notations.md", "results/weights.md"]:
            with open(f"{ROOT}/{name}", encoding="utf-8") as f:
                for key in re.findall(r"`(\w+\.\w+)(?: = [^`]+)?`", f.read()):
                    if key.split(".")[0] in sections and not key.endswith(".h5"):  # a file's name may look like a key
                        self.assertIn(key, keys)

    def test_columns(self):
        metric, known = None, {}
        for line in self.works("list", "metrics").splitlines():
            if not line.startswith(" "):
                metric = line.split(":")[0]
            else:
                name, better = re.match(r"  (\w+) +((?:smaller|larger) is better)?", line).groups()
                known[name] = (metric, BETTER[better or ""])
        told = rows(self.columns, "column")
        self.assertGreater(len(told), 30)
        for cells in told:
            names, metric, better = words(cells[0]), cells[1].strip("`"), cells[2].split(", ")
            self.assertIn(metric, {m for m, _ in known.values()})
            for i, name in enumerate(names):
                self.assertEqual(known[name], (metric, better[i % len(better)]), name)

    def test_size(self):
        lines = self.text.splitlines()
        self.assertLessEqual(len(lines), 250)
        self.assertEqual([line for line in lines if len(line) > 120], [])

    def test_commands(self):
        """Every command is one that a test runs: those of the program in test_examples.py."""
        for language, block in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", self.text):
            lines = block.splitlines()
            prompted = [line[2:] for line in lines if line.startswith("$ ")]
            for line in [] if language else prompted or lines:
                self.assertTrue(is_command(line) or line in ELSEWHERE, line)

    def test_output(self):
        """What is shown below a prompt is what the command prints."""
        shown = re.findall(r"(?ms)^\$ assay ([^\n]*)\n(.*?)^```$", self.text)
        self.assertEqual(len(shown), 1)
        for command, output in shown:
            self.assertEqual(self.works(*command.split(), cwd=ROOT), output)

    def test_contents(self):
        titles = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"(?m)^## (.*)", self.text)}
        self.assertEqual(set(re.findall(r"\]\(#([\w-]+)\)", self.text)), titles)

    def told(self, title, topic):
        """The first words of a table, which are the first words of what `assay list TOPIC` prints."""
        names = [name for cells in rows(self.text, title) for name in words(cells[0])]
        self.assertEqual(sorted(names), sorted(re.findall(r"(?m)^([\w-]+)", self.works("list", topic))))

    def test_verbs(self):
        listed = re.findall(r"(?m)^  ([\w-]+) ", self.works("help").split("usage:")[1].split("\n\n  assay")[0])
        told = [cells[0].split()[1] for cells in rows(self.text, "verb")]
        self.assertEqual(sorted(told), sorted(listed))

    def test_methods(self):
        self.told("method", "methods")

    def test_spaces(self):
        self.told("space", "spaces")
        listed = dict(re.findall(r"(?m)^([\w-]+) +(\d+) architectures", self.works("list", "spaces")))
        for name, number, *_ in rows(self.text, "space"):
            if name.strip("`") not in listed:
                continue  # its networks are files
            told, power = re.match(r"([\d.,]+)(?:·10([⁰-⁹¹²³]+))?", number).groups()
            number = int(listed[name.strip("`")])
            self.assertEqual(told.replace(",", ""), f"{number / 10 ** int(power.translate(RAISED)):.2f}" if power else str(number))

    def test_documents(self):
        for name in ["README.md"] + [f"results/{name}" for name in os.listdir(f"{ROOT}/results") if name.endswith(".md")]:
            with open(f"{ROOT}/{name}", encoding="utf-8") as f:
                text = f.read()
            for path, anchor in re.findall(r"\]\(([^)#:]+)(?:#([\w-]+))?\)", text):
                with self.subTest(document=name, link=path):
                    linked = os.path.join(ROOT, os.path.dirname(name), path)
                    self.assertTrue(os.path.exists(linked))
                    if anchor:
                        with open(linked, encoding="utf-8") as f:
                            titles = re.findall(r"(?m)^#+ (.*)", f.read())
                        self.assertIn(anchor, [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
