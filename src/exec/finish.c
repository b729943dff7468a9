// SPDX-License-Identifier: Apache-2.0
// Ends a level: from the sums over the batch, the constants of BN's backward pass and rows of the
// Jacobian.
#include <string.h>

#include "exec/run.h"

// ---- cotangent-independent sums ---------------------------------------------------------------
// One row of activations, summed over the outputs of a row for each horizontal tap.
static void add_row_sums(const struct assay_exec *x, const struct unit *u, const real *row,
                         double sum[MAX_KERNEL])
{
    const uint32_t images = exec_images(x);
    for (uint32_t k = 0; k < u->kernel_w; k++) {
        const real *p = row + (ptrdiff_t)(k * u->dilation) * images;
        double s[ASSAY_MAX_LANES] = {0};
        for (uint32_t i = 0; i < u->ow; i++, p += u->stride * images) {
            for (uint32_t l = 0; l < images; l++) s[l] += p[l];
        }
        sum[k] = 0;
        for (uint32_t l = 0; l < images; l += 4)
            sum[k] += (s[l] + s[l + 1]) + (s[l + 2] + s[l + 3]);
    }
}

// K1[c, tap] = sum of the activations a tap sees, over images and output positions.
static void add_tap_sums(const struct assay_exec *x, const struct unit *u, uint32_t group,
                         double *sum)
{
    const struct assay_node *in = &x->plan->graph->node[u->src];
    const uint32_t halo = x->plan->slot[u->src].halo;
    const ptrdiff_t row = exec_back_row(x->plan, in, halo),
                    plane = exec_back_plane(x->plan, in, halo);
    const real *first = exec_act(x, u->src, group) + (halo - u->pad) * (row + exec_images(x));
    for (uint32_t c = 0; c < u->ci; c++, sum += exec_taps(u)) {
        const uint32_t rows = (u->oh - 1) * u->stride + (u->kernel - 1) * u->dilation + 1;
        for (uint32_t y = 0; y < rows; y++) {
            double of_row[MAX_KERNEL];
            add_row_sums(x, u, first + c * plane + y * row, of_row);
            for (uint32_t ky = 0; ky < u->kernel; ky++) {
                const uint32_t top = ky * u->dilation;
                if (y < top || (y - top) % u->stride != 0 || (y - top) / u->stride >= u->oh)
                    continue;
                for (uint32_t kx = 0; kx < u->kernel_w; kx++)
                    sum[ky * u->kernel_w + kx] += of_row[kx];
            }
        }
    }
}

struct product exec_own_product(const struct assay_exec *x, uint32_t unit)
{
    const struct unit *u = &x->plan->unit[unit];
    struct product own = x->plan->product[u->product];
    const ptrdiff_t *off = AT(x, ptrdiff_t, own.off);
    for (uint32_t q = 0; q < u->q; q++) AT(x, ptrdiff_t, x->plan->own_off)[q] = off[u->col[q]];
    own.unit = unit, own.q = u->q, own.off = x->plan->own_off;
    own.run = u->kernel_w > 1 ? u->kernel_w : u->kernel > 1 ? u->kernel : 3;
    own.windows = u->kernel == 3 && u->kernel_w == 3 && u->col[0] < 9 * own.windows ? u->ci : 0;
    return own;
}

// K2[o, q] = sum of xhat (x) a, by the weight-gradient kernel itself.
static void add_xhat_outer(const struct assay_exec *x, const struct product *p, uint32_t group)
{
    const struct unit *u = &x->plan->unit[p->unit];
    const size_t pixels = exec_pixels(&x->plan->graph->node[u->bn]), n = (size_t)u->co * p->q;
    real *dy = exec_xhat(x, u->bn, group);
    if (x->plan->back->cots > 1) {
        x->plan->back->spread(pixels, dy, AT(x, real, x->plan->spread));
        dy = AT(x, real, x->plan->spread);
    }
    exec_outer(x, p, dy, group);
    x->plan->back->window(u->co, p->windows, p->q, AT(x, real, p->lift), AT(x, real, p->acc));
    x->plan->back->flush(n, AT(x, real, p->acc), AT(x, double, p->sum), n, true);
}

void exec_batch_sums(struct assay_exec *x)
{
    for (uint32_t i = 0; i < x->plan->n_unit; i++) {
        const struct unit *u = &x->plan->unit[i];
        if (u->conv == NONE || u->bn == NONE || !u->live || u->late) continue;
        const struct product p = exec_own_product(x, i);
        const size_t n = (size_t)u->co * u->q;
        double *sum = AT(x, double, p.sum), *k1 = AT(x, double, u->a_sum);
        memset(sum, 0, n * x->plan->back->cots * sizeof *sum);
        memset(k1, 0, (size_t)u->ci * exec_taps(u) * sizeof *k1);
        for (uint32_t g = 0; g < x->plan->back_groups; g++) {
            add_tap_sums(x, u, g, k1);
            add_xhat_outer(x, &p, g);
        }
        memcpy(AT(x, double, u->xa_sum), sum, n * sizeof *sum);
    }
}

// ---- one row of one unit ----------------------------------------------------------------------
struct row {
    const struct pass *pass;
    uint32_t index;     // cotangent (batch BN) or lane (frozen)
    double *out;        // the Jacobian's row, NULL: dropped
    double scale;       // of the gradient reference
    const double *s;    // S (co)
    const double *raw;  // (co, q) of the product
    const double *xdot; // lone BN: sum dy*xhat (co)
    const double *all; // (2, co): S and sum dy*xhat of all parts of the batch; NULL: there are none
};

static const double *raw_row(const struct assay_exec *x, const struct unit *u, const struct row *r,
                             uint32_t c)
{
    return r->raw + (size_t)c * x->plan->product[u->product].q;
}

// Which of the `width` numbers of channel c of a parameter are wanted, and where they go.
struct target {
    double *out;
    uint64_t begin, end;
};

static struct target target_of(const struct assay_exec *x, const struct row *r, uint32_t param,
                               uint32_t c, uint64_t width)
{
    struct target to = {.out = r->out};
    if (!r->out || param == NONE) return to;
    if (r->pass->firsts) {
        to.out += param;
        to.end = c == 0;
        return to;
    }
    const uint64_t at = x->plan->graph->param[param].offset + c * width, from = x->from,
                   end = from + r->pass->columns;
    if (at >= end || at + width <= from) return to;
    to.begin = at < from ? from - at : 0;
    to.end = at + width > end ? end - at : width;
    to.out += at + to.begin - from;
    return to;
}

static void put(const struct assay_exec *x, const struct row *r, uint32_t param, uint32_t c,
                double value)
{
    const struct target to = target_of(x, r, param, c, 1);
    if (to.end) *to.out = value;
}

// BN backward of channel c: dz = k1 dy + k0 + k2 xhat with dy in units of the referenced tensor.
static void set_bn_constants(const struct assay_exec *x, const struct unit *u, const struct row *r,
                             uint32_t c, double slope, double m1, double m2)
{
    const uint32_t lanes = x->plan->back->lanes,
                   tail = x->plan->n - (x->plan->back_groups - 1) * exec_images(x);
    const size_t at = (size_t)c * lanes + r->index * exec_images(x);
    real *k0 = AT(x, real, u->k0) + at, *last = AT(x, real, u->k0_last) + at,
         *k2 = AT(x, real, u->k2) + at;
    for (uint32_t l = 0; l < exec_images(x); l++) {
        k0[l] = (real)(-slope * m1);
        last[l] = l < tail ? k0[l] : 0;
        k2[l] = (real)(-slope * m2);
    }
}

// sum dy*z of channel c, z the convolution's output without its bias: <w, raw>.
static double weight_dot(const struct assay_exec *x, const struct unit *u, const struct row *r,
                         uint32_t c)
{
    const double *w = AT(x, double, x->plan->theta) + x->plan->graph->param[u->p_weight].offset +
                      (size_t)c * u->q;
    const double *raw = raw_row(x, u, r, c);
    double s = 0;
    for (uint32_t q = 0; q < u->q; q++) s += w[q] * raw[u->col[q]];
    return s;
}

static void weight_row(const struct assay_exec *x, const struct unit *u, const struct row *r,
                       uint32_t c, double slope, double m1, double m2)
{
    struct target to = target_of(x, r, u->p_weight, c, u->q);
    if (to.begin == to.end) return;
    const double *raw = raw_row(x, u, r, c);
    if (u->bn == NONE || r->pass->frozen || exec_is_fixed(x->plan, u)) {
        for (uint64_t q = to.begin; q < to.end; q++) *to.out++ = slope * r->scale * raw[u->col[q]];
        return;
    }
    const double *k1 = AT(x, double, u->a_sum) + (size_t)(c / (u->co / u->groups)) * u->q;
    const double *k2 = AT(x, double, u->xa_sum) + (size_t)c * u->q;
    for (uint64_t q = to.begin; q < to.end; q++)
        *to.out++ = slope * (r->scale * raw[u->col[q]] - m1 * k1[q] - m2 * k2[q]);
}

// sum dy*xhat of channel c.
static double xhat_dot(const struct assay_exec *x, const struct unit *u, const struct row *r,
                       uint32_t c)
{
    const double mean = AT(x, double, u->mean)[c], rstd = AT(x, double, u->rstd)[c];
    const double bias = u->p_bias == NONE ? 0 : AT(x, double, u->bias64)[c];
    return r->scale * (exec_sums_xdot(u)
                           ? r->xdot[c]
                           : (weight_dot(x, u, r, c) - (mean - bias) * r->s[c]) * rstd);
}

static void channel_row(const struct assay_exec *x, const struct unit *u, const struct row *r,
                        uint32_t c)
{
    double slope = 1, m1 = 0, m2 = 0;
    if (u->bn != NONE) {
        const double rstd = AT(x, double, u->rstd)[c];
        const bool none = x->plan->slot[u->bn].norm == ASSAY_NORM_NONE;
        const double gamma =
            u->p_gamma == NONE || none
                ? 1
                : AT(x, double, x->plan->theta)[x->plan->graph->param[u->p_gamma].offset + c];
        const double s = r->scale * r->s[c], xdot = xhat_dot(x, u, r, c);
        const double count = (double)x->plan->batch * u->oh * u->ow;
        if (!none) put(x, r, u->p_gamma, c, xdot);
        if (!none) put(x, r, u->p_beta, c, s);
        slope = gamma * rstd;
        if (!exec_is_fixed(x->plan, u)) {
            m1 = (r->all ? r->all[c] : s) / count;
            m2 = (r->all ? r->all[u->co + c] : xdot) / count;
        }
        if (r->index == 0) AT(x, real, u->k1)[c] = (real)(slope * r->scale);
        if (!r->pass->frozen) set_bn_constants(x, u, r, c, slope, m1, m2);
    }
    // Of a batch that a BN normalises it has no gradient.
    const bool normed = u->bn != NONE && !r->pass->frozen && !exec_is_fixed(x->plan, u);
    if (u->p_bias != NONE) put(x, r, u->p_bias, c, normed ? 0 : slope * r->scale * r->s[c]);
    if (u->conv != NONE && !u->late) weight_row(x, u, r, c, slope, m1, m2);
}

static struct row row_of(const struct assay_exec *x, const struct pass *pass,
                         const struct tensor *t, const struct unit *u, uint32_t i)
{
    struct row r = {.pass = pass, .index = i, .out = pass->out[i], .scale = u->g.scale};
    if (t->needs_sum) r.s = AT(x, double, t->sum) + (size_t)i * t->c + u->g.c_off;
    if (!exec_sums_xdot(u))
        r.raw = AT(x, double, x->plan->product[u->product].sum) +
                (size_t)i * u->co * x->plan->product[u->product].q;
    else
        r.xdot = AT(x, double, u->xdot_sum) + (size_t)i * u->co;
    return r;
}

// *all: as of struct row, of the unit's first row on; moves on to the next unit's.
static void finish_unit(const struct assay_exec *x, const struct pass *pass, const struct tensor *t,
                        const struct unit *u, const double **all)
{
    const uint32_t rows = pass->frozen ? x->plan->back->lanes : x->plan->back->cots;
    for (uint32_t i = 0; i < rows; i++) {
        struct row r = row_of(x, pass, t, u, i);
        if (*all && u->bn != NONE) r.all = *all, *all += 2 * u->co;
        for (uint32_t c = 0; c < u->co; c++) channel_row(x, u, &r, c);
    }
}

static const struct unit *reader_of(const struct assay_exec *x, const struct tensor *t, uint32_t k)
{
    return &x->plan->unit[x->plan->reader[t->first_unit + k]];
}

// What the BNs behind a tensor's units take of the batch, from *at on.
static void put_sums(const struct assay_exec *x, const struct pass *pass, const struct tensor *t,
                     double **at)
{
    for (uint32_t k = 0; k < t->n_unit; k++) {
        const struct unit *u = reader_of(x, t, k);
        for (uint32_t i = 0; i < x->plan->back->cots && u->bn != NONE; i++, *at += 2 * u->co) {
            const struct row r = row_of(x, pass, t, u, i);
            for (uint32_t c = 0; c < u->co; c++) {
                (*at)[c] = r.scale * r.s[c];
                (*at)[u->co + c] = xhat_dot(x, u, &r, c);
            }
        }
    }
}

// Sums over all parts of the batch, in the order in which units are finished; NULL: this is no
// part.
static const double *share_sums(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    if (!x->parts || pass->frozen) return NULL;
    double *begin = AT(x, double, x->plan->shared), *end = begin;
    for (uint32_t i = 0; i < x->plan->n_tensor; i++)
        if (x->plan->tensor[i].level == level) put_sums(x, pass, &x->plan->tensor[i], &end);
    if (end > begin) x->parts->sum(x->parts->self, (size_t)(end - begin), begin);
    return begin;
}

// The weight gradient of a late unit is what was summed.
static void finish_late(const struct assay_exec *x, const struct pass *pass,
                        const struct product *p)
{
    const struct unit *u = &x->plan->unit[p->unit];
    const size_t n = (size_t)u->co * u->q;
    const struct row r = {.pass = pass, .out = pass->out[0]};
    const struct target to = target_of(x, &r, u->p_weight, 0, n);
    if (to.begin < to.end)
        memcpy(to.out, AT(x, double, p->sum) + to.begin, (to.end - to.begin) * sizeof *to.out);
}

void exec_finish_level(struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    const double *all = share_sums(x, pass, level);
    for (uint32_t i = 0; i < x->plan->n_tensor; i++) {
        const struct tensor *t = &x->plan->tensor[i];
        if (t->level != level) continue;
        for (uint32_t k = 0; k < t->n_unit; k++) finish_unit(x, pass, t, reader_of(x, t, k), &all);
        for (uint32_t k = 0; k < t->n_product; k++) {
            const struct product *p = &x->plan->product[t->first_product + k];
            if (p->late) finish_late(x, pass, p);
        }
        if (pass->coef) exec_finish_probes(x, t, pass->coef);
    }
}
