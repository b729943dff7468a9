// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_TESTS_RUNG_WIDE_H
#define ASSAY_TESTS_RUNG_WIDE_H

#include "assay/kern.h"

extern const struct assay_kern assay_kern_wide_single, assay_kern_wide_packed_single;

// The i-th rung that this CPU runs; behind them, in single precision, the widest one's tiles; NULL
// past the end.
static inline const struct assay_kern *rung_at(enum assay_precision precision, unsigned i)
{
    const struct assay_kern *k;
    unsigned n = 0;
    for (unsigned j = 0; (k = assay_kern_rung(precision, j)); j++) {
        if (assay_kern_runnable(k) && n++ == i) return k;
    }
    return precision == ASSAY_SINGLE && i == n ? &assay_kern_wide_single : NULL;
}

#endif
