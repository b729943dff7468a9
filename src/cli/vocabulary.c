// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

const struct assay_vocabulary *cli_vocabulary(void)
{
    // Journals hold identities in this order, so that no section may move.
    static const char *const order[] = {"protocol", "space", "candidates", "network", "data",
                                        "ntk",      "ridge", "nasi",       "regions", "",
                                        "cost",     "run",   "score",      "search",  NULL};
    static struct assay_vocabulary v = {.order = order};
    if (v.n_table) return &v;
    assay_evaluate_vocabulary(&v);
    assay_sweep_vocabulary(&v);
    assay_search_vocabulary(&v);
    return &v;
}
