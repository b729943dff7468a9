// SPDX-License-Identifier: Apache-2.0
// la: serial dense algebra: Gram matrices, symmetric eigenvalues, singular values.
#ifndef ASSAY_LA_H
#define ASSAY_LA_H

#include "assay/base.h"

// Computes theta (n,n) = jac jac^T from jac (n,p), row-major with leading dimension ld; both
// triangles are written.
void assay_la_gram(uint32_t n, uint64_t p, const double *jac, size_t ld, double *theta);
// Adds rows^T rows to the lower triangle of theta (n,n); rows (p,n) has leading dimension ld.
void assay_la_add_column_gram(uint32_t n, uint64_t p, const double *rows, size_t ld, double *theta);
// Rows of a matrix in float32 or float64, row-major with leading dimension ld: borrowed.
struct assay_la_rows {
    uint32_t n;
    uint64_t p;
    size_t ld;
    bool single;    // float32
    const void *at; // NULL is fine without rows
};
// y (n) = J x of x (p), and y (p) = J^T x of x (n), summed in float64.
void assay_la_apply(const struct assay_la_rows *j, const double *x, double *y);
void assay_la_apply_transposed(const struct assay_la_rows *j, const double *x, double *y);
// Adds the inner products of rows of a (m,depth) and rows of b (n,depth) to c, column-major: that
// of row i and row k to c[k * ldc + i]. The second sums products in float32, at most `depth` of
// them, and these in float64; tile: assay_la_tile() floats of scratch.
void assay_la_add_products(uint32_t m, uint32_t n, uint32_t depth, const double *a, size_t lda,
                           const double *b, size_t ldb, double *c, size_t ldc);
void assay_la_add_products_single(uint32_t m, uint32_t n, uint32_t depth, const float *a,
                                  size_t lda, const float *b, size_t ldb, double *c, size_t ldc,
                                  float *tile);
size_t assay_la_tile(void);
// Computes the eigenvalues of the symmetric (n,n) matrix `a`, which is destroyed, ascending into w.
// The matrix is scaled to unit maximum first, by a power of two. From 2,000 rows on by LAPACK's
// dsyevd_2stage, where the library has it, below by dsyevd. A matrix with a NaN or infinity is
// ERR_INPUT. work: assay_la_eigenvalues_work(n) doubles of scratch.
int assay_la_eigenvalues(uint32_t n, double *a, double *w, double *work, struct assay_err *err);
size_t assay_la_eigenvalues_work(uint32_t n);
// Singular values of the (m,n) matrix `a` (destroyed), descending into w (the smaller of m, n). A
// matrix with a NaN or infinity is ERR_INPUT. work: assay_la_singular_values_work(m, n) doubles of
// scratch.
int assay_la_singular_values(uint32_t m, uint32_t n, double *a, double *w, double *work,
                             struct assay_err *err);
size_t assay_la_singular_values_work(uint32_t m, uint32_t n);
// c (m,n) = alpha a b + beta c, column-major, of the transposes where it is said.
void assay_la_multiply(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k,
                       double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                       double beta, double *c, size_t ldc);
// The QR factors, in place as LAPACK keeps them, of the column-major (m,n) matrix `a`, n <= 64, and
// the triangular factor t (k,k), k = min(m,n), of its reflectors I - V T V^T. work: 65 n doubles.
void assay_la_reflectors(uint32_t m, uint32_t n, double *a, size_t lda, double *t, double *work);
// Eigenvalues, ascending in w (n), of the symmetric band matrix of which column j, from the
// diagonal down, is in ab[j * (kd + 1)] (destroyed). work: assay_la_band_work(n, kd) doubles.
int assay_la_band_eigenvalues(uint32_t n, uint32_t kd, double *ab, double *w, double *work,
                              struct assay_err *err);
size_t assay_la_band_work(uint32_t n, uint32_t kd);
bool assay_la_has_band(void); // the library can do that
// The Cholesky factor L, in place, of the symmetric (n,n) matrix of which the column-major lower
// triangle is in `a`; false where it is not positive definite to rounding. x (n) becomes
// (L L^T)^-1 x.
bool assay_la_cholesky(uint32_t n, double *a);
void assay_la_solve(uint32_t n, const double *l, double *x);
// All eigenvalues, ascending in w, and unit eigenvectors, number k in a[k * m], of the symmetric
// (m,m) matrix `a`. work: 34 m doubles.
int assay_la_eigenvectors(uint32_t m, double *a, double *w, double *work, struct assay_err *err);
// Kernel ridge regression: out (m, n-t) = (A_vt (A_tt + shift I)^-1 y^T)^T, where A_tt is the
// leading (t,t) block of the symmetric (n,n) matrix `a` (destroyed), 0 < t < n, and A_vt the n-t
// rows below it. y (m,t) is destroyed. ERR_INPUT when A_tt + shift I is not positive definite.
int assay_la_ridge(uint32_t n, uint32_t t, double *a, double shift, uint32_t m, double *y,
                   double *out, struct assay_err *err);
// Bytes that the BLAS takes itself for a product or a factorisation of order n.
size_t assay_la_buffers(uint32_t n);
// Has the BLAS take what memory it keeps, and pins it to one thread. To be called before the first
// product, in which OpenBLAS would try again for ever if there were too little address space. Later
// calls of a process do nothing.
int assay_la_start(struct assay_err *err);
// How many threads the BLAS uses; 0: it does not say.
int assay_la_threads(void);
// The CPU whose kernels OPENBLAS_CORETYPE makes OpenBLAS use, where this one has wider vectors.
const char *assay_la_hidden(void);
// The BLAS that was really loaded: OpenBLAS's own description, or the file name of another BLAS.
const char *assay_la_name(void);

#endif
