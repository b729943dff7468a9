// SPDX-License-Identifier: Apache-2.0
#include "h5write.h"

#include "assay/h5.h"

#include <stdlib.h>

enum { MEMORY_STEP = 1 << 20, CHUNK_VALUES = 1 << 15, DEFLATE_LEVEL = 1 };

void h5w_check(struct h5w *w, bool ok)
{
    if (!ok) w->failed = true;
}

// ---- the file ----------------------------------------------------------------------------------

static void *image_malloc(size_t n, H5FD_file_image_op_t op, void *w)
{
    (void)op, (void)w;
    return malloc(n);
}

static void *image_realloc(void *image, size_t n, H5FD_file_image_op_t op, void *w)
{
    (void)op, (void)w;
    return realloc(image, n);
}

// The bytes that H5Fclose would free are kept instead: they outlive the file.
static herr_t image_free(void *image, H5FD_file_image_op_t op, void *w)
{
    if (op == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
        ((struct h5w *)w)->image = image;
    else
        free(image);
    return 0;
}

static void *borrow(void *w)
{
    return w;
}

static herr_t give_back(void *w)
{
    (void)w;
    return 0;
}

// The core driver keeps the file in memory: a full disk is then met by our own write(2), where it
// can be reported, and never inside H5Fclose. Format 1.10 puts a checksum on all metadata, so that
// damage is an error and not a crash of the reader. No object carries its time of creation.
void h5w_start(struct h5w *w)
{
    H5FD_file_image_callbacks_t image = {.image_malloc = image_malloc,
                                         .image_realloc = image_realloc,
                                         .image_free = image_free,
                                         .udata_copy = borrow,
                                         .udata_free = give_back,
                                         .udata = w};
    assay_guard_begin("HDF5");
    assay_h5_start();
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    *w = (struct h5w){0};
    h5w_check(w, H5Pset_fapl_core(access, MEMORY_STEP, false) >= 0);
    h5w_check(w, H5Pset_file_image_callbacks(access, &image) >= 0);
    h5w_check(w, H5Pset_meta_block_size(access, 0) >= 0);
    h5w_check(w, H5Pset_small_data_block_size(access, 0) >= 0);
    h5w_check(w, H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0);
    h5w_check(w, H5Pset_obj_track_times(create, false) >= 0);
    w->file = H5Fcreate("results.h5", H5F_ACC_TRUNC, create, access);
    h5w_check(w, w->file >= 0);
    H5Pclose(create);
    H5Pclose(access);
}

void *h5w_finish(struct h5w *w, size_t *n)
{
    h5w_check(w, H5Fflush(w->file, H5F_SCOPE_GLOBAL) >= 0);
    // The file's own size is asked for, since its memory grows in steps and is larger.
    const ssize_t size = H5Fget_file_image(w->file, NULL, 0);
    h5w_check(w, size > 0);
    if (w->file >= 0) h5w_check(w, H5Fclose(w->file) >= 0);
    assay_guard_end();
    if (w->failed) {
        free(w->image);
        w->image = NULL;
    }
    *n = w->image ? (size_t)size : 0;
    return w->image;
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

// Makes chunks of whole rows, of about CHUNK_VALUES values.
static bool set_chunks(hid_t create, int ndim, const hsize_t *dim)
{
    hsize_t chunk[H5S_MAX_RANK], per_row = 1;
    for (int i = 1; i < ndim; i++) per_row *= chunk[i] = dim[i];
    chunk[0] = per_row < CHUNK_VALUES ? CHUNK_VALUES / per_row : 1;
    if (chunk[0] > dim[0]) chunk[0] = dim[0];
    return H5Pset_chunk(create, ndim, chunk) >= 0 && H5Pset_shuffle(create) >= 0 &&
           H5Pset_deflate(create, DEFLATE_LEVEL) >= 0 && H5Pset_fletcher32(create) >= 0;
}

hid_t h5w_set(struct h5w *w, hid_t group, const char *name, hid_t type, int ndim,
              const hsize_t *dim, bool packed)
{
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(ndim, dim, NULL);
    h5w_check(w, H5Pset_obj_track_times(create, false) >= 0);
    for (int i = 0; i < ndim; i++) packed = packed && dim[i] > 0;
    if (packed) h5w_check(w, set_chunks(create, ndim, dim));
    const hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    h5w_check(w, set >= 0);
    H5Sclose(space);
    H5Pclose(create);
    return set;
}

hid_t h5w_vector(struct h5w *w, hid_t group, const char *name, hid_t type, uint64_t n,
                 const void *value, bool packed)
{
    const hsize_t dim[1] = {n};
    const hid_t set = h5w_set(w, group, name, type, 1, dim, packed);
    if (n) h5w_check(w, H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
    return set;
}

hid_t h5w_texts(struct h5w *w, hid_t group, const char *name, uint64_t n, size_t width,
                const char *text)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    h5w_check(w, H5Tset_size(type, width) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0);
    const hid_t set = h5w_vector(w, group, name, type, n, text, true);
    H5Tclose(type);
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
