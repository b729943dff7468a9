// SPDX-License-Identifier: Apache-2.0
// Convolution kernels of one rung: correlation (forward in double, transpose in float) and weight
// gradient. Each is one register tile, written once and instantiated for every tile size by
// constant arguments.

// Pixels of a tile of co channels: few channels leave registers for more.
#define PX_TILE      4
#define PX_TWICE(co) ((co)*2 <= CO_TILE ? 2 * PX_TILE : PX_TILE)
#define PX_OF(co)    ((co)*4 <= CO_TILE ? 4 * PX_TILE : PX_TWICE(co))

// Where `n` steps of a kernel fetch two lines each, all of one range: the first is at *at, the next
// step's as many bytes on as is returned. When nothing is wanted: always what is hot anyway.
ALWAYS ptrdiff_t fetch_range(struct assay_ahead *ahead, size_t n, const void *hot, const char **at)
{
    *at = hot;
    if (!ahead || ahead->next == ahead->n) return 0;
    struct assay_range *r = &ahead->range[ahead->next];
    *at = r->at;
    if (r->lines <= 2 * n) {
        ahead->next++;
    } else {
        r->at += n * 128;
        r->lines -= 2 * n;
    }
    return 128;
}

// ---- correlation: co x px accumulators ----
// Adds one part to the sums of a tile. `first`: the tile's first output channel.
#define CORR_PART(NAME, REAL, VEC, LOAD, IN_X, AHEAD)                                              \
    ALWAYS void NAME(const struct assay_corr *p, const struct assay_part *q, const uint32_t first, \
                     const uint32_t y, const uint32_t x0, VEC *sum, const uint32_t co,             \
                     const uint32_t px)                                                            \
    {                                                                                              \
        const REAL *in = (const REAL *)q->in + y * q->in_y + x0 * (IN_X);                          \
        const REAL *weight = (const REAL *)q->weight + (size_t)first * q->ci * q->taps;            \
        const char *soon;                                                                          \
        const ptrdiff_t step = fetch_range(AHEAD, (size_t)q->ci * q->taps, in, &soon);             \
        for (uint32_t i = 0; i < q->ci; i++, in += q->in_c) {                                      \
            for (uint32_t t = 0; t < q->taps; t++, weight += co, soon += step) {                   \
                const REAL *at = in + q->off[t];                                                   \
                VEC w[CO_TILE];                                                                    \
                __builtin_prefetch(soon);                                                          \
                __builtin_prefetch(soon + step / 2);                                               \
                UNROLL for (uint32_t o = 0; o < co; o++) w[o] = weight[o] - (VEC){0};              \
                UNROLL for (uint32_t x = 0; x < px; x++)                                           \
                {                                                                                  \
                    VEC v = LOAD(at + x * (IN_X));                                                 \
                    KEEP(v);                                                                       \
                    UNROLL for (uint32_t o = 0; o < co; o++) sum[o * px + x] += v * w[o];          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
CORR_PART(corr_part_f64, double, fwd_vec, load_fwd, p->in_x, NULL)
CORR_PART(corr_part_f32, float, grad_vec, load_grad, LANES, p->ahead)

// The same of a pointwise convolution behind which a BN stands, whose backward is done on the way.
ALWAYS void bn_part_f32(const struct assay_part *q, const uint32_t first, const uint32_t y,
                        const uint32_t x0, grad_vec *sum, const uint32_t co, const uint32_t px)
{
    const struct assay_bn_part *bn = q->bn;
    const float *in = (const float *)q->in + y * q->in_y + x0 * LANES;
    const float *weight = (const float *)q->weight + (size_t)first * q->ci;
    const float *xhat = bn->xhat + y * bn->xhat_y + x0 * ASSAY_IMAGES;
    for (uint32_t i = 0; i < q->ci; i++, in += q->in_c, xhat += bn->xhat_c, weight += co) {
        const grad_vec k0 = load_grad(bn->k0 + i * LANES), k2 = load_grad(bn->k2 + i * LANES);
        const grad_vec k1 = bn->k1[i] - (grad_vec){0};
        grad_vec w[CO_TILE];
        UNROLL for (uint32_t o = 0; o < co; o++) w[o] = weight[o] - (grad_vec){0};
        UNROLL for (uint32_t x = 0; x < px; x++)
        {
            grad_vec v = load_act(xhat + x * ASSAY_IMAGES) * k2 + k0;
            __builtin_prefetch(in + (x + SOON) * LANES);
            v += load_grad(in + x * LANES) * k1;
            UNROLL for (uint32_t o = 0; o < co; o++) sum[o * px + x] += v * w[o];
        }
    }
}

ALWAYS void corr_tile_f64(const struct assay_corr *p, const uint32_t first, const uint32_t y,
                          const uint32_t x0, fwd_vec *acc, const uint32_t co, const uint32_t px)
{
    fwd_vec sum[CO_TILE * PX_TILE];
    UNROLL for (uint32_t j = 0; j < co * px; j++) sum[j] = (fwd_vec){0};
    for (uint32_t k = 0; k < p->n_part; k++)
        corr_part_f64(p, &p->part[k], first, y, x0, sum, co, px);
    UNROLL for (uint32_t j = 0; j < co * px; j++) acc[j] = sum[j];
}

ALWAYS void corr_tile_f32(const struct assay_corr *p, const uint32_t first, const uint32_t y,
                          const uint32_t x0, grad_vec *acc, const uint32_t co, const uint32_t px)
{
    grad_vec sum[CO_TILE * PX_TILE];
    UNROLL for (uint32_t j = 0; j < co * px; j++) sum[j] = (grad_vec){0};
    for (uint32_t k = 0; k < p->n_part; k++) {
        if (p->part[k].bn)
            bn_part_f32(&p->part[k], first, y, x0, sum, co, px);
        else
            corr_part_f32(p, &p->part[k], first, y, x0, sum, co, px);
    }
    UNROLL for (uint32_t j = 0; j < co * px; j++) acc[j] = sum[j];
}

ALWAYS void corr_store_f64(const struct assay_corr *p, const uint32_t first, const uint32_t y,
                           const uint32_t x0, double *out, bool accumulate, const uint32_t co,
                           const uint32_t px)
{
    fwd_vec acc[CO_TILE * PX_TILE];
    corr_tile_f64(p, first, y, x0, acc, co, px);
    out += first * p->out_c + y * p->out_y + x0 * p->out_x;
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t x = 0; x < px; x++)
        {
            double *to = out + o * p->out_c + x * p->out_x;
            if (accumulate) acc[o * px + x] += load_fwd(to);
            *(fwd_vec *)to = acc[o * px + x];
        }
    }
}

ALWAYS void corr_store_f32(const struct assay_corr *p, const uint32_t first, const uint32_t y,
                           const uint32_t x0, float *out, bool accumulate, const uint32_t co,
                           const uint32_t px)
{
    grad_vec acc[CO_TILE * PX_TILE];
    corr_tile_f32(p, first, y, x0, acc, co, px);
    if (p->mask) {
        const float *mask = p->mask + first * p->mask_c + y * p->mask_y + x0 * p->mask_x;
        UNROLL for (uint32_t o = 0; o < co; o++)
        {
            UNROLL for (uint32_t x = 0; x < px; x++) acc[o * px + x] =
                mask_grad(acc[o * px + x], mask + o * p->mask_c + x * p->mask_x);
        }
    }
    const ptrdiff_t at = first * p->out_c + y * p->out_y + x0 * p->out_x;
    for (uint32_t k = 0; k < p->n_add; k++) {
        const float *add = p->add[k].x + at;
        UNROLL for (uint32_t o = 0; o < co; o++)
        {
            UNROLL for (uint32_t x = 0; x < px; x++) acc[o * px + x] +=
                p->add[k].scale * load_grad(add + o * p->out_c + x * p->out_x);
        }
    }
    out += at;
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t x = 0; x < px; x++)
            put_grad(out + o * p->out_c + x * p->out_x, acc[o * px + x], accumulate);
    }
}

#if CO_TILE == 2
#    define CORR_CASES(X, ROWS) X(1, ROWS) X(2, ROWS)
#elif CO_TILE == 3
#    define CORR_CASES(X, ROWS) X(1, ROWS) X(2, ROWS) X(3, ROWS)
#else
#    define CORR_CASES(X, ROWS) X(1, ROWS) X(2, ROWS) X(3, ROWS) X(4, ROWS) X(5, ROWS) X(6, ROWS)
#endif
#define CORR_CASE(n, ROWS)                                                                         \
    case n:                                                                                        \
        ROWS(p, first, out, accumulate, n);                                                        \
        break;
// All pixels of the output rows for one tile of `co` channels; then all tiles.
#define CORR(NAME, ROWS, STORE, REAL)                                                              \
    ALWAYS void ROWS(const struct assay_corr *p, const uint32_t first, REAL *out, bool accumulate, \
                     const uint32_t co)                                                            \
    {                                                                                              \
        for (uint32_t y = 0; y < p->h; y++) {                                                      \
            uint32_t x = 0;                                                                        \
            for (; x + PX_OF(co) <= p->w; x += PX_OF(co))                                          \
                STORE(p, first, y, x, out, accumulate, co, PX_OF(co));                             \
            for (; x + PX_TWICE(co) <= p->w; x += PX_TWICE(co))                                    \
                STORE(p, first, y, x, out, accumulate, co, PX_TWICE(co));                          \
            for (; x + PX_TILE <= p->w; x += PX_TILE)                                              \
                STORE(p, first, y, x, out, accumulate, co, PX_TILE);                               \
            for (; x < p->w; x++) STORE(p, first, y, x, out, accumulate, co, 1);                   \
        }                                                                                          \
    }                                                                                              \
    static void NAME(const struct assay_corr *p, REAL *out, bool accumulate)                       \
    {                                                                                              \
        for (uint32_t first = 0, n; first < p->co; first += n) {                                   \
            n = assay_kern_tile(&RUNG, p->co - first);                                             \
            switch (n) {                                                                           \
                CORR_CASES(CORR_CASE, ROWS)                                                        \
            }                                                                                      \
        }                                                                                          \
    }
CORR(corr_f64, corr_rows_f64, corr_store_f64, double)
CORR(corr_f32, corr_rows_f32, corr_store_f32, float)

// ---- weight gradient: co x (runs x cols) accumulators over a block of rows ----
// The columns of a run lie at equal distances, so a tile needs one pointer a run and one step.
// Small tiles take `px` pixels at once, each into accumulators of its own: a sum must not wait for
// itself.
ALWAYS void outer_tile(const struct assay_outer *p, const float *dy, const float *a,
                       const ptrdiff_t *off, float *acc, const uint32_t rows, const uint32_t co,
                       const uint32_t runs, const uint32_t cols, const uint32_t px)
{
    const uint32_t q = runs * cols, n = co * q;
    const ptrdiff_t step = cols > 1 ? off[1] - off[0] : 0;
    grad_vec sum[OUTER_ACC];
    UNROLL for (uint32_t k = 0; k < px * n; k++) sum[k] =
        k < n ? load_grad(acc + (k / q * p->q + k % q) * LANES) : (grad_vec){0};
    for (uint32_t y = 0; y < rows; y++) {
        const float *d = dy + y * p->dy_y, *b[8];
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
                         const ptrdiff_t *off, float *acc, const uint32_t rows, const uint32_t co,
                         const uint32_t runs, const uint32_t cols)
{
    const uint32_t n = co * runs * cols, px = n == 1 ? 8 : n == 2 ? 4 : n <= 4 ? 2 : 1;
    if (p->w % px == 0)
        outer_tile(p, dy, a, off, acc, rows, co, runs, cols, px);
    else
        outer_tile(p, dy, a, off, acc, rows, co, runs, cols, 1);
}

// The columns from j on of `co` channels, as many at once as the registers hold.
ALWAYS void outer_columns(const struct assay_outer *p, const float *dy, const float *a, float *acc,
                          const uint32_t rows, uint32_t j, const uint32_t co)
{
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
    if (p->run == 1) {
        OUTER_COLUMNS(OUTER_RUNS_OF_1, 1)
        OUTER_COLUMNS(2, 1)
    }
    OUTER_COLUMNS(1, 1)
#undef OUTER_COLUMNS
}

static void outer_f32(const struct assay_outer *p, const float *dy, const float *a, float *acc)
{
    const bool even = p->w % WINDOW_PIXELS == 0 && p->h % 2 == 0;
    const uint32_t done = even ? 9 * p->windows : 0;
    if (done) windows_f32(p, dy, a);
    if (done == p->q) return;
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
                outer_columns(p, dr, ar, s, rows, done, 3);
            else if (n == 2)
                outer_columns(p, dr, ar, s, rows, done, 2);
            else
                outer_columns(p, dr, ar, s, rows, done, 1);
        }
        o += n;
    }
}
