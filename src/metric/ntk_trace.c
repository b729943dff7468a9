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

static size_t scratch(const struct assay_subject *s)
{
    return assay_arena_block(assay_memo_cotangent_bytes(s, ASSAY_OUTPUTS_ALL));
}

// As many rows of the (n_image * classes, n_theta) Jacobian at a time as the buffer holds.
static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    double *identity, trace = 0.0;
    uint32_t classes;
    ASSAY_TRY(assay_memo_forward(s, PASS_IMAGES, err));
    ASSAY_TRY(assay_memo_jacobian(s, err));
    ASSAY_TRY(assay_memo_cotangents(s, ASSAY_OUTPUTS_ALL, &identity, &classes, err));

    const struct assay_memo *memo = s->memo;
    const uint64_t rows = (uint64_t)s->n_image * classes;
    for (uint64_t first = 0, n; first < rows; first += n) {
        n = rows - first < memo->jac_rows ? rows - first : memo->jac_rows;
        assay_exec_jacobian(s->exec, ASSAY_BN_FROZEN, identity, classes, first, n, s->net->n_theta,
                            memo->jac, memo->jac_ld);
        for (uint64_t row = 0; row < n; row++) {
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
