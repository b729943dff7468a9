// SPDX-License-Identifier: Apache-2.0
// The same kernel with the batch statistics held constant in the backward pass: samples decouple.
#include "memo.h"

static const struct assay_column columns[KERNEL_COLUMNS] = {
    {"frozen_kappa", "1", "as kappa, BN statistics held constant", -1},
    {"frozen_log_kappa", "nat", "as log_kappa, BN statistics held constant", -1},
    {"frozen_lambda_max", "1", "as lambda_max, BN statistics held constant", 0},
    {"frozen_lambda_min", "1", "as lambda_min, BN statistics held constant", 0},
    {"frozen_trace", "1", "as trace, BN statistics held constant", 1},
    {"frozen_numerical_rank", "1", "as numerical_rank, BN statistics held constant", 0},
    {"frozen_entropy", "nat", "as entropy, BN statistics held constant", 0},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    assay_metric_describe_kernel(p, "frozen", text, cap);
}

static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    const struct assay_kernel *kernel;
    ASSAY_TRY(assay_subject_kernel(s, ASSAY_BN_FROZEN, &kernel, err));
    return assay_kernel_summary(kernel, out, reason);
}

const struct assay_metric assay_metric_ntk_frozen = {
    .name = "ntk_frozen",
    .help = "the quantities of ntk with the BN statistics held constant in the backward pass",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs =
        ASSAY_NEEDS_NET | ASSAY_NEEDS_IMAGES | ASSAY_NEEDS_JACOBIAN | ASSAY_NEEDS_FROZEN_KERNEL,
    .collective = true,
    .describe = describe,
    .measure = measure,
};
