// SPDX-License-Identifier: Apache-2.0
// The ladders of kernel tables, one for each element type. Rungs above the first exist on x86-64
// only.
#ifndef ASSAY_SRC_KERN_RUNGS_H
#define ASSAY_SRC_KERN_RUNGS_H

#include "assay/kern.h"
#include "kern/real.h"

extern const struct assay_kern assay_kern_baseline_single, assay_kern_baseline_double;
#if defined(__x86_64__)
extern const struct assay_kern assay_kern_avx2_single, assay_kern_avx2_double;
extern const struct assay_kern assay_kern_avx512_single, assay_kern_avx512_double;
extern const struct assay_kern assay_kern_avx2_packed_single;
extern const struct assay_kern assay_kern_avx512_packed_single, assay_kern_avx512_packed_double;
#endif

#endif
