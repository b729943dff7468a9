// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_TESTS_RUNG_WIDE_H
#define ASSAY_TESTS_RUNG_WIDE_H

#include "kern/table.h"

extern const struct assay_kern assay_kern_wide_single;

#endif
