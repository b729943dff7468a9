// SPDX-License-Identifier: Apache-2.0
// Kernel ridge regression with the NTK: what the linearised network learns from some of the images
// says about the others.
#include "subject.h"

#include <math.h>
#include <string.h>

#define SOURCE "kernel regression with the finite NTK (Lee et al. 2020, arXiv 2007.15801)"

static const struct assay_column columns[] = {
    {"frozen_ridge_accuracy", "1", SOURCE ", accuracy on the images it did not learn from", 1},
    {"frozen_ridge_loss", "1", SOURCE ", their mean squared error, targets 1 and 0 less the mean",
     -1},
};

struct ridge_options {
    double train, lambda; // part of the images it learns from; regularisation
};
static const struct assay_opt rows[] = {
    {"ridge", "train",
     "ntk_ridge: part of the kernel's images that it learns from; the others are predicted",
     ASSAY_OPT_F64, offsetof(struct ridge_options, train), .min = 0.01, .max = 0.99, .def = "0.5"},
    {"ridge", "lambda", "ntk_ridge: added to the kernel's diagonal, in units of its mean",
     ASSAY_OPT_F64, offsetof(struct ridge_options, lambda), .max = 1e6, .def = "0.001"},
    {.name = NULL},
};
static const struct assay_options options = {rows, sizeof(struct ridge_options)};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = ntk_pass(use->option[1], ASSAY_PULL_KERNEL, ASSAY_BN_FROZEN);
    pass[0].labels = ASSAY_LABELS_TRUE;
    return 1;
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    const struct ridge_options *o = use->option[0];
    metric_describe_kernel(use->option[1], p, "frozen", text, cap);
    const size_t used = strlen(text);
    snprintf(text + used, cap - used, " train=%g lambda=%g", o->train, o->lambda);
}

// Targets of the images learned from, predictions of the others.
static size_t target_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return (size_t)assay_subject_images(s, use, 0) * assay_subject_classes(s) * sizeof(double);
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    return assay_arena_block(target_bytes(s, use));
}

// One output a row and all classes beside each other, or a row for each class.
struct shape {
    uint32_t train, rest; // images
    uint32_t classes;
    uint32_t per_image;    // rows of the kernel
    uint32_t columns;      // right-hand sides
    const uint32_t *label; // (train + rest)
};

static struct shape shape_of(const struct assay_subject *s, const struct assay_use *use,
                             const struct assay_kernel *kernel)
{
    const struct ridge_options *o = use->option[0];
    const uint32_t n = assay_subject_images(s, use, 0), classes = assay_subject_classes(s);
    const uint32_t train = (uint32_t)fmin(fmax(round(o->train * n), 1), n - 1);
    const bool all = kernel->n > n;
    return (struct shape){.train = train,
                          .rest = n - train,
                          .classes = classes,
                          .per_image = all ? classes : 1,
                          .columns = all ? 1 : classes,
                          .label = assay_subject_labels(s, use, 0)};
}

// Where image i of n and class k stand in a (columns, n x per_image) array.
static size_t place(const struct shape *shape, uint32_t n, uint32_t i, uint32_t k)
{
    return shape->per_image > 1 ? (size_t)i * shape->per_image + k : (size_t)k * n + i;
}

static double target(const struct shape *shape, uint32_t image, uint32_t k)
{
    return (shape->label[image] == k) - 1.0 / (double)shape->classes;
}

static void judge_predictions(const struct shape *shape, const double *f, double *out)
{
    const uint32_t classes = shape->classes;
    double loss = 0.0;
    uint32_t right = 0;
    for (uint32_t i = 0; i < shape->rest; i++) {
        uint32_t best = 0;
        for (uint32_t k = 0; k < classes; k++) {
            const double value = f[place(shape, shape->rest, i, k)];
            const double miss = value - target(shape, shape->train + i, k);
            loss += miss * miss;
            if (value > f[place(shape, shape->rest, i, best)]) best = k;
        }
        right += best == shape->label[shape->train + i];
    }
    out[0] = (double)right / shape->rest;
    out[1] = loss / ((double)shape->rest * classes);
}

// lambda in units of the mean diagonal of the kernel that it is added to.
static int find_shift(struct assay_subject *s, const struct assay_kernel *kernel, double lambda,
                      uint32_t n, double *shift, struct assay_err *err)
{
    double sum = 0.0, *diagonal = s->memo->work;
    ASSAY_TRY(assay_pla_diagonal(s->pla, kernel->n, kernel->gram, diagonal, err));
    for (uint32_t i = 0; i < n; i++) sum += diagonal[i];
    *shift = lambda * sum / n;
    return ASSAY_OK;
}

static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct ridge_options *o = use->option[0];
    const struct assay_kernel *kernel;
    void *block;
    double shift;
    ASSAY_TRY(assay_subject_gram(s, use, 0, &kernel, err));
    const struct shape shape = shape_of(s, use, kernel);
    out[0] = out[1] = NAN;
    if (!isfinite(kernel->trace))
        return metric_degenerate(reason, "the trace of the kernel is %g", kernel->trace);
    if (shape.classes == 1)
        return metric_degenerate(reason, "one class: every prediction is right");
    const uint32_t n = shape.train * shape.per_image;
    ASSAY_TRY(memo_alloc(s, target_bytes(s, use), &block, err));
    double *y = block, *predicted = y + (size_t)shape.train * shape.classes;
    for (uint32_t i = 0; i < shape.train; i++) {
        for (uint32_t k = 0; k < shape.classes; k++)
            y[place(&shape, shape.train, i, k)] = target(&shape, i, k);
    }
    ASSAY_TRY(find_shift(s, kernel, o->lambda, n, &shift, err));
    ASSAY_TRY(memo_copy(s, kernel, err));
    const int solved = assay_pla_ridge(s->pla, kernel->n, n, s->memo->copy, shift, shape.columns, y,
                                       predicted, s->memo->work, err);
    if (solved == ASSAY_ERR_INPUT) return metric_degenerate(reason, "%.100s", err->text);
    ASSAY_TRY(solved);
    judge_predictions(&shape, predicted, out);
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_ntk_ridge = {
    .name = "ntk_ridge",
    .help = "accuracy of ridge regression with the NTK, frozen BN, on images it has not seen",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&options, &assay_ntk_options},
    .collective = true,
    .passes = passes,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
