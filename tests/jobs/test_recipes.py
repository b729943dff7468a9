#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripts of jobs/ that make tables of accuracies and files of images, on small files laid out as the published ones.

usage: test_recipes.py ASSAY SOURCE_ROOT
"""
import base64
import bz2
import csv
import hashlib
import io
import json
import os
import pathlib
import pickle
import signal
import struct
import subprocess
import sys
import tarfile
import unittest

import h5py
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from test_cli import CONV, NONE, ROOT, Case, run  # noqa: E402


def training(name, seed, epochs, accuracies):
    """One training as NATS-Bench keeps it: an accuracy for each set and epoch."""
    return {(name, seed): {"name": "infer.tiny", "epochs": epochs, "seed": seed,
                           "eval_acc1es": {f"{set_}@{epoch}": value - (epochs - 1 - epoch)
                                           for set_, value in accuracies.items() for epoch in (0, epochs - 1)}}}


def architecture(text, shift):
    """The trainings of one architecture: hp -> a state of ArchResults."""
    def state(epochs, less):
        results = {}
        for seed, more in ((777, 0), (888, 1)):
            results.update(training("cifar10", seed, epochs, {"ori-test": 90 + shift + more - less}))
            results.update(training("cifar10-valid", seed, epochs, {"x-valid": 80 + shift + more - less, "ori-test": 1.0}))
        results.update(training("cifar100", 777, epochs, {"x-test": 70 + shift - less, "x-valid": 60 + shift - less, "ori-test": 2.0}))
        return {"arch_index": 0, "arch_str": text, "all_results": results, "dataset_seed": {}, "clear_net_done": True}
    return {"12": state(12, 20), "200": state(200, 0)}


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def evaluation(valid, test):
    """A protocol buffer EvaluationData."""
    doubles = {1: 108.0, 2: 1234.5, 3: 1.0, 4: valid, 5: test}
    return b"".join(varint(field << 3 | 1) + struct.pack("<d", value) for field, value in doubles.items()) + b"\x32\x03abc"


def record(name, epochs, matrix, ops, valid, test):
    """A record of NAS-Bench-101's TFRecord file, with its frame; checksums are not looked at."""
    parts = [evaluation(0.1, 0.1), evaluation(0.5, 0.5), evaluation(valid, test)]
    metrics = b"".join(b"\x0a" + varint(len(part)) + part for part in parts) + b"\x10" + varint(8555530) + b"\x19" + struct.pack("<d", 2000.0)
    text = json.dumps([name, epochs, matrix, ops, base64.b64encode(metrics).decode()]).encode()
    return struct.pack("<Q", len(text)) + b"\0\0\0\0" + text + b"\0\0\0\0"


class Recipes(Case):
    def script(self, name, *words, expect=0, **more):
        p = subprocess.run([sys.executable, f"{ROOT}/jobs/{name}", *words], cwd=self.dir, text=True, capture_output=True, timeout=60, **more)
        self.assertEqual(p.returncode, expect, p.stderr)
        return p

    def table(self, name, *words, **more):
        """What a script prints, as rows of a table; kept in accuracy.csv."""
        text = self.script(name, *words, **more).stdout
        self.write("accuracy.csv", text)
        return list(csv.DictReader(io.StringIO(text)))

    def correlates(self, space, *words, archs="accuracy.csv", key="arch"):
        """assay reads the table: it sweeps its architectures, and finds them all again."""
        p = run("sweep", self.write("c.ini", f"[space]\nname = {space}\n[run]\nmetrics = cost\n"), "--archs", archs, "--key", key,
                "-o", self.path("run"), "-q", cwd=self.dir)
        self.assertIn(p.returncode, (0, 3), p.stderr)
        return self.works("correlate", self.path("run"), "--truth", self.path("accuracy.csv"), "--bootstrap", "0", *words)

    def dump(self, name, what, packed=True):
        with (bz2.open if packed else open)(self.path(name), "wb") as f:
            pickle.dump(what, f)


class Tables(Recipes):
    ARCHS = {"nas-bench-201": [NONE, CONV], "nats-sss": ["8:8:8:8:8", "64:64:32:48:8"]}

    def test_nats_bench(self):
        for space, archs in self.ARCHS.items():
            os.makedirs(self.path(space))
            self.dump(f"{space}/meta.pickle.pbz2", {"meta_archs": archs, "total_archs": len(archs)})
            for i, arch in enumerate(archs):
                self.dump(f"{space}/{i:06d}.pickle.pbz2", architecture(arch, i))
            rows = self.table("truth/nats-bench.py", space)
            self.assertEqual([list(row.values()) for row in rows],
                             [["0", archs[0], "90.5", "80.5"], ["1", archs[1], "91.5", "81.5"]])
        rows = self.table("truth/nats-bench.py", "nas-bench-201", "--dataset", "cifar100", "--hp", "12")
        self.assertEqual([(row["test_accuracy"], row["valid_accuracy"]) for row in rows], [("50.0", "40.0"), ("51.0", "41.0")])
        rows = self.table("truth/nats-bench.py", "nas-bench-201", "--dataset", "ImageNet16-120")
        self.assertEqual({row["test_accuracy"] for row in rows}, {""})
        self.dump("one.pickle.pbz2", {"meta_archs": [CONV], "arch2infos": {0: architecture(CONV, 2)}, "evaluated_indexes": {0}})
        self.assertEqual(self.table("truth/nats-bench.py", "one.pickle.pbz2")[0]["test_accuracy"], "92.5")
        self.assertIn("1 architectures with test_accuracy, 1 of them among the results", self.correlates("nas-bench-201"))

    def with_torch(self):
        """Words of a Python whose torch.load reads plain pickles, as the benchmarks' .pth files hold."""
        os.makedirs(self.path("stand-in"), exist_ok=True)
        self.write("stand-in/torch.py", "import pickle\ndef load(path, map_location, weights_only):\n"
                                        "    assert map_location == 'cpu' and not weights_only\n"
                                        "    with open(path, 'rb') as f:\n        return pickle.load(f)\n")
        return {"env": dict(os.environ, PYTHONPATH=self.path("stand-in"))}

    def test_nas_bench_201(self):
        infos = {i: {"less": a["12"], "full": a["200"]} for i, a in enumerate(architecture(arch, i) for i, arch in enumerate([NONE, CONV]))}
        self.dump("n.pth", {"meta_archs": [NONE, CONV], "arch2infos": infos, "evaluated_indexes": {0, 1}}, packed=False)
        rows = self.table("truth/nats-bench.py", "n.pth", **self.with_torch())
        self.assertEqual([row["test_accuracy"] for row in rows], ["90.5", "91.5"])
        rows = self.table("truth/nats-bench.py", "n.pth", "--hp", "less", **self.with_torch())
        self.assertEqual([row["test_accuracy"] for row in rows], ["70.5", "71.5"])

    def test_nas_bench_101_and_1shot1(self):
        # A chain with a 3x3 convolution, two with pools side by side, and their published hashes.
        chain, pools = "b49ac8c578b4561d79ac7087988f1c61", "08677281806ea9c8ea2451ce3093e9c3"
        with open(self.path("n.tfrecord"), "wb") as f:
            for test in (0.9, 0.92, 0.94):
                f.write(record(chain, 108, "010001000", "input,conv3x3-bn-relu,output", 0.95, test))
            f.write(record(chain, 4, "010001000", "input,conv3x3-bn-relu,output", 0.3, 0.2))
            f.write(record(pools, 108, "0110000100010000", "input,maxpool3x3,maxpool3x3,output", 0.85, 0.8))
        rows = self.table("truth/nas-bench-101.py", "n.tfrecord")
        self.assertEqual([list(row.values()) for row in rows], [[chain, "92.0", "95.0"], [pools, "80.0", "85.0"]])
        self.assertIn("2 architectures with test_accuracy, 2 of them among the results", self.correlates("nas-bench-101"))
        self.assertEqual(self.table("truth/nas-bench-101.py", "n.tfrecord", "--epochs", "4")[0]["test_accuracy"], "20.0")
        self.script("truth/nas-bench-101.py", "n.tfrecord", "--epochs", "12", expect=1)

        # A cell of S1 that has sixty encodings there, one with one, and one that is not measured.
        cell, single = "7310eac9405e3dc6c67e337bd70d0205", "d6e4989fba5ddaacc99eed7a910f7112"
        self.write("nb101.csv", f"arch,test_accuracy,valid_accuracy\n{chain},92,95\n{cell},93.5,94\n{single},91,90\n")
        self.write("list", "597\n777\n14579\n0\n")
        p = run("sweep", self.write("s.ini", "[space]\nname = nas-bench-1shot1-s1\n[run]\nmetrics = cost\n"), "--archs", "list",
                "-o", self.path("s1"), "-q", cwd=self.dir)
        self.assertIn(p.returncode, (0, 3), p.stderr)
        archs = self.works("rank", self.path("s1"), "--all", "--csv")
        rows = self.table("truth/nas-bench-1shot1.py", "nb101.csv", input=archs)
        self.assertEqual(sorted(row["test_accuracy"] for row in rows), ["91", "93.5"])
        text = self.works("correlate", self.path("s1"), "--truth", self.path("accuracy.csv"), "--bootstrap", "0")
        self.assertIn("2 architectures with test_accuracy, 2 of them among the results", text)

    def test_transnas_bench(self):
        def tasks(value):
            return {task: {"total_epochs": 2, "metrics": {f"{set_}_{measure}": [0.0, value + (set_ == "test")] for set_ in ("valid", "test")}}
                    for task, measure in (("class_scene", "top1"), ("class_object", "top1"), ("room_layout", "neg_loss"), ("jigsaw", "top1"),
                                          ("segmentsemantic", "mIoU"), ("normal", "ssim"), ("autoencoder", "ssim"))}
        self.dump("t.pth", {"data": {"micro": {"64-41414-1_02_333": tasks(50.0)}, "macro": {"64-1234-basic": tasks(40.0)}},
                            "task_list": [], "metrics_dict": {}}, packed=False)
        for space, arch, value in (("micro", "64-41414-1_02_333", "50.0"), ("macro", "64-1234-basic", "40.0")):
            row, = self.table("truth/transnas-bench.py", "t.pth", space, **self.with_torch())
            self.assertEqual((row["arch"], row["class_object"], row["autoencoder"], len(row)), (arch, value, value, 8))
            self.assertIn("1 architectures with class_scene", self.correlates(f"transnas-{space}", "--target", "class_scene"))
            os.rename(self.path("run"), self.path(f"run-{space}"))
        row, = self.table("truth/transnas-bench.py", "t.pth", "micro", "--set", "test", **self.with_torch())
        self.assertEqual(row["jigsaw"], "51.0")

    def test_nas_bench_macro(self):
        measured = {"test_acc": [93.1, 93.2, 93.0], "mean_acc": 93.1, "std": 0.1, "params": 1, "flops": 2}
        self.write("m.json", json.dumps({"22212202": measured, "00000000": dict(measured, mean_acc=45.4)}))
        rows = self.table("truth/nas-bench-macro.py", "m.json")
        self.assertEqual([list(row.values()) for row in rows], [["22212202", "93.1"], ["00000000", "45.4"]])
        self.assertIn("2 architectures with test_accuracy, 2", self.correlates("nas-bench-macro"))

    def test_darts(self):
        key = "NetworkSelectorDatasetInfo:darts:"
        edges = {0: "skip_connect", 1: "sep_conv_3x3", 2: "sep_conv_3x3", 3: "skip_connect", 5: "dil_conv_3x3", 7: "dil_conv_5x5",
                 10: "sep_conv_3x3", 11: "skip_connect"}
        config = {f"{key}edge_{cell}_{edge}": op for cell in ("normal", "reduce") for edge, op in edges.items()}
        config.update({f"{key}inputs_node_{cell}_{node}": pair for cell in ("normal", "reduce")
                       for node, pair in ((3, "0_1"), (4, "0_2"), (5, "1_2"))}, **{f"{key}layers": 8, "CreateImageDataLoader:batch_size": 96})
        os.makedirs(self.path("301/darts/results_fidelity_0"))
        for i, (test, valid) in enumerate(((94.5, 95.0), (94.7, 95.4))):
            self.write(f"301/darts/results_fidelity_0/results_{i}.json", json.dumps(
                {"optimized_hyperparamater_config": config, "test_accuracy": test, "info": [{"val_accuracy": valid, "epochs": 98}], "budget": 98}))
        row, = self.table("truth/darts.py", "301")
        self.assertEqual((row["test_accuracy"], row["valid_accuracy"]), ("94.6", "95.2"))
        self.assertNotIn("layers", row["arch"])
        self.assertIn("1 architectures with test_accuracy, 1", self.correlates("darts"))
        os.rename(self.path("run"), self.path("run-301"))

        cell = [("none", 0), ("dil_conv_5x5", 0)] + 3 * [("sep_conv_3x3", 0), ("skip_connect", 1)]
        with open(self.path("DARTS_archs_CIFAR10.csv"), "w", newline="") as f:
            csv.writer(f).writerow([f"Genotype(normal={cell}, normal_concat=[2, 3, 4, 5], reduce={cell}, reduce_concat=[2, 3, 4, 5])", 86.6])
        row, = self.table("truth/darts.py", "DARTS_archs_CIFAR10.csv")
        self.assertEqual((row["test_accuracy"], row["valid_accuracy"]), ("", "86.6"))
        self.assertIn("1 architectures with valid_accuracy", self.correlates("darts-tolerant", "--target", "valid_accuracy"))
        self.script("truth/darts.py", self.dir + "/301/darts/none", expect=1)


class Images(Recipes):
    def archive(self, name, folder, files):
        with tarfile.open(self.path(name), "w:gz") as tar:
            for file, data in files.items():
                entry = tarfile.TarInfo(f"{folder}/{file}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        with open(self.path(name), "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

    def fetch(self, *words, expect=0, **variables):
        p = subprocess.run(["sh", f"{ROOT}/jobs/fetch-cifar.sh", *words], cwd=self.dir, text=True, capture_output=True, timeout=60,
                           env=dict(os.environ, CIFAR_URL=f"file://{self.dir}", **variables))
        self.assertEqual(p.returncode, expect, p.stderr)
        self.assertEqual([name for name in os.listdir(self.dir) if name.startswith(".fetch")], [])
        return p

    def test_cifar(self):
        image = bytes([3]) + bytes(3072)
        for classes, name, folder, files, sizes in (
                ("10", "cifar-10-binary.tar.gz", "cifar-10-batches-bin", [f"data_batch_{i}.bin" for i in range(1, 6)], image),
                ("100", "cifar-100-binary.tar.gz", "cifar-100-binary", ["train.bin"], b"\1" + image)):
            packed = self.archive(name, folder, dict.fromkeys(files + ["readme.html"], 100 * sizes))
            # Not the published archive: its checksum is another.
            self.assertIn("SHA-256", self.fetch(classes, expect=1).stderr)
            self.assertFalse(os.path.exists(self.path(folder)))
            self.assertIn(folder, self.fetch(classes, CIFAR_SHA256=packed).stdout)
            self.assertIn("is there already", self.fetch(classes).stdout)
            words = ("eval", "nas-bench-201", "5", "--set", f"data.source=cifar{classes}", "--set", f"data.path={folder}", "--classes", classes,
                     "--metrics", "naswot", "--image", "32")
            p = run(*words, cwd=self.dir)
            self.assertEqual(p.returncode, 0, p.stderr)
        os.unlink(self.path("cifar-10-binary.tar.gz"))
        self.fetch("10", expect=0)
        self.fetch("11", expect=2)

    def test_a_fetch_that_is_stopped_leaves_nothing(self):
        here = self.dir
        os.mkdir(f"{here}/bin")
        with open(f"{here}/bin/curl", "w", encoding="ascii") as f:
            f.write("#!/bin/sh\necho begun\nexec sleep 60\n")
        os.chmod(f"{here}/bin/curl", 0o755)
        with subprocess.Popen(["sh", f"{ROOT}/jobs/fetch-cifar.sh"], cwd=here, stdout=subprocess.PIPE, start_new_session=True,
                              env=dict(os.environ, PATH=f"{here}/bin:{os.environ['PATH']}", CIFAR_DIR=here)) as p:
            p.stdout.readline()
            self.assertTrue([name for name in os.listdir(here) if name.startswith(".fetch")])
            os.killpg(p.pid, signal.SIGTERM)
            self.assertNotEqual(p.wait(timeout=30), 0)
        self.assertEqual([name for name in os.listdir(here) if name.startswith(".fetch")], [])

    def test_imagenet16(self):
        rng = numpy.random.default_rng(1)
        os.makedirs(self.path("ImageNet16"))
        self.script("imagenet16-120.py", "ImageNet16", "i.h5", expect=1)
        for name in [f"train_data_batch_{i}" for i in range(1, 11)] + ["val_data"]:
            self.dump(f"ImageNet16/{name}", {"data": rng.integers(0, 256, (20, 768), "u1"), "labels": [1, 120, 121, 1000] * 5,
                                             "mean": numpy.zeros(768)}, packed=False)
        self.assertIn("/train/x: 100 images of 2 classes", self.script("imagenet16-120.py", "ImageNet16", "i.h5").stdout)
        self.script("imagenet16-120.py", "ImageNet16", "n.h5", "--normalise")
        with h5py.File(self.path("i.h5")) as f, h5py.File(self.path("n.h5")) as n:
            self.assertEqual(f["train/x"].shape, (100, 3, 16, 16))
            self.assertEqual(set(f["valid/labels"][:]), {0, 119})
            with open(self.path("ImageNet16/train_data_batch_1"), "rb") as p:
                first = pickle.load(p)["data"][0].reshape(3, 16, 16)
            self.assertTrue((f["train/x"][0] == first).all())
            numpy.testing.assert_allclose(n["train/x"][0, 2], (first[2] - 104.01) / 65.09, atol=1e-6)
        for path in ("i.h5", "n.h5"):
            self.works("eval", "nas-bench-201", CONV, "--set", "data.source=hdf5", "--set", f"data.path={self.path(path)}:/train/x", "--set",
                       f"data.normalise={'true' if path == 'i.h5' else 'false'}", "--image", "16", "--classes", "120", "--metrics", "grad_norm",
                       "--set", "proxies.labels=true")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
