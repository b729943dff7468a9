// SPDX-License-Identifier: Apache-2.0
// What several metrics compute of numbers, and say of them.
#include "subject.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

int metric_degenerate(char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, ASSAY_METRIC_REASON, fmt, args);
    va_end(args);
    return ASSAY_VERDICT_DEGENERATE;
}

int metric_need_relu(const struct assay_graph *g, size_t n, double *out, char *reason)
{
    for (uint32_t i = 0; i < g->n_node; i++)
        if (g->node[i].op == ASSAY_OP_RELU) return ASSAY_VERDICT_OK;
    for (size_t i = 0; i < n; i++) out[i] = NAN;
    return metric_degenerate(reason, "the network has no ReLU");
}

double metric_sumsq(size_t n, const double *v)
{
    double lane[8] = {0.0}; // eight partial sums: the compiler may not reorder one
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t l = 0; l < 8; l++) lane[l] += v[i + l] * v[i + l];
    }
    for (size_t l = 0; i + l < n; l++) lane[l] += v[i + l] * v[i + l];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

void assay_weights_make(const struct assay_weights *w, const struct assay_graph *g, double *theta)
{
    for (uint32_t i = 0; w->weighting == ASSAY_WEIGHTS_CONSTANT && i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        const bool zero =
            p->role == ASSAY_BN_BETA || p->role == ASSAY_LINEAR_BIAS || p->role == ASSAY_CONV_BIAS;
        for (uint64_t k = 0; k < p->size; k++) theta[p->offset + k] = zero ? 0 : w->constant;
    }
    for (uint64_t k = 0; w->weighting == ASSAY_WEIGHTS_ABSOLUTE && k < g->n_theta; k++)
        theta[k] = fabs(theta[k]);
}
