// SPDX-License-Identifier: Apache-2.0
// A job from start to exit code. Every step that one rank may fail ends with an agreement, so that
// none waits for another that has left.
#include "assay/farm.h"

#include "farm/context.h"
#include "farm/coordinator.h"
#include "farm/meet.h"
#include "farm/stop.h"
#include "farm/worker.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct assay_job *job;
    const struct assay_farm_spec *spec;
    const char *dir;
    struct assay_comm *comm;
    const struct assay_log *log; // NULL on all ranks but 0
    struct assay_err *err;
    struct assay_teams teams;
    struct assay_comm *team;          // NULL: evaluates alone, or not at all
    struct assay_placement placement; // on rank 0
    // rank 0
    struct assay_journal *journal;
    uint64_t n_journal;         // records it held at the start
    struct assay_ledger ledger; // of the round
    struct farm_coordinator *coordinator;
    uint64_t known;               // of the round, before it began
    uint64_t done, fresh, failed; // over all rounds; fresh: evaluated by this run
    // the others: one of the two
    struct farm_worker *worker;
    struct farm_context follower;
    bool follows;
};

// ---- rank 0 -------------------------------------------------------------------------------------
static int open_journal(struct run *r)
{
    const struct assay_job *job = r->job;
    void *extra = NULL;
    size_t n_extra = 0;

    int status = job->prepare(job->self, r->dir, &extra, &n_extra, r->err);
    if (status >= 0)
        status = assay_journal_open(&r->journal, r->dir, job->schema(job->self),
                                    job->identity(job->self), extra, n_extra, r->log, &r->n_journal,
                                    r->err);
    free(extra);
    return status;
}

static void log_ranks(const struct run *r)
{
    const int ranks = assay_comm_size(r->comm), hosts = r->placement.hosts;
    const bool works = r->teams.works;

    assay_log_line(r->log, ASSAY_LOG_INFO, "%d rank%s on %d host%s%s, %s, into %s", ranks,
                   ranks > 1 ? "s" : "", hosts, hosts > 1 ? "s" : "",
                   works ? "" : " (rank 0 only coordinates)", r->spec->engine, r->dir);
    const int teams = assay_teams_evaluating(&r->teams), size = r->teams.size,
              left = ranks - !works - teams * size;
    if (size > 1)
        assay_log_line(
            r->log, left ? ASSAY_LOG_WARN : ASSAY_LOG_INFO, "%d team%s of %d ranks evaluate%s%s",
            teams, teams > 1 ? "s" : "", size, teams > 1 ? "" : "s",
            left ? "; the number of ranks is no multiple of that, and some only wait" : "");
}

// Says where the ranks compute, and warns where they are more than the CPUs: two ranks on one CPU
// cost more than they bring.
static void log_placement(const struct run *r)
{
    const struct assay_placement *p = &r->placement;
    char place[96] = "", bound[32] = "not bound";

    if (p->each < p->cpus) snprintf(bound, sizeof bound, "bound to %d each", p->each);
    if (p->cpus)
        snprintf(place, sizeof place, "%d rank%s compute%s on %d CPU%s of %.20s, %s; ", p->ranks,
                 p->ranks > 1 ? "s" : "", p->ranks > 1 ? "" : "s", p->cpus, p->cpus > 1 ? "s" : "",
                 p->host, bound);
    assay_log_line(r->log, ASSAY_LOG_INFO, "%s%s", place, r->spec->library);
    if (p->cpus && p->ranks > p->cpus)
        assay_log_line(
            r->log, ASSAY_LOG_WARN,
            "%d ranks share %d CPU%s of %s and slow each other down: start fewer, or give "
            "them more CPUs (mpirun --bind-to, srun --cpus-per-task)",
            p->ranks, p->cpus, p->cpus > 1 ? "s" : "", p->host);
}

static int open_coordinator(struct run *r)
{
    ASSAY_TRY(open_journal(r));
    ASSAY_TRY(r->job->start(r->job->self, r->dir, r->comm, r->log, r->err));
    log_ranks(r);
    log_placement(r);
    assay_journal_begin(r->journal, assay_comm_size(r->comm), r->placement.names);
    if (r->job->rounds && r->n_journal)
        assay_log_line(r->log, ASSAY_LOG_INFO, "resuming: %" PRIu64 " evaluations are known",
                       r->n_journal);
    return farm_coordinator_open(&r->coordinator,
                                 &(struct farm){.comm = r->comm,
                                                .team = r->team,
                                                .spec = r->spec,
                                                .log = r->log,
                                                .job = r->job,
                                                .journal = r->journal},
                                 r->err);
}

static void log_known(const struct run *r, uint64_t again)
{
    const uint64_t done = r->ledger.n_done, total = r->ledger.task.n;

    if (again)
        assay_log_line(r->log, ASSAY_LOG_INFO, "%" PRIu64 " failed before and will be tried again",
                       again);
    if (r->job->rounds) return;
    if (done == total)
        assay_log_line(r->log, ASSAY_LOG_INFO, "already complete, nothing to evaluate");
    else if (done)
        assay_log_line(r->log, ASSAY_LOG_INFO, "resuming: %" PRIu64 " of %" PRIu64 " done", done,
                       total);
}

// Opens the ledger of a round with what the journal knows of its tasks, from an earlier run or from
// an earlier round with the same task.
static int open_ledger(struct run *r, struct assay_round *round)
{
    const struct assay_job *job = r->job;
    const struct assay_tasks task = {.at = round->task, .n = round->n, .bytes = job->task_bytes};

    assay_ledger_free(&r->ledger);
    ASSAY_TRY(assay_ledger_open(&r->ledger, job->schema(job->self), task, r->err));
    ASSAY_TRY(
        assay_ledger_load(&r->ledger, r->journal, r->n_journal + r->fresh, job->rounds, r->err));
    round->record = r->ledger.record;
    round->done = r->ledger.done;
    round->place = r->ledger.place;
    round->journal = r->journal;
    log_known(r, assay_ledger_retry(&r->ledger));
    r->known = r->ledger.n_done;
    return 0;
}

static void count_round(struct run *r)
{
    r->fresh += r->ledger.n_done - r->known;
    r->done += r->ledger.n_done;
    r->failed += r->ledger.n_failed;
}

// Returns an enum farm_end, or an error.
static int run_rounds(struct run *r)
{
    const struct assay_job *job = r->job;
    struct assay_round *round;

    for (int more; (more = job->round(job->self, &round, r->err)) != 0;) {
        ASSAY_TRY(more);
        ASSAY_TRY(open_ledger(r, round));
        const int end = farm_coordinator_round(r->coordinator, &r->ledger);
        if (end != FARM_COMPLETE) return end;
        count_round(r);
    }
    return FARM_COMPLETE;
}

static void log_end(const struct run *r, int end, double seconds)
{
    if (r->fresh)
        assay_log_line(r->log, ASSAY_LOG_INFO,
                       "evaluated %" PRIu64 " in %.3g s (%.3g/s), results in %s/%s", r->fresh,
                       seconds, (double)r->fresh / seconds, r->dir, r->job->result);
    if (end == FARM_STOPPED)
        assay_log_line(r->log, ASSAY_LOG_WARN,
                       "stopped by %s: %" PRIu64 " of %" PRIu64
                       "%s done and safe in %s; the same command resumes",
                       farm_coordinator_why(r->coordinator), r->ledger.n_done, r->ledger.task.n,
                       r->job->rounds ? " of this round" : "", r->dir);
    else
        assay_log_line(r->log, ASSAY_LOG_INFO, "complete: %" PRIu64 " done, %" PRIu64 " failed",
                       r->done, r->failed);
}

// Returns an exit code, or an error.
static int coordinate(struct run *r)
{
    const double start = assay_clock_wall();
    int end = farm_coordinator_end(r->coordinator, run_rounds(r));
    const double seconds = assay_clock_wall() - start;

    if (end < 0) return end;
    if (end == FARM_STOPPED) count_round(r);
    if (r->ledger.n_done == r->ledger.task.n && !r->job->rounds) end = FARM_COMPLETE;
    ASSAY_TRY(assay_journal_sync(r->journal, r->err));
    ASSAY_TRY(r->job->publish(r->job->self, NULL, r->err));
    log_end(r, end, seconds);
    if (end == FARM_STOPPED) return ASSAY_EXIT_STOPPED;
    return r->failed ? ASSAY_EXIT_FAILED_CANDIDATES : ASSAY_EXIT_COMPLETE;
}

// ---- together -----------------------------------------------------------------------------------
static int open_team(struct run *r)
{
    const int rank = assay_comm_rank(r->comm), worker = assay_teams_worker(&r->teams, rank);
    const bool evaluates = worker > 0 || (worker == 0 && r->teams.works);

    ASSAY_TRY(assay_teams_check(&r->teams, r->err));
    if (r->teams.size == 1) return 0;
    ASSAY_TRY(assay_comm_split(r->comm, evaluates ? worker : -1, &r->team, r->err));
    r->follows = r->team && assay_comm_rank(r->team) > 0;
    return 0;
}

static int open_role(struct run *r)
{
    const int rank = assay_comm_rank(r->comm);

    if (rank == 0) return open_coordinator(r);
    return r->follows ? farm_context_open(&r->follower, r->job, rank, r->team, r->err)
                      : farm_worker_open(&r->worker, r->comm, r->team, r->job, r->err);
}

static int open_run(struct run *r)
{
    const struct assay_job *job = r->job;

    r->teams = assay_teams_make(r->spec, assay_comm_size(r->comm));
    ASSAY_TRY(assay_comm_placement(r->comm, r->teams.works, &r->placement, r->err));
    ASSAY_TRY(open_team(r));
    ASSAY_TRY(assay_comm_agree(r->comm, job->open(job->self, r->team, r->err), r->err));
    const int opened = open_role(r);
    ASSAY_TRY(assay_comm_agree(r->comm, opened, r->err));
    ASSAY_TRY(farm_meet_identity(r->comm, job->identity(job->self), r->err));
    return job->compare ? job->compare(job->self, r->comm, r->log, r->err) : 0;
}

static int do_role(struct run *r)
{
    if (r->coordinator) {
        const int status = coordinate(r);
        assay_journal_end(r->journal, status < 0 ? ASSAY_EXIT_ERROR : status);
        return status;
    }
    return r->follows ? farm_context_follow(&r->follower, r->comm, r->err)
                      : farm_worker_run(r->worker);
}

static int run(struct run *r, int *exit_code)
{
    ASSAY_TRY(open_run(r));
    const int status = do_role(r);
    // Nobody can agree with the others any more: rank 0 would wait for a worker that could not go
    // on, and the others for a rank 0 that could not.
    if (status == ASSAY_ERR_MPI || (status < 0 && !r->coordinator)) {
        const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_ERROR, .rank = -1};
        assay_log_line(&log, ASSAY_LOG_ERROR, "rank %d: %s; what is in the journal is safe",
                       assay_comm_rank(r->comm), r->err->text);
        assay_comm_abort(r->comm, ASSAY_EXIT_ERROR);
    }
    ASSAY_TRY(assay_comm_agree(r->comm, status, r->err));
    *exit_code = assay_comm_min(r->comm, r->coordinator ? status : INT_MAX);
    return 0;
}

static void close_run(struct run *r)
{
    farm_coordinator_close(r->coordinator);
    farm_worker_close(r->worker);
    if (r->follows) farm_context_close(&r->follower);
    assay_ledger_free(&r->ledger);
    assay_journal_close(r->journal);
    if (r->job->close) r->job->close(r->job->self);
    assay_comm_free(r->team);
}

int assay_farm_run(const struct assay_job *job, const struct assay_farm_spec *spec, const char *dir,
                   struct assay_comm *comm, const struct assay_log *log, int *exit_code,
                   struct assay_err *err)
{
    struct assay_err text = {0};
    struct run r = {.job = job,
                    .spec = spec,
                    .dir = dir,
                    .comm = comm,
                    .log = assay_comm_rank(comm) ? NULL : log,
                    .err = err ? err : &text};

    farm_signals_catch(assay_comm_rank(comm) ? NULL : dir);
    *exit_code = ASSAY_EXIT_ERROR;
    const int status = run(&r, exit_code);
    farm_signals_hush();
    close_run(&r);
    return status;
}
