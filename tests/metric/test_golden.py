#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every column that a PyTorch re-implementation of the metrics in float64 knows, on the same weights, images and labels.

usage: test_golden.py ASSAY, with $ASSAY_TEST_DATA/golden-metrics/nb201_*.h5; skipped (77) without them.
"""
import glob
import os
import re
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
CASES = sorted(glob.glob(os.path.join(os.environ.get("ASSAY_TEST_DATA", ""), "golden-metrics", "nb201_*.h5")))
if not os.environ.get("ASSAY_TEST_DATA") or not CASES:
    print("skipped: ASSAY_TEST_DATA names no directory with golden-metrics/nb201_*.h5")
    sys.exit(77)

# Ours -> theirs, where names differ.
NAMES = {"kappa": "ntk_kappa", "trace": "ntk_trace_sum_logits", "nasi_trace": "nasi_trace_approx", "layers": "layers_weight",
         "layers_live": "layers_weight_live", "regions_net": "regions"}
# Relative to the value: 1e-5 for float32 gradients unless said here. Counts are exact, and what the forward pass alone decides is
# float64. GradSign counts the signs of gradients, some of which are 0 but for rounding.
COUNTS = ["params", "params_live", "macs", "macs_live", "layers", "layers_live", "vkdnw_dim", "swap", "regions_net"]
FORWARD = ["naswot", "naswot_released", "hamming_mean", "hamming_min", "dead_relu_fraction", "always_on_fraction",
           "active_fraction", "naswot_hnas", "naswot_hnas_released", "near_first", "zen", "zen_batchvar", "az_expressivity",
           "az_progressivity"]
FORWARD += ["meco", "meco_zcnas", "meco_conv", "meco_batch", "meco_zcnas_batch", "meco_conv_batch", "meco_opt_first8",
            "dextr_svd_sum"]
PRECISE = ["synflow", "synflow_resbn", "synflow_bn", "logsynflow_log", "logsynflow_freerea", "zico", "zico_accum", "grasp",
           "vkdnw_entropy", "vkdnw_entropy_fim", "vkdnw_single", "epsinas_one_class"]  # in float64, too
TOLERANCE = {**dict.fromkeys(COUNTS, 0), **dict.fromkeys(FORWARD + PRECISE, 1e-9), "gradsign_coupled_sum": 0,
             **dict.fromkeys(["log_weights", "log_weights_live"], 1e-13), "epe_nas": 2e-5, "epe_nas_many": 2e-5,
             "grasp": 1e-8, "gradsign": 3e-3, "gradsign_sum": 3e-3}
# Of these, a sum of terms that cancel, relative to another column.
SCALE = {"plain": "snip"}
ABSOLUTE = {"lga_pm1", "az_progressivity"}  # often nearly 0
DOUBLE = {"grasp": 1e-8, "gradsign": 1e-4, "gradsign_sum": 1e-4}  # differences of gradients; signs of some that are nearly 0
# Options that each reference has as attributes.
SETTINGS = {"swap.mu": "swap_mu", "swap.sigma": "swap_sigma"}
# Of a network whose output does not depend on its cells these are rounding.
ROUNDING = {"deadend": {"zico", "kappa", "az_trainability", "vkdnw_entropy", "vkdnw_entropy_fim", "vkdnw_single"}}
OTHERS = {"regions"}  # the reference's is of the whole network


class Golden(unittest.TestCase):
    def columns(self):
        """The metric of each column."""
        listed = subprocess.run([ASSAY, "list", "metrics"], capture_output=True, text=True, check=True).stdout
        return {column: metric for metric, columns in re.findall(r"(?m)^(\w+): .*\n((?:  .*\n?)*)", listed)
                for column in re.findall(r"(?m)^  (\w+) ", columns)}

    def evaluate(self, case, a, metrics, settings):
        with tempfile.TemporaryDirectory(prefix="assay-golden-") as directory:
            out = os.path.join(directory, "out.h5")
            subprocess.run([ASSAY, "eval", "nas-bench-201", a["arch"], "--channels", str(a["C"]), "--cells", str(a["N"]),
                            "--weights", case + ":/weights", "--batch", case + ":/batch/x", "--labels", case + ":/batch/y", "--noise", case + ":/batch/noise",
                            "--metrics", ",".join(sorted(metrics)), "--dump", out] + settings, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            with h5py.File(out, "r") as f:
                return dict(f.attrs)

    def compare(self, case, columns, settings, tolerance, unsettled=frozenset()):
        """The columns that the reference has, too."""
        with h5py.File(case, "r") as golden:
            expect, a = dict(golden["expect"].attrs), dict(golden.attrs)
        skipped = OTHERS.union(unsettled, *(names for word, names in ROUNDING.items() if word in os.path.basename(case)))
        compared = [c for c in columns if NAMES.get(c, c) in expect and c not in skipped]
        out = self.evaluate(case, a, {columns[c] for c in compared},
                            settings + [f"--set={key}={expect[name]!r}" for key, name in SETTINGS.items()])
        for column in compared:
            theirs = NAMES.get(column, column)
            with self.subTest(case=os.path.basename(case), column=column, settings=settings):
                seen, right = float(out[column]), float(expect[theirs])
                scale = 1 if column in ABSOLUTE else abs(float(expect[SCALE.get(column, theirs)]))
                self.assertEqual(np.isnan(seen), np.isnan(right), (seen, right))
                if not np.isnan(right) and seen != right:
                    self.assertLessEqual(abs(seen - right), tolerance(column) * scale, (seen, right))
        return set(compared)

    def test_columns(self):
        columns, compared = self.columns(), set()
        for case in CASES:
            compared |= self.compare(case, columns, [], lambda column: TOLERANCE.get(column, 1e-5))
        print(f"compared in {len(CASES)} cases:", *sorted(compared))
        self.assertGreaterEqual(compared, {"kappa", "trace", "nasi_trace", "params"})

    def test_columns_in_double_precision(self):
        columns, small = self.columns(), [case for case in CASES if "_C3N1_" in os.path.basename(case)]
        for case in small:
            # Some gradients are 0 but for rounding, whose signs count: a few, but for one network.
            signs = {"gradsign", "gradsign_sum"} if "pool_mix" in case else set()
            self.compare(case, columns, ["--set=run.precision=double"],
                         lambda column: DOUBLE.get(column, min(TOLERANCE.get(column, 1e-9), 1e-9)), signs)
        self.assertTrue(small)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
