#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracies of the cells of a NAS-Bench-1Shot1 space, which are cells of NAS-Bench-101, on standard output.

    jobs/truth/nas-bench-101.py nasbench_only108.tfrecord > nb101.csv
    assay rank runs/nb1shot1 --all --csv | jobs/truth/nas-bench-1shot1.py nb101.csv > accuracy.csv
    assay correlate runs/nb1shot1 --truth accuracy.csv

On standard input are the encodings whose accuracies are wanted, a table with a column `arch`.
"""
import csv
import hashlib
import sys

INPUT, OUTPUT = -1, -2


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def reach(edges, start):
    """The vertices on paths from start."""
    seen, found = set(), {start}
    while found - seen:
        seen |= found
        found = {b for a, b in edges if a in seen} | seen
    return seen


def cell_hash(arch):
    """NAS-Bench-101's name of "011...;...;0/01": of the graph without vertices that lead nowhere."""
    rows, ops = arch.split("/")
    edges = {(a, b) for a, row in enumerate(rows.split(";")) for b, bit in enumerate(row) if bit == "1"}
    labels = [INPUT, *map(int, ops), OUTPUT]
    kept = sorted(reach(edges, 0) & reach({(b, a) for a, b in edges}, len(labels) - 1))
    into = {v: [a for a in kept if (a, v) in edges] for v in kept}
    out = {v: [b for b in kept if (v, b) in edges] for v in kept}
    name = {v: md5(str((len(out[v]), len(into[v]), labels[v]))) for v in kept}
    for _ in kept:
        name = {v: md5("".join(sorted(name[a] for a in into[v])) + "|" + "".join(sorted(name[b] for b in out[v])) + "|" + name[v])
                for v in kept}
    return md5(str(sorted(name.values())))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    with open(sys.argv[1], newline="", encoding="utf-8") as f:
        known = {row.pop("arch"): row for row in csv.DictReader(f)}
    columns = list(next(iter(known.values())))
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["arch", *columns])
    told = set()
    for row in csv.DictReader(sys.stdin):
        name = cell_hash(row["arch"])
        if name in known and name not in told:  # one accuracy of a cell, however many encodings it has
            table.writerow([row["arch"], *(known[name][column] for column in columns)])
        told.add(name)


if __name__ == "__main__":
    main()
