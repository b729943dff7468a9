// SPDX-License-Identifier: Apache-2.0
// Where every buffer of a plan lies: constants and saved activations first, then the region that
// the forward values and the gradient tensors use in turn.
#include "exec/plan.h"

static size_t place(struct assay_exec *x, size_t bytes)
{
    const size_t at = x->bytes;
    x->bytes += assay_exec_align(bytes);
    return at;
}

static size_t place_f(struct assay_exec *x, size_t n)
{
    return place(x, n * sizeof(float));
}

static size_t place_d(struct assay_exec *x, size_t n)
{
    return place(x, n * sizeof(double));
}

// ---- constants and results --------------------------------------------------------------------
static void place_common(struct assay_exec *x)
{
    const struct assay_graph *g = x->graph;
    uint32_t c = 1;
    size_t plane = 1, row = 1;
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (g->node[i].c > c) c = g->node[i].c;
        if (assay_exec_pixels(&g->node[i]) > plane) plane = assay_exec_pixels(&g->node[i]);
        if (g->node[i].w > row) row = g->node[i].w;
    }
    const uint32_t classes = g->node[g->n_node - 1].c;
    x->theta = place_d(x, g->n_theta);
    x->logits = place_d(x, (size_t)x->groups * ASSAY_IMAGES * classes);
    x->valid = place_d(x, ASSAY_IMAGES);
    x->valid_last = place_d(x, ASSAY_IMAGES);
    x->ones = place_d(x, c);
    x->zeros = place_d(x, c);
    x->bn_sq = place_d(x, c);
    if (!x->backward) return;
    // A plane, four rows and the margins of a pooling window.
    x->scratch = place_f(x, (plane + 4 * row + 2 * UINT8_MAX) * x->kern->lanes);
    x->spread = place_f(x, plane * x->kern->lanes);
    x->lane_rows = place_d(x, ASSAY_IMAGES * g->n_theta);
    x->cotangent = place_f(x, (size_t)x->groups * classes * x->kern->lanes);
}

static bool is_lifted(const struct assay_exec *x, const struct unit *u)
{
    const uint32_t px = x->kern->lift_px;
    return px > 0 && u->ow % px == 0 && u->kernel == 3 && u->stride == 1 && u->dilation == 1 &&
           u->pad == 1 && u->ci > u->groups;
}

static void place_parities(struct assay_exec *x, struct unit *u)
{
    const uint32_t s = u->stride;
    uint32_t halo = 0;
    u->n_parity = s * s;
    u->lifted = is_lifted(x, u);
    for (uint32_t i = 0; i < u->n_parity; i++) {
        struct parity *p = &u->parity[i];
        p->ry = i / s, p->rx = i % s, p->taps = 0;
        p->h = (u->h - p->ry + s - 1) / s, p->w = (u->w - p->rx + s - 1) / s;
        for (uint32_t ky = 0; ky < u->kernel; ky++) {
            for (uint32_t kx = 0; kx < u->kernel; kx++) {
                const int dy = (int)(p->ry + u->pad) - (int)(ky * u->dilation);
                const int dx = (int)(p->rx + u->pad) - (int)(kx * u->dilation);
                if (dy % (int)s != 0 || dx % (int)s != 0) continue;
                const uint32_t reach = (uint32_t)(dy < 0 ? -dy : dy) / s;
                if (reach > halo) halo = reach;
                p->taps++;
            }
        }
        p->off = place(x, (p->taps + 1) * sizeof(int32_t));
        p->weight = place_f(x, u->groups * assay_exec_packed(u, p) + 1);
    }
    // Rows: a strip is read as far from its ends as the taps reach. Columns: dz of all is there,
    // and is read up to (x + pad) / s for x in [0, w).
    const uint32_t right = (u->w - 1 + u->pad) / s;
    if (right > u->ow - 1 && right - (u->ow - 1) > halo) halo = right - (u->ow - 1);
    u->halo = halo;
}

static void place_unit(struct assay_exec *x, struct unit *u)
{
    const uint32_t lanes = x->kern->lanes, taps = u->conv != NONE ? assay_exec_taps(u) : 0;
    const size_t weights = (size_t)u->co * u->q;
    u->mean = place_d(x, u->co);
    u->rstd = place_d(x, u->co);
    if (u->conv != NONE) {
        u->taps_off = place(x, taps * sizeof(int32_t));
        u->weight64 = place_d(x, weights);
        u->bias64 = place_d(x, u->co);
    }
    if (!x->backward || !u->live) return;
    u->k0 = place_f(x, (size_t)u->co * lanes);
    u->k0_last = place_f(x, (size_t)u->co * lanes);
    u->k1 = place_f(x, u->co);
    u->k2 = place_f(x, (size_t)u->co * lanes);
    if (u->conv == NONE) return;
    u->a_sum = place_d(x, (size_t)u->ci * taps);
    u->xa_sum = place_d(x, weights);
    if (u->wants_dx) place_parities(x, u);
}

// What one level accumulates: floats, or their totals in double.
static void place_level(struct assay_exec *x, uint32_t level, bool total)
{
    const size_t lanes = x->kern->lanes, size = total ? sizeof(double) : sizeof(float);
    for (uint32_t i = 0; i < x->n_tensor; i++) {
        struct tensor *t = &x->tensor[i];
        if (t->level != level) continue;
        if (t->needs_sum) *(total ? &t->sum : &t->acc) = place(x, t->c * lanes * size);
        for (uint32_t k = 0; k < t->n_probe; k++) {
            struct probe *p = &x->probe[t->first_probe + k];
            const uint32_t c = x->graph->node[p->node].c;
            *(total ? &p->sum : &p->acc) = place(x, c * lanes * size);
        }
        for (uint32_t k = 0; k < t->n_unit; k++) {
            struct unit *u = &x->unit[x->reader[t->first_unit + k]];
            if (u->conv == NONE)
                *(total ? &u->xdot_sum : &u->xdot_acc) = place(x, u->co * lanes * size);
        }
        for (uint32_t k = 0; k < t->n_product; k++) {
            struct product *p = &x->product[t->first_product + k];
            const size_t n = (size_t)x->unit[p->unit].co * p->q;
            *(total ? &p->sum : &p->acc) = place(x, n * lanes * size);
            if (!total) p->lift = place(x, assay_exec_lift_bytes(x, p));
        }
    }
}

// Levels are done one after another and share the room; float accumulators have a range of their
// own because they are zero between levels.
static void place_sums(struct assay_exec *x)
{
    for (int total = 0; total < 2; total++) {
        const size_t begin = x->bytes;
        size_t end = begin;
        for (uint32_t level = 0; level < x->n_level; level++) {
            x->bytes = begin;
            place_level(x, level, total);
            if (x->bytes > end) end = x->bytes;
        }
        x->bytes = end;
    }
}

// ---- saved activations and scratch with halos, all in one zeroed range
// ----------------------------
static bool saves_act(const struct assay_exec *x, uint32_t node)
{
    if (!x->backward) return false;
    if (x->graph->node[node].op == ASSAY_OP_RELU) return x->slot[node].live;
    for (uint32_t u = 0; u < x->n_unit; u++) {
        if (x->unit[u].conv != NONE && x->unit[u].live && x->unit[u].src == node) return true;
    }
    return false;
}

// Scratch of one shape is shared by all units of that shape; another shape would leave stale halos.
static void place_scratch(struct assay_exec *x, uint32_t i)
{
    struct unit *u = &x->unit[i];
    for (uint32_t j = 0; j < i; j++) {
        const struct unit *v = &x->unit[j];
        if (v->conv == NONE) continue;
        if (v->pad64 && v->ci == u->ci && v->h == u->h && v->w == u->w && v->pad == u->pad)
            u->pad64 = v->pad64;
        if (v->dz && v->turn == u->turn && assay_exec_same_dz(u, v)) u->dz = v->dz;
    }
    if (u->pad > 0 && !u->pad64) {
        u->pad64 =
            place_d(x, (size_t)u->ci * (u->h + 2 * u->pad) * (u->w + 2 * u->pad) * ASSAY_IMAGES);
    }
    if (x->backward && u->wants_dx && !u->dz) {
        u->dz = place_f(x, assay_exec_dz(u) * x->kern->lanes);
    }
}

static void place_kept(struct assay_exec *x, uint32_t i)
{
    const struct assay_node *n = &x->graph->node[i];
    struct slot *s = &x->slot[i];
    const size_t pixels = x->groups * assay_exec_pixels(n);
    if (n->op == ASSAY_OP_AVG_POOL) s->inv = place_d(x, (size_t)n->h * n->w);
    if (!x->backward) return;
    const bool bn_kept = s->kept && n->op == ASSAY_OP_BN && !n->affine;
    if (n->op == ASSAY_OP_MAX_POOL || (n->op == ASSAY_OP_BN && (s->live || bn_kept)))
        s->xhat = place_f(x, pixels * ASSAY_IMAGES);
    if (s->kept) s->keep = bn_kept ? s->xhat : place_f(x, pixels * ASSAY_IMAGES);
    if (x->mixes && n->op == ASSAY_OP_RELU) s->gate = place(x, pixels);
}

static void place_saved(struct assay_exec *x)
{
    const struct assay_graph *g = x->graph;
    x->zero_begin = x->bytes;
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct slot *s = &x->slot[i];
        const struct assay_node *n = &g->node[i];
        if (!saves_act(x, i)) continue;
        s->act = place_f(x, (size_t)x->groups * n->c * (size_t)assay_exec_act_plane(n, s->halo));
    }
    for (uint32_t i = 0; i < x->n_unit; i++) {
        if (x->unit[i].conv != NONE) place_scratch(x, i);
    }
    x->zero_end = x->bytes;
    for (uint32_t i = 0; i < g->n_node; i++) place_kept(x, i);
}

int assay_exec_layout(struct assay_exec *x, struct assay_err *err)
{
    x->bytes = 64; // offset 0 means "none"
    place_common(x);
    for (uint32_t i = 0; i < x->n_unit; i++) place_unit(x, &x->unit[i]);
    uint32_t q = 0;
    for (uint32_t i = 0; x->backward && i < x->n_product; i++) {
        x->product[i].off = place(x, x->product[i].q * sizeof(ptrdiff_t));
        if (x->product[i].q > q) q = x->product[i].q;
    }
    x->own_off = place(x, q * sizeof(ptrdiff_t));
    if (x->backward) {
        assay_exec_join_jobs(x);
        place_sums(x);
    }
    place_saved(x);
    return assay_exec_place_region(x, err);
}
