// SPDX-License-Identifier: Apache-2.0
// The largest and the smallest eigenvalue of J J^T. The team's first rank runs Davidson's method,
// and decides; the others apply their parts of operators when they are told to.
#include "grid.h"

#include "assay/la.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define WHOLE_BELOW 256  // rows, of which LAPACK has all eigenvalues at once
#define RELATIVE    1e-5 // error of the smallest that is still good enough

// What is aimed at: of the largest, of the smallest by the factor alone, of the smallest.
#define ENOUGH_LARGEST  1e-13
#define ENOUGH_FACTOR   1e-6
#define ENOUGH_SMALLEST 1e-9

struct session {
    const struct assay_pla *pla;
    uint32_t n, unit;
    const struct assay_la_rows *jac; // NULL: J J^T is `gram`
    const double *gram;
    struct assay_run_of_rows run;
    double *theta;          // its Cholesky factor
    double *in, *out;       // (n), on every rank
    double *product, *part; // (p), and the rank's part of a vector
    double *work;
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// What stands before the scratch of the steps.
static size_t vectors(uint32_t n, uint64_t p)
{
    return 3 * (size_t)n + p;
}

size_t assay_pla_extremes_work(uint32_t n, uint32_t unit, uint64_t p, int size)
{
    const size_t each = larger(pla_gram_work(n, unit, size), pla_eigenvalues_work(n, size));
    return vectors(n, p) + larger(each, pla_davidson_work(n));
}

// ---- operators ----------------------------------------------------------------------------------
static int sum(const struct session *s, size_t n, double *value, struct assay_err *err)
{
    return assay_pla_sum(s->pla, n, value, err);
}

static void add_entry(void *self, uint32_t row, uint32_t column, double value)
{
    const struct session *s = self;

    s->out[row] += value * s->in[column];
    if (row != column) s->out[column] += value * s->in[row];
}

// out = J (J^T in)
static int multiply(struct session *s, struct assay_err *err)
{
    if (s->gram) {
        memset(s->out, 0, s->n * sizeof *s->out);
        assay_pla_visit(s->pla, s->n, s->gram, add_entry, s);
        return sum(s, s->n, s->out, err);
    }
    assay_la_apply_transposed(s->jac, s->in + s->run.first, s->product);
    ASSAY_TRY(sum(s, s->jac->p, s->product, err));
    memset(s->out, 0, s->n * sizeof *s->out);
    assay_la_apply(s->jac, s->product, s->out + s->run.first);
    return sum(s, s->n, s->out, err);
}

// out = (L L^T)^-1 in
static int solve(const struct session *s, struct assay_err *err)
{
    const int order = (int)s->n, one = 1;
    int l_of[DESC], x_of[DESC], rows, columns, x_rows, x_columns;

    if (!s->pla) {
        memcpy(s->out, s->in, s->n * sizeof *s->out);
        assay_la_solve(s->n, s->theta, s->out);
        return ASSAY_OK;
    }
    pla_describe(s->pla, order, order, l_of, &rows, &columns);
    pla_describe(s->pla, order, one, x_of, &x_rows, &x_columns);
    pla_spread(s->pla, x_rows, x_columns, s->n, s->in, s->part);
    pdtrsv_("L", "N", "N", &order, s->theta, &one, &one, l_of, s->part, &one, &one, x_of, &one, 1,
            1, 1);
    pdtrsv_("L", "T", "N", &order, s->theta, &one, &one, l_of, s->part, &one, &one, x_of, &one, 1,
            1, 1);
    memset(s->out, 0, s->n * sizeof *s->out);
    pla_collect(s->pla, x_rows, x_columns, s->n, s->part, s->out);
    return sum(s, s->n, s->out, err);
}

// One order of the first rank, carried out by all.
static int obey(struct session *s, int32_t *what, struct assay_err *err)
{
    if (s->pla) ASSAY_TRY(assay_comm_share(s->pla->team, 0, what, sizeof *what, err));
    if (*what == PLA_STOP) return ASSAY_OK;
    if (s->pla) ASSAY_TRY(assay_comm_share(s->pla->team, 0, s->in, s->n * sizeof *s->in, err));
    return *what == PLA_PRODUCT ? multiply(s, err) : solve(s, err);
}

static int apply(void *self, enum pla_operator what, const double *x, double *y,
                 struct assay_err *err)
{
    struct session *s = self;
    int32_t order = what;

    memcpy(s->in, x, s->n * sizeof *x);
    ASSAY_TRY(obey(s, &order, err));
    memcpy(y, s->out, s->n * sizeof *y);
    return ASSAY_OK;
}

// Davidson's method on the first rank; all get the pair.
static int find(struct session *s, struct pla_davidson d, struct pla_pair *pair,
                struct assay_err *err)
{
    int32_t order = PLA_PRODUCT;
    int status = ASSAY_OK;

    d.apply = apply, d.self = s, d.n = s->n, d.work = s->work;
    if (assay_pla_rank(s->pla) == 0) {
        status = pla_davidson(&d, pair, err);
        order = PLA_STOP;
        const int stopped = obey(s, &order, err);
        if (status >= 0) status = stopped;
    } else {
        while (status >= 0 && order != PLA_STOP) status = obey(s, &order, err);
    }
    if (!s->pla) return status;
    ASSAY_TRY(assay_comm_agree(s->pla->team, status, err));
    return assay_comm_share(s->pla->team, 0, pair, sizeof *pair, err);
}

// ---- the two ends -------------------------------------------------------------------------------
// Whether it is positive definite, to rounding.
static bool factorise(const struct session *s)
{
    const int order = (int)s->n, one = 1;
    int desc[DESC], rows, columns, info = 0;

    if (!s->pla) return assay_la_cholesky(s->n, s->theta);
    pla_describe(s->pla, order, order, desc, &rows, &columns);
    pdpotrf_("L", &order, s->theta, &one, &one, desc, &info, 1);
    ASSAY_ASSERT(info >= 0);
    return assay_comm_min(s->pla->team, -info) == 0;
}

// J J^T, of so exact sums, where a factor or eigenvalues take its place.
static int form(const struct session *s, enum assay_pla_sums sums, struct assay_err *err)
{
    if (!s->gram)
        return assay_pla_gram(s->pla, s->n, s->unit, s->jac, sums, s->theta, s->work, err);
    memcpy(s->theta, s->gram, assay_pla_part(s->n, assay_pla_size(s->pla)) * sizeof *s->theta);
    return ASSAY_OK;
}

// The smallest eigenvalue with a Gram matrix of so exact sums; *found: it is good enough. Most of
// the way is Lanczos's method on the inverse of that matrix, without products.
static int find_smallest(struct session *s, enum assay_pla_sums sums, bool *found,
                         struct assay_pla_extremes *out, struct assay_err *err)
{
    struct pla_pair pair = {0};

    *found = false;
    if (s->pla && pla_check(s->pla, s->n, NULL) < 0) return ASSAY_OK; // no factor
    ASSAY_TRY(form(s, sums, err));
    if (!factorise(s)) return ASSAY_OK;
    ASSAY_TRY(
        find(s, (struct pla_davidson){.matrix = PLA_SOLVE, .enough = ENOUGH_FACTOR}, &pair, err));
    ASSAY_TRY(find(s,
                   (struct pla_davidson){.matrix = PLA_PRODUCT,
                                         .smallest = true,
                                         .given = pair.ritz,
                                         .enough = ENOUGH_SMALLEST,
                                         .size = out->largest},
                   &pair, err));
    out->smallest = pair.value;
    out->smallest_residual = pair.residual;
    *found = pair.error <= RELATIVE * pair.value; // NaN is not
    return ASSAY_OK;
}

static int find_all(struct session *s, double *w, struct assay_pla_extremes *out,
                    struct assay_err *err)
{
    ASSAY_TRY(form(s, ASSAY_PLA_EXACT, err));
    ASSAY_TRY(assay_pla_eigenvalues(s->pla, s->n, s->theta, w, s->work, err));
    out->largest = w[s->n - 1];
    out->smallest = w[0];
    out->largest_residual = out->smallest_residual = s->n * DBL_EPSILON * out->largest;
    out->whole = true;
    return ASSAY_OK;
}

static double squares(const struct assay_la_rows *jac)
{
    double total = 0;

    for (size_t i = 0; i < jac->n; i++) {
        const float *single = (const float *)jac->at + i * jac->ld;
        const double *wide = (const double *)jac->at + i * jac->ld;
        double row = 0;
        for (uint64_t k = 0; k < jac->p; k++) {
            const double x = jac->single ? (double)single[k] : wide[k];
            row += x * x;
        }
        total += row;
    }
    return total;
}

static void lay_out(struct session *s, double *work)
{
    s->in = work;
    s->out = s->in + s->n;
    s->part = s->out + s->n;
    s->product = s->part + s->n;
    s->work = s->product + (s->jac ? s->jac->p : 0);
}

// out->trace is known.
static int find_ends(struct session *s, double *w, struct assay_pla_extremes *out,
                     struct assay_err *err)
{
    const bool single = s->jac && s->jac->single;
    struct pla_pair largest = {0};
    bool found = false;

    if (!isfinite(out->trace))
        return assay_err_set(err, ASSAY_ERR_INPUT, "eigenvalues: the trace is %g", out->trace);
    if (s->n < WHOLE_BELOW || !(out->trace > 0)) return find_all(s, w, out, err);

    ASSAY_TRY(find(s, (struct pla_davidson){.matrix = PLA_PRODUCT, .enough = ENOUGH_LARGEST},
                   &largest, err));
    out->largest = largest.value;
    out->largest_residual = largest.residual;
    if (single) ASSAY_TRY(find_smallest(s, ASSAY_PLA_ROUGH, &found, out, err));
    if (!found) ASSAY_TRY(find_smallest(s, ASSAY_PLA_EXACT, &found, out, err));
    return found ? ASSAY_OK : find_all(s, w, out, err);
}

int assay_pla_extremes(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                       const struct assay_la_rows *jac, double *theta, double *w, double *work,
                       struct assay_pla_extremes *out, struct assay_err *err)
{
    struct session s = {.pla = pla, .n = n, .unit = unit, .jac = jac, .theta = theta};

    s.run = assay_pla_rows(n, unit, assay_pla_size(pla), assay_pla_rank(pla));
    lay_out(&s, work);
    *out = (struct assay_pla_extremes){.trace = squares(jac)};
    ASSAY_TRY(sum(&s, 1, &out->trace, err));
    return find_ends(&s, w, out, err);
}

int assay_pla_extremes_of_gram(const struct assay_pla *pla, uint32_t n, const double *theta,
                               double *factor, double *w, double *work,
                               struct assay_pla_extremes *out, struct assay_err *err)
{
    struct session s = {.pla = pla, .n = n, .gram = theta, .theta = factor};

    lay_out(&s, work);
    *out = (struct assay_pla_extremes){0};
    ASSAY_TRY(assay_pla_diagonal(pla, n, theta, w, err));
    for (uint32_t i = 0; i < n; i++) out->trace += w[i];
    return find_ends(&s, w, out, err);
}
