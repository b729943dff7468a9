// SPDX-License-Identifier: Apache-2.0
// Many classes, and one.
#include "fixture.h"

#include "assay/kern.h"
#include "metric/subject.h"

static void set_classes(struct fixture *f, uint32_t classes)
{
    uint64_t index;
    struct assay_err err = {0};
    assert_int_equal(assay_space_parse(&f->space, ARCH, &index, &err), ASSAY_OK);
    assay_graph_free(&f->net);
    free(f->theta_net);
    f->protocol.classes = classes;
    build(f, index, false, &f->net, &f->theta_net);
    free(f->theta_literal);
    f->theta_literal = draw_theta(&f->literal);
    choose_all(f);
}

// ---- many classes -------------------------------------------------------------------------------
// A rung whose backward passes are counted: each pulls back through the global pooling once.
static struct assay_kern counting;
static const struct assay_kern *counted;
static uint32_t passes;

static void count_gap(uint32_t c, uint32_t hw, const void *dy, double scale, void *dx,
                      bool accumulate)
{
    passes++;
    counted->gap(c, hw, dy, scale, dx, accumulate);
}

static void count_passes(struct fixture *f, const struct assay_kern *rung)
{
    struct assay_err err = {0};
    counting = *(counted = rung);
    counting.gap = count_gap;
    assay_plans_destroy(f->plans);
    assert_int_equal(assay_plans_create(&f->plans, &counting, &err), ASSAY_OK);
    f->subject.plans = f->plans;
}

// The squared norm of each row of the whole Jacobian, added in their order.
static double sum_of_rows(struct fixture *f, uint32_t classes)
{
    const size_t p = f->net.n_theta, rows = (size_t)f->n_image * classes;
    double *jac = malloc(rows * p * sizeof *jac), *cot = calloc(classes, classes * sizeof *cot);
    struct assay_err err = {0};
    double trace = 0.0;
    assert_non_null(jac);
    assert_non_null(cot);
    for (size_t k = 0; k < classes; k++) cot[k * classes + k] = 1.0;
    const struct assay_plan *plan;
    assert_int_equal(
        assay_plans_get(f->plans, &f->net, f->n_image, &assay_want_gradients, &plan, &err), 0);
    assert_int_equal(assay_exec_bind(f->exec, plan, 0, &err), 0);
    assay_exec_forward(f->exec, f->theta_net, f->images);
    assay_exec_jacobian(f->exec, ASSAY_BN_FROZEN, cot, classes, 0, rows, p, jac, p);
    for (size_t i = 0; i < rows; i++) trace += metric_sumsq(p, jac + i * p);
    free(jac);
    free(cot);
    return trace;
}

static uint32_t tiles(uint32_t n, uint32_t of)
{
    return (n + of - 1) / of;
}

static void assert_trace_by_tiles(struct fixture *f, uint32_t classes, uint32_t cots)
{
    set_classes(f, classes);
    const double expected = sum_of_rows(f, classes);
    for (int outputs = ASSAY_OUTPUTS_SUM; outputs <= ASSAY_OUTPUTS_ALL; outputs++) {
        struct assay_need need;
        struct assay_err err = {0};
        set(f, "ntk", "outputs", outputs == ASSAY_OUTPUTS_SUM ? "sum" : "all");
        choose_one(f, "ntk_trace");
        assert_int_equal(assay_subject_need(&f->subject, &need, &err), ASSAY_OK);
        passes = 0;
        assert_true(value(f, "ntk_trace") == expected);
        assert_int_equal(passes, tiles(f->n_image, ASSAY_IMAGES) * tiles(classes, cots));
        assert_int_equal(need.scratch, f->arena.used);
    }
}

// Whatever rows the shared buffer holds, every pass is full, memory is predicted, and no bit
// differs.
static void the_trace_takes_a_pass_a_tile(void **state)
{
    struct fixture *f = *state;
    static const uint32_t classes[] = {1, 2, 7, 40}, images[] = {2, 3, N};
    const struct assay_kern *rung;
    for (unsigned r = 0; (rung = assay_kern_rung(ASSAY_SINGLE, r)); r++) {
        if (!assay_kern_runnable(rung)) continue;
        count_passes(f, rung);
        for (size_t i = 0; i < ASSAY_LEN(classes) * ASSAY_LEN(images); i++) {
            f->n_image = images[i % ASSAY_LEN(images)];
            assert_trace_by_tiles(f, classes[i / ASSAY_LEN(images)], rung->cots);
        }
    }
}

// A part of the frozen rows costs the passes that hold some of them.
static void a_part_of_the_rows_takes_its_passes(void **state)
{
    struct fixture *f = *state;
    enum { K = 40, FIRST = 90, COUNT = 20 };
    static double cot[K * K];
    const struct assay_kern *rung;
    for (size_t k = 0; k < K; k++) cot[k * K + k] = 1.0;
    for (unsigned r = 0; (rung = assay_kern_rung(ASSAY_SINGLE, r)); r++) {
        if (!assay_kern_runnable(rung)) continue;
        count_passes(f, rung);
        set_classes(f, K);
        bind(f);
        const size_t p = f->net.n_theta;
        double *part = malloc(COUNT * p * sizeof *part);
        assert_non_null(part);
        passes = 0;
        assay_exec_jacobian(f->exec, ASSAY_BN_FROZEN, cot, K, FIRST, COUNT, p, part, p);
        assert_int_equal(passes, tiles(30, rung->cots) - 10 / rung->cots); // logits 10-29, image 2
        free(part);
    }
}

// The gradient of an image's loss, from its rows of all logits; the signs of all images' that
// gradsign_coupled adds.
static void an_image_has_the_loss_of_its_label(void **state)
{
    struct fixture *f = *state;
    const size_t p = f->net.n_theta;
    double *rows = malloc(N * CLASSES * p * sizeof *rows), *own = malloc(N * p * sizeof *own);
    double identity[CLASSES * CLASSES] = {0}, cot[N * CLASSES], most = 0, sum = 0;
    assert_non_null(rows);
    assert_non_null(own);
    for (size_t k = 0; k < CLASSES; k++) identity[k * CLASSES + k] = 1;
    bind_as(f, true);
    assay_cross_entropy_cotangent(N, CLASSES, assay_exec_logits(f->exec), f->label, cot);
    assay_exec_jacobian(f->exec, ASSAY_BN_BATCH, identity, CLASSES, 0, N * CLASSES, p, rows, p);
    assay_exec_image_gradients(f->exec, cot, 0, 2, p, own, p);
    assay_exec_image_gradients(f->exec, cot, 2, N - 2, p, own + 2 * p, p);
    for (size_t i = 0; i < N * p; i++) most = fmax(most, fabs(own[i]));
    for (uint32_t i = 0; i < f->net.n_param; i++) {
        const struct assay_param *param = &f->net.param[i];
        for (uint64_t j = param->offset; j < param->offset + param->size; j++) {
            double signs = 0;
            for (size_t n = 0; n < N; n++) {
                double expected = 0;
                for (size_t k = 0; k < CLASSES; k++)
                    expected += cot[n * CLASSES + k] * rows[(n * CLASSES + k) * p + j];
                assert_true(fabs(own[n * p + j] - expected) < 1e-12 * most);
                signs += (own[n * p + j] > 0) - (own[n * p + j] < 0);
            }
            if (is_layer_weight(param)) sum += fabs(signs);
        }
    }
    assert_close(value(f, "gradsign_coupled"), sum, 0);
    free(rows);
    free(own);
}

// ---- one class ----------------------------------------------------------------------------------
// A network of one class with the weights that the first of many has.
static void take_weights(struct fixture *f, const struct assay_graph *from, const double *theta)
{
    const struct assay_graph *g = &f->net;
    assert_int_equal(g->n_param, from->n_param);
    for (uint32_t i = 0; i < g->n_param; i++) {
        assert_string_equal(assay_graph_param_name(g, i), assay_graph_param_name(from, i));
        memcpy(f->theta_net + g->param[i].offset, theta + from->param[i].offset,
               g->param[i].size * sizeof *theta);
    }
}

static void the_kernel_of_one_class_is_that_of_the_first(void **state)
{
    struct fixture *f = *state;
    static const double first[CLASSES] = {1};
    const size_t p = f->net.n_weight;
    double *jac[2], *theta = f->theta_net, gram[N * N];
    struct assay_graph many = f->net;
    bind(f);
    for (int bn = ASSAY_BN_BATCH; bn <= ASSAY_BN_FROZEN; bn++) {
        jac[bn] = malloc(N * p * sizeof **jac);
        assert_non_null(jac[bn]);
        assay_exec_jacobian(f->exec, (enum assay_bn)bn, first, 1, 0, N, p, jac[bn], p);
    }
    f->net = (struct assay_graph){0};
    f->theta_net = NULL;
    set_classes(f, 1);
    take_weights(f, &many, theta);
    for (int i = 0; i < 4; i++) {
        const enum assay_bn bn = i % 2 ? ASSAY_BN_FROZEN : ASSAY_BN_BATCH;
        double largest = 0.0;
        set(f, "ntk", "outputs", i < 2 ? "sum" : "all");
        choose_all(f);
        restart(f);
        copy_gram(f, bn, gram);
        for (size_t k = 0; k < N; k++) largest = fmax(largest, gram[k * N + k]);
        for (size_t k = 0; k < N * N; k++) {
            double expected = 0.0;
            for (size_t j = 0; j < p; j++)
                expected += jac[bn][k / N * p + j] * jac[bn][k % N * p + j];
            assert_true(fabs(gram[k] - expected) < 1e-6 * largest);
        }
    }
    free(jac[0]);
    free(jac[1]);
    free(theta);
    assay_graph_free(&many);
}

// A loss that is 0 for every network, and predictions that cannot be wrong, are no measure.
static void one_class_has_no_loss(void **state)
{
    struct fixture *f = *state;
    double out[16];
    char reason[ASSAY_METRIC_REASON] = "";
    memset(f->label, 0, sizeof f->label);
    set_classes(f, 1);
    for (int labels = ASSAY_LABELS_TRUE; labels <= ASSAY_LABELS_RANDOM; labels++) {
        set(f, "nasi", "labels", labels == ASSAY_LABELS_TRUE ? "true" : "random");
        choose_all(f);
        assert_int_equal(measure(f, "nasi", out, reason), ASSAY_VERDICT_DEGENERATE);
        assert_true(out[0] == 0.0);
        assert_non_null(strstr(reason, "one class"));
    }
    set(f, "nasi", "labels", "none");
    choose_all(f);
    assert_true(value(f, "nasi") > 0.0);
    restart(f);
    assert_int_equal(measure(f, "ntk_ridge", out, reason), ASSAY_VERDICT_DEGENERATE);
    assert_true(isnan(out[0]) && isnan(out[1]));
    assert_non_null(strstr(reason, "one class"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAW(the_trace_takes_a_pass_a_tile),
        LAW(a_part_of_the_rows_takes_its_passes),
        LAW(an_image_has_the_loss_of_its_label),
        LAW(the_kernel_of_one_class_is_that_of_the_first),
        LAW(one_class_has_no_loss),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
