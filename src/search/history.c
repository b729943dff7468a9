// SPDX-License-Identifier: Apache-2.0
#include "history.h"

#include <stdlib.h>
#include <string.h>

// Values stand one after the other; texts are zero-padded to their width when written.
struct search_series {
    char name[SEARCH_SERIES_NAME];
    const char *help; // borrowed: a literal
    enum assay_series_type type;
    size_t width, n, used, cap; // numbers in a row; rows; bytes
    char *value;
};

static struct search_series *grow(struct search_history *h)
{
    if (h->n == h->cap) {
        const size_t cap = h->cap ? 2 * h->cap : 32;
        struct search_series *more = realloc(h->series, cap * sizeof *more);
        if (!more) return NULL;
        h->series = more;
        h->cap = cap;
    }
    return &h->series[h->n++];
}

static struct search_series *find(struct search_history *h, const char *name,
                                  enum assay_series_type type, size_t width, const char *help)
{
    for (size_t i = 0; i < h->n; i++) {
        struct search_series *s = &h->series[i];
        if (strcmp(s->name, name) != 0) continue;
        ASSAY_ASSERT(s->type == type && s->width == width);
        return s;
    }
    struct search_series *s = grow(h);
    if (!s) return NULL;
    *s = (struct search_series){.help = help, .type = type, .width = width};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void append(struct search_history *h, struct search_series *s, const void *bytes, size_t n)
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
        h->failed = true;
        return;
    }
    memcpy(s->value + s->used, bytes, n);
    s->used += n;
    s->n++;
}

void search_history_int(struct search_history *h, const char *name, int64_t value, const char *help)
{
    append(h, find(h, name, ASSAY_SERIES_INT, 1, help), &value, sizeof value);
}

void search_history_number(struct search_history *h, const char *name, double value,
                           const char *help)
{
    append(h, find(h, name, ASSAY_SERIES_NUMBER, 1, help), &value, sizeof value);
}

void search_history_text(struct search_history *h, const char *name, const char *value,
                         const char *help)
{
    append(h, find(h, name, ASSAY_SERIES_TEXT, 1, help), value, strlen(value) + 1);
}

void search_history_numbers(struct search_history *h, const char *name, const double *value,
                            size_t n, const char *help)
{
    append(h, find(h, name, ASSAY_SERIES_NUMBERS, n, help), value, n * sizeof *value);
}

int search_history_write(const struct search_history *h, const char *dir, const char *file,
                         const struct assay_attr *attr, size_t n_attr, struct assay_err *err)
{
    struct assay_series *out = h->failed ? NULL : malloc((h->n + 1) * sizeof *out);
    if (!out) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %s", file);
    for (size_t i = 0; i < h->n; i++) {
        const struct search_series *s = &h->series[i];
        out[i] = (struct assay_series){.name = s->name,
                                       .help = s->help,
                                       .type = s->type,
                                       .n = s->n,
                                       .width = s->width,
                                       .value = s->value};
    }
    const int status = assay_series_write(dir, file, out, h->n, attr, n_attr, err);
    free(out);
    return status;
}

void search_history_free(struct search_history *h)
{
    for (size_t i = 0; i < h->n; i++) free(h->series[i].value);
    free(h->series);
    *h = (struct search_history){0};
}
