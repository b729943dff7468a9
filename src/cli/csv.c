// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Where the reader is: cells are cut out of the text in place.
struct cursor {
    struct cli_csv *csv;
    char *at;
    size_t line, n_cell, cap_cell;
    struct assay_err *err;
};

static int csv_fail(const struct cursor *c, const char *what)
{
    return assay_err_set(c->err, ASSAY_ERR_INPUT, "%s:%zu: %s", c->csv->file, c->line, what);
}

static int grow_text(char **text, size_t *cap, struct assay_err *err)
{
    *cap = *cap ? 2 * *cap : 1 << 16;
    char *more = realloc(*text, *cap);
    if (!more) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a table of text");
    *text = more;
    return ASSAY_OK;
}

// The whole stream, with a final newline and zero.
static int slurp(FILE *stream, struct cli_csv *csv, struct assay_err *err)
{
    size_t n = 0, cap = 0;
    for (;;) {
        if (n + 2 >= cap) ASSAY_TRY(grow_text(&csv->text, &cap, err));
        const size_t got = fread(csv->text + n, 1, cap - n - 2, stream);
        if (got == 0) break;
        n += got;
    }
    if (ferror(stream))
        return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", csv->file, strerror(errno));
    if (memchr(csv->text, 0, n))
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: a zero byte: not a text file", csv->file);
    if (n == 0 || csv->text[n - 1] != '\n') csv->text[n++] = '\n';
    csv->text[n] = 0;
    return ASSAY_OK;
}

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

// "a ""quoted"" cell": moves the text over the quotes; leaves the cursor behind the closing one.
static int quoted_cell(struct cursor *c, char **cell)
{
    char *to = *cell = ++c->at;
    for (;; c->at++) {
        if (*c->at == '\n') return csv_fail(c, "a quote is not closed on its line");
        if (*c->at == '"' && *++c->at != '"') break;
        *to++ = *c->at;
    }
    *to = 0;
    return ASSAY_OK;
}

static int plain_cell(struct cursor *c, char **cell)
{
    *cell = c->at;
    c->at += strcspn(c->at, ",\n");
    return ASSAY_OK;
}

// Blanks around a plain cell do not count.
static void trim(char **cell, char *end)
{
    while (end > *cell && strchr(" \t\r", end[-1])) end--;
    *end = 0;
    *cell += strspn(*cell, " \t");
}

static int read_row(struct cursor *c)
{
    for (bool more = true; more; c->at++) {
        char *cell;
        if (*c->at == '"') {
            ASSAY_TRY(quoted_cell(c, &cell));
            c->at += strspn(c->at, " \t\r");
            if (*c->at != ',' && *c->at != '\n') return csv_fail(c, "text after a closing quote");
            more = *c->at == ',';
        } else {
            ASSAY_TRY(plain_cell(c, &cell));
            more = *c->at == ',';
            trim(&cell, c->at);
        }
        ASSAY_TRY(push_cell(c, cell));
    }
    return ASSAY_OK;
}

static int end_row(struct cursor *c, size_t n)
{
    struct cli_csv *csv = c->csv;
    const size_t row = csv->n_column ? ++csv->n_row : 0;
    size_t *line = realloc(csv->line, (row + 1) * sizeof *line);
    if (!line) return assay_err_set(c->err, ASSAY_ERR_MEMORY, "no memory for %zu rows", row);
    csv->line = line;
    line[row] = c->line;
    if (row == 0) csv->n_column = n;
    if (n == csv->n_column) return ASSAY_OK;
    char what[96];
    snprintf(what, sizeof what, "%zu cells, expected %zu as in the header", n, csv->n_column);
    return csv_fail(c, what);
}

static int read_rows(struct cursor *c)
{
    while (*c->at) {
        c->line++;
        const size_t blank = strspn(c->at, " \t\r"), before = c->n_cell;
        if (c->at[blank] == '\n') {
            c->at += blank + 1;
            continue;
        }
        ASSAY_TRY(read_row(c));
        ASSAY_TRY(end_row(c, c->n_cell - before));
    }
    return c->csv->n_column ? ASSAY_OK
                            : assay_err_set(c->err, ASSAY_ERR_INPUT,
                                            "%s: empty, expected a header line", c->csv->file);
}

int cli_csv_read(struct cli_csv *csv, const char *file, struct assay_err *err)
{
    *csv = (struct cli_csv){.file = file};
    FILE *stream = fopen(file, "r");
    if (!stream) return assay_err_set(err, ASSAY_ERR_IO, "%s: %s", file, strerror(errno));
    int status = slurp(stream, csv, err);
    fclose(stream);
    if (status >= 0) {
        struct cursor c = {.csv = csv, .at = csv->text, .err = err};
        if (strncmp(c.at, "\xEF\xBB\xBF", 3) == 0) c.at += 3; // the mark spreadsheets put first
        status = read_rows(&c);
    }
    if (status < 0) cli_csv_free(csv);
    return status;
}

void cli_csv_free(struct cli_csv *csv)
{
    free(csv->cell);
    free(csv->line);
    free(csv->text);
    *csv = (struct cli_csv){0};
}

int cli_csv_column(const struct cli_csv *csv, const char *name, size_t *column,
                   struct assay_err *err)
{
    char known[512] = "";
    for (size_t i = 0, n = 0; i < csv->n_column; i++) {
        if (strcmp(csv->cell[i], name) == 0) {
            *column = i;
            return ASSAY_OK;
        }
        if (n < sizeof known)
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", csv->cell[i]);
    }
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no column '%.100s'; it has: %s", csv->file,
                         name, known);
}
