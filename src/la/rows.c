// SPDX-License-Identifier: Apache-2.0
// Products of matrices that are kept as float32, of which sums are float64.
#include "assay/la.h"

#include <cblas.h>

// A tile of products in float32, which stays in the second-level cache while it is added to sums in
// float64.
enum { TILE_ROWS = 2048, TILE_COLUMNS = 256, LANES = 8 };

// ---- one vector ---------------------------------------------------------------------------------
// Vectors of any width give the same bits: lanes are numbers of their own.
static inline __attribute__((always_inline)) void dots(const struct assay_la_rows *j,
                                                       const double *x, double *y)
{
    for (size_t i = 0; i < j->n; i++) {
        const float *row = (const float *)j->at + i * j->ld;
        double lane[LANES] = {0}, sum = 0;
        uint64_t k = 0;
        for (; k + LANES <= j->p; k += LANES)
            for (int l = 0; l < LANES; l++) lane[l] += (double)row[k + l] * x[k + l];
        for (; k < j->p; k++) sum += (double)row[k] * x[k];
        for (int l = 0; l < LANES; l++) sum += lane[l];
        y[i] = sum;
    }
}

// Four rows at a time, since y comes from memory each time.
static inline __attribute__((always_inline)) void combination(const struct assay_la_rows *j,
                                                              const double *x, double *y)
{
    const size_t ld = j->ld, fours = j->n / 4 * 4;
    const float *row = j->at;

    for (uint64_t k = 0; k < j->p; k++) y[k] = 0;
    for (size_t i = 0; i < fours; i += 4, row += 4 * ld) {
        for (uint64_t k = 0; k < j->p; k++)
            y[k] += ((double)row[k] * x[i] + (double)row[ld + k] * x[i + 1]) +
                    ((double)row[2 * ld + k] * x[i + 2] + (double)row[3 * ld + k] * x[i + 3]);
    }
    for (size_t i = fours; i < j->n; i++, row += ld)
        for (uint64_t k = 0; k < j->p; k++) y[k] += (double)row[k] * x[i];
}

#ifdef __x86_64__
__attribute__((target("avx512f"))) static void dots_wide(const struct assay_la_rows *j,
                                                         const double *x, double *y)
{
    dots(j, x, y);
}

__attribute__((target("avx512f"))) static void combination_wide(const struct assay_la_rows *j,
                                                                const double *x, double *y)
{
    combination(j, x, y);
}

static bool wide(void)
{
    return __builtin_cpu_supports("avx512f");
}
#else
#    define dots_wide        dots
#    define combination_wide combination

static bool wide(void)
{
    return false;
}
#endif

void assay_la_apply(const struct assay_la_rows *j, const double *x, double *y)
{
    if (!j->single)
        cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)j->n, (int)j->p, 1, j->at, (int)j->ld, x, 1,
                    0, y, 1);
    else if (wide())
        dots_wide(j, x, y);
    else
        dots(j, x, y);
}

void assay_la_apply_transposed(const struct assay_la_rows *j, const double *x, double *y)
{
    if (!j->single)
        cblas_dgemv(CblasRowMajor, CblasTrans, (int)j->n, (int)j->p, 1, j->at, (int)j->ld, x, 1, 0,
                    y, 1);
    else if (wide())
        combination_wide(j, x, y);
    else
        combination(j, x, y);
}

// ---- sums of products ---------------------------------------------------------------------------
void assay_la_add_products(uint32_t m, uint32_t n, uint32_t depth, const double *a, size_t lda,
                           const double *b, size_t ldb, double *c, size_t ldc)
{
    if (m == 0 || n == 0) return;
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)depth, 1, a, (int)lda,
                b, (int)ldb, 1, c, (int)ldc);
}

size_t assay_la_tile(void)
{
    return (size_t)TILE_ROWS * TILE_COLUMNS;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void assay_la_add_products_single(uint32_t m, uint32_t n, uint32_t depth, const float *a,
                                  size_t lda, const float *b, size_t ldb, double *c, size_t ldc,
                                  float *tile)
{
    for (uint32_t k = 0; k < n; k += TILE_COLUMNS) {
        for (uint32_t i = 0; i < m; i += TILE_ROWS) {
            const uint32_t rows = smaller(m - i, TILE_ROWS), columns = smaller(n - k, TILE_COLUMNS);
            cblas_sgemm(CblasColMajor, CblasTrans, CblasNoTrans, (int)rows, (int)columns,
                        (int)depth, 1, a + i * lda, (int)lda, b + k * ldb, (int)ldb, 0, tile,
                        TILE_ROWS);
            for (uint32_t q = 0; q < columns; q++) {
                const float *from = tile + (size_t)q * TILE_ROWS;
                double *to = c + (k + q) * ldc + i;
                for (uint32_t r = 0; r < rows; r++) to[r] += (double)from[r];
            }
        }
    }
}
