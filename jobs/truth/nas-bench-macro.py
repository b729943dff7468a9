#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracies of NAS-Bench-Macro, as a table on standard output: means over three trainings.

    jobs/truth/nas-bench-macro.py nas-bench-macro_cifar10.json > accuracy.csv
    assay correlate runs/nas-bench-macro --truth accuracy.csv

The file is data/nas-bench-macro_cifar10.json of github.com/xiusu/NAS-Bench-Macro.
"""
import csv
import json
import sys


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        archs = json.load(f)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["arch", "test_accuracy"])
    table.writerows([arch, measured["mean_acc"]] for arch, measured in archs.items())


if __name__ == "__main__":
    main()
