// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // dladdr, RTLD_NEXT
#include "grid.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>

void pla_shape(int size, int *rows, int *columns)
{
    *rows = 1;
    for (int r = 2; r * r <= size; r++)
        if (size % r == 0) *rows = r;
    *columns = size / *rows;
}

int pla_count(uint64_t n, int block, int at, int size)
{
    const int order = (int)n, first = 0;

    return numroc_(&order, &block, &at, &first, &size);
}

static void describe(const struct assay_pla *pla, int m, int n, int block_rows, int block_columns,
                     int ld, int desc[DESC])
{
    const int zero = 0;
    int info = 0;

    descinit_(desc, &m, &n, &block_rows, &block_columns, &zero, &zero, &pla->grid, &ld, &info);
    ASSAY_ASSERT(info == 0);
}

void pla_describe(const struct assay_pla *pla, int m, int n, int desc[DESC], int *local_rows,
                  int *local_columns)
{
    *local_rows = pla_count((uint64_t)m, PLA_BLOCK, pla->row, pla->rows);
    *local_columns = pla_count((uint64_t)n, PLA_BLOCK, pla->column, pla->columns);
    describe(pla, m, n, PLA_BLOCK, PLA_BLOCK, *local_rows ? *local_rows : 1, desc);
}

int pla_check(const struct assay_pla *pla, uint32_t n, struct assay_err *err)
{
    const size_t part = assay_pla_part(n, pla->size);

    if (part <= INT_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "a rank's part of a matrix of order %u has %zu numbers, of which "
                         "ScaLAPACK counts %d; in a team of more than %d ranks it has fewer",
                         n, part, INT_MAX, pla->size);
}

void pla_describe_whole(const struct assay_pla *pla, int n, int desc[DESC])
{
    describe(pla, n, n, n, n, n, desc);
}

static void open_grid(struct assay_pla *pla)
{
    // BLACS's number for "sums in an order that does not depend on who arrives first".
    const int repeatable = 15, yes = 1;

    pla_shape(pla->size, &pla->rows, &pla->columns);
    pla->grid = assay_comm_fortran(pla->team);
    blacs_gridinit_(&pla->grid, "R", &pla->rows, &pla->columns, 1);
    blacs_gridinfo_(&pla->grid, &pla->rows, &pla->columns, &pla->row, &pla->column);
    blacs_set_(&pla->grid, &repeatable, &yes);
}

int assay_pla_create(struct assay_pla **out, struct assay_comm *team, struct assay_err *err)
{
    *out = NULL;
    if (!team || assay_comm_size(team) == 1) return ASSAY_OK;
    struct assay_pla *pla = calloc(1, sizeof *pla);
    if (pla) pla->count = calloc(4 * (size_t)assay_comm_size(team), sizeof *pla->count);
    int status =
        pla && pla->count ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a grid");
    status = assay_comm_agree(team, status, err);
    if (status < 0) {
        if (pla) free(pla->count);
        free(pla);
        return status;
    }
    pla->team = team;
    pla->size = assay_comm_size(team);
    pla->rank = assay_comm_rank(team);
    open_grid(pla);
    *out = pla;
    return ASSAY_OK;
}

void assay_pla_destroy(struct assay_pla *pla)
{
    if (!pla) return;
    blacs_gridexit_(&pla->grid);
    free(pla->count);
    free(pla);
}

int assay_pla_size(const struct assay_pla *pla)
{
    return pla ? pla->size : 1;
}

int assay_pla_rank(const struct assay_pla *pla)
{
    return pla ? pla->rank : 0;
}

// The name is looked up behind the program, in which it may only be a jump into the library.
const char *assay_pla_name(void)
{
    static char text[PATH_MAX + 64];
    char whole[PATH_MAX];
    Dl_info library = {0};
    const void *routine = dlsym(RTLD_NEXT, "pdsyev_");
    const bool found = routine && dladdr(routine, &library) != 0;
    const char *path = found ? realpath(library.dli_fname, whole) : NULL;

    snprintf(text, sizeof text, "%s (built with " ASSAY_SCALAPACK ")",
             path    ? path
             : found ? library.dli_fname
                     : "in the program itself");
    return text;
}

int assay_pla_agree(const struct assay_pla *pla, int status, struct assay_err *err)
{
    if (!pla) return status;
    ASSAY_TRY(assay_comm_agree(pla->team, status, err));
    return assay_comm_min(pla->team, status);
}

struct assay_run_of_rows assay_pla_rows(uint64_t n, uint32_t unit, int size, int rank)
{
    const uint64_t units = (uint64_t)size * unit, each = (n + units - 1) / units * unit,
                   first = each * (uint64_t)rank;

    if (first >= n) return (struct assay_run_of_rows){.first = n};
    return (struct assay_run_of_rows){.first = first, .count = n - first < each ? n - first : each};
}
