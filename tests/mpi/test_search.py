#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches: the same trajectory at any number of ranks and after any number of kills and stops."""
import os
import random
import shutil
import time

import launch
from launch import COMPLETE, STOPPED

TINY = {
    "network": {"image": 8, "channels": 2},
    "ntk": {"batch": 4},
    "regions": {"batch": 50, "batches": 1},
    "run": {"repeats": 2},
    "search": {"seeds": "0-2", "baseline": "false"},
}
NASI = {
    "network": {"image": 8},
    "nasi": {"batch": 6},
    "search": {"seeds": "0-1", "baseline": "false", "method": "nasi,nasi-ada,nasi-random", "channels": 2, "cells": 1, "steps": 7},
}
MARGINAL = {**TINY, "search": {"seeds": "0-1", "method": "marginal", "round": 9}}
SLOW = {**TINY, "network": {"image": 16}, "ntk": {"batch": 16}}
SLOW_NASI = {**NASI, "network": {"image": 16}, "search": {**NASI["search"], "channels": 8, "steps": 60}}


class Search(launch.SweepTest):
    def start(self, config, directory, *options, ranks=None, **keywords):
        ranks = self.RANKS if ranks is None else ranks
        job = launch.Job(["search", config, "-o", directory, *options], ranks, self.scratch, **keywords)
        self.jobs.append(job)
        return job

    def assertSame(self, one, other):
        a, b = launch.contents(one / "search.h5"), launch.contents(other / "search.h5")
        self.assertEqual(a.keys(), b.keys())
        self.assertEqual([name for name in a if a[name] != b[name]], [])

    def test_same_for_any_number_of_ranks(self):
        configs = {method: {**TINY, "search": {**TINY["search"], "method": method, "samples": 40}}
                   for method in ("tenas", "evolution")}
        configs["marginal"] = MARGINAL
        configs["nasi"] = NASI
        configs["nasi-darts"] = {**NASI, "space": {"name": "darts"}, "search": {**NASI["search"], "cells": 3, "steps": 3}}
        for method, sections in configs.items():
            config = self.config(sections)
            for ranks in (0, 1, 2, 3, 5):
                with self.subTest(method=method, ranks=ranks):
                    directory = self.scratch / f"{method}{ranks}"
                    self.sweep(config, directory, ranks=ranks, expect=COMPLETE)
                    self.assertSame(self.scratch / f"{method}0", directory)

    def test_seeds_do_not_depend_on_company(self):
        both = self.config(TINY)
        alone = self.config({**TINY, "search": {**TINY["search"], "seeds": "1"}}, "alone.ini")
        self.sweep(both, self.scratch / "a")
        self.sweep(alone, self.scratch / "b")
        with launch.h5py.File(self.scratch / "a/search.h5") as a, launch.h5py.File(self.scratch / "b/search.h5") as b:
            mine = a["candidates/seed"][()] == 1
            for name in ("kappa", "regions", "rank_kappa", "pruned"):
                self.assertEqual(a["candidates/" + name][()][mine].tobytes(), b["candidates/" + name][()].tobytes())

    def test_kill_and_resume(self):
        self.kill_and_resume(SLOW)

    def test_kill_and_resume_nasi(self):
        self.kill_and_resume(SLOW_NASI)

    def kill_and_resume(self, sections):
        seed = int(os.environ.get("ASSAY_SEED", time.time()))
        random.seed(seed)
        config = self.config(sections)
        start = time.monotonic()
        self.sweep(config, self.scratch / "reference", expect=COMPLETE)
        undisturbed = time.monotonic() - start
        directory, kills, span = self.scratch / "run", 0, undisturbed / 3
        for _ in range(6):
            job = self.start(config, directory, ranks=random.choice((0, 2, 3)))
            while "BLAS thread" not in job.text() and job.process.poll() is None:
                time.sleep(0.005)
            time.sleep(random.uniform(0, span))
            if job.process.poll() is not None:
                if kills:
                    break
                shutil.rmtree(directory)  # too late: the machine is busier at times, once more
                span /= 4
                continue
            job.kill()
            kills += 1
        text = self.sweep(config, directory, expect=COMPLETE)
        print(f"\n{kills} kills, {undisturbed:.1f} s undisturbed, seed {seed}")
        self.assertGreater(kills, 0)
        if kills > 2:
            self.assertRegex(text, r"resuming: [1-9]\d* evaluations are known")
        self.assertSame(self.scratch / "reference", directory)

    def test_marginal_from_parts_of_a_journal(self):
        """What a kill leaves is a part of the journal, which may end within a record."""
        config, directory = self.config(MARGINAL), self.scratch / "run"
        self.sweep(config, self.scratch / "reference", expect=COMPLETE)
        whole = (self.scratch / "reference/journal").read_bytes()
        for part, ranks in ((0.3, 2), (0.8, 3)):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            (directory / "journal").write_bytes(whole[:int(len(whole) * part)])
            text = self.sweep(config, directory, ranks=ranks, expect=COMPLETE)
            self.assertRegex(text, r"resuming: [1-9]\d* evaluations are known")
            self.assertSame(self.scratch / "reference", directory)

    def test_stops_and_goes_on(self):
        self.stop_and_go_on(SLOW)

    def test_stops_and_goes_on_nasi(self):
        self.stop_and_go_on(SLOW_NASI)

    def stop_and_go_on(self, sections):
        config = self.config(sections)
        directory = self.scratch / "run"
        self.sweep(config, self.scratch / "reference", expect=COMPLETE)
        text = self.sweep(config, directory, "--set", "run.time_limit=0.4", expect=STOPPED)
        self.assertIn("stopped by run.time_limit", text)
        job = self.start(config, directory, ranks=0)
        job.await_event(lambda: "evaluations are known" in job.text())
        job.process.send_signal(launch.signal.SIGTERM)
        code, text = job.wait()
        self.assertEqual(code, STOPPED, text)
        self.assertIn("the same command resumes", text)
        self.sweep(config, directory, expect=COMPLETE)
        self.assertSame(self.scratch / "reference", directory)

    def test_another_configuration(self):
        directory = self.scratch / "run"
        self.sweep(self.config(TINY), directory)
        before = (directory / "journal").read_bytes()
        for section, key, value in (("search", "seeds", "0-3"), ("search", "prune", "2"), ("search", "common", "false"),
                                    ("ntk", "batch", "5")):
            with self.subTest(key=key):
                self.refused(self.config(TINY), directory, "--set", f"{section}.{key}={value}",
                             says=("another configuration", f"+ {key} = {value}"))
        self.assertEqual((directory / "journal").read_bytes(), before)
        directory = self.scratch / "nasi"
        self.sweep(self.config(NASI), directory)
        for section, key, value in (("search", "nu", "9"), ("search", "steps", "8"), ("search", "affine", "true"),
                                    ("search", "norm", "own")):
            with self.subTest(key=key):
                self.refused(self.config(NASI), directory, "--set", f"{section}.{key}={value}",
                             says=("another configuration", f"+ {key} = {value}"))
        directory = self.scratch / "run"
        # What is no part of a search may differ.
        self.sweep(self.config(TINY), directory, "--set", "run.seed=9", "--set", "candidates.first=3", expect=COMPLETE)

    def test_an_undecided_search_ends_on_all_ranks(self):
        with launch.h5py.File(self.scratch / "equal.h5", "w") as f:
            f["x"] = [[[[0.5 * x + y for x in range(8)] for y in range(8)]] * 3] * 9
        config = self.config({**TINY, "data": {"source": "hdf5", "path": f"{self.scratch}/equal.h5:/x", "augment": "false"}})
        for method, says in (("tenas", "seed 0 round 1: kappa is infinite"), ("evolution", "evolution: kappa is infinite")):
            for ranks in (2, 3):
                self.refused(config, self.scratch / f"{method}{ranks}", "--set", f"search.method={method}", "--set",
                             "search.samples=20", ranks=ranks, says=[says])
        truth = self.scratch / "t.csv"
        truth.write_text("arch,test_accuracy\nx,1\n")
        self.refused(config, self.scratch / "none", "--truth", truth, ranks=2, says=["t.csv:2: "])
        self.assertFalse((self.scratch / "none").exists())

    def test_another_arithmetic(self):
        directory = self.scratch / "run"
        self.sweep(self.config(TINY), directory)
        with launch.h5py.File(directory / "search.h5") as file:
            self.assertEqual(file.attrs["arithmetic"], launch.own_arithmetic())
        good = (directory / "journal").read_bytes()
        for name, edit, says in launch.other_arithmetics():
            with self.subTest(arithmetic=name):
                launch.forge(directory / "journal", edit)
                self.refused(self.config(TINY), directory, says=(f"{directory}/journal ", *says))
                (directory / "journal").write_bytes(good)
        self.sweep(self.config(TINY), directory, expect=COMPLETE)


if __name__ == "__main__":
    launch.main()
