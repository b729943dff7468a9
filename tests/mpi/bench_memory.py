#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_memory.py ASSAY: what plans say of the largest rank's memory, beside what it had. Target: within 10 %."""
import pathlib
import sys
import tempfile

import launch
import memory

LARGE = {
    "300,000 images": (2, {"data": {"source": "hdf5", "path": "images.h5:/x"}}, ("--sample", 6)),
    "default, noise": (2, {"data": memory.NOISE}, ("--sample", 12)),
    "C = 16, N = 5": (1, {"data": memory.NOISE, "network": {"channels": 16, "cells": 5}, "ntk": {"batch": 64},
                          "run": {"repeats": 1, "metrics": "ntk_trace"}}, ("--first", 7777, "--count", 1)),
    "4,000 rows, team": (2, {**memory.KERNEL, "ntk": {"batch": 400, "outputs": "all"},
                             "run": {**memory.KERNEL["run"], "team": 2}}, ("--first", 7777, "--count", 1)),
}


def main():
    launch.ASSAY = pathlib.Path(sys.argv[1]).resolve()
    worst = 0
    print(f"{'sweep':18} {'ranks':>5} {'plan MiB':>9} {'measured':>9} {'off':>7}   all ranks")
    with tempfile.TemporaryDirectory(prefix="assay-memory-") as name:
        scratch = pathlib.Path(name)
        memory.write_images(scratch / "images.h5", 300000)
        for i, (what, (ranks, settings, options)) in enumerate({**memory.SMALL, **LARGE}.items()):
            config = scratch / f"{i}.ini"
            config.write_text(launch.ini(settings))
            plan, _ = memory.planned(config, ranks, options, scratch)
            peaks = memory.measured(config, ranks, options, scratch, f"run{i}")
            off = plan / max(peaks) - 1
            worst = max(worst, abs(off))
            print(f"{what:18} {ranks or 1:5} {plan:9.1f} {max(peaks):9.1f} {100 * off:+6.1f} %   "
                  + " ".join(f"{p:.1f}" for p in peaks), flush=True)
    print(f"worst: {100 * worst:.1f} %, target 10 %")
    return worst > 0.1


if __name__ == "__main__":
    sys.exit(main())
