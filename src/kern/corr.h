// SPDX-License-Identifier: Apache-2.0
// Correlation kernels of one rung: the transpose of a convolution, in elements. Each is one
// register tile of co x px accumulators, written once and instantiated for every tile size by
// constant arguments.

// Pixels of a tile of co channels: few channels leave registers for more.
#define PX_TILE      4
#define PX_TWICE(co) ((co)*2 <= CO_TILE ? 2 * PX_TILE : PX_TILE)
#define PX_OF(co)    ((co)*4 <= CO_TILE ? 4 * PX_TILE : PX_TWICE(co))

// The output channels [first + at, first + at + co) of a tile for which `wide` are packed.
struct channels {
    uint32_t first, wide, at;
};

// Adds one tap of one input channel to the sums of a tile.
ALWAYS void corr_step(const real *at, const real *weight, grad_vec *sum, const uint32_t co,
                      const uint32_t px)
{
    grad_vec w[CO_TILE];
    UNROLL for (uint32_t o = 0; o < co; o++) w[o] = weight[o] - (grad_vec){0};
    UNROLL for (uint32_t x = 0; x < px; x++)
    {
        grad_vec v = load_grad(at + x * LANES);
        KEEP(v);
        UNROLL for (uint32_t o = 0; o < co; o++) sum[o * px + x] += v * w[o];
    }
}

// All taps of one output channel: those of a run load what they share once.
ALWAYS void corr_run(const struct assay_part *q, const real *in, const real *weight,
                     struct assay_ahead *ahead, struct fetch *soon, grad_vec *sum,
                     const uint32_t px, const uint32_t run, const uint32_t apart)
{
    for (uint32_t i = 0; i < q->ci; i++, in += q->in_c) {
        for (uint32_t t = 0; t < q->taps; t += run, weight += run) {
            const real *at = in + q->off[t + run - 1];
            grad_vec w[5];
            fetch_step(ahead, soon, MANY_LINES);
            UNROLL for (uint32_t j = 0; j < run; j++) w[j] = weight[run - 1 - j] - (grad_vec){0};
            UNROLL for (uint32_t x = 0; x < px + (run - 1) * apart; x++)
            {
                grad_vec v = load_grad(at + x * LANES);
                KEEP(v);
                UNROLL for (uint32_t j = 0; j < run; j++)
                {
                    if (x >= j * apart && x - j * apart < px) sum[x - j * apart] += v * w[j];
                }
            }
        }
    }
}

// Adds one part to the sums of a tile.
ALWAYS void corr_taps(const struct assay_corr *p, const struct assay_part *q,
                      const struct channels c, const uint32_t y, const uint32_t x0, grad_vec *sum,
                      const uint32_t co, const uint32_t px)
{
    const real *in = (const real *)q->in + y * q->in_y + x0 * LANES;
    const real *weight = (const real *)q->weight + (size_t)c.first * q->ci * q->taps + c.at;
    struct fetch soon = fetch_begin(p->ahead, in);
    if (q->taps == 1) {
        in += q->off[0];
        for (uint32_t i = 0; i < q->ci; i++, in += q->in_c, weight += c.wide) {
            fetch_step(p->ahead, &soon, 1);
            corr_step(in, weight, sum, co, px);
        }
    } else {
        for (uint32_t i = 0; i < q->ci; i++, in += q->in_c) {
            for (uint32_t t = 0; t < q->taps; t++, weight += c.wide) {
                fetch_step(p->ahead, &soon, 2);
                corr_step(in + q->off[t], weight, sum, co, px);
            }
        }
    }
    fetch_end(p->ahead, &soon);
}

ALWAYS void corr_part(const struct assay_corr *p, const struct assay_part *q,
                      const struct channels c, const uint32_t y, const uint32_t x0, grad_vec *sum,
                      const uint32_t co, const uint32_t px)
{
    if (co > 1 || q->run == 0) {
        corr_taps(p, q, c, y, x0, sum, co, px);
        return;
    }
    const real *in = (const real *)q->in + y * q->in_y + x0 * LANES;
    const real *weight = (const real *)q->weight + (size_t)c.first * q->ci * q->taps;
    const bool near = q->off[0] - q->off[1] == LANES;
    struct fetch soon = fetch_begin(p->ahead, in);
    if (q->run == 3 && near)
        corr_run(q, in, weight, p->ahead, &soon, sum, px, 3, 1);
    else if (q->run == 3)
        corr_run(q, in, weight, p->ahead, &soon, sum, px, 3, 2);
    else if (near)
        corr_run(q, in, weight, p->ahead, &soon, sum, px, 5, 1);
    else
        corr_run(q, in, weight, p->ahead, &soon, sum, px, 5, 2);
    fetch_end(p->ahead, &soon);
}

// The same of a pointwise convolution behind which a BN stands, whose backward is done on the way.
ALWAYS void bn_part(const struct assay_corr *p, const struct assay_part *q, const struct channels c,
                    const uint32_t y, const uint32_t x0, grad_vec *sum, const uint32_t co,
                    const uint32_t px, const int32_t lines)
{
    const struct assay_bn_part *bn = q->bn;
    const real *in = (const real *)q->in + y * q->in_y + x0 * LANES;
    const real *weight = (const real *)q->weight + (size_t)c.first * q->ci + c.at;
    const real *xhat = (const real *)bn->xhat + y * bn->xhat_y + x0 * IMAGES;
    struct fetch soon = fetch_begin(p->ahead, in);
    for (uint32_t i = 0; i < q->ci; i++, in += q->in_c, xhat += bn->xhat_c, weight += c.wide) {
        const grad_vec k0 = load_grad((const real *)bn->k0 + i * LANES),
                       k2 = load_grad((const real *)bn->k2 + i * LANES);
        const grad_vec k1 = ((const real *)bn->k1)[i] - (grad_vec){0};
        grad_vec w[CO_TILE];
        fetch_step(p->ahead, &soon, lines);
        UNROLL for (uint32_t o = 0; o < co; o++) w[o] = weight[o] - (grad_vec){0};
        UNROLL for (uint32_t x = 0; x < px; x++)
        {
            grad_vec v = load_act(xhat + x * IMAGES) * k2 + k0;
            v += load_grad(in + x * LANES) * k1;
            UNROLL for (uint32_t o = 0; o < co; o++) sum[o * px + x] += v * w[o];
        }
    }
    fetch_end(p->ahead, &soon);
}

// Adds the parts from the k-th on. `lines`: fetched at a step where BN's backward is done.
ALWAYS void corr_parts(const struct assay_corr *p, uint32_t k, const struct channels c,
                       const uint32_t y, const uint32_t x0, grad_vec *acc, const uint32_t co,
                       const uint32_t px, const int32_t lines)
{
    grad_vec sum[CO_TILE * PX_TILE];
    UNROLL for (uint32_t j = 0; j < co * px; j++) sum[j] = acc[j];
    for (; k < p->n_part; k++) {
        if (p->part[k].bn)
            bn_part(p, &p->part[k], c, y, x0, sum, co, px, lines);
        else
            corr_part(p, &p->part[k], c, y, x0, sum, co, px);
    }
    UNROLL for (uint32_t j = 0; j < co * px; j++) acc[j] = sum[j];
}

// What a tile's sums make of the output; its pixels lie out_x and mask_x apart.
ALWAYS void corr_end(const struct assay_corr *p, const uint32_t first, const uint32_t y,
                     const uint32_t x0, grad_vec *acc, real *out, bool accumulate,
                     const ptrdiff_t out_x, const ptrdiff_t mask_x, const uint32_t co,
                     const uint32_t px)
{
    const ptrdiff_t out_c = p->out_c, mask_c = p->mask_c;
    if (p->mask) {
        const real *mask = (const real *)p->mask + first * mask_c + y * p->mask_y + x0 * mask_x;
        UNROLL for (uint32_t o = 0; o < co; o++)
        {
            UNROLL for (uint32_t x = 0; x < px; x++) acc[o * px + x] =
                mask_grad(acc[o * px + x], mask + o * mask_c + x * mask_x);
        }
    }
    const ptrdiff_t at = first * out_c + y * p->out_y + x0 * out_x;
    if (p->apart) {
        real *apart = (real *)p->apart + at;
        UNROLL for (uint32_t o = 0; o < co; o++)
        {
            UNROLL for (uint32_t x = 0; x < px; x++)
                put_grad(apart + o * out_c + x * out_x, acc[o * px + x], false);
        }
    }
    for (uint32_t k = 0; k < p->n_add; k++) {
        const real *add = (const real *)p->add[k].x + at;
        UNROLL for (uint32_t o = 0; o < co; o++)
        {
            UNROLL for (uint32_t x = 0; x < px; x++) acc[o * px + x] +=
                (real)p->add[k].scale * load_grad(add + o * out_c + x * out_x);
        }
    }
    out += at;
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        UNROLL for (uint32_t x = 0; x < px; x++)
        {
            real *to = out + o * out_c + x * out_x;
            if (accumulate) acc[o * px + x] += load_grad(to);
            *(grad_vec *)to = acc[o * px + x];
        }
    }
    if (!p->sum) return;
    UNROLL for (uint32_t o = 0; o < co; o++)
    {
        grad_vec *sum = (grad_vec *)p->sum + (first + o), s = *sum;
        UNROLL for (uint32_t x = 0; x < px; x++) s += acc[o * px + x];
        *sum = s;
    }
}

ALWAYS void corr_store(const struct assay_corr *p, const struct channels c, const uint32_t y,
                       const uint32_t x0, real *out, bool accumulate, const uint32_t co,
                       const uint32_t px)
{
    grad_vec acc[CO_TILE * PX_TILE];
    UNROLL for (uint32_t j = 0; j < co * px; j++) acc[j] = (grad_vec){0};
    corr_parts(p, 0, c, y, x0, acc, co, px, MANY_LINES);
    corr_end(p, c.first, y, x0, acc, out, accumulate, p->out_x, p->mask_x, co, px);
}

// X for every number of channels of a tile.
#if CO_TILE == 2
#    define CORR_CASES(X) X(1) X(2)
#elif CO_TILE == 3
#    define CORR_CASES(X) X(1) X(2) X(3)
#else
#    define CORR_CASES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif
// All pixels of the output rows for one tile of `co` channels.
ALWAYS void corr_rows(const struct assay_corr *p, const uint32_t first, real *out, bool accumulate,
                      const uint32_t co)
{
    const struct channels c = {.first = first, .wide = co};
    for (uint32_t y = 0; y < p->h; y++) {
        uint32_t x = 0;
        for (; x + PX_OF(co) <= p->w; x += PX_OF(co))
            corr_store(p, c, y, x, out, accumulate, co, PX_OF(co));
        for (; x + PX_TWICE(co) <= p->w; x += PX_TWICE(co))
            corr_store(p, c, y, x, out, accumulate, co, PX_TWICE(co));
        for (; x + PX_TILE <= p->w; x += PX_TILE)
            corr_store(p, c, y, x, out, accumulate, co, PX_TILE);
        for (; x < p->w; x++) corr_store(p, c, y, x, out, accumulate, co, 1);
    }
}

#define CORR_CASE(n)                                                                               \
    case n:                                                                                        \
        corr_rows(p, first, out, accumulate, n);                                                   \
        break;
static void corr_unlifted(const struct assay_corr *p, real *out, bool accumulate)
{
    for (uint32_t first = 0, n; first < p->co; first += n) {
        n = assay_kern_tile(&RUNG, p->co - first);
        switch (n) {
            CORR_CASES(CORR_CASE)
        }
    }
}
