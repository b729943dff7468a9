// SPDX-License-Identifier: Apache-2.0
// Small one-shot networks with random choices, and data for them. Included once.
#ifndef ASSAY_TESTS_ONESHOTS_H
#define ASSAY_TESTS_ONESHOTS_H

#include "assay/exec.h"
#include "assay/space.h"

#include <stdlib.h>

#define BATCH   6 // not a multiple of the images per vector
#define CLASSES 3

struct bench {
    struct assay_space space; // of which one-shot networks need no state
    const struct assay_oneshot_kind *kind;
    struct assay_net net;
    uint8_t option[512]; // of each mix
    uint32_t mixes;
    struct assay_graph g; // folded
    struct assay_exec *exec;
    struct assay_plan *plan;
    double *theta, *images;
    uint32_t label[BATCH];
};

static struct assay_rng random_numbers(const char *name)
{
    struct assay_rng rng;
    assay_rng_init(&rng, 5, 0, "test", name);
    return rng;
}

static void build_bench(struct bench *b, bool affine)
{
    struct assay_err err;
    struct assay_graph literal;
    assay_graph_init(&literal);
    assay_graph_init(&b->g);
    double *weight = calloc((size_t)b->mixes * ASSAY_ONESHOT_OPTIONS, sizeof *weight);
    for (uint32_t m = 0; m < b->mixes; m++) weight[m * ASSAY_ONESHOT_OPTIONS + b->option[m]] = 1;
    const struct assay_oneshot shot = {.weight = weight, .affine = affine};
    assert_int_equal(assay_space_build_oneshot(&b->space, &shot, &b->net, &literal, &err), 0);
    assert_int_equal(assay_graph_fold(&literal, false, &b->g, NULL, &err), 0);
    assay_graph_free(&literal);
    free(weight);
}

static void choose_at_random(struct bench *b, struct assay_rng *rng)
{
    uint8_t option[ASSAY_ONESHOT_CHOICES];
    for (uint32_t c = 0; c < b->kind->choices; c++) {
        const uint32_t other = b->kind->differs[c];
        do option[c] = (uint8_t)assay_rng_below(rng, b->kind->options[c]);
        while (other != c && option[c] == option[other]);
    }
    b->mixes = b->kind->cells(&b->space, &b->net) * b->kind->per_cell;
    for (uint32_t m = 0; m < b->mixes; m++)
        b->option[m] = option[b->kind->choice(&b->space, &b->net, m)];
}

// Both spaces, with and without affine BNs: variant 0 to 3. `draw` tells samples apart.
static void set_up(struct bench *b, unsigned variant, unsigned draw, const struct assay_kern *kern)
{
    static const char *const space[] = {"nas-bench-201", "darts"};
    struct assay_err err;
    struct assay_rng rng;
    assay_rng_init(&rng, 5, draw, "test", "bench");
    b->space = (struct assay_space){.kind = assay_space_find(space[variant % 2])};
    b->kind = b->space.kind->oneshot;
    b->net = (struct assay_net){
        .channels = 2, .cells = variant % 2 ? 3 : 1, .classes = CLASSES, .image = 8, .stem = 1};
    choose_at_random(b, &rng);
    build_bench(b, variant / 2);
    b->theta = calloc(b->g.n_theta, sizeof(double));
    const size_t pixels = (size_t)BATCH * 3 * 8 * 8;
    b->images = calloc(pixels, sizeof(double));
    assay_init_params(&b->g, ASSAY_INIT_KAIMING_FAN_OUT, draw, 0, b->theta);
    for (size_t i = 0; i < b->g.n_theta; i++) b->theta[i] += 0.1 * assay_rng_normal(&rng);
    for (size_t i = 0; i < pixels; i++) b->images[i] = assay_rng_normal(&rng);
    for (uint32_t i = 0; i < BATCH; i++) b->label[i] = (uint32_t)assay_rng_below(&rng, CLASSES);
    assert_int_equal(assay_exec_create(&b->exec, &err), 0);
    assert_int_equal(assay_plan_make(&b->plan, kern, &b->g, BATCH, &assay_want_gradients, &err), 0);
    assert_int_equal(assay_exec_bind(b->exec, b->plan, 0, &err), 0);
    assay_exec_forward(b->exec, b->theta, b->images);
}

static void tear_down(struct bench *b)
{
    assay_exec_destroy(b->exec);
    assay_plan_free(b->plan);
    assay_graph_free(&b->g);
    free(b->theta);
    free(b->images);
}

#endif
