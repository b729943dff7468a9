// SPDX-License-Identifier: Apache-2.0
// Dextr's first half says how far the channels of every map, of one image, are from linear
// dependence.
#include "proxies.h"

#include "assay/la.h"

static const struct assay_column columns[] = {
    {"dextr_svd_sum", "1",
     "Dextr (TMLR 2025): sum over modules, dead ones too, of the smallest over the largest "
     "singular "
     "value of channels x pixels, of the first image alone",
     1},
};

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].returned > 0) tapped[i] |= ASSAY_TAP_VALUE;
    }
}

// The state holds the sum and, of the node that is looked at, channels (c, pixels), singular
// values, and scratch.
struct maps {
    double *sum, *map, *singular, *work;
};

static uint32_t pixels_of(const struct assay_node *n)
{
    return n->h * n->w;
}

// The most values and channels of the nodes that count, and the most scratch that they need.
static void extents(const struct assay_graph *g, size_t *most, size_t *c, size_t *work)
{
    *most = *c = *work = 1;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        const size_t map = (size_t)n->c * pixels_of(n),
                     needs = assay_la_singular_values_work(n->c, pixels_of(n));
        if (n->returned == 0) continue;
        if (n->c > *c) *c = n->c;
        if (map > *most) *most = map;
        if (needs > *work) *work = needs;
    }
}

static struct maps maps_of(double *sum, const struct assay_graph *g)
{
    size_t most, c, work;
    extents(g, &most, &c, &work);
    return (struct maps){
        .sum = sum, .map = sum + 1, .singular = sum + 1 + most, .work = sum + 1 + most + c};
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    size_t most, c, work;
    extents(assay_subject_graph(s, use, 0), &most, &c, &work);
    return (1 + most + c + work) * sizeof(double);
}

// A zero map gives 0.
static double inverse_condition(const struct maps *m, const struct assay_block *b, const double *v)
{
    struct assay_err err = {0};
    const uint32_t n = b->c < b->pixels ? b->c : b->pixels;
    for (size_t k = 0; k < (size_t)b->c * b->pixels; k++) m->map[k] = v[k * b->stride];
    if (assay_la_singular_values(b->c, b->pixels, m->map, m->singular, m->work, &err) < 0)
        return NAN;
    return m->singular[0] > 0 ? m->singular[n - 1] / m->singular[0] : 0;
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const uint32_t returned = look->graph->node[b->node].returned;
    if (returned == 0) return; // tapped for another
    const struct maps m = maps_of(look->state, look->graph);
    *m.sum += returned * inverse_condition(&m, b, v);
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    out[0] = *(const double *)assay_subject_state(s, use);
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "a map is not finite");
}

const struct assay_metric assay_metric_dextr = {
    .name = "dextr",
    .help = "condition of the channels of one image (Dextr's part without curvature)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = first_image_passes,
    .tap = tap,
    .state = state,
    .value = value,
    .measure = measure,
};
