// SPDX-License-Identifier: Apache-2.0
// Looking at the parts of an HDF5 file before they are read: a file may be forged, and HDF5 writes
// as much as the file says to wherever it is told.
#ifndef ASSAY_SRC_STORE_H5READ_H
#define ASSAY_SRC_STORE_H5READ_H

#include "assay/base.h"

#include <hdf5.h>

// Opens a file to read it; it must be a regular one. expected ("a results.h5") ends the text of
// errors, which has HDF5's reason, and points to a journal beside the file, which has all that the
// file held.
int h5r_open(hid_t *id, const char *file, const char *expected, struct assay_err *err);

// Reads an attribute that is one integer, or one text that fits cap; ERR_INPUT naming file and
// attribute when it is anything else.
int h5r_int(int *value, hid_t object, const char *name, const char *file, struct assay_err *err);
int h5r_text(char *text, size_t cap, hid_t object, const char *name, const char *file,
             struct assay_err *err);
// The same of a text that may have lines.
int h5r_lines(char *text, size_t cap, hid_t object, const char *name, const char *file,
              struct assay_err *err);

// These say what is wrong with a thing, in words that stand behind its name, or NULL. A link is
// wrong when it is missing, or leads elsewhere than to an object of this group's file.
const char *h5r_link_fault(hid_t group, const char *name);
// A data set is wrong when it has no dimension or more than three, or when its values do not all
// stand in the file. Where nothing is wrong its size is at most that of the file times a constant.
#define H5R_DIMS 3
struct h5r_shape {
    unsigned n; // dimensions
    hsize_t dim[H5R_DIMS];
    uint64_t values; // their product
};
const char *h5r_shape_fault(hid_t set, struct h5r_shape *shape);
// The same, and it must be one-dimensional; *n is its length.
const char *h5r_set_fault(hid_t set, uint64_t *n);
// A type is wrong when its values are not numbers, integers or texts like those of the memory's
// type.
const char *h5r_type_fault(hid_t set, hid_t memory);

// The type that texts of a data set have in memory, each with its end behind it; the caller closes
// it. Invalid: it holds no texts, or such of variable length.
hid_t h5r_text_type(hid_t set);

#endif
