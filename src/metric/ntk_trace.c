// SPDX-License-Identifier: Apache-2.0
// The exact trace norm of the NTK over all outputs (NASI), BN statistics held constant.
#include "memo.h"

#include <math.h>

static const struct assay_column columns[] = {
    {"frozen_trace_all", "1",
     "NASI (arXiv 2109.00817), ||Theta||_tr = sum_n sum_k ||d logit_k(x_n) / d theta||^2", 1},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    assay_metric_describe_net(p, p->ntk_batch, "bn=frozen outputs=all parameters=all", text, cap);
}

// The identity over the classes.
static size_t identity_bytes(const struct assay_subject *s)
{
    const size_t classes = s->net->node[s->net->n_node - 1].c;
    return classes * classes * sizeof(double);
}

static size_t scratch(const struct assay_subject *s)
{
    return assay_arena_block(identity_bytes(s));
}

// n_image rows of the (n_image * classes, n_theta) Jacobian at a time.
static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    const uint32_t classes = s->net->node[s->net->n_node - 1].c;
    void *block;
    ASSAY_TRY(assay_memo_forward(s, PASS_IMAGES, err));
    ASSAY_TRY(assay_memo_jacobian(s, err));
    ASSAY_TRY(assay_memo_alloc(s, identity_bytes(s), &block, err));
    double *identity = block, trace = 0.0;
    for (uint32_t i = 0; i < classes * classes; i++) identity[i] = i % (classes + 1) == 0;

    const struct assay_memo *memo = s->memo;
    for (uint32_t chunk = 0; chunk < classes; chunk++) {
        assay_exec_jacobian(s->exec, ASSAY_BN_FROZEN, identity, classes,
                            (uint64_t)chunk * s->n_image, s->n_image, s->net->n_theta, memo->jac,
                            memo->jac_ld);
        for (uint32_t row = 0; row < s->n_image; row++) {
            trace += assay_metric_sumsq(s->net->n_theta, memo->jac + row * memo->jac_ld);
        }
    }
    out[0] = trace;
    if (isfinite(trace)) return ASSAY_VERDICT_OK;
    return assay_metric_degenerate(reason, "the trace over all outputs is %g", trace);
}

const struct assay_metric assay_metric_ntk_trace = {
    .name = "ntk_trace",
    .help = "exact NTK trace norm over all images and classes, all parameters, frozen BN (NASI)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs = ASSAY_NEEDS_NET | ASSAY_NEEDS_IMAGES | ASSAY_NEEDS_JACOBIAN,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
