// SPDX-License-Identifier: Apache-2.0
// A spread symmetric matrix is reduced to a band as wide as its blocks, by block reflectors (C.
// Bischof, B. Lang and X. Sun, ACM TOMS 26 (2000) 581), nearly all of it products of matrices.
// Every rank has the panel and multiplies its part; the band ends on the first rank, whose LAPACK
// has the eigenvalues in a time that does not count.
#include "grid.h"

#include "assay/la.h"

#include <string.h>

enum { BAND = PLA_BLOCK, CHUNK = 4 * PLA_BLOCK };

struct reduction {
    const struct assay_pla *pla;
    size_t n, rows, columns; // of the matrix; of the rank's part
    double *a;
    double *panel, *v, *w;  // (n, BAND); panel: then A V
    double *left, *right;   // (rows, 2 BAND), (columns, 2 BAND): V and W, W and V
    double *below, *beside; // (rows, BAND), (columns, BAND): parts of A V
    double *t, *s, *u;      // (BAND, BAND)
    double *band;           // (n, BAND + 1), as LAPACK keeps it
    double *work;
};

static size_t scratch(uint32_t n)
{
    const size_t qr = 65 * (size_t)BAND, solve = assay_la_band_work(n, BAND);
    return qr > solve ? qr : solve;
}

size_t pla_band_work(uint32_t n, int size)
{
    int grid_rows, grid_columns;

    pla_shape(size, &grid_rows, &grid_columns);
    const size_t rows = (size_t)pla_count(n, PLA_BLOCK, 0, grid_rows),
                 columns = (size_t)pla_count(n, PLA_BLOCK, 0, grid_columns);
    return 3 * (size_t)BAND * (n + rows + columns + BAND) + (BAND + 1) * (size_t)n + scratch(n);
}

static void lay_out(struct reduction *r, double *work)
{
    const size_t wide = r->n * BAND;

    r->panel = work;
    r->v = r->panel + wide;
    r->w = r->v + wide;
    r->left = r->w + wide;
    r->right = r->left + 2 * BAND * r->rows;
    r->below = r->right + 2 * BAND * r->columns;
    r->beside = r->below + BAND * r->rows;
    r->t = r->beside + BAND * r->columns;
    r->s = r->t + BAND * BAND;
    r->u = r->s + BAND * BAND;
    r->band = r->u + BAND * BAND;
    r->work = r->band + (BAND + 1) * r->n;
}

// ---- the rank's part ----------------------------------------------------------------------------
// How many of the rank's rows (columns) stand before a row of the matrix.
static size_t rows_before(const struct reduction *r, uint64_t row)
{
    return (size_t)pla_count(row < r->n ? row : r->n, PLA_BLOCK, r->pla->row, r->pla->rows);
}

static size_t columns_before(const struct reduction *r, uint64_t column)
{
    return (size_t)pla_count(column < r->n ? column : r->n, PLA_BLOCK, r->pla->column,
                             r->pla->columns);
}

static uint64_t row_at(const struct reduction *r, size_t i)
{
    return pla_global(i, r->pla->row, r->pla->rows);
}

static uint64_t column_at(const struct reduction *r, size_t j)
{
    return pla_global(j, r->pla->column, r->pla->columns);
}

// Only lower triangles count; those of blocks on the diagonal are completed.
static void complete_diagonal(const struct reduction *r)
{
    for (size_t j = 0; j < r->columns; j++) {
        const uint64_t column = column_at(r, j), first = column / PLA_BLOCK * PLA_BLOCK;
        const size_t i = rows_before(r, first), begin = j / PLA_BLOCK * PLA_BLOCK;
        if (i >= r->rows || row_at(r, i) != first) continue;
        for (size_t q = 0; q < column - first; q++)
            r->a[j * r->rows + i + q] = r->a[(begin + q) * r->rows + i + (column - first)];
    }
}

// Rows of a (m, k) matrix that begins at row `first` of the matrix, for the rank's rows (columns).
static void pack_rows(const struct reduction *r, uint64_t first, size_t m, size_t k,
                      const double *from, double *to)
{
    const size_t begin = rows_before(r, first), count = r->rows - begin;

    for (size_t q = 0; q < k; q++)
        for (size_t i = 0; i < count; i++)
            to[q * count + i] = from[q * m + (row_at(r, begin + i) - first)];
}

static void pack_columns(const struct reduction *r, uint64_t first, size_t m, size_t k,
                         const double *from, double *to)
{
    const size_t begin = columns_before(r, first), count = r->columns - begin;

    for (size_t q = 0; q < k; q++)
        for (size_t j = 0; j < count; j++)
            to[q * count + j] = from[q * m + (column_at(r, begin + j) - first)];
}

// below += A x, beside += A^T x, of a rectangle of the part below the diagonal.
static void multiply_rectangle(const struct reduction *r, size_t row0, size_t column0, size_t k,
                               size_t i, size_t end, size_t j, size_t width, bool both)
{
    const size_t ld_rows = r->rows - row0, ld_columns = r->columns - column0;
    const double *a = r->a + j * r->rows + i;

    assay_la_multiply(false, false, end - i, k, width, 1, a, r->rows,
                      r->right + k * ld_columns + (j - column0), ld_columns, 1,
                      r->below + (i - row0), ld_rows);
    if (both)
        assay_la_multiply(true, false, width, k, end - i, 1, a, r->rows, r->left + (i - row0),
                          ld_rows, 1, r->beside + (j - column0), ld_columns);
}

// The rank's part of A V, V in the first half of left and the second of right.
static void multiply_part(const struct reduction *r, uint64_t first, size_t k)
{
    const size_t row0 = rows_before(r, first), column0 = columns_before(r, first);

    memset(r->below, 0, (r->rows - row0) * k * sizeof *r->below);
    memset(r->beside, 0, (r->columns - column0) * k * sizeof *r->beside);
    for (size_t j = column0; j < r->columns; j += CHUNK) {
        const size_t end = j + CHUNK < r->columns ? j + CHUNK : r->columns;
        const size_t under =
            rows_before(r, column_at(r, end - 1) / PLA_BLOCK * PLA_BLOCK + PLA_BLOCK);
        for (size_t b = j; b < end; b += PLA_BLOCK) {
            const size_t width = end - b < PLA_BLOCK ? end - b : PLA_BLOCK;
            const size_t diagonal = rows_before(r, column_at(r, b)),
                         next = rows_before(r, column_at(r, b) + PLA_BLOCK);
            multiply_rectangle(r, row0, column0, k, diagonal, next, b, width, false);
            multiply_rectangle(r, row0, column0, k, next, under, b, width, true);
        }
        multiply_rectangle(r, row0, column0, k, under, r->rows, j, end - j, true);
    }
}

// A -= V W^T + W V^T
static void update_part(const struct reduction *r, uint64_t first, size_t k)
{
    const size_t row0 = rows_before(r, first), column0 = columns_before(r, first),
                 ld_rows = r->rows - row0, ld_columns = r->columns - column0;

    for (size_t j = column0; j < r->columns; j += CHUNK) {
        const size_t width = j + CHUNK < r->columns ? CHUNK : r->columns - j,
                     i = rows_before(r, column_at(r, j));
        assay_la_multiply(false, true, r->rows - i, width, 2 * k, -1, r->left + (i - row0), ld_rows,
                          r->right + (j - column0), ld_columns, 1, r->a + j * r->rows + i, r->rows);
    }
}

// ---- one panel ----------------------------------------------------------------------------------
// Gives all ranks the columns [c, c + width) from the diagonal down, (n - c, width).
static int gather_panel(const struct reduction *r, uint64_t c, size_t width, struct assay_err *err)
{
    const size_t height = r->n - c, j = columns_before(r, c), begin = rows_before(r, c);

    memset(r->panel, 0, height * width * sizeof *r->panel);
    if (j < r->columns && column_at(r, j) == c) {
        for (size_t q = 0; q < width; q++)
            for (size_t i = begin; i < r->rows; i++)
                r->panel[q * height + (row_at(r, i) - c)] = r->a[(j + q) * r->rows + i];
    }
    return assay_comm_sum(r->pla->team, height * width, r->panel, err);
}

// Puts the diagonal block of the panel into the band, and the triangle of its QR factors below it.
static void keep_band(const struct reduction *r, uint64_t c, size_t width)
{
    const size_t height = r->n - c;

    for (size_t q = 0; q < width; q++) {
        double *to = r->band + (c + q) * (BAND + 1);
        for (size_t i = q; i < width; i++) to[i - q] = r->panel[q * height + i];
        for (size_t i = width; i < height && i <= BAND + q; i++)
            to[i - q] = r->panel[q * height + i];
    }
}

// V (m, k) from below the diagonal of QR factors.
static void unpack_reflectors(const struct reduction *r, size_t height, size_t m, size_t k)
{
    for (size_t q = 0; q < k; q++) {
        const double *from = r->panel + q * height + BAND;
        for (size_t i = 0; i < m; i++) r->v[q * m + i] = i > q ? from[i] : i == q;
    }
}

// W = A V T - V T^T V^T A V T / 2, of A V in `panel`.
static void find_w(const struct reduction *r, size_t m, size_t k)
{
    assay_la_multiply(false, false, m, k, k, 1, r->panel, m, r->t, k, 0, r->w, m);
    assay_la_multiply(true, false, k, k, m, 1, r->v, m, r->w, m, 0, r->s, k);
    assay_la_multiply(true, false, k, k, k, 1, r->t, k, r->s, k, 0, r->u, k);
    assay_la_multiply(false, false, m, k, k, -0.5, r->v, m, r->u, k, 1, r->w, m);
}

// All ranks get A V of their parts.
static int sum_product(const struct reduction *r, uint64_t first, size_t m, size_t k,
                       struct assay_err *err)
{
    const size_t row0 = rows_before(r, first), column0 = columns_before(r, first),
                 rows = r->rows - row0, columns = r->columns - column0;

    memset(r->panel, 0, m * k * sizeof *r->panel);
    for (size_t q = 0; q < k; q++) {
        for (size_t i = 0; i < rows; i++)
            r->panel[q * m + (row_at(r, row0 + i) - first)] += r->below[q * rows + i];
        for (size_t j = 0; j < columns; j++)
            r->panel[q * m + (column_at(r, column0 + j) - first)] += r->beside[q * columns + j];
    }
    return assay_comm_sum(r->pla->team, m * k, r->panel, err);
}

static int reduce_panel(const struct reduction *r, uint64_t c, struct assay_err *err)
{
    const size_t height = r->n - c, width = height < BAND ? height : BAND, m = height - width,
                 k = m < BAND ? m : BAND;
    const uint64_t first = c + width;
    struct assay_comm *team = r->pla->team;

    ASSAY_TRY(gather_panel(r, c, width, err));
    if (m > 0 && r->pla->rank == 0)
        assay_la_reflectors((uint32_t)m, BAND, r->panel + BAND, height, r->t, r->work);
    if (r->pla->rank == 0) keep_band(r, c, width);
    if (m == 0) return ASSAY_OK;
    ASSAY_TRY(assay_comm_share(team, 0, r->panel, height * width * sizeof *r->panel, err));
    ASSAY_TRY(assay_comm_share(team, 0, r->t, k * k * sizeof *r->t, err));
    unpack_reflectors(r, height, m, k);
    const size_t rows = r->rows - rows_before(r, first),
                 columns = r->columns - columns_before(r, first);
    pack_rows(r, first, m, k, r->v, r->left);
    pack_columns(r, first, m, k, r->v, r->right + k * columns);
    multiply_part(r, first, k);
    ASSAY_TRY(sum_product(r, first, m, k, err));
    find_w(r, m, k);
    pack_rows(r, first, m, k, r->w, r->left + k * rows);
    pack_columns(r, first, m, k, r->w, r->right);
    update_part(r, first, k);
    return ASSAY_OK;
}

int pla_band_eigenvalues(const struct assay_pla *pla, uint32_t n, double *a, double *w,
                         double *work, struct assay_err *err)
{
    struct reduction r = {.pla = pla, .n = n, .a = a};
    int status = ASSAY_OK;

    r.rows = (size_t)pla_count(n, PLA_BLOCK, pla->row, pla->rows);
    r.columns = (size_t)pla_count(n, PLA_BLOCK, pla->column, pla->columns);
    lay_out(&r, work);
    memset(r.band, 0, (BAND + 1) * (size_t)n * sizeof *r.band);
    complete_diagonal(&r);
    for (uint64_t c = 0; c < n; c += BAND) ASSAY_TRY(reduce_panel(&r, c, err));
    if (pla->rank == 0) status = assay_la_band_eigenvalues(n, BAND, r.band, w, r.work, err);
    ASSAY_TRY(assay_comm_agree(pla->team, status, err));
    return assay_comm_share(pla->team, 0, w, n * sizeof *w, err);
}
