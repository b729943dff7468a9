// SPDX-License-Identifier: Apache-2.0
// The official binary layout that CIFAR-10 and CIFAR-100 have in common.
#ifndef ASSAY_SRC_DATA_CIFAR_H
#define ASSAY_SRC_DATA_CIFAR_H

#include "source.h"

enum { CIFAR_SIDE = 32 };

struct cifar_layout {
    const char *name, *directory;
    const char *const train[6], *const test[2]; // NULL-terminated
    uint64_t images[2];                         // in each file of train, and of test
    size_t label_bytes;                         // the last of them is the class
    unsigned limit[2];                          // every label byte is below its own
};

// An error if a network of this size cannot take CIFAR's images.
int cifar_check(const struct assay_data_spec *spec, const struct cifar_layout *layout,
                struct assay_err *err);
// How many images the split has.
uint64_t cifar_whole(const struct assay_data_spec *spec, const struct cifar_layout *layout);
int cifar_load(struct assay_data *data, const struct cifar_layout *layout, struct assay_err *err);

#endif
