#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accuracies of NAS-Bench-101, as a table on standard output; needs neither TensorFlow nor the benchmark's code.

    jobs/truth/nas-bench-101.py nasbench_only108.tfrecord > accuracy.csv
    assay correlate runs/nb101 --truth accuracy.csv

The file is the one that github.com/google-research/nasbench links to. nasbench_full.tfrecord has 4, 12 and 36 epochs
as well (--epochs). Accuracies are means over the three trainings, in per cent; cells are named by their hashes.
"""
import argparse
import base64
import csv
import json
import statistics
import struct
import sys

VALIDATION, TEST = 4, 5  # fields of EvaluationData, doubles from 0 to 1


def records(path):
    """The records of a TFRecord file: a length of 8 bytes, its checksum, the record, its checksum."""
    with open(path, "rb") as f:
        while head := f.read(12):
            size, = struct.unpack("<Q", head[:8])
            record = f.read(size + 4)
            if len(record) != size + 4:
                sys.exit(f"{path}: the last record is cut off")
            yield record[:-4]


def fields(message):
    """Yields (number, value) of a protocol buffer's fields: bytes, doubles and whole numbers."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            size = varint() if key & 7 == 2 else 8 if key & 7 == 1 else 4
            value = message[at:at + size]
            at += size
            if key & 7 == 1:
                value, = struct.unpack("<d", value)
        yield key >> 3, value


def final(metrics):
    """The last evaluation of a training: field -> value. The others are those before and halfway."""
    evaluations = [value for number, value in fields(base64.b64decode(metrics)) if number == 1]
    return dict(fields(evaluations[-1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--epochs", type=int, default=108)
    args = parser.parse_args()
    trainings = {}
    for record in records(args.path):
        name, epochs, _, _, metrics = json.loads(record)
        if epochs == args.epochs:
            trainings.setdefault(name, []).append(final(metrics))
    if not trainings:
        sys.exit(f"{args.path}: no training of {args.epochs} epochs")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["arch", "test_accuracy", "valid_accuracy"])
    for name, repeats in trainings.items():
        table.writerow([name] + [round(100 * statistics.fmean(r.get(field, 0.0) for r in repeats), 4) for field in (TEST, VALIDATION)])


if __name__ == "__main__":
    main()
