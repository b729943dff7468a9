// SPDX-License-Identifier: Apache-2.0
// One random network, and what can be known of it: whether it is a fair test, the executor's
// Jacobians, their rounding, and derivatives by central differences.
#ifndef ASSAY_TESTS_EXEC_RANDOM_SUBJECT_H
#define ASSAY_TESTS_EXEC_RANDOM_SUBJECT_H

#include <stdlib.h>

#include "forward.h"
#include "rung_wide.h"
#include "assay/exec.h"
#include "bound.h"
#include "random_net.h"

#define NEAR        1e-11 // gates closer than this to their threshold are decided by rounding
#define NOISE_DRAWS 3

// Sanitizers take five times as long for each network, and look for what a few show.
#if defined(__SANITIZE_ADDRESS__)
#    define NETWORKS(usual, few) (few)
#else
#    define NETWORKS(usual, few) (usual)
#endif

// ---- one network --------------------------------------------------------------------------------
struct subject {
    const struct recipe *recipe;
    struct assay_graph g, folded;
    uint32_t *source; // parameters of g that those of folded are
    double *theta, *images;
    struct tensor *value; // of all nodes of g
    uint64_t rows;        // images x classes
};

static double *numbers(uint64_t n)
{
    double *v = calloc(n + 1, sizeof *v);
    ASSAY_ASSERT(v);
    return v;
}

static void set_up(struct subject *s, const struct recipe *r)
{
    struct assay_err err = {0};
    *s = (struct subject){.recipe = r, .rows = (uint64_t)r->batch * r->classes};
    assay_graph_init(&s->g);
    assay_graph_init(&s->folded);
    int status = build_recipe(r, &s->g, &err);
    s->source = calloc(s->g.n_param + 1, sizeof *s->source);
    if (status == ASSAY_OK)
        status = assay_graph_fold(&s->g, r->at_init, &s->folded, s->source, &err);
    if (status != ASSAY_OK) {
        assay_graph_print(&s->g, stdout);
        printf("no valid network: %s\n", err.text);
        exit(1);
    }
    s->theta = numbers(s->g.n_theta);
    s->images = numbers((uint64_t)r->batch * r->c * r->h * r->w);
    draw_theta(r, &s->g, s->theta);
    draw_images(r, s->images);
    s->value = forward_values(
        &s->g,
        &(struct pass){.n = r->batch, .theta = s->theta, .input = s->images, .norm = r->norm});
}

static void tear_down(struct subject *s)
{
    free_values(&s->g, s->value);
    assay_graph_free(&s->g);
    assay_graph_free(&s->folded);
    free(s->source), free(s->theta), free(s->images);
}

// ---- is the piece decided by rounding? ----------------------------------------------------------
static bool near_gate(const struct tensor *in)
{
    bool near = false;
    for (size_t i = 0; i < (size_t)in->n * in->c * in->h * in->w; i++)
        near |= in->v[i] != 0 && fabs(in->v[i]) < NEAR;
    return near;
}

static bool near_kink(const struct assay_node *act, const struct tensor *in)
{
    bool near = false;
    for (size_t i = 0; i < (size_t)in->n * in->c * in->h * in->w; i++)
        near |= act_margin(act, in->v[i]) != 0 && act_margin(act, in->v[i]) < NEAR;
    return near;
}

// Two pixels of a window that are equal but for rounding.
static bool near_tie(const struct assay_node *node, const struct tensor *in,
                     const struct tensor *out)
{
    struct tap tap[64];
    bool near = false;
    for (uint32_t i = 0; i < out->n * out->c * out->h * out->w; i++) {
        const uint32_t x = i % out->w, y = i / out->w % out->h, c = i / out->w / out->h % out->c,
                       n = i / out->w / out->h / out->c, taps = window_taps(node, in, y, x, tap);
        for (uint32_t t = 0; t < taps; t++) {
            const double d = out->v[i] - *tensor_at(in, n, c, tap[t].y, tap[t].x);
            near |= d != 0 && d < NEAR;
        }
    }
    return near;
}

// A BN of something constant gives zeros but for rounding, and ReLUs behind it guess.
static bool constant_bn(const struct tensor *in)
{
    bool constant = false;
    for (uint32_t c = 0; c < in->c; c++) {
        double mean, var;
        batch_moments(in, c, &mean, &var);
        constant |= mean != 0 && var < 1e-20 * (1 + mean * mean);
    }
    return constant;
}

static inline bool is_ambiguous(const struct subject *s)
{
    bool ambiguous = false;
    for (uint32_t i = 1; i < s->g.n_node; i++) {
        const struct assay_node *node = &s->g.node[i];
        const struct tensor *in = &s->value[s->g.in[node->in]];
        if (node->op == ASSAY_OP_RELU) ambiguous |= near_gate(in);
        if (node->op == ASSAY_OP_ACT) ambiguous |= near_kink(node, in);
        if (node->op == ASSAY_OP_MAX_POOL) ambiguous |= near_tie(node, in, &s->value[i]);
        if (node->op == ASSAY_OP_BN && in->n * in->h * in->w > 1) ambiguous |= constant_bn(in);
    }
    return ambiguous;
}

// BNs of almost nothing behind one another multiply their slopes of 1 / sqrt(eps) each, and bend
// within steps too short to difference.
static inline bool is_singular(const struct subject *s)
{
    uint32_t steep = 0;
    for (uint32_t i = 1; i < s->g.n_node; i++) {
        const struct tensor *in = &s->value[s->g.in[s->g.node[i].in]];
        bool flat = false;
        for (uint32_t c = 0; s->g.node[i].op == ASSAY_OP_BN && c < in->c; c++) {
            double mean, var;
            batch_moments(in, c, &mean, &var);
            flat |= var < 1e-2 * s->g.node[i].eps;
        }
        steep += flat;
    }
    return steep > 1;
}

// ---- the executor -------------------------------------------------------------------------------
// A Jacobian of all logits (rows, n_theta of the literal network); what folding dropped is 0.
struct run {
    const struct assay_kern *kern;
    bool folded;
    enum assay_bn bn;
    const uint8_t *tap; // of the executed graph's nodes
    bool single;        // of struct assay_want
};

// The parameters of the graph that is executed.
static double *own_theta(const struct subject *s, const struct run *r, const double *theta)
{
    const struct assay_graph *g = r->folded ? &s->folded : &s->g;
    double *own = numbers(g->n_theta);
    for (uint32_t i = 0; i < g->n_param; i++)
        memcpy(own + g->param[i].offset, theta + s->g.param[r->folded ? s->source[i] : i].offset,
               g->param[i].size * sizeof *own);
    return own;
}

static struct bound bind(const struct subject *s, const struct run *r, const double *theta,
                         bool backward)
{
    struct assay_err err = {0};
    struct bound x;
    const struct assay_graph *g = r->folded ? &s->folded : &s->g;
    uint8_t *norm = calloc(g->n_node, 1);
    for (uint32_t i = 0; norm && i < g->n_node; i++) norm[i] = s->recipe->norm[g->node[i].affine];
    const struct assay_want want = {
        .backward = backward, .single = r->single, .tap = r->tap, .norm = norm};
    double *own = own_theta(s, r, theta);
    if (bound_create(&x, r->kern, g, s->recipe->batch, &want, &err) < 0) {
        printf("cannot bind: %s\n", err.text);
        exit(1);
    }
    assay_exec_forward(x.exec, own, s->images);
    free(own), free(norm);
    return x;
}

// What is (rows, n_theta of the executed graph), by the parameters of the literal one.
static void spread_columns(const struct subject *s, bool folded, const double *from, uint64_t rows,
                           double *to)
{
    const struct assay_graph *g = folded ? &s->folded : &s->g;
    memset(to, 0, rows * s->g.n_theta * sizeof *to);
    for (uint64_t r = 0; r < rows; r++) {
        for (uint32_t i = 0; i < g->n_param; i++)
            memcpy(to + r * s->g.n_theta + s->g.param[folded ? s->source[i] : i].offset,
                   from + r * g->n_theta + g->param[i].offset, g->param[i].size * sizeof *to);
    }
}

// For cotangents of size `scale`, in units of it.
static double *jacobian(const struct subject *s, struct assay_exec *x, const struct run *r,
                        double scale)
{
    const uint64_t p = r->folded ? s->folded.n_theta : s->g.n_theta;
    const uint32_t k = s->recipe->classes;
    double *raw = numbers(s->rows * p), *jac = numbers(s->rows * s->g.n_theta),
           *cot = numbers((uint64_t)k * k);
    for (uint32_t i = 0; i < k * k; i += k + 1) cot[i] = scale;
    assay_exec_jacobian(x, r->bn, cot, k, 0, s->rows, p, raw, p);
    spread_columns(s, r->folded, raw, s->rows, jac);
    for (uint64_t i = 0; i < s->rows * s->g.n_theta; i++) jac[i] /= scale;
    free(raw), free(cot);
    return jac;
}

// ---- differences of rows ------------------------------------------------------------------------
// The largest Euclidean norm, over rows, of a parameter tensor's part of a - b (b may be NULL).
static double distance(const struct subject *s, const struct assay_param *p, const double *a,
                       const double *b)
{
    double most = 0;
    for (uint64_t r = 0; r < s->rows; r++) {
        double sum = 0;
        for (uint64_t j = r * s->g.n_theta + p->offset, k = 0; k < p->size; j++, k++)
            sum += pow(a[j] - (b ? b[j] : 0), 2);
        if (!(sum <= most)) most = sum; // NaN, too
    }
    return sqrt(most);
}

static const float noise_scale[NOISE_DRAWS] = {1.0F / 3, 0.7F, 1.9F};

// An element's last place, in units of that of a float.
static inline double fineness(const struct run *r)
{
    return r->kern->size == sizeof(float) ? 1 : 0x1p-28;
}

static void move_theta(const struct subject *s, const struct run *r, uint64_t draw, double *theta)
{
    const double unit = 0x1p-24 * fineness(r);
    struct assay_rng rng;
    assay_rng_init(&rng, s->recipe->seed, draw, "test", "noise");
    for (uint64_t k = 0; k < s->g.n_theta; k++)
        theta[k] = s->theta[k] * (1 + (chance(&rng, 50) ? unit : -unit));
}

// Raises the rounding of every parameter tensor's part of a Jacobian to what shows in a draw.
static inline void measure_noise(const struct subject *s, const struct run *r, unsigned draw,
                                 const double *jac, double *noise)
{
    double *theta = numbers(s->g.n_theta);
    move_theta(s, r, draw, theta);
    struct bound x = bind(s, r, theta, true);
    double *other = jacobian(s, x.exec, r, noise_scale[draw % NOISE_DRAWS]);
    for (uint32_t p = 0; p < s->g.n_param; p++)
        noise[p] = fmax(noise[p], distance(s, &s->g.param[p], jac, other));
    bound_destroy(&x);
    free(other), free(theta);
}

// ---- central differences ------------------------------------------------------------------------
// What is moved along a direction: n numbers of v, or the value of a node (v is NULL).
struct way {
    double *v;
    uint32_t node;
    const double *way;
    uint64_t n;
};

// (f(+h) - f(-h)) / 2h of all logits along a way, on the piece.
static void difference(const struct subject *s, bool frozen, const struct way *w, double h,
                       double *out)
{
    double *keep = numbers(w->n);
    if (w->v) memcpy(keep, w->v, w->n * sizeof *keep);
    memset(out, 0, s->rows * sizeof *out);
    for (int sign = -1; sign <= 1; sign += 2) {
        const struct bump bump = {.node = w->node, .h = sign * h, .way = w->way};
        for (uint64_t i = 0; w->v && i < w->n; i++) w->v[i] = keep[i] + sign * h * w->way[i];
        struct tensor *value = forward_values(&s->g, &(struct pass){.n = s->recipe->batch,
                                                                    .norm = s->recipe->norm,
                                                                    .theta = s->theta,
                                                                    .input = s->images,
                                                                    .held = s->value,
                                                                    .frozen = frozen,
                                                                    .bump = w->v ? NULL : &bump});
        for (uint64_t r = 0; r < s->rows; r++)
            out[r] += sign * value[s->g.n_node - 1].v[r] / (2 * h);
        free_values(&s->g, value);
    }
    if (w->v) memcpy(w->v, keep, w->n * sizeof *keep);
    free(keep);
}

// Extrapolated from two steps; returns how far they are apart. Where that is much (a BN of almost
// nothing bends at once), shorter ones are tried; the best are taken.
static double along(const struct subject *s, bool frozen, const struct way *w, double *out)
{
    double *full = numbers(s->rows), *half = numbers(s->rows), best = INFINITY, bent = 0;
    for (double h = 2e-4; h > 1e-9 && best > 1e-7; h /= 10) {
        double apart = 0, most = 1e-9;
        difference(s, frozen, w, h, full);
        difference(s, frozen, w, h / 2, half);
        for (uint64_t r = 0; r < s->rows; r++) {
            apart = fmax(apart, fabs(full[r] - half[r]));
            most = fmax(most, fabs(half[r]));
        }
        if (apart / most >= best) continue;
        best = apart / most, bent = apart;
        for (uint64_t r = 0; r < s->rows; r++) out[r] = (4 * half[r] - full[r]) / 3;
    }
    free(full), free(half);
    return bent;
}

static inline double derivative(const struct subject *s, bool frozen, double *v, const double *way,
                                uint64_t n, double *out)
{
    return along(s, frozen, &(struct way){.v = v, .way = way, .n = n}, out);
}

static inline double node_derivative(const struct subject *s, bool frozen, uint32_t node,
                                     const double *way, double *out)
{
    return along(s, frozen, &(struct way){.node = node, .way = way}, out);
}

#endif
