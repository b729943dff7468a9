// SPDX-License-Identifier: Apache-2.0
// In place of truth_json.c where json-c was not found.
#include "truth.h"

int truth_read_json(struct truth *truth, const char *text, const struct assay_space *space,
                    struct assay_err *err)
{
    (void)text, (void)space;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s: JSON, which this build does not read, since it was made without "
                         "json-c; expected a comma-separated table",
                         truth->options.file);
}
