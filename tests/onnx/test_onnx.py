#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks in ONNX files: what is read of them, and what is refused. References need $ASSAY_TEST_DATA.

usage: test_onnx.py ASSAY
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import write

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = None

ASSAY = os.path.abspath(sys.argv[1])
DATA = pathlib.Path(os.environ.get("ASSAY_TEST_DATA", ""), "golden-onnx")
HAS_DATA = bool(os.environ.get("ASSAY_TEST_DATA")) and DATA.is_dir()

# name -> parameters, multiply-adds, layers: of the networks whose operations there are.
COUNTS = {"resnet_tiny": (24626, 1270080, 12), "resnet_tiny_fresh_bn": (24626, 1270080, 12),
          "densenet_tiny": (10456, 4448596, 22), "darts_v2_c4": (9030, 1646208, 56),
          "regnetx_tiny": (18946, 1311120, 17), "nb201_none_c4": (11446, 1503392, 17),
          "vgg_tiny": (13658, 1072448, 6), "squeezenet_tiny": (7286, 358912, 11),
          "mobilenetv2_w025": (7842, 943744, 20), "mobilenetv3_tiny": (10668, 436064, 22),
          "efficientnet_silu_tiny": (9260, 434688, 21), "shufflenetv2_tiny": (16666, 369216, 27),
          "efficientnet_lite_tiny": (7582, 1731040, 15)}
WARNED = {"squeezenet_tiny": "there is no BatchNormalization"}
# What the message must name.
REFUSED = {
    "custom_domain": "domain 'com.example'", "cycle": "not computed before it", "empty": "empty",
    "external_data": "external_data=False", "external_traversal": "is not opened",
    "float16_weights": "float16", "fused_bn_dynamo": "optimize=False", "fused_bn_legacy": "TrainingMode.PRESERVE",
    "future_opset": "operator set 99", "huge_dims": "4611686018427387904", "negative_dims": "dimension 0 is -8",
    "nested_20000": "control flow", "not_onnx": "no ONNX model", "random_op_stochastic_depth": "model.eval()",
    "short_tensor": "its shape asks for", "truncated": "cut off", "two_outputs": "2 outputs",
    "undefined_input": "'nowhere'", "unsupported_op_convtranspose": "(ConvTranspose)",
    "unsupported_op_instancenorm": "(InstanceNormalization)"}


def assay(*args):
    return subprocess.run([ASSAY, *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="assay-onnx-")
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)

    def file(self, content, name="net.onnx"):
        (self.dir / name).write_bytes(content)
        return self.dir / name

    def test_shown(self):
        p = assay("show", "onnx", self.file(write.small()))
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertIn("image       (3,8,8)\nclasses     5\n", p.stdout)
        self.assertRegex(p.stdout, r"(?m)^ +1  conv +\(4,8,8\) 3x3 pad 1 <- 0  c\.weight$")
        self.assertRegex(p.stdout, r"(?m)^ +5  linear +\(5,1,1\) <- 4  f\.weight  f\.bias$")
        p = assay("show", "onnx", self.dir / "net.onnx", "--format", "json")
        got = json.loads(p.stdout)
        self.assertEqual((got["params"], got["macs"], got["flops"], got["layers"], got["relus"], got["dead"]),
                         (108 + 8 + 25, 108 * 64 + 20, 108 * 64 + 25, 2, 4 * 64, False))

    def test_names_are_shown_as_text(self):
        p = assay("show", "onnx", self.file(write.small().replace(b"c.weight", b"c\x1b[2Jght")))
        self.assertEqual(p.returncode, 0)
        self.assertNotIn("\x1b", p.stdout)
        self.assertIn(r"c\x1b[2Jght", p.stdout)

    def test_refused(self):
        net = self.file(write.small(), "sound.onnx")
        for args, text in (((), "too few words"), ((net, "--order", "t.csv"), "--order"),
                           (("--supernet", "full"), "--supernet"), ((self.dir / "none.onnx",), "none.onnx"),
                           ((self.file(write.small(auto_pad="SAME")),), "net.onnx: node 'conv' (Conv): auto_pad")):
            p = assay("show", "onnx", *args)
            self.assertEqual(p.stdout, "")
            self.assertNotEqual(p.returncode, 0)
            self.assertIn(text, p.stderr)

    def test_ceil_of_pads(self):
        """As PyTorch has it: no window begins in the pads behind a map, counted or not."""
        for op, size, pads, more, shape in (
                ("AveragePool", 3, [1] * 4, {"count_include_pad": 1}, "3,3,3"), ("AveragePool", 3, [1] * 4, {}, "3,3,3"),
                ("AveragePool", 2, [1] * 4, {"count_include_pad": 1}, "3,5,5"),
                ("MaxPool", 3, [1] * 4, {}, "3,3,3"), ("MaxPool", 3, [1, 0, 1, 1], {}, "3,3,3"),
                ("MaxPool", 3, [0, 1, 1, 0], {}, "3,3,3"), ("MaxPool", 5, [1, 2, 0, 2], {}, "3,2,2")):
            nodes = [write.node(op, ["x"], ["c"], "pool", kernel_shape=[size] * 2, strides=[size] * 2, pads=pads, ceil_mode=1, **more)]
            p = assay("show", "onnx", self.file(write.headed(nodes)))
            self.assertRegex(p.stdout, rf"(?m)^ +\d+  \w+_pool +\({shape}\)", (op, size, pads, p.stderr))

    def test_nothing_is_taken_for_another(self):
        """Files that no exporter writes, which looked like others."""
        def n(op, inputs, out="c", **attributes):
            return write.node(op, inputs, [out], "odd", **attributes)

        def parts(sizes, at):
            return [write.constant("sizes", [len(sizes)], sizes, write.INT64), write.constant("at", [], [at], write.INT64),
                    n("SplitToSequence", ["x", "sizes"], "s", axis=1), n("SequenceAt", ["s", "at"])]
        conv = write.tensor("w", [3, 3, 1, 1], [0.5] * 9)
        vectors = [write.tensor(name, [3], [1] * 3) for name in "gbmv"]
        linear = [n("GlobalAveragePool", ["x"], "1"), n("Flatten", ["1"], "2"), n("MatMul", ["2", "k"], "3"),
                  *[n("Add", ["3", name], "a" + name) for name in "bg"], n("Add", ["ab", "ag"], "4"),
                  n("Unsqueeze", ["4", "axes"])]
        square = [write.tensor("k", [3, 3], [0.5] * 9), *vectors, write.tensor("axes", [2], [2, 3], write.INT64)]
        cases = [("'group' is of another type", [n("Conv", ["x", "w"], group=1.0)], [conv]),
                 ("'ceil_mode' is of another type", [n("MaxPool", ["x"], kernel_shape=[3, 3], ceil_mode=1.0)], []),
                 ("'epsilon' is of another type", [n("BatchNormalization", ["x", *"gbmv"], epsilon=1)], vectors),
                 ("'alpha' is there twice", [n("LeakyRelu", ["x"], alpha=0.5) + write.field(5, write.attribute("alpha", 0.25))], []),
                 ("scale is computed or a constant", [write.constant("one", [7], [1] * 7), write.constant("zero", [7], [0] * 7),
                                                      n("BatchNormalization", ["x", "one", "zero", "m", "v"])], vectors),
                 ("bias is computed or a constant", [write.constant("zero", [0], []), n("Conv", ["x", "w", "zero"])], [conv]),
                 ("'3' has another bias, too", linear, square),
                 ("part 2 is none of 3", parts([1 << 62, 1 << 62, 3], 2), []), ("part 1 is none of 2", parts([1, 1], 1), []),
                 ("casts a map to type 10", [write.constant("half", [], [0.5]), n("Cast", ["half"], "h", to=10), n("Mul", ["x", "h"])], [])]
        for text, nodes, tensors in cases:
            p = assay("show", "onnx", self.file(write.headed(nodes, tensors)))
            self.assertEqual((p.returncode, p.stdout), (1, ""), text)
            self.assertIn(text, p.stderr)

    def test_nothing_to_train(self):
        nodes = [write.node("GlobalAveragePool", ["x"], ["p"], "pool"), write.node("Flatten", ["p"], ["y"], "flatten")]
        p = assay("show", "onnx", self.file(write.model(nodes, [], [write.value("x", ["b", 3, 8, 8])], [write.value("y", ["b", 3])])))
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("it has no parameters", p.stderr)

    def test_nothing_is_too_large(self):
        nodes = [write.node("Conv", ["x", "w"], ["c"], "conv"), write.node("GlobalAveragePool", ["c"], ["y"], "pool")]
        inputs = [write.value("x", ["b", 3, 8, 8]), write.value("w", [2**31 - 1, 3, 1, 1])]
        p = assay("show", "onnx", self.file(write.model(nodes, [], inputs, [write.value("y", ["b", 5])])))
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("shape (2147483647,8,8), expected 1 to 1048576", p.stderr)

    def test_zeros_that_are_left_out(self):
        """Writers of proto3 leave out an attribute's value where it is 0, not its type."""
        keep = write.attribute("keepdims", 0).replace(write.field(3, 0), b"")
        mean = write.node("ReduceMean", ["x"], ["f"], "mean", axes=[2, 3]) + write.field(5, keep)
        gemm = write.node("Gemm", ["f", "w"], ["y"], "linear", transB=1)
        p = assay("show", "onnx", self.file(write.model([mean, gemm], [write.tensor("w", [5, 3], [0.5] * 15)],
                                                        [write.value("x", ["batch", 3, 8, 8])], [write.value("y", ["batch", 5])])))
        self.assertEqual((p.returncode, p.stderr), (0, ""))

    def test_what_the_model_had(self):
        """A BN that is missing behind a layer of the file was folded; what a head lacks that nobody uses was not."""
        own, parts = ["c.weight", "b.weight", "b.bias", "f.weight", "f.bias"], {
            "head": ["aux.0.weight", "aux.1.weight", "aux.1.bias"], "linear": ["aux.weight", "aux.bias"],
            "folded": ["n.weight", "n.bias"]}
        for part, names in parts.items():
            lines = [f"p: PARAMETER target='{name}'" for name in own + names]
            lines += [f"b: BUFFER target='{module}.running_mean'" for module in ("b", "n", "aux.1")]
            p = assay("show", "onnx", self.file(write.small(signature="\n".join(lines))))
            self.assertEqual(p.returncode, part == "folded", p.stderr)
            if part == "folded":
                self.assertIn("folded into convolutions (the file lacks the model's parameter 'n.weight')", p.stderr)

    def drawn(self, content, *options):
        """The columns of a network whose weights are drawn, each with its repeats."""
        p = assay("eval", "onnx", self.file(content), "--set", "data.source=gaussian", "--set", "ntk.batch=4", "--set",
                  "run.repeats=2", "--metrics", "ntk,naswot,cost", "--format", "json", *options)
        return p, {k: v.get("repeats", v["value"]) for k, v in json.loads(p.stdout)["columns"].items()} if p.stdout else None

    def test_weights_are_drawn(self):
        p, got = self.drawn(write.small())
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertEqual((got["params"], got["layers"]), (108 + 8 + 25, 2))
        self.assertNotEqual(*got["kappa"])
        self.assertTrue(all(k >= 1 for k in got["kappa"]))
        # They depend neither on what a file holds of weights nor on how these are called.
        for other in (write.small(weights=False), write.small().replace(b"c.weight", b"k.weight")):
            self.assertEqual(self.drawn(other)[1], got)
        self.assertNotEqual(self.drawn(write.small(), "--set", "run.seed=1")[1], got)
        self.assertNotEqual(self.drawn(write.small(dilations=[1, 2]))[0].returncode, 0)

    @unittest.skipUnless(h5py, "without h5py")
    def test_all_metrics(self):
        """All that there can be of networks without thin ones: values or reasons, also of a network without kinks."""
        with h5py.File(self.dir / "images.h5", "w") as f:
            f["x"], f["labels"] = np.random.default_rng(0).normal(size=(300, 3, 8, 8)), np.arange(300) % 5
        linear = write.headed([write.node("Identity", ["x"], ["c"], "same")])
        for content, kappa in ((write.small(), True), (linear, False)):
            p = assay("eval", "onnx", self.file(content), "--metrics", "all", "--set", "data.source=hdf5", "--set",
                      f"data.path={self.dir}/images.h5:/x", "--set", "run.repeats=1", "--set", "ntk.batch=4", "--format", "json")
            self.assertEqual(p.returncode, 0, p.stderr)
            got = json.loads(p.stdout)["columns"]
            self.assertNotIn("regions", got)
            self.assertEqual(got["kappa"]["value"] is not None, kappa)
            self.assertGreater(len(got), 100)

    def test_size_is_the_networks(self):
        p, _ = self.drawn(write.small(), "--classes", "7")
        self.assertIn("it has 5 outputs, expected 7 (network.classes)", p.stdout + p.stderr)
        p, _ = self.drawn(write.small(), "--image", "12")
        self.assertIn("it takes images of 8x8, expected 12x12 (network.image)", p.stdout + p.stderr)


@unittest.skipUnless(HAS_DATA, "without $ASSAY_TEST_DATA")
class References(unittest.TestCase):
    def test_counts(self):
        for name, counts in COUNTS.items():
            for kind in (".onnx", ".dynamo.onnx"):
                p = assay("show", "onnx", DATA / (name + kind), "--format", "json")
                self.assertEqual(p.returncode, 0)
                self.assertRegex(p.stderr, WARNED.get(name, "^$"))
                got = json.loads(p.stdout)
                self.assertEqual((got["params"], got["macs"], got["layers"]), counts, name + kind)

    def test_no_weights(self):
        p = assay("show", "onnx", DATA / "refuse/no_weights.onnx", "--format", "json")
        self.assertEqual(json.loads(p.stdout)["params"], COUNTS["resnet_tiny"][0])

    def test_refused(self):
        files = {f.stem for f in (DATA / "refuse").glob("*.onnx")}
        self.assertEqual(files, {*REFUSED, "no_weights"})
        for name, text in REFUSED.items():
            p = assay("show", "onnx", DATA / f"refuse/{name}.onnx")
            self.assertEqual((p.returncode, p.stdout), (1, ""), name)
            self.assertIn(text, p.stderr, name)
            self.assertIn(f"{name}.onnx: ", p.stderr)


@unittest.skipUnless(HAS_DATA and h5py, "without $ASSAY_TEST_DATA or h5py")
class Values(unittest.TestCase):
    """Logits and kernels as PyTorch has them in float64."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="assay-onnx-")
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name, "out.h5")

    def eval(self, file, name, *options, weights="file"):
        return assay("eval", "onnx", file, "--weights", weights, "--batch", f"{DATA / name}.h5:/batch/x",
                     "--set", "run.precision=double", *options)

    def check(self, file, name, bn, **weights):
        p = self.eval(file, name, "--bn", bn, "--dump", self.out, **weights)
        self.assertEqual(p.returncode, 0)
        self.assertRegex(p.stderr, WARNED.get(name, "^$"))
        prefix = "frozen_" if bn == "frozen" else ""
        with h5py.File(self.out) as got, h5py.File(f"{DATA / name}.h5") as reference:
            expect = reference["expect"]
            gram = expect[prefix + "gram"][()]
            np.testing.assert_allclose(got["logits"][()], expect["logits"][()], rtol=0, atol=1e-10)
            np.testing.assert_allclose(got["gram"][()], gram, rtol=0, atol=1e-9 * abs(gram).max())
            np.testing.assert_allclose(got.attrs["kappa"], expect.attrs[prefix + "kappa"], rtol=1e-8)
            self.assertEqual(got.attrs["ntk_parameters"], expect.attrs["params_weight"])

    def test_values(self):
        for name in COUNTS:
            for kind, bn in ((".onnx", "batch"), (".dynamo.onnx", "frozen")):
                with self.subTest(name + kind):
                    self.check(DATA / (name + kind), name, bn)

    def test_regions(self):
        for name in ("mobilenetv2_w025", "mobilenetv3_tiny", "squeezenet_tiny"):
            file = DATA / f"{name}.h5"
            with h5py.File(file) as reference:
                expect = reference["regions"].attrs
                want = expect["regions"] or None, expect["kink_regions"]
            p = assay("eval", "onnx", file.with_suffix(".onnx"), "--weights", "file", "--batch", f"{file}:/regions/x",
                      "--metrics", "naswot,kinks", "--format", "json")
            got = json.loads(p.stdout)["columns"]
            self.assertEqual((got["regions_net"]["value"], got["kink_regions_net"]["value"]), want, name)
        p = self.eval(DATA / "efficientnet_silu_tiny.onnx", "efficientnet_silu_tiny", "--metrics", "naswot,kinks,swap,az")
        for text in (r"regions_net +nan +the network has no ReLU", r"kink_regions_net +nan +no activation of the network",
                     r"swap +nan +the network has no ReLU", r"az_expressivity +nan +the network has no blocks"):
            self.assertRegex(p.stdout, text)

    def test_weights_from_elsewhere(self):
        self.check(DATA / "refuse/no_weights.onnx", "resnet_tiny_fresh_bn", "batch",
                   weights=f"{DATA}/resnet_tiny_fresh_bn.h5:/weights")

    def test_no_weights(self):
        p = self.eval(DATA / "refuse/no_weights.onnx", "resnet_tiny")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("no_weights.onnx: it has no values of 'conv1.weight'; export with weights", p.stderr)

    def test_options(self):
        file = DATA / "resnet_tiny.onnx"
        p = assay("eval", "onnx", file, "--weights", "file")
        self.assertIn("--weights needs --batch as well", p.stderr)
        p = self.eval(file, "resnet_tiny", "--network", "thin")
        self.assertIn("onnx has no thin networks", p.stderr)
        p = self.eval(file, "resnet_tiny", "--metrics", "cost,regions", "--format", "json")
        got = json.loads(p.stdout)
        self.assertEqual((got["space"], got["file"], got["columns"]["params"]["value"]), ("onnx", str(file), 24626))


if __name__ == "__main__":
    if not HAS_DATA:
        print("skipped in part: references need $ASSAY_TEST_DATA")
    unittest.main(argv=sys.argv[:1])
