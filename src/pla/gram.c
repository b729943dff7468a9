// SPDX-License-Identifier: Apache-2.0
// The Gram matrix, a panel of parameters at a time, and what is read off it.
#include "grid.h"

#include "assay/la.h"

#include <limits.h>
#include <string.h>

// Parameters at a time. Products in float32 are summed in float32 within a panel: more parameters
// would cost digits, fewer cost time.
enum { DEPTH = 512, DEPTH_DOUBLE = ASSAY_PLA_PANEL, COLUMNS = 256, SUMMED = 1 << 16 };
_Static_assert(COLUMNS % PLA_BLOCK == 0, "columns of theta are taken by blocks");

bool assay_pla_large(uint32_t n)
{
    return n >= 2000;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

// ---- memory -------------------------------------------------------------------------------------
// Rows of J that a rank sends of a panel, and those that it needs: of its rows of theta, and of its
// columns.
struct traffic {
    size_t sent, left, right;
};

static struct traffic traffic_of(uint32_t n, uint32_t unit, int size)
{
    int rows, columns;

    pla_shape(size, &rows, &columns);
    if (size == 1) return (struct traffic){.left = n};
    return (struct traffic){.sent = assay_pla_rows(n, unit, size, 0).count * (size_t)columns,
                            .left = (size_t)pla_count(n, PLA_BLOCK, 0, rows),
                            .right = (size_t)pla_count(n, PLA_BLOCK, 0, columns)};
}

size_t pla_gram_work(uint32_t n, uint32_t unit, int size)
{
    const struct traffic t = traffic_of(n, unit, size);
    const size_t moved = size > 1 ? t.sent + t.left + t.right : 0, used = t.left + t.right;

    if (!assay_pla_large(n)) return moved * DEPTH_DOUBLE + 1;
    const size_t single = moved * DEPTH / 2 + assay_la_tile() / 2,
                 widened = (moved / 2 + used + 1) * DEPTH_DOUBLE;
    return larger(larger(single, widened), moved * DEPTH_DOUBLE) + 1;
}

// ---- panels -------------------------------------------------------------------------------------
// A panel of J: rows for the rows of theta that the rank holds, and for its columns.
struct panel {
    const char *left, *right;
    size_t ld;
    bool single;
    uint32_t depth;
};

static bool wants(uint64_t row, int at, int size)
{
    return row / PLA_BLOCK % (uint64_t)size == (uint64_t)at;
}

static int count_rows(struct assay_run_of_rows run, int at, int size)
{
    int count = 0;

    for (uint64_t i = run.first; i < run.first + run.count; i++) count += wants(i, at, size);
    return count;
}

static char *pack(const struct assay_la_rows *jac, struct assay_run_of_rows run, int at, int size,
                  uint64_t first, size_t depth, char *to)
{
    const size_t each = jac->single ? sizeof(float) : sizeof(double);

    for (uint64_t i = 0; i < run.count; i++) {
        if (!wants(run.first + i, at, size)) continue;
        memcpy(to, (const char *)jac->at + (i * jac->ld + first) * each, depth * each);
        to += depth * each;
    }
    return to;
}

// Offsets of blocks of n bytes that follow each other.
static void place(int size, const int *n, int *at)
{
    int64_t next = 0;

    for (int r = 0; r < size; r++) {
        ASSAY_ASSERT(next <= INT_MAX);
        at[r] = (int)next;
        next += n[r];
    }
}

// Sends every rank the rows that it needs along one dimension of the grid, of `size` ranks.
static int deal(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                const struct assay_la_rows *jac, bool of_rows, uint64_t first, size_t depth,
                char *send, char *receive, struct assay_err *err)
{
    const int size = of_rows ? pla->rows : pla->columns, mine = of_rows ? pla->row : pla->column,
              bytes = (int)(depth * (jac->single ? sizeof(float) : sizeof(double)));
    const struct assay_run_of_rows run = assay_pla_rows(n, unit, pla->size, pla->rank);
    int *send_n = pla->count, *send_at = send_n + pla->size, *receive_n = send_at + pla->size,
        *receive_at = receive_n + pla->size;
    char *next = send;

    for (int r = 0; r < pla->size; r++) {
        const int at = of_rows ? r / pla->columns : r % pla->columns;
        send_n[r] = count_rows(run, at, size) * bytes;
        receive_n[r] = count_rows(assay_pla_rows(n, unit, pla->size, r), mine, size) * bytes;
        next = pack(jac, run, at, size, first, depth, next);
    }
    place(pla->size, send_n, send_at);
    place(pla->size, receive_n, receive_at);
    return assay_comm_exchange(pla->team, send, send_n, send_at, receive, receive_n, receive_at,
                               err);
}

// *work moves on behind the panel.
static int get_panel(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                     const struct assay_la_rows *jac, uint64_t first, struct panel *panel,
                     double **work, struct assay_err *err)
{
    const size_t each = jac->single ? sizeof(float) : sizeof(double), row = panel->depth * each;
    const struct traffic t = traffic_of(n, unit, assay_pla_size(pla));
    char *send = (char *)*work, *left = send + t.sent * row, *right = left + t.left * row;

    panel->single = jac->single;
    if (!pla) {
        panel->left = panel->right = (const char *)jac->at + first * each;
        panel->ld = jac->ld;
        return ASSAY_OK;
    }
    panel->left = left, panel->right = right, panel->ld = panel->depth;
    *work += (t.sent + t.left + t.right) * row / sizeof **work + 1;
    ASSAY_TRY(deal(pla, n, unit, jac, true, first, panel->depth, send, left, err));
    return deal(pla, n, unit, jac, false, first, panel->depth, send, right, err);
}

static void widen_rows(uint64_t count, uint32_t depth, const char *from, size_t ld, double *to)
{
    const float *row = (const float *)(const void *)from;

    for (uint64_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < depth; k++) to[i * depth + k] = (double)row[i * ld + k];
}

// Makes a panel float64.
static void widen(const struct assay_pla *pla, uint32_t n, struct panel *panel, double *work)
{
    const uint64_t rows = pla ? (uint64_t)pla_count(n, PLA_BLOCK, pla->row, pla->rows) : n,
                   columns = pla ? (uint64_t)pla_count(n, PLA_BLOCK, pla->column, pla->columns) : 0;
    double *right = work + rows * panel->depth;

    widen_rows(rows, panel->depth, panel->left, panel->ld, work);
    widen_rows(columns, panel->depth, panel->right, panel->ld, right);
    panel->left = (const char *)work;
    panel->right = (const char *)(pla ? right : work);
    panel->ld = panel->depth;
    panel->single = false;
}

// ---- Gram matrix --------------------------------------------------------------------------------
static void add_panel(const struct assay_pla *pla, uint32_t n, const struct panel *panel,
                      double *theta, float *tile)
{
    const uint32_t rows = pla ? (uint32_t)pla_count(n, PLA_BLOCK, pla->row, pla->rows) : n,
                   columns = pla ? (uint32_t)pla_count(n, PLA_BLOCK, pla->column, pla->columns) : n;

    for (uint32_t k = 0; k < columns; k += COLUMNS) {
        const uint64_t above = pla ? pla_global(k, pla->column, pla->columns) : k;
        const uint32_t begin =
            pla ? (uint32_t)pla_count(above, PLA_BLOCK, pla->row, pla->rows) : (uint32_t)above;
        const uint32_t width = columns - k < COLUMNS ? columns - k : COLUMNS;
        double *to = theta + (size_t)k * rows + begin;
        const void *a = panel->left + begin * panel->ld * (panel->single ? 4 : 8),
                   *b = panel->right + k * panel->ld * (panel->single ? 4 : 8);
        if (panel->single)
            assay_la_add_products_single(rows - begin, width, panel->depth, a, panel->ld, b,
                                         panel->ld, to, rows, tile);
        else
            assay_la_add_products(rows - begin, width, panel->depth, a, panel->ld, b, panel->ld, to,
                                  rows);
    }
}

// MPI counts bytes in 32 bits.
static uint32_t depth_of(uint32_t n, uint32_t unit, int size, bool rough)
{
    const struct traffic t = traffic_of(n, unit, size);
    const size_t rows = larger(t.sent, larger(t.left, t.right)) * sizeof(double);
    uint32_t depth = rough ? DEPTH : DEPTH_DOUBLE;

    while (size > 1 && depth % 2 == 0 && rows * depth > INT_MAX) depth /= 2;
    return depth;
}

static int add_panels(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                      const struct assay_la_rows *jac, bool rough, double *theta, double *work,
                      struct assay_err *err)
{
    const uint32_t most = depth_of(n, unit, assay_pla_size(pla), rough);

    ASSAY_ASSERT(n <= INT_MAX && jac->ld <= INT_MAX);
    for (uint64_t first = 0; first < jac->p; first += most) {
        const uint64_t left = jac->p - first;
        struct panel panel = {.depth = left < most ? (uint32_t)left : most};
        double *free_work = work;
        ASSAY_TRY(get_panel(pla, n, unit, jac, first, &panel, &free_work, err));
        if (panel.single && !rough) widen(pla, n, &panel, free_work);
        add_panel(pla, n, &panel, theta, (float *)free_work);
    }
    return ASSAY_OK;
}

bool assay_pla_in_blocks(uint32_t n, int size)
{
    return size > 1 || assay_pla_large(n);
}

int assay_pla_add_gram(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                       const struct assay_la_rows *jac, double *theta, double *work,
                       struct assay_err *err)
{
    ASSAY_ASSERT(assay_pla_in_blocks(n, assay_pla_size(pla)));
    return add_panels(pla, n, unit, jac, false, theta, work, err);
}

int assay_pla_gram(const struct assay_pla *pla, uint32_t n, uint32_t unit,
                   const struct assay_la_rows *jac, enum assay_pla_sums sums, double *theta,
                   double *work, struct assay_err *err)
{
    const int size = assay_pla_size(pla);

    if (!assay_pla_in_blocks(n, size)) {
        assay_la_gram(n, jac->p, jac->at, jac->ld, theta);
        return ASSAY_OK;
    }
    memset(theta, 0, assay_pla_part(n, size) * sizeof *theta);
    return add_panels(pla, n, unit, jac, sums == ASSAY_PLA_ROUGH && jac->single, theta, work, err);
}

int assay_pla_sum_rows(const struct assay_pla *pla, uint32_t n, uint32_t unit, uint64_t first,
                       uint64_t count, uint64_t columns, double *rows, struct assay_err *err)
{
    for (int rank = 0; pla && rank < pla->size; rank++) {
        const struct assay_run_of_rows run = assay_pla_rows(n, unit, pla->size, rank);
        const uint64_t begin = run.first > first ? run.first : first, past = first + count,
                       end = run.first + run.count < past ? run.first + run.count : past;
        if (begin >= end) continue;
        double *at = rows + (begin - first) * columns;
        for (uint64_t left = (end - begin) * columns, n_sum; left > 0; left -= n_sum, at += n_sum) {
            n_sum = left < SUMMED ? left : SUMMED;
            ASSAY_TRY(assay_comm_sum_to(pla->team, rank, n_sum, at, err));
        }
    }
    return ASSAY_OK;
}

int assay_pla_diagonal(const struct assay_pla *pla, uint32_t n, const double *a, double *diagonal,
                       struct assay_err *err)
{
    memset(diagonal, 0, n * sizeof *diagonal);
    if (!pla) {
        for (size_t i = 0; i < n; i++) diagonal[i] = a[i * n + i];
        return ASSAY_OK;
    }
    const int rows = pla_count(n, PLA_BLOCK, pla->row, pla->rows),
              columns = pla_count(n, PLA_BLOCK, pla->column, pla->columns);
    for (int j = 0; j < columns; j++) {
        const uint64_t global = pla_global((uint64_t)j, pla->column, pla->columns);
        const uint64_t block = global / PLA_BLOCK;
        if (block % (uint64_t)pla->rows != (uint64_t)pla->row) continue;
        const uint64_t i = block / (uint64_t)pla->rows * PLA_BLOCK + global % PLA_BLOCK;
        diagonal[global] = a[(size_t)j * (size_t)rows + i];
    }
    return assay_comm_sum(pla->team, n, diagonal, err);
}

void assay_pla_visit(const struct assay_pla *pla, uint32_t n, const double *a,
                     void (*look)(void *self, uint32_t row, uint32_t column, double value),
                     void *self)
{
    const uint64_t rows = pla ? (uint64_t)pla_count(n, PLA_BLOCK, pla->row, pla->rows) : n,
                   columns = pla ? (uint64_t)pla_count(n, PLA_BLOCK, pla->column, pla->columns) : n;

    for (uint64_t j = 0; j < columns; j++) {
        const uint64_t column = pla ? pla_global(j, pla->column, pla->columns) : j;
        for (uint64_t i = 0; i < rows; i++) {
            const uint64_t row = pla ? pla_global(i, pla->row, pla->rows) : i;
            if (row >= column) look(self, (uint32_t)row, (uint32_t)column, a[j * rows + i]);
        }
    }
}

int assay_pla_sum(const struct assay_pla *pla, size_t count, double *value, struct assay_err *err)
{
    return pla ? assay_comm_sum(pla->team, count, value, err) : ASSAY_OK;
}
