// SPDX-License-Identifier: Apache-2.0
// How exact the extreme eigenvalues of `ntk_frozen` are.
#include "subject.h"

static const struct assay_column columns[] = {
    {"frozen_lambda_max_residual", "1", "lambda_max_residual, BN statistics held constant", 0},
    {"frozen_lambda_min_residual", "1", "lambda_min_residual, BN statistics held constant", 0},
};

const struct assay_metric assay_metric_ntk_frozen_residuals = {
    .name = "ntk_frozen_residuals",
    .help = "residuals of the extreme eigenvalues of ntk_frozen",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_ntk_options},
    .collective = true,
    .passes = ntk_frozen_passes,
    .describe = ntk_frozen_describe,
    .measure = kernel_residuals,
};
