// SPDX-License-Identifier: Apache-2.0
#include "results.h"

#include "assay/metric.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// ---- the file -----------------------------------------------------------------------------------
static bool exists(const char *dir, const char *file)
{
    char path[2 * ASSAY_TEXT_MAX];
    struct stat st;
    const int n = snprintf(path, sizeof path, "%s/%s", dir, file);
    return n >= 0 && (size_t)n < sizeof path && stat(path, &st) == 0;
}

static int refuse_directory(const char *dir, struct assay_err *err)
{
    if (exists(dir, "search.h5"))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%.400s holds a search, which `assay report` shows; expected "
                             "results.h5 of a sweep",
                             dir);
    if (exists(dir, "journal"))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%.400s has no results.h5 yet; `assay pack %.400s` makes it from the "
                             "journal",
                             dir, dir);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%.400s is no run directory: it has neither results.h5 nor a journal",
                         dir);
}

int results_path(char *path, size_t cap, const char *name, bool searches, struct assay_err *err)
{
    struct stat st;
    const char *file = "/results.h5";
    if (stat(name, &st) || !S_ISDIR(st.st_mode))
        file = "";
    else if (!exists(name, "results.h5")) {
        if (!searches || !exists(name, "search.h5")) return refuse_directory(name, err);
        file = "/search.h5";
    }
    if ((size_t)snprintf(path, cap, "%s%s", name, file) < cap) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "the path %.200s... is too long", name);
}

int results_read(struct assay_table **out, const char *name, struct assay_err *err)
{
    char path[2 * ASSAY_TEXT_MAX];
    ASSAY_TRY(results_path(path, sizeof path, name, false, err));
    return assay_table_read(out, path, err);
}

int results_open_space(struct assay_space *space, const struct assay_table *table,
                       struct assay_err *err)
{
    const char *name = table->space ? table->space : "nas-bench-201";
    const struct assay_space_kind *kind = assay_space_find(name);
    return kind && kind->given ? assay_space_open_names(space, table->arch, table->n_row, err)
                               : assay_space_open(space, name, err);
}

int results_renumber(struct assay_table *table, const struct assay_space *space, const char *file,
                     struct assay_err *err)
{
    const bool other = space->kind->options || space->kind->given;
    for (uint64_t row = 0; other && row < table->n_row; row++)
        if (assay_space_parse(space, table->arch[row], &table->index[row], err) < 0)
            return assay_err_prefix(err, "%s: row %" PRIu64, file, row);
    return ASSAY_OK;
}

// ---- its columns --------------------------------------------------------------------------------
static int find(char *const *name, uint64_t n, const char *wanted, size_t length)
{
    char word[ASSAY_NAME_MAX];
    if (length >= sizeof word) return -1;
    snprintf(word, sizeof word, "%.*s", (int)length, wanted);
    const char *column = assay_alias_column(word);
    for (uint64_t i = 0; i < n; i++)
        if (strcmp(name[i], column) == 0) return (int)i;
    return -1;
}

static int unknown(const char *what, char *const *name, uint64_t n, const char *wanted,
                   size_t length, struct assay_err *err)
{
    char known[768] = "";
    size_t used = 0;
    for (uint64_t i = 0; i < n && used < sizeof(known); i++)
        used +=
            (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", name[i]);
    return assay_err_set(err, ASSAY_ERR_USAGE, "unknown %s '%.*s'; there are: %s", what,
                         (int)(length < 100 ? length : 100), wanted, known);
}

int results_column(const struct assay_table *t, const char *name)
{
    return find(t->name, t->n_column, name, strlen(name));
}

int results_ranking(const struct assay_table *t, const char *name)
{
    return find(t->ranking, t->n_ranking, name, strlen(name));
}

int results_find_ranking(const struct assay_table *t, const char *name, struct assay_err *err)
{
    const int at = results_ranking(t, name);
    if (at >= 0) return at;
    return unknown("ranking", t->ranking, t->n_ranking, name, strlen(name), err);
}

int results_columns(const struct assay_table *t, const char *words, int *list,
                    struct assay_err *err)
{
    int n = 0;
    if (strcmp(words, "all") == 0) {
        for (; n < (int)t->n_column; n++) list[n] = n;
        return n;
    }
    while (n < (int)t->n_column) {
        const size_t length = strcspn(words, ",");
        const int c = find(t->name, t->n_column, words, length);
        if (c < 0) return unknown("column", t->name, t->n_column, words, length, err);
        list[n++] = c;
        if (!words[length]) return n;
        words += length + 1;
    }
    return assay_err_set(err, ASSAY_ERR_USAGE, "--columns names more columns than there are (%u)",
                         (unsigned)t->n_column);
}

// The metric whose column number `at` this is; NULL: no metric's.
static const struct assay_metric *metric_of(const char *name, uint32_t *at)
{
    for (size_t m = 0; assay_metrics[m]; m++)
        for (*at = 0; *at < assay_metrics[m]->n_column; ++*at)
            if (strcmp(assay_metrics[m]->column[*at].name, name) == 0) return assay_metrics[m];
    return NULL;
}

bool results_is_count(const char *name)
{
    uint32_t at;
    const struct assay_metric *metric = metric_of(name, &at);
    return metric && metric->count;
}

double results_released(const char *name)
{
    uint32_t at;
    const struct assay_metric *metric = metric_of(name, &at);
    return metric && at < metric->n_released ? metric->released : NAN;
}

// ---- all that stands in a row -------------------------------------------------------------------
static const char *const beside[] = {[RESULTS_CLASS] = "class",
                                     [RESULTS_STATUS_CODE] = "status_code",
                                     [RESULTS_REASON] = "reason",
                                     [RESULTS_SECONDS] = "seconds"};

static bool has_field(const struct assay_table *t, enum results_what what)
{
    return beside[what] && (what != RESULTS_SECONDS || t->seconds);
}

static int all_fields(const struct assay_table *t, struct results_field *list)
{
    int n = 0;
    for (int c = 0; c < (int)t->n_column; c++) {
        list[n++] = (struct results_field){.what = RESULTS_VALUE, .column = c};
        if (t->error[c]) list[n++] = (struct results_field){.what = RESULTS_STDERR, .column = c};
    }
    for (int i = 0; i < (int)ASSAY_LEN(beside); i++)
        if (has_field(t, i)) list[n++] = (struct results_field){.what = i};
    return n;
}

// The field of that name, which is given by its length.
static bool find_field(const struct assay_table *t, const char *name, size_t length,
                       struct results_field *field)
{
    static const char error[] = "_stderr";
    const size_t end = sizeof error - 1;
    const bool is_error = length > end && memcmp(name + length - end, error, end) == 0;
    for (int i = 0; i < (int)ASSAY_LEN(beside); i++) {
        *field = (struct results_field){.what = i};
        if (has_field(t, i) && strlen(beside[i]) == length && memcmp(beside[i], name, length) == 0)
            return true;
    }
    field->what = is_error ? RESULTS_STDERR : RESULTS_VALUE;
    field->column = find(t->name, t->n_column, name, is_error ? length - end : length);
    return field->column >= 0 && (!is_error || t->error[field->column]);
}

static int count_words(const char *words)
{
    int n = 1;
    for (; *words; words++) n += *words == ',';
    return n;
}

static int named_fields(const struct assay_table *t, const char *words, struct results_field *list,
                        struct assay_err *err)
{
    for (int n = 0;; words++) {
        const size_t length = strcspn(words, ",");
        if (!find_field(t, words, length, &list[n]))
            return unknown("column", t->name, t->n_column, words, length, err);
        n++;
        words += length;
        if (!*words) return n;
    }
}

int results_fields(const struct assay_table *t, const char *words, struct results_field **list,
                   struct assay_err *err)
{
    const bool all = strcmp(words, "all") == 0;
    const size_t most =
        all ? 2 * (size_t)t->n_column + ASSAY_LEN(beside) : (size_t)count_words(words);
    *list = malloc(most * sizeof **list);
    if (!*list) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    const int n = all ? all_fields(t, *list) : named_fields(t, words, *list, err);
    if (n >= 0) return n;
    free(*list);
    *list = NULL;
    return n;
}

void results_field_name(const struct assay_table *t, const struct results_field *f,
                        char name[ASSAY_TEXT_MAX])
{
    const bool column = f->what == RESULTS_VALUE || f->what == RESULTS_STDERR;
    snprintf(name, ASSAY_TEXT_MAX, "%.1000s%s", column ? t->name[f->column] : beside[f->what],
             f->what == RESULTS_STDERR ? "_stderr" : "");
}

void results_add_field(struct text_table *text, const struct assay_table *t,
                       const struct results_field *f, uint64_t row, int digits)
{
    switch (f->what) {
    case RESULTS_VALUE:
        text_table_add_number(text, t->value[f->column][row], digits);
        break;
    case RESULTS_STDERR:
        text_table_add_number(text, t->error[f->column][row], digits);
        break;
    case RESULTS_CLASS:
        text_table_add_count(text, t->class_index[row]);
        break;
    case RESULTS_STATUS_CODE:
        text_table_add_number(text, t->status[row], digits);
        break;
    case RESULTS_REASON:
        text_table_add(text, "%s", t->reason[row]);
        break;
    case RESULTS_SECONDS:
        text_table_add_number(text, t->seconds[row], digits);
        break;
    }
}

const char *results_status_name(int32_t status)
{
    return status < 0 || status > ASSAY_VERDICT_FAILED
               ? "unfinished"
               : assay_verdict_name((enum assay_verdict)status);
}

void results_count(const struct assay_table *t, uint64_t counts[ASSAY_VERDICT_FAILED + 2])
{
    memset(counts, 0, (ASSAY_VERDICT_FAILED + 2) * sizeof(*counts));
    for (uint64_t i = 0; i < t->n_row; i++) {
        const int32_t status = t->status[i];
        counts[status < 0 || status > ASSAY_VERDICT_FAILED ? ASSAY_VERDICT_FAILED + 1 : status]++;
    }
}

void results_print_counts(const struct assay_table *t, FILE *stream)
{
    uint64_t counts[ASSAY_VERDICT_FAILED + 2];
    results_count(t, counts);
    fprintf(stream, "%" PRIu64 " candidates", t->n_row);
    for (int i = 0; i < ASSAY_VERDICT_FAILED + 2; i++)
        if (counts[i] || i == ASSAY_VERDICT_OK)
            fprintf(stream, "%s %" PRIu64 " %s", i ? "," : ":", counts[i],
                    results_status_name(i <= ASSAY_VERDICT_FAILED ? i : -1));
}
