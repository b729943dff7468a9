// SPDX-License-Identifier: Apache-2.0
// NASI's numbers: the trace norm's derivative against differences of the loss in float64, and the
// laws of what is made of it.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "assay/metric.h"
#include "nasi_math.h"
#include "oneshots.h"

#define VARIANTS 4

// ---- the derivative -----------------------------------------------------------------------------
// Mean cross-entropy at theta + e * way, on the piece of the last free pass.
static double loss(struct bench *b, const double *way, double e, double *moved)
{
    for (uint64_t i = 0; i < b->g.n_theta; i++) moved[i] = b->theta[i] + e * way[i];
    assay_exec_forward_held(b->exec, moved, b->images);
    const double *logits = assay_exec_logits(b->exec);
    double sum = 0;
    for (uint32_t n = 0; n < BATCH; n++, logits += CLASSES) {
        double z = 0;
        for (uint32_t k = 0; k < CLASSES; k++) z += exp(logits[k]);
        sum += (log(z) - logits[b->label[n]]) / BATCH;
    }
    return sum;
}

// 2 d/de dL/dw(theta + e grad), both as central differences of the loss.
static double second_difference(struct bench *b, const double *grad, double e, double *w,
                                double *moved)
{
    const double keep = *w, h = 1e-4;
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        const int a = i % 2 ? 1 : -1, c = i / 2 ? 1 : -1;
        *w = keep + a * h;
        sum += a * c * loss(b, grad, c * e, moved);
    }
    *w = keep;
    return 2 * sum / (4 * e * h);
}

// Largest error over largest derivative.
static double worst_error(struct bench *b, double step)
{
    const struct nasi_batch batch = {.n = BATCH, .images = b->images, .label = b->label};
    double *scratch = calloc(nasi_scratch(&b->g, BATCH), sizeof *scratch),
           *dw = calloc(b->g.n_in, sizeof *dw), *grad = calloc(b->g.n_theta, sizeof *grad),
           *moved = calloc(b->g.n_theta, sizeof *moved), cot[BATCH * CLASSES], norm = 0, trace;
    assay_exec_forward(b->exec, b->theta, b->images);
    assay_cross_entropy_cotangent(BATCH, CLASSES, assay_exec_logits(b->exec), b->label, cot);
    assay_exec_gradient(b->exec, ASSAY_BN_BATCH, cot, grad);
    for (uint64_t i = 0; i < b->g.n_theta; i++) norm += grad[i] * grad[i];
    nasi_trace_step(b->exec, &b->g, b->theta, &batch, step, scratch, &trace, dw);
    assert_true(fabs(trace - norm) <= 1e-12 * norm);
    assay_exec_forward(b->exec, b->theta, b->images);
    double error = 0, largest = 0;
    for (uint32_t n = 0; n < b->g.n_node; n++) {
        const struct assay_node *node = &b->g.node[n];
        for (uint32_t k = node->in; node->mix && k < node->in + node->n_in; k++) {
            const double expect =
                second_difference(b, grad, 1e-4 / sqrt(norm), &b->g.coef[k], moved);
            error = fmax(error, fabs(dw[k] - expect));
            largest = fmax(largest, fabs(expect));
        }
    }
    free(scratch), free(dw), free(grad), free(moved);
    assert_true(largest > 0);
    return error / largest;
}

// The trace alone is the same number.
static void trace_needs_no_derivative(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VARIANTS; i++) {
        struct bench b;
        set_up(&b, i, i, assay_kern_rung(ASSAY_SINGLE, 0));
        const struct nasi_batch batch = {.n = BATCH, .images = b.images, .label = b.label};
        double *scratch = calloc(nasi_scratch(&b.g, BATCH), sizeof *scratch),
               *dw = calloc(b.g.n_in, sizeof *dw), with = 0, alone = 1;
        nasi_trace(b.exec, &b.g, b.theta, &batch, scratch, &with, dw);
        nasi_trace(b.exec, &b.g, b.theta, &batch, scratch, &alone, NULL);
        assert_true(with > 0 && with == alone);
        free(scratch), free(dw);
        tear_down(&b);
    }
}

static void derivative_matches_differences(void **state)
{
    (void)state;
    double sum = 0;
    for (unsigned i = 0; i < 3 * VARIANTS; i++) {
        struct bench b;
        set_up(&b, i % VARIANTS, i, assay_kern_rung(ASSAY_SINGLE, 0));
        const double worst = worst_error(&b, NASI_STEP);
        if (worst > 2e-3) fail_msg("network %u: error %.3g of the largest", i, worst);
        assert_true(worst_error(&b, 0.05) > 10 * worst); // the measure can tell a poor one
        sum += worst;
        tear_down(&b);
    }
    assert_true(sum / (3 * VARIANTS) < 5e-4);
}

// ---- choices ------------------------------------------------------------------------------------
static struct assay_space space_of(int space)
{
    return (struct assay_space){.kind = assay_space_find(space ? "darts" : "nas-bench-201")};
}

static const struct assay_oneshot_kind *kind(int space)
{
    return space_of(space).kind->oneshot;
}

static void softmax_pull_matches_differences(void **state)
{
    (void)state;
    enum { N = 5 };
    const double alpha[N] = {0.3, -1, 0.5, 0.1, 2}, dw[N] = {1, -2, 0.5, 4, 3}, h = 1e-5;
    double soft[N], pulled[N] = {0};
    for (int i = -1; i < N; i++) {
        double f[2] = {0};
        for (int side = 0; side < 2; side++) {
            double z = 0, e[N];
            for (int k = 0; k < N; k++) z += e[k] = exp(alpha[k] + (k == i ? (side ? h : -h) : 0));
            for (int k = 0; k < N; k++) f[side] += dw[k] * e[k] / z;
            for (int k = 0; k < N && i < 0; k++) soft[k] = e[k] / z;
        }
        if (i < 0)
            nasi_pull_softmax(N, soft, dw, pulled);
        else
            assert_true(fabs(pulled[i] - (f[1] - f[0]) / (2 * h)) < 1e-9);
    }
}

// Gumbel's noise makes every option equally likely at alpha = 0; a node's states differ.
static void draws_are_uniform(void **state)
{
    (void)state;
    enum { STEPS = 4000 };
    for (int space = 0; space < 2; space++) {
        const struct assay_oneshot_kind *k = kind(space);
        static uint32_t count[ASSAY_ONESHOT_CHOICES][ASSAY_ONESHOT_OPTIONS];
        struct nasi_sample s, again, other;
        memset(count, 0, sizeof count);
        for (uint64_t t = 0; t < STEPS; t++) {
            nasi_draw(k, true, 9, t, 0, &s);
            for (uint32_t c = 0; c < k->choices; c++) {
                double sum = 0;
                for (uint32_t i = 0; i < k->options[c]; i++) sum += s.soft.of[c][i];
                assert_true(fabs(sum - 1) < 1e-12);
                assert_true(s.option[c] < k->options[c]);
                assert_true(k->differs[c] == c || s.option[c] != s.option[k->differs[c]]);
                count[c][s.option[c]]++;
            }
        }
        for (uint32_t c = 0; c < k->choices; c++) {
            for (uint32_t i = 0; i < k->options[c]; i++)
                assert_true(fabs(count[c][i] * k->options[c] / (double)STEPS - 1) < 0.2);
        }
        nasi_draw(k, true, 9, STEPS - 1, 0, &again);
        nasi_draw(k, true, 9, STEPS - 1, 1, &other);
        assert_memory_equal(&s, &again, sizeof s);
        assert_memory_not_equal(&s.soft, &other.soft, sizeof s.soft);
    }
}

// Of both spaces; texts of all options of all choices differ.
static void options_have_names(void **state)
{
    (void)state;
    for (int space = 0; space < 2; space++) {
        const struct assay_space opened = space_of(space);
        const struct assay_oneshot_kind *k = kind(space);
        static char text[ASSAY_ONESHOT_CHOICES * ASSAY_ONESHOT_OPTIONS][ASSAY_ONESHOT_NAME];
        unsigned n = 0;
        for (uint32_t c = 0; c < k->choices; c++) {
            for (uint32_t i = 0; i < k->options[c]; i++) {
                k->name(&opened, c, i, text[n]);
                for (unsigned other = 0; other < n; other++)
                    assert_string_not_equal(text[n], text[other]);
                n++;
            }
        }
        assert_string_equal(text[n - 1],
                            space ? "reduction node 5 slot 1: max_pool_3x3" : "3<-2 avg_pool_3x3");
    }
}

// Every architecture comes back from its own scores; a node that wants one state twice takes the
// best two different ones.
static void decisions_are_architectures(void **state)
{
    (void)state;
    struct assay_rng rng = random_numbers("decisions");
    for (int i = 0; i < 200; i++) {
        const struct assay_oneshot_kind *k = kind(i % 2);
        struct nasi_sum sum = {.steps = 0};
        struct nasi_alpha *a = &sum.delta;
        uint8_t option[ASSAY_ONESHOT_CHOICES];
        for (uint32_t c = 0; c < k->choices; c++) {
            for (uint32_t o = 0; o < k->options[c]; o++) a->of[c][o] = assay_rng_normal(&rng);
        }
        const struct assay_space space = space_of(i % 2);
        const uint64_t index = nasi_decide(&space, true, &sum, option);
        assert_int_equal(index, k->index(&space, option));
        assert_true(index < assay_space_size(&space));
        for (uint32_t c = 0; c < k->choices; c++) {
            if (k->differs[c] != c) assert_int_not_equal(option[c], option[k->differs[c]]);
        }
    }
    struct nasi_alpha want = {{{0}}};
    uint8_t option[ASSAY_ONESHOT_CHOICES];
    memcpy(want.of[4], (double[]){1, 5, 0}, 3 * sizeof(double)); // node 1 of darts
    memcpy(want.of[6], (double[]){4, 6, 0}, 3 * sizeof(double));
    nasi_choose(kind(1), &want, option);
    assert_int_equal(option[4], 1);
    assert_int_equal(option[6], 0);
}

// A derivative shared by cells is the sum over them, and through softmax it adds up to 0.
static void choices_sum_over_cells(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct bench b;
        struct nasi_alpha shared, own;
        struct nasi_sample sample[64];
        set_up(&b, i, i, assay_kern_rung(ASSAY_SINGLE, 0));
        double *dw = calloc(b.g.n_in, sizeof *dw);
        struct assay_rng rng = random_numbers("coefficients");
        for (uint32_t k = 0; k < b.g.n_in; k++) dw[k] = assay_rng_normal(&rng);
        for (uint32_t c = 0; c < b.kind->cells(&b.space, &b.net); c++)
            nasi_draw(b.kind, true, 1, 0, 0, &sample[c]);
        nasi_pull_choices(&b.space, &b.net, &b.g, sample, false, dw, &shared);
        nasi_pull_choices(&b.space, &b.net, &b.g, sample, true, dw, &own);
        assert_memory_equal(&shared, &own, sizeof own); // equal samples
        for (uint32_t c = 0; c < b.kind->choices; c++) {
            double sum = 0, size = 0;
            for (uint32_t o = 0; o < b.kind->options[c]; o++) {
                sum += shared.of[c][o];
                size += fabs(shared.of[c][o]);
            }
            assert_true(size > 0 && fabs(sum) < 1e-12 * size);
        }
        free(dw);
        tear_down(&b);
    }
}

// Three steps by hand: T = 5, 20, 6 with nu_t = 10, 15/2, 35/3 if adaptive, else 10.
static void steps_are_weighed_as_in_the_paper(void **state)
{
    (void)state;
    const struct assay_oneshot_kind *k = kind(0);
    const double trace[] = {5, 20, 6}, size[] = {2, 8, 4};
    for (int adaptive = 0; adaptive < 2; adaptive++) {
        const struct nasi_penalty penalty = {.mu = 2, .nu = 10, .adaptive = adaptive};
        struct nasi_sum sum = {.steps = 0};
        for (int t = 0; t < 3; t++) {
            struct nasi_alpha g = {{{0}}};
            g.of[t][1] = size[t];
            nasi_add(k, &penalty, trace[t], &g, &sum);
            assert_true(sum.norm == size[t]); // |1 - mu| = 1
        }
        assert_true(fabs(sum.nu - (adaptive ? 35.0 / 3 : 10)) < 1e-12);
        assert_int_equal(sum.over, 1);
        assert_true(sum.delta.of[0][1] == 1);   // 2 / 2
        assert_true(sum.delta.of[1][1] == -1);  // (1 - mu) 8 / 8
        assert_true(sum.delta.of[2][1] == 0.5); // 4 / 8
    }
}

static void own_norms_weigh_steps_alike(void **state)
{
    (void)state;
    const struct nasi_penalty penalty = {.mu = 2, .nu = 10, .own_norm = true};
    struct nasi_sum sum = {.steps = 0};
    for (int t = 0; t < 4; t++) { // the last has none
        struct nasi_alpha g = {{{0}}};
        g.of[t][1] = t < 3 ? (double[]){8, 2, 4}[t] : 0;
        nasi_add(kind(0), &penalty, t == 1 ? 20 : 5, &g, &sum);
    }
    const double expect[] = {1, -1, 1, 0};
    for (int t = 0; t < 4; t++) assert_true(sum.delta.of[t][1] == expect[t]);
}

// Without `none` it is neither drawn nor decided on, and the others keep their noise.
static void none_can_be_left_out(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 200; t++) {
        struct nasi_sample with, without;
        nasi_draw(kind(0), true, 3, t, 0, &with);
        nasi_draw(kind(0), false, 3, t, 0, &without);
        for (uint32_t c = 0; c < kind(0)->choices; c++) {
            assert_true(without.option[c] > 0 && without.soft.of[c][0] == 0);
            assert_true(!with.option[c] || with.option[c] == without.option[c]);
        }
        nasi_draw(kind(1), true, 3, t, 0, &with);
        nasi_draw(kind(1), false, 3, t, 0, &without); // darts has none
        assert_memory_equal(&with, &without, sizeof with);
    }
    struct nasi_sum sum = {.steps = 0};
    uint8_t option[ASSAY_ONESHOT_CHOICES];
    const struct assay_space space = space_of(0);
    for (uint32_t c = 0; c < kind(0)->choices; c++) {
        sum.delta.of[c][0] = 1;
        for (uint32_t i = 1; i < 5; i++) sum.delta.of[c][i] = i == 3 ? -1 : -2;
    }
    nasi_decide(&space, true, &sum, option);
    assert_int_equal(option[5], 0);
    nasi_decide(&space, false, &sum, option);
    assert_int_equal(option[5], 3);
}

static void quantiles_are_between_values(void **state)
{
    double value[] = {7, 1, 3, 2, 9};
    (void)state;
    assert_true(nasi_quantile(value, 5, 0) == 1 && nasi_quantile(value, 5, 1) == 9);
    assert_true(nasi_quantile(value, 5, 0.5) == 3);
    assert_true(fabs(nasi_quantile(value, 5, 0.7) - (3 + 0.8 * 4)) < 1e-12);
    assert_true(nasi_quantile(value, 1, 0.7) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivative_matches_differences),
        cmocka_unit_test(trace_needs_no_derivative),
        cmocka_unit_test(softmax_pull_matches_differences),
        cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(options_have_names),
        cmocka_unit_test(decisions_are_architectures),
        cmocka_unit_test(choices_sum_over_cells),
        cmocka_unit_test(steps_are_weighed_as_in_the_paper),
        cmocka_unit_test(own_norms_weigh_steps_alike),
        cmocka_unit_test(none_can_be_left_out),
        cmocka_unit_test(quantiles_are_between_values),
    };
    return cmocka_run_group_tests_name("nasi", tests, NULL, NULL);
}
