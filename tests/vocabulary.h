// SPDX-License-Identifier: Apache-2.0
// The keys of the rooms up to sweep.
#ifndef ASSAY_TESTS_VOCABULARY_H
#define ASSAY_TESTS_VOCABULARY_H

#include "assay/sweep.h"

static const struct assay_vocabulary *vocabulary(void)
{
    static struct assay_vocabulary v;
    if (v.n_table) return &v;
    assay_evaluate_vocabulary(&v);
    assay_sweep_vocabulary(&v);
    return &v;
}

#endif
