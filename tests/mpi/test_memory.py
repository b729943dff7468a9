#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is planned is what a rank takes, and a limit holds before anything is read or written."""
import subprocess

import launch
import memory
from launch import CHEAP

IMAGES = 16000  # 47 MiB
KERNEL = {**CHEAP, "ntk": {"batch": 210, "outputs": "all"}, "run": {"repeats": 1, "metrics": "ntk_frozen", "team": 0}}
TWO = ("--first", 7777, "--count", 2)


class Memory(launch.SweepTest):
    def setUp(self):
        super().setUp()
        memory.write_images(self.scratch / "images.h5", IMAGES)
        self.images = self.config(memory.SMALL["images"][1], "images.ini")

    def ask(self, *words, ranks=0):
        command = [*(["mpirun", "-n", ranks] if ranks else []), launch.ASSAY, *words]
        return subprocess.run([str(w) for w in command], capture_output=True, text=True, cwd=self.scratch,
                              env=memory.environment() | launch.ENVIRONMENT)

    def test_plans_are_true(self):
        """Within 10 % on the machine where the figures come from (the benchmark memory); here others run beside."""
        for name, (ranks, settings, options) in memory.SMALL.items():
            with self.subTest(name):
                config = self.config(settings, f"{name}.ini")
                plan, asked = memory.planned(config, ranks, options, self.scratch)
                peaks = memory.measured(config, ranks, options, self.scratch, name.replace(" ", "-"))
                self.assertLess(abs(plan / max(peaks) - 1), 0.2, f"planned {plan}, measured {peaks}")
                images = 47 * (ranks or 1) if "images" in name and ranks else 0  # once too often for each rank
                self.assertGreater(asked * (ranks or 1), sum(peaks) - images)

    def test_images_over_the_limit(self):
        """They are refused before they are read; ranks of a host share them."""
        self.refused(self.images, self.scratch / "run", "--memory", 60, ranks=0, says=("images.h5:/x", "of 46.", "60 MiB"))
        self.refused(self.images, self.scratch / "run", "--memory", 40, ranks=2, says=("share (2 here)", "40 MiB"))
        self.assertFalse((self.scratch / "run").exists())
        self.sweep(self.images, self.scratch / "run", "--sample", 4, "--memory", 65, ranks=2)
        for words in (("search", self.images, "-o", "found", "--set", "run.memory=60"),
                      ("eval", "nas-bench-201", 7, "-c", self.images, "--memory", 60),
                      ("plan", self.images, "--ntasks", 1, "--set", "run.memory=60"),
                      ("sweep", self.images, "-o", "run", "--dry-run", "--memory", 60)):
            done = self.ask(*words)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("images.h5:/x: images of 46.", done.stderr)
        self.assertFalse((self.scratch / "found").exists())

    def test_dry_run_tells_the_team(self):
        config = self.config(KERNEL, "kernel.ini")
        dry = ("sweep", config, "-o", self.scratch / "run", *TWO, "--dry-run")
        self.assertIn("teams: each rank evaluates candidates of its own (run.team = 0 takes that)", self.ask(*dry).stdout)
        limit = memory.limit_for_team(config, 3, TWO, self.scratch)
        done = self.ask(*dry, "--memory", limit, ranks=3)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("teams: 3 ranks evaluate a candidate together (run.team = 0 takes that)", done.stdout)
        text = self.sweep(config, self.scratch / "tight", *TWO, "--memory", limit, ranks=3)
        self.assertIn("1 team of 3 ranks evaluates", text)
        done = self.ask(*dry, "--memory", limit)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, rf"limit of {limit} MiB .* needs a team of 3 ranks, and this job has 1")
        done = self.ask(*dry, "--memory", 30, ranks=2)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("over the limit of 30 MiB", done.stderr)
        self.assertFalse((self.scratch / "run").exists())


if __name__ == "__main__":
    launch.main()
