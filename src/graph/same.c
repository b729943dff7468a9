// SPDX-License-Identifier: Apache-2.0
// Whether a folded graph computes what its literal one does, number by number.
#include "assay/graph.h"

#include <string.h>

// A sum of one node that it does not scale, which folds away.
static bool passes_on(const struct assay_graph *g, const struct assay_node *n)
{
    return n->op == ASSAY_OP_ADD && n->n_in == 1 && !n->mix && g->coef[n->in] == 1;
}

static bool same_params(const struct assay_graph *a, const struct assay_node *n,
                        const struct assay_graph *b, const struct assay_node *m)
{
    if (n->n_param != m->n_param) return false;
    for (uint32_t i = 0; i < n->n_param; i++) {
        const struct assay_param *p = &a->param[n->param + i], *q = &b->param[m->param + i];
        if (p->role != q->role || p->size != q->size || p->offset != q->offset) return false;
    }
    return true;
}

static bool same_input(const struct assay_graph *a, uint32_t i, const struct assay_graph *b,
                       uint32_t j, const uint32_t *map)
{
    return map[a->in[i]] == b->in[j] && a->coef[i] == b->coef[j];
}

// Folding sorts the terms of sums. The first two may stand the other way round, which rounds alike
// where neither is scaled.
static bool same_inputs(const struct assay_graph *a, const struct assay_node *n,
                        const struct assay_graph *b, const struct assay_node *m,
                        const uint32_t *map)
{
    if (n->n_in != m->n_in) return false;
    const bool turned = n->op == ASSAY_OP_ADD && n->n_in > 1 && a->coef[n->in] == 1 &&
                        a->coef[n->in + 1] == 1 && same_input(a, n->in, b, m->in + 1, map) &&
                        same_input(a, n->in + 1, b, m->in, map);
    for (uint32_t i = turned ? 2 : 0; i < n->n_in; i++)
        if (!same_input(a, n->in + i, b, m->in + i, map)) return false;
    return true;
}

static bool same_node(const struct assay_graph *a, const struct assay_node *n,
                      const struct assay_graph *b, const struct assay_node *m, const uint32_t *map)
{
    return n->op == m->op && n->kernel == m->kernel && n->stride == m->stride && n->pad == m->pad &&
           n->dilation == m->dilation && n->affine == m->affine && n->mix == m->mix &&
           n->groups == m->groups && n->c == m->c && n->h == m->h && n->w == m->w &&
           n->feature == m->feature && same_inputs(a, n, b, m, map) && same_params(a, n, b, m);
}

bool assay_graph_same(const struct assay_graph *literal, const struct assay_graph *folded,
                      uint32_t *map)
{
    uint32_t next = 0;
    if (literal->n_theta != folded->n_theta || literal->n_weight != folded->n_weight ||
        literal->n_feature != folded->n_feature)
        return false;
    for (uint32_t i = 0; i < literal->n_node; i++) {
        const struct assay_node *n = &literal->node[i];
        const bool is_next =
            next < folded->n_node && same_node(literal, n, folded, &folded->node[next], map);
        if (!is_next && !passes_on(literal, n)) return false;
        map[i] = is_next ? next++ : map[literal->in[n->in]];
    }
    return next == folded->n_node;
}
