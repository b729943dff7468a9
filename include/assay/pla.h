// SPDX-License-Identifier: Apache-2.0
// pla: Gram matrix and eigenvalues of a matrix spread over a team.
//
// A team is the ranks of a communicator that work on one candidate. Rows of the Jacobian are dealt
// out in runs (struct assay_la_rows has those of a rank); a symmetric (n,n) matrix is spread 2-D
// block-cyclically over a process grid, each rank holding its part, of which only the lower
// triangle counts. A NULL grid is a team of one: its part is the whole matrix, la does the work,
// and neither MPI nor ScaLAPACK is touched. Between teams of different size results agree to
// rounding, within one size to the bit.
#ifndef ASSAY_PLA_H
#define ASSAY_PLA_H

#include "assay/comm.h"
#include "assay/la.h"

struct assay_pla;

// Makes the grid of a team, which is borrowed; *out is NULL for a team of one. This and all
// functions with a grid are collective over the team.
int assay_pla_create(struct assay_pla **out, struct assay_comm *team, struct assay_err *err);
void assay_pla_destroy(struct assay_pla *pla);
int assay_pla_size(const struct assay_pla *pla);
int assay_pla_rank(const struct assay_pla *pla);
// The ScaLAPACK that was really loaded: its file, and the version it was built with.
const char *assay_pla_name(void);
// Every rank of the team gives its status; all return the smallest, of an error with its text.
int assay_pla_agree(const struct assay_pla *pla, int status, struct assay_err *err);

// Which of n rows a rank of a team of `size` holds, when `unit` rows, those of an image, stay
// together; the count may be 0.
struct assay_run_of_rows {
    uint64_t first, count;
};
struct assay_run_of_rows assay_pla_rows(uint64_t n, uint32_t unit, int size, int rank);
// How many doubles every rank of a team of `size` needs at most: for its part of an (n,n) matrix,
// and as scratch of any function below, with up to m right-hand sides.
size_t assay_pla_part(uint32_t n, int size);
size_t assay_pla_work(uint32_t n, uint32_t unit, uint32_t m, int size);
// Bytes that the libraries take besides, on every rank.
size_t assay_pla_buffers(uint32_t n, uint32_t unit, int size);

// Whether a kernel of n rows is one for which J is kept in float32, and where time is worth care.
bool assay_pla_large(uint32_t n);
// Of a J in float32. EXACT: sums in float64. ROUGH: sums of 512 products in float32, and these in
// float64, in a third of the time; the smallest eigenvalue is off by some eps_32 times the largest
// diagonal entry.
enum assay_pla_sums { ASSAY_PLA_EXACT, ASSAY_PLA_ROUGH };
// Computes theta (n,n) = J J^T, spread, from each rank's rows of J (n,p). A team of one gets both
// triangles of a matrix that is not large.
int assay_pla_gram(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                   const struct assay_la_rows *jac, enum assay_pla_sums sums, double *theta,
                   double *work, struct assay_err *err);
// Whether J may come in blocks of columns: then theta is zero at first, and each block is added. It
// is the same to the bit when all blocks but the last have a multiple of ASSAY_PLA_PANEL columns.
#define ASSAY_PLA_PANEL 192
bool assay_pla_in_blocks(uint32_t n, int size);
int assay_pla_add_gram(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                       const struct assay_la_rows *jac, double *theta, double *work,
                       struct assay_err *err);
// Each rank has addends to rows [first, first + count) of J; who holds a row gets their sum in its
// place.
int assay_pla_sum_rows(const struct assay_pla *pla, uint32_t n, uint32_t unit, uint64_t first,
                       uint64_t count, uint64_t columns, double *rows, struct assay_err *err);
// Gives every rank the diagonal (n) of a spread matrix.
int assay_pla_diagonal(const struct assay_pla *pla, uint32_t n, const double *a, double *diagonal,
                       struct assay_err *err);
// Shows the entries of a spread symmetric matrix that the rank holds, each of the lower triangle
// (row
// >= column) on one rank of the team.
void assay_pla_visit(const struct assay_pla *pla, uint32_t n, const double *a,
                     void (*look)(void *self, uint32_t row, uint32_t column, double value),
                     void *self);
// Sums over the team of what each rank made of its entries, on every rank.
int assay_pla_sum(const struct assay_pla *pla, size_t count, double *value, struct assay_err *err);
// Gives every rank the eigenvalues, ascending, of the symmetric matrix `a`, which is destroyed. Up
// to a measured size the team's rank 0 computes them by LAPACK; beyond it all reduce the matrix to
// a band, of which rank 0 computes them, or, where LAPACK cannot do that, by ScaLAPACK's pdsyev. It
// is scaled to unit maximum first. A matrix with a NaN or infinity is ERR_INPUT.
int assay_pla_eigenvalues(const struct assay_pla *pla, uint32_t n, double *a, double *w,
                          double *work, struct assay_err *err);
// The largest and the smallest eigenvalue of J J^T without the others: by Davidson's method on J
// itself in float64, for the smallest preconditioned by the Cholesky factor of a Gram matrix that
// may be rough. Where neither a rough nor an exact factor leads there, and below 256 rows, all
// eigenvalues are computed.
struct assay_pla_extremes {
    double largest, smallest, trace;
    // ||J J^T x - lambda x|| of the unit vector x that was found: J J^T has an eigenvalue as near
    // as that. Where all eigenvalues were computed, n eps times the largest, as LAPACK is off.
    double largest_residual, smallest_residual;
    bool whole; // all eigenvalues were computed
};
// theta: assay_pla_part(n, size) doubles; w: n; work: assay_pla_extremes_work. A J with a NaN or
// infinity is ERR_INPUT.
size_t assay_pla_extremes_work(uint32_t n, uint32_t unit, uint64_t p, int size);
int assay_pla_extremes(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                       const struct assay_la_rows *jac, double *theta, double *w, double *work,
                       struct assay_pla_extremes *out, struct assay_err *err);
// The same of a Gram matrix, where J does not exist at once: the smallest is exact to eps_64 times
// the largest. factor: as theta.
int assay_pla_extremes_of_gram(const struct assay_pla *pla, uint32_t n, const double *theta,
                               double *factor, double *w, double *work,
                               struct assay_pla_extremes *out, struct assay_err *err);
// Kernel ridge regression: out (m, n-t) = (A_vt (A_tt + shift I)^-1 y^T)^T, where A_tt is the
// leading (t,t) block of `a` (destroyed) and A_vt the n-t rows below it. y (m,t) and out are the
// same on every rank; y is destroyed. ERR_INPUT when A_tt + shift I is not positive definite.
int assay_pla_ridge(const struct assay_pla *pla, uint32_t n, uint32_t t, double *a, double shift,
                    uint32_t m, double *y, double *out, double *work, struct assay_err *err);

#endif
