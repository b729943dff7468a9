// SPDX-License-Identifier: Apache-2.0
// What one layer costs in the backward pass.
#ifndef ASSAY_TESTS_BENCH_LAYER_H
#define ASSAY_TESTS_BENCH_LAYER_H

#include "bench.h"
#include "assay/kern.h"

struct layer {
    const char *name;
    uint32_t c, size, kernel, dilation;
    bool depthwise;
};

// A trainable stem, then `blocks` times ReLU, the layer and BN.
static inline void layer_graph(const struct layer *l, uint32_t blocks, struct assay_graph *g)
{
    struct assay_err err;
    struct assay_graph literal;
    const uint32_t groups = l->depthwise ? l->c : 1, pad = l->kernel / 2 * l->dilation;
    assay_graph_init(&literal);
    uint32_t x = assay_graph_input(&literal, 3, l->size, l->size);
    x = assay_graph_conv(&literal, x, l->c, 1, 1, 0, 1, 1, "stem");
    for (uint32_t i = 0; i < blocks; i++) {
        x = assay_graph_relu(&literal, x);
        x = assay_graph_conv(&literal, x, l->c, l->kernel, 1, pad, l->dilation, groups,
                             SAY("conv%u", i));
        x = assay_graph_bn(&literal, x, true, SAY("bn%u", i));
    }
    assay_graph_linear(&literal, assay_graph_gap(&literal, x), 10, "head");
    stop_on(assay_graph_finish(&literal, &err), &err);
    fold(&literal, g);
}

// Bytes per second of a copy as large as the gradients of the deep graph below, read and written
// ones counted.
static inline double copy_rate(void)
{
    enum { BYTES = 1 << 25, ROUNDS = 2 };
    char *a = allocate(BYTES), *b = allocate(BYTES);
    memset(a, 1, BYTES), memset(b, 1, BYTES);
    const double start = assay_clock_thread();
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(a, b, BYTES);
        __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
    }
    const double seconds = assay_clock_thread() - start;
    free(a), free(b);
    return 2.0 * BYTES * ROUNDS / seconds;
}

// Cost of one block of the backward pass over one vector's worth of cotangents: that of a deep
// graph less that of a shallow one.
struct marginal {
    double seconds, flops, bytes, peak, copy;
};

static inline struct marginal measure_layer(const struct assay_kern *kern, const struct layer *l)
{
    enum { BATCH = 16, RUNS = 11, SHALLOW = 2, DEEP = 8 };
    struct assay_graph g[2];
    struct bench b[2];
    double t[4][RUNS];
    for (int k = 0; k < 2; k++) {
        layer_graph(l, k ? DEEP : SHALLOW, &g[k]);
        open_bench(&b[k], kern, &g[k], BATCH, kern->cots);
        time_forward(&b[k]);
        time_rows(&b[k]);
    }
    for (int i = 0; i < RUNS; i++) {
        for (int k = 0; k < 2; k++) t[k][i] = time_rows(&b[k]);
        t[2][i] = assay_kern_peak(kern, 0.01);
        t[3][i] = copy_rate();
    }
    struct marginal m = {.peak = median(t[2], RUNS), .copy = median(t[3], RUNS)};
    m.seconds = (median(t[1], RUNS) - median(t[0], RUNS)) / (DEEP - SHALLOW);
    for (int k = 0; k < 2; k++) {
        const double flops =
            assay_plan_flops(b[k].plan, kern->cots) - assay_plan_flops(b[k].plan, 0);
        m.flops += (k ? flops : -flops) / (DEEP - SHALLOW);
        close_bench(&b[k]);
        assay_graph_free(&g[k]);
    }
    // At least: the gradient in and out, the activation, and BN's output.
    m.bytes = (double)l->c * l->size * l->size * BATCH / ASSAY_IMAGES *
              (2 * kern->lanes + 2 * ASSAY_IMAGES) * sizeof(float);
    return m;
}

#endif
