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

// COMPARED: rows up to which LAPACK checks the eigenvalues.
enum { CLASSES = 10, COMPARED = 3000, PHASES = 6 };

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
    struct assay_la_rows jac; // float32
    double *gram, *work, *value;
    struct assay_pla_extremes ends;
    double time[PHASES], cpu[PHASES]; // cpu: of this rank
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

static void fill(struct kernel *k, struct assay_run_of_rows rows, float *jac)
{
    const uint64_t each = assay_exec_block(CLASSES), end = rows.first + rows.count;
    double cot[CLASSES * CLASSES], *block = reserve(each * k->p);

    for (int i = 0; i < CLASSES * CLASSES; i++) cot[i] = i % (CLASSES + 1) == 0;
    for (uint64_t row = rows.first, n; row < end; row += n) {
        n = each - row % each;
        if (n > end - row) n = end - row;
        assay_exec_jacobian(k->exec, ASSAY_BN_FROZEN, cot, CLASSES, row, n, k->p, block, k->p);
        for (uint64_t i = 0; i < n * k->p; i++) *jac++ = (float)block[i];
    }
    free(block);
}

static void jacobian(struct kernel *k)
{
    fill(k, k->rows, (float *)k->jac.at);
}

static void gram(struct kernel *k)
{
    struct assay_err err = {0};

    require(assay_pla_gram(k->pla, k->n, CLASSES, &k->jac, ASSAY_PLA_EXACT, k->gram, k->work, &err),
            &err);
}

static void eigenvalues(struct kernel *k)
{
    struct assay_err err = {0};

    require(assay_pla_eigenvalues(k->pla, k->n, k->gram, k->value, k->work, &err), &err);
}

static void extremes(struct kernel *k)
{
    struct assay_err err = {0};
    double *w = reserve(k->n),
           *work = reserve(assay_pla_extremes_work(k->n, CLASSES, k->p, assay_pla_size(k->pla)));

    require(assay_pla_extremes(k->pla, k->n, CLASSES, &k->jac, k->gram, w, work, &k->ends, &err),
            &err);
    free(w), free(work);
}

// From half of the images to the other half, one right-hand side.
static void ridge(struct kernel *k)
{
    struct assay_err err = {0};
    const uint32_t t = k->n / 2;
    double *y = reserve(t), *out = reserve(k->n - t);

    for (uint32_t i = 0; i < t; i++) y[i] = sin(1.0 + i);
    gram(k);
    require(assay_pla_ridge(k->pla, k->n, t, k->gram, 1.0, 1, y, out, k->work, &err), &err);
    free(y), free(out);
}

// Wall time from when all are ready until all have finished.
static void timed(struct kernel *k, int phase, void (*run)(struct kernel *))
{
    struct assay_err err = {0};

    require(assay_comm_agree(k->comm, 0, &err), &err);
    const double start = assay_clock_wall(), used = assay_clock_thread();
    run(k);
    k->cpu[phase] = assay_clock_thread() - used;
    require(assay_comm_agree(k->comm, 0, &err), &err);
    k->time[phase] = assay_clock_wall() - start;
}

// The largest difference from LAPACK's eigenvalues of a Gram matrix of one rank's, in units of the
// largest.
static double off_lapack(struct kernel *k)
{
    struct assay_err err = {0};
    struct assay_la_rows jac = k->jac;
    double *theta = reserve((size_t)k->n * k->n), *value = reserve(k->n),
           *work = reserve(assay_pla_work(k->n, CLASSES, 1, 1)), off = 0;
    float *rows = (float *)reserve(k->n * k->p / 2 + 1);

    fill(k, (struct assay_run_of_rows){.count = k->n}, rows);
    jac.n = k->n;
    jac.at = rows;
    require(assay_pla_gram(NULL, k->n, CLASSES, &jac, ASSAY_PLA_EXACT, theta, work, &err), &err);
    require(assay_la_eigenvalues(k->n, theta, value, work, &err), &err);
    for (uint32_t i = 0; i < k->n; i++) off = fmax(off, fabs(value[i] - k->value[i]));
    free(theta), free(value), free(work), free(rows);
    return off / k->value[k->n - 1];
}

// What all eigenvalues and the two ends must satisfy.
static void verify(struct kernel *k)
{
    double sum = 0;
    const double largest = k->value[k->n - 1], smallest = k->value[0];

    for (uint32_t i = 0; i < k->n; i++) sum += k->value[i];
    printf("  |sum - trace| / largest eigenvalue %.2g; condition number %.10g\n",
           fabs(sum - k->ends.trace) / largest, largest / smallest);
    printf("  by the ends alone: largest off by %.2g of it, residual %.2g; smallest off by %.2g, "
           "residual %.2g\n",
           fabs(k->ends.largest / largest - 1), k->ends.largest_residual / largest,
           fabs(k->ends.smallest / smallest - 1), k->ends.smallest_residual / smallest);
    if (k->n <= COMPARED)
        printf("  largest difference from LAPACK / largest eigenvalue %.2g\n", off_lapack(k));
}

static void report(struct kernel *k)
{
    static const char *const name[PHASES] = {"forward", "Jacobian",    "both ends",
                                             "Gram",    "eigenvalues", "Gram, ridge"};
    const double product = (double)k->n * k->n * (double)k->p, cube = pow(k->n, 3),
                 flop[PHASES] = {
                     0, 0, product + cube / 3, product, 4.0 / 3 * cube, product + cube / 24};
    struct rusage usage;
    double mib;
    struct assay_err err = {0};

    getrusage(RUSAGE_SELF, &usage);
    mib = (double)usage.ru_maxrss / 1024;
    require(assay_comm_max(k->comm, &mib, &err), &err);
    if (assay_pla_rank(k->pla)) return;
    printf("%u images x %d logits, %llu parameters, %d ranks: at most %.0f MiB a rank\n", k->images,
           CLASSES, (unsigned long long)k->p, assay_pla_size(k->pla), mib);
    for (int i = 0; i < PHASES; i++)
        printf("  %-12s %8.2f s, %.2f of CPU time  %6.1f GFLOP/s\n", name[i], k->time[i], k->cpu[i],
               flop[i] / k->cpu[i] / assay_pla_size(k->pla) / 1e9);
    verify(k);
}

int main(int argc, char **argv)
{
    void (*const phase[PHASES])(struct kernel *) = {forward, jacobian,    extremes,
                                                    gram,    eigenvalues, ridge};
    struct kernel k = {.images = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000};
    struct assay_err err = {0};

    require(assay_la_start(&err), &err);
    require(assay_comm_start(&k.comm, false, &err), &err);
    require(assay_pla_create(&k.pla, k.comm, &err), &err);
    const int size = assay_pla_size(k.pla);
    build(&k, argc > 2 ? (uint32_t)atoi(argv[2]) : 3);
    k.n = k.images * CLASSES;
    k.p = k.net.n_weight;
    k.rows = assay_pla_rows(k.n, CLASSES, size, assay_pla_rank(k.pla));
    k.jac =
        (struct assay_la_rows){.n = (uint32_t)k.rows.count, .p = k.p, .ld = k.p, .single = true};
    k.jac.at = reserve(k.rows.count * k.p / 2 + 1);
    k.gram = reserve(assay_pla_part(k.n, size));
    k.work = reserve(assay_pla_work(k.n, CLASSES, 1, size));
    k.value = reserve(k.n);
    for (int i = 0; i < PHASES; i++) timed(&k, i, phase[i]);
    report(&k);
    assay_pla_destroy(k.pla);
    assay_exec_destroy(k.exec);
    assay_plan_free(k.plan);
    assay_graph_free(&k.net);
    free((void *)k.jac.at), free(k.gram), free(k.work), free(k.value);
    assay_comm_finish(k.comm);
    return 0;
}
