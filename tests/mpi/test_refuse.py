#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must not work: a clear message, exit code 1, nothing lost, no rank left waiting."""
import os
import pathlib
import re
import struct
import subprocess

import launch
from launch import CHEAP, COMPLETE, ERROR, FAILED_CANDIDATES, STOPPED

FARM = None


class Refuse(launch.SweepTest):
    RANKS = 0  # most of this needs no launcher

    def setUp(self):
        super().setUp()
        self.directory = self.scratch / "run"
        self.cheap = self.config(CHEAP)

    def test_another_configuration(self):
        self.sweep(self.cheap, self.directory, "--sample", 50)
        before = (self.directory / "journal").read_bytes(), (self.directory / "config.ini").read_bytes()
        other = self.config({**CHEAP, "ntk": {"batch": 7}}, "other.ini")
        self.refused(other, self.directory, "--sample", 50, ranks=3, says=("- batch = 6", "+ batch = 7"))
        self.refused(self.cheap, self.directory, "--sample", 50, "--set", "run.precision=double", says=("+ precision = double", ", double"))
        self.refused(self.cheap, self.directory, "--sample", 51, says=("- sample = 50", "+ sample = 51"))
        self.assertEqual(before, ((self.directory / "journal").read_bytes(),
                                  (self.directory / "config.ini").read_bytes()))
        self.sweep(self.cheap, self.directory, "--sample", 50)

    def test_another_list_of_candidates(self):
        archs = self.scratch / "archs.txt"
        cell = "|nor_conv_3x3~0|+|%s~0|none~1|+|skip_connect~0|none~1|none~2|\n"
        archs.write_text(cell % "nor_conv_1x1")
        self.sweep(self.cheap, self.directory, "--archs", archs)
        archs.write_text(cell % "avg_pool_3x3")
        self.refused(self.cheap, self.directory, "--archs", archs, says=("another list of candidates",))

    def test_other_images(self):
        """What counts is what the images are, not where they lie."""
        images = launch.numpy.random.default_rng(1).standard_normal((9, 3, 8, 8))
        for name in ("a.h5", "moved.h5", "other.h5"):
            with launch.h5py.File(self.scratch / name, "w") as file:
                file["x"] = images + (name == "other.h5")
        config = self.config({**CHEAP, "data": {"source": "hdf5", "path": "a.h5:/x"}})
        self.sweep(config, self.directory, "--sample", 20)
        self.sweep(config, self.directory, "--sample", 20, "--set", "data.path=moved.h5:/x")
        self.refused(config, self.directory, "--sample", 20, "--set", "data.path=other.h5:/x", says=("# data: ",))

    def test_another_rung(self):
        """Rungs differ in the last digits, so one run keeps to one."""
        rungs = launch.subprocess.run([launch.ASSAY, "list", "kernels"], capture_output=True, text=True, check=True)
        if not re.search(r"avx2 +(available|chosen)", rungs.stdout):
            self.skipTest("this CPU has no AVX2")
        self.sweep(self.cheap, self.directory, "--sample", 20, "--set", "run.cpu=baseline")
        self.refused(self.cheap, self.directory, "--sample", 20, "--set", "run.cpu=avx2", says=("- # cpu: baseline",))

    def test_another_arithmetic(self):
        """Builds whose numbers differ do not go on with each other's runs, nor publish them."""
        self.sweep(self.cheap, self.directory, "--sample", 20)
        with launch.h5py.File(self.directory / "results.h5") as file:
            self.assertEqual(file.attrs["arithmetic"], launch.own_arithmetic())
        journal, good = self.directory / "journal", (self.directory / "journal").read_bytes()

        def files():
            return {f.name: f.read_bytes() for f in self.directory.iterdir() if f.name != "lock"}

        for name, edit, says in launch.other_arithmetics():
            with self.subTest(arithmetic=name):
                launch.forge(journal, edit)
                before = files()
                says = (f"{journal} ", *says)
                for ranks in (0, 2):
                    self.refused(self.cheap, self.directory, "--sample", 20, ranks=ranks, says=says)
                dry = ("sweep", self.cheap, "-o", self.directory, "--sample", 20, "--dry-run")
                for words, code in ((("pack", self.directory), ERROR), (dry, COMPLETE)):
                    done = subprocess.run([str(w) for w in (launch.ASSAY, *words)], capture_output=True, text=True)
                    self.assertEqual(done.returncode, code)
                    for part in says:
                        self.assertIn(part, done.stdout + done.stderr)
                self.assertEqual(before, files())
                journal.write_bytes(good)
        self.assertIn("already complete", self.sweep(self.cheap, self.directory, "--sample", 20))

    def test_settings_that_change_no_number_may_change(self):
        self.sweep(self.cheap, self.directory, "--sample", 50, "--set", "run.time_limit=0.01", expect=STOPPED)
        self.sweep(self.cheap, self.directory, "--sample", 50, "--set", "run.checkpoint=1", "--set",
                   "run.coordinator_works=no", ranks=2)

    def test_two_jobs_in_one_directory(self):
        slow = self.config({**CHEAP, "network": {"image": 16}})
        job = self.start(slow, self.directory)
        job.await_event((self.directory / "config.ini").exists)
        for ranks in (0, 2):
            self.refused(slow, self.directory, ranks=ranks, says=(str(self.directory), "process"))
        self.assertIsNone(job.process.poll(), job.text())

    def test_directory_that_cannot_be_written(self):
        file = self.scratch / "file"
        file.write_text("")
        self.refused(self.cheap, file, says=(str(file),))
        self.refused(self.cheap, file / "run", says=(str(file),))
        self.refused(self.cheap, "/proc/run", says=("/proc/run",))

    def test_memory(self):
        """The largest candidate decides, before anything is written; what is predicted is enough."""
        large = self.config({**CHEAP, "network": {"image": 32}}, "large.ini")
        options = ("--sample", 30, "--set", "run.metrics=ntk")
        words = [launch.ASSAY, "sweep", large, "-o", self.directory, *map(str, options), "--dry-run"]
        text = subprocess.run(words, capture_output=True, check=True, text=True).stdout
        need = float(re.search(r"memory: at most ([\d.]+) MiB on a rank .* for candidate \d+ \|", text).group(1))
        candidate = sum(float(x) for x in re.findall(r"(?:executor|scratch|graphs) ([\d.]+)", text))
        self.assertGreater(candidate, 4)
        for ranks in (0, 2):  # the program's part is measured in each run
            self.refused(large, self.directory, *options, "--memory", int(need - 3), ranks=ranks,
                         says=(f"over the limit of {int(need - 3)} MiB", "the program ", "--memory", "ntk.batch"))
        self.assertFalse(self.directory.exists())
        self.sweep(large, self.directory, *options, "--memory", int(need) + 3, expect=COMPLETE)

    def test_corrupt_journal(self):
        self.sweep(self.cheap, self.directory, "--sample", 50)
        whole = launch.contents(self.directory / "results.h5")
        journal = self.directory / "journal"
        good = journal.read_bytes()
        for name, at in {"the start": 3, "the header": 40, "a record": len(good) // 2}.items():
            with self.subTest(damaged=name):
                bad = bytearray(good)
                bad[at] ^= 0x10
                journal.write_bytes(bad)
                self.refused(self.cheap, self.directory, "--sample", 50, says=(str(journal),))
                self.assertEqual(journal.read_bytes(), bad, "a damaged journal was changed")
        for cut in (1, 100, len(good) // 3):
            with self.subTest(bytes_cut_off=cut):
                journal.write_bytes(good[:-cut])
                self.assertIn("resuming", self.sweep(self.cheap, self.directory, "--sample", 50))
                self.assertEqual(launch.contents(self.directory / "results.h5"), whole)

    def test_forged_journal(self):
        """What no run writes, with checksums that are right: one error, whatever reads it."""
        journal, out = self.directory / "journal", self.scratch / "merged"
        self.sweep(self.config({"space": {"name": "darts"}, "run": {"metrics": "null"}}), self.directory, "--sample", 4)
        good = journal.read_bytes()
        size = 1076746950455072400
        spans = [(0, size)] * 17 + [(0, 4 - 17 * size & 2**64 - 1)]  # 4 in all, in 64 bits
        list_says = "candidate list does not fit its search space"
        cases = {
            "wraps": ({"edit_list": lambda x: b"".join(struct.pack("QQ", *s) for s in spans)}, list_says),
            "descends": ({"edit_list": lambda x: x[16:32] + x[:16] + x[32:]}, list_says),
            "repeats": ({"edit_list": lambda x: x[:16] + x[:16] + x[32:]}, list_says),
            "large": ({"edit_list": lambda x: struct.pack("QQ", 0, 2**40)}, list_says),
            "verdict": ({"edit_record": lambda r: r[:8] + struct.pack("i", 77) + r[12:]}, "the verdict 77 on candidate"),
            "reason": ({"edit_record": lambda r: r[:24] + b"x" * 120 + r[144:]}, "has no end"),
            "zero byte": ({"edit_identity": lambda i: bytes(i) + b"\0more"}, "truncated or damaged"),
        }
        for name, (edits, says) in cases.items():
            journal.write_bytes(good)
            launch.forge(journal, **edits)
            for words in (("pack", self.directory), ("merge", self.directory, "-o", out)):
                with self.subTest(forged=name, verb=words[0]):
                    done = subprocess.run([str(w) for w in (launch.ASSAY, *words)], capture_output=True, text=True)
                    self.assertEqual(done.returncode, ERROR, done.stderr)
                    self.assertRegex(done.stderr, r"\Aassay: [^\n]*\n\Z")
                    self.assertIn(says, done.stderr)
                    self.assertIn(str(journal), done.stderr)
                    self.assertFalse(out.exists())

    def test_candidates(self):
        archs = self.scratch / "archs.txt"
        cases = {
            "# nothing\n\n": ("no architecture",),
            "# a comment\n|nor_conv_3x3~0|\n": (f"{archs}:2",),
            "|nor_conv_9x9~0|+|none~0|none~1|+|none~0|none~1|none~2|\n": (f"{archs}:1", "nor_conv_9x9"),
        }
        for text, says in cases.items():
            with self.subTest(text=text):
                archs.write_text(text)
                self.refused(self.cheap, self.directory, "--archs", archs, says=says)
        self.refused(self.cheap, self.directory, "--archs", self.scratch / "none", says=("none", "No such file"))
        self.refused(self.cheap, self.directory, "--archs", archs, "--sample", 3, says=("candidates.archs", "sample"),
                     expect=launch.USAGE)
        self.refused(self.cheap, self.directory, "--first", 15625, says=("candidates.first", "15624"), expect=launch.USAGE)
        self.refused(self.cheap, self.directory, "--first", 15000, "--count", 626, says=("candidates.count", "625"), expect=launch.USAGE)
        self.refused(self.cheap, self.directory, "--sample", 15626, says=("candidates.sample", "15625"), expect=launch.USAGE)

    def test_one_rank_alone_misses_the_data(self):
        """Failures are agreed on: no rank waits for one that has left. One rank of a host reads."""
        config = self.config({**CHEAP, "data": {"source": "hdf5", "path": "batch.h5:/x"}})
        here = self.scratch / "here"
        here.mkdir()
        launch.h5py.File(here / "batch.h5", "w").create_dataset("x", data=launch.numpy.zeros((9, 3, 8, 8)))
        parts = [["env", "-C", where, launch.ASSAY, "sweep", config, "-o", self.directory]
                 for where in (self.scratch, here)]
        self.refused(config, self.directory, parts=parts, says=("batch.h5",))


class FullDisk(launch.SweepTest):
    def resumes(self, config, directory):
        reference = self.scratch / "reference"
        self.sweep(config, reference, "--sample", 250)
        self.assertRegex(self.sweep(config, directory, "--sample", 250), r"resuming: [1-9]\d* of")
        self.assertSame(reference, directory)

    def test_small_file_system(self):
        disk = self.scratch / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
            self.skipTest("mounting a tmpfs is not permitted here")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        config = self.config(CHEAP)
        self.refused(config, disk / "run", "--sample", 250, ranks=3, says=("No space left on device", "journal"))
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        self.resumes(config, disk / "run")

    def tearDown(self):
        self.doCleanups()
        super().tearDown()

    def test_file_size_limit(self):
        config, directory = self.config(CHEAP), self.scratch / "run"
        self.refused(config, directory, "--sample", 250, ranks=0, wrap=("prlimit", "--fsize=65536"),
                     says=("File too large", "journal"))
        self.resumes(config, directory)

    def test_no_room_for_results(self):
        """The journal is there, results.h5 cannot be written: the former one stays."""
        config, directory = self.config(CHEAP), self.scratch / "run"
        self.sweep(config, directory, "--sample", 50, ranks=0)
        before = {f.name: f.read_bytes() for f in directory.iterdir()}
        text = self.refused(config, directory, "--sample", 50, ranks=0, wrap=("prlimit", "--fsize=4096"),
                            says=("File too large", "results.h5"))
        self.assertIn("already complete", text)
        self.assertEqual(before, {f.name: f.read_bytes() for f in directory.iterdir()} | {"lock": before["lock"]})


class SystemErrors(launch.SweepTest):
    """With an evaluator that only pretends."""

    def setUp(self):
        super().setUp()
        self.directory = self.scratch / "run"

    def farm(self, expect, ranks=3, **extra):
        job = launch.Job([self.directory], ranks, self.scratch, extra={k: str(v) for k, v in extra.items()},
                         program=FARM)
        self.jobs.append(job)
        code, text = job.wait(60)
        self.assertEqual(code, expect, text)
        return text

    def test_system_error_of_a_rank_ends_the_job(self):
        for candidate in (1500, 96, 2999):
            for ranks in (1, 2, 4):
                with self.subTest(candidate=candidate, ranks=ranks):
                    self.directory = self.scratch / f"run{candidate}-{ranks}"
                    text = self.farm(ERROR, ranks, FARM_FAIL=candidate)
                    self.assertIn("pretended lack of memory", text)
        self.directory = self.scratch / "run1500-2"
        self.assertRegex(self.farm(COMPLETE), r"resuming: [1-9]\d* of 3000")
        with launch.h5py.File(self.directory / "results.h5") as file:
            self.assertEqual(file["table/half"][()].tolist(), [i / 2 for i in range(3000)])

    def test_error_names_the_rank(self):
        text = self.farm(ERROR, 2, FARM_FAIL=96, FARM_MICROSECONDS=1000)
        self.assertRegex(text, r"rank [01] on \S+: candidate 96 \(.*\): pretended lack of memory")

    def test_rank_that_cannot_start(self):
        for rank in (0, 2):
            text = self.farm(ERROR, FARM_BAD_RANK=rank)
            self.assertIn("pretended lack of memory at the start", text)
        self.assertFalse((self.directory / "journal").exists())

    def test_failed_candidates_are_tried_again(self):
        self.assertIn("complete: 3000 done, 70 failed", self.farm(FAILED_CANDIDATES, FARM_FAILED=2930))
        text = self.farm(COMPLETE)
        self.assertIn("70 failed before and will be tried again", text)
        with launch.h5py.File(self.directory / "results.h5") as file:
            self.assertEqual(file["table/half"][()].tolist(), [i / 2 for i in range(3000)])

    def test_all_ranks_weigh_candidates(self):
        for ranks, each in ((1, 3000), (3, 1000)):
            with self.subTest(ranks=ranks):
                self.directory = self.scratch / f"run{ranks}"
                text = self.farm(COMPLETE, ranks, FARM_SAY=1)
                self.assertEqual(text.count(f"weighed {each}, in order"), ranks, text)

    def test_many_ranks(self):
        """Nine ranks: rank 0 only coordinates, and every other works."""
        text = self.farm(COMPLETE, 9, FARM_MICROSECONDS=1000)
        self.assertIn("rank 0 only coordinates", text)
        with launch.h5py.File(self.directory / "results.h5") as file:
            self.assertEqual(set(file["run/rank"][()]), set(range(1, 9)))


if __name__ == "__main__":
    import sys
    if len(sys.argv) < 3 or not os.access(sys.argv[2], os.X_OK):
        sys.exit(f"usage: {sys.argv[0]} ASSAY FARM [unittest arguments]")
    FARM = pathlib.Path(sys.argv.pop(2)).resolve()
    launch.main()
