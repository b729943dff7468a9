// SPDX-License-Identifier: Apache-2.0
// The batch, the labels and the noise that come with weights from elsewhere.
#include "inputs.h"
#include "weights.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static int read_images(struct assay_arrays *arrays, const char *where, struct assay_err *err)
{
    ASSAY_TRY(assay_arrays_read(arrays, where, err));
    if (arrays->n != 1) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %zu data sets, expected one", where,
                             arrays->n);
    }
    const struct assay_array *x = &arrays->item[0];
    char seen[192];
    weights_shape_text(x->ndim, x->shape, seen, sizeof seen);
    if (x->ndim != 4) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s, expected (n,c,h,w)", where, seen);
    }
    if (x->shape[0] < 1 || x->shape[0] > 1000000 || x->shape[2] > 1024 || x->shape[3] > 1024) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: shape %s, expected 1 to 1000000 images of at most 1024x1024",
                             where, seen);
    }
    if (x->integer) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s, expected floating point: the values that the network reads",
                             where, x->type);
    }
    for (uint64_t i = 0; i < x->size; i++) {
        if (isfinite(x->value[i])) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: value %g at %" PRIu64 ", expected finite numbers", where,
                             x->value[i], i);
    }
    return ASSAY_OK;
}

int given_read_batch(struct assay_foreign *f, const struct assay_foreign_case *c,
                     struct assay_err *err)
{
    ASSAY_TRY(read_images(&f->batch, c->batch, err));
    if (!c->noise) return ASSAY_OK;
    ASSAY_TRY(read_images(&f->noise, c->noise, err));
    const struct assay_array *x = &f->batch.item[0], *noise = &f->noise.item[0];
    if (memcmp(noise->shape, x->shape, 4 * sizeof x->shape[0]) == 0) return ASSAY_OK;
    char seen[192], expected[192];
    weights_shape_text(noise->ndim, noise->shape, seen, sizeof seen);
    weights_shape_text(x->ndim, x->shape, expected, sizeof expected);
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s, expected %s, that of --batch",
                         c->noise, seen, expected);
}

// The inputs of the demand, which are the batch but for what is made here.
static int make_input(struct assay_foreign *f, const struct assay_input *input, double **out,
                      struct assay_err *err)
{
    const struct assay_array *x = &f->batch.item[0];
    const uint64_t n = input->n * (x->size / x->shape[0]);
    double *made = assay_arena_alloc(&f->arena, (n + 1) * sizeof *made);
    if (!made) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batch");
    if (input->kind == ASSAY_INPUT_PERTURBED)
        inputs_perturb(n, x->value, f->noise.item[0].value, made);
    else
        for (uint64_t i = 0; i < n; i++) made[i] = 1;
    *out = made;
    return ASSAY_OK;
}

int given_inputs(struct assay_foreign *f, struct assay_err *err)
{
    for (uint32_t i = 0; i < f->demand.n_input; i++) {
        const struct assay_input *input = &f->demand.input[i].input;
        double *x = f->batch.item[0].value;
        if (input->kind == ASSAY_INPUT_PERTURBED || input->kind == ASSAY_INPUT_ONES)
            ASSAY_TRY(make_input(f, input, &x, err));
        f->given[i] = (struct assay_given){.x = x, .label = {f->label, f->label}};
    }
    return ASSAY_OK;
}

// Reads the labels of the images, which stand for whatever labels a metric would draw.
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
