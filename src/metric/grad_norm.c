// SPDX-License-Identifier: Apache-2.0
// The norm of the loss's gradient, layer by layer.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"grad_norm", "1", "zero-cost-nas (arXiv 2101.08134), sum over layers of ||dL/dw||_2", 1},
};

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const double *gradient;
    ASSAY_TRY(assay_subject_gradient(s, use, 0, &gradient, err));
    out[0] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        if (is_layer_weight(p)) out[0] += sqrt(metric_sumsq(p->size, gradient + p->offset));
    }
    return loss_verdict("grad_norm", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_grad_norm = {
    .name = "grad_norm",
    .help = "sum over layers of the norm of the loss's gradient",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .passes = loss_passes,
    .measure = measure,
};
