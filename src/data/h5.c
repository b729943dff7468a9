// SPDX-License-Identifier: Apache-2.0
#include "h5.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int h5_split(struct h5_place *place, const char *where, struct assay_err *err)
{
    const char *colon = NULL;
    for (const char *at = where; (at = strstr(at, ":/")); at++) colon = at;
    if (!colon || colon == where)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "'%s': expected file.h5:/path/inside", where);
    const size_t n = (size_t)(colon - where);
    if (strlen(where) >= ASSAY_TEXT_MAX)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "'%.100s...': longer than %d bytes", where,
                             ASSAY_TEXT_MAX - 1);
    memcpy(place->file, where, n);
    place->file[n] = 0;
    strcpy(place->path, colon + 1);
    return ASSAY_OK;
}

int h5_open(hid_t *file, const char *name, struct assay_err *err)
{
    struct stat st;
    assay_h5_start();
    if (stat(name, &st) != 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s; expected an HDF5 file", name,
                             strerror(errno));
    if (!S_ISREG(st.st_mode))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a regular file; expected an HDF5 file",
                             name);
    if (H5Fis_hdf5(name) == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: not an HDF5 file (%lld bytes, no HDF5 signature)", name,
                             (long long)st.st_size);
    *file = H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (*file >= 0) return ASSAY_OK;
    char why[256];
    assay_h5_reason(why, sizeof why);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: unreadable, truncated or damaged HDF5 file (%s)", name, why);
}

// The path up to the first part that is an external link; "" when none is.
static void find_external(hid_t parent, const char *path, char part[ASSAY_TEXT_MAX])
{
    H5L_info_t link;
    size_t n = 0;
    while (path[n]) {
        n += strspn(path + n, "/");
        n += strcspn(path + n, "/");
        snprintf(part, ASSAY_TEXT_MAX, "%.*s", (int)n, path);
        if (H5Lget_info(parent, part, &link, H5P_DEFAULT) < 0) break;
        if (link.type == H5L_TYPE_EXTERNAL) return;
    }
    part[0] = 0;
}

int h5_no_object(hid_t parent, const char *path, const char *who, const char *what,
                 struct assay_err *err)
{
    char part[ASSAY_TEXT_MAX];
    find_external(parent, path, part);
    if (!*part) return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s", who, what);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: '%s' is a link into another file; expected values of this file", who,
                         part);
}

int h5_shape(struct h5_shape *shape, hid_t set, const char *who, struct assay_err *err)
{
    hsize_t dim[H5S_MAX_RANK] = {0};
    const hid_t space = H5Dget_space(set);
    const bool has_extent = H5Sget_simple_extent_type(space) != H5S_NULL;
    const int ndim = H5Sget_simple_extent_dims(space, dim, NULL);
    H5Sclose(space);
    *shape = (struct h5_shape){.ndim = ndim > 0 ? (unsigned)ndim : 0, .size = 1};
    for (unsigned i = 0; i < shape->ndim; i++) {
        shape->dim[i] = dim[i];
        if (__builtin_mul_overflow(shape->size, dim[i], &shape->size))
            return assay_err_set(err, ASSAY_ERR_INPUT, "%s: more values than memory can hold", who);
    }
    if (!has_extent || ndim < 0 || shape->size == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: the data set is empty", who);
    return ASSAY_OK;
}

void h5_shape_text(const struct h5_shape *shape, char *text, size_t cap)
{
    size_t n = (size_t)snprintf(text, cap, "(");
    for (unsigned i = 0; i < shape->ndim && n < cap; i++)
        n += (size_t)snprintf(text + n, cap - n, "%s%llu", i ? "," : "",
                              (unsigned long long)shape->dim[i]);
    if (n < cap) snprintf(text + n, cap - n, ")");
}

int h5_read_into(void *to, hid_t set, hid_t type, const char *who, struct assay_err *err)
{
    if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, to) >= 0) return ASSAY_OK;
    char why[256];
    assay_h5_reason(why, sizeof why);
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: unreadable or damaged data set (%s)", who, why);
}

int h5_read(void **out, hid_t set, hid_t type, const struct h5_shape *shape, const char *who,
            struct assay_err *err)
{
    size_t bytes;
    void *value = NULL;
    if (!__builtin_mul_overflow(shape->size, H5Tget_size(type), &bytes)) value = malloc(bytes);
    if (!value)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: no memory for %llu values", who,
                             (unsigned long long)shape->size);
    const int status = h5_read_into(value, set, type, who, err);
    if (status < 0)
        free(value);
    else
        *out = value;
    return status;
}

static const char *kind_words(H5T_class_t class)
{
    switch (class) {
    case H5T_STRING:
        return "text";
    case H5T_COMPOUND:
        return "compound values, such as complex numbers";
    case H5T_ENUM:
        return "enumerated values, such as booleans";
    case H5T_VLEN:
    case H5T_ARRAY:
        return "arrays in each element";
    case H5T_REFERENCE:
        return "references";
    default:
        return "opaque values";
    }
}

void h5_type(struct h5_type *type, hid_t set)
{
    const hid_t id = H5Dget_type(set);
    const H5T_class_t class = H5Tget_class(id);
    *type = (struct h5_type){.is_float = class == H5T_FLOAT, .is_integer = class == H5T_INTEGER};
    const char *kind = "floating point";
    if (type->is_integer) {
        type->is_signed = H5Tget_sign(id) != H5T_SGN_NONE;
        kind = type->is_signed ? "signed integers" : "unsigned integers";
    }
    if (type->is_float || type->is_integer) {
        type->bits = (unsigned)H5Tget_precision(id);
        type->wide = H5Tget_size(id) > sizeof(double);
        snprintf(type->words, sizeof type->words, "%u-bit %s", type->bits, kind);
    } else {
        snprintf(type->words, sizeof type->words, "%s", kind_words(class));
    }
    H5Tclose(id);
}

size_t h5_unpacking(hid_t set)
{
    hsize_t dim[H5S_MAX_RANK];
    const hid_t create = H5Dget_create_plist(set), type = H5Dget_type(set);
    size_t bytes = 0;
    if (H5Pget_layout(create) == H5D_CHUNKED && H5Pget_nfilters(create) > 0) {
        const int n = H5Pget_chunk(create, H5S_MAX_RANK, dim);
        bytes = n > 0 ? 2 * H5Tget_size(type) : 0;
        for (int i = 0; i < n; i++) bytes *= dim[i]; // a chunk is smaller than 4 GiB
    }
    H5Tclose(type);
    H5Pclose(create);
    return bytes;
}
