// SPDX-License-Identifier: Apache-2.0
#include "file.h"
#include "h5write.h"
#include "labels.h"
#include "sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// One file being built.
struct build {
    struct h5w w;
    const struct assay_results *results;
    struct labels labels;
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
    h5w_text_attr(&b->w, set, "units", column->meta.unit);
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
    uint64_t *class = scratch(b, n, sizeof *class);
    int32_t *code = scratch(b, n, sizeof *code);
    if (b->w.failed) return;
    for (uint64_t i = 0; i < n; i++) {
        const struct assay_row *row = &b->results->row[i];
        class[i] = row->class_index;
        code[i] = row->record ? row->record->verdict : -1;
    }
    h5w_check(&b->w,
              H5Lcreate_hard(b->w.file, "index", table, "index", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    put_texts(b, table, "arch", "the candidate in its space's notation", n, arch_text);
    end_set(b, h5w_vector(&b->w, table, "class", H5T_NATIVE_UINT64, n, class, true),
            "smallest index whose network is the same function at initialisation; its measured "
            "values are shared by the class");
    put_texts(b, table, "status", "ok, degenerate, dead, failed or unfinished", n, status_text);
    const hid_t type = labels_status(&b->w);
    end_set(b, h5w_vector(&b->w, table, "status_code", type, n, code, true),
            "0 ok, 1 degenerate, 2 dead, 3 failed, -1 unfinished");
    H5Tclose(type);
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
    labels_group(&b->labels, &b->w, table, 1);
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

// Rows of one of these data sets: column `column` of the repeats, or the spectrum.
struct block {
    struct build *build;
    uint32_t column, count; // count: values of a row
    double *value;          // of as many rows as are asked for
};

static void set_nan(double *value, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) value[i] = NAN;
}

// Every NaN gets one bit pattern, so that equal results are equal files.
static void level_nan(double *value, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (isnan(value[i])) value[i] = NAN;
}

static const void *get_repeats(void *self, uint64_t first, uint64_t n, struct h5w *w)
{
    const struct block *block = self;
    const struct assay_results *results = block->build->results;
    (void)w;
    for (uint64_t i = 0; i < n; i++) {
        const struct assay_record *record = results->row[first + i].record;
        double *to = block->value + i * block->count;
        set_nan(to, block->count);
        for (uint32_t k = 0; record && k < block->count; k++)
            to[k] = record->value[block->column + (size_t)k * results->schema->n_column];
        level_nan(to, block->count);
    }
    return block->value;
}

static int read_spectrum(const struct block *block, uint64_t row, double *to, struct h5w *w)
{
    const struct assay_results *results = block->build->results;
    const struct assay_record *record = results->row[row].record;
    set_nan(to, record ? 0 : block->count);
    if (record && results->spectrum)
        ASSAY_TRY(results->spectrum(results->self, row, to, w->err));
    else if (record)
        memcpy(to, record->spectrum, block->count * sizeof *to);
    level_nan(to, block->count);
    return ASSAY_OK;
}

static const void *get_spectra(void *self, uint64_t first, uint64_t n, struct h5w *w)
{
    const struct block *block = self;
    for (uint64_t i = 0; i < n && !w->status; i++)
        w->status = read_spectrum(block, first + i, block->value + i * block->count, w);
    return w->status ? NULL : block->value;
}

static hid_t put_blocks(struct build *b, hid_t group, const char *name, int ndim,
                        const hsize_t *dim, struct block *block)
{
    block->build = b;
    block->count = (uint32_t)(dim[1] * (ndim > 2 ? dim[2] : 1));
    const bool large = dim[0] * block->count * sizeof *block->value > ASSAY_RESULTS_PACKED_MOST;
    const hid_t set =
        h5w_set(&b->w, group, name, H5T_NATIVE_DOUBLE, ndim, dim, large ? H5W_CHECKED : H5W_PACKED);
    block->value = malloc((h5w_rows_most(ndim, dim) * block->count + 1) * sizeof *block->value);
    h5w_check(&b->w, block->value);
    if (!b->w.failed)
        h5w_put(&b->w, set, H5T_NATIVE_DOUBLE, ndim, dim,
                &(struct h5w_rows){.self = block, .get = ndim > 2 ? get_spectra : get_repeats});
    free(block->value);
    return set;
}

static void put_repeats(struct build *b)
{
    const struct assay_schema *schema = b->results->schema;
    const hsize_t dim[2] = {b->results->n_row, schema->repeats};
    const hid_t group = h5w_group(&b->w, "repeats");
    for (uint32_t c = 0; c < schema->n_column; c++) {
        struct block block = {.column = c};
        const hid_t set = put_blocks(b, group, schema->column[c].name, 2, dim, &block);
        describe(b, set, &b->sheet.column[c]);
        end_set(b, set, NULL);
    }
    labels_group(&b->labels, &b->w, group, 2);
    if (group >= 0) H5Gclose(group);
}

static void put_spectrum(struct build *b)
{
    const struct assay_schema *schema = b->results->schema;
    const hsize_t dim[3] = {b->results->n_row, schema->repeats, schema->spectrum_len};
    struct block block = {.column = 0};
    if (schema->spectrum_len == 0) return;
    const hid_t set = put_blocks(b, b->w.file, "spectrum", 3, dim, &block);
    for (uint32_t c = 0; c < schema->n_column; c++) {
        if (strcmp(schema->column[c].name, "kappa") == 0)
            h5w_text_attr(&b->w, set, "protocol", b->sheet.column[c].protocol);
    }
    labels_set(&b->labels, &b->w, set, 3);
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
    labels_group(&b->labels, &b->w, ranks, 1);
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

// It is written last and not compressed, and no dimension leads to it, so that all else is the same
// bytes in every run.
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

static bool build_file(struct build *b, int fd, struct assay_err *err)
{
    h5w_start(&b->w, fd, b->results->pause, err);
    h5w_int_attr(&b->w, b->w.file, "assay_results", ASSAY_RESULTS_VERSION);
    put_attrs(b, b->w.file, false);
    if (!b->w.failed) {
        labels_open(&b->labels, &b->w, b->results);
        put_columns(b);
        put_table(b);
        put_repeats(b);
        put_spectrum(b);
        put_rankings(b);
        put_run(b);
    }
    labels_close(&b->labels);
    return h5w_finish(&b->w);
}

static int write_file(struct build *b, const char *dir, struct assay_err *err)
{
    struct file_draft draft;
    ASSAY_TRY(file_draft_open(&draft, dir, "results.h5", err));
    const bool whole = build_file(b, draft.fd, err);
    if (whole || b->w.disk.why)
        return file_draft_keep(&draft, dir, b->w.disk.bytes, b->w.disk.why, err);
    file_draft_drop(&draft);
    if (b->w.status) return b->w.status;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "%s/results.h5: no memory to build the file of %llu rows, or HDF5 failed",
                         dir, (unsigned long long)b->results->n_row);
}

int assay_results_write(const char *dir, const struct assay_results *results, struct assay_err *err)
{
    struct build b = {.results = results};
    const int filled = sheet_fill(&b.sheet, results, &b.arena, err);
    const int status = filled ? filled : write_file(&b, dir, err);
    assay_arena_finish(&b.arena);
    return filled < 0 ? assay_err_prefix(err, "%s/results.h5", dir) : status;
}
