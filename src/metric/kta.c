// SPDX-License-Identifier: Apache-2.0
// Kernel-target alignment is how much the NTK looks like the matrix Y of which images share a
// label. All rows of an image have its label.
#include "subject.h"

#include <math.h>
#include <string.h>

#define KTA "kernel-target alignment <Theta, Y> / (|Theta| |Y|)"

static const struct assay_column columns[] = {
    {"kta_onehot", "1", KTA " (Cristianini et al. 2001), Y_ij = 1 for equal labels, else 0", 1},
    {"kta_centred", "1", KTA " of both centred by rows and columns (Cortes et al. 2012)", 1},
    {"lga_pm1", "1", "label-gradient alignment: the same, Y_ij = 1 for equal labels, else -1", 1},
    {"lga_pm1_centred", "1", "lga_pm1 of both centred by rows and columns: equals kta_centred", 1},
    {"lga_mean_centred", "1", "lga_pm1 of both less the mean of their entries", 1},
};

struct kta_options {
    int labels; // enum assay_labels
};
static const struct assay_opt rows[] = {
    {"kta", "labels", "labels that the kernel is aligned to; random: uniform over the classes",
     ASSAY_OPT_ENUM, offsetof(struct kta_options, labels), .choices = "true|random", .def = "true",
     .with = "labels"},
    {.name = NULL},
};
static const struct assay_options options = {rows, sizeof(struct kta_options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    const struct kta_options *o = use->option[0];
    pass[0] = ntk_pass(use->option[1], ASSAY_PULL_KERNEL, ASSAY_BN_BATCH);
    pass[0].labels = (enum assay_labels)o->labels;
    pass[0].label_key = "kta.labels";
    return 1;
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    const struct kta_options *o = use->option[0];
    metric_describe_kernel(use->option[1], p, "batch", text, cap);
    const size_t used = strlen(text);
    snprintf(text + used, cap - used, " labels=%s",
             o->labels == ASSAY_LABELS_TRUE ? "true" : "random");
}

// ---- sums over the kernel -----------------------------------------------------------------------
// Sums over the entries of Theta, of Theta centred by rows and columns, and of Theta less its mean.
// Each has a pair of them, of squares and of entries whose images share a label.
struct sums {
    double *row; // (n) of Theta's rows, followed by its pair
    double *square, *same;
    double mean; // of Theta's entries
    double centred[2], less_mean[2];
    double rounding; // what it may leave of 0, in units of the largest eigenvalue
    uint32_t n, per_image;
    const uint32_t *label; // (images)
};

static bool share(const struct sums *sums, uint32_t i, uint32_t j)
{
    return sums->label[i / sums->per_image] == sums->label[j / sums->per_image];
}

static void add_entry(void *self, uint32_t i, uint32_t j, double value)
{
    struct sums *sums = self;
    const double twice = i == j ? 1 : 2;
    sums->row[i] += value;
    if (i != j) sums->row[j] += value;
    *sums->square += twice * value * value;
    if (share(sums, i, j)) *sums->same += twice * value;
}

static void add_centred(void *self, uint32_t i, uint32_t j, double value)
{
    struct sums *sums = self;
    const double twice = i == j ? 1 : 2, m = value - sums->mean,
                 g = value - (sums->row[i] + sums->row[j]) / sums->n + sums->mean;
    sums->centred[0] += twice * g * g;
    sums->less_mean[0] += twice * m * m;
    if (!share(sums, i, j)) return;
    sums->centred[1] += twice * g;
    sums->less_mean[1] += twice * m;
}

static int sum_up(struct assay_subject *s, const struct assay_kernel *kernel, struct sums *sums,
                  struct assay_err *err)
{
    const uint32_t n = kernel->n;
    double total = 0;
    assay_pla_visit(s->pla, n, kernel->gram, add_entry, sums);
    ASSAY_TRY(assay_pla_sum(s->pla, n + 2, sums->row, err));
    for (uint32_t i = 0; i < n; i++) total += sums->row[i];
    sums->mean = total / n / n;
    assay_pla_visit(s->pla, n, kernel->gram, add_centred, sums);
    ASSAY_TRY(assay_pla_sum(s->pla, 2, sums->centred, err));
    return assay_pla_sum(s->pla, 2, sums->less_mean, err);
}

// ---- the labels' own ----------------------------------------------------------------------------
// With 1 and 0 in Y, these are the sum of its entries, and that of the squares of its rows' sums.
struct target {
    double total, rows;
};

static struct target target_of(const struct sums *sums)
{
    struct target target = {0};
    for (uint32_t i = 0; i < sums->n; i++) {
        double row = 0;
        for (uint32_t j = 0; j < sums->n; j++) row += share(sums, i, j);
        target.total += row;
        target.rows += row * row;
    }
    return target;
}

// Returns <a, y> / (|a| |y|), or NaN where one of them is 0; of |a|, what rounding leaves of 0 is
// at most `zero`.
static double align(double product, double square, double target_square, double zero)
{
    if (!(square > zero * zero) || !(target_square > 0)) return NAN;
    return product / sqrt(square) / sqrt(target_square);
}

// A centred matrix has twice the product with Y of 1 and -1 that it has with Y of 1 and 0.
static void fill(const struct sums *sums, const struct target *y, double *out)
{
    const double n = sums->n, signs = 2 * y->total - n * n,
                 zero = sums->rounding * sqrt(*sums->square);
    const double centred = y->total - 2 * y->rows / n + y->total * y->total / (n * n);
    out[0] = align(*sums->same, *sums->square, y->total, 0);
    out[1] = align(sums->centred[1], sums->centred[0], centred, zero);
    out[2] = align(2 * *sums->same - sums->mean * n * n, *sums->square, n * n, 0);
    out[3] = out[1];
    out[4] =
        align(2 * sums->less_mean[1], sums->less_mean[0], n * n - signs * signs / (n * n), zero);
}

static size_t sums_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return (memo_rows(s, wanted_pass(s, use, 0)) + 2) * sizeof(double);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(sums_bytes(s, use));
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_kernel *kernel;
    void *block;
    ASSAY_TRY(assay_subject_gram(s, use, 0, &kernel, err));
    ASSAY_TRY(memo_alloc(s, sums_bytes(s, use), &block, err));
    const uint32_t n = kernel->n;
    double *row = memset(block, 0, sums_bytes(s, use));
    struct sums sums = {.row = row,
                        .square = row + n,
                        .same = row + n + 1,
                        .rounding = kernel_rounding(n, kernel->precision),
                        .n = n,
                        .per_image = n / assay_subject_images(s, use, 0),
                        .label = assay_subject_labels(s, use, 0)};
    ASSAY_TRY(sum_up(s, kernel, &sums, err));
    const struct target target = target_of(&sums);
    fill(&sums, &target, out);
    if (isfinite(out[0]) && isfinite(out[1]) && isfinite(out[4])) return ASSAY_VERDICT_OK;
    if (target.total == (double)n * n)
        return metric_degenerate(reason, "all images have one label");
    return metric_degenerate(reason, "the centred kernel is 0, or not finite");
}

const struct assay_metric assay_metric_kta = {
    .name = "kta",
    .help = "alignment of the NTK with the labels of its images",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&options, &assay_ntk_options},
    .collective = true,
    .passes = passes,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
