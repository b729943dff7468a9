// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <math.h>
#include <string.h>

#include <Random123/philox.h>

enum { NAME_MAX_BYTES = 512 };

// Key and the upper half of the counter come from a 128-bit hash of what the stream is for; the
// lower half of the counter counts blocks.
void assay_rng_init(struct assay_rng *rng, uint64_t seed, uint64_t repeat, const char *role,
                    const char *name)
{
    struct {
        uint64_t seed, repeat;
        char text[NAME_MAX_BYTES];
    } id = {.seed = seed, .repeat = repeat};
    const size_t n_role = strlen(role) + 1, n_name = strlen(name) + 1;
    ASSAY_ASSERT(n_role + n_name <= sizeof id.text);
    memcpy(id.text, role, n_role);
    memcpy(id.text + n_role, name, n_name);
    const struct assay_hash h =
        assay_hash128(&id, offsetof(__typeof__(id), text) + n_role + n_name);
    *rng = (struct assay_rng){
        .key = {(uint32_t)h.lo, (uint32_t)(h.lo >> 32)},
        .counter = {0, 0, (uint32_t)h.hi, (uint32_t)(h.hi >> 32)},
    };
}

static void next_block(struct assay_rng *rng)
{
    philox4x32_ctr_t counter;
    philox4x32_key_t key;
    memcpy(counter.v, rng->counter, sizeof rng->counter);
    memcpy(key.v, rng->key, sizeof rng->key);
    counter = philox4x32(counter, key); // 10 rounds
    memcpy(rng->block, counter.v, sizeof rng->block);
    rng->left = 4;
    if (++rng->counter[0] == 0) rng->counter[1]++;
}

uint32_t assay_rng_u32(struct assay_rng *rng)
{
    if (rng->left == 0) next_block(rng);
    return rng->block[4 - rng->left--];
}

static uint64_t rng_u64(struct assay_rng *rng)
{
    const uint64_t lo = assay_rng_u32(rng);
    return lo | (uint64_t)assay_rng_u32(rng) << 32;
}

double assay_rng_uniform(struct assay_rng *rng)
{
    return (double)(rng_u64(rng) >> 11) * 0x1p-53;
}

double assay_rng_normal(struct assay_rng *rng)
{
    if (rng->has_spare) {
        rng->has_spare = false;
        return rng->spare;
    }
    const double u = 1.0 - assay_rng_uniform(rng); // (0, 1]: the logarithm is finite
    const double angle = 2.0 * M_PI * assay_rng_uniform(rng);
    const double radius = sqrt(-2.0 * log(u));
    rng->spare = radius * sin(angle);
    rng->has_spare = true;
    return radius * cos(angle);
}

uint64_t assay_rng_below(struct assay_rng *rng, uint64_t n)
{
    ASSAY_ASSERT(n >= 1);
    // The first 2^64 mod n values would make the small remainders too frequent.
    const uint64_t reject = (0 - n) % n;
    uint64_t x = rng_u64(rng);
    while (x < reject) x = rng_u64(rng);
    return x % n;
}
