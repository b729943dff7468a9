// SPDX-License-Identifier: Apache-2.0
// A table of results in the formats of other programs.
#ifndef ASSAY_SRC_CLI_EXPORT_H
#define ASSAY_SRC_CLI_EXPORT_H

#include "cli.h"
#include "results.h"

struct export
{
    const struct assay_table *table;
    const char *file; // the table's, for errors
    struct results_field *field;
    int n_field;
    FILE *out;
};
// Opens the space that the table is of, with its options where the file tells the configuration.
// *config is malloc'd and stays until the space is closed; NULL where this program cannot read it.
int export_open_space(const struct export *e, struct assay_space *space,
                      struct assay_config **config, struct assay_err *err);
// {arch: {column: {"score": value, "time": seconds}}}, as NAS-Bench-Suite-Zero's files.
int export_suite(const struct export *e, struct assay_err *err);
// An array of NumPy's, with a field for each column that holds numbers, in which element i is
// architecture i of the space; where it is not among the results its status_code is -1.
int export_npy(const struct export *e, struct assay_err *err);

#endif
