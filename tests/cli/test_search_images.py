#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Searches on images of other sizes and numbers of classes.

usage: test_search_images.py ASSAY SOURCE_ROOT
"""
import sys
import unittest

import h5py
import numpy as np

import test_search


class Images(test_search.Search):
    def test_images_of_other_data_sets(self):
        """CIFAR-100's files, and arrays as ImageNet16-120 and a reduced ImageNet are: 120 and 1000 classes."""
        rng = np.random.default_rng(3)
        with open(self.path("train.bin"), "wb") as f:
            for i in range(40):
                f.write(bytes([i % 20, i % 100]) + rng.integers(0, 256, 3072, np.uint8).tobytes())
        with h5py.File(self.path("images.h5"), "w") as f:
            for side, classes in ((16, 120), (32, 1000)):
                f[f"{side}/x"] = rng.integers(0, 256, (40, 3, side, side), np.uint8)
                f[f"{side}/labels"] = rng.integers(0, classes, 40)
        sources = {"cifar100": ("data.source=cifar100", f"data.path={self.dir}", "network.image=32", "network.classes=100"),
                   "16": ("data.source=hdf5", f"data.path={self.path('images.h5')}:/16/x", "network.image=16",
                          "network.classes=120"),
                   "32": ("data.source=hdf5", f"data.path={self.path('images.h5')}:/32/x", "network.image=32",
                          "network.classes=1000", "search.prune=2")}
        seen = set()
        for name, source in sources.items():
            self.search("nb201-tenas-search.ini", "network.channels=2", "run.repeats=1", "search.seeds=0", *source,
                        directory=f"t{name}")
            tables = self.trajectory(f"t{name}")
            for _ in self.check_trajectory(tables, 2 if name == "32" else 1):
                seen.add(tables["rounds"][0]["kappa"][0])
            steps = self.nasi("nasi", "nasi.labels=true", *source, directory=f"n{name}")[1]["steps"]
            seen.add(steps[0]["nasi_trace"])
        self.assertEqual(len(seen), 6)

    def test_generated_images(self):
        """As large as ImageNet16-120's, with as many classes, and CIFAR-100's number of them."""
        seen = set()
        for image, classes in ((16, 120), (16, 100), (8, 100)):
            directory = f"{image}-{classes}"
            self.search("nb201-tenas-search.ini", "network.channels=2", "run.repeats=1", "search.seeds=0",
                        f"network.image={image}", f"network.classes={classes}", "search.method=tenas,marginal,random",
                        "search.samples=9", "search.round=6", "search.last=1", directory=directory)
            tables = self.trajectory(directory)
            self.assertEqual({f["method"] for f in tables["found"]}, {"tenas", "marginal", "random"})
            with h5py.File(self.path(f"{directory}/search.h5")) as f:
                self.assertIn(f"classes = {classes}", f.attrs["config"])
            seen.add(tables["rounds"][0]["kappa"][0])
        self.assertEqual(len(seen), 3)


test_search.keep_own(Images)

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
