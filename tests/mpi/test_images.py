#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ranks of a host hold one copy of the images, which one of them reads; its errors are everyone's."""
import pathlib
import shutil
import subprocess
import sys

import launch
from launch import CHEAP

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
SIDE = 32
IMAGES = 24 * MIB // (3 * SIDE * SIDE)
SMALL = {**CHEAP, "network": {"image": SIDE}, "ntk": {"batch": 4}, "nasi": {"batch": 4}}


class Images(launch.SweepTest):
    RANKS = 3

    def setUp(self):
        super().setUp()
        pixels = launch.numpy.random.default_rng(0).integers(0, 256, (IMAGES, 3, SIDE, SIDE), dtype="u1")
        with launch.h5py.File(self.scratch / "images.h5", "w") as file:
            file["x"] = pixels
            file["labels"] = launch.numpy.arange(IMAGES) % 10
        self.settings = {**SMALL, "data": {"source": "hdf5", "path": "images.h5:/x"}}
        self.images = self.config(self.settings)

    def peaks(self, config, directory, *options, ranks, **keywords):
        """MiB of every rank."""
        file = self.scratch / f"{directory}.peak"
        self.sweep(config, directory, *options, ranks=ranks, wrap=(sys.executable, HERE / "peak.py", file), **keywords)
        return [int(pathlib.Path(f"{file}.{rank}").read_text()) / 1024 for rank in range(ranks or 1)]

    def test_one_copy(self):
        alone = self.peaks(self.images, "alone", "--sample", 12, ranks=0)
        together = self.peaks(self.images, "together", "--sample", 12, ranks=3)
        self.assertSame(self.scratch / "alone", self.scratch / "together")
        size = IMAGES * 3 * SIDE * SIDE / MIB
        small = sorted(together)[:2]
        self.assertGreater(alone[0], size)
        self.assertLess(max(small), max(together) - 0.6 * size, together)

    def test_a_team(self):
        options = ("--sample", 4, "--set", "run.metrics=ntk_frozen")
        self.sweep(self.images, self.scratch / "alone", *options, ranks=0)
        self.sweep(self.images, self.scratch / "team", *options, "--set", "run.team=2", ranks=3)
        self.assertEqual(launch.statuses(self.scratch / "alone/results.h5"),
                         launch.statuses(self.scratch / "team/results.h5"))

    def test_a_search(self):
        found = []
        settings = {**self.settings, "search": {"method": "random", "samples": 6}, "run": {"repeats": 1}}
        config = self.config(settings, "search.ini")
        for ranks in (0, 3):
            directory = self.scratch / f"search{ranks}"
            job = launch.Job(["search", config, "-o", directory], ranks, self.scratch)
            self.jobs.append(job)
            code, text = job.wait()
            self.assertEqual(code, launch.COMPLETE, text)
            with launch.h5py.File(directory / "search.h5") as file:
                found.append([file["architectures/index"][()].tolist(), file["architectures/kappa"][()].tolist()])
        self.assertEqual(*found)

    def test_an_error_of_the_one_that_reads(self):
        with launch.h5py.File(self.scratch / "images.h5", "r+") as file:
            file["labels"][IMAGES - 1] = -1
        text = self.refused(self.images, self.scratch / "run", says=(f"label {IMAGES - 1} is -1",))
        self.assertEqual(text.count("assay: "), 1)
        self.assertFalse((self.scratch / "run").exists())
        self.refused(self.images, self.scratch / "run", "--set", "data.path=none.h5:/x", says=("none.h5:/x': no such file",))

    def test_no_place_for_shared_memory(self):
        says = ("no room for the 24.", "No such file or directory", "OMPI_MCA_osc_sm_backing_directory")
        self.refused(self.images, self.scratch / "run", says=says,
                     extra={"OMPI_MCA_osc_sm_backing_directory": str(self.scratch / "none")})
        self.sweep(self.images, self.scratch / "run", "--sample", 2, ranks=0,
                   extra={"OMPI_MCA_osc_sm_backing_directory": str(self.scratch / "none")})

    def test_too_little_shared_memory(self):
        place = self.scratch / "small"
        place.mkdir()
        mount = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=8m none {place} && exec "$@"', "sh"]
        if not shutil.which("unshare") or subprocess.run([*mount, "true"], capture_output=True).returncode:
            self.skipTest("cannot mount a file system of its own")
        self.refused(self.images, self.scratch / "run", ranks=0, parts=None, wrap=[*mount, "mpirun", "-n", "2"],
                     says=("no room for the 24.", "8.0 MiB are free"),
                     extra={"OMPI_MCA_osc_sm_backing_directory": str(place)})


if __name__ == "__main__":
    launch.main()
