// SPDX-License-Identifier: Apache-2.0
// Constant contents of a plan's buffers, and the packing of parameters.
#include <string.h>

#include "exec/run.h"

static void fill_valid(struct assay_exec *x)
{
    const uint32_t tail = x->plan->n - (x->plan->groups - 1) * ASSAY_IMAGES;
    for (uint32_t i = 0; i < ASSAY_IMAGES; i++) {
        AT(x, double, x->plan->valid)[i] = 1;
        AT(x, double, x->plan->valid_last)[i] = i < tail ? 1 : 0;
    }
}

static void fill_constants(struct assay_exec *x)
{
    const size_t c = (x->plan->zeros - x->plan->ones) / sizeof(double);
    for (size_t i = 0; i < c; i++) {
        AT(x, double, x->plan->ones)[i] = 1;
        AT(x, double, x->plan->zeros)[i] = 0;
    }
}

static void fill_pool(struct assay_exec *x, uint32_t node)
{
    const struct assay_node *n = &x->plan->graph->node[node],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    double *inv = AT(x, double, x->plan->slot[node].inv);
    for (uint32_t i = 0; i < n->h * n->w; i++) {
        uint32_t rows = 0, cols = 0;
        for (uint32_t k = 0; k < n->kernel; k++) {
            rows += i / n->w * n->stride + k - n->pad < in->h;
            cols += i % n->w * n->stride + k - n->pad < in->w;
        }
        inv[i] = 1.0 / (rows * cols);
    }
}

static void fill_forward(struct assay_exec *x, const struct unit *u)
{
    const int32_t row = (int32_t)(u->w + 2 * x->plan->slot[u->src].pad) * ASSAY_IMAGES;
    int32_t *off = AT(x, int32_t, u->taps_off);
    for (uint32_t t = 0; t < exec_taps(u); t++) {
        off[t] = (int32_t)(t / u->kernel_w * u->dilation) * row +
                 (int32_t)(t % u->kernel_w * u->dilation) * ASSAY_IMAGES;
    }
}

static void fill_product(struct assay_exec *x, const struct product *p)
{
    ptrdiff_t *off = AT(x, ptrdiff_t, p->off);
    const size_t first = x->plan->slot[p->column[0].src].act;
    for (uint32_t k = 0; k < p->q; k++) {
        const ptrdiff_t bytes = (ptrdiff_t)(x->plan->slot[p->column[k].src].act - first);
        off[k] = bytes / (ptrdiff_t)sizeof(real) + p->column[k].at;
    }
}

// Visits the taps of one stride parity: tap k reads dz at (y + pad - k d) / s.
static uint32_t parity_taps(const struct unit *u, const struct parity *p, uint32_t *tap, int *dy,
                            int *dx)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < exec_taps(u); k++) {
        const int y = (int)(p->ry + u->pad) - (int)(k / u->kernel_w * u->dilation);
        const int c = (int)(p->rx + u->pad) - (int)(k % u->kernel_w * u->dilation);
        if (y % (int)u->stride != 0 || c % (int)u->stride != 0) continue;
        tap[n] = k, dy[n] = y / (int)u->stride, dx[n] = c / (int)u->stride;
        n++;
    }
    return n;
}

static void fill_transpose(struct assay_exec *x, const struct unit *u)
{
    uint32_t tap[MAX_TAPS];
    int dy[MAX_TAPS], dx[MAX_TAPS];
    for (uint32_t i = 0; i < u->n_parity; i++) {
        const struct parity *p = &u->parity[i];
        int32_t *off = AT(x, int32_t, p->off);
        const uint32_t n = parity_taps(u, p, tap, dy, dx);
        for (uint32_t t = 0; t < n; t++) {
            off[t] = ((dy[t] + (int)u->halo) * (int)(u->ow + 2 * u->halo) + dx[t] + (int)u->halo) *
                     (int)x->plan->kern->lanes;
        }
    }
}

// Accumulators are zero between passes: a flush leaves them so.
static void clear_accumulators(struct assay_exec *x)
{
    const size_t lane = x->plan->kern->lanes * sizeof(real);
    for (uint32_t i = 0; i < x->plan->n_unit; i++) {
        const struct unit *u = &x->plan->unit[i];
        if (u->g.tensor == NONE) continue;
        if (exec_sums_xdot(u)) memset(AT(x, real, u->xdot_acc), 0, u->co * lane);
    }
    for (uint32_t i = 0; i < x->plan->n_product; i++) {
        const struct product *p = &x->plan->product[i];
        memset(AT(x, real, p->acc), 0, (size_t)x->plan->unit[p->unit].co * p->q * lane);
        memset(AT(x, real, p->lift), 0, exec_lift_bytes(x->plan, p));
    }
    for (uint32_t i = 0; i < x->plan->n_tensor; i++) {
        if (x->plan->tensor[i].needs_sum)
            memset(AT(x, real, x->plan->tensor[i].acc), 0, x->plan->tensor[i].c * lane);
    }
    for (uint32_t i = 0; i < x->plan->n_probe; i++)
        memset(AT(x, real, x->plan->probe[i].acc), 0,
               x->plan->graph->node[x->plan->probe[i].node].c * lane);
}

void exec_fill(struct assay_exec *x)
{
    memset(x->base + x->plan->zero_begin, 0, x->plan->zero_end - x->plan->zero_begin);
    fill_valid(x);
    fill_constants(x);
    if (x->plan->backward) clear_accumulators(x);
    for (uint32_t i = 0; i < x->plan->graph->n_node; i++) {
        if (x->plan->graph->node[i].op == ASSAY_OP_AVG_POOL) fill_pool(x, i);
    }
    for (uint32_t i = 0; x->plan->backward && i < x->plan->n_product; i++)
        fill_product(x, &x->plan->product[i]);
    for (uint32_t i = 0; i < x->plan->n_unit; i++) {
        const struct unit *u = &x->plan->unit[i];
        if (u->conv == NONE) continue;
        fill_forward(x, u);
        if (!x->plan->backward || !u->live) continue;
        // With a BN, finishing its level sets these.
        for (uint32_t c = 0; c < u->co; c++) AT(x, real, u->k1)[c] = (real)u->g.scale;
        if (u->wants_dx) fill_transpose(x, u);
    }
}

// ---- parameters -------------------------------------------------------------------------------
// (co/groups, ci/groups, taps) of one group to (tile, ci, tap, co in tile).
static void pack_forward(struct assay_exec *x, const struct unit *u, uint32_t group,
                         const double *w)
{
    const uint32_t co = u->co / u->groups;
    double *out = AT(x, double, u->weight64) + (size_t)group * co * u->q;
    for (uint32_t o = 0; o < co;) {
        const uint32_t n = assay_kern_tile(x->plan->kern, co - o);
        for (uint32_t q = 0; q < u->q; q++) {
            for (uint32_t j = 0; j < n; j++) *out++ = w[(size_t)(o + j) * u->q + q];
        }
        o += n;
    }
}

// The transpose: outputs are the convolution's inputs, taps those of one stride parity.
static void pack_transpose(struct assay_exec *x, const struct unit *u, const struct parity *p,
                           uint32_t group, const double *w)
{
    const uint32_t ci = u->ci / u->groups, co = u->co / u->groups;
    uint32_t tap[MAX_TAPS];
    int dy[MAX_TAPS], dx[MAX_TAPS];
    const uint32_t taps = parity_taps(u, p, tap, dy, dx);
    real *out = AT(x, real, p->weight) + (size_t)group * ci * co * taps;
    for (uint32_t i = 0; i < ci;) {
        const uint32_t n = assay_kern_tile(x->plan->kern, ci - i);
        for (uint32_t o = 0; o < co; o++) {
            for (uint32_t t = 0; t < taps; t++) {
                for (uint32_t j = 0; j < n; j++)
                    *out++ = (real)w[((size_t)o * ci + i + j) * exec_taps(u) + tap[t]];
            }
        }
        i += n;
    }
}

// The same, lifted: of each row (g0, g1, g2) of a kernel (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) /
// 2, g2).
static void pack_lifted(struct assay_exec *x, const struct unit *u, uint32_t group, const double *w)
{
    const uint32_t ci = u->ci / u->groups, co = u->co / u->groups, most = x->plan->kern->lift_co;
    const struct parity *p = &u->parity[0];
    real *out = AT(x, real, p->weight) + group * exec_packed(u, p);
    for (uint32_t i = 0, end = 0, n; i < ci; i += n) {
        if (i == end) end += assay_kern_tile(x->plan->kern, ci - i);
        n = assay_share(end - i, most);
        for (uint32_t k = 0; k < 3 * co; k++, out += 4 * n) {
            const double *g = w + ((size_t)(k / 3) * ci + i) * 9 + 3 * (2 - k % 3);
            for (uint32_t j = 0; j < n; j++, g += 9) {
                const double even = 0.5 * (g[0] + g[2]), odd = 0.5 * g[1];
                out[j] = (real)g[2], out[n + j] = (real)(even + odd);
                out[2 * n + j] = (real)(even - odd), out[3 * n + j] = (real)g[0];
            }
        }
    }
}

void exec_pack(struct assay_exec *x, const double *theta)
{
    memcpy(AT(x, double, x->plan->theta), theta, x->plan->graph->n_theta * sizeof *theta);
    for (uint32_t i = 0; i < x->plan->n_unit; i++) {
        const struct unit *u = &x->plan->unit[i];
        if (u->conv == NONE) continue;
        const double *w = theta + x->plan->graph->param[u->p_weight].offset;
        for (uint32_t g = 0; g < u->groups; g++) {
            const double *wg = w + (size_t)g * (u->co / u->groups) * u->q;
            pack_forward(x, u, g, wg);
            if (!x->plan->backward || !u->wants_dx) continue;
            for (uint32_t p = 0; p < u->n_parity && !u->lifted; p++)
                pack_transpose(x, u, &u->parity[p], g, wg);
            if (u->lifted) pack_lifted(x, u, g, wg);
        }
        double *bias = AT(x, double, u->bias64);
        for (uint32_t c = 0; c < u->co; c++)
            bias[c] = u->p_bias == NONE ? 0 : theta[x->plan->graph->param[u->p_bias].offset + c];
    }
}
