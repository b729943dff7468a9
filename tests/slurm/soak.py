#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sweeps on a Slurm cluster of four nodes, disturbed at random for a long time: each must end with the results of a
sweep that was left alone, and with no candidate in its journal twice.

usage: soak.py ASSAY SOURCE_ROOT [SECONDS [SEED]]     1800 seconds unless told; not part of the tests
"""
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import test_jobs
from cluster import Cluster
from test_jobs import launch

SETTINGS = {
    "short.ini": {**launch.CHEAP, "network": {"image": 16}, "run": {"repeats": 12, "checkpoint": 1}},
    "long.ini": {**launch.CHEAP, "network": {"image": 16}, "ntk": {"batch": 24}, "run": {"repeats": 8}},
    "team.ini": {**launch.CHEAP, "network": {"image": 8}, "ntk": {"batch": 16, "outputs": "all"},
                 "run": {"repeats": 4, "metrics": "ntk,ntk_frozen", "team": 2}},
}
RANKS = {"team.ini": 2}  # of the undisturbed run
CANDIDATES = ("--first", "7000", "--count", "300")
AT_ONCE = 2
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


class Soak:
    def __init__(self, folder, cluster):
        self.folder, self.cluster, self.count = folder, cluster, collections.Counter()
        (folder / "build").mkdir()
        (folder / "jobs").symlink_to(test_jobs.ROOT / "jobs")
        (folder / "build/assay").symlink_to(launch.ASSAY)
        self.environment = {**cluster.environment, **test_jobs.EXPORTED}
        self.expected, self.running, self.down, self.waits = {}, {}, {}, collections.Counter()
        for name, settings in SETTINGS.items():
            (folder / name).write_text(launch.ini(settings))
            self.expected[name] = self.undisturbed(name)

    def undisturbed(self, name):
        directory = self.folder / f"reference-{name}"
        subprocess.run(["mpirun", "-n", str(RANKS.get(name, 1)), launch.ASSAY, "sweep", self.folder / name, "-o",
                        directory, *CANDIDATES], check=True, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                       env={**self.environment, **launch.ENVIRONMENT})
        return launch.contents(directory / "results.h5")

    def submit(self, name, run):
        script, job = random.choice((("requeue.sbatch", ["--ntasks=4"]), ("requeue.sbatch", ["--ntasks=2"]),
                                     ("nodes.sbatch", ["--nodes=2", "--ntasks-per-node=2"]),
                                     ("nodes.sbatch", ["--nodes=4", "--ntasks-per-node=1"])))
        out = subprocess.run(["sbatch", "--parsable", *job, f"jobs/{script}", name, run, *CANDIDATES], cwd=self.folder,
                             env=self.environment, check=True, capture_output=True, text=True).stdout
        self.running[int(out)] = (name, run)

    def log(self, number):
        path = self.folder / f"assay-{number}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def check(self, number, name, run):
        """A sweep that is complete: its results, and its journal."""
        found, expected = launch.contents(self.folder / run / "results.h5"), self.expected[name]
        wrong = [n for n in expected if found.get(n) != expected[n]]
        data = (self.folder / run / "journal").read_bytes()
        record, identity, extra = (int.from_bytes(data[at:at + 8], "little") for at in (16, 24, 32))
        records = (len(data) - 48 - identity - extra) / (record + 8)
        rows = len(launch.statuses(self.folder / run / "results.h5"))
        if wrong or records > rows or records != int(records):
            sys.exit(f"job {number}, {name}: {wrong} differ, {records} records of {rows} rows\n{self.log(number)}")
        shutil.rmtree(self.folder / run)

    def collect(self):
        """Takes what has ended; a job that Slurm or its script gave up is submitted again, as a user would."""
        for number, (name, run) in list(self.running.items()):
            state = self.cluster.state(number)
            if state not in OVER:
                continue
            complete = "complete: " in self.log(number).rpartition("turn ")[2]
            # A job that puts itself back into the queue is over for a moment.
            if state == "COMPLETED" and not complete and self.count_down(number):
                continue
            del self.running[number]
            self.count["turns"] += int(self.cluster.job(number).get("Restarts", 0)) + 1
            self.count["crashes in MPI_Init"] += "Segmentation fault" in self.log(number)
            if state == "COMPLETED" and complete:
                self.check(number, name, run)
                self.count["sweeps complete and correct"] += 1
                self.count[name] += 1
            else:
                self.count[f"submitted again after {state}"] += 1
                self.submit(name, run)

    def count_down(self, number):
        """True for the first seconds in which a job is asked for."""
        self.waits[number] += 1
        return self.waits[number] < 30

    # ---- disturbances
    def kill_rank(self):
        ranks = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (path / "comm").read_text() == "assay\n" and b"SLURM_PROCID" in (path / "environ").read_bytes():
                    ranks.append(int(path.name))
            except OSError:
                pass
        if ranks:
            os.kill(random.choice(ranks), signal.SIGKILL)
        return bool(ranks)

    def requeue(self):
        number = random.choice(list(self.running)) if self.running else None
        return number and self.cluster.state(number) == "RUNNING" and \
            subprocess.run(["scontrol", "requeue", str(number)], env=self.environment, capture_output=True).returncode == 0

    def crash_node(self):
        if self.down:
            return False
        name = random.choice(self.cluster.names)
        self.cluster.crash(name)
        self.down[name] = time.monotonic() + random.uniform(3, 10)
        return True

    def revive(self):
        for name, when in list(self.down.items()):
            if time.monotonic() > when:
                self.cluster.revive(name)
                del self.down[name]

    def disturb(self):
        what = random.choices((self.kill_rank, self.requeue, self.crash_node), (6, 3, 1))[0]
        if what():
            self.count[what.__name__.replace("_", " ")] += 1

    def run(self, seconds):
        start, number, next_one, told = time.monotonic(), 0, 0.0, 0.0
        while time.monotonic() < start + seconds or self.running:
            now, last = time.monotonic() - start, time.monotonic() > start + seconds
            self.revive()
            self.collect()
            while not last and len(self.running) < AT_ONCE:
                number += 1
                self.submit(random.choice(list(SETTINGS)), f"run{number}")
            if not last and now > next_one:
                self.disturb()
                next_one = now + random.expovariate(1 / 6)
            if now > told + 60:
                told = now
                print(f"{now:.0f} s: {dict(self.count)}", flush=True)
            if last and now > seconds + 600:
                sys.exit(f"jobs that do not end: {[(n, self.cluster.state(n), self.log(n)) for n in self.running]}")
            time.sleep(0.3)


def main():
    launch.ASSAY, test_jobs.ROOT = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 1800
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
    random.seed(seed)
    print(f"seed {seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="assay-soak-"))
    folder.chmod(0o755)
    try:
        cluster = Cluster(folder / "slurm")
        try:
            soak = Soak(folder, cluster)
            soak.run(seconds)
            print(f"{seconds:.0f} s and the rest: {dict(soak.count)}")
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if soak.count["sweeps complete and correct"] else "no sweep ended")


if __name__ == "__main__":
    main()
