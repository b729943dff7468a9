// SPDX-License-Identifier: Apache-2.0
// The norms of the weights as initialised: what a proxy knows without any image.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"l2_norm", "1", "zero-cost-nas (arXiv 2101.08134), sum over layers, dead ones too, of ||w||_2",
     1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = proxies_pass(use->option[0]);
    pass[0].pull = ASSAY_PULL_WEIGHTS;
    return 1;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    (void)err;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const double *theta = assay_subject_theta(s, use, 0);
    out[0] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        if (is_layer_weight(p)) out[0] += sqrt(metric_sumsq(p->size, theta + p->offset));
    }
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "l2_norm is %g", out[0]);
}

const struct assay_metric assay_metric_l2_norm = {
    .name = "l2_norm",
    .help = "sum over layers of the norm of their weights",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = passes,
    .measure = measure,
};
