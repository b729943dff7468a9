// SPDX-License-Identifier: Apache-2.0
// Laws of the supernets of every space that has them.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

static struct assay_graph graph, folded, other;
static struct assay_rng rng;

static void assert_ok(int status, const struct assay_err *err)
{
    if (status != ASSAY_OK) fail_msg("%d: %s", status, err->text);
}

static int setup(UNUSED void **state)
{
    assay_graph_init(&graph);
    assay_graph_init(&folded);
    assay_graph_init(&other);
    assay_rng_init(&rng, 1, 0, "test", "supernet");
    return 0;
}

static int teardown(UNUSED void **state)
{
    assay_graph_free(&graph);
    assay_graph_free(&folded);
    assay_graph_free(&other);
    return 0;
}

static void open_space(struct assay_space *space, const char *name)
{
    struct assay_err err = {0};
    assert_ok(assay_space_open(space, name, &err), &err);
}

static void build(const struct assay_space *space, const struct assay_supernet *mask,
                  const struct assay_net *net, struct assay_graph *g)
{
    struct assay_err err = {0};
    assert_ok(assay_space_build_supernet(space, mask, net, g, &err), &err);
}

static void fold(const struct assay_graph *g, struct assay_graph *out)
{
    struct assay_err err = {0};
    assert_ok(assay_graph_fold(g, true, out, NULL, &err), &err);
    assert_ok(assay_graph_validate(out, &err), &err);
}

// Each operation alive with the same chance; few: most edges have none or one.
static struct assay_supernet any_mask(const struct assay_space *space, bool few)
{
    const struct assay_supernet_kind *k = space->kind->supernet;
    struct assay_supernet mask = {{{0}}};
    for (uint32_t i = 0; i < k->cells * k->edges * k->ops; i++) {
        const uint32_t edge = i / k->ops;
        if (assay_rng_below(&rng, few ? k->ops : 2) == 0)
            mask.alive[edge / k->edges][edge % k->edges] |= (uint16_t)(1u << i % k->ops);
    }
    return mask;
}

static struct assay_supernet parse(const struct assay_space *space, const char *text)
{
    struct assay_err err = {0};
    struct assay_supernet mask;
    assert_ok(assay_space_parse_supernet(space, text, &mask, &err), &err);
    return mask;
}

static bool has_param(const struct assay_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_param; i++) {
        if (strcmp(assay_graph_param_name(g, i), name) == 0) return true;
    }
    return false;
}

// Runs a law in every space that has supernets.
static void each_space(void (*law)(const struct assay_space *space))
{
    int n = 0;
    for (int i = 0; assay_space_kinds[i]; i++) {
        struct assay_space space;
        if (!assay_space_kinds[i]->supernet) continue;
        open_space(&space, assay_space_kinds[i]->name);
        law(&space);
        assay_space_close(&space);
        n++;
    }
    assert_true(n >= 2);
}

// ---- laws -------------------------------------------------------------------------------------
static void law_descriptor(const struct assay_space *space)
{
    const struct assay_supernet_kind *k = space->kind->supernet;
    assert_in_range(k->cells, 1, ASSAY_SUPERNET_CELLS);
    assert_in_range(k->edges, 1, ASSAY_SUPERNET_EDGES);
    assert_in_range(k->ops, 2, 10); // one digit each in texts
    assert_string_equal(k->op_name[0], "none");
    for (uint32_t e = 1; e < k->edges; e++) {
        assert_true(k->to[e] >= k->to[e - 1]);
        assert_true(k->to[e] > k->to[e - 1] || k->from[e] > k->from[e - 1]);
    }
}

static void descriptors_are_in_order(UNUSED void **state)
{
    each_space(law_descriptor);
}

static void law_networks(const struct assay_space *space)
{
    struct assay_err err = {0};
    for (int i = 0; i < 60; i++) {
        struct assay_net net = space->kind->search;
        net.thin = i % 3 == 0;
        if (i % 3 == 1) net.cells = 3, net.channels = 4;
        const struct assay_supernet mask = any_mask(space, i % 2);
        build(space, &mask, &net, &graph);
        assert_ok(assay_graph_validate(&graph, &err), &err);
        fold(&graph, &folded);
        assert_true(folded.n_node <= graph.n_node);
    }
}

static void every_mask_is_a_network(UNUSED void **state)
{
    each_space(law_networks);
}

// An architecture's mask is the architecture: the same folded network, and the same index.
static void law_discrete(const struct assay_space *space)
{
    struct assay_err err = {0};
    for (int i = 0; i < 200; i++) {
        const uint64_t index = assay_rng_below(&rng, assay_space_size(space));
        struct assay_net net = space->kind->search;
        struct assay_supernet mask;
        uint64_t back = UINT64_MAX;
        net.thin = i % 2;
        assay_space_index_supernet(space, index, &mask);
        assert_true(assay_supernet_is_discrete(&mask));
        assert_ok(assay_space_supernet_index(space, &mask, &back, &err), &err);
        assert_true(back == index);
        build(space, &mask, &net, &graph);
        fold(&graph, &folded);
        assert_ok(assay_space_build(space, index, &net, &graph, &err), &err);
        fold(&graph, &other);
        assert_true(assay_hash_equal(assay_graph_hash(&folded), assay_graph_hash(&other)));
        assert_int_equal(folded.n_theta, other.n_theta);
    }
}

static void discrete_masks_are_architectures(UNUSED void **state)
{
    each_space(law_discrete);
}

// One operation less: no new parameter, and those that stay keep their names.
static void law_pruning(const struct assay_space *space)
{
    const struct assay_supernet_kind *k = space->kind->supernet;
    struct assay_supernet mask;
    assay_space_full_supernet(space, true, &mask);
    build(space, &mask, &space->kind->search, &graph);
    const uint32_t full = graph.n_param;
    for (uint32_t left = k->cells * k->edges * k->ops; left > 0; left--) {
        uint32_t nth = (uint32_t)assay_rng_below(&rng, left), i = 0;
        for (;; i++) {
            const uint16_t alive = mask.alive[i / k->ops / k->edges][i / k->ops % k->edges];
            if (alive & 1u << i % k->ops && nth-- == 0) break;
        }
        mask.alive[i / k->ops / k->edges][i / k->ops % k->edges] &= (uint16_t) ~(1u << i % k->ops);
        build(space, &mask, &space->kind->search, &other);
        assert_true(other.n_theta <= graph.n_theta);
        assert_true(other.n_param <= graph.n_param);
        for (uint32_t p = 0; left % 10 == 0 && p < other.n_param; p++)
            assert_true(has_param(&graph, assay_graph_param_name(&other, p)));
        build(space, &mask, &space->kind->search, &graph);
    }
    assert_true(graph.n_param < full);
}

static void pruning_only_takes_away(UNUSED void **state)
{
    each_space(law_pruning);
}

// A node of a supernet without `none` adds the edges that enter it; with it, (k - 1) / k of them.
static void law_weights(const struct assay_space *space)
{
    const struct assay_supernet_kind *k = space->kind->supernet;
    for (int none = 0; none < 2; none++) {
        struct assay_supernet mask;
        uint32_t edges = 0;
        double most = 0;
        assay_space_full_supernet(space, none, &mask);
        build(space, &mask, &space->kind->search, &graph);
        for (uint32_t e = 0; e < k->edges; e++) edges += k->to[e] == k->to[k->edges - 1];
        for (uint32_t i = 0; i < graph.n_node; i++) {
            const struct assay_node *n = &graph.node[i];
            double sum = 0;
            if (n->op != ASSAY_OP_ADD) continue;
            for (uint32_t j = 0; j < n->n_in; j++) sum += graph.coef[n->in + j];
            if (sum > most) most = sum;
        }
        const double share = none ? (k->ops - 1.0) / k->ops : 1.0;
        assert_true(fabs(most - edges * share) < 1e-12);
    }
}

static void operations_share_an_edge_equally(UNUSED void **state)
{
    each_space(law_weights);
}

static void law_nothing(const struct assay_space *space)
{
    const struct assay_supernet nothing = {{{0}}};
    build(space, &nothing, &space->kind->search, &graph);
    fold(&graph, &folded);
    assert_true(assay_supernet_is_discrete(&nothing));
    assert_true(folded.n_node <= graph.n_node);
}

static void without_operations_there_is_a_network(UNUSED void **state)
{
    each_space(law_nothing);
}

// ---- text -------------------------------------------------------------------------------------
static void law_text(const struct assay_space *space)
{
    char text[ASSAY_ARCH_MAX];
    for (int i = 0; i < 200; i++) {
        const struct assay_supernet mask = any_mask(space, i % 2);
        assert_int_equal(assay_space_format_supernet(space, &mask, text, sizeof text), ASSAY_OK);
        const struct assay_supernet back = parse(space, text);
        assert_memory_equal(&back, &mask, sizeof mask);
        assert_true(assay_space_format_supernet(space, &mask, text, strlen(text)) < 0);
    }
    struct assay_supernet full, named = parse(space, "full");
    assay_space_full_supernet(space, false, &full);
    assert_memory_equal(&named, &full, sizeof full);
    assay_space_full_supernet(space, true, &full);
    named = parse(space, " full+none\n");
    assert_memory_equal(&named, &full, sizeof full);
}

static void masks_round_trip(UNUSED void **state)
{
    each_space(law_text);
}

static void masks_are_read_strictly(UNUSED void **state)
{
    static const struct {
        const char *space, *text, *message;
    } wrong[] = {
        {"nas-bench-201", "", "found the end at character 1, expected '-' or the numbers (0 to 4"},
        {"nas-bench-201", "1,2,3,4,0", "found the end at character 10, expected ',' between the"},
        {"nas-bench-201", "1,2,3,4,0,5", "found '5' at character 11, expected '-' or the numbers"},
        {"nas-bench-201", "1,22,3,4,0,1", "found '2' at character 4"},
        {"nas-bench-201", "1,2,3,4,0,1,2", "found ',' at character 12, expected nothing after"},
        {"nas-bench-201", "1,2,3,4,0,1/2", "found '/' at character 12, expected nothing after"},
        {"nas-bench-201", "1,2,,4,0,1", "found ',' at character 5"},
        {"nas-bench-201", "1,2,-3,4,0,1", "found '3' at character 6, expected ',' between"},
        {"nas-bench-201", "fullx", "found 'fullx' at character 1"},
        {"nas-bench-201", "1,2,0x3,4,0,1", "found 'x3' at character 6"},
        {"darts", "1,2,3,4,5,6,7,0,1,2,3,4,5,6,1", "found ',' at character 28, expected '/'"},
        {"darts", "1,2,3,4,5,6,7,0,1,2,3,4,5,8", "found '8' at character 27"},
        {"null", "full", "null has no supernets"},
    };
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_space space;
        struct assay_err err = {0};
        struct assay_supernet mask;
        memset(&mask, 0x5a, sizeof mask);
        open_space(&space, wrong[i].space);
        assert_true(assay_space_parse_supernet(&space, wrong[i].text, &mask, &err) < 0);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s: %s", wrong[i].text, err.text);
        assert_int_equal(mask.alive[0][0], 0x5a5a);
        assay_space_close(&space);
    }
}

// ---- one by one -------------------------------------------------------------------------------
static void foreign_operations_are_refused(UNUSED void **state)
{
    struct assay_space space;
    struct assay_err err = {0};
    struct assay_supernet mask = {{{0}}};
    const struct assay_net net = {.channels = 3, .cells = 1, .classes = 10, .image = 32};
    open_space(&space, "nas-bench-201");
    mask.alive[0][2] = 1 << 5;
    assert_int_equal(assay_space_build_supernet(&space, &mask, &net, &graph, &err),
                     ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "edge 2"));
    mask.alive[0][2] = 0;
    mask.alive[1][0] = 1;
    assert_int_equal(assay_space_build_supernet(&space, &mask, &net, &graph, &err),
                     ASSAY_ERR_CONFIG);
    assay_space_close(&space);
    open_space(&space, "null");
    assert_int_equal(assay_space_build_supernet(&space, &mask, &net, &graph, &err),
                     ASSAY_ERR_CONFIG);
    assay_space_close(&space);
}

static void what_is_no_architecture(UNUSED void **state)
{
    static const struct {
        const char *space, *mask, *message;
    } wrong[] = {
        {"nas-bench-201", "1,2,34,1,1,1", "more than one operation on edge 2<-1 of the only cell"},
        {"nas-bench-201", "1,2,3,1,-,1", "no operation on edge 3<-1"},
        {"darts", "1,2,3,4,-,-,-,5,6,-,-,-,1,7/1,2,3,4,-,-,-,5,6,1,-,-,1,7",
         "3 edges enter node 3 of the reduction cell, expected 2"},
        {"darts", "1,-,3,4,-,-,-,5,6,-,-,-,1,7/1,2,3,4,-,-,-,5,6,-,-,-,1,7",
         "1 edges enter node 0 of the normal cell, expected 2"},
        {"darts", "1,0,3,4,-,-,-,5,6,-,-,-,1,7/1,2,3,4,-,-,-,5,6,-,-,-,1,7",
         "only none on edge 0<-1 of the normal cell"},
        {"darts", "1,2,3,4,-,-,-,5,6,-,-,-,1,7/1,2,3,45,-,-,-,5,6,-,-,-,1,7",
         "more than one operation on edge 1<-1 of the reduction cell"},
    };
    for (size_t i = 0; i < ASSAY_LEN(wrong); i++) {
        struct assay_space space;
        struct assay_err err = {0};
        uint64_t index = 77;
        open_space(&space, wrong[i].space);
        const struct assay_supernet mask = parse(&space, wrong[i].mask);
        assert_int_equal(assay_space_supernet_index(&space, &mask, &index, &err), ASSAY_ERR_INPUT);
        if (!strstr(err.text, wrong[i].message)) fail_msg("%s", err.text);
        assert_int_equal(index, 77);
        assay_space_close(&space);
    }
}

// Dead operations are not there: of the uniform supernet of NAS-Bench-201 two convolutions on each
// of 18 edges, besides the stem and the residual blocks.
static void only_live_operations_are_built(UNUSED void **state)
{
    struct assay_space space;
    const struct assay_net net = {.channels = 3, .cells = 1, .classes = 10, .image = 32};
    open_space(&space, "nas-bench-201");
    struct assay_supernet mask = parse(&space, "full");
    build(&space, &mask, &net, &graph);
    assert_int_equal(assay_graph_cost(&graph).layers, 36 + 8);
    assert_true(has_param(&graph, "cells.0.edges.1<-0.3.op.1.weight"));
    mask.alive[0][0] &= (uint16_t) ~(1u << 3);
    build(&space, &mask, &net, &graph);
    assert_int_equal(assay_graph_cost(&graph).layers, 33 + 8);
    assert_false(has_param(&graph, "cells.0.edges.1<-0.3.op.1.weight"));
    assay_space_close(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_in_order),
        cmocka_unit_test(every_mask_is_a_network),
        cmocka_unit_test(discrete_masks_are_architectures),
        cmocka_unit_test(pruning_only_takes_away),
        cmocka_unit_test(operations_share_an_edge_equally),
        cmocka_unit_test(without_operations_there_is_a_network),
        cmocka_unit_test(masks_round_trip),
        cmocka_unit_test(masks_are_read_strictly),
        cmocka_unit_test(foreign_operations_are_refused),
        cmocka_unit_test(what_is_no_architecture),
        cmocka_unit_test(only_live_operations_are_built),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
