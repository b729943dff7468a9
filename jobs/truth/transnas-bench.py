#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Values of TransNAS-Bench-101, as a table on standard output; needs PyTorch.

    jobs/truth/transnas-bench.py transnas-bench_v10141024.pth micro > accuracy.csv     # or macro
    assay correlate runs/transnas-micro --truth accuracy.csv --target class_scene

The file is the one that github.com/yawen-d/TransNASBench links to. There is a column for each task: its measure on the
validation set (with --set test on the test set) after the last epoch; of room_layout the negative loss, so that more
is better in all columns.
"""
import argparse
import csv
import sys

MEASURES = {"class_scene": "top1", "class_object": "top1", "room_layout": "neg_loss", "jigsaw": "top1",
            "segmentsemantic": "mIoU", "normal": "ssim", "autoencoder": "ssim"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("space", choices=["micro", "macro"])
    parser.add_argument("--set", choices=["valid", "test"], default="valid")
    args = parser.parse_args()
    import torch
    archs = torch.load(args.path, map_location="cpu", weights_only=False)["data"][args.space]
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["arch", *MEASURES])
    for arch, tasks in archs.items():
        table.writerow([arch] + [tasks[task]["metrics"][f"{args.set}_{measure}"][-1] if task in tasks else ""
                                 for task, measure in MEASURES.items()])


if __name__ == "__main__":
    main()
