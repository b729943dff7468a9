// SPDX-License-Identifier: Apache-2.0
// Weight gradient of one rung: register tiles of co x (runs x cols) accumulators over a block of
// rows, written once and instantiated for every tile size by constant arguments.

// The columns of a run lie at equal distances, so a tile needs one pointer a run and one step.
// Small tiles take `px` pixels at once, each into accumulators of its own: a sum must not wait for
// itself.
ALWAYS void outer_tile(const struct assay_outer *p, const real *dy, const real *a,
                       const ptrdiff_t *off, real *acc, const uint32_t rows, const uint32_t co,
                       const uint32_t runs, const uint32_t cols, const uint32_t px)
{
    const uint32_t q = runs * cols, n = co * q;
    const ptrdiff_t step = cols > 1 ? off[1] - off[0] : 0;
    grad_vec sum[OUTER_ACC];
    UNROLL for (uint32_t k = 0; k < px * n; k++) sum[k] =
        k < n ? load_grad(acc + (k / q * p->q + k % q) * LANES) : (grad_vec){0};
    struct fetch soon = fetch_begin(p->ahead, dy);
    for (uint32_t y = 0; y < rows; y++) {
        const real *d = dy + y * p->dy_y, *b[8];
        UNROLL for (uint32_t i = 0; i < runs; i++) b[i] = a + y * p->a_y + off[i * cols];
        for (uint32_t x = 0; x < p->w; x += px) {
            UNROLL for (uint32_t s = 0; s < px; s++, d += LANES)
            {
                grad_vec g[OUTER_TILE];
                fetch_step(p->ahead, &soon, 1);
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
    fetch_end(p->ahead, &soon);
    UNROLL for (uint32_t k = 0; k < n; k++)
    {
        UNROLL for (uint32_t s = 1; s < px; s++) sum[k] += sum[s * n + k];
        *(grad_vec *)(acc + (k / q * p->q + k % q) * LANES) = sum[k];
    }
}

// Pixels by which the last row's activations are brought into the first-level cache before they are
// used, as measured.
#define OUTER_AHEAD 36

// The same of one output channel, four pixels at once, with columns a pixel or two apart: those of
// a run load what they share once.
ALWAYS void outer_slide(const struct assay_outer *p, const real *dy, const real *a,
                        const ptrdiff_t *off, real *acc, const uint32_t rows, const uint32_t runs,
                        const uint32_t cols, const uint32_t apart)
{
    grad_vec sum[OUTER_ACC];
    struct fetch soon = fetch_begin(p->ahead, dy);
    UNROLL for (uint32_t k = 0; k < runs * cols; k++) sum[k] = load_grad(acc + k * LANES);
    for (uint32_t y = 0; y < rows; y++) {
        const real *d = dy + y * p->dy_y, *b[5];
        UNROLL for (uint32_t i = 0; i < runs; i++) b[i] = a + y * p->a_y + off[i * cols];
        for (uint32_t x = 0; x < p->w; x += 4, d += 4 * LANES) {
            grad_vec g[4];
            fetch_step(p->ahead, &soon, MANY_LINES - 1);
            __builtin_prefetch(b[runs - 1] + OUTER_AHEAD * IMAGES);
            UNROLL for (uint32_t k = 0; k < 4; k++)
            {
                g[k] = load_grad(d + k * LANES);
                KEEP(g[k]);
            }
            UNROLL for (uint32_t i = 0; i < runs; i++, b[i - 1] += 4 * IMAGES)
            {
                UNROLL for (uint32_t k = 0; k < 4 + (cols - 1) * apart; k++)
                {
                    grad_vec v = load_act(b[i] + k * IMAGES);
                    KEEP(v);
                    UNROLL for (uint32_t j = 0; j < cols; j++)
                    {
                        if (k >= j * apart && k - j * apart < 4)
                            sum[i * cols + j] += g[k - j * apart] * v;
                    }
                }
            }
        }
    }
    fetch_end(p->ahead, &soon);
    UNROLL for (uint32_t k = 0; k < runs * cols; k++)
    {
        *(grad_vec *)(acc + k * LANES) = sum[k];
    }
}

ALWAYS void outer_pixels(const struct assay_outer *p, const real *dy, const real *a,
                         const ptrdiff_t *off, real *acc, const uint32_t rows, const uint32_t co,
                         const uint32_t runs, const uint32_t cols)
{
    const uint32_t n = co * runs * cols, px = n == 1 ? 8 : n == 2 ? 4 : n <= 4 ? 2 : 1;
    const ptrdiff_t step = cols > 1 ? off[1] - off[0] : 0;
    const bool slides = co == 1 && cols > 1 && p->w % 4 == 0 && p->a_x == IMAGES;
    if (slides && step == IMAGES)
        outer_slide(p, dy, a, off, acc, rows, runs, cols, 1);
    else if (slides && step == 2 * IMAGES)
        outer_slide(p, dy, a, off, acc, rows, runs, cols, 2);
    else if (p->w % px == 0)
        outer_tile(p, dy, a, off, acc, rows, co, runs, cols, px);
    else
        outer_tile(p, dy, a, off, acc, rows, co, runs, cols, 1);
}

// The columns from j on of `co` channels, as many at once as the registers hold.
ALWAYS void outer_columns(const struct assay_outer *p, const real *dy, const real *a, real *acc,
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

static void outer(const struct assay_outer *p, const void *dy, const void *a, void *acc)
{
    const bool even = p->w % WINDOW_PIXELS == 0 && p->h % 2 == 0;
    const uint32_t done = even ? 9 * p->windows : 0;
    if (done) windows_all(p, dy, a);
    if (done == p->q) return;
    // Rows of dy per block: OUTER_TILE channels of about 128 pixels stay in the first-level cache.
    const uint32_t block = p->w >= 128 ? 1 : 128 / p->w;
    for (uint32_t o = 0; o < p->co;) {
        const uint32_t left = p->co - o;
        const uint32_t n = left == 4 ? 2 : left < OUTER_TILE ? left : OUTER_TILE;
        const real *d = (const real *)dy + o * p->dy_c;
        real *s = (real *)acc + (size_t)o * p->q * LANES;
        for (uint32_t y = 0; y < p->h; y += block) {
            const uint32_t rows = p->h - y < block ? p->h - y : block;
            const real *dr = d + y * p->dy_y, *ar = (const real *)a + y * p->a_y;
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
