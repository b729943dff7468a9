// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <stdlib.h>
#include <string.h>

// ---- room ---------------------------------------------------------------------------------------
// How many numbers an image or patch is.
static uint64_t pixels_of(const struct assay_input *input, const struct assay_data *data,
                          const struct assay_protocol *p)
{
    return input->kind == ASSAY_INPUT_PATCHES ? p->patch * p->patch
                                              : assay_data_channels(data) * p->image * p->image;
}

// Bytes of a batch, never zero.
static size_t x_bytes(const struct assay_input *input, uint64_t pixels)
{
    return (input->n * pixels + 1) * sizeof(double);
}

static size_t label_bytes(const struct assay_input *input)
{
    return (input->n + 1) * sizeof(uint32_t);
}

static size_t block_bytes(const struct assay_wanted_input *w, uint64_t pixels)
{
    return assay_arena_block(x_bytes(&w->input, pixels)) +
           (size_t)(w->label[0] + w->label[1]) * assay_arena_block(label_bytes(&w->input));
}

// Makes room for all repeats, within the limit.
static int reserve(struct inputs *in, const struct assay_config *config,
                   const struct assay_data *data, uint64_t beside, struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    const uint64_t repeats = p->repeats, limit = assay_config_evaluation(config)->memory << 20;
    size_t each = 0;
    for (uint32_t i = 0; i < in->demand->n_input; i++)
        each += block_bytes(&in->demand->input[i], pixels_of(&in->demand->input[i].input, data, p));
    const size_t bytes =
        each * repeats + assay_arena_block((repeats * in->demand->n_input + 1) * sizeof *in->given);
    if (limit && assay_arena_footprint(bytes) + beside > limit)
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "the batches of %llu repeats need %.1f MiB beside %.1f for the "
                             "program and the images they are drawn from, over the limit of %llu "
                             "MiB (run.memory); a smaller ntk.batch, nasi.batch or run.repeats "
                             "needs less, and more ranks on a host share its images",
                             (unsigned long long)repeats, (double)bytes / 0x1p20,
                             (double)beside / 0x1p20, (unsigned long long)(limit >> 20));
    if (assay_arena_reserve(&in->arena, bytes, 0)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batches of all repeats");
}

static int allocate(struct inputs *in, const struct assay_wanted_input *w, uint64_t pixels,
                    struct assay_given *given, struct assay_err *err)
{
    given->x = assay_arena_alloc(&in->arena, x_bytes(&w->input, pixels));
    bool made = given->x;
    for (int k = ASSAY_LABELS_TRUE; k <= ASSAY_LABELS_RANDOM; k++) {
        given->label[k] =
            w->label[k] ? assay_arena_zalloc(&in->arena, label_bytes(&w->input)) : NULL;
        made &= given->label[k] || !w->label[k];
    }
    if (made) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batches of all repeats");
}

// Whether it is drawn from the data.
static bool is_of_data(const struct assay_input *input)
{
    return input->kind == ASSAY_INPUT_IMAGES || input->kind == ASSAY_INPUT_PATCHES;
}

// ---- whether the data have what is asked for ----------------------------------------------------
// The same image twice makes a kernel singular, even in different crops nearly so, and is no
// mini-batch. Batches of different repeats may overlap. More patches than there are different ones
// would be counted as if they were samples.
static int check_count(const struct assay_protocol *p, const struct assay_data *data,
                       const struct assay_input *input, struct assay_err *err)
{
    const unsigned long long images = assay_data_count(data), n = input->n,
                             crops = assay_data_crops(data, (uint32_t)p->patch);
    const bool patches = input->kind == ASSAY_INPUT_PATCHES;
    if (!is_of_data(input) || assay_data_generated(data) || n <= (patches ? crops : images))
        return ASSAY_OK;
    if (patches)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%llu images, %s = %llu: they have only %llu different patches; "
                             "expected at most as many, or more images",
                             images, input->key, n, crops);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%llu images, %s = %llu: the images of a batch must be different ones; "
                         "expected at most %llu, or more images",
                         images, input->key, n, images);
}

static int no_labels(const struct assay_wanted_input *w, struct assay_err *err)
{
    char sources[ASSAY_DATA_LABELLED];
    assay_data_labelled_sources(sources, sizeof sources);
    if (!w->label_key)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "run.metrics: %s learns from labels, and these images have none; "
                             "expected data.source = %s",
                             w->reader, sources);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s = true: these images have none; expected data.source = %s, or %s = "
                         "random",
                         w->label_key, sources, w->label_key);
}

static int check_input(const struct assay_protocol *p, const struct assay_wanted_input *w,
                       const struct assay_data *data, struct assay_err *err)
{
    const bool own = w->label[ASSAY_LABELS_TRUE];
    if (own && !is_of_data(&w->input))
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "%s = true: noise has no labels, expected random",
                             w->label_key ? w->label_key : w->reader);
    if (own && !assay_data_labelled(data)) return no_labels(w, err);
    if (own || (w->judged && p->classes > 1)) ASSAY_TRY(assay_data_check_labels(data, err));
    return check_count(p, data, &w->input, err);
}

// ---- drawing ------------------------------------------------------------------------------------
static int check_labels(const struct assay_protocol *p, uint32_t n, const uint32_t *label,
                        struct assay_err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        if (label[i] < p->classes) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "data: label %u of an image, expected labels below "
                             "network.classes = %llu",
                             label[i], (unsigned long long)p->classes);
    }
    return ASSAY_OK;
}

void inputs_random_labels(const struct assay_protocol *p, uint64_t seed, uint64_t number,
                          uint32_t n, uint32_t *label)
{
    struct assay_rng rng;
    assay_rng_init(&rng, seed, number, "labels", "nasi");
    for (uint32_t i = 0; i < n; i++) label[i] = (uint32_t)assay_rng_below(&rng, p->classes);
}

static int draw_images(const struct assay_protocol *p, const struct assay_data *data,
                       const struct assay_input *input, uint64_t seed, uint64_t number, double *x,
                       uint32_t *const label[2], struct assay_err *err)
{
    const uint32_t n = (uint32_t)input->n;
    ASSAY_TRY(
        assay_data_batch(data, seed, number, input->stream, n, x, label[ASSAY_LABELS_TRUE], err));
    if (label[ASSAY_LABELS_TRUE]) ASSAY_TRY(check_labels(p, n, label[ASSAY_LABELS_TRUE], err));
    if (label[ASSAY_LABELS_RANDOM])
        inputs_random_labels(p, seed, number, n, label[ASSAY_LABELS_RANDOM]);
    return ASSAY_OK;
}

static void draw_noise(const struct assay_data *data, const struct assay_input *input,
                       uint64_t seed, uint64_t number, double *x)
{
    assay_data_noise(data, seed, number, input->stream, "data.noise", (uint32_t)input->n, x);
}

void inputs_perturb(uint64_t n, const double *x, const double *noise, double *out)
{
    for (uint64_t i = 0; i < n; i++) out[i] = x[i] + ASSAY_PERTURBATION * noise[i];
}

static int perturb(const struct assay_data *data, const struct assay_input *input, uint64_t pixels,
                   uint64_t seed, uint64_t number, double *x, struct assay_err *err)
{
    double *more = malloc((input->n * pixels + 1) * sizeof *more);
    if (!more) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for noise");
    assay_data_noise(data, seed, number, input->stream, "data.perturbation", (uint32_t)input->n,
                     more);
    inputs_perturb(input->n * pixels, x, more, x);
    free(more);
    return ASSAY_OK;
}

static int draw_input(const struct assay_protocol *p, const struct assay_data *data,
                      const struct assay_input *input, const struct assay_draw *draw,
                      uint64_t repeat, const struct assay_given *given, struct assay_err *err)
{
    uint32_t *const label[2] = {(uint32_t *)given->label[0], (uint32_t *)given->label[1]};
    const uint64_t number = draw->batches + repeat, pixels = pixels_of(input, data, p);
    double *x = (double *)given->x;
    switch (input->kind) {
    case ASSAY_INPUT_IMAGES:
        return draw_images(p, data, input, draw->seed, number, x, label, err);
    case ASSAY_INPUT_PATCHES:
        return assay_data_patches(data, draw->seed, number, input->stream, (uint32_t)p->patch,
                                  (uint32_t)input->n, x, err);
    case ASSAY_INPUT_NOISE:
    case ASSAY_INPUT_PERTURBED:
        draw_noise(data, input, draw->seed, number, x);
        break;
    case ASSAY_INPUT_ONES:
        for (uint64_t i = 0; i < input->n * pixels; i++) x[i] = 1;
        break;
    }
    if (label[ASSAY_LABELS_RANDOM])
        inputs_random_labels(p, draw->seed, number, (uint32_t)input->n, label[ASSAY_LABELS_RANDOM]);
    return input->kind == ASSAY_INPUT_PERTURBED
               ? perturb(data, input, pixels, draw->seed, number, x, err)
               : ASSAY_OK;
}

int inputs_draw(struct inputs *in, const struct assay_config *config,
                const struct assay_demand *demand, const struct assay_data *data, uint64_t beside,
                struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    in->demand = demand;
    for (uint32_t i = 0; i < demand->n_input; i++)
        ASSAY_TRY(check_input(p, &demand->input[i], data, err));
    ASSAY_TRY(reserve(in, config, data, beside, err));
    in->given =
        assay_arena_zalloc(&in->arena, (p->repeats * demand->n_input + 1) * sizeof *in->given);
    if (!in->given) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batches");
    for (uint64_t k = 0; k < p->repeats * demand->n_input; k++) {
        const struct assay_wanted_input *w = &demand->input[k % demand->n_input];
        ASSAY_TRY(allocate(in, w, pixels_of(&w->input, data, p), &in->given[k], err));
    }
    return inputs_redraw(in, p, &(struct assay_draw){.seed = p->seed}, data, err);
}

int inputs_redraw(struct inputs *in, const struct assay_protocol *p, const struct assay_draw *draw,
                  const struct assay_data *data, struct assay_err *err)
{
    for (uint64_t k = 0; k < p->repeats * in->demand->n_input; k++) {
        const struct assay_input *input = &in->demand->input[k % in->demand->n_input].input;
        ASSAY_TRY(draw_input(p, data, input, draw, k / in->demand->n_input, &in->given[k], err));
    }
    return ASSAY_OK;
}

void inputs_finish(struct inputs *in)
{
    assay_arena_finish(&in->arena);
}

// ---- NASI's mini-batches ------------------------------------------------------------------------
static struct assay_wanted_input nasi_input(const struct assay_config *config, uint64_t n)
{
    const struct assay_nasi_options *o = assay_config_nasi(config);
    return (struct assay_wanted_input){
        .input = {.stream = "nasi", .key = o->batch ? "nasi.batch" : "ntk.batch", .n = n},
        .judged = true,
        .label = {o->labels == ASSAY_LABELS_TRUE, o->labels == ASSAY_LABELS_RANDOM},
        .label_key = "nasi.labels"};
}

int assay_draw_nasi_batch(const struct assay_config *config, const struct assay_data *data,
                          uint64_t seed, uint64_t number, uint32_t n, double *x, uint32_t *label,
                          struct assay_err *err)
{
    const struct assay_wanted_input w = nasi_input(config, n);
    uint32_t *const to[2] = {w.label[0] ? label : NULL, w.label[1] ? label : NULL};
    return draw_images(assay_config_protocol(config), data, &w.input, seed, number, x, to, err);
}

int assay_check_nasi_batch(const struct assay_config *config, const struct assay_data *data,
                           struct assay_err *err)
{
    const struct assay_wanted_input w =
        nasi_input(config, assay_nasi_batch(assay_config_nasi(config), assay_config_ntk(config)));
    return check_input(assay_config_protocol(config), &w, data, err);
}
