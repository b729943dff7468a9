// SPDX-License-Identifier: Apache-2.0
// Random networks that nobody chose. A recipe is a list of genes, each of which adds one node; any
// numbers in it make a valid network, because building bends what does not fit (a node out of
// range, a shape that differs, a window that is too large). A recipe that fails can be shrunk by
// leaving genes out and lowering numbers.
#ifndef ASSAY_TESTS_EXEC_RANDOM_NET_H
#define ASSAY_TESTS_EXEC_RANDOM_NET_H

#include <math.h>
#include <string.h>

#include "random_draw.h"

// ---- building ---------------------------------------------------------------------------------
struct builder {
    struct assay_graph *g;
    uint32_t node[GENES_MAX + 1], n; // the stem, then what each gene made
};

static const struct assay_node *shape_of(const struct builder *b, uint32_t i)
{
    return &b->g->node[b->node[i]];
}

static bool fits(const struct assay_node *a, const struct assay_node *b, bool channels)
{
    return a->h == b->h && a->w == b->w && (!channels || a->c == b->c);
}

// The inputs of a gene: the first as it is, each other one the nearest earlier node that fits.
static void choose_inputs(const struct builder *b, const struct gene *e, bool channels,
                          uint32_t in[FAN_MAX])
{
    const uint32_t first = e->in[0] % b->n;
    for (uint32_t k = 0; k < FAN_MAX; k++) {
        uint32_t at = k ? e->in[k] % b->n : first;
        while (!fits(shape_of(b, at), shape_of(b, first), channels)) at = at ? at - 1 : first;
        in[k] = b->node[at];
    }
}

// A window of a size that fits into both sides.
static void bend_window(const struct assay_node *x, struct gene *e)
{
    const uint32_t side = x->h < x->w ? x->h : x->w;
    const bool conv = e->op == ASSAY_OP_CONV;
    if (!conv) e->dilation = 1, e->pad %= e->kernel / 2 + 1;
    while (e->dilation * (e->kernel - 1) + 1 > side + 2 * e->pad) {
        if (e->dilation > 1)
            e->dilation--;
        else
            e->kernel--;
        if (!conv) e->pad %= e->kernel / 2 + 1;
    }
    if (e->kernel_w > e->kernel) e->kernel_w = e->kernel;
    const uint32_t same = e->dilation * (e->kernel / 2);
    if ((x->h > 40 || x->w > 40) && e->pad > same) e->pad = same; // not larger again and again
}

static uint32_t build_conv(struct builder *b, uint32_t x, struct gene e, const char *name)
{
    const uint32_t c = b->g->node[x].c;
    bend_window(&b->g->node[x], &e);
    if (e.groups == 0) e.groups = e.c = c;
    if (c % e.groups || e.c % e.groups) e.groups = 1;
    const bool turned = e.kernel_w && e.bias;
    const struct assay_node n = {.op = ASSAY_OP_CONV,
                                 .kernel = (uint8_t)(turned ? e.kernel_w : e.kernel),
                                 .kernel_w = (uint8_t)(turned ? e.kernel : e.kernel_w),
                                 .stride = (uint8_t)e.stride,
                                 .pad = (uint8_t)e.pad,
                                 .dilation = (uint8_t)e.dilation,
                                 .groups = e.groups,
                                 .bias = (uint8_t)e.bias,
                                 .c = e.c,
                                 .n_in = 1};
    return assay_graph_append(b->g, n, &x, NULL, name);
}

static uint32_t build_bn(struct builder *b, uint32_t x, struct gene e, const char *name)
{
    const struct assay_node n = {
        .op = ASSAY_OP_BN, .affine = (uint8_t)e.affine, .eps = e.eps, .n_in = 1};
    return assay_graph_append(b->g, n, &x, NULL, name);
}

// Of what is wide, a linear layer reads the means.
static uint32_t build_linear(struct builder *b, uint32_t x, struct gene e, const char *name)
{
    const struct assay_node n = {
        .op = ASSAY_OP_LINEAR, .bias = (uint8_t)!e.bias, .c = e.c, .n_in = 1};
    const struct assay_node *in = &b->g->node[x];
    if (in->h * in->w > 1 && e.ceil && in->c * in->h * in->w < 60)
        x = assay_graph_append(b->g, (struct assay_node){.op = ASSAY_OP_FLATTEN, .n_in = 1}, &x,
                               NULL, NULL);
    else if (in->h * in->w > 1)
        x = assay_graph_gap(b->g, x);
    return assay_graph_append(b->g, n, &x, NULL, name);
}

static uint32_t build_pool(struct builder *b, uint32_t x, struct gene e)
{
    bend_window(&b->g->node[x], &e);
    const struct assay_node n = {.op = (uint8_t)e.op,
                                 .kernel = (uint8_t)e.kernel,
                                 .stride = (uint8_t)e.stride,
                                 .pad = (uint8_t)e.pad,
                                 .ceil = (uint8_t)e.ceil,
                                 .dilation = 1,
                                 .n_in = 1};
    return assay_graph_append(b->g, n, &x, NULL, NULL);
}

// ReLU, convolution (depthwise and then pointwise with groups 0), BN: as on an edge of a cell.
static uint32_t build_layer(struct builder *b, uint32_t x, struct gene e, const char *name)
{
    char more[64];
    const uint32_t c = b->g->node[x].c;
    uint32_t y = build_conv(b, assay_graph_relu(b->g, x), e, name);
    snprintf(more, sizeof more, "%s.pw", name);
    if (e.groups == 0) y = assay_graph_conv(b->g, y, c, 1, 1, 0, 1, 1, more);
    snprintf(more, sizeof more, "%s.bn", name);
    return build_bn(b, y, e, more);
}

// Operation k of a node of a cell; every one keeps the shape.
static uint32_t build_edge(struct builder *b, const struct gene *e, uint32_t k, uint32_t x,
                           const char *name)
{
    const uint32_t edge = e->edge[k], c = b->g->node[x].c;
    struct gene pool = {.op = edge == 2 ? ASSAY_OP_AVG_POOL : ASSAY_OP_MAX_POOL,
                        .kernel = 3,
                        .stride = 1,
                        .pad = 1};
    struct gene conv = {.op = ASSAY_OP_CONV,
                        .c = c,
                        .stride = 1,
                        .affine = e->affine,
                        .bias = e->bias,
                        .eps = e->eps};
    if (edge == 0) return assay_graph_zero(b->g, c, b->g->node[x].h, b->g->node[x].w);
    if (edge == 1) return x;
    if (edge < 4) return build_pool(b, x, pool);
    conv.kernel = edge == 4 ? 1 : edge < 7 ? 3 : 5;
    conv.dilation = edge == 6 || edge == 8 ? 2 : 1;
    conv.groups = e->groups;
    conv.pad = conv.dilation * (conv.kernel / 2);
    return build_layer(b, x, conv, name);
}

static uint32_t build_node(struct builder *b, const struct gene *e, const uint32_t in[FAN_MAX],
                           const char *name)
{
    uint32_t sum[FAN_MAX];
    char edge[48];
    for (uint32_t k = 0; k < e->n_in; k++) {
        snprintf(edge, sizeof edge, "%s.%u", name, k);
        sum[k] = build_edge(b, e, k, in[k], edge);
    }
    return assay_graph_add(b->g, e->n_in, sum, NULL);
}

static uint32_t build_act(struct builder *b, uint32_t x, enum assay_act act)
{
    struct assay_node n = {.op = ASSAY_OP_ACT, .act = (uint8_t)act, .n_in = 1};
    n.a = act == ASSAY_ACT_CLIP ? -0.3 : act == ASSAY_ACT_HARDSIGMOID ? 1.0 / 6 : 0.2;
    n.b = act == ASSAY_ACT_CLIP ? 0.9 : 0.5;
    return assay_graph_append(b->g, n, &x, NULL, NULL);
}

static uint32_t build_part(struct builder *b, uint32_t x, struct gene e)
{
    const struct assay_node n = {
        .op = ASSAY_OP_SLICE, .first = e.pad % (b->g->node[x].c - e.c + 1), .c = e.c, .n_in = 1};
    return assay_graph_append(b->g, n, &x, NULL, NULL);
}

// The largest number of groups up to `most`.
static uint32_t build_shuffle(struct builder *b, uint32_t x, uint32_t most)
{
    while (b->g->node[x].c % most) most--;
    const struct assay_node n = {.op = ASSAY_OP_SHUFFLE, .groups = most, .n_in = 1};
    return assay_graph_append(b->g, n, &x, NULL, NULL);
}

// Filled with -inf where a max-pool reads it.
static uint32_t build_pad(struct builder *b, uint32_t x, struct gene e)
{
    struct assay_node n = {.op = ASSAY_OP_PAD, .a = e.affine ? 0 : e.coef[0], .n_in = 1};
    const struct assay_node pool = {
        .op = ASSAY_OP_MAX_POOL, .kernel = 2, .stride = 1, .dilation = 1, .n_in = 1};
    for (int i = 0; i < 4; i++) {
        const uint32_t side = i % 2 ? b->g->node[x].w : b->g->node[x].h;
        n.pads[i] = (int16_t)(e.edge[i] % 3);
        if ((e.edge[i] < 2 && side > 2) || side > 40) n.pads[i] = -1;
        if (e.ceil) n.pads[i] = i < 2 || e.edge[i] % 2;
    }
    if (e.ceil) n.a = -INFINITY;
    x = assay_graph_append(b->g, n, &x, NULL, NULL);
    return e.ceil ? assay_graph_append(b->g, pool, &x, NULL, NULL) : x;
}

// A node times another, or as in squeeze and excitation by a few numbers of it.
static uint32_t build_mul(struct builder *b, const struct gene *e, const uint32_t in[FAN_MAX])
{
    uint32_t two[2] = {in[0], in[1]};
    if (e->n_in % 2) two[1] = assay_graph_gap(b->g, two[1]);
    if (e->bias) two[1] = assay_graph_truncate(b->g, two[1], 1);
    if (e->edge[0] < 6)
        two[1] = build_act(b, two[1], e->ceil ? ASSAY_ACT_HARDSIGMOID : ASSAY_ACT_SIGMOID);
    const struct assay_node n = {.op = ASSAY_OP_MUL, .n_in = 2};
    return assay_graph_append(b->g, n, two, NULL, NULL);
}

static uint32_t build_gene(struct builder *b, const struct gene *e, const char *name)
{
    uint32_t in[FAN_MAX];
    choose_inputs(b, e, e->op != ASSAY_OP_CONCAT, in);
    const struct assay_node x = b->g->node[in[0]];
    const uint32_t side = x.h < x.w ? x.h : x.w;
    switch ((enum assay_op)e->op) {
    case ASSAY_OP_INPUT:
        return assay_graph_mix(b->g, e->n_in, in, e->coef);
    case ASSAY_OP_ZERO:
        return assay_graph_zero(b->g, x.c, x.h, x.w);
    case ASSAY_OP_CONV:
        return build_conv(b, in[0], *e, name);
    case ASSAY_OP_BN:
        return build_bn(b, in[0], *e, name);
    case ASSAY_OP_RELU:
        return assay_graph_relu(b->g, in[0]);
    case ASSAY_OP_AVG_POOL:
    case ASSAY_OP_MAX_POOL:
        return build_pool(b, in[0], *e);
    case ASSAY_OP_ADD:
        return assay_graph_add(b->g, e->n_in, in, e->coef);
    case ASSAY_OP_CONCAT:
        return assay_graph_concat(b->g, x.c > 30 ? 1 : e->n_in, in);
    case ASSAY_OP_SLICE:
        if (e->c < x.c) return build_part(b, in[0], *e);
        return assay_graph_slice(b->g, in[0], e->pad % (side > 2 ? 3 : side));
    case ASSAY_OP_GAP:
        return assay_graph_gap(b->g, in[0]);
    case ASSAY_OP_LINEAR:
        return build_linear(b, in[0], *e, name);
    case ASSAY_OP_ACT:
        return build_act(b, in[0], (enum assay_act)e->act);
    case ASSAY_OP_MUL:
        return build_mul(b, e, in);
    case ASSAY_OP_SHUFFLE:
        return build_shuffle(b, in[0], x.c / 2 + x.c % 2);
    case ASSAY_OP_UPSAMPLE:
        if (x.h * x.w > 60) return in[0];
        return assay_graph_append(b->g,
                                  (struct assay_node){.op = ASSAY_OP_UPSAMPLE,
                                                      .stride = (uint8_t)(2 + e->ceil),
                                                      .n_in = 1},
                                  in, NULL, NULL);
    case ASSAY_OP_PAD:
        return build_pad(b, in[0], *e);
    case ASSAY_OP_FLATTEN:
        if (x.c * x.h * x.w > 100) return in[0];
        return assay_graph_append(b->g, (struct assay_node){.op = ASSAY_OP_FLATTEN, .n_in = 1}, in,
                                  NULL, NULL);
    case NODE:
        return build_node(b, e, in, name);
    }
    assay_bug(__FILE__, __LINE__, "a gene's operation");
}

static int build_recipe(const struct recipe *r, struct assay_graph *g, struct assay_err *err)
{
    struct builder b = {.g = g, .n = 1};
    char name[32];
    assay_graph_reset(g);
    b.node[0] = assay_graph_input(g, r->c, r->h, r->w);
    if (r->stem) {
        b.node[0] = assay_graph_conv(g, b.node[0], r->stem, 3, 1, 1, 1, 1, "stem.0");
        b.node[0] = assay_graph_bn(g, b.node[0], true, "stem.1");
    }
    for (uint32_t i = 0; i < r->n; i++) {
        snprintf(name, sizeof name, "m.%u", i);
        b.node[b.n] = build_gene(&b, &r->gene[i], name), b.n++;
    }
    const uint32_t both[] = {assay_graph_gap(g, b.node[b.n - 1]),
                             assay_graph_gap(g, b.node[r->head % b.n])};
    assay_graph_linear(g, assay_graph_concat(g, 2, both), r->classes, "classifier");
    return assay_graph_finish(g, err);
}

// ---- parameters and images --------------------------------------------------------------------
static double draw_value(struct assay_rng *rng, const struct recipe *r, const struct assay_param *p)
{
    const double fan = (double)p->size / p->shape[0], v = assay_rng_normal(rng);
    switch ((enum assay_role)p->role) {
    case ASSAY_CONV_WEIGHT:
    case ASSAY_LINEAR_WEIGHT:
        return r->scheme == 1 && p->node % 4 == 3 ? 0 : v * sqrt(2 / fan); // a dead layer
    case ASSAY_BN_GAMMA:
        return r->scheme == 2 && chance(rng, 20) ? 0 : 1 + 0.4 * v; // dead channels
    case ASSAY_BN_BETA:
        return r->at_init ? 0 : 0.4 * v;
    default:
        return 0.4 * v;
    }
}

static void draw_theta(const struct recipe *r, const struct assay_graph *g, double *theta)
{
    struct assay_rng rng;
    assay_rng_init(&rng, r->seed, 0, "test", "theta");
    for (uint32_t i = 0; i < g->n_param; i++) {
        for (uint64_t k = 0; k < g->param[i].size; k++)
            theta[g->param[i].offset + k] = draw_value(&rng, r, &g->param[i]);
    }
}

// Scheme 3: all images are the same.
static void draw_images(const struct recipe *r, double *x)
{
    struct assay_rng rng;
    const size_t pixels = (size_t)r->c * r->h * r->w;
    assay_rng_init(&rng, r->seed, 0, "test", "images");
    for (size_t i = 0; i < r->batch * pixels; i++)
        x[i] = r->scheme == 3 && i >= pixels ? x[i - pixels] : assay_rng_normal(&rng);
}

// ---- shrinking --------------------------------------------------------------------------------
// Leaves gene i out; who read it reads what it read.
static void drop_gene(struct recipe *r, uint32_t i)
{
    const uint32_t instead = r->gene[i].in[0] % (i + 1);
    for (uint32_t k = i + 1; k < r->n; k++) {
        for (uint32_t j = 0; j < FAN_MAX; j++) {
            uint32_t *in = &r->gene[k].in[j];
            *in %= k + 1;
            *in = *in == i + 1 ? instead : *in > i + 1 ? *in - 1 : *in;
        }
    }
    r->head %= r->n + 1;
    r->head = r->head == i + 1 ? instead : r->head > i + 1 ? r->head - 1 : r->head;
    memmove(&r->gene[i], &r->gene[i + 1], (r->n - i - 1) * sizeof r->gene[0]);
    r->n--;
}

// Step `k` towards a simpler recipe; false when there is none of this number.
static bool simplify(struct recipe *r, uint32_t k)
{
    uint32_t *const of_net[] = {&r->scheme, &r->at_init, &r->batch, &r->classes, &r->c,      &r->h,
                                &r->w,      &r->stem,    &r->head,  &r->norm[0], &r->norm[1]};
    static const uint32_t least[] = {0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0};
    if (k < r->n) return drop_gene(r, r->n - 1 - k), true;
    k -= r->n;
    if (k < 2 * ASSAY_LEN(of_net)) { // halve, or lower by one
        uint32_t *v = of_net[k / 2], low = least[k / 2];
        *v = *v > low ? (k % 2 ? *v - 1 : low + (*v - low) / 2) : low;
        return true;
    }
    k -= 2 * ASSAY_LEN(of_net);
    enum { STEPS = 12 + 3 * FAN_MAX };
    if (k >= STEPS * r->n) return false;
    struct gene *e = &r->gene[k / STEPS];
    uint32_t *const of_gene[] = {&e->n_in, &e->c, &e->kernel, &e->stride, &e->dilation, &e->groups};
    const uint32_t step = k % STEPS;
    if (step < 6) *of_gene[step] -= *of_gene[step] > 1;
    if (step == 6) e->pad -= e->pad > 0;
    if (step == 7) e->affine = 0;
    if (step == 8) e->bias = 0;
    if (step == 9) e->ceil = 0;
    if (step == 10) e->eps = ASSAY_BN_EPS;
    if (step == 11) e->act = 0;
    const uint32_t k_in = step < 12 ? 0 : (step - 12) / 3;
    if (step >= 12 && step % 3 == 0) e->in[k_in] /= 2;
    if (step >= 12 && step % 3 == 1) e->coef[k_in] = 1;
    if (step >= 12 && step % 3 == 2) e->edge[k_in] = e->edge[k_in] > 4 ? e->edge[k_in] - 1 : 1;
    return true;
}

// The smallest recipe found by such steps for which fails() is true.
static inline struct recipe shrink(struct recipe r, bool (*fails)(const struct recipe *))
{
    for (uint32_t k = 0, left = 3000; left > 0; left--) {
        struct recipe next = r;
        if (!simplify(&next, k)) break;
        const bool better = memcmp(&next, &r, sizeof r) != 0 && fails(&next);
        if (better) r = next;
        k = better ? 0 : k + 1;
    }
    return r;
}

#endif
