// SPDX-License-Identifier: Apache-2.0
// The networks of a candidate, and their weights.
#ifndef ASSAY_SRC_EVALUATE_NETWORKS_H
#define ASSAY_SRC_EVALUATE_NETWORKS_H

#include "assay/evaluate.h"

struct networks {
    const struct assay_config *config; // borrowed, like the next two
    const struct assay_space *space;
    const struct assay_demand *demand;
    struct assay_graph built; // of the last space_build that was folded
    struct assay_graph graph[ASSAY_NETWORKS];
};

void networks_init(struct networks *n, const struct assay_config *config,
                   const struct assay_space *space, const struct assay_demand *demand);
void networks_finish(struct networks *n);
// Builds what the metrics need, of architecture `index` or of a supernet; *dead: one of the
// networks does not depend on its input.
int networks_build(struct networks *n, uint64_t index, const struct assay_supernet *mask,
                   bool *dead, struct assay_err *err);
// The network of that kind; NULL where no metric needs one.
const struct assay_graph *networks_graph(const struct networks *n, enum assay_network which);
// An error unless they take images of so many channels and that height and width, and thin networks
// patches.
int networks_check(const struct networks *n, uint32_t channels, uint32_t side,
                   struct assay_err *err);
// What an image costs in each of the networks, in any unit.
void networks_work(const struct networks *n, double work[ASSAY_NETWORKS]);
// What one of the demand's passes costs, in that unit. A kernel whose images are coupled by BN is a
// backward pass of all images for each row.
double networks_pass_cost(const struct networks *n, uint32_t pass,
                          const double work[ASSAY_NETWORKS]);
uint64_t networks_bytes(const struct networks *n);
// Arena bytes of all weight vectors of a repeat.
size_t networks_weight_bytes(const struct networks *n);
// Draws the weight vectors, theta (demand->n_weights), into the arena: number `drawn`, of the thin
// network drawn + thin.
int networks_draw(const struct networks *n, uint64_t seed, uint64_t drawn, uint64_t thin,
                  struct assay_arena *arena, const double **theta, struct assay_err *err);

#endif
