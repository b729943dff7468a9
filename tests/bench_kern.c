// SPDX-License-Identifier: Apache-2.0
// Benchmark: the convolution kernels of every runnable rung as a share of the FMA peak measured in
// between: more than 1 where minimal filtering saves products. Thread CPU time, medians; one image
// group, so the working set is what the engine keeps in the second-level cache. Usage: bench_kern
// [--json]
#include <math.h>

#include "bench.h"
#include "assay/kern.h"

#define RUNS 7

// A 3x3 convolution of c channels to c channels on h x h maps.
struct shape {
    uint32_t c, h;
};

enum pass { DW, DX, FORWARD };

struct buffers {
    float *dy, *dz, *act, *acc, *lift, *weight;
    double *in, *out, *weight64;
    int32_t *tap, *tap64;
    ptrdiff_t *column;
};

static struct buffers open_buffers(const struct shape *s, uint32_t lanes, int32_t images)
{
    const size_t inner = (size_t)s->c * s->h * s->h,
                 padded = (size_t)s->c * (s->h + 2) * (s->h + 2);
    struct buffers b = {.dy = allocate(inner * lanes * sizeof(float)),
                        .dz = allocate(padded * lanes * sizeof(float)),
                        .act = allocate(padded * (size_t)images * sizeof(float)),
                        .acc = allocate((size_t)s->c * s->c * 9 * lanes * sizeof(float)),
                        .lift = allocate((size_t)s->c * s->c * 16 * lanes * sizeof(float)),
                        .weight = allocate((size_t)s->c * s->c * ASSAY_LIFTED_TAPS * sizeof(float)),
                        .in = allocate(padded * ASSAY_IMAGES * sizeof(double)),
                        .out = allocate(inner * ASSAY_IMAGES * sizeof(double)),
                        .weight64 = allocate((size_t)s->c * s->c * 9 * sizeof(double)),
                        .tap = allocate(9 * sizeof(int32_t)),
                        .tap64 = allocate(9 * sizeof(int32_t)),
                        .column = allocate(s->c * 9 * sizeof(ptrdiff_t))};
    const int32_t side = (int32_t)s->h + 2;
    for (int32_t t = 0; t < 9; t++) {
        b.tap64[t] = (t / 3 * side + t % 3) * ASSAY_IMAGES;
        b.tap[t] = b.tap64[t] / ASSAY_IMAGES * (int32_t)lanes;
    }
    for (int32_t q = 0; q < (int32_t)s->c * 9; q++)
        b.column[q] = (q / 9 * side * side + q % 9 / 3 * side + q % 3) * images;
    for (size_t i = 0; i < inner * lanes; i++) b.dy[i] = (float)(i % 7);
    return b;
}

static void close_buffers(struct buffers *b)
{
    free(b->dy), free(b->dz), free(b->act), free(b->acc), free(b->lift), free(b->weight),
        free(b->in), free(b->out), free(b->weight64), free(b->tap), free(b->tap64), free(b->column);
}

static void run_forward(const struct assay_kern *k, const struct shape *s, const struct buffers *b)
{
    const ptrdiff_t h = s->h, side = h + 2;
    k->conv_f64(&(struct assay_conv){.co = s->c,
                                     .h = s->h,
                                     .w = s->h,
                                     .ci = s->c,
                                     .taps = 9,
                                     .off = b->tap64,
                                     .in = b->in,
                                     .weight = b->weight64,
                                     .in_c = side * side * ASSAY_IMAGES,
                                     .in_y = side * ASSAY_IMAGES,
                                     .in_x = ASSAY_IMAGES,
                                     .out_c = h * h * ASSAY_IMAGES,
                                     .out_y = h * ASSAY_IMAGES},
                b->out);
}

// dW: weight gradient. dX: transposed convolution with the mask of a ReLU, added to what is there.
static void run_kernel(const struct assay_kern *k, const struct shape *s, const struct buffers *b,
                       enum pass pass)
{
    const ptrdiff_t lanes = k->lanes, images = k->images, h = s->h, side = h + 2;
    if (pass == FORWARD) {
        run_forward(k, s, b);
        return;
    }
    if (pass == DX) {
        const struct assay_part part = {.ci = s->c,
                                        .taps = 9,
                                        .off = b->tap,
                                        .lifted = k->lift_px > 0,
                                        .in = b->dz,
                                        .weight = b->weight,
                                        .in_c = side * side * lanes,
                                        .in_y = side * lanes};
        k->corr(&(struct assay_corr){.co = s->c,
                                     .h = s->h,
                                     .w = s->h,
                                     .n_part = 1,
                                     .part = &part,
                                     .out_c = h * h * lanes,
                                     .out_y = h * lanes,
                                     .out_x = lanes,
                                     .mask = b->act,
                                     .mask_c = side * side * images,
                                     .mask_y = side * images,
                                     .mask_x = images},
                b->dy, true);
        return;
    }
    k->outer(&(struct assay_outer){.co = s->c,
                                   .q = s->c * 9,
                                   .h = s->h,
                                   .w = s->h,
                                   .run = 3,
                                   .windows = s->c,
                                   .lift = b->lift,
                                   .off = b->column,
                                   .dy_c = h * h * lanes,
                                   .dy_y = h * lanes,
                                   .a_y = side * images,
                                   .a_x = images},
             b->dy, b->act, b->acc);
}

// Median over runs of the kernel's FLOP/s over the peak measured beside it, which is half in
// double.
static double share(const struct assay_kern *k, const struct shape *s, enum pass pass)
{
    struct buffers b = open_buffers(s, k->lanes, (int32_t)k->images);
    const double flops =
        18.0 * s->c * s->c * s->h * s->h * (pass == FORWARD ? ASSAY_IMAGES : k->lanes);
    const uint64_t rounds = (uint64_t)(1e9 / flops) + 1;
    double ratio[RUNS];
    for (int r = 0; r < RUNS; r++) {
        const double start = assay_clock_thread();
        for (uint64_t i = 0; i < rounds; i++) run_kernel(k, s, &b, pass);
        const double seconds = assay_clock_thread() - start;
        ratio[r] =
            flops * (double)rounds / seconds / assay_kern_peak(k, 0.01) * (pass == FORWARD ? 2 : 1);
    }
    close_buffers(&b);
    return median(ratio, RUNS);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {{3, 32}, {6, 16}, {12, 8}, {16, 32}, {32, 16}, {64, 8}};
    const struct assay_kern *k;
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const char *format =
        json ? "{\"rung\": \"%s\", \"images\": %u, \"channels\": %u, \"size\": %u, \"dW\": %.3f, "
               "\"dX\": %.3f, \"forward\": "
               "%.3f}\n"
             : "%-9s %6u %8u %5u %6.2f %6.2f %8.2f\n";
    if (!json)
        printf("%-9s %6s %8s %5s %6s %6s %8s   share of FMA peak\n", "rung", "images", "channels",
               "size", "dW", "dX", "forward");
    for (unsigned i = 0; (k = assay_kern_rung(ASSAY_SINGLE, i / 2)); i++) {
        if (!assay_kern_runnable(k) || (i % 2 && k->packed == k)) continue;
        for (size_t j = 0; j < ASSAY_LEN(shapes); j++) {
            const double forward = i % 2 ? NAN : share(k, &shapes[j], FORWARD);
            const struct assay_kern *back = i % 2 ? k->packed : k;
            printf(format, k->name, back->images, shapes[j].c, shapes[j].h,
                   share(back, &shapes[j], DW), share(back, &shapes[j], DX), forward);
        }
    }
    return 0;
}
