#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_kernel.py PROGRAM [IMAGES...]: large kernels on teams of 1, 2 and 4 ranks."""
import os
import subprocess
import sys

import launch

program, *images = sys.argv[1:]
for n, ranks in [(int(n), ranks) for n in images or (250, 1000) for ranks in (1, 2, 4)]:
    subprocess.run(["mpirun", "-n", str(ranks), program, str(n)], check=True, stdin=subprocess.DEVNULL,
                   env=os.environ | launch.ENVIRONMENT)
