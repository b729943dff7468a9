// SPDX-License-Identifier: Apache-2.0
#include "farm.h"

#include <stdlib.h>

#define WORKING_RANKS 8 // up to which rank 0 works by itself

// Rank 0 of many only coordinates; but with teams it would leave one of them incomplete, and tasks
// are long.
static bool rank_0_works(const struct assay_config *config, int ranks)
{
    enum { AUTO, YES };
    return ranks == 1 || config->coordinator_works == YES ||
           (config->coordinator_works == AUTO && (ranks <= WORKING_RANKS || config->team > 1));
}

struct sweep_teams sweep_teams_make(const struct assay_config *config, int ranks)
{
    struct sweep_teams t = {
        .size = (int)config->team, .ranks = ranks, .works = rank_0_works(config, ranks)};

    ASSAY_ASSERT(t.size > 0);
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
    struct assay_memory *need = &o->most.need;

    o->config.team = 1;
    ASSAY_TRY(sweep_memory_most(&o->most, o->evaluator, &o->plan, err));
    // What teams do not divide must fit in any case.
    while (limit && need->total > limit && need->total - need->scratch < limit &&
           o->config.team < (uint64_t)ranks) {
        o->config.team++;
        ASSAY_TRY(assay_evaluator_memory(o->evaluator, o->most.candidate, need, err));
        if (need->total <= limit)
            ASSAY_TRY(sweep_memory_most(&o->most, o->evaluator, &o->plan, err));
    }
    return 0;
}

bool sweep_team_stored(const char *dir, uint64_t *team)
{
    char *identity = NULL;
    void *list = NULL;
    size_t n = 0;
    struct assay_config config;

    if (assay_journal_peek(dir, &identity, &list, &n, NULL) < 0) return false;
    const bool read = sweep_config_parse(&config, identity, NULL) >= 0;
    if (read) *team = config.team;
    free(identity);
    free(list);
    return read;
}

static int choose(const struct assay_config *config, int ranks, int *team, struct assay_err *err)
{
    struct sweep_outline o;

    int status = sweep_outline_open(&o, config, err);
    if (status >= 0) status = sweep_team_fit(&o, ranks, err);
    if (status >= 0) {
        const uint64_t items = o.plan.n_task * config->protocol.repeats;
        const uint64_t idle = items ? (uint64_t)ranks / items : 1;
        *team = (int)o.config.team;
        if (idle > (uint64_t)*team) *team = (int)idle;
    }
    sweep_outline_close(&o);
    return status;
}

int sweep_team_choose(struct assay_config *config, const char *dir, struct assay_comm *comm,
                      struct assay_err *err)
{
    enum { AUTO, YES, NO };
    const int ranks = assay_comm_size(comm);
    const int evaluating = ranks - (config->coordinator_works == NO && ranks > 1);
    uint64_t stored;
    int team = 1, status = 0;

    if (config->team) return 0;
    if (assay_comm_rank(comm) == 0) {
        if (sweep_team_stored(dir, &stored))
            team = (int)stored;
        else
            status = choose(config, evaluating, &team, err);
    }
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    ASSAY_TRY(assay_comm_share(comm, 0, &team, sizeof team, err));
    config->team = (uint64_t)team;
    return 0;
}
