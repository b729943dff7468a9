// SPDX-License-Identifier: Apache-2.0
// How exact the extreme eigenvalues of `ntk` are.
#include "subject.h"

static const struct assay_column columns[] = {
    {"lambda_max_residual", "1",
     "||Theta x - lambda x|| of the unit vector found: an eigenvalue is that near", 0},
    {"lambda_min_residual", "1", "the same of lambda_min", 0},
};

const struct assay_metric assay_metric_ntk_residuals = {
    .name = "ntk_residuals",
    .help = "residuals of the extreme eigenvalues of ntk",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_ntk_options},
    .collective = true,
    .passes = ntk_batch_passes,
    .describe = ntk_batch_describe,
    .measure = kernel_residuals,
};
