// SPDX-License-Identifier: Apache-2.0
#include "networks.h"

void networks_init(struct networks *n, const struct assay_config *config,
                   const struct assay_space *space, const struct assay_demand *demand)
{
    *n = (struct networks){.config = config, .space = space, .demand = demand};
    assay_graph_init(&n->built);
    for (int i = 0; i < ASSAY_NETWORKS; i++) assay_graph_init(&n->graph[i]);
}

void networks_finish(struct networks *n)
{
    assay_graph_free(&n->built);
    for (int i = 0; i < ASSAY_NETWORKS; i++) assay_graph_free(&n->graph[i]);
}

static int build(const struct networks *n, uint64_t index, const struct assay_supernet *mask,
                 bool thin, struct assay_graph *literal, struct assay_err *err)
{
    const struct assay_net size = assay_config_net(n->config, thin);
    return mask ? assay_space_build_supernet(n->space, mask, &size, literal, err)
                : assay_space_build(n->space, index, &size, literal, err);
}

// Whether the output of the literal network depends on the input shows in the folded one.
static bool needs_net(const struct networks *n)
{
    return n->demand->network[ASSAY_NET] || n->demand->network[ASSAY_NET_LITERAL];
}

int networks_build(struct networks *n, uint64_t index, const struct assay_supernet *mask,
                   bool *dead, struct assay_err *err)
{
    *dead = false;
    if (needs_net(n)) {
        ASSAY_TRY(build(n, index, mask, false, &n->built, err));
        ASSAY_TRY(assay_graph_fold(&n->built, true, &n->graph[ASSAY_NET], NULL, err));
        if (n->demand->network[ASSAY_NET_LITERAL])
            ASSAY_TRY(assay_graph_merge(&n->built, &n->graph[ASSAY_NET_LITERAL], err));
        *dead |= assay_graph_is_dead(&n->graph[ASSAY_NET]);
    }
    if (n->demand->network[ASSAY_NET_THIN]) {
        ASSAY_TRY(build(n, index, mask, true, &n->built, err));
        ASSAY_TRY(assay_graph_fold(&n->built, true, &n->graph[ASSAY_NET_THIN], NULL, err));
        *dead |= assay_graph_is_dead(&n->graph[ASSAY_NET_THIN]);
    }
    return ASSAY_OK;
}

const struct assay_graph *networks_graph(const struct networks *n, enum assay_network which)
{
    const bool built = which == ASSAY_NET ? needs_net(n) : n->demand->network[which];
    return built ? &n->graph[which] : NULL;
}

static int check_input(const struct assay_graph *g, const char *network, const char *what,
                       uint32_t channels, uint32_t side, struct assay_err *err)
{
    const struct assay_node *in = &g->node[0];
    if (in->c == channels && in->h == side && in->w == side) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "data: %s are (%u,%u,%u), the %s expects (%u,%u,%u)", what, channels, side,
                         side, network, in->c, in->h, in->w);
}

int networks_check(const struct networks *n, uint32_t channels, uint32_t side,
                   struct assay_err *err)
{
    for (int i = 0; i < ASSAY_NETWORKS; i++) {
        const struct assay_graph *g = networks_graph(n, (enum assay_network)i);
        if (g && i == ASSAY_NET_THIN)
            ASSAY_TRY(check_input(g, "thin network", "patches", 1,
                                  (uint32_t)assay_config_protocol(n->config)->patch, err));
        else if (g)
            ASSAY_TRY(check_input(g, "network", "images", channels, side, err));
    }
    return ASSAY_OK;
}

void networks_work(const struct networks *n, double work[ASSAY_NETWORKS])
{
    for (int i = 0; i < ASSAY_NETWORKS; i++) {
        const struct assay_graph *g = networks_graph(n, (enum assay_network)i);
        work[i] = g ? assay_graph_cost(g).work : 0.0;
    }
}

double networks_pass_cost(const struct networks *n, uint32_t pass,
                          const double work[ASSAY_NETWORKS])
{
    const struct assay_pass *p = &n->demand->pass[pass].pass;
    const uint64_t classes = assay_config_protocol(n->config)->classes;
    if (p->pull == ASSAY_PULL_WEIGHTS) return 0.0;
    const double images = (double)p->input.n / (p->parts ? p->parts : 1);
    const bool rows = p->pull == ASSAY_PULL_KERNEL || p->pull == ASSAY_PULL_EXTREMES ||
                      p->pull == ASSAY_PULL_ROWS;
    return work[p->network] * images *
           (rows ? (double)assay_kernel_rows(p, (uint64_t)images, classes) : 1.0);
}

static uint64_t graph_bytes(const struct assay_graph *g)
{
    return g->cap_node * sizeof *g->node + g->cap_in * (sizeof *g->in + sizeof *g->coef) +
           g->cap_param * sizeof *g->param + g->cap_feature * sizeof *g->feature + g->cap_text +
           g->cap_scratch * sizeof *g->scratch;
}

uint64_t networks_bytes(const struct networks *n)
{
    uint64_t bytes = graph_bytes(&n->built);
    for (int i = 0; i < ASSAY_NETWORKS; i++) bytes += graph_bytes(&n->graph[i]);
    return bytes;
}

static size_t theta_bytes(const struct networks *n, uint32_t weights)
{
    return n->graph[n->demand->weights[weights].network].n_theta * sizeof(double);
}

size_t networks_weight_bytes(const struct networks *n)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < n->demand->n_weights; i++)
        bytes += assay_arena_block(theta_bytes(n, i));
    return bytes;
}

// The thin network draws from its own seed: the two networks share parameter names, and kappa and
// regions are meant to be independent. What does not reach the output has parameters of its own,
// so that the literal network's others are those of the folded one.
int networks_draw(const struct networks *n, uint64_t seed, uint64_t drawn, uint64_t thin,
                  struct assay_arena *arena, const double **theta, struct assay_err *err)
{
    for (uint32_t i = 0; i < n->demand->n_weights; i++) {
        const struct assay_weights *w = &n->demand->weights[i];
        const bool is_thin = w->network == ASSAY_NET_THIN;
        const uint64_t own = is_thin ? assay_hash64("thin", 4, seed) : seed;
        double *to = assay_arena_alloc(arena, theta_bytes(n, i));
        if (!to) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for weights");
        assay_init_params(&n->graph[w->network], w->init, own, drawn + (is_thin ? thin : 0), to);
        assay_weights_make(w, &n->graph[w->network], to);
        theta[i] = to;
    }
    return ASSAY_OK;
}
