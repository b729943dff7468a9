// SPDX-License-Identifier: Apache-2.0
// NASI's estimate of the NTK trace norm from one mini-batch gradient.
#include "memo.h"

#include <math.h>

static const struct assay_column columns[] = {
    {"nasi_trace", "1", "NASI (arXiv 2109.00817), ||b^-1 sum_j grad_theta L(x_j, y_j)||^2", 1},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    static const char *const what[] = {
        "bn=batch outputs=cross-entropy parameters=all labels=true",
        "bn=batch outputs=cross-entropy parameters=all labels=random",
        "bn=batch outputs=sum parameters=weights labels=none"};
    const uint64_t batch = p->nasi_batch ? p->nasi_batch : p->ntk_batch;
    assay_metric_describe_net(p, batch, what[p->nasi_labels], text, cap);
}

void assay_cross_entropy_cotangent(uint32_t n, uint32_t classes, const double *logit,
                                   const uint32_t *label, double *cot)
{
    for (uint32_t i = 0; i < n; i++, logit += classes, cot += classes) {
        double largest = -INFINITY, sum = 0.0;
        for (uint32_t k = 0; k < classes; k++) largest = fmax(largest, logit[k]);
        for (uint32_t k = 0; k < classes; k++) sum += cot[k] = exp(logit[k] - largest);
        for (uint32_t k = 0; k < classes; k++) cot[k] = (cot[k] / sum - (k == label[i])) / n;
    }
}

// The mean gradient (n_theta) and the logits' cotangents (n_nasi, classes).
static size_t gradient_bytes(const struct assay_subject *s)
{
    const size_t classes = s->net->node[s->net->n_node - 1].c;
    return (s->n_nasi * classes + s->net->n_theta) * sizeof(double);
}

static size_t scratch(const struct assay_subject *s)
{
    return assay_arena_block(gradient_bytes(s));
}

static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = s->net;
    const uint32_t classes = g->node[g->n_node - 1].c, n = s->n_nasi;
    const bool labels = s->protocol->nasi_labels != ASSAY_LABELS_NONE;
    void *block;
    ASSAY_TRY(assay_memo_forward(s, PASS_NASI, err));
    ASSAY_TRY(assay_memo_alloc(s, gradient_bytes(s), &block, err));
    double *grad = block, *cot = grad + g->n_theta;
    const double *logits = assay_exec_logits(s->exec);
    if (labels)
        assay_cross_entropy_cotangent(n, classes, logits, s->nasi_label, cot);
    else
        for (size_t i = 0; i < (size_t)n * classes; i++) cot[i] = 1.0 / n;
    assay_exec_gradient(s->exec, ASSAY_BN_BATCH, cot, grad);
    out[0] = assay_metric_sumsq(labels ? g->n_theta : g->n_weight, grad);
    if (labels && classes == 1) // softmax of one logit is 1
        return assay_metric_degenerate(reason, "one class: the loss is 0 whatever the network, and "
                                               "so is its gradient");
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return assay_metric_degenerate(reason, "the squared norm of the mean gradient is %g", out[0]);
}

const struct assay_metric assay_metric_nasi = {
    .name = "nasi",
    .help = "squared norm of the mini-batch gradient of the loss: NASI's NTK trace estimate",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs = ASSAY_NEEDS_NET | ASSAY_NEEDS_NASI,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
