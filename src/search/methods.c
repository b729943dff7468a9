// SPDX-License-Identifier: Apache-2.0
// The search methods: one file each, and one line here.
#include "method.h"

const struct search_method *const search_methods[] = {
    &search_tenas,       &search_marginal, &search_nasi,      &search_nasi_ada,
    &search_nasi_random, &search_random,   &search_evolution, NULL,
};

bool assay_search_method(unsigned i, const char **name, const char **help)
{
    if (i + 1 >= ASSAY_LEN(search_methods)) return false;
    *name = search_methods[i]->name;
    *help = search_methods[i]->help;
    return true;
}
