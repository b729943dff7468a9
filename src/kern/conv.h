// SPDX-License-Identifier: Apache-2.0
// Convolution kernels of one rung: correlation (forward in double, transpose in float) and weight
// gradient. Each is one register tile, written once and instantiated for every tile size by
// constant arguments.

#define PX_TILE 4

// ---- correlation: co x px accumulators ----
#define CORR_TILE(NAME, REAL, VEC, LOAD)                                                           \
    ALWAYS void NAME(const struct assay_corr *p, const REAL *in, const REAL *weight, VEC *acc,     \
                     const uint32_t co, const uint32_t px)                                         \
    {                                                                                              \
        VEC sum[CO_TILE * PX_TILE];                                                                \
        UNROLL for (uint32_t j = 0; j < co * px; j++) sum[j] = (VEC){0};                           \
        for (uint32_t i = 0; i < p->ci; i++, in += p->in_c) {                                      \
            for (uint32_t t = 0; t < p->taps; t++, weight += co) {                                 \
                const REAL *at = in + p->off[t];                                                   \
                VEC w[CO_TILE];                                                                    \
                UNROLL for (uint32_t o = 0; o < co; o++) w[o] = weight[o] - (VEC){0};              \
                UNROLL for (uint32_t x = 0; x < px; x++)                                           \
                {                                                                                  \
                    VEC v = LOAD(at + x * p->in_x);                                                \
                    KEEP(v);                                                                       \
                    UNROLL for (uint32_t o = 0; o < co; o++) sum[o * px + x] += v * w[o];          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (uint32_t j = 0; j < co * px; j++) acc[j] = sum[j];                             \
    }
CORR_TILE(corr_tile_f64, double, fwd_vec, load_fwd)
CORR_TILE(corr_tile_f32, float, grad_vec, load_grad)

ALWAYS void corr_store_f64(const struct assay_corr *p, const double *in, const double *weight,
                           double *out, const uint32_t co, const uint32_t px)
{
    fwd_vec acc[CO_TILE * PX_TILE];
    corr_tile_f64(p, in, weight, acc, co, px);
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t x = 0; x < px; x++)
        {
            *(fwd_vec *)(out + o * p->out_c + x * p->out_x) = acc[o * px + x];
        }
    }
}

ALWAYS void corr_store_f32(const struct assay_corr *p, const float *in, const float *weight,
                           const float *mask, float *out, const bool accumulate, const uint32_t co,
                           const uint32_t px)
{
    grad_vec acc[CO_TILE * PX_TILE];
    corr_tile_f32(p, in, weight, acc, co, px);
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t x = 0; x < px; x++)
        {
            grad_vec v = acc[o * px + x];
            if (mask) v = mask_grad(v, mask + o * p->mask_c + x * p->mask_x);
            put_grad(out + o * p->out_c + x * p->out_x, v, accumulate);
        }
    }
}

// All pixels of the output rows for one tile of `co` channels.
ALWAYS void corr_rows_f64(const struct assay_corr *p, const double *in, const double *weight,
                          double *out, const uint32_t co)
{
    for (uint32_t y = 0; y < p->h; y++) {
        const double *i = in + y * p->in_y;
        double *o = out + y * p->out_y;
        uint32_t x = 0;
        for (; x + PX_TILE <= p->w; x += PX_TILE)
            corr_store_f64(p, i + x * p->in_x, weight, o + x * p->out_x, co, PX_TILE);
        for (; x < p->w; x++) corr_store_f64(p, i + x * p->in_x, weight, o + x * p->out_x, co, 1);
    }
}

ALWAYS void corr_rows_f32(const struct assay_corr *p, const float *in, const float *weight,
                          const float *mask, float *out, const bool accumulate, const uint32_t co)
{
    for (uint32_t y = 0; y < p->h; y++) {
        const float *i = in + y * p->in_y;
        const float *m = mask ? mask + y * p->mask_y : NULL;
        float *o = out + y * p->out_y;
        uint32_t x = 0;
        for (; x + PX_TILE <= p->w; x += PX_TILE, m = m ? m + PX_TILE * p->mask_x : NULL)
            corr_store_f32(p, i + x * p->in_x, weight, m, o + x * p->out_x, accumulate, co,
                           PX_TILE);
        for (; x < p->w; x++, m = m ? m + p->mask_x : NULL)
            corr_store_f32(p, i + x * p->in_x, weight, m, o + x * p->out_x, accumulate, co, 1);
    }
}

#define CORR_CASE_F64(n)                                                                           \
    case n:                                                                                        \
        corr_rows_f64(p, in, weight, out, n);                                                      \
        break;
#define CORR_CASE_F32(n)                                                                           \
    case n:                                                                                        \
        corr_rows_f32(p, in, weight, mask, out, accumulate, n);                                    \
        break;
#if CO_TILE == 3
#    define CORR_CASES(X) X(1) X(2) X(3)
#else
#    define CORR_CASES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif

static void corr_f64(const struct assay_corr *p, const double *in, const double *weight,
                     double *out)
{
    uint32_t left = p->co;
    while (left > 0) {
        const uint32_t n = assay_kern_tile(&RUNG, left);
        switch (n) {
            CORR_CASES(CORR_CASE_F64)
        }
        weight += (size_t)n * p->ci * p->taps;
        out += n * p->out_c;
        left -= n;
    }
}

static void corr_f32(const struct assay_corr *p, const float *in, const float *weight,
                     const float *mask, float *out, bool accumulate)
{
    uint32_t left = p->co;
    while (left > 0) {
        const uint32_t n = assay_kern_tile(&RUNG, left);
        switch (n) {
            CORR_CASES(CORR_CASE_F32)
        }
        weight += (size_t)n * p->ci * p->taps;
        out += n * p->out_c;
        if (mask) mask += n * p->mask_c;
        left -= n;
    }
}

// ---- weight gradient: co x q accumulators over a block of rows ----
ALWAYS void outer_tile(const struct assay_outer *p, const float *dy, const float *a,
                       const int32_t *off, float *acc, const uint32_t rows, const uint32_t co,
                       const uint32_t q)
{
    grad_vec sum[OUTER_TILE * Q_TILE];
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t j = 0; j < q; j++) sum[o * q + j] =
            load_grad(acc + (o * p->q + j) * LANES);
    }
    for (uint32_t y = 0; y < rows; y++) {
        const float *d = dy + y * p->dy_y, *b = a + y * p->a_y;
        for (uint32_t x = 0; x < p->w; x++, d += p->dy_x, b += p->a_x) {
            grad_vec g[OUTER_TILE];
            UNROLL for (uint32_t o = 0; o < co; o++) g[o] = load_grad(d + o * p->dy_c);
            UNROLL for (uint32_t j = 0; j < q; j++)
            {
                const grad_vec v = load_act(b + off[j]);
                UNROLL for (uint32_t o = 0; o < co; o++) sum[o * q + j] += g[o] * v;
            }
        }
    }
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t j = 0; j < q; j++) * (grad_vec *)(acc + (o * p->q + j) * LANES) =
            sum[o * q + j];
    }
}

ALWAYS void outer_columns(const struct assay_outer *p, const float *dy, const float *a, float *acc,
                          const uint32_t rows, const uint32_t co)
{
    uint32_t j = 0;
    for (; j + Q_TILE <= p->q; j += Q_TILE)
        outer_tile(p, dy, a, p->off + j, acc + j * LANES, rows, co, Q_TILE);
#if Q_TILE > 3
    for (; j + 3 <= p->q; j += 3) outer_tile(p, dy, a, p->off + j, acc + j * LANES, rows, co, 3);
#endif
    for (; j < p->q; j++) outer_tile(p, dy, a, p->off + j, acc + j * LANES, rows, co, 1);
}

static void outer_f32(const struct assay_outer *p, const float *dy, const float *a, float *acc)
{
    // Rows of dy per block: OUTER_TILE channels of about 128 pixels stay in the first-level cache.
    const uint32_t block = p->w >= 128 ? 1 : 128 / p->w;
    for (uint32_t o = 0; o < p->co;) {
        const uint32_t left = p->co - o;
        const uint32_t n = left == 4 ? 2 : left < OUTER_TILE ? left : OUTER_TILE;
        const float *d = dy + o * p->dy_c;
        float *s = acc + (size_t)o * p->q * LANES;
        for (uint32_t y = 0; y < p->h; y += block) {
            const uint32_t rows = p->h - y < block ? p->h - y : block;
            const float *dr = d + y * p->dy_y, *ar = a + y * p->a_y;
            if (n == 3)
                outer_columns(p, dr, ar, s, rows, 3);
            else if (n == 2)
                outer_columns(p, dr, ar, s, rows, 2);
            else
                outer_columns(p, dr, ar, s, rows, 1);
        }
        o += n;
    }
}
