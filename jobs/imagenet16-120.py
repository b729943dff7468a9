#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the Python files of ImageNet16-120, NAS-Bench-201's third data set, into one HDF5 file that assay reads.

    jobs/imagenet16-120.py ImageNet16 imagenet16-120.h5 --normalise
    assay sweep nb201-default --set data.source=hdf5 --set data.path=imagenet16-120.h5:/train/x \\
        --set data.normalise=false --set network.image=16 --set network.classes=120 -o runs/imagenet16

ImageNet16 is the folder of train_data_batch_1 ... train_data_batch_10 and val_data (github.com/D-X-Y/NAS-Bench-201 and
image-net.org have them, of all 1,000 classes); the first 120 classes are taken. /train and /valid get images x
(n,3,16,16) and labels from 0. With --normalise images are float32, by the data set's own mean and deviation, as
NAS-Bench-201 has them; otherwise they are bytes, which assay normalises as it does CIFAR-10's. Needs h5py and numpy.
Pickles can run code: read none that you do not trust.
"""
import argparse
import pathlib
import pickle
import sys

import h5py
import numpy

MEAN, DEVIATION = (122.68, 116.66, 104.01), (63.22, 61.26, 65.09)  # of red, green and blue, from 0 to 255


def read(path, classes):
    """The images (n,3,16,16) of the first classes in a file, and their labels from 0."""
    with open(path, "rb") as f:
        entry = pickle.load(f, encoding="latin1")
    x, labels = numpy.asarray(entry["data"], "u1"), numpy.asarray(entry["labels"])
    if x.ndim != 2 or x.shape[1] != 3 * 16 * 16 or len(x) != len(labels):
        sys.exit(f"{path}: data {x.shape} and {len(labels)} labels; expected (n,768) and n")
    chosen = (labels >= 1) & (labels <= classes)
    return x[chosen].reshape(-1, 3, 16, 16), labels[chosen] - 1


def normalise(x):
    return (x - numpy.reshape(MEAN, (3, 1, 1)).astype("f4")) / numpy.reshape(DEVIATION, (3, 1, 1)).astype("f4")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("output")
    parser.add_argument("--classes", type=int, default=120)
    parser.add_argument("--normalise", action="store_true")
    args = parser.parse_args()
    parts = {"train": [args.folder / f"train_data_batch_{i}" for i in range(1, 11)], "valid": [args.folder / "val_data"]}
    missing = [str(path) for paths in parts.values() for path in paths if not path.is_file()]
    if missing:
        sys.exit(f"missing: {' '.join(missing)}")
    with h5py.File(args.output, "w") as f:
        for name, paths in parts.items():
            x, labels = map(numpy.concatenate, zip(*(read(path, args.classes) for path in paths)))
            f[f"{name}/x"] = normalise(x) if args.normalise else x
            f[f"{name}/labels"] = labels
            print(f"/{name}/x: {len(x)} images of {len(set(labels.tolist()))} classes")


if __name__ == "__main__":
    main()
