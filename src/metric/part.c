// SPDX-License-Identifier: Apache-2.0
// The images of a kernel are dealt out to a team: each rank runs the network forward on its own,
// and what BN takes of all of them is summed.
#include "subject.h"

#include <string.h>

struct assay_run_of_rows part_images(const struct assay_subject *s, const struct assay_forward *f)
{
    return assay_pla_rows(forward_images(s, f), 1, s->team, assay_pla_rank(s->pla));
}

// Nobody is shown a part.
int memo_part_plan(const struct assay_subject *s, const struct assay_forward *f,
                   const struct assay_plan **plan, struct assay_err *err)
{
    const struct assay_want want = {.backward = true,
                                    .precise = f->precise,
                                    .batch = forward_images(s, f),
                                    .norm = f->norms == ASSAY_NORMS_BATCH ? NULL : f->norm};
    return assay_plans_get(s->plans, forward_graph(s, f), (uint32_t)part_images(s, f).count, &want,
                           plan, err);
}

// After a failure the numbers are anything, and nobody is waited for.
static void sum(void *self, size_t n, double *value)
{
    struct memo_team *team = self;
    if (team->status >= 0) team->status = assay_pla_sum(team->pla, n, value, &team->err);
}

int memo_bind_rows(struct assay_subject *s, const struct assay_wanted_pass *pass,
                   struct assay_err *err)
{
    const struct assay_forward *f = wanted_forward(s, pass);
    const struct assay_plan *plan;
    struct assay_memo *memo;
    ASSAY_TRY(memo_get(s, &memo, err));
    if (!in_parts(s, &pass->pass)) {
        ASSAY_TRY(memo_hold(s, pass->forward, err));
        return 1;
    }
    if (memo->held == pass->forward && memo->part) return 1;
    ASSAY_ASSERT(forward_images(s, f) == forward_batch(s, f));
    ASSAY_TRY(memo_part_plan(s, f, &plan, err));
    ASSAY_TRY(memo_bind(s, plan, err));
    memo->team = (struct memo_team){.pla = s->pla};
    memo->parts = (struct assay_parts){
        .self = &memo->team, .at = (uint32_t)part_images(s, f).first, .sum = sum};
    assay_exec_set_parts(s->exec, &memo->parts);
    return 0;
}

int memo_forward_rows(struct assay_subject *s, const struct assay_wanted_pass *pass,
                      struct assay_err *err)
{
    const struct assay_forward *f = wanted_forward(s, pass);
    struct assay_memo *memo = s->memo;
    assay_exec_forward(s->exec, s->theta[f->weights],
                       forward_input(s, f, (uint32_t)part_images(s, f).first));
    memo->held = pass->forward;
    memo->part = true;
    if (memo->team.status >= 0) return ASSAY_OK;
    *err = memo->team.err;
    return memo->team.status;
}
