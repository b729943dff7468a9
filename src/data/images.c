// SPDX-License-Identifier: Apache-2.0
// Images (n,3,h,w) in an HDF5 file, with an optional data set "labels" beside them.
#include "h5.h"
#include "source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// An array being read: its file, the group that holds it, and its name for errors.
struct place {
    hid_t file;
    const char *path, *where;
};

static int check_shape(const struct assay_data *data, const struct assay_h5_shape *shape,
                       const char *where, struct assay_err *err)
{
    const uint32_t side = data->spec.image;
    if (shape->ndim == 4 && shape->dim[1] == CHANNELS && shape->dim[2] == side &&
        shape->dim[3] == side)
        return ASSAY_OK;
    char seen[256];
    assay_h5_shape_text(shape, seen, sizeof seen);
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s; expected (n,%d,%u,%u)", where, seen,
                         CHANNELS, side, side);
}

static int choose_element(struct assay_data *data, hid_t set, const char *where,
                          struct assay_err *err)
{
    size_t size;
    bool is_signed;
    const H5T_class_t class = assay_h5_class(set, &size, &is_signed);
    if (class == H5T_FLOAT)
        data->element = size <= sizeof(float) ? ELEMENT_F32 : ELEMENT_F64;
    else if (class == H5T_INTEGER && size == 1 && !is_signed)
        data->element = ELEMENT_U8;
    else
        return assay_err_set(
            err, ASSAY_ERR_INPUT, "%s: %s; expected floating point or unsigned 8-bit integers",
            where, class == H5T_INTEGER ? "integers of another size or sign" : "not numeric");
    return ASSAY_OK;
}

static int check_finite(const struct assay_data *data, const char *where, struct assay_err *err)
{
    if (data->element == ELEMENT_U8) return ASSAY_OK;
    const float *f32 = data->pixel;
    const double *f64 = data->pixel;
    for (uint64_t i = 0; i < data->count * image_values(data); i++) {
        const double v = data->element == ELEMENT_F32 ? f32[i] : f64[i];
        if (!isfinite(v))
            return assay_err_set(err, ASSAY_ERR_INPUT, "%s: image %llu holds %g; expected numbers",
                                 where, (unsigned long long)(i / image_values(data)), v);
    }
    return ASSAY_OK;
}

static int read_pixels(struct assay_data *data, hid_t set, const char *where, struct assay_err *err)
{
    const hid_t type[] = {[ELEMENT_U8] = H5T_NATIVE_UCHAR,
                          [ELEMENT_F32] = H5T_NATIVE_FLOAT,
                          [ELEMENT_F64] = H5T_NATIVE_DOUBLE};
    struct assay_h5_shape shape;
    ASSAY_TRY(assay_h5_shape(&shape, set, where, err));
    ASSAY_TRY(check_shape(data, &shape, where, err));
    ASSAY_TRY(choose_element(data, set, where, err));
    ASSAY_TRY(assay_data_reserve(data, shape.dim[0], err));
    ASSAY_TRY(assay_h5_read_into(data->pixel, set, type[data->element], where, err));
    data->count = shape.dim[0];
    return check_finite(data, where, err);
}

static int take_labels(struct assay_data *data, const int64_t *value, const char *who,
                       struct assay_err *err)
{
    data->label = data->label_room;
    for (uint64_t i = 0; i < data->count; i++) {
        if (value[i] < 0 || value[i] >= INT32_MAX)
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: label %llu is %lld; expected a class number from 0", who,
                                 (unsigned long long)i, (long long)value[i]);
        data->label[i] = (uint32_t)value[i];
        if (data->label[i] >= data->classes) data->classes = data->label[i] + 1;
    }
    return ASSAY_OK;
}

static int read_labels(struct assay_data *data, hid_t set, const char *who, struct assay_err *err)
{
    struct assay_h5_shape shape;
    size_t size;
    bool is_signed;
    ASSAY_TRY(assay_h5_shape(&shape, set, who, err));
    if (shape.ndim != 1 || shape.dim[0] != data->count ||
        assay_h5_class(set, &size, &is_signed) != H5T_INTEGER) {
        char seen[256];
        assay_h5_shape_text(&shape, seen, sizeof seen);
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s; expected %llu integers", who,
                             seen, (unsigned long long)data->count);
    }
    void *value;
    ASSAY_TRY(assay_h5_read(&value, set, H5T_NATIVE_INT64, &shape, who, err));
    const int status = take_labels(data, value, who, err);
    free(value);
    return status;
}

// Labels are optional: a missing data set is no error.
static int load_labels(struct assay_data *data, const struct place *p, struct assay_err *err)
{
    char path[ASSAY_TEXT_MAX + 16], who[2 * ASSAY_TEXT_MAX + 16];
    snprintf(path, sizeof path, "%s", p->path);
    strcpy(strrchr(path, '/') + 1, "labels");
    if (H5Lexists(p->file, path, H5P_DEFAULT) <= 0) return ASSAY_OK;
    snprintf(who, sizeof who, "%s, its labels %s", p->where, path);
    const hid_t set = H5Dopen2(p->file, path, H5P_DEFAULT);
    if (set < 0) return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a readable data set", who);
    const int status = read_labels(data, set, who, err);
    H5Dclose(set);
    return status;
}

static int load_place(struct assay_data *data, const struct place *p, struct assay_err *err)
{
    const hid_t set = H5Dopen2(p->file, p->path, H5P_DEFAULT);
    if (set < 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no such data set in the file", p->where);
    const int status = read_pixels(data, set, p->where, err);
    H5Dclose(set);
    return status < 0 ? status : load_labels(data, p, err);
}

int assay_data_load_hdf5(struct assay_data *data, struct assay_err *err)
{
    struct assay_h5_place place;
    struct place p = {.path = place.path, .where = data->spec.path};
    ASSAY_TRY(assay_h5_split(&place, p.where, err));
    ASSAY_TRY(assay_h5_open(&p.file, place.file, err));
    const int status = load_place(data, &p, err);
    H5Fclose(p.file);
    return status;
}
