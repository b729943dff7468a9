// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "assay/space.h"
#include "forward.h"
#include "golden/nb201_params.h"

#define SIZE    15625
#define CLASSES 5044

static const struct assay_net small = {.channels = 3, .cells = 1, .classes = 10, .image = 32};
static const struct assay_net thin = {
    .channels = 3, .cells = 1, .classes = 10, .image = 32, .thin = true};
static const struct assay_net full = {.channels = 16, .cells = 5, .classes = 10, .image = 32};

static struct assay_space nb201;
static struct assay_graph graph, folded, other;

static void assert_ok(int status, const struct assay_err *err)
{
    if (status != ASSAY_OK) fail_msg("%d: %s", status, err->text);
}

static int setup(void **state)
{
    (void)state;
    assay_graph_init(&graph);
    assay_graph_init(&folded);
    assay_graph_init(&other);
    return assay_space_open(&nb201, "nas-bench-201", NULL);
}

static int teardown(void **state)
{
    (void)state;
    assay_graph_free(&graph);
    assay_graph_free(&folded);
    assay_graph_free(&other);
    assay_space_close(&nb201);
    return 0;
}

static void build(const struct assay_space *space, uint64_t index, const struct assay_net *net)
{
    struct assay_err err = {0};
    assert_ok(assay_space_build(space, index, net, &graph, &err), &err);
}

static void fold(bool at_init, struct assay_graph *out)
{
    struct assay_err err = {0};
    assert_ok(assay_graph_fold(&graph, at_init, out, NULL, &err), &err);
}

static uint64_t parse(const char *text)
{
    struct assay_err err = {0};
    uint64_t index = UINT64_MAX;
    assert_ok(assay_space_parse(&nb201, text, &index, &err), &err);
    return index;
}

// ---- NAS-Bench-201: networks ----

static void test_published_costs(void **state)
{
    static const struct {
        const char *arch;
        uint64_t params, flops, layers;
    } want[] = {
        {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73306, 7783050, 8},
        {"|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|"
         "skip_connect~2|",
         73306, 7783050, 8},
        {"|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|"
         "nor_conv_3x3~2|",
         1531546, 220119690, 8 + 90},
        {"|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|"
         "skip_connect~2|",
         129306, 15647370, 8 + 30},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(want); i++) {
        build(&nb201, parse(want[i].arch), &full);
        const struct assay_cost cost = assay_graph_cost(&graph);
        assert_int_equal(cost.params, want[i].params);
        assert_int_equal(cost.flops, want[i].flops);
        assert_int_equal(cost.layers, want[i].layers);
    }
}

static bool has_param(const char *line)
{
    char got[256];
    for (uint32_t i = 0; i < graph.n_param; i++) {
        const struct assay_param *p = &graph.param[i];
        int n = snprintf(got, sizeof got, "%s", assay_graph_param_name(&graph, i));
        for (uint32_t d = 0; d < p->ndim; d++)
            n += snprintf(got + n, sizeof got - (size_t)n, " %u", p->shape[d]);
        if (strcmp(got, line) == 0) return true;
    }
    return false;
}

static void test_parameters_of_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(nb201_golden); i++) {
        struct assay_net net = nb201_golden[i].thin ? thin : small;
        net.channels = nb201_golden[i].channels, net.cells = nb201_golden[i].cells;
        uint32_t n = 0;
        build(&nb201, parse(nb201_golden[i].arch), &net);
        char *params = strdup(nb201_golden[i].params), *rest = params;
        for (char *line; (line = strtok_r(rest, "\n", &rest)); n++) {
            if (!has_param(line)) fail_msg("%s: no %s", nb201_golden[i].arch, line);
        }
        free(params);
        assert_int_equal(graph.n_param, n);
        if (nb201_golden[i].ntk_parameters)
            assert_int_equal(graph.n_weight, nb201_golden[i].ntk_parameters);
    }
}

// A convolution nobody reads keeps its parameters in the literal network.
static void test_dead_convolutions_keep_their_parameters(void **state)
{
    (void)state;
    build(&nb201, parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"),
          &thin);
    assert_true(has_param("cells.0.layers.0.op.1.weight 1 1 3 3"));
    assert_true(has_param("cells.0.layers.5.op.1.weight 1 1 1 1"));
    fold(false, &folded); // edge 0-1 reaches nothing; edge 2-3 gives its BN shift
    assert_string_equal(assay_graph_param_name(&folded, 0), "cells.0.layers.5.op.2.weight");
    assert_int_equal(folded.n_param, 6);
    fold(true, &folded);
    assert_int_equal(folded.n_param, 4);
}

static uint32_t count_convs(const struct assay_graph *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_node; i++) n += g->node[i].op == ASSAY_OP_CONV;
    return n;
}

static void test_class_counts(void **state)
{
    static const uint32_t by_convs[7] = {48, 376, 1131, 1680, 1273, 472, 64};
    static uint32_t members[SIZE];
    uint32_t classes = 0, largest = 0, dead = 0, histogram[7] = {0};
    (void)state;
    for (uint64_t i = 0; i < SIZE; i++) members[assay_space_canonical(&nb201, i)]++;
    for (uint64_t i = 0; i < SIZE; i++) {
        if (!members[i]) continue;
        classes++;
        if (members[i] > largest) largest = members[i];
        build(&nb201, i, &thin);
        fold(true, &folded);
        histogram[count_convs(&folded)]++;
        if (!assay_graph_is_dead(&folded)) continue;
        dead++;
        assert_int_equal(members[i], 341);
    }
    assert_int_equal(classes, CLASSES);
    assert_int_equal(largest, 460);
    assert_int_equal(dead, 1);
    for (int k = 0; k < 7; k++) assert_int_equal(histogram[k], by_convs[k]);
}

// Networks of one class, folded, have equally many nodes that compute and, where the surviving
// edges only changed places, the same hash.
static void test_renamed_edges_have_equal_hashes(void **state)
{
    static const char *const same[][2] = {
        {"|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
         "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"},
        {"|skip_connect~0|+|none~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|",
         "|none~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"},
        {"|nor_conv_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
         "|nor_conv_3x3~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"},
        {"|avg_pool_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|nor_conv_3x3~2|",
         "|none~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"},
    };
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(same); i++) {
        build(&nb201, parse(same[i][0]), &small);
        fold(true, &folded);
        build(&nb201, parse(same[i][1]), &small);
        fold(true, &other);
        assert_true(assay_hash_equal(assay_graph_hash(&folded), assay_graph_hash(&other)));
        assert_int_equal(assay_space_canonical(&nb201, parse(same[i][0])),
                         assay_space_canonical(&nb201, parse(same[i][1])));
    }
}

// Folded networks with equal hashes are one class; classes differ in their hashes.
static void test_classes_do_not_share_a_hash(void **state)
{
    static struct assay_hash hash[SIZE];
    (void)state;
    for (uint64_t i = 0; i < SIZE; i++) {
        build(&nb201, i, &thin);
        fold(true, &folded);
        hash[i] = assay_graph_hash(&folded);
    }
    for (uint64_t i = 0; i < SIZE; i += 61) {
        for (uint64_t k = 0; k < i; k++) {
            if (assay_hash_equal(hash[i], hash[k]))
                assert_int_equal(assay_space_canonical(&nb201, i),
                                 assay_space_canonical(&nb201, k));
        }
    }
}

// Random parameters that depend only on what a module is, not on which edge it sits.
static double *theta_by_kind(const struct assay_graph *g)
{
    double *theta = calloc(g->n_theta, sizeof *theta);
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        struct assay_rng rng;
        char key[64];
        snprintf(key, sizeof key, "%u %u %u", p->role, p->shape[0], p->shape[2]);
        assay_rng_init(&rng, 11, 0, "test", key);
        for (uint64_t k = 0; k < p->size && p->role != ASSAY_BN_BETA; k++)
            theta[p->offset + k] = assay_rng_normal(&rng);
    }
    return theta;
}

static double *forward_by_kind(const struct assay_graph *g, const double *x)
{
    double *theta = theta_by_kind(g), *out = forward(g, 2, theta, x);
    free(theta);
    return out;
}

static void test_members_of_a_class_compute_the_same(void **state)
{
    double x[2 * 9];
    struct assay_rng rng;
    (void)state;
    assay_rng_init(&rng, 5, 0, "test", "class");
    for (size_t i = 0; i < ASSAY_LEN(x); i++) x[i] = assay_rng_normal(&rng);
    for (uint64_t i = 0; i < SIZE; i++) {
        const uint64_t canonical = assay_space_canonical(&nb201, i);
        if (canonical == i) continue;
        build(&nb201, i, &thin);
        fold(true, &folded);
        double *member = forward_by_kind(&graph, x), *lean = forward_by_kind(&folded, x);
        build(&nb201, canonical, &thin);
        double *want = forward_by_kind(&graph, x);
        for (int k = 0; k < 2 * 10; k++) {
            assert_float_equal(member[k], want[k], 1e-9);
            assert_float_equal(lean[k], want[k], 1e-9);
        }
        free(member);
        free(lean);
        free(want);
    }
}

// ---- NAS-Bench-201: classes, checked by numbers alone ----
// A cell as an explicit function on 3 x 3 maps: average pooling is itself, a convolution is a
// random matrix (its own for every place) followed by tanh. Exchanging places must not matter, so a
// cell is summarised by its values summed over all ways of giving the matrices to its convolutions.
struct toy {
    double matrix[2][6][9][9], input[9];
};

static void toy_pool(const double *x, double *y)
{
    for (int i = 0; i < 9; i++) {
        int n = 0;
        double sum = 0;
        for (int k = 0; k < 9; k++) {
            if (abs(k / 3 - i / 3) > 1 || abs(k % 3 - i % 3) > 1) continue;
            sum += x[k];
            n++;
        }
        y[i] += sum / n;
    }
}

static void toy_conv(const double (*m)[9], const double *x, double *y)
{
    for (int i = 0; i < 9; i++) {
        double sum = 0;
        for (int k = 0; k < 9; k++) sum += m[i][k] * x[k];
        y[i] += tanh(sum);
    }
}

// Edge k's convolution uses matrix place[k].
static double toy_cell(const struct toy *toy, const uint8_t *op, const uint8_t *place)
{
    static const int from[6] = {0, 0, 1, 0, 1, 2}, to[6] = {1, 2, 2, 3, 3, 3};
    double node[4][9] = {{0}}, sum = 0;
    memcpy(node[0], toy->input, sizeof node[0]);
    for (int k = 0; k < 6; k++) {
        const double *x = node[from[k]];
        double *y = node[to[k]];
        if (op[k] == 1) {
            for (int i = 0; i < 9; i++) y[i] += x[i];
        } else if (op[k] == 4) {
            toy_pool(x, y);
        } else if (op[k] > 1) {
            toy_conv(toy->matrix[op[k] - 2][place[k]], x, y);
        }
    }
    for (int i = 0; i < 9; i++) sum += (1 + 0.1 * i) * node[3][i];
    return sum;
}

// Adds the values over all orders of the places of the n live convolutions edge[at..n).
static void toy_sum(const struct toy *toy, const uint8_t *op, const uint8_t *edge, uint32_t n,
                    uint32_t at, uint8_t *place, double *sum)
{
    if (at == n) {
        const double v = toy_cell(toy, op, place);
        *sum += v + v * v / 16;
        return;
    }
    for (uint32_t i = at; i < n; i++) {
        const uint8_t a = place[edge[at]], b = place[edge[i]];
        place[edge[at]] = b;
        place[edge[i]] = a;
        toy_sum(toy, op, edge, n, at + 1, place, sum);
        place[edge[at]] = a;
        place[edge[i]] = b;
    }
}

static double toy_value(const struct toy *toy, uint64_t index)
{
    uint8_t op[6], edge[6] = {0}, place[6] = {0};
    uint32_t n = 0;
    double sum = 0;
    // Live convolutions: those whose parameters survive in the folded network.
    build(&nb201, index, &thin);
    fold(true, &folded);
    for (int k = 6; k-- > 0; index /= 5) op[k] = (uint8_t)(index % 5);
    for (uint8_t k = 0; k < 6; k++) {
        char name[64];
        snprintf(name, sizeof name, "cells.0.layers.%u.op.1.weight", k);
        for (uint32_t i = 0; i < folded.n_param; i++) {
            if (strcmp(assay_graph_param_name(&folded, i), name) == 0) edge[n++] = k;
        }
    }
    for (uint8_t i = 0; i < n; i++) place[edge[i]] = i;
    toy_sum(toy, op, edge, n, 0, place, &sum);
    return sum + 1000 * n;
}

static int compare_values(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_classes_are_the_distinct_functions(void **state)
{
    static double value[SIZE], of_class[SIZE];
    struct toy toy;
    struct assay_rng rng;
    uint32_t n = 0, distinct = 1;
    (void)state;
    assay_rng_init(&rng, 6, 0, "test", "toy");
    for (size_t i = 0; i < sizeof toy / sizeof(double); i++)
        ((double *)&toy)[i] = 0.5 * assay_rng_normal(&rng);
    for (uint64_t i = 0; i < SIZE; i++) {
        const uint64_t canonical = assay_space_canonical(&nb201, i);
        value[i] = toy_value(&toy, i);
        assert_float_equal(value[i], value[canonical], 1e-9);
        if (canonical == i) of_class[n++] = value[i];
    }
    qsort(of_class, n, sizeof *of_class, compare_values);
    for (uint32_t i = 1; i < n; i++) distinct += of_class[i] - of_class[i - 1] > 1e-7;
    assert_int_equal(n, CLASSES);
    assert_int_equal(distinct, CLASSES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_costs),
        cmocka_unit_test(test_parameters_of_the_reference),
        cmocka_unit_test(test_dead_convolutions_keep_their_parameters),
        cmocka_unit_test(test_class_counts),
        cmocka_unit_test(test_renamed_edges_have_equal_hashes),
        cmocka_unit_test(test_classes_do_not_share_a_hash),
        cmocka_unit_test(test_members_of_a_class_compute_the_same),
        cmocka_unit_test(test_classes_are_the_distinct_functions),
    };
    return cmocka_run_group_tests_name("nb201", tests, setup, teardown);
}
