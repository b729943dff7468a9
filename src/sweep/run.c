// SPDX-License-Identifier: Apache-2.0
// A job from start to exit code. Every step that one rank may fail ends with an agreement, so that
// none waits for another that has left.
#include "farm.h"

#include "assay/kern.h"
#include "assay/la.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct assay_job *job;
    struct assay_config config;
    const char *dir;
    struct assay_comm *comm;
    const struct assay_log *log; // NULL on all ranks but 0
    struct assay_err *err;
    struct sweep_teams teams;
    struct assay_comm *team; // NULL: evaluates alone, or not at all
    struct assay_pla *pla;
    struct assay_placement placement; // on rank 0
    // rank 0
    struct assay_journal *journal;
    uint64_t n_journal;         // records it held at the start
    struct sweep_ledger ledger; // of the round
    struct sweep_desk *desk;
    uint64_t known;               // of the round, before it began
    uint64_t done, fresh, failed; // over all rounds; fresh: evaluated by this run
    // the others: one of the two
    struct sweep_worker *worker;
    struct sweep_bench follower;
    bool follows;
};

// ---- every rank ---------------------------------------------------------------------------------
// One rung for all ranks, the best that each of them has, so that no number depends on where it was
// computed. Collective.
static int agree_on_rung(struct run *r)
{
    const struct assay_kern *kern = NULL;
    int rung = 0;
    int status = assay_la_start(r->err);

    if (status >= 0)
        status = assay_kern_select(&kern, assay_config_evaluation(&r->config)->cpu, r->err);
    ASSAY_TRY(assay_comm_agree(r->comm, status, r->err));
    while (assay_kern_rung((unsigned)rung) != kern) rung++;
    kern = assay_kern_rung((unsigned)assay_comm_min(r->comm, rung));
    struct assay_evaluation *told = assay_config_edit(&r->config, &assay_evaluation_options);
    snprintf(told->cpu, sizeof told->cpu, "%s", assay_kern_name(kern));
    return 0;
}

// ---- rank 0 -------------------------------------------------------------------------------------
// A journal that is not there, or cannot be read, is for its opening to judge.
static int check_arithmetic(const struct run *r)
{
    char *identity = NULL;
    void *extra = NULL;
    size_t n_extra;

    if (assay_journal_peek(r->dir, &identity, &extra, &n_extra, NULL) < 0) return 0;
    const bool same = strcmp(identity, r->job->identity(r->job->self)) == 0;
    const int status = same ? 0 : assay_arithmetic_check(identity, r->dir, r->err);
    free(identity);
    free(extra);
    return status;
}

static int open_journal(struct run *r)
{
    const struct assay_job *job = r->job;
    void *extra = NULL;
    size_t n_extra = 0;

    int status = job->prepare(job->self, &extra, &n_extra, r->err);
    if (status >= 0) status = check_arithmetic(r);
    if (status >= 0)
        status = assay_journal_open(&r->journal, r->dir, job->schema(job->self),
                                    job->identity(job->self), extra, n_extra, r->log, &r->n_journal,
                                    r->err);
    free(extra);
    return status;
}

static void log_ranks(const struct run *r)
{
    const struct assay_evaluation *told = assay_config_evaluation(&r->config);
    char memory[64] = "no memory limit";
    const int ranks = assay_comm_size(r->comm);
    const bool works = r->teams.works;
    const int hosts = r->placement.hosts;

    if (told->memory) snprintf(memory, sizeof memory, "%" PRIu64 " MiB a rank", told->memory);
    assay_log_line(r->log, ASSAY_LOG_INFO, "%d rank%s on %d host%s%s, %s kernels, %s, into %s",
                   ranks, ranks > 1 ? "s" : "", hosts, hosts > 1 ? "s" : "",
                   works ? "" : " (rank 0 only coordinates)", told->cpu, memory, r->dir);
    const int teams = sweep_teams_evaluating(&r->teams), size = r->teams.size,
              left = ranks - !works - teams * size;
    if (size > 1)
        assay_log_line(
            r->log, left ? ASSAY_LOG_WARN : ASSAY_LOG_INFO, "%d team%s of %d ranks evaluate%s%s",
            teams, teams > 1 ? "s" : "", size, teams > 1 ? "" : "s",
            left ? "; the number of ranks is no multiple of that, and some only wait" : "");
}

// Two ranks on one CPU, or two BLAS threads in a rank, cost more than they bring.
static void log_placement(const struct run *r)
{
    const struct assay_placement *p = &r->placement;
    const int threads = assay_la_threads();
    char place[96] = "", bound[32] = "not bound";

    if (p->each < p->cpus) snprintf(bound, sizeof bound, "bound to %d each", p->each);
    if (p->cpus)
        snprintf(place, sizeof place, "%d rank%s compute%s on %d CPU%s of %.20s, %s; ", p->ranks,
                 p->ranks > 1 ? "s" : "", p->ranks > 1 ? "" : "s", p->cpus, p->cpus > 1 ? "s" : "",
                 p->host, bound);
    assay_log_line(r->log, ASSAY_LOG_INFO, "%s%d BLAS thread%s a rank: %s", place, threads,
                   threads == 1 ? "" : "s", assay_la_name());
    if (threads > 1)
        assay_log_line(r->log, ASSAY_LOG_WARN,
                       "this BLAS runs %d threads in every rank: set OMP_NUM_THREADS=1", threads);
    if (p->cpus && p->ranks > p->cpus)
        assay_log_line(
            r->log, ASSAY_LOG_WARN,
            "%d ranks share %d CPU%s of %s and slow each other down: start fewer, or give "
            "them more CPUs (mpirun --bind-to, srun --cpus-per-task)",
            p->ranks, p->cpus, p->cpus > 1 ? "s" : "", p->host);
}

static int open_desk(struct run *r)
{
    ASSAY_TRY(open_journal(r));
    ASSAY_TRY(sweep_config_write(&r->config, r->dir, r->err));
    ASSAY_TRY(r->job->start(r->job->self, r->dir, r->comm, r->log, r->err));
    log_ranks(r);
    log_placement(r);
    if (r->job->rounds && r->n_journal)
        assay_log_line(r->log, ASSAY_LOG_INFO, "resuming: %" PRIu64 " evaluations are known",
                       r->n_journal);
    return sweep_desk_open(&r->desk,
                           &(struct sweep_farm){.comm = r->comm,
                                                .team = r->team,
                                                .config = &r->config,
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

// What the journal knows of a round's tasks: of an earlier run, or of an earlier round with the
// same task.
static int open_ledger(struct run *r, struct assay_round *round)
{
    const struct assay_job *job = r->job;
    const struct sweep_tasks task = {.at = round->task, .n = round->n, .bytes = job->task_bytes};

    sweep_ledger_free(&r->ledger);
    ASSAY_TRY(sweep_ledger_open(&r->ledger, job->schema(job->self), task, r->err));
    ASSAY_TRY(
        sweep_ledger_load(&r->ledger, r->journal, r->n_journal + r->fresh, job->rounds, r->err));
    round->record = r->ledger.record;
    round->done = r->ledger.done;
    log_known(r, sweep_ledger_retry(&r->ledger));
    r->known = r->ledger.n_done;
    return 0;
}

static void count_round(struct run *r)
{
    r->fresh += r->ledger.n_done - r->known;
    r->done += r->ledger.n_done;
    r->failed += r->ledger.n_failed;
}

// Returns an enum sweep_end, or an error.
static int run_rounds(struct run *r)
{
    const struct assay_job *job = r->job;
    struct assay_round *round;

    for (int more; (more = job->round(job->self, &round, r->err)) != 0;) {
        ASSAY_TRY(more);
        ASSAY_TRY(open_ledger(r, round));
        const int end = sweep_desk_round(r->desk, &r->ledger);
        if (end != SWEEP_COMPLETE) return end;
        count_round(r);
    }
    return SWEEP_COMPLETE;
}

static void log_end(const struct run *r, int end, double seconds)
{
    if (r->fresh)
        assay_log_line(r->log, ASSAY_LOG_INFO,
                       "evaluated %" PRIu64 " in %.3g s (%.3g/s), results in %s/%s", r->fresh,
                       seconds, (double)r->fresh / seconds, r->dir, r->job->result);
    if (end == SWEEP_STOPPED)
        assay_log_line(r->log, ASSAY_LOG_WARN,
                       "stopped by %s: %" PRIu64 " of %" PRIu64
                       "%s done and safe in %s; the same command resumes",
                       sweep_desk_why(r->desk), r->ledger.n_done, r->ledger.task.n,
                       r->job->rounds ? " of this round" : "", r->dir);
    else
        assay_log_line(r->log, ASSAY_LOG_INFO, "complete: %" PRIu64 " done, %" PRIu64 " failed",
                       r->done, r->failed);
}

// Returns an exit code, or an error.
static int coordinate(struct run *r)
{
    const double start = assay_clock_wall();
    int end = sweep_desk_end(r->desk, run_rounds(r));
    const double seconds = assay_clock_wall() - start;

    if (end < 0) return end;
    if (end == SWEEP_STOPPED) count_round(r);
    if (r->ledger.n_done == r->ledger.task.n && !r->job->rounds) end = SWEEP_COMPLETE;
    ASSAY_TRY(assay_journal_sync(r->journal, r->err));
    ASSAY_TRY(r->job->publish(r->job->self, r->err));
    log_end(r, end, seconds);
    if (end == SWEEP_STOPPED) return ASSAY_EXIT_STOPPED;
    return r->failed ? ASSAY_EXIT_FAILED_CANDIDATES : ASSAY_EXIT_COMPLETE;
}

// ---- together -----------------------------------------------------------------------------------
static int open_team(struct run *r)
{
    const int rank = assay_comm_rank(r->comm), hand = sweep_teams_hand(&r->teams, rank);
    const bool evaluates = hand > 0 || (hand == 0 && r->teams.works);

    ASSAY_TRY(sweep_teams_check(&r->teams, r->err));
    if (r->teams.size == 1) return 0;
    ASSAY_TRY(assay_comm_split(r->comm, evaluates ? hand : -1, &r->team, r->err));
    const int status = r->team ? assay_pla_create(&r->pla, r->team, r->err) : 0;
    r->follows = r->team && assay_comm_rank(r->team) > 0;
    return assay_comm_agree(r->comm, status, r->err);
}

static int open_role(struct run *r)
{
    const int rank = assay_comm_rank(r->comm);

    if (rank == 0) return open_desk(r);
    return r->follows ? sweep_bench_open(&r->follower, r->job, rank, r->team, r->err)
                      : sweep_worker_open(&r->worker, r->comm, r->team, r->job, r->err);
}

static int open_run(struct run *r)
{
    const struct assay_job *job = r->job;

    r->teams = sweep_teams_make(&r->config, assay_comm_size(r->comm));
    ASSAY_TRY(assay_comm_placement(r->comm, r->teams.works, &r->placement, r->err));
    ASSAY_TRY(agree_on_rung(r));
    ASSAY_TRY(open_team(r));
    ASSAY_TRY(assay_comm_agree(r->comm, job->open(job->self, &r->config, r->pla, r->err), r->err));
    const int opened = open_role(r);
    ASSAY_TRY(assay_comm_agree(r->comm, opened, r->err));
    return sweep_hello(r->comm, job->identity(job->self), r->log, r->err);
}

static int do_role(struct run *r)
{
    if (r->desk) return coordinate(r);
    return r->follows ? sweep_bench_follow(&r->follower, r->comm, r->err)
                      : sweep_worker_run(r->worker);
}

static int run(struct run *r, int *exit_code)
{
    ASSAY_TRY(open_run(r));
    const int status = do_role(r);
    // Rank 0 waits for a worker that could not go on, and the others for a rank 0 that could not.
    if (status == ASSAY_ERR_MPI || (status < 0 && !r->desk)) {
        const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_ERROR, .rank = -1};
        assay_log_line(&log, ASSAY_LOG_ERROR, "rank %d: %s; what is in the journal is safe",
                       assay_comm_rank(r->comm), r->err->text);
        assay_comm_abort(r->comm, ASSAY_EXIT_ERROR);
    }
    ASSAY_TRY(assay_comm_agree(r->comm, status, r->err));
    *exit_code = assay_comm_min(r->comm, r->desk ? status : INT_MAX);
    return 0;
}

static void close_run(struct run *r)
{
    sweep_desk_close(r->desk);
    sweep_worker_close(r->worker);
    if (r->follows) sweep_bench_close(&r->follower);
    assay_pla_destroy(r->pla);
    assay_comm_free(r->team);
    sweep_ledger_free(&r->ledger);
    assay_journal_close(r->journal);
}

int assay_farm_run(const struct assay_job *job, const struct assay_config *config, const char *dir,
                   struct assay_comm *comm, const struct assay_log *log, int *exit_code,
                   struct assay_err *err)
{
    struct assay_err text = {0};
    struct run r = {.job = job,
                    .config = *config,
                    .dir = dir,
                    .comm = comm,
                    .log = assay_comm_rank(comm) ? NULL : log,
                    .err = err ? err : &text};

    sweep_signals_catch(assay_comm_rank(comm) ? NULL : dir);
    *exit_code = ASSAY_EXIT_ERROR;
    const int status = run(&r, exit_code);
    sweep_signals_hush();
    close_run(&r);
    return status;
}
