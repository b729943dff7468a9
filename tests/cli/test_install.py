#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `meson install` brings, in a folder of its own, and that it works from there.

usage: test_install.py ASSAY SOURCE_ROOT BUILD_ROOT; exit code 77: there is no Meson
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from test_cli import ENV, ROOT, Case, run, unmeasured

BUILD = sys.argv[3]


class Installed(Case):
    top = None

    @classmethod
    def setUpClass(cls):
        if not Installed.top:
            Installed.top = tempfile.mkdtemp(prefix="assay-install-")
            unittest.addModuleCleanup(shutil.rmtree, Installed.top)
            subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=dict(os.environ, DESTDIR=Installed.top), check=True,
                           stdout=subprocess.DEVNULL, timeout=120)
            Installed.program = next(path for path in cls.files("bin/assay") if os.access(path, os.X_OK))
            Installed.prefix = os.path.dirname(os.path.dirname(Installed.program))

    @classmethod
    def files(cls, pattern):
        return sorted(glob.glob(f"{cls.top}/**/{pattern}", recursive=True))

    def run_installed(self, *words, program=None):
        return subprocess.run([program or self.program, *words], cwd=self.dir, env=ENV, text=True, capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL)


class Target(Case):
    def test_what_is_installed_can_be_built_alone(self):
        p = subprocess.run(["ninja", "-C", BUILD, "-n", "program"], text=True, capture_output=True, timeout=120)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)


class Configurations(Installed):
    def file(self, name):
        return os.path.realpath(os.path.join(self.prefix, "share/assay/configs", name))

    def test_all_are_installed(self):
        self.assertEqual(sorted(os.listdir(self.file("."))), sorted(os.listdir(f"{ROOT}/configs")))

    def test_a_name_is_a_configuration(self):
        dry = ("-o", "run", "--dry-run", "--set", "data.source=gaussian")
        for name in ("nb201-quickstart", "nb201-quickstart.ini"):
            p = self.run_installed("sweep", name, *dry)
            self.assertEqual((p.returncode, p.stderr), (0, f"assay: reading {self.file('nb201-quickstart.ini')}\n"))
            self.assertEqual(unmeasured(p.stdout), unmeasured(run("sweep", f"{ROOT}/configs/nb201-quickstart.ini", *dry, cwd=self.dir).stdout))
        for words in (("plan", "nb201-quickstart", "--seconds", "0", "--ntasks", "2"), ("eval", "nas-bench-201", "5", "-c", "nb201-quickstart"),
                      ("search", "nb201-tenas-search", "-o", "run", "--set", "search.samples=x")):
            self.assertIn("assay: reading ", self.run_installed(*words).stderr)
        self.assertEqual(self.run_installed("sweep", "nb201-quickstart", "-o", "few", "-q", "--sample", "2").stderr, "")

    def test_a_file_of_that_name_stands_before_it(self):
        os.mkdir(self.path("nb201-tenas"))  # a directory is none
        dry = ("-o", "nb201-tenas", "--dry-run", "--set", "data.source=gaussian")
        self.assertIn("15625 candidates", self.run_installed("sweep", "nb201-tenas", *dry).stdout)
        self.write("nb201-quickstart", "[candidates]\ncount = 7\n")
        p = self.run_installed("sweep", "nb201-quickstart", *dry)
        self.assertEqual(p.stderr, "")
        self.assertIn(" 7 candidates", p.stdout)

    def test_what_is_no_configuration(self):
        p = self.run_installed("sweep", "nb201-nonsense", "-o", "run")
        self.assertEqual(p.returncode, 1)
        self.assertIn("nb201-nonsense: no such file, and there is no configuration of that name in /", p.stderr)
        for word in ("./nb201-quickstart", "configs/nb201-quickstart.ini"):
            self.assertIn(f"{word}: No such file", self.run_installed("sweep", word, "-o", "run").stderr)
        # What the command line sets is its own fault, whichever file is read.
        self.assertEqual(self.run_installed("sweep", "nb201-quickstart", "-o", "run", "--set", "ntk.batch=1").returncode, 2)

    def test_an_installation_can_be_moved(self):
        shutil.copytree(self.prefix, self.path("moved"))
        p = self.run_installed("sweep", "nb201-quickstart", "-o", "run", "--dry-run", program=self.path("moved/bin/assay"))
        self.assertIn(os.path.realpath(self.path("moved/share/assay/configs/nb201-quickstart.ini")), p.stderr)



def plain(page):
    """The text of a manual page."""
    with open(page, encoding="utf-8") as f:
        text = f.read()
    for name, character in (("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\-", "-"), ("\\(aq", "'"), ("\\(ga", "`"), ("\\(ha", "^"),
                            ("\\(ti", "~"), ("\\&", ""), ("\\:", ""), ("\\e", "\\")):
        text = text.replace(name, character)
    return text


class Manual(Installed):
    def verbs(self):
        return re.findall(r"(?m)^  ([\w-]+) ", self.works("help").split("usage:")[1].split("\n\n  assay")[0])

    def page(self, name):
        page, = self.files(f"man{name[-1]}/{name}")
        text = plain(page)
        self.assertEqual(re.findall(r"(?m)^.* $", text), [])
        return text

    def test_a_page_for_every_verb(self):
        self.assertEqual([os.path.basename(page) for page in self.files("man1/*")],
                         sorted([f"assay-{verb}.1" for verb in self.verbs()] + ["assay.1"]))
        whole = self.page("assay.1")
        self.assertEqual(re.findall(r"(?m)^\.TP\n(\d+)\n", whole), ["0", "1", "2", "3", "75"])
        for verb in self.verbs():
            help, page = self.works("help", verb), self.page(f"assay-{verb}.1")
            self.assertIn(f"assay-{verb}(1)", whole)
            self.assertIn(f".SH NAME\nassay-{verb} - {help.splitlines()[2]}\n", page)
            options = re.findall(r"(?m)^  (?:(-\w), )?(--[\w-]+)(?: (\S+))?", help)
            self.assertGreaterEqual(len(options), 1)
            for letter, option, value in options:
                self.assertIn(".TP\n" + (f"{letter}, " if letter else "") + option + (f" {value}" if value else "") + "\n", page)
            for line in help.split("\nexamples:\n")[1].splitlines():
                self.assertIn(line[2:] + "\n", page)

    def test_every_key_and_column(self):
        page, section, n = self.page("assay-config.5"), None, 0
        for line in self.works("list", "options").splitlines():
            if line.startswith("["):
                section = page.split(f".SS {line}\n")[1].split("\n.SS ")[0]
            elif line and line[0] != "#":
                self.assertIn(f".TP\n{line.rstrip()}", section)
                n += 1
        self.assertGreater(n, 50)
        for topic in ("protocols", "spaces", "sources", "methods"):
            for name in re.findall(r"(?m)^([\w-]+)", self.works("list", topic)):
                self.assertIn(f".TP\n{name}\n", page)
        page = self.page("assay-results.5")
        columns = re.findall(r"(?m)^  (\w+) ", self.works("list", "metrics"))
        self.assertGreater(len(columns), 50)
        for name in columns + re.findall(r"(?m)^(\w+)", self.works("list", "scores")):
            self.assertIn(f".TP\n{name}\n", page)

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "man and groff are not installed")
    def test_pages_can_be_read(self):
        for page in self.files("man/man?/*"):
            p = subprocess.run(["man", "--warnings=mac,delim,escape,missing,tab", "-l", page], env=dict(ENV, MANWIDTH="80", MAN_KEEP_STDERR="1"),
                               text=True, capture_output=True, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (0, ""))
            self.assertIn("SEE ALSO", p.stdout)


class Completions(Installed):
    def bash(self, *words):
        file, = self.files("bash-completion/completions/*")
        script = f'source "{file}"; COMP_WORDS=(assay "$@"); COMP_CWORD=$#; _assay; printf "%s\\n" "${{COMPREPLY[@]}}"'
        p = subprocess.run(["bash", "-c", script, "bash", *words], cwd=self.dir, text=True, capture_output=True, timeout=60)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return p.stdout.split()

    def test_bash(self):
        self.assertEqual(self.bash("swe"), ["sweep"])
        self.assertEqual(self.bash("help", "co"), ["correlate"])
        self.assertEqual(self.bash("list", "sc"), ["scores"])
        self.assertEqual(self.bash("eval", "nats"), ["nats-sss"])
        self.assertEqual(self.bash("sweep", "c", "--dr"), ["--dry-run"])
        self.assertEqual(self.bash("sweep", "c", "--set", "ntk.bat"), ["ntk.batch="])
        self.assertEqual(self.bash("eval", "nas-bench-201", "5", "--metrics", "ntk_ri"), ["ntk_ridge"])
        self.assertEqual(self.bash("correlate", "r.h5", "--invalid", ""), ["drop", "last", "released"])
        self.assertEqual(self.bash("correlate", "r.h5", "--invalid", "="), ["drop", "last", "released"])
        self.assertEqual(self.bash("correlate", "r.h5", "--invalid", "=", "l"), ["last"])
        self.assertEqual(self.bash("rank", "r.h5", "--top", "1"), [])
        self.write("mine.ini", "")
        os.mkdir(self.path("runs"))
        self.assertEqual(self.bash("sweep", "mi"), ["mine.ini"])
        self.assertEqual(self.bash("sweep", "mine.ini", "-o", ""), ["runs"])

    def test_installed_configurations(self):
        file, = self.files("bash-completion/completions/*")
        with open(file, encoding="utf-8") as f:
            folder, = re.findall(r'"(/[^"]*/configs)"', f.read())
        self.assertTrue(os.path.samefile(self.top + folder, os.path.join(self.prefix, "share/assay/configs")))

    def test_zsh_and_fish_take_them(self):
        for shell, pattern in (("zsh", "zsh/site-functions/_assay"), ("fish", "vendor_completions.d/assay.fish")):
            file, = self.files(pattern)
            if shutil.which(shell):
                p = subprocess.run([shell, "-n", file], text=True, capture_output=True, timeout=60)
                self.assertEqual((p.returncode, p.stderr), (0, ""))
        if shutil.which("fish"):
            p = subprocess.run(["fish", "-c", f"source {file}; complete -C 'assay sweep c --dr'; complete -C 'assay list sc'"], text=True,
                               capture_output=True, timeout=60, env=dict(os.environ, HOME=self.dir))
            self.assertEqual([line.split("\t")[0] for line in p.stdout.splitlines()], ["--dry-run", "scores"])


class Jobs(Installed):
    def test_scripts_know_where_they_are(self):
        scripts = self.files("assay/jobs/*.s*")
        self.assertGreater(len(scripts), 7)
        for script in scripts:
            with open(script, encoding="utf-8") as f:
                text = f.read()
            if script.endswith(".sbatch"):
                folder, = re.findall(r'\. "\$\{ASSAY_JOBS:-(/[^}]*)\}/slurm.sh"', text)
                self.assertTrue(os.path.samefile(self.top + folder, os.path.dirname(script)))
            self.assertNotIn("configs/", text)

    def test_a_job(self):
        jobs = os.path.join(self.prefix, "share/assay/jobs")
        os.mkdir(self.path("bin"))
        self.write("bin/srun", '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n')
        os.chmod(self.path("bin/srun"), 0o755)
        with open(f"{jobs}/slurm.sh", encoding="utf-8") as f:
            program, = re.findall(r"(?m)^assay=\$\{ASSAY:-(.*)\}$", f.read())
        self.assertTrue(os.path.samefile(self.top + program, self.program))
        p = subprocess.run(["bash", f"{jobs}/sweep.sbatch", "nb201-quickstart", "run", "--sample", "3", "--metrics", "cost,regions,ntk"], cwd=self.dir,
                           text=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
                           env=dict(ENV, PATH=f"{self.path('bin')}:{ENV['PATH']}", ASSAY_JOBS=jobs, ASSAY=self.program, SLURM_JOB_ID="1",
                                    SLURM_JOB_END_TIME="4000000000"))
        self.assertIn(p.returncode, (0, 3), p.stderr)
        self.assertIn("3 candidates", p.stdout)

    def test_module(self):
        file, = self.files("modulefiles/assay/*")
        self.assertIn(os.path.basename(file), self.works("--version"))
        with open(file, encoding="utf-8") as f:
            text = f.read()
        self.assertNotIn("@", text)
        for folder in re.findall(r"(?m)^(?:prepend-path|setenv) +\w+ +(\S+)$", text):
            self.assertTrue(os.path.isdir(self.top + folder), folder)
        self.assertRegex(text, r"(?m)^append-path +MANPATH :$")  # or `man ls` finds nothing

    def test_documents(self):
        doc, = self.files("doc/assay")
        self.assertLessEqual({"README.md", "LICENSE", "results"}, set(os.listdir(doc)))


class Packaging(Case):
    def text(self, name):
        with open(f"{ROOT}/{name}", encoding="utf-8") as f:
            return f.read()

    def test_versions_are_one(self):
        version = re.search(r"(?m)^assay: (\S+)$", self.works("--version"))[1]
        self.assertIn(f'version("{version}")', self.text("jobs/packaging/package.py"))
        self.assertEqual(re.search(r"(?m)^## (\S+)", self.text("jobs/packaging/CHANGELOG.md"))[1], version)

    def test_recipes_are_well_formed(self):
        compile(self.text("jobs/packaging/package.py"), "package.py", "exec")
        parts = dict(re.findall(r"(?ms)^%(\w+)\n(.*?)(?=^%|\Z)", self.text("jobs/packaging/assay.def")))
        for part in ("post", "environment", "runscript", "test"):
            p = subprocess.run(["sh", "-n"], input=parts[part], text=True, capture_output=True, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (0, ""))
        for line in parts["files"].split("\n    "):
            if line.strip():
                self.assertTrue(os.path.exists(f"{ROOT}/{line.split()[0]}"), line)


if __name__ == "__main__":
    if not shutil.which("meson"):
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
