// SPDX-License-Identifier: Apache-2.0
// What HNAS calls NASWOT: how alike the images' numbers in front of all ReLUs are, not their signs.
#include "proxies.h"

#include "assay/la.h"

#include <string.h>

static const struct assay_column columns[] = {
    {"naswot_hnas", "nat",
     "HNAS (arXiv 2201.09785): ln |det K|, K_ij the product of images i and j at the inputs of all "
     "ReLU modules, dead ones too; of the last ReLU, its output",
     1},
    {"naswot_hnas_released", "nat", "HNAS's release: units of ReLU, convolution and BN count twice",
     1},
};

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].op == ASSAY_OP_RELU) tapped[relu_shown(g, i)] |= ASSAY_TAP_VALUE;
    }
}

// K (n, n) once and as released, that of one node, and its numbers (n, units).
struct products {
    double *k, *released, *node, *row;
};

static size_t largest(const struct assay_graph *g)
{
    size_t most = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const size_t units = (size_t)g->node[i].c * g->node[i].h * g->node[i].w;
        if (g->node[i].op == ASSAY_OP_RELU && units > most) most = units;
    }
    return most;
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const size_t n = assay_subject_images(s, use, 0);
    return n * (3 * n + largest(assay_subject_graph(s, use, 0))) * sizeof(double);
}

static struct products products_of(void *of, uint32_t n)
{
    const size_t square = (size_t)n * n;
    double *k = of;
    return (struct products){
        .k = k, .released = k + square, .node = k + 2 * square, .row = k + 3 * square};
}

static void add(const struct products *p, uint32_t n, size_t units, uint32_t modules,
                uint32_t released)
{
    assay_la_gram(n, units, p->row, units, p->node);
    for (size_t i = 0; i < (size_t)n * n; i++) {
        p->k[i] += modules * p->node[i];
        p->released[i] += released * p->node[i];
    }
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_graph *g = look->graph;
    const uint32_t n = assay_subject_images(look->subject, look->use, look->pass);
    const struct products p = products_of(look->state, n);
    const size_t units = (size_t)b->c * b->pixels;
    const uint32_t relu = relu_shown_by(g, b->node);
    if (relu == g->n_node) return; // tapped for another
    for (uint32_t i = 0; i < b->count; i++) {
        double *row = p.row + (b->first + i) * units;
        for (size_t k = 0; k < units; k++) row[k] = v[k * b->stride + i];
    }
    const uint32_t modules = g->node[relu].modules;
    if (b->first + b->count == n) add(&p, n, units, modules, modules + relu_units(g, relu));
}

// Eigenvalues, and scratch.
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
    const struct products p = products_of(assay_subject_state(s, use), n);
    double *const k[2] = {p.k, p.released}, *eigenvalue = block;
    for (int i = 0; i < 2; i++) {
        out[i] = NAN;
        if (assay_la_eigenvalues(n, k[i], eigenvalue, eigenvalue + n, err) < 0)
            return metric_degenerate(reason, "the inputs of ReLUs are not finite");
        out[i] = 0;
        for (uint32_t j = 0; j < n; j++) out[i] += log(fabs(eigenvalue[j]));
    }
    if (isfinite(out[0]) && isfinite(out[1])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "naswot_hnas is %g", out[0]);
}

const struct assay_metric assay_metric_naswot_hnas = {
    .name = "naswot_hnas",
    .help = "log determinant of the images' products at the inputs of ReLUs (HNAS's NASWOT)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = proxies_passes,
    .tap = tap,
    .state = state,
    .value = value,
    .scratch = scratch,
    .measure = measure,
};
