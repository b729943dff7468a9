#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`assay eval`: configured metrics, and weights and batches from HDF5 files.

usage: test_eval.py ASSAY; skipped (77) without h5py.
"""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

ASSAY = os.path.abspath(sys.argv[1])
ARCH = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
C, CLASSES, N, SIZE = 8, 3, 6, 8


def shapes():
    """Parameters of ARCH at C channels, one cell a stage, as the benchmark's network names them."""
    def bn(name, c):
        return {name + ".weight": (c,), name + ".bias": (c,)}

    out = {"stem.0.weight": (C, 3, 3, 3), **bn("stem.1", C)}
    for stage in range(3):
        c, cell = C << stage, f"cells.{2 * stage}"
        for edge, k in ((0, 3), (2, 1)):
            out[f"{cell}.layers.{edge}.op.1.weight"] = (c, c, k, k)
            out |= bn(f"{cell}.layers.{edge}.op.2", c)
        if stage < 2:
            block = f"cells.{2 * stage + 1}"
            out[f"{block}.conv_a.op.1.weight"] = (2 * c, c, 3, 3)
            out[f"{block}.conv_b.op.1.weight"] = (2 * c, 2 * c, 3, 3)
            out |= bn(f"{block}.conv_a.op.2", 2 * c) | bn(f"{block}.conv_b.op.2", 2 * c)
            out[f"{block}.downsample.1.weight"] = (2 * c, c, 1, 1)
    out |= bn("lastact.0", 4 * C)
    return out | {"classifier.weight": (CLASSES, 4 * C), "classifier.bias": (CLASSES,)}


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="assay-eval-")
        self.addCleanup(shutil.rmtree, self.dir)
        random = np.random.default_rng(1)
        self.weights = {k: random.standard_normal(v) for k, v in shapes().items()}
        self.x = random.standard_normal((N, 3, SIZE, SIZE))

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_assay(self, *words):
        return subprocess.run([ASSAY, "eval", *words], capture_output=True, text=True, check=False, timeout=120,
                              stdin=subprocess.DEVNULL)

    def foreign(self, *more, space="nas-bench-201", arch=ARCH):
        with h5py.File(self.path("in.h5"), "w") as f:
            for name, value in self.weights.items():
                f["weights/" + name] = value
            f["x"] = self.x
        return self.run_assay(space, arch, "--channels", str(C), "--cells", "1", "--classes", str(CLASSES),
                              "--weights", self.path("in.h5") + ":/weights", "--batch", self.path("in.h5") + ":/x",
                              *more)

    def dump(self, *more, arch=ARCH):
        out = self.path("out.h5")
        p = self.foreign("--dump", out, *more, arch=arch)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        with h5py.File(out, "r") as f:
            return {**{k: v[()] for k, v in f.items()}, **dict(f.attrs)}

    def fails(self, code, says, p):
        self.assertEqual((p.returncode, p.stdout), (code, ""), p.stderr)
        self.assertRegex(p.stderr, r"\Aassay: [^\n]+\n\Z")
        for text in says:
            self.assertIn(text, p.stderr)


class Foreign(Case):
    def test_everything_is_written(self):
        out = self.dump()
        self.assertEqual(out["logits"].shape, (N, CLASSES))
        self.assertEqual(out["gram"].shape, (N, N))
        self.assertTrue((np.diff(out["eigenvalues"]) >= 0).all())
        self.assertTrue(np.allclose(np.linalg.eigvalsh(out["gram"]), out["eigenvalues"], rtol=1e-9))
        self.assertAlmostEqual(out["kappa"] / (out["lambda_max"] / out["lambda_min"]), 1)
        self.assertAlmostEqual(out["trace"] / np.trace(out["gram"]), 1)
        self.assertEqual((out["status"], out["arch"], out["network"], out["bn"]), ("ok", ARCH, "net", "batch"))
        weights = sum(int(np.prod(v)) for k, v in shapes().items() if k.endswith("weight"))
        self.assertEqual(out["ntk_parameters"], weights)
        self.assertEqual(sorted(os.listdir(self.dir)), ["in.h5", "out.h5"])

    def test_json(self):
        out = self.dump()
        p = self.foreign("--format", "json")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        seen = json.loads(p.stdout)
        self.assertEqual((seen["arch"], seen["status"], seen["network"], seen["bn"]), (ARCH, "ok", "net", "batch"))
        for name, column in seen["columns"].items():
            self.assertEqual((column["value"], column["reason"]), (out[name], ""))
        self.assertIn("kappa", seen["columns"])

    def test_temporary_file_follows_no_link(self):
        """Neither the names of old, which could be foretold, nor what they lead to are touched."""
        victim = self.path("victim")
        with open(victim, "w", encoding="utf-8") as f:
            f.write("precious")
        links = 'for x in "$0.$$.tmp" "$0.tmp-$$"; do ln -s victim "$x"; done; exec "$@"'
        p = subprocess.run(["sh", "-c", links, self.path("out.h5"), *self.foreign("--dump", self.path("out.h5")).args],
                           capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        with open(victim, encoding="utf-8") as f:
            self.assertEqual(f.read(), "precious")
        self.assertFalse(os.path.islink(self.path("out.h5")))
        self.assertEqual(len(os.listdir(self.dir)), 5)

    def test_a_prefix_of_all_names_is_no_part_of_them(self):
        plain, weights = self.dump(), self.weights
        for prefix in ("module.", "_orig_mod.", "model.net.0."):
            self.weights = {prefix + k: v for k, v in weights.items()}
            self.weights[prefix + "stem.1.running_mean"] = np.zeros(C)
            self.assertTrue((self.dump()["gram"] == plain["gram"]).all())
        self.weights["n_averaged"] = np.zeros(1)
        self.fails(1, ["in.h5:/weights: weight 'model.net.0.stem.0.weight' where 'stem.0.weight' is expected",
                       "'n_averaged' does not"], self.foreign())
        self.weights = {"module." + k: v for k, v in weights.items() if k != "stem.0.weight"}
        self.fails(1, ["no weight 'stem.0.weight'"], self.foreign())
        self.weights.pop("module.classifier.bias")
        self.weights["module.stem.0.weight"] = weights["stem.0.weight"]
        self.fails(1, ["no weight 'classifier.bias'"], self.foreign())
        self.weights = {"module" + k: v for k, v in weights.items()}
        self.fails(1, ["no weight 'stem.0.weight'"], self.foreign())

    def test_prints_without_dump(self):
        p = self.foreign()
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertRegex(p.stdout, r"(?m)^kappa +[0-9.e+]+$")

    def test_memory(self):
        self.x = np.repeat(self.x, 60, axis=0)
        self.fails(1, ["in.h5:/x", "a batch of 360 needs ", "over the limit of 1 MiB"], self.foreign("--memory", "1"))
        self.assertEqual(self.foreign("--memory", "1000").returncode, 0)

    def test_linear_layer(self):
        """Logits are affine in the classifier: its bias shifts them and leaves the kernel alone."""
        before = self.dump()
        self.weights["classifier.bias"] += [1.0, 2.0, 3.0]
        after = self.dump()
        self.assertTrue(np.allclose(after["logits"] - before["logits"], [1.0, 2.0, 3.0], atol=1e-12))
        self.assertTrue((after["gram"] == before["gram"]).all())

    def test_order_of_the_batch(self):
        for bn in ("batch", "frozen"):
            before = self.dump("--bn", bn)
            order = [3, 0, 5, 1, 4, 2]
            self.x = self.x[order]
            after = self.dump("--bn", bn)
            largest = np.abs(before["gram"]).max()
            self.assertLess(np.abs(after["gram"] - before["gram"][np.ix_(order, order)]).max(), 1e-6 * largest)

    def test_frozen_names(self):
        out = self.dump("--bn", "frozen")
        self.assertTrue((out["gram"] == out["frozen_gram"]).all())
        for name in ("kappa", "trace", "lambda_max", "lambda_min", "numerical_rank", "entropy"):
            self.assertEqual(out[name], out["frozen_" + name])
        self.assertNotAlmostEqual(out["trace"] / self.dump()["trace"], 1)

    def test_members_of_a_class(self):
        """x + conv1(conv3(x)), by way of two nodes or of one: equal weights give equal kernels."""
        before = self.dump(arch="|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|skip_connect~2|")
        self.weights = {k.replace("layers.2", "layers.5").replace("layers.0", "layers.1"): v
                        for k, v in self.weights.items()}
        after = self.dump(arch="|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
        for name in ("gram", "logits"):
            largest = np.abs(before[name]).max()
            self.assertLess(np.abs(after[name] - before[name]).max(), 1e-6 * largest)

    def test_dead_layers(self):
        """Weights of layers that do not reach the output are asked for and change nothing."""
        arch = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"
        before = self.dump(arch=arch)
        self.weights["cells.0.layers.0.op.1.weight"] += 1
        self.assertTrue((self.dump(arch=arch)["gram"] == before["gram"]).all())
        del self.weights["cells.0.layers.0.op.1.weight"]
        self.fails(1, ["cells.0.layers.0.op.1.weight"], self.foreign(arch=arch))

    def test_a_network_blind_to_its_input(self):
        """BN shifts alone: every image has the same logits, so the kernel has rank 1."""
        for bn in ("batch", "frozen"):
            out = self.dump("--bn", bn, arch="|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|")
            self.assertEqual((out["status"], out["numerical_rank"], out["kappa"]), ("degenerate", 1, np.inf))
            self.assertTrue((out["logits"] == out["logits"][0]).all())

    def test_twins_are_degenerate(self):
        self.x[4] = self.x[1]
        for bn in ("batch", "frozen"):
            out = self.dump("--bn", bn)
            self.assertEqual((out["status"], out["kappa"], out["numerical_rank"]), ("degenerate", np.inf, N - 1))
            self.assertIn("rank 5 of 6", out["reason"])

    def test_buffers_of_a_state_dict(self):
        before = self.dump()
        for name, value in (("running_mean", np.ones(C)), ("running_var", np.ones(C)), ("num_batches_tracked", 7)):
            self.weights["stem.1." + name] = value
        self.assertTrue((self.dump()["gram"] == before["gram"]).all())
        self.weights["stem.0.running_mean"] = np.ones(C)  # a convolution has none
        self.fails(1, ["'stem.0.running_mean'"], self.foreign())

    def test_thin(self):
        self.weights = {k: np.random.default_rng(2).standard_normal(v) for k, v in (
            ("cells.0.layers.0.op.1.weight", (1, 1, 3, 3)), ("cells.0.layers.0.op.2.weight", 1),
            ("cells.0.layers.0.op.2.bias", 1), ("cells.0.layers.2.op.1.weight", (1, 1, 1, 1)),
            ("cells.0.layers.2.op.2.weight", 1), ("cells.0.layers.2.op.2.bias", 1), ("lastact.0.weight", 1),
            ("lastact.0.bias", 1), ("classifier.weight", (CLASSES, 1)), ("classifier.bias", CLASSES))}
        self.x = np.random.default_rng(3).standard_normal((250, 1, 3, 3))
        out = self.dump("--network", "thin", "--regions-batch", "100")
        self.assertEqual(out["regions"], len(np.unique(out["patterns"], axis=0)))
        self.assertEqual((out["region_samples"], out["relu_units"], out["network"]), (250, 27, "thin"))
        self.x = self.x[:100]
        first = self.dump("--network", "thin", "--regions-batch", "100")
        self.assertTrue((out["patterns"][:100] == first["patterns"]).all())

    def test_dump_never_replaces_its_inputs(self):
        p = self.foreign("--dump", self.path("in.h5"))
        with h5py.File(self.path("in.h5"), "r") as f:
            before = sorted(f["weights"])
        self.assertEqual((p.returncode, before), (1, sorted(self.weights)))
        self.assertIn("name another file", p.stderr)

    def test_thin_counts_dead_relus(self):
        """A ReLU that does not reach the output splits the input space too, as in the reference."""
        self.weights = {k: np.ones(v) for k, v in (
            ("cells.0.layers.0.op.1.weight", (1, 1, 3, 3)), ("cells.0.layers.0.op.2.weight", 1),
            ("cells.0.layers.0.op.2.bias", 1), ("lastact.0.weight", 1), ("lastact.0.bias", 1),
            ("classifier.weight", (CLASSES, 1)), ("classifier.bias", CLASSES))}
        self.x = np.random.default_rng(4).standard_normal((500, 1, 3, 3))
        arch = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
        out = self.dump("--network", "thin", "--regions-batch", "500", arch=arch)
        x = self.x.reshape(500, 9)
        last = (x - x.mean()) / np.sqrt(x.var() + 1e-5) + 1
        self.assertEqual(out["regions"], len(np.unique(np.hstack([x > 0, last > 0]), axis=0)))
        self.assertGreater(out["regions"], len(np.unique(last > 0, axis=0)))
        self.assertEqual(out["relu_units"], 18)


class BadForeign(Case):
    def test_weights(self):
        name = "cells.2.layers.2.op.1.weight"
        kept, c = self.weights.pop(name), 2 * C
        self.fails(1, [name, f"({c},{c},1,1)"], self.foreign())
        for shape in ((c, c, 3, 3), (c, c, 1), (c, c - 1, 1, 1)):
            self.weights[name] = np.zeros(shape)
            self.fails(1, [name, f"({c},{c},1,1)", str(shape).replace(" ", "")], self.foreign())
        self.weights[name] = kept.copy()
        self.weights[name][0, 0] = np.nan
        self.fails(1, [name, "nan"], self.foreign())
        for dtype, words in (("i8", "64-bit signed integers"), ("u1", "8-bit unsigned integers"), ("?", "booleans"),
                             ("c16", "complex numbers")):
            self.weights[name] = np.ones((c, c, 1, 1), dtype)
            self.fails(1, [name, words, "expected"], self.foreign())
        self.weights[name] = kept.astype("f2")
        self.assertEqual(self.foreign().returncode, 0)
        self.weights[name] = kept
        self.weights["cells.2.layers.1.op.1.weight"] = kept
        self.fails(1, ["'cells.2.layers.1.op.1.weight'"], self.foreign())

    def test_batch(self):
        good = self.x
        for shape in ((N, 1, SIZE, SIZE), (N, 3, SIZE, SIZE + 1), (3, SIZE, SIZE), (N, 3, SIZE, SIZE, 1), (N,)):
            self.x = np.zeros(shape)
            self.fails(1, ["/x", str(shape).replace(" ", "").replace(",)", ")")], self.foreign())
        self.x = good.copy()
        self.x[0, 0, 0, 0] = np.inf
        self.fails(1, ["/x", "inf"], self.foreign())
        self.x = np.arange(N * 3 * SIZE * SIZE, dtype="u1").reshape(good.shape)
        self.fails(1, ["/x", "8-bit unsigned integers, expected floating point"], self.foreign())
        self.x = np.zeros((N, 3, 6, 6))  # not a multiple of 4
        self.fails(1, [], self.foreign())

    def test_files(self):
        self.foreign()
        here = self.path("in.h5")
        with open(self.path("text"), "w") as f:
            f.write("no HDF5\n")
        base = ["nas-bench-201", ARCH, "--channels", str(C), "--classes", str(CLASSES)]
        for weights, batch, says in ((self.path("none") + ":/weights", here + ":/x", "none"),
                                     (self.path("text") + ":/weights", here + ":/x", "text"),
                                     (here + ":/nothing", here + ":/x", "/nothing"),
                                     (here + ":/weights", here + ":/nothing", "/nothing"),
                                     (here + ":/weights", here + ":/weights", "expected one")):
            self.fails(1, [says], self.run_assay(*base, "--weights", weights, "--batch", batch))

    def test_dump(self):
        self.fails(1, [self.dir], self.foreign("--dump", self.dir))
        self.fails(1, ["none/out.h5"], self.foreign("--dump", self.path("none/out.h5")))
        self.fails(1, ["/dev/full"], self.foreign("--dump", "/dev/full"))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))
        self.assertEqual(os.listdir(self.dir), ["in.h5"])

    def test_a_failed_dump_leaves_the_old_one(self):
        with open(self.path("out.h5"), "w") as f:
            f.write("old")
        del self.weights["stem.0.weight"]
        self.fails(1, ["stem.0.weight"], self.foreign("--dump", self.path("out.h5")))
        with open(self.path("out.h5")) as f:
            self.assertEqual(f.read(), "old")

    def test_words(self):
        for words, says in ((["--weights", "a:/b"], "--batch"), (["--batch", "a:/b"], "--weights"),
                            (["--bn", "frozen"], "--weights"), (["--dump", "x"], "--weights"),
                            (["--network", "thin"], "--weights"), (["--regions-batch", "5"], "--weights")):
            self.fails(2, [says], self.run_assay("nas-bench-201", ARCH, *words))
        self.fails(2, ["batch or frozen", "cold"], self.foreign("--bn", "cold"))
        self.fails(2, ["net or thin", "fat"], self.foreign("--network", "fat"))
        self.fails(2, ["--network thin: transnas-macro has no thin networks"],
                   self.foreign("--network", "thin", space="transnas-macro", arch="64-4111-basic"))
        self.fails(2, ["regions-batch"], self.foreign("--regions-batch", "0"))
        self.fails(2, ["image"], self.foreign("--image", "32"))


class Configured(Case):
    SMALL = ["--image", "8", "--set", "ntk.batch=6", "--set", "nasi.batch=4", "--set", "regions.batch=50"]

    def columns(self, *words):
        p = self.run_assay(*words)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        rows = re.findall(r"(?m)^(\w+) +(\S+) .*\[\d+\]$", p.stdout)
        return dict(rows), p.stdout

    def test_columns(self):
        values, text = self.columns("nas-bench-201", ARCH, *self.SMALL)
        self.assertGreater(float(values["kappa"]), 1)
        self.assertGreater(float(values["regions"]), 1)
        self.assertIn("data=gaussian", text)
        self.assertRegex(text, r"(?m)^status +ok$")

    def test_text_and_index_and_class(self):
        by_text, text = self.columns("nas-bench-201", ARCH, *self.SMALL)
        index = re.search(r"(?m)^arch +(\d+) ", text).group(1)
        self.assertEqual(self.columns("nas-bench-201", index, *self.SMALL)[0], by_text)
        other = re.search(r"(?m)^class of +(\d+) ", text)
        if other:
            shared, _ = self.columns("nas-bench-201", other.group(1), *self.SMALL)
            self.assertEqual(shared["kappa"], by_text["kappa"])

    def test_repeats(self):
        _, text = self.columns("nas-bench-201", ARCH, *self.SMALL, "--set", "run.repeats=3")
        row = re.search(r"(?m)^kappa +(\S+) +(\S+) +(\S+) +(\S+) ", text)
        mean, *each = map(float, row.groups())
        self.assertAlmostEqual(mean / (sum(each) / 3), 1, places=7)
        self.assertEqual(len(set(each)), 3)

    def test_verdicts(self):
        none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
        p = self.run_assay("nas-bench-201", none, *self.SMALL)
        self.assertEqual(p.returncode, 0)
        self.assertRegex(p.stdout, r"(?m)^status +dead")
        p = self.run_assay("nas-bench-201", ARCH, "--memory", "1")
        self.fails(1, ["batches of 8 repeats", "limit of 1 MiB"], p)
        # The batches fit and the executor does not, whatever the program takes in this build.
        batches, program = map(float, re.search(r"need ([\d.]+) MiB beside ([\d.]+) for", p.stderr).groups())
        limit = int(batches + program) + 8
        p = self.run_assay("nas-bench-201", ARCH, "--memory", str(limit))
        self.assertEqual(p.returncode, 3)
        self.assertRegex(p.stdout, rf"(?m)^status +failed: memory: needs [\d.]+ MiB, over the limit of {limit} MiB")

    def test_bad_candidates(self):
        self.fails(2, ["15624"], self.run_assay("nas-bench-201", "15625"))
        self.fails(2, ["nor_conv_9x9"], self.run_assay("nas-bench-201", "|nor_conv_9x9~0|"))
        self.fails(2, ["nas-bench-201"], self.run_assay("nas-bench-2", "5"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
