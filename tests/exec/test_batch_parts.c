// SPDX-License-Identifier: Apache-2.0
// A batch in parts, each in a thread of its own: rows with frozen BN are those of the whole batch,
// and so are the sums over the parts of rows with batch BN. One part has no images.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "exec_nets.h"

enum { BATCH = 11, PARTS = 3, ROWS = BATCH * CLASSES, SUMS = 1 << 14 };
static const uint32_t cut[PARTS + 1] = {0, 4, BATCH, BATCH};

struct batch {
    struct assay_graph g;
    const struct assay_kern *kern;
    double *theta, *input, *frozen, *coupled; // rows (ROWS, n_theta) of the whole batch
    double cot[CLASSES * CLASSES];
    pthread_barrier_t barrier;
    double sum[PARTS][SUMS];
};
struct part {
    struct batch *b;
    uint32_t at;              // of PARTS
    double *frozen, *coupled; // its own rows; its addends to all rows
};

static double *draw(const char *name, size_t n)
{
    struct assay_rng rng;
    double *v = calloc(n + 1, sizeof *v);
    assert_non_null(v);
    assay_rng_init(&rng, 5, 0, "test", name);
    for (size_t i = 0; i < n; i++) v[i] = 0.7 * assay_rng_normal(&rng);
    return v;
}

static void sum(void *self, size_t n, double *value)
{
    struct part *part = self;
    struct batch *b = part->b;
    ASSAY_ASSERT(n <= SUMS);
    memcpy(b->sum[part->at], value, n * sizeof *value);
    pthread_barrier_wait(&b->barrier);
    for (size_t i = 0; i < n; i++) {
        value[i] = 0;
        for (uint32_t k = 0; k < PARTS; k++) value[i] += b->sum[k][i];
    }
    pthread_barrier_wait(&b->barrier);
}

static void pull(struct assay_exec *x, const struct batch *b, uint64_t own, double *frozen,
                 double *coupled)
{
    const uint64_t p = b->g.n_theta;
    assay_exec_jacobian(x, ASSAY_BN_FROZEN, b->cot, CLASSES, 0, own, p, frozen, p);
    assay_exec_jacobian(x, ASSAY_BN_BATCH, b->cot, CLASSES, 0, ROWS, p, coupled, p);
}

static void *run_part(void *self)
{
    struct part *part = self;
    struct batch *b = part->b;
    const uint32_t first = cut[part->at], n = cut[part->at + 1] - first;
    const struct assay_want want = {.backward = true, .batch = BATCH};
    const struct assay_parts parts = {.self = part, .at = first, .sum = sum};
    const struct assay_node *in = &b->g.node[0];
    struct assay_err err;
    struct bound x;
    ASSAY_ASSERT(bound_create(&x, b->kern, &b->g, n, &want, &err) == 0);
    assay_exec_set_parts(x.exec, &parts);
    assay_exec_forward(x.exec, b->theta, b->input + (size_t)first * in->c * in->h * in->w);
    pull(x.exec, b, (uint64_t)n * CLASSES, part->frozen, part->coupled);
    bound_destroy(&x);
    return NULL;
}

static void whole(struct batch *b)
{
    struct assay_err err;
    struct bound x;
    assert_int_equal(bound_create(&x, b->kern, &b->g, BATCH, &assay_want_gradients, &err), 0);
    assay_exec_forward(x.exec, b->theta, b->input);
    pull(x.exec, b, ROWS, b->frozen, b->coupled);
    bound_destroy(&x);
}

static void compare(const struct batch *b, const double *seen, const double *expected,
                    uint64_t rows, double tolerance)
{
    for (uint64_t i = 0; i < rows; i++, seen += b->g.n_theta, expected += b->g.n_theta) {
        double most = 1e-3;
        for (uint64_t k = 0; k < b->g.n_theta; k++) most = fmax(most, fabs(expected[k]));
        for (uint64_t k = 0; k < b->g.n_theta; k++)
            if (!(fabs(seen[k] - expected[k]) <= tolerance * most))
                fail_msg("row %u, entry %u: %.9g, expected %.9g", (unsigned)i, (unsigned)k, seen[k],
                         expected[k]);
    }
}

static void check(struct batch *b, double tolerance)
{
    const uint64_t n = ROWS * b->g.n_theta;
    struct part part[PARTS];
    pthread_t thread[PARTS];
    whole(b);
    for (uint32_t k = 0; k < PARTS; k++) {
        part[k] = (struct part){b, k, draw("rows", n), draw("rows", n)};
        assert_int_equal(pthread_create(&thread[k], NULL, run_part, &part[k]), 0);
    }
    for (uint32_t k = 0; k < PARTS; k++) assert_int_equal(pthread_join(thread[k], NULL), 0);
    for (uint32_t k = 0; k < PARTS; k++) {
        const uint64_t first = cut[k] * CLASSES, count = cut[k + 1] * CLASSES - first;
        compare(b, part[k].frozen, b->frozen + first * b->g.n_theta, count, tolerance);
        for (uint64_t i = 0; k > 0 && i < n; i++) part[0].coupled[i] += part[k].coupled[i];
    }
    compare(b, part[0].coupled, b->coupled, ROWS, tolerance);
    for (uint32_t k = 0; k < PARTS; k++) free(part[k].frozen), free(part[k].coupled);
}

static void check_net(struct batch *b, builder *net)
{
    struct assay_err err;
    assay_graph_init(&b->g);
    net(&b->g);
    const struct assay_node *in = &b->g.node[0];
    double *cot = draw("cotangent", ASSAY_LEN(b->cot));
    memcpy(b->cot, cot, sizeof b->cot);
    b->theta = draw("theta", b->g.n_theta);
    b->input = draw("input", (size_t)BATCH * in->c * in->h * in->w);
    b->frozen = draw("rows", ROWS * b->g.n_theta), b->coupled = draw("rows", ROWS * b->g.n_theta);
    for (int p = ASSAY_SINGLE; p <= ASSAY_DOUBLE; p++) {
        assert_int_equal(assay_kern_select(&b->kern, "auto", (enum assay_precision)p, &err), 0);
        check(b, p == ASSAY_SINGLE ? 2e-5 : 1e-11);
    }
    free(cot), free(b->theta), free(b->input), free(b->frozen), free(b->coupled);
    assay_graph_free(&b->g);
}

static void parts_make_the_batch(void **state)
{
    (void)state;
    static struct batch b;
    assert_int_equal(pthread_barrier_init(&b.barrier, NULL, PARTS), 0);
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) check_net(&b, nets[i]);
    (void)net_large, (void)net_large_even; // the many rows of a batch would take long
    pthread_barrier_destroy(&b.barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_make_the_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
