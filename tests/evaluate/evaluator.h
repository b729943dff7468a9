// SPDX-License-Identifier: Apache-2.0
// An evaluator with its record, in a program whose allocations are counted.
#ifndef ASSAY_TESTS_EVALUATE_EVALUATOR_H
#define ASSAY_TESTS_EVALUATE_EVALUATOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- every allocation of the program is counted (linked with --wrap) ---------------------------
static uint64_t allocations;
// Aligned blocks are those of arenas: their bytes now, and the most there were.
static struct {
    void *at;
    size_t bytes;
} aligned[256];
static size_t aligned_now, aligned_most;
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    allocations++;
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    void *p = __real_aligned_alloc(align, n);
    size_t slot = 0;
    allocations++;
    while (aligned[slot].at) ASSAY_ASSERT(++slot < ASSAY_LEN(aligned));
    aligned[slot].at = p;
    aligned[slot].bytes = n;
    aligned_now += n;
    if (aligned_now > aligned_most) aligned_most = aligned_now;
    return p;
}

void __wrap_free(void *p)
{
    for (size_t slot = 0; p && slot < ASSAY_LEN(aligned); slot++) {
        if (aligned[slot].at != p) continue;
        aligned_now -= aligned[slot].bytes;
        aligned[slot].at = NULL;
    }
    __real_free(p);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
    allocations++;
    return __real_posix_memalign(p, align, n);
}

// ---- one evaluator with its record ------------------------------------------------------------
#define ALL_CONV                                                                                   \
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|"             \
    "nor_conv_3x3~2|"
#define MIXED "|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
#define DEAD  "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|none~2|"
#define POOLS                                                                                      \
    "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|"             \
    "nor_conv_1x1~2|"
#define METRICS "ntk,ntk_frozen,ntk_trace,nasi,regions,cost,null"

struct bench {
    struct assay_config config;
    struct assay_space space;
    struct assay_data *data;
    struct assay_evaluator *e;
    const struct assay_schema *schema;
    struct assay_record record;
    size_t n_value, n_spectrum;
};

static const struct assay_setting base[] = {
    {"network", "image", "8", "test"},   {"ntk", "batch", "9", "test"},
    {"nasi", "batch", "5", "test"},      {"regions", "batch", "40", "test"},
    {"regions", "batches", "2", "test"}, {"run", "repeats", "3", "test"},
    {"run", "metrics", METRICS, "test"},
};

static inline const struct assay_vocabulary *vocabulary(void)
{
    static struct assay_vocabulary v;
    if (!v.n_table) assay_evaluate_vocabulary(&v);
    return &v;
}

// settings: "section.name=value" pairs on top of base, ends with NULL.
static inline int try_open(struct bench *b, const char *const *extra, struct assay_err *err)
{
    struct assay_setting all[32];
    size_t n = ASSAY_LEN(base);
    memcpy(all, base, sizeof base);
    for (; *extra; extra++) {
        struct assay_setting *s = &all[n++];
        *s = (struct assay_setting){.origin = "test"};
        assert_int_equal(sscanf(*extra, "%63[^.].%63[^=]=%1023s", s->section, s->name, s->value),
                         3);
    }
    *b = (struct bench){0};
    ASSAY_TRY(assay_config_resolve(&b->config, vocabulary(), all, n, err));
    ASSAY_TRY(assay_space_open(&b->space, assay_config_evaluation(&b->config)->space, err));
    ASSAY_TRY(assay_data_open(&b->data, assay_config_data(&b->config), err));
    return assay_evaluator_create(&b->e, &b->config, &b->space, b->data, NULL, NULL, err);
}

static inline struct bench *open_bench(const char *const *extra)
{
    static const char *const none[] = {NULL};
    struct bench *b = malloc(sizeof *b);
    struct assay_err err = {0};
    assert_non_null(b);
    if (try_open(b, extra ? extra : none, &err) < 0) fail_msg("%s", err.text);
    b->schema = assay_evaluator_schema(b->e);
    b->n_value = (size_t)b->schema->repeats * b->schema->n_column;
    b->n_spectrum = (size_t)b->schema->repeats * b->schema->spectrum_len;
    b->record.value = malloc((b->n_value + 1) * sizeof(double));
    b->record.spectrum = malloc((b->n_spectrum + 1) * sizeof(double));
    return b;
}

static inline void close_bench(struct bench *b)
{
    assay_evaluator_destroy(b->e);
    assay_data_close(b->data);
    assay_space_close(&b->space);
    free(b->record.value);
    free(b->record.spectrum);
    free(b);
}

static inline void evaluate(struct bench *b, const char *arch)
{
    struct assay_err err = {0};
    uint64_t index;
    assert_int_equal(assay_space_parse(&b->space, arch, &index, &err), ASSAY_OK);
    if (assay_evaluate(b->e, index, &b->record, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(b->record.index, index);
}

static inline double *keep(const struct bench *b)
{
    double *copy = malloc((b->n_value + 1) * sizeof *copy);
    assert_non_null(copy);
    return memcpy(copy, b->record.value, b->n_value * sizeof *copy);
}

static inline uint32_t column(const struct bench *b, const char *name)
{
    uint32_t c = 0;
    while (c < b->schema->n_column && strcmp(b->schema->column[c].name, name) != 0) c++;
    assert_true(c < b->schema->n_column);
    return c;
}

static inline double at(const struct bench *b, uint32_t repeat, const char *name)
{
    return b->record.value[(size_t)repeat * b->schema->n_column + column(b, name)];
}

#endif
