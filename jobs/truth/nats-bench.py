#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracies of NATS-Bench and NAS-Bench-201, as a table on standard output.

    jobs/truth/nats-bench.py NATS-tss-v1_0-3ffb9-simple > accuracy.csv              # topologies: nas-bench-201
    jobs/truth/nats-bench.py NATS-sss-v1_0-50262-simple > accuracy.csv              # sizes: nats-sss
    jobs/truth/nats-bench.py NAS-Bench-201-v1_1-096897.pth > accuracy.csv           # needs PyTorch
    assay correlate runs/nb201 --truth accuracy.csv

The directories are those of NATS-Bench (github.com/D-X-Y/NATS-Bench), unpacked: meta.pickle.pbz2, and one pickle an
architecture. Their one-file form, NATS-tss-v1_0-3ffb9.pickle.pbz2, is read too, but takes much memory. Accuracies are
means over the seeds, after the last epoch of the longest training: `test_accuracy` on the test set, `valid_accuracy`
on the validation set by a network that has not seen it. Pickles can run code: read none that you do not trust.
"""
import argparse
import bz2
import csv
import os
import pickle
import statistics
import sys

# data set -> (trained on, evaluated on) of either column
SETS = {"cifar10": (("cifar10", "ori-test"), ("cifar10-valid", "x-valid")),
        "cifar100": (("cifar100", "x-test"), ("cifar100", "x-valid")),
        "ImageNet16-120": (("ImageNet16-120", "x-test"), ("ImageNet16-120", "x-valid"))}


def unpickle(path):
    with bz2.open(path) as f:
        return pickle.load(f)


def read(path):
    """Yields (text, trainings) of every architecture, by index."""
    if os.path.isdir(path):
        for i, arch in enumerate(unpickle(f"{path}/meta.pickle.pbz2")["meta_archs"]):
            yield arch, unpickle(f"{path}/{i:06d}.pickle.pbz2")
        return
    if path.endswith(".pth"):
        import torch
        whole = torch.load(path, map_location="cpu", weights_only=False)
    else:
        whole = unpickle(path)
    for i, arch in enumerate(whole["meta_archs"]):
        yield arch, whole["arch2infos"][i]


def accuracy(training, dataset, name):
    """The mean over the seeds; empty where there is none."""
    seeds = [trial["eval_acc1es"].get(f"{name}@{trial['epochs'] - 1}")
             for (trained, _), trial in training["all_results"].items() if trained == dataset]
    seeds = [value for value in seeds if value is not None]
    return round(statistics.fmean(seeds), 4) if seeds else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--dataset", choices=SETS, default="cifar10")
    parser.add_argument("--hp", help="which training: 12, 200, ... (the longest); less or full of a .pth file (full)")
    args = parser.parse_args()
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["index", "arch", "test_accuracy", "valid_accuracy"])
    for i, (arch, trainings) in enumerate(read(args.path)):
        hp = args.hp or ("full" if "full" in trainings else max(trainings, key=int))
        table.writerow([i, arch, *(accuracy(trainings[hp], *which) for which in SETS[args.dataset])])


if __name__ == "__main__":
    main()
