// SPDX-License-Identifier: Apache-2.0
// kern: the hot loops as one table of function pointers, chosen once by CPU. This is the contract
// between its rungs and exec.
//
// Tensors come in groups of images: (group, c, h, w, lane). Forward tensors are double, of groups
// of ASSAY_IMAGES images with a lane each. What backward needs is of the table's element type,
// float or double, and is passed as void, of groups of the table's `images`, ASSAY_IMAGES but for a
// packed table: saved activations with one lane per image, gradients with `lanes` = cots x images
// lanes, lane t * images + i holding cotangent t of image i. All strides and offsets count
// elements. Factors are passed as doubles, and rounded to elements.
//
// Every pixel that is read or written lies at a multiple of its vector's size, as do vectors of
// sums and constants: 4 doubles of a forward tensor, `images` elements of an activation, `lanes` of
// a gradient. Where no stride is given, pixels, rows and channels are adjacent. Gaps are neither
// read (but for prefetching) nor written. accumulate: what is computed is added to the output, else
// stored. Rungs agree up to the rounding of sums in another order; copies, ReLU, max-pooling and
// conversions are the same to the bit.
#ifndef ASSAY_KERN_H
#define ASSAY_KERN_H

#include "assay/base.h"

// The elements of a table: what the backward pass saves, computes and accumulates, as float or as
// double. A rung has a table of each.
enum assay_precision { ASSAY_SINGLE, ASSAY_DOUBLE };
#define ASSAY_PRECISION_NAMES "single|double" // as an option's choices

#define ASSAY_IMAGES    4
#define ASSAY_LINE      64
#define ASSAY_AHEAD_MAX 64

#define ASSAY_LIFTED_TAPS 12 // weights of a lifted 3x3 kernel: four of each row

// Memory that will be wanted soon: ranges of pieces of some cache lines. Kernels fetch it while
// they compute, a few lines at each of their steps, as far as they get.
struct assay_ahead {
    struct assay_range {
        const char *at;
        ptrdiff_t jump;  // from the end of a piece to the next
        uint32_t pieces; // left
        int32_t lines;   // of each
    } range[ASSAY_AHEAD_MAX];
    uint32_t n, now; // range[now] is being fetched
    const char *at;  // next line
    int32_t left;    // lines of this piece; 0: nothing more is wanted
};

// The BN between a pointwise convolution and the gradient that is at hand.
struct assay_bn_part {
    const void *xhat, *k0, *k1, *k2; // as affine's
    ptrdiff_t xhat_c, xhat_y;
};
// One input of a correlation.
struct assay_part {
    uint32_t ci, taps;
    const int32_t *off; // of each tap
    // corr, for tiles of one output channel: every `run` taps, 3 or 5, are a row, each one or
    // two pixels left of the one before it. 0: nothing of the kind is known.
    uint32_t run;
    // corr, 3x3 of stride 1: `weight` has G g of every row g of a kernel (kern/lift.h), and
    // row r of the window of (y,x) begins at (y + r, x). Such parts come first; off and run are
    // unused. With one there are at least two output channels, w is a multiple of lift_px, and the
    // pixels of the outputs and the mask are adjacent.
    bool lifted;
    const void *in, *weight; // of the kernel's type
    ptrdiff_t in_c, in_y;    // input strides: channel, output row
    // corr, one tap, whose offset is 0: BN's backward, as affine's with one value of k1 and
    // `lanes` of k0 and k2 an input channel, is done on the way; or NULL.
    const struct assay_bn_part *bn;
};
// What corr adds to its outputs as it is, whatever the mask: scale * x, strides as out.
struct assay_addend {
    const void *x;
    double scale;
};
// A convolution forward: out[o](y,x) = sum over input channels i and taps t of weight[o,i,t] *
// in[i](y,x)[off[t]].
struct assay_conv {
    uint32_t co, h, w, ci, taps; // h, w: of the output, whose pixels are adjacent
    const int32_t *off;          // of each tap
    const double *in, *weight;
    ptrdiff_t in_c, in_y, in_x; // input strides: channel, output row, output pixel
    ptrdiff_t out_c, out_y;
};
// A correlation, as the transpose of a convolution on one stride parity: the same sum over parts,
// as the gradient of a node that many convolutions read has a part for each. It reads adjacent
// pixels.
struct assay_corr {
    uint32_t co, h, w; // h, w: the grid of outputs
    uint32_t n_part, n_add;
    const struct assay_part *part;
    ptrdiff_t out_c, out_y, out_x; // output strides
    const void *mask; // activations: the sum is dropped where they are 0. NULL: kept everywhere
    ptrdiff_t mask_c, mask_y, mask_x;
    const struct assay_addend *add;
    void *apart;               // gets what the parts alone make, masked; strides as out. Or NULL
    void *sum;                 // (co, lanes): what is stored, accumulated or not, is added; or NULL
    struct assay_ahead *ahead; // or NULL
};

// Weight gradient, acc (co, q, lanes): acc[o][q] += sum over (y,x) of dy[o](y,x) * a(y,x)[off[q]],
// q = (input channel, tap). Pixels of dy are adjacent.
struct assay_outer {
    uint32_t co, q, h, w;
    uint32_t run; // the offsets of every `run` columns lie at equal distances, one for all runs
    // So many times nine columns, the first of all, are 3x3 windows of stride 1, whose rows lie a_y
    // apart. What is added to theirs may go to lift (co, windows, 16, lanes) instead, in a form of
    // the rung's own, for window. With windows, a_x is one pixel, and runs are of 1, or of 3
    // adjacent pixels.
    uint32_t windows;
    void *lift;
    const ptrdiff_t *off;
    ptrdiff_t dy_c, dy_y;      // gradient strides
    ptrdiff_t a_y, a_x;        // activation strides per output row and pixel
    ptrdiff_t a_next;          // from the first activation to what is read after the last one
    struct assay_ahead *ahead; // or NULL
};

// An image plane set (c, h, w) inside larger strides.
struct assay_planes {
    uint32_t c, h, w;
    uint32_t halo; // pad_f64, relu_f64: pixels of padding on each side, rows following each other
    ptrdiff_t src_c, src_y, dst_c, dst_y, act_c, act_y;
};

// BN forward, by channel; valid (images).
struct assay_bn_forward {
    const double *mean, *rstd, *gamma, *beta, *valid;
    double scale;
};

struct assay_pool {
    uint32_t c, h, w, oh, ow, kernel, stride, pad; // input and output sizes
    double scale;                                  // of dy
    const double *inv; // (oh, ow): 1 / number of inputs under the window
};

struct assay_kern {
    const char *name;
    uint32_t lanes, cots, images; // of a vector: lanes = cots x images
    uint32_t size;                // bytes of an element
    uint32_t co_tile;             // output channels per register tile, see assay_kern_tile
    // Those of a lifted part, and pixels, of which rows are a multiple; 0: corr knows none.
    uint32_t lift_co, lift_px;
    // Of the values of a few groups, which pass through the layers together, one after the other:
    // so many stay in the second-level cache.
    size_t chunk_bytes;
    bool (*runnable)(void);
    // The same vectors and tiles with one cotangent, and as many images as lanes; itself, where
    // they are ASSAY_IMAGES. The backward pass alone: its forward entries are NULL.
    const struct assay_kern *packed;
    double (*fma_loop)(uint64_t rounds); // returns FLOPs done

    // ---- forward, double ----
    void (*conv_f64)(const struct assay_conv *p, double *out);
    // x (c, hw, images): mean and sum of squares about it of the valid lanes, together with those
    // of the `before` numbers a channel that mean and sq (c) hold.
    void (*moments_f64)(uint32_t c, uint32_t hw, const double *x, const double *valid,
                        double before, double *mean, double *sq);
    // xhat = (x - mean) * rstd * valid, stored to xhat (elements, may be NULL); y (+)= scale *
    // (gamma
    // * xhat + beta * valid). y may be x.
    void (*norm_f64)(uint32_t c, uint32_t hw, const double *x, const struct assay_bn_forward *p,
                     double *y, bool accumulate, void *xhat);
    // n elements.
    void (*axpy_f64)(size_t n, double a, const double *x, double *y, bool accumulate);
    // x (c, h, w), y (c, oh, ow): the sum of the inputs under a window times its inv. pad < kernel.
    void (*pool_f64)(const struct assay_pool *p, const double *x, double *y);
    // Padding never wins. arg (c, oh, ow, images) (may be NULL): the tap ky * kernel + kx of the
    // first maximum, per lane.
    void (*maxpool_f64)(const struct assay_pool *p, const double *x, double *y, void *arg);
    // Copies planes (src strides) into padded ones (dst strides), both from their first pixels on;
    // the padding becomes zero.
    void (*pad_f64)(const struct assay_planes *p, const double *src, double *dst);
    // The same of max(x, 0).
    void (*relu_f64)(const struct assay_planes *p, const double *src, double *dst);
    // Copies planes to elements, and leaves the padding as it is; what is not 0 but would become 0
    // or subnormal becomes the smallest normal element of its sign.
    void (*save)(const struct assay_planes *p, const double *src, void *dst);

    // ---- backward ----
    void (*corr)(const struct assay_corr *p, void *out, bool accumulate);
    void (*outer)(const struct assay_outer *p, const void *dy, const void *a, void *acc);
    // Adds what lift (co, windows, 16, lanes) holds to the first 9 x windows columns of acc (co,
    // q), and leaves it zero.
    void (*window)(uint32_t co, uint32_t windows, uint32_t q, void *lift, void *acc);
    // dst = k1[c] * src + k0[c](lane) + k2[c](lane) * xhat; xhat NULL: the first term only.
    void (*affine)(const struct assay_planes *p, const void *src, const void *xhat, const void *k0,
                   const void *k1, const void *k2, void *dst);
    void (*axpy)(size_t vectors, double a, const void *x, void *y, bool accumulate);
    // y (+)= scale * x where the activation (padded planes, act strides) is not 0.
    void (*relu)(const struct assay_planes *p, const void *x, double scale, const void *act,
                 void *y, bool accumulate);
    // dy (c, oh, ow), dx (c, h, w): dx (+)= scale * the sum of dy * inv over the windows that cover
    // an input. scratch: ((oh + 3) * w + ow + 2 kernel) vectors.
    void (*pool)(const struct assay_pool *p, const void *dy, void *scratch, void *dx,
                 bool accumulate);
    // dx (+)= scale * the sum of dy over the windows whose arg is the input, lane by lane.
    void (*maxpool)(const struct assay_pool *p, const void *dy, const void *arg, void *dx,
                    bool accumulate);
    // dy (c), dx (c, hw): dx (+)= dy * scale / hw.
    void (*gap)(uint32_t c, uint32_t hw, const void *dy, double scale, void *dx, bool accumulate);
    // acc (c, lanes): acc[c] += sum dy;  with xhat: acc[c] += sum dy * xhat
    void (*sum)(uint32_t c, uint32_t hw, const void *dy, const void *xhat, void *acc);
    // x (n, lanes): x -= by (lanes), and what is left is added to sum (lanes).
    void (*shift)(size_t n, void *x, const void *by, void *sum);
    // a, b (n, lanes), acc (images, lanes): acc[i][l] += the sum of a[i] * b[l].
    void (*products)(size_t n, const void *a, const void *b, void *acc);
    // Repeats each activation over the cotangents: n pixels (n, images) -> (n, lanes).
    void (*spread)(size_t n, const void *a, void *out);
    // acc (n, lanes): sum[row * ld + i] += lanes of acc[i], then acc = 0. reduce: rows are
    // cotangents (images summed), else lanes.
    void (*flush)(size_t n, void *acc, double *sum, size_t ld, bool reduce);
};

// So many of those left, at most `most`, that the last are not few.
static inline uint32_t assay_share(uint32_t left, uint32_t most)
{
    return left <= most ? left : left < 2 * most ? (left + 1) / 2 : most;
}

// Output channels of the next register tile when `left` remain: weights are packed tile by tile,
// (tile, ci, tap, channel in tile); lifted parts' by (tile, share of it, ci, row, 4, channel in
// it).
static inline uint32_t assay_kern_tile(const struct assay_kern *k, uint32_t left)
{
    return assay_share(left, k->co_tile);
}

// The fastest table this CPU runs, or the named rung ("baseline", "avx2", "avx512", "auto"); an
// unknown name or one this CPU cannot run is an error that lists those it can. The result is
// static.
int assay_kern_select(const struct assay_kern **out, const char *rung,
                      enum assay_precision precision, struct assay_err *err);
const char *assay_kern_name(const struct assay_kern *kern);
// The table of double of a rung; itself, of a table that is no rung's.
const struct assay_kern *assay_kern_precise(const struct assay_kern *kern);
// The i-th rung of the ladder, slowest first, NULL past the end; runnable tells whether this CPU
// has it.
const struct assay_kern *assay_kern_rung(enum assay_precision precision, unsigned i);
bool assay_kern_runnable(const struct assay_kern *kern);
// FLOP/s of a register-resident FMA loop in this rung's vectors, measured for about `seconds` of
// thread CPU time.
double assay_kern_peak(const struct assay_kern *kern, double seconds);

#endif
