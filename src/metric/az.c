// SPDX-License-Identifier: Apache-2.0
// AZ-NAS (arXiv 2403.19232): how much of their channels' space the features of stem, cells and
// reduction blocks fill, how that grows, and how each block passes gradients on.
#include "proxies.h"

#include "assay/la.h"

#include <string.h>

#define SMALL    1e-8 // beside a part, in its logarithm
#define ROUNDING 1e-9 // cells that only rescale their input would be ordered by less

static const struct assay_column columns[] = {
    {"az_expressivity", "nat",
     "AZ-NAS (arXiv 2403.19232): sum over features of the entropy of the parts that the "
     "eigenvalues of the channels' covariance have",
     1},
    {"az_progressivity", "nat", "AZ-NAS: the least that this entropy grows by from one to the next",
     1},
    {"az_trainability", "1",
     "AZ-NAS: mean over blocks of 2 - s - 1 / (s + 1e-6), s the largest singular value of the mean "
     "product of a random cotangent and what the block pulls back of it",
     1},
};

// [az]
static const struct assay_opt rows[] = {NOISE_ROWS("az", "AZ-NAS's metrics"), {.name = NULL}};
static const struct assay_options options = {rows, sizeof(struct proxies_options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = proxies_pass(use->option[0]);
    pass[0].network = ASSAY_NET;
    pass[0].input.stream = "az";
    pass[0].input.key = "az.batch";
    pass[0].pull = ASSAY_PULL_BLOCKS;
    pass[0].single = true;
    return 1;
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_feature; i++)
        if (g->feature[i].node != UINT32_MAX)
            tapped[g->feature[i].node] |= ASSAY_TAP_VALUE | ASSAY_TAP_GRADIENT | ASSAY_TAP_REPLACED;
}

// ---- what is kept of the features ---------------------------------------------------------------
// Sums over pixels and images, as offsets into the numbers behind all features. A block of stride r
// halves or quarters pixels: of the gradient before it every pixel behind it sees r * r, which are
// channels of their own here.
struct feature {
    uint32_t node, c, h, w;        // node UINT32_MAX: it is zero
    uint32_t stride, rows;         // of the block that makes it; channels of the gradient before it
    bool moves;                    // some gradient is another before its block than behind it
    size_t shift, sum, cov, cross; // (c), (c), (c,c), (rows,c)
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// Rows of a block of images and their products; eigenvalues or singular values with their scratch.
static size_t work_numbers(const struct feature *f)
{
    const size_t all = f->c + f->rows;
    return larger(all * ((size_t)f->h * f->w * ASSAY_BLOCK_MAX + all),
                  all + larger(assay_la_eigenvalues_work(f->c),
                               f->rows ? assay_la_singular_values_work(f->rows, f->c) : 0));
}

// Lays out the features of a graph; returns how many numbers they and the work on them take.
// list: (n_feature), or NULL.
static size_t lay_out(const struct assay_graph *g, struct feature *list)
{
    size_t at = 0, work = 0;
    struct feature f = {.node = UINT32_MAX};
    for (uint32_t i = 0; i < g->n_feature; i++) {
        const struct feature before = f;
        f = (struct feature){.node = g->feature[i].node};
        if (f.node != UINT32_MAX) {
            const struct assay_node *n = &g->node[f.node];
            f.c = n->c, f.h = n->h, f.w = n->w;
            f.stride = before.node == UINT32_MAX ? 0 : before.h / n->h;
            f.rows = f.stride * f.stride * before.c;
            f.shift = at, f.sum = f.shift + f.c, f.cov = f.sum + f.c;
            f.cross = f.cov + (size_t)f.c * f.c;
            at = f.cross + (size_t)f.rows * f.c;
            work = larger(work, work_numbers(&f));
        }
        if (list) list[i] = f;
    }
    return at + work;
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    return g->n_feature * sizeof(struct feature) + lay_out(g, NULL) * sizeof(double);
}

// The state of a look: its features, the numbers behind them, and room to work.
struct az {
    const struct assay_graph *g;
    struct feature *list;
    double *at, *work;
};

static struct az open_state(const struct assay_graph *g, void *state)
{
    struct az az = {
        .g = g, .list = state, .at = (double *)((struct feature *)state + g->n_feature)};
    if (g->n_feature && !az.list[0].c) lay_out(g, az.list);
    for (uint32_t i = 0; i < g->n_feature; i++)
        if (az.list[i].node != UINT32_MAX)
            az.work = az.at + az.list[i].cross + (size_t)az.list[i].rows * az.list[i].c;
    return az;
}

// The first feature that is a node, and the first behind it that is another; n_feature: none. A
// block that passes its input on makes the same node of it.
static uint32_t first_of(const struct assay_graph *g, uint32_t node)
{
    uint32_t i = 0;
    while (i < g->n_feature && g->feature[i].node != node) i++;
    return i;
}

static uint32_t next_of(const struct assay_graph *g, uint32_t node)
{
    uint32_t i = first_of(g, node);
    while (i < g->n_feature && g->feature[i].node == node) i++;
    return i;
}

// ---- taps ---------------------------------------------------------------------------------------
// A value's channels, less their means over the first block of images.
static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct az az = open_state(look->graph, look->state);
    const uint32_t i = first_of(az.g, b->node);
    if (i == az.g->n_feature) return;
    const struct feature *f = &az.list[i];
    double *shift = az.at + f->shift, *sum = az.at + f->sum, *cov = az.at + f->cov;
    const size_t n = (size_t)b->pixels * b->count;
    double *row = az.work, *gram = az.work + f->c * n;
    for (uint32_t c = 0; c < b->c; c++, v += (size_t)b->pixels * b->stride) {
        double total = 0;
        for (size_t p = 0, k = 0; p < b->pixels; p++)
            for (uint32_t l = 0; l < b->count; l++, k++)
                total += row[c * n + k] = v[p * b->stride + l];
        if (b->first == 0) shift[c] = total / (double)n;
        for (size_t k = 0; k < n; k++) row[c * n + k] -= shift[c];
        sum[c] += total - (double)n * shift[c];
    }
    assay_la_gram(f->c, n, row, n, gram);
    for (size_t k = 0; k < (size_t)f->c * f->c; k++) cov[k] += gram[k];
}

// A random sign of block l's cotangent at one number of the batch: the highest bit of SplitMix64.
static double random_sign(uint32_t l, uint64_t index)
{
    uint64_t z = (((uint64_t)l << 32) + index + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return z >> 63 ? 1 : -1;
}

// The cotangents of block l at its output, which are its own.
static void replace(const struct assay_look *look, const struct assay_block *b, double *gradient)
{
    const uint32_t l = first_of(look->graph, b->node);
    const uint64_t size = (uint64_t)b->c * b->pixels;
    for (uint64_t p = 0; l < look->graph->n_feature && p < size; p++)
        for (uint32_t i = 0; i < b->count; i++)
            gradient[p * b->stride + i] = random_sign(l, (b->first + i) * size + p);
}

// What block l pulled back of its cotangents is d, at the feature before it.
static void gradient(const struct assay_look *look, const struct assay_block *b, const double *d,
                     const double *kept)
{
    (void)kept;
    const struct az az = open_state(look->graph, look->state);
    const uint32_t l = next_of(az.g, b->node);
    if (l >= az.g->n_feature || az.list[l].node == UINT32_MAX || az.list[l].stride == 0) return;
    struct feature *f = &az.list[l];
    const uint32_t r = f->stride, w = f->w * r, all = f->rows + f->c;
    const size_t n = (size_t)f->h * f->w * b->count;
    double *row = az.work, *gram = az.work + all * n, *cross = az.at + f->cross;
    for (uint32_t q = 0; q < f->rows; q++) { // channel q / r / r, part q % (r * r)
        const double *from =
            d + ((size_t)(q / (r * r)) * b->pixels + q % (r * r) / r * w + q % r) * b->stride;
        for (uint32_t y = 0; y < f->h; y++)
            for (uint32_t x = 0; x < f->w; x++)
                for (uint32_t i = 0; i < b->count; i++)
                    *row++ = from[((size_t)y * r * w + x * r) * b->stride + i];
    }
    const uint64_t pixels = (uint64_t)f->h * f->w;
    for (uint64_t p = 0; p < f->c * pixels; p++)
        for (uint32_t i = 0; i < b->count; i++)
            *row++ = random_sign(l, (b->first + i) * f->c * pixels + p);
    f->moves |=
        f->rows != f->c || memcmp(az.work, az.work + f->c * n, f->c * n * sizeof(double)) != 0;
    assay_la_gram(all, n, az.work, n, gram);
    for (uint32_t q = 0; q < f->rows; q++)
        for (uint32_t c = 0; c < f->c; c++)
            cross[q * f->c + c] += gram[(size_t)q * all + f->rows + c];
}

// ---- the columns --------------------------------------------------------------------------------
// -sum p ln(p + SMALL) over the parts p of a feature's eigenvalues; NaN where they are not numbers.
static double entropy(const struct az *az, const struct feature *f, double images)
{
    double *sum = az->at + f->sum, *cov = az->at + f->cov, *eigenvalue = az->work;
    const double n = images * f->h * f->w;
    double total = 0, result = 0;
    struct assay_err err;
    for (uint32_t i = 0; i < f->c; i++)
        for (uint32_t k = 0; k < f->c; k++)
            cov[i * f->c + k] = cov[i * f->c + k] / n - sum[i] / n * (sum[k] / n);
    if (assay_la_eigenvalues(f->c, cov, eigenvalue, eigenvalue + f->c, &err) < 0) return NAN;
    for (uint32_t i = 0; i < f->c; i++) total += eigenvalue[i];
    for (uint32_t i = 0; i < f->c; i++) {
        const double part = eigenvalue[i] / total;
        result -= part * log(part + SMALL);
    }
    return result;
}

// 2 - s - 1 / (s + 1e-6). -inf, as released, of a block that passes its input on.
static double trainability(const struct az *az, uint32_t l, double images)
{
    const struct feature *f = &az->list[l], *before = f - 1;
    double *cross = az->at + f->cross, largest = 0;
    struct assay_err err;
    if (f->node != UINT32_MAX && before->node != UINT32_MAX) {
        if (!f->moves) return -INFINITY;
        const double n = images * f->h * f->w;
        for (size_t k = 0; k < (size_t)f->rows * f->c; k++) cross[k] /= n;
        double *value = az->work;
        if (assay_la_singular_values(f->rows, f->c, cross, value, value + f->rows + f->c, &err) < 0)
            return NAN;
        largest = value[0];
    }
    return 2 - largest - 1 / (largest + 1e-6);
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    out[0] = out[1] = out[2] = NAN;
    if (g->n_feature == 0) return metric_degenerate(reason, "the network has no blocks");
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    const struct az az = open_state(g, assay_subject_state(s, use));
    const double images = assay_subject_images(s, use, 0);
    double before = NAN;
    out[0] = out[2] = 0, out[1] = INFINITY;
    for (uint32_t i = 0; i < g->n_feature; i++) {
        const struct feature *f = &az.list[i];
        const bool same = i > 0 && f->node == f[-1].node;
        const double now = f->node == UINT32_MAX ? NAN : same ? before : entropy(&az, f, images);
        if (i > 0) out[1] = fmin(out[1], now - before);
        if (i > 0) out[2] += trainability(&az, i, images) / (g->n_feature - 1);
        out[0] += now;
        before = now;
    }
    if (g->n_feature < 2) out[1] = out[2] = NAN;
    if (fabs(out[1]) < ROUNDING) out[1] = 0;
    if (isnan(out[0])) out[0] = out[1] = -INFINITY; // as released
    if (isfinite(out[0]) && isfinite(out[1]) && isfinite(out[2])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, isfinite(out[0]) ? "a block passes its input on"
                                                      : "a feature is constant");
}

const struct assay_metric assay_metric_az = {
    .name = "az",
    .help = "how features fill and gain their channels' space, how blocks pass gradients on",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = -INFINITY,
    .n_released = 3,
    .options = {&options},
    .passes = passes,
    .tap = tap,
    .state = state,
    .value = value,
    .gradient = gradient,
    .replace = replace,
    .measure = measure,
};
