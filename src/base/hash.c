// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <xxhash.h>

uint64_t assay_hash64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

struct assay_hash assay_hash128(const void *bytes, size_t n)
{
    const XXH128_hash_t hash = XXH3_128bits(bytes, n);
    return (struct assay_hash){.lo = hash.low64, .hi = hash.high64};
}
