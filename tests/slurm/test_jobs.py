#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripts of jobs/ on a Slurm cluster of four nodes, which is started here; exit code 77: it cannot be.

usage: test_jobs.py ASSAY SOURCE_ROOT [PART OF A TEST'S NAME...]
"""
import functools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mpi"))
import launch  # noqa: E402
from cluster import Cluster, Unavailable, until  # noqa: E402

CHEAP = launch.CHEAP
# Candidates of some tenths of a second, so that a job is caught in the middle.
SLOW = {**CHEAP, "network": {"image": 16}, "run": {"repeats": 24}}
SAMPLE = ("--sample", 120)
EXPORTED = {k: v for k, v in launch.ENVIRONMENT.items() if k.startswith("OMPI_")}
ROOT = CLUSTER = FOLDER = None


class Crash(Exception):
    """Open MPI did not survive MPI_Init."""


def on_several_nodes(test):
    """Open MPI 4.1 may call a function not set yet when nodes of one machine start: only then the test is repeated."""

    @functools.wraps(test)
    def tried(self):
        for _ in range(3):
            try:
                return test(self)
            except Crash as why:
                print(f"again, {why}", flush=True)
                self.setUp()
        return test(self)

    return tried


class Jobs(unittest.TestCase):
    attempts = 0

    def setUp(self):
        self.attempts += 1
        self.folder = FOLDER / f"{self.id().rpartition('.')[2]}-{self.attempts}"
        (self.folder / "build").mkdir(parents=True)
        (self.folder / "jobs").symlink_to(ROOT / "jobs")
        (self.folder / "build/assay").symlink_to(launch.ASSAY)
        for name, settings in (("cheap.ini", CHEAP), ("slow.ini", SLOW)):
            (self.folder / name).write_text(launch.ini(settings))
        self.run = self.folder / "run"

    def reference(self, name):
        """The same sweep without Slurm."""
        directory = FOLDER / f"reference-{name}"
        if not directory.exists():
            subprocess.run([launch.ASSAY, "sweep", self.folder / name, "-o", directory, *map(str, SAMPLE)], check=True,
                           stderr=subprocess.DEVNULL, env={**CLUSTER.environment, **launch.ENVIRONMENT})
        return launch.contents(directory / "results.h5")

    def shell(self, *words, **variables):
        done = subprocess.run(list(map(str, words)), cwd=self.folder, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env={**CLUSTER.environment, **EXPORTED, **variables})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def submit(self, script, config, *options, job=(), **variables):
        """Submits jobs/SCRIPT CONFIG run OPTION..., with sbatch's options `job`."""
        return int(self.shell("sbatch", "--parsable", *job, f"jobs/{script}", config, "run", *options, **variables))

    def log(self, number):
        path = self.folder / f"assay-{number}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def check_start(self, number):
        """Raises Crash when a rank ended in MPI_Init, before the sweep said anything."""
        before, fault, after = self.log(number).rpartition("Signal: Segmentation fault")
        if fault and "to evaluate" not in before.rpartition("NODE FAILURE")[2] + after:
            CLUSTER.ask("scancel", number)
            raise Crash(f"job {number} crashed in MPI_Init")
        return False

    def ended(self, number, state="COMPLETED", seconds=100):
        done = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        found = until(lambda: self.check_start(number) or CLUSTER.state(number) in done and CLUSTER.state(number),
                      seconds, 0.3)
        self.assertEqual(found, state, f"{CLUSTER.job(number)}\n{self.log(number)}")
        return self.log(number)

    def working(self, number):
        """Waits until a job has finished some candidates; returns the bytes of its journal."""
        before = self.journal()
        self.assertTrue(until(lambda: self.check_start(number) or self.journal() > before + 3000, 40), self.log(number))
        return self.journal()

    def journal(self):
        try:
            return os.path.getsize(self.run / "journal")
        except OSError:
            return 0

    def assertReference(self, name, directory=None):
        found, expected = launch.contents((directory or self.run) / "results.h5"), self.reference(name)
        self.assertEqual([n for n in expected if found.get(n) != expected[n]], [])

    # ---- jobs that are left alone
    def test_one_node(self):
        number = self.submit("sweep.sbatch", "cheap.ini", *SAMPLE, job=("--ntasks=3",))
        log = self.ended(number)
        self.assertIn("3 ranks on 1 host", log)
        self.assertRegex(log, r"rank +index +arch")  # the best are printed
        self.assertReference("cheap.ini")

    @on_several_nodes
    def test_several_nodes(self):
        for launcher in ("srun", "mpirun"):
            self.run = self.folder / launcher
            number = int(self.shell("sbatch", "--parsable", "--nodes=4", "--ntasks-per-node=1", "jobs/nodes.sbatch",
                                    "cheap.ini", launcher, *SAMPLE, ASSAY_LAUNCHER=launcher))
            self.assertIn("4 ranks on", self.ended(number))
            self.assertEqual(CLUSTER.job(number)["NumNodes"], "4")
            self.assertReference("cheap.ini")

    def test_array_then_merge(self):
        """A shard that has to come back comes back alone, and the merge waits for it."""
        out = self.shell("jobs/array.sh", 3, "slow.ini", "run", *SAMPLE, SBATCH_OPTIONS="--ntasks=2")
        array, merge = map(int, re.search(r"shards (\d+), merge (\d+)", out).groups())
        merged, self.run = self.run, self.folder / "run.shards/3-of-3"
        self.working(array)  # the last shard has the number of the array
        os.kill(self.rank(array, 1), signal.SIGKILL)
        self.assertIn("merged from 3 directories", self.ended(merge))
        self.assertIn("resuming", self.log(f"{array}-3"))
        self.assertNotIn("resuming", self.log(f"{array}-1") + self.log(f"{array}-2"))
        self.assertReference("slow.ini", merged)

    def test_scaling_study(self):
        number = self.submit("scaling.sbatch", "cheap.ini", job=("--ntasks-per-node=2",), WEAK="20")
        log = self.ended(number)
        self.assertRegex(log, r"ranks +candidates +seconds +/s +efficiency\n +1 +\d+ .* 100%\n +2 +\d+ .*%\n$")

    def test_singletons_are_refused(self):
        """By Open MPI 4, or, of an MPI that does not look for Slurm, as Open MPI 5, by assay."""
        blind = self.folder / "blind"
        blind.write_text(f'#!/bin/sh\nunset SLURM_NODELIST SLURM_STEP_ID SLURM_STEPID\nexec {launch.ASSAY} "$@"\n')
        blind.chmod(0o755)
        for program, says in ((launch.ASSAY, "PMI support|srun --mpi=pmix"), (blind, "srun --mpi=pmix")):
            with self.subTest(program=program):
                number = self.submit("sweep.sbatch", "cheap.ini", *SAMPLE, job=("--ntasks=3",), ASSAY_SRUN_MPI="none",
                                     ASSAY=str(program))
                self.assertRegex(self.ended(number, "FAILED"), says)
                self.assertFalse(self.run.exists())

    # ---- jobs that are disturbed
    def test_requeued_by_hand(self):
        number = self.submit("requeue.sbatch", "slow.ini", *SAMPLE, job=("--ntasks=2",))
        self.working(number)
        CLUSTER.ask("scontrol", "requeue", number)
        log = self.ended(number)
        self.assertIn("stopped by signal 15", log)
        self.assertRegex(log, r"turn 2 of job[^$]*resuming: [1-9]\d* of")
        self.assertReference("slow.ini")

    def test_killed_rank(self):
        number = self.submit("requeue.sbatch", "slow.ini", *SAMPLE, job=("--ntasks=3",))
        before = self.working(number)
        os.kill(self.rank(number, 2), signal.SIGKILL)
        log = self.ended(number)
        self.assertKept(log, before)
        self.assertReference("slow.ini")

    def rank(self, number, rank):
        """The process that is this rank of a job."""
        marks = {f"SLURM_JOB_ID={number}".encode(), f"SLURM_PROCID={rank}".encode()}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                named = (path / "comm").read_text() == "assay\n"
                if named and marks <= set((path / "environ").read_bytes().split(b"\0")):
                    return int(path.name)
            except OSError:
                pass
        raise AssertionError(f"no rank {rank} of job {number}")

    def assertKept(self, log, before):
        """What was in the journal was not computed again: it holds no candidate twice."""
        resumed = re.findall(r"resuming: (\d+) of (\d+) done", log)
        self.assertTrue(resumed, log)
        data = (self.run / "journal").read_bytes()
        record, identity, extra = (int.from_bytes(data[at:at + 8], "little") for at in (16, 24, 32))
        header, frame = 48 + identity + extra, record + 8
        self.assertGreaterEqual(int(resumed[-1][0]), (before - header) // frame)
        self.assertEqual((len(data) - header) // frame, int(resumed[-1][1]))

    @on_several_nodes
    def test_killed_node(self):
        number = self.submit("nodes.sbatch", "slow.ini", *SAMPLE, job=("--nodes=3", "--ntasks-per-node=1"))
        before = self.working(number)
        job = CLUSTER.job(number)
        hosts = CLUSTER.ask("scontrol", "show", "hostnames", job["NodeList"]).split()
        victim = next(h for h in reversed(hosts) if h != job["BatchHost"])
        CLUSTER.crash(victim)
        try:
            log = self.ended(number)
        finally:
            CLUSTER.revive(victim)
        self.assertKept(log, before)
        self.assertNotIn(victim, CLUSTER.job(number)["NodeList"])
        self.assertEqual(CLUSTER.job(number)["Restarts"], "1")
        self.assertReference("slow.ini")


class Time(Jobs):
    """A minute is the shortest time limit, so this job runs beside all others."""

    @classmethod
    def begin(cls):
        test = cls("check")
        Jobs.setUp(test)
        test.number = test.submit("requeue.sbatch", "slow.ini", job=("--ntasks=1", "--time=1"))
        return test

    def check(self):
        self.assertTrue(until(lambda: "resuming" in self.log(self.number), 90), self.log(self.number))
        log = self.log(self.number)
        self.assertIn("stopped by Slurm's end time", log)
        self.assertRegex(log, r"turn 2 of job[^$]*resuming: [1-9]\d* of")
        self.working(self.number)
        # Whoever cancels a job means it.
        CLUSTER.ask("scancel", self.number)
        self.ended(self.number, "CANCELLED")
        time.sleep(3)
        self.assertEqual(CLUSTER.state(self.number), "CANCELLED")


class InTime(unittest.TestCase):
    def test_time_limit(self):
        TIME.check()


TIME = None


def main():
    global ROOT, CLUSTER, FOLDER, TIME
    launch.ASSAY, ROOT = (pathlib.Path(word).resolve() for word in (sys.argv.pop(1), sys.argv.pop(1)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no daemon stays behind
    FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="assay-slurm-"))
    FOLDER.chmod(0o755)
    try:
        try:
            CLUSTER = Cluster(FOLDER / "slurm")
        except Unavailable as why:
            print(f"skipped: no Slurm cluster here: {why}")
            sys.exit(77)
        try:
            TIME = Time.begin()
            loader = unittest.TestLoader()
            loader.testNamePatterns = [f"*{word}*" for word in sys.argv[1:]] or None
            tests = unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in (Jobs, InTime)])
            result = unittest.TextTestRunner(verbosity=2).run(tests)
        finally:
            CLUSTER.stop()
        sys.exit(not result.wasSuccessful())
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main()
