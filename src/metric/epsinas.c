// SPDX-License-Identifier: Apache-2.0
// epsinas: how differently a network of equal weights sorts images when all weights are tiny and
// when they are 1.
#include "proxies.h"

static const struct assay_column columns[] = {
    {"epsinas_one_class", "1",
     "epsinas (arXiv 2302.04406), one class: mean |p - q| / mean of p and q, the outputs scaled to "
     "[0, 1] under weights 1e-7 and 1, zeros left out; in float64, where the release's float32 "
     "drops networks without a path of skips and pools",
     1},
};

// [epsinas]
struct options {
    uint64_t batch;
};
static const struct assay_opt rows[] = {
    {"epsinas", "batch", "images of epsinas", ASSAY_OPT_U64, offsetof(struct options, batch),
     .min = 2, .max = 65536, .def = "256", .with = "batch"},
    {.name = NULL},
};
static const struct assay_options options = {rows, sizeof(struct options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    const struct options *o = use->option[0];
    (void)p;
    for (int i = 0; i < 2; i++) {
        pass[i] = (struct assay_pass){
            .weighting = ASSAY_WEIGHTS_CONSTANT,
            .constant = i ? 1 : 1e-7,
            .input = {.stream = "epsinas", .key = "epsinas.batch", .n = o->batch},
            .labels = ASSAY_LABELS_NONE};
    }
    return 2;
}

// Outputs under both weights, in turn.
static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(2 * assay_subject_images(s, use, 0) * sizeof(double));
}

// The first of each image's equal outputs, scaled to [0, 1]; NaN where all images have one.
static int scaled_outputs(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                          uint32_t n, double *out, struct assay_err *err)
{
    const double *logits;
    double least = INFINITY, most = -INFINITY;
    ASSAY_TRY(assay_subject_logits(s, use, pass, &logits, err));
    for (uint32_t i = 0; i < n; i++) {
        out[i] = logits[(size_t)i * assay_subject_classes(s)];
        least = fmin(least, out[i]);
        most = fmax(most, out[i]);
    }
    for (uint32_t i = 0; i < n; i++) out[i] = (out[i] - least) / (most - least);
    return ASSAY_OK;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const uint32_t n = assay_subject_images(s, use, 0);
    double apart = 0, sum = 0;
    uint32_t pairs = 0, values = 0;
    void *block;
    ASSAY_TRY(memo_alloc(s, 2 * n * sizeof(double), &block, err));
    double *tiny = block, *one = tiny + n;
    ASSAY_TRY(scaled_outputs(s, use, 0, n, tiny, err));
    ASSAY_TRY(scaled_outputs(s, use, 1, n, one, err));
    for (uint32_t i = 0; i < n; i++) {
        const bool has_tiny = tiny[i] != 0 && !isnan(tiny[i]),
                   has_one = one[i] != 0 && !isnan(one[i]);
        if (has_tiny) sum += tiny[i], values++;
        if (has_one) sum += one[i], values++;
        if (has_tiny && has_one) apart += fabs(tiny[i] - one[i]), pairs++;
    }
    out[0] = apart / pairs / (sum / values);
    if (isfinite(out[0])) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "all images have one output under weights of one size");
}

const struct assay_metric assay_metric_epsinas = {
    .name = "epsinas",
    .help = "how weights of another size sort the images, all of them equal",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&options},
    .passes = passes,
    .scratch = scratch,
    .measure = measure,
};
