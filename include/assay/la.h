// SPDX-License-Identifier: Apache-2.0
// la: serial dense algebra: Gram matrices, symmetric eigenvalues.
#ifndef ASSAY_LA_H
#define ASSAY_LA_H

#include "assay/base.h"

// theta (n,n) = jac jac^T from jac (n,p), row-major with leading dimension ld; both triangles are
// written.
void assay_la_gram(uint32_t n, uint64_t p, const double *jac, size_t ld, double *theta);
// Eigenvalues of the symmetric (n,n) matrix `a` (destroyed), ascending into w. The matrix is scaled
// to unit maximum first, by a power of two. A matrix with a NaN or infinity is ERR_INPUT. work:
// assay_la_eigenvalues_work(n) doubles of scratch.
int assay_la_eigenvalues(uint32_t n, double *a, double *w, double *work, struct assay_err *err);
size_t assay_la_eigenvalues_work(uint32_t n);
// Pins the library to one thread.
void assay_la_single_thread(void);
// How many threads it uses; 0: it does not say.
int assay_la_threads(void);
// The library that was really loaded: OpenBLAS's own description, or the file name of another BLAS.
const char *assay_la_name(void);

#endif
