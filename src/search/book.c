// SPDX-License-Identifier: Apache-2.0
#include "book.h"

#include <stdlib.h>
#include <string.h>

// Values stand one after the other; texts are zero-padded to their width when written.
struct search_series {
    char name[64];
    const char *help; // borrowed: a literal
    enum assay_series_type type;
    size_t width, n, used, cap; // numbers in a row; rows; bytes
    char *value;
};

static struct search_series *grow(struct search_book *b)
{
    if (b->n == b->cap) {
        const size_t cap = b->cap ? 2 * b->cap : 32;
        struct search_series *more = realloc(b->series, cap * sizeof *more);
        if (!more) return NULL;
        b->series = more;
        b->cap = cap;
    }
    return &b->series[b->n++];
}

static struct search_series *find(struct search_book *b, const char *name,
                                  enum assay_series_type type, size_t width, const char *help)
{
    for (size_t i = 0; i < b->n; i++) {
        struct search_series *s = &b->series[i];
        if (strcmp(s->name, name) != 0) continue;
        ASSAY_ASSERT(s->type == type && s->width == width);
        return s;
    }
    struct search_series *s = grow(b);
    if (!s) return NULL;
    *s = (struct search_series){.help = help, .type = type, .width = width};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void append(struct search_book *b, struct search_series *s, const void *bytes, size_t n)
{
    if (s && s->used + n > s->cap) {
        const size_t cap = 2 * (s->used + n);
        char *more = realloc(s->value, cap);
        if (more) {
            s->value = more;
            s->cap = cap;
        }
    }
    if (!s || s->used + n > s->cap) {
        b->failed = true;
        return;
    }
    memcpy(s->value + s->used, bytes, n);
    s->used += n;
    s->n++;
}

void search_book_int(struct search_book *b, const char *name, int64_t value, const char *help)
{
    append(b, find(b, name, ASSAY_SERIES_INT, 1, help), &value, sizeof value);
}

void search_book_number(struct search_book *b, const char *name, double value, const char *help)
{
    append(b, find(b, name, ASSAY_SERIES_NUMBER, 1, help), &value, sizeof value);
}

void search_book_text(struct search_book *b, const char *name, const char *value, const char *help)
{
    append(b, find(b, name, ASSAY_SERIES_TEXT, 1, help), value, strlen(value) + 1);
}

void search_book_numbers(struct search_book *b, const char *name, const double *value, size_t n,
                         const char *help)
{
    append(b, find(b, name, ASSAY_SERIES_NUMBERS, n, help), value, n * sizeof *value);
}

int search_book_write(const struct search_book *b, const char *dir, const char *file,
                      const struct assay_attr *attr, size_t n_attr, struct assay_err *err)
{
    struct assay_series *out = b->failed ? NULL : malloc((b->n + 1) * sizeof *out);
    if (!out) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %s", file);
    for (size_t i = 0; i < b->n; i++) {
        const struct search_series *s = &b->series[i];
        out[i] = (struct assay_series){.name = s->name,
                                       .help = s->help,
                                       .type = s->type,
                                       .n = s->n,
                                       .width = s->width,
                                       .value = s->value};
    }
    const int status = assay_series_write(dir, file, out, b->n, attr, n_attr, err);
    free(out);
    return status;
}

void search_book_free(struct search_book *b)
{
    for (size_t i = 0; i < b->n; i++) free(b->series[i].value);
    free(b->series);
    *b = (struct search_book){0};
}
