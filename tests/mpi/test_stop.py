#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signals, time limits and Slurm's end time stop a sweep cleanly: exit code 75, and the same command resumes."""
import os
import pty
import signal
import time

import launch
from launch import CHEAP, COMPLETE, FAILED_CANDIDATES, STOPPED

# One candidate that takes longer than a launcher waits between SIGTERM and SIGKILL.
LONG = {"candidates": {"first": 11718, "count": 1}, "network": {"channels": 16, "cells": 5},
        "ntk": {"batch": 64, "outputs": "all"}, "run": {"metrics": "ntk,cost"}}
# Candidates of some hundredths of a second, as many as no test waits for.
SLOW = {**CHEAP, "network": {"image": 16}, "run": {"repeats": 6}}


class Stop(launch.SweepTest):
    def begin(self, *options, ranks=2):
        """A sweep that has finished some candidates by itself and is far from its end."""
        self.directory = self.scratch / "run"
        before = self.journal_bytes()
        job = self.start(self.config(SLOW), self.directory, *options, ranks=ranks)
        job.await_event(lambda: self.journal_bytes() >= before + 15000)
        return job

    def journal_bytes(self):
        try:
            return os.path.getsize(self.directory / "journal")
        except OSError:
            return 0

    def stopped(self, job, why):
        code, text = job.wait()
        self.assertEqual(code, STOPPED, text)
        self.assertIn(f"stopped by {why}", text)
        self.assertIn("the same command resumes", text)
        count = set(launch.statuses(self.directory / "results.h5"))
        self.assertIn("unfinished", count)
        self.assertIn("ok", count)

    def limited(self, limits, why):
        """A limit that is too short for a machine under load to finish anything is doubled; the run goes on from there."""
        self.directory = self.scratch / "run"
        for seconds in (12, 24, 48, 96):
            options, extra = limits(seconds)
            job = self.start(self.config(SLOW), self.directory, *options, extra=extra)
            if seconds == 96 or job.wait()[0] != STOPPED or "ok" in launch.statuses(self.directory / "results.h5"):
                return self.stopped(job, why)

    def test_every_signal_on_every_rank(self):
        for number, which in ((signal.SIGTERM, -1), (signal.SIGINT, 0), (signal.SIGUSR1, 1), (signal.SIGTERM, 0)):
            with self.subTest(signal=number, rank=which):
                job = self.begin(ranks=3)
                os.kill(sorted(job.ranks())[which], number)
                self.stopped(job, f"signal {int(number)}")

    def test_signal_alone(self):
        job = self.begin(ranks=0)
        job.process.send_signal(signal.SIGTERM)
        self.stopped(job, "signal 15")

    def test_mpirun_forwards_usr1(self):
        job = self.begin()
        job.process.send_signal(signal.SIGUSR1)
        self.stopped(job, "signal 10")

    def test_mpirun_terminated_loses_nothing(self):
        """Open MPI's mpirun answers SIGTERM with its own exit code, after a second's grace for the ranks."""
        job = self.begin()
        job.process.send_signal(signal.SIGTERM)
        code, text = job.wait()
        self.assertNotIn(code, (COMPLETE, FAILED_CANDIDATES))
        self.assertRegex(self.resume("--set", "run.time_limit=2"), r"resuming: [1-9]\d* of")

    def test_control_c_on_a_terminal(self):
        """The launcher takes Ctrl-C and soon kills the ranks, which have said what becomes of the run."""
        for ranks in (0, 1, 3):
            with self.subTest(ranks=ranks):
                screen, near = pty.openpty()
                directory = self.scratch / f"run{ranks}"
                job = self.start(self.config(LONG), directory, ranks=ranks, terminal=near)
                os.close(near)
                text = ""
                while "BLAS thread" not in text:
                    text += os.read(screen, 4096).decode()
                os.write(screen, b"\x03")
                try:
                    while "\n" not in text.partition("assay: stopping: ")[2]:
                        text += os.read(screen, 4096).decode()
                except OSError:  # all have left
                    pass
                self.assertIn(f"what is finished stays in {directory}, and the same command resumes\r\n", text)
                job.kill()
                os.close(screen)

    def resume(self, *options):
        return self.sweep(self.config(SLOW), self.directory, *options, expect=STOPPED)

    def test_stop_and_resume_gives_the_same(self):
        config = self.config({**SLOW, "run": {"repeats": 1}})
        whole, parts = self.scratch / "whole", self.scratch / "parts"
        start = time.monotonic()
        self.sweep(config, whole, "--sample", 300, ranks=1)
        limit = f"run.time_limit={(time.monotonic() - start) / 20}"
        codes = []
        for ranks in (0, 3, 2, 1, 5, 2):
            codes.append(self.start(config, parts, "--sample", 300, "--set", limit, ranks=ranks).wait()[0])
            if codes[-1] != STOPPED:
                break
        self.assertIn(STOPPED, codes)
        self.sweep(config, parts, "--sample", 300)
        self.assertSame(whole, parts)
        self.assertIn("already complete", self.sweep(config, parts, "--sample", 300))
        self.assertSame(whole, parts)
        (parts / "results.h5").unlink()
        self.sweep(config, parts, "--sample", 300)
        self.assertSame(whole, parts)

    def test_time_limit(self):
        self.limited(lambda seconds: (["--set", f"run.time_limit={seconds / 2}"], {}), "run.time_limit")

    def test_slurm_end_time(self):
        self.limited(lambda seconds: ([], {"SLURM_JOB_END_TIME": str(int(time.time()) + seconds)}), "Slurm's end time")


if __name__ == "__main__":
    launch.main()
