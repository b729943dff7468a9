// SPDX-License-Identifier: Apache-2.0
#include "inside.h"

#include <string.h>

#define NONE UINT32_MAX

// Folding goes over the graph twice. Forward, each node of g becomes a new node of out, one that
// exists, or a zero tensor. Backward, what does not reach the output is removed. Memory is reserved
// beforehand, since out never has more of anything than g.
struct fold {
    const struct assay_graph *g;
    struct assay_graph *out;
    bool at_init;
    bool whole;           // merges alone: what does not reach the output stays, too
    uint32_t *map;        // (g->n_node) node of out that computes node i of g
    uint32_t *first_user; // (g->n_node + 1) chains of out's nodes with the same first input,
    uint32_t *next_user;  // (g->n_node)     the last chain: nodes without inputs
    uint32_t *source;     // (g->n_param) parameter of g that out's parameter is
};

static int begin(struct fold *f, struct assay_err *err)
{
    const struct assay_graph *g = f->g;
    struct assay_graph *out = f->out;
    const uint64_t n = g->n_node;

    assay_graph_reset(out);
    out->unnamed = g->unnamed;
    graph_reserve(out, n, g->n_in, g->n_param, g->n_text);
    graph_reserve_features(out, g->n_feature);
    out->scratch = graph_grow(out, out->scratch, &out->cap_scratch, 3 * n + 1 + g->n_param,
                              sizeof *out->scratch);
    if (out->failed)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory for a network of %u nodes",
                             g->n_node);
    f->map = out->scratch;
    f->first_user = f->map + n;
    f->next_user = f->first_user + n + 1;
    f->source = f->next_user + n;
    for (uint64_t i = 0; i <= n; i++) f->first_user[i] = NONE;
    return ASSAY_OK;
}

static bool is_zero(const struct fold *f, uint32_t x)
{
    return f->out->node[x].op == ASSAY_OP_ZERO;
}

// Writes node n's inputs, as nodes of out, behind the inputs out has; the node is not there yet.
static void gather(struct fold *f, const struct assay_node *n)
{
    uint32_t *in = f->out->in + f->out->n_in;
    double *coef = f->out->coef + f->out->n_in;
    for (uint32_t i = 0; i < n->n_in; i++) {
        in[i] = f->map[f->g->in[n->in + i]];
        coef[i] = f->g->coef[n->in + i];
    }
}

// Sorts the gathered terms of a sum by node, adds the coefficients of equal ones, drops zeros;
// returns how many remain.
static uint32_t combine(struct fold *f, uint32_t n)
{
    uint32_t *in = f->out->in + f->out->n_in, m = 0, kept = 0;
    double *coef = f->out->coef + f->out->n_in;

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t x = in[i];
        const double c = coef[i];
        uint32_t at = m;
        while (at > 0 && in[at - 1] > x) at--;
        if (at > 0 && in[at - 1] == x) {
            coef[at - 1] += c;
            continue;
        }
        memmove(in + at + 1, in + at, (m - at) * sizeof *in);
        memmove(coef + at + 1, coef + at, (m - at) * sizeof *coef);
        in[at] = x;
        coef[at] = c;
        m++;
    }
    for (uint32_t i = 0; i < m; i++) {
        if (coef[i] == 0.0 || is_zero(f, in[i])) continue;
        in[kept] = in[i];
        coef[kept++] = coef[i];
    }
    return kept;
}

// Modules that something counts.
static bool is_counted(const struct assay_node *n)
{
    return n->op == ASSAY_OP_CONV || n->op == ASSAY_OP_BN || n->op == ASSAY_OP_RELU;
}

static bool is_zero_at_zero(const struct assay_node *act)
{
    const double zero = 0;
    double y;
    assay_act_apply(act, 1, &zero, false, NULL, &y, NULL);
    return y == 0;
}

static bool vanishes(const struct fold *f, const struct assay_node *n)
{
    const uint32_t *in = f->out->in + f->out->n_in;
    if (f->whole && is_counted(n)) return false;
    switch (n->op) {
    case ASSAY_OP_ZERO:
        return true;
    case ASSAY_OP_ADD:
        return n->n_in == 0;
    case ASSAY_OP_CONCAT:
        for (uint32_t i = 0; i < n->n_in; i++) {
            if (!is_zero(f, in[i])) return false;
        }
        return true;
    case ASSAY_OP_ACT:
        return is_zero(f, in[0]) && is_zero_at_zero(n);
    case ASSAY_OP_MUL:
        return is_zero(f, in[0]) || is_zero(f, in[1]);
    case ASSAY_OP_PAD:
        return is_zero(f, in[0]) && n->a == 0;
    case ASSAY_OP_BN: // of zeros it is beta
        return is_zero(f, in[0]) && (f->at_init || !n->affine);
    case ASSAY_OP_INPUT:
    case ASSAY_OP_LINEAR:
        return false;
    default:
        return is_zero(f, in[0]) && !n->bias;
    }
}

static bool is_identity(const struct fold *f, const struct assay_node *n)
{
    return (n->op == ASSAY_OP_ADD && !n->mix && n->n_in == 1 &&
            f->out->coef[f->out->n_in] == 1.0) ||
           (n->op == ASSAY_OP_CONCAT && n->n_in == 1) ||
           (n->op == ASSAY_OP_SHUFFLE && (n->groups == 1 || n->groups == n->c)) ||
           (n->op == ASSAY_OP_PAD && !n->pads[0] && !n->pads[1] && !n->pads[2] && !n->pads[3]) ||
           (n->op == ASSAY_OP_UPSAMPLE && n->stride == 1) ||
           (n->op == ASSAY_OP_FLATTEN && n->c == f->out->node[f->out->in[f->out->n_in]].c) ||
           (n->op == ASSAY_OP_SLICE && n->pad == 0 &&
            n->c == f->out->node[f->out->in[f->out->n_in]].c);
}

static bool is_same(const struct fold *f, const struct assay_node *a, const struct assay_node *b)
{
    const uint32_t *in = f->out->in;
    const double *coef = f->out->coef;
    if (a->op != b->op || a->mix != b->mix || a->kernel != b->kernel || a->stride != b->stride ||
        a->pad != b->pad || a->dilation != b->dilation || a->affine != b->affine || a->c != b->c ||
        a->h != b->h || a->w != b->w || a->n_in != b->n_in || a->ceil != b->ceil ||
        a->kernel_w != b->kernel_w || a->first != b->first || a->groups != b->groups ||
        memcmp(a->pads, b->pads, sizeof a->pads) != 0 || a->eps != b->eps || a->act != b->act ||
        a->a != b->a || a->b != b->b)
        return false;
    for (uint32_t i = 0; i < a->n_in; i++) {
        if (in[a->in + i] != in[b->in + i] || coef[a->in + i] != coef[b->in + i]) return false;
    }
    return true;
}

// Moves a name, which may lie further back in the same text, behind the others; returns its place.
static uint32_t keep_name(struct assay_graph *out, const char *name)
{
    const uint32_t at = out->n_text;
    if (out->unnamed) return at;
    const size_t len = strlen(name) + 1;
    memmove(out->text + at, name, len);
    out->n_text += (uint32_t)len;
    return at;
}

static void copy_params(struct fold *f, struct assay_node *n)
{
    struct assay_graph *out = f->out;
    const uint32_t from = n->param;
    n->param = out->n_param;
    for (uint32_t k = 0; k < n->n_param; k++) {
        struct assay_param *p = &out->param[out->n_param];
        *p = f->g->param[from + k];
        p->node = out->n_node;
        p->name = keep_name(out, f->g->text + p->name);
        f->source[out->n_param++] = from + k;
    }
}

// The node of out that equals n, whose inputs are gathered; appended if there is none. Nodes with
// parameters and mixes are never merged: their weights are independent.
static uint32_t find_or_append(struct fold *f, struct assay_node n)
{
    struct assay_graph *out = f->out;
    n.in = out->n_in;
    uint32_t *chain = &f->first_user[n.n_in ? out->in[n.in] : f->g->n_node];

    for (uint32_t i = *chain; i != NONE && n.n_param == 0 && !n.mix; i = f->next_user[i]) {
        if (is_same(f, &out->node[i], &n)) return i;
    }
    copy_params(f, &n);
    out->n_in += n.n_in;
    out->node[out->n_node] = n;
    f->next_user[out->n_node] = *chain;
    *chain = out->n_node;
    return out->n_node++;
}

static uint32_t fold_node(struct fold *f, struct assay_node n)
{
    gather(f, &n);
    if (n.op == ASSAY_OP_ADD && !n.mix) n.n_in = combine(f, n.n_in);
    if (vanishes(f, &n)) {
        const struct assay_node zero = {
            .op = ASSAY_OP_ZERO, .c = n.c, .h = n.h, .w = n.w, .feature = n.feature};
        return find_or_append(f, zero);
    }
    if (is_identity(f, &n)) return f->out->in[f->out->n_in];
    return find_or_append(f, n);
}

// A node stands for the modules of all that are the same, and is returned by them.
static uint32_t count_node(struct fold *f, const struct assay_node *n)
{
    const uint32_t before = f->out->n_node, at = fold_node(f, *n);
    struct assay_node *m = &f->out->node[at];
    if (at < before && m->op == n->op && is_counted(n)) m->modules += n->modules;
    m->returned = (at < before ? m->returned : 0) + n->returned;
    return at;
}

// Marks in live[0..root] what node root depends on, and the input.
static void mark(const struct assay_graph *g, uint32_t root, uint32_t *live)
{
    memset(live, 0, (root + 1) * sizeof *live);
    live[root] = live[0] = 1;
    for (uint32_t i = root; i > 0; i--) {
        if (!live[i]) continue;
        for (uint32_t k = 0; k < g->node[i].n_in; k++) live[g->in[g->node[i].in + k]] = 1;
    }
}

// Moves the parameters of a node down to the next free places.
static void squeeze_params(struct fold *f, struct assay_node *n, uint32_t node)
{
    struct assay_graph *out = f->out;
    for (uint32_t k = 0; k < n->n_param; k++) {
        const uint32_t from = n->param + k;
        struct assay_param p = out->param[from];
        p.name = keep_name(out, out->text + p.name);
        p.node = node;
        f->source[out->n_param] = f->source[from];
        out->param[out->n_param++] = p;
    }
    n->param = out->n_param - n->n_param;
}

// Keeps only what reaches node root; everything moves down in place and in order.
static void squeeze(struct fold *f, uint32_t root)
{
    struct assay_graph *out = f->out;
    uint32_t *live = f->first_user, *map = f->next_user;

    mark(out, root, live);
    out->n_node = out->n_in = out->n_param = out->n_text = 0;
    for (uint32_t i = 0; i <= root; i++) {
        if (!live[i]) continue;
        struct assay_node n = out->node[i];
        for (uint32_t k = 0; k < n.n_in; k++) {
            out->in[out->n_in + k] = map[out->in[n.in + k]];
            out->coef[out->n_in + k] = out->coef[n.in + k];
        }
        n.in = out->n_in;
        out->n_in += n.n_in;
        squeeze_params(f, &n, out->n_node);
        map[i] = out->n_node;
        out->node[out->n_node++] = n;
    }
    for (uint32_t i = 0; i < out->n_feature; i++) {
        const uint32_t node = out->feature[i].node;
        out->feature[i].node = node <= root && live[node] ? map[node] : NONE;
    }
}

// Features as nodes of out before it is squeezed.
static void copy_features(struct fold *f)
{
    for (uint32_t i = 0; i < f->g->n_feature; i++) {
        f->out->feature[i] = f->g->feature[i];
        f->out->feature[i].node = f->map[f->g->feature[i].node];
    }
    f->out->n_feature = f->g->n_feature;
}

static int fold(struct fold *f, struct assay_err *err)
{
    ASSAY_ASSERT(f->g != f->out && f->g->n_node > 0);
    ASSAY_TRY(begin(f, err));
    for (uint32_t i = 0; i < f->g->n_node; i++) f->map[i] = count_node(f, &f->g->node[i]);
    copy_features(f);
    return ASSAY_OK;
}

int assay_graph_merge(const struct assay_graph *g, struct assay_graph *out, struct assay_err *err)
{
    struct fold f = {.g = g, .out = out, .whole = true};
    ASSAY_TRY(fold(&f, err));
    ASSAY_ASSERT(f.map[g->n_node - 1] == out->n_node - 1);
    return assay_graph_finish(out, err);
}

int assay_graph_fold(const struct assay_graph *g, bool at_init, struct assay_graph *out,
                     uint32_t *source_param, struct assay_err *err)
{
    struct fold f = {.g = g, .out = out, .at_init = at_init};
    ASSAY_TRY(fold(&f, err));
    squeeze(&f, f.map[g->n_node - 1]);
    if (source_param) memcpy(source_param, f.source, out->n_param * sizeof *source_param);
    return assay_graph_finish(out, err);
}

bool assay_graph_is_dead(const struct assay_graph *folded)
{
    for (uint32_t i = 0; i < folded->n_in; i++) {
        if (folded->in[i] == 0) return false;
    }
    return folded->n_node > 1;
}
