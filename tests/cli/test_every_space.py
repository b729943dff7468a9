#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Candidates are chosen alike in every space that there is.

usage: test_every_space.py ASSAY SOURCE_ROOT
"""
import re
import sys
import unittest

import test_candidates


class EverySpace(test_candidates.Candidates):
    def test_candidates_are_chosen_alike(self):
        for space in re.findall(r"(?m)^([\w-]+) +\d+ architectures", self.works("list", "spaces")):
            with self.subTest(space=space):
                self.config = self.write("c.ini", f"[space]\nname = {space}\n[run]\nmetrics = cost\nrepeats = 1\n")
                text = [re.search(r"(?m)^arch +(.*)", self.works("show", space, str(i)))[1] for i in range(3)]
                self.assertEqual(self.sweep("--first", "1", "--count", "2"), sorted(text[1:]))
                self.assertEqual(len(set(self.sweep("--sample", "2", "--seed", "2"))), 2)
                self.assertEqual(self.sweep(*self.archs(f"{text[0]}\n2\n")), sorted([text[0], text[2]]))
                order = self.table(*(f'{9 - i},"{t}"' for i, t in enumerate(text)))
                self.assertEqual(self.sweep(*order, "--first", "8"), sorted(text[:2]))
                self.assertEqual(sorted(sum((self.sweep("--count", "3", "--shard", f"{i}/2") for i in (1, 2)), [])), sorted(text))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
