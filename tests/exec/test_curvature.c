// SPDX-License-Identifier: Apache-2.0
// Held passes and products with a Hessian, on random networks and every kernel rung this CPU runs,
// against the float64 forward pass of forward.h on its piece.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "random_subject.h"

#define COUNT     NETWORKS(60, 15)
#define SYMMETRY  1e-8 // of u H v, relative to |u| |H v|
#define TOLERANCE 1e-6 // of v H v, relative to |v| |H v|: second differences round

// ---- a scalar of the logits ---------------------------------------------------------------------
// sum of a z + z^2 / 2, whose derivative depends on the logits z.
struct functional {
    uint64_t n;
    double *a;
};

static struct functional draw_functional(const struct subject *s)
{
    struct functional f = {.n = s->rows, .a = numbers(s->rows)};
    struct assay_rng rng;
    assay_rng_init(&rng, s->recipe->seed, 0, "test", "functional");
    for (uint64_t i = 0; i < f.n; i++) f.a[i] = assay_rng_normal(&rng);
    return f;
}

static void functional_cotangent(void *self, const double *logits, double *cot)
{
    const struct functional *f = self;
    for (uint64_t i = 0; i < f->n; i++) cot[i] = f->a[i] + logits[i];
}

// ---- the reference ------------------------------------------------------------------------------
static double *moved_theta(const struct subject *s, const double *way, double h)
{
    double *theta = numbers(s->g.n_theta);
    for (uint64_t i = 0; i < s->g.n_theta; i++) theta[i] = s->theta[i] + h * way[i];
    return theta;
}

// The logits at theta + h way, on the piece of theta.
static double *logits_along(const struct subject *s, const double *way, double h)
{
    double *theta = moved_theta(s, way, h), *logits = numbers(s->rows);
    struct tensor *value = forward_values(&s->g, &(struct pass){.n = s->recipe->batch,
                                                                .norm = s->recipe->norm,
                                                                .theta = theta,
                                                                .input = s->images,
                                                                .held = s->value});
    memcpy(logits, value[s->g.n_node - 1].v, s->rows * sizeof *logits);
    free_values(&s->g, value);
    free(theta);
    return logits;
}

static double value_along(const struct subject *s, const struct functional *f, const double *way,
                          double h)
{
    double *logits = logits_along(s, way, h), sum = 0;
    for (uint64_t i = 0; i < f->n; i++) sum += logits[i] * (f->a[i] + logits[i] / 2);
    free(logits);
    return sum;
}

// The second derivative along a way, by differences of fourth order.
static double bend(const struct subject *s, const struct functional *f, const double *way)
{
    const double h = 3e-4;
    static const double stencil[5] = {-1.0 / 12, 16.0 / 12, -30.0 / 12, 16.0 / 12, -1.0 / 12};
    double sum = 0;
    for (int k = 0; k < 5; k++) sum += stencil[k] * value_along(s, f, way, (k - 2) * h);
    return sum / (h * h);
}

// ---- directions ---------------------------------------------------------------------------------
// As long as the parameters, tensor by tensor; `draw` tells them apart.
static double *draw_way(const struct subject *s, uint64_t draw)
{
    double *way = numbers(s->g.n_theta);
    struct assay_rng rng;
    assay_rng_init(&rng, s->recipe->seed, draw, "test", "direction");
    for (uint32_t i = 0; i < s->g.n_param; i++) {
        const struct assay_param *p = &s->g.param[i];
        double norm = 0;
        for (uint64_t k = 0; k < p->size; k++) norm += pow(s->theta[p->offset + k], 2);
        for (uint64_t k = 0; k < p->size; k++)
            way[p->offset + k] = assay_rng_normal(&rng) * sqrt(norm / (double)p->size);
    }
    return way;
}

static double dot(uint64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

// ---- the laws -----------------------------------------------------------------------------------
static struct bound bind_held(const struct subject *s, const struct assay_kern *kern)
{
    struct assay_err err;
    struct bound x;
    uint8_t *norm = calloc(s->g.n_node, 1);
    for (uint32_t i = 0; i < s->g.n_node; i++) norm[i] = s->recipe->norm[s->g.node[i].affine];
    const struct assay_want want = {.backward = true, .held = true, .norm = norm};
    assert_int_equal(bound_create(&x, kern, &s->g, s->recipe->batch, &want, &err), 0);
    free(norm);
    assay_exec_forward(x.exec, s->theta, s->images);
    return x;
}

// Every fair network, on every rung; returns how many that were.
static uint32_t for_each(void (*law)(const struct subject *s, const struct bound *x, void *seen),
                         void *seen)
{
    uint32_t fair = 0, runs = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        const struct recipe r = draw_recipe(2, i);
        struct subject s;
        set_up(&s, &r);
        const bool skipped = is_ambiguous(&s) || is_singular(&s);
        const struct assay_kern *kern;
        for (unsigned k = 0; !skipped && (kern = rung_at(ASSAY_DOUBLE, k)); k++, runs++) {
            struct bound x = bind_held(&s, kern);
            law(&s, &x, seen);
            bound_destroy(&x);
        }
        fair += !skipped;
        tear_down(&s);
    }
    assert_true(fair > COUNT * 3 / 4);
    return runs;
}

static double apart(uint64_t n, const double *a, const double *b)
{
    double most = 0;
    for (uint64_t i = 0; i < n; i++) most = fmax(most, fabs(a[i] - b[i]) / (1 + fabs(b[i])));
    return most;
}

// Far from theta, where a free pass takes other pieces.
static void keeps_the_piece(const struct subject *s, const struct bound *x, void *left)
{
    double *way = draw_way(s, 0), *far = moved_theta(s, way, 0.3),
           *want = logits_along(s, way, 0.3);
    assay_exec_forward_held(x->exec, far, s->images);
    const double off = apart(s->rows, assay_exec_logits(x->exec), want);
    if (!(off < 1e-9))
        fail_msg("network %llu: off by %g", (unsigned long long)s->recipe->seed, off);
    assay_exec_forward(x->exec, far, s->images);
    *(uint32_t *)left += apart(s->rows, assay_exec_logits(x->exec), want) > 1e-6;
    free(way), free(far), free(want);
}

static void held_passes_keep_the_piece(void **state)
{
    (void)state;
    uint32_t left = 0;
    const uint32_t runs = for_each(keeps_the_piece, &left);
    assert_true(left > runs / 2);
}

struct worst {
    double symmetry, bend;
    uint32_t curved;
};

static void has_curvature(const struct subject *s, const struct bound *x, void *seen)
{
    struct worst *worst = seen;
    struct functional f = draw_functional(s);
    const struct assay_scalar scalar = {.self = &f, .cotangent = functional_cotangent};
    const uint64_t n = s->g.n_theta;
    double *u = draw_way(s, 1), *v = draw_way(s, 2), *hu = numbers(n), *hv = numbers(n);
    assay_exec_curvature(x->exec, s->theta, s->images, &scalar, u, hu);
    assay_exec_curvature(x->exec, s->theta, s->images, &scalar, v, hv);
    const double is = dot(n, v, hv), want = bend(s, &f, v),
                 scale = sqrt(dot(n, v, v) * dot(n, hv, hv)) + 1e-6,
                 across = sqrt(dot(n, u, u) * dot(n, hv, hv)) + 1e-6;
    worst->symmetry = fmax(worst->symmetry, fabs(dot(n, u, hv) - dot(n, v, hu)) / across);
    worst->bend = fmax(worst->bend, fabs(is - want) / scale);
    worst->curved += fabs(is) > 1e-2 * scale;
    free(f.a), free(u), free(v), free(hu), free(hv);
}

static void products_match_differences(void **state)
{
    (void)state;
    struct worst worst = {0};
    const uint32_t runs = for_each(has_curvature, &worst);
    printf("%.2g of symmetry, %.2g of second differences\n", worst.symmetry, worst.bend);
    assert_true(worst.symmetry < SYMMETRY && worst.bend < TOLERANCE);
    assert_true(worst.curved > runs / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_passes_keep_the_piece),
        cmocka_unit_test(products_match_differences),
    };
    return cmocka_run_group_tests_name("curvature", tests, NULL, NULL);
}
