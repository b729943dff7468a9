#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peak.py FILE PROGRAM WORD...: runs it, and leaves the most memory it had resident (KiB) in FILE.RANK."""
import os
import signal
import subprocess
import sys

process = subprocess.Popen(sys.argv[2:])
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, lambda got, frame: process.send_signal(got))
_, status, usage = os.wait4(process.pid, 0)
with open(f"{sys.argv[1]}.{os.environ.get('OMPI_COMM_WORLD_RANK', '0')}", "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
