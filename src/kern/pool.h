// SPDX-License-Identifier: Apache-2.0
// Average and max-pooling kernels of one rung.

// Vectors ahead of a gradient that is read once, at which it is fetched.
#define SOON 64

// ---- forward, double ----
#if !PACKED
// Inputs [*first, *end) of a dimension that lie under window `o`.
ALWAYS void under(const struct assay_pool *p, uint32_t o, uint32_t size, uint32_t *first,
                  uint32_t *end)
{
    const uint32_t last = o * p->stride + p->kernel - p->pad; // pad < kernel
    *first = o * p->stride > p->pad ? o * p->stride - p->pad : 0;
    *end = last < size ? last : size;
}

ALWAYS fwd_vec window_sum(const double *x, const size_t row, const uint32_t rows,
                          const uint32_t cols)
{
    fwd_vec s = {0};
    for (uint32_t y = 0; y < rows; y++, x += row) {
        for (uint32_t i = 0; i < cols; i++) s += load_fwd(x + i * ASSAY_IMAGES);
    }
    return s;
}

static void pool_f64(const struct assay_pool *p, const double *x, double *y)
{
    const size_t row = (size_t)p->w * ASSAY_IMAGES;
    for (uint32_t c = 0; c < p->c; c++, x += p->h * row) {
        const double *inv = p->inv;
        for (uint32_t oy = 0; oy < p->oh; oy++) {
            uint32_t y0, y1, x0, x1;
            under(p, oy, p->h, &y0, &y1);
            for (uint32_t ox = 0; ox < p->ow; ox++, y += ASSAY_IMAGES, inv++) {
                under(p, ox, p->w, &x0, &x1);
                const double *from = x + y0 * row + x0 * ASSAY_IMAGES;
                const fwd_vec s = x1 - x0 == 3 ? window_sum(from, row, y1 - y0, 3)
                                               : window_sum(from, row, y1 - y0, x1 - x0);
                *(fwd_vec *)y = s * *inv;
            }
        }
    }
}

// Padding never wins: only inputs inside the image are compared, the first maximum stays.
static void maxpool_at(const struct assay_pool *p, const double *x, uint32_t oy, uint32_t ox,
                       double *y, real *arg)
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

static void maxpool_f64(const struct assay_pool *p, const double *x, double *y, void *arg)
{
    real *to = arg;
    for (uint32_t c = 0; c < p->c; c++, x += (size_t)p->h * p->w * ASSAY_IMAGES) {
        for (uint32_t oy = 0; oy < p->oh; oy++) {
            for (uint32_t ox = 0; ox < p->ow; ox++, y += ASSAY_IMAGES) {
                maxpool_at(p, x, oy, ox, y, to);
                if (to) to += ASSAY_IMAGES;
            }
        }
    }
}
#endif

// ---- backward ----
// y[i] (+)= the sum of `count` vectors of x, `step` apart; x and y advance by their own strides.
ALWAYS void gather_n(uint32_t n, const real *x, ptrdiff_t x_step, ptrdiff_t step, uint32_t count,
                     real *y, ptrdiff_t y_step, bool accumulate)
{
    for (uint32_t i = 0; i < n; i++, x += x_step, y += y_step) {
        grad_vec v = {0};
        UNROLL for (uint32_t k = 0; k < count; k++) v += load_grad(x + k * step);
        put_grad(y, v, accumulate);
    }
}

static void gather(uint32_t n, const real *x, ptrdiff_t x_step, ptrdiff_t step, uint32_t count,
                   real *y, ptrdiff_t y_step, bool accumulate)
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
static void pool_row(const struct assay_pool *p, const real *dy, const double *inv, real *scaled,
                     real *out)
{
    int first;
    uint32_t count;
    for (uint32_t ox = 0; ox < p->ow; ox++) {
        __builtin_prefetch(dy + (ox + SOON) * LANES);
        *(grad_vec *)(scaled + ox * LANES) =
            load_grad(dy + ox * LANES) * ((real)inv[ox] * (real)p->scale);
    }
    for (uint32_t ix = 0; ix < p->stride && ix < p->w; ix++) {
        covering(p, ix, &first, &count);
        gather((p->w - ix + p->stride - 1) / p->stride, scaled + first * LANES, LANES, LANES, count,
               out + ix * LANES, (ptrdiff_t)p->stride * LANES, false);
    }
}

// One row of dy, scaled and summed over windows of three, to `row`; with the two rows above it, to
// a row of dx (NULL: there is none yet).
ALWAYS void pool3_row(const struct assay_pool *p, const real *dy, const double *inv, real *row,
                      const real *above, const real *top, real *dx, bool accumulate)
{
    grad_vec left = {0}, here = load_grad(dy) * ((real)inv[0] * (real)p->scale);
    for (uint32_t x = 0; x < p->w; x++) {
        grad_vec right = {0};
        __builtin_prefetch(dy + (x + SOON) * LANES);
        if (x + 1 < p->w)
            right = load_grad(dy + (x + 1) * LANES) * ((real)inv[x + 1] * (real)p->scale);
        const grad_vec v = left + here + right;
        *(grad_vec *)(row + x * LANES) = v;
        if (dx)
            put_grad(dx + x * LANES, load_grad(top + x * LANES) + load_grad(above + x * LANES) + v,
                     accumulate);
        left = here, here = right;
    }
}

// Windows of three that keep the size: a row of dx needs three rows, of which the last is at hand.
static void pool3(const struct assay_pool *p, const real *dy, real *scratch, real *dx,
                  bool accumulate)
{
    const size_t n = (size_t)p->w * LANES;
    real *zero = scratch + 3 * n, *row[3] = {scratch, scratch + n, scratch + 2 * n};
    memset(zero, 0, n * sizeof *zero);
    for (uint32_t c = 0; c < p->c; c++) {
        const real *top = zero, *above = zero;
        for (uint32_t y = 0; y < p->h; y++, dy += n) {
            real *here = row[y % 3], *to = y > 0 ? dx : NULL;
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
static void pool(const struct assay_pool *p, const void *from, void *room, void *to,
                 bool accumulate)
{
    const real *dy = from;
    real *scratch = room, *dx = to;
    const size_t row = (size_t)p->w * LANES, margin = (size_t)p->kernel * LANES;
    if (p->kernel == 3 && p->stride == 1 && p->pad == 1) {
        pool3(p, dy, scratch, dx, accumulate);
        return;
    }
    real *scaled = scratch + p->oh * row + margin;
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
ALWAYS grad_vec maxpool_sum(const struct assay_pool *p, const real *dy, const real *arg, int y0,
                            int y1, int x0, int x1, int tap)
{
    grad_vec v = {0};
    for (int oy = y0; oy < y1; oy++, tap -= (int)(p->stride * p->kernel)) {
        for (int ox = x0, k = tap; ox < x1; ox++, k -= (int)p->stride) {
            const int o = oy * (int)p->ow + ox;
            const grad_mask on = load_act(arg + o * IMAGES) == (grad_vec){0} + (real)k;
            v += (grad_vec)((grad_mask)load_grad(dy + o * LANES) & on);
        }
    }
    return v * (real)p->scale;
}

static void maxpool(const struct assay_pool *p, const void *from, const void *taps, void *to,
                    bool accumulate)
{
    const real *dy = from, *arg = taps;
    real *dx = to;
    const int oh = (int)p->oh, ow = (int)p->ow, stride = (int)p->stride, pad = (int)p->pad;
    const size_t outputs = (size_t)p->oh * p->ow;
    for (uint32_t c = 0; c < p->c; c++, dy += outputs * LANES, arg += outputs * IMAGES) {
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
