// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_SEARCH_SEEDS_H
#define ASSAY_SRC_SEARCH_SEEDS_H

#include "assay/base.h"

#define SEARCH_SEEDS_MAX 1000

// Reads seeds and ranges, such as "0-3, 7": each seed once, in the order given, at most
// SEARCH_SEEDS_MAX. *seed is malloc'd.
int search_seeds_parse(const char *text, uint64_t **seed, size_t *n, struct assay_err *err);

#endif
