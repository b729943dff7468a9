// SPDX-License-Identifier: Apache-2.0
// GradSign: how far the images, each by itself, agree on the sign of every weight's gradient.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"gradsign", "1",
     "GradSign (arXiv 2110.08616): mean over all weights, dead ones too, of |sum of sign(g_n)|", 1},
    {"gradsign_sum", "1", "GradSign, the sum in its release's other file", 1},
};

// A batch of one image: BN normalises by its own pixels.
static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = precise_loss_pass(use->option[0]); // many gradients are nearly 0
    pass[0].batch = 1;
    return 1;
}

// The sum of signs (n_theta).
static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_subject_graph(s, use, 0)->n_theta * sizeof(double);
}

static void batch(const struct assay_look *look, uint32_t first, uint32_t count,
                  const double *gradient)
{
    (void)first;
    (void)count;
    double *sum = look->state;
    for (uint64_t i = 0; i < look->graph->n_theta; i++)
        sum[i] += (gradient[i] > 0) - (gradient[i] < 0);
}

static uint64_t weights(const struct assay_graph *g)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < g->n_param; i++)
        n += is_layer_weight(&g->param[i]) ? g->param[i].size : 0;
    return n;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    const double *sum = assay_subject_state(s, use);
    out[1] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        for (uint64_t k = 0; k < p->size && is_layer_weight(p); k++)
            out[1] += fabs(sum[p->offset + k]);
    }
    out[0] = out[1] / (double)weights(s->graph[ASSAY_NET_LITERAL]);
    return loss_verdict("gradsign", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_gradsign = {
    .name = "gradsign",
    .help = "agreement of the images, one by one, on the signs of the loss's gradient",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = passes,
    .state = state,
    .batch = batch,
    .measure = measure,
};
