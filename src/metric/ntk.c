// SPDX-License-Identifier: Apache-2.0
// The neural tangent kernel of TE-NAS: BN differentiated through the batch's own statistics.
#include "subject.h"

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

static const struct assay_opt options[] = {
    {"ntk", "batch", "images N in the neural tangent kernel", ASSAY_OPT_U64,
     offsetof(struct assay_ntk_options, batch), .min = 2, .max = 65536, .def = "16"},
    {"ntk", "init", "initialisation of the network of ntk and nasi", ASSAY_OPT_ENUM,
     offsetof(struct assay_ntk_options, init), .choices = ASSAY_INIT_NAMES,
     .def = "kaiming-fan-out"},
    {"ntk", "outputs",
     "rows of the kernel: sum: one an image, of the sum of its logits (TE-NAS); all: one a logit",
     ASSAY_OPT_ENUM, offsetof(struct assay_ntk_options, outputs), .choices = "sum|all",
     .def = "sum"},
    {"ntk", "eigenvalues",
     "all; extreme: the largest and smallest alone, in less time; checked: all, and that the two "
     "agree",
     ASSAY_OPT_ENUM, offsetof(struct assay_ntk_options, eigenvalues),
     .choices = "all|extreme|checked", .def = "all", .with = "eigenvalues"},
    {.name = NULL},
};
const struct assay_options assay_ntk_options = {options, sizeof(struct assay_ntk_options)};

struct assay_pass ntk_pass(const struct assay_ntk_options *o, enum assay_pull pull,
                           enum assay_bn bn)
{
    return (struct assay_pass){.init = (enum assay_init)o->init,
                               .input = {.stream = "images", .key = "ntk.batch", .n = o->batch},
                               .pull = pull,
                               .bn = bn,
                               .labels = ASSAY_LABELS_NONE,
                               .outputs = (enum assay_outputs)o->outputs};
}

uint32_t ntk_passes(const struct assay_ntk_options *o, enum assay_bn bn,
                    struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    uint32_t n = 0;
    if (o->eigenvalues != ASSAY_EIGENVALUES_EXTREME) pass[n++] = ntk_pass(o, ASSAY_PULL_KERNEL, bn);
    if (o->eigenvalues != ASSAY_EIGENVALUES_ALL) pass[n++] = ntk_pass(o, ASSAY_PULL_EXTREMES, bn);
    return n;
}

uint32_t ntk_batch_passes(const struct assay_use *use, const struct assay_protocol *p,
                          struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    return ntk_passes(use->option[0], ASSAY_BN_BATCH, pass);
}

void ntk_batch_describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                        size_t cap)
{
    metric_describe_kernel(use->option[0], p, "batch", text, cap);
}

const struct assay_metric assay_metric_ntk = {
    .name = "ntk",
    .help = "condition number, extreme eigenvalues, trace, rank and entropy of the NTK (TE-NAS)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = 1e5,
    .n_released = 1,
    .options = {&assay_ntk_options},
    .spectrum = true,
    .collective = true,
    .passes = ntk_batch_passes,
    .describe = ntk_batch_describe,
    .measure = kernel_measure,
};
