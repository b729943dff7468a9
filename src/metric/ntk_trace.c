// SPDX-License-Identifier: Apache-2.0
// The exact trace norm of the NTK over all outputs (NASI), BN statistics held constant.
#include "subject.h"

#include <math.h>
#include <string.h>

static const struct assay_column columns[] = {
    {"frozen_trace_all", "1",
     "NASI (arXiv 2109.00817), ||Theta||_tr = sum_n sum_k ||d logit_k(x_n) / d theta||^2", 1},
};

static uint32_t passes(const struct assay_use *use, const struct assay_protocol *p,
                       struct assay_pass pass[ASSAY_METRIC_PASSES])
{
    (void)p;
    pass[0] = ntk_pass(use->option[0], ASSAY_PULL_ROWS, ASSAY_BN_FROZEN);
    return 1;
}

static void describe(const struct assay_use *use, const struct assay_protocol *p, char *text,
                     size_t cap)
{
    const struct assay_ntk_options *o = use->option[0];
    metric_describe_net(p, o->batch, "bn=frozen outputs=all parameters=all", o->init, text, cap);
}

// The rows of one pass: cotangents of the logits [first_class, first_class + classes) of images
// [first_image, first_image + images).
struct tile {
    uint32_t images, classes, first_image, first_class;
};

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static struct tile largest_tile(const struct assay_subject *s, uint32_t images)
{
    struct tile tile = {0};
    assay_plans_tile(s->plans, &tile.images, &tile.classes);
    tile.images = smaller(tile.images, images);
    tile.classes = smaller(tile.classes, assay_subject_classes(s));
    return tile;
}

// One-hot cotangents (tile.classes, classes), and a squared norm for each row of the Jacobian.
static size_t work_bytes(const struct assay_subject *s, uint32_t images)
{
    const size_t classes = assay_subject_classes(s);
    return (largest_tile(s, images).classes + images) * classes * sizeof(double);
}

// Rows of its own where the shared buffer has too few: a kernel of a few images, one row each.
static size_t own_rows_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    const struct assay_wanted_pass *pass = wanted_pass(s, use, 0);
    const struct tile tile = largest_tile(s, assay_subject_images(s, use, 0));
    const size_t bytes = (size_t)tile.images * tile.classes * memo_row_ld(s, pass) * sizeof(double);
    return bytes > memo_jacobian_bytes(s) ? bytes : 0;
}

static size_t scratch(const struct assay_subject *s, const struct assay_use *use)
{
    const size_t own = own_rows_bytes(s, use);
    return assay_arena_block(work_bytes(s, assay_subject_images(s, use, 0))) +
           (own ? assay_arena_block(own) : 0);
}

static int rows_buffer(struct assay_subject *s, const struct assay_use *use, double **rows,
                       struct assay_err *err)
{
    const size_t own = own_rows_bytes(s, use);
    void *block;
    ASSAY_TRY(memo_jacobian(s, err));
    *rows = s->memo->jac;
    if (!own) return ASSAY_OK;
    ASSAY_TRY(memo_alloc(s, own, &block, err));
    *rows = block;
    return ASSAY_OK;
}

// norm (images, classes).
static void add_tile(const struct assay_subject *s, const struct assay_graph *g,
                     const struct tile *tile, double *cot, double *rows, size_t ld, double *norm)
{
    const size_t classes = assay_subject_classes(s);
    for (uint32_t t = 0; t < tile->classes; t++) cot[t * classes + tile->first_class + t] = 1.0;
    assay_exec_jacobian(s->exec, ASSAY_BN_FROZEN, cot, tile->classes,
                        (uint64_t)tile->first_image * tile->classes,
                        (uint64_t)tile->images * tile->classes, g->n_theta, rows, ld);
    for (uint32_t t = 0; t < tile->classes; t++) cot[t * classes + tile->first_class + t] = 0.0;
    for (uint32_t i = 0; i < tile->images; i++) {
        for (uint32_t t = 0; t < tile->classes; t++)
            norm[(tile->first_image + i) * classes + tile->first_class + t] =
                metric_sumsq(g->n_theta, rows + (i * tile->classes + t) * ld);
    }
}

// Rows of the (images * classes, n_theta) Jacobian by tiles, so that each costs one backward pass
// whatever the classes; their norms are summed in the order of the rows.
static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, char *reason, struct assay_err *err)
{
    (void)spectrum;
    const struct assay_graph *g = assay_subject_graph(s, use, 0);
    const uint32_t classes = assay_subject_classes(s), n = assay_subject_images(s, use, 0);
    const struct tile most = largest_tile(s, n);
    const size_t ld = memo_row_ld(s, wanted_pass(s, use, 0));
    double *rows, trace = 0.0;
    void *work;
    ASSAY_TRY(memo_hold(s, wanted_pass(s, use, 0)->forward, err));
    ASSAY_TRY(rows_buffer(s, use, &rows, err));
    ASSAY_TRY(memo_alloc(s, work_bytes(s, n), &work, err));

    double *norm = work, *cot = norm + (size_t)n * classes;
    memset(cot, 0, (size_t)most.classes * classes * sizeof *cot);
    struct tile tile = most;
    for (tile.first_image = 0; tile.first_image < n; tile.first_image += most.images) {
        tile.images = smaller(most.images, n - tile.first_image);
        for (tile.first_class = 0; tile.first_class < classes; tile.first_class += most.classes) {
            tile.classes = smaller(most.classes, classes - tile.first_class);
            add_tile(s, g, &tile, cot, rows, ld, norm);
        }
    }
    for (size_t i = 0; i < (size_t)n * classes; i++) trace += norm[i];
    out[0] = trace;
    if (isfinite(trace)) return ASSAY_VERDICT_OK;
    return metric_degenerate(reason, "the trace over all outputs is %g", trace);
}

const struct assay_metric assay_metric_ntk_trace = {
    .name = "ntk_trace",
    .help = "exact NTK trace norm over all images and classes, all parameters, frozen BN (NASI)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .options = {&assay_ntk_options},
    .passes = passes,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
