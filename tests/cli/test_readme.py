#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's tables of options, columns, protocols, spaces and methods, and the documents that it names.

usage: test_readme.py ASSAY SOURCE_ROOT
"""
import os
import re
import sys
import unittest

from test_cli import ROOT, Case

RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
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

    def test_sections_keys_and_defaults(self):
        section, keys = None, {}
        for line in self.works("list", "options").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
                self.assertIn(f"`[{section}]`", self.text + self.columns)
            elif line and line[0] != "#":
                key, value = line.split("=", 1)
                keys[f"{section}.{key.strip()}"] = value.strip().replace(",", ", ")
        told = rows(self.text, "key")
        self.assertGreater(len(told), 10)
        for key, default, _ in told:
            self.assertEqual(keys[key.strip("`")], default, key)
        sections = {key.split(".")[0] for key in keys}
        for key in re.findall(r"`(\w+\.\w+)(?: = [^`]+)?`", self.text):
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
        for cells in told + rows(self.text, "column"):
            names, metric, better = words(cells[0]), cells[1].strip("`"), cells[2].split(", ")
            self.assertIn(metric, {m for m, _ in known.values()})
            for i, name in enumerate(names):
                self.assertEqual(known[name], (metric, better[i % len(better)]), name)

    def told(self, title, topic):
        """The first words of a table, which are the first words of what `assay list TOPIC` prints."""
        names = [name for cells in rows(self.text, title) for name in words(cells[0])]
        self.assertEqual(sorted(names), sorted(re.findall(r"(?m)^([\w-]+)", self.works("list", topic))))

    def test_protocols(self):
        self.told("protocol", "protocols")

    def test_methods(self):
        self.told("method", "methods")

    def test_spaces(self):
        self.told("space", "spaces")
        listed = dict(re.findall(r"(?m)^([\w-]+) +(\d+) architectures", self.works("list", "spaces")))
        for name, number, *_ in rows(self.text, "space"):
            told, power = re.match(r"([\d.,]+)(?:·10([⁰-⁹¹²³]+))?", number).groups()
            number = int(listed[name.strip("`")])
            self.assertEqual(told.replace(",", ""), f"{number / 10 ** int(power.translate(RAISED)):.2f}" if power else str(number))

    def test_documents(self):
        for name in ["README.md"] + [f"results/{name}" for name in os.listdir(f"{ROOT}/results") if name.endswith(".md")]:
            with open(f"{ROOT}/{name}", encoding="utf-8") as f:
                text = f.read()
            for path, anchor in re.findall(r"\]\(([^)#:]+)(?:#([\w-]+))?\)", text):
                with self.subTest(document=name, link=path):
                    with open(os.path.join(ROOT, os.path.dirname(name), path), encoding="utf-8") as f:
                        titles = re.findall(r"(?m)^#+ (.*)", f.read())
                    if anchor:
                        self.assertIn(anchor, [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
