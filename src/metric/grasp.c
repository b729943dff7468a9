// SPDX-License-Identifier: Apache-2.0
// GraSP: what the norm of the gradient changes by when weights are masked, to first order. The sum
// over W of w (H g) is also that of g (H w), H symmetric and restricted to W. Along w, which scales
// all layers alike, the loss bends least, so that a difference there is most exact.
#include "proxies.h"

#include <string.h>

static const struct assay_column columns[] = {
    {"grasp", "1",
     "GraSP (arXiv 2002.07376) as zero-cost-nas sums it: -sum of w (H g) over all weights, H and g "
     "the Hessian and the gradient of the loss",
     1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = precise_loss_pass(use->option[0]); // differences of gradients
    pass[0].curvature = true;
    pass[0].single = false;
    return 1;
}

// The weights, and the Hessian's product with them.
static size_t scratch_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return 2 * assay_subject_graph(s, use, 0)->n_theta * sizeof(double);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(scratch_bytes(s, use));
}

// The parameters in W; the others are 0.
static void take_weights(const struct assay_graph *g, const double *theta, double *weights)
{
    memset(weights, 0, g->n_theta * sizeof *weights);
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        if (is_layer_weight(p))
            memcpy(weights + p->offset, theta + p->offset, p->size * sizeof *weights);
    }
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const double *gradient, *theta = assay_subject_theta(s, use, 0);
    void *block;
    ASSAY_TRY(assay_subject_gradient(s, use, 0, &gradient, err));
    ASSAY_TRY(memo_alloc(s, scratch_bytes(s, use), &block, err));
    double *weights = block, *product = weights + g->n_theta;
    take_weights(g, theta, weights);
    ASSAY_TRY(assay_subject_curvature(s, use, 0, weights, product, err));
    out[0] = 0;
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        for (uint64_t k = 0; k < p->size && is_layer_weight(p); k++)
            out[0] -= gradient[p->offset + k] * product[p->offset + k];
    }
    return loss_verdict("grasp", out[0], assay_subject_classes(s), reason);
}

const struct assay_metric assay_metric_grasp = {
    .name = "grasp",
    .help = "minus the sum over all weights of weight x (Hessian x gradient of the loss)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .passes = passes,
    .scratch = scratch,
    .measure = measure,
};
