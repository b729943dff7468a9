// SPDX-License-Identifier: Apache-2.0
// The backward pass: one sweep over the batch per level, group by group.
#include <string.h>

#include "exec/operation.h"

// ---- weight gradients -------------------------------------------------------------------------
// dy: the gradient of all rows of the product's unit.
static void outer_span(const struct assay_exec *x, const struct product *p, const real *dy,
                       const struct span *s, struct assay_ahead *ahead)
{
    const struct unit *u = &x->plan->unit[p->unit];
    const uint32_t src = p->column[0].src, halo = x->plan->slot[src].halo,
                   lanes = x->plan->back->lanes, co = u->co / u->groups;
    const struct assay_node *in = &x->plan->graph->node[src];
    const ptrdiff_t row = exec_back_row(x->plan, in, halo),
                    plane = exec_back_plane(x->plan, in, halo);
    const ptrdiff_t group_end = (ptrdiff_t)(in->c * plane) - s->y0 * row,
                    rows_end = (s->y1 - s->y0) * row;
    const struct assay_outer c = {.co = co,
                                  .q = p->q,
                                  .h = s->y1 - s->y0,
                                  .w = u->ow,
                                  .run = p->run,
                                  .windows = p->windows,
                                  .lift = AT(x, real, p->lift),
                                  .off = AT(x, ptrdiff_t, p->off),
                                  .dy_c = (ptrdiff_t)u->oh * u->ow * lanes,
                                  .dy_y = (ptrdiff_t)u->ow * lanes,
                                  .a_next = s->y1 == u->oh ? group_end : rows_end,
                                  .a_y = row * u->stride,
                                  .a_x = (ptrdiff_t)u->stride * exec_images(x),
                                  .ahead = ahead};
    const real *a = exec_act(x, src, s->group) + s->y0 * c.a_y;
    for (uint32_t k = 0; k < u->groups; k++) {
        const uint32_t end = u->g.c_off + (k + 1) * co;
        if (end <= s->c0 || end > s->c1) continue;
        x->plan->back->outer(&c, dy + k * co * c.dy_c + s->y0 * c.dy_y,
                             a + k * (u->ci / u->groups) * plane,
                             AT(x, real, p->acc) + (size_t)k * co * p->q * lanes);
    }
}

void exec_outer(const struct assay_exec *x, const struct product *p, const real *dy, uint32_t group)
{
    const struct span all = {.group = group,
                             .c1 = UINT32_MAX,
                             .y1 = x->plan->unit[p->unit].oh}; // dy is not the tensor's
    outer_span(x, p, dy, &all, NULL);
}

void exec_read(const struct assay_exec *x, const struct tensor *t, const struct span *s,
               struct assay_ahead *ahead)
{
    for (uint32_t i = 0; i < t->n_product; i++) {
        const struct product *p = &x->plan->product[t->first_product + i];
        if (!p->late) outer_span(x, p, exec_ref(x, &x->plan->unit[p->unit].g, s->group), s, ahead);
    }
}

// The rest of what is summed of one group, all rows of which have been read. Float totals go to
// double every ~1000 terms.
static void end_group(const struct assay_exec *x, const struct tensor *t, uint32_t group,
                      const struct pass *pass)
{
    const uint32_t every = t->hw < 1024 ? 1024 / t->hw : 1;
    const bool flush =
        pass->frozen || (group + 1) % every == 0 || group + 1 == pass->first_group + pass->n_group;
    if (pass->coef) exec_run_probes(x, t, group, flush);
    for (uint32_t i = 0; i < t->n_unit; i++) {
        const struct unit *u = &x->plan->unit[x->plan->reader[t->first_unit + i]];
        real *acc = AT(x, real, u->xdot_acc);
        if (!exec_sums_xdot(u)) continue;
        x->plan->back->sum(u->co, u->oh * u->ow, exec_ref(x, &u->g, group),
                           exec_xhat(x, u->bn, group), acc);
        if (flush)
            x->plan->back->flush(u->co, acc, AT(x, double, u->xdot_sum), u->co, !pass->frozen);
    }
    if (!flush) return;
    if (t->needs_sum)
        x->plan->back->flush(t->c, AT(x, real, t->acc), AT(x, double, t->sum), t->c, !pass->frozen);
    for (uint32_t i = 0; i < t->n_product; i++) {
        const struct product *p = &x->plan->product[t->first_product + i];
        const uint32_t co = x->plan->unit[p->unit].co;
        const size_t n = (size_t)co * p->q;
        real *acc = AT(x, real, p->acc);
        x->plan->back->window(co, p->windows, p->q, AT(x, real, p->lift), acc);
        x->plan->back->flush(n, acc, AT(x, double, p->sum), n, !pass->frozen);
    }
}

static void pool_backward(const struct assay_exec *x, const struct job *j, uint32_t group, real *dx,
                          bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user],
                            *in = &x->plan->graph->node[x->plan->graph->in[n->in]];
    const struct assay_pool p = {.c = n->c,
                                 .h = in->h,
                                 .w = in->w,
                                 .oh = n->h,
                                 .ow = n->w,
                                 .kernel = n->kernel,
                                 .stride = n->stride,
                                 .pad = n->pad,
                                 .scale = j->from.scale,
                                 .inv = AT(x, double, x->plan->slot[j->user].inv)};
    const real *dy = exec_ref(x, &j->from, group);
    if (n->op == ASSAY_OP_MAX_POOL)
        x->plan->back->maxpool(&p, dy, exec_xhat(x, j->user, group), dx, accumulate);
    else
        x->plan->back->pool(&p, dy, AT(x, real, x->plan->scratch), dx, accumulate);
}

static void relu_backward(const struct assay_exec *x, const struct job *j, uint32_t group, real *dx,
                          bool accumulate)
{
    const struct assay_node *n = &x->plan->graph->node[j->user];
    const ptrdiff_t lanes = x->plan->back->lanes, halo = x->plan->slot[j->user].halo,
                    row = exec_back_row(x->plan, n, (uint32_t)halo);
    const struct assay_planes p = {.c = n->c,
                                   .h = n->h,
                                   .w = n->w,
                                   .src_c = (ptrdiff_t)n->h * n->w * lanes,
                                   .src_y = n->w * lanes,
                                   .dst_c = (ptrdiff_t)n->h * n->w * lanes,
                                   .dst_y = n->w * lanes,
                                   .act_c = exec_back_plane(x->plan, n, (uint32_t)halo),
                                   .act_y = row};
    x->plan->back->relu(&p, exec_ref(x, &j->from, group), j->from.scale,
                        exec_act(x, j->user, group) + halo * (row + exec_images(x)), dx,
                        accumulate);
}

// A BN that is not behind a convolution of its own.
static void lone_bn_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                             bool frozen, real *dx, bool accumulate)
{
    const struct unit *u = &x->plan->unit[j->unit];
    real *to = accumulate ? AT(x, real, x->plan->scratch) : dx;
    exec_bn_backward(x, j, group, frozen,
                     &(struct patch){.c = u->co,
                                     .y1 = u->oh,
                                     .dst = to,
                                     .plane = (ptrdiff_t)u->oh * u->ow * x->plan->back->lanes});
    if (accumulate) x->plan->back->axpy((size_t)u->co * u->oh * u->ow, 1, to, dx, true);
}

static void run_job(const struct assay_exec *x, const struct job *j, uint32_t group, bool frozen,
                    bool accumulate)
{
    const struct tensor *t = &x->plan->tensor[j->tensor];
    real *dx = exec_gradient_at(x, t, group);
    switch ((enum assay_op)j->op) {
    case ASSAY_OP_BN:
        lone_bn_backward(x, j, group, frozen, dx, accumulate);
        break;
    case ASSAY_OP_RELU:
        relu_backward(x, j, group, dx, accumulate);
        break;
    case ASSAY_OP_MAX_POOL:
    case ASSAY_OP_AVG_POOL:
        pool_backward(x, j, group, dx, accumulate);
        break;
    case ASSAY_OP_GAP:
        x->plan->back->gap(t->c, t->hw, exec_ref(x, &j->from, group), j->from.scale, dx,
                           accumulate);
        break;
    default:
        exec_operation(j->op)->backward(x, j, group, dx, accumulate);
    }
}

static void clear_level(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    const size_t rows = pass->frozen ? x->plan->back->lanes : x->plan->back->cots;
    for (uint32_t i = 0; i < x->plan->n_tensor; i++) {
        const struct tensor *t = &x->plan->tensor[i];
        if (t->level != level) continue;
        if (t->needs_sum) memset(AT(x, double, t->sum), 0, t->c * rows * sizeof(double));
        if (pass->coef) exec_clear_probes(x, t);
        for (uint32_t k = 0; k < t->n_unit; k++) {
            const struct unit *u = &x->plan->unit[x->plan->reader[t->first_unit + k]];
            if (exec_sums_xdot(u))
                memset(AT(x, double, u->xdot_sum), 0, u->co * rows * sizeof(double));
        }
        for (uint32_t k = 0; k < t->n_product; k++) {
            const struct product *p = &x->plan->product[t->first_product + k];
            const size_t n = (size_t)x->plan->unit[p->unit].co * p->q;
            memset(AT(x, double, p->sum), 0, n * rows * sizeof(double));
        }
    }
}

// Jobs that add gradients as they are.
static void add_backward(const struct assay_exec *x, const struct job *j, uint32_t group,
                         bool accumulate)
{
    const struct tensor *t = &x->plan->tensor[j->tensor];
    struct assay_addend add[MAX_ADDENDS];
    for (uint32_t i = 0; i < j->n_add; i++)
        add[i] = (struct assay_addend){exec_ref(x, &j[i].from, group), j[i].from.scale};
    const struct assay_corr c = {.co = 1,
                                 .h = 1,
                                 .w = t->c * t->hw,
                                 .out_x = x->plan->back->lanes,
                                 .n_add = j->n_add,
                                 .add = add};
    x->plan->back->corr(&c, exec_gradient_at(x, t, group), accumulate);
}

// The gradient of one group, and the sums that need it.
static void make_group(const struct assay_exec *x, const struct tensor *t, uint32_t group,
                       const struct pass *pass)
{
    bool read = false;
    for (uint32_t k = 0, n; k < t->n_job; k += n) {
        const struct job *j = &x->plan->job[t->first_job + k];
        n = j->n_conv + j->n_add ? j->n_conv + j->n_add : 1;
        if (j->n_conv) {
            read = k + n == t->n_job && !t->replaced;
            exec_pass_backward(x, j, group, pass, k > 0, read);
        } else if (j->n_add) {
            add_backward(x, j, group, k > 0);
        } else {
            run_job(x, j, group, pass->frozen, k > 0);
        }
    }
    if (t->replaced && pass->show && x->taps) exec_replace(x, t, group);
    const struct span all = {.group = group, .c1 = t->c, .y1 = x->plan->graph->node[t->node].h};
    if (!read) {
        real *acc = AT(x, real, t->acc);
        if (t->needs_sum) x->plan->back->sum(t->c, t->hw, exec_gradient_at(x, t, group), NULL, acc);
        exec_read(x, t, &all, NULL);
    }
    end_group(x, t, group, pass);
}

static void sweep_level(const struct assay_exec *x, const struct pass *pass, uint32_t level)
{
    const bool show =
        pass->show && x->taps && (x->taps->gradient || x->taps->pulled || x->taps->products);
    if (show) exec_show_convs(x, pass, level);
    for (uint32_t g = pass->first_group; g < pass->first_group + pass->n_group; g++) {
        for (uint32_t i = 0; i < x->plan->n_tensor; i++) {
            const struct tensor *t = &x->plan->tensor[x->plan->order[i]];
            if (t->level != level || (t->node == 0 && !show)) continue;
            make_group(x, t, g, pass);
            if (show && !t->replaced) exec_show_tensor(x, t, g);
        }
    }
    if (show) exec_show_pulled(x, pass, level);
}

void exec_backward(struct assay_exec *x, const struct pass *pass)
{
    const bool layers = pass->show && x->taps && x->taps->layer;
    for (uint32_t level = 0; level < x->plan->n_level; level++) {
        if (layers) exec_show_layers(x, pass, level);
        clear_level(x, pass, level);
        sweep_level(x, pass, level);
        exec_finish_level(x, pass, level);
    }
}
