// SPDX-License-Identifier: Apache-2.0
// The table of one rung, included last by its file.

const struct assay_kern RUNG = {
    .name = RUNG_NAME,
    .lanes = LANES,
    .cots = COTS,
    .images = IMAGES,
    .size = REAL_BYTES,
    .co_tile = CO_TILE,
    .lift_co = LIFT_CO,
    .lift_px = LIFT_PX,
    .chunk_bytes = CHUNK_BYTES,
    .runnable = runnable,
    .fma_loop = fma_loop,
#if PACKED || LANES == ASSAY_IMAGES
    .packed = &RUNG,
#else
    .packed = &RUNG_AS(_packed),
#endif
#if !PACKED
    .conv_f64 = conv_f64,
    .moments_f64 = moments_f64,
    .norm_f64 = norm_f64,
    .relu_f64 = relu_f64,
    .axpy_f64 = axpy_f64,
    .pool_f64 = pool_f64,
    .maxpool_f64 = maxpool_f64,
    .pad_f64 = pad_f64,
    .save = save,
#endif
    .corr = corr,
    .outer = outer,
    .window = window,
    .affine = affine,
    .axpy = axpy,
    .relu = relu,
    .pool = pool,
    .maxpool = maxpool,
    .gap = gap,
    .sum = sum,
    .shift = shift,
    .products = products,
    .spread = spread,
    .flush = flush,
};
