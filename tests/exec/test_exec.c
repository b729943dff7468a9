// SPDX-License-Identifier: Apache-2.0
// Laws of the executor, on every kernel rung this CPU runs and on the widest one's tiles.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>

#include "assay/exec.h"
#include "assay/space.h"
#include "bound.h"
#include "exec_nets.h"
#include "forward.h"
#include "rung_wide.h"

#define BATCH 6 // not a multiple of the images per vector

#define rung(i) rung_at(ASSAY_SINGLE, i)

// ---- one bound network -------------------------------------------------------------------------
struct bench {
    struct assay_graph g;
    struct assay_exec *exec;
    struct assay_plan *plan;
    double *theta, *input;
    size_t n_input;
};

static void draw(const char *name, size_t n, double scale, double *v)
{
    struct assay_rng rng;
    assay_rng_init(&rng, 3, 0, "test", name);
    for (size_t i = 0; i < n; i++) v[i] = scale * assay_rng_normal(&rng);
}

static void set_up(struct bench *b, builder *net, const struct assay_kern *kern)
{
    struct assay_err err;
    assay_graph_init(&b->g);
    net(&b->g);
    const struct assay_node *in = &b->g.node[0];
    b->n_input = (size_t)BATCH * in->c * in->h * in->w;
    b->theta = calloc(b->g.n_theta, sizeof(double));
    b->input = calloc(b->n_input, sizeof(double));
    draw("theta", b->g.n_theta, 0.7, b->theta);
    draw("input", b->n_input, 1, b->input);
    assert_int_equal(assay_exec_create(&b->exec, &err), 0);
    assert_int_equal(assay_plan_make(&b->plan, kern, &b->g, BATCH, &assay_want_gradients, &err), 0);
    assert_int_equal(assay_exec_bind(b->exec, b->plan, 0, &err), 0);
    assay_exec_forward(b->exec, b->theta, b->input);
}

static void tear_down(struct bench *b)
{
    assay_exec_destroy(b->exec);
    assay_plan_free(b->plan);
    assay_graph_free(&b->g);
    free(b->theta);
    free(b->input);
}

static double *jacobian(struct bench *b, enum assay_bn bn, const double *cot, uint32_t t)
{
    double *jac = calloc((size_t)BATCH * t * b->g.n_theta, sizeof(double));
    assay_exec_jacobian(b->exec, bn, cot, t, 0, (uint64_t)BATCH * t, b->g.n_theta, jac,
                        b->g.n_theta);
    return jac;
}

static double largest(const double *v, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++) m = fmax(m, fabs(v[i]));
    return m;
}

static void assert_close(const double *a, const double *b, size_t n, double tolerance)
{
    const double scale = fmax(largest(b, n), 1e-3);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= tolerance * scale))
            fail_msg("entry %zu of %zu: %.9g, expected %.9g, largest %.3g", i, n, a[i], b[i],
                     scale);
    }
}

static const double ones[CLASSES] = {1, 1, 1};
static const double identity[CLASSES * CLASSES] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

// ---- laws --------------------------------------------------------------------------------------
static void forward_matches_reference(void **state)
{
    (void)state;
    for (unsigned k = 0; rung(k); k++) {
        for (size_t i = 0; i < ASSAY_LEN(nets); i++) {
            struct bench b;
            set_up(&b, nets[i], rung(k));
            double *expect = forward(&b.g, BATCH, b.theta, b.input);
            assert_close(assay_exec_logits(b.exec), expect, BATCH * CLASSES, 1e-12);
            free(expect);
            tear_down(&b);
        }
    }
}

// Row n of J against central differences of the sum of logits of image n, every parameter.
static void jacobian_matches_differences(void **state)
{
    (void)state;
    for (unsigned k = 0; rung(k); k++) {
        for (size_t i = 0; i < ASSAY_LEN(nets); i++) {
            struct bench b;
            set_up(&b, nets[i], rung(k));
            const uint64_t p = b.g.n_theta;
            double *jac = jacobian(&b, ASSAY_BN_BATCH, ones, 1),
                   *expect = calloc(BATCH * p, sizeof(double));
            const double h = 1e-6;
            for (uint64_t j = 0; j < p; j++) {
                for (int sign = -1; sign <= 1; sign += 2) {
                    const double keep = b.theta[j];
                    b.theta[j] += sign * h;
                    assay_exec_forward(b.exec, b.theta, b.input);
                    b.theta[j] = keep;
                    for (uint32_t n = 0; n < BATCH * CLASSES; n++)
                        expect[n / CLASSES * p + j] +=
                            sign * assay_exec_logits(b.exec)[n] / (2 * h);
                }
            }
            assert_close(jac, expect, BATCH * p, 5e-6);
            free(jac);
            free(expect);
            tear_down(&b);
        }
    }
}

// Rows over all outputs add up to rows of their sum; the gradient of a scalar is cot^T J, in both
// BN modes.
static void rows_and_gradients_agree(void **state)
{
    (void)state;
    for (unsigned k = 0; rung(k); k++) {
        for (size_t i = 0; i < ASSAY_LEN(nets) * 2; i++) {
            const enum assay_bn bn = i % 2 ? ASSAY_BN_FROZEN : ASSAY_BN_BATCH;
            struct bench b;
            set_up(&b, nets[i / 2], rung(k));
            const uint64_t p = b.g.n_theta;
            double cot[BATCH * CLASSES];
            draw("cotangent", BATCH * CLASSES, 1, cot);
            double *all = jacobian(&b, bn, identity, CLASSES), *sum = jacobian(&b, bn, ones, 1);
            double *grad = calloc(p, sizeof(double)),
                   *expect = calloc((BATCH + 1) * p, sizeof(double));
            assay_exec_gradient(b.exec, bn, cot, grad);
            for (uint64_t r = 0; r < BATCH * CLASSES; r++) {
                for (uint64_t j = 0; j < p; j++) {
                    expect[r / CLASSES * p + j] += all[r * p + j];
                    expect[BATCH * p + j] += cot[r] * all[r * p + j];
                }
            }
            assert_close(sum, expect, BATCH * p, 1e-5);
            assert_close(grad, expect + BATCH * p, p, 2e-5);
            free(all), free(sum), free(grad), free(expect);
            tear_down(&b);
        }
    }
}

// Without BN both kernels are the same; a part of the rows is the same part of J.
static void modes_and_ranges_agree(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, net_plain, rung(0));
    const uint64_t p = b.g.n_theta;
    double *batch = jacobian(&b, ASSAY_BN_BATCH, identity, CLASSES);
    double *frozen = jacobian(&b, ASSAY_BN_FROZEN, identity, CLASSES);
    assert_close(frozen, batch, BATCH * CLASSES * p, 1e-6);
    double *part = calloc(5 * p, sizeof(double));
    for (int bn = 0; bn < 2; bn++) {
        assay_exec_jacobian(b.exec, (enum assay_bn)bn, identity, CLASSES, 7, 5, p, part, p);
        assert_close(part, (bn ? frozen : batch) + 7 * p, 5 * p, 1e-6);
    }
    free(batch), free(frozen), free(part);
    tear_down(&b);
}

// A linear network: the NTK of the sum of logits is classes * X X^T.
static void linear_network(void **state)
{
    (void)state;
    struct assay_graph g;
    struct assay_err err;
    struct bound x;
    assay_graph_init(&g);
    assay_graph_linear(&g, assay_graph_input(&g, 7, 1, 1), CLASSES, "classifier");
    assert_int_equal(assay_graph_finish(&g, &err), 0);
    double theta[7 * CLASSES + CLASSES], input[BATCH * 7], jac[BATCH * 7 * CLASSES];
    draw("theta", ASSAY_LEN(theta), 1, theta);
    draw("input", ASSAY_LEN(input), 1, input);
    assert_int_equal(bound_create(&x, rung(0), &g, BATCH, &assay_want_gradients, &err), 0);
    assay_exec_forward(x.exec, theta, input);
    assay_exec_jacobian(x.exec, ASSAY_BN_BATCH, ones, 1, 0, BATCH, g.n_weight, jac, g.n_weight);
    for (uint32_t a = 0; a < BATCH; a++) {
        for (uint32_t c = 0; c < BATCH; c++) {
            double gram = 0, expect = 0;
            for (uint64_t j = 0; j < g.n_weight; j++)
                gram += jac[a * g.n_weight + j] * jac[c * g.n_weight + j];
            for (uint32_t j = 0; j < 7; j++)
                expect += CLASSES * input[a * 7 + j] * input[c * 7 + j];
            assert_true(fabs(gram - expect) < 1e-5);
        }
    }
    bound_destroy(&x);
    assay_graph_free(&g);
}

// Permuting the batch permutes the rows.
static void batch_permutation(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, net_stride, rung(0));
    const uint64_t p = b.g.n_theta;
    const size_t pixels = b.n_input / BATCH;
    double *jac = jacobian(&b, ASSAY_BN_BATCH, ones, 1), *input = calloc(b.n_input, sizeof(double));
    double *expect = calloc(BATCH * p, sizeof(double));
    for (uint32_t n = 0; n < BATCH; n++) {
        const uint32_t to = (n * 5 + 2) % BATCH;
        memcpy(input + to * pixels, b.input + n * pixels, pixels * sizeof(double));
        memcpy(expect + to * p, jac + n * p, p * sizeof(double));
    }
    assay_exec_forward(b.exec, b.theta, input);
    double *permuted = jacobian(&b, ASSAY_BN_BATCH, ones, 1);
    assert_close(permuted, expect, BATCH * p, 2e-6);
    free(jac), free(permuted), free(expect), free(input);
    tear_down(&b);
}

// Every rung in single precision, and with `both` in double, against the fastest in double.
static void compare_rungs(builder *net, bool both)
{
    const struct assay_kern *best, *kern;
    struct assay_err err;
    assert_int_equal(assay_kern_select(&best, "auto", ASSAY_DOUBLE, &err), 0);
    for (int bn = 0; bn < 2; bn++) {
        struct bench base, b;
        set_up(&base, net, best);
        double *expect = jacobian(&base, (enum assay_bn)bn, identity, CLASSES);
        for (int precision = ASSAY_SINGLE; precision <= (int)both; precision++) {
            for (unsigned k = 0; (kern = rung_at((enum assay_precision)precision, k)); k++) {
                set_up(&b, net, kern);
                double *jac = jacobian(&b, (enum assay_bn)bn, identity, CLASSES);
                assert_close(jac, expect, BATCH * CLASSES * b.g.n_theta, precision ? 1e-13 : 2e-6);
                free(jac);
                tear_down(&b);
            }
        }
        free(expect);
        tear_down(&base);
    }
}

static void rungs_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) compare_rungs(nets[i], true);
}

static void strips_agree(void **state)
{
    (void)state;
    compare_rungs(net_large, false);
    compare_rungs(net_large_even, false);
}

// A rebound executor gives bit for bit what a fresh one gives, also by plans in the memory of
// others, and with one group instead of all passing through the layers together; and after a first
// round nothing is allocated.
static void rebinding_is_stateless(void **state)
{
    (void)state;
    struct assay_err err;
    struct bench fresh[ASSAY_LEN(nets)];
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) set_up(&fresh[i], nets[i], rung(0));
    struct assay_exec *exec;
    struct assay_plans *plans;
    struct assay_kern kern = *rung(0);
    kern.chunk_bytes = 0;
    assert_int_equal(assay_exec_create(&exec, &err), 0);
    assert_int_equal(assay_plans_create(&plans, &kern, &err), 0);
    size_t in_use = 0;
    double *jac[ASSAY_LEN(nets)], *again = calloc(1 << 16, sizeof(double));
    for (size_t i = 0; i < ASSAY_LEN(nets); i++)
        jac[i] = jacobian(&fresh[i], ASSAY_BN_BATCH, ones, 1);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < ASSAY_LEN(nets); i++) {
            const struct bench *b = &fresh[i];
            const struct assay_plan *plan;
            if (i % 2) assay_plans_clear(plans);
            assert_int_equal(
                assay_plans_get(plans, &b->g, BATCH, &assay_want_gradients, &plan, &err), 0);
            assert_int_equal(assay_exec_bind(exec, plan, 0, &err), 0);
            assay_exec_forward(exec, b->theta, b->input);
            assay_exec_jacobian(exec, ASSAY_BN_BATCH, ones, 1, 0, BATCH, b->g.n_theta, again,
                                b->g.n_theta);
            assert_memory_equal(again, jac[i], BATCH * b->g.n_theta * sizeof(double));
        }
        if (round == 2) in_use = mallinfo2().uordblks;
    }
    if (in_use > 0) assert_int_equal(mallinfo2().uordblks, in_use);
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) free(jac[i]), tear_down(&fresh[i]);
    free(again);
    assay_exec_destroy(exec);
    assay_plans_destroy(plans);
}

static void limits_and_refusals(void **state)
{
    (void)state;
    struct assay_err err = {0};
    struct assay_exec *exec;
    struct assay_graph g;
    assay_graph_init(&g);
    net_stride(&g);
    assert_int_equal(assay_exec_create(&exec, &err), 0);
    for (int backward = 0; backward < 2; backward++) {
        struct assay_plan *plan;
        assert_int_equal(assay_plan_make(&plan, rung(0), &g, BATCH,
                                         backward ? &assay_want_gradients : &assay_want_logits,
                                         &err),
                         0);
        const uint64_t bytes = assay_plan_bytes(plan);
        assert_true(bytes > 1000);
        assert_int_equal(assay_exec_bind(exec, plan, 1000, &err), ASSAY_ERR_MEMORY);
        assert_non_null(strstr(err.text, "limit"));
        assert_int_equal(assay_exec_bind(exec, plan, bytes - 1, &err), ASSAY_ERR_MEMORY);
        assert_int_equal(assay_exec_bind(exec, plan, bytes, &err), 0);
        assay_plan_free(plan);
    }
    const struct assay_kern *kern;
    assert_int_equal(assay_kern_select(&kern, "cray-1", ASSAY_SINGLE, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "baseline"));
    assay_exec_destroy(exec);
    assay_graph_free(&g);
}

static void chain(struct assay_graph *g, uint32_t layers)
{
    uint32_t x = conv_bn(g, assay_graph_input(g, 2, 6, 6), 4, 3, 1, 1, 1, 1, "a");
    for (uint32_t i = 0; i < layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "layer%u", i);
        x = conv_bn(g, assay_graph_relu(g, x), 4, 3, 1, 1, 1, 1, name);
    }
    finish(g, x);
}

// Layer after layer, gradients are made in one place: a second one takes no more than a third.
static void chains_need_one_gradient(void **state)
{
    (void)state;
    uint64_t bytes[3];
    struct assay_err err;
    for (unsigned i = 0; rung(i); i++) {
        for (uint32_t k = 0; k < 3; k++) {
            struct assay_graph g;
            struct assay_plan *plan;
            assay_graph_init(&g);
            chain(&g, k + 1);
            assert_int_equal(assay_plan_make(&plan, rung(i), &g, 64, &assay_want_gradients, &err),
                             0);
            bytes[k] = assay_plan_bytes(plan);
            assay_plan_free(plan);
            assay_graph_free(&g);
        }
        assert_int_equal(bytes[1] - bytes[0], bytes[2] - bytes[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_reference),
        cmocka_unit_test(jacobian_matches_differences),
        cmocka_unit_test(rows_and_gradients_agree),
        cmocka_unit_test(modes_and_ranges_agree),
        cmocka_unit_test(linear_network),
        cmocka_unit_test(batch_permutation),
        cmocka_unit_test(rungs_agree),
        cmocka_unit_test(strips_agree),
        cmocka_unit_test(rebinding_is_stateless),
        cmocka_unit_test(limits_and_refusals),
        cmocka_unit_test(chains_need_one_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
