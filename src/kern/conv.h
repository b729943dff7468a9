// SPDX-License-Identifier: Apache-2.0
// Convolution kernels of one rung: correlation (forward in double, transpose in float) and weight
// gradient. Each is one register tile, written once and instantiated for every tile size by
// constant arguments.

// Pixels of a tile of co channels: few channels leave registers for twice as many.
#define PX_TILE   4
#define PX_OF(co) ((co)*2 <= CO_TILE ? 2 * PX_TILE : PX_TILE)

// ---- correlation: co x px accumulators ----
#define CORR_TILE(NAME, REAL, VEC, LOAD, IN_X)                                                     \
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
                    VEC v = LOAD(at + x * (IN_X));                                                 \
                    KEEP(v);                                                                       \
                    UNROLL for (uint32_t o = 0; o < co; o++) sum[o * px + x] += v * w[o];          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        UNROLL for (uint32_t j = 0; j < co * px; j++) acc[j] = sum[j];                             \
    }
CORR_TILE(corr_tile_f64, double, fwd_vec, load_fwd, p->in_x)
CORR_TILE(corr_tile_f32, float, grad_vec, load_grad, LANES)

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
#define CORR_PIXELS(px)                                                                            \
    for (; x + (px) <= p->w; x += (px))                                                            \
        corr_store_f64(p, i + x * p->in_x, weight, o + x * p->out_x, co, px);
        CORR_PIXELS(PX_OF(co))
        CORR_PIXELS(PX_TILE)
        CORR_PIXELS(1)
#undef CORR_PIXELS
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
#define CORR_PIXELS(px)                                                                            \
    for (; x + (px) <= p->w; x += (px), m = m ? m + (px)*p->mask_x : NULL)                         \
        corr_store_f32(p, i + x * LANES, weight, m, o + x * p->out_x, accumulate, co, px);
        CORR_PIXELS(PX_OF(co))
        CORR_PIXELS(PX_TILE)
        CORR_PIXELS(1)
#undef CORR_PIXELS
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
#if CO_TILE == 2
#    define CORR_CASES(X) X(1) X(2)
#elif CO_TILE == 3
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

// ---- weight gradient: co x (runs x cols) accumulators over a block of rows ----
// The columns of a run lie at equal distances, so a tile needs one pointer a run and one step.
// Small tiles take `px` pixels at once, each into accumulators of its own: a sum must not wait for
// itself.
ALWAYS void outer_tile(const struct assay_outer *p, const float *dy, const float *a,
                       const int32_t *off, float *acc, const uint32_t rows, const uint32_t co,
                       const uint32_t runs, const uint32_t cols, const uint32_t px)
{
    const uint32_t q = runs * cols, n = co * q;
    const ptrdiff_t step = cols > 1 ? off[1] - off[0] : 0;
    grad_vec sum[OUTER_ACC];
    UNROLL for (uint32_t k = 0; k < px * n; k++) sum[k] =
        k < n ? load_grad(acc + (k / q * p->q + k % q) * LANES) : (grad_vec){0};
    for (uint32_t y = 0; y < rows; y++) {
        const float *d = dy + y * p->dy_y, *b[5];
        UNROLL for (uint32_t i = 0; i < runs; i++) b[i] = a + y * p->a_y + off[i * cols];
        for (uint32_t x = 0; x < p->w; x += px) {
            UNROLL for (uint32_t s = 0; s < px; s++, d += LANES)
            {
                grad_vec g[OUTER_TILE];
                UNROLL for (uint32_t o = 0; o < co; o++)
                {
                    g[o] = load_grad(d + o * p->dy_c);
                    KEEP(g[o]);
                }
                UNROLL for (uint32_t i = 0; i < runs; i++, b[i - 1] += p->a_x)
                {
                    UNROLL for (uint32_t j = 0; j < cols; j++)
                    {
                        grad_vec v = load_act(b[i] + j * step);
                        KEEP(v);
                        UNROLL for (uint32_t o = 0; o < co; o++)
                            sum[s * n + o * q + i * cols + j] += g[o] * v;
                    }
                }
            }
        }
    }
    UNROLL for (uint32_t k = 0; k < n; k++)
    {
        UNROLL for (uint32_t s = 1; s < px; s++) sum[k] += sum[s * n + k];
        *(grad_vec *)(acc + (k / q * p->q + k % q) * LANES) = sum[k];
    }
}

ALWAYS void outer_pixels(const struct assay_outer *p, const float *dy, const float *a,
                         const int32_t *off, float *acc, const uint32_t rows, const uint32_t co,
                         const uint32_t runs, const uint32_t cols)
{
    const uint32_t n = co * runs * cols, px = n == 1 ? 8 : n == 2 ? 4 : n <= 4 ? 2 : 1;
    if (p->w % px == 0)
        outer_tile(p, dy, a, off, acc, rows, co, runs, cols, px);
    else
        outer_tile(p, dy, a, off, acc, rows, co, runs, cols, 1);
}

// All columns of `co` channels, as many at once as the registers hold.
ALWAYS void outer_columns(const struct assay_outer *p, const float *dy, const float *a, float *acc,
                          const uint32_t rows, const uint32_t co)
{
    uint32_t j = 0;
#define OUTER_COLUMNS(runs, cols)                                                                  \
    for (; j + (runs) * (cols) <= p->q; j += (runs) * (cols))                                      \
        outer_pixels(p, dy, a, p->off + j, acc + j * LANES, rows, co, runs, cols);
    if (p->run == 3) {
        OUTER_COLUMNS(co == 1 ? 3 : OUTER_RUNS, 3)
        OUTER_COLUMNS(1, 3)
    }
    if (p->run == 5 && co == 1) {
        OUTER_COLUMNS(OUTER_RUNS_OF_5, 5)
        OUTER_COLUMNS(1, 5)
    }
    OUTER_COLUMNS(1, 1)
#undef OUTER_COLUMNS
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
