#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets single calls of the program fail, one run for each: every failure ends the job with a message, nothing that is half
written is left, and the same command then gives the undisturbed result.

usage: test_inject.py ASSAY INJECT [--all] [unittest arguments]: about ten calls of each kind, or all of them
"""
import collections
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "mpi"))
import launch  # noqa: E402

HANGS = 120  # seconds; a net, not a measure
ALL = False
ASSAY = INJECT = None
SWEEP = {
    "space": {"name": "nas-bench-201"},
    "candidates": {"sample": 6, "seed": 1},
    "network": {"image": 8},
    "ntk": {"batch": 4},
    "nasi": {"batch": 4},
    "regions": {"batch": 20, "batches": 1},
    "run": {"repeats": 2, "metrics": "ntk,nasi,regions,cost", "checkpoint": 0.001},
}
SEARCH = {**SWEEP, "candidates": {}, "search": {"method": "tenas, random", "seeds": "0", "samples": 3, "baseline": "false"},
          "run": {"repeats": 1, "checkpoint": 0.001}}
# What fails beside memory, and why.
WRITING = {"write": errno.ENOSPC, "rename": errno.EACCES, "sync": errno.EIO, "open": errno.EMFILE,
           "truncate": errno.EIO, "mkdir": errno.ENOSPC, "lock": errno.ENOLCK, "close": errno.EIO,
           "read": errno.EIO, "stat": errno.EIO, "unlink": errno.EACCES}


class Run:
    def __init__(self, command, scratch, environment, hangs=HANGS):
        start = time.monotonic()
        process = subprocess.Popen([str(c) for c in command], env=environment, cwd=scratch, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.hung = False
        try:
            out, err = process.communicate(timeout=hangs)
        except subprocess.TimeoutExpired:
            self.hung = True
            for pid in [*launch.descendants(process.pid), process.pid]:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            out, err = process.communicate()
        self.code, self.out, self.err = process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
        self.seconds = time.monotonic() - start


class Verb:
    """What is run ("DIR" among the words: its directory), what is there before, and what it makes: a file in the directory,
    or None: text."""

    def __init__(self, *words, makes=None, before=lambda directory: None, ranks=0, rank=None):
        self.words, self.makes, self.before, self.ranks, self.rank = words, makes, before, ranks, rank


def some(n, most):
    """Of 1 to n at most so many, spread over all."""
    return range(1, n + 1) if ALL or n <= most else sorted({1 + i * (n - 1) // (most - 1) for i in range(most)})


class Injected(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="assay-inject-"))
        self.addCleanup(shutil.rmtree, self.scratch)
        self.directory, self.log = self.scratch / "run", self.scratch / "log"
        self.environment = {k: v for k, v in os.environ.items() if not launch.LAUNCHER_VARIABLES.match(k)}
        self.environment.update(launch.ENVIRONMENT, TMPDIR=str(self.scratch),
                                OMPI_MCA_btl_vader_backing_directory=str(self.scratch))
        self.failures, self.ends, self.slowest = collections.Counter(), collections.Counter(), 0.0

    def tearDown(self):
        figures = ", ".join(f"{n} of {op}" + f" in {caller}" * (caller != "program")
                            for (caller, op), n in self.failures.items())
        print(f"\n  failures: {figures or 'none'}; exit codes: {dict(self.ends)}; slowest {self.slowest:.1f} s ", end="",
              file=sys.stderr, flush=True)

    # ---- one run ----
    def run_verb(self, verb, **inject):
        """inject: the injector's variables in lower case; none: undisturbed."""
        self.log.unlink(missing_ok=True)
        environment = {f"INJECT_{name.upper()}": str(value) for name, value in inject.items() if value is not None}
        if inject:
            environment["INJECT_LOG"] = str(self.log)
        if inject and verb.rank is not None:
            environment["INJECT_RANK"] = str(verb.rank)
        command = [self.directory if word == "DIR" else word for word in verb.words]
        preload = ["env", f"LD_PRELOAD={INJECT}"] if inject else []
        launcher = ["mpirun", "-n", verb.ranks] if verb.ranks else []
        return Run([*launcher, *preload, ASSAY, *command], self.scratch, {**self.environment, **environment})

    def afresh(self, verb):
        shutil.rmtree(self.directory, ignore_errors=True)
        verb.before(self.directory)

    def made(self, verb, run):
        """What stands there after a run: None when nothing does. An error when it is no whole file."""
        if not verb.makes:
            return [line for line in run.out.splitlines() if not line.startswith("CPU time")]
        path = self.directory / verb.makes
        return launch.contents(path) if path.exists() else None

    def undisturbed(self, verb):
        self.afresh(verb)
        run = self.run_verb(verb)
        self.assertEqual(run.code, 0, run.err)
        return self.made(verb, run)

    def calls(self, verb, op, caller):
        self.afresh(verb)
        run = self.run_verb(verb, op=op, caller=caller)
        self.assertEqual(run.code, 0, run.err)
        return int(self.log.read_text().split()[-1])

    # ---- what must hold ----
    def judge(self, verb, run, why, whole):
        """What is wrong with a disturbed run, or None."""
        if run.hung:
            return "hangs"
        if run.code not in (0, 1) or "on signal" in run.err:
            return f"ends with {run.code}"
        told = [line for line in run.err.splitlines() if line.startswith("assay: ")]
        if run.code and not any(why in line for line in told):
            return f"does not say '{why}'"
        try:
            made = self.made(verb, run)
        except Exception as error:  # whatever a damaged file makes of h5py
            return f"leaves a damaged {verb.makes}: {error}"
        return "is complete with another result" if not run.code and made != whole else None

    def rerun(self, verb, whole):
        again = self.run_verb(verb)
        if again.code or self.made(verb, again) != whole:
            return f"does not go on: {again.err}"
        left = [name for name in os.listdir(self.directory) if ".tmp-" in name]
        return f"leaves {left}" if left else None

    def disturb(self, verb, whole, op, at, caller="program", sticky=None):
        why = WRITING.get(op)
        self.afresh(verb)
        run = self.run_verb(verb, op=op, at=at, caller=caller, sticky=sticky, errno=why)
        told = self.log.read_text() if self.log.exists() else ""
        if not told.startswith(op):  # between ranks the number of calls is not always the same
            self.assertEqual(run.code, 0, run.err)
            return
        self.failures[caller, op] += 1
        self.ends[run.code] += 1
        self.slowest = max(self.slowest, run.seconds)
        # HDF5 does not tell why it failed; and some calls matter for what they would have found.
        told_why = caller == "program" and op not in ("stat", "close", "unlink")
        said = "" if not told_why else os.strerror(why) if why else "memory"
        fault = self.judge(verb, run, said, whole)
        if not fault and verb.makes:
            fault = self.rerun(verb, whole)
        self.assertIsNone(fault, f"{told.splitlines()[0]}\n{run.err}")

    def sweep_over(self, verb, most, ops=("memory",), caller="program", sticky=None):
        whole = self.undisturbed(verb)
        for op in ops:
            for at in some(self.calls(verb, op, caller), most):
                with self.subTest(op=op, at=at, caller=caller, sticky=bool(sticky)):
                    self.disturb(verb, whole, op, at, caller, sticky)


class Prepared(Injected):
    """With a sweep that is done, one that is half done, its two shards, and accuracies."""

    def setUp(self):
        super().setUp()
        self.sweep, self.search = self.write("sweep.ini", SWEEP), self.write("search.ini", SEARCH)
        self.done = self.scratch / "done"

    def write(self, name, settings):
        path = self.scratch / name
        path.write_text(launch.ini(settings))
        return path

    def assay(self, *words):
        subprocess.run([ASSAY, *map(str, words)], env=self.environment, check=True, capture_output=True)

    def make_done(self):
        self.assay("sweep", self.sweep, "-o", self.done)
        return self.done / "results.h5"

    def copy_of(self, directory, *without):
        def before(to):
            shutil.copytree(directory, to)
            for name in without:
                (to / name).unlink()
        return before


class OneRank(Prepared):
    def verb(self, *words, **more):
        """Memory, in the program and within HDF5, once and for good; then all that touches files."""
        verb = Verb(*words, **more)
        self.sweep_over(verb, 10)
        self.sweep_over(verb, 3, sticky=1)
        self.sweep_over(verb, 2, ops=WRITING)
        return verb

    def test_sweep(self):
        self.verb("sweep", self.sweep, "-o", "DIR", makes="results.h5")

    def test_resume(self):
        """Of a journal with a torn tail."""
        self.make_done()
        journal = (self.done / "journal").read_bytes()
        (self.done / "journal").write_bytes(journal[:len(journal) * 3 // 4])
        self.verb("sweep", self.sweep, "-o", "DIR", makes="results.h5", before=self.copy_of(self.done))

    def test_merge(self):
        parts = [self.scratch / "one", self.scratch / "two"]
        for i, part in enumerate(parts):
            self.assay("sweep", self.sweep, "-o", part, "--shard", f"{i + 1}/2")
        self.verb("merge", *parts, "-o", "DIR", makes="results.h5")

    def test_pack(self):
        self.make_done()
        verb = self.verb("pack", "DIR", makes="results.h5", before=self.copy_of(self.done, "results.h5"))
        self.sweep_over(verb, 10, caller="libhdf5")

    def test_search(self):
        self.verb("search", self.search, "-o", "DIR", makes="search.h5")

    def test_rank(self):
        verb = self.verb("rank", self.make_done())
        self.sweep_over(verb, 10, caller="libhdf5")
        self.sweep_over(verb, 3, ops=("open", "read", "close"), caller="libhdf5")

    def test_correlate(self):
        results, truth = self.make_done(), self.scratch / "truth.csv"
        with launch.h5py.File(results) as file:
            archs = [arch.decode() for arch in file["table/arch"][()]]
        truth.write_text("arch,test_accuracy\n" + "".join(f"{a},{90 + i * i % 7}\n" for i, a in enumerate(archs)))
        self.verb("correlate", results, "--truth", truth, "--bootstrap", 10)

    def test_eval(self):
        self.verb("eval", "nas-bench-201", 7388, "-c", self.sweep)

    def test_eval_of_darts(self):
        self.sweep_over(Verb("eval", "darts", 7388, "-c", self.sweep), 5)
        self.sweep_over(Verb("eval", "darts", "--supernet", "full", "-c", self.sweep), 5)

    def test_search_by_nasi(self):
        nasi = self.write("nasi.ini", {**SEARCH, "search": {"method": "nasi", "seeds": "0", "steps": 2}})
        self.sweep_over(Verb("search", nasi, "-o", "DIR", makes="search.h5"), 5)

    def test_address_space(self):
        """What a limit leaves is enough, or the cause of a message: also for threads of a BLAS that would start some."""
        self.environment["OPENBLAS_NUM_THREADS"] = "4"
        codes = collections.Counter()
        for mib in range(90, 900, 20 if ALL else 90):
            limited = ["prlimit", f"--as={mib << 20}", ASSAY]
            if Run([*limited, "--version"], self.scratch, self.environment, hangs=20).hung:
                with self.subTest(mib=mib):  # OpenBLAS 0.3.29 asks for memory for ever while it is loaded
                    self.skipTest(f"the libraries do not load in {mib} MiB")
                continue
            for words in (("eval", "nas-bench-201", 7388, "-c", self.sweep), ("sweep", self.sweep, "-o", self.directory)):
                run = Run([*limited, *words], self.scratch, self.environment)
                with self.subTest(mib=mib, verb=words[0]):
                    self.assertFalse(run.hung, run.err)
                    self.assertTrue(run.code == 0 or run.err)
                    if words[0] == "eval":  # without MPI, which has ends of its own
                        self.assertIn(run.code, (0, 1, 127), run.err)  # 127: the loader's
                codes[run.code] += 1
        self.ends = codes
        self.assertTrue(codes[0] and codes[1], codes)


class Ranks(Prepared):
    """Memory on one rank of several."""

    def rank(self, rank, most, *words, ranks=3, makes="results.h5"):
        self.sweep_over(Verb(*words, "-o", "DIR", makes=makes, ranks=ranks, rank=rank), most)

    def test_sweep_coordinator(self):
        self.rank(0, 5, "sweep", self.sweep)

    def test_sweep_worker(self):
        self.rank(1, 10, "sweep", self.sweep)

    def test_search_coordinator(self):
        self.rank(0, 5, "search", self.search, makes="search.h5")

    def test_search_worker(self):
        self.rank(1, 10, "search", self.search, makes="search.h5")

    def test_team(self):
        for rank in (0, 1):
            self.rank(rank, 3, "sweep", self.sweep, "--set", "run.team=3")

    def test_second_team(self):
        for rank in (2, 3):
            self.rank(rank, 2, "sweep", self.sweep, "--set", "run.team=2", ranks=4)


if __name__ == "__main__":
    if len(sys.argv) < 3 or not os.access(sys.argv[1], os.X_OK) or not os.path.exists(sys.argv[2]):
        sys.exit(__doc__)
    ASSAY, INJECT = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(2))
    ALL = "--all" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--all"]
    unittest.main(verbosity=2)
