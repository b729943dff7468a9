# SPDX-License-Identifier: Apache-2.0
"""Starts, kills and compares sweeps. Every test of this folder is `test_x.py ASSAY [unittest arguments]`."""
import ctypes
import ctypes.util
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import h5py
import numpy

# More ranks than cores, as root, on one machine, quietly; a user's run needs none of it.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # the same for Open MPI 5
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_btl": "self,vader,tcp",
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LSAN_OPTIONS": "exitcode=0",  # Open MPI leaks; of a build with sanitizers only OWN_FAULT counts
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
OWN_FAULT = re.compile(r"^ +#[12] 0x\w+ in .*/src/\w+/\w+\.c:.*|.*runtime error: .*|.*ERROR: AddressSanitizer.*", re.M)
LAUNCHER_VARIABLES = re.compile(r"^(OMPI_COMM|PMI|SLURM|MPI_)")
HANG = 120  # seconds, of a loaded machine
COMPLETE, ERROR, USAGE, FAILED_CANDIDATES, STOPPED = 0, 1, 2, 3, 75
# A cheap network whose sweep is nevertheless not trivial.
CHEAP = {
    "network": {"image": 8},
    "ntk": {"batch": 6},
    "nasi": {"batch": 8},
    "regions": {"batch": 50, "batches": 2},
    "run": {"repeats": 2},
}
ASSAY = None


def ini(settings):
    lines = []
    for section, keys in settings.items():
        lines += [f"[{section}]"] + [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def parent_of(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def descendants(pid):
    parent = {int(p.name): parent_of(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()}
    family = [pid]
    for member in family:
        family += [child for child, its in parent.items() if its == member]
    return family[1:]


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Job:
    """One launch: mpirun with its ranks, or the bare program when ranks is 0."""

    def __init__(self, words, ranks, scratch, extra=None, wrap=(), parts=None, program=None, terminal=None):
        environment = {k: v for k, v in os.environ.items() if not LAUNCHER_VARIABLES.match(k)}
        environment.update(ENVIRONMENT, TMPDIR=str(scratch), OMPI_MCA_btl_vader_backing_directory=str(scratch))
        if not ranks and not parts and "mpirun" not in wrap:
            environment["OMPI_MCA_btl"] = None  # the program's own choice
        environment.update(extra or {})
        environment = {name: value for name, value in environment.items() if value is not None}
        command = [str(w) for w in [*wrap, program or ASSAY, *words]]
        if ranks:
            command = ["mpirun", "-n", str(ranks), *command]
        if parts:
            # Another command for each rank; of `mpirun A : B` with failing programs Open MPI 5 itself crashes.
            cases = [f"{i}) exec {shlex.join(map(str, part))};;" for i, part in enumerate(parts)]
            command = ["mpirun", "-n", str(len(parts)), "sh", "-c",
                       f"case $OMPI_COMM_WORLD_RANK in {' '.join(cases)} esac"]
        self.launched = bool(ranks or parts)
        self.stderr = tempfile.TemporaryFile("w+", dir=scratch)
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": self.stderr}
        if terminal is not None:  # a terminal's end: the job's own, which Ctrl-C interrupts
            streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal, "start_new_session": True,
                       "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
        self.process = subprocess.Popen(command, env=environment, cwd=scratch, **streams)

    def ranks(self):
        return descendants(self.process.pid) if self.launched else [self.process.pid]

    def wait(self, timeout=HANG):
        """Exit code and all of standard error."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"hung for {timeout} s; standard error:\n{self.text()}") from None
        text = self.text()
        fault = OWN_FAULT.search(text)
        if fault:
            raise AssertionError(f"{fault[0]} in\n{text}")
        return code, text

    def await_event(self, happened):
        """Returns once it is true of the running job; how long that takes is the machine's affair."""
        end = time.monotonic() + HANG
        while not happened():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"ended or hung before; standard error:\n{self.text()}")
            time.sleep(0.005)

    def text(self):
        """Standard error so far; the job shares the file's position, so this must not move it."""
        file = self.stderr.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def kill(self):
        """SIGKILL for every process of the job; mpirun is stopped first, so that it starts no more."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGSTOP)
        family = descendants(self.process.pid)
        for pid in [*family, self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        while any(alive(pid) for pid in family):
            time.sleep(0.005)


def contents(path):
    """Everything in a results file that equal runs share: all but the group /run."""
    found = {}

    def visit(name, thing):
        if name == "run" or name.startswith("run/"):
            return
        for key, value in thing.attrs.items():
            if key == "DIMENSION_LIST":  # references, each with one scale
                value = repr([file[scale].name for scale, in value])
            elif key == "REFERENCE_LIST":
                value = repr([(file[data].name, int(axis)) for data, axis in value])
            found[f"{name}@{key}"] = repr(value) if isinstance(value, (str, bytes)) else numpy.asarray(value).tobytes()
        if isinstance(thing, h5py.Dataset):
            data = thing[()]
            found[name] = [bytes(x) for x in data.ravel()] if data.dtype == object else (
                data.dtype.str, data.shape, data.tobytes())

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    return found


def checksum(data, seed=0):
    xxhash = ctypes.CDLL(ctypes.util.find_library("xxhash")).XXH3_64bits_withSeed
    xxhash.restype = ctypes.c_uint64
    return struct.pack("Q", xxhash(bytes(data), ctypes.c_size_t(len(data)), ctypes.c_uint64(seed)))


def forge(journal, edit_identity=bytes, edit_record=bytes, edit_list=bytes):
    """Rewrites a journal with another identity, other records and candidates, all of its checksums right."""
    data = journal.read_bytes()
    record, n_identity, n_extra = struct.unpack_from("QQQ", data, 16)
    identity = edit_identity(data[40:40 + n_identity])
    extra = edit_list(data[40 + n_identity:40 + n_identity + n_extra])
    header = data[:24] + struct.pack("QQ", len(identity), len(extra)) + identity + extra
    forged = header + checksum(header)
    seed = struct.unpack("Q", checksum(header))[0]
    first = 40 + n_identity + n_extra + 8
    for i, at in enumerate(range(first, len(data) - record - 7, record + 8)):
        values = edit_record(data[at:at + record])
        forged += values + checksum(values, (seed + i) % 2**64)
    journal.write_bytes(forged)


def own_arithmetic():
    text = subprocess.run([ASSAY, "--version"], check=True, capture_output=True, text=True).stdout
    return re.search(r"^arithmetic: (\d+)$", text, re.M)[1]


def other_arithmetics():
    """(name, edit, says): identities of builds that compute otherwise, and what is said of each."""
    def replace(what, value):
        return lambda identity: re.sub(rb"\n# %s: \w+\n" % what, value, identity)

    own = f"this build computes by arithmetic {own_arithmetic()}"
    return (("another", replace(b"arithmetic", b"\n# arithmetic: 987\n"), ("was computed by arithmetic 987", own)),
            ("none", replace(b"arithmetic", b"\n"), ("names no arithmetic", own)),
            ("rounding", replace(b"fingerprint", b"\n# fingerprint: 0123456789abcdef\n"),
             ("with the fingerprint 0123456789abcdef", "this build's is ")))


def statuses(path):
    with h5py.File(path) as file:
        return [s.decode() for s in file["table/status"][()]]


class SweepTest(unittest.TestCase):
    RANKS = 2  # unless a test says otherwise

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="assay-mpi-"))
        self.jobs = []

    def tearDown(self):
        for job in self.jobs:
            if job.process.poll() is None:
                job.kill()
            job.stderr.close()
        shutil.rmtree(self.scratch)

    def config(self, settings, name="sweep.ini"):
        path = self.scratch / name
        path.write_text(ini(settings))
        return path

    def start(self, config, directory, *options, ranks=None, **keywords):
        ranks = self.RANKS if ranks is None else ranks
        job = Job(["sweep", config, "-o", directory, *options], ranks, self.scratch, **keywords)
        self.jobs.append(job)
        return job

    def sweep(self, config, directory, *options, ranks=None, expect=(COMPLETE, FAILED_CANDIDATES), timeout=HANG,
              **keywords):
        code, text = self.start(config, directory, *options, ranks=ranks, **keywords).wait(timeout)
        self.assertIn(code, expect if isinstance(expect, tuple) else (expect,), text)
        return text

    def refused(self, *words, says, expect=ERROR, **keywords):
        """A sweep that ends with an error and a text that holds every part of `says`."""
        text = self.sweep(*words, expect=expect, **keywords)
        for part in says:
            self.assertIn(part, text)
        return text

    def assertSame(self, one, other):
        a, b = contents(one / "results.h5"), contents(other / "results.h5")
        self.assertEqual(a.keys(), b.keys())
        self.assertEqual([name for name in a if a[name] != b[name]], [])


def main():
    global ASSAY
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(f"usage: {sys.argv[0]} ASSAY [unittest arguments]")
    ASSAY = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(module="__main__", verbosity=2)
