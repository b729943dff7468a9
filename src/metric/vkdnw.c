// SPDX-License-Identifier: Apache-2.0
// VKDNW (arXiv 2502.04975): how evenly the Fisher information is spread over parameters, one number
// of each of the first tensors, in evaluation mode with BN statistics that were never updated.
#include "proxies.h"

#include "assay/la.h"

#include <stdlib.h>
#include <string.h>

#define TENSORS 128 // at most
#define DECILES 9
#define SMALL   1e-10

static const struct assay_column columns[] = {
    {"vkdnw_entropy", "nat",
     "VKDNW (arXiv 2502.04975) as released: entropy of the deciles of the eigenvalues of a Fisher "
     "matrix with the Cholesky factor where its transpose belongs, in half precision",
     1},
    {"vkdnw_entropy_fim", "nat", "the same of the Fisher matrix itself", 1},
    {"vkdnw_single", "1", "VKDNW: vkdnw_entropy and the number of parameter tensors", 1},
};

// [vkdnw]
static const struct assay_opt rows[] = {NOISE_ROWS("vkdnw", "VKDNW"), {.name = NULL}};
static const struct assay_options options = {rows, sizeof(struct proxies_options)};

// Tensors count whether or not the output depends on them.
static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = proxies_pass(use->option[0]);
    pass[0].input.stream = "vkdnw";
    pass[0].input.key = "vkdnw.batch";
    pass[0].norms = ASSAY_NORMS_RUNNING;
    pass[0].bn = ASSAY_BN_FROZEN;
    pass[0].pull = ASSAY_PULL_FIRSTS;
    pass[0].precise = true; // eigenvalues down to 1e-8 of the largest decide
    return 1;
}

// What is worked with, of K classes, P of the network's tensors and n images.
struct work {
    uint32_t n, classes, tensors, used; // used: P
    double *identity;                   // (K,K)
    double *jac;                        // (n K, tensors)
    double *p, *l;                      // (K), (K,K): of an image
    double *a;                          // (P, n K): factor of the Fisher matrix
    double *fisher;                     // (P,P)
    double *value;                      // (P) eigenvalues
    double *scratch;
};

// Lays the work out from `at` on, or counts its numbers where that is NULL.
static size_t lay_out(struct work *w, double *at)
{
    const size_t k = w->classes, p = w->used, n = w->n * k;
    double **const part[] = {&w->identity, &w->jac,    &w->p,     &w->l,
                             &w->a,        &w->fisher, &w->value, &w->scratch};
    const size_t size[] = {
        k * k, n * w->tensors, k, k * k,
        p * n, p * p,          p, assay_la_singular_values_work((uint32_t)p, (uint32_t)p)};
    size_t total = 0;
    for (size_t i = 0; i < ASSAY_LEN(size); i++) {
        if (at) *part[i] = at + total;
        total += size[i];
    }
    return total;
}

static struct work work_of(const struct assay_subject *s, const struct assay_use *use)
{
    const uint32_t tensors = assay_subject_graph(s, use, 0)->n_param;
    return (struct work){.n = assay_subject_images(s, use, 0),
                         .classes = assay_subject_classes(s),
                         .tensors = tensors,
                         .used = tensors < TENSORS ? tensors : TENSORS};
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    struct work w = work_of(s, use);
    return assay_arena_block(lay_out(&w, NULL) * sizeof(double));
}

// Rounded to IEEE 754's half precision.
static double half(double v)
{
    int exponent;
    frexp(v, &exponent); // v = m * 2^exponent, m in [1/2, 1)
    const double quantum = ldexp(1, (exponent < -13 ? -13 : exponent) - 11);
    return nearbyint(v / quantum) * quantum;
}

// Probabilities of an image, of which a part of 0.05 is spread evenly; `released`: in half
// precision.
static void soften(struct work *w, const double *logit, bool released)
{
    const uint32_t k = w->classes;
    const double alpha = released ? half(0.05) : 0.05;
    const double most = released ? half(1 - alpha) : 1 - alpha,
                 each = released ? half(alpha / half(k)) : alpha / k;
    double largest = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < k; i++) largest = fmax(largest, logit[i]);
    for (uint32_t i = 0; i < k; i++) sum += w->p[i] = exp(logit[i] - largest);
    for (uint32_t i = 0; i < k; i++) w->p[i] = w->p[i] / sum * most + each;
}

// The Cholesky factor of diag(p) - p p^T, in closed form.
static void factorise(struct work *w)
{
    const uint32_t k = w->classes;
    double before = 1, left = 1; // q_(j-1), q_j
    memset(w->l, 0, (size_t)k * k * sizeof *w->l);
    for (uint32_t j = 0; j < k; j++, before = left) {
        left = j + 1 == k ? 0 : before - w->p[j];
        const double d = sqrt(w->p[j] * left / before);
        w->l[j * k + j] = d;
        for (uint32_t i = j + 1; i < k; i++) w->l[i * k + j] = -w->p[i] / left * d;
    }
}

// Adds an image's part to the factor: columns of L J or L^T J, its transpose.
static void add_image(struct work *w, uint32_t image, bool transpose)
{
    const uint32_t k = w->classes, n = w->n * k;
    const double *jac = w->jac + (size_t)image * k * w->tensors;
    for (uint32_t c = 0; c < w->used; c++) {
        for (uint32_t i = 0; i < k; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < k; j++)
                sum += w->l[transpose ? j * k + i : i * k + j] * jac[(size_t)j * w->tensors + c];
            w->a[(size_t)c * n + image * k + i] = sum;
        }
    }
}

static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

// Of the deciles of the P eigenvalues; *defined: they are not rounding.
static double entropy(const struct work *w, bool *defined)
{
    double decile[DECILES], sum = SMALL, result = 0;
    const uint32_t last = w->used - 1;
    for (int i = 0; i < DECILES; i++) {
        const double at = (double)last * (9 - i) / 10; // from the largest on
        const uint32_t k = (uint32_t)at, next = k < last ? k + 1 : k;
        decile[i] = w->value[k] + (at - k) * (w->value[next] - w->value[k]);
        sum += decile[i];
    }
    *defined &= sum > 2 * SMALL;
    for (int i = 0; i < DECILES; i++) {
        const double part = decile[i] / sum;
        result -= part * log(part + SMALL);
    }
    return result;
}

static int fisher_entropy(struct work *w, const double *logits, bool released, double *out,
                          bool *defined, struct assay_err *err)
{
    const uint32_t p = w->used, n = w->n * w->classes;
    for (uint32_t i = 0; i < w->n; i++) {
        soften(w, logits + (size_t)i * w->classes, released);
        factorise(w);
        add_image(w, i, !released);
    }
    assay_la_gram(p, n, w->a, n, w->fisher);
    for (size_t i = 0; i < (size_t)p * p; i++) w->fisher[i] /= w->n;
    *out = NAN;
    const int status = assay_la_singular_values(p, p, w->fisher, w->value, w->scratch, err);
    if (status < 0) return status == ASSAY_ERR_INPUT ? ASSAY_OK : status;
    qsort(w->value, p, sizeof *w->value, descending);
    *out = entropy(w, defined);
    return ASSAY_OK;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    struct work w = work_of(s, use);
    const double *logits;
    bool defined = true;
    void *block;
    ASSAY_TRY(assay_subject_logits(s, use, 0, &logits, err));
    ASSAY_TRY(memo_alloc(s, lay_out(&w, NULL) * sizeof(double), &block, err));
    lay_out(&w, block);
    memset(w.identity, 0, (size_t)w.classes * w.classes * sizeof *w.identity);
    for (uint32_t k = 0; k < w.classes; k++) w.identity[k * w.classes + k] = 1;
    assay_exec_jacobian_firsts(s->exec, w.identity, w.classes, 0, (uint64_t)w.n * w.classes, w.jac,
                               w.tensors);
    ASSAY_TRY(fisher_entropy(&w, logits, true, &out[0], &defined, err));
    ASSAY_TRY(fisher_entropy(&w, logits, false, &out[1], &defined, err));
    out[2] = w.tensors + out[0];
    if (defined && isfinite(out[0]) && isfinite(out[1])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "the Fisher matrix is 0 but for rounding, or not finite");
}

const struct assay_metric assay_metric_vkdnw = {
    .name = "vkdnw",
    .help = "how evenly the Fisher information is spread over parameters",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = passes,
    .scratch = scratch,
    .measure = measure,
};
