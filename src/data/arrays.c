// SPDX-License-Identifier: Apache-2.0
#include "assay/data.h"
#include "h5.h"

#include <stdlib.h>
#include <string.h>

// The error when many names lead to one data set, so that more copies are asked for than memory can
// hold.
static int check_memory(const struct assay_arrays *arrays, uint64_t size, const char *who,
                        struct assay_err *err)
{
    double values = (double)size;
    for (size_t i = 0; i < arrays->n; i++) values += (double)arrays->item[i].size;
    if (values * sizeof(double) <= (double)assay_memory_most()) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: no memory for %.0f values", who, values);
}

// Copies the shape and reads the values; who names the data set in errors.
static int read_array(const struct assay_arrays *arrays, struct assay_array *array, hid_t set,
                      const char *who, struct assay_err *err)
{
    struct h5_shape shape;
    struct h5_type type;
    h5_type(&type, set);
    if ((!type.is_integer && (!type.is_float || type.bits > 64)) || type.wide)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: %s; expected integers or floating point, of at most 64 bits", who,
                             type.words);
    ASSAY_TRY(h5_shape(&shape, set, who, err));
    if (shape.ndim > ASSAY_ARRAY_DIMS)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %u dimensions; expected at most %d", who,
                             shape.ndim, ASSAY_ARRAY_DIMS);
    ASSAY_TRY(h5_whole(set, who, err));
    ASSAY_TRY(check_memory(arrays, shape.size, who, err));
    void *value;
    ASSAY_TRY(h5_read(&value, set, H5T_NATIVE_DOUBLE, &shape, who, err));
    array->ndim = shape.ndim;
    array->size = shape.size;
    memcpy(array->shape, shape.dim, shape.ndim * sizeof shape.dim[0]);
    array->value = value;
    array->integer = type.is_integer;
    snprintf(array->type, sizeof array->type, "%s", type.words);
    return ASSAY_OK;
}

// Appends the object `name` of `parent`, which must be a data set.
static int append(struct assay_arrays *arrays, hid_t parent, const char *name, const char *who,
                  struct assay_err *err)
{
    struct assay_array array = {0};
    const char *last = strrchr(name, '/');
    last = last ? last + 1 : name;
    if (strlen(last) >= sizeof array.name)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: the name is longer than %zu bytes", who,
                             sizeof array.name - 1);
    strcpy(array.name, last);
    const hid_t set = H5Oopen(parent, name, H5P_DEFAULT);
    int status;
    if (set < 0)
        status = h5_no_object(parent, name, who, "the link leads nowhere", err);
    else if (H5Iget_type(set) != H5I_DATASET)
        status = assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a data set", who);
    else
        status = read_array(arrays, &array, set, who, err);
    if (set >= 0) H5Oclose(set);
    if (status < 0) return status;
    arrays->item[arrays->n++] = array;
    return ASSAY_OK;
}

// Link `i` of a group, in order of names.
static int append_member(struct assay_arrays *arrays, hid_t group, hsize_t i, const char *where,
                         struct assay_err *err)
{
    char name[ASSAY_TEXT_MAX], who[2 * ASSAY_TEXT_MAX];
    const ssize_t n = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                         sizeof name, H5P_DEFAULT);
    if (n < 0 || (size_t)n >= sizeof name)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: the name of member %llu is unreadable",
                             where, (unsigned long long)i);
    const bool slash = where[strlen(where) - 1] == '/';
    snprintf(who, sizeof who, "%s%s%s", where, slash ? "" : "/", name);
    return append(arrays, group, name, who, err);
}

static int append_group(struct assay_arrays *arrays, hid_t group, const char *where,
                        struct assay_err *err)
{
    H5G_info_t info = {0};
    if (H5Gget_info(group, &info) < 0 || info.nlinks == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: the group holds no data sets", where);
    arrays->item = calloc(info.nlinks, sizeof *arrays->item);
    if (!arrays->item) return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", where);
    for (hsize_t i = 0; i < info.nlinks; i++)
        ASSAY_TRY(append_member(arrays, group, i, where, err));
    return ASSAY_OK;
}

static int append_place(struct assay_arrays *arrays, hid_t file, const char *path,
                        const char *where, struct assay_err *err)
{
    const hid_t object = H5Oopen(file, path, H5P_DEFAULT);
    if (object < 0)
        return h5_no_object(file, path, where, "no such data set or group in the file", err);
    int status;
    if (H5Iget_type(object) == H5I_GROUP) {
        status = append_group(arrays, object, where, err);
    } else {
        arrays->item = calloc(1, sizeof *arrays->item);
        status = arrays->item ? append(arrays, file, path, where, err)
                              : assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", where);
    }
    H5Oclose(object);
    return status;
}

int assay_arrays_read(struct assay_arrays *arrays, const char *where, struct assay_err *err)
{
    struct h5_place place;
    hid_t file;
    *arrays = (struct assay_arrays){0};
    ASSAY_TRY(h5_split(&place, where, err));
    assay_guard_begin("HDF5");
    int status = h5_open(&file, place.file, err);
    if (status >= 0) {
        status = append_place(arrays, file, place.path, where, err);
        H5Fclose(file);
    }
    assay_guard_end();
    if (status < 0) assay_arrays_free(arrays);
    return status;
}

void assay_arrays_free(struct assay_arrays *arrays)
{
    for (size_t i = 0; i < arrays->n; i++) free(arrays->item[i].value);
    free(arrays->item);
    *arrays = (struct assay_arrays){0};
}
