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

static int check_shape(const struct assay_data *data, const struct h5_shape *shape,
                       const char *where, struct assay_err *err)
{
    const uint32_t side = data->spec.image;
    if (shape->ndim == 4 && shape->dim[1] == CHANNELS && shape->dim[2] == side &&
        shape->dim[3] == side)
        return ASSAY_OK;
    char seen[256];
    h5_shape_text(shape, seen, sizeof seen);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: shape %s; expected (n,%d,%u,%u), as network.image is %u", where, seen,
                         CHANNELS, side, side, side);
}

static int choose_element(struct assay_data *data, hid_t set, const char *where,
                          struct assay_err *err)
{
    struct h5_type type;
    h5_type(&type, set);
    if (type.is_float && type.bits <= 64 && !type.wide)
        data->element = type.bits <= 32 ? ELEMENT_F32 : ELEMENT_F64;
    else if (type.is_integer && type.bits == 8 && !type.is_signed && !type.wide)
        data->element = ELEMENT_U8;
    else
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s; expected floating point or unsigned 8-bit integers, which "
                             "stand for x / 255",
                             where, type.words);
    return ASSAY_OK;
}

// The range of the images' values, which must be numbers.
static int find_range(const struct assay_data *data, const char *where, double *least, double *most,
                      struct assay_err *err)
{
    const float *f32 = data->pixel;
    const double *f64 = data->pixel;
    *least = INFINITY;
    *most = -INFINITY;
    for (uint64_t i = 0; i < data->count * image_values(data); i++) {
        const double v = data->element == ELEMENT_F32 ? f32[i] : f64[i];
        if (!isfinite(v))
            return assay_err_set(err, ASSAY_ERR_INPUT, "%s: image %llu holds %g; expected numbers",
                                 where, (unsigned long long)(i / image_values(data)), v);
        if (v < *least) *least = v;
        if (v > *most) *most = v;
    }
    return ASSAY_OK;
}

// CIFAR's mean and deviation are of values from 0 to 1. Values up to 255 would come out 255 times
// too large, and images that are normalised would be so twice; some resampling overshoots a little.
static int check_values(struct assay_data *data, const char *where, struct assay_err *err)
{
    const double far = 16, slack = 0.1;
    double least, most;
    if (data->element == ELEMENT_U8) return ASSAY_OK;
    ASSAY_TRY(find_range(data, where, &least, &most, err));
    if (!data->spec.normalise || (least >= -slack && most <= 1 + slack)) return ASSAY_OK;
    if (least < -far || most > far)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: values from %g to %g, and data.normalise = true takes CIFAR's "
                             "mean and deviation of values from 0 to 1; divide them by 255, or set "
                             "data.normalise = false to leave them as they are",
                             where, least, most);
    data_warn(data,
              "values from %g to %g, and data.normalise = true takes CIFAR's mean and "
              "deviation of values from 0 to 1; false leaves them as they are",
              least, most);
    return ASSAY_OK;
}

static int read_pixels(struct assay_data *data, hid_t set, const char *where, struct assay_err *err)
{
    const hid_t type[] = {[ELEMENT_U8] = H5T_NATIVE_UCHAR,
                          [ELEMENT_F32] = H5T_NATIVE_FLOAT,
                          [ELEMENT_F64] = H5T_NATIVE_DOUBLE};
    struct h5_shape shape;
    ASSAY_TRY(h5_shape(&shape, set, where, err));
    ASSAY_TRY(check_shape(data, &shape, where, err));
    ASSAY_TRY(choose_element(data, set, where, err));
    ASSAY_TRY(h5_whole(set, where, err));
    data->reading = h5_unpacking(set);
    ASSAY_TRY(data_reserve(data, shape.dim[0], err));
    ASSAY_TRY(h5_read_into(data->pixel, set, type[data->element], where, err));
    data->count = shape.dim[0];
    return check_values(data, where, err);
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

// Warns of labels among which no number from 1 on is missing, and which are never 0. Most likely
// they start at 1, which is an error when they are used, if there are as many classes as the
// network has.
static void check_first(struct assay_data *data)
{
    const uint64_t classes = data->classes;
    bool *seen = classes <= data->count + 1 ? calloc(classes, sizeof *seen) : NULL;
    uint64_t n = 0;
    for (uint64_t i = 0; seen && i < data->count; i++) {
        n += !seen[data->label[i]];
        seen[data->label[i]] = true;
    }
    if (seen && !seen[0] && n == classes - 1)
        data_warn(data,
                  "labels from 1 to %llu, and none is 0: do they start at 1? Expected class "
                  "numbers from 0",
                  (unsigned long long)(classes - 1));
    free(seen);
}

static int check_labels(const struct assay_data *data, hid_t set, const struct h5_shape *shape,
                        const char *who, struct assay_err *err)
{
    struct h5_type type;
    h5_type(&type, set);
    if (!type.is_integer || type.wide)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s; expected integers from 0", who,
                             type.words);
    if (shape->ndim == 1 && shape->dim[0] == data->count) return ASSAY_OK;
    char seen[256];
    h5_shape_text(shape, seen, sizeof seen);
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: shape %s; expected %llu integers", who, seen,
                         (unsigned long long)data->count);
}

static int read_labels(struct assay_data *data, hid_t set, const char *who, struct assay_err *err)
{
    struct h5_shape shape;
    ASSAY_TRY(h5_shape(&shape, set, who, err));
    ASSAY_TRY(check_labels(data, set, &shape, who, err));
    ASSAY_TRY(h5_whole(set, who, err));
    void *value;
    ASSAY_TRY(h5_read(&value, set, H5T_NATIVE_INT64, &shape, who, err));
    const int status = take_labels(data, value, who, err);
    free(value);
    if (status >= 0) check_first(data);
    return status;
}

// Labels are optional: a missing data set is no error.
static int load_labels(struct assay_data *data, const struct place *p, struct assay_err *err)
{
    char path[ASSAY_TEXT_MAX + 16], who[2 * ASSAY_TEXT_MAX + 16];
    snprintf(path, sizeof path, "%s", p->path);
    strcpy(strrchr(path, '/') + 1, "labels");
    const htri_t exists = H5Lexists(p->file, path, H5P_DEFAULT);
    if (exists == 0) return ASSAY_OK;
    snprintf(who, sizeof who, "%s, its labels %s", p->where, path);
    const hid_t set = exists < 0 ? H5I_INVALID_HID : H5Dopen2(p->file, path, H5P_DEFAULT);
    if (set < 0) return h5_no_object(p->file, path, who, "not a readable data set", err);
    const int status = read_labels(data, set, who, err);
    H5Dclose(set);
    return status;
}

static int load_place(struct assay_data *data, const struct place *p, struct assay_err *err)
{
    const hid_t set = H5Dopen2(p->file, p->path, H5P_DEFAULT);
    if (set < 0)
        return h5_no_object(p->file, p->path, p->where, "no such data set in the file", err);
    const int status = read_pixels(data, set, p->where, err);
    H5Dclose(set);
    return status < 0 ? status : load_labels(data, p, err);
}

static int load(struct assay_data *data, struct assay_err *err)
{
    struct h5_place place;
    struct place p = {.path = place.path, .where = data->spec.path};
    ASSAY_TRY(h5_split(&place, p.where, err));
    assay_guard_begin("HDF5");
    int status = h5_open(&p.file, place.file, err);
    if (status >= 0) {
        status = load_place(data, &p, err);
        H5Fclose(p.file);
    }
    assay_guard_end();
    return status;
}

static bool place_of(const struct assay_data_spec *spec, char file[ASSAY_TEXT_MAX])
{
    struct h5_place place;
    if (h5_split(&place, spec->path, NULL) < 0) return false;
    snprintf(file, ASSAY_TEXT_MAX, "%s", place.file);
    return true;
}

const struct assay_data_source assay_data_hdf5 = {
    .name = "hdf5",
    .help = "data.path = file.h5:/dataset, images (n,3,image,image): floating point as it is, or "
            "u8 for x / 255; with labels (n), integers from 0, in a data set `labels` beside it",
    .classes = 1,
    .mean = CIFAR10_MEAN,
    .std = CIFAR10_STD,
    .labelled = "hdf5 with labels",
    .path = "file.h5:/dataset",
    .absent = "no such file; expected an HDF5 file",
    .place = place_of,
    .load = load,
};
