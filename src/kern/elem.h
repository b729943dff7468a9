// SPDX-License-Identifier: Apache-2.0
// Elementwise and reduction kernels of one rung.

// ---- forward, double ----
#if !PACKED
// Sum over the valid lanes of x - m, or of its square; four chains hide the latency of the add.
ALWAYS double sum_about(const uint32_t hw, const double *x, const double m, const fwd_vec on,
                        const bool square)
{
    fwd_vec s[4] = {{0}};
    uint32_t j = 0;
    for (; j + 4 <= hw; j += 4, x += 4 * ASSAY_IMAGES) {
        UNROLL for (uint32_t k = 0; k < 4; k++)
        {
            fwd_vec d = load_fwd(x + k * ASSAY_IMAGES) - m;
            if (square) d *= d;
            s[k] += d;
        }
    }
    for (; j < hw; j++, x += ASSAY_IMAGES) {
        fwd_vec d = load_fwd(x) - m;
        if (square) d *= d;
        s[0] += d;
    }
    s[0] = ((s[0] + s[1]) + (s[2] + s[3])) * on;
    return (s[0][0] + s[0][1]) + (s[0][2] + s[0][3]);
}

// Chan, Golub, LeVeque 1983. Sums about a value of the channel's own: a constant channel has no
// variance, not a rounding error's.
static void moments_f64(uint32_t c, uint32_t hw, const double *x, const double *valid,
                        double before, double *mean, double *sq)
{
    const fwd_vec on = load_fwd(valid);
    const double n = hw * ((on[0] + on[1]) + (on[2] + on[3])), total = before + n;
    for (uint32_t i = 0; i < c; i++, x += hw * ASSAY_IMAGES) {
        const double m = x[0] + sum_about(hw, x, x[0], on, false) / n;
        const double q = sum_about(hw, x, m, on, true), off = m - mean[i];
        mean[i] = before > 0 ? mean[i] + off * (n / total) : m;
        sq[i] = before > 0 ? sq[i] + (q + off * off * (before * n / total)) : q;
    }
}

static void norm_f64(uint32_t c, uint32_t hw, const double *x, const struct assay_bn_forward *p,
                     double *y, bool accumulate, void *xhat)
{
    real *save = xhat;
    const fwd_vec on = load_fwd(p->valid);
    for (uint32_t i = 0; i < c; i++) {
        const fwd_vec scale = on * p->rstd[i], shift = on * p->beta[i];
        for (uint32_t j = 0; j < hw; j++, x += ASSAY_IMAGES, y += ASSAY_IMAGES) {
            const fwd_vec v = (load_fwd(x) - p->mean[i]) * scale;
            const fwd_vec to = v * p->gamma[i] + shift;
            if (save) {
                *(act_vec *)save = __builtin_convertvector(v, act_vec);
                save += ASSAY_IMAGES;
            }
            if (accumulate)
                *(fwd_vec *)y += p->scale * to;
            else
                *(fwd_vec *)y = p->scale * to;
        }
    }
}

static void axpy_f64(size_t n, double a, const double *x, double *y, bool accumulate)
{
    if (accumulate)
        for (size_t i = 0; i < n; i++) y[i] += a * x[i];
    else
        for (size_t i = 0; i < n; i++) y[i] = a * x[i];
}

// Copies planes, or what passes their ReLU, into padded ones.
ALWAYS void fill_planes(const struct assay_planes *p, const double *src, double *dst, bool relu)
{
    const ptrdiff_t side = (ptrdiff_t)p->halo * ASSAY_IMAGES, rim = p->halo * p->dst_y;
    const size_t row = (size_t)p->w * ASSAY_IMAGES;
    for (uint32_t c = 0; c < p->c; c++, src += p->src_c, dst += p->dst_c) {
        const double *from = src;
        double *to = dst;
        memset(dst - rim - side, 0, (size_t)(rim + side) * sizeof *dst);
        for (uint32_t y = 0; y < p->h; y++, from += p->src_y, to += p->dst_y) {
            if (relu)
                for (size_t i = 0; i < row; i++) to[i] = from[i] > 0 ? from[i] : 0;
            else
                memcpy(to, from, row * sizeof *to);
            for (ptrdiff_t i = 0; i < 2 * side; i += ASSAY_IMAGES)
                *(fwd_vec *)(to + row + i) = (fwd_vec){0};
        }
        memset(to - side, 0, (size_t)rim * sizeof *to);
    }
}

static void pad_f64(const struct assay_planes *p, const double *src, double *dst)
{
    fill_planes(p, src, dst, false);
}

static void relu_f64(const struct assay_planes *p, const double *src, double *dst)
{
    fill_planes(p, src, dst, true);
}

static void save(const struct assay_planes *p, const double *src, void *dst)
{
    for (uint32_t c = 0; c < p->c; c++) {
        for (uint32_t y = 0; y < p->h; y++) {
            const double *s = src + c * p->src_c + y * p->src_y;
            real *d = (real *)dst + c * p->dst_c + y * p->dst_y;
            for (uint32_t i = 0; i < p->w * ASSAY_IMAGES; i++) {
                const real v = (real)s[i], least = s[i] < 0 ? -REAL_MIN : REAL_MIN;
                d[i] = s[i] != 0 && v > -REAL_MIN && v < REAL_MIN ? least : v;
            }
        }
    }
}
#endif

// ---- backward ----
static void affine(const struct assay_planes *p, const void *src, const void *xhat, const void *k0,
                   const void *k1, const void *k2, void *dst)
{
    for (uint32_t c = 0; c < p->c; c++) {
        const grad_vec a1 = ((const real *)k1)[c] - (grad_vec){0};
        const grad_vec a0 = xhat ? load_grad((const real *)k0 + c * LANES) : (grad_vec){0};
        const grad_vec a2 = xhat ? load_grad((const real *)k2 + c * LANES) : (grad_vec){0};
        for (uint32_t y = 0; y < p->h; y++) {
            const real *s = (const real *)src + c * p->src_c + y * p->src_y;
            real *d = (real *)dst + c * p->dst_c + y * p->dst_y;
            if (!xhat) {
                for (uint32_t x = 0; x < p->w; x++)
                    *(grad_vec *)(d + x * LANES) = a1 * load_grad(s + x * LANES);
                continue;
            }
            const real *h = (const real *)xhat + c * p->act_c + y * p->act_y;
            for (uint32_t x = 0; x < p->w; x++) {
                const grad_vec t = load_act(h + x * IMAGES) * a2 + a0;
                *(grad_vec *)(d + x * LANES) = load_grad(s + x * LANES) * a1 + t;
            }
        }
    }
}

static void axpy(size_t vectors, double a, const void *x, void *y, bool accumulate)
{
    for (size_t i = 0; i < vectors * LANES; i += LANES)
        put_grad((real *)y + i, (real)a * load_grad((const real *)x + i), accumulate);
}

static void relu(const struct assay_planes *p, const void *x, double scale, const void *act,
                 void *y, bool accumulate)
{
    for (uint32_t c = 0; c < p->c; c++) {
        for (uint32_t r = 0; r < p->h; r++) {
            const real *s = (const real *)x + c * p->src_c + r * p->src_y,
                       *a = (const real *)act + c * p->act_c + r * p->act_y;
            real *d = (real *)y + c * p->dst_c + r * p->dst_y;
            for (uint32_t i = 0; i < p->w; i++)
                put_grad(d + i * LANES,
                         mask_grad((real)scale * load_grad(s + i * LANES), a + i * IMAGES),
                         accumulate);
        }
    }
}

static void gap(uint32_t c, uint32_t hw, const void *dy, double scale, void *dx, bool accumulate)
{
    real *to = dx;
    for (uint32_t i = 0; i < c; i++) {
        const grad_vec v = load_grad((const real *)dy + i * LANES) * ((real)scale / (real)hw);
        for (uint32_t j = 0; j < hw; j++, to += LANES) put_grad(to, v, accumulate);
    }
}

static void sum(uint32_t c, uint32_t hw, const void *dy, const void *xhat, void *acc)
{
    const real *d = dy, *h = xhat;
    for (uint32_t i = 0; i < c; i++) {
        grad_vec s[3] = {{0}}; // three chains hide the latency of the add
        for (uint32_t j = 0; j < hw; j++, d += LANES) {
            grad_vec v = load_grad(d);
            if (h) {
                v *= load_act(h);
                h += IMAGES;
            }
            const grad_vec t = s[2] + v;
            s[2] = s[1], s[1] = s[0], s[0] = t;
        }
        put_grad((real *)acc + i * LANES, s[0] + s[1] + s[2], true);
    }
}

static void shift(size_t n, void *x, const void *by, void *sum)
{
    const grad_vec off = load_grad(by);
    real *at = x;
    grad_vec s[3] = {{0}}; // as in sum
    for (size_t p = 0; p < n; p++, at += LANES) {
        const grad_vec v = load_grad(at) - off, t = s[2] + v;
        *(grad_vec *)at = v;
        s[2] = s[1], s[1] = s[0], s[0] = t;
    }
    put_grad(sum, s[0] + s[1] + s[2], true);
}

static void products(size_t n, const void *a, const void *b, void *acc)
{
    const real *u = a, *v = b;
    grad_vec s[IMAGES];
    UNROLL for (uint32_t i = 0; i < IMAGES; i++) s[i] = load_grad((real *)acc + i * LANES);
    for (size_t p = 0; p < n; p++, u += LANES, v += LANES) {
        grad_vec w = load_grad(v);
        KEEP(w);
        UNROLL for (uint32_t i = 0; i < IMAGES; i++) s[i] += u[i] * w;
    }
    UNROLL for (uint32_t i = 0; i < IMAGES; i++) * (grad_vec *)((real *)acc + i * LANES) = s[i];
}

static void spread(size_t n, const void *a, void *out)
{
    for (size_t i = 0; i < n; i++) ((grad_vec *)out)[i] = load_act((const real *)a + i * IMAGES);
}

static void flush(size_t n, void *acc, double *total, size_t ld, bool reduce)
{
    real *from = acc;
    for (size_t i = 0; i < n; i++, from += LANES) {
        for (uint32_t t = 0; t < COTS; t++) {
            const real *v = from + t * IMAGES;
            double fours[IMAGES / 4];
            for (uint32_t l = 0; l < IMAGES / 4; l++)
                fours[l] =
                    ((double)v[4 * l] + v[4 * l + 1]) + ((double)v[4 * l + 2] + v[4 * l + 3]);
            for (uint32_t l = 1; l < IMAGES / 4; l++) fours[0] += fours[l];
            if (reduce) {
                total[t * ld + i] += fours[0];
                continue;
            }
            for (uint32_t l = 0; l < IMAGES; l++) total[(t * IMAGES + l) * ld + i] += v[l];
        }
        *(grad_vec *)from = (grad_vec){0};
    }
}

// ---- FMA peak: enough independent chains to fill two pipes of latency six ----
static double fma_loop(uint64_t rounds)
{
    // Read at run time: with constants the compiler folds the chain that starts at its fixed point.
    volatile real factor = (real)0.999, term = (real)1e-3;
    grad_vec a[12], x = (grad_vec){0} + factor, y = (grad_vec){0} + term;
    UNROLL for (int i = 0; i < 12; i++) a[i] = (grad_vec){0} + (real)i;
    for (uint64_t r = 0; r < rounds; r++) {
        UNROLL for (int i = 0; i < 12; i++) a[i] = a[i] * x + y;
        __asm__ volatile("");
    }
    for (int i = 1; i < 12; i++) a[0] += a[i];
    volatile real sink = a[0][0];
    (void)sink;
    return (double)rounds * 12 * 2 * LANES;
}
