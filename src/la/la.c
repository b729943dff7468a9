// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // dladdr, MAP_ANONYMOUS
#include "assay/la.h"

#include <cblas.h>
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

// Debian's OpenBLAS carries LAPACK but no header for it.
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info,
             size_t jobz_len, size_t uplo_len);
void dsyevd_2stage_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                    double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                    int *info, size_t jobz_len, size_t uplo_len);
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a,
             const int *lda, double *s, double *u, const int *ldu, double *vt, const int *ldvt,
             double *work, const int *lwork, int *info, size_t jobu_len, size_t jobvt_len);
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info, size_t jobz_len, size_t uplo_len);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_len);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info, size_t uplo_len);

// These are weak, since a reference BLAS that the alternatives system puts in OpenBLAS's place
// lacks them.
#pragma weak openblas_set_num_threads
#pragma weak openblas_get_num_threads
#pragma weak openblas_get_config
#pragma weak openblas_get_corename
// LAPACK has it since 3.7.
#pragma weak dsyevd_2stage_

#define LWORK_PER_ROW 68 // 2 n + 1 for dsyevd itself, the rest for dsytrd's block of up to 64

// From this order on, eigenvalues come by way of a band matrix, in half of the time: the other way
// half of the operations wait for memory. It pays from 1,000 on; kernels of ordinary sweeps stay
// below, with the bits they always had.
#define TWO_STAGE_FROM 2000

void assay_la_gram(uint32_t n, uint64_t p, const double *jac, size_t ld, double *theta)
{
    ASSAY_ASSERT(n > 0 && n <= INT32_MAX && p <= INT32_MAX && ld <= INT32_MAX && ld >= p);
    // BLAS refuses rows without columns; their products are 0.
    if (p)
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)n, (int)p, 1.0, jac, (int)ld, 0.0,
                    theta, (int)n);
    else
        memset(theta, 0, (size_t)n * n * sizeof *theta);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) theta[j * n + i] = theta[i * n + j];
    }
}

void assay_la_add_column_gram(uint32_t n, uint64_t p, const double *rows, size_t ld, double *theta)
{
    ASSAY_ASSERT(n > 0 && n <= INT32_MAX && p <= INT32_MAX && ld <= INT32_MAX && ld >= n);
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)n, (int)p, 1.0, rows, (int)ld, 1.0,
                theta, (int)n);
}

static bool by_two_stages(uint32_t n)
{
    return n >= TWO_STAGE_FROM && dsyevd_2stage_;
}

// Only the library knows how wide its band is.
static size_t two_stages_work(uint32_t n)
{
    const int order = (int)n, ask = -1, liwork = 1;
    int iwork = 0, info = 0;
    double none = 0, asked = 0;

    dsyevd_2stage_("N", "L", &order, &none, &order, &none, &asked, &ask, &iwork, &liwork, &info, 1,
                   1);
    ASSAY_ASSERT(info == 0 && asked > 0);
    return (size_t)asked;
}

size_t assay_la_eigenvalues_work(uint32_t n)
{
    return by_two_stages(n) ? two_stages_work(n) : (size_t)LWORK_PER_ROW * n + 1;
}

static int largest_entry(const char *what, size_t count, const double *a, double *largest,
                         struct assay_err *err)
{
    *largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(a[i])) {
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: matrix entry %zu is %g, expected a finite number", what, i,
                                 a[i]);
        }
        *largest = fmax(*largest, fabs(a[i]));
    }
    return ASSAY_OK;
}

int assay_la_eigenvalues(uint32_t n, double *a, double *w, double *work, struct assay_err *err)
{
    const size_t room = assay_la_eigenvalues_work(n);
    double largest;
    ASSAY_ASSERT(n > 0 && room <= INT32_MAX);
    ASSAY_TRY(largest_entry("eigenvalues", (size_t)n * n, a, &largest, err));
    int exponent = 0;
    frexp(largest, &exponent);
    if (exponent < -1000) exponent = -1000; // 2^-exponent stays finite
    const double scale = ldexp(1.0, -exponent);
    for (size_t i = 0; i < (size_t)n * n; i++) a[i] *= scale;

    const int order = (int)n, lwork = (int)room, liwork = 1;
    int iwork = 0, info = 0;
    if (by_two_stages(n))
        dsyevd_2stage_("N", "L", &order, a, &order, w, work, &lwork, &iwork, &liwork, &info, 1, 1);
    else
        dsyevd_("N", "L", &order, a, &order, w, work, &lwork, &iwork, &liwork, &info, 1, 1);
    ASSAY_ASSERT(info >= 0);
    if (info > 0) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "eigenvalues: LAPACK left %d of %u off-diagonal entries unconverged",
                             info, n);
    }
    for (uint32_t i = 0; i < n; i++) w[i] = ldexp(w[i], exponent);
    return ASSAY_OK;
}

size_t assay_la_singular_values_work(uint32_t m, uint32_t n)
{
    return (size_t)LWORK_PER_ROW *
           ((size_t)m + n); // dgesvd: 5 per row, dgebrd's blocks of up to 64
}

// Of the transpose, as it lies in memory.
int assay_la_singular_values(uint32_t m, uint32_t n, double *a, double *w, double *work,
                             struct assay_err *err)
{
    ASSAY_ASSERT(m > 0 && n > 0 && (size_t)m + n <= INT32_MAX / LWORK_PER_ROW);
    const int columns = (int)m, rows = (int)n, one = 1;
    const int lwork = (int)assay_la_singular_values_work(m, n);
    double largest, none = 0;
    int info = 0;
    ASSAY_TRY(largest_entry("singular values", (size_t)m * n, a, &largest, err));
    dgesvd_("N", "N", &rows, &columns, a, &rows, w, &none, &one, &none, &one, work, &lwork, &info,
            1, 1);
    ASSAY_ASSERT(info >= 0);
    if (info == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "singular values: dgesvd left %d of %u off-diagonal entries unconverged",
                         info, m < n ? m : n);
}

bool assay_la_cholesky(uint32_t n, double *a)
{
    const int order = (int)n;
    int info = 0;

    dpotrf_("L", &order, a, &order, &info, 1);
    ASSAY_ASSERT(info >= 0);
    return info == 0;
}

void assay_la_solve(uint32_t n, const double *l, double *x)
{
    cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, (int)n, l, (int)n, x, 1);
    cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, (int)n, l, (int)n, x, 1);
}

int assay_la_eigenvectors(uint32_t m, double *a, double *w, double *work, struct assay_err *err)
{
    const int order = (int)m, lwork = 34 * order; // dsyev: 3 a row, dsytrd's blocks of 32
    int info = 0;

    dsyev_("V", "L", &order, a, &order, w, work, &lwork, &info, 1, 1);
    ASSAY_ASSERT(info >= 0);
    if (info == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "eigenvectors: dsyev of order %u failed with info %d", m, info);
}

int assay_la_ridge(uint32_t n, uint32_t t, double *a, double shift, uint32_t m, double *y,
                   double *out, struct assay_err *err)
{
    ASSAY_ASSERT(t > 0 && t < n && n <= INT32_MAX && m > 0 && m <= INT32_MAX);
    const int ld = (int)n, order = (int)t, rest = (int)(n - t), count = (int)m;
    int info = 0;

    for (size_t i = 0; i < t; i++) a[i * n + i] += shift;
    dpotrf_("L", &order, a, &ld, &info, 1);
    ASSAY_ASSERT(info >= 0);
    if (info > 0)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "ridge: the kernel of order %u is not positive definite at row %d", t,
                             info);
    dpotrs_("L", &order, &count, a, &ld, y, &order, &info, 1);
    ASSAY_ASSERT(info == 0);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, rest, count, order, 1.0, a + t, ld, y,
                order, 0.0, out, rest);
    return ASSAY_OK;
}

// OpenBLAS copies panels of up to 384 rows (those of its AVX-512 kernels; others have fewer) into a
// buffer, which is one of 32 MiB for each thread.
size_t assay_la_buffers(uint32_t n)
{
    const size_t panel = (size_t)n * 384 * sizeof(double), all = (size_t)32 << 20;
    return panel < all ? panel : all;
}

// This replaces the function that OpenBLAS asks, when it is loaded, how many threads to start. It
// starts none beside ours: each would take a buffer at once, and without address space for it would
// never end, not even at exit.
int openblas_num_threads_env(void);
int openblas_num_threads_env(void)
{
    return 1;
}

int assay_la_start(struct assay_err *err)
{
    // The buffer that every build of OpenBLAS for x86 has; it takes pages only as far as a product
    // needs them.
    const size_t bytes = ((size_t)128 << 20) + ((size_t)1 << 16);
    static bool started;
    const double jac[2] = {1, 1};
    double theta;

    if (started) return ASSAY_OK;
    if (openblas_set_num_threads) openblas_set_num_threads(1);
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "no address space for the %.0f MiB that BLAS wants (ulimit -v, "
                             "vm.overcommit_memory): %s",
                             (double)bytes / 0x1p20, strerror(errno));
    munmap(room, bytes);
    assay_la_gram(1, 2, jac, 2, &theta);
    started = true;
    return ASSAY_OK;
}

int assay_la_threads(void)
{
    return openblas_get_num_threads ? openblas_get_num_threads() : 0;
}

// How wide the vectors are that OpenBLAS's kernels for a CPU use: 2: 512 bits, 1: 256 with FMA.
static int width_of(const char *core)
{
    static const char *const wide[] = {"SkylakeX", "Cooperlake", "SapphireRapids"},
                             *const middle[] = {"Haswell", "Zen", "Excavator"};

    for (size_t i = 0; i < ASSAY_LEN(wide); i++)
        if (strcasecmp(core, wide[i]) == 0) return 2;
    for (size_t i = 0; i < ASSAY_LEN(middle); i++)
        if (strcasecmp(core, middle[i]) == 0) return 1;
    return 0;
}

const char *assay_la_hidden(void)
{
#ifdef __x86_64__
    const char *asked = getenv("OPENBLAS_CORETYPE"),
               *core = openblas_get_corename ? openblas_get_corename() : NULL;
    const int could = __builtin_cpu_supports("avx512bw")                                ? 2
                      : __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2") ? 1
                                                                                        : 0;
    return asked && core && width_of(core) < could ? core : NULL;
#else
    return NULL;
#endif
}

const char *assay_la_name(void)
{
    Dl_info blas = {0}, config = {0};
    const bool found = dladdr((const void *)cblas_dsyrk, &blas) != 0;
    if (openblas_get_config && dladdr((const void *)openblas_get_config, &config) != 0 &&
        (!found || blas.dli_fbase == config.dli_fbase)) {
        return openblas_get_config();
    }
    return found ? blas.dli_fname : "unknown BLAS";
}
