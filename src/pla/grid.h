// SPDX-License-Identifier: Apache-2.0
// The inside of pla: process grids, and ScaLAPACK's Fortran names.
#ifndef ASSAY_SRC_PLA_GRID_H
#define ASSAY_SRC_PLA_GRID_H

#include "assay/pla.h"

// Rows and columns of a block. Sizes from 32 to 128 differ by a few percent in speed, and larger
// ones leave small teams idle.
#define PLA_BLOCK 64

struct assay_pla {
    struct assay_comm *team;
    int size, rank;
    int rows, columns, row, column; // of the grid, and this rank's place in it
    int grid;                       // BLACS context of that grid
    int *count;                     // (4, size), bytes for each rank and from it
};

enum { DESC = 9 }; // length of ScaLAPACK's array descriptors

// The shape of a grid of `size` ranks: as square as its divisors allow, more columns than rows.
void pla_shape(int size, int *rows, int *columns);
// How many of n rows (columns) in blocks of `block` the rank at `at` of `size` holds.
int pla_count(uint64_t n, int block, int at, int size);
// Where the local row (column) i of that rank stands in the matrix, from 0.
static inline uint64_t pla_global(uint64_t i, int at, int size)
{
    return (i / PLA_BLOCK * (uint64_t)size + (uint64_t)at) * PLA_BLOCK + i % PLA_BLOCK;
}
// Describes a spread (m,n) matrix; *local_rows and *local_columns are the sizes of this rank's
// part, column-major.
void pla_describe(const struct assay_pla *pla, int m, int n, int desc[DESC], int *local_rows,
                  int *local_columns);
// The same as a block held by the grid's first rank alone.
void pla_describe_whole(const struct assay_pla *pla, int n, int desc[DESC]);

// ScaLAPACK counts a rank's part in 32 bits: ERR_CONFIG where one of order n has more numbers.
int pla_check(const struct assay_pla *pla, uint32_t n, struct assay_err *err);

// A right-hand side (t, any) is spread like any matrix; all its columns lie on the grid's first
// ones. rows, columns: the sizes of the rank's part. collect: fills in the rank's entries of `out`.
void pla_spread(const struct assay_pla *pla, int rows, int columns, uint32_t t, const double *y,
                double *local);
void pla_collect(const struct assay_pla *pla, int rows, int columns, uint32_t t,
                 const double *local, double *out);
// Scratch in doubles.
size_t pla_gram_work(uint32_t n, uint32_t unit, int size);
size_t pla_eigenvalues_work(uint32_t n, int size);
// All eigenvalues by way of a band; `a` is destroyed, w and status are the same on every rank.
int pla_band_eigenvalues(const struct assay_pla *pla, uint32_t n, double *a, double *w,
                         double *work, struct assay_err *err);
size_t pla_band_work(uint32_t n, int size);

// ---- extreme eigenvalues ------------------------------------------------------------------------
// A symmetric matrix is known by what it does to a vector: A, and what comes near its inverse.
enum pla_operator { PLA_STOP, PLA_PRODUCT, PLA_SOLVE };
#define PLA_RITZ 4
struct pla_davidson {
    int (*apply)(void *self, enum pla_operator what, const double *x, double *y,
                 struct assay_err *err);
    void *self;
    uint32_t n;
    enum pla_operator matrix; // of which the largest eigenvalue is found,
    bool smallest;            // or the smallest, with PLA_SOLVE for residuals
    uint32_t given;           // vectors to begin with, which the last call left in `work`
    double enough;            // error of the eigenvalue in units of it
    double size;              // of rounding: the largest eigenvalue, where it is another
    double *work;             // pla_davidson_work(n)
};
struct pla_pair {
    double value, residual;
    double error;  // estimated from the residual and the next eigenvalue
    uint32_t ritz; // vectors left in `work`, the best first
};
size_t pla_davidson_work(uint32_t n);
int pla_davidson(const struct pla_davidson *d, struct pla_pair *out, struct assay_err *err);

// Texts carry their length at the end, as gfortran passes it.
void blacs_gridinit_(int *context, const char *order, const int *rows, const int *columns,
                     size_t order_len);
void blacs_gridinfo_(const int *context, int *rows, int *columns, int *row, int *column);
void blacs_gridexit_(const int *context);
void blacs_set_(const int *context, const int *what, const int *value);
int numroc_(const int *n, const int *block, const int *at, const int *first, const int *size);
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb,
               const int *first_row, const int *first_column, const int *context, const int *ld,
               int *info);
void pdgemr2d_(const int *m, const int *n, const double *a, const int *ia, const int *ja,
               const int *desca, double *b, const int *ib, const int *jb, const int *descb,
               const int *context);
void pdgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
             const double *alpha, const double *a, const int *ia, const int *ja, const int *desca,
             const double *b, const int *ib, const int *jb, const int *descb, const double *beta,
             double *c, const int *ic, const int *jc, const int *descc, size_t transa_len,
             size_t transb_len);
void pdsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia,
             const int *ja, const int *desca, double *w, double *z, const int *iz, const int *jz,
             const int *descz, double *work, const int *lwork, int *info, size_t jobz_len,
             size_t uplo_len);
void pdtrsv_(const char *uplo, const char *trans, const char *diag, const int *n, const double *a,
             const int *ia, const int *ja, const int *desca, double *x, const int *ix,
             const int *jx, const int *descx, const int *incx, size_t uplo_len, size_t trans_len,
             size_t diag_len);
void pdpotrf_(const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, int *info, size_t uplo_len);
void pdpotrs_(const char *uplo, const int *n, const int *m, const double *a, const int *ia,
              const int *ja, const int *desca, double *b, const int *ib, const int *jb,
              const int *descb, int *info, size_t uplo_len);

#endif
