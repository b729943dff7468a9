// SPDX-License-Identifier: Apache-2.0
#include "file.h"
#include "h5write.h"

#include "assay/store.h"

#include <stdlib.h>
#include <string.h>

struct groups {
    char name[16][64];
    hid_t id[16];
    unsigned n;
};

// The group of that name, which is made when it is new.
static hid_t group_of(struct h5w *w, struct groups *g, const char *name, size_t length)
{
    for (unsigned i = 0; i < g->n; i++)
        if (strlen(g->name[i]) == length && memcmp(g->name[i], name, length) == 0) return g->id[i];
    ASSAY_ASSERT(g->n < ASSAY_LEN(g->id) && length < sizeof g->name[0]);
    memcpy(g->name[g->n], name, length);
    g->name[g->n][length] = '\0';
    return g->id[g->n] = h5w_group(w, g->name[g->n]), g->id[g->n++];
}

static hid_t put_texts(struct h5w *w, hid_t group, const char *name, const struct assay_series *s)
{
    size_t width = 1;
    const char *at = s->value;
    for (uint64_t i = 0; i < s->n; i++, at += strlen(at) + 1)
        if (strlen(at) > width) width = strlen(at);
    char *padded = calloc(s->n + 1, width);
    h5w_check(w, padded);
    if (!padded) return -1;
    at = s->value;
    for (uint64_t i = 0; i < s->n; i++, at += strlen(at) + 1)
        memcpy(padded + i * width, at, strlen(at));
    const hid_t set = h5w_texts(w, group, name, s->n, width, padded);
    free(padded);
    return set;
}

static hid_t put_rows(struct h5w *w, hid_t group, const char *name, const struct assay_series *s)
{
    const hsize_t dim[2] = {s->n, s->width};
    const hid_t type = H5T_NATIVE_DOUBLE;
    const hid_t set = h5w_set(w, group, name, type, 2, dim, H5W_PACKED);
    if (s->n) h5w_check(w, H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, s->value) >= 0);
    return set;
}

static void put(struct h5w *w, struct groups *g, const struct assay_series *s)
{
    const char *slash = strchr(s->name, '/');
    ASSAY_ASSERT(slash);
    const hid_t group = group_of(w, g, s->name, (size_t)(slash - s->name));
    const char *name = slash + 1;
    hid_t set = -1;
    switch (s->type) {
    case ASSAY_SERIES_INT:
        set = h5w_vector(w, group, name, H5T_NATIVE_INT64, s->n, s->value, true);
        break;
    case ASSAY_SERIES_NUMBER:
        set = h5w_vector(w, group, name, H5T_NATIVE_DOUBLE, s->n, s->value, true);
        break;
    case ASSAY_SERIES_NUMBERS:
        set = put_rows(w, group, name, s);
        break;
    case ASSAY_SERIES_TEXT:
        set = put_texts(w, group, name, s);
        break;
    }
    if (s->help) h5w_text_attr(w, set, "help", s->help);
    if (set >= 0) H5Dclose(set);
}

static void put_attrs(struct h5w *w, hid_t root, hid_t run, const struct assay_attr *attr, size_t n)
{
    h5w_int_attr(w, root, "assay_series", ASSAY_SERIES_VERSION);
    for (size_t i = 0; i < n; i++)
        h5w_text_attr(w, attr[i].run ? run : root, attr[i].name, attr[i].text);
}

static bool build_file(struct h5w *w, const struct assay_series *series, size_t n,
                       const struct assay_attr *attr, size_t n_attr)
{
    struct groups g = {.n = 0};
    for (size_t i = 0; i < n; i++) put(w, &g, &series[i]);
    put_attrs(w, w->file, group_of(w, &g, "run", 3), attr, n_attr);
    for (unsigned i = 0; i < g.n; i++) H5Gclose(g.id[i]);
    return h5w_finish(w);
}

int assay_series_write(const char *dir, const char *file, const struct assay_series *series,
                       size_t n, const struct assay_attr *attr, size_t n_attr,
                       struct assay_err *err)
{
    struct file_draft draft;
    struct h5w w;
    ASSAY_TRY(file_draft_open(&draft, dir, file, err));
    h5w_start(&w, draft.fd, NULL, err);
    if (build_file(&w, series, n, attr, n_attr) || w.disk.why)
        return file_draft_keep(&draft, dir, w.disk.bytes, w.disk.why, err);
    file_draft_drop(&draft);
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory to make %s, or HDF5 failed", file);
}
