// SPDX-License-Identifier: Apache-2.0
// Activations as their papers have them, for tests: `where` says on which piece, x need not lie
// there.
#ifndef ASSAY_TESTS_ACT_H
#define ASSAY_TESTS_ACT_H

#include "assay/graph.h"

#include <math.h>

static inline double act_at(const struct assay_node *n, double where, double x)
{
    const double softplus = log(1 + exp(x));
    double cut = n->a * x + n->b;
    switch ((enum assay_act)n->act) {
    case ASSAY_ACT_CLIP:
        return where <= n->a ? n->a : where >= n->b ? n->b : x;
    case ASSAY_ACT_LEAKY_RELU:
        return where > 0 ? x : n->a * x;
    case ASSAY_ACT_HARDSIGMOID:
        if (n->a * where + n->b <= 0) cut = 0;
        return n->a * where + n->b >= 1 ? 1 : cut;
    case ASSAY_ACT_HARDSWISH:
        return where <= -3 ? 0 : where >= 3 ? x : x * (x + 3) / 6;
    case ASSAY_ACT_ELU:
        return where > 0 ? x : n->a * (exp(x) - 1);
    case ASSAY_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ASSAY_ACT_SILU:
        return x / (1 + exp(-x));
    case ASSAY_ACT_TANH:
        return (exp(2 * x) - 1) / (exp(2 * x) + 1);
    case ASSAY_ACT_SOFTPLUS:
        return softplus;
    case ASSAY_ACT_MISH:
        return x * tanh(softplus);
    case ASSAY_ACT_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case ASSAY_ACT_ERF:
        return erf(x);
    case ASSAY_ACT_AFFINE:
        return n->a * x + n->b;
    case ASSAY_ACT_COUNT:
        break;
    }
    return NAN;
}

// How near a value is to where two pieces meet.
static inline double act_margin(const struct assay_node *n, double x)
{
    switch ((enum assay_act)n->act) {
    case ASSAY_ACT_CLIP:
        return fmin(fabs(x - n->a), fabs(x - n->b));
    case ASSAY_ACT_LEAKY_RELU:
    case ASSAY_ACT_ELU:
        return fabs(x);
    case ASSAY_ACT_HARDSIGMOID:
        return fmin(fabs(n->a * x + n->b), fabs(n->a * x + n->b - 1));
    case ASSAY_ACT_HARDSWISH:
        return fabs(fabs(x) - 3);
    default:
        return INFINITY;
    }
}

#endif
