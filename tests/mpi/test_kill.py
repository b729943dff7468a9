#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments, during checkpoints too, and the same results in the end.

ASSAY_KILLS=200 asks for another number of kills than 20.
"""
import os
import random
import re
import subprocess
import time

import h5py
import numpy

import launch
from launch import CHEAP, COMPLETE, FAILED_CANDIDATES

KILLS = int(os.environ.get("ASSAY_KILLS", "20"))
SETTINGS = {**CHEAP, "network": {"image": 16}, "ntk": {"batch": 12}, "run": {"repeats": 2, "checkpoint": 0.02}}
SAMPLE = 600


class Kill(launch.SweepTest):
    def finished_rows(self, directory, final):
        """Checks that results.h5, if there is one, opens, and that what it holds is final."""
        path = directory / "results.h5"
        if not path.exists():
            return
        with h5py.File(path) as file:
            status = file["table/status"][()]
            done = numpy.array([s != b"unfinished" for s in status])
            self.assertTrue((done <= (final["status"] == status)).all(), "a finished row changed its status")
            for name in ("kappa", "trace", "regions"):
                self.assertEqual(file["table/" + name][()][done].tobytes(), final[name][done].tobytes())

    def wait_and_kill(self, job, directory):
        """Kills at a random moment: while the job starts, while it works, or as soon as it writes a checkpoint."""
        start, moment = time.monotonic(), random.random()
        if moment > 0.2:
            while "to evaluate" not in job.text() and job.process.poll() is None:
                time.sleep(0.002)
            start = time.monotonic()
        aimed = moment > 0.7
        end = start + (60 if aimed else random.uniform(0, 0.5 if moment <= 0.2 else self.undisturbed / 8))
        while time.monotonic() < end and job.process.poll() is None:
            if aimed and any(n.startswith("results.h5") and n != "results.h5" for n in os.listdir(directory)):
                self.aimed += 1
                break
            time.sleep(0.0005)
        if job.process.poll() is None:
            job.kill()
            return True
        return False

    def one_sweep(self, config, reference, final, directory, kills):
        """Kills a sweep up to so many times, then lets it end; returns the kills done."""
        done, known = 0, 0
        while done < kills:
            ranks = random.choice((0, 1, 2, 3))
            job = self.start(config, directory, "--sample", SAMPLE, ranks=ranks)
            if not self.wait_and_kill(job, directory):
                break
            done += 1
            self.finished_rows(directory, final)
            resumed = re.search(r"resuming: (\d+) of", job.text())
            if resumed:
                self.assertGreaterEqual(int(resumed[1]), known, "finished candidates were lost")
                known = int(resumed[1])
            self.jobs.remove(job)
            job.stderr.close()
        text = self.sweep(config, directory, "--sample", SAMPLE, ranks=2)
        self.assertNotIn("error", text)
        self.assertSame(reference, directory)
        return done

    def test_kill_and_resume(self):
        seed = int(os.environ.get("ASSAY_SEED", time.time()))
        random.seed(seed)
        config = self.config(SETTINGS)
        reference = self.scratch / "reference"
        start = time.monotonic()
        self.sweep(config, reference, "--sample", SAMPLE)
        self.undisturbed = time.monotonic() - start
        with h5py.File(reference / "results.h5") as file:
            final = {n: file["table/" + n][()] for n in ("status", "kappa", "trace", "regions")}
        done, sweeps, self.aimed = 0, 0, 0
        while done < KILLS:
            done += self.one_sweep(config, reference, final, self.scratch / f"run{sweeps}", KILLS - done)
            sweeps += 1
        print(f"\n{done} kills ({self.aimed} aimed at a checkpoint) in {sweeps} sweeps of {self.undisturbed:.1f} s; "
              f"seed {seed}")
        self.assertGreater(self.aimed, 0)

    def test_a_killed_worker_ends_the_job_and_the_journal_survives(self):
        config = self.config(SETTINGS)
        directory = self.scratch / "run"
        job = self.start(config, directory, "--sample", SAMPLE, ranks=3)
        job.await_event((directory / "results.h5").exists)
        os.kill(max(job.ranks()), 9)
        code, _ = job.wait()
        self.assertNotIn(code, (COMPLETE, FAILED_CANDIDATES))
        self.assertRegex(self.sweep(config, directory, "--sample", SAMPLE), r"resuming: [1-9]\d* of")

    def test_pack_while_running(self):
        config = self.config(SETTINGS)
        directory = self.scratch / "run"
        job = self.start(config, directory, "--sample", SAMPLE, ranks=2)
        packs = 0
        while job.process.poll() is None:
            if (directory / "journal").exists():
                done = subprocess.run([launch.ASSAY, "pack", directory], stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                h5py.File(directory / "results.h5").close()
                packs += 1
            time.sleep(0.2)
        self.assertGreater(packs, 1)
        self.assertIn(job.wait()[0], (COMPLETE, FAILED_CANDIDATES))


if __name__ == "__main__":
    launch.main()
