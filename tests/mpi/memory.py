# SPDX-License-Identifier: Apache-2.0
"""Sweeps of different kinds: what `assay plan` says of a rank's memory, and what the largest rank really had."""
import os
import pathlib
import re
import subprocess
import sys

import launch

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = {"network": {"image": 8}, "data": {"source": "gaussian"},
          "run": {"repeats": 1, "metrics": "ntk_frozen"}}
NOISE = {"source": "gaussian"}
# Name: ranks, settings, options. Images are made by write_images.
SMALL = {
    "images": (2, {"data": {"source": "hdf5", "path": "images.h5:/x"}, "ntk": {"batch": 8}, "nasi": {"batch": 8},
                   "run": {"repeats": 2}}, ("--sample", 6)),
    "images alone": (0, {"data": {"source": "hdf5", "path": "images.h5:/x"}, "ntk": {"batch": 8},
                         "run": {"repeats": 1, "metrics": "ntk,cost"}}, ("--sample", 4)),
    "kernel": (1, {**KERNEL, "ntk": {"batch": 120, "outputs": "all"}}, ("--first", 7777, "--count", 1)),
    "team": (2, {**KERNEL, "ntk": {"batch": 150, "outputs": "all"}, "run": {**KERNEL["run"], "team": 2}},
             ("--first", 7777, "--count", 1)),
    "records": (2, {"data": NOISE, "run": {"metrics": "cost"}}, ()),
    "darts": (2, {"space": {"name": "darts"}, "data": NOISE, "ntk": {"batch": 14}, "run": {"repeats": 1, "metrics": "ntk"}},
              ("--sample", 4)),
}


def write_images(path, n, side=32):
    pixels = launch.numpy.random.default_rng(0).integers(0, 256, (1000, 3, side, side), dtype="u1")
    with launch.h5py.File(path, "w") as file:
        images = file.create_dataset("x", (n, 3, side, side), "u1", chunks=(1000, 3, side, side))
        for first in range(0, n, 1000):
            images[first:first + 1000] = pixels[:n - first]


def environment():
    """Without what fills memory that nobody has touched."""
    return {k: v for k, v in os.environ.items() if k != "MALLOC_PERTURB_" and not launch.LAUNCHER_VARIABLES.match(k)}


def planned(config, ranks, options, scratch):
    """MiB of a rank, and of the suggestion."""
    words = [launch.ASSAY, "plan", config, *options, "--seconds", 0, "--ntasks", ranks or 1]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=scratch, env=environment())
    if done.returncode:
        raise AssertionError(done.stderr)
    return (float(re.search(r"memory: at most ([\d.]+) MiB on a rank", done.stdout)[1]),
            int(re.search(r"--mem-per-cpu=(\d+)M", done.stdout)[1]))


def limit_for_team(config, size, options, scratch):
    """MiB with which a candidate fits into a team of this size, and not into a smaller one."""
    needs = []
    for team in (size - 1, size):
        words = [launch.ASSAY, "sweep", config, "-o", scratch / "nowhere", *options, "--dry-run", "--set", f"run.team={team}"]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=True, env=environment())
        needs.append(float(re.search(r"memory: at most ([\d.]+) MiB on a rank", done.stdout)[1]))
    return int(sum(needs) / 2)


def measured(config, ranks, options, scratch, directory):
    """MiB of each rank at its peak."""
    peak = scratch / f"{directory}.peak"
    job = launch.Job(["sweep", config, "-o", scratch / directory, "--quiet", *options], ranks, scratch,
                     wrap=[sys.executable, HERE / "peak.py", peak], extra={"MALLOC_PERTURB_": "0"})
    code, text = job.wait(600)
    job.stderr.close()
    if code not in (launch.COMPLETE, launch.FAILED_CANDIDATES):
        raise AssertionError(text)
    return [int(pathlib.Path(f"{peak}.{rank}").read_text()) / 1024 for rank in range(ranks or 1)]
