// SPDX-License-Identifier: Apache-2.0
// What an open source holds, and the two kinds of files it can come from.
#ifndef ASSAY_DATA_SOURCE_H
#define ASSAY_DATA_SOURCE_H

#include "assay/data.h"

enum { CHANNELS = 3, PATCH = 3 }; // PATCH: height and width of a patch

enum element { ELEMENT_U8, ELEMENT_F32, ELEMENT_F64 };

struct assay_data {
    struct assay_data_spec spec;
    uint64_t count;
    uint32_t classes; // every label is below it
    enum element element;
    void *pixel;     // (count,3,image,image); U8 stands for value / 255; NULL: generated
    uint32_t *label; // (count), NULL: none
    double mean[CHANNELS], std[CHANNELS];
    const struct assay_data_memory *memory; // while it is opened; NULL: the heap
    void *block;                            // holds all of it, NULL: generated
    bool owned;                             // the block
    size_t reading;                         // bytes that reading took beside it
    struct assay_hash digest;
    bool stand_in;                    // of files that are not there: generated
    uint64_t room;                    // images that have room in it
    uint32_t *label_room;             // (room)
    char warning[ASSAY_DATA_WARNING]; // of what is missing or looks wrong; "" for nothing
};

// Makes room for so many images of data->element and their labels: sets pixel, label_room and room.
// Once, before the first is read.
int assay_data_reserve(struct assay_data *data, uint64_t count, struct assay_err *err);

// Both fill a zeroed data (spec set) from spec.path; the room they made before an error stays in
// it.
int assay_data_load_cifar(struct assay_data *data, struct assay_err *err);
int assay_data_load_hdf5(struct assay_data *data, struct assay_err *err);
// An error if a network of this size cannot take CIFAR's images.
int assay_data_check_cifar(const struct assay_data_spec *spec, struct assay_err *err);
// The error of assay_data_absent, and what stands in for such files.
int assay_data_refuse_absent(const struct assay_data_spec *spec, struct assay_err *err);
void assay_data_stand_for(struct assay_data *data);
// Adds a sentence to its warning.
void assay_data_warn(struct assay_data *data, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// What the source is called, and how many images the whole of its split has.
const char *assay_data_cifar_name(const struct assay_data_spec *spec);
uint64_t assay_data_cifar_whole(const struct assay_data_spec *spec);

static inline size_t element_size(enum element element)
{
    return element == ELEMENT_U8 ? 1 : element == ELEMENT_F32 ? sizeof(float) : sizeof(double);
}

// Values in one image.
static inline uint64_t image_values(const struct assay_data *data)
{
    return (uint64_t)CHANNELS * data->spec.image * data->spec.image;
}

#endif
