// SPDX-License-Identifier: Apache-2.0
#include "file.h"
#include "h5write.h"
#include "sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// One file being built.
struct build {
    struct h5w w;
    const struct assay_results *results;
    struct sheet sheet;
    struct assay_arena arena;
};

// Scratch of count elements; on failure it is NULL, and the build has failed.
static void *scratch(struct build *b, uint64_t count, size_t size)
{
    void *block = assay_arena_zalloc(&b->arena, count * size);
    h5w_check(&b->w, block);
    return block;
}

static void describe(struct build *b, hid_t set, const struct sheet_column *column)
{
    h5w_text_attr(&b->w, set, "name", column->meta.name);
    h5w_text_attr(&b->w, set, "unit", column->meta.unit);
    h5w_int_attr(&b->w, set, "direction", column->meta.direction);
    h5w_text_attr(&b->w, set, "source", column->meta.source);
    h5w_text_attr(&b->w, set, "protocol", column->protocol);
}

// Closes a data set after giving it one line of help.
static void end_set(struct build *b, hid_t set, const char *help)
{
    if (help) h5w_text_attr(&b->w, set, "help", help);
    if (set >= 0) H5Dclose(set);
}

// Writes texts; get gives that of row or column i.
static void put_texts(struct build *b, hid_t group, const char *name, const char *help, uint64_t n,
                      const char *(*get)(const struct build *, uint64_t i))
{
    size_t width = 1;
    for (uint64_t i = 0; i < n; i++) {
        const size_t length = strlen(get(b, i));
        if (length > width) width = length;
    }
    char *text = scratch(b, n, width);
    for (uint64_t i = 0; text && i < n; i++) {
        const char *from = get(b, i);
        memcpy(text + i * width, from, strlen(from));
    }
    if (text) end_set(b, h5w_texts(&b->w, group, name, n, width, text), help);
}

// ---- /table ------------------------------------------------------------------------------------

static const char *status_text(const struct build *b, uint64_t i)
{
    const struct assay_record *record = b->results->row[i].record;
    return record ? assay_verdict_name(record->verdict) : "unfinished";
}

static const char *arch_text(const struct build *b, uint64_t i)
{
    return b->results->row[i].arch;
}

static const char *reason_text(const struct build *b, uint64_t i)
{
    const struct assay_record *record = b->results->row[i].record;
    return record ? record->reason : "";
}

static void put_keys(struct build *b, hid_t table)
{
    const uint64_t n = b->results->n_row;
    uint64_t *index = scratch(b, n, sizeof *index), *class = scratch(b, n, sizeof *class);
    int32_t *code = scratch(b, n, sizeof *code);
    if (b->w.failed) return;
    for (uint64_t i = 0; i < n; i++) {
        const struct assay_row *row = &b->results->row[i];
        index[i] = row->index;
        class[i] = row->class_index;
        code[i] = row->record ? row->record->verdict : -1;
    }
    end_set(b, h5w_vector(&b->w, table, "index", H5T_NATIVE_UINT64, n, index, true),
            "number of the candidate in its space");
    put_texts(b, table, "arch", "the candidate in its space's notation", n, arch_text);
    end_set(b, h5w_vector(&b->w, table, "class", H5T_NATIVE_UINT64, n, class, true),
            "smallest index whose network is the same function at initialisation; its measured "
            "values are shared by the class");
    put_texts(b, table, "status", "ok, degenerate, dead, failed or unfinished", n, status_text);
    end_set(b, h5w_vector(&b->w, table, "status_code", H5T_NATIVE_INT32, n, code, true),
            "0 ok, 1 degenerate, 2 dead, 3 failed, -1 unfinished");
    put_texts(b, table, "reason", "why a candidate is not ok", n, reason_text);
}

bool assay_results_reserve(const char *name)
{
    static const char *const key[] = {"index", "arch", "class", "status", "status_code", "reason"};
    static const char error[] = "_stderr";
    const size_t n = strlen(name), end = sizeof error - 1;
    for (size_t i = 0; i < ASSAY_LEN(key); i++)
        if (strcmp(name, key[i]) == 0) return true;
    return n >= end && strcmp(name + n - end, error) == 0;
}

static void put_error(struct build *b, hid_t table, const struct sheet_column *column)
{
    char name[128];
    snprintf(name, sizeof name, "%s_stderr", column->meta.name);
    struct sheet_column error = *column;
    error.meta.name = name;
    error.meta.direction = 0;
    const hid_t set =
        h5w_vector(&b->w, table, name, H5T_NATIVE_DOUBLE, b->results->n_row, column->error, true);
    describe(b, set, &error);
    end_set(b, set, "standard error of the mean over repeats");
}

static void put_table(struct build *b)
{
    const hid_t table = h5w_group(&b->w, "table");
    put_keys(b, table);
    for (uint32_t c = 0; c < b->sheet.n_column; c++) {
        const struct sheet_column *column = &b->sheet.column[c];
        const hid_t set = h5w_vector(&b->w, table, column->meta.name, H5T_NATIVE_DOUBLE,
                                     b->results->n_row, column->mean, true);
        describe(b, set, column);
        end_set(b, set, NULL);
        if (column->error) put_error(b, table, column);
    }
    if (table >= 0) H5Gclose(table);
}

// ---- /columns ----------------------------------------------------------------------------------

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static const char *column_name(const struct build *b, uint64_t i)
{
    return b->sheet.column[i].meta.name;
}

static const char *column_unit(const struct build *b, uint64_t i)
{
    return or_empty(b->sheet.column[i].meta.unit);
}

static const char *column_source(const struct build *b, uint64_t i)
{
    return or_empty(b->sheet.column[i].meta.source);
}

static const char *column_protocol(const struct build *b, uint64_t i)
{
    return or_empty(b->sheet.column[i].protocol);
}

// Writes what the columns of /table are, as a table.
static void put_columns(struct build *b)
{
    const uint64_t n = b->sheet.n_column;
    int32_t *direction = scratch(b, n, sizeof *direction);
    if (!direction) return;
    for (uint64_t i = 0; i < n; i++) direction[i] = b->sheet.column[i].meta.direction;
    const hid_t group = h5w_group(&b->w, "columns");
    put_texts(b, group, "name", "data set of /table", n, column_name);
    put_texts(b, group, "unit", NULL, n, column_unit);
    end_set(b, h5w_vector(&b->w, group, "direction", H5T_NATIVE_INT32, n, direction, true),
            "+1 larger is better, -1 smaller is better, 0 neither");
    put_texts(b, group, "source", "paper and equation", n, column_source);
    put_texts(b, group, "protocol", "batch, initialisation, BN, outputs, precision, data", n,
              column_protocol);
    if (group >= 0) H5Gclose(group);
}

// ---- /repeats and /spectrum --------------------------------------------------------------------

// Which numbers of a record a data set takes.
struct slice {
    bool spectrum;
    uint32_t first, step, count;
};

static void gather(const struct slice *slice, const struct assay_record *record, double *out)
{
    const double *from = !record ? NULL : slice->spectrum ? record->spectrum : record->value;
    for (uint32_t i = 0; i < slice->count; i++) {
        const double value = from ? from[slice->first + (size_t)i * slice->step] : NAN;
        out[i] = isnan(value) ? NAN : value;
    }
}

// Writes the rows [first, first + n) of the data set.
static void put_block(struct build *b, hid_t set, int ndim, const hsize_t *dim, uint64_t first,
                      uint64_t n, const double *value)
{
    const hsize_t start[3] = {first}, count[3] = {n, dim[1], ndim > 2 ? dim[2] : 0};
    const hid_t file = H5Dget_space(set), memory = H5Screate_simple(ndim, count, NULL);
    h5w_check(&b->w, H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0);
    h5w_check(&b->w, H5Dwrite(set, H5T_NATIVE_DOUBLE, memory, file, H5P_DEFAULT, value) >= 0);
    H5Sclose(memory);
    H5Sclose(file);
}

// Writes a data set (row, repeat) or (row, repeat, spectrum_len), a block of rows at a time.
static hid_t put_slices(struct build *b, hid_t group, const char *name, int ndim,
                        const hsize_t *dim, const struct slice *slice)
{
    enum { BLOCK_ROWS = 4096 };
    const uint64_t n = b->results->n_row;
    const hid_t set = h5w_set(&b->w, group, name, H5T_NATIVE_DOUBLE, ndim, dim, true);
    double *value = malloc(((size_t)BLOCK_ROWS * slice->count + 1) * sizeof *value);
    h5w_check(&b->w, value);
    for (uint64_t first = 0; !b->w.failed && first < n; first += BLOCK_ROWS) {
        const uint64_t rows = n - first < BLOCK_ROWS ? n - first : BLOCK_ROWS;
        for (uint64_t i = 0; i < rows; i++)
            gather(slice, b->results->row[first + i].record, value + i * slice->count);
        put_block(b, set, ndim, dim, first, rows, value);
    }
    free(value);
    return set;
}

static void put_repeats(struct build *b)
{
    const struct assay_schema *schema = b->results->schema;
    const hsize_t dim[2] = {b->results->n_row, schema->repeats};
    const hid_t group = h5w_group(&b->w, "repeats");
    for (uint32_t c = 0; c < schema->n_column; c++) {
        const struct slice slice = {.first = c, .step = schema->n_column, .count = schema->repeats};
        const hid_t set = put_slices(b, group, schema->column[c].name, 2, dim, &slice);
        describe(b, set, &b->sheet.column[c]);
        end_set(b, set, NULL);
    }
    if (group >= 0) H5Gclose(group);
}

static void put_spectrum(struct build *b)
{
    const struct assay_schema *schema = b->results->schema;
    const hsize_t dim[3] = {b->results->n_row, schema->repeats, schema->spectrum_len};
    const struct slice slice = {
        .spectrum = true, .step = 1, .count = schema->repeats * schema->spectrum_len};
    if (schema->spectrum_len == 0) return;
    const hid_t set = put_slices(b, b->w.file, "spectrum", 3, dim, &slice);
    for (uint32_t c = 0; c < schema->n_column; c++) {
        if (strcmp(schema->column[c].name, "kappa") == 0)
            h5w_text_attr(&b->w, set, "protocol", b->sheet.column[c].protocol);
    }
    end_set(b, set, "eigenvalues of the NTK, ascending (row, repeat, eigenvalue)");
}

// ---- /rankings, /ranks, /run -------------------------------------------------------------------

static void put_rankings(struct build *b)
{
    const uint64_t n = b->results->n_row;
    const hid_t rankings = h5w_group(&b->w, "rankings"), ranks = h5w_group(&b->w, "ranks");
    for (uint32_t c = 0; c < b->sheet.n_column; c++) {
        const struct sheet_column *column = &b->sheet.column[c];
        if (!column->ranked) continue;
        const hid_t order = h5w_vector(&b->w, rankings, column->meta.name, H5T_NATIVE_UINT64, n,
                                       column->ranking.order, true);
        describe(b, order, column);
        end_set(b, order, "rows of /table from best to worst; rows that are not ok stand last");
        const hid_t rank = h5w_vector(&b->w, ranks, column->meta.name, H5T_NATIVE_UINT64, n,
                                      column->ranking.rank, true);
        describe(b, rank, column);
        end_set(b, rank, "1 + number of better rows, for every row of /table");
    }
    if (ranks >= 0) H5Gclose(ranks);
    if (rankings >= 0) H5Gclose(rankings);
}

static void put_attrs(struct build *b, hid_t object, bool of_run)
{
    for (size_t i = 0; i < b->results->n_attr; i++) {
        const struct assay_attr *attr = &b->results->attr[i];
        if (attr->run == of_run) h5w_text_attr(&b->w, object, attr->name, attr->text);
    }
}

// It is written last and not compressed, so that all else is the same bytes in every run.
static void put_run(struct build *b)
{
    const uint64_t n = b->results->n_row;
    double *seconds = scratch(b, n, sizeof *seconds);
    int32_t *rank = scratch(b, n, sizeof *rank);
    if (b->w.failed) return;
    for (uint64_t i = 0; i < n; i++) {
        const struct assay_record *record = b->results->row[i].record;
        seconds[i] = record ? record->seconds : NAN;
        rank[i] = record ? record->rank : -1;
    }
    const hid_t run = h5w_group(&b->w, "run");
    put_attrs(b, run, true);
    end_set(b, h5w_vector(&b->w, run, "seconds", H5T_NATIVE_DOUBLE, n, seconds, false),
            "thread CPU seconds of the evaluation");
    end_set(b, h5w_vector(&b->w, run, "rank", H5T_NATIVE_INT32, n, rank, false),
            "MPI rank that evaluated the row's class, -1 unfinished");
    if (run >= 0) H5Gclose(run);
}

static void *build_file(struct build *b, size_t *n)
{
    h5w_start(&b->w);
    h5w_int_attr(&b->w, b->w.file, "assay_results", ASSAY_RESULTS_VERSION);
    put_attrs(b, b->w.file, false);
    if (!b->w.failed) {
        put_columns(b);
        put_table(b);
        put_repeats(b);
        put_spectrum(b);
        put_rankings(b);
        put_run(b);
    }
    return h5w_finish(&b->w, n);
}

int assay_results_write(const char *dir, const struct assay_results *results, struct assay_err *err)
{
    struct build b = {.results = results};
    size_t n;
    const int filled = sheet_fill(&b.sheet, results, &b.arena, err);
    void *bytes = filled < 0 ? NULL : build_file(&b, &n);
    assay_arena_finish(&b.arena);
    if (filled < 0) return assay_err_prefix(err, "%s/results.h5", dir);
    if (!bytes)
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "%s/results.h5: HDF5 could not build the file of %llu rows in memory",
                             dir, (unsigned long long)results->n_row);
    const int status = assay_file_replace(dir, "results.h5", bytes, n, err);
    free(bytes);
    return status;
}
