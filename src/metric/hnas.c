// SPDX-License-Identifier: Apache-2.0
// HNAS's kernel is of what every image adds to one gradient, that of the sum of the logits of the
// images' labels. It takes one backward pass with BN differentiated through its batch, and is
// neither the coupled NTK nor the frozen one.
#include "proxies.h"

#include "assay/la.h"

#include <string.h>

#define HNAS "HNAS (arXiv 2201.09785), G the products of every image's part of d sum f_label / dw: "

static const struct assay_column columns[] = {
    {"hnas_trace", "1",
     HNAS "sqrt(trace G / images), all layers' weights and the classifier's bias", 1},
    {"hnas_kappa", "1", HNAS "lambda_max / lambda_min", -1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = loss_pass(use->option[0]);
    pass[0].pull = ASSAY_PULL_TARGET;
    return 1;
}

static void tap(const struct assay_graph *g, uint8_t *tapped)
{
    for (uint32_t i = 0; i < g->n_param; i++)
        if (is_layer_weight(&g->param[i])) tapped[g->param[i].node] |= ASSAY_TAP_LAYER;
}

// The state is the kernel G (n, n), that of one parameter (n, n), and what every image adds to the
// parameter's gradient (n, size).
struct kernel {
    double *gram, *one, *row;
};

static struct kernel kernel_of(void *state, uint32_t n)
{
    double *gram = state;
    return (struct kernel){gram, gram + (size_t)n * n, gram + 2 * (size_t)n * n};
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const size_t n = assay_subject_images(s, use, 0);
    uint64_t most = 0;
    for (uint32_t i = 0; i < g->n_param; i++)
        if (g->param[i].size > most) most = g->param[i].size;
    return (2 * n + most) * n * sizeof(double);
}

static void layer(const struct assay_look *look, uint32_t param, uint32_t first, uint32_t count,
                  const double *row)
{
    const uint32_t n = assay_subject_images(look->subject, look->use, look->pass);
    const size_t size = look->graph->param[param].size;
    const struct kernel k = kernel_of(look->state, n);
    memcpy(k.row + first * size, row, count * size * sizeof *row);
    if (first + count < n) return;
    assay_la_gram(n, size, k.row, size, k.one);
    for (size_t i = 0; i < (size_t)n * n; i++) k.gram[i] += k.one[i];
}

// Scratch holds the eigenvalues, and what their computation needs.
static size_t work_numbers(uint32_t n)
{
    return n + assay_la_eigenvalues_work(n);
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
    double trace = 0;
    void *work;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(memo_alloc(s, work_numbers(n) * sizeof(double), &work, err));
    double *gram = kernel_of(assay_subject_state(s, use), n).gram, *eigenvalue = work;
    for (size_t i = 0; i < n; i++) trace += gram[i * n + i];
    out[0] = sqrt(trace / n);
    out[1] = NAN;
    if (assay_la_eigenvalues(n, gram, eigenvalue, eigenvalue + n, err) < 0)
        return metric_degenerate(reason, "the gradients are not finite");
    const double least = eigenvalue[0], most = eigenvalue[n - 1];
    const enum assay_precision precision = (enum assay_precision)s->protocol->precision;
    out[1] = least > kernel_rounding(n, precision) * most ? most / least : INFINITY;
    if (isfinite(out[1])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "hnas: lambda_min %.3g, lambda_max %.3g", least, most);
}

const struct assay_metric assay_metric_hnas = {
    .name = "hnas",
    .help = "trace and condition number of the kernel of images' parts of one gradient (HNAS)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .passes = passes,
    .tap = tap,
    .state = state,
    .layer = layer,
    .scratch = scratch,
    .measure = measure,
};
