#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The enumeration of NAS-Bench-101 that the program is built with, against digests computed elsewhere.

usage: test_nb101_table.py NB101_TABLE
"""
import hashlib
import subprocess
import sys
import unittest

COUNT = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62010, 7: 359082}
EDGES = {1: 1, 2: 3, 3: 12, 4: 60, 5: 339, 6: 2134, 7: 13984, 8: 78822, 9: 328269}
HASHES = "53e1438d11675d9eb3899166c29ca07fe0c4b81af9d99d5aec3ecd31bd5bca7f"
CELLS = "ca45d5e36f3cb10329e1d9713e91cc93e00c43ca991fc52ec64337496e22455b"
ENCODINGS = [(14580, 486, 2685), (29160, 324, 7773), (1312200, 53460, 55854)]  # of NAS-Bench-1Shot1: all, most, cells


def layer(kernel, a, b):
    """Parameters of a convolution and its BN."""
    return kernel * kernel * a * b + 2 * b


def module(n, edge, a, b):
    """Parameters of a module from a to b channels: those of projections, and of each vertex's three operations."""
    last = n - 1
    parents = [v for v in range(1, last) if (v, last) in edge]
    width = {v: b // len(parents) + (i < b % len(parents)) for i, v in enumerate(parents)}
    for v in range(last - 1, 0, -1):
        width.setdefault(v, max((width[u] for u in range(v + 1, last) if (v, u) in edge), default=0))
    width[last] = b
    projections = sum(layer(1, a, width[v]) for v in range(1, n) if (0, v) in edge)
    return projections, [(layer(3, width[v], width[v]), layer(1, width[v], width[v]), 0) for v in range(1, last)]


def network(n, bits):
    """The same of the network of 128 channels and three modules a stack."""
    edge = {(x, y) for y in range(1, n) for x in range(y) if bits >> (x + y * (y - 1) // 2) & 1}
    fixed, ops = layer(3, 3, 128) + 10 * 513, [[0, 0, 0] for _ in range(n - 2)]
    for a, b, times in ((128, 128, 3), (128, 256, 1), (256, 256, 2), (256, 512, 1), (512, 512, 2)):
        projections, own = module(n, edge, a, b)
        fixed += times * projections
        ops = [[s + times * o for s, o in zip(sums, more)] for sums, more in zip(ops, own)]
    return fixed, ops


class Table(unittest.TestCase):
    def test_all_cells(self):
        listed = subprocess.run([sys.argv[1], "--list"], capture_output=True, check=True, timeout=250).stdout
        count, edges, total, hashes = dict.fromkeys(COUNT, 0), dict.fromkeys(EDGES, 0), 0, []
        digest, last = hashlib.sha256(), None
        encodings = []
        for line in listed.decode().splitlines():
            name, n, bits, ops, *of = line.split(" ")
            encodings.append([int(number) for number in of])
            n, bits = int(n), int(bits)
            if (n, bits) != last:
                last, (fixed, own) = (n, bits), network(n, bits)
            params = fixed + sum(sums[int(op)] for sums, op in zip(own, ops))
            digest.update(f"{name} {n} {bits} {ops} {params}\n".encode())
            hashes.append(name)
            count[n] += 1
            edges[bits.bit_count()] += 1
            total += params
        self.assertEqual(count, COUNT)
        self.assertEqual(edges, EDGES)
        self.assertEqual(total, 3583758170075)
        self.assertEqual(digest.hexdigest(), CELLS)
        self.assertEqual([(sum(of), max(of), sum(number > 0 for number in of)) for of in zip(*encodings)], ENCODINGS)
        self.assertEqual(hashlib.sha256("".join(f"{h}\n" for h in sorted(hashes)).encode()).hexdigest(), HASHES)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
