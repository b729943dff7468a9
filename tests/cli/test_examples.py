#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command that the help texts, README.md, results/*.md and the shipped configurations show, with smaller networks
and images.

usage: test_examples.py ASSAY SOURCE_ROOT
"""
import configparser
import csv
import glob
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import h5py
import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "onnx"))
import write  # noqa: E402

from test_cli import ASSAY, ENV, ROOT, Case  # noqa: E402

# In an order that works.
VERBS = ["list", "show", "eval", "sweep", "plan", "status", "pack", "rank", "correlate", "export", "search", "report", "join", "merge"]
SMALL = {"data": {"source": "hdf5", "path": "images.h5:/x"}, "network": {"image": "8", "channels": "4"}, "ntk": {"batch": "4"},
         "nasi": {"batch": "4"}, "regions": {"batch": "20", "batches": "1"}, "proxies": {"batch": "4"}, "zen": {"batch": "4"},
         "az": {"batch": "4"}, "vkdnw": {"batch": "4"}, "run": {"repeats": "1"},
         "search": {"seeds": "0", "steps": "2", "channels": "2", "cells": "1", "samples": "3", "baseline": "false"}}
# What needs weights or networks from another program; tests of their own run such commands.
ELSEWHERE = re.compile(r"--weights g\.h5|net\.onnx")


def is_command(line):
    return re.match(r"((mpirun -n \d+ |srun )?(build/)?assay |jobs/(quickstart|truth/))", line)


def join_lines(text):
    return re.sub(r"\\\n\s*", "", text)


class Examples(Case):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("bin"))
        os.makedirs(self.path("configs"))
        os.symlink(os.path.join(ROOT, "results"), self.path("results"))
        os.symlink(os.path.join(ROOT, "jobs"), self.path("jobs"))
        os.symlink(self.path("bin"), self.path("build"))
        os.symlink(ASSAY, self.path("bin/assay"))
        self.write("bin/srun", "#!/bin/sh\nexec \"$@\"\n")
        os.chmod(self.path("bin/srun"), 0o755)
        self.env = dict(ENV, PATH=self.path("bin") + ":" + ENV["PATH"])
        for name in os.listdir(os.path.join(ROOT, "configs")):
            if name.endswith(".ini"):
                self.shrink(name)
        rng = numpy.random.default_rng(1)
        with h5py.File(self.path("images.h5"), "w") as f:
            f["x"] = rng.random((80, 3, 8, 8))
            f["labels"] = numpy.arange(80) % 10
        self.write_tables()
        self.write_networks()

    def shrink(self, name):
        """A copy of a shipped configuration that takes no time."""
        config = configparser.ConfigParser(interpolation=None)
        config.read(os.path.join(ROOT, "configs", name))
        for section, keys in SMALL.items():
            if section in config or section != "search":
                config[section] = {**(config[section] if section in config else {}), **keys}
        if config.get("space", "name", fallback="") in ("nats-sss", "onnx"):
            del config["network"]["channels"]  # they are the architecture
        if config.has_option("search", "screened"):
            config["search"]["screened"] = "2"
        if "search" not in config:
            config["candidates"] = {**(config["candidates"] if "candidates" in config else {}), "sample": "20"}
        with open(self.path(f"configs/{name}"), "w") as f:
            config.write(f)

    def write_tables(self):
        rows = list(csv.DictReader(io.StringIO(self.works("rank", "results/nb201-default-cifar10.h5", "--all", "--csv", cwd=ROOT))))
        for name, arch, target in (("accuracy.csv", "arch", "test_accuracy"), ("nb201.csv", "arch_str", "acc"),
                                   ("nb201-cifar10.csv", "arch", "accuracy")):
            with open(self.path(name), "w", newline="") as f:
                table = csv.writer(f)
                table.writerow(["index", arch, target, "valid_accuracy"])
                for i, row in enumerate(rows):
                    table.writerow([i, row["arch"], 90 - i % 37, 80 + i % 7])

        zc = {row["arch"]: {"synflow": {"score": float(i), "time": 0.1}} for i, row in enumerate(rows)}
        with open(self.path("zc_nasbench201.json"), "w") as f:
            json.dump({"cifar10": zc, "cifar100": zc}, f)
        macro = {numpy.base_repr(i, 3).zfill(8): {"mean_acc": 80 + i % 7} for i in range(6561)}
        self.write("nas-bench-macro_cifar10.json", json.dumps(macro))
        with open(self.path("nb101.csv"), "w", newline="") as f:
            hashes = ["b49ac8c578b4561d79ac7087988f1c61", "03d84046b0ce567b2b59e85903aa2f5f", "08677281806ea9c8ea2451ce3093e9c3"]
            csv.writer(f).writerows([["hash", "val108"]] + [[name, 90 + i] for i, name in enumerate(hashes)])
        cells = [["none"] + [op] * 7 for op in ("skip_connect", "sep_conv_3x3", "max_pool_3x3")]
        cells = [[(op, i % 2) for i, op in enumerate(ops)] for ops in cells]
        with open(self.path("genotypes.csv"), "w", newline="") as f:
            csv.writer(f).writerows([["genotype", "accuracy"]] + [[f"Genotype(normal={c}, reduce={c})", 80 + i] for i, c in enumerate(cells)])

    def write_networks(self):
        os.makedirs(self.path("nets"))
        for c in (4, 6, 8):
            with open(self.path(f"nets/{c}.onnx"), "wb") as f:
                f.write(write.chain(c, 3, 1, classes=10))
        self.write("nets.txt", "".join(f"nets/{c}.onnx\n" for c in (4, 6, 8)))
        self.write("nets.csv", "".join(f"{row}\n" for row in ("arch,test_accuracy", "4,80", "6,81", "8,83")))

    def quickstart(self):
        """What jobs/quickstart.sh runs once it has built the program."""
        with open(os.path.join(ROOT, "jobs/quickstart.sh"), encoding="utf-8") as f:
            return re.search(r"(?m)^mpirun .*?\"\$run\"", f.read())[0].replace('"$run"', "runs/quickstart")

    def example(self, command):
        command = self.quickstart() if command == "jobs/quickstart.sh" else command
        with self.subTest(command=command):
            p = subprocess.run(["sh", "-c", command], cwd=self.dir, env=self.env, text=True, capture_output=True, timeout=300,
                               stdin=subprocess.DEVNULL)
            self.assertIn(p.returncode, (0, 3), p.stderr)  # 3: of random networks some are degenerate
            self.assertNotIn("warning: stopped", p.stderr)

    def commands(self, text):
        found = [line.strip() for line in join_lines(text).splitlines() if is_command(line.strip())]
        return [line for line in found if not ELSEWHERE.search(line)]

    def test_help(self):
        number = 0
        for verb in VERBS:
            if verb == "merge":
                for i in (1, 2, 3):
                    self.example(f"assay sweep configs/nb201-quickstart.ini -o runs/part{i} --shard {i}/3")
            if verb == "join":
                self.example("assay sweep configs/nb201-default.ini -o runs/proxies --metrics snip")
            text = self.works("help", verb).split("\nexamples:\n")[1]
            self.assertEqual([line for line in join_lines(text).splitlines() if not is_command(line.strip())], [])
            for command in self.commands(text):
                if verb == "search":  # each with a directory that no other has
                    found = f"runs/search{number}"
                    command = re.sub(r"-o runs/\w+", f"-o {found}", command)
                if verb == "report":
                    command = command.replace("runs/te ", f"{found} ")
                if command.startswith("assay merge") and "nb201" in command:
                    shutil.rmtree(self.path("runs/nb201"))
                self.example(command)
                number += 1
        self.assertGreater(number, 25)

    def test_documents_and_configurations(self):
        commands = []
        for path in [os.path.join(ROOT, "README.md")] + sorted(glob.glob(os.path.join(ROOT, "results", "*.md"))):
            with open(path, encoding="utf-8") as f:
                blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", f.read())
            commands += self.commands("\n".join(block.replace("$ ", "") for language, block in blocks if not language))
        self.assertGreater(len(commands), 12)
        for name in sorted(os.listdir(self.path("configs"))):
            with open(os.path.join(ROOT, "configs", name)) as f:
                own = self.commands(re.sub(r"(?m)^# *", "", f.read()))
            self.assertGreater(len(own), 0, name)
            commands += [command.replace("runs/", f"runs/of-{name}-") for command in own]
        for command in dict.fromkeys(commands):
            self.example(command)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
