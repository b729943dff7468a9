// SPDX-License-Identifier: Apache-2.0
// The neural tangent kernel of TE-NAS: BN differentiated through the batch's own statistics.
#include "memo.h"

#include <string.h>

#define TENAS "TE-NAS (arXiv 2102.11535)"

static const struct assay_column columns[KERNEL_COLUMNS] = {
    {"kappa", "1", TENAS ", kappa = lambda_max / lambda_min of Theta = J J^T", -1},
    {"log_kappa", "nat", "ln kappa: its mean over repeats is not ruled by the largest kappa", -1},
    {"lambda_max", "1", TENAS ", largest eigenvalue of Theta", 0},
    {"lambda_min", "1", TENAS ", smallest eigenvalue of Theta", 0},
    {"trace", "1", "NASI (arXiv 2109.00817), trace norm, of the sum of the logits or of all", 1},
    {"numerical_rank", "1", "eigenvalues of Theta above max(N eps_64, (32 eps_32)^2) lambda_max",
     0},
    {"entropy", "nat", "-sum p ln p, p = lambda / trace of Theta", 0},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    assay_metric_describe_kernel(p, "batch", text, cap);
}

static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    const struct assay_kernel *kernel;
    ASSAY_TRY(assay_subject_kernel(s, ASSAY_BN_BATCH, &kernel, err));
    memcpy(spectrum, kernel->eigenvalue, kernel->n * sizeof *spectrum);
    return assay_kernel_summary(kernel, out, reason);
}

const struct assay_metric assay_metric_ntk = {
    .name = "ntk",
    .help = "condition number, extreme eigenvalues, trace, rank and entropy of the NTK (TE-NAS)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs = ASSAY_NEEDS_NET | ASSAY_NEEDS_IMAGES | ASSAY_NEEDS_JACOBIAN | ASSAY_NEEDS_KERNEL,
    .spectrum = true,
    .collective = true,
    .describe = describe,
    .measure = measure,
};
