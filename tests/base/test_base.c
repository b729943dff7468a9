// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/base.h"

#define UNUSED __attribute__((unused))

// ---- errors -----------------------------------------------------------------------------------

static void error_prefix_keeps_code_and_text(UNUSED void **state)
{
    struct assay_err err = {0};
    assert_int_equal(assay_err_set(&err, ASSAY_ERR_IO, "no %s", "space"), ASSAY_ERR_IO);
    assert_int_equal(assay_err_prefix(&err, "file %d", 7), ASSAY_ERR_IO);
    assert_string_equal(err.text, "file 7: no space");
    assert_int_equal(assay_err_set(&err, ASSAY_ERR_MPI, "again %s", err.text), ASSAY_ERR_MPI);
    assert_string_equal(err.text, "again file 7: no space");
    assert_int_equal(assay_err_set(NULL, ASSAY_ERR_IO, "dropped"), ASSAY_ERR_IO);
}

static void error_text_is_cut_not_overrun(UNUSED void **state)
{
    struct assay_err err = {0};
    char longer[4096];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assay_err_set(&err, ASSAY_ERR_INPUT, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void verdict_names_differ(UNUSED void **state)
{
    for (int i = ASSAY_VERDICT_OK; i <= ASSAY_VERDICT_FAILED; i++) {
        for (int j = ASSAY_VERDICT_OK; j < i; j++)
            assert_string_not_equal(assay_verdict_name(i), assay_verdict_name(j));
    }
}

// ---- log --------------------------------------------------------------------------------------

static void log_respects_level_and_rank(UNUSED void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&text, &n);
    struct assay_log log = {.stream = stream, .level = ASSAY_LOG_WARN, .rank = 3};
    assay_log_line(&log, ASSAY_LOG_INFO, "not this");
    assay_log_line(&log, ASSAY_LOG_WARN, "disk %d%%", 99);
    assay_log_line(NULL, ASSAY_LOG_ERROR, "nowhere");
    fclose(stream);
    assert_string_equal(text, "assay: [3] warning: disk 99%\n");
    free(text);
}

// ---- arena ------------------------------------------------------------------------------------

static void arena_blocks_are_aligned_and_apart(UNUSED void **state)
{
    struct assay_arena arena = {0};
    unsigned char *block[200];
    for (unsigned i = 0; i < 200; i++) {
        block[i] = assay_arena_alloc(&arena, 1 + 977 * i);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 64, 0);
        memset(block[i], (int)i, 1 + 977 * i);
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(block[i][0], i);
        assert_int_equal(block[i][977 * i], i);
    }
    assay_arena_finish(&arena);
    assert_null(arena.chunk);
}

static void arena_reset_keeps_capacity(UNUSED void **state)
{
    struct assay_arena arena = {0};
    for (unsigned i = 0; i < 50; i++) assert_non_null(assay_arena_alloc(&arena, 100000));
    const size_t used = arena.used;
    assay_arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_int_equal(arena.peak, used);
    // One chunk now holds all: the same blocks again are contiguous and at the same addresses.
    char *first = assay_arena_alloc(&arena, 100000), *last = first;
    for (unsigned i = 1; i < 50; i++) last = assay_arena_alloc(&arena, 100000);
    assert_int_equal((size_t)(last - first), used / 50 * 49);
    assay_arena_reset(&arena);
    assert_ptr_equal(assay_arena_alloc(&arena, 1), first);
    assay_arena_finish(&arena);
}

// Of many small blocks behind a large one nearly all lie side by side: in few chunks.
static void arena_grows_in_few_chunks(UNUSED void **state)
{
    struct assay_arena arena = {0};
    unsigned apart = 0;
    char *last = assay_arena_alloc(&arena, 600000);
    for (unsigned i = 0; i < 20000; i++) {
        char *block = assay_arena_alloc(&arena, 64);
        assert_non_null(block);
        apart += block != last + 64;
        last = block;
    }
    assert_in_range(apart, 1, 10);
    assay_arena_finish(&arena);
}

static void arena_reserves_exactly_one_chunk(UNUSED void **state)
{
    struct assay_arena arena = {0};
    for (size_t bytes = 6400; bytes < 40000000; bytes *= 17) { // below and above huge pages
        assert_true(assay_arena_reserve(&arena, bytes, 0));
        assert_int_equal(assay_arena_held(&arena), assay_arena_footprint(bytes));
        assert_true(assay_arena_footprint(bytes) >= bytes + 64);
        const size_t block = bytes / 100;
        for (size_t i = 0; i < 100 && (i + 1) * assay_arena_block(block) <= bytes; i++)
            assert_non_null(assay_arena_alloc(&arena, block));
        assert_int_equal(assay_arena_held(&arena), assay_arena_footprint(bytes));
    }
    const size_t large = assay_arena_held(&arena), small = assay_arena_footprint(1 << 20);
    assert_non_null(assay_arena_alloc(&arena, 2 * large)); // grows by a second chunk
    assert_true(assay_arena_reserve(&arena, 1 << 20, large));
    assert_int_equal(assay_arena_held(&arena), small);
    assert_true(assay_arena_reserve(&arena, 1 << 10, small)); // large enough, and not too large
    assert_int_equal(assay_arena_held(&arena), small);
    assert_true(assay_arena_reserve(&arena, 1 << 10, small - 1));
    assert_int_equal(assay_arena_held(&arena), assay_arena_footprint(1 << 10));
    assert_false(assay_arena_reserve(&arena, SIZE_MAX - 200, 0));
    assay_arena_finish(&arena);
    assert_int_equal(assay_arena_held(&arena), 0);
}

static void arena_refuses_what_no_system_has(UNUSED void **state)
{
    struct assay_arena arena = {0};
    assert_null(assay_arena_alloc(&arena, SIZE_MAX));
    assert_null(assay_arena_alloc(&arena, SIZE_MAX - 200));
    const unsigned char *zero = assay_arena_zalloc(&arena, 1000);
    assert_non_null(zero);
    for (unsigned i = 0; i < 1000; i++) assert_int_equal(zero[i], 0);
    assay_arena_finish(&arena);
}

// ---- hash -------------------------------------------------------------------------------------

static void hash_sees_every_byte(UNUSED void **state)
{
    unsigned char bytes[300] = {0};
    const uint64_t plain = assay_hash64(bytes, sizeof bytes, 0);
    const struct assay_hash wide = assay_hash128(bytes, sizeof bytes);
    assert_int_not_equal(plain, assay_hash64(bytes, sizeof bytes, 1));
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_int_not_equal(plain, assay_hash64(bytes, sizeof bytes, 0));
        assert_false(assay_hash_equal(wide, assay_hash128(bytes, sizeof bytes)));
        bytes[i] = 0;
    }
    assert_true(assay_hash_equal(wide, assay_hash128(bytes, sizeof bytes)));
    // XXH3's published value of the empty input.
    assert_int_equal(assay_hash64("", 0, 0), UINT64_C(0x2d06800538d394c2));
}

// ---- random numbers ---------------------------------------------------------------------------

// Random123's kat_vectors, philox4x32 10 rounds.
static void rng_is_philox(UNUSED void **state)
{
    struct assay_rng rng = {.counter = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                            .key = {0xa4093822, 0x299f31d0}};
    const uint32_t pi[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
    for (unsigned i = 0; i < 4; i++) assert_int_equal(assay_rng_u32(&rng), pi[i]);
    assert_int_equal(rng.counter[0], 0x243f6a89);

    struct assay_rng zero = {0};
    const uint32_t nought[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (unsigned i = 0; i < 4; i++) assert_int_equal(assay_rng_u32(&zero), nought[i]);
}

static void rng_counter_carries(UNUSED void **state)
{
    struct assay_rng rng = {.counter = {UINT32_MAX, 5, 6, 7}};
    assay_rng_u32(&rng);
    assert_int_equal(rng.counter[0], 0);
    assert_int_equal(rng.counter[1], 6);
    assert_int_equal(rng.counter[2], 6);
}

static void rng_streams_differ_by_every_part_of_the_key(UNUSED void **state)
{
    static const struct {
        uint64_t seed, repeat;
        const char *role, *name;
    } key[] = {{1, 2, "weights", "stem"}, {3, 2, "weights", "stem"}, {1, 3, "weights", "stem"},
               {1, 2, "batch", "stem"},   {1, 2, "weights", "stm"},  {1, 2, "weight", "sstem"},
               {2, 1, "weights", "stem"}};
    uint64_t first[ASSAY_LEN(key)];
    for (unsigned i = 0; i < ASSAY_LEN(key); i++) {
        struct assay_rng a, b;
        assay_rng_init(&a, key[i].seed, key[i].repeat, key[i].role, key[i].name);
        assay_rng_init(&b, key[i].seed, key[i].repeat, key[i].role, key[i].name);
        first[i] = assay_rng_below(&a, UINT64_MAX);
        assert_int_equal(first[i], assay_rng_below(&b, UINT64_MAX));
        for (unsigned j = 0; j < i; j++) assert_int_not_equal(first[i], first[j]);
    }
}

// Sample moments lie within five standard errors of the distribution's.
static void rng_uniform_moments(UNUSED void **state)
{
    enum { N = 200000 };
    struct assay_rng rng;
    assay_rng_init(&rng, 7, 0, "test", "uniform");
    double sum = 0, square = 0, lag = 0, before = 0.5;
    for (unsigned i = 0; i < N; i++) {
        const double u = assay_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += (u - 0.5) * (u - 0.5);
        lag += (u - 0.5) * (before - 0.5);
        before = u;
    }
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(square / N - 1.0 / 12) < 5 * sqrt(1.0 / 180 / N));
    assert_true(fabs(lag / N) < 5.0 / 12 / sqrt(N));
}

static void rng_normal_moments(UNUSED void **state)
{
    enum { N = 200000 };
    struct assay_rng rng;
    assay_rng_init(&rng, 7, 0, "test", "normal");
    double m[5] = {0}, lag = 0, before = 0;
    unsigned tail = 0;
    for (unsigned i = 0; i < N; i++) {
        const double z = assay_rng_normal(&rng);
        for (unsigned k = 1; k <= 4; k++) m[k] += pow(z, k) / N;
        lag += z * before / N;
        tail += fabs(z) > 1.959963984540054;
        before = z;
    }
    assert_true(fabs(m[1]) < 5 * sqrt(1.0 / N));
    assert_true(fabs(m[2] - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m[3]) < 5 * sqrt(15.0 / N));
    assert_true(fabs(m[4] - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs(lag) < 5 * sqrt(1.0 / N));
    assert_true(fabs(tail / (double)N - 0.05) < 5 * sqrt(0.05 * 0.95 / N));
}

static void rng_below_is_uniform_and_bounded(UNUSED void **state)
{
    enum { N = 70000, K = 7 };
    struct assay_rng rng;
    assay_rng_init(&rng, 1, 0, "test", "below");
    double count[K] = {0}, chi2 = 0;
    for (unsigned i = 0; i < N; i++) count[assay_rng_below(&rng, K)]++;
    for (unsigned k = 0; k < K; k++) chi2 += pow(count[k] - N / K, 2) / (N / K);
    assert_true(chi2 < 35); // 6 degrees of freedom: p < 1e-5 beyond
    assert_int_equal(assay_rng_below(&rng, 1), 0);
    // Two thirds of all 64-bit words: half of them would be biased without rejection.
    const uint64_t wide = UINT64_MAX / 3 * 2;
    unsigned upper = 0;
    for (unsigned i = 0; i < N; i++) {
        const uint64_t x = assay_rng_below(&rng, wide);
        assert_true(x < wide);
        upper += x >= wide / 2;
    }
    assert_true(fabs(upper / (double)N - 0.5) < 5 * sqrt(0.25 / N));
}

// ---- clock ------------------------------------------------------------------------------------

static void clocks_advance(UNUSED void **state)
{
    const double wall = assay_clock_wall(), thread = assay_clock_thread();
    volatile double x = 0;
    while (assay_clock_thread() < thread + 0.01) x = x + 1;
    assert_true(assay_clock_wall() >= wall + 0.0099);
    assert_true(x > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_prefix_keeps_code_and_text),
        cmocka_unit_test(error_text_is_cut_not_overrun),
        cmocka_unit_test(verdict_names_differ),
        cmocka_unit_test(log_respects_level_and_rank),
        cmocka_unit_test(arena_blocks_are_aligned_and_apart),
        cmocka_unit_test(arena_reset_keeps_capacity),
        cmocka_unit_test(arena_grows_in_few_chunks),
        cmocka_unit_test(arena_reserves_exactly_one_chunk),
        cmocka_unit_test(arena_refuses_what_no_system_has),
        cmocka_unit_test(hash_sees_every_byte),
        cmocka_unit_test(rng_is_philox),
        cmocka_unit_test(rng_counter_carries),
        cmocka_unit_test(rng_streams_differ_by_every_part_of_the_key),
        cmocka_unit_test(rng_uniform_moments),
        cmocka_unit_test(rng_normal_moments),
        cmocka_unit_test(rng_below_is_uniform_and_bounded),
        cmocka_unit_test(clocks_advance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
