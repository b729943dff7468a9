// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <stdlib.h>

// The streams of random numbers that a batch is drawn from. Every kind of choice has a stream of
// its own, so that the first images of a batch do not depend on how many follow.
struct key {
    uint64_t seed, repeat;
    const char *name;
};

static struct assay_rng stream(const struct key *key, const char *role)
{
    struct assay_rng rng;
    assay_rng_init(&rng, key->seed, key->repeat, role, key->name);
    return rng;
}

// n image numbers, shuffled (Fisher-Yates, as far as needed); a fresh shuffle follows the last
// image. malloc'd; NULL when out of memory.
static uint64_t *draw_images(const struct assay_data *data, const struct key *key, const char *role,
                             uint32_t n)
{
    const uint64_t count = data->count;
    struct assay_rng rng = stream(key, role);
    uint64_t *order = malloc(count * sizeof *order);
    uint64_t *image = malloc((n ? n : 1) * sizeof *image);
    for (uint64_t i = 0; order && i < count; i++) order[i] = i;
    for (uint32_t i = 0; order && image && i < n; i++) {
        const uint64_t at = i % count, other = at + assay_rng_below(&rng, count - at);
        image[i] = order[other];
        order[other] = order[at];
        order[at] = image[i];
    }
    if (!order) {
        free(image);
        image = NULL;
    }
    free(order);
    return image;
}

// A pixel scaled to [0, 1] and normalised; outside the image it is black before normalisation, as
// in torchvision's RandomCrop followed by Normalize.
static double pixel(const struct assay_data *data, uint64_t image, uint32_t c, int64_t row,
                    int64_t column)
{
    const int64_t side = data->spec.image;
    double value = 0;
    if (row >= 0 && row < side && column >= 0 && column < side) {
        const uint64_t at =
            (image * CHANNELS + c) * (uint64_t)(side * side) + (uint64_t)(row * side + column);
        value = data->element == ELEMENT_U8    ? ((const uint8_t *)data->pixel)[at] / 255.0
                : data->element == ELEMENT_F32 ? ((const float *)data->pixel)[at]
                                               : ((const double *)data->pixel)[at];
    }
    return (value - data->mean[c]) / data->std[c];
}

// One image (3,image,image), shifted and flipped as the stream says. The release pads 32-pixel
// images by 4 and 16-pixel ones by 2.
static void deliver_image(const struct assay_data *data, uint64_t image, struct assay_rng *augment,
                          double *x)
{
    const int64_t side = data->spec.image, pad = side / 8;
    int64_t down = 0, right = 0;
    bool flip = false;
    if (data->spec.augment) {
        down = (int64_t)assay_rng_below(augment, (uint64_t)(2 * pad + 1)) - pad;
        right = (int64_t)assay_rng_below(augment, (uint64_t)(2 * pad + 1)) - pad;
        flip = assay_rng_below(augment, 2);
    }
    for (uint32_t c = 0; c < CHANNELS; c++) {
        for (int64_t i = 0; i < side; i++) {
            for (int64_t j = 0; j < side; j++) {
                const int64_t column = (flip ? side - 1 - j : j) + right;
                *x++ = pixel(data, image, c, i + down, column);
            }
        }
    }
}

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory to draw a batch of images");
}

int assay_data_check_labels(const struct assay_data *data, struct assay_err *err)
{
    uint32_t least = UINT32_MAX;
    const uint32_t classes = data->spec.classes;
    if (!data->label || data->classes <= classes) return ASSAY_OK;
    for (uint64_t i = 0; i < data->count; i++)
        if (data->label[i] < least) least = data->label[i];
    if (least >= 1 && data->classes == classes + 1)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: its labels start at 1 (%u to %u); expected 0 to %u",
                             data->spec.path, least, classes, classes - 1);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: its labels have %u classes, the network only %u; expected at "
                         "least as many",
                         data->spec.path, data->classes, classes);
}

// Fills in the labels of the images drawn, or uniform ones where image is NULL or the source has
// none.
static int deliver_labels(const struct assay_data *data, const struct key *key,
                          const uint64_t *image, uint32_t n, uint32_t *label, struct assay_err *err)
{
    if (image) ASSAY_TRY(assay_data_check_labels(data, err));
    struct assay_rng rng = stream(key, "data.label");
    for (uint32_t i = 0; i < n; i++)
        label[i] = image && data->label ? data->label[image[i]]
                                        : (uint32_t)assay_rng_below(&rng, data->spec.classes);
    return ASSAY_OK;
}

static void deliver_noise(const struct key *key, const char *role, uint64_t n, double *x)
{
    struct assay_rng rng = stream(key, role);
    for (uint64_t i = 0; i < n; i++) x[i] = assay_rng_normal(&rng);
}

void assay_data_noise(const struct assay_data *data, uint64_t seed, uint64_t repeat,
                      const char *name, const char *role, uint32_t n, double *x)
{
    const struct key key = {seed, repeat, name};
    deliver_noise(&key, role, n * image_values(data), x);
}

int assay_data_batch(const struct assay_data *data, uint64_t seed, uint64_t repeat,
                     const char *name, uint32_t n, double *x, uint32_t *label,
                     struct assay_err *err)
{
    const struct key key = {seed, repeat, name};
    if (!data->pixel) {
        deliver_noise(&key, "data.noise", n * image_values(data), x);
        return label ? deliver_labels(data, &key, NULL, n, label, err) : ASSAY_OK;
    }
    if (n > data->count)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %llu images, and a batch of %u different ones is asked for",
                             data->spec.path, (unsigned long long)data->count, n);
    uint64_t *image = draw_images(data, &key, "data.order", n);
    if (!image) return no_memory(err);
    struct assay_rng augment = stream(&key, "data.augment");
    for (uint32_t i = 0; i < n; i++)
        deliver_image(data, image[i], &augment, x + i * image_values(data));
    const int status = label ? deliver_labels(data, &key, image, n, label, err) : ASSAY_OK;
    free(image);
    return status;
}

// The release crops the plain image (RandomCrop(3, padding=0), no flip), normalises it, then picks
// a channel.
int assay_data_patches(const struct assay_data *data, uint64_t seed, uint64_t repeat,
                       const char *name, uint32_t side, uint32_t n, double *x,
                       struct assay_err *err)
{
    const struct key key = {seed, repeat, name};
    if (!data->pixel) {
        deliver_noise(&key, "patch.noise", (uint64_t)n * side * side, x);
        return ASSAY_OK;
    }
    if (data->spec.image < side)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "image size %u: %u x %u patches need at least %u", data->spec.image,
                             side, side, side);
    uint64_t *image = draw_images(data, &key, "patch.order", n);
    if (!image) return no_memory(err);
    struct assay_rng crop = stream(&key, "patch.crop");
    for (uint32_t i = 0; i < n; i++) {
        const int64_t row = (int64_t)assay_rng_below(&crop, data->spec.image - side + 1);
        const int64_t column = (int64_t)assay_rng_below(&crop, data->spec.image - side + 1);
        const uint32_t c = (uint32_t)assay_rng_below(&crop, CHANNELS);
        for (uint32_t k = 0; k < side * side; k++)
            *x++ = pixel(data, image[i], c, row + k / side, column + k % side);
    }
    free(image);
    return ASSAY_OK;
}
