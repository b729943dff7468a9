// SPDX-License-Identifier: Apache-2.0
#include "join.h"
#include "results.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT64_MAX

// A column of the whole, and where its values come from.
struct column {
    char *name;
    size_t source; // the first that has it
    int at;        // its place there
    bool shared;   // later sources have it, too
};

struct join {
    const struct join_source *source;
    size_t n_source;
    bool all;
    uint64_t n_row, *row; // (n_row, n_source) the row of each source, or NO_ROW
    struct column *column;
    uint32_t n_column;
    struct assay_score *score;
    uint32_t n_score;
    struct assay_arena arena; // all of the above
    FILE *notes;
    struct assay_err *err;
};

static void *take(struct join *j, uint64_t n, size_t size)
{
    size_t bytes;
    void *block =
        __builtin_mul_overflow(n, size, &bytes) ? NULL : assay_arena_zalloc(&j->arena, bytes);
    if (!block) assay_err_set(j->err, ASSAY_ERR_MEMORY, "no memory for the joined table");
    return block;
}

static uint64_t row_of(const struct join *j, uint64_t row, size_t source)
{
    return j->row[row * j->n_source + source];
}

// ---- rows ---------------------------------------------------------------------------------------
static const char *space_of(const struct assay_table *t)
{
    return t->space ? t->space : "nas-bench-201"; // files that name none are of it
}

static int check_spaces(const struct join *j)
{
    const struct join_source *first = &j->source[0];
    for (size_t i = 1; i < j->n_source; i++)
        if (strcmp(space_of(first->table), space_of(j->source[i].table)) != 0)
            return assay_err_set(j->err, ASSAY_ERR_INPUT,
                                 "%s is of %s, %s of %s: expected results of one space",
                                 first->file, space_of(first->table), j->source[i].file,
                                 space_of(j->source[i].table));
    return ASSAY_OK;
}

// The rows of the sources that are the next architecture: at[i] moves over them. Returns how many
// sources have it.
static size_t next_row(const struct join *j, uint64_t *at, uint64_t *row)
{
    uint64_t least = UINT64_MAX;
    size_t present = 0;
    for (size_t i = 0; i < j->n_source; i++) {
        const struct assay_table *t = j->source[i].table;
        if (at[i] < t->n_row && t->index[at[i]] < least) least = t->index[at[i]];
    }
    for (size_t i = 0; i < j->n_source; i++) {
        const struct assay_table *t = j->source[i].table;
        const bool has = at[i] < t->n_row && t->index[at[i]] == least;
        row[i] = has ? at[i]++ : NO_ROW;
        present += has;
    }
    return present;
}

// Spaces with options may number their architectures by them.
static int check_names(const struct join *j, const uint64_t *row)
{
    size_t first = 0;
    while (row[first] == NO_ROW) first++;
    const char *arch = j->source[first].table->arch[row[first]];
    for (size_t i = first + 1; i < j->n_source; i++)
        if (row[i] != NO_ROW && strcmp(arch, j->source[i].table->arch[row[i]]) != 0)
            return assay_err_set(j->err, ASSAY_ERR_INPUT,
                                 "index %" PRIu64 " is %.200s in %s, and %.200s in %s: they number "
                                 "their space differently",
                                 j->source[i].table->index[row[i]], arch, j->source[first].file,
                                 j->source[i].table->arch[row[i]], j->source[i].file);
    return ASSAY_OK;
}

static int join_rows(struct join *j)
{
    uint64_t most = 0, left_out = 0, *at = take(j, j->n_source, sizeof *at);
    for (size_t i = 0; i < j->n_source; i++) most += j->source[i].table->n_row;
    j->row = take(j, most * j->n_source + j->n_source, sizeof *j->row);
    if (!at || !j->row) return ASSAY_ERR_MEMORY;
    for (size_t present; (present = next_row(j, at, j->row + j->n_row * j->n_source));) {
        if (present == j->n_source || j->all)
            ASSAY_TRY(check_names(j, j->row + j->n_row++ * j->n_source));
        else
            left_out++;
    }
    if (!j->n_row)
        return assay_err_set(j->err, ASSAY_ERR_INPUT, "no architecture is in all of the files");
    if (left_out)
        fprintf(j->notes,
                "%" PRIu64 " architectures that not all files have are left out (--all "
                "keeps them)\n",
                left_out);
    return ASSAY_OK;
}

// ---- columns ------------------------------------------------------------------------------------
static const struct column *find_column(const struct join *j, const char *name)
{
    for (uint32_t c = 0; c < j->n_column; c++)
        if (strcmp(j->column[c].name, name) == 0) return &j->column[c];
    return NULL;
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool same_values(const struct join *j, const struct column *a, size_t source, int at)
{
    const struct assay_table *x = j->source[a->source].table, *y = j->source[source].table;
    if (strcmp(x->protocol[a->at], y->protocol[at]) != 0 || !x->error[a->at] != !y->error[at])
        return false;
    for (uint64_t i = 0; i < j->n_row; i++) {
        const uint64_t p = row_of(j, i, a->source), q = row_of(j, i, source);
        if (p == NO_ROW || q == NO_ROW) continue;
        if (!same_number(x->value[a->at][p], y->value[at][q]) ||
            (x->error[a->at] && !same_number(x->error[a->at][p], y->error[at][q])))
            return false;
    }
    return true;
}

// Whether a column of a file is a score that a formula made.
static bool is_score(const struct assay_table *t, int at)
{
    static const char *const unit[] = {"rank sum", "sum of ln(rank/M)", "rows outvoted"};
    if (assay_score_find(t->name[at])) return true;
    for (size_t i = 0; i < ASSAY_LEN(unit); i++)
        if (strcmp(t->unit[at], unit[i]) == 0) return true;
    return false;
}

static int add_column(struct join *j, size_t source, int at)
{
    const char *name = j->source[source].table->name[at];
    struct column *known = (struct column *)find_column(j, name);
    if (known && same_values(j, known, source, at)) {
        known->shared = true;
        return ASSAY_OK;
    }
    const size_t room = strlen(name) + 16;
    struct column *to = &j->column[j->n_column];
    *to = (struct column){.name = take(j, room, 1), .source = source, .at = at};
    if (!to->name) return ASSAY_ERR_MEMORY;
    snprintf(to->name, room, known ? "%s_%zu" : "%s", name, source + 1);
    if (known && find_column(j, to->name))
        return assay_err_set(j->err, ASSAY_ERR_INPUT, "%s: there is a column %.100s already",
                             j->source[source].file, to->name);
    if (known) fprintf(j->notes, "%s differs from an earlier file's, and is %s\n", name, to->name);
    j->n_column++;
    return ASSAY_OK;
}

static int join_columns(struct join *j)
{
    size_t most = 1;
    for (size_t i = 0; i < j->n_source; i++) most += j->source[i].table->n_column;
    j->column = take(j, most, sizeof *j->column);
    if (!j->column) return ASSAY_ERR_MEMORY;
    for (size_t i = 0; i < j->n_source; i++)
        for (int c = 0; c < (int)j->source[i].table->n_column; c++)
            if (!is_score(j->source[i].table, c)) ASSAY_TRY(add_column(j, i, c));
    return ASSAY_OK;
}

// ---- scores -------------------------------------------------------------------------------------
static bool has_score(const struct join *j, const char *name)
{
    for (uint32_t i = 0; i < j->n_score; i++)
        if (strcmp(j->score[i].name, name) == 0) return true;
    return false;
}

// Whether a file's column has another name in the whole.
static bool is_renamed(const struct join *j, size_t source, const char *name)
{
    const int at = results_column(j->source[source].table, name);
    for (uint32_t c = 0; c < j->n_column; c++)
        if (j->column[c].source == source && j->column[c].at == at)
            return strcmp(j->column[c].name, name) != 0;
    return false;
}

// Whether all of its columns are there. Of a file's own formula they must be those of that file;
// SIZE_MAX: of no file.
static bool has_terms(const struct join *j, const struct assay_score *score, size_t source)
{
    struct assay_score_formula f;
    if (assay_score_parse(&f, score->name, score->formula, NULL) < 0) return false;
    for (uint32_t i = 0; i < f.n_term; i++) {
        const char *name = f.term[i].column;
        if (!find_column(j, name) && !has_score(j, name)) return false;
        if (source != SIZE_MAX && is_renamed(j, source, name)) return false;
    }
    return true;
}

static void add_own_score(struct join *j, size_t source, int at)
{
    const struct assay_table *t = j->source[source].table;
    const struct assay_score score = {.name = t->name[at],
                                      .formula = t->protocol[at],
                                      .unit = t->unit[at],
                                      .source = t->source[at],
                                      .protocol = t->protocol[at]};
    if (find_column(j, score.name) || has_score(j, score.name) || !has_terms(j, &score, source))
        assay_print_line(j->notes,
                         "%s: the score %s is left out: its name or a column of it is "
                         "another file's",
                         j->source[source].file, score.name);
    else
        j->score[j->n_score++] = score;
}

static int join_scores(struct join *j)
{
    size_t most = 0;
    for (const struct assay_score *s = assay_scores; s->name; s++) most++;
    for (size_t i = 0; i < j->n_source; i++) most += j->source[i].table->n_column;
    j->score = take(j, most, sizeof *j->score);
    if (!j->score) return ASSAY_ERR_MEMORY;
    for (const struct assay_score *s = assay_scores; s->name; s++)
        if (has_terms(j, s, SIZE_MAX)) j->score[j->n_score++] = *s;
    for (size_t i = 0; i < j->n_source; i++)
        for (int c = 0; c < (int)j->source[i].table->n_column; c++)
            if (is_score(j->source[i].table, c) && !assay_score_find(j->source[i].table->name[c]))
                add_own_score(j, i, c);
    return ASSAY_OK;
}

// ---- the whole ----------------------------------------------------------------------------------
// The value of a column, of the first source that has the row; of a shared one later sources count.
static double value_of(const struct join *j, const struct column *c, uint64_t row, bool error)
{
    for (size_t i = c->source; i < j->n_source; i++) {
        const struct assay_table *t = j->source[i].table;
        const uint64_t at = row_of(j, row, i);
        int column = c->at;
        if (i > c->source) column = is_renamed(j, i, c->name) ? -1 : results_column(t, c->name);
        if (at != NO_ROW && column >= 0) return (error ? t->error : t->value)[column][at];
        if (!c->shared) break;
    }
    return NAN;
}

// The worst verdict of all sources stands, with its reason; one that is unfinished is the worst.
static bool judge(const struct join *j, uint64_t row, struct assay_record *record)
{
    record->rank = -1;
    for (size_t i = 0; i < j->n_source; i++) {
        const struct assay_table *t = j->source[i].table;
        const uint64_t at = row_of(j, row, i);
        if (at == NO_ROW) continue;
        if (t->status[at] < 0) return false;
        record->index = t->class_index[at];
        record->seconds += t->seconds ? t->seconds[at] : NAN;
        if (t->status[at] <= record->verdict) continue;
        record->verdict = t->status[at];
        snprintf(record->reason, sizeof record->reason, "%s", t->reason[at]);
    }
    return true;
}

static int fill_row(struct join *j, uint64_t i, struct assay_row *row, struct assay_record *record)
{
    size_t first = 0;
    double *value = take(j, 2 * (uint64_t)j->n_column + 1, sizeof *value);
    if (!value) return ASSAY_ERR_MEMORY;
    while (row_of(j, i, first) == NO_ROW) first++;
    const struct assay_table *t = j->source[first].table;
    const uint64_t at = row_of(j, i, first);
    for (uint32_t c = 0; c < j->n_column; c++) {
        const struct column *column = &j->column[c];
        const bool error = j->source[column->source].table->error[column->at];
        value[c] = value_of(j, column, i, false);
        value[j->n_column + c] = error ? value_of(j, column, i, true) : NAN;
    }
    *row = (struct assay_row){.index = t->index[at],
                              .class_index = t->class_index[at],
                              .arch = t->arch[at],
                              .record = judge(j, i, record) ? record : NULL,
                              .extra = value,
                              .extra_error = value + j->n_column};
    return ASSAY_OK;
}

static int describe(struct join *j, struct assay_results *out)
{
    struct assay_column *column = take(j, j->n_column + 1, sizeof *column);
    const char **protocol = take(j, j->n_column + 1, sizeof *protocol);
    bool *error = take(j, j->n_column + 1, sizeof *error);
    if (!column || !protocol || !error) return ASSAY_ERR_MEMORY;
    for (uint32_t c = 0; c < j->n_column; c++) {
        const struct assay_table *t = j->source[j->column[c].source].table;
        const int at = j->column[c].at;
        column[c] = (struct assay_column){.name = j->column[c].name,
                                          .unit = t->unit[at],
                                          .source = t->source[at],
                                          .direction = t->direction[at]};
        protocol[c] = t->protocol[at];
        error[c] = t->error[at];
    }
    out->extra_column = column;
    out->extra_protocol = protocol;
    out->extra_error = error;
    out->n_extra = j->n_column;
    return ASSAY_OK;
}

// The configurations of all sources, each under its number.
static int tell_sources(struct join *j, struct assay_results *out)
{
    struct assay_attr *attr = take(j, 2 * j->n_source + 1, sizeof *attr);
    if (!attr) return ASSAY_ERR_MEMORY;
    attr[out->n_attr++] =
        (struct assay_attr){.name = "space", .text = space_of(j->source[0].table)};
    for (size_t i = 0; i < j->n_source; i++) {
        char *name = take(j, 2, 32);
        if (!name) return ASSAY_ERR_MEMORY;
        snprintf(name, 32, "config_%zu", i + 1);
        snprintf(name + 32, 32, "file_%zu", i + 1);
        if (j->source[i].table->config)
            attr[out->n_attr++] =
                (struct assay_attr){.name = name, .text = j->source[i].table->config};
        attr[out->n_attr++] =
            (struct assay_attr){.name = name + 32, .text = j->source[i].file, .run = true};
    }
    out->attr = attr;
    return ASSAY_OK;
}

static int write_joined(struct join *j, const char *dir)
{
    const struct assay_schema schema = {.repeats = 1};
    struct assay_row *row = take(j, j->n_row, sizeof *row);
    struct assay_record *record = take(j, j->n_row, sizeof *record);
    struct assay_results out = {
        .schema = &schema, .score = j->score, .n_score = j->n_score, .row = row, .n_row = j->n_row};
    if (!row || !record) return ASSAY_ERR_MEMORY;
    ASSAY_TRY(describe(j, &out));
    ASSAY_TRY(tell_sources(j, &out));
    for (uint64_t i = 0; i < j->n_row; i++) ASSAY_TRY(fill_row(j, i, &row[i], &record[i]));
    return assay_results_write(dir, &out, j->err);
}

int join_write(const struct join_source *source, size_t n, bool all, const char *dir, FILE *notes,
               struct assay_err *err)
{
    struct join j = {.source = source, .n_source = n, .all = all, .notes = notes, .err = err};
    int status = check_spaces(&j);
    if (status >= 0) status = join_rows(&j);
    if (status >= 0) status = join_columns(&j);
    if (status >= 0) status = join_scores(&j);
    if (status >= 0) status = write_joined(&j, dir);
    assay_arena_finish(&j.arena);
    return status;
}
