// SPDX-License-Identifier: Apache-2.0
// How the work on a candidate divides among metrics.
#include "networks.h"

#include <stdlib.h>

struct assay_costs {
    struct assay_demand demand;
    struct networks networks;
};

int assay_costs_open(struct assay_costs **out, const struct assay_config *config,
                     const struct assay_space *space, struct assay_err *err)
{
    struct assay_costs *c = calloc(1, sizeof *c);
    if (!c) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for networks");
    networks_init(&c->networks, config, space, &c->demand);
    const int status = assay_config_demand(config, &c->demand, err);
    if (status < 0)
        assay_costs_close(c);
    else
        *out = c;
    return status;
}

const struct assay_metric *assay_costs_metric(const struct assay_costs *c, uint32_t i)
{
    return i < c->demand.n_use ? c->demand.use[i].metric : NULL;
}

// Whether it is not the same as one of the metric's passes before it.
static bool is_first(const struct assay_use *use, uint32_t pass)
{
    for (uint32_t i = 0; i < pass; i++)
        if (use->pass[i] == use->pass[pass]) return false;
    return true;
}

int assay_costs_parts(struct assay_costs *c, uint64_t index, double *part, struct assay_err *err)
{
    bool dead;
    double cost[ASSAY_DEMAND_PASSES], work[ASSAY_NETWORKS], all = 0;
    ASSAY_TRY(networks_build(&c->networks, index, NULL, &dead, err));
    networks_work(&c->networks, work);
    for (uint32_t k = 0; k < c->demand.n_pass; k++)
        all += cost[k] = dead ? 0 : networks_pass_cost(&c->networks, k, work);
    for (uint32_t i = 0; i < c->demand.n_use; i++) {
        const struct assay_use *use = &c->demand.use[i];
        part[i] = all > 0 ? 0 : 1;
        for (uint32_t k = 0; k < use->n_pass && all > 0; k++)
            if (is_first(use, k)) part[i] += cost[use->pass[k]] / all;
    }
    return ASSAY_OK;
}

void assay_costs_close(struct assay_costs *c)
{
    if (!c) return;
    networks_finish(&c->networks);
    assay_demand_free(&c->demand);
    free(c);
}
