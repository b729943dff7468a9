// SPDX-License-Identifier: Apache-2.0
#include "assay/space.h"

#include <string.h>

// In the order of lists; a file that brings a space is one line here.
// clang-format off
#define SPACES(X) \
    X(nb201)      \
    X(nb101)      \
    X(nb1shot1_s1) \
    X(nb1shot1_s2) \
    X(nb1shot1_s3) \
    X(darts)      \
    X(darts_tolerant) \
    X(nats_sss)   \
    X(nb_macro)   \
    X(transnas_macro) \
    X(transnas_micro) \
    X(onnx)       \
    X(null)
// clang-format on

#define DECLARE(space) extern const struct assay_space_kind assay_space_##space;
SPACES(DECLARE)

#define ADDRESS(space) &assay_space_##space,
const struct assay_space_kind *const assay_space_kinds[] = {SPACES(ADDRESS) NULL};

const struct assay_space_kind *assay_space_find(const char *name)
{
    for (int i = 0; assay_space_kinds[i]; i++) {
        if (strcmp(assay_space_kinds[i]->name, name) == 0) return assay_space_kinds[i];
    }
    return NULL;
}
