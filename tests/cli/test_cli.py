#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Words on the command line: help, usage errors, configuration files, exit codes, full disks.

usage: test_cli.py ASSAY SOURCE_ROOT
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ASSAY = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(sys.argv[2])
VERBS = ["sweep", "plan", "search", "status", "rank", "correlate", "report", "export", "eval", "show", "list", "pack", "join"]
TOPICS = ["spaces", "metrics", "scores", "protocols", "methods", "kernels", "sources", "options"]
CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
NONE = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"

ENV = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_COMM", "PMI", "SLURM"))}
ENV.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl="self,vader",
           OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none",
           PRTE_MCA_rmaps_default_mapping_policy=":oversubscribe", PRTE_MCA_hwloc_default_binding_policy="none",
           OMPI_MCA_btl_vader_single_copy_mechanism="none", OPENBLAS_NUM_THREADS="1")
BROKEN_MPI = dict(ENV, OMPI_MCA_pml="nonesuch", OMPI_MCA_orte_base_help_aggregate="0")  # no MPI_Init succeeds


def run(*words, env=ENV, **more):
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([ASSAY, *words], stderr=subprocess.PIPE, env=env, text=True, timeout=600,
                          stdin=subprocess.DEVNULL, **more)


def unmeasured(text):
    """Without what the program itself has in memory, and the sum; all else is equal from start to start."""
    return re.sub(r"at most [\d.]+ MiB on a rank \(program [\d.]+,", "at most - (program -,", text)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="assay-cli-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def fails(self, code, *words, says=(), **more):
        """The verb ends with code, one line of error that holds every text of says, and no output."""
        p = run(*words, **more)
        self.assertEqual(p.returncode, code, p.stderr)
        self.assertEqual(p.stdout, "")
        self.assertRegex(p.stderr, r"\Aassay: [^\n]+\n\Z")
        for text in says:
            self.assertIn(text, p.stderr)
        return p

    def works(self, *words, **more):
        p = run(*words, **more)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return p.stdout


class Help(Case):
    def test_every_verb_has_help_with_examples(self):
        summary = self.works("--help", env=BROKEN_MPI)
        for verb in VERBS:
            self.assertIn(f"\n  {verb} ", summary)
            for words in ([verb, "--help"], [verb, "some", "--nonsense", "-h"]):
                text = self.works(*words, env=BROKEN_MPI)
                self.assertTrue(text.startswith(f"usage: assay {verb} "), text)
                self.assertIn(f"assay {verb} ", text.split("\nexamples:\n")[1])
                self.assertLessEqual(max(map(len, text.splitlines())), 130)

    def test_version_names_the_parts(self):
        text = self.works("--version", env=BROKEN_MPI)
        self.assertRegex(text, r"\Aassay: \d+\.\d+\.\d+\n")
        for part in ("MPI", "BLAS", "ScaLAPACK", "HDF5"):
            self.assertIn(part.lower(), text.lower())

    def test_lists(self):
        listed = {topic: self.works("list", topic, env=BROKEN_MPI) for topic in TOPICS}
        for text in (" 5044 different networks: ", " 55854 different", " all different", "; Dong and Yang, ICLR 2020\n", "as 64:64:64:64:64\n"):
            self.assertIn(text, listed["spaces"])
        for name in ("ntk", "nasi", "regions", "cost", "kappa"):
            self.assertIn(name, listed["metrics"])
        for name in ("default", "tenas-code", "tenas-paper", "suite-zero", "az-nas", "ntk.batch = 32", "proxies.input = noise"):
            self.assertIn(name, listed["protocols"])
        self.assertEqual(listed["kernels"].count("chosen by auto"), 1)
        self.assertIn("[candidates]", listed["options"])


class Usage(Case):
    def test_no_verb(self):
        p = run()
        self.assertEqual((p.returncode, p.stdout), (2, ""))
        self.assertIn("usage: assay VERB", p.stderr)

    def test_unknown_verb_names_the_nearest(self):
        self.fails(2, "swep", says=["'swep'", "did you mean sweep?"])

    def test_unknown_option_names_the_nearest(self):
        self.fails(2, "show", "nas-bench-201", "1", "--ordr=x", says=["--ordr", "did you mean --order?"])
        self.fails(2, "sweep", "c.ini", "--sampel", "3", says=["--sampel", "did you mean --sample?"])
        self.fails(2, "show", "-z", says=["-z"])
        self.fails(2, "sweep", os.path.join(ROOT, "configs", "nb201-quickstart.ini"), "-o", "", says=["-o DIR is missing or empty"])

    def test_values_of_options(self):
        self.fails(2, "show", "nas-bench-201", "1", "--order", says=["--order needs a value"])
        self.fails(2, "sweep", "c.ini", "--dry-run=yes", says=["--dry-run takes no value"])
        self.fails(2, "sweep", "c.ini", "-o", "a", "--output=b", says=["--output is given twice"])

    def test_number_of_words(self):
        self.fails(2, "show", "nas-bench-201", says=["too few words", "show SPACE"])
        self.fails(2, "show", "nas-bench-201", "1", "2", says=["'2' is one word too many"])
        self.fails(2, "show", "nas-bench-201", "--", "--order", "x", says=["one word too many"])
        self.fails(2, "list", "option", says=["'option'", "options"])

    def test_sweep_needs_a_directory(self):
        self.fails(2, "sweep", self.write("c.ini", ""), says=["-o DIR"])

    def test_seed_without_sample(self):
        self.fails(2, "sweep", self.write("c.ini", ""), "-o", self.path("r"), "--seed", "3",
                   says=["--seed", "--sample", "run.seed"])


class Show(Case):
    def test_published_sizes(self):
        self.assertIn("C=16 N=5    1.531546 M parameters", self.works("show", "nas-bench-201", CONV))
        self.assertIn("C=16 N=5    0.073306 M parameters", self.works("show", "nas-bench-201", NONE))

    def test_index_and_text_agree(self):
        by_index = self.works("show", "nas-bench-201", "4242", env=BROKEN_MPI)
        arch = [s.split()[1] for s in by_index.splitlines() if s.startswith("arch ")][0]
        self.assertEqual(self.works("show", "nas-bench-201", arch), by_index)

    def test_order(self):
        table = self.write("t.csv", f"index,arch\r\n7,{CONV}\r\n\r\n8,\"{NONE}\"\r\n")
        by_index = self.works("show", "nas-bench-201", "8", "--order", table)
        self.assertIn(f"arch        {NONE}\n", by_index)
        self.assertIn(f"its index   8 in {table}\n", by_index)
        self.assertEqual(self.works("show", "nas-bench-201", NONE, f"--order={table}"), by_index)
        self.fails(1, "show", "nas-bench-201", "9", "--order", table, says=[table, "9"])
        self.fails(1, "show", "nas-bench-201", NONE, "--order", self.write("t.csv", f"index,arch\n1,{NONE}\n2,{NONE}\n"),
                   says=[":3: ", "stands on line 2 already"])
        key = self.write("t.csv", f"index,arch,text\n7,x,{CONV}\n8,x,{NONE}\n")
        self.assertEqual(self.works("show", "nas-bench-201", "8", "--order", key, "--key", "text"), by_index)
        self.fails(1, "show", "nas-bench-201", "8", "--order", key, "--key", "name", says=["no column 'name' (--key"])
        self.fails(2, "show", "nas-bench-201", "8", "--key", "text", says=["--key", "--order"])

    def test_bad_order(self):
        bad = {"": "empty", "index,name\n1,2\n": "'arch'", "index,arch\n1\n": ":2: 1 cells, expected 2",
               "index,arch\n1,\"x\n": ":2: a quote", f"index,arch\n1,{NONE}x\n": ":2: ",
               "index,arch\n1,\"x\"y\n": ":2: text after"}
        bad[f"index,arch,index\n1,{NONE},2\n"] = ":1: columns 1 and 3 are both named 'index'"
        bad[f"index,arch\n1,{NONE}\n\n1,{CONV}\n"] = ":4: 1 stands on line 2 already"
        for text, says in bad.items():
            with self.subTest(text=text):
                self.fails(1, "show", "nas-bench-201", "1", "--order", self.write("t.csv", text),
                           says=[self.path("t.csv"), says])
        self.fails(1, "show", "nas-bench-201", "1", "--order", self.path("none.csv"), says=["none.csv"])

    def test_bad_candidates(self):
        self.fails(2, "show", "nas-bench-201", "15625", says=["15625", "15624"])
        self.fails(2, "show", "nas-bench-201", "|nor_conv_5x5~0|", says=["nor_conv_5x5"])
        self.fails(2, "show", "nas-bench-102", "1", says=["nas-bench-102", "nas-bench-201"])


class Plan(Case):
    CHEAP = "[network]\nimage = 8\n[ntk]\nbatch = 6\n[nasi]\nbatch = 8\n[regions]\nbatch = 50\n[run]\nrepeats = 2\n"

    def plan(self, *words):
        return self.works("plan", self.write("c.ini", self.CHEAP), *words)

    def test_tells_tasks_time_memory_and_disk(self):
        text = self.plan("--sample", "60", "--seconds", "0")
        for line in (r"^nas-bench-201: 60 candidates, \d+ to evaluate", r"^memory: at most \d+\.\d MiB on a rank",
                     r"^disk: journal \d+\.\d MiB, results.h5 about", r"^times: 8 candidates measured", r"^work: \S+ core-hours",
                     r"^rank 0: \S+ s before .*, and \S+ s that all ranks share; \S+ s of rows .*; \S+ s to publish", r"^     1 +00:00:0\d .*start-up and publishing$",
                     r"^suggested: --ntasks=\d+ --time=00:03:00 --mem-per-cpu=\d+M$"):
            self.assertRegex(text, re.compile(line, re.M))
        self.assertEqual(os.listdir(self.dir), ["c.ini"])

    def test_tells_the_passes_that_metrics_share(self):
        metrics = "cost,ntk,nasi,regions,grad_norm,snip,jacov,naswot,zico,gradsign,l2_norm,synflow,mgm"
        more = ("--set", "run.metrics=" + metrics, "--set", "proxies.batch=10", "--set", "run.precision=double")
        image = "10 images of proxies.batch, init pytorch"
        passes = ["network, 6 images of ntk.batch, init kaiming-fan-out | kernel of 6 rows in float64: ntk",
                  "network, 8 images of nasi.batch, init kaiming-fan-out | loss in float64: nasi",
                  "thin network, 150 patches of regions.batch x regions.batches, 50 at a time, init kaiming-fan-in | values: regions",
                  f"literal network, {image} | loss in float64: grad_norm snip mgm; values: naswot; sum of logits in float64: jacov",
                  *(f"network, 10 images (part {k} of 2) of proxies.batch, init pytorch | loss in float64: zico" for k in (1, 2)),
                  "network, 10 images of proxies.batch, 1 at a time, init pytorch | loss in float64: gradsign",
                  *(f"network, 1 image of ones, init pytorch, absolute{norms} | sum of logits in float64: synflow"
                    for norms in (", no BN", ", BN in reduction blocks", ""))]
        for text in (self.plan("--count", "2", "--seconds", "0", *more),
                     run("sweep", self.path("c.ini"), "--count", "2", "-o", self.path("run"), *more).stderr):
            told = re.findall(r"(?m)^(?:assay: )?pass (\d+): (.*)$", text)
            self.assertEqual(told, [(str(i + 1), line) for i, line in enumerate(passes)])

    def test_one_number_of_ranks(self):
        text = self.plan("--sample", "60", "--seconds", "0", "--ntasks", "37")
        self.assertRegex(text, re.compile(r"^    37  ", re.M))
        self.assertIn("suggested: --ntasks=37 ", text)

    def test_says_what_a_dry_run_says(self):
        head = unmeasured(self.plan("--count", "30", "--seconds", "0")).splitlines()[:2]
        dry = self.works("sweep", self.path("c.ini"), "--count", "30", "-o", self.path("run"), "--dry-run")
        self.assertEqual(unmeasured(dry).splitlines()[:2], head)

    def test_replays_a_run(self):
        self.assertEqual(run("sweep", self.write("c.ini", self.CHEAP), "--first", "7000", "--count", "30", "-o", self.path("run"), "-q").returncode, 0)
        before = sorted(os.listdir(self.path("run")))
        cells = ("--replay", self.path("run"), "--first", "6990", "--count", "60")
        text = self.plan(*cells, "--set", "run.repeats=6")
        n = re.search(r"^times: of (\d+) candidates as", text, re.M)
        self.assertGreater(int(n[1]), 5)
        half = self.plan(*cells)
        work = [float(re.search(r"\((\S+) s of CPU", t)[1]) for t in (text, half)]
        self.assertAlmostEqual(work[0] / work[1], 3, delta=0.02)
        self.assertEqual(sorted(os.listdir(self.path("run"))), before)

    def test_errors(self):
        file = self.write("c.ini", self.CHEAP)
        for word in ("0", "-1", "many"):
            self.fails(2, "plan", file, "--ntasks", word, says=["--ntasks"])
        self.fails(2, "plan", file, "--seed", "3", says=["plan: --seed"])
        self.fails(1, "plan", self.path("none.ini"), says=["none.ini"])
        p = run("plan", file, "--count", "9", "--replay", self.path("none"))
        self.assertRegex(f"{p.returncode} {p.stderr}", r"\A1 assay: cannot open .*none/journal[^\n]+\n\Z")


class Config(Case):
    def dry(self, *words):
        return ("sweep", *words, "-o", self.path("run"), "--dry-run")

    def tearDown(self):
        self.assertFalse(os.path.exists(self.path("run")), "a dry run or a refused run wrote something")

    # What a file lacks, and what mends that: labels of noise, a list.
    LACKS = {"large": ("ntk_ridge learns from labels", "run.metrics=ntk_frozen"),
             "suite-zero": ("or proxies.labels = random", "proxies.labels=random"),
             "1shot1-nasi": ("or nasi.labels = random", "nasi.labels=random"),
             "tolerant": ("candidates.archs (--archs)", "candidates.sample=2")}

    def test_shipped_files_are_right(self):
        for name in sorted({*os.listdir(os.path.join(ROOT, "configs"))} - {"onnx.ini"}):  # needs files: test_examples.py
            with self.subTest(name=name):
                noise = "--set", "data.source=gaussian", *(("--sample", "9") if name.startswith(("nb101", "nb1sh")) else ())
                file = os.path.join(ROOT, "configs", name)
                if name.endswith("-search.ini"):
                    cheap = ["search.screened=1", "data.source=gaussian", "search.method=random", "search.samples=1", "network.image=8"]
                    self.works("search", file, "-o", self.path(name), "--quiet", *(w for s in cheap[name != "nb201-search.ini":] for w in ("--set", s)))
                    continue
                for says, mends in (lack for part, lack in self.LACKS.items() if part in name):
                    self.fails(1, *self.dry(file, *noise), says=[says])
                    noise += ("--set", mends)
                self.works(*self.dry(file, *noise))

    def test_listed_options_are_a_configuration(self):
        listed = self.write("all.ini", self.works("list", "options"))
        empty = self.write("empty.ini", "")
        self.assertEqual(unmeasured(self.works(*self.dry(listed))), unmeasured(self.works(*self.dry(empty))))

    def test_precedence(self):
        file = self.write("c.ini", "[protocol]\nname = tenas-paper\n[ntk]\nbatch = 9\n[run]\nseed=5\n")
        text = self.works(*self.dry(file, "--set", "run.seed=6", "--first", "3", "--count=2"))
        for line in ("batch = 9", "seed = 6", "batches = 5", "first = 3", "count = 2"):
            self.assertIn(line, text)

    def test_bad_files(self):
        bad = {
            "[ntk]\nbatch = 72\n[ntkk]\nbatch = 8\n": ":4: unknown key ntkk.batch; did you mean ntk.batch?",
            "[ntk]\n\nbatchsize = 8\n": ":3: unknown key ntk.batchsize",
            "[ntk]\nbatch = 1\n": ":2: ntk.batch = '1': expected a whole number from 2",
            "[ntk]\nbatch = many\n": ":2: ntk.batch = 'many'",
            "[ntk]\ninit = xavier\n": ":2: ntk.init = 'xavier': expected one of pytorch|",
            "[ntk]\nbatch\n": ":2: expected [section], key = value",
            "[ntk\nbatch = 8\n": ":1: expected [section]",
            "batch = 8\n": ":1: a key stands before the first [section]",
            "[ntk]\nbatch = 8\n[run]\nseed = 1\n[ntk]\nbatch = 9\n": ":6: ntk.batch is given twice",
            "[data]\npath = x\n  y\n": ":3: a key or section must start",
            "[data]\npath = " + 1100 * "x" + "\n": ":2: value 'xxxxxxxx",
            "[" + 64 * "x" + "]\nbatch = 8\n": ":1: no section has so long a name",
            "[ntk] batch = 8\n": ":1: expected [section]",
            "[]\nbatch = 8\n": ":1: a section without a name",
            "[ntk]\n= 8\n": ":2: expected [section], key = value",
            "[ntk]\rbatch = 1\r": ":2: ntk.batch = '1'",
            "[data]\npath = x\0y\n": ":2: a zero byte",
            "[run]\nmetrics = ntk,kapa\n": "kapa",
            "[network]\nimage = 30\n": "multiple of 4",
            "[data]\nsource = cifar10\n": "data.path",
            "[space]\nname = nas-bench-102\n": "nas-bench-102",
            "[candidates]\nfirst = 15625\n": "15624",
            "[candidates]\nfirst = 15000\ncount = 626\n": "candidates.count",
            "[candidates]\ncount = 3\nsample = 4\n": "candidates.sample",
        }
        for text, says in bad.items():
            with self.subTest(text=text[:60]):
                file = self.write("c.ini", text)
                says = [file + says] if says[0] == ":" else [says]
                self.fails(1, *self.dry(file), says=says)

    def test_files_as_editors_write_them(self):
        path = "/scratch/" + 400 * "a" + ".h5"
        plain = f"[data]\npath = {path}:/x\n# {500 * 'c'}\n[ntk]\nbatch = 9\n"
        want = unmeasured(self.works(*self.dry(self.write("c.ini", plain))))
        self.assertIn(f"path = {path}:/x\n", want)
        for text in (plain.replace("\n", "\r\n"), plain.replace("\n", "\r"), "\ufeff" + plain, plain[:-1],
                     plain.replace(" = ", ":"), plain.replace(" = ", "\t=\t").replace("9", "9 \t; nine"),
                     plain.replace("\n", "   \n\n;\n   # indented\n")):
            with self.subTest(text=text):
                self.assertEqual(unmeasured(self.works(*self.dry(self.write("d.ini", text)))), want)

    def test_bad_set(self):
        file = self.write("c.ini", "")
        for word in ("ntk.batch", "ntk=3", ".batch=3", "ntk.=3", "=", ""):
            self.fails(2, *self.dry(file, "--set", word), says=["--set", "SECTION.KEY=VALUE"])
        self.fails(2, *self.dry(file, "--set", "ntk.batches=3"), says=["--set", "ntk.batch?"])
        self.fails(2, *self.dry(file, "--first", "-3"), says=["--first", "whole number"])
        self.fails(1, *self.dry(file, "--archs", self.path("none")), says=[self.path("none")])

    def test_unreadable_files(self):
        self.fails(1, *self.dry(self.path("none.ini")), says=["none.ini", "No such file"])
        self.fails(1, *self.dry(self.dir), says=[self.dir, "directory"])

    def test_an_error_of_all_ranks_is_printed_once(self):
        mpirun = shutil.which("mpirun")
        if not mpirun:
            self.skipTest("no mpirun")
        for words in (self.dry(self.path("none.ini")), self.dry("c.ini", "--nonsense")):
            p = subprocess.run([mpirun, "-n", "3", ASSAY, *words], env=ENV, text=True, timeout=600,
                               capture_output=True, stdin=subprocess.DEVNULL)
            self.assertNotEqual(p.returncode, 0)
            self.assertEqual(p.stderr.count("assay: "), 1, p.stderr)


class Install(Case):
    """A user who is not root on a Debian that lacks packages."""
    def script(self, name, *tools):
        os.mkdir(self.path("bin"))
        for tool, does in (("id", "echo 1000"), ("dpkg-query", "exit 1"), *tools):
            os.chmod(self.write(f"bin/{tool}", f"#!/bin/sh\n{does}\n"), 0o755)
        for tool in ("dirname", "grep", "env"):
            os.symlink(shutil.which(tool), self.path(f"bin/{tool}"))
        return subprocess.run(["/bin/sh", os.path.join(ROOT, name)], env={"PATH": self.path("bin")}, text=True, timeout=60,
                              capture_output=True, stdin=subprocess.DEVNULL)

    def refused(self, p, why):
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, rf"\A{why}; run this as root, then start again:\n"
                                   r"    apt-get update && apt-get install -y --no-install-recommends gcc .*\n\Z")

    def test_no_sudo(self):
        self.refused(self.script("jobs/quickstart.sh"), "there is no sudo here to install them")

    def test_tests_without_sudo(self):
        p = self.script("tests/run.sh")
        self.refused(p, "there is no sudo here to install them")
        self.assertIn("python3-h5py", p.stderr)

    def test_a_sudo_that_refuses(self):
        self.refused(self.script("jobs/quickstart.sh", ("sudo", "exit 1")), "they could not be installed")


class Output(Case):
    COMMANDS = [("--help",), ("--version",), ("list", "options"), ("show", "nas-bench-201", "1"),
                ("rank", "--help")]

    def test_full_disk(self):
        for words in self.COMMANDS:
            with open("/dev/full", "w") as full:
                p = run(*words, stdout=full)
            self.assertEqual(p.returncode, 1, words)
            self.assertIn("assay: standard output: No space left on device", p.stderr)

    def test_closed_pipe(self):
        for words in self.COMMANDS:
            read, write = os.pipe()
            os.close(read)
            p = run(*words, stdout=write)
            os.close(write)
            self.assertEqual((p.returncode, p.stderr), (0, ""), words)

    def test_pack_of_nothing(self):
        self.fails(1, "pack", self.path("none"), says=[self.path("none")])
        self.fails(1, "pack", self.write("file", ""), says=["file is a file, expected a directory"])
        os.symlink("/nonexistent/purged", self.path("link"))
        self.fails(1, "merge", self.path("link"), "-o", self.path("m"), says=["its target /nonexistent/purged does not"])
        self.assertFalse(os.path.exists(self.path("none")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
