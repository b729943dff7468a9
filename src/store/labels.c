// SPDX-License-Identifier: Apache-2.0
#include "labels.h"

#include <hdf5_hl.h>

#include <stdlib.h>

static void put_scale(struct labels *l, int i, struct h5w *w, const char *name, hid_t type,
                      uint64_t n, const void *value)
{
    static const char *const help[] = {"number of the candidate in its space",
                                       "number of the repeat",
                                       "place of the eigenvalue, ascending"};
    const hid_t set = h5w_vector(w, w->file, name, type, n, value, true);
    h5w_text_attr(w, set, "help", help[i]);
    if (!w->failed) h5w_check(w, H5DSset_scale(set, name) >= 0);
    if (set >= 0) l->scale[i] = set;
}

static void put_places(struct labels *l, int i, struct h5w *w, const char *name, uint32_t n)
{
    int32_t *value = malloc((n + 1) * sizeof *value);
    h5w_check(w, value);
    for (uint32_t k = 0; value && k < n; k++) value[k] = (int32_t)k;
    if (value) put_scale(l, i, w, name, H5T_NATIVE_INT32, n, value);
    free(value);
}

void labels_open(struct labels *l, struct h5w *w, const struct assay_results *results)
{
    const struct assay_schema *schema = results->schema;
    uint64_t *index = malloc((results->n_row + 1) * sizeof *index);
    h5w_check(w, index);
    for (uint64_t i = 0; index && i < results->n_row; i++) index[i] = results->row[i].index;
    if (index) put_scale(l, 0, w, "index", H5T_NATIVE_UINT64, results->n_row, index);
    free(index);
    put_places(l, 1, w, "repeat", schema->repeats);
    if (schema->spectrum_len) put_places(l, 2, w, "eigenvalue", schema->spectrum_len);
}

void labels_close(struct labels *l)
{
    for (int i = 0; i < 3; i++)
        if (l->scale[i]) H5Dclose(l->scale[i]);
    *l = (struct labels){{0}};
}

void labels_set(const struct labels *l, struct h5w *w, hid_t set, int n)
{
    for (int i = 0; i < n && !w->failed; i++)
        h5w_check(w, H5DSattach_scale(set, l->scale[i], (unsigned)i) >= 0);
}

void labels_group(const struct labels *l, struct h5w *w, hid_t group, int n)
{
    H5G_info_t info = {.nlinks = 0};
    if (!w->failed) h5w_check(w, H5Gget_info(group, &info) >= 0);
    for (hsize_t i = 0; i < info.nlinks && !w->failed; i++) {
        const hid_t set =
            H5Oopen_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, H5P_DEFAULT);
        h5w_check(w, set >= 0);
        if (set >= 0 && H5DSis_scale(set) == 0) labels_set(l, w, set, n);
        if (set >= 0) H5Dclose(set);
    }
}

hid_t labels_status(struct h5w *w)
{
    const hid_t type = H5Tenum_create(H5T_NATIVE_INT32);
    for (int32_t code = -1; code <= ASSAY_VERDICT_FAILED; code++) {
        const char *name = code < 0 ? "unfinished" : assay_verdict_name((enum assay_verdict)code);
        h5w_check(w, H5Tenum_insert(type, name, &code) >= 0);
    }
    return type;
}
