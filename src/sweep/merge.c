// SPDX-License-Identifier: Apache-2.0
// The shards of a sweep become one run directory.
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct merge {
    struct sweep_archive whole; // of all shards; its ledger has what is known so far
    const char *dir;            // where it goes
    const char **origin;        // (n_task) the directory that each record comes from
    uint64_t *spectrum;         // (n_task) hash of its spectrum, which stays there
    uint64_t n_shard;           // 0: no directory so far is a shard
    const char **shard;         // (n_shard + 1) the directory of each, NULL: none has been given
    void *packed;               // a record
    bool has_config;
    struct assay_config config; // of the first directory
    const struct assay_vocabulary *vocabulary;
    const struct assay_log *log;
    struct assay_err *err;
};

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory to merge");
}

// ---- whether it belongs -------------------------------------------------------------------------
static int check_identity(const struct merge *m, const struct sweep_archive *a, const char *from,
                          const char *first)
{
    char diff[500], *mine = strdup(a->identity);

    if (!mine) return no_memory(m->err);
    sweep_shard_strip(mine);
    const bool same = strcmp(mine, m->whole.identity) == 0;
    assay_diff_lines(m->whole.identity, mine, diff, sizeof diff);
    free(mine);
    if (!same) {
        assay_err_set(m->err, ASSAY_ERR_STATE,
                      "%.200s belongs to another configuration than %.200s (- that, + this):", from,
                      first);
        assay_err_lines(m->err, diff);
        return ASSAY_ERR_STATE;
    }
    if (a->n_list != m->whole.n_list || memcmp(a->list, m->whole.list, a->n_list) != 0)
        return assay_err_set(m->err, ASSAY_ERR_STATE,
                             "%.200s belongs to another list of candidates than %.200s", from,
                             first);
    return 0;
}

static int note_shard(struct merge *m, const struct sweep_archive *a, const char *from)
{
    const struct assay_candidates *given = assay_config_candidates(&a->config);
    struct sweep_shard shard;

    ASSAY_TRY(sweep_shard_parse(&shard, given->shard, m->err));
    if (!shard.n) return 0;
    if (!m->shard) {
        m->shard = calloc(shard.n + 1, sizeof *m->shard);
        if (!m->shard) return no_memory(m->err);
        m->n_shard = shard.n;
    }
    if (m->n_shard != shard.n)
        return assay_err_set(m->err, ASSAY_ERR_STATE,
                             "%.200s holds shard %s, the directories before it shards of %" PRIu64
                             ": expected shards of one division",
                             from, given->shard, m->n_shard);
    m->shard[shard.i] = from;
    return 0;
}

// ---- taking records -----------------------------------------------------------------------------
// What two records differ in first, besides who computed them and how long it took. spectrum: they
// do in their spectra.
static bool describe_difference(const struct assay_schema *schema, const struct assay_record *a,
                                const struct assay_record *b, bool spectrum, char *text, size_t cap)
{
    const uint32_t n = schema->repeats * schema->n_column;

    if (a->verdict != b->verdict) {
        snprintf(text, cap, "status %s and %s", assay_verdict_name((enum assay_verdict)a->verdict),
                 assay_verdict_name((enum assay_verdict)b->verdict));
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(&a->value[i], &b->value[i], sizeof *a->value) == 0) continue;
        snprintf(text, cap, "%s of repeat %u: %.17g and %.17g",
                 schema->column[i % schema->n_column].name, i / schema->n_column, a->value[i],
                 b->value[i]);
        return true;
    }
    snprintf(text, cap, "%s", spectrum ? "spectrum" : "reason");
    return spectrum || strncmp(a->reason, b->reason, ASSAY_REASON_MAX) != 0;
}

static int check_same(const struct merge *m, uint64_t task, const struct assay_record *record,
                      uint64_t spectrum, const char *from)
{
    const struct sweep_archive *w = &m->whole;
    const bool other = spectrum != m->spectrum[task];
    char what[200], arch[ASSAY_ARCH_MAX] = "";

    if (record->verdict == ASSAY_VERDICT_FAILED) return 0;
    if (!describe_difference(&w->schema, &w->ledger.record[task], record, other, what, sizeof what))
        return 0;
    assay_space_format(&w->space, record->index, arch, sizeof arch);
    return assay_err_set(m->err, ASSAY_ERR_STATE,
                         "%.200s and %.200s disagree on candidate %" PRIu64 " %.200s: %s",
                         m->origin[task], from, record->index, arch, what);
}

// The spectrum stands at the end of a packed record.
static uint64_t spectrum_hash(const struct merge *m, const struct assay_schema *s)
{
    const size_t bytes = sizeof(double) * s->repeats * s->spectrum_len;

    return assay_hash64((char *)m->packed + assay_record_bytes(s) - bytes, bytes, 0);
}

static int take_record(struct merge *m, const struct sweep_archive *a, uint64_t i, const char *from)
{
    const uint64_t place = a->ledger.place[i];
    uint64_t task;

    ASSAY_TRY(assay_journal_read(a->journal, place, m->packed, m->err));
    const uint64_t spectrum = spectrum_hash(m, &a->schema);
    const int fresh = assay_ledger_enter(&m->whole.ledger, m->packed, place, &task, m->err);
    ASSAY_TRY(fresh);
    if (!fresh) return check_same(m, task, &a->ledger.record[i], spectrum, from);
    m->origin[task] = from;
    m->spectrum[task] = spectrum;
    return 0;
}

static int take_records(struct merge *m, const struct sweep_archive *a, const char *from)
{
    for (uint64_t i = 0; i < a->candidates.n_task; i++)
        if (a->ledger.done[i]) ASSAY_TRY(take_record(m, a, i, from));
    return 0;
}

static int take(struct merge *m, const char *from, const char *first)
{
    struct sweep_archive a = {0};

    int status = sweep_archive_open(&a, m->vocabulary, from, false, m->err);
    if (status >= 0) status = assay_arithmetic_check(a.identity, from, m->err);
    if (status >= 0) status = check_identity(m, &a, from, first);
    if (status >= 0) status = note_shard(m, &a, from);
    if (status >= 0) status = sweep_archive_load(&a, from, m->err);
    if (status >= 0) status = take_records(m, &a, from);
    sweep_archive_close(&a);
    return status;
}

static bool has_journal(const char *dir)
{
    char path[2 * ASSAY_TEXT_MAX];

    snprintf(path, sizeof path, "%s/journal", dir);
    return access(path, F_OK) == 0;
}

static int take_all(struct merge *m, const char *const *from, size_t n)
{
    struct sweep_archive *w = &m->whole;

    ASSAY_TRY(sweep_archive_open(w, m->vocabulary, from[0], true, m->err));
    ASSAY_TRY(
        assay_ledger_open(&w->ledger, &w->schema, sweep_candidates_tasks(&w->candidates), m->err));
    m->origin = calloc(w->candidates.n_task + 1, sizeof *m->origin);
    m->spectrum = calloc(w->candidates.n_task + 1, sizeof *m->spectrum);
    m->packed = malloc(w->ledger.bytes);
    if (!m->origin || !m->spectrum || !m->packed) return no_memory(m->err);
    for (size_t i = 0; i < n; i++) ASSAY_TRY(take(m, from[i], from[0]));
    return has_journal(m->dir) ? take(m, m->dir, from[0]) : 0;
}

// ---- what is missing ----------------------------------------------------------------------------
static void name_missing(const struct merge *m, const uint64_t *missing)
{
    for (uint64_t i = 1; i <= m->n_shard; i++) {
        if (missing[i] && m->shard[i])
            assay_log_line(m->log, ASSAY_LOG_WARN,
                           "%s: %" PRIu64 " evaluations of shard %" PRIu64 "/%" PRIu64
                           " are not done yet",
                           m->shard[i], missing[i], i, m->n_shard);
        else if (missing[i])
            assay_log_line(m->log, ASSAY_LOG_WARN,
                           "shard %" PRIu64 "/%" PRIu64 " is in none of the directories: %" PRIu64
                           " evaluations",
                           i, m->n_shard, missing[i]);
    }
}

static int check_missing(const struct merge *m, bool partial)
{
    const struct assay_ledger *ledger = &m->whole.ledger;
    const uint64_t left = ledger->task.n - ledger->n_done;

    if (!left) return 0;
    uint64_t *missing = calloc(m->n_shard + 1, sizeof *missing);
    if (!missing) return no_memory(m->err);
    for (uint64_t i = 0; m->n_shard && i < ledger->task.n; i++)
        missing[sweep_shard_of(i, m->n_shard)] += !ledger->done[i];
    name_missing(m, missing);
    free(missing);
    if (partial) return 0;
    return assay_err_set(m->err, ASSAY_ERR_STATE,
                         "%" PRIu64 " of %" PRIu64
                         " evaluations are missing: run the shards to their end, or merge what "
                         "there is with --partial",
                         left, ledger->task.n);
}

// ---- writing ------------------------------------------------------------------------------------
// Appends what comes from one directory and is not held yet.
static int append_from(struct merge *m, const char *from, struct assay_journal *there,
                       const struct assay_ledger *held)
{
    const struct assay_ledger *known = &m->whole.ledger;

    for (uint64_t i = 0; i < known->task.n; i++) {
        const bool better = held->record[i].verdict == ASSAY_VERDICT_FAILED &&
                            known->record[i].verdict != ASSAY_VERDICT_FAILED;
        if (m->origin[i] != from || (held->done[i] && !better)) continue;
        ASSAY_TRY(assay_journal_read(there, known->place[i], m->packed, m->err));
        ASSAY_TRY(assay_journal_append(m->whole.journal, m->packed, 1, m->err));
    }
    return 0;
}

static int append(struct merge *m, const char *const *from, size_t n,
                  const struct assay_ledger *held)
{
    for (size_t i = 0; i < n; i++) {
        struct assay_journal *there;
        uint64_t records;
        ASSAY_TRY(assay_journal_open_read(&there, from[i], &m->whole.schema, &records, m->err));
        const int status = append_from(m, from[i], there, held);
        assay_journal_close(there);
        ASSAY_TRY(status);
    }
    return assay_journal_sync(m->whole.journal, m->err);
}

static int publish(struct merge *m, const struct assay_ledger *held)
{
    const struct sweep_archive *w = &m->whole;
    struct sweep_publisher publisher = {0};
    const struct sweep_records records = sweep_records_of(held, w->journal);

    int status = sweep_publisher_open(&publisher, m->dir, &w->config, &w->space, &w->candidates,
                                      &w->schema, w->identity, NULL, m->err);
    if (status >= 0) status = sweep_publish(&publisher, &records, NULL, m->err);
    sweep_publisher_close(&publisher);
    return status;
}

// Writes the configuration with its circumstances, such as where the data lie, which an identity
// lacks. It stands in results.h5 in any case.
static int read_config(struct merge *m, const char *first)
{
    char path[2 * ASSAY_TEXT_MAX], *text;

    snprintf(path, sizeof path, "%s/config.ini", first);
    if (access(path, F_OK) != 0 && errno == ENOENT) return 0;
    ASSAY_TRY(assay_text_read(&text, path, path, "the configuration of a run", m->err));
    const int status = assay_config_parse(&m->config, m->vocabulary, text, m->err);
    free(text);
    if (status < 0) return assay_err_prefix(m->err, "%s", path);
    struct assay_candidates *c = assay_config_edit(&m->config, &assay_candidates_options);
    *c->shard = '\0';
    m->has_config = true;
    return 0;
}

// What the journal that is written holds.
static int hold(struct merge *m, struct assay_ledger *held)
{
    const struct sweep_archive *w = &m->whole;

    assay_ledger_free(held);
    ASSAY_TRY(assay_ledger_open(held, &w->schema, w->ledger.task, m->err));
    return assay_ledger_load(held, w->journal, assay_journal_records(w->journal), false, m->err);
}

// The directory is locked as long as its journal is open.
static int write_run(struct merge *m, const char *const *from, size_t n)
{
    struct sweep_archive *w = &m->whole;
    struct assay_ledger held = {0};
    uint64_t records;

    ASSAY_TRY(assay_journal_open(&w->journal, m->dir, &w->schema, w->identity, w->list, w->n_list,
                                 m->log, &records, m->err));
    int status = hold(m, &held);
    if (status >= 0) status = append(m, from, n, &held);
    if (status >= 0 && m->has_config) status = assay_config_write(&m->config, m->dir, m->err);
    if (status >= 0) status = hold(m, &held);
    if (status >= 0) status = publish(m, &held);
    assay_ledger_free(&held);
    return status;
}

static int merge(struct merge *m, const char *const *from, size_t n, bool partial, int *exit_code)
{
    const struct assay_ledger *known = &m->whole.ledger;

    ASSAY_TRY(take_all(m, from, n));
    ASSAY_TRY(check_missing(m, partial));
    ASSAY_TRY(read_config(m, from[0]));
    ASSAY_TRY(write_run(m, from, n));
    assay_log_line(m->log, ASSAY_LOG_INFO,
                   "%s/results.h5: %" PRIu64 " rows, %" PRIu64 " of %" PRIu64
                   " evaluations done, %" PRIu64 " failed, merged from %zu director%s",
                   m->dir, m->whole.candidates.n_row, known->n_done, known->task.n, known->n_failed,
                   n, n > 1 ? "ies" : "y");
    *exit_code = known->n_failed ? ASSAY_EXIT_FAILED_CANDIDATES : ASSAY_EXIT_COMPLETE;
    if (known->n_done < known->task.n) *exit_code = ASSAY_EXIT_STOPPED;
    return 0;
}

int assay_sweep_merge(const struct assay_vocabulary *vocabulary, const char *const *from, size_t n,
                      const char *dir, bool partial, const struct assay_log *log, int *exit_code,
                      struct assay_err *err)
{
    struct merge m = {.vocabulary = vocabulary, .dir = dir, .log = log, .err = err};

    const int status = merge(&m, from, n, partial, exit_code);
    sweep_archive_close(&m.whole);
    free(m.origin);
    free(m.spectrum);
    free(m.shard);
    free(m.packed);
    return status;
}
