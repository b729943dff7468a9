// SPDX-License-Identifier: Apache-2.0
// SWAP: how many different answers ReLU units give to a batch: a unit's signs over all images are
// its pattern, where `regions` takes an image's signs over all units.
#include "proxies.h"

#include <string.h>

#define SWAP "SWAP (arXiv 2403.04161), "

static const struct assay_column columns[] = {
    {"swap", "1",
     SWAP "distinct patterns of ReLU units, dead ones too, over the images; its release averages "
          "32 initialisations of 16 images",
     1},
    {"swap_regularised", "1", SWAP "swap x exp(-(P - mu)^2 / sigma), P thousands of parameters", 1},
};

struct swap_options {
    uint64_t batch;
    double mu, sigma;
    int init; // enum assay_init
};
static const struct assay_opt rows[] = {
    {"swap", "batch", "images whose signs are a unit's pattern; 8 tell apart 256 at most",
     ASSAY_OPT_U64, offsetof(struct swap_options, batch), .min = 2, .max = 65536, .def = "16",
     .with = "batch"},
    {"swap", "mu", "thousands of parameters that swap_regularised favours", ASSAY_OPT_F64,
     offsetof(struct swap_options, mu), .max = 1e9, .def = "40", .with = "mu"},
    {"swap", "sigma", "how far from there it still counts, in squared thousands of parameters",
     ASSAY_OPT_F64, offsetof(struct swap_options, sigma), .min = 1e-9, .max = 1e18, .def = "40",
     .with = "sigma"},
    {"swap", "init", "initialisation of its network", ASSAY_OPT_ENUM,
     offsetof(struct swap_options, init), .choices = ASSAY_INIT_NAMES, .def = "normal",
     .with = "init"},
    {.name = NULL},
};
static const struct assay_options options = {rows, sizeof(struct swap_options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    const struct swap_options *o = use->option[0];
    pass[0] =
        (struct assay_pass){.network = ASSAY_NET_LITERAL,
                            .init = (enum assay_init)o->init,
                            .input = {.stream = "proxies", .key = "swap.batch", .n = o->batch},
                            .labels = ASSAY_LABELS_NONE};
    return 1;
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    const struct swap_options *o = use->option[0];
    char what[96];
    snprintf(what, sizeof what, "network=literal bn=batch mu=%g sigma=%g", o->mu, o->sigma);
    metric_describe_net(p, o->batch, what, o->init, text, cap);
}

static size_t units_of(const struct assay_node *n)
{
    return (size_t)n->c * n->h * n->w;
}

// Units of all ReLUs before a node.
static size_t units_before(const struct assay_graph *g, uint32_t node)
{
    size_t units = 0;
    for (uint32_t i = 0; i < node; i++)
        units += g->node[i].op == ASSAY_OP_RELU ? units_of(&g->node[i]) : 0;
    return units;
}

static size_t words_of(const struct assay_subject *s, const struct assay_use *use)
{
    return ((size_t)assay_subject_images(s, use, 0) + 63) / 64;
}

static size_t all_units(const struct assay_subject *s, const struct assay_use *use)
{
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    return units_before(g, g->n_node);
}

// Patterns (units, words).
static size_t state(const struct assay_subject *s, const struct assay_use *use)
{
    return all_units(s, use) * words_of(s, use) * sizeof(uint64_t);
}

// Bits [bit, bit + count) of a word of every pattern, of as many images.
static inline void put_signs(size_t units, const double *v, size_t stride, const uint32_t count,
                             uint64_t *pattern, size_t words, uint32_t bit)
{
    for (size_t p = 0; p < units; p++, v += stride, pattern += words) {
        uint64_t signs = 0;
        for (uint32_t i = 0; i < count; i++) signs |= (uint64_t)(v[i] > 0) << i;
        *pattern |= signs << bit;
    }
}

static void value(const struct assay_look *look, const struct assay_block *b, const double *v)
{
    const size_t units = (size_t)b->c * b->pixels, words = words_of(look->subject, look->use);
    if (look->graph->node[b->node].op != ASSAY_OP_RELU) return; // tapped for another
    uint64_t *pattern = (uint64_t *)look->state + units_before(look->graph, b->node) * words;
    for (uint32_t i = 0, step; i < b->count; i += step) {
        const uint32_t image = b->first + i;
        step = b->count - i < 4 || image % 4 ? 1 : 4;
        if (step == 4)
            put_signs(units, v + i, b->stride, 4, pattern + image / 64, words, image % 64);
        else
            put_signs(units, v + i, b->stride, 1, pattern + image / 64, words, image % 64);
    }
}

static size_t slot_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_distinct_slots(all_units(s, use)) * sizeof(uint32_t);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(slot_bytes(s, use));
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct swap_options *o = use->option[0];
    void *slot;
    const int relus =
        metric_need_relu(assay_subject_graph(s, use, 0), ASSAY_LEN(columns), out, reason);
    if (relus != ASSAY_VERDICT_OK) return relus;
    ASSAY_TRY(assay_subject_run(s, use, 0, err));
    ASSAY_TRY(memo_alloc(s, slot_bytes(s, use), &slot, err));
    const uint64_t *pattern = assay_subject_state(s, use);
    const double apart = (double)assay_subject_graph(s, use, 0)->n_theta / 1000 - o->mu;
    out[0] = (double)assay_distinct_rows(all_units(s, use), words_of(s, use), pattern, slot);
    out[1] = out[0] * exp(-apart * apart / o->sigma);
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_swap = {
    .name = "swap",
    .help = "distinct patterns of ReLU units over a batch (SWAP), alone and by parameters",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&options},
    .scope = ASSAY_SCOPE_LITERAL,
    .passes = passes,
    .describe = describe,
    .tap = assay_tap_relus,
    .state = state,
    .value = value,
    .scratch = scratch,
    .measure = measure,
};
