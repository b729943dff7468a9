// SPDX-License-Identifier: Apache-2.0
// Where every buffer of a plan lies: constants and saved activations first, then the region that
// the forward values and the gradient tensors use in turn.
#include "exec/plan.h"

static size_t place(struct assay_plan *plan, size_t bytes)
{
    const size_t at = plan->bytes;
    plan->bytes += exec_align(bytes);
    return at;
}

// Elements.
static size_t place_e(struct assay_plan *plan, size_t n)
{
    return place(plan, n * plan->kern->size);
}

static size_t place_d(struct assay_plan *plan, size_t n)
{
    return place(plan, n * sizeof(double));
}

// What the convolutions of one level pull back by themselves; levels share the room.
static void place_apart(struct assay_plan *plan)
{
    const size_t begin = plan->bytes;
    size_t end = begin;
    for (uint32_t level = 0; level < plan->n_level; level++) {
        plan->bytes = begin;
        for (uint32_t i = 0; i < plan->n_tapped; i++) {
            const struct tapped *tapped = &plan->tapped[i];
            if (!tapped->pulled || tapped->level != level) continue;
            struct unit *u = &plan->unit[tapped->unit];
            u->apart =
                place_e(plan, plan->back_groups * (size_t)u->ci * u->h * u->w * plan->kern->lanes);
        }
        if (plan->bytes > end) end = plan->bytes;
    }
    plan->bytes = end;
}

// plane: of the largest gradient.
static void place_tapped(struct assay_plan *plan, size_t plane)
{
    const size_t lanes = plan->kern->lanes, n = (size_t)plan->back_groups * plan->back->images;
    if (plan->n_tapped == 0) return;
    plan->shown = place_d(plan, 2 * plane * plan->back->images);
    place_apart(plan);
    bool together = false, multiplied = false; // together: all groups must be there at once
    for (uint32_t i = 0; i < plan->n_tapped; i++) {
        together |= plan->tapped[i].products;
        multiplied |= plan->tapped[i].products || plan->tapped[i].pulled;
    }
    plan->aside_group = together ? plane * lanes : 0;
    plan->aside = place_e(plan, (together ? plan->back_groups : 1) * plane * lanes);
    if (!multiplied) return;
    plan->products = place_d(plan, n * (n + 1));
    plan->product_acc = place_e(plan, (2 * plan->back_groups + plan->back->images) * lanes);
}

// ---- constants and results --------------------------------------------------------------------
static void place_common(struct assay_plan *plan)
{
    const struct assay_graph *g = plan->graph;
    uint32_t c = 1;
    size_t plane = 1, row = 1;
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].c > c) c = g->node[i].c;
        if (exec_pixels(&g->node[i]) > plane) plane = exec_pixels(&g->node[i]);
        if (g->node[i].w > row) row = g->node[i].w;
    }
    const uint32_t classes = g->node[g->n_node - 1].c;
    plan->theta = place_d(plan, g->n_theta);
    plan->logits = place_d(plan, (size_t)plan->groups * ASSAY_IMAGES * classes);
    plan->valid = place_d(plan, ASSAY_IMAGES);
    plan->valid_last = place_d(plan, ASSAY_IMAGES);
    plan->ones = place_d(plan, c);
    plan->zeros = place_d(plan, c);
    if (!plan->backward) return;
    // A plane, four rows and the margins of a pooling window.
    plan->scratch = place_e(plan, (plane + 4 * row + 2 * UINT8_MAX) * plan->kern->lanes);
    place_tapped(plan, plane);
    if (plan->back->cots > 1) plan->spread = place_e(plan, plane * plan->kern->lanes);
    if (!plan->single && !plan->part) plan->lane_rows = place_d(plan, ASSAY_IMAGES * g->n_theta);
    if (plan->held) plan->moved = place_d(plan, 2 * g->n_theta + (size_t)plan->n * classes);
    plan->cotangent = place_e(plan, (size_t)plan->back_groups * classes * plan->kern->lanes);
}

static bool is_lifted(const struct assay_plan *plan, const struct unit *u)
{
    const uint32_t px = plan->kern->lift_px;
    return px > 0 && u->ow % px == 0 && u->kernel == 3 && u->kernel_w == 3 && u->stride == 1 &&
           u->dilation == 1 && u->pad == 1 && u->ci > u->groups;
}

static void place_parities(struct assay_plan *plan, struct unit *u)
{
    const uint32_t s = u->stride;
    uint32_t halo = 0;
    u->n_parity = s * s;
    u->lifted = is_lifted(plan, u);
    for (uint32_t i = 0; i < u->n_parity; i++) {
        struct parity *p = &u->parity[i];
        p->ry = i / s, p->rx = i % s, p->taps = 0;
        p->h = (u->h - p->ry + s - 1) / s, p->w = (u->w - p->rx + s - 1) / s;
        for (uint32_t ky = 0; ky < u->kernel; ky++) {
            for (uint32_t kx = 0; kx < u->kernel_w; kx++) {
                const int dy = (int)(p->ry + u->pad) - (int)(ky * u->dilation);
                const int dx = (int)(p->rx + u->pad) - (int)(kx * u->dilation);
                if (dy % (int)s != 0 || dx % (int)s != 0) continue;
                const uint32_t reach = (uint32_t)(dy < 0 ? -dy : dy) / s;
                if (reach > halo) halo = reach;
                p->taps++;
            }
        }
        p->off = place(plan, (p->taps + 1) * sizeof(int32_t));
        p->weight = place_e(plan, u->groups * exec_packed(u, p) + 1);
    }
    // Rows: a strip is read as far from its ends as the taps reach. Columns: dz of all is there,
    // and is read up to (x + pad) / s for x in [0, w).
    const uint32_t right = (u->w - 1 + u->pad) / s;
    if (right > u->ow - 1 && right - (u->ow - 1) > halo) halo = right - (u->ow - 1);
    u->halo = halo;
}

static void place_unit(struct assay_plan *plan, struct unit *u)
{
    const uint32_t lanes = plan->kern->lanes, taps = u->conv != NONE ? exec_taps(u) : 0;
    const size_t weights = (size_t)u->co * u->q;
    u->mean = place_d(plan, u->co);
    u->rstd = place_d(plan, u->co);
    if (u->conv != NONE) {
        u->taps_off = place(plan, taps * sizeof(int32_t));
        u->weight64 = place_d(plan, weights);
        u->bias64 = place_d(plan, u->co);
    }
    if (!plan->backward || !u->live) return;
    u->k0 = place_e(plan, (size_t)u->co * lanes);
    u->k0_last = place_e(plan, (size_t)u->co * lanes);
    u->k1 = place_e(plan, u->co);
    u->k2 = place_e(plan, (size_t)u->co * lanes);
    if (u->conv == NONE) return;
    if (!u->late) u->a_sum = place_d(plan, (size_t)u->ci * taps);
    if (!u->late) u->xa_sum = place_d(plan, weights);
    if (u->wants_dx) place_parities(plan, u);
}

// What one level accumulates: elements, or their totals in double.
static void place_level(struct assay_plan *plan, uint32_t level, bool total)
{
    const size_t lanes = plan->kern->lanes, size = total ? sizeof(double) : plan->kern->size;
    for (uint32_t i = 0; i < plan->n_tensor; i++) {
        struct tensor *t = &plan->tensor[i];
        if (t->level != level) continue;
        if (t->needs_sum) *(total ? &t->sum : &t->acc) = place(plan, t->c * lanes * size);
        for (uint32_t k = 0; k < t->n_probe; k++) {
            struct probe *p = &plan->probe[t->first_probe + k];
            const uint32_t c = plan->graph->node[p->node].c;
            *(total ? &p->sum : &p->acc) = place(plan, c * lanes * size);
        }
        for (uint32_t k = 0; k < t->n_unit; k++) {
            struct unit *u = &plan->unit[plan->reader[t->first_unit + k]];
            if (exec_sums_xdot(u))
                *(total ? &u->xdot_sum : &u->xdot_acc) = place(plan, u->co * lanes * size);
        }
        for (uint32_t k = 0; k < t->n_product; k++) {
            struct product *p = &plan->product[t->first_product + k];
            const size_t n = (size_t)plan->unit[p->unit].co * p->q;
            *(total ? &p->sum : &p->acc) = place(plan, n * lanes * size);
            if (!total) p->lift = place(plan, exec_lift_bytes(plan, p));
        }
    }
}

// Levels are done one after another and share the room; accumulators have a range of their
// own because they are zero between levels.
static void place_sums(struct assay_plan *plan)
{
    for (int total = 0; total < 2; total++) {
        const size_t begin = plan->bytes;
        size_t end = begin;
        for (uint32_t level = 0; level < plan->n_level; level++) {
            plan->bytes = begin;
            place_level(plan, level, total);
            if (plan->bytes > end) end = plan->bytes;
        }
        plan->bytes = end;
    }
}

// Images of what is saved: as many as whole groups of either pass have.
static size_t saved_images(const struct assay_plan *plan)
{
    return (size_t)plan->back_groups * plan->back->images;
}

// ---- saved activations and scratch with halos, all in one zeroed range
// ----------------------------
static bool saves_act(const struct assay_plan *plan, uint32_t node)
{
    if (!plan->backward) return false;
    if (plan->graph->node[node].op == ASSAY_OP_RELU) return plan->slot[node].live;
    for (uint32_t u = 0; u < plan->n_unit; u++) {
        if (plan->unit[u].conv != NONE && plan->unit[u].live && plan->unit[u].src == node)
            return true;
    }
    return false;
}

// Scratch of one shape is shared by all units of that shape; another shape would leave stale halos.
static void place_scratch(struct assay_plan *plan, uint32_t i)
{
    struct unit *u = &plan->unit[i];
    for (uint32_t j = 0; j < i; j++) {
        const struct unit *v = &plan->unit[j];
        if (v->conv == NONE) continue;
        if (v->dz && v->turn == u->turn && exec_same_dz(u, v)) u->dz = v->dz;
    }
    if (u->wants_dx && !u->dz) u->dz = place_e(plan, exec_dz(u) * plan->kern->lanes);
}

static void place_beside(struct assay_plan *plan, uint32_t i)
{
    const struct assay_node *n = &plan->graph->node[i];
    struct slot *s = &plan->slot[i];
    const bool gates = plan->backward && exec_has_pieces(plan);
    if (n->op == ASSAY_OP_AVG_POOL) s->inv = place_d(plan, (size_t)n->h * n->w);
    if (s->measured) s->moments = place_d(plan, 2 * (size_t)n->c);
    const size_t size = saved_images(plan) * exec_pixels(n);
    if (gates && n->op == ASSAY_OP_RELU) s->gate = place(plan, size / ASSAY_IMAGES);
    if (gates && n->op == ASSAY_OP_ACT) s->gate = place(plan, size);
}

// What is saved lies `packing` bytes behind where it is packed to.
static size_t place_packed(struct assay_plan *plan, size_t n)
{
    const size_t at = place_e(plan, n), bytes = plan->bytes - at;
    if (exec_is_packed(plan) && bytes > plan->packing) plan->packing = bytes;
    return at;
}

static void place_act(struct assay_plan *plan, uint32_t i)
{
    const struct assay_node *n = &plan->graph->node[i];
    struct slot *s = &plan->slot[i];
    if (saves_act(plan, i))
        s->act = place_packed(plan, saved_images(plan) / ASSAY_IMAGES * n->c *
                                        (size_t)exec_act_plane(n, s->halo));
}

static void place_kept(struct assay_plan *plan, uint32_t i)
{
    const struct assay_node *n = &plan->graph->node[i];
    struct slot *s = &plan->slot[i];
    const size_t size = saved_images(plan) * exec_pixels(n);
    const bool bn_kept = s->kept && n->op == ASSAY_OP_BN && !n->affine;
    if (n->op == ASSAY_OP_MAX_POOL || n->op == ASSAY_OP_ACT ||
        (n->op == ASSAY_OP_BN && (s->live || bn_kept)))
        s->xhat = place_packed(plan, size);
    if (s->kept) s->keep = bn_kept ? s->xhat : place_packed(plan, size);
}

// Activations follow each other, and what is kept follows them: packed in this order, each is moved
// into room that nobody needs any more. Who packs them makes their halos.
static void place_saved(struct assay_plan *plan)
{
    const uint32_t n_node = plan->graph->n_node;
    for (uint32_t i = 0; i < n_node; i++) place_beside(plan, i);
    plan->packing = 0;
    plan->zero_begin = plan->bytes;
    for (uint32_t i = 0; plan->backward && i < plan->n_unit; i++) {
        if (plan->unit[i].conv != NONE) place_scratch(plan, i);
    }
    plan->zero_end = plan->bytes;
    for (uint32_t i = 0; i < n_node; i++) place_act(plan, i);
    if (!exec_is_packed(plan)) plan->zero_end = plan->bytes;
    for (uint32_t i = 0; plan->backward && i < n_node; i++) place_kept(plan, i);
    place(plan, plan->packing);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// What the levels of either pass sum over all parts of a batch, level by level.
static void place_shared(struct assay_plan *plan)
{
    size_t most = 0;
    if (!plan->part) return;
    for (uint32_t first = 0, last; first < plan->graph->n_node; first = last) {
        const uint32_t level = plan->slot[plan->sequence[first]].level;
        for (last = first + 1; last < plan->graph->n_node; last++)
            if (plan->slot[plan->sequence[last]].level != level) break;
        most = larger(most, 3 * exec_measured(plan, first, last));
    }
    for (uint32_t level = 0; level < plan->n_level; level++) {
        size_t n = 0;
        for (uint32_t i = 0; i < plan->n_unit; i++) {
            const struct unit *u = &plan->unit[i];
            if (u->bn == NONE || u->g.tensor == NONE) continue;
            if (plan->tensor[u->g.tensor].level == level) n += u->co;
        }
        most = larger(most, 2 * n * plan->back->cots);
    }
    plan->shared = place_d(plan, most);
}

int plan_layout(struct assay_plan *plan, struct assay_err *err)
{
    ASSAY_TRY(plan_schedule(plan, err));
    plan->bytes = 64; // offset 0 means "none"
    place_common(plan);
    for (uint32_t i = 0; i < plan->n_unit; i++) place_unit(plan, &plan->unit[i]);
    uint32_t q = 0;
    for (uint32_t i = 0; plan->backward && i < plan->n_product; i++) {
        plan->product[i].off = place(plan, plan->product[i].q * sizeof(ptrdiff_t));
        if (plan->product[i].q > q) q = plan->product[i].q;
    }
    plan->own_off = place(plan, q * sizeof(ptrdiff_t));
    if (plan->backward) {
        plan_join(plan);
        place_sums(plan);
    }
    place_saved(plan);
    place_shared(plan);
    return plan_region(plan, err);
}
