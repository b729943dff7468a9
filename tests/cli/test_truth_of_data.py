#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Images, labels and weights are what was asked for, or an error: never zeros, repeats or random numbers in their place.

usage: test_truth_of_data.py ASSAY; skipped (77) without h5py.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

ASSAY = os.path.abspath(sys.argv[1])
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_COMM", "PMI", "SLURM", "HDF5_"))}
ENV.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl="self,vader",
           OMPI_MCA_hwloc_base_binding_policy="none", OMPI_MCA_btl_vader_single_copy_mechanism="none",
           OPENBLAS_NUM_THREADS="1")
SMALL = {"protocol.name": "custom", "ntk.batch": 4, "nasi.batch": 4, "regions.batch": 50, "regions.batches": 1,
         "run.repeats": 1, "run.metrics": "ntk"}
ARCH = "11718"


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="assay-truth-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.random = np.random.default_rng(0)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_assay(self, *words, **env):
        return subprocess.run([ASSAY, *words], capture_output=True, text=True, check=False, timeout=120, cwd=self.dir,
                              stdin=subprocess.DEVNULL, env=ENV | env)

    @staticmethod
    def settings(values):
        return [word for key, value in (SMALL | values).items() for word in ("--set", f"{key}={value}")]

    def verb(self, verb, values, **env):
        """The verb on an empty configuration file with these settings."""
        with open(self.path("c.ini"), "w") as f:
            f.write("")
        words = {"eval": ["eval", "nas-bench-201", ARCH, "-c", "c.ini"],
                 "sweep": ["sweep", "c.ini", "-o", "run", "--sample", "2"],
                 "dry run": ["sweep", "c.ini", "-o", "run", "--sample", "2", "--dry-run"],
                 "plan": ["plan", "c.ini", "--sample", "2", "--seconds", "0"],
                 "search": ["search", "c.ini", "-o", "run"]}[verb]
        return self.run_assay(*words, *self.settings(values), **env)

    def refused(self, says, p, code=1):
        """One line of error, and no run directory."""
        self.assertEqual((p.returncode, p.stdout), (code, ""), p.stderr)
        self.assertRegex(p.stderr, r"\Aassay: [^\n]+\n\Z")
        for text in says:
            self.assertIn(text, p.stderr)
        self.assertFalse(os.path.exists(self.path("run")))

    def accepted(self, p):
        self.assertEqual(p.returncode, 0, p.stderr)
        return p.stdout + p.stderr

    def write(self, **sets):
        with h5py.File(self.path("x.h5"), "w") as f:
            for name, value in sets.items():
                f[name] = value

    def images(self, n, side=32):
        return self.random.random((n, 3, side, side)).astype("f4")


HDF5 = {"data.source": "hdf5", "data.path": "x.h5:/x"}


class Missing(Case):
    """Parts of a data set that do not exist."""
    CIFAR = {"data.source": "cifar10", "data.path": "cifar"}

    def batch(self, number, n=20):
        os.makedirs(self.path("cifar"), exist_ok=True)
        records = self.random.integers(0, 256, (n, 3073), dtype="u1")
        records[:, 0] = self.random.integers(0, 10, n)
        records.tofile(self.path(f"cifar/data_batch_{number}.bin"))

    def test_the_first_file_of_cifar_works_with_a_warning(self):
        self.batch(1)
        missing = "20 of CIFAR-10's 50000 training images: data_batch_1.bin has 20 of 10000, data_batch_2.bin is missing"
        for verb in ("eval", "dry run", "plan", "sweep"):
            self.assertEqual(self.accepted(self.verb(verb, self.CIFAR)).count("warning: " + missing), 1)
        with h5py.File(self.path("run/results.h5")) as f:
            self.assertRegex(f.attrs["config"], r"\n# data: [0-9a-f]{32}, 20 of CIFAR-10's 50000 training images\n")
        shutil.rmtree(self.path("run"))
        search = self.CIFAR | {"search.method": "random", "search.samples": 2, "run.metrics": "ntk,regions"}
        self.assertIn("warning: " + missing, self.accepted(self.verb("search", search)))

    def test_holes_and_links_that_lead_nowhere(self):
        for number in (1, 2, 4, 5):
            self.batch(number)
        for verb in ("eval", "sweep", "dry run", "plan", "search"):
            self.refused(["cifar: data_batch_3.bin is missing, though data_batch_4.bin is there"],
                         self.verb(verb, self.CIFAR))
        os.symlink("/nonexistent/data_batch_3.bin", self.path("cifar/data_batch_3.bin"))
        self.refused(["cifar/data_batch_3.bin: a link that leads nowhere"], self.verb("sweep", self.CIFAR))

    def test_arrays_never_written(self):
        with h5py.File(self.path("x.h5"), "w") as f:
            f.create_dataset("x", (16, 3, 32, 32), "f4")
        for verb in ("eval", "sweep", "dry run", "plan", "search"):
            self.refused(["x.h5:/x: created, but its values were never written"], self.verb(verb, HDF5))
        with h5py.File(self.path("x.h5"), "w") as f:
            f.create_dataset("x", (16, 3, 32, 32), "f4", chunks=(4, 3, 32, 32))[:12] = self.images(12)
        self.refused(["x.h5:/x: 1 of its 4 chunks were never written"], self.verb("sweep", HDF5))
        with h5py.File(self.path("x.h5"), "r+") as f:
            f["x"][12:] = self.images(4)
        self.accepted(self.verb("sweep", HDF5))

    def test_files_where_the_environment_says(self):
        """HDF5 looks for external files, and for sources of virtual sets, where variables say."""
        os.makedirs(self.path("d"))
        x = self.images(8)
        x.tofile(self.path("d/x.raw"))
        self.write(plain=x)
        layout = h5py.VirtualLayout(x.shape, "f4")
        layout[:] = h5py.VirtualSource("s.h5", "s", x.shape)
        with h5py.File(self.path("x.h5"), "r+", libver="latest") as f:
            f.create_dataset("external", x.shape, "f4", external=[("x.raw", 0, h5py.h5f.UNLIMITED)])
            f.create_virtual_dataset("virtual", layout)

        def kappa(name, **env):
            out = self.accepted(self.verb("eval", HDF5 | {"data.path": f"{self.dir}/x.h5:/{name}"}, **env))
            return re.search(r"(?m)^kappa +(\S+)", out).group(1)

        expected = kappa("plain")
        external, virtual = (HDF5 | {"data.path": f"{self.dir}/x.h5:/{name}"} for name in ("external", "virtual"))
        self.refused(["x.h5:/external", "external file 'x.raw': No such file"], self.verb("eval", external))
        for prefix in ("${ORIGIN}/d", "d", self.path("d")):
            self.assertEqual(kappa("external", HDF5_EXTFILE_PREFIX=prefix), expected)
        self.refused(["x.h5:/virtual, its source s.h5:s: no such HDF5 file"], self.verb("eval", virtual))
        with h5py.File(self.path("s.h5"), "w") as f:
            f["s"] = x
        self.assertEqual(kappa("virtual"), expected)
        self.refused(["x.h5:/virtual, its source s.h5:s: HDF5_VDS_PREFIX is set"],
                     self.verb("eval", virtual, HDF5_VDS_PREFIX=self.path("d")))


class Labels(Case):
    """True labels, where they are asked for, or an error."""
    NASI = {"run.metrics": "nasi", "nasi.labels": "true"}
    SEARCH = {"search.method": "nasi", "search.channels": 2, "search.cells": 1, "search.steps": 2}

    def test_images_without_labels(self):
        self.write(x=self.images(8))
        says = ["nasi.labels = true: these images have none; expected data.source = cifar10, cifar100, or hdf5"]
        for source in ({}, HDF5):
            for verb in ("eval", "sweep", "dry run", "plan"):
                self.refused(says, self.verb(verb, self.NASI | source))
            self.refused(says, self.verb("sweep", self.NASI | source | {"run.metrics": "ntk,nasi", "nasi.batch": 0}))
            for method in ("nasi", "nasi-ada", "nasi-random"):
                self.refused(says, self.verb("search", self.NASI | self.SEARCH | source | {"search.method": method}))

    def test_labels_that_are_not_asked_for(self):
        self.write(x=self.images(8))
        for values in ({"nasi.labels": "random"}, {"nasi.labels": "none"}, {"run.metrics": "ntk"}):
            self.accepted(self.verb("eval", self.NASI | HDF5 | values))
        self.accepted(self.verb("search", self.NASI | self.SEARCH | HDF5 | {"nasi.labels": "random"}))

    def test_one_class(self):
        """Proxies of one output take images of any classes, as long as no label is asked for."""
        self.write(x=self.images(8), labels=np.arange(8))
        one = HDF5 | {"network.classes": 1}
        for values in ({"nasi.labels": "none"}, {"nasi.labels": "none", "nasi.batch": 0}, {"run.metrics": "ntk,regions,cost"}):
            self.assertRegex(self.accepted(self.verb("eval", self.NASI | one | values)), r"(?m)^status +ok$")
        for batch in (0, 4):
            out = self.accepted(self.verb("eval", self.NASI | one | {"nasi.labels": "random", "nasi.batch": batch}))
            self.assertRegex(out, r"(?m)^status +degenerate: nasi: one class: the loss is 0 ")
        says = ["8 classes, the network only 1"]
        self.refused(says, self.verb("eval", self.NASI | one))
        self.refused(says, self.verb("eval", self.NASI | one | {"nasi.batch": 0}))
        self.refused(says, self.verb("sweep", one | {"run.metrics": "ntk_ridge"}))
        for labels in ("true", "random"):
            self.refused(["network.classes = 1: the loss of one class is 0"],
                         self.verb("search", self.NASI | self.SEARCH | one | {"nasi.labels": labels}), code=2)

    def test_true_labels_are_the_true_ones(self):
        """Labels decide the trace norm: those of the file, not others."""
        x, label = self.images(4), np.array([3, 1, 4, 1])
        traces = set()
        for labels in (label, label[::-1], label + 5):
            self.write(x=x, labels=labels)
            out = self.accepted(self.verb("eval", self.NASI | HDF5))
            self.assertIn("labels=true", out)
            traces.add(re.search(r"(?m)^nasi_trace +(\S+)", out).group(1))
        self.assertEqual(len(traces), 3)
        self.accepted(self.verb("search", self.NASI | self.SEARCH | HDF5))

    def test_labels_that_are_no_classes(self):
        for labels, says in ((np.arange(16) % 10 + 1, "labels start at 1 (1 to 10); expected 0 to 9"),
                             (np.arange(16), "16 classes, the network only 10"),
                             (np.arange(16) - 1, "label 0 is -1; expected a class number from 0"),
                             (np.arange(16) % 10 + .0, "64-bit floating point; expected integers from 0"),
                             (np.full(16, b"cat"), "text; expected integers from 0"),
                             (np.arange(16) % 2 == 1, "booleans; expected integers from 0"),
                             (np.zeros((16, 1), int), "shape (16,1); expected 16 integers")):
            self.write(x=self.images(16), labels=labels)
            self.refused(["x.h5:/x", says], self.verb("eval", self.NASI | HDF5))
            self.refused(["x.h5:/x", says], self.verb("sweep", {"run.metrics": "ntk_ridge"} | HDF5))
            self.refused(["x.h5:/x", says], self.verb("search", self.NASI | self.SEARCH | HDF5))

    def test_a_foreign_batch_has_none(self):
        """Nothing is read of what --weights and --batch name."""
        words = ["eval", "nas-bench-201", ARCH, "--weights", "w.h5:/w", "--batch", "w.h5:/x"]
        says = ["nasi.labels = true: the images of --batch have none"]
        self.refused(says, self.run_assay(*words, "--set", "nasi.labels=true"))
        self.refused(["w.h5: No such file"], self.run_assay(*words))
        self.refused(["w.h5: No such file"], self.run_assay(*words, "--set", "nasi.labels=true", "--network", "thin"))


class Few(Case):
    """Data sets smaller than a batch."""

    def test_fewer_images_than_a_batch(self):
        self.write(x=self.images(10), labels=np.arange(10))
        cases = (({"ntk.batch": 11}, "10 images, ntk.batch = 11:"),
                 ({"run.metrics": "ntk_frozen", "ntk.batch": 64}, "10 images, ntk.batch = 64:"),
                 ({"run.metrics": "ntk_ridge", "ntk.batch": 11}, "10 images, ntk.batch = 11:"),
                 ({"run.metrics": "nasi", "nasi.batch": 11}, "10 images, nasi.batch = 11:"),
                 ({"run.metrics": "nasi", "nasi.batch": 0, "ntk.batch": 11}, "10 images, ntk.batch = 11:"))
        for values, says in cases:
            for verb in ("eval", "sweep", "dry run", "plan") if values is cases[0][0] else ("sweep",):
                self.refused([says, "expected at most 10"], self.verb(verb, HDF5 | values))
        self.refused([cases[0][1]], self.verb("sweep", HDF5 | {"data.augment": "false"} | cases[0][0]))
        for values, says in (({"ntk.batch": 11}, "10 images, ntk.batch = 11:"),
                             ({"search.method": "random", "ntk.batch": 11}, "10 images, ntk.batch = 11:"),
                             ({"search.method": "evolution", "ntk.batch": 11}, "10 images, ntk.batch = 11:"),
                             (Labels.SEARCH | {"nasi.batch": 11}, "10 images, nasi.batch = 11:"),
                             (Labels.SEARCH | {"nasi.batch": 0, "ntk.batch": 11}, "10 images, ntk.batch = 11:")):
            self.refused([says], self.verb("search", HDF5 | values))

    def test_as_many_images_as_a_batch(self):
        """Batches of several repeats, and of ntk and nasi, may overlap; patches are many to an image."""
        self.write(x=self.images(10))
        values = HDF5 | {"run.metrics": "ntk,nasi,regions", "ntk.batch": 10, "nasi.batch": 10, "run.repeats": 3}
        self.accepted(self.verb("sweep", values))
        self.accepted(self.verb("eval", HDF5 | {"ntk.batch": 10, "nasi.batch": 11}))  # nasi is no metric here

    def test_fewer_different_patches_than_patches(self):
        self.write(x=self.images(1, side=8))
        values = HDF5 | {"run.metrics": "regions", "network.image": 8, "regions.batches": 2}
        self.accepted(self.verb("eval", values | {"regions.batch": 54}))
        for verb in ("eval", "sweep"):
            self.refused(["1 images, regions.batch x regions.batches = 110: they have only 108 different patches"],
                         self.verb(verb, values | {"regions.batch": 55}))


class Values(Case):
    """Numbers of a type or range that cannot be meant."""

    def test_images(self):
        whole = self.random.integers(0, 256, (8, 3, 32, 32))
        for x, says in ((whole, "64-bit signed integers; expected floating point or unsigned 8-bit"),
                        (whole.astype("u2"), "16-bit unsigned integers"), (whole > 9, "booleans"),
                        (whole.astype("c16"), "complex numbers"),
                        (whole.astype("f4"), "values from 0 to 255, and data.normalise = true"),
                        (np.where(whole, whole / 255, np.nan), "nan; expected numbers")):
            self.write(x=x)
            for verb in ("eval", "sweep") if x is whole else ("eval",):
                self.refused(["x.h5:/x", says], self.verb(verb, HDF5))

    def test_normalised_images(self):
        self.write(x=self.random.standard_normal((8, 3, 32, 32)))
        warning = re.compile(r"assay: warning: values from -[\d.]+ to [\d.]+, and data.normalise = true")
        for verb in ("eval", "sweep"):
            self.assertRegex(self.accepted(self.verb(verb, HDF5)), warning)
        self.assertNotIn("warning", self.accepted(self.verb("eval", HDF5 | {"data.normalise": "false"})))

    def test_bytes_are_scaled(self):
        whole = self.random.integers(0, 256, (8, 3, 32, 32))
        kappa = []
        for x in (whole.astype("u1"), whole / 255, (whole / 255).astype("f4")):
            self.write(x=x)
            out = self.accepted(self.verb("eval", HDF5))
            kappa.append(float(re.search(r"(?m)^kappa +(\S+)", out).group(1)))
            self.assertNotIn("warning", out)
        self.assertLess(max(kappa) / min(kappa) - 1, 1e-3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
