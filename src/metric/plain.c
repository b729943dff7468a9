// SPDX-License-Identifier: Apache-2.0
// What the loss changes by when all weights grow alike, to first order. The loss does not change
// with the scale of a convolution in front of BN but for BN's epsilon, so that other layers decide.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"plain", "1", "zero-cost-nas (arXiv 2101.08134), NASLib: sum of w dL/dw, signed", 0},
};

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const double *gradient, *theta = assay_subject_theta(s, use, 0);
    ASSAY_TRY(assay_subject_gradient(s, use, 0, &gradient, err));
    out[0] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        for (uint64_t k = 0; k < p->size && is_layer_weight(p); k++)
            out[0] += theta[p->offset + k] * gradient[p->offset + k];
    }
    return loss_verdict("plain", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_plain = {
    .name = "plain",
    .help = "sum over all weights of weight x its gradient of the loss",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .passes = loss_passes,
    .measure = measure,
};
