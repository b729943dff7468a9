// SPDX-License-Identifier: Apache-2.0
// Linear regions of TE-NAS: distinct ReLU sign patterns of the thin network over random patches.
#include "subject.h"

#include <string.h>

#define TENAS "TE-NAS (arXiv 2102.11535)"

static const struct assay_column columns[] = {
    {"regions", "1", TENAS ", distinct sign patterns of all ReLU units over the samples", 1},
    {"region_samples", "1", TENAS ", samples", 0},
    {"region_saturation", "1", "regions / region_samples; near 1 the count says nothing", 0},
};

static const struct assay_opt rows[] = {
    {"regions", "batch", "input patches per batch, normalised together", ASSAY_OPT_U64,
     offsetof(struct assay_regions_options, batch), .min = 2, .max = 1000000, .def = "1000"},
    {"regions", "batches", "number of such batches; their patterns are counted together",
     ASSAY_OPT_U64, offsetof(struct assay_regions_options, batches), .min = 1, .max = 100000,
     .def = "3"},
    {"regions", "init", "initialisation of the thin network", ASSAY_OPT_ENUM,
     offsetof(struct assay_regions_options, init), .choices = ASSAY_INIT_NAMES,
     .def = "kaiming-fan-in"},
    {.name = NULL},
};
const struct assay_options assay_regions_options = {rows, sizeof(struct assay_regions_options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    const struct assay_regions_options *o = use->option[0];
    pass[0] = (struct assay_pass){.network = ASSAY_NET_THIN,
                                  .init = (enum assay_init)o->init,
                                  .input = {.kind = ASSAY_INPUT_PATCHES,
                                            .stream = "patches",
                                            .key = "regions.batch x regions.batches",
                                            .n = o->batch * o->batches},
                                  .batch = o->batch,
                                  .labels = ASSAY_LABELS_NONE};
    return 1;
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    const struct assay_regions_options *o = use->option[0];
    const int n = snprintf(text, cap,
                           "samples=%llux%llu network=thin %sinput=1x%llux%llu bn=batch "
                           "init=%s precision=float64 forward ",
                           (unsigned long long)o->batches, (unsigned long long)o->batch,
                           p->patch == 3 ? "C=1 " : "", (unsigned long long)p->patch,
                           (unsigned long long)p->patch, assay_init_name((enum assay_init)o->init));
    if (n >= 0 && (size_t)n < cap) metric_describe_run(p, text + n, cap - (size_t)n);
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

// ---- sign patterns ------------------------------------------------------------------------------
// The tap of a batch, and the patterns of all.
struct patterns {
    struct assay_signs signs;
    struct assay_taps tap;
    uint64_t row[]; // (patches, words)
};

static size_t state_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    const size_t words = assay_sign_words(assay_subject_graph(s, use, 0));
    return sizeof(struct patterns) +
           (assay_subject_images(s, use, 0) * words + 1) * sizeof(uint64_t);
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *value)
{
    struct patterns *p = look->state;
    if (!p->signs.graph) p->tap = assay_signs_tap(&p->signs, look->graph, p->row);
    p->tap.value(p->tap.self, b, value);
}

const uint64_t *assay_regions_patterns(const struct assay_subject *s, const struct assay_use *use,
                                       size_t *words)
{
    const struct patterns *p = assay_subject_state(s, use);
    *words = p->signs.words;
    return p->row;
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(assay_distinct_slots(assay_subject_images(s, use, 0)) *
                             sizeof(uint32_t));
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    (void)reason;
    const uint32_t n = assay_subject_images(s, use, 0);
    size_t words;
    void *slot;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    const uint64_t *row = assay_regions_patterns(s, use, &words);
    ASSAY_TRY(memo_alloc(s, assay_distinct_slots(n) * sizeof(uint32_t), &slot, err));
    out[0] = (double)assay_distinct_rows(n, words, row, slot);
    out[1] = n;
    out[2] = out[0] / out[1];
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_regions = {
    .name = "regions",
    .help = "distinct ReLU sign patterns of the thin network over random patches (TE-NAS)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_regions_options},
    .passes = passes,
    .describe = describe,
    .tap = assay_tap_relus,
    .state = state_bytes,
    .value = value,
    .scratch = scratch,
    .measure = measure,
};
