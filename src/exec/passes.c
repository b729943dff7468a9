// SPDX-License-Identifier: Apache-2.0
// Driving backward passes: cotangents in, rows of the Jacobian out.
#include <string.h>

#include "exec/run.h"

static uint32_t classes(const struct assay_exec *x)
{
    return x->plan->graph->node[x->plan->graph->n_node - 1].c;
}

static real *cotangent(const struct assay_exec *x, uint32_t n, uint32_t k, uint32_t t)
{
    const uint32_t lanes = x->plan->back->lanes;
    return AT(x, real, x->plan->cotangent) +
           ((size_t)(n / exec_images(x)) * classes(x) + k) * lanes + t * exec_images(x) +
           n % exec_images(x);
}

static void clear_cotangents(const struct assay_exec *x, uint32_t first_group, uint32_t n_group)
{
    const size_t group = (size_t)classes(x) * x->plan->back->lanes;
    memset(AT(x, real, x->plan->cotangent) + first_group * group, 0,
           n_group * group * sizeof(real));
}

static void batch_pass(struct assay_exec *x, struct pass *pass)
{
    if (!x->sums_ready) {
        if (exec_is_packed(x->plan)) exec_pack_saved(x);
        exec_batch_sums(x);
    }
    x->sums_ready = true;
    pass->frozen = false, pass->first_group = 0, pass->n_group = x->plan->back_groups;
    exec_backward(x, pass);
}

// Batch BN: `cots` rows per pass over the whole batch. Row r has cotangent r modulo cot_count.
static void coupled_rows(struct assay_exec *x, const double *cot, uint32_t cot_count,
                         uint32_t t_count, uint64_t first, uint64_t count, uint64_t columns,
                         double *jac, size_t ld)
{
    const uint32_t cots = x->plan->back->cots, k_count = classes(x);
    const uint64_t at = x->parts ? x->parts->at : 0; // an image before it wraps around
    double *out[ASSAY_MAX_LANES];
    for (uint64_t row = 0; row < count; row += cots) {
        clear_cotangents(x, 0, x->plan->back_groups);
        for (uint32_t t = 0; t < cots; t++) {
            const uint64_t r = first + row + t;
            out[t] = row + t < count ? jac + (row + t) * ld : NULL;
            const uint64_t image = r / t_count - at;
            for (uint32_t k = 0; out[t] && image < x->plan->n && k < k_count; k++)
                *cotangent(x, (uint32_t)image, k, t) = (real)cot[r % cot_count * k_count + k];
        }
        batch_pass(x, &(struct pass){.columns = columns, .out = out});
    }
}

// Which rows go where.
struct rows {
    const double *cot;
    uint32_t t_count;
    uint64_t first, count;
    double *jac;
    size_t ld;
    uint64_t columns;
    bool firsts; // as of struct pass
};

// Frozen BN: images decouple, so every lane of one group is a row of its own. Sets the cotangents
// [t0, t0 + cots) of group g; false when none of their rows is wanted.
static bool set_lanes(struct assay_exec *x, const struct rows *rows, uint32_t g, uint32_t t0,
                      double *out[ASSAY_MAX_LANES])
{
    const uint32_t k_count = classes(x);
    bool any = false;
    for (uint32_t l = 0; l < x->plan->back->lanes; l++) {
        const uint32_t t = l / exec_images(x), n = g * exec_images(x) + l % exec_images(x);
        const uint64_t r = (uint64_t)n * rows->t_count + t0 + t;
        out[l] = NULL;
        if (t0 + t >= rows->t_count || n >= x->plan->n || r < rows->first ||
            r >= rows->first + rows->count)
            continue;
        if (!any) clear_cotangents(x, g, 1);
        any = true;
        out[l] = rows->jac + (r - rows->first) * rows->ld;
        for (uint32_t k = 0; k < k_count; k++)
            *cotangent(x, n, k, t) = (real)rows->cot[(size_t)(t0 + t) * k_count + k];
    }
    return any;
}

static void frozen_rows(struct assay_exec *x, const struct rows *rows)
{
    double *out[ASSAY_MAX_LANES];
    const uint32_t begin = (uint32_t)(rows->first / rows->t_count),
                   end = (uint32_t)((rows->first + rows->count - 1) / rows->t_count + 1);
    for (uint32_t g = begin / exec_images(x); g * exec_images(x) < end; g++) {
        for (uint32_t t0 = 0; t0 < rows->t_count; t0 += x->plan->back->cots) {
            if (!set_lanes(x, rows, g, t0, out)) continue;
            exec_backward(x, &(struct pass){.frozen = true,
                                            .first_group = g,
                                            .n_group = 1,
                                            .columns = rows->columns,
                                            .firsts = rows->firsts,
                                            .out = out});
        }
    }
}

static void jacobian(struct assay_exec *x, enum assay_bn bn, const double *cot, uint32_t t_count,
                     uint64_t first, uint64_t count, uint64_t columns, double *jac, size_t ld)
{
    ASSAY_ASSERT(!x->plan->single);
    if (bn == ASSAY_BN_BATCH)
        coupled_rows(x, cot, t_count, t_count, first, count, columns, jac, ld);
    else
        frozen_rows(x, &(struct rows){cot, t_count, first, count, jac, ld, columns, false});
}

static void jacobian_firsts(struct assay_exec *x, const double *cot, uint32_t t_count,
                            uint64_t first, uint64_t count, double *jac, size_t ld)
{
    ASSAY_ASSERT(!x->plan->single);
    frozen_rows(x, &(struct rows){cot, t_count, first, count, jac, ld, 0, true});
}

static void image_gradients(struct assay_exec *x, const double *cot, uint32_t first, uint32_t count,
                            uint64_t columns, double *jac, size_t ld)
{
    ASSAY_ASSERT(!x->plan->single);
    coupled_rows(x, cot, x->plan->n, 1, first, count, columns, jac, ld);
}

static void add_lanes(const struct assay_exec *x, const double *rows, double *grad)
{
    const uint64_t p = x->plan->graph->n_theta;
    for (uint32_t l = 0; l < exec_images(x); l++) {
        for (uint64_t i = 0; i < p; i++) grad[i] += rows[l * p + i];
    }
}

static void frozen_gradient(struct assay_exec *x, double *rows, double *grad)
{
    double *out[ASSAY_MAX_LANES] = {NULL};
    for (uint32_t l = 0; l < exec_images(x); l++) out[l] = rows + l * x->plan->graph->n_theta;
    for (uint32_t g = 0; g < x->plan->back_groups; g++) {
        memset(rows, 0, exec_images(x) * x->plan->graph->n_theta * sizeof *rows);
        exec_backward(x, &(struct pass){.frozen = true,
                                        .first_group = g,
                                        .n_group = 1,
                                        .columns = x->plan->graph->n_theta,
                                        .out = out,
                                        .show = true});
        add_lanes(x, rows, grad);
    }
}

static void gradient(struct assay_exec *x, enum assay_bn bn, const double *cot, double *grad,
                     double *coef)
{
    ASSAY_ASSERT(bn == ASSAY_BN_BATCH || !x->plan->single);
    clear_cotangents(x, 0, x->plan->back_groups);
    for (uint32_t n = 0; n < x->plan->n; n++) {
        for (uint32_t k = 0; k < classes(x); k++)
            *cotangent(x, n, k, 0) = (real)cot[(size_t)n * classes(x) + k];
    }
    if (bn == ASSAY_BN_FROZEN) {
        frozen_gradient(x, AT(x, double, x->plan->lane_rows), grad);
        return;
    }
    double *out[ASSAY_MAX_LANES] = {grad};
    batch_pass(
        x, &(struct pass){
               .columns = x->plan->graph->n_theta, .out = out, .coef = coef, .show = coef == NULL});
}

const struct passes exec_passes = {.fill = exec_fill,
                                   .forward = exec_forward_pass,
                                   .jacobian = jacobian,
                                   .jacobian_firsts = jacobian_firsts,
                                   .image_gradients = image_gradients,
                                   .gradient = gradient};
