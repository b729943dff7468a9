#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracies of DARTS's networks that were trained by others, as a table on standard output.

    jobs/truth/darts.py nasbench301_data/ > accuracy.csv           # NAS-Bench-301's trainings: space darts
    jobs/truth/darts.py DARTS_archs_CIFAR10.csv > accuracy.csv     # SWAP-NAS's list: space darts-tolerant
    mpirun -n 4 assay sweep darts-tolerant --archs accuracy.csv --key arch -o runs/list
    assay correlate runs/list --truth accuracy.csv --target valid_accuracy

NAS-Bench-301's data (github.com/automl/nasbench301) are files results_*.json, one a training, in folders; the list is
datasets/DARTS_archs_CIFAR10.csv of github.com/pym1024/SWAP, which has no header. Their networks and trainings differ:
never pool them. Where a network was trained more than once, the mean stands.
"""
import csv
import json
import pathlib
import statistics
import sys

KEY = "NetworkSelectorDatasetInfo:darts:"


def trainings(folder):
    """Yields (architecture, test accuracy, validation accuracy) of every training."""
    for path in sorted(pathlib.Path(folder).rglob("results_*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        config = {key: value for key, value in run["optimized_hyperparamater_config"].items()
                  if key.startswith((KEY + "edge_", KEY + "inputs_node_"))}
        yield json.dumps(config, sort_keys=True), run["test_accuracy"], run["info"][0]["val_accuracy"]


def listed(path):
    with open(path, newline="", encoding="utf-8") as f:
        for genotype, accuracy in csv.reader(f):
            yield genotype, None, float(accuracy)


def mean(values):
    values = [value for value in values if value is not None]
    return round(statistics.fmean(values), 4) if values else ""


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    found = {}
    for arch, test, valid in (trainings if pathlib.Path(sys.argv[1]).is_dir() else listed)(sys.argv[1]):
        found.setdefault(arch, []).append((test, valid))
    if not found:
        sys.exit(f"{sys.argv[1]}: no results_*.json in it")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["arch", "test_accuracy", "valid_accuracy"])
    for arch, measured in found.items():
        table.writerow([arch, *map(mean, zip(*measured))])


if __name__ == "__main__":
    main()
