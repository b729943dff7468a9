#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: the columns that share a forward and a loss's backward pass, PyTorch against assay, in turn.

usage: bench_fused_pytorch.py ASSAY, with a Python that has torch; without, it is skipped. One thread each, CPU time,
medians. NAS-Bench-201's network with C = 16, N = 5, batch 32, noise. PyTorch, in float32, computes what bench_fused
calls the two lists: every function below is a column or some that come together, and makes passes of its own, as the
releases' functions do. Of oneDNN and PyTorch's own convolutions, of which each is tried once, the faster ones count.
Memory is touched for the first time while they are tried, and in the first of assay's repeats, whose mean is taken.
"""
import re
import statistics
import subprocess
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    print("skipped: this Python has no torch")
    sys.exit(77)

BATCH, RUNS, REPEATS = 32, 3, 12
METRICS = "cost,l2_norm,naswot,swap,near,meco_batch,grad_norm,snip,plain,fisher,mgm,wrcor"
CELLS = {"all conv3x3": "333333", "mixed": "214312"}
OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


# ---- the network ----------------------------------------------------------------------------------------------------
class Unit(nn.Sequential):
    def __init__(self, c_in, c, kernel, stride=1):
        super().__init__(nn.ReLU(), nn.Conv2d(c_in, c, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(c))


class Zero(nn.Module):
    def forward(self, x):
        return x * 0


def operation(code, c):
    if code in "23":
        return Unit(c, c, 1 if code == "2" else 3)
    return {"0": Zero(), "1": nn.Identity(), "4": nn.AvgPool2d(3, 1, 1, count_include_pad=False)}[code]


class Cell(nn.Module):
    def __init__(self, code, c):
        super().__init__()
        self.layers = nn.ModuleList(operation(o, c) for o in code)

    def forward(self, x):
        nodes, edges = [x], iter(self.layers)
        for _ in range(3):
            nodes.append(sum(op(n) for n, op in zip(list(nodes), [next(edges) for _ in nodes])))
        return nodes[-1]


class Reduction(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = Unit(c, 2 * c, 3, 2), Unit(2 * c, 2 * c, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(c, 2 * c, 1, bias=False))

    def forward(self, x):
        return self.shortcut(x) + self.b(self.a(x))


def network(code):
    body = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    for c in 16, 32, 64:
        body += [Cell(code, c) for _ in range(5)] + ([Reduction(c)] if c < 64 else [])
    body += [nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    for i, part in enumerate(body):
        for module in part.modules():
            module.cell = min(max(i - 2, 0), 17)
    return nn.Sequential(*body)


# ---- passes ---------------------------------------------------------------------------------------------------------
def layers(net):
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def forward(net, x, of, look):
    """A pass that shows `look` (module, inputs, output) of modules of some types."""
    hooks = [m.register_forward_hook(look) for m in net.modules() if isinstance(m, of)]
    with torch.no_grad():
        net(x)
    for hook in hooks:
        hook.remove()


def gradients(net, x, y, parameters):
    return torch.autograd.grad(nn.functional.cross_entropy(net(x), y), parameters)


def weight_gradients(net, x, y):
    weights = [m.weight for m in layers(net)]
    return weights, gradients(net, x, y, weights)


def correlations(rows):
    return torch.corrcoef(rows.flatten(1)).abs()


# ---- columns --------------------------------------------------------------------------------------------------------
def l2_norm(net, x, y):
    with torch.no_grad():
        return float(sum(m.weight.norm() for m in layers(net)))


def agreement(net, x, units):
    k = torch.zeros(BATCH, BATCH)

    def look(module, inputs, output):
        code = (inputs[0].flatten(1) > 0).float()
        k.add_(code @ code.T + (1 - code) @ (1 - code).T)

    forward(net, x, (nn.ReLU, Unit) if units else nn.ReLU, look)
    return k


def naswot(net, x, y):
    return float(torch.linalg.slogdet(agreement(net, x, False))[1])


def naswot_released(net, x, y):
    return float(torch.linalg.slogdet(agreement(net, x, True))[1])


def sign_statistics(net, x, y):
    """Hamming distances, and units that are on or off."""
    k, counts = agreement(net, x, False), torch.zeros(4)

    def look(module, inputs, output):
        code = inputs[0].flatten(1) > 0
        counts.add_(torch.stack([torch.tensor(code.shape[1]), (~code.any(0)).sum(), code.all(0).sum(), code.sum()]))

    forward(net, x, nn.ReLU, look)
    return float((counts[0] - k).mean() / counts[0]), counts


def patterns(net, x):
    codes = []
    forward(net, x, nn.ReLU, lambda module, inputs, output: codes.append((output > 0).flatten(1)))
    return torch.cat(codes, 1)


def regions(net, x, y):
    return len(torch.unique(patterns(net, x), dim=0))


def swap(net, x, y):
    words = patterns(net, x).to(torch.int64).T @ (2 ** torch.arange(BATCH))  # the release compares bit by bit
    return len(torch.unique(words))


def near(net, x, y):
    ranks = []

    def look(module, inputs, output):
        rows = output if output.ndim == 2 else output.transpose(1, 3).flatten(0, 2)
        s = torch.linalg.svdvals(rows[:rows.shape[1]])
        p = s / s.sum()
        ranks.append(torch.exp(-torch.xlogy(p, p).sum()))

    forward(net, x, (nn.Conv2d, nn.BatchNorm2d, nn.Linear, nn.ReLU), look)
    return float(sum(ranks))


def meco(net, x, y):
    least = []

    def look(module, inputs, output):
        if output.ndim == 4 and output.shape[2] > 1:
            least.append(torch.linalg.eigvalsh(torch.corrcoef(output[0].flatten(1)).nan_to_num())[0])

    forward(net, x, nn.Module, look)
    return float(sum(least))


def grad_norm(net, x, y):
    return float(sum(g.norm() for g in weight_gradients(net, x, y)[1]))


def snip(net, x, y):
    return float(sum((w * g).abs().sum() for w, g in zip(*weight_gradients(net, x, y))))


def plain(net, x, y):
    return float(sum((w * g).sum() for w, g in zip(*weight_gradients(net, x, y))))


def grad_norm_all(net, x, y):
    return float(sum(g.square().sum() for g in gradients(net, x, y, list(net.parameters())))) ** 0.5


def mgm(net, x, y):
    return float(sum(g.square().sum() for g in gradients(net, x, y, list(net.parameters()))))


def fisher(net, x, y):
    total, shown = 0, []
    hooks = [m.register_forward_hook(lambda module, inputs, output: shown.append((module, output)))
             for m in layers(net)]
    loss = nn.functional.cross_entropy(net(x), y)
    for hook in hooks:
        hook.remove()
    found = torch.autograd.grad(loss, [a for _, a in shown], allow_unused=True)
    for (module, a), g in zip(shown, found):
        if g is not None:
            dot = (a * g).flatten(2).sum(2) if a.ndim == 4 else a * g
            total += float(dot.square().mean(0).sum().detach() / 2) * module.weight[0].numel()
    return total


def wrcor(net, x, y, units=False):
    k = torch.zeros(BATCH, BATCH)

    def add(module, rows, times):
        r = correlations(rows.detach())
        if not r.isnan().any():
            k.add_(r * 2 ** module.cell * times)

    def look(module, inputs, output):
        add(module, inputs[0], 2 if units else 1)

    def back(module, at_input, at_output):
        add(module, at_input[0], 1)

    modules = [m for m in net.modules() if isinstance(m, nn.ReLU) or (units and isinstance(m, nn.BatchNorm2d))]
    hooks = [m.register_forward_hook(look) for m in modules if isinstance(m, nn.ReLU)]
    hooks += [m.register_full_backward_hook(back) for m in modules]
    nn.functional.cross_entropy(net(x), y).backward()
    for hook in hooks:
        hook.remove()
    net.zero_grad()
    return float(torch.linalg.slogdet(k)[1])


def wrcor_released(net, x, y):
    return wrcor(net, x, y, units=True)


COLUMNS = [l2_norm, naswot, naswot_released, sign_statistics, regions, swap, near, meco, grad_norm, snip, plain,
           fisher, grad_norm_all, mgm, wrcor, wrcor_released]


# ---- both -----------------------------------------------------------------------------------------------------------
def pytorch_seconds(net, x, y, dnn):
    times = {}
    with torch.backends.mkldnn.flags(enabled=dnn):
        for column in COLUMNS:
            start = time.process_time()
            column(net, x, y)
            times[column.__name__] = time.process_time() - start
    return times


def assay_seconds(assay, code):
    nodes = [[f"{OPS[int(o)]}~{i}" for i, o in enumerate(part)] for part in (code[:1], code[1:3], code[3:])]
    arch = "+".join("|" + "|".join(node) + "|" for node in nodes)
    settings = {"protocol.name": "suite-zero", "run.metrics": METRICS, "run.repeats": str(REPEATS), "run.members": "true",
                "data.source": "gaussian", "proxies.labels": "random", "proxies.batch": str(BATCH),
                "swap.batch": str(BATCH), "swap.init": "pytorch"}
    words = [assay, "eval", "nas-bench-201", arch] + [w for kv in settings.items() for w in ("--set", "=".join(kv))]
    text = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout
    return float(re.search(r"^CPU time +([0-9.]+) s", text, re.M).group(1)) / REPEATS


def compare(assay, name, code):
    net, x, y = network(code), torch.randn(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))
    tried = {dnn: sum(pytorch_seconds(net, x, y, dnn).values()) for dnn in (True, False)}
    best = min(tried, key=tried.get)
    theirs, ours = [], []
    for _ in range(RUNS):
        theirs.append(pytorch_seconds(net, x, y, best))
        ours.append(assay_seconds(assay, code))
    a, b = statistics.median(sum(t.values()) for t in theirs), statistics.median(ours)
    print(f"{name} ({code}, {sum(p.numel() for p in net.parameters())} parameters): PyTorch {torch.__version__} "
          f"{a:.2f} s with oneDNN {'on' if best else 'off'} (tried on {tried[True]:.2f} s, off {tried[False]:.2f} s), "
          f"assay {b:.3f} s, {a / b:.1f} times")
    for column in COLUMNS:
        print(f"  {column.__name__:16s} {statistics.median(t[column.__name__] for t in theirs):.3f} s", flush=True)


def main():
    torch.set_num_threads(1)
    for name, code in CELLS.items():
        compare(sys.argv[1], name, code)


main()
