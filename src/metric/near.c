// SPDX-License-Identifier: Apache-2.0
// NEAR: how many directions the numbers behind every layer, BN and activation fill.
#include "proxies.h"

#include "assay/la.h"

#include <string.h>

static const struct assay_column columns[] = {
    {"near_first", "1",
     "NEAR (arXiv 2408.08776): sum over all modules with a weight and activations, dead ones too, "
     "of the effective rank of C positions x C channels; the first positions, not random ones",
     1},
};

static bool counts(const struct assay_node *n)
{
    return n->op == ASSAY_OP_CONV || n->op == ASSAY_OP_BN || n->op == ASSAY_OP_LINEAR ||
           n->op == ASSAY_OP_RELU || n->op == ASSAY_OP_ACT;
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (counts(&g->node[i])) tapped[i] |= ASSAY_TAP_VALUE;
    }
}

// The sum; of the node that is looked at, positions x channels (c, c), its singular values (c), and
// scratch.
struct ranks {
    double *sum, *a, *w, *work;
};

static uint32_t widest(const struct assay_graph *g)
{
    uint32_t c = 1;
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (counts(&g->node[i]) && g->node[i].c > c) c = g->node[i].c;
    }
    return c;
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const uint32_t c = widest(assay_subject_graph(s, use, 0));
    return (1 + ((size_t)c + 1) * c + assay_la_singular_values_work(c, c)) * sizeof(double);
}

static struct ranks ranks_of(void *of, const struct assay_graph *g)
{
    const size_t c = widest(g);
    double *sum = of, *a = sum + 1, *w = a + c * c;
    return (struct ranks){.sum = sum, .a = a, .w = w, .work = w + c};
}

// exp of the entropy of the singular values over their sum; 0 of a zero matrix.
static double effective_rank(const struct ranks *r, uint32_t rows, uint32_t c)
{
    struct assay_err err = {0};
    const uint32_t n = rows < c ? rows : c;
    double sum = 0, entropy = 0;
    if (assay_la_singular_values(rows, c, r->a, r->w, r->work, &err) < 0) return NAN;
    for (uint32_t i = 0; i < n; i++) sum += r->w[i];
    for (uint32_t i = 0; i < n; i++) {
        const double p = r->w[i] / sum;
        if (p > 0) entropy -= p * log(p);
    }
    return sum > 0 ? exp(entropy) : 0;
}

// Rows run down the columns of one image after the other.
static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_node *node = &look->graph->node[b->node];
    const size_t all =
        (size_t)assay_subject_images(look->subject, look->use, look->pass) * b->pixels;
    const uint32_t rows = all < b->c ? (uint32_t)all : b->c;
    const struct ranks r = ranks_of(look->state, look->graph);
    if (!counts(node) || (size_t)b->first * b->pixels >= rows) return;
    for (uint32_t i = 0; i < b->count; i++) {
        for (uint32_t p = 0; p < b->pixels; p++) {
            const size_t row =
                (size_t)(b->first + i) * b->pixels + p % node->w * node->h + p / node->w;
            for (uint32_t c = 0; c < b->c && row < rows; c++)
                r.a[row * b->c + c] = v[((size_t)c * b->pixels + p) * b->stride + i];
        }
    }
    if ((size_t)(b->first + b->count) * b->pixels >= rows)
        *r.sum += node->modules * effective_rank(&r, rows, b->c);
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    out[0] = *(const double *)assay_subject_state(s, use);
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "the numbers behind a module are not finite");
}

const struct assay_metric assay_metric_near = {
    .name = "near",
    .help = "sum over modules of the effective rank of what they return (NEAR)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = proxies_passes,
    .tap = tap,
    .state = state,
    .value = value,
    .measure = measure,
};
