// SPDX-License-Identifier: Apache-2.0
// NASWOT: in how many ReLU units two images agree, for all pairs of a batch.
#include "proxies.h"

#include "assay/la.h"

#include <string.h>

static const struct assay_column columns[] = {
    {"naswot", "nat",
     "NASWOT (arXiv 2006.04647): ln |det K|, K_ij the ReLU units of all modules, dead ones too, "
     "that are alike in images i and j",
     1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = assay_proxies_pass(use->option[0]);
    pass[0].network = ASSAY_NET_LITERAL;
    return 1;
}

// The kernel (n, n), and the signs (n, words) of the node that is looked at.
struct agreement {
    double *k;
    uint64_t *sign;
};

static size_t largest_words(const struct assay_graph *g)
{
    size_t most = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const size_t units = (size_t)g->node[i].c * g->node[i].h * g->node[i].w;
        if (g->node[i].op == ASSAY_OP_RELU && units > most) most = units;
    }
    return (most + 63) / 64;
}

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const size_t n = assay_subject_images(s, use, 0);
    return n * n * sizeof(double) +
           n * largest_words(assay_subject_graph(s, use, 0)) * sizeof(uint64_t);
}

static struct agreement agreement_of(void *of, uint32_t n)
{
    double *k = of;
    return (struct agreement){.k = k, .sign = (uint64_t *)(k + (size_t)n * n)};
}

static void add_agreement(const struct agreement *a, uint32_t n, size_t words, size_t units,
                          uint32_t modules)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            size_t differ = 0;
            for (size_t w = 0; w < words; w++)
                differ +=
                    (size_t)__builtin_popcountll(a->sign[i * words + w] ^ a->sign[j * words + w]);
            a->k[(size_t)i * n + j] += (double)(modules * (units - differ));
        }
    }
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_node *node = &look->graph->node[b->node];
    const uint32_t n = assay_subject_images(look->subject, look->use, look->pass);
    const struct agreement a = agreement_of(look->state, n);
    const size_t units = (size_t)b->c * b->pixels, words = (units + 63) / 64;
    if (node->op != ASSAY_OP_RELU) return; // tapped for another
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t *sign = memset(a.sign + (b->first + i) * words, 0, words * sizeof *sign);
        for (size_t p = 0; p < units; p++)
            sign[p / 64] |= (uint64_t)(v[p * b->stride + i] > 0) << p % 64;
    }
    if (b->first + b->count == n) add_agreement(&a, n, words, units, node->modules);
}

// Eigenvalues, and scratch.
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
    void *block;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(assay_memo_alloc(s, work_numbers(n) * sizeof(double), &block, err));
    double *k = agreement_of(assay_subject_state(s, use), n).k, *eigenvalue = block;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) k[j * n + i] = k[i * n + j];
    }
    ASSAY_TRY(assay_la_eigenvalues(n, k, eigenvalue, eigenvalue + n, err));
    out[0] = 0;
    for (uint32_t i = 0; i < n; i++) out[0] += log(fabs(eigenvalue[i]));
    // K is an integer matrix: its determinant is 0, or at least 1.
    if (eigenvalue[0] > n * 1e-15 * eigenvalue[n - 1]) return ASSAY_VERDICT_OK;
    out[0] = -INFINITY;
    return assay_metric_degenerate(reason, "two images have one pattern, or patterns of others");
}

const struct assay_metric assay_metric_naswot = {
    .name = "naswot",
    .help = "log determinant of the agreement of ReLU patterns between images (NASWOT)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = passes,
    .tap = assay_tap_relus,
    .state = state,
    .value = value,
    .scratch = scratch,
    .measure = measure,
};
