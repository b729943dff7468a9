// SPDX-License-Identifier: Apache-2.0
// Davidson's method for one end of a spectrum: E. R. Davidson, J. Comput. Phys. 17 (1975) 87, with
// thick restarts. The subspace grows by the residual, or by what a solver makes of it: without one
// it is Lanczos's, with one that is exact it is that of inverse iteration, and products are exact
// whatever the solver.
#include "grid.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    MOST = 64,     // vectors of the subspace
    KEPT = 16,     // at a restart
    STEPS = 400,   // products
    PATIENCE = 40, // products in which the residual is not halved
};

struct space {
    const struct pla_davidson *d;
    uint32_t m;           // vectors
    double *v, *av;       // (MOST, n): orthonormal, and A v
    double *h;            // (MOST, MOST): v^T A v
    double *s, *w, *work; // eigenvectors and eigenvalues of h
    double *x, *r, *t;    // (n): Ritz vector, residual, next direction
    double *spare;        // (n)
};

size_t pla_davidson_work(uint32_t n)
{
    return (2 * (size_t)MOST + 4) * n + 2 * (size_t)MOST * MOST + 35 * (size_t)MOST;
}

static struct space lay_out(const struct pla_davidson *d)
{
    const size_t n = d->n;
    struct space s = {.d = d, .v = d->work};

    s.av = s.v + MOST * n;
    s.x = s.av + MOST * n;
    s.r = s.x + n;
    s.t = s.r + n;
    s.spare = s.t + n;
    s.h = s.spare + n;
    s.s = s.h + MOST * MOST;
    s.w = s.s + MOST * MOST;
    s.work = s.w + MOST;
    return s;
}

static struct assay_la_rows rows_of(const struct space *s, const double *v, uint32_t m)
{
    return (struct assay_la_rows){.n = m, .p = s->d->n, .ld = s->d->n, .at = v};
}

static double dot(uint32_t n, const double *a, const double *b)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double norm(uint32_t n, const double *a)
{
    return sqrt(dot(n, a, a));
}

// Makes t orthogonal to all vectors, twice is enough, and a unit vector; false: nothing is left.
static bool orthogonalise(struct space *s)
{
    const uint32_t n = s->d->n;
    const struct assay_la_rows v = rows_of(s, s->v, s->m);
    double left = norm(n, s->t);

    for (int pass = 0; pass < 3; pass++) {
        const double before = left;
        if (!(before > 0) || !isfinite(before)) return false;
        for (uint32_t i = 0; i < n; i++) s->t[i] /= before;
        if (s->m) {
            assay_la_apply(&v, s->t, s->work);
            assay_la_apply_transposed(&v, s->work, s->spare);
            for (uint32_t i = 0; i < n; i++) s->t[i] -= s->spare[i];
        }
        left = norm(n, s->t);
        if (left > 0.7) break;
    }
    for (uint32_t i = 0; i < n; i++) s->t[i] /= left;
    return left > 0.5;
}

// Appends t and A t.
static int extend(struct space *s, struct assay_err *err)
{
    const struct pla_davidson *d = s->d;
    const size_t n = d->n, m = s->m;
    double *at = s->av + m * n;

    memcpy(s->v + m * n, s->t, n * sizeof *s->t);
    ASSAY_TRY(d->apply(d->self, d->matrix, s->t, at, err));
    const struct assay_la_rows v = rows_of(s, s->v, ++s->m);
    assay_la_apply(&v, at, s->work);
    for (size_t i = 0; i <= m; i++) s->h[i * MOST + m] = s->h[m * MOST + i] = s->work[i];
    return ASSAY_OK;
}

// The wanted eigenpair of h is the first: signs make it so.
static int diagonalise(struct space *s, struct assay_err *err)
{
    const double sign = s->d->smallest ? 1 : -1;

    for (size_t i = 0; i < s->m; i++)
        for (size_t k = 0; k < s->m; k++) s->s[i * s->m + k] = sign * s->h[i * MOST + k];
    return assay_la_eigenvectors(s->m, s->s, s->w, s->work, err);
}

static void find_residual(struct space *s, struct pla_pair *out)
{
    const uint32_t n = s->d->n;
    const struct assay_la_rows v = rows_of(s, s->v, s->m), av = rows_of(s, s->av, s->m);

    assay_la_apply_transposed(&v, s->s, s->x);
    assay_la_apply_transposed(&av, s->s, s->r);
    out->value = dot(n, s->x, s->r);
    for (uint32_t i = 0; i < n; i++) s->r[i] -= out->value * s->x[i];
    out->residual = norm(n, s->r);
    // Half of the distance to the next Ritz value, which may not have arrived.
    const double apart = s->m > 1 ? (s->w[1] - s->w[0]) / 2 : 0;
    out->error = apart > out->residual ? out->residual * out->residual / apart : out->residual;
}

// Keeps the Ritz vectors of the wanted end.
static void restart(struct space *s)
{
    const size_t n = s->d->n;
    const struct assay_la_rows v = rows_of(s, s->v, s->m), av = rows_of(s, s->av, s->m);
    double column[2][MOST], to[2][KEPT];

    for (size_t i = 0; i < n; i++) { // of all vectors at a time, in place
        for (size_t k = 0; k < s->m; k++) {
            column[0][k] = ((const double *)v.at)[k * n + i];
            column[1][k] = ((const double *)av.at)[k * n + i];
        }
        for (size_t q = 0; q < KEPT; q++) {
            to[0][q] = dot(s->m, s->s + q * s->m, column[0]);
            to[1][q] = dot(s->m, s->s + q * s->m, column[1]);
        }
        for (size_t q = 0; q < KEPT; q++) {
            s->v[q * n + i] = to[0][q];
            s->av[q * n + i] = to[1][q];
        }
    }
    s->m = KEPT;
    for (size_t q = 0; q < KEPT; q++) {
        memset(s->h + q * MOST, 0, MOST * sizeof *s->h);
        s->h[q * MOST + q] = s->d->smallest ? s->w[q] : -s->w[q];
    }
}

// The first of the vectors that are given, or one by lot.
static void first_vector(struct space *s)
{
    const struct pla_davidson *d = s->d;
    struct assay_rng rng;

    if (d->given) {
        memcpy(s->t, s->v, d->n * sizeof *s->t);
        return;
    }
    assay_rng_init(&rng, 0, 0, "pla", "davidson");
    for (uint32_t i = 0; i < d->n; i++) s->t[i] = assay_rng_normal(&rng);
}

static int next_vector(struct space *s, struct assay_err *err)
{
    const struct pla_davidson *d = s->d;

    if (s->m < d->given && s->m < MOST)
        memcpy(s->t, s->v + (size_t)s->m * d->n, d->n * sizeof *s->t);
    else if (d->smallest)
        return d->apply(d->self, PLA_SOLVE, s->r, s->t, err);
    else
        memcpy(s->t, s->r, d->n * sizeof *s->t);
    return ASSAY_OK;
}

int pla_davidson(const struct pla_davidson *d, struct pla_pair *out, struct assay_err *err)
{
    struct space s = lay_out(d);
    double least = INFINITY;
    int since = 0;

    first_vector(&s);
    *out = (struct pla_pair){.value = NAN, .residual = INFINITY, .error = INFINITY};
    for (int step = 0; step < STEPS && since < PATIENCE && orthogonalise(&s); step++, since++) {
        ASSAY_TRY(extend(&s, err));
        ASSAY_TRY(diagonalise(&s, err));
        find_residual(&s, out);
        const double most = fmax(fabs(out->value), d->size);
        if (s.m == d->n || out->error <= d->enough * fabs(out->value) ||
            out->residual <= DBL_EPSILON * most)
            break;
        if (out->residual < least / 2) least = out->residual, since = 0;
        if (s.m == MOST) restart(&s);
        ASSAY_TRY(next_vector(&s, err));
    }
    out->ritz = s.m > KEPT ? PLA_RITZ : 1;
    if (s.m > KEPT)
        restart(&s);
    else
        memcpy(s.v, s.x, d->n * sizeof *s.v);
    return ASSAY_OK;
}
