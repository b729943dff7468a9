// SPDX-License-Identifier: Apache-2.0
// Some metrics ask how the gradients of the sum of the logits at the images correlate.
#include "proxies.h"

#include "assay/la.h"

struct assay_pass input_gradients_pass(const struct proxies_options *o)
{
    struct assay_pass pass = proxies_pass(o);
    pass.pull = ASSAY_PULL_LOGITS;
    pass.single = true;
    return pass;
}

void input_gradients_tap(const struct assay_graph *g, uint8_t *tapped)
{
    (void)g;
    tapped[0] |= ASSAY_TAP_GRADIENT;
}

static size_t numbers(const struct assay_graph *g)
{
    return (size_t)g->node[0].c * g->node[0].h * g->node[0].w;
}

// The state is the gradients at the input (images, numbers).
size_t input_gradients_state(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_subject_images(s, use, 0) * numbers(assay_subject_graph(s, use, 0)) *
           sizeof(double);
}

void input_gradients(const struct assay_look *look, const struct assay_block *b, const double *dx,
                     const double *kept)
{
    (void)kept;
    const size_t n = numbers(look->graph);
    double *row = (double *)look->state + b->first * n;
    if (b->node != 0) return;
    for (uint32_t i = 0; i < b->count; i++, row += n) {
        for (size_t k = 0; k < n; k++) row[k] = dx[k * b->stride + i];
    }
}

// Takes the mean off each row, and scales it to length 1; false where a row is constant.
static bool standardise_rows(uint32_t rows, size_t n, double *row)
{
    bool varies = true;
    for (uint32_t i = 0; i < rows; i++, row += n) {
        double mean = 0;
        for (size_t k = 0; k < n; k++) mean += row[k] / (double)n;
        for (size_t k = 0; k < n; k++) row[k] -= mean;
        const double length = sqrt(metric_sumsq(n, row));
        for (size_t k = 0; k < n; k++) row[k] /= length;
        varies &= length > 0;
    }
    return varies;
}

int input_correlations(struct assay_subject *s, const struct assay_use *use, double *r,
                       bool *varies, struct assay_err *err)
{
    const uint32_t n = assay_subject_images(s, use, 0);
    const size_t columns = numbers(assay_subject_graph(s, use, 0));
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    double *row = assay_subject_state(s, use);
    *varies = standardise_rows(n, columns, row);
    assay_la_gram(n, columns, row, columns, r);
    return ASSAY_OK;
}
