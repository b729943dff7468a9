// SPDX-License-Identifier: Apache-2.0
// The format is that of numpy.lib.format, version 1.0 or 2.0.
#include "export.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_ALIGN = 64, HEADER_FIXED = 12 };

static bool is_number(const struct results_field *f)
{
    return f->what == RESULTS_VALUE || f->what == RESULTS_STDERR || f->what == RESULTS_SECONDS;
}

static void put_name(FILE *out, const char *name)
{
    fputc('\'', out);
    for (; *name; name++) {
        if (*name == '\'' || *name == '\\') fputc('\\', out);
        fputc(*name, out);
    }
    fputc('\'', out);
}

// The dictionary that says what the elements are.
static char *describe(const struct export *e, uint64_t n)
{
    const char order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
    char *text = NULL, name[ASSAY_TEXT_MAX];
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    fprintf(out, "{'descr': [('class', '%cu8'), ('status_code', '%ci4')", order, order);
    for (int i = 0; i < e->n_field; i++) {
        if (!is_number(&e->field[i])) continue;
        results_field_name(e->table, &e->field[i], name);
        fputs(", (", out);
        put_name(out, name);
        fprintf(out, ", '%cf8')", order);
    }
    fprintf(out, "], 'fortran_order': False, 'shape': (%" PRIu64 ",), }", n);
    return assay_text_close(out, &text);
}

// Of version 2.0, the one with a length of four bytes.
static int put_header(const struct export *e, uint64_t n, struct assay_err *err)
{
    char *text = describe(e, n);
    if (!text) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    const size_t bytes = HEADER_FIXED + strlen(text) + 1,
                 padding = (HEADER_ALIGN - bytes % HEADER_ALIGN) % HEADER_ALIGN;
    const uint32_t length = (uint32_t)(bytes + padding - HEADER_FIXED);
    fwrite("\x93NUMPY\2\0", 1, 8, e->out);
    for (int i = 0; i < 4; i++) fputc((int)(length >> 8 * i & 255), e->out);
    fprintf(e->out, "%s%*s\n", text, (int)padding, "");
    free(text);
    return ASSAY_OK;
}

static double number_of(const struct export *e, const struct results_field *f, uint64_t row)
{
    const struct assay_table *t = e->table;
    if (f->what == RESULTS_SECONDS) return t->seconds[row];
    return f->what == RESULTS_VALUE ? t->value[f->column][row] : t->error[f->column][row];
}

// row: that of the architecture, or NULL.
static void put_element(const struct export *e, uint64_t class, const uint64_t *row)
{
    const int32_t status = row ? e->table->status[*row] : -1;
    fwrite(&class, sizeof class, 1, e->out);
    fwrite(&status, sizeof status, 1, e->out);
    for (int i = 0; i < e->n_field; i++) {
        if (!is_number(&e->field[i])) continue;
        const double value = row ? number_of(e, &e->field[i], *row) : NAN;
        fwrite(&value, sizeof value, 1, e->out);
    }
}

static int put_space(const struct export *e, const struct assay_space *space, struct assay_err *err)
{
    const struct assay_table *t = e->table;
    const uint64_t size = assay_space_size(space);
    if (size > CLI_WALKED_MAX)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--format npy: an array with all %" PRIu64
                             " architectures of %s, at most %d; csv and json have those evaluated",
                             size, space->kind->name, CLI_WALKED_MAX);
    if (t->n_row && t->index[t->n_row - 1] >= size)
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: index holds what is no architecture of %s",
                             e->file, space->kind->name);
    ASSAY_TRY(put_header(e, size, err));
    for (uint64_t i = 0, row = 0; i < size; i++) {
        const bool there = row < t->n_row && t->index[row] == i;
        put_element(e, there ? t->class_index[row] : assay_space_canonical(space, i),
                    there ? &row : NULL);
        row += there;
    }
    return ASSAY_OK;
}

int export_npy(const struct export *e, struct assay_err *err)
{
    struct assay_space space;
    struct assay_config *config;
    ASSAY_TRY(export_open_space(e, &space, &config, err));
    const int status = put_space(e, &space, err);
    assay_space_close(&space);
    free(config);
    return status;
}
