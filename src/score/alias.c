// SPDX-License-Identifier: Apache-2.0
#include "assay/score.h"

#include <string.h>

const struct assay_alias assay_aliases[] = {
    {"ntk_kappa", "kappa"},
    {"ntk_trace_sum_logits", "trace"},
    {"nasi_trace_approx", "nasi_trace"},
    {"layers_weight", "layers"},
    {"layers_weight_live", "layers_live"},
    {NULL, NULL},
};

const char *assay_alias_column(const char *name)
{
    for (const struct assay_alias *a = assay_aliases; a->name; a++)
        if (strcmp(a->name, name) == 0) return a->column;
    return name;
}
