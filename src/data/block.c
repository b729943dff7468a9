// SPDX-License-Identifier: Apache-2.0
// The block of memory that holds images and labels.
#include "source.h"

#include <stdlib.h>
#include <string.h>

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

// Sets where things are in a block of the right size.
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

int data_reserve(struct assay_data *data, uint64_t count, struct assay_err *err)
{
    size_t pixels, all;
    void *block = NULL;
    ASSAY_ASSERT(!data->block);
    if (!block_bytes(data, count, &pixels, &all))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %llu images are more than memory can hold",
                             data->spec.path, (unsigned long long)count);
    if (all > assay_memory_most()) {
        block = NULL; // otherwise the system would promise it, and end the program when it is used
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

size_t assay_data_bytes(const struct assay_data *data)
{
    size_t pixels, all = 0;
    const bool any = data->block || (data->stand_in && data->room);
    return any && block_bytes(data, data->room, &pixels, &all) ? all : 0;
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

void data_finish(struct assay_data *data)
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

void data_find(struct assay_data *data, const void *block)
{
    struct header header;
    memcpy(&header, block, sizeof header);
    data->element = (enum element)header.element;
    data->classes = header.classes;
    data->count = header.count;
    data->digest = header.digest;
    place(data, (void *)(uintptr_t)block, header.room); // it is only read from now on
    ASSAY_ASSERT(assay_data_bytes(data) == header.bytes);
    data->label = header.labelled ? data->label_room : NULL;
}
