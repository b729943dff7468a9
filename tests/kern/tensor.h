// SPDX-License-Identifier: Apache-2.0
// Arguments of kernels and what a plain reference expects of them, for every rung this CPU runs and
// the widest one's tiles. Every tensor lies between guards; guards and gaps hold NaNs that are all
// different. What the reference does not say changes must keep its bits, so stray writes, changed
// inputs, and gaps that are read all show.
#ifndef ASSAY_TESTS_KERN_TENSOR_H
#define ASSAY_TESTS_KERN_TENSOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/kern.h"
#include "rung_wide.h"

#define GUARD        64 // elements, a multiple of a line
#define MOST_TENSORS 48

// What an element is to be: as before, `want` itself, near it, or anything.
enum due_kind { KEPT, EXACT, NEAR, ANYTHING };
struct due {
    enum due_kind kind;
    double want, size; // size: the sum of the magnitudes of its terms
    uint32_t terms;
};

struct tensor {
    const char *name;
    bool wide; // double, else float
    size_t n;
    union {
        float *f;
        double *d;
    };
    char *memory, *before; // with guards; before: as the kernel found it
    struct due *due;
};

// The round that is under way.
static struct {
    const struct assay_kern *kern;
    struct assay_rng rng;
    unsigned round, n;
    struct tensor tensor[MOST_TENSORS];
} now;

// In [least, most].
static inline uint32_t pick(uint32_t least, uint32_t most)
{
    return least + (uint32_t)assay_rng_below(&now.rng, most - least + 1);
}

static inline bool flip(void)
{
    return pick(0, 1) != 0;
}

// Whether the rung's elements are double.
static inline bool elements(void)
{
    return now.kern->size == sizeof(double);
}

// In [-1, 1), and an element.
static inline double draw(void)
{
    const double v = 2 * assay_rng_uniform(&now.rng) - 1;
    return elements() ? v : (double)(float)v;
}

static inline size_t tensor_bytes(const struct tensor *t)
{
    return (t->n + 2 * GUARD) * (t->wide ? sizeof(double) : sizeof(float));
}

static inline struct tensor *tensor_make(const char *name, bool wide, size_t n)
{
    assert_true(now.n < MOST_TENSORS);
    struct tensor *t = &now.tensor[now.n++];
    *t = (struct tensor){.name = name, .wide = wide, .n = n};
    const size_t bytes = tensor_bytes(t);
    t->memory = aligned_alloc(ASSAY_LINE, (bytes + ASSAY_LINE - 1) / ASSAY_LINE * ASSAY_LINE);
    t->due = calloc(n + 1, sizeof *t->due);
    assert_true(t->memory && t->due);
    for (size_t i = 0; i < n + 2 * GUARD; i++) {
        const uint32_t narrow = 0x7fc00000u + (uint32_t)i;
        const uint64_t full = 0x7ff8000000000000u + i;
        if (wide)
            memcpy(t->memory + i * sizeof full, &full, sizeof full);
        else
            memcpy(t->memory + i * sizeof narrow, &narrow, sizeof narrow);
    }
    if (wide)
        t->d = (double *)t->memory + GUARD;
    else
        t->f = (float *)t->memory + GUARD;
    return t;
}

static inline void set(struct tensor *t, size_t i, double v)
{
    if (t->wide)
        t->d[i] = v;
    else
        t->f[i] = (float)v;
}

static inline double get(const struct tensor *t, size_t i)
{
    return t->wide ? t->d[i] : (double)t->f[i];
}

static inline void *address(const struct tensor *t, size_t i)
{
    return t->wide ? (void *)(t->d + i) : (void *)(t->f + i);
}

static inline struct tensor *tensor_draw(const char *name, bool wide, size_t n)
{
    struct tensor *t = tensor_make(name, wide, n);
    for (size_t i = 0; i < n; i++) set(t, i, draw());
    return t;
}

// ---- planes inside larger strides --------------------------------------------------------------
struct grid {
    uint32_t c, h, w, lanes;
    ptrdiff_t step_c, step_y; // pixels lie `lanes` apart
    size_t first, n;          // first: of the elements, of which a tensor has n
};

static inline struct grid grid_make(uint32_t c, uint32_t h, uint32_t w, uint32_t lanes)
{
    struct grid g = {.c = c, .h = h, .w = w, .lanes = lanes};
    g.step_y = (ptrdiff_t)(w + pick(0, 2)) * lanes;
    g.step_c = h * g.step_y + (ptrdiff_t)(pick(0, 2) * lanes);
    g.first = pick(0, 2) * lanes;
    g.n = g.first + (size_t)c * (size_t)g.step_c;
    return g;
}

// The element of lane 0.
static inline size_t grid_at(const struct grid *g, uint32_t c, uint32_t y, uint32_t x)
{
    return g->first + c * (size_t)g->step_c + y * (size_t)g->step_y + (size_t)x * g->lanes;
}

// zeros: about half of the elements are 0.
static inline void grid_fill(struct tensor *t, const struct grid *g, bool zeros)
{
    for (uint32_t r = 0; r < g->c * g->h; r++) {
        const size_t at = grid_at(g, r / g->h, r % g->h, 0);
        for (size_t i = at; i < at + (size_t)g->w * g->lanes; i++)
            set(t, i, zeros && flip() ? 0 : draw());
    }
}

// An output that is added to has values before; one that is not has NaNs, which must vanish.
static inline struct tensor *grid_tensor(const char *name, bool wide, const struct grid *g,
                                         bool filled)
{
    struct tensor *t = tensor_make(name, wide, g->n);
    if (filled) grid_fill(t, g, false);
    return t;
}

// ---- what is expected --------------------------------------------------------------------------
// Called after all arguments are made, before the kernel is called; `was` reads what they were
// then.
static inline void seal(void)
{
    for (unsigned k = 0; k < now.n; k++) {
        struct tensor *t = &now.tensor[k];
        t->before = malloc(tensor_bytes(t));
        assert_non_null(t->before);
        memcpy(t->before, t->memory, tensor_bytes(t));
    }
}

static inline double was(const struct tensor *t, size_t i)
{
    return t->wide ? ((const double *)t->before)[GUARD + i]
                   : (double)((const float *)t->before)[GUARD + i];
}

static inline void exactly(struct tensor *t, size_t i, double want)
{
    t->due[i] = (struct due){.kind = EXACT, .want = want};
}

// An element is a sum: of what was there, or of nothing as yet.
static inline void begin(struct tensor *t, size_t i, bool accumulate)
{
    const double v = accumulate ? was(t, i) : 0;
    t->due[i] = (struct due){.kind = NEAR, .want = v, .size = fabs(v), .terms = accumulate};
}

// A term that the kernel may make of numbers of magnitude `size` in all.
static inline void add_sized(struct tensor *t, size_t i, double v, double size)
{
    t->due[i].want += v;
    t->due[i].size += size;
    t->due[i].terms++;
}

static inline void add(struct tensor *t, size_t i, double v)
{
    add_sized(t, i, v, fabs(v));
}

// A sum of n products of a few factors, in whatever order, is wrong by at most (n + a few)
// roundings of the sum of its terms' magnitudes (Higham 2002, section 4.2); the reference, in
// double, by as much where the kernel is double, too.
static inline bool is_due(const struct due *d, double v, bool wide)
{
    const double rounding = wide ? 0x1p-53 : 0x1p-24;
    if (d->kind == EXACT) return v == d->want;
    return fabs(v - d->want) <= 2 * (d->terms + 4.0) * rounding * d->size;
}

static inline void tensor_check(const struct tensor *t)
{
    static const struct due kept = {.kind = KEPT};
    const size_t each = t->wide ? sizeof(double) : sizeof(float);
    for (size_t k = 0; k < t->n + 2 * GUARD; k++) {
        const struct due *d = k >= GUARD && k < t->n + GUARD ? &t->due[k - GUARD] : &kept;
        const double v = t->wide ? ((double *)t->memory)[k] : (double)((float *)t->memory)[k];
        const bool good = d->kind == ANYTHING ? true
                          : d->kind == KEPT
                              ? memcmp(t->memory + k * each, t->before + k * each, each) == 0
                              : is_due(d, v, t->wide);
        if (!good)
            fail_msg("%s of %u bytes, round %u: %s[%td of %zu] is %.17g, expected %s %.17g",
                     now.kern->name, now.kern->size, now.round, t->name, (ptrdiff_t)k - GUARD, t->n,
                     v, d->kind == KEPT ? "no change, not" : "about", d->want);
    }
}

// ---- rounds ------------------------------------------------------------------------------------
// Images of a group of the backward pass.
#define IMAGES now.kern->images

// Those of both precisions; behind them packed tables, which know the backward pass alone.
static inline const struct assay_kern *rung(unsigned i, bool packed)
{
    const struct assay_kern *k;
    unsigned n = 0;
    for (unsigned kind = 0; kind < (packed ? 4 : 2); kind++) {
        for (unsigned j = 0; (k = rung_at(kind % 2 ? ASSAY_DOUBLE : ASSAY_SINGLE, j)); j++) {
            if (kind >= 2 && k->packed == k) continue;
            if (n++ == i) return kind < 2 ? k : k->packed;
        }
    }
    return NULL;
}

// A round makes random arguments, seals them, calls a kernel and says what is expected.
static inline void rounds(const char *name, bool backward, unsigned n,
                          void (*one)(const struct assay_kern *k))
{
    for (unsigned i = 0; rung(i, backward); i++) {
        now.kern = rung(i, backward);
        for (now.round = 0; now.round < n; now.round++) {
            assay_rng_init(&now.rng, 1, now.round, "kern", name);
            one(now.kern);
            while (now.n > 0) {
                const struct tensor *t = &now.tensor[--now.n];
                tensor_check(t);
                free(t->memory), free(t->before), free(t->due);
            }
        }
    }
}

#endif
