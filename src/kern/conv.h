// SPDX-License-Identifier: Apache-2.0
// Forward convolution of one rung, in double. A register tile is co output channels x n vectors of
// adjacent pixels, whose images lie side by side: CONV_PX pixels fill a vector. Every sum goes over
// input channels, then taps, whatever the tile.

#if !PACKED
#    if CONV_PX == 2
typedef double conv_vec
    __attribute__((vector_size(16 * ASSAY_IMAGES), aligned(8 * ASSAY_IMAGES), may_alias));

// Two pixels, in_x apart.
ALWAYS conv_vec load_conv(const double *p, const ptrdiff_t in_x, const bool near)
{
    if (near) return *(const conv_vec *)p;
#        if defined(__AVX512F__)
    return (conv_vec)_mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_load_pd(p)),
                                        _mm256_load_pd(p + in_x), 1);
#        else
    conv_vec v;
    memcpy(&v, p, sizeof(fwd_vec));
    memcpy((char *)&v + sizeof(fwd_vec), p + in_x, sizeof(fwd_vec));
    return v;
#        endif
}
#    else
typedef fwd_vec conv_vec;

ALWAYS conv_vec load_conv(const double *p, const ptrdiff_t in_x, const bool near)
{
    (void)in_x, (void)near;
    return load_fwd(p);
}
#    endif

ALWAYS fwd_vec load_pixel(const double *p, const ptrdiff_t in_x, const bool near)
{
    (void)in_x, (void)near;
    return load_fwd(p);
}

// One tile of vectors of `px` pixels.
#    define CONV_TILE_OF(NAME, VEC, LOAD)                                                          \
        ALWAYS void NAME(const struct assay_conv *p, const uint32_t first, const uint32_t y,       \
                         const uint32_t x0, double *out, const uint32_t co, const uint32_t n,      \
                         const uint32_t px, const bool near)                                       \
        {                                                                                          \
            const ptrdiff_t in_x = near ? ASSAY_IMAGES : p->in_x;                                  \
            const double *in = p->in + y * p->in_y + x0 * in_x;                                    \
            const double *weight = p->weight + (size_t)first * p->ci * p->taps;                    \
            VEC sum[CO_TILE * PX_TILE];                                                            \
            UNROLL for (uint32_t j = 0; j < co * n; j++) sum[j] = (VEC){0};                        \
            for (uint32_t i = 0; i < p->ci; i++, in += p->in_c) {                                  \
                for (uint32_t t = 0; t < p->taps; t++, weight += co) {                             \
                    const double *at = in + p->off[t];                                             \
                    VEC w[CO_TILE];                                                                \
                    UNROLL for (uint32_t o = 0; o < co; o++) w[o] = weight[o] - (VEC){0};          \
                    UNROLL for (uint32_t x = 0; x < n; x++)                                        \
                    {                                                                              \
                        VEC v = LOAD(at + x * px * in_x, in_x, near);                              \
                        KEEP(v);                                                                   \
                        UNROLL for (uint32_t o = 0; o < co; o++) sum[o * n + x] += v * w[o];       \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            out += first * p->out_c + y * p->out_y + x0 * ASSAY_IMAGES;                            \
            UNROLL for (uint32_t j = 0; j < co * n; j++) *                                         \
                (VEC *)(out + j / n * p->out_c + j % n * px * ASSAY_IMAGES) = sum[j];              \
        }
CONV_TILE_OF(conv_tile, conv_vec, load_conv)
#    if CONV_PX > 1
CONV_TILE_OF(conv_pixel, fwd_vec, load_pixel)
#    else
#        define conv_pixel conv_tile
#    endif

// All pixels of the output rows for one tile of `co` channels.
#    define CONV_RUN(n, px, TILE)                                                                  \
        for (; x + (n) * (px) <= p->w; x += (n) * (px)) TILE(p, first, y, x, out, co, n, px, near);
ALWAYS void conv_rows(const struct assay_conv *p, const uint32_t first, double *out,
                      const uint32_t co, const bool near)
{
    for (uint32_t y = 0; y < p->h; y++) {
        uint32_t x = 0;
        if (PX_OF(co) > PX_TWICE(co)) CONV_RUN(PX_OF(co), CONV_PX, conv_tile)
        if (PX_TWICE(co) > PX_TILE) CONV_RUN(PX_TWICE(co), CONV_PX, conv_tile)
        CONV_RUN(PX_TILE, CONV_PX, conv_tile)
        CONV_RUN(1, CONV_PX, conv_tile)
        if (CONV_PX > 1) CONV_RUN(1, 1, conv_pixel)
    }
}

#    define CONV_NEAR(n)                                                                           \
    case n:                                                                                        \
        conv_rows(p, first, out, n, true);                                                         \
        break;
#    define CONV_FAR(n)                                                                            \
    case n:                                                                                        \
        conv_rows(p, first, out, n, false);                                                        \
        break;
static void conv_f64(const struct assay_conv *p, double *out)
{
    for (uint32_t first = 0, n; first < p->co; first += n) {
        n = assay_kern_tile(&RUNG, p->co - first);
        if (p->in_x == ASSAY_IMAGES) {
            switch (n) {
                CORR_CASES(CONV_NEAR)
            }
        } else {
            switch (n) {
                CORR_CASES(CONV_FAR)
            }
        }
    }
}
#endif
