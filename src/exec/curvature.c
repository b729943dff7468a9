// SPDX-License-Identifier: Apache-2.0
// Products with a Hessian: central differences of gradients on one piece of the network.
#include <math.h>
#include <string.h>

#include "exec/exec.h"

static double sum_of_squares(const struct assay_graph *g, const struct assay_node *n,
                             const double *v)
{
    double sum = 0;
    for (uint32_t p = n->param; p < n->param + n->n_param; p++) {
        for (uint64_t i = 0; i < g->param[p].size; i++)
            sum += v[g->param[p].offset + i] * v[g->param[p].offset + i];
    }
    return sum;
}

// The largest |way| / |theta| of a layer. One whose parameters are all 0 is measured by itself: the
// numbers that they act on are about 1.
static double relative_length(const struct assay_graph *g, const double *theta, const double *way)
{
    double largest = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const double norm = sum_of_squares(g, &g->node[i], theta);
        const double length = sum_of_squares(g, &g->node[i], way);
        largest = fmax(largest, norm > 0 ? length / norm : length);
    }
    return sqrt(largest);
}

// product += weight * the gradient at theta + step * way.
static void add_gradient(struct assay_exec *x, const double *theta, const double *input,
                         const struct assay_scalar *scalar, const double *way, double step,
                         double weight, double *product)
{
    const uint64_t n_theta = x->plan->graph->n_theta;
    double *moved = AT(x, double, x->plan->moved), *gradient = moved + n_theta,
           *cot = gradient + n_theta;
    for (uint64_t i = 0; i < n_theta; i++) moved[i] = theta[i] + step * way[i];
    assay_exec_forward_held(x, moved, input);
    scalar->cotangent(scalar->self, assay_exec_logits(x), cot);
    assay_exec_gradient(x, ASSAY_BN_BATCH, cot, gradient);
    for (uint64_t i = 0; i < n_theta; i++) product[i] += weight * gradient[i];
}

void assay_exec_curvature(struct assay_exec *x, const double *theta, const double *input,
                          const struct assay_scalar *scalar, const double *way, double *product)
{
    const struct assay_graph *g = x->plan->graph;
    const double relative = relative_length(g, theta, way), h = ASSAY_CURVATURE_STEP / relative;
    const struct assay_taps *taps = x->taps;
    ASSAY_ASSERT(x->plan->held && x->plan->kern->size == sizeof(double));
    memset(product, 0, g->n_theta * sizeof *product);
    if (relative == 0) return;
    x->taps = NULL;
    for (int sign = -1; sign <= 1; sign += 2)
        add_gradient(x, theta, input, scalar, way, sign * h, sign / (2 * h), product);
    x->taps = taps;
}
