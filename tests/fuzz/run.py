#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a harness on seeds that the program makes: for so many seconds, or a few inputs for 0. What it found stays in the
working directory.

usage: run.py ASSAY HARNESS NAME SECONDS [CORPUS]
"""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "onnx"))
import write

NAN = float("nan")
LIMITS = ["-timeout=20", "-rss_limit_mb=4096", "-malloc_limit_mb=1100", "-max_len=4096", "-print_final_stats=1"]


def ask(assay, *words):
    return subprocess.run([assay, *map(str, words)], check=True, capture_output=True, text=True).stdout


def texts(assay, space, indices):
    for index in indices:
        yield re.search(r"^arch +(.+)$", ask(assay, "show", space, index), re.M)[1]


def collection(*files):
    """A block of networks called 0.onnx, 1.onnx and so on."""
    block = b"assaynet" + struct.pack("<Q", len(files))
    for i, file in enumerate(files):
        name, rest = b"%d.onnx\0" % i, b"\0" + file
        size = 48 + len(name) + len(rest)
        block += struct.pack("<QQQQIIQ", size + -size % 8, 1, 2, i, len(name), 1, len(file)) + name + rest + bytes(-size % 8)
    return block


def seeds(assay, name):
    """The first inputs: what the program itself prints, or bytes that leave a right file as it is."""
    listed = re.findall(r"(?m)^([\w-]+) +(\d+) architectures", ask(assay, "list", "spaces"))
    spaces = [(space, (0, int(size) // 2, int(size) - 1)) for space, size in listed]
    if name == "arch":
        for i, (space, indices) in enumerate(spaces):
            for text in texts(assay, space, indices):
                yield bytes([2 * i]) + text.encode()
        for mask in ("full", "full+none", "1234,3,0134,-,13,2"):
            yield b"\1" + mask.encode()
    elif name == "genotype":
        for text in texts(assay, "darts", dict(spaces)["darts"]):
            yield text.encode()
    elif name == "ini":
        options = ask(assay, "list", "options")
        yield from (part.encode() for part in [options, *re.split(r"\n(?=\[)", options)])
    elif name == "csv":
        rows = "".join(f'{space},"{text}",{90 + index % 9}.5\n' for space, indices in spaces[:1]
                       for index, text in zip(indices, texts(assay, space, indices)))
        yield bytes([20]) + f"a,arch,test_accuracy\r\n{rows}".encode()
        cells = {text: {"test_accuracy": {"score": 90.5, "time": 1}, "a": NAN} for text in texts(assay, *spaces[0])}
        listed = [{"arch": text, **row} for text, row in cells.items()]
        for value in (cells, {"cifar10": cells}, listed):
            yield bytes([20]) + json.dumps(value).encode()
        yield bytes([20]) + "\n".join(map(json.dumps, listed)).encode()
    elif name == "onnx":
        yield from (write.small(), write.small(auto_pad="VALID"), write.model([], [], [], [], 99))
    elif name == "collection":
        yield from (collection(), collection(write.small()), collection(b"", write.small(weights=False), b"\0" * 9))
    else:
        yield from (bytes(range(start, start + 200)) for start in (0, 50))
        yield b"".join(struct.pack("<BBQ", kind, 1, 2) for kind in range(0, 250, 10))
        yield bytes(300)


def main():
    assay, harness, name, seconds, *corpus = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        first = pathlib.Path(scratch, "seeds")
        first.mkdir()
        for i, seed in enumerate(seeds(os.path.abspath(assay), name)):
            (first / str(i)).write_bytes(seed)
        found = pathlib.Path(corpus[0] if corpus else scratch + "/corpus")
        found.mkdir(exist_ok=True)
        end = [f"-max_total_time={seconds}"] if int(seconds) else ["-runs=300", "-seed=1"]
        p = subprocess.run([harness, *LIMITS, *end, f"-artifact_prefix=fuzz-{name}-", found, first],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = p.stdout.splitlines()
    print("\n".join(lines[-60:] if p.returncode else [x for x in lines if "DONE" in x or "number_of_executed" in x]))
    return p.returncode


if __name__ == "__main__":
    sys.exit(main())
