#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs `bench_farm` under mpirun on 1, 2 and 3 ranks, and on 2 that speak TCP, as nodes without a fast network
do: bench_farm.py BENCH_FARM."""
import os
import subprocess
import sys
import tempfile

from launch import ENVIRONMENT, LAUNCHER_VARIABLES

environment = {k: v for k, v in os.environ.items() if not LAUNCHER_VARIABLES.match(k)} | ENVIRONMENT
code = 0
SHARED = ENVIRONMENT["OMPI_MCA_btl"]
for ranks, btl in ((1, SHARED), (2, SHARED), (3, SHARED), (2, "self,tcp")):
    print(f"\n{ranks} ranks, {btl}", flush=True)
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as directory:
        words = ["mpirun", "-n", str(ranks), sys.argv[1], directory]
        code |= subprocess.run(words, env=environment | {"OMPI_MCA_btl": btl}, timeout=300).returncode
sys.exit(code)
