// SPDX-License-Identifier: Apache-2.0
#include "assay/data.h"

#include <string.h>

// In the order of lists; a file that brings a source is one line here.
// clang-format off
#define SOURCES(X) \
    X(gaussian)    \
    X(cifar10)     \
    X(cifar100)    \
    X(hdf5)
// clang-format on

#define DECLARE(source) extern const struct assay_data_source assay_data_##source;
SOURCES(DECLARE)

#define ADDRESS(source) &assay_data_##source,
const struct assay_data_source *const assay_data_sources[] = {SOURCES(ADDRESS) NULL};

const struct assay_data_source *assay_data_source(const char *name, struct assay_err *err)
{
    char known[256] = "";
    for (size_t i = 0; assay_data_sources[i]; i++) {
        const size_t used = strlen(known);
        if (strcmp(assay_data_sources[i]->name, name) == 0) return assay_data_sources[i];
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                 assay_data_sources[i]->name);
    }
    assay_err_set(err, ASSAY_ERR_CONFIG, "unknown source '%.64s', expected one of: %s", name,
                  known);
    return NULL;
}

void assay_data_labelled_sources(char *text, size_t cap)
{
    size_t left = 0, used = 0;
    for (size_t i = 0; assay_data_sources[i]; i++) left += assay_data_sources[i]->labelled != NULL;
    text[0] = 0;
    for (size_t i = 0; assay_data_sources[i] && used < cap; i++) {
        if (!assay_data_sources[i]->labelled) continue;
        left--;
        used += (size_t)snprintf(text + used, cap - used, "%s%s", assay_data_sources[i]->labelled,
                                 left > 1    ? ", "
                                 : left == 1 ? ", or "
                                             : "");
    }
}
