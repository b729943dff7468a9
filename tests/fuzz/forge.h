// SPDX-License-Identifier: Apache-2.0
// Edits of an HDF5 file as an input says: other attributes, types, shapes, layouts, filters, values
// and links, all of them made by the library, so that what is read is the file's word.
#ifndef ASSAY_TESTS_FUZZ_FORGE_H
#define ASSAY_TESTS_FUZZ_FORGE_H

#include <hdf5.h>

#include "fuzz.h"

// ---- types --------------------------------------------------------------------------------------
static inline hid_t text_type(size_t width)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, width);
    return type;
}

static inline hid_t compound_type(void)
{
    const hid_t type = H5Tcreate(H5T_COMPOUND, 16);
    H5Tinsert(type, "r", 0, H5T_NATIVE_DOUBLE);
    H5Tinsert(type, "i", 8, H5T_NATIVE_DOUBLE);
    return type;
}

static inline hid_t enum_type(void)
{
    const hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
    int8_t value = 0;
    H5Tenum_insert(type, "FALSE", &value);
    value = 1;
    H5Tenum_insert(type, "TRUE", &value);
    return type;
}

static inline hid_t wide_float(size_t bytes)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F64LE);
    H5Tset_size(type, 8 + bytes % 4096);
    return type;
}

static inline hid_t odd_integer(uint8_t bits)
{
    const hid_t type = H5Tcopy(bits % 2 ? H5T_STD_I64BE : H5T_STD_U32LE);
    H5Tset_precision(type, 1 + bits % 32);
    H5Tset_offset(type, bits % 8);
    return type;
}

static inline hid_t take_type(struct input *in)
{
    const hsize_t dim[2] = {2, 3};
    const uint8_t kind = take_byte(in), more = take_byte(in);
    switch (kind % 16) {
    case 0:
        return H5Tcopy(H5T_IEEE_F32LE);
    case 1:
    case 2:
        return H5Tcopy(H5T_IEEE_F64LE);
    case 3:
        return H5Tcopy(H5T_STD_I32LE);
    case 4:
        return H5Tcopy(H5T_STD_U64BE);
    case 5:
        return H5Tcopy(H5T_STD_U8LE);
    case 6:
    case 7:
        return text_type(1 + more);
    case 8:
        return text_type(1u << more % 20);
    case 9:
        return text_type(H5T_VARIABLE);
    case 10:
        return compound_type();
    case 11:
        return enum_type();
    case 12:
        return more % 2 ? H5Tarray_create2(H5T_NATIVE_INT, 2, dim) : H5Tvlen_create(H5T_NATIVE_INT);
    case 13:
        return more % 2 ? H5Tcopy(H5T_STD_REF_OBJ) : H5Tcreate(H5T_OPAQUE, 1 + more);
    case 14:
        return wide_float((size_t)more * 16);
    default:
        return odd_integer(more);
    }
}

// Values that are bytes, not addresses in memory.
static inline bool is_flat(hid_t type)
{
    return H5Tdetect_class(type, H5T_VLEN) <= 0 && H5Tis_variable_str(type) <= 0 &&
           H5Tdetect_class(type, H5T_REFERENCE) <= 0;
}

// ---- shapes -------------------------------------------------------------------------------------
struct shape {
    int ndim;
    hsize_t dim[H5S_MAX_RANK], most[H5S_MAX_RANK];
    uint64_t n; // values, where they are few
};

// Mostly one dimension of `usual`.
static inline hid_t take_shape(struct input *in, struct shape *s, hsize_t usual)
{
    const uint8_t kind = take_byte(in);
    *s = (struct shape){.ndim = 1, .dim = {usual}, .most = {usual}, .n = usual};
    if (kind == 255) return H5Screate(H5S_NULL);
    if (kind > 240) return s->ndim = 0, s->n = 1, H5Screate(H5S_SCALAR);
    if (kind > 128) {
        s->ndim = 1 + kind % 5;
        s->n = 1;
        for (int i = 0; i < s->ndim; i++) {
            s->dim[i] = kind % 2 ? take_byte(in) % 9 : take_size(in) & INT64_MAX;
            s->most[i] = kind % 4 ? s->dim[i] : H5S_UNLIMITED;
            if (__builtin_mul_overflow(s->n, s->dim[i], &s->n)) s->n = UINT64_MAX;
        }
    }
    return H5Screate_simple(s->ndim, s->dim, s->most);
}

static inline hid_t take_layout(struct input *in, const struct shape *s)
{
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    const uint8_t kind = take_byte(in);
    hsize_t chunk[H5S_MAX_RANK];
    if (kind < 96) return plist;
    if (kind < 112) return H5Pset_layout(plist, H5D_COMPACT), plist;
    if (kind < 120) return H5Pset_external(plist, "/dev/zero", 0, H5F_UNLIMITED), plist;
    for (int i = 0; i < s->ndim; i++) {
        chunk[i] = 1 + take_byte(in) % 16;
        if (s->ndim == 1 && kind % 4 == 0) chunk[i] = 1u << chunk[i]; // not too many to write
    }
    if (s->ndim) H5Pset_chunk(plist, s->ndim, chunk);
    if (kind & 1) H5Pset_deflate(plist, 6);
    if (kind & 2) H5Pset_shuffle(plist);
    if (kind & 8) H5Pset_fletcher32(plist);
    return plist;
}

// ---- edits --------------------------------------------------------------------------------------
static inline void write_values(struct input *in, hid_t set, hid_t type, uint64_t n)
{
    const size_t size = H5Tget_size(type), most = 1 << 16;
    const hsize_t start[H5S_MAX_RANK] = {0};
    const uint8_t how = take_byte(in);
    char raw[64] = "";
    if (!n || !size || n > most / size || how < 16 || !is_flat(type)) return;
    if (how < 24) {
        take(in, raw, sizeof raw);
        H5Dwrite_chunk(set, H5P_DEFAULT, how % 4, start, how % sizeof raw, raw);
        return;
    }
    unsigned char *value = calloc(n, size);
    if (!value) abort();
    if (how % 2)
        for (uint64_t i = 0; i < n; i++) value[i * size] = (unsigned char)i;
    else
        take(in, value, n * size);
    H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
    free(value);
}

static inline void put_set(struct input *in, hid_t file, const char *name, hsize_t usual)
{
    struct shape shape;
    const hid_t type = take_type(in), space = take_shape(in, &shape, usual);
    const hid_t plist = take_layout(in, &shape);
    H5Ldelete(file, name, H5P_DEFAULT);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (set >= 0) write_values(in, set, type, shape.n);
    if (set >= 0) H5Dclose(set);
    H5Pclose(plist);
    if (space >= 0) H5Sclose(space);
    H5Tclose(type);
}

static inline void put_attribute(struct input *in, hid_t file, const char *name)
{
    struct shape shape;
    const hid_t type = take_type(in);
    const hid_t space = take_shape(in, &shape, 1);
    const size_t size = H5Tget_size(type);
    const bool small = shape.n <= (1 << 20) / size;
    H5Adelete(file, name);
    const hid_t attr =
        small ? H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : H5I_INVALID_HID;
    char *text = "null", *value = calloc(small ? shape.n + 1 : 1, size);
    if (!value) abort();
    if (attr >= 0 && H5Tis_variable_str(type) > 0 && shape.n == 1) {
        H5Awrite(attr, type, &text);
    } else if (attr >= 0 && is_flat(type)) {
        take(in, value, shape.n * size < 300 ? shape.n * size : 300);
        H5Awrite(attr, type, value);
    }
    free(value);
    if (attr >= 0) H5Aclose(attr);
    if (space >= 0) H5Sclose(space);
    H5Tclose(type);
}

static inline void put_link(struct input *in, hid_t file, const char *name, const char *other)
{
    const uint8_t kind = take_byte(in) % 8;
    H5Ldelete(file, name, H5P_DEFAULT);
    if (kind < 2)
        H5Lcreate_soft(other, file, name, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind < 4)
        H5Lcreate_hard(file, other, file, name, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind < 5)
        H5Lcreate_soft(name, file, name, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind < 6)
        H5Lcreate_hard(file, "/", file, name, H5P_DEFAULT, H5P_DEFAULT);
    else if (kind < 7)
        H5Gclose(H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    // 7: missing
}

// The library's own count wraps around.
static inline uint64_t count_values(hid_t space)
{
    hsize_t dim[H5S_MAX_RANK];
    const int ndim = H5Sget_simple_extent_dims(space, dim, NULL);
    uint64_t n = H5Sget_simple_extent_type(space) != H5S_NULL;
    for (int i = 0; i < ndim; i++)
        if (__builtin_mul_overflow(n, dim[i], &n)) return UINT64_MAX;
    return n;
}

// Single values of what is there, as far as they fit.
static inline void poke(struct input *in, hid_t file, const char *name)
{
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) return;
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const size_t size = H5Tget_size(type);
    const uint64_t n = count_values(space);
    if (n > 0 && n < 4096 && size < 4096 && is_flat(type)) {
        unsigned char *value = calloc(n, size);
        if (!value) abort();
        H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
        take(in, value + take_byte(in) % n * size, size < 16 ? size : 16);
        H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
        free(value);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(set);
}

#define FORGED "/dev/shm/assay-fuzz-%ld.h5"
static inline void remove_forged(void)
{
    char path[64];
    snprintf(path, sizeof path, FORGED, (long)getpid());
    unlink(path);
}

// One edit of the file's things of these names.
static inline void edit(struct input *in, hid_t file, const char *const *name, size_t n,
                        const char *const *attr, size_t n_attr, hsize_t usual)
{
    const uint8_t kind = take_byte(in);
    const char *this = name[take_byte(in) % n];
    if (kind < 128)
        poke(in, file, this);
    else if (kind < 200)
        put_set(in, file, this, usual);
    else if (kind < 224)
        put_attribute(in, file, attr[take_byte(in) % n_attr]);
    else
        put_link(in, file, this, name[take_byte(in) % n]);
}

// A file of the image with edits; its name stays the same.
static inline const char *forge(struct input *in, const void *image, size_t n,
                                const char *const *name, size_t n_name, const char *const *attr,
                                size_t n_attr, hsize_t usual)
{
    static char path[64];
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (!*path) atexit(remove_forged);
    snprintf(path, sizeof path, FORGED, (long)getpid());
    unlink(path);
    H5Pset_fapl_core(access, 1 << 16, 1);
    if (H5Pset_file_image(access, (void *)(uintptr_t)image, n) < 0) abort();
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
    H5Pclose(access);
    if (file < 0) abort();
    for (unsigned edits = take_byte(in) % 6; edits > 0; edits--)
        edit(in, file, name, n_name, attr, n_attr, usual);
    H5Fclose(file);
    return path;
}

#endif
