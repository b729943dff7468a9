// SPDX-License-Identifier: Apache-2.0
// Gradients of plans of single ones, whose vectors hold images alone, against those of other plans
// in double: of some groups and a last one that is not full, on every rung.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "exec_nets.h"
#include "rung_wide.h"

enum { BATCH = 37 };

struct subject {
    struct assay_graph g;
    double *theta, *input, *want, *is;
    double cot[BATCH * CLASSES];
};

static double *draw(const char *name, size_t n, double scale)
{
    struct assay_rng rng;
    double *v = calloc(n, sizeof *v);
    assert_non_null(v);
    assay_rng_init(&rng, 3, 0, "test", name);
    for (size_t i = 0; i < n; i++) v[i] = scale * assay_rng_normal(&rng);
    return v;
}

static void set_up(struct subject *s, builder *net)
{
    assay_graph_init(&s->g);
    net(&s->g);
    const struct assay_node *in = &s->g.node[0];
    s->theta = draw("theta", s->g.n_theta, 0.7);
    s->input = draw("input", (size_t)BATCH * in->c * in->h * in->w, 1);
    s->want = draw("want", s->g.n_theta, 0), s->is = draw("is", s->g.n_theta, 0);
    double *cot = draw("cotangent", ASSAY_LEN(s->cot), 1);
    memcpy(s->cot, cot, sizeof s->cot);
    free(cot);
}

static void tear_down(struct subject *s)
{
    free(s->theta), free(s->input), free(s->want), free(s->is);
    assay_graph_free(&s->g);
}

static void pull(struct bound *x, const struct subject *s, double *gradient)
{
    assay_exec_forward(x->exec, s->theta, s->input);
    assay_exec_gradient(x->exec, ASSAY_BN_BATCH, s->cot, gradient);
}

// A second time, too, where the first one packed what was saved.
static void compare(const struct subject *s, const struct assay_kern *kern, double tolerance)
{
    static const struct assay_want single = {.backward = true, .single = true};
    struct assay_err err;
    struct bound x;
    double most = 1e-3;
    assert_int_equal(bound_create(&x, kern, &s->g, BATCH, &single, &err), 0);
    for (size_t i = 0; i < s->g.n_theta; i++) most = fmax(most, fabs(s->want[i]));
    for (int round = 0; round < 2; round++) {
        pull(&x, s, s->is);
        for (size_t i = 0; i < s->g.n_theta; i++) {
            if (!(fabs(s->is[i] - s->want[i]) <= tolerance * most))
                fail_msg("%s of %u bytes, entry %zu: %.9g, expected %.9g, largest %.3g", kern->name,
                         kern->size, i, s->is[i], s->want[i], most);
        }
    }
    bound_destroy(&x);
}

static const struct assay_kern *fastest(enum assay_precision precision)
{
    const struct assay_kern *kern;
    struct assay_err err;
    assert_int_equal(assay_kern_select(&kern, "auto", precision, &err), 0);
    return kern;
}

static void expect(struct subject *s)
{
    struct assay_err err;
    struct bound x;
    assert_int_equal(
        bound_create(&x, fastest(ASSAY_DOUBLE), &s->g, BATCH, &assay_want_gradients, &err), 0);
    pull(&x, s, s->want);
    bound_destroy(&x);
}

static void singles_agree(void **state)
{
    (void)state;
    const struct assay_kern *kern;
    for (size_t i = 0; i < ASSAY_LEN(nets); i++) {
        struct subject s;
        set_up(&s, nets[i]);
        expect(&s);
        for (unsigned k = 0; (kern = rung_at(ASSAY_SINGLE, k)); k++) compare(&s, kern, 1e-5);
        for (unsigned k = 0; (kern = rung_at(ASSAY_DOUBLE, k)); k++) compare(&s, kern, 1e-13);
        tear_down(&s);
    }
}

static void strips_agree(void **state)
{
    (void)state;
    builder *const strips[] = {net_large, net_large_even};
    for (size_t i = 0; i < ASSAY_LEN(strips); i++) {
        struct subject s;
        set_up(&s, strips[i]);
        expect(&s);
        compare(&s, fastest(ASSAY_SINGLE), 1e-5);
        tear_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(singles_agree),
        cmocka_unit_test(strips_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
