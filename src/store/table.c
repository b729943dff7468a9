// SPDX-License-Identifier: Apache-2.0
#include "assay/h5.h"
#include "assay/store.h"
#include "h5read.h"
#include "h5write.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct assay_table *table;
    struct assay_arena arena; // holds everything the table points at
    hid_t file, group;
    uint64_t n;       // length of the group's data sets
    const char *name; // of the file
    uint64_t budget;  // bytes its values may still take
};

// What the caller's table is a part of. It is the first member, so that freeing it finds the arena.
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
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > r->budget)
        assay_err_set(err, ASSAY_ERR_MEMORY, "%s: its values need more memory than there is",
                      r->name);
    else if (!(block = assay_arena_zalloc(&r->arena, bytes)))
        assay_err_set(err, ASSAY_ERR_MEMORY, "%s: out of memory", r->name);
    else
        r->budget -= bytes;
    return block;
}

// ---- columns -----------------------------------------------------------------------------------

// Opens a 1-D data set of the group; *n is its length.
static int open_column(struct reader *r, const char *name, hid_t *set, uint64_t *n,
                       struct assay_err *err)
{
    *set = H5I_INVALID_HID;
    *n = 0;
    const char *fault = h5r_link_fault(r->group, name);
    if (fault) return broken(r, name, fault, err);
    *set = H5Dopen2(r->group, name, H5P_DEFAULT);
    if (*set < 0) return broken(r, name, "is no data set", err);
    fault = h5r_set_fault(*set, n);
    if (!fault) return ASSAY_OK;
    H5Dclose(*set);
    return broken(r, name, fault, err);
}

// Reads the length of the first data set of a group, which is that of all.
static int read_length(struct reader *r, const char *name, struct assay_err *err)
{
    hid_t set;
    ASSAY_TRY(open_column(r, name, &set, &r->n, err));
    H5Dclose(set);
    return ASSAY_OK;
}

static const char *length_fault(const struct reader *r, uint64_t n)
{
    return n == r->n ? NULL : "has another length than those beside it";
}

// Reads the values of a data set of the group, converted to the memory type.
static int read_column(struct reader *r, const char *name, hid_t type, void *value,
                       struct assay_err *err)
{
    hid_t set;
    uint64_t n;
    ASSAY_TRY(open_column(r, name, &set, &n, err));
    const char *fault = length_fault(r, n);
    if (!fault) fault = h5r_type_fault(set, type);
    if (!fault && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) < 0)
        fault = "cannot be read";
    H5Dclose(set);
    return fault ? broken(r, name, fault, err) : ASSAY_OK;
}

// The type of the texts of a data set in memory.
static int text_type(struct reader *r, const char *name, hid_t *type, struct assay_err *err)
{
    enum { TEXT_MOST = 1 << 16 };
    hid_t set;
    uint64_t n;
    ASSAY_TRY(open_column(r, name, &set, &n, err));
    const char *fault = length_fault(r, n);
    *type = h5r_text_type(set);
    H5Dclose(set);
    if (*type < 0) return broken(r, name, "holds no texts of one length", err);
    if (H5Tget_size(*type) > TEXT_MOST) fault = "holds texts of more than 65535 bytes";
    if (!fault) return ASSAY_OK;
    H5Tclose(*type);
    return broken(r, name, fault, err);
}

// Reads all texts of a data set; *out[i] is the i-th, ended by 0.
static int read_texts(struct reader *r, const char *name, char ***out, struct assay_err *err)
{
    hid_t type;
    ASSAY_TRY(text_type(r, name, &type, err));
    const size_t width = H5Tget_size(type);
    char *text = take(r, r->n, width, err);
    *out = take(r, r->n, sizeof **out, err);
    const int status = text && *out ? read_column(r, name, type, text, err) : ASSAY_ERR_MEMORY;
    H5Tclose(type);
    ASSAY_TRY(status);
    for (uint64_t i = 0; i < r->n; i++) {
        (*out)[i] = text + i * width;
        const char *fault = assay_text_fault((*out)[i]);
        if (fault) return broken(r, name, fault, err);
    }
    return ASSAY_OK;
}

// A column's name must be that of a data set of this group, and no path into another.
static int check_columns(const struct reader *r, struct assay_err *err)
{
    for (uint32_t c = 0; c < r->table->n_column; c++) {
        const char *name = r->table->name[c];
        const int direction = r->table->direction[c];
        if (!*name || *name == '.' || strchr(name, '/'))
            return broken(r, "name", "holds what is no column's name", err);
        if (direction < -1 || direction > 1)
            return broken(r, "direction", "holds another number than -1, 0 and 1", err);
    }
    return ASSAY_OK;
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
    ASSAY_TRY(read_column(r, "direction", H5T_NATIVE_INT, table->direction, err));
    return check_columns(r, err);
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

static int check_rows(const struct reader *r, struct assay_err *err)
{
    const struct assay_table *table = r->table;
    for (uint64_t i = 0; i < table->n_row; i++) {
        if (i && table->index[i] <= table->index[i - 1])
            return broken(r, "index", "does not ascend", err);
        if (table->status[i] < -1 || table->status[i] > ASSAY_VERDICT_FAILED)
            return broken(r, "status_code", "holds a number that is no status's", err);
    }
    return ASSAY_OK;
}

static int read_rows(struct reader *r, struct assay_err *err)
{
    struct assay_table *table = r->table;
    ASSAY_TRY(read_length(r, "index", err));
    table->n_row = r->n;
    table->index = take(r, r->n, sizeof *table->index, err);
    table->class_index = take(r, r->n, sizeof *table->class_index, err);
    table->status = take(r, r->n, sizeof *table->status, err);
    table->value = take(r, table->n_column, sizeof *table->value, err);
    table->error = take(r, table->n_column, sizeof *table->error, err);
    if (!table->index || !table->class_index || !table->status || !table->value || !table->error)
        return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_column(r, "index", H5T_NATIVE_UINT64, table->index, err));
    ASSAY_TRY(read_column(r, "status_code", H5T_NATIVE_INT32, table->status, err));
    ASSAY_TRY(check_rows(r, err));
    ASSAY_TRY(read_column(r, "class", H5T_NATIVE_UINT64, table->class_index, err));
    ASSAY_TRY(read_texts(r, "arch", &table->arch, err));
    ASSAY_TRY(read_texts(r, "reason", &table->reason, err));
    for (uint32_t c = 0; c < table->n_column; c++) ASSAY_TRY(read_column_pair(r, c, err));
    return ASSAY_OK;
}

// Files that were copied without what differs between equal runs have no times.
static int read_run(struct reader *r, struct assay_err *err)
{
    r->n = r->table->n_row;
    if (H5Lexists(r->group, "seconds", H5P_DEFAULT) <= 0) return ASSAY_OK;
    return read_numbers(r, "seconds", &r->table->seconds, err);
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
    const char *fault = h5r_link_fault(r->file, path);
    if (fault) return broken(r, path, fault, err);
    r->group = H5Gopen2(r->file, path, H5P_DEFAULT);
    if (r->group < 0) return broken(r, path, "is no group", err);
    const int status = read(r, err);
    H5Gclose(r->group);
    return status;
}

// ---- the file ----------------------------------------------------------------------------------

static int read_space(struct reader *r, struct assay_err *err)
{
    if (H5Aexists(r->file, "space") <= 0) return ASSAY_OK;
    r->table->space = take(r, ASSAY_TEXT_MAX, 1, err);
    if (!r->table->space) return ASSAY_ERR_MEMORY;
    return h5r_text(r->table->space, ASSAY_TEXT_MAX, r->file, "space", r->name, err);
}

// The values do not hang on it: where it is none, it is left out.
static int read_config(struct reader *r, struct assay_err *err)
{
    enum { CONFIG_MOST = 1 << 17 };
    if (H5Aexists(r->file, "config") <= 0) return ASSAY_OK;
    char *text = take(r, CONFIG_MOST, 1, err);
    if (!text) return ASSAY_ERR_MEMORY;
    if (h5r_lines(text, CONFIG_MOST, r->file, "config", r->name, NULL) >= 0)
        r->table->config = text;
    return ASSAY_OK;
}

static int read_file(struct reader *r, struct assay_err *err)
{
    int version = 0;
    if (H5Aexists(r->file, "assay_results") > 0)
        ASSAY_TRY(h5r_int(&version, r->file, "assay_results", r->name, err));
    if (version == 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: an HDF5 file, but not a results.h5 of assay: it has no attribute "
                             "assay_results",
                             r->name);
    if (version < 1 || version > ASSAY_RESULTS_VERSION)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: results of format %d; this program reads formats 1 to %d",
                             r->name, version, ASSAY_RESULTS_VERSION);
    ASSAY_TRY(read_space(r, err));
    ASSAY_TRY(read_config(r, err));
    ASSAY_TRY(in_group(r, "/columns", read_columns, err));
    ASSAY_TRY(in_group(r, "/table", read_rows, err));
    if (H5Lexists(r->file, "run", H5P_DEFAULT) > 0) ASSAY_TRY(in_group(r, "/run", read_run, err));
    return in_group(r, "/rankings", read_rankings, err);
}

int assay_table_read(struct assay_table **out, const char *file, struct assay_err *err)
{
    struct owned *owned = calloc(1, sizeof *owned);
    if (!owned) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    // Values are counted against a budget, since many names may lead to one data set.
    struct reader r = {.table = &owned->table, .name = file, .budget = assay_memory_most()};
    assay_guard_begin("HDF5");
    int status = h5r_open(&r.file, file, "a results.h5", err);
    if (status >= 0) {
        status = read_file(&r, err);
        H5Fclose(r.file);
    }
    assay_guard_end();
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
