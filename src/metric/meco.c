// SPDX-License-Identifier: Apache-2.0
// MeCo says how independent the channels of every map are, of one image, by the smallest eigenvalue
// of their correlations. A map counts once for every module that returns it, so that the score
// depends on how a network is nested.
#include "proxies.h"

#include "assay/la.h"

#define MECO  "MeCo (NeurIPS 2023): sum over modules, dead ones too, of the smallest "
#define ALONE ", of the first image alone"

static const struct assay_column columns[] = {
    {"meco", "1", MECO "eigenvalue of the correlations of channels" ALONE, 1},
    {"meco_zcnas", "1",
     "the same as its release counts on zero-cost-nas' network: the stem and the last cell of a "
     "stage once more",
     1},
    {"meco_conv", "1", "the same of convolutions alone", 1},
};
static const struct assay_column batch_columns[] = {
    {"meco_batch", "1", "meco, of the first image of a batch that BN normalises", 1},
    {"meco_zcnas_batch", "1", "meco_zcnas, likewise", 1},
    {"meco_conv_batch", "1", "meco_conv, likewise", 1},
};
static const struct assay_column opt_columns[] = {
    {"meco_opt_first8", "1",
     MECO "eigenvalue of the correlations of channels 0 to 7, times C / 8" ALONE
          "; its release draws 8 channels",
     1},
};

static bool counts(const struct assay_node *n)
{
    return n->returned > 0 && n->h * n->w > 1;
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (counts(&g->node[i])) tapped[i] |= ASSAY_TAP_VALUE;
    }
}

// Says how often zero-cost-nas' network returns a feature more: its stem's container has one of its
// own, and so have its stages.
static uint32_t stages_ending(const struct assay_graph *g, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_feature; i++) {
        const bool last = i + 1 == g->n_feature || g->feature[i + 1].of == ASSAY_FEATURE_REDUCTION,
                   ends = g->feature[i].of == ASSAY_FEATURE_CELL && last;
        if (g->feature[i].node == node) n += ends || g->feature[i].of == ASSAY_FEATURE_STEM;
    }
    return n;
}

// The state holds the sums of the columns and, of the node that is looked at, channels (c, pixels),
// their correlations (c, c), eigenvalues (c), and scratch.
struct maps {
    double *sum, *map, *corr, *eigenvalue, *work;
};

// The most channels and the most values of the nodes that count.
static void extents(const struct assay_graph *g, size_t *c, size_t *most)
{
    *c = *most = 1;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (!counts(n)) continue;
        if (n->c > *c) *c = n->c;
        if ((size_t)n->c * n->h * n->w > *most) *most = (size_t)n->c * n->h * n->w;
    }
}

static struct maps maps_of(double *sum, const struct assay_graph *g)
{
    size_t c, most;
    extents(g, &c, &most);
    struct maps m = {.sum = sum, .map = sum + 3};
    m.corr = m.map + most;
    m.eigenvalue = m.corr + c * c;
    m.work = m.eigenvalue + c;
    return m;
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    size_t c, most;
    extents(assay_subject_graph(s, use, 0), &c, &most);
    return (3 + most + c * c + c + assay_la_eigenvalues_work((uint32_t)c)) * sizeof(double);
}

// The smallest eigenvalue of the correlations of the first c channels of the first image; those of
// a constant channel, its own too, are 0.
static double smallest(const struct maps *m, const struct assay_block *b, uint32_t c,
                       const double *v)
{
    struct assay_err err = {0};
    for (uint32_t i = 0; i < c; i++) {
        double *channel = m->map + (size_t)i * b->pixels;
        for (size_t k = 0; k < b->pixels; k++)
            channel[k] = v[((size_t)i * b->pixels + k) * b->stride];
        standardise(b->pixels, channel);
    }
    assay_la_gram(c, b->pixels, m->map, b->pixels, m->corr);
    if (assay_la_eigenvalues(c, m->corr, m->eigenvalue, m->work, &err) < 0) return NAN;
    return m->eigenvalue[0];
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_node *node = &look->graph->node[b->node];
    if (!counts(node) || b->first > 0) return;
    const struct maps m = maps_of(look->state, look->graph);
    const double least = smallest(&m, b, b->c, v);
    m.sum[0] += node->returned * least;
    m.sum[1] += (node->returned + stages_ending(look->graph, b->node)) * least;
    if (node->op == ASSAY_OP_CONV) m.sum[2] += least;
}

static void opt_value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_node *node = &look->graph->node[b->node];
    if (!counts(node) || b->first > 0) return;
    const struct maps m = maps_of(look->state, look->graph);
    m.sum[1] += b->c < 8; // maps without a value
    if (b->c >= 8) m.sum[0] += node->returned * smallest(&m, b, 8, v) * b->c / 8;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    const double *sum = assay_subject_state(s, use);
    for (uint32_t i = 0; i < use->metric->n_column; i++) out[i] = sum[i];
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "%s is %g", use->metric->column[0].name, out[0]);
}

static int opt_measure(struct assay_subject *s, const struct assay_use *use, double *out,
                       double *spectrum, char *reason, struct assay_err *err)
{
    const int verdict = measure(s, use, out, spectrum, reason, err);
    if (verdict < 0 || ((const double *)assay_subject_state(s, use))[1] == 0) return verdict;
    out[0] = NAN;
    snprintf(reason, ASSAY_METRIC_REASON, "some maps have fewer than 8 channels");
    return ASSAY_VERDICT_OK; // the network's size says so, not the architecture
}

const struct assay_metric assay_metric_meco = {
    .name = "meco",
    .help = "independence of the channels of one image (MeCo)",
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
const struct assay_metric assay_metric_meco_batch = {
    .name = "meco_batch",
    .help = "independence of the channels of the first image of a batch (MeCo)",
    .column = batch_columns,
    .n_column = ASSAY_LEN(batch_columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = proxies_passes,
    .tap = tap,
    .state = state,
    .value = value,
    .measure = measure,
};
const struct assay_metric assay_metric_meco_opt = {
    .name = "meco_opt",
    .help = "independence of eight channels of one image (MeCo_opt)",
    .column = opt_columns,
    .n_column = ASSAY_LEN(opt_columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = first_image_passes,
    .tap = tap,
    .state = state,
    .value = opt_value,
    .measure = opt_measure,
};
