// SPDX-License-Identifier: Apache-2.0
// ZiCo: how much larger the gradient of the loss is than it differs between two mini-batches.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"zico", "nat",
     "ZiCo (arXiv 2301.11300): sum over layers of ln sum of mean |g| / deviation of |g|, "
     "two batches",
     1},
    {"zico_accum", "nat",
     "MeCo's copy of ZiCo: the second batch's gradient is added to the first's, not cleared", 1},
};

// Halves of one input of twice as many images.
static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    for (uint32_t i = 0; i < 2; i++) {
        pass[i] = precise_loss_pass(use->option[0]); // it divides by small differences
        pass[i].input.stream = "proxies twice";
        pass[i].input.n *= 2;
        pass[i].part = i, pass[i].parts = 2;
    }
    return 2;
}

// (|a| + |b|) / 2 over the population's deviation of a, b = |a - b| / 2, where that is not 0; the
// logarithm of its sum over a layer. kept: how much of a is in b beside its own batch.
static double layer_score(uint64_t n, const double *a, const double *b, double kept)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double second = b[i] + kept * a[i], apart = fabs(a[i] - second);
        if (apart > 0) sum += (fabs(a[i]) + fabs(second)) / apart;
    }
    return sum != 0 ? log(sum) : 0;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const double *a, *b;
    ASSAY_TRY(assay_subject_gradient(s, use, 0, &a, err));
    ASSAY_TRY(assay_subject_gradient(s, use, 1, &b, err));
    out[0] = out[1] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        if (!is_layer_weight(p)) continue;
        out[0] += layer_score(p->size, a + p->offset, b + p->offset, 0);
        out[1] += layer_score(p->size, a + p->offset, b + p->offset, 1);
    }
    return loss_verdict("zico", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_zico = {
    .name = "zico",
    .help = "inverse relative deviation of the loss's gradient between two mini-batches",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .passes = passes,
    .measure = measure,
};
