// SPDX-License-Identifier: Apache-2.0
// Kernel ridge regression with the NTK: what the linearised network learns from some of the images
// says about the others.
#include "memo.h"

#include <math.h>
#include <string.h>

#define SOURCE "kernel regression with the finite NTK (Lee et al. 2020, arXiv 2007.15801)"

static const struct assay_column columns[] = {
    {"frozen_ridge_accuracy", "1", SOURCE ", accuracy on the images it did not learn from", 1},
    {"frozen_ridge_loss", "1", SOURCE ", their mean squared error, targets 1 and 0 less the mean",
     -1},
};

static uint32_t train_images(const struct assay_subject *s)
{
    const double n = round(s->protocol->ridge_train * s->n_image);
    return (uint32_t)fmin(fmax(n, 1), s->n_image - 1);
}

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    assay_metric_describe_kernel(p, "frozen", text, cap);
    const size_t used = strlen(text);
    snprintf(text + used, cap - used, " train=%g lambda=%g", p->ridge_train, p->ridge_lambda);
}

static size_t classes_of(const struct assay_subject *s)
{
    return s->net->node[s->net->n_node - 1].c;
}

// Targets of the images learned from, predictions of the others.
static size_t target_bytes(const struct assay_subject *s)
{
    return s->n_image * classes_of(s) * sizeof(double);
}

static size_t scratch(const struct assay_subject *s)
{
    return assay_arena_block(target_bytes(s));
}

// One output a row and all classes beside each other, or a row for each class.
struct shape {
    uint32_t train, rest; // images
    uint32_t per_image;   // rows of the kernel
    uint32_t columns;     // right-hand sides
};

// Where image i of n and class k stand in a (columns, n x per_image) array.
static size_t place(const struct shape *shape, uint32_t n, uint32_t i, uint32_t k)
{
    return shape->per_image > 1 ? (size_t)i * shape->per_image + k : (size_t)k * n + i;
}

static double target(const struct assay_subject *s, uint32_t image, uint32_t k)
{
    return (s->image_label[image] == k) - 1.0 / (double)classes_of(s);
}

static void judge_predictions(const struct assay_subject *s, const struct shape *shape,
                              const double *f, double *out)
{
    const uint32_t classes = (uint32_t)classes_of(s);
    double loss = 0.0;
    uint32_t right = 0;
    for (uint32_t i = 0; i < shape->rest; i++) {
        uint32_t best = 0;
        for (uint32_t k = 0; k < classes; k++) {
            const double value = f[place(shape, shape->rest, i, k)];
            const double miss = value - target(s, shape->train + i, k);
            loss += miss * miss;
            if (value > f[place(shape, shape->rest, i, best)]) best = k;
        }
        right += best == s->image_label[shape->train + i];
    }
    out[0] = (double)right / shape->rest;
    out[1] = loss / ((double)shape->rest * classes);
}

// lambda in units of the mean diagonal of the kernel that it is added to.
static int find_shift(struct assay_subject *s, const struct assay_kernel *kernel, uint32_t rows,
                      double *shift, struct assay_err *err)
{
    double sum = 0.0, *diagonal = s->memo->work;
    ASSAY_TRY(assay_pla_diagonal(s->pla, kernel->n, kernel->gram, diagonal, err));
    for (uint32_t i = 0; i < rows; i++) sum += diagonal[i];
    *shift = s->protocol->ridge_lambda * sum / rows;
    return ASSAY_OK;
}

static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    const struct assay_kernel *kernel;
    void *block;
    double shift;
    ASSAY_TRY(assay_subject_gram(s, ASSAY_BN_FROZEN, &kernel, err));
    out[0] = out[1] = NAN;
    if (!isfinite(kernel->trace))
        return assay_metric_degenerate(reason, "the trace of the kernel is %g", kernel->trace);
    if (classes_of(s) == 1)
        return assay_metric_degenerate(reason, "one class: every prediction is right");
    const bool all = kernel->n > s->n_image;
    const uint32_t classes = (uint32_t)classes_of(s), train = train_images(s);
    const struct shape shape = {.train = train,
                                .rest = s->n_image - train,
                                .per_image = all ? classes : 1,
                                .columns = all ? 1 : classes};
    const uint32_t rows = train * shape.per_image;
    ASSAY_TRY(assay_memo_alloc(s, target_bytes(s), &block, err));
    double *y = block, *predicted = y + (size_t)train * classes;
    for (uint32_t i = 0; i < train; i++) {
        for (uint32_t k = 0; k < classes; k++) y[place(&shape, train, i, k)] = target(s, i, k);
    }
    ASSAY_TRY(find_shift(s, kernel, rows, &shift, err));
    ASSAY_TRY(assay_memo_copy(s, kernel, err));
    const int solved = assay_pla_ridge(s->pla, kernel->n, rows, s->memo->copy, shift, shape.columns,
                                       y, predicted, s->memo->work, err);
    if (solved == ASSAY_ERR_INPUT) return assay_metric_degenerate(reason, "%.100s", err->text);
    ASSAY_TRY(solved);
    judge_predictions(s, &shape, predicted, out);
    return ASSAY_VERDICT_OK;
}

const struct assay_metric assay_metric_ntk_ridge = {
    .name = "ntk_ridge",
    .help = "accuracy of ridge regression with the NTK, frozen BN, on images it has not seen",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs = ASSAY_NEEDS_NET | ASSAY_NEEDS_IMAGES | ASSAY_NEEDS_JACOBIAN |
             ASSAY_NEEDS_FROZEN_KERNEL | ASSAY_NEEDS_LABELS,
    .collective = true,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
