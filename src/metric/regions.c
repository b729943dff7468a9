// SPDX-License-Identifier: Apache-2.0
// Linear regions of TE-NAS: distinct ReLU sign patterns of the thin network over random patches.
#include "memo.h"

#include <string.h>

#define TENAS "TE-NAS (arXiv 2102.11535)"

static const struct assay_column columns[] = {
    {"regions", "1", TENAS ", distinct sign patterns of all ReLU units over the samples", 1},
    {"region_samples", "1", TENAS ", samples", 0},
    {"region_saturation", "1", "regions / region_samples; near 1 the count says nothing", 0},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    const int n =
        snprintf(text, cap,
                 "samples=%llux%llu network=thin C=1 input=1x3x3 bn=batch init=%s "
                 "precision=float64 forward ",
                 (unsigned long long)p->region_batches, (unsigned long long)p->region_batch,
                 assay_metric_init_name(p->region_init));
    if (n >= 0 && (size_t)n < cap) assay_metric_describe_run(p, text + n, cap - (size_t)n);
}

// A power of two, at least twice as many as rows.
size_t assay_distinct_slots(uint64_t n)
{
    size_t slots = 16;
    while (slots < 2 * n) slots *= 2;
    return slots;
}

// Open addressing over row numbers + 1; equal hashes are told apart by the rows themselves.
uint64_t assay_distinct_rows(uint64_t n, size_t words, const uint64_t *row, uint32_t *slot)
{
    const size_t mask = assay_distinct_slots(n) - 1, bytes = words * sizeof *row;
    uint64_t distinct = 0;
    memset(slot, 0, (mask + 1) * sizeof *slot);
    for (uint64_t i = 0; i < n; i++) {
        size_t at = assay_hash64(row + i * words, bytes, 0) & mask;
        while (slot[at] && memcmp(row + (slot[at] - 1) * words, row + i * words, bytes) != 0) {
            at = (at + 1) & mask;
        }
        if (!slot[at]) {
            slot[at] = (uint32_t)i + 1;
            distinct++;
        }
    }
    return distinct;
}

static size_t scratch(const struct assay_subject *s)
{
    return assay_arena_block(assay_distinct_slots(s->n_patch) * sizeof(uint32_t));
}

// (n_patch, words).
static int sign_block(struct assay_subject *s, uint64_t **block, struct assay_err *err)
{
    const size_t words = assay_sign_words(s->thin);
    void *memory;
    ASSAY_TRY(assay_memo_alloc(s, (s->n_patch * words + 1) * sizeof **block, &memory, err));
    s->memo->words = words;
    *block = memory;
    return ASSAY_OK;
}

int assay_subject_signs(struct assay_subject *s, const uint64_t **signs, size_t *words,
                        struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(assay_memo_get(s, &memo, err));
    const struct assay_node *input = &s->thin->node[0];
    const size_t image = (size_t)input->c * input->h * input->w;
    const uint32_t batch = (uint32_t)s->protocol->region_batch;
    uint64_t *block = memo->signs;
    uint32_t bound = 0;
    for (uint32_t first = 0; !memo->signs && first < s->n_patch; first += bound) {
        const uint32_t n = s->n_patch - first < batch ? s->n_patch - first : batch;
        memo->pass = PASS_NONE;
        if (n != bound) ASSAY_TRY(assay_memo_bind(s, s->thin, n, false, err));
        bound = n;
        if (!block) ASSAY_TRY(sign_block(s, &block, err));
        struct assay_signs tap;
        const struct assay_taps taps = assay_signs_tap(&tap, s->thin, block + first * memo->words);
        assay_exec_set_taps(s->exec, &taps);
        assay_exec_forward(s->exec, s->theta_thin, s->patches + first * image);
        assay_exec_set_taps(s->exec, NULL);
    }
    memo->signs = block;
    *signs = block;
    *words = memo->words;
    return ASSAY_OK;
}

static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    (void)reason;
    const uint64_t *signs;
    size_t words;
    void *slot;
    ASSAY_TRY(assay_subject_signs(s, &signs, &words, err));
    ASSAY_TRY(assay_memo_alloc(s, assay_distinct_slots(s->n_patch) * sizeof(uint32_t), &slot, err));
    out[0] = (double)assay_distinct_rows(s->n_patch, words, signs, slot);
    out[1] = s->n_patch;
    out[2] = out[0] / out[1];
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_regions = {
    .name = "regions",
    .help = "distinct ReLU sign patterns of the thin network over random patches (TE-NAS)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs = ASSAY_NEEDS_PATCHES | ASSAY_NEEDS_THIN,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
