// SPDX-License-Identifier: Apache-2.0
#include "assay/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ranked_value {
    double value;
    uint32_t at;
};

static int by_value(const void *a, const void *b)
{
    const double x = ((const struct ranked_value *)a)->value;
    const double y = ((const struct ranked_value *)b)->value;
    return (x > y) - (x < y);
}

uint32_t assay_stats_dense(uint32_t n, const double *x, uint32_t *group)
{
    struct ranked_value *sorted = malloc((n ? n : 1) * sizeof(*sorted));
    if (!n || !sorted) return free(sorted), 0;
    for (uint32_t i = 0; i < n; i++) sorted[i] = (struct ranked_value){x[i], i};
    qsort(sorted, n, sizeof(*sorted), by_value);
    uint32_t g = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0 && sorted[i].value > sorted[i - 1].value) g++;
        group[sorted[i].at] = g;
    }
    free(sorted);
    return g + 1;
}

// ---- one variable -------------------------------------------------------------------------------
// A variable is ranked once; a resample only changes how often each group counts.
struct variable {
    uint32_t n_group;
    uint32_t *group;  // (n) of each point, in the order of the points
    uint32_t *weight; // (n_group) points of this resample in the group
    double *mid;      // (n_group) mid-rank less the mean rank
};

struct points {
    uint32_t n;
    uint32_t *at;     // (n) original position: the points are ordered by x, then y
    uint32_t *weight; // (n) how often the resample holds the point
    uint32_t *tree;   // (n + 1) Fenwick tree over the groups of y
    bool has_z;
    struct variable x, y, z;
};

static int64_t pairs(int64_t n)
{
    return n * (n - 1) / 2;
}

// Weights, mid-ranks and the number of tied pairs of one variable under the points' weights.
static int64_t weigh(const struct points *p, const struct variable *v)
{
    memset(v->weight, 0, v->n_group * sizeof(*v->weight));
    for (uint32_t i = 0; i < p->n; i++) v->weight[v->group[i]] += p->weight[i];
    int64_t below = 0, tied = 0;
    const double mean = 0.5 * (p->n + 1.0);
    for (uint32_t g = 0; g < v->n_group; g++) {
        v->mid[g] = (double)below + 0.5 * (v->weight[g] + 1.0) - mean;
        tied += pairs(v->weight[g]);
        below += v->weight[g];
    }
    return tied;
}

// Pearson's correlation of the mid-ranks, whose means are zero.
static double spearman(const struct points *p, const struct variable *a, const struct variable *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < p->n; i++)
        ab += p->weight[i] * a->mid[a->group[i]] * b->mid[b->group[i]];
    for (uint32_t g = 0; g < a->n_group; g++) aa += a->weight[g] * a->mid[g] * a->mid[g];
    for (uint32_t g = 0; g < b->n_group; g++) bb += b->weight[g] * b->mid[g] * b->mid[g];
    return aa > 0 && bb > 0 ? ab / (sqrt(aa) * sqrt(bb)) : NAN;
}

// Pairs with x ascending and y strictly descending (Knight 1966, by a Fenwick tree): every point
// counts the earlier ones in higher groups of y. Earlier points of equal x have no higher y.
static int64_t discordant(const struct points *p)
{
    const uint32_t n_tree = p->y.n_group;
    memset(p->tree, 0, (n_tree + 1) * sizeof(*p->tree));
    int64_t earlier = 0, count = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const uint32_t w = p->weight[i];
        if (!w) continue;
        int64_t not_higher = 0;
        for (uint32_t g = p->y.group[i] + 1; g > 0; g &= g - 1) not_higher += p->tree[g];
        count += w * (earlier - not_higher);
        for (uint32_t g = p->y.group[i] + 1; g <= n_tree; g += g & -g) p->tree[g] += w;
        earlier += w;
    }
    return count;
}

static int64_t tied_in_both(const struct points *p)
{
    int64_t tied = 0, run = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const bool same =
            i > 0 && p->x.group[i] == p->x.group[i - 1] && p->y.group[i] == p->y.group[i - 1];
        if (!same) tied += pairs(run), run = 0;
        run += p->weight[i];
    }
    return tied + pairs(run);
}

static double partial(double xy, double xz, double yz)
{
    const double left = (1 - xz * xz) * (1 - yz * yz);
    return left > 1e-12 ? (xy - xz * yz) / sqrt(left) : NAN;
}

// value[0..2]: tau-b, rho, partial rho under the points' weights.
static void correlate_once(const struct points *p, double *value)
{
    const int64_t all = pairs(p->n), tied_x = weigh(p, &p->x), tied_y = weigh(p, &p->y);
    const double free_x = (double)(all - tied_x), free_y = (double)(all - tied_y);
    const double ordered = (double)(all - tied_x - tied_y + tied_in_both(p));
    value[0] = free_x > 0 && free_y > 0
                   ? (ordered - 2.0 * (double)discordant(p)) / (sqrt(free_x) * sqrt(free_y))
                   : NAN;
    value[1] = spearman(p, &p->x, &p->y);
    value[2] = NAN;
    if (!p->has_z) return;
    weigh(p, &p->z);
    value[2] = partial(value[1], spearman(p, &p->x, &p->z), spearman(p, &p->y, &p->z));
}

// ---- memory -------------------------------------------------------------------------------------
static int variable_init(struct variable *v, uint32_t n, const double *value)
{
    v->group = malloc(n * sizeof(*v->group));
    v->weight = malloc(n * sizeof(*v->weight));
    v->mid = malloc(n * sizeof(*v->mid));
    if (!v->group || !v->weight || !v->mid) return ASSAY_ERR_MEMORY;
    v->n_group = assay_stats_dense(n, value, v->group);
    return v->n_group ? 0 : ASSAY_ERR_MEMORY;
}

static void variable_free(struct variable *v)
{
    free(v->group);
    free(v->weight);
    free(v->mid);
}

static void points_free(struct points *p)
{
    variable_free(&p->x);
    variable_free(&p->y);
    variable_free(&p->z);
    free(p->at);
    free(p->weight);
    free(p->tree);
}

static int by_key(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    const int order = (x[0] > y[0]) - (x[0] < y[0]);
    return order ? order : (x[1] > y[1]) - (x[1] < y[1]);
}

static int reorder(struct variable *v, uint32_t n, const uint32_t *at)
{
    uint32_t *group = malloc(n * sizeof(*group));
    if (!group) return ASSAY_ERR_MEMORY;
    for (uint32_t i = 0; i < n; i++) group[i] = v->group[at[i]];
    free(v->group);
    v->group = group;
    return 0;
}

// Orders the points by x, then y, then position (qsort is not stable).
static int points_order(struct points *p)
{
    uint64_t(*key)[2] = malloc(p->n * sizeof(*key));
    if (!key) return ASSAY_ERR_MEMORY;
    for (uint32_t i = 0; i < p->n; i++) {
        key[i][0] = (uint64_t)p->x.group[i] << 32 | p->y.group[i];
        key[i][1] = i;
    }
    qsort(key, p->n, sizeof(*key), by_key);
    for (uint32_t i = 0; i < p->n; i++) p->at[i] = (uint32_t)key[i][1];
    free(key);
    ASSAY_TRY(reorder(&p->x, p->n, p->at));
    ASSAY_TRY(reorder(&p->y, p->n, p->at));
    return p->has_z ? reorder(&p->z, p->n, p->at) : 0;
}

static int points_init(struct points *p, uint32_t n, const double *x, const double *y,
                       const double *z)
{
    *p = (struct points){.n = n, .has_z = z};
    p->at = malloc(n * sizeof(*p->at));
    p->weight = malloc(n * sizeof(*p->weight));
    p->tree = malloc((n + 1) * sizeof(*p->tree));
    if (!p->at || !p->weight || !p->tree) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(variable_init(&p->x, n, x));
    ASSAY_TRY(variable_init(&p->y, n, y));
    if (z) ASSAY_TRY(variable_init(&p->z, n, z));
    return points_order(p);
}

// ---- bootstrap ----------------------------------------------------------------------------------
static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Interpolates between the order statistics of sorted (n), as numpy.percentile does.
static double percentile(uint32_t n, const double *sorted, double q)
{
    if (n == 0) return NAN;
    const double place = q * (n - 1);
    const uint32_t i = (uint32_t)place, j = i + 1 < n ? i + 1 : i;
    return sorted[i] + (place - i) * (sorted[j] - sorted[i]);
}

// The interval from those of n draws that are defined; reorders them.
static void interval(struct assay_stats_estimate *e, uint32_t n, double *draw)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!isnan(draw[i])) draw[kept++] = draw[i];
    qsort(draw, kept, sizeof(*draw), by_double);
    e->lo = percentile(kept, draw, 0.025);
    e->hi = percentile(kept, draw, 0.975);
}

// count (n) is scratch: how often each original point was drawn.
static void resample(struct points *p, struct assay_rng *rng, uint32_t *count)
{
    memset(count, 0, p->n * sizeof(*count));
    for (uint32_t i = 0; i < p->n; i++) // one word a draw: the bias is below n / 2^32
        count[(uint64_t)assay_rng_u32(rng) * p->n >> 32]++;
    for (uint32_t i = 0; i < p->n; i++) p->weight[i] = count[p->at[i]];
}

static int bootstrap(struct points *p, uint32_t resamples, uint64_t seed,
                     struct assay_stats_correlation *out)
{
    double *draw = malloc(3 * (size_t)resamples * sizeof(*draw));
    uint32_t *count = malloc(p->n * sizeof(*count));
    if (!draw || !count) return free(draw), free(count), ASSAY_ERR_MEMORY;
    struct assay_rng rng;
    assay_rng_init(&rng, seed, 0, "bootstrap", "");
    for (uint32_t b = 0; b < resamples; b++) {
        double value[3];
        resample(p, &rng, count);
        correlate_once(p, value);
        for (int i = 0; i < 3; i++) draw[(size_t)i * resamples + b] = value[i];
    }
    interval(&out->tau, resamples, draw);
    interval(&out->rho, resamples, draw + resamples);
    interval(&out->partial, resamples, draw + 2 * (size_t)resamples);
    free(draw);
    free(count);
    return 0;
}

int assay_stats_correlate(uint32_t n, const double *x, const double *y, const double *z,
                          uint32_t resamples, uint64_t seed, struct assay_stats_correlation *out)
{
    const struct assay_stats_estimate none = {NAN, NAN, NAN};
    *out = (struct assay_stats_correlation){none, none, none};
    if (n < 2) return 0;
    struct points p;
    int status = points_init(&p, n, x, y, z);
    if (status == 0) {
        for (uint32_t i = 0; i < n; i++) p.weight[i] = 1;
        double value[3];
        correlate_once(&p, value);
        out->tau.value = value[0], out->rho.value = value[1], out->partial.value = value[2];
        if (resamples) status = bootstrap(&p, resamples, seed, out);
    }
    points_free(&p);
    return status;
}

// ---- the top of a ranking -----------------------------------------------------------------------
double assay_stats_top_best(uint32_t n, const double *truth, uint32_t k)
{
    double best = NAN;
    for (uint32_t i = 0; i < n && i < k; i++) best = fmax(best, truth[i]);
    return best;
}

int assay_stats_ndcg(uint32_t n, const double *truth, uint32_t k, double *out)
{
    *out = NAN;
    if (n == 0) return 0;
    double *ideal = malloc(n * sizeof(*ideal));
    if (!ideal) return ASSAY_ERR_MEMORY;
    memcpy(ideal, truth, n * sizeof(*ideal));
    qsort(ideal, n, sizeof(*ideal), by_double);
    const double low = ideal[0];
    double gain = 0, most = 0;
    for (uint32_t i = 0; i < n && i < k; i++) {
        gain += (truth[i] - low) / log2(2.0 + i);
        most += (ideal[n - 1 - i] - low) / log2(2.0 + i);
    }
    free(ideal);
    if (most > 0) *out = gain / most;
    return 0;
}
