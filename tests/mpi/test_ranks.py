#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same numbers, bit for bit, for any number of ranks and any division of the work."""
import collections
import os
import re
import shutil
import subprocess

import h5py
import numpy

import launch
from launch import CHEAP, COMPLETE, FAILED_CANDIDATES


class Ranks(launch.SweepTest):
    def test_same_for_any_number_of_ranks(self):
        config = self.config(CHEAP)
        alone = self.scratch / "alone"
        self.sweep(config, alone, "--sample", 250, ranks=0)
        for ranks in (1, 2, 3, 5):
            with self.subTest(ranks=ranks):
                directory = self.scratch / f"ranks{ranks}"
                self.sweep(config, directory, "--sample", 250, ranks=ranks)
                self.assertSame(alone, directory)
        count = collections.Counter(launch.statuses(alone / "results.h5"))
        self.assertGreater(count["ok"], 200)
        self.assertNotIn("unfinished", count)
        with h5py.File(self.scratch / "ranks3/results.h5") as file:
            self.assertEqual(set(file["run/rank"][()]), {0, 1, 2}, "some rank did nothing")

    def test_hidden_kernels_of_blas_are_said(self):
        one = ("--first", 7777, "--count", 1)
        text = self.sweep(self.config(CHEAP), self.scratch / "slow", *one, ranks=0, extra={"OPENBLAS_CORETYPE": "Prescott"})
        if re.search(r"flags\b.*\bavx2\b", open("/proc/cpuinfo").read()) and "OpenBLAS" in text:
            self.assertIn("OPENBLAS_CORETYPE makes BLAS use its kernels for Prescott", text)
        text = self.sweep(self.config(CHEAP), self.scratch / "fast", *one, ranks=0)
        self.assertNotIn("OPENBLAS_CORETYPE", text)

    def test_repeats_are_tasks_where_ranks_are_many(self):
        """16 tasks and more for each rank go out whole, fewer repeat by repeat: to several ranks, with equal results."""
        config = self.config(CHEAP | {"run": {"repeats": 5}})
        self.sweep(config, self.scratch / "alone", "--first", 7000, "--count", 40, ranks=0)
        for ranks in (2, 3, 5):
            self.sweep(config, self.scratch / f"cut{ranks}", "--first", 7000, "--count", 40, ranks=ranks)
            self.assertSame(self.scratch / "alone", self.scratch / f"cut{ranks}")
        one = ("--first", 7777, "--count", 1)
        self.sweep(config, self.scratch / "one", *one, ranks=0)
        self.sweep(config, self.scratch / "one5", *one, ranks=5)
        self.assertSame(self.scratch / "one", self.scratch / "one5")

    def test_coordinator_may_only_coordinate(self):
        config = self.config(CHEAP)
        self.sweep(config, self.scratch / "a", "--sample", 60)
        text = self.sweep(config, self.scratch / "b", "--sample", 60, "--set", "run.coordinator_works=no")
        self.assertIn("rank 0 only coordinates", text)
        self.assertSame(self.scratch / "a", self.scratch / "b")
        with h5py.File(self.scratch / "b/results.h5") as file:
            self.assertEqual(set(file["run/rank"][()]), {1})

    def test_placement_is_told(self):
        """One BLAS thread per rank by itself; more ranks than CPUs are warned of."""
        config = self.config(CHEAP)
        self.addCleanup(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        one = self.sweep(config, self.scratch / "one", "--sample", 20, ranks=1)
        two = self.sweep(config, self.scratch / "two", "--sample", 20, ranks=2)
        self.assertRegex(one, r"1 rank computes on 1 CPU of \S+, not bound; 1 BLAS thread a rank: \S")
        self.assertRegex(two, r"2 ranks compute on 1 CPU of \S+, not bound; 1 BLAS thread a rank: \S")
        self.assertNotIn("slow each other down", one)
        self.assertRegex(two, r"warning: 2 ranks share 1 CPU of \S+ and slow each other down")

    def test_many_without_a_launcher_at_once(self):
        """Each has its own directory for MPI's files, and takes it away."""
        config = self.config({"run": {"metrics": "null"}})
        for turn in range(4):
            jobs = [self.start(config, self.scratch / f"{turn}-{i}", "--count", 3, ranks=0) for i in range(6)]
            for job in jobs:
                code, text = job.wait()
                self.assertEqual(code, COMPLETE, text)
        self.assertEqual(list(self.scratch.glob("assay-mpi.*")), [])

    def test_whole_space_streams(self):
        """The null metric on all 15,625: what the coordinator itself costs."""
        config = self.config({"run": {"metrics": "null"}})
        for ranks in (0, 2, 5):
            text = self.sweep(config, self.scratch / f"n{ranks}", "--members", ranks=ranks, expect=COMPLETE)
            self.assertIn("complete: 15625 done, 0 failed", text)
            self.assertSame(self.scratch / "n0", self.scratch / f"n{ranks}")

    def test_classes_share_and_members_do_not(self):
        """Members share their class's values; evaluated by themselves they draw their own weights, by edge."""
        config = self.config(CHEAP)
        shared, each = self.scratch / "shared", self.scratch / "each"
        cells = ("--first", 3900, "--count", 150)  # among them convolutions on other edges than their class's
        self.sweep(config, shared, *cells)
        self.sweep(config, each, *cells, "--members")
        with h5py.File(shared / "results.h5") as a, h5py.File(each / "results.h5") as b:
            group = a["table/class"][()]
            self.assertLess(len(set(group)), 150)
            numpy.testing.assert_array_equal(b["table/class"][()], b["table/index"][()])
            for name in ("kappa", "trace", "regions"):
                values = a["table/" + name][()]
                for one in set(group):
                    self.assertEqual(len({v.tobytes() for v in values[group == one]}), 1)
            trace, members = a["table/trace"][()], b["table/trace"][()]
            numpy.testing.assert_array_equal(numpy.isnan(trace), numpy.isnan(members))
            own = group == a["table/index"][()]
            self.assertTrue(own.any())
            numpy.testing.assert_array_equal(trace[own], members[own])
            live = ~own & ~numpy.isnan(trace)
            self.assertGreater(abs(members[live] / trace[live] - 1).max(), 0.01, "no member was evaluated by itself")

    def test_candidates_from_a_file(self):
        config = self.config(CHEAP)
        archs = self.scratch / "archs.txt"
        ops = "nor_conv_1x1 avg_pool_3x3 nor_conv_3x3".split()
        cells = [f"|{a}~0|+|{b}~0|none~1|+|skip_connect~0|{a}~1|{b}~2|" for a in ops for b in ops]
        archs.write_text("# nine of them\n\n" + "\n".join(f"  {cell}  # a comment" for cell in cells + cells[:2]))
        self.sweep(config, self.scratch / "run", "--archs", archs, expect=(COMPLETE, FAILED_CANDIDATES))
        with h5py.File(self.scratch / "run/results.h5") as file:
            self.assertEqual(sorted(a.decode() for a in file["table/arch"][()]), sorted(cells))
            index = file["table/index"][()]
            self.assertTrue((index[1:] > index[:-1]).all())
        archs.unlink()
        before = launch.contents(self.scratch / "run/results.h5")
        (self.scratch / "run/results.h5").unlink()
        subprocess.run([launch.ASSAY, "pack", self.scratch / "run"], check=True, stderr=subprocess.DEVNULL)
        self.assertEqual(before, launch.contents(self.scratch / "run/results.h5"))

    def test_sample_is_a_subset_without_repetition(self):
        config = self.config({"run": {"metrics": "null"}})
        seen = []
        for seed in (1, 1, 2):
            directory = self.scratch / f"run{len(seen)}"
            self.sweep(config, directory, "--first", 1000, "--count", 500, "--sample", 400, "--seed", seed, ranks=0)
            with h5py.File(directory / "results.h5") as file:
                seen.append(file["table/index"][()].tolist())
        for index in seen:
            self.assertEqual(index, sorted(set(index)))
            self.assertEqual(len(index), 400)
            self.assertTrue(1000 <= index[0] and index[-1] < 1500)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0], seen[2])


class Launching(launch.SweepTest):
    def test_singletons_are_refused(self):
        config = self.config({"run": {"metrics": "null"}})
        for name, value in {"SLURM_NTASKS": "4", "PMI_SIZE": "2", "OMPI_COMM_WORLD_SIZE": "3", "PMIX_SIZE": "2",
                            "SLURM_STEP_NUM_TASKS": "2"}.items():
            with self.subTest(variable=name):
                self.refused(config, self.scratch / "run", ranks=0, extra={name: value, "SLURM_STEP_ID": "0"},
                             says=(f"{name}={value}", "srun --mpi=pmix", "mpirun"))
        self.assertFalse((self.scratch / "run").exists())
        self.sweep(config, self.scratch / "run", ranks=1, expect=COMPLETE,
                   extra={"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"})

    def test_a_batch_script_of_several_tasks_is_one_process(self):
        self.sweep(self.config({"run": {"metrics": "null"}}), self.scratch / "run", ranks=0, expect=COMPLETE,
                   extra={"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"})

    def test_only_assay_speaks(self):
        """Whatever the machine's networks are: Open MPI warns of those that puzzle it unless told to leave them alone."""
        networks = dict.fromkeys(name for name in launch.ENVIRONMENT if re.match("OMPI_MCA_(btl|pml|oob)", name))
        for ranks in (0, 1, 2):
            text = self.sweep(self.config(CHEAP), self.scratch / f"run{ranks}", "--count", 2, ranks=ranks, extra=networks)
            self.assertEqual([line for line in text.splitlines() if not line.startswith("assay: ")], [])

    def test_ranks_of_different_configurations_are_refused(self):
        one, other = self.config(CHEAP, "one.ini"), self.config({**CHEAP, "ntk": {"batch": 7}}, "other.ini")
        parts = [[launch.ASSAY, "sweep", c, "-o", self.scratch / "run"] for c in (one, other)]
        self.refused(one, self.scratch / "run", parts=parts, says=("rank 1", "another configuration"))

    def test_ranks_of_different_scores_are_told_which(self):
        first, second = {"a": "kappa", "b": "regions"}, {"a": "kappa", "b": "2*regions"}
        one, other = self.config({**CHEAP, "score": first}, "one.ini"), self.config({**CHEAP, "score": second}, "other.ini")
        parts = [[launch.ASSAY, "sweep", c, "-o", self.scratch / "run"] for c in (one, other)]
        self.refused(one, self.scratch / "run", parts=parts, says=("score.b = 2*regions, not regions",))

    def test_ranks_of_different_commands_are_refused(self):
        """By all of them, whatever comes first of it, before anything is written."""
        config, directory = self.config(CHEAP), self.scratch / "run"
        sweep = ["sweep", config, "-o", directory]
        others = {
            "candidates.archs = ": [*sweep, "--archs", self.scratch / "archs"],
            "run.team = 2, not 1": [*sweep, "--set", "run.team=2"],
            "run.memory = 5000, not 0": [*sweep, "--memory", "5000"],
            "run.coordinator_works = no, not auto": [*sweep, "--set", "run.coordinator_works=no"],
            "`assay sweep --dry-run`": [*sweep, "--dry-run"],
            "`assay search`": ["search", config, "-o", directory],
            "`assay plan`": ["plan", config],
            "`assay list`": ["list", "spaces"],
            "`assay sweep --help`": ["sweep", "--help"],
            "`assay --version`": ["--version"],
            "`assay nonesuch`": ["nonesuch"],
        }
        for says, other in others.items():
            with self.subTest(other=says):
                parts = [[launch.ASSAY, *sweep], [launch.ASSAY, *other]]
                self.refused(config, directory, parts=parts, says=("rank 1", says))
        with self.subTest("the other way round"):
            parts = [[launch.ASSAY, "list", "spaces"], [launch.ASSAY, *sweep]]
            self.refused(config, directory, parts=parts, says=("rank 1", "`assay sweep`", "`assay list`"))
        self.assertFalse(directory.exists())

    def test_a_wrapper_may_call_the_program(self):
        """On one rank even, when the verb is not a parallel one."""
        config, directory = self.config({"run": {"metrics": "null"}}), self.scratch / "run"
        assay, sweep = launch.ASSAY, launch.shlex.join(map(str, ("sweep", config, "-o", directory)))
        script = f"[ $OMPI_COMM_WORLD_RANK = 0 ] && {assay} list spaces; {assay} {sweep}; code=$?; exit $code"
        job = launch.Job(["-c", script], 2, self.scratch, program="sh")
        self.jobs.append(job)
        code, text = job.wait()
        self.assertEqual(code, COMPLETE, text)
        self.assertIn("2 ranks on 1 host", text)

    def test_ranks_of_different_builds_are_refused(self):
        config = self.config(CHEAP)
        copy = self.scratch / "assay"
        shutil.copy(launch.ASSAY, copy)
        with open(copy, "ab") as file:
            file.write(b"\0")
        parts = [[program, "sweep", config, "-o", self.scratch / "run"] for program in (launch.ASSAY, copy)]
        self.refused(config, self.scratch / "run", parts=parts, says=("rank 1", "another build"))


if __name__ == "__main__":
    launch.main()
