// SPDX-License-Identifier: Apache-2.0
// Writes an HDF5 file. A call that fails sets `failed` and later calls do no harm, so that only the
// end has to look.
#ifndef ASSAY_SRC_STORE_H5WRITE_H
#define ASSAY_SRC_STORE_H5WRITE_H

#include "assay/store.h"

#include "h5disk.h"

#include <hdf5.h>

// Root attributes "assay_results" and "assay_series". In format 1 texts were ASCII and codes
// numbers, and nothing named a dimension; it is still read.
enum { ASSAY_RESULTS_VERSION = 2, ASSAY_SERIES_VERSION = 2 };

struct h5w {
    hid_t file, driver;
    struct h5disk disk; // why: a write to it failed
    bool failed;        // a call of HDF5 did, or there was no memory
    int status;         // what else ended it: an error, in err, or the pause's own status
    const struct assay_pause *pause;
    struct assay_err *err;
};

// Begins a file in fd, which is borrowed until the end; w must stay where it is until then.
void h5w_start(struct h5w *w, int fd, const struct assay_pause *pause, struct assay_err *err);
// Ends the file; true: it is whole, unless a write failed.
bool h5w_finish(struct h5w *w);
// Lets others work for a moment; false: nothing more is to be written.
bool h5w_pause(struct h5w *w);

// Makes a group, whose members keep the order of their creation.
hid_t h5w_group(struct h5w *w, const char *name);
// How the values of a data set lie in the file: at one place; in chunks, each with a checksum; or
// such chunks compressed.
enum h5w_filter { H5W_PLAIN, H5W_CHECKED, H5W_PACKED };
// Makes a data set of ndim dimensions, which the caller closes by H5Dclose.
hid_t h5w_set(struct h5w *w, hid_t group, const char *name, hid_t type, int ndim,
              const hsize_t *dim, enum h5w_filter filter);
// Gives rows [first, first + n) of a data set, at most those of a chunk, or NULL after an error,
// which is w's then. They are read before the next call.
struct h5w_rows {
    void *self;
    const void *(*get)(void *self, uint64_t first, uint64_t n, struct h5w *w);
};
uint64_t h5w_rows_most(int ndim, const hsize_t *dim); // the most that get is asked for
// Writes all rows of a data set, a chunk at a time, with pauses between.
void h5w_put(struct h5w *w, hid_t set, hid_t type, int ndim, const hsize_t *dim,
             const struct h5w_rows *rows);
// Writes a 1-D data set with all its values.
hid_t h5w_vector(struct h5w *w, hid_t group, const char *name, hid_t type, uint64_t n,
                 const void *value, bool packed);
// Writes fixed-length UTF-8 texts, row-major (n, width), zero-padded. Those of variable length
// would lie in HDF5's global heap, which is neither compressed nor has checksums, and which a
// forged file makes HDF5 read beyond its memory; xarray decodes fixed ones by their attribute
// _Encoding.
hid_t h5w_texts(struct h5w *w, hid_t group, const char *name, uint64_t n, size_t width,
                const char *text);
void h5w_text_attr(struct h5w *w, hid_t object, const char *name, const char *text);
void h5w_int_attr(struct h5w *w, hid_t object, const char *name, int value);
void h5w_check(struct h5w *w, bool ok);

#endif
