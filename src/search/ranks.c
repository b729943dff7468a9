// SPDX-License-Identifier: Apache-2.0
#include "ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The values of rows that are ok, larger ones better; -inf where a row has none.
struct ranks_column {
    const char *name; // static
    double *value;    // (n_row)
    double *sorted;   // (n_sorted) those that are finite, ascending
    size_t n_sorted;
};
struct search_ranks {
    struct ranks_column column[2 * ASSAY_SCORE_TERMS];
    uint32_t n_column;
    uint64_t n_row; // all rows, as lnrank counts them
};

void search_ranks_free(struct search_ranks *ranks)
{
    if (!ranks) return;
    for (uint32_t i = 0; i < ranks->n_column; i++) {
        free(ranks->column[i].value);
        free(ranks->column[i].sorted);
    }
    free(ranks);
}

// ---- whether the file is of this protocol -------------------------------------------------------
// Copies a protocol's text without repeats and seed, which may differ.
static void strip(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    *out = '\0';
    for (size_t word; *text; text += word + strspn(text + word, " ")) {
        word = strcspn(text, " ");
        if (!strncmp(text, "repeats=", 8) || !strncmp(text, "seed=", 5) || n >= cap) continue;
        n += (size_t)snprintf(out + n, cap - n, "%.*s ", (int)word, text);
    }
}

static int check_protocol(const char *file, const char *column, const char *theirs,
                          const char *ours, struct assay_err *err)
{
    char a[ASSAY_TEXT_MAX], b[ASSAY_TEXT_MAX];
    strip(theirs, a, sizeof a);
    strip(ours, b, sizeof b);
    if (strcmp(a, b) == 0) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s (search.ranks): column %s is of another protocol than this search's, "
                         "which differ in more than repeats and seed: \"%s\" there, \"%s\" here",
                         file, column, theirs, ours);
}

static const char *protocol_of(const struct assay_columns *counted,
                               const struct assay_schema *schema, const char *column)
{
    const uint32_t at = search_column(schema, column);
    if (at < schema->n_column) return schema->protocol[at];
    for (uint32_t i = 0; i < counted->n_column; i++)
        if (strcmp(counted->column[i].name, column) == 0) return counted->protocol[i];
    return "";
}

// ---- reading ------------------------------------------------------------------------------------
static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int fill(struct ranks_column *column, const struct assay_table *table, const double *value,
                int direction, struct assay_err *err)
{
    column->value = malloc((table->n_row + 1) * sizeof *column->value);
    column->sorted = malloc((table->n_row + 1) * sizeof *column->sorted);
    if (!column->value || !column->sorted)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for ranks");
    for (uint64_t i = 0; i < table->n_row; i++) {
        const bool known = table->status[i] == ASSAY_VERDICT_OK && isfinite(value[i]);
        column->value[i] = known ? direction * value[i] : -INFINITY;
        if (known) column->sorted[column->n_sorted++] = direction * value[i];
    }
    qsort(column->sorted, column->n_sorted, sizeof *column->sorted, ascending);
    return 0;
}

static int add(struct search_ranks *ranks, const struct assay_table *table, const char *file,
               const struct assay_column *wanted, const char *protocol, struct assay_err *err)
{
    for (uint32_t i = 0; i < ranks->n_column; i++)
        if (strcmp(ranks->column[i].name, wanted->name) == 0) return 0;
    for (uint32_t i = 0; i < table->n_column; i++) {
        if (strcmp(table->name[i], wanted->name) != 0) continue;
        ASSAY_TRY(check_protocol(file, wanted->name, table->protocol[i], protocol, err));
        struct ranks_column *column = &ranks->column[ranks->n_column++];
        column->name = wanted->name;
        ASSAY_TRY(fill(column, table, table->value[i], wanted->direction, err));
        if (column->n_sorted) return 0;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s (search.ranks): column %s has no value in any of the %llu rows, "
                             "and ranks nothing; expected candidates that are ok",
                             file, wanted->name, (unsigned long long)table->n_row);
    }
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s (search.ranks) has no column %s, by which this search goes", file,
                         wanted->name);
}

static int add_all(struct search_ranks *ranks, const struct search_context *c,
                   const struct assay_table *table, const char *file, const struct search_by *by,
                   struct assay_err *err)
{
    struct assay_columns counted;
    int status = assay_columns_create(&counted, c->config, true, err);
    for (uint32_t i = 0; status >= 0 && i < by->n_column; i++)
        status = add(ranks, table, file, by->column[i],
                     protocol_of(&counted, c->schema, by->column[i]->name), err);
    assay_columns_free(&counted);
    return status;
}

static int check_space(const struct assay_table *table, const char *file, const char *space,
                       struct assay_err *err)
{
    const char *theirs = table->space ? table->space : "nas-bench-201"; // files that name none
    if (strcmp(theirs, space) == 0) return 0;
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "%s (search.ranks) is of space %s, expected a file of %s", file, theirs,
                         space);
}

static int fill_ranks(struct search_ranks *ranks, const struct search_context *c,
                      const struct assay_table *table, struct assay_err *err)
{
    const struct assay_search_spec *s = assay_config_search(c->config);
    struct search_by by, finish = {0};
    ASSAY_TRY(check_space(table, s->ranks, c->space->kind->name, err));
    ASSAY_TRY(search_by_read(&by, c->config, "search.by", s->by, err));
    if (*s->finish) ASSAY_TRY(search_by_read(&finish, c->config, "search.finish", s->finish, err));
    if (!by.sum && !finish.sum)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.ranks = %.200s: search.by = %.100s is one column, which is "
                             "compared as it is; expected a sum of ranks",
                             s->ranks, s->by);
    ranks->n_row = table->n_row;
    if (by.sum) ASSAY_TRY(add_all(ranks, c, table, s->ranks, &by, err));
    return finish.sum ? add_all(ranks, c, table, s->ranks, &finish, err) : 0;
}

static int read_file(struct search_ranks **out, const struct search_context *c,
                     struct assay_err *err)
{
    struct search_ranks *ranks = calloc(1, sizeof *ranks);
    struct assay_table *table;
    if (!ranks) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for ranks");
    *out = ranks;
    ASSAY_TRY(assay_table_read(&table, assay_config_search(c->config)->ranks, err));
    const int status = fill_ranks(ranks, c, table, err);
    assay_table_free(table);
    return status;
}

int search_ranks_open(struct search_ranks **out, const struct search_context *c,
                      struct assay_comm *comm, uint64_t *digest, struct assay_err *err)
{
    int status = 0;
    *digest = 0;
    if (!*assay_config_search(c->config)->ranks) return 0;
    if (assay_comm_rank(comm) == 0) status = read_file(out, c, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    for (uint32_t i = 0; *out && i < (*out)->n_column; i++)
        *digest = assay_hash64((*out)->column[i].value, (*out)->n_row * sizeof(double), *digest);
    return assay_comm_share(comm, 0, digest, sizeof *digest, err);
}

// ---- ranks --------------------------------------------------------------------------------------
static const struct ranks_column *find(const struct search_ranks *ranks, const char *name)
{
    const struct ranks_column *column = ranks->column;
    while (strcmp(column->name, name) != 0) column++;
    return column;
}

// How many sorted values are less than x, or with `equal` not more.
static size_t count_below(const struct ranks_column *column, double x, bool equal)
{
    size_t first = 0, end = column->n_sorted;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        if (column->sorted[middle] < x || (equal && column->sorted[middle] == x))
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

// What a term is for a value that is better when larger: 1 + the number of better rows, or ln(r/M)
// as assay_score_evaluate has it, with this one among the M rows.
static double term_of(const struct search_ranks *ranks, const struct ranks_column *column,
                      bool lnrank, double x)
{
    const size_t most = count_below(column, x, true), least = count_below(column, x, false);
    const double rank = 1 + (double)(column->n_sorted - most),
                 place = rank + (double)(most - least) / 2, rows = (double)ranks->n_row + 1;
    return lnrank ? log((rows + 1 - place) / rows) : rank;
}

// How many rows at least half of the terms hold strictly worse than these values.
static double count_outvoted(const struct search_ranks *ranks, const struct search_by *by,
                             const double *x)
{
    const struct ranks_column *column[ASSAY_SCORE_TERMS];
    double mine[ASSAY_SCORE_TERMS];
    uint64_t n = 0;
    for (uint32_t t = 0; t < by->formula.n_term; t++) {
        column[t] = find(ranks, by->formula.term[t].column);
        mine[t] = x[search_by_column(by, &by->formula.term[t])];
    }
    for (uint64_t row = 0; row < ranks->n_row; row++) {
        uint32_t votes = 0;
        for (uint32_t t = 0; t < by->formula.n_term; t++) votes += column[t]->value[row] < mine[t];
        n += 2 * votes >= by->formula.n_term;
    }
    return (double)n;
}

static double sum_of(const struct search_ranks *ranks, const struct search_by *by, const double *x)
{
    double sum = 0;
    if (by->formula.vote) return count_outvoted(ranks, by, x);
    for (uint32_t t = 0; t < by->formula.n_term; t++) {
        const struct assay_score_term *term = &by->formula.term[t];
        sum += term->weight * term_of(ranks, find(ranks, term->column), term->lnrank,
                                      x[search_by_column(by, term)]);
    }
    return sum;
}

void search_ranks_evaluate(const struct search_ranks *ranks, const struct search_by *by,
                           const double *const *column, size_t n, double *value)
{
    for (size_t i = 0; i < n; i++) {
        double x[ASSAY_SCORE_TERMS];
        bool known = true;
        for (uint32_t k = 0; k < by->n_column; k++) {
            x[k] = by->column[k]->direction * column[k][i];
            known &= isfinite(x[k]);
        }
        value[i] = known ? sum_of(ranks, by, x) : NAN;
    }
}
