// SPDX-License-Identifier: Apache-2.0
// The exact trace norm of the NTK over all outputs (NASI), BN statistics held constant.
#include "memo.h"

#include <math.h>
#include <string.h>

static const struct assay_column columns[] = {
    {"frozen_trace_all", "1",
     "NASI (arXiv 2109.00817), ||Theta||_tr = sum_n sum_k ||d logit_k(x_n) / d theta||^2", 1},
};

static void describe(const struct assay_protocol *p, char *text, size_t cap)
{
    assay_metric_describe_net(p, p->ntk_batch, "bn=frozen outputs=all parameters=all", text, cap);
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

static uint32_t classes_of(const struct assay_subject *s)
{
    return s->net->node[s->net->n_node - 1].c;
}

static struct tile largest_tile(const struct assay_subject *s)
{
    struct tile tile = {0};
    assay_plans_tile(s->plans, &tile.images, &tile.classes);
    tile.images = smaller(tile.images, s->n_image);
    tile.classes = smaller(tile.classes, classes_of(s));
    return tile;
}

// One-hot cotangents (tile.classes, classes), and a squared norm for each row of the Jacobian.
static size_t work_bytes(const struct assay_subject *s)
{
    const size_t classes = classes_of(s);
    return (largest_tile(s).classes + s->n_image) * classes * sizeof(double);
}

// Rows of its own where the shared buffer has too few: a kernel of a few images, one row each.
static size_t own_rows_bytes(const struct assay_subject *s)
{
    const struct tile tile = largest_tile(s);
    const size_t bytes =
        (size_t)tile.images * tile.classes * assay_memo_jacobian_ld(s) * sizeof(double);
    return bytes > assay_memo_jacobian_bytes(s) ? bytes : 0;
}

static size_t scratch(const struct assay_subject *s)
{
    const size_t own = own_rows_bytes(s);
    return assay_arena_block(work_bytes(s)) + (own ? assay_arena_block(own) : 0);
}

static int rows_buffer(struct assay_subject *s, double **rows, struct assay_err *err)
{
    const size_t own = own_rows_bytes(s);
    void *block;
    ASSAY_TRY(assay_memo_jacobian(s, err));
    *rows = s->memo->jac;
    if (!own) return ASSAY_OK;
    ASSAY_TRY(assay_memo_alloc(s, own, &block, err));
    *rows = block;
    return ASSAY_OK;
}

// norm (n_image, classes).
static void add_tile(const struct assay_subject *s, const struct tile *tile, double *cot,
                     double *rows, double *norm)
{
    const size_t classes = classes_of(s), ld = s->memo->jac_ld;
    for (uint32_t t = 0; t < tile->classes; t++) cot[t * classes + tile->first_class + t] = 1.0;
    assay_exec_jacobian(s->exec, ASSAY_BN_FROZEN, cot, tile->classes,
                        (uint64_t)tile->first_image * tile->classes,
                        (uint64_t)tile->images * tile->classes, s->net->n_theta, rows, ld);
    for (uint32_t t = 0; t < tile->classes; t++) cot[t * classes + tile->first_class + t] = 0.0;
    for (uint32_t i = 0; i < tile->images; i++) {
        for (uint32_t t = 0; t < tile->classes; t++)
            norm[(tile->first_image + i) * classes + tile->first_class + t] =
                assay_metric_sumsq(s->net->n_theta, rows + (i * tile->classes + t) * ld);
    }
}

// Rows of the (n_image * classes, n_theta) Jacobian by tiles, so that each costs one backward pass
// whatever the classes; their norms are summed in the order of the rows.
static int measure(struct assay_subject *s, double *out, double *spectrum, char *reason,
                   struct assay_err *err)
{
    (void)spectrum;
    const struct tile most = largest_tile(s);
    const uint32_t classes = classes_of(s);
    double *rows, trace = 0.0;
    void *work;
    ASSAY_TRY(assay_memo_forward(s, PASS_IMAGES, err));
    ASSAY_TRY(rows_buffer(s, &rows, err));
    ASSAY_TRY(assay_memo_alloc(s, work_bytes(s), &work, err));

    double *norm = work, *cot = norm + (size_t)s->n_image * classes;
    memset(cot, 0, (size_t)most.classes * classes * sizeof *cot);
    struct tile tile = most;
    for (tile.first_image = 0; tile.first_image < s->n_image; tile.first_image += most.images) {
        tile.images = smaller(most.images, s->n_image - tile.first_image);
        for (tile.first_class = 0; tile.first_class < classes; tile.first_class += most.classes) {
            tile.classes = smaller(most.classes, classes - tile.first_class);
            add_tile(s, &tile, cot, rows, norm);
        }
    }
    for (size_t i = 0; i < (size_t)s->n_image * classes; i++) trace += norm[i];
    out[0] = trace;
    if (isfinite(trace)) return ASSAY_VERDICT_OK;
    return assay_metric_degenerate(reason, "the trace over all outputs is %g", trace);
}

const struct assay_metric assay_metric_ntk_trace = {
    .name = "ntk_trace",
    .help = "exact NTK trace norm over all images and classes, all parameters, frozen BN (NASI)",
    .column = columns,
    .n_column = ASSAY_LEN(columns),
    .needs = ASSAY_NEEDS_NET | ASSAY_NEEDS_IMAGES | ASSAY_NEEDS_JACOBIAN,
    .describe = describe,
    .scratch = scratch,
    .measure = measure,
};
