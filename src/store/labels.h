// SPDX-License-Identifier: Apache-2.0
// What other programs need to understand a result file: names of dimensions and of codes.
#ifndef ASSAY_SRC_STORE_LABELS_H
#define ASSAY_SRC_STORE_LABELS_H

#include "h5write.h"

// The scales of the dimensions (row, repeat, eigenvalue), at the root, where netCDF looks for those
// of all groups: /index, /repeat, /eigenvalue. A zeroed struct is closed.
struct labels {
    hid_t scale[3]; // 0: none
};
void labels_open(struct labels *l, struct h5w *w, const struct assay_results *results);
void labels_close(struct labels *l);
// Names the first n dimensions of a data set, or of all data sets of a group that are no scales.
void labels_set(const struct labels *l, struct h5w *w, hid_t set, int n);
void labels_group(const struct labels *l, struct h5w *w, hid_t group, int n);
// The type of a status_code, which the caller closes.
hid_t labels_status(struct h5w *w);

#endif
