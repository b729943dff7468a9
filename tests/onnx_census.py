#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks of torchvision and timm, and random ones, as ONNX files against PyTorch in float64. No test of CI: it takes
minutes, and skips without torch.

usage: onnx_census.py ASSAY [--random N] [--seed S] [--dynamo] [--read] [NAME...]

Each network gets random weights and a few small images. Compared are logits, the Gram matrix of the kernel with BN
differentiated through the batch and with statistics held constant, kappa, and the number of parameters that run. With --read networks are only exported and read.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import warnings

try:
    import h5py
    import numpy as np
    import torch
    from torch import nn
    import torch.nn.functional as F
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

# Image size by network; torchvision's first.
TORCHVISION = {"resnet18": 32, "resnet50": 32, "resnext50_32x4d": 32, "wide_resnet50_2": 32, "densenet121": 32,
               "mobilenet_v2": 32, "mobilenet_v3_small": 32, "mobilenet_v3_large": 32, "mnasnet0_5": 32,
               "shufflenet_v2_x0_5": 32, "shufflenet_v2_x1_0": 32, "squeezenet1_0": 64, "squeezenet1_1": 64,
               "efficientnet_b0": 32, "efficientnet_v2_s": 32, "regnet_x_400mf": 32, "regnet_y_400mf": 32,
               "googlenet": 64, "inception_v3": 96, "vgg11_bn": 224, "alexnet": 224}
TIMM = {"fbnetc_100": 32, "spnasnet_100": 32, "mobilenetv4_conv_small": 32, "selecsls42b": 64, "repvgg_a0": 32,
        "ghostnet_100": 32, "hardcorenas_a": 32, "lcnet_050": 32, "tinynet_e": 64, "semnasnet_075": 32,
        "mixnet_s": 64, "tf_efficientnet_lite0": 64, "rexnet_100": 32, "dla34": 32, "dla46_c": 32, "res2net50_26w_4s": 32,
        "seresnet50": 32, "ese_vovnet19b_dw": 32, "cspresnet50": 64, "cspdarknet53": 64, "darknet53": 64,
        "hrnet_w18_small": 64, "nf_resnet50": 32, "dpn68": 64, "xception41": 64, "nasnetalarge": 96,
        "pnasnet5large": 96, "regnetz_005": 64, "convmixer_768_32": 64, "edgenext_xx_small": 64, "gernet_s": 32,
        "mobilenetv2_050": 32, "efficientnet_es": 64, "skresnet18": 32, "legacy_seresnet18": 32, "resnest14d": 64}


class BatchNorm:
    """BN by the statistics of the batch, which may be held constant."""
    frozen = False

    @staticmethod
    def forward(bn, x):
        axes = [0] + list(range(2, x.dim()))
        mean, var = x.mean(axes, keepdim=True), x.var(axes, unbiased=False, keepdim=True)
        if BatchNorm.frozen:
            mean, var = mean.detach(), var.detach()
        y = (x - mean) / torch.sqrt(var + bn.eps)
        if bn.weight is not None:
            shape = [1, -1] + [1] * (x.dim() - 2)
            y = y * bn.weight.reshape(shape) + bn.bias.reshape(shape)
        return bn.act(bn.drop(y)) if hasattr(bn, "drop") else y


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d) or type(m).__name__ == "BatchNormAct2d"]


def reference(model, x, frozen):
    """Logits and Gram matrix in float64; how many parameters run."""
    BatchNorm.frozen = frozen
    for m in norms(model):
        m.forward = lambda v, m=m: BatchNorm.forward(m, v)
    logits = model(x)
    if isinstance(logits, tuple):
        logits = logits[0]
    params = [p for p in model.parameters()]
    kinds = (nn.Conv2d, nn.Linear, nn.modules.batchnorm._BatchNorm)
    weights = {id(m.weight) for m in model.modules() if isinstance(m, kinds) and m.weight is not None}
    rows = []
    for i in range(len(x)):
        grads = torch.autograd.grad(logits[i].sum(), params, retain_graph=True, allow_unused=True)
        rows.append(torch.cat([g.reshape(-1) for g, p in zip(grads, params) if g is not None and id(p) in weights]))
    count = sum(p.numel() for g, p in zip(grads, params) if g is not None)
    for m in norms(model):
        del m.forward
    jac = torch.stack(rows)
    return logits.detach().numpy(), (jac @ jac.T).numpy(), count


def export(model, x, file, dynamo):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(model, (x,), str(file), dynamo=True, optimize=False, external_data=False, verbose=False)
        else:
            torch.onnx.export(model, (x,), str(file), dynamo=False, training=torch.onnx.TrainingMode.PRESERVE,
                              opset_version=17, input_names=["x"], output_names=["logits"],
                              dynamic_axes={"x": {0: "batch"}})


def draw(model, rng):
    """Weights that let every layer count, as float32 has them."""
    with torch.no_grad():
        for m in norms(model):
            if m.weight is not None:
                m.weight.copy_(torch.tensor(rng.normal(1, 0.2, m.weight.shape)))
                m.bias.copy_(torch.tensor(rng.normal(0, 0.3, m.bias.shape)))


def assay(program, *args):
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def compare(program, scratch, name, model, size, options, rng):
    """A line of figures, or why there are none; whether all is as it should be."""
    file, data, out = scratch / "net.onnx", scratch / "batch.h5", scratch / "out.h5"
    model.eval()
    draw(model, rng)
    x = torch.tensor(np.round(rng.normal(0, 1, (options["batch"], 3, *size)) * 64) / 64)
    export(model.float(), x[:2].float(), file, options["dynamo"])
    model.double()
    with h5py.File(data, "w") as h5:
        h5["x"] = x.numpy()
    p = assay(program, "show", "onnx", file, "--format", "json")
    if p.returncode:
        return f"{name:24} not read: {p.stderr.strip().split('net.onnx: ')[-1][:110]}", False
    counts, figures, good = json.loads(p.stdout), [], True
    if options["read"]:
        return f"{name:24} {counts['params']:9} {counts['macs']:11}", True
    for bn in ("batch", "frozen"):
        start = time.monotonic()
        logits, gram, count = reference(model, x, bn == "frozen")
        theirs = time.monotonic() - start
        start = time.monotonic()
        p = assay(program, "eval", "onnx", file, "--weights", "file", "--batch", f"{data}:/x", "--bn", bn,
                  "--set", "run.precision=double", "--dump", out)
        ours = time.monotonic() - start
        if p.returncode:
            return f"{name:24} not evaluated: {p.stderr.strip()[-110:]}", False
        with h5py.File(out) as got:
            off = [abs(got["logits"][()] - logits).max() / max(1, abs(logits).max()),
                   abs(got["gram"][()] - gram).max() / abs(gram).max()]
            value = np.linalg.eigvalsh(gram)
            # kappa is as sharp as its smallest eigenvalue; none is that is a rounding.
            kappa = value[-1] / value[0] if value[0] > 1e-11 * value[-1] else np.inf
            singular = np.isinf(kappa) and not got.attrs["kappa"] < 1e10
            off.append(0 if singular else abs(got.attrs["kappa"] / kappa - 1))
        good &= off[0] < 1e-10 and off[1] < 1e-9 and off[2] < max(1e-8, 1e-12 * kappa) and counts["params"] == count
        figures.append(f"{bn} {off[0]:.1e} {off[1]:.1e} {off[2]:.1e} ({ours:.1f}/{theirs:.1f} s)")
    return f"{name:24} {counts['params']:9} {'same' if counts['params'] == count else count} " + "  ".join(figures), good


# ---- random networks ----------------------------------------------------------------------------
class Chain(nn.Module):
    """A chain of random blocks, each of which keeps or changes the shape."""

    ACTS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Mish,
            nn.Softplus, nn.Tanh, lambda: nn.Hardtanh(-1.5, 0.75))

    def __init__(self, pick, size):
        super().__init__()
        self.kinds, self.blocks, c, shape = [], nn.ModuleList(), 3, list(size)
        for _ in range(pick.randint(2, 6)):
            kind = pick.choice(("conv", "conv", "conv", "gate", "residual", "split", "shuffle", "pool", "pad", "twice"))
            block, c, shape = self.make(pick, kind, c, shape)
            self.kinds.append(block[0])
            self.blocks.append(block[1])
        self.flat = c * shape[0] * shape[1] <= 300 and pick.random() < 0.5
        self.head = nn.Linear(c * shape[0] * shape[1] if self.flat else c, pick.randint(2, 6), bias=pick.random() < 0.7)

    def act(self, pick):
        return pick.choice(self.ACTS)()

    def conv(self, pick, c, out, keep, shape):
        kernel = [min(k, s) for k, s in zip((pick.choice((1, 2, 3, 3, 5, 7)), pick.choice((1, 3, 3, 5))), shape)]
        if keep:
            kernel = [k if k % 2 else k - 1 for k in kernel]
        stride = 1 if keep or pick.random() < 0.6 else pick.choice((2, 3))
        pad = [k // 2 for k in kernel] if keep or pick.random() < 0.7 else [0, 0]
        groups = pick.choice([g for g in (1, 1, 2, 3, c) if c % g == 0 and out % g == 0])
        layers = [nn.Conv2d(c, out, kernel, stride, pad, groups=groups, bias=pick.random() < 0.5)]
        if pick.random() < 0.7:
            layers.append(nn.BatchNorm2d(out, eps=pick.choice((1e-5, 1e-3)), affine=pick.random() < 0.9))
        if pick.random() < 0.8:
            layers.append(self.act(pick))
        return nn.Sequential(*layers), [(s + 2 * p - k) // stride + 1 for s, p, k in zip(shape, pad, kernel)]

    def make(self, pick, kind, c, shape):
        if kind == "conv" or c < 4 or min(shape) < 3:
            out = pick.choice((4, 6, 8, 12))
            block, shape = self.conv(pick, c, out, False, shape)
            return ("plain", block), out, shape
        if kind == "residual":
            return (kind, self.conv(pick, c, c, True, shape)[0]), c, shape
        if kind == "gate":
            inner = pick.randint(2, 4)
            gate = pick.choice((nn.Sigmoid, nn.Hardsigmoid))()
            return (kind, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, inner, 1), self.act(pick),
                                        nn.Conv2d(inner, c, 1), gate)), c, shape
        if kind == "split":
            half = c // 2
            return (kind, self.conv(pick, half, half, True, shape)[0]), c, shape
        if kind == "shuffle":
            return (f"shuffle {pick.choice([g for g in (2, 3, 4, 1) if c % g == 0])}", nn.Identity()), c, shape
        if kind == "twice":
            return (kind, self.conv(pick, c, c, True, shape)[0]), 2 * c, shape
        if kind == "pad":
            pads = [pick.randint(-1 if min(shape) > 3 else 0, 2) for _ in range(4)]
            return (f"pad {' '.join(map(str, pads))}", nn.Identity()), c, [shape[0] + pads[2] + pads[3],
                                                                             shape[1] + pads[0] + pads[1]]
        size, stride = pick.choice((2, 3)), pick.choice((1, 2, 3))
        options = {"padding": pick.choice((0, 1)), "ceil_mode": pick.random() < 0.5}
        pool = nn.MaxPool2d(size, stride, **options) if pick.random() < 0.5 else nn.AvgPool2d(
            size, stride, count_include_pad=pick.random() < 0.5, **options)
        return ("plain", pool), c, list(pool(torch.zeros(1, 1, *shape)).shape[2:])

    def forward(self, x):
        for kind, block in zip(self.kinds, self.blocks):
            word, *numbers = kind.split()
            if word == "plain":
                x = block(x)
            elif word == "residual":
                x = x + block(x)
            elif word == "gate":
                x = x * block(x)
            elif word == "twice":
                x = torch.cat((x, block(x)), 1)
            elif word == "split":
                half = x.shape[1] // 2
                x = torch.cat((x[:, half:], block(x[:, :half])), 1)
            elif word == "shuffle":
                n, c, h, w = x.shape
                g = int(numbers[0])
                x = x.view(n, g, c // g, h, w).transpose(1, 2).reshape(n, c, h, w)
            else:
                x = F.pad(x, [int(k) for k in numbers])
        return self.head(x.flatten(1) if self.flat else x.mean((2, 3)))


def networks(names, count, seed):
    """(name, model, image size), made one after the other."""
    for i in range(count):
        pick = random.Random(1000 * seed + i)
        size = [pick.choice((5, 8, 9, 12)), pick.choice((5, 8, 8, 11))]
        torch.manual_seed(1000 * seed + i)
        yield f"random {seed} {i}", lambda: Chain(pick, size), size
    if count and not names:
        return
    for table, module in ((TORCHVISION, "torchvision"), (TIMM, "timm")):
        for name, side in table.items():
            if names and name not in names:
                continue
            try:
                make = __import__(module + ".models", fromlist=["models"])
            except ImportError as missing:
                print(f"{name:24} skipped: {missing}")
                continue
            torch.manual_seed(seed)
            if module == "timm":
                yield name, lambda: make.create_model(name, num_classes=10), [side, side]
            elif name in ("googlenet", "inception_v3"):
                yield name, lambda: getattr(make, name)(num_classes=10, aux_logits=True, init_weights=False), [side, side]
            else:
                yield name, lambda: getattr(make, name)(num_classes=10), [side, side]


def main():
    args, options, count, seed = sys.argv[2:], {"batch": 4}, 0, 1
    for word in ("--dynamo", "--read"):
        options[word[2:]] = word in args
        args = [a for a in args if a != word]
    for word in ("--random", "--seed"):
        if word in args:
            at = args.index(word)
            count, seed = (int(args[at + 1]), seed) if word == "--random" else (count, int(args[at + 1]))
            del args[at:at + 2]
    torch.set_num_threads(1)
    wrong = total = 0
    with tempfile.TemporaryDirectory(prefix="assay-census-") as scratch:
        for name, make, size in networks(args, count, seed):
            rng = np.random.default_rng([seed, total])
            try:
                line, good = compare(sys.argv[1], pathlib.Path(scratch), name, make(), size, options, rng)
            except Exception as error:  # of the model or its exporter
                line, good = f"{name:24} failed in Python: {type(error).__name__}: {str(error)[:90]}", False
            total += 1
            wrong += not good
            print(f"{'' if good else '! '}{line}", flush=True)
    print(f"{total - wrong} of {total} networks agree")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
