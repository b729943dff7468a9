// SPDX-License-Identifier: Apache-2.0
// The region that the forward values and the gradient tensors use in turn, packed by liveness.
#include "exec/plan.h"

struct block {
    uint32_t start, end; // live in [start, end]
    uint32_t over;       // takes the place of an earlier block, or NONE
    size_t bytes, at;
    // Forward: when its node runs, and the last reader of one group of it; whose place it is.
    uint32_t made, read;
    size_t *of;
};

// First fit of each block, in order, among the earlier ones that are live with it; returns the
// region's size.
static size_t pack_blocks(struct block *b, uint32_t n)
{
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t at = 0;
        if (b[i].over != NONE) {
            b[i].at = b[b[i].over].at;
            continue;
        }
        for (bool moved = true; moved;) {
            moved = false;
            for (uint32_t j = 0; j < i; j++) {
                const bool live = b[j].start <= b[i].end && b[i].start <= b[j].end;
                if (b[j].over != NONE || !live) continue;
                if (b[j].at + b[j].bytes <= at || at + b[i].bytes <= b[j].at) continue;
                at = b[j].at + b[j].bytes;
                moved = true;
            }
        }
        b[i].at = at;
        if (at + b[i].bytes > total) total = at + b[i].bytes;
    }
    return total;
}

// A block lives as long as what takes its place.
static void extend_lives(struct block *b, uint32_t n)
{
    for (uint32_t i = n; i-- > 0;) {
        if (b[i].over != NONE && b[b[i].over].end < b[i].end) b[b[i].over].end = b[i].end;
    }
}

// ---- forward values ---------------------------------------------------------------------------
static uint32_t level_of(const struct assay_plan *plan, uint32_t position)
{
    return plan->slot[plan->sequence[position]].level;
}

static uint32_t end_of_level(const struct assay_plan *plan, uint32_t position)
{
    const uint32_t level = level_of(plan, position);
    while (position + 1 < plan->graph->n_node && level_of(plan, position + 1) == level) position++;
    return position;
}

// Time is counted in nodes, in the order of the pass. A value lives until its last reader has run,
// a padded one until the last convolution has; one of all groups lives through its levels.
static void value_times(const struct assay_plan *plan, struct block *plain, struct block *padded)
{
    const struct assay_graph *g = plan->graph;
    for (uint32_t i = 0; i < g->n_node; i++) {
        plain[i] = padded[i] = (struct block){
            .start = plan->slot[i].position, .end = plan->slot[i].position, .over = NONE};
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        // A BN that is made in a sum reads its input there.
        const bool in_sum = n->op == ASSAY_OP_BN && !plan->slot[i].plain;
        const uint32_t reader = in_sum ? plan->user[plan->edge[plan->edge_first[i]]] : i;
        for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
            const uint32_t in = g->in[k], at = plan->slot[reader].position;
            const bool layer = n->op == ASSAY_OP_CONV || n->op == ASSAY_OP_LINEAR;
            const bool conv = layer && plan->slot[in].pad > 0;
            struct block *b = conv ? &padded[in] : &plain[plan->slot[in].value_of];
            if (at > b->end) b->end = at;
        }
        struct block *b = &plain[plan->slot[i].value_of];
        const uint32_t shown = end_of_level(plan, plan->slot[i].position);
        if (plan->slot[i].tap & ASSAY_TAP_VALUE && shown > b->end) b->end = shown;
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct block *b = &plain[i];
        const uint32_t first = plan->slot[i].level;
        b->made = b->start, b->read = b->end;
        if (!plan->slot[i].whole) continue;
        while (b->start > 0 && level_of(plan, b->start - 1) == first) b->start--;
        b->end = end_of_level(plan, b->end);
    }
}

static size_t bytes_of(const struct assay_plan *plan, uint32_t node, uint32_t pad, uint32_t groups)
{
    const struct assay_node *n = &plan->graph->node[node];
    return exec_align(groups * n->c * (size_t)exec_act_plane(n, pad) * sizeof(double));
}

// A value of all groups is made, group by group, in the place of an equally large one whose group
// was read for the last time a few nodes before.
static void share_places(const struct assay_plan *plan, struct block *b, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < n; i++) {
        for (uint32_t j = first; j < i && b[i].over == NONE; j++) {
            if (b[j].bytes != b[i].bytes || b[j].read >= b[i].made) continue;
            if (level_of(plan, b[j].read) != level_of(plan, b[i].made)) continue;
            b[j].read = NONE; // it is taken
            b[i].over = j;
        }
    }
    extend_lives(b, n);
}

// Values of a chunk come first, lest they move about in the memory that is in cache.
static size_t pack_values(struct assay_plan *plan, struct block *b)
{
    const uint32_t n_node = plan->graph->n_node;
    struct block *plain = b, *padded = b + n_node, *all = b + 2 * n_node;
    uint32_t n = 0, n_chunk = 0;
    value_times(plan, plain, padded);
    for (uint32_t k = 0; k < 2 * n_node; k++) {
        const uint32_t i = plan->sequence[k % n_node];
        struct slot *s = &plan->slot[i];
        const bool whole = k >= n_node;
        if (s->plain && s->value_of == i && s->whole == whole) {
            all[n] = plain[i], all[n].of = &s->value;
            all[n++].bytes = bytes_of(plan, i, 0, whole ? plan->groups : plan->chunk);
        }
        if (s->pad > 0 && !whole) {
            all[n] = padded[i], all[n].of = &s->padded;
            all[n++].bytes = bytes_of(plan, i, s->pad, plan->chunk);
        }
        if (!whole) n_chunk = n;
    }
    share_places(plan, all, n_chunk, n);
    const size_t total = pack_blocks(all, n);
    for (uint32_t k = 0; k < n; k++) *all[k].of = plan->bytes + all[k].at;
    for (uint32_t i = 0; i < n_node; i++)
        plan->slot[i].value = plan->slot[plan->slot[i].value_of].value;
    return total;
}

// ---- gradients --------------------------------------------------------------------------------
static uint32_t level_at(const struct assay_plan *plan, uint32_t position)
{
    return plan->tensor[plan->order[position]].level;
}

// Time is counted in tensors, in the order of the sweep. A whole tensor lives through its levels;
// one that holds a single group only until its last reader of the same group has run, so that
// chains of layers without BN pass through the same few buffers, which stay in cache.
static void tensor_times(const struct assay_plan *plan, struct block *b)
{
    for (uint32_t i = 0; i < plan->n_tensor; i++) {
        const struct tensor *t = &plan->tensor[plan->order[i]];
        b[i] = (struct block){.start = i, .end = i};
        while (t->whole && b[i].start > 0 && level_at(plan, b[i].start - 1) == t->level)
            b[i].start--;
        while (t->whole && b[i].end + 1 < plan->n_tensor &&
               level_at(plan, b[i].end + 1) <= t->last_level)
            b[i].end++;
        for (uint32_t k = 0; k < t->n_job; k++) {
            const uint32_t from = plan->tensor[plan->job[t->first_job + k].from.tensor].position;
            if (b[from].end < i) b[from].end = i;
        }
    }
}

// Whether a pass may write its gradient over the one behind its convolutions: what it has yet to
// read of that lies in other rows, pixels or channels than those it writes.
static bool writes_over(const struct assay_plan *plan, const struct job *pass)
{
    const struct unit *u = &plan->unit[pass->unit];
    uint32_t halo = 0;
    if (u->stride != 1) return false;
    if (u->direct) return u->ci <= plan->kern->co_tile;
    for (uint32_t i = 0; i < pass->n_conv; i++) {
        const struct unit *v = &plan->unit[pass[i].unit];
        if (v->groups > 1 && v->co != v->ci) return false; // reads other channels than it writes
        halo |= v->halo;
    }
    return halo == 0 || u->strip == u->parity[0].h;
}

// Whether only a pass, and what comes before its tensor, reads `from`.
static bool reads_last(const struct assay_plan *plan, const struct job *pass, uint32_t from)
{
    const uint32_t made = plan->tensor[pass->tensor].position;
    for (const struct job *j = plan->job; j < plan->job + plan->n_job; j++) {
        const bool here = j >= pass && j < pass + pass->n_conv + pass->n_add;
        if (j->from.tensor == from && !here && plan->tensor[j->tensor].position >= made)
            return false;
    }
    return true;
}

// The position of the tensor in whose place t is made: one behind convolutions that t's first pass
// is the last to read; or NONE. A gradient that is written where one was read is in cache already,
// and takes no room.
static uint32_t find_place(const struct assay_plan *plan, const struct tensor *t)
{
    const struct job *pass = &plan->job[t->first_job];
    if (!t->whole || t->n_job == 0 || pass->n_conv == 0 || !writes_over(plan, pass)) return NONE;
    for (uint32_t i = 0; i < pass->n_conv; i++) {
        const struct tensor *from = &plan->tensor[pass[i].from.tensor];
        const bool cotangents = from == plan->tensor; // which outlive the region
        const bool alike = from->whole && from->c == t->c && from->hw == t->hw;
        const bool past =
            from->last_level == t->level && reads_last(plan, pass, pass[i].from.tensor);
        if (alike && past && !cotangents) return from->position;
    }
    return NONE;
}

static size_t pack_tensors(struct assay_plan *plan, struct block *b)
{
    tensor_times(plan, b);
    for (uint32_t i = 0; i < plan->n_tensor; i++) {
        struct tensor *t = &plan->tensor[plan->order[i]];
        t->group = (size_t)t->c * t->hw * plan->kern->lanes;
        b[i].bytes = exec_align(t->group * plan->kern->size * (t->whole ? plan->back_groups : 1));
        b[i].over = find_place(plan, t);
        t->in_place = b[i].over != NONE;
    }
    extend_lives(b, plan->n_tensor);
    const size_t total = pack_blocks(b, plan->n_tensor);
    for (uint32_t i = 0; i < plan->n_tensor; i++)
        plan->tensor[plan->order[i]].at = plan->bytes + b[i].at;
    return total;
}

int plan_region(struct assay_plan *plan, struct assay_err *err)
{
    struct block *b =
        assay_arena_alloc(&plan->meta, (4 * (size_t)plan->graph->n_node + 1) * sizeof *b);
    if (!b)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
    const size_t values = pack_values(plan, b),
                 tensors = plan->backward ? pack_tensors(plan, b) : 0;
    if (plan->backward) {
        // The cotangents of the logits are the first tensor, and outlive the region.
        plan->tensor[0].at = plan->cotangent;
        plan->tensor[0].whole = true;
    }
    plan->bytes += values > tensors ? values : tensors;
    return ASSAY_OK;
}
