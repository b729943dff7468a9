// SPDX-License-Identifier: Apache-2.0
// Spaces that stay open: a table of classes takes longer than many inputs.
#ifndef ASSAY_TESTS_FUZZ_SPACE_ONCE_H
#define ASSAY_TESTS_FUZZ_SPACE_ONCE_H

#include "assay/space.h"

static inline const struct assay_space *open_space(const char *name)
{
    static struct assay_space space[32];
    size_t i = 0;
    while (space[i].kind && strcmp(space[i].kind->name, name) != 0) i++;
    if (!space[i].kind && assay_space_open(&space[i], name, NULL) < 0) abort();
    return &space[i];
}

#endif
