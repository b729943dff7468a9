// SPDX-License-Identifier: Apache-2.0
// The ladder of kernel tables. Rungs above the first exist on x86-64 only.
#ifndef ASSAY_SRC_KERN_RUNGS_H
#define ASSAY_SRC_KERN_RUNGS_H

#include "kern/table.h"

extern const struct assay_kern assay_kern_baseline;
#if defined(__x86_64__)
extern const struct assay_kern assay_kern_avx2;
extern const struct assay_kern assay_kern_avx512;
#endif

#endif
