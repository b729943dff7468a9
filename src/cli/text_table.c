// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // vasprintf
#include "text_table.h"
#include "json_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void text_table_free(struct text_table *t)
{
    for (size_t i = 0; i < t->n; i++) free(t->cell[i].text);
    free(t->cell);
    *t = (struct text_table){0};
}

void text_table_rewind(struct text_table *t)
{
    for (size_t i = t->n_column; i < t->n; i++) free(t->cell[i].text);
    if (t->n > t->n_column) t->n = t->n_column;
    t->goes_on = true;
}

static bool reserve(struct text_table *t)
{
    if (t->n < t->cap) return true;
    const size_t cap = t->cap ? 2 * t->cap : 256;
    struct text_cell *cell = realloc(t->cell, cap * sizeof(*cell));
    if (!cell) return false;
    t->cell = cell;
    t->cap = cap;
    return true;
}

void text_table_add(struct text_table *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    if (t->failed || !reserve(t) || vasprintf(&text, fmt, args) < 0)
        t->failed = true;
    else
        t->cell[t->n++] = (struct text_cell){.text = text};
    va_end(args);
}

// The cell that was just added is a number.
static void mark_number(struct text_table *t)
{
    if (!t->failed) t->cell[t->n - 1].number = true;
}

void text_table_add_number(struct text_table *t, double value, int digits)
{
    if (isnan(value))
        text_table_add(t, "%s", "");
    else if (value == floor(value) && fabs(value) < 1e15)
        text_table_add(t, "%.0f", value);
    else
        text_table_add(t, "%.*g", digits, value);
    mark_number(t);
}

void text_table_add_count(struct text_table *t, uint64_t value)
{
    text_table_add(t, "%" PRIu64, value);
    mark_number(t);
}

// ---- aligned ------------------------------------------------------------------------------------
#define SPACE "  " // between columns

static const char *shown(const char *cell)
{
    return *cell ? cell : "-";
}

static bool is_number(const char *cell)
{
    char *end;
    (void)strtod(cell, &end);
    return end != cell && (*end == 0 || *end == ' ');
}

// Width of column c, negative (printf's left alignment) when it holds words.
static int width(const struct text_table *t, size_t c)
{
    size_t most = 0;
    bool words = false, numbers = false;
    for (size_t i = c; i < t->n; i += t->n_column) {
        const char *cell = t->cell[i].text;
        if (strlen(shown(cell)) > most) most = strlen(shown(cell));
        if (i < t->n_column || !*cell) continue;
        words |= !is_number(cell);
        numbers |= is_number(cell);
    }
    return words || !numbers ? -(int)most : (int)most;
}

// The mark of words that were cut.
static const char cut_mark[] = "...";

static void print_cell(const char *text, int width, bool last, FILE *stream)
{
    const size_t room = (size_t)abs(width);
    const bool cut = strlen(text) > room;
    if (cut)
        fprintf(stream, "%.*s%s", (int)(room - strlen(cut_mark)), text, cut_mark);
    else // no trailing blanks after a word at the end of a line
        fprintf(stream, "%*s", last && width < 0 ? 0 : width, text);
    fputs(last ? "\n" : SPACE, stream);
}

// Prints the key columns, and those from first up to end.
static void print_part(const struct text_table *t, const int *widths, size_t first, size_t end,
                       FILE *stream)
{
    for (size_t row = 0; row < t->n; row += t->n_column) {
        for (size_t c = 0; c < t->n_key; c++)
            print_cell(shown(t->cell[row + c].text), widths[c], c + 1 == end, stream);
        for (size_t c = first; c < end; c++)
            print_cell(shown(t->cell[row + c].text), widths[c], c + 1 == end, stream);
    }
}

static size_t width_of(const int *widths, size_t first, size_t end)
{
    size_t sum = 0;
    for (size_t c = first; c < end; c++) sum += (size_t)abs(widths[c]) + strlen(SPACE);
    return sum;
}

// Makes the soft column as narrow as the terminal calls for.
static void cut(const struct text_table *t, int *widths, size_t columns)
{
    enum { LEAST = 12 };
    const size_t all = width_of(widths, 0, t->n_column) - strlen(SPACE);
    if (!t->soft || all <= columns) return;
    const size_t now = (size_t)abs(widths[t->soft]), excess = all - columns;
    const size_t then = now > excess + LEAST ? now - excess : LEAST;
    if (then < now) widths[t->soft] = -(int)then;
}

// Where the part that begins with column first ends: as many columns as fit, and one in any case.
static size_t find_end(const struct text_table *t, const int *widths, size_t first, size_t columns)
{
    const size_t key = width_of(widths, 0, t->n_key);
    size_t end = first + 1;
    while (end < t->n_column && key + width_of(widths, first, end + 1) - strlen(SPACE) <= columns)
        end++;
    return end;
}

static int print_aligned(const struct text_table *t, FILE *stream)
{
    const unsigned terminal = assay_terminal_columns(stream);
    const size_t columns = terminal ? terminal : SIZE_MAX;
    int *widths = malloc((t->n_column ? t->n_column : 1) * sizeof(*widths));
    if (!widths) return ASSAY_ERR_MEMORY;
    for (size_t c = 0; c < t->n_column; c++) widths[c] = width(t, c);
    cut(t, widths, columns);
    for (size_t first = t->n_key, end; first < t->n_column; first = end) {
        end = find_end(t, widths, first, columns);
        print_part(t, widths, first, end, stream);
        if (end < t->n_column) fputc('\n', stream);
    }
    free(widths);
    return 0;
}

// ---- comma-separated ----------------------------------------------------------------------------
static void print_quoted(const char *cell, FILE *stream)
{
    if (!strpbrk(cell, ",\"\r\n")) {
        fputs(cell, stream);
        return;
    }
    fputc('"', stream);
    for (; *cell; cell++) {
        if (*cell == '"') fputc('"', stream);
        fputc(*cell, stream);
    }
    fputc('"', stream);
}

static int print_csv(const struct text_table *t, FILE *stream)
{
    for (size_t i = t->goes_on ? t->n_column : 0; i < t->n; i++) {
        print_quoted(t->cell[i].text, stream);
        fputc((i + 1) % t->n_column ? ',' : '\n', stream);
    }
    return 0;
}

// ---- JSON ---------------------------------------------------------------------------------------
static int print_json(const struct text_table *t, FILE *stream)
{
    struct json j = {.out = stream};
    for (size_t row = t->n_column; row < t->n; row += t->n_column) {
        json_begin(&j, '{');
        for (size_t c = 0; c < t->n_column; c++) {
            const struct text_cell *cell = &t->cell[row + c];
            json_key(&j, t->cell[c].text);
            if (cell->number)
                json_number_text(&j, cell->text);
            else
                json_text(&j, cell->text);
        }
        json_end(&j, '}');
        json_line(&j);
    }
    return 0;
}

int text_table_print(const struct text_table *t, enum cli_format format, FILE *stream,
                     struct assay_err *err)
{
    static int (*const print[])(const struct text_table *, FILE *) = {
        [CLI_TEXT] = print_aligned, [CLI_CSV] = print_csv, [CLI_JSON] = print_json};
    const int status = t->failed ? ASSAY_ERR_MEMORY : print[format](t, stream);
    return status == 0 ? 0 : assay_err_set(err, status, "out of memory while printing a table");
}
