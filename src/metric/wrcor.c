// SPDX-License-Identifier: Apache-2.0
// WRCor says how unlike each other the images are in front of every ReLU, in what it reads and in
// the gradient of the loss.
#include "proxies.h"

#include "assay/la.h"

#include <math.h>
#include <string.h>

#define WRCOR                                                                                      \
    "WRCor (ZSNAS-WRCor): ln |det K|, K the sum over ReLU modules of 2^cell (|R| of their "

static const struct assay_column columns[] = {
    {"wrcor", "nat",
     WRCOR "inputs + |R| of the gradients there), R Pearson correlations of images; constant ones "
           "do not count",
     1},
    {"wrcor_released", "nat",
     "WRCor's release: units of ReLU, convolution and BN add those of their input and of the "
     "gradient in front of their BN",
     1},
};

// ---- modules ------------------------------------------------------------------------------------
static bool reads_relu(const struct assay_graph *g, const struct assay_node *n)
{
    return n->op == ASSAY_OP_CONV && g->node[g->in[n->in]].op == ASSAY_OP_RELU;
}

// Says whether a convolution stands between a ReLU and a BN.
static bool is_unit(const struct assay_graph *g, uint32_t conv)
{
    if (!reads_relu(g, &g->node[conv])) return false;
    for (uint32_t i = conv + 1; i < g->n_node; i++) {
        if (g->node[i].op == ASSAY_OP_BN && g->in[g->node[i].in] == conv) return true;
    }
    return false;
}

// The weight of a module is two to the power of its cell, counted from 0; the head's cell is the
// number of cells.
static double weight(const struct assay_node *n)
{
    return exp2(n->feature > 0 ? n->feature - 1 : 0);
}

// Adds the weights of the modules that a ReLU stands for, each of which a convolution reads, unless
// none does. *units gets those of modules in units.
static double relu_weight(const struct assay_graph *g, uint32_t relu, double *units)
{
    double sum = 0;
    *units = 0;
    for (uint32_t i = relu + 1; i < g->n_node; i++) {
        if (g->node[i].op != ASSAY_OP_CONV || g->in[g->node[i].in] != relu) continue;
        sum += weight(&g->node[i]);
        if (is_unit(g, i)) *units += weight(&g->node[i]);
    }
    return sum > 0 ? sum : g->node[relu].modules * weight(&g->node[relu]);
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (reads_relu(g, n)) tapped[i] |= ASSAY_TAP_PULLED;
        if (is_unit(g, i)) tapped[i] |= ASSAY_TAP_PRODUCTS;
        if (n->op != ASSAY_OP_RELU) continue;
        tapped[relu_shown(g, i)] |= ASSAY_TAP_VALUE;
        if (relu_in_place(g, i)) tapped[g->in[n->in]] |= ASSAY_TAP_GRADIENT;
    }
}

// Finds the ReLU in place that reads a node, or g->n_node.
static uint32_t in_place_behind(const struct assay_graph *g, uint32_t node)
{
    uint32_t i = node + 1;
    while (i < g->n_node &&
           (g->node[i].op != ASSAY_OP_RELU || g->in[g->node[i].in] != node || !relu_in_place(g, i)))
        i++;
    return i;
}

// ---- correlations -------------------------------------------------------------------------------
// The state holds K (n, n) of either column; products of images (n, n) and sums (n) of numbers less
// the first one of their image; and rows (n, units + 1) of numbers and their sum. First come those
// of nodes all images of which are shown in sequence, then the gradients in front of ReLUs in
// place, each in a place of its own.
struct sums {
    double *k, *released, *products, *sum, *row;
};

static size_t units_of(const struct assay_node *n)
{
    return (size_t)n->c * n->h * n->w;
}

static size_t largest(const struct assay_graph *g)
{
    size_t most = 0;
    for (uint32_t i = 0; i < g->n_node; i++)
        if (units_of(&g->node[i]) > most) most = units_of(&g->node[i]);
    return most;
}

// The numbers of an image's rows of ReLUs in place before a node.
static size_t in_place_before(const struct assay_graph *g, uint32_t node)
{
    size_t numbers = 0;
    for (uint32_t i = 0; i < node; i++) {
        const bool in_place = g->node[i].op == ASSAY_OP_RELU && relu_in_place(g, i);
        if (in_place) numbers += units_of(&g->node[i]) + 1;
    }
    return numbers;
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const size_t n = assay_subject_images(s, use, 0);
    return n * (3 * n + 1 + largest(g) + 1 + in_place_before(g, g->n_node)) * sizeof(double);
}

static struct sums sums_of(const struct assay_look *look)
{
    const size_t n = assay_subject_images(look->subject, look->use, look->pass), square = n * n;
    double *k = look->state;
    return (struct sums){.k = k,
                         .released = k + square,
                         .products = k + 2 * square,
                         .sum = k + 3 * square,
                         .row = k + 3 * square + n};
}

// Adds |R|, Pearson's correlations, unless an image's numbers are constant.
static void add_correlations(const struct sums *s, uint32_t n, const struct assay_products *p,
                             double of_k, double of_released)
{
    for (size_t i = 0; i < n; i++) {
        if (p->product[i * p->ld + i] == 0) return;
    }
    double *r = s->products;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            r[i * n + j] = p->product[i * p->ld + j] - p->sum[i] * p->sum[j] / (double)p->units;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            const double v = fabs(r[i * n + j]) / sqrt(r[i * n + i] * r[j * n + j]);
            s->k[i * n + j] += of_k * v, s->released[i * n + j] += of_released * v;
            if (j == i) continue;
            s->k[j * n + i] += of_k * v, s->released[j * n + i] += of_released * v;
        }
    }
}

// Images [i, i + count) of a block: rows of v less its first number, `units` of each, and the sum.
static inline void keep_images(const struct assay_block *b, const double *v, uint32_t i,
                               const uint32_t count, double *row)
{
    const size_t units = (size_t)b->c * b->pixels;
    double sum[4] = {0};
    for (size_t k = 0; k < units; k++) {
        for (uint32_t j = 0; j < count; j++) {
            const double number = v[k * b->stride + i + j] - v[i + j];
            row[j * (units + 1) + k] = number;
            sum[j] += number;
        }
    }
    for (uint32_t j = 0; j < count; j++) row[j * (units + 1) + units] = sum[j];
}

// Keeps a block's numbers, all channels of a node, in row (n, units + 1), and adds their
// correlations when those of all images are there.
static void add(const struct assay_look *look, const struct assay_block *b, const double *v,
                double *row, double of_k, double of_released)
{
    const struct sums s = sums_of(look);
    const uint32_t n = assay_subject_images(look->subject, look->use, look->pass);
    const size_t units = (size_t)b->c * b->pixels;
    double *to = row + b->first * (units + 1);
    for (uint32_t i = 0, step; i < b->count; i += step, to += step * (units + 1)) {
        step = b->count - i < 4 ? 1 : 4;
        if (step == 4)
            keep_images(b, v, i, 4, to);
        else
            keep_images(b, v, i, 1, to);
    }
    if (b->first + b->count < n) return;
    for (uint32_t i = 0; i < n; i++) s.sum[i] = row[i * (units + 1) + units];
    assay_la_gram(n, units, row, units + 1, s.products);
    const struct assay_products p = {.units = units, .ld = n, .product = s.products, .sum = s.sum};
    add_correlations(&s, n, &p, of_k, of_released);
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const uint32_t relu = relu_shown_by(look->graph, b->node);
    double units;
    if (relu == look->graph->n_node) return; // tapped for another
    const double all = relu_weight(look->graph, relu, &units);
    add(look, b, v, sums_of(look).row, all, all + units);
}

static void products(const struct assay_look *look, const struct assay_products *p)
{
    const struct assay_graph *g = look->graph;
    const struct assay_node *conv = &g->node[p->node];
    const uint32_t n = assay_subject_images(look->subject, look->use, look->pass);
    const struct sums sums = sums_of(look);
    if (p->pulled ? reads_relu(g, conv) : is_unit(g, p->node))
        add_correlations(&sums, n, p, p->pulled ? weight(conv) : 0, weight(conv));
}

// Those in front of ReLUs in place.
static void gradient(const struct assay_look *look, const struct assay_block *b, const double *v,
                     const double *kept)
{
    const struct assay_graph *g = look->graph;
    const uint32_t relu = in_place_behind(g, b->node);
    const size_t n = assay_subject_images(look->subject, look->use, look->pass);
    double units;
    (void)kept;
    if (relu == g->n_node) return;
    const double all = relu_weight(g, relu, &units);
    add(look, b, v, sums_of(look).row + n * (largest(g) + 1 + in_place_before(g, relu)), all, all);
}

// ---- score --------------------------------------------------------------------------------------
// There is room for eigenvalues and for scratch.
static size_t work_numbers(uint32_t n)
{
    return n + assay_la_eigenvalues_work(n);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(work_numbers(assay_subject_images(s, use, 0)) * sizeof(double));
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const uint32_t n = assay_subject_images(s, use, 0);
    void *block;
    const int relus =
        metric_need_relu(assay_subject_graph(s, use, 0), ASSAY_LEN(columns), out, reason);
    if (relus != ASSAY_VERDICT_OK) return relus;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(memo_alloc(s, work_numbers(n) * sizeof(double), &block, err));
    double *k = assay_subject_state(s, use), *eigenvalue = block;
    for (int i = 0; i < 2; i++, k += (size_t)n * n) {
        out[i] = NAN;
        if (assay_la_eigenvalues(n, k, eigenvalue, eigenvalue + n, err) < 0)
            return metric_degenerate(reason, "the correlations of images are not finite");
        out[i] = 0;
        for (uint32_t j = 0; j < n; j++) out[i] += log(fabs(eigenvalue[j]));
    }
    const int verdict = loss_verdict("wrcor", out[0], assay_subject_classes(s), reason);
    return verdict ? verdict : loss_verdict("wrcor_released", out[1], 2, reason);
}

const struct assay_metric assay_metric_wrcor = {
    .name = "wrcor",
    .help = "log determinant of correlations of images and their gradients at ReLUs (WRCor)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = loss_passes,
    .tap = tap,
    .state = state,
    .value = value,
    .gradient = gradient,
    .products = products,
    .scratch = scratch,
    .measure = measure,
};
