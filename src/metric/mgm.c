// SPDX-License-Identifier: Apache-2.0
// The gradient of the loss with respect to all parameters, those of BN and biases too. A parameter
// that the output depends on counts though the image does not reach it: the beta of a BN behind
// nothing but `none`.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"grad_norm_all", "1",
     "ZenNAS (arXiv 2102.01063), AZ-NAS (arXiv 2403.19232), VKDNW: norm of dL/dtheta", 1},
    {"mgm", "1", "KNAS (arXiv 2111.13293): mean of the Gram matrix of the images' dL/dtheta", 1},
    {"mgm_layer_mean", "1", "KNAS: the same of every parameter tensor by itself, their mean", 1},
};

// The mean of a Gram matrix is the squared norm of the rows' mean.
static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const double *gradient;
    ASSAY_TRY(assay_subject_gradient(s, use, 0, &gradient, err));
    out[1] = metric_sumsq(g->n_theta, gradient);
    out[0] = sqrt(out[1]);
    out[2] = out[1] / g->n_param;
    return loss_verdict("grad_norm_all", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_mgm = {
    .name = "mgm",
    .help = "norm of the loss's gradient with respect to all parameters, its square and mean",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = loss_passes,
    .measure = measure,
};
