// SPDX-License-Identifier: Apache-2.0
// Results of several runs over one space, side by side.
#ifndef ASSAY_SRC_CLI_JOIN_H
#define ASSAY_SRC_CLI_JOIN_H

#include "assay/store.h"

struct join_source {
    const char *file;
    struct assay_table *table;
};
// Makes one table of those of the sources and writes DIR/results.h5. Rows are those that all of
// them have, or with `all` those that any has. A column that an earlier source has, too, is one
// with it where both have the same protocol and values, and otherwise gets the source's number
// behind its name. Scores are made anew among the rows. notes: what a user should know, a line
// each.
int join_write(const struct join_source *source, size_t n, bool all, const char *dir, FILE *notes,
               struct assay_err *err);

#endif
