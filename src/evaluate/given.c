// SPDX-License-Identifier: Apache-2.0
// The batch and the labels that come with weights from elsewhere.
#include "inputs.h"
#include "weights.h"

#include <inttypes.h>
#include <math.h>

int given_read_batch(struct assay_foreign *f, const struct assay_foreign_case *c,
                     struct assay_err *err)
{
    ASSAY_TRY(assay_arrays_read(&f->batch, c->batch, err));
    if (f->batch.n != 1) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %zu data sets, expected one", c->batch,
                             f->batch.n);
    }
    const struct assay_array *x = &f->batch.item[0];
    char seen[192];
    weights_shape_text(x->ndim, x->shape, seen, sizeof seen);
    if (x->ndim != 4) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s, expected (n,c,h,w)", c->batch,
                             seen);
    }
    if (x->shape[0] < 1 || x->shape[0] > 1000000 || x->shape[2] > 1024 || x->shape[3] > 1024) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: shape %s, expected 1 to 1000000 images of at most 1024x1024",
                             c->batch, seen);
    }
    if (x->integer) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s, expected floating point: the values that the network reads",
                             c->batch, x->type);
    }
    for (uint64_t i = 0; i < x->size; i++) {
        if (isfinite(x->value[i])) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: value %g at %" PRIu64 ", expected finite numbers", c->batch,
                             x->value[i], i);
    }
    return ASSAY_OK;
}

// Labels of the images: those given stand for whatever labels a metric would draw.
int given_read_labels(struct assay_foreign *f, const struct assay_foreign_case *c,
                      struct assay_err *err)
{
    const uint64_t n = f->n, classes = f->protocol.classes;
    char seen[192];
    f->label = assay_arena_zalloc(&f->arena, (n + 1) * sizeof *f->label);
    if (!f->label) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for labels");
    if (!c->labels) inputs_random_labels(&f->protocol, f->protocol.seed, 0, f->n, f->label);
    if (!c->labels) return ASSAY_OK;
    ASSAY_TRY(assay_arrays_read(&f->labels, c->labels, err));
    const struct assay_array *y = f->labels.item;
    weights_shape_text(y->ndim, y->shape, seen, sizeof seen);
    if (f->labels.n != 1 || y->ndim != 1 || y->size != n || !y->integer)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s of shape %s, expected %" PRIu64
                             " integers, a label for each image of --batch",
                             c->labels, y->type, seen, n);
    for (uint64_t i = 0; i < n; i++) {
        if (!(y->value[i] >= 0 && y->value[i] < (double)classes))
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: label %g at %" PRIu64 ", expected labels from 0 to %" PRIu64
                                 " (network.classes - 1)",
                                 c->labels, y->value[i], i, classes - 1);
        f->label[i] = (uint32_t)y->value[i];
    }
    return ASSAY_OK;
}
