// SPDX-License-Identifier: Apache-2.0
// All eigenvalues of a spread matrix, and what memory functions of pla need.
#include "grid.h"

#include "assay/la.h"

#include <limits.h>
#include <math.h>
#include <string.h>

// Below this order one rank's LAPACK is faster than a small team (bench_kernel).
#define LAPACK_BELOW 2000

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool alone(uint32_t n, int size)
{
    return size == 1 || n < LAPACK_BELOW;
}

size_t assay_pla_part(uint32_t n, int size)
{
    int rows, columns;

    pla_shape(size, &rows, &columns);
    if (size == 1) return (size_t)n * n;
    return (size_t)pla_count(n, PLA_BLOCK, 0, rows) * (size_t)pla_count(n, PLA_BLOCK, 0, columns);
}

// Scratch of pdsyev for values only, in doubles; its documentation says 5 n + max(block (rows + 1),
// 3 block) + 1.
static size_t syev_work(uint32_t n, int local_rows)
{
    return 5 * (size_t)n + larger(PLA_BLOCK * ((size_t)local_rows + 1), (size_t)3 * PLA_BLOCK) + 1;
}

size_t pla_eigenvalues_work(uint32_t n, int size)
{
    int rows, columns;

    pla_shape(size, &rows, &columns);
    if (size == 1) return assay_la_eigenvalues_work(n);
    if (alone(n, size)) return (size_t)n * n + assay_la_eigenvalues_work(n);
    return larger(syev_work(n, pla_count(n, PLA_BLOCK, 0, rows)), pla_band_work(n, size));
}

// Right-hand sides and predictions together have no more rows than the matrix and a block.
static size_t ridge_work(uint32_t n, uint32_t m, int size)
{
    int rows, columns;

    if (size == 1) return 0;
    pla_shape(size, &rows, &columns);
    return ((size_t)pla_count(n, PLA_BLOCK, 0, rows) + PLA_BLOCK) *
           (size_t)pla_count(m, PLA_BLOCK, 0, columns);
}

size_t assay_pla_work(uint32_t n, uint32_t unit, uint32_t m, int size)
{
    return larger(ridge_work(n, m, size),
                  larger(pla_gram_work(n, unit, size), pla_eigenvalues_work(n, size)));
}

// MPI and ScaLAPACK keep a copy of what is on its way between ranks: a panel, or the part of a rank
// on its way to the one that solves for all.
size_t assay_pla_buffers(uint32_t n, uint32_t unit, int size)
{
    int rows, columns;

    if (size == 1) return assay_la_buffers(n);
    pla_shape(size, &rows, &columns);
    const size_t panel = pla_gram_work(n, unit, size) / 2 * sizeof(double);
    const int local = pla_count(n, PLA_BLOCK, 0, columns);
    if (!alone(n, size)) return assay_la_buffers((uint32_t)local) + panel;
    return assay_la_buffers(n) + larger(panel, assay_pla_part(n, size) * sizeof(double));
}

// ---- eigenvalues --------------------------------------------------------------------------------
// Multiplies a finite matrix by a power of two that brings its largest entry to [1/2, 1).
static int scale(const struct assay_pla *pla, size_t count, double *a, int *exponent,
                 struct assay_err *err)
{
    double largest = 0.0;

    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i])) largest = INFINITY;
        largest = fmax(largest, fabs(a[i]));
    }
    ASSAY_TRY(assay_comm_max(pla->team, &largest, err));
    if (!isfinite(largest))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "eigenvalues: a matrix entry is not a finite number");
    frexp(largest, exponent);
    if (*exponent < -1000) *exponent = -1000; // 2^-exponent stays finite
    const double factor = ldexp(1.0, -*exponent);
    for (size_t i = 0; i < count; i++) a[i] *= factor;
    return ASSAY_OK;
}

// The team's first rank computes the eigenvalues alone, by LAPACK.
static int gather_and_solve(const struct assay_pla *pla, uint32_t n, const double *a, double *w,
                            double *work, struct assay_err *err)
{
    const int order = (int)n, one = 1;
    int from[DESC], to[DESC], local_rows, local_columns, status = ASSAY_OK;

    pla_describe(pla, order, order, from, &local_rows, &local_columns);
    pla_describe_whole(pla, order, to);
    pdgemr2d_(&order, &order, a, &one, &one, from, work, &one, &one, to, &pla->grid);
    if (pla->rank == 0) status = assay_la_eigenvalues(n, work, w, work + (size_t)n * n, err);
    ASSAY_TRY(assay_comm_agree(pla->team, status, err));
    return assay_comm_share(pla->team, 0, w, n * sizeof *w, err);
}

static int by_scalapack(const struct assay_pla *pla, uint32_t n, double *a, double *w, double *work,
                        struct assay_err *err)
{
    const int order = (int)n, one = 1, ask = -1;
    int desc[DESC], local_rows, local_columns, info = 0;
    double asked[3] = {0};

    ASSAY_TRY(pla_check(pla, n, err));
    pla_describe(pla, order, order, desc, &local_rows, &local_columns);
    pdsyev_("N", "L", &order, a, &one, &one, desc, w, NULL, &one, &one, desc, asked, &ask, &info, 1,
            1);
    const int lwork = (int)syev_work(n, pla_count(n, PLA_BLOCK, 0, pla->rows));
    ASSAY_ASSERT(info == 0 && asked[0] <= lwork);
    pdsyev_("N", "L", &order, a, &one, &one, desc, w, NULL, &one, &one, desc, work, &lwork, &info,
            1, 1);
    ASSAY_ASSERT(info >= 0);
    const int status =
        info ? assay_err_set(err, ASSAY_ERR_INPUT,
                             "eigenvalues: pdsyev of order %u failed with info %d", n, info)
             : ASSAY_OK;
    return assay_comm_agree(pla->team, status, err);
}

static int solve_together(const struct assay_pla *pla, uint32_t n, double *a, double *w,
                          double *work, struct assay_err *err)
{
    const size_t rows = (size_t)pla_count(n, PLA_BLOCK, pla->row, pla->rows),
                 columns = (size_t)pla_count(n, PLA_BLOCK, pla->column, pla->columns);
    int exponent = 0;

    ASSAY_TRY(scale(pla, rows * columns, a, &exponent, err));
    ASSAY_TRY(assay_la_has_band() ? pla_band_eigenvalues(pla, n, a, w, work, err)
                                  : by_scalapack(pla, n, a, w, work, err));
    for (uint32_t i = 0; i < n; i++) w[i] = ldexp(w[i], exponent);
    return ASSAY_OK;
}

int assay_pla_eigenvalues(const struct assay_pla *pla, uint32_t n, double *a, double *w,
                          double *work, struct assay_err *err)
{
    if (!pla) return assay_la_eigenvalues(n, a, w, work, err);
    return alone(n, pla->size) ? gather_and_solve(pla, n, a, w, work, err)
                               : solve_together(pla, n, a, w, work, err);
}
