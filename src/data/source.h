// SPDX-License-Identifier: Apache-2.0
// What an open source holds.
#ifndef ASSAY_SRC_DATA_SOURCE_H
#define ASSAY_SRC_DATA_SOURCE_H

#include "assay/data.h"

enum { CHANNELS = ASSAY_DATA_CHANNELS };

enum element { ELEMENT_U8, ELEMENT_F32, ELEMENT_F64 };

struct assay_data {
    struct assay_data_spec spec;
    const struct assay_data_source *source;
    uint64_t count;
    uint32_t classes; // every label is below it
    enum element element;
    void *pixel;     // (count,3,image,image); U8 stands for value / 255; NULL: generated
    uint32_t *label; // (count), NULL: none
    double mean[CHANNELS], std[CHANNELS];
    const struct assay_data_memory *memory; // of the block, while it is opened; NULL: the heap
    void *block;                            // holds all of it, NULL: generated
    bool owned;                             // the block is freed with it
    size_t reading;                         // bytes that reading took beside it
    struct assay_hash digest;
    bool stand_in;                    // stands in for files that are not there, and is generated
    uint64_t room;                    // how many images have room in the block
    uint32_t *label_room;             // (room)
    char warning[ASSAY_DATA_WARNING]; // of what is missing or looks wrong; "" for nothing
};

// Makes room for that many images of data->element and their labels, and sets pixel, label_room and
// room. Called once, before the first image is read.
int data_reserve(struct assay_data *data, uint64_t count, struct assay_err *err);

// Called when the images are complete: writes what assay_data_attach reads.
void data_finish(struct assay_data *data);
// Finds the images of a block that was finished.
void data_find(struct assay_data *data, const void *block);
// Set the error for files that are not there, and make what stands in for them.
int data_refuse_absent(const struct assay_data_spec *spec, struct assay_err *err);
void data_stand_for(struct assay_data *data);
// Adds a sentence to its warning.
void data_warn(struct assay_data *data, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Channel means and deviations as in the TE-NAS release.
#define CIFAR10_MEAN                                                                               \
    {                                                                                              \
        125.3, 123.0, 113.9                                                                        \
    }
#define CIFAR10_STD                                                                                \
    {                                                                                              \
        63.0, 62.1, 66.7                                                                           \
    }
#define CIFAR100_MEAN                                                                              \
    {                                                                                              \
        129.3, 124.1, 112.4                                                                        \
    }
#define CIFAR100_STD                                                                               \
    {                                                                                              \
        68.2, 65.4, 70.4                                                                           \
    }

static inline size_t element_size(enum element element)
{
    return element == ELEMENT_U8 ? 1 : element == ELEMENT_F32 ? sizeof(float) : sizeof(double);
}

// How many values one image has.
static inline uint64_t image_values(const struct assay_data *data)
{
    return (uint64_t)CHANNELS * data->spec.image * data->spec.image;
}

#endif
