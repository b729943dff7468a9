// SPDX-License-Identifier: Apache-2.0
// Which candidates a configuration names: a range, a sample of it, or a file; in the order of the
// space, or of a table.
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct list {
    uint64_t *index, n, cap, other;
};

// Whose numbers candidates go by: the space's, or those of the table candidates.order.
struct source {
    const struct assay_space *space;
    const struct assay_order *order; // or NULL
    const char *name;                // for error texts
};

static int append(struct list *list, uint64_t index, struct assay_err *err)
{
    if (list->n == list->cap) {
        const uint64_t cap = list->cap ? 2 * list->cap : 1024;
        uint64_t *more = realloc(list->index, cap * sizeof *more);
        if (!more)
            return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %" PRIu64 " candidates",
                                 cap);
        list->index = more;
        list->cap = cap;
    }
    list->index[list->n++] = index;
    return 0;
}

static int check_number(const struct assay_config *config, uint64_t n, struct assay_err *err)
{
    if (n <= SWEEP_CANDIDATES_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "%s: %" PRIu64 " candidates are too many to evaluate, expected at most "
                         "%d: choose some with candidates.sample (--sample), candidates.count "
                         "(--count) or candidates.archs (--archs)",
                         assay_config_evaluation(config)->space, n, SWEEP_CANDIDATES_MAX);
}

// ---- a file -------------------------------------------------------------------------------------
// An architecture may have several lines, as in Python: they end where its brackets are closed.
struct entries {
    const char *name; // of the file, for error texts
    char *rest;       // of its text
    char *text;       // an entry, without comments
    size_t n, cap, line, first_line;
};

// Takes off the comment and the white space before it; false: nothing is left.
static bool strip(char *line)
{
    size_t n = strcspn(line, "#");
    while (n && strchr(" \t", line[n - 1])) n--;
    line[n] = '\0';
    return n > 0;
}

static int add_line(struct entries *e, const char *line, struct assay_err *err)
{
    const size_t n = strlen(line);
    if (e->n + n + 2 > e->cap) {
        const size_t cap = 2 * (e->n + n + 2);
        char *more = realloc(e->text, cap);
        if (!more) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %zu bytes", cap);
        e->text = more;
        e->cap = cap;
    }
    if (e->n) e->text[e->n++] = '\n';
    memcpy(e->text + e->n, line, n + 1);
    e->n += n;
    return 0;
}

// Whether a bracket outside of quotes is not closed yet.
static bool is_open(const char *text)
{
    int depth = 0;
    for (; *text; text++) {
        const char *end = strchr("'\"", *text) ? strchr(text + 1, *text) : NULL;
        if (end) text = end;
        if (strchr("([{", *text)) depth++;
        if (strchr(")]}", *text)) depth--;
    }
    return depth > 0;
}

// Reads the next entry; returns 1, or 0 when there is none.
static int next_entry(struct entries *e, struct assay_err *err)
{
    e->n = 0;
    for (char *line; (line = assay_text_line(&e->rest)) != NULL;) {
        e->line++;
        if (!strip(line) && !e->n) continue;
        if (!e->n) e->first_line = e->line;
        ASSAY_TRY(add_line(e, line, err));
        if (!is_open(e->text) || e->n > ASSAY_ARCH_TEXT_MAX) return 1;
    }
    return e->n > 0;
}

// A number is the space's own, or the table's.
static int parse_entry(const struct source *source, const char *text, uint64_t *index, bool *other,
                       struct assay_err *err)
{
    const uint64_t size = assay_space_size(source->space);
    const struct assay_order_row *row;
    const char *word = text + strspn(text, " \t");
    if (!assay_space_is_index(source->space, word))
        return assay_space_read(source->space, text, index, other, err);
    *other = false;
    errno = 0;
    *index = strtoull(word, NULL, 10);
    if (errno || (!source->order && *index >= size))
        return assay_err_set(err, ASSAY_ERR_INPUT, "index %.40s, expected 0 to %" PRIu64, word,
                             source->order ? UINT64_MAX : size - 1);
    if (!source->order) return 0;
    ASSAY_TRY(assay_order_number(source->order, *index, &row, err));
    *index = row->index;
    return 0;
}

static int read_entries(struct list *list, struct entries *e, const struct source *source,
                        struct assay_err *err)
{
    int more;
    while ((more = next_entry(e, err)) > 0) {
        uint64_t index;
        bool other;
        if (parse_entry(source, e->text, &index, &other, err) < 0)
            return assay_err_prefix(err, "%s:%zu", e->name, e->first_line);
        list->other += other;
        ASSAY_TRY(append(list, index, err));
    }
    return more;
}

// Whether a text's first line is the header of a table with that column.
static bool has_column(const char *text, const char *key)
{
    const size_t line = strcspn(text, "\r\n"), n = strlen(key);
    for (size_t i = 0; i < line; i += strcspn(text + i, ",\r\n") + 1) {
        const size_t cell = strcspn(text + i, ",\r\n");
        const bool quoted = cell == n + 2 && text[i] == '"' && text[i + n + 1] == '"';
        if ((cell == n || quoted) && memcmp(text + i + quoted, key, n) == 0) return true;
    }
    return false;
}

// Whether a text's first line is words with commas between, which no architecture is.
static bool is_header(const char *text)
{
    static const char words[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./% \t\",";
    const size_t line = strcspn(text, "\r\n"), first = strcspn(text, ",\r\n") + 1;
    const bool more = first < line && strspn(text + first, " \t") < line - first;
    return more && strspn(text, words) >= line;
}

static int read_table(struct list *list, const struct assay_csv *csv, const char *key,
                      const struct source *source, struct assay_err *err)
{
    size_t column;
    ASSAY_TRY(assay_csv_column(csv, key, "--key", &column, err));
    for (size_t i = 0; i < csv->n_row; i++) {
        uint64_t index;
        bool other;
        if (parse_entry(source, assay_csv_cell(csv, i, column), &index, &other, err) < 0)
            return assay_err_prefix(err, "%s:%zu", csv->file, csv->line[i + 1]);
        list->other += other;
        ASSAY_TRY(append(list, index, err));
    }
    return ASSAY_OK;
}

static int from_table(struct list *list, const struct assay_candidates *given,
                      const struct source *source, struct assay_err *err)
{
    struct assay_csv csv;
    ASSAY_TRY(assay_csv_read(&csv, given->archs, err));
    const int status = read_table(list, &csv, given->key, source, err);
    assay_csv_free(&csv);
    return status;
}

static int from_file(struct list *list, const struct assay_config *config,
                     const struct source *source, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);
    char *text, who[ASSAY_TEXT_MAX + 32];

    snprintf(who, sizeof who, "candidates.archs = %.400s", given->archs);
    ASSAY_TRY(assay_text_read(&text, given->archs, who, "one architecture per line", err));
    struct entries e = {.name = given->archs, .rest = text};
    // Who names a column that --order has not means one of this file.
    const bool named = !source->order && strcmp(given->key, "arch") != 0;
    const bool table = named || has_column(text, given->key) || is_header(text);
    const int status =
        table ? from_table(list, given, source, err) : read_entries(list, &e, source, err);
    free(e.text);
    free(text);
    ASSAY_TRY(status);
    if (!list->n)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: no architecture in the file, expected one per line", who);
    return check_number(config, list->n, err);
}

// ---- a range, or a sample of it -----------------------------------------------------------------
// Adds x to the set (open addressing, x + 1 is stored, mask + 1 slots); false: it was there
// already.
static bool add_to_set(uint64_t *slot, uint64_t mask, uint64_t x)
{
    uint64_t i = assay_hash64(&x, sizeof x, 0) & mask;

    while (slot[i] && slot[i] != x + 1) i = (i + 1) & mask;
    const bool fresh = !slot[i];
    slot[i] = x + 1;
    return fresh;
}

// n of `count` without replacement, uniform over the subsets (R. Floyd, CACM 30(9), 1987).
static int sample(struct list *list, const struct assay_config *config, uint64_t first,
                  uint64_t count, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);
    struct assay_rng rng;
    uint64_t mask = 15;
    int status = 0;

    while (mask < 2 * given->sample) mask = 2 * mask + 1;
    uint64_t *slot = calloc(mask + 1, sizeof *slot);
    if (!slot)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a sample of %" PRIu64,
                             given->sample);
    assay_rng_init(&rng, given->seed, 0, "candidates", assay_config_evaluation(config)->space);
    for (uint64_t i = count - given->sample; !status && i < count; i++) {
        const uint64_t x = assay_rng_below(&rng, i + 1);
        const bool fresh = add_to_set(slot, mask, x);
        if (!fresh) add_to_set(slot, mask, i);
        status = append(list, first + (fresh ? x : i), err);
    }
    free(slot);
    return status;
}

// How many candidates there are to choose from: those of the space, or a table's rows in the order
// of their numbers.
static uint64_t source_size(const struct source *source)
{
    return source->order ? source->order->n : assay_space_size(source->space);
}

static uint64_t source_last(const struct source *source)
{
    const uint64_t last = source_size(source) - 1;
    return source->order ? source->order->row[last].number : last;
}

// The place of candidates.first, which a table must list unless it is 0.
static int find_first(const struct assay_config *config, const struct source *source,
                      uint64_t *first, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);
    const struct assay_order_row *row;
    *first = given->first;
    if (given->first > source_last(source))
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.first = %" PRIu64 ": %s has the candidates %" PRIu64
                             " to %" PRIu64,
                             given->first, source->name,
                             source->order ? source->order->row[0].number : 0, source_last(source));
    if (!source->order || !given->first) return 0;
    if (assay_order_number(source->order, given->first, &row, err) < 0)
        return assay_err_prefix(err, "candidates.first");
    *first = (uint64_t)(row - source->order->row);
    return 0;
}

// How many candidates there are from there on.
static int find_count(const struct assay_config *config, const struct source *source,
                      uint64_t first, uint64_t *count, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);
    const uint64_t rest = source_size(source) - first;
    *count = given->count ? given->count : rest;
    if (*count > rest)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.count = %" PRIu64 ": %s has %" PRIu64
                             " candidates from %" PRIu64 " on",
                             given->count, source->name, rest, given->first);
    if (given->sample > *count)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.sample = %" PRIu64 ": there are %" PRIu64
                             " candidates to choose from",
                             given->sample, *count);
    return 0;
}

static int from_range(struct list *list, const struct assay_config *config,
                      const struct source *source, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);
    uint64_t first = 0, count = 0;

    ASSAY_TRY(find_first(config, source, &first, err));
    ASSAY_TRY(find_count(config, source, first, &count, err));
    ASSAY_TRY(check_number(config, given->sample ? given->sample : count, err));
    if (given->sample)
        ASSAY_TRY(sample(list, config, first, count, err));
    else
        for (uint64_t i = 0; i < count; i++) ASSAY_TRY(append(list, first + i, err));
    for (uint64_t i = 0; source->order && i < list->n; i++)
        list->index[i] = source->order->row[list->index[i]].index;
    return 0;
}

// ---- all of them --------------------------------------------------------------------------------
static int list_candidates(struct list *list, const struct assay_config *config,
                           const struct assay_space *space, struct assay_err *err)
{
    const struct assay_candidates *given = assay_config_candidates(config);
    struct assay_order order = {0};
    struct source source = {.space = space, .name = assay_config_evaluation(config)->space};
    if (*given->order) {
        ASSAY_TRY(assay_order_read(&order, space, given->order, given->key, err));
        source.order = &order;
        source.name = given->order;
    }
    // Of networks that are given the file is the space itself.
    const int status = *given->archs && !space->kind->given
                           ? from_file(list, config, &source, err)
                           : from_range(list, config, &source, err);
    assay_order_free(&order);
    return status;
}

int sweep_candidates_make(struct sweep_candidates *candidates, const struct assay_config *config,
                          const struct assay_space *space, struct assay_err *err)
{
    struct list list = {0};
    int status = list_candidates(&list, config, space, err);

    if (status) {
        free(list.index);
        return status;
    }
    status = sweep_candidates_fill(candidates, list.index, list.n, assay_config_members(config),
                                   space, err);
    if (status >= 0) candidates->other = list.other;
    return status;
}

bool sweep_candidates_warning(const struct sweep_candidates *candidates, char *text, size_t cap)
{
    snprintf(text, cap,
             "%" PRIu64 " of the architectures given are other encodings than the benchmark's, "
             "whose networks stand for them",
             candidates->other);
    return candidates->other > 0;
}
