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
    pass[0] = input_gradients_pass(use->option[0]);
    return 1;
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
    bool varies;
    void *block;
    ASSAY_TRY(memo_alloc(s, work_numbers(n) * sizeof(double), &block, err));
    double *r = block, *eigenvalue = r + (size_t)n * n;
    ASSAY_TRY(input_correlations(s, use, r, &varies, err));
    out[0] = NAN;
    if (!varies) return metric_degenerate(reason, "an image's gradient at the input is constant");
    if (assay_la_eigenvalues(n, r, eigenvalue, eigenvalue + n, err) < 0)
        return metric_degenerate(reason, "the gradients at the input are not finite");
    out[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        out[0] -= log(eigenvalue[i] + SMALL) + 1 / (eigenvalue[i] + SMALL);
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "jacov is %g", out[0]);
}

const struct assay_metric assay_metric_jacov = {
    .name = "jacov",
    .help = "orthogonality of the images' gradients at the input (NASWOT's first version)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .passes = passes,
    .tap = input_gradients_tap,
    .state = input_gradients_state,
    .gradient = input_gradients,
    .scratch = scratch,
    .measure = measure,
};
