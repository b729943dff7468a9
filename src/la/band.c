// SPDX-License-Identifier: Apache-2.0
// What reduces a symmetric matrix to a band, and the eigenvalues of one.
#include "assay/la.h"

#include <cblas.h>
#include <string.h>

void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
void dlarft_(const char *direct, const char *storev, const int *n, const int *k, const double *v,
             const int *ldv, const double *tau, double *t, const int *ldt, size_t direct_len,
             size_t storev_len);
void dsytrd_sb2st_(const char *stage1, const char *vect, const char *uplo, const int *n,
                   const int *kd, double *ab, const int *ldab, double *d, double *e, double *hous,
                   const int *lhous, double *work, const int *lwork, int *info, size_t stage1_len,
                   size_t vect_len, size_t uplo_len);
void dsterf_(const int *n, double *d, double *e, int *info);
// LAPACK has it since 3.7.
#pragma weak dsytrd_sb2st_

void assay_la_multiply(bool a_transposed, bool b_transposed, size_t m, size_t n, size_t k,
                       double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                       double beta, double *c, size_t ldc)
{
    if (m == 0 || n == 0 || (k == 0 && beta == 1)) return;
    cblas_dgemm(CblasColMajor, a_transposed ? CblasTrans : CblasNoTrans,
                b_transposed ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a,
                (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void assay_la_reflectors(uint32_t m, uint32_t n, double *a, size_t lda, double *t, double *work)
{
    const int rows = (int)m, columns = (int)n, k = m < n ? rows : columns, ld = (int)lda,
              lwork = 64 * columns;
    double *tau = work + lwork;
    int info = 0;

    dgeqrf_(&rows, &columns, a, &ld, tau, work, &lwork, &info);
    ASSAY_ASSERT(info == 0);
    memset(t, 0, (size_t)k * (size_t)k * sizeof *t); // dlarft leaves one triangle alone
    dlarft_("F", "C", &rows, &k, a, &ld, tau, t, &k, 1, 1);
}

bool assay_la_has_band(void)
{
    return dsytrd_sb2st_ != NULL;
}

// Householder vectors, which are not wanted, and scratch.
static size_t hous_size(uint32_t n)
{
    return 4 * (size_t)n;
}

static size_t work_size(uint32_t n, uint32_t kd)
{
    return (2 * (size_t)kd + 1) * n + 64 * (size_t)kd;
}

size_t assay_la_band_work(uint32_t n, uint32_t kd)
{
    return n + hous_size(n) + work_size(n, kd);
}

int assay_la_band_eigenvalues(uint32_t n, uint32_t kd, double *ab, double *w, double *work,
                              struct assay_err *err)
{
    const int order = (int)n, below = (int)kd, ld = below + 1, lhous = (int)hous_size(n),
              lwork = (int)work_size(n, kd);
    double *e = work, *hous = e + n, *rest = hous + lhous;
    int info = 0;

    dsytrd_sb2st_("Y", "N", "L", &order, &below, ab, &ld, w, e, hous, &lhous, rest, &lwork, &info,
                  1, 1, 1);
    ASSAY_ASSERT(info == 0);
    dsterf_(&order, w, e, &info);
    if (info == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "eigenvalues: dsterf left %d of %u off-diagonal entries unconverged", info,
                         n);
}
