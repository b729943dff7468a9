// SPDX-License-Identifier: Apache-2.0
#include "grid.h"

#include "assay/la.h"

#include <string.h>

void pla_spread(const struct assay_pla *pla, int rows, int columns, uint32_t t, const double *y,
                double *local)
{
    for (int j = 0; j < columns; j++) {
        const uint64_t column = pla_global((uint64_t)j, pla->column, pla->columns);
        for (int i = 0; i < rows; i++)
            local[(size_t)j * (size_t)rows + (size_t)i] =
                y[column * t + pla_global((uint64_t)i, pla->row, pla->rows)];
    }
}

void pla_collect(const struct assay_pla *pla, int rows, int columns, uint32_t t,
                 const double *local, double *out)
{
    for (int j = 0; j < columns; j++) {
        const uint64_t column = pla_global((uint64_t)j, pla->column, pla->columns);
        for (int i = 0; i < rows; i++)
            out[column * t + pla_global((uint64_t)i, pla->row, pla->rows)] =
                local[(size_t)j * (size_t)rows + (size_t)i];
    }
}

static void add_shift(const struct assay_pla *pla, int ld, uint32_t t, double shift, double *a)
{
    for (uint64_t i = 0; i < t; i++) {
        const uint64_t block = i / PLA_BLOCK, rows = (uint64_t)pla->rows,
                       columns = (uint64_t)pla->columns;
        if (block % rows != (uint64_t)pla->row || block % columns != (uint64_t)pla->column)
            continue;
        a[(block / columns * PLA_BLOCK + i % PLA_BLOCK) * (uint64_t)ld + block / rows * PLA_BLOCK +
          i % PLA_BLOCK] += shift;
    }
}

static int check(const struct assay_pla *pla, uint32_t t, int info, struct assay_err *err)
{
    int status = ASSAY_OK;

    ASSAY_ASSERT(info >= 0);
    if (info)
        status = assay_err_set(err, ASSAY_ERR_INPUT,
                               "ridge: the kernel of order %u is not positive definite at row %d",
                               t, info);
    return assay_comm_agree(pla->team, status, err);
}

int assay_pla_ridge(const struct assay_pla *pla, uint32_t n, uint32_t t, double *a, double shift,
                    uint32_t m, double *y, double *out, double *work, struct assay_err *err)
{
    if (!pla) return assay_la_ridge(n, t, a, shift, m, y, out, err);
    const int order = (int)n, train = (int)t, rest = (int)(n - t), count = (int)m, one = 1,
              below = train + 1;
    const double unit = 1.0, zero = 0.0;
    int a_of[DESC], x_of[DESC], out_of[DESC], rows, columns, x_rows, x_columns, out_rows,
        out_columns, info = 0;

    ASSAY_TRY(pla_check(pla, n, err));
    pla_describe(pla, order, order, a_of, &rows, &columns);
    pla_describe(pla, train, count, x_of, &x_rows, &x_columns);
    pla_describe(pla, rest, count, out_of, &out_rows, &out_columns);
    double *x = work, *product = work + (size_t)x_rows * (size_t)x_columns;
    add_shift(pla, rows ? rows : 1, t, shift, a);
    pdpotrf_("L", &train, a, &one, &one, a_of, &info, 1);
    ASSAY_TRY(check(pla, t, info, err));
    pla_spread(pla, x_rows, x_columns, t, y, x);
    pdpotrs_("L", &train, &count, a, &one, &one, a_of, x, &one, &one, x_of, &info, 1);
    ASSAY_ASSERT(info == 0);
    pdgemm_("N", "N", &rest, &count, &train, &unit, a, &below, &one, a_of, x, &one, &one, x_of,
            &zero, product, &one, &one, out_of, 1, 1);
    memset(out, 0, (size_t)(n - t) * m * sizeof *out);
    pla_collect(pla, out_rows, out_columns, n - t, product, out);
    return assay_comm_sum(pla->team, (size_t)(n - t) * m, out, err);
}
