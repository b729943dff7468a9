// SPDX-License-Identifier: Apache-2.0
// Which scalar products give the derivatives with respect to the coefficients of mixes.
#include "exec/plan.h"

static void add_probes(struct assay_plan *plan, uint32_t mix)
{
    const struct assay_node *n = &plan->graph->node[mix];
    for (uint32_t k = n->in; k < n->in + n->n_in; k++) {
        const uint32_t in = plan->graph->in[k];
        if (plan->graph->node[in].op == ASSAY_OP_ZERO) continue;
        plan->slot[in].kept = true;
        plan->probe[plan->n_probe++] =
            (struct probe){.edge = k, .node = in, .g = plan->slot[mix].g};
    }
}

int plan_probes(struct assay_plan *plan, struct assay_err *err)
{
    const struct assay_graph *g = plan->graph;
    plan->n_probe = 0;
    plan->probe = assay_arena_alloc(&plan->meta, (g->n_in + 1) * sizeof *plan->probe);
    if (!plan->probe)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "exec: out of memory while planning a network");
    for (uint32_t t = 0; t < plan->n_tensor; t++) {
        plan->tensor[t].first_probe = plan->n_probe;
        for (uint32_t i = 0; plan->mixes && i < g->n_node; i++) {
            const struct slot *s = &plan->slot[i];
            if (g->node[i].mix && s->needs_grad && s->g.tensor == t) add_probes(plan, i);
        }
        plan->tensor[t].n_probe = plan->n_probe - plan->tensor[t].first_probe;
    }
    return ASSAY_OK;
}
