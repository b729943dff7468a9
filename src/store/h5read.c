// SPDX-License-Identifier: Apache-2.0
#include "h5read.h"

#include "assay/h5.h"

#include <string.h>

// ---- attributes --------------------------------------------------------------------------------

static int damaged(const char *file, const char *name, const char *what, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: damaged: attribute %s %s", file, name, what);
}

static int open_scalar(hid_t *attr, hid_t object, const char *name, H5T_class_t class,
                       const char *file, struct assay_err *err)
{
    *attr = H5Aopen(object, name, H5P_DEFAULT);
    if (*attr < 0) return damaged(file, name, "cannot be read", err);
    const hid_t type = H5Aget_type(*attr), space = H5Aget_space(*attr);
    const bool scalar = H5Sget_simple_extent_type(space) == H5S_SCALAR;
    const bool right = H5Tget_class(type) == class;
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (scalar && right) return ASSAY_OK;
    H5Aclose(*attr);
    if (!scalar) return damaged(file, name, "is not a scalar", err);
    return damaged(file, name, class == H5T_STRING ? "is not a text" : "is not an integer", err);
}

int h5r_int(int *value, hid_t object, const char *name, const char *file, struct assay_err *err)
{
    hid_t attr;
    ASSAY_TRY(open_scalar(&attr, object, name, H5T_INTEGER, file, err));
    const bool read = H5Aread(attr, H5T_NATIVE_INT, value) >= 0;
    H5Aclose(attr);
    return read ? ASSAY_OK : damaged(file, name, "cannot be read", err);
}

static const char *read_varying(char *text, size_t cap, hid_t attr, hid_t type)
{
    char *value = NULL;
    const char *fault = NULL;
    if (H5Aread(attr, type, &value) < 0 || !value)
        fault = "cannot be read";
    else if (strlen(value) >= cap)
        fault = "is too long a text";
    else
        strcpy(text, value);
    if (value) H5free_memory(value);
    return fault;
}

static const char *read_fixed(char *text, size_t cap, hid_t attr, hid_t type)
{
    if (H5Tget_size(type) >= cap) return "is too long a text";
    memset(text, 0, cap);
    return H5Aread(attr, type, text) < 0 ? "cannot be read" : NULL;
}

static int read_text(char *text, size_t cap, hid_t object, const char *name, const char *file,
                     struct assay_err *err)
{
    hid_t attr;
    ASSAY_TRY(open_scalar(&attr, object, name, H5T_STRING, file, err));
    const hid_t type = H5Aget_type(attr);
    const char *fault = H5Tis_variable_str(type) > 0 ? read_varying(text, cap, attr, type)
                                                     : read_fixed(text, cap, attr, type);
    H5Tclose(type);
    H5Aclose(attr);
    return fault ? damaged(file, name, fault, err) : ASSAY_OK;
}

int h5r_text(char *text, size_t cap, hid_t object, const char *name, const char *file,
             struct assay_err *err)
{
    ASSAY_TRY(read_text(text, cap, object, name, file, err));
    const char *fault = assay_text_fault(text);
    return fault ? damaged(file, name, fault, err) : ASSAY_OK;
}

// Line ends are what a text of one line must not have.
int h5r_lines(char *text, size_t cap, hid_t object, const char *name, const char *file,
              struct assay_err *err)
{
    const char *fault = NULL;
    ASSAY_TRY(read_text(text, cap, object, name, file, err));
    for (char *at = text; *at && !fault;) {
        char *end = at + strcspn(at, "\n\t");
        const char mark = *end;
        *end = '\0';
        fault = assay_text_fault(at);
        *end = mark;
        at = end + (mark != '\0');
    }
    return fault ? damaged(file, name, fault, err) : ASSAY_OK;
}

// ---- data sets ---------------------------------------------------------------------------------

const char *h5r_link_fault(hid_t group, const char *name)
{
    H5L_info_t link;
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0) return "is missing";
    return link.type == H5L_TYPE_HARD ? NULL : "is a link to something else";
}

// The number of chunks that all values take; 0: the chunks cannot be read.
static uint64_t chunks_needed(hid_t plist, const struct h5r_shape *shape)
{
    hsize_t chunk[H5R_DIMS];
    uint64_t needed = 1;
    if (H5Pget_chunk(plist, H5R_DIMS, chunk) != (int)shape->n) return 0;
    for (unsigned i = 0; i < shape->n; i++) {
        if (!chunk[i]) return 0;
        const uint64_t n = shape->dim[i] / chunk[i] + (shape->dim[i] % chunk[i] > 0);
        if (__builtin_mul_overflow(needed, n, &needed)) return 0;
    }
    return needed;
}

static bool chunks_stored(hid_t set, hid_t plist, hid_t space, const struct h5r_shape *shape)
{
    hsize_t stored = 0;
    const uint64_t needed = chunks_needed(plist, shape);
    return H5Dget_num_chunks(set, space, &stored) >= 0 && stored >= needed &&
           (needed || !shape->values);
}

static bool allocated(hid_t set)
{
    H5D_space_status_t status;
    return H5Dget_space_status(set, &status) >= 0 && status == H5D_SPACE_STATUS_ALLOCATED;
}

// What is wrong with how a data set is stored: HDF5 reads what was never stored as zeros, however
// much that is.
static const char *storage_fault(hid_t set, hid_t space, const struct h5r_shape *shape)
{
    const hid_t plist = H5Dget_create_plist(set);
    const H5D_layout_t layout = H5Pget_layout(plist);
    const bool outside = layout == H5D_VIRTUAL || H5Pget_external_count(plist) > 0;
    const bool stored = layout == H5D_CHUNKED
                            ? chunks_stored(set, plist, space, shape)
                            : shape->values == 0 || layout == H5D_COMPACT || allocated(set);
    if (plist >= 0) H5Pclose(plist);
    if (layout < 0 || outside) return "has its values in another file";
    return stored ? NULL : "was created, but never filled";
}

// How many values are read at once: all, or those of a chunk where it is larger, since HDF5 unpacks
// whole chunks.
static uint64_t values_read(hid_t set, uint64_t n)
{
    hsize_t chunk[H5R_DIMS];
    uint64_t values = 0;
    const hid_t plist = H5Dget_create_plist(set);
    const int dims = H5Pget_layout(plist) == H5D_CHUNKED ? H5Pget_chunk(plist, H5R_DIMS, chunk) : 0;
    for (int i = 0; i < dims && i < H5R_DIMS; i++)
        if (__builtin_mul_overflow(i ? values : 1, chunk[i], &values)) values = UINT64_MAX;
    if (plist >= 0) H5Pclose(plist);
    return values > n ? values : n;
}

// What is wrong with a data set's size: no compression gets further than DEFLATE_MOST, and deflate
// itself not beyond 1032.
static const char *size_fault(hid_t set, uint64_t n)
{
    enum { DEFLATE_MOST = 2048 };
    hsize_t file_bytes = 0;
    uint64_t bytes = 0;
    const hid_t type = H5Dget_type(set), file = H5Iget_file_id(set);
    const uint64_t stored = H5Dget_storage_size(set);
    const bool known = H5Fget_filesize(file, &file_bytes) >= 0 && type >= 0 &&
                       !__builtin_mul_overflow(values_read(set, n), H5Tget_size(type), &bytes);
    if (file >= 0) H5Fclose(file);
    if (type >= 0) H5Tclose(type);
    if (known && stored <= file_bytes && bytes / DEFLATE_MOST <= stored) return NULL;
    return "is larger than the file can hold";
}

static bool get_shape(hid_t space, struct h5r_shape *shape)
{
    const bool simple = H5Sget_simple_extent_type(space) == H5S_SIMPLE;
    const int dims = simple ? H5Sget_simple_extent_ndims(space) : 0;
    *shape = (struct h5r_shape){.values = 1};
    if (dims < 1 || dims > H5R_DIMS) return false;
    shape->n = (unsigned)dims;
    if (H5Sget_simple_extent_dims(space, shape->dim, NULL) != dims) return false;
    for (int i = 0; i < dims; i++)
        if (__builtin_mul_overflow(shape->values, shape->dim[i], &shape->values)) return false;
    return true;
}

const char *h5r_shape_fault(hid_t set, struct h5r_shape *shape)
{
    const hid_t space = H5Dget_space(set);
    const char *fault = "is not of one to three dimensions";
    if (get_shape(space, shape)) fault = storage_fault(set, space, shape);
    if (space >= 0) H5Sclose(space);
    if (!fault) fault = size_fault(set, shape->values);
    return fault ? fault : assay_h5_chunks_fault(set);
}

const char *h5r_set_fault(hid_t set, uint64_t *n)
{
    const hid_t space = H5Dget_space(set);
    struct h5r_shape shape;
    const bool line = get_shape(space, &shape) && shape.n == 1;
    if (space >= 0) H5Sclose(space);
    *n = shape.dim[0];
    return line ? h5r_shape_fault(set, &shape) : "is not one-dimensional";
}

const char *h5r_type_fault(hid_t set, hid_t memory)
{
    const hid_t type = H5Dget_type(set);
    const H5T_class_t is = H5Tget_class(type), wanted = H5Tget_class(memory);
    if (type >= 0) H5Tclose(type);
    if (is == wanted || (wanted == H5T_FLOAT && is == H5T_INTEGER)) return NULL;
    if (wanted == H5T_INTEGER && is == H5T_ENUM) return NULL;
    if (wanted == H5T_STRING) return "holds no texts";
    return wanted == H5T_FLOAT ? "holds no numbers" : "holds no integers";
}

hid_t h5r_text_type(hid_t set)
{
    const hid_t type = H5Dget_type(set);
    const bool fixed = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    hid_t memory = H5I_INVALID_HID;
    if (fixed) memory = H5Tcopy(H5T_C_S1);
    // HDF5 does not convert from one character set to another.
    if (fixed && (H5Tset_size(memory, H5Tget_size(type) + 1) < 0 ||
                  H5Tset_cset(memory, H5Tget_cset(type)) < 0)) {
        H5Tclose(memory);
        memory = H5I_INVALID_HID;
    }
    if (type >= 0) H5Tclose(type);
    return memory;
}
