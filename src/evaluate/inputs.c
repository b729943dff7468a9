// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <string.h>

// The blocks of one repeat; allocate() takes exactly these.
struct blocks {
    size_t images, nasi_images, image_label, label, patches;
};

static struct blocks block_sizes(const struct inputs *in, uint64_t pixels)
{
    return (struct blocks){.images = (in->n_image * pixels + 1) * sizeof(double),
                           .nasi_images = (in->n_nasi * pixels + 1) * sizeof(double),
                           .image_label = (in->n_image + 1) * sizeof(uint32_t),
                           .label = (in->n_nasi + 1) * sizeof(uint32_t),
                           .patches = (in->n_patch * UINT64_C(9) + 1) * sizeof(double)};
}

// Makes room for all repeats, within the limit.
static int reserve(struct inputs *in, const struct assay_config *config, uint64_t pixels,
                   bool shared, uint64_t beside, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(config);
    const struct blocks b = block_sizes(in, pixels);
    const uint64_t repeats = assay_config_protocol(config)->repeats, limit = told->memory << 20;
    const size_t each = assay_arena_block(b.images) + assay_arena_block(b.image_label) +
                        assay_arena_block(b.label) + assay_arena_block(b.patches) +
                        (shared ? 0 : assay_arena_block(b.nasi_images));
    const size_t bytes = each * repeats + assay_arena_block(repeats * sizeof *in->repeat);
    if (limit && assay_arena_footprint(bytes) + beside > limit)
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "the batches of %llu repeats need %.1f MiB beside %.1f for the "
                             "program and the images they are drawn from, over the limit of %llu "
                             "MiB (run.memory); a smaller ntk.batch, nasi.batch or run.repeats "
                             "needs less, and more ranks on a host share its images",
                             (unsigned long long)repeats, (double)bytes / 0x1p20,
                             (double)beside / 0x1p20, (unsigned long long)told->memory);
    if (assay_arena_reserve(&in->arena, bytes, 0)) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batches of all repeats");
}

// Without a batch of its own (shared) nasi takes the kernel's. Never zero bytes: equal pointers
// mean shared.
static int allocate(struct inputs *in, struct repeat_inputs *r, uint64_t pixels, bool shared,
                    struct assay_err *err)
{
    const struct blocks b = block_sizes(in, pixels);
    r->images = assay_arena_alloc(&in->arena, b.images);
    r->nasi_images = shared ? r->images : assay_arena_alloc(&in->arena, b.nasi_images);
    r->image_label = assay_arena_zalloc(&in->arena, b.image_label);
    r->nasi_label = assay_arena_zalloc(&in->arena, b.label);
    r->patches = assay_arena_alloc(&in->arena, b.patches);
    if (r->images && r->nasi_images && r->image_label && r->nasi_label && r->patches)
        return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batches of all repeats");
}

int inputs_choose_labels(const struct assay_protocol *p, uint64_t seed, uint64_t number, uint32_t n,
                         uint32_t *label, struct assay_err *err)
{
    struct assay_rng rng;
    assay_rng_init(&rng, seed, number, "labels", "nasi");
    for (uint32_t i = 0; i < n; i++) {
        if (p->nasi_labels == ASSAY_LABELS_RANDOM) {
            label[i] = (uint32_t)assay_rng_below(&rng, p->classes);
        } else if (p->nasi_labels == ASSAY_LABELS_TRUE && label[i] >= p->classes) {
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "data: label %u of an image, expected labels below "
                                 "network.classes = %llu",
                                 label[i], (unsigned long long)p->classes);
        }
    }
    return ASSAY_OK;
}

// ---- whether the data have what is asked for ----------------------------------------------------
// The same image twice makes a kernel singular, even in different crops nearly so, and is no
// mini-batch. Batches of different repeats may overlap.
static int check_batch(const struct assay_data *data, const char *key, uint64_t n,
                       struct assay_err *err)
{
    const unsigned long long count = assay_data_count(data);
    if (assay_data_generated(data) || n <= count) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%llu images, %s = %llu: the images of a batch must be different ones; "
                         "expected at most %llu, or more images",
                         count, key, (unsigned long long)n, count);
}

// More patches than there are different ones would be counted as if they were samples.
static int check_patches(const struct assay_data *data, uint64_t n, struct assay_err *err)
{
    const unsigned long long crops = assay_data_crops(data);
    if (assay_data_generated(data) || n <= crops) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%llu images, regions.batch x regions.batches = %llu: they have only %llu "
                         "different patches; expected at most as many, or more images",
                         (unsigned long long)assay_data_count(data), (unsigned long long)n, crops);
}

int assay_check_nasi_batch(const struct assay_protocol *p, const struct assay_data *data,
                           struct assay_err *err)
{
    if (p->nasi_labels == ASSAY_LABELS_TRUE && !assay_data_labelled(data))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "nasi.labels = true: these images have none; expected data.source = "
                             "cifar10, cifar100, or hdf5 with labels, or nasi.labels = random");
    if (p->nasi_labels == ASSAY_LABELS_TRUE || p->classes > 1)
        ASSAY_TRY(assay_data_check_labels(data, err));
    return p->nasi_batch ? check_batch(data, "nasi.batch", p->nasi_batch, err)
                         : check_batch(data, "ntk.batch", p->ntk_batch, err);
}

static int check_data(const struct inputs *in, const struct assay_protocol *p,
                      const struct assay_data *data, struct assay_err *err)
{
    if (in->labels && !assay_data_labelled(data))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "run.metrics: ntk_ridge learns from labels, and these images have "
                             "none; expected data.source = cifar10, cifar100, or hdf5 with labels");
    if (in->n_image) ASSAY_TRY(check_batch(data, "ntk.batch", in->n_image, err));
    if (in->n_nasi) ASSAY_TRY(assay_check_nasi_batch(p, data, err));
    return check_patches(data, in->n_patch, err);
}

// ---- drawing ------------------------------------------------------------------------------------
int assay_draw_nasi_batch(const struct assay_protocol *p, const struct assay_data *data,
                          uint64_t seed, uint64_t number, uint32_t n, double *x, uint32_t *label,
                          struct assay_err *err)
{
    const bool own = p->nasi_labels == ASSAY_LABELS_TRUE;
    ASSAY_TRY(assay_data_batch(data, seed, number, "nasi", n, x, own ? label : NULL, err));
    return inputs_choose_labels(p, seed, number, n, label, err);
}

static int draw_repeat(struct inputs *in, const struct assay_protocol *p, uint64_t repeat,
                       const struct assay_draw *draw, const struct assay_data *data,
                       struct assay_err *err)
{
    const uint64_t seed = draw->seed, number = draw->batches + repeat;
    struct repeat_inputs *r = &in->repeat[repeat];
    const bool shared = r->nasi_images == r->images,
               own = in->labels || (shared && p->nasi_labels == ASSAY_LABELS_TRUE);
    if (in->n_image) {
        ASSAY_TRY(assay_data_batch(data, seed, number, "images", in->n_image, r->images,
                                   own ? r->image_label : NULL, err));
    }
    if (in->n_nasi && !shared) {
        ASSAY_TRY(assay_draw_nasi_batch(p, data, seed, number, in->n_nasi, r->nasi_images,
                                        r->nasi_label, err));
    }
    if (in->n_nasi && shared) memcpy(r->nasi_label, r->image_label, in->n_nasi * sizeof(uint32_t));
    if (in->n_nasi && shared)
        ASSAY_TRY(inputs_choose_labels(p, seed, number, in->n_nasi, r->nasi_label, err));
    if (in->n_patch) {
        ASSAY_TRY(assay_data_patches(data, seed, number, "patches", in->n_patch, r->patches, err));
    }
    return ASSAY_OK;
}

int inputs_draw(struct inputs *in, const struct assay_config *config, unsigned needs,
                const struct assay_data *data, uint64_t beside, struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(config);
    const uint64_t image = assay_config_data(config)->image,
                   patches = p->region_batch * p->region_batches;
    const uint64_t pixels = assay_data_channels(data) * image * image;
    if (needs & ASSAY_NEEDS_PATCHES && patches > UINT32_MAX) {
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "regions.batch x regions.batches: %llu samples, expected at most %u",
                             (unsigned long long)patches, UINT32_MAX);
    }
    const bool nasi = needs & ASSAY_NEEDS_NASI, shared = nasi && p->nasi_batch == 0;
    in->n_image = needs & ASSAY_NEEDS_IMAGES || shared ? (uint32_t)p->ntk_batch : 0;
    in->n_nasi = shared ? in->n_image : nasi ? (uint32_t)p->nasi_batch : 0;
    in->n_patch = needs & ASSAY_NEEDS_PATCHES ? (uint32_t)patches : 0;
    in->labels = needs & ASSAY_NEEDS_LABELS;
    ASSAY_TRY(check_data(in, p, data, err));
    ASSAY_TRY(reserve(in, config, pixels, shared, beside, err));
    in->repeat = assay_arena_zalloc(&in->arena, p->repeats * sizeof *in->repeat);
    if (!in->repeat) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the batches");
    for (uint64_t r = 0; r < p->repeats; r++) {
        ASSAY_TRY(allocate(in, &in->repeat[r], pixels, shared, err));
    }
    return inputs_redraw(in, p, &(struct assay_draw){.seed = p->seed}, data, err);
}

int inputs_redraw(struct inputs *in, const struct assay_protocol *p, const struct assay_draw *draw,
                  const struct assay_data *data, struct assay_err *err)
{
    for (uint64_t r = 0; r < p->repeats; r++) ASSAY_TRY(draw_repeat(in, p, r, draw, data, err));
    return ASSAY_OK;
}

void inputs_finish(struct inputs *in)
{
    assay_arena_finish(&in->arena);
}
