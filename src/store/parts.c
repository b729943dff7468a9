// SPDX-License-Identifier: Apache-2.0
#include "assay/h5.h"
#include "assay/store.h"
#include "h5read.h"
#include "h5write.h"

#include <stdlib.h>
#include <string.h>

enum { ATTR_MOST = 1 << 20, TEXT_MOST = 1 << 16 };

struct assay_parts {
    struct assay_arena arena; // holds everything that was read
    hid_t file;
    char *name;      // of the file
    uint64_t budget; // bytes its values may still take
    bool is_search;
};

static int broken(const struct assay_parts *p, const char *part, const char *what,
                  struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s %s; the file is damaged", p->name, part,
                         what);
}

static void *take(struct assay_parts *p, uint64_t n, uint64_t size, struct assay_err *err)
{
    uint64_t bytes;
    void *block = NULL;
    if (!__builtin_mul_overflow(n, size, &bytes) && bytes <= p->budget)
        block = assay_arena_zalloc(&p->arena, bytes);
    if (block)
        p->budget -= bytes;
    else
        assay_err_set(err, ASSAY_ERR_MEMORY, "%s: its values need more memory than there is",
                      p->name);
    return block;
}

// ---- the file -----------------------------------------------------------------------------------
static int find_kind(struct assay_parts *p, struct assay_err *err)
{
    int version = 0, series = 0;
    if (H5Aexists(p->file, "assay_results") > 0)
        ASSAY_TRY(h5r_int(&version, p->file, "assay_results", p->name, err));
    if (H5Aexists(p->file, "assay_series") > 0)
        ASSAY_TRY(h5r_int(&series, p->file, "assay_series", p->name, err));
    p->is_search = series != 0;
    const int found = series ? series : version;
    if (found >= 1 && found <= (series ? ASSAY_SERIES_VERSION : ASSAY_RESULTS_VERSION))
        return ASSAY_OK;
    if (found)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: a file of format %d, which this program "
                             "does not read",
                             p->name, found);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: an HDF5 file, but neither a results.h5 nor a search.h5 of assay",
                         p->name);
}

int assay_parts_open(struct assay_parts **out, const char *file, struct assay_err *err)
{
    struct assay_parts *p = calloc(1, sizeof *p);
    if (p) p->name = strdup(file);
    if (!p || !p->name) return free(p), assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    p->budget = assay_memory_most();
    assay_guard_begin("HDF5");
    int status = h5r_open(&p->file, file, "a results.h5 or search.h5", err);
    if (status >= 0) status = find_kind(p, err);
    assay_guard_end();
    if (status < 0)
        assay_parts_close(p);
    else
        *out = p;
    return status;
}

void assay_parts_close(struct assay_parts *parts)
{
    if (!parts) return;
    if (parts->file >= 0) H5Fclose(parts->file);
    assay_arena_finish(&parts->arena);
    free(parts->name);
    free(parts);
}

bool assay_parts_is_search(const struct assay_parts *parts)
{
    return parts->is_search;
}

const char *assay_parts_file(const struct assay_parts *parts)
{
    return parts->name;
}

// ---- attributes ---------------------------------------------------------------------------------
static int read_attr(struct assay_parts *p, hid_t group, const char *name, const char **text,
                     struct assay_err *err)
{
    if (H5Aexists(group, name) <= 0) return ASSAY_OK;
    char *value = malloc(ATTR_MOST);
    if (!value) return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", p->name);
    int status = h5r_lines(value, ATTR_MOST, group, name, p->name, err);
    char *copy = status < 0 ? NULL : take(p, strlen(value) + 1, 1, err);
    if (copy) *text = strcpy(copy, value);
    free(value);
    return status < 0 ? status : copy ? ASSAY_OK : ASSAY_ERR_MEMORY;
}

int assay_parts_attr(struct assay_parts *parts, const char *group, const char *name,
                     const char **text, struct assay_err *err)
{
    *text = NULL;
    if (strcmp(group, "/") && h5r_link_fault(parts->file, group)) return ASSAY_OK;
    assay_guard_begin("HDF5");
    const hid_t id = H5Gopen2(parts->file, group, H5P_DEFAULT);
    const int status =
        id < 0 ? broken(parts, group, "is no group", err) : read_attr(parts, id, name, text, err);
    if (id >= 0) H5Gclose(id);
    assay_guard_end();
    return status;
}

// ---- data sets ----------------------------------------------------------------------------------
// Opens a data set; *set stays invalid where there is none.
static int open_set(struct assay_parts *p, const char *name, hid_t *set, struct h5r_shape *shape,
                    struct assay_err *err)
{
    char group[64];
    *set = H5I_INVALID_HID;
    *shape = (struct h5r_shape){0};
    snprintf(group, sizeof group, "%.*s", (int)strcspn(name, "/"), name);
    if (H5Lexists(p->file, group, H5P_DEFAULT) == 0) return ASSAY_OK;
    const char *fault = h5r_link_fault(p->file, group);
    if (fault) return broken(p, group, fault, err);
    if (H5Lexists(p->file, name, H5P_DEFAULT) == 0) return ASSAY_OK;
    fault = h5r_link_fault(p->file, name);
    if (fault) return broken(p, name, fault, err);
    *set = H5Dopen2(p->file, name, H5P_DEFAULT);
    if (*set < 0) return broken(p, name, "is no data set", err);
    fault = h5r_shape_fault(*set, shape);
    if (!fault) return ASSAY_OK;
    H5Dclose(*set);
    *set = H5I_INVALID_HID;
    return broken(p, name, fault, err);
}

static uint64_t width_of(const struct h5r_shape *shape)
{
    return shape->dim[0] ? shape->values / shape->dim[0] : 0;
}

static uint64_t last_of(const struct h5r_shape *shape)
{
    return shape->n > 1 ? shape->dim[shape->n - 1] : 1;
}

static int read_numbers(struct assay_parts *p, const char *name, hid_t set,
                        const struct h5r_shape *shape, struct assay_values *part,
                        struct assay_err *err)
{
    const char *fault = h5r_type_fault(set, H5T_NATIVE_DOUBLE);
    if (fault) return broken(p, name, fault, err);
    part->value = take(p, shape->values, sizeof *part->value, err);
    if (!part->value) return ASSAY_ERR_MEMORY;
    part->n = shape->dim[0];
    part->width = width_of(shape);
    part->last = last_of(shape);
    if (H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, part->value) >= 0)
        return ASSAY_OK;
    return broken(p, name, "cannot be read", err);
}

int assay_parts_numbers(struct assay_parts *parts, const char *name, struct assay_values *part,
                        struct assay_err *err)
{
    hid_t set;
    struct h5r_shape shape;
    *part = (struct assay_values){0};
    assay_guard_begin("HDF5");
    int status = open_set(parts, name, &set, &shape, err);
    if (status >= 0 && set >= 0) status = read_numbers(parts, name, set, &shape, part, err);
    if (set >= 0) H5Dclose(set);
    assay_guard_end();
    return status;
}

static bool read_row(hid_t set, const struct h5r_shape *shape, uint64_t row, double *value)
{
    const hsize_t start[H5R_DIMS] = {row}, width = width_of(shape);
    hsize_t count[H5R_DIMS];
    memcpy(count, shape->dim, sizeof count);
    count[0] = 1;
    const hid_t space = H5Dget_space(set), memory = H5Screate_simple(1, &width, NULL);
    const bool good = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                      H5Dread(set, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, value) >= 0;
    H5Sclose(space);
    H5Sclose(memory);
    return good;
}

static int read_rows(struct assay_parts *p, const char *name, hid_t set,
                     const struct h5r_shape *shape, const uint64_t *chosen, uint64_t n_chosen,
                     struct assay_values *part, struct assay_err *err)
{
    const char *fault = h5r_type_fault(set, H5T_NATIVE_DOUBLE);
    if (fault) return broken(p, name, fault, err);
    part->width = width_of(shape);
    part->last = last_of(shape);
    part->value = take(p, n_chosen, part->width * sizeof *part->value, err);
    if (!part->value) return ASSAY_ERR_MEMORY;
    for (; part->n < n_chosen && part->width; part->n++)
        if (!read_row(set, shape, chosen[part->n], part->value + part->n * part->width))
            return broken(p, name, "cannot be read", err);
    return ASSAY_OK;
}

int assay_parts_rows(struct assay_parts *parts, const char *name, uint64_t n_row,
                     const uint64_t *chosen, uint64_t n_chosen, struct assay_values *part,
                     struct assay_err *err)
{
    hid_t set;
    struct h5r_shape shape;
    *part = (struct assay_values){0};
    assay_guard_begin("HDF5");
    int status = open_set(parts, name, &set, &shape, err);
    if (status >= 0 && set >= 0)
        status = shape.dim[0] == n_row
                     ? read_rows(parts, name, set, &shape, chosen, n_chosen, part, err)
                     : broken(parts, name, "has another length than the table", err);
    if (set >= 0) H5Dclose(set);
    assay_guard_end();
    return status;
}

// ---- texts --------------------------------------------------------------------------------------
static int copy_texts(struct assay_parts *p, const char *name, hid_t set, uint64_t n, char **text,
                      struct assay_err *err)
{
    const hid_t type = h5r_text_type(set);
    if (type < 0) return broken(p, name, "holds no texts of one length", err);
    const size_t width = H5Tget_size(type);
    char *value = width > TEXT_MOST ? NULL : take(p, n, width, err);
    const bool read = value && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0;
    H5Tclose(type);
    if (width > TEXT_MOST) return broken(p, name, "holds texts of more than 65535 bytes", err);
    if (!value) return ASSAY_ERR_MEMORY;
    if (!read) return broken(p, name, "cannot be read", err);
    for (uint64_t i = 0; i < n; i++) {
        text[i] = value + i * width;
        const char *fault = assay_text_fault(text[i]);
        if (fault) return broken(p, name, fault, err);
    }
    return ASSAY_OK;
}

static int read_texts(struct assay_parts *p, const char *name, hid_t set,
                      const struct h5r_shape *shape, char ***text, struct assay_err *err)
{
    if (shape->n != 1) return broken(p, name, "is not one-dimensional", err);
    *text = take(p, shape->values, sizeof **text, err);
    return *text ? copy_texts(p, name, set, shape->values, *text, err) : ASSAY_ERR_MEMORY;
}

int assay_parts_texts(struct assay_parts *parts, const char *name, char ***text, uint64_t *n,
                      struct assay_err *err)
{
    hid_t set;
    struct h5r_shape shape;
    *text = NULL;
    assay_guard_begin("HDF5");
    int status = open_set(parts, name, &set, &shape, err);
    *n = shape.dim[0];
    if (status >= 0 && set >= 0) status = read_texts(parts, name, set, &shape, text, err);
    if (set >= 0) H5Dclose(set);
    assay_guard_end();
    return status;
}
