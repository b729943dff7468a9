// SPDX-License-Identifier: Apache-2.0
// Opens HDF5 files and objects, with errors that a user can act on.
#ifndef ASSAY_SRC_DATA_H5_H
#define ASSAY_SRC_DATA_H5_H

#include "assay/h5.h"

// The parts of "file.h5:/path".
struct h5_place {
    char file[ASSAY_TEXT_MAX], path[ASSAY_TEXT_MAX];
};

int h5_split(struct h5_place *place, const char *where, struct assay_err *err);
int h5_open(hid_t *file, const char *name, struct assay_err *err);

// Sets the error that an object cannot be opened, for the reason given in words, or because a link
// leads into another file, which is never followed.
int h5_no_object(hid_t parent, const char *path, const char *who, const char *what,
                 struct assay_err *err);

// Dimensions of a data set; a scalar has none and size 1.
struct h5_shape {
    unsigned ndim;
    uint64_t dim[H5S_MAX_RANK], size;
};
// Errors if the data set has no values at all. who ("file.h5:/x") opens the error text.
int h5_shape(struct h5_shape *shape, hid_t set, const char *who, struct assay_err *err);
// Writes a shape as "(72,3,32,32)".
void h5_shape_text(const struct h5_shape *shape, char *text, size_t cap);
// An error unless all values are stored somewhere, which is to be known before there is memory for
// them: not those of a data set that was created and not (or in part) written, of missing or short
// external files, or of a virtual data set whose sources are missing, not whole, or do not cover
// it. Values that are stored and equal the fill value are whole, so is a chunk that was written in
// part.
int h5_whole(hid_t set, const char *who, struct assay_err *err);
// The values, malloc'd, of a data set that was found whole, converted to the memory type.
int h5_read(void **out, hid_t set, hid_t type, const struct h5_shape *shape, const char *who,
            struct assay_err *err);
// The same into memory that the caller gives, which is large enough.
int h5_read_into(void *to, hid_t set, hid_t type, const char *who, struct assay_err *err);
// What the stored values of a data set are.
struct h5_type {
    bool is_float, is_integer, is_signed;
    bool wide;      // more bytes each than float64 has, whatever they are for
    unsigned bits;  // of a number
    char words[48]; // "64-bit signed integers", "text"
};
void h5_type(struct h5_type *type, hid_t set);

// Bytes that HDF5 takes to unpack a chunk, filtered and plain; 0 where nothing is packed.
size_t h5_unpacking(hid_t set);

#endif
