#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`assay eval --metrics` of weights, batches and labels from HDF5 files.

usage: test_eval_metrics.py ASSAY; skipped (77) without h5py.
"""
import re
import subprocess
import unittest

import test_eval
from test_eval import h5py, np


class Metrics(test_eval.Case):
    def test_any_metric(self):
        """Each column that `list metrics` knows is there; what lacks an input says which."""
        listed = subprocess.run([test_eval.ASSAY, "list", "metrics"], capture_output=True, text=True, check=True,
                                timeout=60).stdout
        columns = [name for name in re.findall(r"(?m)^  (\w+) ", listed) if name != "null"]
        self.assertIn("lambda_max", columns)
        out = self.dump("--metrics", "all")
        self.assertEqual([c for c in columns if c not in out], [])
        for name in (c for c in columns if np.isfinite(out[c])):
            self.assertNotIn(name + "_reason", out)
        for name in (c for c in columns if np.isnan(out[c])):
            self.assertRegex(out[name + "_reason"], "--labels|--noise|--network thin")
        self.assertTrue(np.isnan(out["regions"]) and np.isnan(out["frozen_ridge_accuracy"]))
        self.assertEqual(out["params"], sum(int(np.prod(v)) for v in test_eval.shapes().values()))
        self.assertEqual(out["status"], "ok")
        usual, frozen = self.dump(), self.dump("--bn", "frozen")
        for name in ("kappa", "trace", "frozen_trace_all"):
            self.assertEqual(out[name], usual[name])
        self.assertEqual(out["frozen_kappa"], frozen["kappa"])
        self.assertTrue((out["gram"] == usual["gram"]).all())

    def test_double_precision(self):
        """Gradients are float64, on every kernel rung, and columns say so."""
        double = ("--metrics", "ntk", "--set", "run.precision=double")
        single, fine, slow = self.dump("--metrics", "ntk"), self.dump(*double), self.dump(*double, "--set", "run.cpu=baseline")
        largest = abs(fine["gram"]).max()
        self.assertLess(1e-10, abs(single["gram"] - fine["gram"]).max() / largest)
        self.assertLess(abs(single["gram"] - fine["gram"]).max() / largest, 1e-5)
        self.assertLess(abs(slow["gram"] - fine["gram"]).max() / largest, 1e-13)
        for words, says in ((), "precision=float64, float32 backward"), (("--set", "run.precision=double"), "precision=float64"):
            out = subprocess.run([test_eval.ASSAY, "eval", "null", "conv_1x1", "--set", "run.metrics=ntk", "--set", "run.repeats=1", *words],
                                 capture_output=True, text=True, check=True, timeout=60).stdout
            self.assertIn(says + " C=", " ".join(out.split()))

    def test_live_counts(self):
        """Of what lies between the input and the output, where there is anything."""
        out = self.dump("--metrics", "cost", arch="|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|")
        self.assertEqual(out["status"], "ok")
        self.assertLess(out["params_live"], out["params"])
        out = self.dump("--metrics", "cost", arch="|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|none~2|")
        self.assertEqual(out["status"], "dead")
        outside = sum(int(np.prod(v)) for k, v in test_eval.shapes().items() if ".layers." not in k)
        self.assertEqual(out["params_live"], outside)

    def test_labels(self):
        """Kernel ridge regression learns from them, and the loss has them where nasi.labels = true."""
        y = np.arange(test_eval.N) % test_eval.CLASSES

        def labelled(labels, *more):
            with h5py.File(self.path("y.h5"), "w") as f:
                f["y"] = labels
            return ("--metrics", "ntk_ridge,nasi", "--labels", self.path("y.h5") + ":/y", *more)

        out = self.dump(*labelled(y))
        self.assertTrue(np.isfinite(out["frozen_ridge_loss"]))
        self.assertNotIn("regions", out)
        other = self.dump(*labelled(np.sort(y)))
        self.assertNotEqual(other["nasi_trace"], out["nasi_trace"])  # labels that are given stand for random ones, too
        self.assertNotEqual(other["frozen_ridge_loss"], out["frozen_ridge_loss"])
        true = self.dump(*labelled(y, "--set", "nasi.labels=true"))["nasi_trace"]
        # A classifier that is sure of the labels 0 has no gradient with them, and one of 1 a large one with others.
        self.weights["classifier.bias"] = np.array([1000.0, 0, 0])
        self.weights["classifier.weight"] *= 0
        sure = self.dump(*labelled(0 * y, "--set", "nasi.labels=true"))["nasi_trace"]
        wrong = self.dump(*labelled(0 * y + 1, "--set", "nasi.labels=true"))["nasi_trace"]
        self.assertEqual((sure, true > 0, wrong > 1), (0, True, True))
        self.fails(1, ["y.h5:/y", f"expected {test_eval.N} integers"], self.foreign(*labelled(y[1:])))
        self.fails(1, ["y.h5:/y", f"expected {test_eval.N} integers"], self.foreign(*labelled(y + 0.5)))
        self.fails(1, ["label 3 at 2", "from 0 to 2"], self.foreign(*labelled(y + 1)))
        self.fails(2, ["--labels needs --metrics"], self.foreign(*labelled(y)[2:]))

    def test_noise(self):
        """It perturbs the batch, so that Zen-score is of it, and is as large."""
        def noisy(noise, *more):
            with h5py.File(self.path("z.h5"), "w") as f:
                f["z"] = noise
            return ("--metrics", "zen", "--noise", self.path("z.h5") + ":/z", *more)

        self.assertIn("--noise", self.dump("--metrics", "zen")["zen_reason"])
        shape = self.x.shape
        one = self.dump(*noisy(np.ones(shape)))["zen"]
        self.assertTrue(np.isfinite(one))
        self.assertEqual(self.dump(*noisy(0 * np.ones(shape)))["zen"], -np.inf)  # nothing to answer to
        self.fails(1, ["z.h5:/z", "shape (1,3,8,8)", "that of --batch"], self.foreign(*noisy(np.ones((1, 3, 8, 8)))))
        self.fails(2, ["--noise needs --metrics"], self.foreign(*noisy(np.ones(shape))[2:]))
        self.fails(2, ["kapa"], self.foreign("--metrics", "kapa"))


if __name__ == "__main__":
    unittest.main(argv=["test_eval_metrics"])
