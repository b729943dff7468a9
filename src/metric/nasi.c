// SPDX-License-Identifier: Apache-2.0
// NASI's estimate of the NTK trace norm from one mini-batch gradient.
#include "subject.h"

#include <math.h>

static const struct assay_column columns[] = {
    {"nasi_trace", "1", "NASI (arXiv 2109.00817), ||b^-1 sum_j grad_theta L(x_j, y_j)||^2", 1},
};

static const struct assay_opt rows[] = {
    {"nasi", "batch", "images b in the mini-batch of NASI's trace norm; 0: the kernel's own batch",
     ASSAY_OPT_U64, offsetof(struct assay_nasi_options, batch), .max = 65536, .def = "64"},
    {"nasi", "labels", "labels of that mini-batch; random: uniform over the classes",
     ASSAY_OPT_ENUM, offsetof(struct assay_nasi_options, labels), .choices = "true|random|none",
     .def = "random"},
    {.name = NULL},
};
const struct assay_options assay_nasi_options = {rows, sizeof(struct assay_nasi_options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    const struct assay_nasi_options *o = use->option[0];
    const struct assay_ntk_options *ntk = use->option[1];
    pass[0] = ntk_pass(ntk, o->labels == ASSAY_LABELS_NONE ? ASSAY_PULL_LOGITS : ASSAY_PULL_LOSS,
                       ASSAY_BN_BATCH);
    pass[0].labels = (enum assay_labels)o->labels;
    pass[0].label_key = "nasi.labels";
    pass[0].outputs = ASSAY_OUTPUTS_SUM;
    if (o->batch)
        pass[0].input = (struct assay_input){.stream = "nasi", .key = "nasi.batch", .n = o->batch};
    return 1;
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    static const char *const what[] = {
        "bn=batch outputs=cross-entropy parameters=all labels=true",
        "bn=batch outputs=cross-entropy parameters=all labels=random",
        "bn=batch outputs=sum parameters=weights labels=none"};
    const struct assay_nasi_options *o = use->option[0];
    const struct assay_ntk_options *ntk = use->option[1];
    metric_describe_net(p, assay_nasi_batch(o, ntk), what[o->labels], ntk->init, text, cap);
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const struct assay_nasi_options *o = use->option[0];
    const bool labels = o->labels != ASSAY_LABELS_NONE;
    const double *gradient;
    ASSAY_TRY(assay_subject_gradient(s, use, 0, &gradient, err));
    out[0] = metric_sumsq(labels ? g->n_theta : g->n_weight, gradient);
    if (labels && assay_subject_classes(s) == 1) // softmax of one logit is 1
        return metric_degenerate(reason, "one class: the loss is 0 whatever the network, and "
                                         "so is its gradient");
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "the squared norm of the mean gradient is %g", out[0]);
}

const struct assay_metric assay_metric_nasi = {
    .name = "nasi",
    .help = "squared norm of the mini-batch gradient of the loss: NASI's NTK trace estimate",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_nasi_options, &assay_ntk_options},
    .passes = passes,
    .describe = describe,
    .measure = measure,
};
