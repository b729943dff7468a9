// SPDX-License-Identifier: Apache-2.0
// Rows of a Jacobian that a rank has, of all parameters or of a block of them at a time. With
// frozen BN they are of the rank's own images; with batch BN every rank has an addend to all rows.
#include "subject.h"

#include <string.h>

bool jacobian_is_single(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return s->protocol->precision == ASSAY_SINGLE && !pass->pass.precise &&
           assay_pla_large(memo_rows(s, pass));
}

uint32_t jacobian_unit(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return memo_rows(s, pass) / forward_images(s, wanted_forward(s, pass));
}

static bool may_divide(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return has_kernel(&pass->pass) && assay_pla_in_blocks(memo_rows(s, pass), s->team);
}

uint32_t jacobian_blocks(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return may_divide(s, pass) && s->blocks ? s->blocks : 1;
}

static uint64_t parameters(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return forward_graph(s, wanted_forward(s, pass))->n_weight;
}

// Of a block, the last of which may have fewer, or none.
static uint64_t columns_of(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const uint64_t p = parameters(s, pass), n = jacobian_blocks(s, pass), each = (p + n - 1) / n;
    return n == 1 ? p : (each + ASSAY_PLA_PANEL - 1) / ASSAY_PLA_PANEL * ASSAY_PLA_PANEL;
}

bool jacobian_divides(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return may_divide(s, pass) && columns_of(s, pass) > ASSAY_PLA_PANEL;
}

static struct assay_run_of_rows rows_of(const struct assay_subject *s,
                                        const struct assay_wanted_pass *pass)
{
    return assay_pla_rows(memo_rows(s, pass), jacobian_unit(s, pass), s->team,
                          assay_pla_rank(s->pla));
}

// Rows begin on cache lines.
size_t memo_row_ld(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const size_t line = jacobian_is_single(s, pass) ? 16 : 8;
    return (forward_graph(s, wanted_forward(s, pass))->n_theta + line - 1) / line * line;
}

static size_t jacobian_ld(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return jacobian_blocks(s, pass) > 1 ? columns_of(s, pass) : memo_row_ld(s, pass);
}

static size_t bytes_of(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return rows_of(s, pass).count * jacobian_ld(s, pass) *
           (jacobian_is_single(s, pass) ? sizeof(float) : sizeof(double));
}

// Kernels need it all, others take what there is.
size_t memo_jacobian_bytes(const struct assay_subject *s)
{
    size_t most[2] = {0, 0}; // of other passes, of kernels
    for (uint32_t i = 0; i < s->demand->n_pass; i++) {
        const struct assay_wanted_pass *pass = &s->demand->pass[i];
        const bool kernel = has_kernel(&pass->pass);
        if (!kernel && pass->pass.pull != ASSAY_PULL_ROWS) continue;
        const size_t bytes = bytes_of(s, pass);
        if (bytes > most[kernel]) most[kernel] = bytes;
    }
    return most[1] ? most[1] : most[0];
}

int memo_jacobian(struct assay_subject *s, struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(memo_get(s, &memo, err));
    return memo->jac ? ASSAY_OK : memo_alloc(s, memo_jacobian_bytes(s), &memo->jac, err);
}

// Whether the rank has addends to all rows.
static bool is_coupled(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    return in_parts(s, &pass->pass) && pass->pass.bn == ASSAY_BN_BATCH;
}

size_t jacobian_work(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    if (!jacobian_is_single(s, pass) && !is_coupled(s, pass)) return 0;
    return assay_exec_block(jacobian_unit(s, pass)) * columns_of(s, pass) * sizeof(double);
}

// ---- making it ----------------------------------------------------------------------------------
// A block of parameters of those rows.
struct block {
    const double *cot;
    uint32_t unit;
    uint64_t from;
    struct assay_run_of_rows rows; // that the rank has, counted as the executor does
    const struct assay_la_rows *jac;
};

// Keeps what is the rank's of rows [first, first + count).
static void keep(const struct block *b, uint64_t first, uint64_t count, const double *row)
{
    const struct assay_la_rows *jac = b->jac;
    for (uint64_t i = first; i < first + count; i++, row += jac->p) {
        if (i < b->rows.first || i >= b->rows.first + b->rows.count) continue;
        const size_t at = (i - b->rows.first) * jac->ld;
        if (!jac->single) {
            memcpy((double *)jac->at + at, row, jac->p * sizeof *row);
            continue;
        }
        float *to = (float *)jac->at + at;
        for (uint64_t k = 0; k < jac->p; k++) to[k] = (float)row[k];
    }
}

// As many rows at a time as go through the executor together, by way of memo->work.
static int make_through(struct assay_subject *s, const struct assay_wanted_pass *pass,
                        const struct block *b, struct assay_err *err)
{
    const bool coupled = is_coupled(s, pass);
    const uint64_t end = coupled ? memo_rows(s, pass) : b->rows.count,
                   each = assay_exec_block(b->unit);
    double *row = s->memo->work;
    for (uint64_t first = 0, n; first < end; first += n) {
        n = end - first < each ? end - first : each;
        assay_exec_jacobian_columns(s->exec, pass->pass.bn, b->cot, b->unit, first, n, b->from,
                                    b->jac->p, row, b->jac->p);
        if (coupled)
            ASSAY_TRY(assay_pla_sum_rows(s->pla, memo_rows(s, pass), b->unit, first, n, b->jac->p,
                                         row, err));
        keep(b, first, n, row);
    }
    return ASSAY_OK;
}

int jacobian_make(struct assay_subject *s, const struct assay_wanted_pass *pass, const double *cot,
                  uint32_t block, struct assay_la_rows *jac, struct assay_err *err)
{
    const uint64_t p = parameters(s, pass), most = columns_of(s, pass), begin = block * most,
                   from = begin < p ? begin : p;
    struct memo_team *team = &s->memo->team;
    struct block b = {.cot = cot,
                      .unit = jacobian_unit(s, pass),
                      .from = from,
                      .rows = rows_of(s, pass),
                      .jac = jac};
    *jac = (struct assay_la_rows){.n = (uint32_t)b.rows.count,
                                  .p = p - from < most ? p - from : most,
                                  .ld = jacobian_ld(s, pass),
                                  .single = jacobian_is_single(s, pass),
                                  .at = s->memo->jac};
    if (!is_coupled(s, pass)) b.rows.first = 0; // of the executor's own images
    if (jac->single || is_coupled(s, pass))
        ASSAY_TRY(make_through(s, pass, &b, err));
    else
        assay_exec_jacobian_columns(s->exec, pass->pass.bn, cot, b.unit, 0, b.rows.count, from,
                                    jac->p, s->memo->jac, jac->ld);
    if (team->status >= 0) return ASSAY_OK;
    *err = team->err;
    return team->status;
}
