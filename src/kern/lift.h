// SPDX-License-Identifier: Apache-2.0
// Gradients through 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2,3) of their
// rows (Lavin, Gray 2016, arXiv 1509.09308): two pixels y = A^T [(G g) * (B^T d)] of a row d and
// three weights g take four products where the sum over taps takes six. B^T d is made in registers
// where it is used; products are summed over rows, channels and parts before A^T is taken.

// Element j of B^T d, of vectors of any kind.
#define FILTER_INPUT(d, j)                                                                         \
    ((j) == 0   ? (d)[0] - (d)[2]                                                                  \
     : (j) == 1 ? (d)[1] + (d)[2]                                                                  \
     : (j) == 2 ? (d)[2] - (d)[1]                                                                  \
                : (d)[1] - (d)[3])

#if LIFT_CO
#    define LIFT_PX (2 * LIFT_TILES)

// Adds one row of one input channel to the sums of co channels: sum (co, tiles, 4).
ALWAYS void lift_step(const real *at, const real *weight, grad_vec *sum, const uint32_t co)
{
    grad_vec d[LIFT_PX + 2];
    UNROLL for (uint32_t x = 0; x < LIFT_PX + 2; x++) d[x] = load_grad(at + x * LANES);
    UNROLL for (uint32_t j = 0; j < 4; j++)
    {
        grad_vec v[LIFT_TILES];
        UNROLL for (uint32_t t = 0; t < LIFT_TILES; t++) v[t] = FILTER_INPUT(d + 2 * t, j);
        UNROLL for (uint32_t o = 0; o < co; o++)
        {
            const grad_vec w = weight[j * co + o] - (grad_vec){0};
            UNROLL for (uint32_t t = 0; t < LIFT_TILES; t++) sum[(o * LIFT_TILES + t) * 4 + j] +=
                w * v[t];
        }
    }
}

// The sums of all lifted parts: acc (co, LIFT_PX). Returns the first part that is not lifted.
ALWAYS uint32_t lift_tile(const struct assay_corr *p, const uint32_t first, const uint32_t y,
                          const uint32_t x0, grad_vec *acc, const uint32_t co)
{
    uint32_t k = 0;
    grad_vec sum[4 * LIFT_CO * LIFT_TILES];
    UNROLL for (uint32_t j = 0; j < 4 * co * LIFT_TILES; j++) sum[j] = (grad_vec){0};
    for (; k < p->n_part && p->part[k].lifted; k++) {
        const struct assay_part *q = &p->part[k];
        const real *in = (const real *)q->in + y * q->in_y + x0 * LANES;
        const real *weight = (const real *)q->weight + (size_t)first * q->ci * ASSAY_LIFTED_TAPS;
        struct fetch soon = fetch_begin(p->ahead, in);
        for (uint32_t i = 0; i < q->ci; i++, in += q->in_c) {
            for (uint32_t row = 0; row < 3; row++, weight += 4 * co) {
                fetch_step(p->ahead, &soon, 2);
                lift_step(in + row * q->in_y, weight, sum, co);
            }
        }
        fetch_end(p->ahead, &soon);
    }
    UNROLL for (uint32_t j = 0; j < co * LIFT_TILES; j++)
    {
        acc[2 * j] = sum[4 * j] + (sum[4 * j + 1] + sum[4 * j + 2]);
        acc[2 * j + 1] = (sum[4 * j + 1] - sum[4 * j + 2]) - sum[4 * j + 3];
    }
    return k;
}

ALWAYS void lift_store(const struct assay_corr *p, const struct channels c, const uint32_t y,
                       const uint32_t x0, real *out, bool accumulate, const uint32_t co)
{
    grad_vec acc[LIFT_CO * LIFT_PX];
    const uint32_t k = lift_tile(p, c.first + c.at, y, x0, acc, co);
    corr_parts(p, k, c, y, x0, acc, co, LIFT_PX, 2);
    corr_end(p, c.first + c.at, y, x0, acc, out, accumulate, LANES, IMAGES, co, LIFT_PX);
}

_Static_assert(CO_TILE == 6 && LIFT_CO == 3, "tiles of 2 to 6 channels are shared as 2 and 3");
// All channels of a few pixels, then of the next: what they read stays in the first-level cache.
static void corr_lifted(const struct assay_corr *p, real *out, bool accumulate)
{
    for (uint32_t y = 0; y < p->h; y++) {
        for (uint32_t x = 0; x < p->w; x += LIFT_PX) {
            for (struct channels c = {0}; c.first < p->co; c.first += c.wide, c.at = 0) {
                c.wide = assay_kern_tile(&RUNG, p->co - c.first);
                for (uint32_t n; c.at < c.wide; c.at += n) {
                    n = assay_share(c.wide - c.at, LIFT_CO);
                    if (n == LIFT_CO)
                        lift_store(p, c, y, x, out, accumulate, LIFT_CO);
                    else
                        lift_store(p, c, y, x, out, accumulate, LIFT_CO - 1);
                }
            }
        }
    }
}
#else
#    define LIFT_PX 0
#endif

static void corr(const struct assay_corr *p, void *out, bool accumulate)
{
#if LIFT_CO
    if (p->n_part > 0 && p->part[0].lifted) {
        corr_lifted(p, out, accumulate);
        return;
    }
#endif
    corr_unlifted(p, out, accumulate);
}
