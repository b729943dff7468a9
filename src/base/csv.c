// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <stdlib.h>
#include <string.h>

// Where the reader is: cells are cut out of the text in place.
struct cursor {
    struct assay_csv *csv;
    char *at;
    size_t line; // of at
    size_t n_cell, cap_cell;
    struct assay_err *err;
};

static int csv_fail(const struct cursor *c, size_t line, const char *what)
{
    return assay_err_set(c->err, ASSAY_ERR_INPUT, "%s:%zu: %s", c->csv->file, line, what);
}

// ---- cells --------------------------------------------------------------------------------------
static int push_cell(struct cursor *c, char *cell)
{
    if (c->n_cell == c->cap_cell) {
        const size_t cap = c->cap_cell ? 2 * c->cap_cell : 1024;
        char **more = realloc(c->csv->cell, cap * sizeof *more);
        if (!more) return assay_err_set(c->err, ASSAY_ERR_MEMORY, "no memory for %zu cells", cap);
        c->csv->cell = more;
        c->cap_cell = cap;
    }
    c->csv->cell[c->n_cell++] = cell;
    return ASSAY_OK;
}

// Reads "a ""quoted"" cell", which may hold line ends: moves the text over the quotes, and leaves
// the cursor behind the closing one.
static int quoted_cell(struct cursor *c, char **cell, char **end)
{
    const size_t opened = c->line;
    char *to = *cell = ++c->at;
    for (;; c->at++) {
        if (!*c->at) return csv_fail(c, opened, "a quote that is not closed");
        c->line += *c->at == '\n';
        if (*c->at == '"' && *++c->at != '"') break;
        *to++ = *c->at;
    }
    *end = to;
    c->at += strspn(c->at, " \t");
    return strchr(",\r\n", *c->at) ? ASSAY_OK : csv_fail(c, c->line, "text after a closing quote");
}

static int plain_cell(struct cursor *c, char **cell, char **end)
{
    *cell = c->at;
    *end = c->at += strcspn(c->at, ",\r\n");
    return ASSAY_OK;
}

// Takes off the blanks and line ends around a cell's text.
static void trim(char **cell, char *end)
{
    while (end > *cell && strchr(" \t\r\n", end[-1])) end--;
    *end = 0;
    *cell += strspn(*cell, " \t\r\n");
}

// Reads a cell, and leaves the cursor behind the comma or the line's end; *more: another cell
// follows.
static int read_cell(struct cursor *c, char **cell, bool *more)
{
    char *end = NULL;
    c->at += strspn(c->at, " \t");
    ASSAY_TRY(*c->at == '"' ? quoted_cell(c, cell, &end) : plain_cell(c, cell, &end));
    *more = *c->at == ',';
    c->at += strspn(c->at, "\r");
    if (!*more && *c->at != '\n')
        return csv_fail(c, c->line, "line ends are CR alone, expected LF or CR LF");
    c->line += !*more;
    c->at++;
    trim(cell, end);
    return ASSAY_OK;
}

// ---- rows ---------------------------------------------------------------------------------------
// Counts the cells of a row; none when all are empty.
static int read_row(struct cursor *c, size_t *n)
{
    const size_t before = c->n_cell;
    bool more = true, empty = true;
    while (more) {
        char *cell;
        ASSAY_TRY(read_cell(c, &cell, &more));
        ASSAY_TRY(push_cell(c, cell));
        empty &= !*cell;
    }
    if (empty) c->n_cell = before;
    *n = c->n_cell - before;
    return ASSAY_OK;
}

static int end_row(struct cursor *c, size_t first_line, size_t n)
{
    struct assay_csv *csv = c->csv;
    const size_t row = csv->n_column ? ++csv->n_row : 0;
    size_t *line = realloc(csv->line, (row + 1) * sizeof *line);
    if (!line) return assay_err_set(c->err, ASSAY_ERR_MEMORY, "no memory for %zu rows", row);
    csv->line = line;
    line[row] = first_line;
    if (row == 0) csv->n_column = n;
    if (n == csv->n_column) return ASSAY_OK;
    char what[96];
    snprintf(what, sizeof what, "%zu cells, expected %zu as in the header", n, csv->n_column);
    return csv_fail(c, first_line, what);
}

// Refuses a header of one cell which another usual separator would divide.
static int check_separator(const struct cursor *c)
{
    bool quoted = false, semicolon = false, tab = false;
    const size_t blank = strspn(c->at, " \t");
    for (const char *at = c->at + blank; *at && (quoted || !strchr("\r\n", *at)); at++) {
        quoted ^= *at == '"';
        if (quoted) continue;
        if (*at == ',') return ASSAY_OK;
        semicolon |= *at == ';';
        tab |= *at == '\t' && at[strspn(at, " \t\r")] != '\n';
    }
    if (semicolon) return csv_fail(c, c->line, "looks separated by ';', expected commas");
    return tab ? csv_fail(c, c->line, "looks separated by tabs, expected commas") : ASSAY_OK;
}

static int read_rows(struct cursor *c)
{
    const struct assay_csv *csv = c->csv;
    while (*c->at) {
        const size_t first_line = c->line;
        size_t n;
        if (!csv->n_column) ASSAY_TRY(check_separator(c));
        ASSAY_TRY(read_row(c, &n));
        if (n) ASSAY_TRY(end_row(c, first_line, n));
    }
    if (csv->n_row) return ASSAY_OK;
    return assay_err_set(c->err, ASSAY_ERR_INPUT, "%s: %s", csv->file,
                         csv->n_column ? "no row below the header line"
                                       : "empty, expected a header line");
}

int assay_csv_read(struct assay_csv *csv, const char *file, struct assay_err *err)
{
    char *text;
    *csv = (struct assay_csv){.file = file};
    ASSAY_TRY(assay_text_read(&text, file, file, "a comma-separated table", err));
    return assay_csv_parse(csv, file, text, err);
}

int assay_csv_parse(struct assay_csv *csv, const char *file, char *text, struct assay_err *err)
{
    *csv = (struct assay_csv){.file = file, .text = text};
    const int status =
        read_rows(&(struct cursor){.csv = csv, .at = csv->text, .line = 1, .err = err});
    if (status < 0) assay_csv_free(csv);
    return status;
}

void assay_csv_free(struct assay_csv *csv)
{
    free(csv->cell);
    free(csv->line);
    free(csv->text);
    *csv = (struct assay_csv){0};
}

// ---- columns ------------------------------------------------------------------------------------
static int no_column(const struct assay_csv *csv, const char *name, const char *option,
                     struct assay_err *err)
{
    char known[512] = "", other[64] = "";
    for (size_t i = 0, n = 0; i < csv->n_column && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", csv->cell[i]);
    if (option) snprintf(other, sizeof other, " (%.30s names another)", option);
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no column '%.100s'%s; it has: %s", csv->file,
                         name, other, known);
}

int assay_csv_column(const struct assay_csv *csv, const char *name, const char *option,
                     size_t *column, struct assay_err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < csv->n_column; i++) {
        if (strcmp(csv->cell[i], name) != 0) continue;
        if (n++ == 0)
            *column = i;
        else
            return assay_err_set(
                err, ASSAY_ERR_INPUT,
                "%s:%zu: columns %zu and %zu are both named '%.100s', expected one", csv->file,
                csv->line[0], *column + 1, i + 1, name);
    }
    return n ? ASSAY_OK : no_column(csv, name, option, err);
}
