// SPDX-License-Identifier: Apache-2.0
// stats: how a column agrees with the truth: rank correlations with confidence intervals, and what
// the top of a ranking is worth. All functions ignore no value: the caller leaves out invalid
// candidates.
#ifndef ASSAY_STATS_H
#define ASSAY_STATS_H

#include "assay/base.h"

// Dense ranks: group[i] counts the distinct values below x[i]. Returns the number of distinct
// values, 0 when n is 0 or out of memory.
uint32_t assay_stats_dense(uint32_t n, const double *x, uint32_t *group);

// A point estimate and the ends of its 95 % interval (2.5 and 97.5 percentiles of the bootstrap);
// NaN where undefined (a constant column) or not asked for.
struct assay_stats_estimate {
    double value, lo, hi;
};

struct assay_stats_correlation {
    struct assay_stats_estimate tau;     // Kendall's tau-b
    struct assay_stats_estimate rho;     // Spearman's, on mid-ranks
    struct assay_stats_estimate partial; // Spearman's given z
};

// Correlations of x and y (n), given z (n, may be NULL). `resamples` draws of n points with
// replacement, the same ones for every call of the same n and seed. ERR_MEMORY when out of memory.
int assay_stats_correlate(uint32_t n, const double *x, const double *y, const double *z,
                          uint32_t resamples, uint64_t seed, struct assay_stats_correlation *out);

// What the first k of a ranking hold. truth[i] is the true value of the i-th best.
double assay_stats_top_best(uint32_t n, const double *truth, uint32_t k);
// Normalised discounted cumulative gain: gain (truth - min)/(max - min), discount log2(1 + place).
// *out is NaN when all are equal. Returns ERR_MEMORY when there is none left.
int assay_stats_ndcg(uint32_t n, const double *truth, uint32_t k, double *out);

#endif
