// SPDX-License-Identifier: Apache-2.0
// The one-shot networks of NAS-Bench-1Shot1 against its own code in float64, and their choices.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/exec.h"
#include "nasi_math.h"
#include "scratch.h"
#include "space/nb1shot1.h"

#define BATCH   6
#define CLASSES 10
#define CELLS   3
#define OPTIONS ASSAY_ONESHOT_OPTIONS

static struct assay_space open_space(uint32_t number)
{
    struct assay_space space;
    struct assay_err err;
    char name[32];
    snprintf(name, sizeof name, "nas-bench-1shot1-s%u", number);
    if (assay_space_open(&space, name, &err) < 0) fail_msg("%s", err.text);
    return space;
}

// ---- references ---------------------------------------------------------------------------------
static void read_set(hid_t file, const char *name, double *out, uint64_t n)
{
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    if (H5Sget_simple_extent_npoints(space) != (hssize_t)n) fail_msg("%s: its size", name);
    assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Sclose(space);
    H5Dclose(set);
}

static double read_attribute(hid_t file, const char *name)
{
    double value;
    const hid_t a = H5Aopen_by_name(file, "expect", name, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Aread(a, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(a);
    return value;
}

// The options of all choices of a cell, or of what the derivative `prefix` of them is.
static void read_choices(hid_t file, const struct nb1shot1 *s, const char *prefix,
                         double of[ASSAY_ONESHOT_CHOICES][OPTIONS])
{
    double ops[NB101_VERTICES * NB101_OPS];
    char name[32];
    uint32_t c = 0;
    snprintf(name, sizeof name, "%sops", prefix);
    read_set(file, name, ops, s->blocks * NB101_OPS);
    for (uint32_t v = 1; v <= s->blocks + 1; v++) {
        snprintf(name, sizeof name, v > s->blocks ? "%soutput" : "%sinput_%u", prefix, v);
        if (s->parents[v - 1] < v) read_set(file, name, of[c++], v);
        if (v <= s->blocks) memcpy(of[c++], &ops[(v - 1) * NB101_OPS], NB101_OPS * sizeof *ops);
    }
}

struct net {
    struct assay_space space;
    const struct assay_oneshot_kind *kind;
    struct assay_net size;
    struct assay_graph g;
    double *theta, images[BATCH * 3 * 32 * 32];
    uint32_t label[BATCH];
    struct assay_exec *exec;
    struct assay_plan *plan;
};

static void build(struct net *n, hid_t file)
{
    double mix[ASSAY_ONESHOT_CHOICES][OPTIONS] = {{0}};
    double weight[CELLS * ASSAY_ONESHOT_CHOICES * OPTIONS];
    struct assay_graph literal;
    struct assay_err err;
    read_choices(file, nb1shot1_of(&n->space), "mix/", mix);
    const uint32_t mixes = n->kind->cells(&n->space, &n->size) * n->kind->per_cell;
    for (uint32_t m = 0; m < mixes; m++)
        memcpy(weight + m * OPTIONS, mix[n->kind->choice(&n->space, &n->size, m)], sizeof mix[0]);
    const struct assay_oneshot shot = {.weight = weight, .affine = true};
    assay_graph_init(&literal);
    assay_graph_init(&n->g);
    if (assay_space_build_oneshot(&n->space, &shot, &n->size, &literal, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(assay_graph_fold(&literal, false, &n->g, NULL, &err), ASSAY_OK);
    assay_graph_free(&literal);
}

static void read_weights(struct net *n, hid_t file)
{
    n->theta = calloc(n->g.n_theta, sizeof *n->theta);
    for (uint32_t p = 0; p < n->g.n_param; p++) {
        char name[160];
        snprintf(name, sizeof name, "weights/%s", assay_graph_param_name(&n->g, p));
        read_set(file, name, n->theta + n->g.param[p].offset, n->g.param[p].size);
    }
}

static void set_up(struct net *n, hid_t file, uint32_t number, bool precise)
{
    double label[BATCH];
    struct assay_err err;
    struct assay_want want = assay_want_gradients;
    want.precise = precise;
    n->space = open_space(number);
    n->kind = n->space.kind->oneshot;
    n->size = (struct assay_net){
        .channels = 4, .cells = CELLS, .classes = CLASSES, .image = 32, .stem = 1};
    build(n, file);
    read_weights(n, file);
    read_set(file, "batch/x", n->images, sizeof n->images / sizeof *n->images);
    read_set(file, "batch/y", label, BATCH);
    for (uint32_t i = 0; i < BATCH; i++) n->label[i] = (uint32_t)label[i];
    assert_int_equal(assay_exec_create(&n->exec, &err), 0);
    assert_int_equal(
        assay_plan_make(&n->plan, assay_kern_rung(ASSAY_SINGLE, 0), &n->g, BATCH, &want, &err), 0);
    assert_int_equal(assay_exec_bind(n->exec, n->plan, 0, &err), 0);
    assay_exec_forward(n->exec, n->theta, n->images);
}

static void tear_down(struct net *n)
{
    assay_exec_destroy(n->exec);
    assay_plan_free(n->plan);
    assay_graph_free(&n->g);
    assay_space_close(&n->space);
    free(n->theta);
}

static double largest(const double *v, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++) m = fmax(m, fabs(v[i]));
    return m;
}

static void check(const char *what, const double *found, const double *expect, size_t n,
                  double tolerance)
{
    const double scale = largest(expect, n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(found[i] - expect[i]) <= tolerance * scale))
            fail_msg("%s, number %zu: %.15g, expected %.15g, largest %.3g", what, i, found[i],
                     expect[i], scale);
    }
}

static void check_logits(struct net *n, hid_t file)
{
    double expect[BATCH * CLASSES];
    read_set(file, "expect/logits", expect, BATCH * CLASSES);
    check("logits", assay_exec_logits(n->exec), expect, BATCH * CLASSES, 1e-10);
}

// The Gram matrix, too, is singular: its rows add up to 0.
static void check_gram(struct net *n, hid_t file)
{
    const size_t p = n->g.n_weight;
    double cot[CLASSES], gram[BATCH * BATCH], expect[BATCH * BATCH],
        *jac = calloc(BATCH * p, sizeof *jac);
    for (uint32_t k = 0; k < CLASSES; k++) cot[k] = 1;
    assay_exec_jacobian(n->exec, ASSAY_BN_BATCH, cot, 1, 0, BATCH, p, jac, p);
    for (uint32_t i = 0; i < BATCH * BATCH; i++) {
        const double *a = jac + i / BATCH * p, *b = jac + i % BATCH * p;
        gram[i] = 0;
        for (size_t j = 0; j < p; j++) gram[i] += a[j] * b[j];
    }
    free(jac);
    read_set(file, "expect/gram", expect, BATCH * BATCH);
    check("Gram", gram, expect, BATCH * BATCH, 1e-6);
    for (uint32_t i = 0; i < BATCH; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < BATCH; j++) sum += gram[i * BATCH + j];
        assert_true(fabs(sum) < 1e-5 * largest(gram, BATCH * BATCH));
    }
}

static void check_trace(struct net *n, hid_t file)
{
    const struct nasi_batch batch = {.n = BATCH, .images = n->images, .label = n->label};
    double found[ASSAY_ONESHOT_CHOICES][OPTIONS] = {{0}},
           expect[ASSAY_ONESHOT_CHOICES][OPTIONS] = {{0}};
    double *scratch = calloc(nasi_scratch(&n->g, BATCH), sizeof *scratch),
           *dw = calloc(n->g.n_in, sizeof *dw), trace;
    const double want = read_attribute(file, "nasi_t");
    uint32_t mix = 0;
    nasi_trace_step(n->exec, &n->g, n->theta, &batch, 1e-5, scratch, &trace, dw);
    for (uint32_t i = 0; i < n->g.n_node; i++) {
        const struct assay_node *node = &n->g.node[i];
        if (!node->mix) continue;
        double *of = found[n->kind->choice(&n->space, &n->size, mix++)];
        for (uint32_t k = 0; k < node->n_in; k++) of[k] += dw[node->in + k];
    }
    free(scratch), free(dw);
    check("T", &trace, &want, 1, 1e-10);
    read_choices(file, nb1shot1_of(&n->space), "expect/d_", expect);
    check("dT/dmix", &found[0][0], &expect[0][0], sizeof found / sizeof(double), 1e-7);
}

static void networks_match_references(void **state)
{
    static const char *const name[] = {"s1_soft_C4L3_b6_affine", "s3_gdas_C4L3_b6"};
    (void)state;
    if (!reference_data()) {
        print_message("ASSAY_TEST_DATA is not set: no reference networks to read\n");
        skip();
    }
    for (uint32_t i = 0; i < 2; i++) {
        char path[512];
        struct net n;
        snprintf(path, sizeof path, "%s/golden-spaces/oneshot1_%s.h5", reference_data(), name[i]);
        const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        assert_true(file >= 0);
        set_up(&n, file, 2 * i + 1, false);
        check_logits(&n, file);
        check_gram(&n, file);
        tear_down(&n);
        set_up(&n, file, 2 * i + 1, true);
        check_trace(&n, file);
        tear_down(&n);
        H5Fclose(file);
    }
}

// ---- choices ------------------------------------------------------------------------------------
// Every encoding comes back from its own options.
static void options_are_encodings(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= NB1SHOT1_SPACES; number++) {
        struct assay_space space = open_space(number);
        const struct nb1shot1 *s = nb1shot1_of(&space);
        for (uint32_t index = 0; index < s->encodings; index += 101) {
            struct nb101_cell cell;
            uint8_t option[ASSAY_ONESHOT_CHOICES] = {0};
            uint32_t c = 0;
            nb1shot1_decode(s, index, &cell);
            for (uint32_t v = 1; v < cell.n; v++) {
                if (s->parents[v - 1] < v) option[c++] = (uint8_t)cell.from[v];
                while (v < cell.n - 1 && nb1shot1_op[option[c]] != cell.op[v]) option[c]++;
                c++;
            }
            assert_int_equal(c - 1, space.kind->oneshot->choices);
            assert_int_equal(space.kind->oneshot->index(&space, option), index);
        }
        assay_space_close(&space);
    }
}

static void options_have_names(void **state)
{
    static const char *const last[] = {"output: parent 4", "output: parent 4", "output: parent 5"};
    (void)state;
    for (uint32_t number = 1; number <= NB1SHOT1_SPACES; number++) {
        struct assay_space space = open_space(number);
        const struct assay_oneshot_kind *k = space.kind->oneshot;
        char text[ASSAY_ONESHOT_CHOICES * OPTIONS][ASSAY_ONESHOT_NAME];
        uint32_t n = 0;
        for (uint32_t c = 0; c < k->choices; c++) {
            for (uint32_t i = 0; i < k->options[c]; i++, n++) {
                k->name(&space, c, i, text[n]);
                for (uint32_t other = 0; other < n; other++)
                    assert_string_not_equal(text[n], text[other]);
            }
        }
        assert_string_equal(text[0], "node 1: maxpool3x3");
        assert_string_equal(text[n - 1], last[number - 1]);
        assay_space_close(&space);
    }
}

// A vertex gets as many parents as it has, those of the largest scores, which the network blends by
// their softmax; operations are taken whole.
static void parents_are_blended(void **state)
{
    (void)state;
    for (uint32_t number = 1; number <= NB1SHOT1_SPACES; number++) {
        struct assay_space space = open_space(number);
        const struct assay_oneshot_kind *k = space.kind->oneshot;
        for (uint64_t step = 0; step < 50; step++) {
            struct nasi_sample sample;
            nasi_draw(k, false, 3, step, 0, &sample);
            for (uint32_t c = 0; c < k->choices; c++) {
                double weight[OPTIONS], least = 1, most = 0; // of those taken, of those not
                uint32_t taken = 0;
                nasi_weigh(k, &sample, c, weight);
                for (uint32_t i = 0; i < k->options[c]; i++) {
                    const bool takes = nasi_takes(k, sample.option, c, i);
                    taken += takes;
                    least = takes ? fmin(least, weight[i]) : least;
                    most = takes ? most : fmax(most, weight[i]);
                }
                assert_int_equal(taken, k->blends[c] ? k->blends[c] : 1);
                assert_true(most < least);
                assert_true(k->blends[c] ? most > 0 && least < 1 : most == 0 && least == 1);
            }
        }
        assay_space_close(&space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_match_references),
        cmocka_unit_test(options_are_encodings),
        cmocka_unit_test(options_have_names),
        cmocka_unit_test(parents_are_blended),
    };
    return cmocka_run_group_tests_name("oneshot", tests, NULL, NULL);
}
