// SPDX-License-Identifier: Apache-2.0
// Laws of mixes, on one-shot networks of both spaces and every kernel rung this CPU runs.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "forward.h"
#include "oneshots.h"

#define VARIANTS 4

static const struct assay_kern *rung(unsigned i)
{
    const struct assay_kern *k = assay_kern_rung(ASSAY_SINGLE, i);
    return k && assay_kern_runnable(k) ? k : NULL;
}

// A random linear functional of the logits.
static void draw_cotangent(double cot[BATCH * CLASSES])
{
    struct assay_rng rng = random_numbers("cotangent");
    for (uint32_t i = 0; i < BATCH * CLASSES; i++) cot[i] = assay_rng_normal(&rng);
}

static double value_of(struct bench *b, const double *cot)
{
    assay_exec_forward_held(b->exec, b->theta, b->images);
    double sum = 0;
    for (uint32_t i = 0; i < BATCH * CLASSES; i++) sum += cot[i] * assay_exec_logits(b->exec)[i];
    return sum;
}

// Central difference of the functional in *v.
static double difference(struct bench *b, double *v, const double *cot)
{
    const double keep = *v, h = 1e-5;
    *v = keep + h;
    const double plus = value_of(b, cot);
    *v = keep - h;
    const double minus = value_of(b, cot);
    *v = keep;
    return (plus - minus) / (2 * h);
}

static double largest(const double *v, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++) m = fmax(m, fabs(v[i]));
    return m;
}

// The network is the one the choices describe, options not taken included.
static void forward_matches_reference(void **state)
{
    (void)state;
    for (unsigned v = 0; v < VARIANTS; v++) {
        struct bench b;
        set_up(&b, v, v, rung(0));
        double *expect = forward(&b.g, BATCH, b.theta, b.images);
        for (uint32_t i = 0; i < BATCH * CLASSES; i++)
            assert_true(fabs(assay_exec_logits(b.exec)[i] - expect[i]) < 1e-11);
        free(expect);
        tear_down(&b);
    }
}

// Every coefficient's derivative, of inputs taken or not, against central differences.
static void coefficients_match_differences(void **state)
{
    (void)state;
    double cot[BATCH * CLASSES];
    draw_cotangent(cot);
    for (unsigned i = 0; rung(i / VARIANTS); i++) {
        struct bench b;
        set_up(&b, i % VARIANTS, i, rung(i / VARIANTS));
        double *grad = calloc(b.g.n_theta, sizeof *grad), *coef = calloc(b.g.n_in, sizeof *coef);
        assay_exec_mix_gradient(b.exec, cot, grad, coef);
        const double scale = largest(coef, b.g.n_in);
        uint32_t mixes = 0, not_taken = 0;
        assert_true(scale > 0);
        for (uint32_t n = 0; n < b.g.n_node; n++) {
            const struct assay_node *node = &b.g.node[n];
            mixes += node->mix;
            for (uint32_t k = node->in; k < node->in + node->n_in; k++) {
                const double expect = node->mix ? difference(&b, &b.g.coef[k], cot) : 0;
                if (fabs(coef[k] - expect) > 1e-5 * scale)
                    fail_msg("network %u, node %u, input %u: %.9g, expected %.9g, largest %.3g", i,
                             n, k - node->in, coef[k], expect, scale);
                not_taken += node->mix && b.g.coef[k] == 0 && fabs(expect) > 1e-3 * scale;
            }
        }
        assert_int_equal(mixes, b.mixes);
        assert_true(not_taken > mixes);
        free(grad), free(coef);
        tear_down(&b);
    }
}

// Parameters have the gradient that they have without mixes: 0 where nothing is pulled back.
static void parameters_match_differences(void **state)
{
    (void)state;
    double cot[BATCH * CLASSES];
    draw_cotangent(cot);
    for (unsigned i = 0; i < VARIANTS; i++) {
        struct bench b;
        set_up(&b, i, i, rung(0));
        const uint64_t p = b.g.n_theta;
        double *grad = calloc(p, sizeof *grad), *coef = calloc(b.g.n_in, sizeof *coef),
               *plain = calloc(p, sizeof *plain);
        assay_exec_mix_gradient(b.exec, cot, grad, coef);
        assay_exec_gradient(b.exec, ASSAY_BN_BATCH, cot, plain);
        assert_memory_equal(grad, plain, p * sizeof *grad);
        const double scale = largest(grad, p);
        uint64_t zeros = 0;
        for (uint64_t j = 0; j < p; j++) {
            zeros += grad[j] == 0;
            if (j % 7 != i % 7) continue;
            const double expect = difference(&b, &b.theta[j], cot);
            if (fabs(grad[j] - expect) > 1e-5 * scale)
                fail_msg("network %u, parameter %llu: %.9g, expected %.9g, largest %.3g", i,
                         (unsigned long long)j, grad[j], expect, scale);
        }
        assert_true(zeros > p / 4);
        free(grad), free(coef), free(plain);
        tear_down(&b);
    }
}

// At its own parameters a held pass changes nothing; elsewhere it is smooth where a free one is
// not: with a step that makes ReLUs change sign, differences of held passes still converge.
static void held_passes_keep_the_piece(void **state)
{
    (void)state;
    double cot[BATCH * CLASSES], logits[BATCH * CLASSES];
    draw_cotangent(cot);
    for (unsigned i = 0; i < VARIANTS; i++) {
        struct bench b;
        set_up(&b, i, i, rung(0));
        memcpy(logits, assay_exec_logits(b.exec), sizeof logits);
        double *grad = calloc(b.g.n_theta, sizeof *grad), *coef = calloc(b.g.n_in, sizeof *coef),
               *far = calloc(b.g.n_in, sizeof *coef), *way = calloc(b.g.n_theta, sizeof *way),
               *back = calloc(b.g.n_in, sizeof *back);
        struct assay_rng rng = random_numbers("direction");
        for (uint64_t j = 0; j < b.g.n_theta; j++) way[j] = 0.05 * assay_rng_normal(&rng);
        assay_exec_mix_gradient(b.exec, cot, grad, coef);
        assay_exec_forward_held(b.exec, b.theta, b.images);
        assert_memory_equal(assay_exec_logits(b.exec), logits, sizeof logits);
        for (uint64_t j = 0; j < b.g.n_theta; j++) b.theta[j] += way[j];
        assay_exec_forward_held(b.exec, b.theta, b.images);
        assay_exec_mix_gradient(b.exec, cot, grad, far);
        // The functional's own differences, on the same piece.
        for (uint32_t n = 0; n < b.g.n_node; n++) {
            const struct assay_node *node = &b.g.node[n];
            for (uint32_t k = node->in; node->mix && k < node->in + node->n_in; k++)
                assert_true(fabs(far[k] - difference(&b, &b.g.coef[k], cot)) <
                            1e-5 * largest(far, b.g.n_in));
        }
        assay_exec_forward(b.exec, b.theta, b.images);
        assay_exec_mix_gradient(b.exec, cot, grad, back);
        double other = 0;
        for (uint32_t k = 0; k < b.g.n_in; k++) other = fmax(other, fabs(far[k] - back[k]));
        assert_true(other > 1e-4 * largest(far, b.g.n_in)); // the free pass left the piece
        free(grad), free(coef), free(far), free(way), free(back);
        tear_down(&b);
    }
}

// Folding again changes nothing, and the order of mixes is the builder's.
static void folds_leave_mixes_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VARIANTS; i++) {
        struct bench b;
        struct assay_graph again;
        struct assay_err err;
        set_up(&b, i, i, rung(0));
        assay_graph_init(&again);
        assert_int_equal(assay_graph_fold(&b.g, false, &again, NULL, &err), 0);
        assert_true(assay_hash_equal(assay_graph_hash(&b.g), assay_graph_hash(&again)));
        uint32_t mix = 0;
        for (uint32_t n = 0; n < b.g.n_node; n++) {
            const struct assay_node *node = &b.g.node[n];
            if (!node->mix) continue;
            const uint32_t choice = b.kind->choice(&b.space, &b.net, mix);
            assert_int_equal(node->n_in, b.kind->options[choice]);
            for (uint32_t k = 0; k < node->n_in; k++)
                assert_true(b.g.coef[node->in + k] == (k == b.option[mix]));
            mix++;
        }
        assert_int_equal(mix, b.mixes);
        again.node[again.n_node - 1].mix = 1;
        assert_int_equal(assay_graph_validate(&again, &err), ASSAY_ERR_CONFIG);
        assay_graph_free(&again);
        tear_down(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_matches_reference),
        cmocka_unit_test(coefficients_match_differences),
        cmocka_unit_test(parameters_match_differences),
        cmocka_unit_test(held_passes_keep_the_piece),
        cmocka_unit_test(folds_leave_mixes_alone),
    };
    return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
