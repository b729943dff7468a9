#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a build says of itself is what it is: the libraries that are loaded, the commit, the same in results.

usage: test_version.py ASSAY SOURCE_ROOT
"""
import os
import re
import shutil
import subprocess
import sys
import unittest

import h5py

from test_cli import ASSAY, ROOT, Case, run


def git(*words, root=ROOT):
    """The answer of the repository that lies in root itself, or None."""
    name = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"}
    words = ["git", f"--git-dir={root}/.git", f"--work-tree={root}", "-c", "core.hooksPath=/dev/null", *words]
    try:
        done = subprocess.run(words, cwd=root, env=os.environ | name, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def loaded(name):
    """The files of that name that the program loads."""
    text = subprocess.run(["ldd", ASSAY], check=True, capture_output=True, text=True).stdout
    return [os.path.realpath(path) for path in re.findall(r"=> (/\S+)", text) if name in os.path.basename(path)]


class Version(Case):
    def setUp(self):
        super().setUp()
        self.text = self.works("--version")
        self.part = dict(line.split(": ", 1) for line in self.text.splitlines())

    def test_scalapack(self):
        """Named if and only if it is there, by the file that is loaded."""
        files = loaded("scalapack")
        symbols = subprocess.run(["nm", ASSAY], check=True, capture_output=True, text=True).stdout
        inside = re.search(r" T pdsyev_$", symbols, re.M)
        if not files and not inside:
            self.assertTrue(self.part["ScaLAPACK"].startswith("none"), self.part)
        else:
            self.assertRegex(self.part["ScaLAPACK"], r"\(built with \d+\.\d+")
            self.assertEqual(self.part["ScaLAPACK"].split(" (")[0], files[0] if files else "in the program itself")

    def test_other_libraries(self):
        self.assertRegex(self.part["MPI"], r"\d+\.\d+")
        hdf5 = loaded("hdf5")
        if hdf5:
            strings = subprocess.run(["grep", "-c", "-F", self.part["HDF5"], hdf5[0]], capture_output=True, text=True)
            self.assertEqual(strings.returncode, 0, f"{hdf5[0]} is not of version {self.part['HDF5']}")

    def test_commit(self):
        """Of this build; files may have been committed or changed since."""
        commit, _, dirty = self.part["commit"].partition("-")
        if git("rev-parse", "HEAD") is None:
            self.assertEqual(self.part["commit"], "unknown")
            return
        self.assertRegex(commit, r"\A[0-9a-f]{12}\Z")
        self.assertIn(dirty, ("", "dirty"))
        self.assertIsNotNone(git("merge-base", "--is-ancestor", commit, "HEAD"), f"{commit} is no part of HEAD")

    def test_results_record_it(self):
        config = self.write("a.ini", "[space]\nname = null\n[run]\nmetrics = null\n")
        for verb in ("sweep", "pack"):
            words = ("sweep", config, "-o", self.path("out")) if verb == "sweep" else ("pack", self.path("out"))
            self.assertEqual(run(*words).returncode, 0)
            with h5py.File(self.path("out/results.h5")) as file:
                self.assertEqual(file.attrs["build"], self.text)
                self.assertEqual(file.attrs["arithmetic"], self.part["arithmetic"])


class Commit(Case):
    """How a build learns it, on a copy of the sources. Only the file that holds it is made."""

    def setUp(self):
        super().setUp()
        if git("rev-parse", "HEAD") is None or not shutil.which("meson") or not shutil.which("ninja"):
            self.skipTest("no repository, or no meson")
        self.root = self.path("outer/copy")
        for name in git("ls-files", "-co", "--exclude-standard").splitlines():
            if os.path.isfile(os.path.join(ROOT, name)) and not name.startswith(("results/", "runs/")):
                os.makedirs(os.path.dirname(os.path.join(self.root, name)), exist_ok=True)
                shutil.copy(os.path.join(ROOT, name), os.path.join(self.root, name))
        subprocess.run(["meson", "setup", "build"], cwd=self.root, check=True, capture_output=True)

    def commit(self, root):
        git("init", "-q", root=root)
        git("add", "-A", root=root)
        self.assertIsNotNone(git("commit", "-q", "--allow-empty", "-m", "a", root=root))
        return git("rev-parse", "--short=12", "HEAD", root=root)

    def built(self, **told):
        done = subprocess.run(["ninja", "-C", "build", "src/commit.c"], cwd=self.root, capture_output=True, text=True, env=os.environ | told)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("fatal", done.stdout + done.stderr)
        with open(os.path.join(self.root, "build/src/commit.c")) as file:
            return re.search(r'"([^"]*)";', file.read())[1]

    def test_it_is_followed(self):
        file = os.path.join(self.root, "build/src/commit.c")
        self.assertEqual(self.built(), "unknown")
        self.assertEqual(self.built(ASSAY_COMMIT="0123456789ab"), "0123456789ab")
        self.commit(self.path("outer"))
        self.assertEqual(self.built(), "unknown")  # another's repository around it
        first = self.commit(self.root)
        self.assertEqual(self.built(ASSAY_COMMIT="0123456789ab"), first)
        written = os.stat(file).st_mtime_ns
        self.assertEqual(self.built(), first)
        self.assertEqual(os.stat(file).st_mtime_ns, written)  # nothing is compiled again
        with open(os.path.join(self.root, "README.md"), "a") as readme:
            readme.write("\n")
        self.assertEqual(self.built(), first + "-dirty")
        second = self.commit(self.root)
        self.assertNotEqual(first, second)
        self.assertEqual(self.built(), second)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
