#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Teams: several ranks evaluate one candidate. test_teams.py ASSAY PLA; PLA checks spread matrices by themselves."""
import os
import resource
import signal
import subprocess
import sys

import h5py
import numpy

import launch
import memory
from launch import CHEAP, STOPPED

PLA = os.path.abspath(sys.argv.pop(2))
# A kernel of 60 rows, in teams whose grids are no squares.
ALL = CHEAP | {"ntk": {"batch": 6, "outputs": "all"}, "kta": {"labels": "random"},
               "run": {"repeats": 2, "metrics": "ntk,ntk_frozen,ntk_spectrum,kta,ntk_trace,nasi,regions"}}
FEW = ("--first", 7000, "--count", 30)
# Some candidates of a second and more.
LONG = {"network": {"image": 16}, "ntk": {"batch": 64}, "run": {"repeats": 4, "metrics": "ntk", "team": 2}}


class Teams(launch.SweepTest):
    def test_spread_matrices(self):
        for ranks in (1, 2, 3, 5, 6):
            with self.subTest(ranks=ranks):
                self.jobs.append(launch.Job([], ranks, self.scratch, program=PLA))
                code, text = self.jobs[-1].wait(240)
                self.assertEqual(code, 0, text)

    def values(self, directory, *names):
        with h5py.File(directory / "results.h5") as file:
            return {name: file["table/" + name][()] for name in ("status", *names)}

    def test_a_team_gives_what_one_rank_gives(self):
        # Statistics that differ in their last place move what is rounded to float32.
        config = self.config(ALL | {"run": ALL["run"] | {"precision": "double"}})
        self.sweep(config, self.scratch / "alone", *FEW, ranks=0)
        exact = ("nasi_trace", "regions", "frozen_trace_all")
        close = ("kappa", "lambda_max", "trace", "frozen_kappa", "frozen_trace", "ntk_mean", "kta_onehot", "kta_centred")
        alone = self.values(self.scratch / "alone", *exact, *close)
        self.assertGreater((alone["status"] == b"ok").sum(), 15)
        for team in (2, 3):
            with self.subTest(team=team):
                text = self.sweep(config, self.scratch / f"t{team}", *FEW, "--set", f"run.team={team}", ranks=team)
                self.assertIn(f"1 team of {team} ranks evaluates", text)
                seen = self.values(self.scratch / f"t{team}", *exact, *close)
                numpy.testing.assert_array_equal(seen["status"], alone["status"])
                ok = alone["status"] == b"ok"
                for name in close:
                    scale = alone[name][ok] if "kappa" in name else 1
                    off = abs(seen[name][ok] / alone[name][ok] - 1) / scale
                    self.assertLess(off.max(), 1e-12, name)
                for name in exact:
                    numpy.testing.assert_array_equal(seen[name], alone[name])

    def test_the_number_of_teams_changes_nothing(self):
        config = self.config(ALL | {"run": ALL["run"] | {"team": 2}})
        self.sweep(config, self.scratch / "one", *FEW, ranks=2)
        for ranks, says in ((4, "2 teams of 2 ranks evaluate"), (5, "some only wait")):
            with self.subTest(ranks=ranks):
                text = self.sweep(config, self.scratch / f"r{ranks}", *FEW, ranks=ranks)
                self.assertIn(says, text)
                self.assertSame(self.scratch / "one", self.scratch / f"r{ranks}")
        text = self.sweep(config, self.scratch / "apart", *FEW, "--set", "run.coordinator_works=no", ranks=5)
        self.assertIn("2 teams of 2 ranks evaluate", text)
        self.assertSame(self.scratch / "one", self.scratch / "apart")

    def test_kernels_larger_than_lapack_is_for(self):
        """2,000 rows and more are reduced to a band by the team."""
        config = self.config(CHEAP | {"ntk": {"batch": 205, "outputs": "all"}, "run": {"repeats": 1, "metrics": "ntk_frozen"}})
        one = ("--first", 7777, "--count", 1)
        self.sweep(config, self.scratch / "alone", *one, ranks=0)
        self.sweep(config, self.scratch / "team", *one, "--set", "run.team=3", ranks=3)
        names = ("frozen_lambda_max", "frozen_trace", "frozen_entropy")
        alone, team = (self.values(self.scratch / name, *names) for name in ("alone", "team"))
        for name in names:
            self.assertLess(abs(team[name][0] / alone[name][0] - 1), 1e-10, name)

    def test_ends_of_a_spectrum(self):
        """The largest and the smallest eigenvalue by themselves, on one rank and on three, against all."""
        config = self.config(CHEAP | {"ntk": {"batch": 30, "outputs": "all", "eigenvalues": "extreme"},
                                      "run": {"repeats": 2, "metrics": "ntk_frozen,ntk_frozen_residuals"}})
        some = ("--first", 7777, "--count", 2)
        self.sweep(config, self.scratch / "alone", *some, ranks=0)
        self.sweep(config, self.scratch / "team", *some, "--set", "run.team=3", ranks=3)
        self.sweep(config, self.scratch / "all", *some, "--set", "ntk.eigenvalues=checked", ranks=0)
        names = [f"frozen_{name}" for name in ("kappa", "lambda_max", "lambda_min", "trace", "numerical_rank")]
        bounds = ["frozen_lambda_max_residual", "frozen_lambda_min_residual"]
        seen = {which: self.values(self.scratch / which, *names, *bounds, "frozen_entropy") for which in ("alone", "team", "all")}
        for which in ("alone", "team"):
            for name in names:
                off = abs(seen[which][name] / seen["all"][name] - 1)
                self.assertLess(off.max(), 1e-8, (which, name))
            for end, bound in zip(names[1:3], bounds):
                self.assertLess((seen[which][bound] / seen[which][end]).max(), 1e-3)
            self.assertTrue(numpy.isnan(seen[which]["frozen_entropy"]).all())
            self.assertTrue((seen[which]["status"] == b"ok").all())
        self.assertTrue((seen["all"]["frozen_entropy"] > 0).all())

    def test_divided_jacobians(self):
        """A Jacobian that does not fit is made in blocks of parameters: the same bits, in the memory there is."""
        config = self.config(CHEAP | {"ntk": {"batch": 50, "outputs": "all"},
                                      "run": {"repeats": 1, "metrics": "ntk,ntk_frozen", "team": 2}})
        one = ("--first", 11718, "--count", 1)  # 13,104 parameters
        dry = [launch.ASSAY, "sweep", config, "-o", self.scratch / "none", *one, "--dry-run"]

        def ask(*words):
            return subprocess.run([str(w) for w in (*dry, *words)], capture_output=True, text=True, env=memory.environment()).stdout
        limit = int(0.85 * float(ask().split("memory: at most ")[1].split()[0]))
        self.assertRegex(ask("--memory", limit), r"they are made in [2-9] blocks of parameters")
        self.sweep(config, self.scratch / "whole", *one, ranks=2)
        for eigenvalues in ("all", "extreme"):
            self.sweep(config, self.scratch / eigenvalues, *one, "--memory", limit, "--set", f"ntk.eigenvalues={eigenvalues}", ranks=2)
        names = [bn + name for bn in ("", "frozen_") for name in ("kappa", "lambda_max", "lambda_min", "trace")]
        whole, blocks, ends = (self.values(self.scratch / name, *names) for name in ("whole", "all", "extreme"))
        for name in names:
            self.assertEqual(blocks[name][0], whole[name][0], name)
            self.assertLess(abs(ends[name][0] / whole[name][0] - 1), 1e-6, name)

    def test_more_rows_than_parameters(self):
        """It is said before any work; the same kernel would take a second."""
        config = self.config(CHEAP | {"ntk": {"batch": 300, "outputs": "all"}, "run": {"repeats": 1, "metrics": "ntk_frozen"}})
        self.sweep(config, self.scratch / "run", "--first", 15624, "--count", 1, ranks=0)
        seen = self.values(self.scratch / "run", "frozen_kappa", "frozen_lambda_max", "reason")
        self.assertEqual(seen["status"][0], b"degenerate")
        self.assertIn(b"rank 2772 of 3000 at most", seen["reason"][0])
        self.assertTrue(numpy.isinf(seen["frozen_kappa"][0]) and numpy.isnan(seen["frozen_lambda_max"][0]))

    def test_more_ranks_than_rows(self):
        config = self.config({"network": {"image": 8}, "ntk": {"batch": 2}, "run": {"repeats": 1, "metrics": "ntk", "team": 5}})
        text = self.sweep(config, self.scratch / "run", *FEW, ranks=5)
        self.assertIn("complete: ", text)

    def test_refused(self):
        config = self.config(CHEAP)
        self.refused(config, self.scratch / "a", "--set", "run.team=3", says=["run.team = 3", "2 ranks that evaluate"],
                     expect=launch.USAGE)
        self.refused(config, self.scratch / "b", "--set", "run.team=2", ranks=0, says=["run.team = 2", "1 rank that evaluates"],
                     expect=launch.USAGE)
        self.refused(config, self.scratch / "d", "--set", "run.metrics=ntk_ridge", says=["learns from labels"])
        for team, method in ((0, "tenas"), (2, "nasi")):
            search = subprocess.run([launch.ASSAY, "search", config, "-o", self.scratch / "e", "--set", f"run.team={team}",
                                     "--set", f"search.method={method}"], capture_output=True, text=True,
                                    env=os.environ | launch.ENVIRONMENT)
            self.assertEqual(search.returncode, launch.USAGE, search.stderr)
            self.assertIn(f"run.team = {team}", search.stderr)

    def test_chosen_by_memory_and_by_idle_ranks(self):
        big = CHEAP | {"ntk": {"batch": 210, "outputs": "all"}, "run": {"repeats": 1, "metrics": "ntk_frozen", "team": 0}}
        config = self.config(big)
        one = ("--first", 7777, "--count", 4)
        text = self.sweep(config, self.scratch / "free", *one, ranks=3)
        self.assertNotIn("team", text)
        text = self.sweep(config, self.scratch / "tight", *one, "--memory", memory.limit_for_team(config, 3, one, self.scratch), ranks=3)
        self.assertRegex(text, "1 team of 3 ranks evaluates")
        alone = ("--first", 7777, "--count", 1)
        text = self.sweep(config, self.scratch / "idle", *alone, ranks=4)
        self.assertIn("1 team of 4 ranks evaluates", text)
        text = self.sweep(config, self.scratch / "apart", *alone, "--set", "run.coordinator_works=no", ranks=4)
        self.assertIn("1 team of 3 ranks evaluates", text)
        # A run keeps its team where it resumes.
        text = self.sweep(config, self.scratch / "apart", *alone, "--set", "run.coordinator_works=no", ranks=5)
        self.assertIn("1 team of 3 ranks evaluates", text)
        self.assertIn("already complete", text)

    def test_plan(self):
        """Candidates that fit only into a team are measured alone; a team of a coordinator's own is planned for."""
        big = CHEAP | {"ntk": {"batch": 210, "outputs": "all"}, "run": {"repeats": 1, "metrics": "ntk_frozen", "team": 0}}
        config, two = self.config(big), ("--first", 7777, "--count", 2)
        limit = memory.limit_for_team(config, 3, two, self.scratch)
        words = [launch.ASSAY, "plan", config, *two, "--memory", limit, "--seconds", "1"]
        for more in ([], ["--set", "run.coordinator_works=no"]):
            done = subprocess.run([*map(str, words), *more], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("teams: 3 ranks evaluate a candidate together", done.stdout)
            seconds = float(done.stdout.split("core-hours (")[1].split()[0])
            self.assertGreater(seconds, 0.2)

    def test_plan_of_what_is_too_large_here(self):
        """5,000 images x 10 logits through a network of full size: 64 ranks of 4 GB suffice."""
        config = self.config({"network": {"channels": 16, "cells": 5}, "data": {"source": "gaussian"},
                              "ntk": {"batch": 5000, "outputs": "all"},
                              "run": {"repeats": 1, "metrics": "ntk_frozen", "team": 64, "memory": 3400}})
        done = subprocess.run([str(w) for w in (launch.ASSAY, "plan", config, "--first", 11718, "--count", 1)],
                              capture_output=True, text=True, env=memory.environment(),
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"they are made in [23] blocks of parameters")
        self.assertIn("times: not measured, as one rank alone has no memory for", done.stdout)
        self.assertLess(int(done.stdout.split("--ntasks=64 --mem-per-cpu=")[1].split("M")[0]), 4096)

    def search(self, config, name, *options, ranks):
        self.jobs.append(launch.Job(["search", config, "-o", self.scratch / name, *options], ranks, self.scratch))
        code, text = self.jobs[-1].wait(240)
        self.assertEqual(code, launch.COMPLETE, text)
        with h5py.File(self.scratch / name / "search.h5") as file:
            return file["found/arch"][()].tolist(), file["candidates/kappa"][()]

    def test_searches(self):
        """A search of teams finds what one of single ranks does, whatever the number of teams."""
        config = self.config({"network": {"image": 8, "channels": 2}, "ntk": {"batch": 4}, "regions": {"batch": 50, "batches": 1},
                              "run": {"repeats": 1, "precision": "double"}, "search": {"seeds": "0-1"}})
        found, kappa = self.search(config, "alone", ranks=0)
        teams = [self.search(config, f"r{ranks}", "--set", "run.team=2", ranks=ranks) for ranks in (2, 4)]
        self.assertEqual([found, found], [again for again, _ in teams])
        numpy.testing.assert_allclose(teams[0][1], kappa, rtol=1e-7)
        self.assertEqual(teams[0][1].tobytes(), teams[1][1].tobytes())

    def begin(self, ranks):
        journal = self.scratch / "run/journal"
        enough = 8000 + (os.path.getsize(journal) if journal.exists() else 0)
        job = self.start(self.config(LONG), self.scratch / "run", ranks=ranks)
        job.await_event(lambda: journal.exists() and os.path.getsize(journal) >= enough)
        return job

    def test_a_signal_on_any_rank_stops(self):
        for which in (1, 3):  # followers of both teams
            with self.subTest(rank=which):
                job = self.begin(4)
                os.kill(sorted(job.ranks())[-4:][which], signal.SIGTERM)
                code, text = job.wait(60)
                self.assertEqual(code, STOPPED, text)
                self.assertIn("stopped by signal 15", text)

    def test_a_lost_follower_costs_what_was_in_flight(self):
        job = self.begin(4)
        os.kill(sorted(job.ranks())[-4:][3], signal.SIGKILL)
        code, _ = job.wait(60)
        self.assertNotEqual(code, 0)
        text = self.sweep(self.config(LONG), self.scratch / "run", "--set", "run.time_limit=1", ranks=2, expect=STOPPED)
        self.assertRegex(text, r"resuming: [1-9]\d* of")


if __name__ == "__main__":
    launch.main()
