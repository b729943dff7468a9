// SPDX-License-Identifier: Apache-2.0
#include "assay/store.h"
#include "h5write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct reader {
    struct assay_table *table;
    struct assay_arena arena; // holds everything the table points at
    hid_t file, group;
    uint64_t n;       // length of the group's data sets
    const char *name; // of the file
};

// The table is the first member, so that freeing it finds the arena.
struct owned {
    struct assay_table table;
    struct assay_arena arena;
};

static int broken(const struct reader *r, const char *path, const char *what, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s %s; the file is damaged or not a results.h5",
                         r->name, path, what);
}

static void *take(struct reader *r, uint64_t n, size_t size, struct assay_err *err)
{
    size_t bytes;
    void *block = NULL;
    if (!__builtin_mul_overflow(n, size, &bytes)) block = assay_arena_zalloc(&r->arena, bytes);
    if (!block) assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", r->name);
    return block;
}

// ---- columns -----------------------------------------------------------------------------------

// Opens a 1-D data set of the group; *n is its length.
static int open_column(struct reader *r, const char *name, hid_t *set, uint64_t *n,
                       struct assay_err *err)
{
    hsize_t dim[H5S_MAX_RANK] = {0};
    *set = H5Dopen2(r->group, name, H5P_DEFAULT);
    if (*set < 0) return broken(r, name, "is missing", err);
    const hid_t space = H5Dget_space(*set);
    const int ndim = H5Sget_simple_extent_dims(space, dim, NULL);
    H5Sclose(space);
    *n = dim[0];
    if (ndim == 1) return ASSAY_OK;
    H5Dclose(*set);
    return broken(r, name, "is not one-dimensional", err);
}

// The first data set of a group tells the length of all.
static int read_length(struct reader *r, const char *name, struct assay_err *err)
{
    hid_t set;
    ASSAY_TRY(open_column(r, name, &set, &r->n, err));
    H5Dclose(set);
    return ASSAY_OK;
}

// Reads the values of a data set of the group, converted to the memory type.
static int read_column(struct reader *r, const char *name, hid_t type, void *value,
                       struct assay_err *err)
{
    hid_t set;
    uint64_t n;
    ASSAY_TRY(open_column(r, name, &set, &n, err));
    const bool right = n == r->n;
    const bool ok = right && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0;
    H5Dclose(set);
    if (!right) return broken(r, name, "has another length than those beside it", err);
    return ok ? ASSAY_OK : broken(r, name, "cannot be read", err);
}

static size_t text_width(const struct reader *r, const char *name)
{
    const hid_t set = H5Dopen2(r->group, name, H5P_DEFAULT), type = H5Dget_type(set);
    const bool fixed = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    const size_t width = fixed ? H5Tget_size(type) : 0;
    if (type >= 0) H5Tclose(type);
    if (set >= 0) H5Dclose(set);
    return width;
}

// Reads all texts of a data set; *out[i] is the i-th, ended by 0.
static int read_texts(struct reader *r, const char *name, char ***out, struct assay_err *err)
{
    const size_t width = text_width(r, name) + 1; // and the end of the text
    if (width == 1) return broken(r, name, "is missing or no text", err);
    char *text = take(r, r->n, width, err);
    *out = take(r, r->n, sizeof **out, err);
    if (!text || !*out) return ASSAY_ERR_MEMORY;
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, width);
    const int status = read_column(r, name, type, text, err);
    H5Tclose(type);
    for (uint64_t i = 0; i < r->n; i++) (*out)[i] = text + i * width;
    return status;
}

static int read_columns(struct reader *r, struct assay_err *err)
{
    struct assay_table *table = r->table;
    ASSAY_TRY(read_length(r, "name", err));
    if (r->n > UINT32_MAX) return broken(r, "name", "is too long", err);
    table->n_column = (uint32_t)r->n;
    table->direction = take(r, r->n, sizeof *table->direction, err);
    if (!table->direction) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_texts(r, "name", &table->name, err));
    ASSAY_TRY(read_texts(r, "unit", &table->unit, err));
    ASSAY_TRY(read_texts(r, "source", &table->source, err));
    ASSAY_TRY(read_texts(r, "protocol", &table->protocol, err));
    return read_column(r, "direction", H5T_NATIVE_INT, table->direction, err);
}

static int read_numbers(struct reader *r, const char *name, double **out, struct assay_err *err)
{
    *out = take(r, r->n, sizeof **out, err);
    return *out ? read_column(r, name, H5T_NATIVE_DOUBLE, *out, err) : ASSAY_ERR_MEMORY;
}

static int read_column_pair(struct reader *r, uint32_t c, struct assay_err *err)
{
    char error[ASSAY_TEXT_MAX];
    ASSAY_TRY(read_numbers(r, r->table->name[c], &r->table->value[c], err));
    snprintf(error, sizeof error, "%.1000s_stderr", r->table->name[c]);
    if (H5Lexists(r->group, error, H5P_DEFAULT) <= 0) return ASSAY_OK;
    return read_numbers(r, error, &r->table->error[c], err);
}

static int read_rows(struct reader *r, struct assay_err *err)
{
    struct assay_table *table = r->table;
    ASSAY_TRY(read_length(r, "index", err));
    table->n_row = r->n;
    table->index = take(r, r->n, sizeof *table->index, err);
    table->status = take(r, r->n, sizeof *table->status, err);
    table->value = take(r, table->n_column, sizeof *table->value, err);
    table->error = take(r, table->n_column, sizeof *table->error, err);
    if (!table->index || !table->status || !table->value || !table->error) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_column(r, "index", H5T_NATIVE_UINT64, table->index, err));
    ASSAY_TRY(read_column(r, "status_code", H5T_NATIVE_INT32, table->status, err));
    ASSAY_TRY(read_texts(r, "arch", &table->arch, err));
    for (uint32_t c = 0; c < table->n_column; c++) ASSAY_TRY(read_column_pair(r, c, err));
    return ASSAY_OK;
}

static int read_order(struct reader *r, char *name, struct assay_err *err)
{
    struct assay_table *table = r->table;
    uint64_t *order = take(r, r->n, sizeof *order, err);
    bool *seen = take(r, r->n, sizeof *seen, err);
    if (!order || !seen) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_column(r, name, H5T_NATIVE_UINT64, order, err));
    for (uint64_t i = 0; i < r->n; i++) {
        if (order[i] >= r->n || seen[order[i]])
            return broken(r, name, "is not an order of the rows", err);
        seen[order[i]] = true;
    }
    table->ranking[table->n_ranking] = name;
    table->order[table->n_ranking++] = order;
    return ASSAY_OK;
}

static int read_rankings(struct reader *r, struct assay_err *err)
{
    struct assay_table *table = r->table;
    table->ranking = take(r, table->n_column, sizeof *table->ranking, err);
    table->order = take(r, table->n_column, sizeof *table->order, err);
    if (!table->ranking || !table->order) return ASSAY_ERR_MEMORY;
    for (uint32_t c = 0; c < table->n_column; c++) {
        if (table->direction[c] != 0) ASSAY_TRY(read_order(r, table->name[c], err));
    }
    return ASSAY_OK;
}

static int in_group(struct reader *r, const char *path,
                    int (*read)(struct reader *, struct assay_err *), struct assay_err *err)
{
    r->group = H5Gopen2(r->file, path, H5P_DEFAULT);
    if (r->group < 0) return broken(r, path, "is missing", err);
    const int status = read(r, err);
    H5Gclose(r->group);
    return status;
}

// ---- the file ----------------------------------------------------------------------------------

static int open_results(struct reader *r, struct assay_err *err)
{
    struct stat st;
    assay_h5_start();
    if (stat(r->name, &st) != 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: %s; expected a results.h5", r->name,
                             strerror(errno));
    if (!S_ISREG(st.st_mode))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not a regular file; expected a results.h5",
                             r->name);
    if (H5Fis_hdf5(r->name) == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: not an HDF5 file; expected a results.h5",
                             r->name);
    r->file = H5Fopen(r->name, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (r->file < 0)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: unreadable, truncated or damaged HDF5 file",
                             r->name);
    return ASSAY_OK;
}

// The version of the format, 0 for a file that is not assay's.
static int format_version(hid_t file)
{
    int version = 0;
    if (H5Aexists(file, "assay_results") <= 0) return 0;
    const hid_t attr = H5Aopen(file, "assay_results", H5P_DEFAULT);
    if (H5Aread(attr, H5T_NATIVE_INT, &version) < 0) version = 0;
    H5Aclose(attr);
    return version;
}

static int read_file(struct reader *r, struct assay_err *err)
{
    const int version = format_version(r->file);
    if (version == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: an HDF5 file, but not a results.h5 of assay: it has no attribute "
                             "assay_results",
                             r->name);
    if (version != ASSAY_RESULTS_VERSION)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: results of format %d; this program reads format %d", r->name,
                             version, ASSAY_RESULTS_VERSION);
    ASSAY_TRY(in_group(r, "/columns", read_columns, err));
    ASSAY_TRY(in_group(r, "/table", read_rows, err));
    return in_group(r, "/rankings", read_rankings, err);
}

int assay_table_read(struct assay_table **out, const char *file, struct assay_err *err)
{
    struct owned *owned = calloc(1, sizeof *owned);
    if (!owned) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    struct reader r = {.table = &owned->table, .name = file};
    int status = open_results(&r, err);
    if (status >= 0) {
        status = read_file(&r, err);
        H5Fclose(r.file);
    }
    owned->arena = r.arena;
    if (status < 0)
        assay_table_free(&owned->table);
    else
        *out = &owned->table;
    return status;
}

void assay_table_free(struct assay_table *table)
{
    if (!table) return;
    struct owned *owned = (struct owned *)table;
    assay_arena_finish(&owned->arena);
    free(owned);
}
