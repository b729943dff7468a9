// SPDX-License-Identifier: Apache-2.0
// la: serial dense algebra: Gram matrices, symmetric eigenvalues, singular values.
#ifndef ASSAY_LA_H
#define ASSAY_LA_H

#include "assay/base.h"

// Computes theta (n,n) = jac jac^T from jac (n,p), row-major with leading dimension ld; both
// triangles are written.
void assay_la_gram(uint32_t n, uint64_t p, const double *jac, size_t ld, double *theta);
// Adds rows^T rows to the lower triangle of theta (n,n); rows (p,n) has leading dimension ld.
void assay_la_add_products(uint32_t n, uint64_t p, const double *rows, size_t ld, double *theta);
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
// The BLAS that was really loaded: OpenBLAS's own description, or the file name of another BLAS.
const char *assay_la_name(void);

#endif
