// SPDX-License-Identifier: Apache-2.0
// Where one cotangent is pulled back, the lanes of its gradients are images: what the forward pass
// saved, group by group, is packed for it, in front of where it was saved.
#include <string.h>

#include "exec/run.h"

// Interleaves the pixels of `fours` groups of (h, w) pixels, `plane` elements apart, inside a halo
// that becomes zero.
static inline __attribute__((always_inline)) void pack_plane(const real *from, size_t plane,
                                                             uint32_t fours, uint32_t h, uint32_t w,
                                                             uint32_t halo, real *to)
{
    const size_t pixel = (size_t)fours * ASSAY_IMAGES, side = halo * pixel,
                 row = w * pixel + 2 * side;
    memset(to, 0, halo * row * sizeof *to);
    from += halo * (w + 2 * (size_t)halo) * ASSAY_IMAGES, to += halo * row;
    for (uint32_t y = 0; y < h; y++) {
        memset(to, 0, side * sizeof *to);
        from += halo * ASSAY_IMAGES, to += side;
        for (uint32_t x = 0; x < w; x++, from += ASSAY_IMAGES) {
            for (uint32_t k = 0; k < fours; k++, to += ASSAY_IMAGES)
                memcpy(to, from + k * plane, ASSAY_IMAGES * sizeof *to);
        }
        memset(to, 0, side * sizeof *to);
        from += halo * ASSAY_IMAGES, to += side;
    }
    memset(to, 0, halo * row * sizeof *to);
}

// Of a node's tensor with a halo, at `saved`. Groups that the batch has not are zero.
static void pack_tensor(const struct assay_exec *x, const struct assay_node *n, uint32_t halo,
                        size_t saved)
{
    const uint32_t fours = exec_images(x) / ASSAY_IMAGES;
    const size_t plane = (size_t)exec_act_plane(n, halo), group = n->c * plane;
    for (uint32_t b = 0; b < x->plan->back_groups; b++) {
        const uint32_t left = x->plan->groups - b * fours, valid = left < fours ? left : fours;
        real *to = AT(x, real, saved) + b * fours * group,
             *from = AT(x, real, saved + x->plan->packing) + b * fours * group;
        memset(from + valid * group, 0, (fours - valid) * group * sizeof *from);
        for (uint32_t c = 0; c < n->c; c++, to += fours * plane) {
            if (fours == 4)
                pack_plane(from + c * plane, group, 4, n->h, n->w, halo, to);
            else
                pack_plane(from + c * plane, group, 2, n->h, n->w, halo, to);
        }
    }
}

void exec_pack_saved(struct assay_exec *x)
{
    const uint32_t n_node = x->plan->graph->n_node;
    for (uint32_t i = 0; i < n_node; i++) {
        const struct slot *s = &x->plan->slot[i];
        if (s->act) pack_tensor(x, &x->plan->graph->node[i], s->halo, s->act);
    }
    for (uint32_t i = 0; i < n_node; i++) {
        const struct assay_node *n = &x->plan->graph->node[i];
        const struct slot *s = &x->plan->slot[i];
        if (s->xhat) pack_tensor(x, n, 0, s->xhat);
        if (s->keep && s->keep != s->xhat) pack_tensor(x, n, 0, s->keep);
    }
}
