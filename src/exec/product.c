// SPDX-License-Identifier: Apache-2.0
// Weight gradients that read one gradient together: a product of matrices with a column for every
// input channel and tap that any of them needs. What two of them need is there once: the gradient
// of a 1x1 convolution beside a 3x3 one is that one's middle tap.
#include "exec/plan.h"

#define WINDOW_PAIRS 1024 // of output and input channels, whose windows are worth kern/window.h

static bool alike(const struct assay_plan *plan, const struct unit *u, const struct unit *v)
{
    const struct assay_node *a = &plan->graph->node[u->src], *b = &plan->graph->node[v->src];
    return v->conv != NONE && u->g.tensor == v->g.tensor && u->g.c_off == v->g.c_off &&
           u->co == v->co && u->groups == 1 && v->groups == 1 && u->stride == v->stride &&
           a->c == b->c && a->h == b->h && a->w == b->w &&
           plan->slot[u->src].halo == plan->slot[v->src].halo;
}

// Columns in sequence at equal distances.
static uint32_t run_of(const struct unit *u)
{
    if (exec_taps(u) > 1) return u->kernel_w > 1 ? u->kernel_w : u->kernel;
    return u->ci % 3 == 0 ? 3 : 1;
}

static struct column column_of(const struct assay_plan *plan, const struct unit *u, uint32_t q)
{
    const struct assay_node *in = &plan->graph->node[u->src];
    const uint32_t halo = plan->slot[u->src].halo, taps = exec_taps(u), tap = q % taps;
    const ptrdiff_t y = tap / u->kernel_w * u->dilation + halo - u->pad;
    const ptrdiff_t c = tap % u->kernel_w * u->dilation + halo - u->pad;
    return (struct column){.src = u->src,
                           .at = q / taps * exec_back_plane(plan, in, halo) +
                                 y * exec_back_row(plan, in, halo) + c * plan->back->images};
}

// Finds column q of u among the product's, or returns its number of columns.
static uint32_t find(const struct assay_plan *plan, const struct product *p, const struct unit *u,
                     uint32_t q)
{
    const struct column c = column_of(plan, u, q);
    uint32_t i = 0;
    while (i < p->q && (p->column[i].src != c.src || p->column[i].at != c.at)) i++;
    return i;
}

static void add_columns(const struct assay_plan *plan, struct product *p, struct unit *u)
{
    bool found = p->q > 0;
    for (uint32_t q = 0; q < u->q && found; q++) {
        u->col[q] = find(plan, p, u, q);
        found = u->col[q] < p->q;
    }
    for (uint32_t q = 0; q < u->q && !found; q++) {
        u->col[q] = p->q;
        p->column[p->q++] = column_of(plan, u, q);
    }
}

// Do the nine columns from this one on make a 3x3 window?
static bool is_window(const struct assay_plan *plan, const struct column *c)
{
    const ptrdiff_t row = exec_back_row(plan, &plan->graph->node[c->src], plan->slot[c->src].halo);
    bool is = true;
    for (int k = 1; k < 9; k++)
        is &= c[k].src == c->src &&
              c[k].at == c->at + k / 3 * row + k % 3 * (ptrdiff_t)plan->back->images;
    return is;
}

// The product of unit first and all of n units that are alike, larger kernels first.
static int make(struct assay_plan *plan, const uint32_t *unit, uint32_t n, struct unit *first)
{
    struct product *p = &plan->product[plan->n_product];
    uint32_t q = 0, members = 0;
    *p = (struct product){
        .unit = (uint32_t)(first - plan->unit), .late = first->late, .run = run_of(first)};
    for (uint32_t i = 0; i < n; i++) {
        struct unit *u = &plan->unit[unit[i]];
        if (u->product != NONE || (u != first && (u->late || !alike(plan, first, u)))) continue;
        u->product = plan->n_product;
        u->col = assay_arena_alloc(&plan->meta, u->q * sizeof *u->col);
        if (!u->col) return -1;
        q += u->q, members++;
        const bool across = (u->kernel_w > 1) == (first->kernel_w > 1);
        if (run_of(u) != p->run || u->dilation != first->dilation || !across) p->run = 1;
    }
    if (members == 1 && exec_taps(first) == 1) p->run = 3; // the channels of one input
    p->column = assay_arena_alloc(&plan->meta, q * sizeof *p->column);
    if (!p->column) return -1;
    for (uint32_t taps = MAX_TAPS; taps > 0; taps--) {
        for (uint32_t i = 0; i < n; i++) {
            struct unit *u = &plan->unit[unit[i]];
            if (u->product == plan->n_product && exec_taps(u) == taps) add_columns(plan, p, u);
        }
    }
    // One output channel's sums would wait for themselves, those of many do not stay in cache.
    const bool good = first->stride == 1 && first->groups == 1 && first->co > 1 &&
                      first->co * first->ci <= WINDOW_PAIRS;
    while (good && 9 * (p->windows + 1) <= p->q && is_window(plan, &p->column[9 * p->windows]))
        p->windows++;
    plan->n_product++;
    return 0;
}

int plan_products(struct assay_plan *plan, struct assay_err *err)
{
    plan->n_product = 0;
    plan->product = assay_arena_alloc(&plan->meta, (plan->n_unit + 1) * sizeof *plan->product);
    bool made = plan->product;
    for (uint32_t i = 0; i < plan->n_unit; i++) plan->unit[i].product = NONE;
    for (uint32_t i = 0; i < plan->n_tensor && made; i++) {
        struct tensor *t = &plan->tensor[i];
        t->first_product = plan->n_product;
        for (uint32_t k = 0; k < t->n_unit && made; k++) {
            struct unit *u = &plan->unit[plan->reader[t->first_unit + k]];
            if (u->conv != NONE && !u->late && u->product == NONE)
                made = make(plan, plan->reader + t->first_unit, t->n_unit, u) == 0;
        }
        for (uint32_t k = 0; k < t->n_job && made; k++) {
            const struct job *j = &plan->job[t->first_job + k];
            if (j->unit == NONE || !plan->unit[j->unit].late) continue;
            made = make(plan, &j->unit, 1, &plan->unit[j->unit]) == 0;
        }
        t->n_product = plan->n_product - t->first_product;
    }
    if (made) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
}
