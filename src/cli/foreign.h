// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_CLI_FOREIGN_H
#define ASSAY_SRC_CLI_FOREIGN_H

#include "assay/evaluate.h"

// Writes `file` atomically: logits, gram, eigenvalues, patterns as data sets, every scalar, why it
// is undefined, and what was evaluated as root attributes. With frozen BN the data set gram is
// frozen_gram as well.
int foreign_dump(const struct assay_foreign *f, const struct assay_foreign_case *c,
                 const char *file, struct assay_err *err);

#endif
