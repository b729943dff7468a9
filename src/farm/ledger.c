// SPDX-License-Identifier: Apache-2.0
#include "assay/farm.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int assay_ledger_open(struct assay_ledger *ledger, const struct assay_schema *schema,
                      struct assay_tasks task, struct assay_err *err)
{
    const uint64_t n = task.n;
    const size_t width = (size_t)schema->repeats * schema->n_column;

    *ledger =
        (struct assay_ledger){.schema = schema, .task = task, .bytes = assay_record_bytes(schema)};
    ASSAY_TRY(assay_memory_room(n, "candidates",
                                (double)sizeof *ledger->record + 8.0 * (double)width, err));
    ledger->record = calloc(n + 1, sizeof *ledger->record);
    ledger->done = calloc(n + 1, sizeof *ledger->done);
    ledger->place = calloc(n + 1, sizeof *ledger->place);
    ledger->value = calloc((n + 1) * width + 1, sizeof *ledger->value);
    ledger->part = calloc(n + 1, sizeof *ledger->part);
    if (!ledger->part || !ledger->record || !ledger->done || !ledger->place || !ledger->value) {
        assay_ledger_free(ledger);
        return assay_err_set(err, ASSAY_ERR_MEMORY,
                             "no memory for %" PRIu64 " records of %zu bytes", n, ledger->bytes);
    }
    for (uint64_t i = 0; i <= n; i++) ledger->record[i].value = ledger->value + i * width;
    return 0;
}

static int compare(const void *number, const void *task)
{
    uint64_t a, b;

    memcpy(&a, number, sizeof a);
    memcpy(&b, task, sizeof b);
    return (a > b) - (a < b);
}

// The place of the task that has this number, or task.n.
static uint64_t find(const struct assay_tasks *task, uint64_t number)
{
    const char *at = bsearch(&number, task->at, task->n, task->bytes, compare);

    return at ? (uint64_t)(at - task->at) / task->bytes : task->n;
}

static int no_task(uint64_t number, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "a record of candidate %" PRIu64 ", which is none of this run's tasks",
                         number);
}

int assay_ledger_enter(struct assay_ledger *ledger, const void *packed, uint64_t place,
                       uint64_t *task, struct assay_err *err)
{
    const uint64_t number = assay_record_index(packed);
    const uint64_t i = *task = find(&ledger->task, number);

    if (i == ledger->task.n) return no_task(number, err);
    // The first record stands, but a failure gives way to a later try.
    const bool failed = ledger->done[i] && ledger->record[i].verdict == ASSAY_VERDICT_FAILED;
    if (ledger->done[i] && !failed) return 0;
    assay_record_unpack(ledger->schema, packed, &ledger->record[i]);
    ledger->place[i] = place;
    ledger->n_done += !ledger->done[i];
    ledger->n_failed -= failed;
    ledger->done[i] = true;
    ledger->n_failed += ledger->record[i].verdict == ASSAY_VERDICT_FAILED;
    return 1;
}

// The worst verdict stands, with the reason of the first repeat that has it, as in one evaluation.
static void judge(struct assay_record *into, struct assay_ledger_part *part,
                  const struct assay_record *record, uint32_t repeat)
{
    const bool first = !part->n++;

    if (first) into->seconds = 0;
    into->seconds += record->seconds;
    into->rank = record->rank;
    if (!first && (record->verdict < into->verdict ||
                   (record->verdict == into->verdict && repeat > part->worst)))
        return;
    part->worst = repeat;
    into->verdict = record->verdict;
    memcpy(into->reason, record->reason, sizeof into->reason);
}

static void copy_part(double *into, const double *from, uint32_t repeat, uint32_t n)
{
    memcpy(into + (size_t)repeat * n, from + (size_t)repeat * n, n * sizeof *into);
}

// Room for the spectra of a task's repeats, and for that of the record of one, which is not kept.
static double *spectra_of(struct assay_ledger *ledger, uint64_t i)
{
    const struct assay_schema *s = ledger->schema;
    struct assay_ledger_part *part = &ledger->part[i];

    if (!part->spectrum)
        part->spectrum =
            calloc(2 * (size_t)s->repeats * s->spectrum_len + 1, sizeof *part->spectrum);
    return part->spectrum;
}

static void finish_parts(struct assay_ledger *ledger, uint64_t i, void *packed, uint64_t place)
{
    struct assay_ledger_part *part = &ledger->part[i];
    struct assay_record whole = ledger->record[i];

    whole.spectrum = part->spectrum;
    assay_record_pack(ledger->schema, &whole, packed);
    free(part->spectrum);
    *part = (struct assay_ledger_part){.n = 0};
    ledger->done[i] = true;
    ledger->place[i] = place;
    ledger->n_done++;
    ledger->n_failed += whole.verdict == ASSAY_VERDICT_FAILED;
}

int assay_ledger_enter_repeat(struct assay_ledger *ledger, void *packed, uint32_t repeat,
                              uint64_t place, uint64_t *task, struct assay_err *err)
{
    const struct assay_schema *s = ledger->schema;
    struct assay_record one = ledger->record[ledger->task.n]; // the spare one
    const uint64_t number = assay_record_index(packed), i = *task = find(&ledger->task, number);

    if (i == ledger->task.n) return no_task(number, err);
    ASSAY_ASSERT(!ledger->done[i] && repeat < s->repeats);
    double *spectra = spectra_of(ledger, i);
    if (!spectra) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a record");
    one.spectrum = spectra + (size_t)s->repeats * s->spectrum_len;
    assay_record_unpack(s, packed, &one);
    ledger->record[i].index = number;
    copy_part(ledger->record[i].value, one.value, repeat, s->n_column);
    copy_part(spectra, one.spectrum, repeat, s->spectrum_len);
    judge(&ledger->record[i], &ledger->part[i], &one, repeat);
    if (ledger->part[i].n < s->repeats) return 0;
    finish_parts(ledger, i, packed, place);
    return 1;
}

int assay_ledger_load(struct assay_ledger *ledger, struct assay_journal *journal, uint64_t n,
                      bool others, struct assay_err *err)
{
    int status = 0;
    uint64_t task;
    void *packed = malloc(ledger->bytes);

    if (!packed) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a record");
    for (uint64_t i = 0; status >= 0 && i < n; i++) {
        status = assay_journal_read(journal, i, packed, err);
        if (status < 0) break;
        const uint64_t number = assay_record_index(packed);
        if (others && find(&ledger->task, number) == ledger->task.n) continue;
        status = assay_ledger_enter(ledger, packed, i, &task, err);
        if (status < 0) assay_err_prefix(err, "%s", assay_journal_path(journal));
    }
    free(packed);
    return status < 0 ? status : 0;
}

int assay_ledger_read(struct assay_ledger *ledger, struct assay_journal **journal,
                      const struct assay_schema *schema, struct assay_tasks task, const char *dir,
                      struct assay_err *err)
{
    uint64_t n = 0;

    *journal = NULL;
    ASSAY_TRY(assay_ledger_open(ledger, schema, task, err));
    ASSAY_TRY(assay_journal_open_read(journal, dir, schema, &n, err));
    const int status = assay_ledger_load(ledger, *journal, n, false, err);
    if (status >= 0) return status;
    assay_journal_close(*journal);
    *journal = NULL;
    return status;
}

uint64_t assay_farm_bytes(const struct assay_schema *schema, uint64_t n)
{
    enum { QUEUE = 32, NUMBER = sizeof(uint64_t) }; // QUEUE: cost and place of an item
    const uint64_t width = (uint64_t)schema->repeats * schema->n_column;

    return n * (sizeof(struct assay_record) + sizeof(bool) + sizeof(struct assay_ledger_part) +
                width * sizeof(double) + QUEUE + 2 * NUMBER);
}

uint64_t assay_ledger_retry(struct assay_ledger *ledger)
{
    const uint64_t n = ledger->n_failed;

    for (uint64_t i = 0; i < ledger->task.n; i++) {
        if (ledger->done[i] && ledger->record[i].verdict == ASSAY_VERDICT_FAILED)
            ledger->done[i] = false;
    }
    ledger->n_done -= n;
    ledger->n_failed = 0;
    return n;
}

void assay_ledger_free(struct assay_ledger *ledger)
{
    for (uint64_t i = 0; ledger->part && i < ledger->task.n; i++) free(ledger->part[i].spectrum);
    free(ledger->record);
    free(ledger->done);
    free(ledger->place);
    free(ledger->value);
    free(ledger->part);
    *ledger = (struct assay_ledger){0};
}
