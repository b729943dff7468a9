// SPDX-License-Identifier: Apache-2.0
// Linear regions of networks whose activations are no ReLUs alone: distinct patterns of the pieces
// that all activations are on.
#include "proxies.h"

#include <string.h>

static const struct assay_column columns[] = {
    {"kink_regions_net", "1",
     "regions_net by all kinks: ReLU, LeakyReLU and ELU (alpha not 1) have 1 bit a unit, clips "
     "(ReLU6), hard sigmoid and hard swish 2; smooth activations and max-pools none",
     1},
};

// The tap of the pass, and the patterns.
struct patterns {
    struct assay_signs signs;
    struct assay_taps tap;
    uint64_t row[]; // (images, words)
};

static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    const size_t words = assay_kink_words(assay_subject_graph(s, use, 0));
    return sizeof(struct patterns) +
           (assay_subject_images(s, use, 0) * words + 1) * sizeof(uint64_t);
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *value)
{
    struct patterns *p = look->state;
    if (!p->signs.graph) p->tap = assay_kinks_tap(&p->signs, look->graph, p->row);
    p->tap.value(p->tap.self, b, value);
}

static size_t slot_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_distinct_slots(assay_subject_images(s, use, 0)) * sizeof(uint32_t);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(slot_bytes(s, use));
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    void *slot;
    const size_t words = assay_kink_words(assay_subject_graph(s, use, 0));
    out[0] = NAN;
    if (words == 0) return metric_degenerate(reason, "no activation of the network has a kink");
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(memo_alloc(s, slot_bytes(s, use), &slot, err));
    const struct patterns *p = assay_subject_state(s, use);
    out[0] = (double)assay_distinct_rows(assay_subject_images(s, use, 0), words, p->row, slot);
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_kinks = {
    .name = "kinks",
    .help = "distinct patterns of the pieces of all activations over a batch",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&proxies_options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = proxies_passes,
    .tap = assay_tap_kinks,
    .state = state,
    .value = value,
    .scratch = scratch,
    .measure = measure,
};
