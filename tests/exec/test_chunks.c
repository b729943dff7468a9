// SPDX-License-Identifier: Apache-2.0
// How many groups of images pass through the layers together changes no bit.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "exec_nets.h"

#define IMAGES 27 // seven groups, the last of three images

// One channel, as in TE-NAS's thin networks: planes of which a sum takes three groups together, and
// such of which it takes all.
static void net_thin(struct assay_graph *g)
{
    const uint32_t x = assay_graph_input(g, 1, 12, 12), r = assay_graph_relu(g, x);
    const uint32_t sum[] = {x, conv_bn(g, r, 1, 3, 1, 1, 1, 1, "a"),
                            conv_bn(g, r, 1, 1, 1, 0, 1, 1, "b")};
    const uint32_t y = assay_graph_relu(g, assay_graph_add(g, 3, sum, NULL));
    const uint32_t z = conv_bn(g, y, 1, 3, 2, 1, 1, 1, "c");
    const uint32_t both[] = {conv_bn(g, assay_graph_relu(g, z), 1, 3, 1, 1, 1, 1, "d"), z};
    finish(g, assay_graph_add(g, 2, both, NULL));
}

static double *draw(const char *name, size_t n)
{
    double *v = calloc(n, sizeof *v);
    struct assay_rng rng;
    assay_rng_init(&rng, 6, 0, "test", name);
    for (size_t i = 0; i < n; i++) v[i] = 0.7 * assay_rng_normal(&rng);
    return v;
}

// The logits, a row of the Jacobian, and with `held` the logits of another network on this one's
// piece, all after one another.
static double *run(const struct assay_graph *g, size_t chunk_bytes, bool held, size_t *n)
{
    static const double ones[CLASSES] = {1, 1, 1};
    const size_t logits = (size_t)IMAGES * CLASSES;
    const struct assay_want want = {.backward = true, .held = held};
    const struct assay_kern *best;
    struct assay_err err;
    struct bound b;
    assert_int_equal(assay_kern_select(&best, "auto", ASSAY_SINGLE, &err), 0);
    struct assay_kern kern = *best;
    kern.chunk_bytes = chunk_bytes;
    double *theta = draw("theta", g->n_theta), *other = draw("other", g->n_theta),
           *input = draw("input", IMAGES * g->node[0].c * g->node[0].h * g->node[0].w);
    *n = 2 * logits + g->n_theta;
    double *out = calloc(*n, sizeof *out);
    assert_int_equal(bound_create(&b, &kern, g, IMAGES, &want, &err), 0);
    assay_exec_forward(b.exec, theta, input);
    memcpy(out, assay_exec_logits(b.exec), logits * sizeof *out);
    assay_exec_jacobian(b.exec, ASSAY_BN_BATCH, ones, 1, 0, 1, g->n_theta, out + 2 * logits,
                        g->n_theta);
    if (held) {
        assay_exec_forward_held(b.exec, other, input);
        memcpy(out + logits, assay_exec_logits(b.exec), logits * sizeof *out);
    }
    bound_destroy(&b);
    free(theta), free(other), free(input);
    return out;
}

static void compare(builder *net, bool held)
{
    struct assay_graph g;
    size_t n;
    assay_graph_init(&g);
    net(&g);
    size_t group = 1; // bytes of its largest value
    for (uint32_t i = 0; i < g.n_node; i++) {
        const size_t bytes = 32 * (size_t)g.node[i].c * g.node[i].h * g.node[i].w;
        if (bytes > group) group = bytes;
    }
    double *one = run(&g, 0, held, &n);
    for (size_t together = 3; together <= 8; together += 5) {
        double *several = run(&g, together * group, held, &n);
        assert_memory_equal(several, one, n * sizeof *one);
        free(several);
    }
    free(one);
    assay_graph_free(&g);
}

static void chunks_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) compare(nets[i], false);
    compare(net_thin, false);
    compare(net_large, false);
    compare(net_large_even, false);
}

static void held_chunks_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) compare(nets[i], true);
    compare(net_thin, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chunks_agree),
                                       cmocka_unit_test(held_chunks_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
