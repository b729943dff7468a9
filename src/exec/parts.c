// SPDX-License-Identifier: Apache-2.0
// What the parts of a batch, each with an executor of its own, have in common: moments of nodes.
#include <math.h>

#include "exec/exec.h"

static double *moments(const struct assay_exec *x, uint32_t node)
{
    return AT(x, double, x->plan->slot[node].moments);
}

static double numbers(const struct assay_exec *x, uint32_t node, uint32_t images)
{
    const struct assay_node *n = &x->plan->graph->node[node];
    return (double)images * n->h * n->w;
}

// The first part's means, about which all sum: a constant channel has no variance, not a rounding
// error's.
static void take_means(const struct assay_exec *x, uint32_t node, double *about)
{
    for (uint32_t c = 0; c < x->plan->graph->node[node].c; c++)
        about[c] = x->parts->at == 0 ? moments(x, node)[c] : 0;
}

// sums (2, c): of the part's numbers less `about`, and of their squares.
static void sum_about(const struct assay_exec *x, uint32_t node, const double *about, double *sums)
{
    const uint32_t channels = x->plan->graph->node[node].c;
    const double *mean = moments(x, node), *sq = mean + channels, n = numbers(x, node, x->plan->n);
    for (uint32_t c = 0; c < channels; c++) {
        const double off = n > 0 ? mean[c] - about[c] : 0;
        sums[c] = n * off;
        sums[channels + c] = n > 0 ? sq[c] + n * off * off : 0;
    }
}

static void set_moments(const struct assay_exec *x, uint32_t node, const double *about,
                        const double *sums)
{
    const uint32_t channels = x->plan->graph->node[node].c;
    double *mean = moments(x, node), *sq = mean + channels;
    const double n = numbers(x, node, x->plan->batch);
    for (uint32_t c = 0; c < channels; c++) {
        mean[c] = about[c] + sums[c] / n;
        sq[c] = fmax(sums[channels + c] - sums[c] * sums[c] / n, 0);
    }
}

void exec_share_moments(const struct assay_exec *x, uint32_t first, uint32_t last)
{
    const struct assay_plan *plan = x->plan;
    if (!x->parts) return;
    const size_t all = exec_measured(plan, first, last);
    double *about = AT(x, double, plan->shared), *sums = about + all;
    if (all == 0) return;
    for (int step = 0; step < 3; step++) {
        size_t at = 0;
        for (uint32_t k = first; k < last; k++) {
            const uint32_t node = plan->sequence[k];
            if (!plan->slot[node].measured) continue;
            if (step == 0) take_means(x, node, about + at);
            if (step == 1) sum_about(x, node, about + at, sums + 2 * at);
            if (step == 2) set_moments(x, node, about + at, sums + 2 * at);
            at += plan->graph->node[node].c;
        }
        if (step == 0) x->parts->sum(x->parts->self, all, about);
        if (step == 1) x->parts->sum(x->parts->self, 2 * all, sums);
    }
}
