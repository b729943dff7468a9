// SPDX-License-Identifier: Apache-2.0
// bench_kernel [IMAGES [CHANNELS]]: the frozen kernel of all logits of one network, on a team of
// all ranks: seconds of each phase, memory of a rank, and what eigenvalues must satisfy.
#include "assay/exec.h"
#include "assay/la.h"
#include "assay/pla.h"
#include "assay/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CLASSES = 10, COMPARED = 3000 }; // COMPARED: rows up to which LAPACK checks the eigenvalues

static const char arch[] = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|"
                           "nor_conv_3x3~1|nor_conv_3x3~2|";

struct kernel {
    struct assay_comm *comm;
    struct assay_pla *pla;
    struct assay_graph net;
    struct assay_exec *exec;
    struct assay_plan *plan;
    uint32_t images, n;
    uint64_t p;
    struct assay_run_of_rows rows;
    double *jac, *gram, *copy, *work, *value;
    double time[5];
};

static void require(int status, const struct assay_err *err)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_kernel: %s\n", err->text);
    abort();
}

static double *reserve(size_t n)
{
    double *block = calloc(n + 1, sizeof *block);
    ASSAY_ASSERT(block);
    return block;
}

static void build(struct kernel *k, uint32_t channels)
{
    const struct assay_net size = {
        .channels = channels, .cells = 1, .classes = CLASSES, .image = 32};
    struct assay_space space;
    struct assay_graph literal;
    struct assay_err err = {0};
    const struct assay_kern *kern;
    uint64_t index;

    assay_graph_init(&literal);
    assay_graph_init(&k->net);
    require(assay_space_open(&space, "nas-bench-201", &err), &err);
    require(assay_space_parse(&space, arch, &index, &err), &err);
    require(assay_space_build(&space, index, &size, &literal, &err), &err);
    require(assay_graph_fold(&literal, true, &k->net, NULL, &err), &err);
    require(assay_kern_select(&kern, "auto", ASSAY_SINGLE, &err), &err);
    require(assay_exec_create(&k->exec, &err), &err);
    require(assay_plan_make(&k->plan, kern, &k->net, k->images, &assay_want_gradients, &err), &err);
    assay_graph_free(&literal);
    assay_space_close(&space);
}

static void forward(struct kernel *k)
{
    struct assay_err err = {0};
    const size_t values = (size_t)k->images * 3 * 32 * 32;
    double *theta = reserve(k->net.n_theta), *input = reserve(values);
    struct assay_rng rng;

    assay_rng_init(&rng, 1, 0, "bench", "images");
    for (size_t i = 0; i < values; i++) input[i] = assay_rng_normal(&rng);
    assay_init_params(&k->net, ASSAY_INIT_KAIMING_FAN_OUT, 1, 0, theta);
    require(assay_exec_bind(k->exec, k->plan, 0, &err), &err);
    assay_exec_forward(k->exec, theta, input);
    free(theta), free(input);
}

static void jacobian(struct kernel *k)
{
    double cot[CLASSES * CLASSES];

    for (int i = 0; i < CLASSES * CLASSES; i++) cot[i] = i % (CLASSES + 1) == 0;
    assay_exec_jacobian(k->exec, ASSAY_BN_FROZEN, cot, CLASSES, k->rows.first, k->rows.count, k->p,
                        k->jac, k->p);
}

static void gram(struct kernel *k)
{
    assay_pla_gram(k->pla, k->n, k->p, k->jac, k->p, k->gram, k->work);
}

static void eigenvalues(struct kernel *k)
{
    struct assay_err err = {0};

    memcpy(k->copy, k->gram, assay_pla_part(k->n, assay_pla_size(k->pla)) * sizeof *k->copy);
    require(assay_pla_eigenvalues(k->pla, k->n, k->copy, k->value, k->work, &err), &err);
}

// From half of the images to the other half, one right-hand side.
static void ridge(struct kernel *k)
{
    struct assay_err err = {0};
    const uint32_t t = k->n / 2;
    double *y = reserve(t), *out = reserve(k->n - t);

    for (uint32_t i = 0; i < t; i++) y[i] = sin(1.0 + i);
    memcpy(k->copy, k->gram, assay_pla_part(k->n, assay_pla_size(k->pla)) * sizeof *k->copy);
    require(assay_pla_ridge(k->pla, k->n, t, k->copy, 1.0, 1, y, out, k->work, &err), &err);
    free(y), free(out);
}

// Wall time from when all are ready until all have finished.
static double timed(struct kernel *k, void (*phase)(struct kernel *))
{
    struct assay_err err = {0};

    require(assay_comm_agree(k->comm, 0, &err), &err);
    const double start = assay_clock_wall();
    phase(k);
    require(assay_comm_agree(k->comm, 0, &err), &err);
    return assay_clock_wall() - start;
}

// |sum of eigenvalues - trace| and the largest difference from LAPACK's eigenvalues, both in units
// of the largest; the second is NaN where it is not computed.
static void verify(struct kernel *k, double *trace_off, double *lapack_off)
{
    struct assay_err err = {0};
    double *diagonal = reserve(k->n), sum = 0, *jac = NULL;
    const double largest = k->value[k->n - 1];

    require(assay_pla_diagonal(k->pla, k->n, k->gram, diagonal, &err), &err);
    for (uint32_t i = 0; i < k->n; i++) sum += k->value[i] - diagonal[i];
    *trace_off = fabs(sum) / largest;
    *lapack_off = NAN;
    if (k->n <= COMPARED && assay_pla_rank(k->pla) == 0) {
        const struct assay_run_of_rows own = k->rows;
        double *theta = reserve((size_t)k->n * k->n), *value = reserve(k->n),
               *work = reserve(assay_la_eigenvalues_work(k->n)), *mine = k->jac;
        k->rows = (struct assay_run_of_rows){.count = k->n};
        k->jac = jac = reserve(k->n * k->p);
        jacobian(k);
        assay_la_gram(k->n, k->p, jac, k->p, theta);
        require(assay_la_eigenvalues(k->n, theta, value, work, &err), &err);
        *lapack_off = 0;
        for (uint32_t i = 0; i < k->n; i++)
            *lapack_off = fmax(*lapack_off, fabs(value[i] - k->value[i]) / largest);
        k->rows = own;
        k->jac = mine;
        free(theta), free(value), free(work), free(jac);
    }
    free(diagonal);
}

static void report(struct kernel *k)
{
    static const char *const name[] = {"forward", "Jacobian", "Gram", "eigenvalues", "ridge"};
    const double flop[] = {0, 0, (double)k->n * k->n * (double)k->p, 4.0 / 3 * pow(k->n, 3),
                           pow(k->n / 2.0, 3) / 3};
    struct rusage usage;
    double total = 0, off, lapack, mib;
    struct assay_err err = {0};

    getrusage(RUSAGE_SELF, &usage);
    mib = (double)usage.ru_maxrss / 1024;
    require(assay_comm_max(k->comm, &mib, &err), &err);
    verify(k, &off, &lapack);
    if (assay_pla_rank(k->pla)) return;
    for (int i = 0; i < 5; i++) total += k->time[i];
    printf("%u images x %d logits, %llu parameters, %d ranks: %.1f s, at most %.0f MiB a rank\n",
           k->images, CLASSES, (unsigned long long)k->p, assay_pla_size(k->pla), total, mib);
    for (int i = 0; i < 5; i++)
        printf("  %-12s %8.2f s  %5.1f %%  %6.1f GFLOP/s\n", name[i], k->time[i],
               100 * k->time[i] / total, flop[i] / k->time[i] / 1e9);
    printf("  |sum - trace| / largest eigenvalue %.2g; condition number %.4g\n", off,
           k->value[k->n - 1] / k->value[0]);
    if (!isnan(lapack))
        printf("  largest difference from LAPACK / largest eigenvalue %.2g\n", lapack);
}

int main(int argc, char **argv)
{
    void (*const phase[])(struct kernel *) = {forward, jacobian, gram, eigenvalues, ridge};
    struct kernel k = {.images = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000};
    struct assay_err err = {0};

    require(assay_la_start(&err), &err);
    require(assay_comm_start(&k.comm, false, &err), &err);
    require(assay_pla_create(&k.pla, k.comm, &err), &err);
    const int size = assay_pla_size(k.pla);
    build(&k, argc > 2 ? (uint32_t)atoi(argv[2]) : 3);
    k.n = k.images * CLASSES;
    k.p = k.net.n_weight;
    k.rows = assay_pla_rows(k.n, size, assay_pla_rank(k.pla));
    k.jac = reserve(k.rows.count * k.p);
    k.gram = reserve(assay_pla_part(k.n, size));
    k.copy = reserve(assay_pla_part(k.n, size));
    k.work = reserve(assay_pla_work(k.n, 1, size));
    k.value = reserve(k.n);
    for (int i = 0; i < 5; i++) k.time[i] = timed(&k, phase[i]);
    report(&k);
    assay_pla_destroy(k.pla);
    assay_exec_destroy(k.exec);
    assay_plan_free(k.plan);
    assay_graph_free(&k.net);
    free(k.jac), free(k.gram), free(k.copy), free(k.work), free(k.value);
    assay_comm_finish(k.comm);
    return 0;
}
