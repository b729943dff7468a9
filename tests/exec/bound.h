// SPDX-License-Identifier: Apache-2.0
// An executor bound to a plan of its own.
#ifndef ASSAY_TESTS_EXEC_BOUND_H
#define ASSAY_TESTS_EXEC_BOUND_H

#include "assay/exec.h"

struct bound {
    struct assay_exec *exec;
    struct assay_plan *plan;
    const struct assay_graph *graph;
};

static inline int bound_create(struct bound *b, const struct assay_kern *kern,
                               const struct assay_graph *g, uint32_t n,
                               const struct assay_want *want, struct assay_err *err)
{
    *b = (struct bound){.graph = g};
    ASSAY_TRY(assay_exec_create(&b->exec, err));
    ASSAY_TRY(assay_plan_make(&b->plan, kern, g, n, want, err));
    return assay_exec_bind(b->exec, b->plan, 0, err);
}

static inline void bound_destroy(struct bound *b)
{
    assay_exec_destroy(b->exec);
    assay_plan_free(b->plan);
}

#endif
