// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <string.h>

const struct assay_space_kind *const assay_space_kinds[] = {
    &assay_space_nb201,
    &assay_space_darts,
    &assay_space_null,
    NULL,
};

const struct assay_space_kind *assay_space_find(const char *name)
{
    for (int i = 0; assay_space_kinds[i]; i++) {
        if (strcmp(assay_space_kinds[i]->name, name) == 0) return assay_space_kinds[i];
    }
    return NULL;
}
