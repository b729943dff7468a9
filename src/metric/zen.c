// SPDX-License-Identifier: Apache-2.0
// Zen-score: how much the features answer to a perturbation of noise, corrected for what the BNs
// took away.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"zen", "nat",
     "Zen-NAS (arXiv 2102.01063) as released: ln of the mean L1 distance of the last features of x "
     "and x + 0.01 e, and sum over BNs of ln(mean running variance) / 2 after both passes",
     1},
    {"zen_batchvar", "nat",
     "the same with the variance of the batch at x, as in the paper; BNs of a constant add nothing",
     1},
};

// [zen]
struct options {
    uint64_t batch;
    int init; // enum assay_init
};
static const struct assay_opt rows[] = {
    {"zen", "batch", "noise images of Zen-score", ASSAY_OPT_U64, offsetof(struct options, batch),
     .min = 1, .max = 65536, .def = "16", .with = "batch"},
    {"zen", "init", "initialisation of its network", ASSAY_OPT_ENUM, offsetof(struct options, init),
     .choices = ASSAY_INIT_NAMES, .def = "normal", .with = "init"},
    {.name = NULL},
};
static const struct assay_options options = {rows, sizeof(struct options)};

// BNs count whether or not their outputs are used.
static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    const struct options *o = use->option[0];
    (void)p;
    for (int i = 0; i < 2; i++) {
        pass[i] =
            (struct assay_pass){.network = ASSAY_NET_LITERAL,
                                .init = (enum assay_init)o->init,
                                .input = {.kind = i ? ASSAY_INPUT_PERTURBED : ASSAY_INPUT_NOISE,
                                          .stream = "zen",
                                          .key = "zen.batch",
                                          .n = o->batch},
                                .labels = ASSAY_LABELS_NONE};
    }
    return 2;
}

// The last features: what the global average pools.
static uint32_t last_features(const struct assay_graph *g)
{
    for (uint32_t i = g->n_node; i-- > 0;)
        if (g->node[i].op == ASSAY_OP_GAP) return g->in[g->node[i].in];
    return 0;
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_node; i++)
        if (g->node[i].op == ASSAY_OP_BN) tapped[i] |= ASSAY_TAP_VALUE;
    tapped[last_features(g)] |= ASSAY_TAP_VALUE;
}

static size_t numbers(const struct assay_graph *g, uint32_t node)
{
    return (size_t)g->node[node].c * g->node[node].h * g->node[node].w;
}

// Of both passes in turn: the variance of every channel before each node (BNs only), by the node's
// number; the features (images, numbers).
static size_t pass_numbers(const struct assay_subject *s, const struct assay_use *use)
{
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    return g->n_node + assay_subject_images(s, use, 0) * numbers(g, last_features(g));
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    return 2 * pass_numbers(s, use) * sizeof(double);
}

// The mean over its channels of the batch's variance before a BN.
static double mean_variance(const struct assay_look *look, uint32_t node)
{
    const uint32_t c = look->graph->node[node].c;
    double sum = 0;
    for (uint32_t i = 0; i < c; i++) sum += assay_exec_variance(look->subject->exec, node, i);
    return sum / c;
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_graph *g = look->graph;
    double *own = (double *)look->state + look->pass * pass_numbers(look->subject, look->use);
    if (g->node[b->node].op == ASSAY_OP_BN && b->first == 0)
        own[b->node] = mean_variance(look, b->node);
    if (b->node != last_features(g)) return;
    const size_t n = numbers(g, b->node);
    double *row = own + g->n_node + b->first * n;
    for (uint32_t i = 0; i < b->count; i++, row += n)
        for (size_t k = 0; k < n; k++) row[k] = v[k * b->stride + i];
}

// ln of the mean over images of the sum of what the features differ by.
static double log_delta(uint32_t images, size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t k = 0; k < images * n; k++) sum += fabs(a[k] - b[k]);
    return log(sum / images);
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    for (uint32_t i = 0; i < 2; i++) ASSAY_TRY(assay_subject_run(s, use, i, err));
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const uint32_t images = assay_subject_images(s, use, 0), last = last_features(g);
    const double *x = assay_subject_state(s, use), *moved = x + pass_numbers(s, use);
    const double delta = log_delta(images, numbers(g, last), x + g->n_node, moved + g->n_node);
    double running = 0, batch = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (n->op != ASSAY_OP_BN) continue;
        const double count = (double)images * n->h * n->w, unbiased = count / (count - 1);
        running += log(0.81 + unbiased * (0.09 * x[i] + 0.1 * moved[i])) / 2;
        if (x[i] > 0) batch += log(x[i]) / 2;
    }
    out[0] = delta + running;
    out[1] = delta + batch;
    if (isfinite(out[0]) && isfinite(out[1])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "the features do not answer to a perturbation");
}

const struct assay_metric assay_metric_zen = {
    .name = "zen",
    .help = "answer of the features to perturbed noise, BN corrected for",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = passes,
    .tap = tap,
    .state = state,
    .value = value,
    .measure = measure,
};
