// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void assay_graph_init(struct assay_graph *g)
{
    memset(g, 0, sizeof *g);
}

void assay_graph_reset(struct assay_graph *g)
{
    g->n_node = g->n_in = g->n_param = g->n_feature = g->n_text = 0;
    g->n_weight = g->n_theta = 0;
    g->failed = false;
}

void assay_graph_free(struct assay_graph *g)
{
    free(g->node);
    free(g->in);
    free(g->coef);
    free(g->param);
    free(g->feature);
    free(g->text);
    free(g->scratch);
    assay_graph_init(g);
}

void *graph_grow(struct assay_graph *g, void *array, uint32_t *cap, uint64_t need, size_t size)
{
    if (need <= *cap) return array;
    uint64_t more = 2 * (uint64_t)*cap;
    if (more < need) more = need;
    if (more < 64) more = 64;
    void *grown = more <= UINT32_MAX / 2 ? realloc(array, more * size) : NULL;
    if (!grown) {
        g->failed = true;
        return array;
    }
    *cap = (uint32_t)more;
    return grown;
}

bool graph_reserve(struct assay_graph *g, uint64_t node, uint64_t in, uint64_t param, uint64_t text)
{
    const uint64_t n_in = g->n_in + in;
    uint32_t cap_in = g->cap_in, cap_coef = g->cap_in;
    g->node = graph_grow(g, g->node, &g->cap_node, g->n_node + node, sizeof *g->node);
    g->in = graph_grow(g, g->in, &cap_in, n_in, sizeof *g->in);
    g->coef = graph_grow(g, g->coef, &cap_coef, n_in, sizeof *g->coef);
    g->cap_in = cap_in < cap_coef ? cap_in : cap_coef; // one of the two may have failed
    g->param = graph_grow(g, g->param, &g->cap_param, g->n_param + param, sizeof *g->param);
    g->text = graph_grow(g, g->text, &g->cap_text, g->n_text + text, 1);
    return !g->failed;
}

int assay_graph_name(const struct assay_graph *g, char *name, size_t cap, const char *format, ...)
{
    va_list args;
    name[0] = '\0';
    if (g->unnamed) return 0;
    va_start(args, format);
    const int len = vsnprintf(name, cap, format, args);
    va_end(args);
    return len;
}

void assay_graph_rename(struct assay_graph *g, uint32_t param, const char *name, size_t n)
{
    if (g->failed || g->unnamed || !graph_reserve(g, 0, 0, 0, n + 1)) return;
    ASSAY_ASSERT(param < g->n_param);
    g->param[param].name = g->n_text;
    memcpy(g->text + g->n_text, name, n);
    g->text[g->n_text + n] = '\0';
    g->n_text += (uint32_t)n + 1;
}

static void append_name(struct assay_graph *g, const struct assay_param *p, const char *name)
{
    const size_t len = strlen(name);
    const bool bias = !graph_is_weight(p);
    memcpy(g->text + g->n_text, name, len);
    strcpy(g->text + g->n_text + len, bias ? ".bias" : ".weight");
    g->n_text += (uint32_t)strlen(g->text + g->n_text) + 1;
}

static void append_param(struct assay_graph *g, uint32_t node, const char *name)
{
    const struct assay_node *n = &g->node[node];
    struct assay_param *p = &g->param[g->n_param];

    *p = (struct assay_param){.node = node, .name = g->n_text};
    graph_param_shape(g, n, g->n_param - n->param, p);
    if (!g->unnamed) append_name(g, p, name);
    g->n_param++;
}

// What is a module where networks are written in PyTorch. `none` is, too, of which nothing is seen.
static bool is_module(const struct assay_node *n)
{
    switch (n->op) {
    case ASSAY_OP_INPUT:
    case ASSAY_OP_ZERO:
    case ASSAY_OP_ADD:
    case ASSAY_OP_CONCAT:
    case ASSAY_OP_SLICE:
    case ASSAY_OP_FLATTEN:
    case ASSAY_OP_MUL:
    case ASSAY_OP_SHUFFLE:
    case ASSAY_OP_PAD:
    case ASSAY_OP_UPSAMPLE:
        return false;
    default:
        return true;
    }
}

uint32_t assay_graph_append(struct assay_graph *g, struct assay_node n, const uint32_t *x,
                            const double *coef, const char *name)
{
    const uint32_t n_param = graph_param_count(&n);
    const size_t text = name && !g->unnamed ? strlen(name) + sizeof ".weight" : 0;
    ASSAY_ASSERT(name || n_param == 0);

    if (g->failed || !graph_reserve(g, 1, n.n_in, n_param, n_param * text)) return 0;
    for (uint32_t i = 0; i < n.n_in; i++) {
        ASSAY_ASSERT(x[i] < g->n_node);
        g->in[g->n_in + i] = x[i];
        g->coef[g->n_in + i] = coef ? coef[i] : 1.0;
    }
    n.in = g->n_in;
    n.param = g->n_param;
    n.n_param = n_param;
    n.modules = 1;
    n.returned = is_module(&n);
    n.feature = g->n_feature;
    // A shape that does not work out is (0,0,0) here and is reported by assay_graph_finish.
    graph_infer(g, &n, NULL);
    g->n_in += n.n_in;
    g->node[g->n_node] = n;
    for (uint32_t k = 0; k < n_param; k++) append_param(g, g->n_node, name);
    return g->n_node++;
}

bool graph_reserve_features(struct assay_graph *g, uint64_t n)
{
    g->feature = graph_grow(g, g->feature, &g->cap_feature, n, sizeof *g->feature);
    return !g->failed;
}

void assay_graph_returned(struct assay_graph *g, uint32_t x, uint32_t modules)
{
    if (g->failed) return;
    ASSAY_ASSERT(x < g->n_node);
    g->node[x].returned += modules;
}

void assay_graph_feature(struct assay_graph *g, enum assay_feature_of of, uint32_t x)
{
    if (g->failed || !graph_reserve_features(g, (uint64_t)g->n_feature + 1)) return;
    ASSAY_ASSERT(x < g->n_node);
    g->node[x].returned++;
    g->feature[g->n_feature++] = (struct assay_feature){.node = x, .of = (uint8_t)of};
}

struct assay_shape assay_graph_shape(const struct assay_graph *g, uint32_t x)
{
    if (g->failed) return (struct assay_shape){1, 1, 1};
    ASSAY_ASSERT(x < g->n_node);
    const struct assay_node *n = &g->node[x];
    return (struct assay_shape){n->c, n->h, n->w};
}

uint32_t assay_graph_input(struct assay_graph *g, uint32_t c, uint32_t h, uint32_t w)
{
    const struct assay_node n = {.op = ASSAY_OP_INPUT, .c = c, .h = h, .w = w};
    return assay_graph_append(g, n, NULL, NULL, NULL);
}

uint32_t assay_graph_zero(struct assay_graph *g, uint32_t c, uint32_t h, uint32_t w)
{
    const struct assay_node n = {.op = ASSAY_OP_ZERO, .c = c, .h = h, .w = w};
    return assay_graph_append(g, n, NULL, NULL, NULL);
}

static uint8_t byte(uint32_t value)
{
    ASSAY_ASSERT(value <= UINT8_MAX);
    return (uint8_t)value;
}

uint32_t assay_graph_conv(struct assay_graph *g, uint32_t x, uint32_t c, uint32_t kernel,
                          uint32_t stride, uint32_t pad, uint32_t dilation, uint32_t groups,
                          const char *name)
{
    ASSAY_ASSERT(kernel && stride && dilation && groups);
    const struct assay_node n = {
        .op = ASSAY_OP_CONV,
        .kernel = byte(kernel),
        .stride = byte(stride),
        .pad = byte(pad),
        .dilation = byte(dilation),
        .groups = groups,
        .c = c,
        .n_in = 1,
    };
    return assay_graph_append(g, n, &x, NULL, name);
}

uint32_t assay_graph_bn(struct assay_graph *g, uint32_t x, bool affine, const char *name)
{
    const struct assay_node n = {
        .op = ASSAY_OP_BN, .affine = affine, .eps = ASSAY_BN_EPS, .n_in = 1};
    return assay_graph_append(g, n, &x, NULL, name);
}

uint32_t assay_graph_relu(struct assay_graph *g, uint32_t x)
{
    for (uint32_t i = x + 1; i < g->n_node; i++) {
        if (g->node[i].op != ASSAY_OP_RELU || g->in[g->node[i].in] != x) continue;
        g->node[i].modules++;
        g->node[i].returned++;
        return i;
    }
    const struct assay_node n = {.op = ASSAY_OP_RELU, .n_in = 1};
    return assay_graph_append(g, n, &x, NULL, NULL);
}

uint32_t assay_graph_pool(struct assay_graph *g, enum assay_op op, uint32_t x, uint32_t kernel,
                          uint32_t stride, uint32_t pad)
{
    ASSAY_ASSERT(op == ASSAY_OP_AVG_POOL || op == ASSAY_OP_MAX_POOL);
    ASSAY_ASSERT(kernel && stride);
    const struct assay_node n = {
        .op = (uint8_t)op,
        .kernel = byte(kernel),
        .stride = byte(stride),
        .pad = byte(pad),
        .dilation = 1,
        .n_in = 1,
    };
    return assay_graph_append(g, n, &x, NULL, NULL);
}

uint32_t assay_graph_add(struct assay_graph *g, uint32_t n, const uint32_t *x, const double *coef)
{
    const struct assay_node node = {.op = ASSAY_OP_ADD, .n_in = n};
    return assay_graph_append(g, node, x, coef, NULL);
}

uint32_t assay_graph_mix(struct assay_graph *g, uint32_t n, const uint32_t *x, const double *coef)
{
    const struct assay_node node = {.op = ASSAY_OP_ADD, .mix = 1, .n_in = n};
    return assay_graph_append(g, node, x, coef, NULL);
}

uint32_t assay_graph_concat(struct assay_graph *g, uint32_t n, const uint32_t *x)
{
    const struct assay_node node = {.op = ASSAY_OP_CONCAT, .n_in = n};
    return assay_graph_append(g, node, x, NULL, NULL);
}

uint32_t assay_graph_slice(struct assay_graph *g, uint32_t x, uint32_t drop)
{
    const struct assay_node n = {
        .op = ASSAY_OP_SLICE, .pad = byte(drop), .c = assay_graph_shape(g, x).c, .n_in = 1};
    return assay_graph_append(g, n, &x, NULL, NULL);
}

uint32_t assay_graph_truncate(struct assay_graph *g, uint32_t x, uint32_t c)
{
    const struct assay_node n = {.op = ASSAY_OP_SLICE, .c = c, .n_in = 1};
    return assay_graph_append(g, n, &x, NULL, NULL);
}

uint32_t assay_graph_gap(struct assay_graph *g, uint32_t x)
{
    const struct assay_node n = {.op = ASSAY_OP_GAP, .n_in = 1};
    return assay_graph_append(g, n, &x, NULL, NULL);
}

uint32_t assay_graph_linear(struct assay_graph *g, uint32_t x, uint32_t c, const char *name)
{
    const struct assay_node n = {.op = ASSAY_OP_LINEAR, .bias = 1, .c = c, .n_in = 1};
    return assay_graph_append(g, n, &x, NULL, name);
}
