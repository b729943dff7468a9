// SPDX-License-Identifier: Apache-2.0
// pla: laws of spread matrices, on any number of ranks, against la on one. Orders on both sides of
// the switch to ScaLAPACK, smaller than the team, and of less than a block.
#include "assay/la.h"
#include "assay/pla.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 5 }; // rows that stay together

static void require(bool good, const char *what, double seen)
{
    if (good) return;
    fprintf(stderr, "pla: %s: %.17g\n", what, seen);
    abort();
}

static void *reserve(size_t n)
{
    void *block = calloc(n + 1, sizeof(double));
    require(block != NULL, "memory", (double)n);
    return block;
}

// Rows of J (n,p), the same numbers wherever they are made; float32 holds them.
static void fill(uint64_t first, uint64_t count, uint64_t p, double *jac)
{
    for (uint64_t i = 0; i < count; i++) {
        struct assay_rng rng;
        assay_rng_init(&rng, 3, first + i, "pla", "row");
        for (uint64_t k = 0; k < p; k++) jac[i * p + k] = (double)(float)assay_rng_normal(&rng);
    }
}

static float *narrow(size_t n, const double *wide)
{
    float *to = reserve(n);
    for (size_t i = 0; i < n; i++) to[i] = (float)wide[i];
    return to;
}

struct reference {
    double *gram, *value, *predicted;
};

static void ridge_targets(uint32_t t, uint32_t m, double *y)
{
    for (size_t i = 0; i < (size_t)t * m; i++) y[i] = sin(1.0 + (double)i);
}

static struct reference solve_alone(uint32_t n, uint64_t p, uint32_t t, uint32_t m)
{
    struct assay_err err = {0};
    double *jac = reserve(n * p), *copy = reserve((size_t)n * n),
           *work = reserve(assay_la_eigenvalues_work(n)), *y = reserve((size_t)t * m);
    struct reference r = {reserve((size_t)n * n), reserve(n), reserve((size_t)(n - t) * m)};

    fill(0, n, p, jac);
    assay_la_gram(n, p, jac, p, r.gram);
    memcpy(copy, r.gram, (size_t)n * n * sizeof *copy);
    require(assay_la_eigenvalues(n, copy, r.value, work, &err) == 0, err.text, 0);
    memcpy(copy, r.gram, (size_t)n * n * sizeof *copy);
    ridge_targets(t, m, y);
    require(assay_la_ridge(n, t, copy, 1.0, m, y, r.predicted, &err) == 0, err.text, 0);
    free(jac), free(copy), free(work), free(y);
    return r;
}

static void compare(uint64_t n, const double *seen, const double *expected, double scale,
                    const char *what)
{
    for (uint64_t i = 0; i < n; i++) {
        const double off = fabs(seen[i] - expected[i]) / scale;
        require(off <= 1e-10, what, off); // NaN fails
    }
}

static double norm(uint64_t n, const double *v)
{
    double most = 0;
    for (uint64_t i = 0; i < n; i++) most = fmax(most, fabs(v[i]));
    return most;
}

// Sums of the columns of the lower triangle, and how many entries were seen.
struct triangle {
    double *sum, *entries;
};
static void add_entry(void *self, uint32_t row, uint32_t column, double value)
{
    const struct triangle *t = self;
    require(row >= column, "row above the diagonal", row);
    t->sum[column] += value * (row + 1);
    *t->entries += 1;
}

static void check_entries(const struct assay_pla *pla, uint32_t n, const double *part,
                          const double *whole)
{
    struct assay_err err = {0};
    double *sum = reserve(n + 1);
    struct triangle seen = {.sum = sum, .entries = sum + n};
    assay_pla_visit(pla, n, part, add_entry, &seen);
    require(assay_pla_sum(pla, n + 1, sum, &err) == 0, err.text, 0);
    require(*seen.entries == n * (n + 1.0) / 2, "entries", *seen.entries);
    for (uint32_t j = 0; j < n; j++) {
        double expected = 0, size = 0;
        for (uint32_t i = j; i < n; i++) {
            expected += whole[(size_t)i * n + j] * (i + 1);
            size += fabs(whole[(size_t)i * n + j] * (i + 1));
        }
        require(fabs(sum[j] - expected) <= 1e-12 * size, "column sum", sum[j]);
    }
    free(sum);
}

// Both ends of the spectrum by themselves. The smallest eigenvalue agrees to 1e-10 of itself.
static void check_extremes(const struct assay_pla *pla, uint32_t n, const struct assay_la_rows *jac,
                           const double *expected)
{
    struct assay_err err = {0};
    const int size = assay_pla_size(pla);
    double *theta = reserve(assay_pla_part(n, size)), *w = reserve(n),
           *work = reserve(assay_pla_extremes_work(n, UNIT, jac->p, size)), sum = 0;
    struct assay_pla_extremes seen;

    require(assay_pla_extremes(pla, n, UNIT, jac, theta, w, work, &seen, &err) == 0, err.text, 0);
    for (uint32_t i = 0; i < n; i++) sum += expected[i];
    compare(1, &seen.trace, &sum, sum, "trace");
    compare(1, &seen.largest, expected + n - 1, expected[n - 1], "largest");
    compare(1, &seen.smallest, expected, n <= jac->p ? expected[0] : expected[n - 1], "smallest");
    require(seen.whole == (n < 256 || n > jac->p), "how", seen.whole);
    if (!seen.whole) {
        require(seen.smallest_residual < 1e-4 * seen.smallest, "residual", seen.smallest_residual);
        require(seen.largest_residual < 1e-5 * seen.largest, "residual", seen.largest_residual);
    }
    free(theta), free(w), free(work);
}

// Entries of a Gram matrix whose products are summed in float32, a panel at a time.
static void check_rough(const struct assay_pla *pla, uint32_t n, const struct assay_la_rows *jac,
                        const double *exact)
{
    struct assay_err err = {0};
    double *diagonal = reserve(n), *theta = reserve(assay_pla_part(n, assay_pla_size(pla))),
           *work = reserve(assay_pla_work(n, UNIT, 1, assay_pla_size(pla))), most = 0;

    require(assay_pla_gram(pla, n, UNIT, jac, ASSAY_PLA_ROUGH, theta, work, &err) == 0, err.text,
            0);
    require(assay_pla_diagonal(pla, n, theta, diagonal, &err) == 0, err.text, 0);
    for (uint32_t i = 0; i < n; i++)
        most = fmax(most, fabs(diagonal[i] / exact[(size_t)i * n + i] - 1));
    require(most < 1e-6 && (most > 1e-12 || !jac->single), "rough diagonal", most);
    free(diagonal), free(theta), free(work);
}

// J in blocks of columns gives the same bits.
static void check_blocks(const struct assay_pla *pla, uint32_t n, const struct assay_la_rows *jac,
                         const double *gram)
{
    struct assay_err err = {0};
    const int size = assay_pla_size(pla);
    const size_t part = assay_pla_part(n, size),
                 each = jac->single ? sizeof(float) : sizeof(double);
    if (!assay_pla_in_blocks(n, size)) return;
    double *seen = reserve(part), *work = reserve(assay_pla_work(n, UNIT, 1, size));
    for (uint64_t first = 0; first < jac->p; first += 2 * ASSAY_PLA_PANEL) {
        struct assay_la_rows block = *jac;
        block.at = (const char *)jac->at + first * each;
        block.p = jac->p - first < 2 * ASSAY_PLA_PANEL ? jac->p - first : 2 * ASSAY_PLA_PANEL;
        require(assay_pla_add_gram(pla, n, UNIT, &block, seen, work, &err) == 0, err.text, 0);
    }
    require(memcmp(seen, gram, part * sizeof *seen) == 0, "blocks", n);
    free(seen), free(work);
}

static void check(const struct assay_pla *pla, uint32_t n, uint64_t p, uint32_t m, bool single)
{
    struct assay_err err = {0};
    const int size = assay_pla_size(pla);
    const uint32_t t = n / 2;
    const struct assay_run_of_rows rows = assay_pla_rows(n, UNIT, size, assay_pla_rank(pla));
    const struct reference r = solve_alone(n, p, t, m);
    const size_t part = assay_pla_part(n, size);
    double *jac = reserve(rows.count * p), *gram = reserve(part), *copy = reserve(part),
           *work = reserve(assay_pla_work(n, UNIT, m, size)), *value = reserve(n),
           *y = reserve((size_t)t * m), *predicted = reserve((size_t)(n - t) * m);

    fill(rows.first, rows.count, p, jac);
    struct assay_la_rows part_of_j = {.n = (uint32_t)rows.count, .p = p, .ld = p, .at = jac};
    float *narrowed = narrow(rows.count * p, jac);
    part_of_j.single = single;
    if (single) part_of_j.at = narrowed;
    require(assay_pla_gram(pla, n, UNIT, &part_of_j, ASSAY_PLA_EXACT, gram, work, &err) == 0,
            err.text, 0);
    require(assay_pla_diagonal(pla, n, gram, value, &err) == 0, err.text, 0);
    for (uint32_t i = 0; i < n; i++)
        require(fabs(value[i] / r.gram[(size_t)i * n + i] - 1) < 1e-12, "diagonal", value[i]);
    check_entries(pla, n, gram, r.gram);
    check_blocks(pla, n, &part_of_j, gram);
    memcpy(copy, gram, part * sizeof *copy);
    require(assay_pla_eigenvalues(pla, n, copy, value, work, &err) == 0, err.text, 0);
    compare(n, value, r.value, r.value[n - 1], "eigenvalue");
    memcpy(copy, gram, part * sizeof *copy);
    ridge_targets(t, m, y);
    require(assay_pla_ridge(pla, n, t, copy, 1.0, m, y, predicted, work, &err) == 0, err.text, 0);
    compare((uint64_t)(n - t) * m, predicted, r.predicted, norm((uint64_t)(n - t) * m, r.predicted),
            "prediction");
    check_extremes(pla, n, &part_of_j, r.value);
    if (assay_pla_large(n)) check_rough(pla, n, &part_of_j, r.gram);
    free(jac), free(gram), free(copy), free(work), free(value), free(y), free(predicted);
    free(narrowed);
    free(r.gram), free(r.value), free(r.predicted);
}

// Every rank holds exactly one run of the rows, in order, and no two the same; units stay together.
static void check_runs(uint64_t n, uint32_t unit, int size)
{
    uint64_t next = 0;
    for (int rank = 0; rank < size; rank++) {
        const struct assay_run_of_rows rows = assay_pla_rows(n, unit, size, rank);
        require(!rows.count || rows.first == next, "first row", (double)rows.first);
        require(!rows.count || rows.first % unit == 0, "first row of a unit", (double)rows.first);
        require(rows.count <= assay_pla_rows(n, unit, size, 0).count, "rows", (double)rows.count);
        next += rows.count;
    }
    require(next == n, "rows in all", (double)next);
}

static void check_rows(void)
{
    for (uint64_t n = 1; n < 40; n++)
        for (int size = 1; size < 12; size++)
            for (uint32_t unit = 1; unit < 5; unit++) check_runs(n, unit, size);
}

// Addends to a few rows, which begin within one rank's and end within another's.
static void check_sums(const struct assay_pla *pla, uint32_t n)
{
    enum { COLUMNS = 70000 };
    struct assay_err err = {0};
    const int size = assay_pla_size(pla), rank = assay_pla_rank(pla);
    const struct assay_run_of_rows mine = assay_pla_rows(n, UNIT, size, rank);
    const uint64_t first = n / 3, count = n / 2;
    double *rows = reserve(count * COLUMNS);
    for (uint64_t i = 0; i < count * COLUMNS; i++) rows[i] = (double)i * (rank + 1);
    require(assay_pla_sum_rows(pla, n, UNIT, first, count, COLUMNS, rows, &err) == 0, err.text, 0);
    for (uint64_t i = 0; i < count * COLUMNS; i++) {
        const uint64_t row = first + i / COLUMNS;
        const bool held = row >= mine.first && row < mine.first + mine.count;
        require(!held || rows[i] == (double)i * size * (size + 1) / 2, "sum of a row", rows[i]);
    }
    free(rows);
}

// A NaN anywhere is an error on every rank, as is a matrix that is not positive definite.
static void check_errors(const struct assay_pla *pla, uint32_t n)
{
    const int size = assay_pla_size(pla);
    const size_t part = assay_pla_part(n, size);
    struct assay_err err = {0};
    double *a = reserve(part), *work = reserve(assay_pla_work(n, UNIT, 1, size)), *w = reserve(n),
           *y = reserve(n), *out = reserve(n);

    if (assay_pla_rank(pla) == 0) a[0] = NAN;
    require(assay_pla_eigenvalues(pla, n, a, w, work, &err) == ASSAY_ERR_INPUT, "NaN", err.code);
    memset(a, 0, part * sizeof *a);
    require(assay_pla_ridge(pla, n, n / 2, a, -1.0, 1, y, out, work, &err) == ASSAY_ERR_INPUT,
            "negative definite", err.code);
    require(strstr(err.text, "positive definite") != NULL, err.text, 0);
    free(a), free(work), free(w), free(y), free(out);
}

int main(void)
{
    static const struct {
        uint32_t n, m;
        uint64_t p;
        bool single; // J in float32
    } shape[] = {{2, 1, 5, false},      {3, 10, 700, false},  {63, 3, 1100, false},
                 {200, 70, 300, false}, {331, 10, 20, false}, {300, 1, 420, false},
                 {2100, 1, 2500, true}};
    struct assay_comm *comm = NULL;
    struct assay_pla *pla = NULL;
    struct assay_err err = {0};

    require(assay_la_start(&err) == 0, err.text, 0);
    require(assay_comm_start(&comm, false, &err) == 0, err.text, 0);
    require(assay_pla_create(&pla, comm, &err) == 0, err.text, 0);
    check_rows();
    for (size_t i = 0; i < ASSAY_LEN(shape); i++)
        check(pla, shape[i].n, shape[i].p, shape[i].m, shape[i].single);
    check_sums(pla, 31);
    check_errors(pla, 50);
    check_errors(pla, 2100);
    assay_pla_destroy(pla);
    if (assay_comm_rank(comm) == 0) printf("%d ranks: good\n", assay_comm_size(comm));
    assay_comm_finish(comm);
    return 0;
}
