// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "forward.h"

#define BATCH 3

static struct assay_graph graph, folded, again;

static int setup(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&folded);
    assay_graph_init(&again);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assay_graph_free(&graph);
    assay_graph_free(&folded);
    assay_graph_free(&again);
    return 0;
}

static void assert_ok(int status, const struct assay_err *err)
{
    if (status != ASSAY_OK) fail_msg("%d: %s", status, err->text);
}

static void finish(struct assay_graph *g)
{
    struct assay_err err = {0};
    assert_ok(assay_graph_finish(g, &err), &err);
}

static void fold(const struct assay_graph *g, bool at_init, struct assay_graph *out)
{
    struct assay_err err = {0};
    assert_ok(assay_graph_fold(g, at_init, out, NULL, &err), &err);
}

static void small_network(struct assay_graph *g)
{
    assay_graph_reset(g);
    uint32_t two[2];
    two[0] = assay_graph_input(g, 2, 4, 4);
    two[1] = assay_graph_conv(g, assay_graph_relu(g, two[0]), 2, 3, 1, 1, 1, 1, "c");
    two[1] = assay_graph_bn(g, two[1], true, "b");
    uint32_t x = assay_graph_add(g, 2, two, (double[]){0.5, 2});
    x = assay_graph_linear(g, assay_graph_gap(g, x), 3, "fc");
    finish(g);
}

// A random network of all operations on maps of up to 6 x 6; zeros and repeated tensors are common.
static uint32_t random_node(struct assay_graph *g, struct assay_rng *rng, uint32_t i)
{
    char name[32];
    const uint32_t x = (uint32_t)assay_rng_below(rng, g->n_node);
    const struct assay_node in = g->node[x];
    uint32_t two[2] = {x, x};
    snprintf(name, sizeof name, "m.%u", i);
    for (int tries = 0; tries < 8; tries++) {
        const uint32_t y = (uint32_t)assay_rng_below(rng, g->n_node);
        if (g->node[y].c == in.c && g->node[y].h == in.h && g->node[y].w == in.w) two[1] = y;
    }
    switch (assay_rng_below(rng, 11)) {
    case 0:
        return assay_graph_zero(g, in.c, in.h, in.w);
    case 1:
        return assay_graph_conv(g, x, in.c * (1 + (uint32_t)assay_rng_below(rng, 2)), 3, 1, 1, 1, 1,
                                name);
    case 2:
        return assay_graph_conv(g, x, in.c, 3, in.h > 3 ? 2 : 1, 2, 2, in.c, name);
    case 3:
        return assay_graph_bn(g, x, true, name);
    case 4:
        return assay_graph_bn(g, x, false, NULL);
    case 5:
        return assay_graph_relu(g, x);
    case 6:
        return assay_graph_pool(g, i % 2 ? ASSAY_OP_AVG_POOL : ASSAY_OP_MAX_POOL, x, 3, 1, 1);
    case 7:
        return in.c < 8 ? assay_graph_concat(g, 2, two) : x;
    case 8:
        if (in.c > 1 && i % 3 == 0) return assay_graph_truncate(g, x, in.c - i % 2);
        return assay_graph_slice(g, x, in.h > 3 && in.w > 3 ? i % 2 : 0);
    case 9:
        return assay_graph_add(g, 2, two, NULL);
    default:
        return assay_graph_add(
            g, 2, two, (double[]){(double)assay_rng_below(rng, 3) - 1.0, assay_rng_normal(rng)});
    }
}

static void random_network(struct assay_graph *g, struct assay_rng *rng)
{
    uint32_t last[2];
    assay_graph_reset(g);
    assay_graph_input(g, 2, 6, 5);
    const uint32_t n = 1 + (uint32_t)assay_rng_below(rng, 14);
    for (uint32_t i = 0; i < n; i++) last[0] = random_node(g, rng, i);
    last[0] = assay_graph_gap(g, g->n_node - 1);
    last[1] = assay_graph_gap(g, (uint32_t)assay_rng_below(rng, g->n_node - 1));
    assay_graph_linear(g, assay_graph_concat(g, 2, last), 3, "classifier");
    finish(g);
}

static void random_values(struct assay_rng *rng, double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) v[i] = assay_rng_normal(rng);
}

// Random parameters of g; BN betas are 0 at initialisation.
static double *random_theta(const struct assay_graph *g, bool at_init, struct assay_rng *rng)
{
    double *theta = calloc(g->n_theta + 1, sizeof *theta);
    random_values(rng, theta, g->n_theta);
    for (uint32_t i = 0; i < g->n_param; i++) {
        if (at_init && g->param[i].role == ASSAY_BN_BETA)
            memset(theta + g->param[i].offset, 0, g->param[i].size * sizeof *theta);
    }
    return theta;
}

// The parameters of the folded network, found in those of the literal one.
static double *gather_theta(const struct assay_graph *g, const double *theta,
                            const struct assay_graph *f, const uint32_t *source)
{
    double *out = calloc(f->n_theta + 1, sizeof *out);
    for (uint32_t i = 0; i < f->n_param; i++) {
        const struct assay_param *p = &f->param[i], *q = &g->param[source[i]];
        assert_string_equal(assay_graph_param_name(f, i), assay_graph_param_name(g, source[i]));
        assert_int_equal(p->role, q->role);
        assert_int_equal(p->size, q->size);
        memcpy(out + p->offset, theta + q->offset, p->size * sizeof *out);
    }
    return out;
}

static void assert_same_function(const struct assay_graph *g, bool at_init, struct assay_rng *rng)
{
    struct assay_err err = {0};
    uint32_t source[256];
    double x[BATCH * 2 * 6 * 5];
    assert_true(g->n_param <= ASSAY_LEN(source));
    assert_ok(assay_graph_fold(g, at_init, &folded, source, &err), &err);
    assert_ok(assay_graph_validate(&folded, &err), &err);
    double *theta = random_theta(g, at_init, rng);
    double *theta_folded = gather_theta(g, theta, &folded, source);
    random_values(rng, x, ASSAY_LEN(x));
    double *want = forward(g, BATCH, theta, x), *got = forward(&folded, BATCH, theta_folded, x);
    for (int i = 0; i < BATCH * 3; i++) {
        if (!(fabs(want[i] - got[i]) <= 1e-9 * (1.0 + fabs(want[i])))) {
            assay_graph_print(g, stderr);
            assay_graph_print(&folded, stderr);
            fail_msg("output %d: %.17g literal, %.17g folded (at_init %d)", i, want[i], got[i],
                     at_init);
        }
    }
    free(theta);
    free(theta_folded);
    free(want);
    free(got);
}

static bool has_user(const struct assay_graph *g, uint32_t i)
{
    for (uint32_t k = 0; k < g->n_in; k++) {
        if (g->in[k] == i) return true;
    }
    return false;
}

static void assert_minimal(const struct assay_graph *f, bool at_init)
{
    for (uint32_t i = 0; i < f->n_node; i++) {
        const struct assay_node *n = &f->node[i];
        assert_true(i == 0 || i == f->n_node - 1 || has_user(f, i));
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            const bool zero = f->node[f->in[k]].op == ASSAY_OP_ZERO;
            const bool keeps_zero = n->op == ASSAY_OP_CONCAT || n->op == ASSAY_OP_LINEAR ||
                                    (n->op == ASSAY_OP_BN && !at_init);
            assert_true(!zero || keeps_zero);
            assert_true(n->op != ASSAY_OP_ADD || k == n->in || f->in[k - 1] < f->in[k]);
            assert_true(f->coef[k] != 0.0);
        }
    }
}

static void test_fold_keeps_the_function(void **state)
{
    struct assay_rng rng;
    int dead = 0, zeros = 0;
    (void)state;
    assay_rng_init(&rng, 7, 0, "test", "fold");
    for (int i = 0; i < 1500; i++) {
        random_network(&graph, &rng);
        for (int at_init = 0; at_init < 2; at_init++) {
            assert_same_function(&graph, at_init, &rng);
            assert_true(folded.n_node <= graph.n_node && folded.n_theta <= graph.n_theta);
            assert_minimal(&folded, at_init);
            dead += assay_graph_is_dead(&folded);
            for (uint32_t k = 0; k < folded.n_node; k++)
                zeros += folded.node[k].op == ASSAY_OP_ZERO;
            fold(&folded, at_init, &again);
            assert_true(assay_hash_equal(assay_graph_hash(&folded), assay_graph_hash(&again)));
            assert_int_equal(again.n_text, folded.n_text);
            assert_memory_equal(again.text, folded.text, folded.n_text);
        }
    }
    assert_true(dead > 10 && zeros > 100);
}

static void test_fold_sums_repeated_terms(void **state)
{
    struct assay_graph *g = &graph;
    (void)state;
    const uint32_t x = assay_graph_input(g, 1, 4, 4),
                   p = assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 3, 1, 1);
    const uint32_t q = assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 3, 1, 1);
    const uint32_t z = assay_graph_zero(g, 1, 4, 4);
    assay_graph_add(g, 5, (uint32_t[]){p, x, z, q, x}, (double[]){0.5, 1, 3, 1, 1});
    finish(g);
    fold(g, true, &folded);
    assert_int_equal(folded.n_node, 3); // x, pool(x), 2 x + 1.5 pool(x)
    assert_int_equal(folded.node[2].n_in, 2);
    assert_int_equal(folded.in[folded.node[2].in], 0);
    assert_float_equal(folded.coef[folded.node[2].in], 2.0, 0.0);
    assert_float_equal(folded.coef[folded.node[2].in + 1], 1.5, 0.0);

    assay_graph_reset(g);
    assay_graph_input(g, 1, 4, 4);
    assay_graph_add(g, 2, (uint32_t[]){0, 0}, (double[]){1, -1});
    finish(g);
    fold(g, true, &folded);
    assert_true(assay_graph_is_dead(&folded));
    assert_int_equal(folded.node[1].op, ASSAY_OP_ZERO);

    assay_graph_reset(g);
    assay_graph_input(g, 1, 4, 4);
    assay_graph_add(g, 1, (uint32_t[]){0}, NULL);
    finish(g);
    fold(g, true, &folded);
    assert_int_equal(folded.n_node, 1);
    assert_false(assay_graph_is_dead(&folded));
}

static void test_fold_never_merges_weights(void **state)
{
    struct assay_graph *g = &graph;
    uint32_t two[2];
    (void)state;
    const uint32_t x = assay_graph_input(g, 2, 4, 4);
    for (int i = 0; i < 2; i++) two[i] = assay_graph_conv(g, x, 2, 3, 1, 1, 1, 1, i ? "a" : "b");
    for (int i = 0; i < 2; i++) two[i] = assay_graph_bn(g, two[i], true, i ? "c" : "d");
    assay_graph_add(g, 2, two, NULL);
    finish(g);
    fold(g, true, &folded);
    assert_int_equal(folded.n_node, 6);
    assert_int_equal(folded.n_param, 6);
}

// ReLU - convolution - BN of a zero tensor is beta: gone at initialisation, kept otherwise.
static void test_fold_of_zero(void **state)
{
    struct assay_graph *g = &graph;
    (void)state;
    uint32_t x = assay_graph_input(g, 2, 4, 4), y = assay_graph_zero(g, 2, 4, 4);
    y = assay_graph_conv(g, assay_graph_relu(g, y), 2, 3, 1, 1, 1, 1, "c");
    y = assay_graph_bn(g, y, true, "b");
    y = assay_graph_add(g, 2, (uint32_t[]){x, y}, NULL);
    y = assay_graph_linear(g, assay_graph_gap(g, y), 3, "fc");
    finish(g);
    fold(g, true, &folded);
    assert_int_equal(folded.n_node, 3); // input, gap, linear
    assert_int_equal(folded.n_param, 2);
    fold(g, false, &folded);
    assert_int_equal(folded.n_node, 6); // input, zero, bn, add, gap, linear
    assert_int_equal(folded.n_param, 4);
    assert_string_equal(assay_graph_param_name(&folded, 0), "b.weight");
}

// A feature that is a zero tensor is not read, one that is passed on is the one before it; what
// each node is computed for stays.
static void test_fold_keeps_features(void **state)
{
    struct assay_graph *g = &graph;
    (void)state;
    const uint32_t x = assay_graph_input(g, 2, 4, 4);
    uint32_t y = assay_graph_bn(g, assay_graph_conv(g, x, 2, 3, 1, 1, 1, 1, "a"), true, "b");
    assay_graph_feature(g, ASSAY_FEATURE_STEM, y);
    const uint32_t none = assay_graph_relu(g, assay_graph_zero(g, 2, 4, 4));
    assay_graph_feature(g, ASSAY_FEATURE_CELL, none);
    y = assay_graph_add(g, 2, (uint32_t[]){y, none}, NULL);
    assay_graph_feature(g, ASSAY_FEATURE_CELL, y);
    y = assay_graph_pool(g, ASSAY_OP_AVG_POOL, y, 2, 2, 0);
    assay_graph_feature(g, ASSAY_FEATURE_REDUCTION, y);
    assay_graph_linear(g, assay_graph_gap(g, y), 3, "fc");
    finish(g);
    fold(g, true, &folded);
    static const uint32_t node[] = {2, UINT32_MAX, 2, 3}, feature[] = {0, 0, 0, 3, 4, 4};
    assert_int_equal(folded.n_feature, ASSAY_LEN(node));
    for (uint32_t i = 0; i < ASSAY_LEN(node); i++) {
        assert_int_equal(folded.feature[i].node, node[i]);
        assert_int_equal(folded.feature[i].of, g->feature[i].of);
    }
    assert_int_equal(folded.n_node, ASSAY_LEN(feature));
    for (uint32_t i = 0; i < folded.n_node; i++)
        assert_int_equal(folded.node[i].feature, feature[i]);
}

static void test_rebuilding_allocates_nothing(void **state)
{
    (void)state;
    small_network(&graph);
    fold(&graph, true, &folded);
    const struct assay_graph before = graph, before_folded = folded;
    for (int i = 0; i < 10; i++) {
        small_network(&graph);
        fold(&graph, true, &folded);
    }
    assert_memory_equal(&before, &graph, sizeof graph);
    assert_memory_equal(&before_folded, &folded, sizeof folded);
}

static uint32_t count(const struct assay_graph *g, enum assay_op op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_node; i++) n += g->node[i].op == op;
    return n;
}

static uint32_t unit(uint32_t x, const char *conv, const char *bn)
{
    const uint32_t c =
        assay_graph_conv(&graph, assay_graph_relu(&graph, x), 2, 3, 1, 1, 1, 1, conv);
    return assay_graph_bn(&graph, c, true, bn);
}

// A network with two equal pools, a sum of one node, a unit that reads zeros, one that nobody
// reads, and ReLUs of one node by two names.
static void wasteful_network(void)
{
    const uint32_t x = assay_graph_input(&graph, 2, 4, 4);
    const uint32_t zero = assay_graph_zero(&graph, 2, 4, 4);
    const uint32_t same = assay_graph_add(&graph, 2, (uint32_t[]){x, zero}, NULL);
    assay_graph_returned(&graph, same, 1);
    unit(same, "unread", "unread_bn");
    const uint32_t dead = unit(assay_graph_add(&graph, 1, &zero, NULL), "dead", "dead_bn");
    const uint32_t live = unit(x, "live", "live_bn");
    const uint32_t pool[] = {assay_graph_pool(&graph, ASSAY_OP_AVG_POOL, x, 3, 1, 1),
                             assay_graph_pool(&graph, ASSAY_OP_AVG_POOL, same, 3, 1, 1)};
    const uint32_t sum[] = {pool[0], dead, live, pool[1], zero};
    const uint32_t all = assay_graph_add(&graph, 5, sum, NULL);
    assay_graph_linear(&graph, assay_graph_gap(&graph, all), 3, "fc");
    finish(&graph);
}

static void test_merging_drops_no_module(void **state)
{
    (void)state;
    struct assay_err err = {0};
    uint32_t modules = 0, returned = 0, merged = 0;
    wasteful_network();
    assert_ok(assay_graph_merge(&graph, &folded, &err), &err);
    assert_int_equal(folded.n_param, graph.n_param);
    assert_memory_equal(folded.text, graph.text, graph.n_text); // names of parameters
    assert_int_equal(count(&folded, ASSAY_OP_CONV), 3);
    assert_int_equal(count(&folded, ASSAY_OP_RELU), 2); // of the input, and of zeros
    assert_int_equal(count(&folded, ASSAY_OP_AVG_POOL), 1);
    assert_int_equal(count(&folded, ASSAY_OP_ADD), 1);
    assert_int_equal(folded.node[folded.n_node - 3].n_in, 3); // twice the pool, and two BNs
    for (uint32_t i = 0; i < folded.n_node; i++) {
        merged += folded.node[i].returned;
        if (folded.node[i].op == ASSAY_OP_RELU) modules += folded.node[i].modules;
    }
    for (uint32_t i = 0; i < graph.n_node; i++) returned += graph.node[i].returned;
    assert_true(modules == 3 && merged == returned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fold_keeps_the_function, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fold_sums_repeated_terms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fold_never_merges_weights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fold_of_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merging_drops_no_module, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fold_keeps_features, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rebuilding_allocates_nothing, setup, teardown),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
