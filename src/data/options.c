// SPDX-License-Identifier: Apache-2.0
#include "assay/data.h"

#define FIELD(member) .offset = offsetof(struct assay_data_spec, member)

// clang-format off
static const struct assay_opt rows[] = {
    {"data", "source", "where input images come from (`assay list sources`); gaussian: generated, needs nothing",
     ASSAY_KEY_TEXT, FIELD(source), .def = "gaussian", .max = sizeof(((struct assay_data_spec *)NULL)->source)},
    {"data", "path", "where the files of that source are: a directory, or file.h5:/dataset",
     ASSAY_KEY_TEXT, FIELD(path), .def = "", .role = ASSAY_OPT_LOCAL},
    {"data", "split", "which part of the CIFAR files",
     ASSAY_KEY_TEXT, FIELD(split), .def = "train", .choices = "train|test",
     .max = sizeof(((struct assay_data_spec *)NULL)->split)},
    {"data", "augment", "random crop (padding 4) and horizontal flip of images",
     ASSAY_KEY_BOOL, FIELD(augment), .def = "true"},
    {"data", "normalise", "subtract CIFAR's mean and divide by its standard deviation, per channel",
     ASSAY_KEY_BOOL, FIELD(normalise), .def = "true"},
    {.name = NULL},
};
// clang-format on
const struct assay_options assay_data_options = {rows, sizeof(struct assay_data_spec)};
