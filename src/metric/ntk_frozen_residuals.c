// SPDX-License-Identifier: Apache-2.0
// How exact the extreme eigenvalues of `ntk_frozen` are.
#include "subject.h"

static const struct assay_column columns[] = {
    {"frozen_lambda_max_residual", "1", "lambda_max_residual, BN statistics held constant", 0},
    {"frozen_lambda_min_residual", "1", "lambda_min_residual, BN statistics held constant", 0},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    return ntk_passes(use->option[0], ASSAY_BN_FROZEN, pass);
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    metric_describe_kernel(use->option[0], p, "frozen", text, cap);
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    return kernel_residuals(s, use, out, reason, err);
}

const struct assay_metric assay_metric_ntk_frozen_residuals = {
    .name = "ntk_frozen_residuals",
    .help = "bounds on the error of the extreme eigenvalues of ntk_frozen",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_ntk_options},
    .collective = true,
    .passes = passes,
    .describe = describe,
    .measure = measure,
};
