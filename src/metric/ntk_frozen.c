// SPDX-License-Identifier: Apache-2.0
// The same kernel with the batch statistics held constant in the backward pass: samples decouple.
#include "subject.h"

static const struct assay_column columns[KERNEL_COLUMNS] = {
    {"frozen_kappa", "1", "as kappa, BN statistics held constant", -1},
    {"frozen_log_kappa", "nat", "as log_kappa, BN statistics held constant", -1},
    {"frozen_lambda_max", "1", "as lambda_max, BN statistics held constant", 0},
    {"frozen_lambda_min", "1", "as lambda_min, BN statistics held constant", 0},
    {"frozen_trace", "1", "as trace, BN statistics held constant", 1},
    {"frozen_numerical_rank", "1", "as numerical_rank, BN statistics held constant", 0},
    {"frozen_entropy", "nat", "as entropy, BN statistics held constant", 0},
};

uint32_t ntk_frozen_passes(const struct assay_use *use, const struct assay_protocol *p,
                           struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    return ntk_passes(use->option[0], ASSAY_BN_FROZEN, pass);
}

void ntk_frozen_describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                         size_t cap)
{
    metric_describe_kernel(use->option[0], p, "frozen", text, cap);
}

const struct assay_metric assay_metric_ntk_frozen = {
    .name = "ntk_frozen",
    .help = "the quantities of ntk with the BN statistics held constant in the backward pass",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_ntk_options},
    .collective = true,
    .passes = ntk_frozen_passes,
    .describe = ntk_frozen_describe,
    .measure = kernel_measure,
};
