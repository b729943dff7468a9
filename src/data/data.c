// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// Channel means and deviations as in the TE-NAS release, of values 0..255.
static const double cifar10_mean[CHANNELS] = {125.3, 123.0, 113.9};
static const double cifar10_std[CHANNELS] = {63.0, 62.1, 66.7};
static const double cifar100_mean[CHANNELS] = {129.3, 124.1, 112.4};
static const double cifar100_std[CHANNELS] = {68.2, 65.4, 70.4};

static void set_statistics(struct assay_data *data)
{
    const bool hundred = data->spec.source == ASSAY_SOURCE_CIFAR100;
    for (int c = 0; c < CHANNELS; c++) {
        const double mean = hundred ? cifar100_mean[c] : cifar10_mean[c];
        const double std = hundred ? cifar100_std[c] : cifar10_std[c];
        data->mean[c] = data->spec.normalise ? mean / 255 : 0;
        data->std[c] = data->spec.normalise ? std / 255 : 1;
    }
}

static int check_spec(const struct assay_data_spec *spec, struct assay_err *err)
{
    if (strcmp(spec->split, "train") != 0 && strcmp(spec->split, "test") != 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "data split '%s': expected train or test",
                             spec->split);
    if (spec->source != ASSAY_SOURCE_GAUSSIAN && !spec->path[0])
        return assay_err_set(err, ASSAY_ERR_CONFIG, "data.path is empty: expected %s",
                             spec->source == ASSAY_SOURCE_HDF5
                                 ? "file.h5:/dataset"
                                 : "the directory of CIFAR's binary files");
    if (spec->image == 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "image size 0: expected at least 1");
    if (spec->classes == 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "0 classes: expected at least 1");
    return ASSAY_OK;
}

static int load(struct assay_data *data, struct assay_err *err)
{
    switch (data->spec.source) {
    case ASSAY_SOURCE_GAUSSIAN:
        data->classes = data->spec.classes;
        return ASSAY_OK;
    case ASSAY_SOURCE_CIFAR10:
    case ASSAY_SOURCE_CIFAR100:
        return assay_data_load_cifar(data, err);
    case ASSAY_SOURCE_HDF5:
        if (assay_data_absent(&data->spec)) return assay_data_refuse_absent(&data->spec, err);
        return assay_data_load_hdf5(data, err);
    }
    assay_bug(__FILE__, __LINE__, "data source");
}

// ---- memory -------------------------------------------------------------------------------------
enum { ALIGN = 64 };

// What the block begins with: all that another process cannot know without reading the files.
struct header {
    uint64_t bytes, room, count;
    uint32_t classes, element;
    bool labelled;
    struct assay_hash digest;
};

_Static_assert(sizeof(struct header) <= ALIGN, "the header fits in front of the images");

// Bytes of the block; false: no size_t holds them.
static bool block_bytes(const struct assay_data *data, uint64_t count, size_t *pixels, size_t *all)
{
    const size_t image = image_values(data) * element_size(data->element);
    size_t labels;
    if (__builtin_mul_overflow(count, image, pixels) || *pixels > SIZE_MAX - ALIGN) return false;
    *pixels = (*pixels + ALIGN - 1) / ALIGN * ALIGN;
    return !__builtin_mul_overflow(count, sizeof *data->label, &labels) &&
           !__builtin_add_overflow(*pixels, labels, all) &&
           !__builtin_add_overflow(*all, ALIGN, all);
}

// Where things are in the block, whose size fits.
static void place(struct assay_data *data, void *block, uint64_t count)
{
    size_t pixels, all;
    const bool fits = block_bytes(data, count, &pixels, &all);
    ASSAY_ASSERT(fits);
    data->block = block;
    data->room = count;
    data->pixel = (char *)block + ALIGN;
    data->label_room = (uint32_t *)(void *)((char *)block + ALIGN + pixels);
}

int assay_data_reserve(struct assay_data *data, uint64_t count, struct assay_err *err)
{
    size_t pixels, all;
    void *block = NULL;
    ASSAY_ASSERT(!data->block);
    if (!block_bytes(data, count, &pixels, &all))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %llu images are more than memory can hold",
                             data->spec.path, (unsigned long long)count);
    if (all > assay_memory_most()) {
        block = NULL; // the system would promise it, and end the program when it is used
    } else if (data->memory) {
        ASSAY_TRY(data->memory->take(data->memory->self, all, &block, err));
    } else {
        block = malloc(all);
        data->owned = true;
    }
    if (!block)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: no memory for %llu images",
                             data->spec.path, (unsigned long long)count);
    place(data, block, count);
    return ASSAY_OK;
}

static struct assay_hash digest_of(const struct assay_data *data)
{
    const size_t bytes = data->count * image_values(data) * element_size(data->element);
    const struct assay_hash part[2] = {
        data->pixel ? assay_hash128(data->pixel, bytes) : (struct assay_hash){0},
        data->label ? assay_hash128(data->label, data->count * sizeof *data->label)
                    : (struct assay_hash){0},
    };
    return assay_hash128(part, sizeof part);
}

// The images are complete.
static void finish(struct assay_data *data)
{
    data->memory = NULL;
    data->digest = digest_of(data);
    if (!data->block) return;
    const struct header header = {.bytes = assay_data_bytes(data),
                                  .room = data->room,
                                  .count = data->count,
                                  .classes = data->classes,
                                  .element = (uint32_t)data->element,
                                  .labelled = data->label,
                                  .digest = data->digest};
    memcpy(data->block, &header, sizeof header);
}

// ---- opening ------------------------------------------------------------------------------------
static int create(struct assay_data **out, const struct assay_data_spec *spec,
                  struct assay_err *err)
{
    ASSAY_TRY(check_spec(spec, err));
    struct assay_data *data = calloc(1, sizeof *data);
    if (!data) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    data->spec = *spec;
    set_statistics(data);
    *out = data;
    return ASSAY_OK;
}

int assay_data_open_in(struct assay_data **out, const struct assay_data_spec *spec,
                       const struct assay_data_memory *memory, struct assay_err *err)
{
    struct assay_data *data;
    ASSAY_TRY(create(&data, spec, err));
    data->memory = memory;
    const int status = load(data, err);
    if (status < 0) {
        assay_data_close(data);
        return status;
    }
    finish(data);
    *out = data;
    return status;
}

int assay_data_open(struct assay_data **out, const struct assay_data_spec *spec,
                    struct assay_err *err)
{
    return assay_data_open_in(out, spec, NULL, err);
}

int assay_data_stand_in(struct assay_data **out, const struct assay_data_spec *spec,
                        struct assay_err *err)
{
    ASSAY_ASSERT(assay_data_absent(spec));
    if (spec->source != ASSAY_SOURCE_HDF5) ASSAY_TRY(assay_data_check_cifar(spec, err));
    ASSAY_TRY(create(out, spec, err));
    assay_data_stand_for(*out);
    return ASSAY_OK;
}

int assay_data_attach(struct assay_data **out, const struct assay_data_spec *spec,
                      const void *block, struct assay_err *err)
{
    struct assay_data *data;
    struct header header;
    memcpy(&header, block, sizeof header);
    ASSAY_TRY(create(&data, spec, err));
    data->element = (enum element)header.element;
    data->classes = header.classes;
    data->count = header.count;
    data->digest = header.digest;
    place(data, (void *)(uintptr_t)block, header.room); // only read from now on
    ASSAY_ASSERT(assay_data_bytes(data) == header.bytes);
    data->label = header.labelled ? data->label_room : NULL;
    *out = data;
    return ASSAY_OK;
}

void assay_data_close(struct assay_data *data)
{
    if (!data) return;
    if (data->owned) free(data->block);
    free(data);
}

size_t assay_data_bytes(const struct assay_data *data)
{
    size_t pixels, all = 0;
    const bool any = data->block || (data->stand_in && data->room);
    return any && block_bytes(data, data->room, &pixels, &all) ? all : 0;
}

size_t assay_data_draw_bytes(const struct assay_data *data)
{
    const size_t order = data->count * sizeof(uint64_t);
    return order > data->reading ? order : data->reading;
}

uint64_t assay_data_count(const struct assay_data *data)
{
    return data->count;
}

bool assay_data_generated(const struct assay_data *data)
{
    return !data->pixel;
}

uint64_t assay_data_crops(const struct assay_data *data)
{
    const uint64_t side = data->spec.image, places = side < PATCH ? 0 : side - PATCH + 1;
    return data->count * CHANNELS * places * places;
}

uint32_t assay_data_channels(const struct assay_data *data)
{
    (void)data;
    return CHANNELS;
}

bool assay_data_labelled(const struct assay_data *data)
{
    return data->label || data->stand_in;
}

struct assay_hash assay_data_digest(const struct assay_data *data)
{
    return data->digest;
}

void assay_data_describe(const struct assay_data *data, char *text, size_t cap)
{
    const struct assay_data_spec *spec = &data->spec;
    const bool cifar =
        spec->source == ASSAY_SOURCE_CIFAR10 || spec->source == ASSAY_SOURCE_CIFAR100;
    const unsigned long long n = data->count, whole = cifar ? assay_data_cifar_whole(spec) : 0;
    if (!data->pixel)
        snprintf(text, cap, "generated images");
    else if (n < whole)
        snprintf(text, cap, "%llu of %s's %llu %s images", n, assay_data_cifar_name(spec), whole,
                 strcmp(spec->split, "test") ? "training" : "test");
    else
        snprintf(text, cap, "%llu images", n);
}

const char *assay_data_warning(const struct assay_data *data)
{
    return data->warning;
}

void assay_data_warn(struct assay_data *data, const char *fmt, ...)
{
    const size_t at = strlen(data->warning), cap = sizeof data->warning;
    size_t used = at;
    if (at) used += (size_t)snprintf(data->warning + at, cap - at, "; ");
    if (used >= cap) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(data->warning + used, cap - used, fmt, args);
    va_end(args);
}
