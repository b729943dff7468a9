#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""1,000 networks in files, swept on 1, 2 and 3 ranks and by a run that is killed again and again: equal to the bit.

usage: soak_onnx.py ASSAY; ASSAY_NETWORKS=N asks for another number. It takes minutes, so that no suite runs it.
"""
import os
import pathlib
import struct
import sys
import time

import launch
from launch import CHEAP

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "onnx"))
import write  # noqa: E402

NETWORKS = int(os.environ.get("ASSAY_NETWORKS", "1000"))
SHAPES = [(c, k, d) for c in range(4, 72) for k in (1, 3, 5) for d in range(1, 6)][:NETWORKS]
SETTINGS = {**CHEAP, "space": {"name": "onnx"}, "network": {"image": 8, "classes": 5}, "data": {"source": "gaussian"},
            "run": {"repeats": 1, "metrics": "ntk,cost", "checkpoint": 1}}


class Soak(launch.SweepTest):
    def test_thousand(self):
        config, nets = self.config(SETTINGS), self.scratch / "nets"
        nets.mkdir()
        for shape in SHAPES:
            (nets / ("c%dk%dd%d.onnx" % shape)).write_bytes(write.chain(*shape))
        whole = [self.scratch / f"{ranks}" for ranks in (1, 2, 3)]
        for ranks, directory in enumerate(whole, 1):
            start = time.monotonic()
            self.sweep(config, directory, "--archs", nets, ranks=ranks, timeout=1800)
            print(f"{ranks} ranks: {time.monotonic() - start:.1f} s, journal {(directory / 'journal').stat().st_size} bytes")
        killed, journal = self.scratch / "killed", self.scratch / "killed/journal"
        data = (whole[0] / "journal").read_bytes()
        head = 48 + sum(struct.unpack_from("QQ", data, 24))
        for part in (0.1, 0.3, 0.5, 0.7):
            job = self.start(config, killed, "--archs", nets, ranks=2)
            job.await_event(lambda: journal.exists() and journal.stat().st_size > head + part * (len(data) - head))
            job.kill()
            print(f"killed with {(journal.stat().st_size - head) / (len(data) - head):.0%} of the records")
        text = self.sweep(config, killed, "--archs", nets, ranks=2, timeout=1800)
        self.assertIn("resuming", text)
        for directory in (*whole[1:], killed):
            self.assertSame(whole[0], directory)


if __name__ == "__main__":
    launch.main()
