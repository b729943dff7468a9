// SPDX-License-Identifier: Apache-2.0
// Builds an HDF5 file in memory. A call that fails sets `failed` and later calls do no harm, so
// that only the end has to look.
#ifndef ASSAY_SRC_STORE_H5WRITE_H
#define ASSAY_SRC_STORE_H5WRITE_H

#include "assay/base.h"

#include <hdf5.h>

// Root attribute "assay_results".
enum { ASSAY_RESULTS_VERSION = 1 };

struct h5w {
    hid_t file;
    bool failed;
    void *image; // the file's bytes, once it is closed
};

// Begins a file; w must stay where it is until the end.
void h5w_start(struct h5w *w);
// Ends the file and gives its malloc'd bytes; NULL if anything failed.
void *h5w_finish(struct h5w *w, size_t *n);

// Makes a group, whose members keep the order of their creation.
hid_t h5w_group(struct h5w *w, const char *name);
// Makes a data set of ndim dimensions, which the caller closes by H5Dclose. packed: it is chunked,
// compressed and has checksums.
hid_t h5w_set(struct h5w *w, hid_t group, const char *name, hid_t type, int ndim,
              const hsize_t *dim, bool packed);
// Writes a 1-D data set with all its values.
hid_t h5w_vector(struct h5w *w, hid_t group, const char *name, hid_t type, uint64_t n,
                 const void *value, bool packed);
// Writes fixed-length ASCII texts, row-major (n, width), zero-padded.
hid_t h5w_texts(struct h5w *w, hid_t group, const char *name, uint64_t n, size_t width,
                const char *text);
void h5w_text_attr(struct h5w *w, hid_t object, const char *name, const char *text);
void h5w_int_attr(struct h5w *w, hid_t object, const char *name, int value);
void h5w_check(struct h5w *w, bool ok);

#endif
