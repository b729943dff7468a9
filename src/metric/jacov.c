// SPDX-License-Identifier: Apache-2.0
// The Jacobian covariance score of NASWOT's first version: how orthogonal the images' gradients at
// the input are.
#include "proxies.h"

#include "assay/la.h"

#define SMALL 1e-5

static const struct assay_column columns[] = {
    {"jacov", "nat",
     "NASWOT v1 (arXiv 2006.04647v1): -sum ln(l + k) + 1 / (l + k), l the eigenvalues of the "
     "correlations of d sum of logits / dx, k = 1e-5",
     1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = assay_proxies_pass(use->option[0]);
    pass[0].pull = ASSAY_PULL_LOGITS;
    return 1;
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    (void)g;
    tapped[0] |= ASSAY_TAP_GRADIENT;
}

static size_t numbers(const struct assay_graph *g)
{
    return (size_t)g->node[0].c * g->node[0].h * g->node[0].w;
}

// The gradients at the input (images, numbers).
static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_subject_images(s, use, 0) * numbers(assay_subject_graph(s, use, 0)) *
           sizeof(double);
}

static void gradient(const struct assay_look *look, const struct assay_block *b, const double *dx,
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
static bool standardise(uint32_t rows, size_t n, double *row)
{
    bool varies = true;
    for (uint32_t i = 0; i < rows; i++, row += n) {
        double mean = 0;
        for (size_t k = 0; k < n; k++) mean += row[k] / (double)n;
        for (size_t k = 0; k < n; k++) row[k] -= mean;
        const double length = sqrt(assay_metric_sumsq(n, row));
        for (size_t k = 0; k < n; k++) row[k] /= length;
        varies &= length > 0;
    }
    return varies;
}

// The correlations (images, images), their eigenvalues, and scratch.
static size_t work_numbers(uint32_t n)
{
    return (size_t)n * n + n + assay_la_eigenvalues_work(n);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(work_numbers(assay_subject_images(s, use, 0)) * sizeof(double));
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const uint32_t n = assay_subject_images(s, use, 0);
    const size_t columns_of = numbers(assay_subject_graph(s, use, 0));
    void *block;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(assay_memo_alloc(s, work_numbers(n) * sizeof(double), &block, err));
    double *row = assay_subject_state(s, use), *r = block, *eigenvalue = r + (size_t)n * n;
    out[0] = NAN;
    if (!standardise(n, columns_of, row))
        return assay_metric_degenerate(reason, "an image's gradient at the input is constant");
    assay_la_gram(n, columns_of, row, columns_of, r);
    if (assay_la_eigenvalues(n, r, eigenvalue, eigenvalue + n, err) < 0)
        return assay_metric_degenerate(reason, "the gradients at the input are not finite");
    out[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        out[0] -= log(eigenvalue[i] + SMALL) + 1 / (eigenvalue[i] + SMALL);
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return assay_metric_degenerate(reason, "jacov is %g", out[0]);
}

const struct assay_metric assay_metric_jacov = {
    .name = "jacov",
    .help = "orthogonality of the images' gradients at the input (NASWOT's first version)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_proxies_options},
    .passes = passes,
    .tap = tap,
    .state = state,
    .gradient = gradient,
    .scratch = scratch,
    .measure = measure,
};
