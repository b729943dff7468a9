// SPDX-License-Identifier: Apache-2.0
// How far a run is, told by its journal and its lock alone.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
    uint64_t task; // its number
    int32_t verdict;
    uint32_t reason; // its place in the list, from 1; 0: none
};

struct assay_run_watch {
    const struct assay_vocabulary *vocabulary; // borrowed
    const char *dir;                           // borrowed
    struct assay_journal *journal;             // NULL: there is none yet
    char *identity;
    struct assay_config config;
    bool known;
    char why[512];
    uint64_t n_task, n_read; // n_read: records entered
    struct entry *entry;     // (n_entry) sorted, one a task; then those of new records
    size_t n_entry, n_new, cap;
    bool *rank; // (n_rank) whether it evaluated any
    size_t n_rank;
    int ranks;
    double cpu_seconds;
    struct assay_run_reason *reason, *shown; // as they came; the most frequent first
    size_t n_reason, cap_reason;
};

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory to count a journal's records");
}

// ---- what it is to do ---------------------------------------------------------------------------
static bool is_search(const struct assay_run_watch *w)
{
    return strstr(w->identity, "\n[search]\n");
}

static int count_tasks(struct assay_run_watch *w, const void *list, size_t n_list,
                       struct assay_err *err)
{
    struct assay_space space;
    struct sweep_shard shard;
    struct sweep_candidates candidates = {.n_row = 0};
    struct sweep_list parts;

    ASSAY_TRY(assay_config_parse(&w->config, w->vocabulary, w->identity, err));
    if (is_search(w)) return ASSAY_OK;
    ASSAY_TRY(sweep_shard_parse(&shard, assay_config_candidates(&w->config)->shard, err));
    ASSAY_TRY(sweep_list_split(&parts, &w->config, list, n_list, err));
    ASSAY_TRY(sweep_given_space(&w->config, parts.block, parts.n_block, &space, err));
    const int status = sweep_candidates_unpack(&candidates, parts.spans, parts.n_spans,
                                               assay_config_members(&w->config), &space, err);
    if (status >= 0) sweep_candidates_shard(&candidates, shard);
    w->n_task = candidates.n_task;
    sweep_candidates_free(&candidates);
    assay_space_close(&space);
    return status;
}

// Reads the journal's header. A configuration of another version of this program hides the number
// of tasks, and nothing else.
static int read_header(struct assay_run_watch *w, struct assay_err *err)
{
    struct assay_err why = {0};
    void *list = NULL;
    size_t n_list;
    uint64_t n;

    ASSAY_TRY(assay_journal_peek(w->dir, &w->identity, &list, &n_list, err));
    w->known = count_tasks(w, list, n_list, &why) >= 0;
    snprintf(w->why, sizeof w->why, "%.500s", why.text);
    free(list);
    return assay_journal_open_read(&w->journal, w->dir, NULL, &n, err);
}

// ---- what it has done ---------------------------------------------------------------------------
static void *grow(void *block, size_t *cap, size_t n, size_t size)
{
    size_t more = *cap ? *cap : 64;

    if (n <= *cap) return block;
    while (more < n) more *= 2;
    void *larger = realloc(block, more * size);
    if (larger) *cap = more;
    return larger;
}

static int enter_rank(struct assay_run_watch *w, int32_t rank, struct assay_err *err)
{
    enum { RANKS_MOST = 1 << 24 };
    size_t cap = w->n_rank;

    if (rank < 0 || rank >= RANKS_MOST) return ASSAY_OK;
    bool *known = grow(w->rank, &cap, (size_t)rank + 1, sizeof *known);
    if (!known) return no_memory(err);
    memset(known + w->n_rank, 0, cap - w->n_rank);
    w->rank = known;
    w->n_rank = cap;
    w->ranks += !known[rank];
    known[rank] = true;
    return ASSAY_OK;
}

// Sets the place of the record's reason. Of reasons beyond any use none is kept.
static int enter_reason(struct assay_run_watch *w, const struct assay_record *record,
                        uint32_t *place, struct assay_err *err)
{
    enum { REASONS_MOST = 1000 };
    uint32_t i = 0;

    *place = 0;
    if (!*record->reason) return ASSAY_OK;
    while (i < w->n_reason && (w->reason[i].verdict != record->verdict ||
                               strcmp(w->reason[i].text, record->reason) != 0))
        i++;
    if (i == REASONS_MOST) return ASSAY_OK;
    struct assay_run_reason *list = grow(w->reason, &w->cap_reason, i + 1, sizeof *list);
    if (!list) return no_memory(err);
    w->reason = list;
    if (i == w->n_reason) {
        list[w->n_reason++] = (struct assay_run_reason){.verdict = record->verdict};
        memcpy(list[i].text, record->reason, sizeof list[i].text);
    }
    *place = i + 1;
    return ASSAY_OK;
}

static int enter(struct assay_run_watch *w, const void *packed, struct assay_err *err)
{
    struct assay_record record;
    const size_t at = w->n_entry + w->n_new;

    assay_record_head(packed, &record);
    struct entry *entry = grow(w->entry, &w->cap, at + 1, sizeof *entry);
    if (!entry) return no_memory(err);
    w->entry = entry;
    entry[at] = (struct entry){.task = record.index, .verdict = record.verdict};
    ASSAY_TRY(enter_reason(w, &record, &entry[at].reason, err));
    w->n_new++;
    w->cpu_seconds += record.seconds;
    return enter_rank(w, record.rank, err);
}

static int read_records(struct assay_run_watch *w, uint64_t n, struct assay_err *err)
{
    void *packed = malloc(assay_journal_record_bytes(w->journal));
    int status = packed ? ASSAY_OK : no_memory(err);

    for (; status >= 0 && w->n_read < n; w->n_read++) {
        status = assay_journal_read(w->journal, w->n_read, packed, err);
        if (status >= 0) status = enter(w, packed, err);
    }
    free(packed);
    return status;
}

// Of a task's records one that has not failed stands.
static int by_task(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int failed = (x->verdict == ASSAY_VERDICT_FAILED) - (y->verdict == ASSAY_VERDICT_FAILED);

    if (x->task != y->task) return x->task < y->task ? -1 : 1;
    return failed ? failed : (x->verdict > y->verdict) - (x->verdict < y->verdict);
}

static void join_new(struct assay_run_watch *w)
{
    const size_t n = w->n_entry + w->n_new;

    if (!w->n_new) return;
    qsort(w->entry, n, sizeof *w->entry, by_task);
    w->n_entry = w->n_new = 0;
    for (size_t i = 0; i < n; i++)
        if (!w->n_entry || w->entry[w->n_entry - 1].task != w->entry[i].task)
            w->entry[w->n_entry++] = w->entry[i];
}

// ---- looking ------------------------------------------------------------------------------------
static bool file_time(const char *dir, const char *name, double *time)
{
    char path[2 * ASSAY_TEXT_MAX];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/%s", dir, name);

    if (n < 0 || (size_t)n >= sizeof path || stat(path, &st)) return false;
    *time = (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec;
    return true;
}

static int by_count(const void *a, const void *b)
{
    const struct assay_run_reason *x = a, *y = b;

    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return strcmp(x->text, y->text);
}

static int count_reasons(struct assay_run_watch *w, struct assay_run_state *s,
                         struct assay_err *err)
{
    free(w->shown);
    w->shown = malloc((w->n_reason + 1) * sizeof *w->shown);
    if (!w->shown) return no_memory(err);
    for (size_t i = 0; i < w->n_reason; i++) w->reason[i].n = 0;
    for (size_t i = 0; i < w->n_entry; i++)
        if (w->entry[i].reason) w->reason[w->entry[i].reason - 1].n++;
    for (size_t i = 0; i < w->n_reason; i++)
        if (w->reason[i].n) w->shown[s->n_reason++] = w->reason[i];
    qsort(w->shown, s->n_reason, sizeof *w->shown, by_count);
    s->reason = w->shown;
    return ASSAY_OK;
}

static void tell(const struct assay_run_watch *w, struct assay_run_state *s)
{
    s->search = is_search(w);
    s->config = w->known ? &w->config : NULL;
    memcpy(s->why, w->why, sizeof s->why);
    s->n_task = w->n_task;
    s->n_record = w->n_read;
    s->n_done = w->n_entry;
    for (size_t i = 0; i < w->n_entry; i++) s->count[w->entry[i].verdict]++;
    s->cpu_seconds = w->cpu_seconds;
    s->ranks = w->ranks;
    s->result = s->search ? "search.h5" : "results.h5";
    file_time(w->dir, s->result, &s->published);
}

int assay_run_watch_look(struct assay_run_watch *w, struct assay_run_state *state,
                         struct assay_err *err)
{
    uint64_t n;

    *state = (struct assay_run_state){.journal = false};
    ASSAY_TRY(assay_holder_read(&state->holder, w->dir, err));
    // A run has the lock before it makes its journal.
    if (!w->journal && state->holder.lock == ASSAY_LOCK_HELD &&
        !file_time(w->dir, "journal", &state->written))
        return ASSAY_OK;
    if (!w->journal) ASSAY_TRY(read_header(w, err));
    state->journal = true;
    ASSAY_TRY(assay_journal_refresh(w->journal, &n, err));
    ASSAY_TRY(read_records(w, n, err));
    join_new(w);
    tell(w, state);
    if (n) file_time(w->dir, "journal", &state->written);
    return count_reasons(w, state, err);
}

int assay_run_watch_open(struct assay_run_watch **out, const struct assay_vocabulary *vocabulary,
                         const char *dir, struct assay_err *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return no_memory(err);
    (*out)->vocabulary = vocabulary;
    (*out)->dir = dir;
    return ASSAY_OK;
}

void assay_run_watch_close(struct assay_run_watch *w)
{
    if (!w) return;
    assay_journal_close(w->journal);
    free(w->identity);
    free(w->entry);
    free(w->rank);
    free(w->reason);
    free(w->shown);
    free(w);
}
