// SPDX-License-Identifier: Apache-2.0
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum format { CSV, JSON, SUITE, NPY };

int export_open_space(const struct export *e, struct assay_space *space,
                      struct assay_config **config, struct assay_err *err)
{
    const struct assay_table *t = e->table;
    *config = malloc(sizeof **config);
    if (!*config) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    const char *name = t->space ? t->space : "nas-bench-201";
    const struct assay_space_kind *kind = assay_space_find(name);
    if (!(kind && kind->given) && t->config &&
        assay_config_parse(*config, cli_vocabulary(), t->config, NULL) >= 0 &&
        strcmp(assay_config_evaluation(*config)->space, name) == 0 &&
        assay_config_open_space(*config, space, NULL) >= 0)
        return ASSAY_OK;
    free(*config);
    *config = NULL;
    if (results_open_space(space, t, err) >= 0) return ASSAY_OK;
    return assay_err_prefix(err, "%s", e->file);
}

// ---- tables -------------------------------------------------------------------------------------
static void add_row(struct text_table *text, const struct export *e, uint64_t row)
{
    const struct assay_table *t = e->table;
    text_table_add_count(text, t->index[row]);
    text_table_add(text, "%s", t->arch[row]);
    text_table_add(text, "%s", results_status_name(t->status[row]));
    for (int i = 0; i < e->n_field; i++) results_add_field(text, t, &e->field[i], row, 17);
}

// Prints some rows at a time, since every cell is a text of its own.
static int export_table(const struct export *e, enum cli_format format, struct assay_err *err)
{
    enum { ROWS = 1024 };
    const char *const fixed[] = {"index", "arch", "status"};
    struct text_table text = {.n_column = ASSAY_LEN(fixed) + (size_t)e->n_field};
    int status = ASSAY_OK;
    for (size_t i = 0; i < ASSAY_LEN(fixed); i++) text_table_add(&text, "%s", fixed[i]);
    for (int i = 0; i < e->n_field; i++) {
        char name[ASSAY_TEXT_MAX];
        results_field_name(e->table, &e->field[i], name);
        text_table_add(&text, "%s", name);
    }
    for (uint64_t row = 0; status >= 0 && row < e->table->n_row;) {
        const uint64_t left = e->table->n_row - row, end = row + (left < ROWS ? left : ROWS);
        for (; row < end; row++) add_row(&text, e, row);
        status = text_table_print(&text, format, e->out, err);
        text_table_rewind(&text);
    }
    text_table_free(&text);
    return status;
}

static int export_as(const struct export *e, enum format format, struct assay_err *err)
{
    switch (format) {
    case CSV:
        return export_table(e, CLI_CSV, err);
    case JSON:
        return export_table(e, CLI_JSON, err);
    case SUITE:
        return export_suite(e, err);
    case NPY:
        break;
    }
    return export_npy(e, err);
}

// ---- where to -----------------------------------------------------------------------------------
static int refuse_write(const char *file, int why, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_IO, "cannot write %s: %s", file,
                         why ? strerror(why) : "write error");
}

// Ends the temporary file, and gives it its name where all is in it.
static int end_file(FILE *out, const char *temporary, const char *file, int status,
                    struct assay_err *err)
{
    errno = 0;
    const bool whole = !ferror(out) && fflush(out) == 0 && fsync(fileno(out)) == 0;
    const int why = errno;
    fclose(out);
    if (status >= 0 && !whole) status = refuse_write(file, why, err);
    if (status >= 0 && rename(temporary, file) != 0) status = refuse_write(file, errno, err);
    if (status < 0) unlink(temporary);
    return status;
}

// The file holds what it held before until all of the new one is written.
static int export_to(struct export *e, enum format format, const char *file, struct assay_err *err)
{
    char temporary[2 * ASSAY_TEXT_MAX];
    ASSAY_TRY(assay_file_unique(temporary, sizeof temporary, file, err));
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    e->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!e->out) {
        const int why = errno;
        if (fd >= 0) close(fd), unlink(temporary);
        return refuse_write(file, why, err);
    }
    return end_file(e->out, temporary, file, export_as(e, format, err), err);
}

// ---- the verb -----------------------------------------------------------------------------------
static int export_table_to(struct export *e, const struct cli_args *args, struct assay_err *err)
{
    const char *file = cli_value(args, "output");
    int format = -1;
    ASSAY_TRY(cli_choice(args, "format", &format, err));
    if (format < 0)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "export: --format is missing: csv, json, "
                             "suite-zero or npy");
    if (file) return export_to(e, (enum format)format, file, err);
    if (format == NPY && assay_terminal_columns(stdout))
        return assay_err_set(err, ASSAY_ERR_USAGE, "--format npy is not for a terminal: -o FILE");
    e->out = stdout;
    return export_as(e, (enum format)format, err);
}

// Programs take a name once: NumPy refuses the array, and JSON has the last value only.
static int check_fields(const struct export *e, struct assay_err *err)
{
    char a[ASSAY_TEXT_MAX], b[ASSAY_TEXT_MAX];
    for (int i = 0; i < e->n_field; i++) {
        results_field_name(e->table, &e->field[i], a);
        for (int k = 0; k < i; k++) {
            results_field_name(e->table, &e->field[k], b);
            if (strcmp(a, b) == 0)
                return assay_err_set(err, ASSAY_ERR_USAGE, "--columns: %.100s stands there twice",
                                     a);
        }
    }
    return ASSAY_OK;
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct assay_table *table;
    const char *words = cli_value(args, "columns");
    ASSAY_TRY(results_read(&table, args->position[0], err));
    struct export e = {.table = table, .file = args->position[0]};
    int status = e.n_field = results_fields(table, words ? words : "all", &e.field, err);
    if (status >= 0 && words) status = check_fields(&e, err);
    if (status >= 0) status = export_table_to(&e, args, err);
    free(e.field);
    assay_table_free(table);
    return status < 0 ? status : ASSAY_EXIT_COMPLETE;
}

static const struct cli_option options[] = {
    {.name = "format",
     .value = "csv|json|suite-zero|npy",
     .help = "comma-separated; an object a row, each on a line (JSON Lines);\n"
             "{arch: {column: {score, time}}} as NAS-Bench-Suite-Zero has it;\n"
             "an array of NumPy's whose element i is architecture i"},
    {.name = "columns", .value = "A,B,...", .help = "columns, as of rank (all)"},
    {.name = "output", .letter = 'o', .value = "FILE", .help = "written whole, or left as it was"},
    {.name = NULL},
};

const struct cli_verb cli_verb_export = {
    .name = "export",
    .synopsis = "DIR|RESULTS.h5 --format FORMAT",
    .help = "write a results file in the formats of other programs",
    .about =
        "Rows are in the order of the space. What is not finite is null in JSON. The time of\n"
        "suite-zero is the row's, of which a column has the part that its own passes cost: passes\n"
        "that metrics share count for each of them. What is counted takes no time; without times,\n"
        "or a configuration that this program reads, it is null. An array of npy has all\n"
        "architectures of the space; status_code is -1 and values are NaN where none was "
        "evaluated.\n",
    .examples = "assay export runs/nb201 --format csv -o nb201.csv\n"
                "assay export runs/nb201 --format suite-zero --columns kappa,regions -o zc.json\n"
                "assay export runs/nb201 --format npy -o nb201.npy\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .run = run,
};
