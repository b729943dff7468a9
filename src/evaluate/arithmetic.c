// SPDX-License-Identifier: Apache-2.0
// The arithmetic that a run is computed by, and whether a journal's is the same.
#include "assay/evaluate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// How lines of an identity begin.
#define RUNG        "# cpu: "
#define DOUBLE      ", double" // behind the rung
#define NUMBER      "# arithmetic: "
#define FINGERPRINT "# fingerprint: "

// ---- fingerprint --------------------------------------------------------------------------------
enum { BATCH = 6, CLASSES = 3, IMAGE = 8, INPUT = 3 * IMAGE * IMAGE };

static uint32_t conv(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                     uint32_t stride, const char *name)
{
    return assay_graph_conv(g, x, c, kernel, stride, kernel / 2, 1, 1, name);
}

static uint32_t conv_bn(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                        uint32_t stride, const char *name, const char *bn)
{
    return assay_graph_bn(g, conv(g, assay_graph_relu(g, x), c, kernel, stride, name), true, bn);
}

static uint32_t separable(struct assay_graph *g, uint32_t x, uint32_t kernel, uint32_t dilation,
                          const char *depthwise, const char *pointwise, const char *bn)
{
    const uint32_t c = assay_graph_shape(g, x).c;
    const uint32_t y = assay_graph_conv(g, assay_graph_relu(g, x), c, kernel, 1,
                                        kernel / 2 * dilation, dilation, c, depthwise);
    return assay_graph_bn(g, conv(g, y, c, 1, 1, pointwise), true, bn);
}

// Halves the map, and halves it again, in the two ways there are.
static uint32_t reduce(struct assay_graph *g, uint32_t x, uint32_t c)
{
    uint32_t sum[2], half[2];

    sum[0] = conv(g, assay_graph_pool(g, ASSAY_OP_AVG_POOL, x, 2, 2, 0), c, 1, 1, "shortcut");
    sum[1] = conv_bn(g, x, c, 3, 2, "half", "half_bn");
    const uint32_t r = assay_graph_relu(g, assay_graph_add(g, 2, sum, NULL));
    half[0] = conv(g, r, c, 1, 2, "even");
    half[1] = conv(g, assay_graph_slice(g, r, 1), c, 1, 2, "odd");
    return assay_graph_bn(g, assay_graph_concat(g, 2, half), true, "quarter_bn");
}

// Builds a network that has every operation of the spaces.
static int build(struct assay_graph *g, uint32_t c, struct assay_err *err)
{
    static const double coef[] = {1, 0.5, -0.25, 2};
    uint32_t edge[4], part[3];

    edge[0] = conv(g, assay_graph_input(g, 3, IMAGE, IMAGE), c, 3, 1, "stem");
    edge[0] = assay_graph_bn(g, edge[0], true, "stem_bn");
    edge[1] = conv_bn(g, edge[0], c, 3, 1, "three", "three_bn");
    edge[2] = conv_bn(g, edge[0], c, 1, 1, "one", "one_bn");
    edge[3] = assay_graph_pool(g, ASSAY_OP_AVG_POOL, edge[0], 3, 1, 1);
    const uint32_t y = assay_graph_add(g, 4, edge, coef);
    part[0] = separable(g, y, 5, 1, "sep", "sep_point", "sep_bn");
    part[1] = separable(g, y, 3, 2, "dil", "dil_point", "dil_bn");
    part[2] = assay_graph_pool(g, ASSAY_OP_MAX_POOL, y, 3, 1, 1);
    const uint32_t z = reduce(g, assay_graph_concat(g, 3, part), 2 * c);
    assay_graph_linear(g, assay_graph_gap(g, assay_graph_relu(g, z)), CLASSES, "classifier");
    return assay_graph_finish(g, err);
}

static void draw(double *v, size_t n, const char *name)
{
    struct assay_rng rng;

    assay_rng_init(&rng, 3, 0, "fingerprint", name);
    for (size_t i = 0; i < n; i++) v[i] = 2 * assay_rng_uniform(&rng) - 1;
}

// Hashes logits, Jacobians and gradients; of a plan of single gradients no Jacobians. No number
// comes from the mathematical library or from BLAS, since theirs differ between machines. work:
// (BATCH (INPUT + CLASSES + n_theta) + n_theta).
static void add_network(struct assay_exec *exec, const struct assay_graph *g, bool single,
                        double *work, uint64_t *hash)
{
    static const double ones[CLASSES] = {1, 1, 1};
    const size_t p = g->n_theta;
    double *theta = work, *cot = theta + p, *input = cot + BATCH * CLASSES,
           *jac = input + BATCH * INPUT;

    assay_init_params(g, ASSAY_INIT_PYTORCH, 7, 0, theta);
    draw(input, BATCH * INPUT, "input");
    draw(cot, BATCH * CLASSES, "cotangents");
    assay_exec_forward(exec, theta, input);
    *hash = assay_hash64(assay_exec_logits(exec), BATCH * CLASSES * sizeof *work, *hash);
    if (single) {
        assay_exec_gradient(exec, ASSAY_BN_BATCH, cot, jac);
        *hash = assay_hash64(jac, p * sizeof *jac, *hash);
        return;
    }
    for (int bn = ASSAY_BN_BATCH; bn <= ASSAY_BN_FROZEN; bn++) {
        assay_exec_jacobian(exec, (enum assay_bn)bn, ones, 1, 0, BATCH, p, jac, p);
        *hash = assay_hash64(jac, BATCH * p * sizeof *jac, *hash);
        assay_exec_gradient(exec, (enum assay_bn)bn, cot, jac);
        *hash = assay_hash64(jac, p * sizeof *jac, *hash);
    }
}

static int add_width(struct assay_exec *exec, const struct assay_kern *kern, uint32_t c,
                     bool single, uint64_t *hash, struct assay_err *err)
{
    const struct assay_want want = {.backward = true, .single = single};
    struct assay_graph g;
    struct assay_plan *plan = NULL;
    double *work = NULL;

    assay_graph_init(&g);
    int status = build(&g, c, err);
    if (status >= 0) status = assay_plan_make(&plan, kern, &g, BATCH, &want, err);
    if (status >= 0) status = assay_exec_bind(exec, plan, 0, err);
    if (status >= 0) {
        work = malloc((BATCH * (INPUT + CLASSES + g.n_theta) + g.n_theta) * sizeof *work);
        if (!work) status = assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a fingerprint");
    }
    if (work) add_network(exec, &g, single, work, hash);
    free(work);
    assay_plan_free(plan);
    assay_graph_free(&g);
    return status;
}

int assay_arithmetic_fingerprint(uint64_t *hash, const struct assay_kern *kern,
                                 struct assay_err *err)
{
    static const uint32_t widths[] = {3, 16}; // kernels differ with the number of channels
    struct assay_exec *exec;

    *hash = 0;
    ASSAY_TRY(assay_exec_create(&exec, err));
    int status = 0;
    for (size_t i = 0; i < 2 * ASSAY_LEN(widths) && status >= 0; i++)
        status = add_width(exec, kern, widths[i / 2], i % 2, hash, err);
    assay_exec_destroy(exec);
    return status;
}

// ---- as text ------------------------------------------------------------------------------------
static int describe(char number[16], char fingerprint[32], const char *rung,
                    enum assay_precision precision, struct assay_err *err)
{
    const struct assay_kern *kern;
    uint64_t hash;

    ASSAY_TRY(assay_kern_select(&kern, rung, precision, err));
    ASSAY_TRY(assay_arithmetic_fingerprint(&hash, kern, err));
    snprintf(number, 16, "%d", ASSAY_ARITHMETIC);
    snprintf(fingerprint, 32, "%016" PRIx64, hash);
    return 0;
}

int assay_arithmetic_text(char text[ASSAY_ARITHMETIC_TEXT], const char *rung,
                          enum assay_precision precision, struct assay_err *err)
{
    char number[16], fingerprint[32];

    ASSAY_TRY(describe(number, fingerprint, rung, precision, err));
    snprintf(text, ASSAY_ARITHMETIC_TEXT, RUNG "%s%s\n" NUMBER "%s\n" FINGERPRINT "%s\n", rung,
             precision == ASSAY_DOUBLE ? DOUBLE : "", number, fingerprint);
    return 0;
}

// Finds what an identity says behind `what`; "" where it says nothing.
static void find(char value[64], const char *identity, const char *what)
{
    const char *line = strstr(identity, what);

    *value = '\0';
    if (line) sscanf(line + strlen(what), "%63[^\n]", value);
}

#define CURE "go on with the build that wrote it, or compute anew in another directory"

int assay_arithmetic_check(const char *identity, const char *dir, struct assay_err *err)
{
    char rung[64], number[64], fingerprint[64], own[16], mine[32];
    struct assay_err unknown;

    find(rung, identity, "\n" RUNG);
    find(number, identity, "\n" NUMBER);
    find(fingerprint, identity, "\n" FINGERPRINT);
    if (!*number)
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "%.200s/journal names no arithmetic: a build from before it had a "
                             "number wrote it; this build computes by arithmetic %d, whose numbers "
                             "may differ: " CURE,
                             dir, ASSAY_ARITHMETIC);
    snprintf(own, sizeof own, "%d", ASSAY_ARITHMETIC);
    if (strcmp(number, own) != 0)
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "%.200s/journal was computed by arithmetic %s, this build computes by "
                             "arithmetic %s, whose numbers differ: " CURE,
                             dir, number, own);
    char *twice = strstr(rung, DOUBLE);
    if (twice) *twice = '\0';
    // The fingerprint of a rung that this CPU lacks cannot be compared.
    if (describe(own, mine, rung, twice ? ASSAY_DOUBLE : ASSAY_SINGLE, &unknown) < 0 ||
        strcmp(fingerprint, mine) == 0)
        return 0;
    return assay_err_set(err, ASSAY_ERR_STATE,
                         "%.200s/journal was computed by arithmetic %s with the fingerprint %s, "
                         "this build's is %s: another compiler, or other options of it, made %s "
                         "kernels that round differently: " CURE,
                         dir, number, *fingerprint ? fingerprint : "none", mine, rung);
}
