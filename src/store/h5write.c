// SPDX-License-Identifier: Apache-2.0
#include "h5write.h"

#include "assay/h5.h"

enum { CHUNK_VALUES = 1 << 15, DEFLATE_LEVEL = 1 };

void h5w_check(struct h5w *w, bool ok)
{
    if (!ok) w->failed = true;
}

// ---- the file ----------------------------------------------------------------------------------

// Format 1.10 puts a checksum on all metadata, so that damage is an error and not a crash of the
// reader. No object carries its time of creation.
void h5w_start(struct h5w *w, int fd, const struct assay_pause *pause, struct assay_err *err)
{
    assay_guard_begin("HDF5");
    assay_h5_start();
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    *w = (struct h5w){.disk = {.fd = fd}, .pause = pause, .err = err};
    w->driver = h5disk_use(access, &w->disk);
    h5w_check(w, w->driver >= 0);
    h5w_check(w, H5Pset_meta_block_size(access, 0) >= 0);
    h5w_check(w, H5Pset_small_data_block_size(access, 0) >= 0);
    h5w_check(w, H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0);
    h5w_check(w, H5Pset_obj_track_times(create, false) >= 0);
    w->file = w->failed ? -1 : H5Fcreate("results.h5", H5F_ACC_TRUNC, create, access);
    h5w_check(w, w->file >= 0);
    H5Pclose(create);
    H5Pclose(access);
}

bool h5w_finish(struct h5w *w)
{
    if (w->file >= 0) h5w_check(w, H5Fclose(w->file) >= 0);
    if (w->driver >= 0) H5FDunregister(w->driver);
    assay_guard_end();
    return !w->failed && !w->status;
}

bool h5w_pause(struct h5w *w)
{
    if (w->pause && !w->failed && !w->status) {
        assay_guard_end(); // what happens meanwhile is not HDF5's
        w->status = w->pause->call(w->pause->self, w->err);
        assay_guard_begin("HDF5");
    }
    return !w->failed && !w->status;
}

// ---- what is in it -----------------------------------------------------------------------------

hid_t h5w_group(struct h5w *w, const char *name)
{
    const hid_t create = H5Pcreate(H5P_GROUP_CREATE);
    h5w_check(w, H5Pset_obj_track_times(create, false) >= 0);
    h5w_check(
        w, H5Pset_link_creation_order(create, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0);
    const hid_t group = H5Gcreate2(w->file, name, H5P_DEFAULT, create, H5P_DEFAULT);
    h5w_check(w, group >= 0);
    H5Pclose(create);
    return group;
}

// Chunks are whole rows, of about CHUNK_VALUES values.
uint64_t h5w_rows_most(int ndim, const hsize_t *dim)
{
    hsize_t per_row = 1;
    for (int i = 1; i < ndim; i++) per_row *= dim[i];
    const hsize_t rows = per_row < CHUNK_VALUES ? CHUNK_VALUES / per_row : 1;
    return rows < dim[0] ? rows : dim[0];
}

static bool set_chunks(hid_t create, int ndim, const hsize_t *dim, enum h5w_filter filter)
{
    hsize_t chunk[H5S_MAX_RANK];
    for (int i = 0; i < ndim; i++) chunk[i] = i ? dim[i] : h5w_rows_most(ndim, dim);
    if (H5Pset_chunk(create, ndim, chunk) < 0) return false;
    if (filter == H5W_PACKED &&
        (H5Pset_shuffle(create) < 0 || H5Pset_deflate(create, DEFLATE_LEVEL) < 0))
        return false;
    return H5Pset_fletcher32(create) >= 0;
}

hid_t h5w_set(struct h5w *w, hid_t group, const char *name, hid_t type, int ndim,
              const hsize_t *dim, enum h5w_filter filter)
{
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(ndim, dim, NULL);
    bool empty = false;
    h5w_check(w, H5Pset_obj_track_times(create, false) >= 0);
    for (int i = 0; i < ndim; i++) empty |= dim[i] == 0;
    if (filter != H5W_PLAIN && !empty) h5w_check(w, set_chunks(create, ndim, dim, filter));
    const hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    h5w_check(w, set >= 0);
    H5Sclose(space);
    H5Pclose(create);
    return set;
}

static void put_block(struct h5w *w, hid_t set, hid_t type, int ndim, const hsize_t *dim,
                      hsize_t first, hsize_t n, const void *value)
{
    hsize_t start[H5S_MAX_RANK] = {first}, count[H5S_MAX_RANK];
    for (int i = 0; i < ndim; i++) count[i] = i ? dim[i] : n;
    const hid_t file = H5Dget_space(set), memory = H5Screate_simple(ndim, count, NULL);
    h5w_check(w, H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0);
    h5w_check(w, H5Dwrite(set, type, memory, file, H5P_DEFAULT, value) >= 0);
    H5Sclose(memory);
    H5Sclose(file);
}

void h5w_put(struct h5w *w, hid_t set, hid_t type, int ndim, const hsize_t *dim,
             const struct h5w_rows *rows)
{
    const hsize_t most = h5w_rows_most(ndim, dim);
    for (hsize_t first = 0; first < dim[0] && h5w_pause(w); first += most) {
        const hsize_t n = dim[0] - first < most ? dim[0] - first : most;
        const void *value = rows->get(rows->self, first, n, w);
        if (value && !w->failed) put_block(w, set, type, ndim, dim, first, n, value);
    }
}

// Values that are all in memory.
struct whole {
    const char *value;
    size_t size;
};

static const void *get_whole(void *self, uint64_t first, uint64_t n, struct h5w *w)
{
    const struct whole *whole = self;
    (void)n, (void)w;
    return whole->value + first * whole->size;
}

hid_t h5w_vector(struct h5w *w, hid_t group, const char *name, hid_t type, uint64_t n,
                 const void *value, bool packed)
{
    const hsize_t dim[1] = {n};
    struct whole whole = {value, H5Tget_size(type)};
    const hid_t set = h5w_set(w, group, name, type, 1, dim, packed ? H5W_PACKED : H5W_PLAIN);
    if (!w->failed)
        h5w_put(w, set, type, 1, dim, &(struct h5w_rows){.self = &whole, .get = get_whole});
    return set;
}

hid_t h5w_texts(struct h5w *w, hid_t group, const char *name, uint64_t n, size_t width,
                const char *text)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    h5w_check(w, H5Tset_size(type, width) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 &&
                     H5Tset_cset(type, H5T_CSET_UTF8) >= 0);
    const hid_t set = h5w_vector(w, group, name, type, n, text, true);
    H5Tclose(type);
    h5w_text_attr(w, set, "_Encoding", "utf-8");
    return set;
}

static void put_attr(struct h5w *w, hid_t object, const char *name, hid_t type, const void *value)
{
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attr = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    h5w_check(w, attr >= 0 && H5Awrite(attr, type, value) >= 0);
    if (attr >= 0) H5Aclose(attr);
    H5Sclose(space);
}

// The text is of variable length, which h5py gives as str.
void h5w_text_attr(struct h5w *w, hid_t object, const char *name, const char *text)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    const char *value = text ? text : "";
    h5w_check(w, H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0);
    put_attr(w, object, name, type, &value);
    H5Tclose(type);
}

void h5w_int_attr(struct h5w *w, hid_t object, const char *name, int value)
{
    put_attr(w, object, name, H5T_NATIVE_INT, &value);
}
