// SPDX-License-Identifier: Apache-2.0
#include "assay/store.h"
#include "h5write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_BYTES = sizeof(((struct assay_table *)0)->name[0]) };

struct reader {
    struct assay_table *table;
    struct assay_arena arena; // holds everything the table points at
    hid_t file, group;
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

// ---- attributes
// -----------------------------------------------------------------------------------

// The text of a variable-length attribute, kept in the arena; NULL if there is none.
static char *text_attr(struct reader *r, hid_t object, const char *name)
{
    char *text = NULL, *copy = NULL;
    if (H5Aexists(object, name) <= 0) return NULL;
    const hid_t attr = H5Aopen(object, name, H5P_DEFAULT), type = H5Aget_type(attr);
    if (H5Tis_variable_str(type) > 0 && H5Aread(attr, type, &text) >= 0 && text) {
        copy = assay_arena_alloc(&r->arena, strlen(text) + 1);
        if (copy) strcpy(copy, text);
        H5free_memory(text);
    }
    H5Tclose(type);
    H5Aclose(attr);
    return copy;
}

static int int_attr(hid_t object, const char *name)
{
    int value = 0;
    if (H5Aexists(object, name) <= 0) return 0;
    const hid_t attr = H5Aopen(object, name, H5P_DEFAULT);
    if (H5Aread(attr, H5T_NATIVE_INT, &value) < 0) value = 0;
    H5Aclose(attr);
    return value;
}

// ---- columns
// --------------------------------------------------------------------------------------

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

// Reads n_row values of a data set of the group, converted to the memory type.
static int read_column(struct reader *r, const char *name, hid_t type, void *value,
                       struct assay_err *err)
{
    hid_t set;
    uint64_t n;
    ASSAY_TRY(open_column(r, name, &set, &n, err));
    const bool right = n == r->table->n_row;
    const bool ok = right && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0;
    H5Dclose(set);
    if (!right) return broken(r, name, "has another length than index", err);
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

static int read_archs(struct reader *r, struct assay_err *err)
{
    const uint64_t n = r->table->n_row;
    const size_t width = text_width(r, "arch") + 1; // and the end of the text
    if (width == 1) return broken(r, "arch", "is missing or no text", err);
    char *text = take(r, n, width, err);
    r->table->arch = take(r, n, sizeof *r->table->arch, err);
    if (!text || !r->table->arch) return ASSAY_ERR_MEMORY;
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, width);
    const int status = read_column(r, "arch", type, text, err);
    H5Tclose(type);
    for (uint64_t i = 0; i < n; i++) r->table->arch[i] = text + i * width;
    return status;
}

static int read_keys(struct reader *r, struct assay_err *err)
{
    struct assay_table *table = r->table;
    hid_t set;
    ASSAY_TRY(open_column(r, "index", &set, &table->n_row, err));
    H5Dclose(set);
    table->index = take(r, table->n_row, sizeof *table->index, err);
    table->status = take(r, table->n_row, sizeof *table->status, err);
    if (!table->index || !table->status) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_column(r, "index", H5T_NATIVE_UINT64, table->index, err));
    ASSAY_TRY(read_column(r, "status_code", H5T_NATIVE_INT32, table->status, err));
    return read_archs(r, err);
}

static bool is_float(const struct reader *r, const char *name)
{
    const hid_t set = H5Dopen2(r->group, name, H5P_DEFAULT), type = H5Dget_type(set);
    const bool yes = H5Tget_class(type) == H5T_FLOAT;
    if (type >= 0) H5Tclose(type);
    if (set >= 0) H5Dclose(set);
    return yes;
}

// "kappa_stderr" belongs to the column before it, "kappa".
static bool is_error_of_last(const struct assay_table *table, const char *name)
{
    if (table->n_column == 0) return false;
    char expected[NAME_BYTES + 8];
    snprintf(expected, sizeof expected, "%s_stderr", table->name[table->n_column - 1]);
    return strcmp(name, expected) == 0;
}

static void describe(struct reader *r, const char *name, uint32_t c)
{
    const hid_t set = H5Dopen2(r->group, name, H5P_DEFAULT);
    static char none[] = "";
    char *unit = text_attr(r, set, "unit"), *source = text_attr(r, set, "source");
    char *protocol = text_attr(r, set, "protocol");
    r->table->direction[c] = int_attr(set, "direction");
    r->table->unit[c] = unit ? unit : none;
    r->table->source[c] = source ? source : none;
    r->table->protocol[c] = protocol ? protocol : none;
    if (set >= 0) H5Dclose(set);
}

static int read_number(struct reader *r, const char *name, struct assay_err *err)
{
    struct assay_table *table = r->table;
    if (!is_float(r, name)) return ASSAY_OK;
    double *value = take(r, table->n_row, sizeof *value, err);
    if (!value) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_column(r, name, H5T_NATIVE_DOUBLE, value, err));
    if (is_error_of_last(table, name)) {
        table->error[table->n_column - 1] = value;
        return ASSAY_OK;
    }
    strcpy(table->name[table->n_column], name);
    table->value[table->n_column] = value;
    describe(r, name, table->n_column++);
    return ASSAY_OK;
}

static int read_order(struct reader *r, const char *name, struct assay_err *err)
{
    struct assay_table *table = r->table;
    uint64_t *order = take(r, table->n_row, sizeof *order, err);
    bool *seen = take(r, table->n_row, sizeof *seen, err);
    if (!order || !seen) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_column(r, name, H5T_NATIVE_UINT64, order, err));
    for (uint64_t i = 0; i < table->n_row; i++) {
        if (order[i] >= table->n_row || seen[order[i]])
            return broken(r, name, "is not an order of the rows", err);
        seen[order[i]] = true;
    }
    strcpy(table->ranking[table->n_ranking], name);
    table->order[table->n_ranking++] = order;
    return ASSAY_OK;
}

// Calls visit for every member of the open group, in order of creation.
static int for_members(struct reader *r, uint64_t n, const char *path,
                       int (*visit)(struct reader *, const char *, struct assay_err *),
                       struct assay_err *err)
{
    for (uint64_t i = 0; i < n; i++) {
        char name[NAME_BYTES];
        const ssize_t length = H5Lget_name_by_idx(r->group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i,
                                                  name, sizeof name, H5P_DEFAULT);
        if (length < 0 || (size_t)length >= sizeof name)
            return broken(r, path, "has a member with an unreadable or overlong name", err);
        ASSAY_TRY(visit(r, name, err));
    }
    return ASSAY_OK;
}

static int read_table(struct reader *r, uint64_t n, struct assay_err *err)
{
    struct assay_table *table = r->table;
    table->name = take(r, n, sizeof *table->name, err);
    table->direction = take(r, n, sizeof *table->direction, err);
    table->value = take(r, n, sizeof *table->value, err);
    table->error = take(r, n, sizeof *table->error, err);
    table->unit = take(r, n, sizeof *table->unit, err);
    table->source = take(r, n, sizeof *table->source, err);
    table->protocol = take(r, n, sizeof *table->protocol, err);
    if (!table->name || !table->direction || !table->value || !table->error || !table->unit ||
        !table->source || !table->protocol)
        return ASSAY_ERR_MEMORY;
    ASSAY_TRY(read_keys(r, err));
    return for_members(r, n, "/table", read_number, err);
}

static int read_rankings(struct reader *r, uint64_t n, struct assay_err *err)
{
    r->table->ranking = take(r, n, sizeof *r->table->ranking, err);
    r->table->order = take(r, n, sizeof *r->table->order, err);
    if (!r->table->ranking || !r->table->order) return ASSAY_ERR_MEMORY;
    return for_members(r, n, "/rankings", read_order, err);
}

static int in_group(struct reader *r, const char *path,
                    int (*read)(struct reader *, uint64_t, struct assay_err *),
                    struct assay_err *err)
{
    H5G_info_t info = {0};
    r->group = H5Gopen2(r->file, path, H5P_DEFAULT);
    if (r->group < 0) return broken(r, path, "is missing", err);
    const int status = H5Gget_info(r->group, &info) < 0 ? broken(r, path, "cannot be read", err)
                                                        : read(r, info.nlinks, err);
    H5Gclose(r->group);
    return status;
}

// ---- the file
// -------------------------------------------------------------------------------------

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

static int read_file(struct reader *r, struct assay_err *err)
{
    const char *format = text_attr(r, r->file, "format");
    if (!format || strncmp(format, "assay results ", 14) != 0)
        return assay_err_set(
            err, ASSAY_ERR_INPUT,
            "%s: an HDF5 file, but not one of assay's: no attribute format = 'assay "
            "results 1'",
            r->name);
    if (strcmp(format, "assay results 1") != 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: format '%s'; this program reads 'assay "
                             "results 1'",
                             r->name, format);
    ASSAY_TRY(in_group(r, "/table", read_table, err));
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
