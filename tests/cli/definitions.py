# SPDX-License-Identifier: Apache-2.0
"""Correlations by their definitions, for short lists."""
import math

import numpy as np


def tau_b(x, y):
    sx, sy = (np.sign(np.subtract.outer(v, v)) for v in (np.array(x), np.array(y)))
    return (sx * sy).sum() / math.sqrt(abs(sx).sum() * abs(sy).sum())


def spearman(x, y):
    ranks = [(np.less.outer(v, v).sum(0) + np.less_equal.outer(v, v).sum(0)) / 2
             for v in (np.array(x), np.array(y))]
    return np.corrcoef(*ranks)[0, 1]


def partial(x, y, z):
    xy, xz, yz = spearman(x, y), spearman(x, z), spearman(y, z)
    return (xy - xz * yz) / math.sqrt((1 - xz ** 2) * (1 - yz ** 2))
