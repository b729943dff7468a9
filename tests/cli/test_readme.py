#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The README's lists of options, columns and protocols.

usage: test_readme.py ASSAY SOURCE_ROOT
"""
import re
import sys
import unittest

from test_cli import ROOT, Case


class Readme(Case):
    """What the README lists is what the program has."""
    maxDiff = None

    def setUp(self):
        super().setUp()
        with open(f"{ROOT}/README.md", encoding="utf-8") as f:
            self.text = f.read()

    def test_keys_and_defaults(self):
        section, keys = None, {}
        for line in self.works("list", "options").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and line[0] != "#":
                key, value = line.split("=", 1)
                keys[f"{section}.{key.strip()}"] = value.strip().replace(",", ", ")
        told = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.*?) ?\| ", self.text, re.M))
        self.assertEqual(told, keys)

    def test_columns_and_protocols(self):
        known = re.findall(r"^  (\w+) ", self.works("list", "metrics"), re.M)
        table = re.search(r"(?ms)^\| column .*?\n\n", self.text)[0]
        told = re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.strip().splitlines()[2:]))
        self.assertGreater(len(told), 10)
        for name in told:
            self.assertIn(name, known)
        for name in re.findall(r"^([\w-]+)$", self.works("list", "protocols"), re.M):
            self.assertTrue(f"\n| `{name}` |" in self.text, name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
