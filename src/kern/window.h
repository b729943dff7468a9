// SPDX-License-Identifier: Apache-2.0
// Weight gradients of 3x3 windows of stride 1, by the gradient of Winograd's minimal filtering
// F(2x2,3x3) (Lavin, Gray 2016, arXiv 1509.09308): of 2x2 pixels of dy and 4x4 of a,
// G^T [(A dy A^T) * (B^T a B)] G takes 16 products where the sum over pixels takes 36. A dy A^T is
// made in registers where it is used; the sign of A's last row is that of G's here.

#define WINDOW_TILES (PACKED ? 8 : 16) // of 2x2 pixels, at a time

struct window_block {
    const struct assay_outer *p;
    uint32_t rows, columns; // of tiles
    const real *soon[8];    // what the next block wants, a part fetched by each of the pairs
    // B^T a B: of each of its rows the outer columns of every tile, then the inner ones.
    real at[WINDOW_CI][4][2][WINDOW_TILES][2][IMAGES] __attribute__((aligned(64)));
};

#define LINE (ASSAY_LINE / REAL_BYTES) // elements
// Adjacent pixels of an input, half as many tiles.
#define WINDOW_PIXELS (COTS < 2 ? 2 : COTS)
typedef real window_vec __attribute__((vector_size(REAL_BYTES * WINDOW_PIXELS * IMAGES), may_alias,
                                       aligned(REAL_BYTES *IMAGES)));
typedef real_bits window_mask
    __attribute__((vector_size(REAL_BYTES * WINDOW_PIXELS * IMAGES), may_alias));

// B^T a B of every tile of one input channel; a: the first one's first pixel. With v the pixels
// from that on, u and w those from the next two: the outer columns are v - w, the inner ones u + w
// of even pixels and u - v of odd ones.
static void window_inputs(struct window_block *b, const real *a, const uint32_t i)
{
    const ptrdiff_t row = b->p->a_y;
    window_mask odd, minus;
    UNROLL for (uint32_t k = 0; k < WINDOW_PIXELS * IMAGES; k++) odd[k] = k / IMAGES % 2 ? -1 : 0;
    minus = odd & REAL_SIGN;
    for (uint32_t y = 0, t = 0; y < b->rows; y++, a += 2 * row) {
        for (uint32_t x = 0; x < b->columns; x += WINDOW_PIXELS / 2, t += WINDOW_PIXELS / 2) {
            const real *from = a + 2 * x * IMAGES;
            window_vec d[3][4];
            UNROLL for (uint32_t k = 0; k < 12; k++) d[k / 4][k % 4] =
                *(const window_vec *)(from + k % 4 * row + k / 4 * IMAGES);
            UNROLL for (uint32_t k = 0; k < 4; k++)
            {
                const window_vec v = FILTER_INPUT(d[0], k), u = FILTER_INPUT(d[1], k),
                                 w = FILTER_INPUT(d[2], k);
                *(window_vec *)b->at[i][k][0][t] = v - w;
                *(window_vec *)b->at[i][k][1][t] =
                    u + (window_vec)(((window_mask)w & ~odd) | (((window_mask)v & odd) ^ minus));
            }
        }
    }
}

// One of A's rows of two vectors.
ALWAYS grad_vec window_row(const real *d, const ptrdiff_t step, const uint32_t row)
{
    if (row == 0) return load_grad(d);
    if (row == 3) return load_grad(d + step);
    return row == 1 ? load_grad(d) + load_grad(d + step) : load_grad(d) - load_grad(d + step);
}

// Where the sums of the k-th pair of output and input channel stand.
ALWAYS size_t window_place(const struct assay_outer *p, const uint32_t k, const uint32_t ci)
{
    return ((size_t)(k / ci) * p->windows + k % ci) * 16;
}

// Two of the 16 products, those of row `row` and of the outer or the inner columns, of all tiles.
// sum: (co, windows, 16).
ALWAYS void window_pair(const struct window_block *b, const real *dy, grad_vec *sum,
                        const uint32_t row, const bool inner, const uint32_t co, const uint32_t ci)
{
    const real *soon = b->soon[2 * row + inner];
    const uint32_t one = 4 * row + inner, two = 4 * row + 3 - inner, n = co * ci;
    const struct assay_outer *p = b->p;
    grad_vec s[2 * WINDOW_CO * WINDOW_CI];
    UNROLL for (uint32_t k = 0; k < n; k++) s[k] = sum[window_place(p, k, ci) + one],
                                            s[n + k] = sum[window_place(p, k, ci) + two];
    for (uint32_t y = 0, t = 0; y < b->rows; y++, dy += 2 * p->dy_y) {
        const real *d = dy;
        for (uint32_t x = 0; x < b->columns; x++, t++, d += 2 * LANES) {
            grad_vec g[2 * WINDOW_CO];
            __builtin_prefetch(soon + LINE * t);
            UNROLL for (uint32_t o = 0; o < co; o++)
            {
                const grad_vec left = window_row(d + o * p->dy_c, p->dy_y, row),
                               right = window_row(d + o * p->dy_c + LANES, p->dy_y, row);
                g[o] = left;
                g[co + o] = right;
                if (inner) g[o] += right, g[co + o] = left - right;
                KEEP(g[o]);
                KEEP(g[co + o]);
            }
            UNROLL for (uint32_t i = 0; i < ci; i++)
            {
                grad_vec v = load_act(b->at[i][row][inner][t][0]),
                         w = load_act(b->at[i][row][inner][t][1]);
                KEEP(v);
                KEEP(w);
                UNROLL for (uint32_t o = 0; o < co; o++)
                {
                    s[o * ci + i] += g[o] * v;
                    s[n + o * ci + i] += g[co + o] * w;
                }
            }
        }
    }
    UNROLL for (uint32_t k = 0; k < n; k++)
        sum[window_place(p, k, ci) + one] = s[k],
                                     sum[window_place(p, k, ci) + two] = s[n + k];
}

ALWAYS void window_tile(const struct window_block *b, const real *dy, grad_vec *sum,
                        const uint32_t co, const uint32_t ci)
{
    UNROLL for (uint32_t row = 0; row < 4; row++)
    {
        window_pair(b, dy, sum, row, false, co, ci);
        window_pair(b, dy, sum, row, true, co, ci);
    }
}

#define WINDOW_CASE(co, ci)                                                                        \
    case 4 * (co) + (ci):                                                                          \
        window_tile(b, dy, sum, co, ci);                                                           \
        break;
static void window_sized(const struct window_block *b, const real *dy, grad_vec *sum,
                         const uint32_t co, const uint32_t ci)
{
    switch (4 * co + ci) {
        WINDOW_CASE(1, 1)
        WINDOW_CASE(1, 2)
        WINDOW_CASE(2, 1)
        WINDOW_CASE(2, 2)
#if WINDOW_CO == 3
        WINDOW_CASE(1, 3)
        WINDOW_CASE(2, 3)
        WINDOW_CASE(3, 1)
        WINDOW_CASE(3, 2)
        WINDOW_CASE(3, 3)
#endif
    }
}

// G^T s G, added to the nine taps.
ALWAYS void window_drop(const grad_vec *s, const uint32_t step, grad_vec *to,
                        const uint32_t to_step)
{
    const grad_vec plus = (real)0.5 * (s[step] + s[2 * step]);
    to[0] = s[0] + plus;
    to[to_step] = (real)0.5 * (s[step] - s[2 * step]);
    to[2 * to_step] = plus - s[3 * step];
}

ALWAYS void window_end(const grad_vec *sum, real *acc)
{
    grad_vec v[12], taps[9];
    UNROLL for (uint32_t k = 0; k < 4; k++) window_drop(sum + k, 4, v + k, 4);
    UNROLL for (uint32_t k = 0; k < 3; k++) window_drop(v + 4 * k, 1, taps + 3 * k, 1);
    UNROLL for (uint32_t k = 0; k < 9; k++) put_grad(acc + k * LANES, taps[k], true);
}

static void window(uint32_t co, uint32_t windows, uint32_t q, void *lift, void *acc)
{
    real *from = lift;
    for (uint32_t o = 0; o < co; o++) {
        for (uint32_t i = 0; i < windows; i++, from += 16 * LANES) {
            window_end((grad_vec *)from, (real *)acc + ((size_t)o * q + 9 * i) * LANES);
            memset(from, 0, 16 * LANES * sizeof *from);
        }
    }
}

// `ci` windows from `first` on.
static void windows_of(const struct assay_outer *p, const real *dy, const real *a,
                       const uint32_t first, const uint32_t ci)
{
    struct window_block b = {.p = p};
    const uint32_t across = p->w / 2, most = across < WINDOW_TILES ? across : WINDOW_TILES;
    const ptrdiff_t *off = p->off + 9 * first;
    for (uint32_t y = 0; y < p->h; y += 2 * b.rows) {
        b.rows = WINDOW_TILES / most;
        if (2 * b.rows > p->h - y) b.rows = (p->h - y) / 2;
        for (uint32_t x = 0; x < across; x += b.columns) {
            b.columns = across - x < most ? across - x : most;
            const real *from = a + y * p->a_y + 2 * x * IMAGES;
            const bool last = y + 2 * b.rows == p->h && x + b.columns == across;
            const real *next = last ? a + p->a_next : from + (2 * b.rows + 2) * p->a_y;
            for (uint32_t i = 0; i < 8; i++)
                b.soon[i] = next + off[9 * (i % ci)] + i / ci * (LINE * WINDOW_TILES);
            for (uint32_t i = 0; i < ci; i++) window_inputs(&b, from + off[9 * i], i);
            for (uint32_t o = 0, n; o < p->co; o += n) {
                n = assay_share(p->co - o, WINDOW_CO);
                window_sized(&b, dy + o * p->dy_c + y * p->dy_y + 2 * x * LANES,
                             (grad_vec *)p->lift + (o * p->windows + first) * 16, n, ci);
            }
        }
    }
}

static void windows_all(const struct assay_outer *p, const real *dy, const real *a)
{
    for (uint32_t i = 0, n; i < p->windows; i += n) {
        n = assay_share(p->windows - i, WINDOW_CI);
        windows_of(p, dy, a, i, n);
    }
}
