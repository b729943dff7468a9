// SPDX-License-Identifier: Apache-2.0
// A run from start to exit code. Every step that one rank may fail ends with an agreement, so that
// none waits for another that has left.
#include "run.h"

#include "assay/kern.h"
#include "assay/la.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct assay_config config;
    const char *dir;
    struct assay_comm *comm;
    const struct assay_log *log; // NULL on all ranks but 0
    struct assay_err *err;
    int hosts;
    struct assay_space space;
    struct assay_data *data;
    struct assay_evaluator *evaluator;
    char *identity;
    // rank 0
    struct sweep_plan plan;
    struct assay_journal *journal;
    struct sweep_ledger ledger;
    struct sweep_publisher publisher;
    struct sweep_desk *desk;
    // the others
    struct sweep_worker *worker;
};

// ---- every rank ---------------------------------------------------------------------------------
// One rung for all ranks, the best that each of them has, so that no number depends on where it was
// computed. Collective.
static int agree_on_rung(struct run *r)
{
    const struct assay_kern *kern = NULL;
    int rung = 0;
    const int status = assay_kern_select(&kern, r->config.cpu, r->err);

    ASSAY_TRY(assay_comm_agree(r->comm, status, r->err));
    while (assay_kern_rung((unsigned)rung) != kern) rung++;
    kern = assay_kern_rung((unsigned)assay_comm_min(r->comm, rung));
    snprintf(r->config.cpu, sizeof r->config.cpu, "%s", assay_kern_name(kern));
    return 0;
}

static int open_evaluator(struct run *r)
{
    ASSAY_TRY(assay_space_open(&r->space, r->config.space, r->err));
    ASSAY_TRY(assay_data_open(&r->data, &r->config.data, r->err));
    ASSAY_TRY(assay_evaluator_create(&r->evaluator, &r->config, &r->space, r->data, r->err));
    r->identity = sweep_identity_text(&r->config, assay_evaluator_schema(r->evaluator),
                                      r->config.cpu, assay_data_digest(r->data));
    assay_data_close(r->data); // the batches are drawn; CIFAR's 150 MB would stay on every rank
    r->data = NULL;
    return r->identity ? 0 : assay_err_set(r->err, ASSAY_ERR_MEMORY, "no memory for a text");
}

// ---- rank 0 -------------------------------------------------------------------------------------
static int open_journal(struct run *r)
{
    const struct assay_schema *schema = assay_evaluator_schema(r->evaluator);
    size_t n_list = 0;
    uint64_t n = 0;

    void *list = sweep_plan_pack(&r->plan, &n_list);
    if (!list) return assay_err_set(r->err, ASSAY_ERR_MEMORY, "no memory for the candidate list");
    const int status = assay_journal_open(&r->journal, r->dir, schema, r->identity, list, n_list,
                                          r->log, &n, r->err);
    free(list);
    ASSAY_TRY(status);
    ASSAY_TRY(sweep_ledger_open(&r->ledger, schema, &r->plan, r->err));
    ASSAY_TRY(sweep_ledger_load(&r->ledger, r->journal, n, r->err));
    const uint64_t again = sweep_ledger_retry(&r->ledger);
    if (again)
        assay_log_line(r->log, ASSAY_LOG_INFO, "%" PRIu64 " failed before and will be tried again",
                       again);
    return 0;
}

static void log_start(const struct run *r)
{
    char memory[64] = "no memory limit";
    const int ranks = assay_comm_size(r->comm);
    const bool works = sweep_desk_works(&r->config, ranks);

    if (r->config.memory)
        snprintf(memory, sizeof memory, "%" PRIu64 " MiB a rank", r->config.memory);
    assay_log_line(r->log, ASSAY_LOG_INFO, "%s: %" PRIu64 " candidates, %" PRIu64 " to evaluate%s",
                   r->config.space, r->plan.n_row, r->plan.n_task,
                   r->config.members ? "" : " (one per class of equal networks)");
    assay_log_line(r->log, ASSAY_LOG_INFO, "%d rank%s on %d host%s%s, %s kernels, %s, into %s",
                   ranks, ranks > 1 ? "s" : "", r->hosts, r->hosts > 1 ? "s" : "",
                   works ? "" : " (rank 0 only coordinates)", r->config.cpu, memory, r->dir);
    if (r->ledger.n_done == r->plan.n_task)
        assay_log_line(r->log, ASSAY_LOG_INFO, "already complete, nothing to evaluate");
    else if (r->ledger.n_done)
        assay_log_line(r->log, ASSAY_LOG_INFO, "resuming: %" PRIu64 " of %" PRIu64 " done",
                       r->ledger.n_done, r->plan.n_task);
}

static int check_memory(struct run *r)
{
    struct sweep_memory most;

    if (!r->config.memory) return 0;
    ASSAY_TRY(sweep_memory_most(&most, r->evaluator, &r->plan, r->err));
    return sweep_memory_check(&most, &r->config, &r->space, r->err);
}

static int open_desk(struct run *r)
{
    ASSAY_TRY(sweep_plan_make(&r->plan, &r->config, &r->space, r->err));
    ASSAY_TRY(check_memory(r));
    ASSAY_TRY(open_journal(r));
    ASSAY_TRY(sweep_config_write(&r->config, r->dir, r->err));
    log_start(r);
    ASSAY_TRY(sweep_publisher_open(&r->publisher, r->dir, &r->config, &r->space, &r->ledger,
                                   r->identity, r->comm, r->err));
    return sweep_desk_open(&r->desk,
                           &(struct sweep_farm){.comm = r->comm,
                                                .config = &r->config,
                                                .log = r->log,
                                                .evaluator = r->evaluator,
                                                .journal = r->journal,
                                                .ledger = &r->ledger,
                                                .publisher = &r->publisher},
                           r->err);
}

// fresh: evaluated by this run, within `seconds`.
static void log_end(const struct run *r, int end, uint64_t fresh, double seconds)
{
    const uint64_t done = r->ledger.n_done, total = r->plan.n_task;

    if (fresh)
        assay_log_line(r->log, ASSAY_LOG_INFO,
                       "evaluated %" PRIu64 " in %.3g s (%.3g/s), results in %s/results.h5", fresh,
                       seconds, (double)fresh / seconds, r->dir);
    if (end == SWEEP_STOPPED)
        assay_log_line(r->log, ASSAY_LOG_WARN,
                       "stopped by %s: %" PRIu64 " of %" PRIu64
                       " done and safe in %s; the same command resumes",
                       sweep_desk_why(r->desk), done, total, r->dir);
    else
        assay_log_line(r->log, ASSAY_LOG_INFO, "complete: %" PRIu64 " done, %" PRIu64 " failed",
                       done, r->ledger.n_failed);
}

// Returns an exit code, or an error.
static int coordinate(struct run *r)
{
    const double start = assay_clock_wall();
    const uint64_t known = r->ledger.n_done;
    const int end = sweep_desk_run(r->desk);
    const double seconds = assay_clock_wall() - start;

    if (end < 0) return end;
    ASSAY_TRY(assay_journal_sync(r->journal, r->err));
    ASSAY_TRY(sweep_publish(&r->publisher, r->err));
    log_end(r, end, r->ledger.n_done - known, seconds);
    if (end == SWEEP_STOPPED) return ASSAY_EXIT_STOPPED;
    return r->ledger.n_failed ? ASSAY_EXIT_FAILED_CANDIDATES : ASSAY_EXIT_COMPLETE;
}

// ---- together -----------------------------------------------------------------------------------
static int open_run(struct run *r)
{
    const bool first = assay_comm_rank(r->comm) == 0;

    r->hosts = assay_comm_hosts(r->comm);
    ASSAY_TRY(agree_on_rung(r));
    ASSAY_TRY(assay_comm_agree(r->comm, open_evaluator(r), r->err));
    const int opened =
        first ? open_desk(r) : sweep_worker_open(&r->worker, r->comm, r->evaluator, r->err);
    ASSAY_TRY(assay_comm_agree(r->comm, opened, r->err));
    return assay_comm_agree(r->comm, sweep_hello(r->comm, r->identity, r->log, r->err), r->err);
}

static int run(struct run *r, int *exit_code)
{
    ASSAY_TRY(open_run(r));
    const int status = r->desk ? coordinate(r) : sweep_worker_run(r->worker);
    if (status == ASSAY_ERR_MPI) {
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
    sweep_publisher_close(&r->publisher);
    sweep_ledger_free(&r->ledger);
    assay_journal_close(r->journal);
    sweep_plan_free(&r->plan);
    free(r->identity);
    assay_evaluator_destroy(r->evaluator);
    assay_data_close(r->data);
    assay_space_close(&r->space);
}

int assay_sweep_run(const struct assay_config *config, const char *dir, struct assay_comm *comm,
                    const struct assay_log *log, int *exit_code, struct assay_err *err)
{
    struct assay_err text = {0};
    struct run r = {.config = *config,
                    .dir = dir,
                    .comm = comm,
                    .log = assay_comm_rank(comm) ? NULL : log,
                    .err = err ? err : &text};

    sweep_signals_catch();
    assay_la_single_thread();
    *exit_code = ASSAY_EXIT_ERROR;
    const int status = run(&r, exit_code);
    close_run(&r);
    return status;
}
