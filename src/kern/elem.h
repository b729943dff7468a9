// SPDX-License-Identifier: Apache-2.0
// Elementwise, pooling and reduction kernels of one rung.

// ---- forward, double ----
static void sum_f64(uint32_t c, uint32_t hw, const double *x, double *sum)
{
    for (uint32_t i = 0; i < c; i++) {
        fwd_vec s = {0};
        for (uint32_t j = 0; j < hw; j++, x += ASSAY_IMAGES) s += load_fwd(x);
        sum[i] += (s[0] + s[1]) + (s[2] + s[3]);
    }
}

static void var_f64(uint32_t c, uint32_t hw, const double *x, const double *mean,
                    const double *valid, double *sq)
{
    const fwd_vec on = load_fwd(valid);
    for (uint32_t i = 0; i < c; i++) {
        fwd_vec s = {0};
        for (uint32_t j = 0; j < hw; j++, x += ASSAY_IMAGES) {
            const fwd_vec d = load_fwd(x) - mean[i];
            s += d * d;
        }
        s *= on;
        sq[i] += (s[0] + s[1]) + (s[2] + s[3]);
    }
}

static void norm_f64(uint32_t c, uint32_t hw, double *x, const double *mean, const double *rstd,
                     const double *gamma, const double *beta, const double *valid, float *xhat)
{
    const fwd_vec on = load_fwd(valid);
    for (uint32_t i = 0; i < c; i++) {
        const fwd_vec scale = on * rstd[i], shift = on * beta[i];
        for (uint32_t j = 0; j < hw; j++, x += ASSAY_IMAGES) {
            const fwd_vec v = (load_fwd(x) - mean[i]) * scale;
            if (xhat) {
                *(act_vec *)xhat = __builtin_convertvector(v, act_vec);
                xhat += ASSAY_IMAGES;
            }
            *(fwd_vec *)x = v * gamma[i] + shift;
        }
    }
}

static void relu_f64(size_t n, const double *x, double *y)
{
    for (size_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void axpy_f64(size_t n, double a, const double *x, double *y, bool accumulate)
{
    if (accumulate)
        for (size_t i = 0; i < n; i++) y[i] += a * x[i];
    else
        for (size_t i = 0; i < n; i++) y[i] = a * x[i];
}

static void pool_f64(const struct assay_pool *p, const double *x, double *y)
{
    for (uint32_t c = 0; c < p->c; c++, x += (size_t)p->h * p->w * ASSAY_IMAGES) {
        for (uint32_t oy = 0; oy < p->oh; oy++) {
            for (uint32_t ox = 0; ox < p->ow; ox++, y += ASSAY_IMAGES) {
                fwd_vec s = {0};
                for (uint32_t ky = 0; ky < p->kernel; ky++) {
                    const uint32_t iy = oy * p->stride + ky - p->pad;
                    if (iy >= p->h) continue;
                    for (uint32_t kx = 0; kx < p->kernel; kx++) {
                        const uint32_t ix = ox * p->stride + kx - p->pad;
                        if (ix < p->w) s += load_fwd(x + ((size_t)iy * p->w + ix) * ASSAY_IMAGES);
                    }
                }
                *(fwd_vec *)y = s * p->inv[oy * p->ow + ox];
            }
        }
    }
}

// Padding never wins: only inputs inside the image are compared, the first maximum stays.
static void maxpool_at(const struct assay_pool *p, const double *x, uint32_t oy, uint32_t ox,
                       double *y, float *arg)
{
    fwd_vec best = (fwd_vec){0} - HUGE_VAL, tap = {0};
    for (uint32_t ky = 0; ky < p->kernel; ky++) {
        const uint32_t iy = oy * p->stride + ky - p->pad;
        if (iy >= p->h) continue;
        for (uint32_t kx = 0; kx < p->kernel; kx++) {
            const uint32_t ix = ox * p->stride + kx - p->pad;
            if (ix >= p->w) continue;
            const fwd_vec v = load_fwd(x + ((size_t)iy * p->w + ix) * ASSAY_IMAGES);
            const fwd_mask more = v > best;
            const fwd_vec k = (fwd_vec){0} + (double)(ky * p->kernel + kx);
            best = (fwd_vec)(((fwd_mask)v & more) | ((fwd_mask)best & ~more));
            tap = (fwd_vec)(((fwd_mask)k & more) | ((fwd_mask)tap & ~more));
        }
    }
    *(fwd_vec *)y = best;
    if (arg) *(act_vec *)arg = __builtin_convertvector(tap, act_vec);
}

static void maxpool_f64(const struct assay_pool *p, const double *x, double *y, float *arg)
{
    for (uint32_t c = 0; c < p->c; c++, x += (size_t)p->h * p->w * ASSAY_IMAGES) {
        for (uint32_t oy = 0; oy < p->oh; oy++) {
            for (uint32_t ox = 0; ox < p->ow; ox++, y += ASSAY_IMAGES) {
                maxpool_at(p, x, oy, ox, y, arg);
                if (arg) arg += ASSAY_IMAGES;
            }
        }
    }
}

static void pad_f64(const struct assay_planes *p, const double *src, double *dst)
{
    for (uint32_t c = 0; c < p->c; c++) {
        for (uint32_t y = 0; y < p->h; y++) {
            memcpy(dst + c * p->dst_c + y * p->dst_y, src + c * p->src_c + y * p->src_y,
                   sizeof(double) * ASSAY_IMAGES * p->w);
        }
    }
}

static void save_f32(const struct assay_planes *p, const double *src, float *dst)
{
    for (uint32_t c = 0; c < p->c; c++) {
        for (uint32_t y = 0; y < p->h; y++) {
            const double *s = src + c * p->src_c + y * p->src_y;
            float *d = dst + c * p->dst_c + y * p->dst_y;
            for (uint32_t i = 0; i < p->w * ASSAY_IMAGES; i++) {
                const float v = (float)s[i];
                d[i] = s[i] != 0 && __builtin_fabsf(v) < 0x1p-126f
                           ? __builtin_copysignf(0x1p-126f, v)
                           : v;
            }
        }
    }
}

// ---- backward, float ----
static void affine_f32(const struct assay_planes *p, const float *src, const float *xhat,
                       const float *k0, const float *k1, const float *k2, float *dst)
{
    for (uint32_t c = 0; c < p->c; c++) {
        const grad_vec a1 = k1[c] - (grad_vec){0};
        const grad_vec a0 = xhat ? load_grad(k0 + c * LANES) : (grad_vec){0};
        const grad_vec a2 = xhat ? load_grad(k2 + c * LANES) : (grad_vec){0};
        for (uint32_t y = 0; y < p->h; y++) {
            const float *s = src + c * p->src_c + y * p->src_y;
            float *d = dst + c * p->dst_c + y * p->dst_y;
            if (!xhat) {
                for (uint32_t x = 0; x < p->w; x++)
                    *(grad_vec *)(d + x * LANES) = a1 * load_grad(s + x * LANES);
                continue;
            }
            const float *h = xhat + c * p->act_c + y * p->act_y;
            for (uint32_t x = 0; x < p->w; x++) {
                const grad_vec t = load_act(h + x * ASSAY_IMAGES) * a2 + a0;
                *(grad_vec *)(d + x * LANES) = load_grad(s + x * LANES) * a1 + t;
            }
        }
    }
}

static void axpy_f32(size_t vectors, float a, const float *x, float *y, bool accumulate)
{
    for (size_t i = 0; i < vectors * LANES; i += LANES)
        put_grad(y + i, a * load_grad(x + i), accumulate);
}

static void relu_f32(const struct assay_planes *p, const float *x, float scale, const float *act,
                     float *y, bool accumulate)
{
    for (uint32_t c = 0; c < p->c; c++) {
        for (uint32_t r = 0; r < p->h; r++) {
            const float *s = x + c * p->src_c + r * p->src_y,
                        *a = act + c * p->act_c + r * p->act_y;
            float *d = y + c * p->dst_c + r * p->dst_y;
            for (uint32_t i = 0; i < p->w; i++)
                put_grad(d + i * LANES,
                         mask_grad(scale * load_grad(s + i * LANES), a + i * ASSAY_IMAGES),
                         accumulate);
        }
    }
}

// y[i] (+)= the sum of `count` vectors of x, `step` apart; x and y advance by their own strides.
ALWAYS void gather_n(uint32_t n, const float *x, ptrdiff_t x_step, ptrdiff_t step, uint32_t count,
                     float *y, ptrdiff_t y_step, bool accumulate)
{
    for (uint32_t i = 0; i < n; i++, x += x_step, y += y_step) {
        grad_vec v = {0};
        UNROLL for (uint32_t k = 0; k < count; k++) v += load_grad(x + k * step);
        put_grad(y, v, accumulate);
    }
}

static void gather(uint32_t n, const float *x, ptrdiff_t x_step, ptrdiff_t step, uint32_t count,
                   float *y, ptrdiff_t y_step, bool accumulate)
{
    if (count == 3)
        gather_n(n, x, x_step, step, 3, y, y_step, accumulate);
    else if (count == 2)
        gather_n(n, x, x_step, step, 2, y, y_step, accumulate);
    else if (count == 1)
        gather_n(n, x, x_step, step, 1, y, y_step, accumulate);
    else
        for (uint32_t k = 0; k < (count ? count : 1); k++)
            gather_n(n, x + k * step, x_step, step, count ? 1 : 0, y, y_step, accumulate || k > 0);
}

// The outputs whose window covers input i: `*count` of them from *first, which may lie outside.
ALWAYS void covering(const struct assay_pool *p, uint32_t i, int *first, uint32_t *count)
{
    const uint32_t last = (i + p->pad) / p->stride, phase = (i + p->pad) % p->stride;
    *count = phase < p->kernel ? (p->kernel - phase + p->stride - 1) / p->stride : 0;
    *first = (int)last - (int)*count + 1;
}

// One row of dy, scaled (between margins of zeros) and summed over the horizontal windows.
static void pool_row(const struct assay_pool *p, const float *dy, const double *inv, float *scaled,
                     float *out)
{
    int first;
    uint32_t count;
    for (uint32_t ox = 0; ox < p->ow; ox++) {
        __builtin_prefetch(dy + (ox + SOON) * LANES);
        *(grad_vec *)(scaled + ox * LANES) =
            load_grad(dy + ox * LANES) * ((float)inv[ox] * p->scale);
    }
    for (uint32_t ix = 0; ix < p->stride && ix < p->w; ix++) {
        covering(p, ix, &first, &count);
        gather((p->w - ix + p->stride - 1) / p->stride, scaled + first * LANES, LANES, LANES, count,
               out + ix * LANES, (ptrdiff_t)p->stride * LANES, false);
    }
}

// One row of dy, scaled and summed over windows of three, to `row`; with the two rows above it, to
// a row of dx (NULL: there is none yet).
ALWAYS void pool3_row(const struct assay_pool *p, const float *dy, const double *inv, float *row,
                      const float *above, const float *top, float *dx, bool accumulate)
{
    grad_vec left = {0}, here = load_grad(dy) * ((float)inv[0] * p->scale);
    for (uint32_t x = 0; x < p->w; x++) {
        grad_vec right = {0};
        __builtin_prefetch(dy + (x + SOON) * LANES);
        if (x + 1 < p->w) right = load_grad(dy + (x + 1) * LANES) * ((float)inv[x + 1] * p->scale);
        const grad_vec v = left + here + right;
        *(grad_vec *)(row + x * LANES) = v;
        if (dx)
            put_grad(dx + x * LANES, load_grad(top + x * LANES) + load_grad(above + x * LANES) + v,
                     accumulate);
        left = here, here = right;
    }
}

// Windows of three that keep the size: a row of dx needs three rows, of which the last is at hand.
static void pool3_f32(const struct assay_pool *p, const float *dy, float *scratch, float *dx,
                      bool accumulate)
{
    const size_t n = (size_t)p->w * LANES;
    float *zero = scratch + 3 * n, *row[3] = {scratch, scratch + n, scratch + 2 * n};
    memset(zero, 0, n * sizeof *zero);
    for (uint32_t c = 0; c < p->c; c++) {
        const float *top = zero, *above = zero;
        for (uint32_t y = 0; y < p->h; y++, dy += n) {
            float *here = row[y % 3], *to = y > 0 ? dx : NULL;
            pool3_row(p, dy, p->inv + y * p->w, here, above, top, to, accumulate);
            if (y > 0) dx += n;
            top = above, above = here;
        }
        for (size_t i = 0; i < n; i += LANES)
            put_grad(dx + i, load_grad(top + i) + load_grad(above + i), accumulate);
        dx += n;
    }
}

// Row by row of dy; a row of dx is written as soon as all rows that cover it are there.
static void pool_f32(const struct assay_pool *p, const float *dy, float *scratch, float *dx,
                     bool accumulate)
{
    const size_t row = (size_t)p->w * LANES, margin = (size_t)p->kernel * LANES;
    if (p->kernel == 3 && p->stride == 1 && p->pad == 1) {
        pool3_f32(p, dy, scratch, dx, accumulate);
        return;
    }
    float *scaled = scratch + p->oh * row + margin;
    memset(scaled - margin, 0, margin * sizeof *scaled);
    memset(scaled + (size_t)p->ow * LANES, 0, margin * sizeof *scaled);
    for (uint32_t c = 0; c < p->c; c++) {
        uint32_t iy = 0;
        for (uint32_t oy = 0; oy < p->oh; oy++, dy += (size_t)p->ow * LANES) {
            pool_row(p, dy, p->inv + oy * p->ow, scaled, scratch + oy * row);
            for (; iy < p->h; iy++, dx += row) {
                int first;
                uint32_t count;
                covering(p, iy, &first, &count);
                int end = first + (int)count;
                if (end > (int)oy + 1 && oy + 1 < p->oh) break;
                if (first < 0) first = 0;
                if (end > (int)p->oh) end = (int)p->oh;
                gather(p->w, scratch + first * (ptrdiff_t)row, LANES, (ptrdiff_t)row,
                       end > first ? (uint32_t)(end - first) : 0, dx, LANES, accumulate);
            }
        }
    }
}

// What outputs [y0, y1) x [x0, x1) send to the input they reach by tap `tap` of their first one.
ALWAYS grad_vec maxpool_sum(const struct assay_pool *p, const float *dy, const float *arg, int y0,
                            int y1, int x0, int x1, int tap)
{
    grad_vec v = {0};
    for (int oy = y0; oy < y1; oy++, tap -= (int)(p->stride * p->kernel)) {
        for (int ox = x0, k = tap; ox < x1; ox++, k -= (int)p->stride) {
            const int o = oy * (int)p->ow + ox;
            const grad_mask on = load_act(arg + o * ASSAY_IMAGES) == (grad_vec){0} + (float)k;
            v += (grad_vec)((grad_mask)load_grad(dy + o * LANES) & on);
        }
    }
    return v * p->scale;
}

static void maxpool_f32(const struct assay_pool *p, const float *dy, const float *arg, float *dx,
                        bool accumulate)
{
    const int oh = (int)p->oh, ow = (int)p->ow, stride = (int)p->stride, pad = (int)p->pad;
    const size_t outputs = (size_t)p->oh * p->ow;
    for (uint32_t c = 0; c < p->c; c++, dy += outputs * LANES, arg += outputs * ASSAY_IMAGES) {
        for (uint32_t iy = 0; iy < p->h; iy++, dx += (size_t)p->w * LANES) {
            int y0, x0;
            uint32_t rows, cols;
            covering(p, iy, &y0, &rows);
            const int y1 = y0 + (int)rows < oh ? y0 + (int)rows : oh;
            if (y0 < 0) y0 = 0;
            for (uint32_t phase = 0; phase < p->stride && phase < p->w; phase++) {
                covering(p, phase, &x0, &cols);
                for (uint32_t ix = phase; ix < p->w; ix += p->stride, x0++) {
                    const int first = x0 < 0 ? 0 : x0;
                    const int last = x0 + (int)cols < ow ? x0 + (int)cols : ow;
                    const int tap = ((int)iy + pad - y0 * stride) * (int)p->kernel + (int)ix + pad -
                                    first * stride;
                    put_grad(dx + ix * LANES, maxpool_sum(p, dy, arg, y0, y1, first, last, tap),
                             accumulate);
                }
            }
        }
    }
}

static void gap_f32(uint32_t c, uint32_t hw, const float *dy, float scale, float *dx,
                    bool accumulate)
{
    for (uint32_t i = 0; i < c; i++) {
        const grad_vec v = load_grad(dy + i * LANES) * (scale / (float)hw);
        for (uint32_t j = 0; j < hw; j++, dx += LANES) put_grad(dx, v, accumulate);
    }
}

static void sum_f32(uint32_t c, uint32_t hw, const float *dy, const float *xhat, float *acc)
{
    for (uint32_t i = 0; i < c; i++) {
        grad_vec s[3] = {{0}}; // three chains hide the latency of the add
        for (uint32_t j = 0; j < hw; j++, dy += LANES) {
            grad_vec v = load_grad(dy);
            if (xhat) {
                v *= load_act(xhat);
                xhat += ASSAY_IMAGES;
            }
            const grad_vec t = s[2] + v;
            s[2] = s[1], s[1] = s[0], s[0] = t;
        }
        put_grad(acc + i * LANES, s[0] + s[1] + s[2], true);
    }
}

static void spread_f32(size_t n, const float *a, float *out)
{
    for (size_t i = 0; i < n; i++) *(grad_vec *)(out + i * LANES) = load_act(a + i * ASSAY_IMAGES);
}

static void flush_f32(size_t n, float *acc, double *sum, size_t ld, bool reduce)
{
    for (size_t i = 0; i < n; i++, acc += LANES) {
        for (uint32_t t = 0; t < COTS; t++) {
            const float *v = acc + t * ASSAY_IMAGES;
            if (reduce) {
                sum[t * ld + i] += ((double)v[0] + v[1]) + ((double)v[2] + v[3]);
                continue;
            }
            for (uint32_t l = 0; l < ASSAY_IMAGES; l++)
                sum[(t * ASSAY_IMAGES + l) * ld + i] += v[l];
        }
        *(grad_vec *)acc = (grad_vec){0};
    }
}

// ---- FMA peak: enough independent chains to fill two pipes of latency six ----
static double fma_loop(uint64_t rounds)
{
    // Read at run time: with constants the compiler folds the chain that starts at its fixed point.
    volatile float factor = 0.999f, term = 1e-3f;
    grad_vec a[12], x = (grad_vec){0} + factor, y = (grad_vec){0} + term;
    UNROLL for (int i = 0; i < 12; i++) a[i] = (grad_vec){0} + (float)i;
    for (uint64_t r = 0; r < rounds; r++) {
        UNROLL for (int i = 0; i < 12; i++) a[i] = a[i] * x + y;
        __asm__ volatile("");
    }
    for (int i = 1; i < 12; i++) a[0] += a[i];
    volatile float sink = a[0][0];
    (void)sink;
    return (double)rounds * 12 * 2 * LANES;
}
