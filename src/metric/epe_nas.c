// SPDX-License-Identifier: Apache-2.0
// EPE-NAS asks how the gradients at the input correlate between images of one class.
#include "proxies.h"

#define SMALL 1e-5

static const struct assay_column columns[] = {
    {"epe_nas", "nat",
     "EPE-NAS (arXiv 2102.08099), as released: sum over classes of |s_c|, s_c = sum ln(|r| + "
     "1e-5), "
     "r the correlations of d sum of logits / dx within the class",
     1},
    {"epe_nas_many", "nat",
     "EPE-NAS, NASLib's form for more than 100 classes: mean over classes of the sum over classes "
     "of "
     "|s_c / n_c - s_d / n_d|, classes of one image left out",
     1},
};

// The first pass is that of metrics without labels, so that both share it; the second, of the same
// images, has the labels and pulls nothing back.
static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    const struct proxies_options *o = use->option[0];
    pass[0] = input_gradients_pass(o);
    pass[1] = proxies_pass(o);
    pass[1].labels = (enum assay_labels)o->labels;
    pass[1].label_key = "proxies.labels";
    return 2;
}

// Scratch holds the correlations and, of every class, its mean.
static size_t work_numbers(uint32_t n)
{
    return (size_t)n * n + n;
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(work_numbers(assay_subject_images(s, use, 0)) * sizeof(double));
}

// Unless image i is not the first of its class, gives the class's s_c and how many images it has.
static bool add_class(uint32_t n, const uint32_t *label, const double *r, uint32_t i, double *sum,
                      uint32_t *images)
{
    for (uint32_t j = 0; j < i; j++)
        if (label[j] == label[i]) return false;
    *sum = *images = 0;
    for (uint32_t j = i; j < n; j++) {
        if (label[j] != label[i]) continue;
        ++*images;
        for (uint32_t k = i; k < n; k++)
            if (label[k] == label[i]) *sum += log(fabs(r[(size_t)j * n + k]) + SMALL);
    }
    return true;
}

static double spread(uint32_t n, const double *value)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) sum += fabs(value[i] - value[j]);
    return sum / n; // NaN where there is none
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const uint32_t n = assay_subject_images(s, use, 0);
    const uint32_t *label = assay_subject_labels(s, use, 1);
    uint32_t images, classes = 0;
    bool varies;
    double sum;
    void *block;
    ASSAY_TRY(memo_alloc(s, work_numbers(n) * sizeof(double), &block, err));
    double *r = block, *mean = r + (size_t)n * n;
    ASSAY_TRY(input_correlations(s, use, r, &varies, err));
    ASSAY_TRY(assay_subject_run(s, use, 1, err));
    out[0] = out[1] = NAN;
    if (!varies) return metric_degenerate(reason, "an image's gradient at the input is constant");
    out[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!add_class(n, label, r, i, &sum, &images)) continue;
        out[0] += fabs(sum);
        if (images > 1) mean[classes++] = sum / images;
    }
    out[1] = spread(classes, mean);
    if (isfinite(out[0]) && isfinite(out[1])) return ASSAY_VERDICT_OK;
    if (!classes) return metric_degenerate(reason, "no class has two images");
    return metric_degenerate(reason, "the gradients at the input are not finite");
}

const struct assay_metric assay_metric_epe_nas = {
    .name = "epe_nas",
    .help = "correlation of the gradients at the input within classes (EPE-NAS)",
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
