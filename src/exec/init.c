// SPDX-License-Identifier: Apache-2.0
// Weight initialisation: PyTorch's defaults, Kaiming normal, and the plain normal distribution.
#include <math.h>

#include "assay/exec.h"

struct fan {
    double in, out;
};

// PyTorch's fans of a weight (out, in/groups, k, k): receptive field times the second and the first
// dimension.
static struct fan fans(const struct assay_param *p)
{
    const double field = p->ndim == 4 ? (double)p->shape[2] * p->shape[3] : 1;
    return (struct fan){.in = p->shape[1] * field, .out = p->shape[0] * field};
}

static void fill_uniform(struct assay_rng *rng, double bound, uint64_t n, double *w)
{
    for (uint64_t i = 0; i < n; i++) w[i] = (2 * assay_rng_uniform(rng) - 1) * bound;
}

static void fill_normal(struct assay_rng *rng, double std, uint64_t n, double *w)
{
    for (uint64_t i = 0; i < n; i++) w[i] = assay_rng_normal(rng) * std;
}

static void init_weight(const struct assay_param *p, enum assay_init init, struct assay_rng *rng,
                        double *w)
{
    const struct fan f = fans(p);
    switch (init) {
    case ASSAY_INIT_PYTORCH:
        fill_uniform(rng, 1 / sqrt(f.in), p->size, w);
        break;
    case ASSAY_INIT_KAIMING_FAN_OUT:
        fill_normal(rng, sqrt(2 / f.out), p->size, w);
        break;
    case ASSAY_INIT_KAIMING_FAN_IN:
        fill_normal(rng, sqrt(2 / f.in), p->size, w);
        break;
    case ASSAY_INIT_NORMAL:
        fill_normal(rng, 1, p->size, w);
        break;
    }
}

// The bias of a layer shares the fan of its weight, the parameter before it.
static void init_bias(const struct assay_param *weight, enum assay_init init, struct assay_rng *rng,
                      uint64_t n, double *b)
{
    fill_uniform(rng, init == ASSAY_INIT_PYTORCH ? 1 / sqrt(fans(weight).in) : 0, n, b);
}

const char *assay_init_name(enum assay_init init)
{
    static const char *const name[] = {"pytorch", "kaiming-fan-out", "kaiming-fan-in", "normal"};
    ASSAY_ASSERT((size_t)init < ASSAY_LEN(name));
    return name[init];
}

void assay_init_params(const struct assay_graph *g, enum assay_init init, uint64_t seed,
                       uint64_t repeat, double *theta)
{
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        double *w = theta + p->offset;
        struct assay_rng rng;
        assay_rng_init(&rng, seed, repeat, "weights", assay_graph_param_name(g, i));
        switch ((enum assay_role)p->role) {
        case ASSAY_CONV_WEIGHT:
        case ASSAY_LINEAR_WEIGHT:
            init_weight(p, init, &rng, w);
            break;
        case ASSAY_LINEAR_BIAS:
        case ASSAY_CONV_BIAS:
            init_bias(&g->param[g->node[p->node].param], init, &rng, p->size, w);
            break;
        case ASSAY_BN_GAMMA:
            for (uint64_t k = 0; k < p->size; k++) w[k] = 1;
            break;
        case ASSAY_BN_BETA:
            for (uint64_t k = 0; k < p->size; k++) w[k] = 0;
            break;
        }
    }
}
