// SPDX-License-Identifier: Apache-2.0
#include "farm.h"

#include <inttypes.h>

#define WORKING_RANKS 8 // up to which rank 0 works by itself

// Rank 0 of many only coordinates; but with teams it would leave one of them incomplete, and tasks
// are long.
bool sweep_desk_works(const struct assay_config *config, int ranks)
{
    enum { AUTO, YES };
    return ranks == 1 || config->coordinator_works == YES ||
           (config->coordinator_works == AUTO && (ranks <= WORKING_RANKS || config->team > 1));
}

struct sweep_teams sweep_teams_make(const struct assay_config *config, int ranks)
{
    struct sweep_teams t = {
        .size = (int)config->team, .ranks = ranks, .works = sweep_desk_works(config, ranks)};

    t.hands = t.works ? ranks / t.size : 1 + (ranks - 1) / t.size;
    return t;
}

int sweep_teams_hand(const struct sweep_teams *t, int rank)
{
    if (!t->works && rank == 0) return 0;
    const int hand = t->works ? rank / t->size : 1 + (rank - 1) / t->size;
    return hand < t->hands ? hand : -1;
}

int sweep_teams_leader(const struct sweep_teams *t, int hand)
{
    return t->works || hand == 0 ? hand * t->size : 1 + (hand - 1) * t->size;
}

int sweep_teams_evaluating(const struct sweep_teams *t)
{
    return t->hands - !t->works;
}

int sweep_teams_check(const struct sweep_teams *t, struct assay_err *err)
{
    if (sweep_teams_evaluating(t) > 0 || t->size == 1) return 0;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "run.team = %d: this job has %d rank%s that evaluate%s, expected at least "
                         "as many",
                         t->size, t->ranks - !t->works, t->ranks - !t->works == 1 ? "" : "s",
                         t->ranks - !t->works == 1 ? "s" : "");
}

// ---- choosing -----------------------------------------------------------------------------------
int sweep_team_fit(struct sweep_outline *o, int ranks, struct assay_err *err)
{
    const uint64_t limit = o->config.memory << 20;

    for (o->config.team = 1;; o->config.team++) {
        ASSAY_TRY(sweep_memory_most(&o->most, o->evaluator, &o->plan, err));
        if (!limit || o->most.need.total <= limit || o->config.team >= (uint64_t)ranks) return 0;
    }
}

static int choose(const struct assay_config *config, int ranks, int *team, struct assay_err *err)
{
    struct sweep_outline o;

    int status = sweep_outline_open(&o, config, err);
    if (status >= 0) status = sweep_team_fit(&o, ranks, err);
    if (status >= 0) {
        *team = (int)o.config.team;
        const uint64_t items = o.plan.n_task * config->protocol.repeats;
        const uint64_t idle = items ? (uint64_t)ranks / items : 1;
        if (idle > (uint64_t)*team) *team = (int)idle;
    }
    sweep_outline_close(&o);
    return status;
}

int sweep_team_choose(struct assay_config *config, struct assay_comm *comm, struct assay_err *err)
{
    int team = 1, status = 0;

    if (config->team) return 0;
    if (assay_comm_rank(comm) == 0) status = choose(config, assay_comm_size(comm), &team, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    ASSAY_TRY(assay_comm_share(comm, 0, &team, sizeof team, err));
    config->team = (uint64_t)team;
    return 0;
}
