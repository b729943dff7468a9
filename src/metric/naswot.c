// SPDX-License-Identifier: Apache-2.0
// NASWOT: in how many ReLU units two images agree, for all pairs of a batch; and other statistics
// of their signs.
#include "proxies.h"

#include "assay/la.h"

#include <string.h>

#define SIGNS "signs of ReLU units of all modules, dead ones too: "

static const struct assay_column columns[] = {
    {"naswot", "nat",
     "NASWOT (arXiv 2006.04647), AZ-NAS: ln |det K|, K_ij the ReLU units of all modules, dead ones "
     "too, that are alike in images i and j",
     1},
    {"naswot_released", "nat",
     "NASWOT's and NASLib's release: units of ReLU, convolution and BN count twice", 1},
    {"hamming_mean", "1", SIGNS "part that differs between two images, mean over pairs", 0},
    {"hamming_min", "1", SIGNS "the least of any pair", 0},
    {"dead_relu_fraction", "1", SIGNS "part that is off for all images", 0},
    {"always_on_fraction", "1", SIGNS "part that is on for all images", 0},
    {"active_fraction", "1", SIGNS "part that is on, mean over images", 0},
    {"regions_net", "1", "AZ-NAS (arXiv 2403.19232), " SIGNS "distinct patterns of images", 1},
};

// Units of all modules: K (n, n), lower triangle, once and as released; how many there are, are off
// or on for all images, and are on, of all images. The signs (n, words) of the node that is looked
// at.
enum count { UNITS, DEAD, ALWAYS, ACTIVE, COUNTS };
struct agreement {
    double *k, *released, *count;
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
    return (2 * n * n + COUNTS) * sizeof(double) +
           n * largest_words(assay_subject_graph(s, use, 0)) * sizeof(uint64_t);
}

static struct agreement agreement_of(void *of, uint32_t n)
{
    const size_t square = (size_t)n * n;
    double *k = of;
    return (struct agreement){.k = k,
                              .released = k + square,
                              .count = k + 2 * square,
                              .sign = (uint64_t *)(k + 2 * square + COUNTS)};
}

static uint32_t ones(uint64_t word)
{
    return (uint32_t)__builtin_popcountll(word);
}

// The ones of a ^ b. Of 24 words at a time the counts of bytes are added before they are: where the
// processor is not asked for an instruction that counts, a word takes as long as a call.
static size_t differences(size_t words, const uint64_t *a, const uint64_t *b)
{
    size_t sum = 0;
    for (size_t w = 0; w < words;) {
        const size_t end = words - w < 24 ? words : w + 24;
        uint64_t bytes = 0;
        for (; w < end; w++) {
            uint64_t v = a[w] ^ b[w];
            v -= v >> 1 & 0x5555555555555555;
            v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
            bytes += (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
        }
        for (; bytes; bytes >>= 8) sum += bytes & 255;
    }
    return sum;
}

static void add_agreement(const struct agreement *a, uint32_t n, size_t words, size_t units,
                          uint32_t modules, uint32_t released)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            const size_t differ = differences(words, a->sign + i * words, a->sign + j * words);
            a->k[(size_t)i * n + j] += (double)(modules * (units - differ));
            a->released[(size_t)i * n + j] += (double)(released * (units - differ));
        }
    }
}

static void add_counts(const struct agreement *a, uint32_t n, size_t words, size_t units,
                       uint32_t modules)
{
    size_t some = 0, all = 0, on = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t either = 0, both = UINT64_MAX;
        for (uint32_t i = 0; i < n; i++) {
            const uint64_t sign = a->sign[i * words + w];
            either |= sign, both &= sign, on += ones(sign);
        }
        some += ones(either), all += ones(both);
    }
    a->count[UNITS] += (double)(modules * units);
    a->count[DEAD] += (double)(modules * (units - some));
    a->count[ALWAYS] += (double)(modules * all);
    a->count[ACTIVE] += (double)(modules * on);
}

typedef double two_numbers __attribute__((vector_size(16), aligned(8), may_alias));
typedef uint64_t two_words __attribute__((vector_size(16)));

// Bit k of word i of sign (4, words): whether number k < 64 of image i is positive. Without
// branches, which would go either way half of the time.
static void put_four_signs(const double *v, size_t stride, size_t n, uint64_t *sign, size_t words)
{
    two_words low = {0}, high = {0}, bit = {1, 1};
    for (size_t k = 0; k < n; k++, v += stride, bit += bit) {
        low |= (two_words)(*(const two_numbers *)v > (two_numbers){0}) & bit;
        high |= (two_words)(*(const two_numbers *)(v + 2) > (two_numbers){0}) & bit;
    }
    for (int i = 0; i < 2; i++) sign[i * words] = low[i], sign[(2 + i) * words] = high[i];
}

static void put_signs(const double *v, size_t stride, size_t n, uint64_t *sign)
{
    *sign = 0;
    for (size_t k = 0; k < n; k++, v += stride) *sign |= (uint64_t)(*v > 0) << k;
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const struct assay_node *node = &look->graph->node[b->node];
    const uint32_t n = assay_subject_images(look->subject, look->use, look->pass);
    const struct agreement a = agreement_of(look->state, n);
    const size_t units = (size_t)b->c * b->pixels, words = (units + 63) / 64;
    if (node->op != ASSAY_OP_RELU) return; // tapped for another
    for (size_t w = 0; w < words; w++, v += 64 * (size_t)b->stride) {
        const size_t left = units - 64 * w, bits = left < 64 ? left : 64;
        uint64_t *sign = a.sign + b->first * words + w;
        for (uint32_t i = 0, step; i < b->count; i += step, sign += step * words) {
            step = b->count - i < 4 ? 1 : 4;
            if (step == 4)
                put_four_signs(v + i, b->stride, bits, sign, words);
            else
                put_signs(v + i, b->stride, bits, sign);
        }
    }
    if (b->first + b->count < n) return;
    add_agreement(&a, n, words, units, node->modules,
                  node->modules + relu_units(look->graph, b->node));
    add_counts(&a, n, words, units, node->modules);
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

// ln |det k|, of an integer matrix whose lower triangle is given: its determinant is 0, or at least
// 1.
static int log_determinant(uint32_t n, double *k, double *work, double *out, struct assay_err *err)
{
    double *eigenvalue = work;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) k[j * n + i] = k[i * n + j];
    }
    ASSAY_TRY(assay_la_eigenvalues(n, k, eigenvalue, eigenvalue + n, err));
    *out = 0;
    for (uint32_t i = 0; i < n; i++) *out += log(fabs(eigenvalue[i]));
    if (!(eigenvalue[0] > n * 1e-15 * eigenvalue[n - 1])) *out = -INFINITY;
    return ASSAY_OK;
}

static void statistics(const struct agreement *a, uint32_t n, double out[5])
{
    const double units = a->count[UNITS];
    double sum = 0, least = INFINITY;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            sum += units - a->k[i * n + j];
            least = fmin(least, units - a->k[i * n + j]);
        }
    }
    out[0] = sum / (n * (n - 1.0) / 2) / units;
    out[1] = least / units;
    out[2] = a->count[DEAD] / units;
    out[3] = a->count[ALWAYS] / units;
    out[4] = a->count[ACTIVE] / (units * n);
}

// Counts the images whose pattern no earlier image has.
static double distinct(const struct agreement *a, uint32_t n)
{
    double patterns = 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < i && a->k[i * n + j] < a->count[UNITS]) j++;
        patterns += j == i;
    }
    return patterns;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const uint32_t n = assay_subject_images(s, use, 0);
    void *work;
    const int relus =
        metric_need_relu(assay_subject_graph(s, use, 0), ASSAY_LEN(columns), out, reason);
    if (relus != ASSAY_VERDICT_OK) return relus;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(memo_alloc(s, work_numbers(n) * sizeof(double), &work, err));
    const struct agreement a = agreement_of(assay_subject_state(s, use), n);
    statistics(&a, n, out + 2);
    out[7] = distinct(&a, n);
    ASSAY_TRY(log_determinant(n, a.k, work, &out[0], err));
    ASSAY_TRY(log_determinant(n, a.released, work, &out[1], err));
    if (isfinite(out[0]) && isfinite(out[1])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "two images have one pattern, or patterns of others");
}

const struct assay_metric assay_metric_naswot = {
    .name = "naswot",
    .help = "log determinant of the agreement of ReLU patterns between images (NASWOT)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .released = NASLIB_FAILURE,
    .n_released = 1,
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = proxies_passes,
    .tap = assay_tap_relus,
    .state = state,
    .value = value,
    .scratch = scratch,
    .measure = measure,
};
