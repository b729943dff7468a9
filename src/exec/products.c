// SPDX-License-Identifier: Apache-2.0
// Products of the images of a gradient, of all groups, which is used up. Its numbers are taken less
// the first one of their image: a constant has none, not a rounding error's.
#include <string.h>

#include "exec/run.h"

static double *total(const struct assay_exec *x)
{
    return AT(x, double, x->plan->products);
}

static size_t all_images(const struct assay_exec *x)
{
    return (size_t)x->plan->back_groups * exec_images(x);
}

// What the sums of a group are kept in: the first numbers of its images, and the sums.
static real *first_of(const struct assay_exec *x, uint32_t group)
{
    return AT(x, real, x->plan->product_acc) + 2 * group * (size_t)x->plan->back->lanes;
}

static void begin(const struct assay_exec *x, const struct vectors *v)
{
    const size_t n = all_images(x), lanes = x->plan->back->lanes;
    memset(total(x), 0, n * (n + 1) * sizeof(double));
    for (uint32_t g = 0; g < x->plan->back_groups; g++)
        memcpy(first_of(x, g), v->at + g * v->group, lanes * sizeof(real));
}

static void shift_group(const struct assay_exec *x, uint32_t group, const struct vectors *v)
{
    const size_t n = all_images(x);
    real *first = first_of(x, group), *sum = first + x->plan->back->lanes;
    memset(sum, 0, x->plan->back->lanes * sizeof *sum);
    x->plan->back->shift(v->n, v->at + group * v->group, first, sum);
    for (uint32_t i = 0; i < exec_images(x); i++)
        total(x)[n * n + group * exec_images(x) + i] += (double)sum[i];
}

// Products of two groups.
static void add_pair(const struct assay_exec *x, uint32_t g, uint32_t h, const struct vectors *v)
{
    const size_t n = all_images(x), images = exec_images(x), lanes = x->plan->back->lanes;
    real *acc = first_of(x, x->plan->back_groups);
    double *to = total(x) + g * images * n + h * images;
    memset(acc, 0, images * lanes * sizeof *acc);
    x->plan->back->products(v->n, v->at + g * v->group, v->at + h * v->group, acc);
    for (uint32_t i = 0; i < images; i++, to += n, acc += lanes)
        for (uint32_t l = 0; l < images; l++) to[l] += (double)acc[l];
}

void exec_add_products(const struct assay_exec *x, const struct vectors *v, bool first)
{
    if (first) begin(x, v);
    for (uint32_t g = 0; g < x->plan->back_groups; g++) {
        shift_group(x, g, v);
        for (uint32_t h = 0; h <= g; h++) add_pair(x, g, h, v);
    }
}

void exec_show_products(const struct assay_exec *x, const struct tapped *tapped, size_t units)
{
    const size_t n = all_images(x);
    const struct assay_products p = {.node = tapped->node,
                                     .pulled = tapped->pulled,
                                     .units = units,
                                     .ld = n,
                                     .product = total(x),
                                     .sum = total(x) + n * n};
    x->taps->products(x->taps->self, &p);
}
