#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `meson install` brings, in a folder of its own, and that it works from there.

usage: test_install.py ASSAY SOURCE_ROOT BUILD_ROOT; exit code 77: there is no Meson
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from test_cli import ENV, ROOT, Case, run, unmeasured

BUILD = sys.argv[3]


class Installed(Case):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="assay-install-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=dict(os.environ, DESTDIR=cls.top), check=True,
                       stdout=subprocess.DEVNULL, timeout=120)
        cls.program = next(os.path.join(folder, "assay") for folder, _, names in os.walk(cls.top)
                           if "assay" in names and os.access(os.path.join(folder, "assay"), os.X_OK) and folder.endswith("bin"))
        cls.prefix = os.path.dirname(os.path.dirname(cls.program))

    def run_installed(self, *words, program=None):
        return subprocess.run([program or self.program, *words], cwd=self.dir, env=ENV, text=True, capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL)


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


if __name__ == "__main__":
    if not shutil.which("meson"):
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
