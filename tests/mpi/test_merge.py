#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shards of a sweep, merged, are the sweep; what does not belong together is refused, and what is missing is named."""
import shutil
import subprocess

import h5py

import launch
from launch import CHEAP, COMPLETE, ERROR, FAILED_CANDIDATES, STOPPED

SAMPLE = ("--sample", 90)
FIXED = 144  # bytes of a record before its values


def flip_a_bit(journal):
    """Changes the last bit of the first value of every record, and seals them again."""
    launch.forge(journal, edit_record=lambda r: r[:FIXED] + bytes([r[FIXED] ^ 1]) + r[FIXED + 1:])


class Merge(launch.SweepTest):
    RANKS = 0

    def setUp(self):
        super().setUp()
        self.cheap = self.config(CHEAP)
        self.out = self.scratch / "merged"

    def shard(self, i, n, *options, config=None, name=None, **keywords):
        directory = self.scratch / (name or f"part{i}of{n}")
        self.sweep(config or self.cheap, directory, *(options or SAMPLE), "--shard", f"{i}/{n}", **keywords)
        return directory

    def merge(self, *directories, expect=(COMPLETE, FAILED_CANDIDATES), options=()):
        words = [launch.ASSAY, "merge", *directories, "-o", self.out, *options]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
        self.assertIn(done.returncode, expect if isinstance(expect, tuple) else (expect,), done.stderr)
        return done.stderr

    def refuse(self, *directories, says, options=()):
        text = self.merge(*directories, expect=ERROR, options=options)
        for part in says:
            self.assertIn(part, text)

    def whole(self, *options, config=None):
        directory = self.scratch / "whole"
        self.sweep(config or self.cheap, directory, *(options or SAMPLE), ranks=2)
        return directory

    def test_merged_is_unsharded(self):
        whole = self.whole()
        for n in (1, 3, 4):
            with self.subTest(shards=n):
                parts = [self.shard(i, n, ranks=i % 3) for i in range(1, n + 1)]
                text = self.merge(*reversed(parts))
                self.assertSame(whole, self.out)
                self.assertIn("90 rows", text)
                evaluated = [h5py.File(p / "results.h5")["table/class"][()].tolist() for p in parts]
                self.assertEqual(sum(len(set(e)) for e in evaluated), len(set().union(*evaluated)))
                self.assertLessEqual(max(len(set(e)) for e in evaluated) - min(len(set(e)) for e in evaluated), 1)
                # The same again, and the sweep itself, find nothing to do.
                self.merge(*parts)
                self.assertIn("already complete", self.sweep(self.cheap, self.out, *SAMPLE))
                self.assertSame(whole, self.out)
                shutil.rmtree(self.out)

    def test_members_and_the_whole_space(self):
        config = self.config({"run": {"metrics": "null"}})
        whole = self.whole("--members", config=config)
        parts = [self.shard(i, 7, "--members", config=config, expect=COMPLETE) for i in range(1, 8)]
        self.merge(*parts, expect=COMPLETE)
        self.assertSame(whole, self.out)

    def test_candidates_from_a_file_need_it_no_more(self):
        archs = self.scratch / "archs.txt"
        ops = "nor_conv_1x1 avg_pool_3x3 nor_conv_3x3".split()
        archs.write_text("".join(f"|{a}~0|+|{b}~0|none~1|+|skip_connect~0|{a}~1|{b}~2|\n" for a in ops for b in ops))
        whole = self.whole("--archs", archs)
        parts = [self.shard(i, 2, "--archs", archs) for i in (1, 2)]
        archs.unlink()
        self.merge(*parts)
        self.assertSame(whole, self.out)

    def test_more_shards_than_tasks(self):
        whole = self.whole("--count", 3)
        parts = [self.shard(i, 5, "--count", 3) for i in range(1, 6)]
        self.merge(*parts)
        self.assertSame(whole, self.out)

    def test_missing(self):
        parts = [self.shard(1, 3), self.shard(2, 3, *SAMPLE, "--set", "run.time_limit=0.000001", expect=STOPPED)]
        says = (f"{parts[1]}: ", "of shard 2/3 are not done yet", "shard 3/3 is in none of the directories",
                "--partial")
        self.refuse(*parts, says=says)
        self.assertFalse(self.out.exists())
        text = self.merge(*parts, expect=STOPPED, options=("--partial",))
        for part in says[:3]:
            self.assertIn(part, text)
        self.assertIn("unfinished", launch.statuses(self.out / "results.h5"))
        # The shards that were missing, or a sweep, complete it.
        whole = self.whole()
        other = self.scratch / "other"
        shutil.copytree(self.out, other)
        self.assertIn("resuming", self.sweep(self.cheap, other, *SAMPLE))
        self.assertSame(whole, other)
        self.merge(self.shard(3, 3), self.shard(2, 3))
        self.assertSame(whole, self.out)

    def test_duplicates(self):
        """Equal ones are fine, wherever they were computed; one bit is not."""
        parts = [self.shard(1, 2), self.shard(2, 2), self.shard(2, 2, name="again", ranks=2)]
        self.merge(*parts)
        self.assertSame(self.whole(), self.out)
        bad = self.scratch / "bad"
        shutil.copytree(parts[1], bad)
        flip_a_bit(bad / "journal")
        before = (self.out / "journal").read_bytes()
        self.refuse(*parts, bad, says=(str(parts[1]), str(bad), "disagree on candidate", "of repeat 0: "))
        self.refuse(parts[0], bad, says=(str(self.out), "disagree"))  # with what was merged before
        self.assertEqual(before, (self.out / "journal").read_bytes())

    def test_other_configurations(self):
        one = self.shard(1, 2)
        other = self.shard(2, 2, *SAMPLE, "--set", "ntk.batch=7", name="other")
        self.refuse(one, other, says=(str(one), str(other), "- batch = 6", "+ batch = 7"))
        self.refuse(one, self.shard(1, 3), says=("shard 1/3", "shards of 2"))
        self.refuse(one, self.shard(2, 2, "--sample", 91, name="more"), says=("- sample = 90", "+ sample = 91"))
        self.refuse(one, self.scratch / "nowhere", says=("nowhere",))
        self.assertFalse(self.out.exists())
        self.out = one  # not one of the shards itself
        self.refuse(one, self.shard(2, 2), says=("- shard = 1/2",))

    def test_another_arithmetic(self):
        """Of any of the directories, and of the one it goes to."""
        one, two = self.shard(1, 2), self.shard(2, 2)
        for name, edit, says in launch.other_arithmetics():
            other = self.scratch / name
            shutil.copytree(two, other)
            launch.forge(other / "journal", edit)
            for parts in ((one, other), (other, one), (other,)):
                self.refuse(*parts, says=(f"{other}/journal ", *says))
            self.assertFalse(self.out.exists())
            shutil.copytree(other, self.out)
            self.refuse(one, says=(f"{self.out}/journal ", *says))
            shutil.rmtree(self.out)
        self.merge(one, two)

    def test_a_shard_is_its_directorys_identity(self):
        one = self.shard(1, 2)
        self.refused(self.cheap, one, *SAMPLE, "--shard", "2/2", says=("- shard = 1/2", "+ shard = 2/2"))
        self.refused(self.cheap, one, *SAMPLE, says=("- shard = 1/2",))
        rows = launch.contents(one / "results.h5")
        (one / "results.h5").unlink()
        subprocess.run([launch.ASSAY, "pack", one], check=True, stderr=subprocess.DEVNULL)
        self.assertEqual(rows, launch.contents(one / "results.h5"))

    def test_bad_shards(self):
        for text in ("0/4", "5/4", "1", "1/", "/4", "a/b", "1/4/2", "01/4", "1 /4", "-1/4", "1/0", "1/10000000"):
            with self.subTest(shard=text):
                self.refused(self.cheap, self.scratch / "run", f"--shard={text}",
                             says=("candidates.shard", "expected I/N"), expect=launch.USAGE)
        self.assertFalse((self.scratch / "run").exists())


if __name__ == "__main__":
    launch.main()
