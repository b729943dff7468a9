// SPDX-License-Identifier: Apache-2.0
// The scores that papers have named: sums against ones that were computed elsewhere, votes against
// their definition.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "assay/data.h"
#include "assay/score.h"
#include "scratch.h"

// ---- reference values ---------------------------------------------------------------------------
enum { COLUMNS_MOST = 16, ROWS_MOST = 1000 };

struct reference {
    struct assay_arrays column, expect;
    struct assay_score_column of[COLUMNS_MOST];
    struct assay_score_rows rows;
};

static void read_group(const char *group, struct assay_arrays *arrays)
{
    char where[ASSAY_TEXT_MAX];
    struct assay_err err = {0};
    snprintf(where, sizeof where, "%s/golden-metrics/aggregate_ranks.h5:/%s", reference_data(),
             group);
    if (assay_arrays_read(arrays, where, &err) < 0) fail_msg("%s", err.text);
}

static int open_reference(void **state)
{
    static struct reference r;
    if (!reference_data()) return 0;
    read_group("columns", &r.column);
    read_group("expect", &r.expect);
    assert_in_range(r.column.n, 1, COLUMNS_MOST);
    for (size_t i = 0; i < r.column.n; i++) {
        const char *name = assay_alias_column(r.column.item[i].name);
        r.of[i] = (struct assay_score_column){.name = name,
                                              .direction = strcmp(name, "kappa") == 0 ? -1 : 1,
                                              .value = r.column.item[i].value};
    }
    r.rows = (struct assay_score_rows){
        .n = r.column.item[0].size, .column = r.of, .n_column = (uint32_t)r.column.n};
    assert_in_range(r.rows.n, 1, ROWS_MOST);
    *state = &r;
    return 0;
}

static int close_reference(void **state)
{
    struct reference *r = *state;
    if (!r) return 0;
    assay_arrays_free(&r->column);
    assay_arrays_free(&r->expect);
    return 0;
}

static const struct reference *need(void **state)
{
    if (*state) return *state;
    print_message("ASSAY_TEST_DATA is not set: no reference ranks to read\n");
    skip();
    return NULL;
}

static const double *expected(const struct reference *r, const char *name)
{
    for (size_t i = 0; i < r->expect.n; i++)
        if (strcmp(r->expect.item[i].name, name) == 0) return r->expect.item[i].value;
    fail_msg("no reference values %s", name);
    return NULL;
}

static void evaluate(const struct reference *r, const char *text, double *value)
{
    struct assay_score_formula f;
    struct assay_err err = {0};
    if (assay_score_parse(&f, "t", text, &err) < 0) fail_msg("%s", err.text);
    if (assay_score_evaluate(&f, &r->rows, value, NULL, &err) < 0) fail_msg("%s", err.text);
}

// Where a column is -inf the reference still ranks, as the worst; here the row has no score.
static bool is_whole(const struct reference *r, const char *formula, uint64_t row)
{
    for (size_t i = 0; i < r->column.n; i++)
        if (strstr(formula, r->of[i].name) && !isfinite(r->of[i].value[row])) return false;
    return true;
}

static void assert_score(const struct reference *r, const char *name, const char *theirs)
{
    const char *const formula = assay_score_find(name)->formula;
    const double *const expect = expected(r, theirs);
    double value[ROWS_MOST];
    uint64_t whole = 0;
    evaluate(r, formula, value);
    for (uint64_t i = 0; i < r->rows.n; i++) {
        if (!is_whole(r, formula, i)) {
            assert_true(isnan(value[i]));
            continue;
        }
        assert_true(fabs(value[i] - expect[i]) < 1e-12);
        whole++;
    }
    assert_true(whole >= r->rows.n - 2 && whole < r->rows.n);
}

// Theirs count from the smallest value, whichever is better.
static void ranks_are_the_reference_s(void **state)
{
    const struct reference *r = need(state);
    for (size_t c = 0; c < r->column.n; c++) {
        char text[ASSAY_TEXT_MAX], name[300];
        double value[ROWS_MOST];
        snprintf(text, sizeof text, "lnrank(%s)", r->of[c].name);
        snprintf(name, sizeof name, "rank_%s", r->column.item[c].name);
        const double *const theirs = expected(r, name), n = (double)r->rows.n;
        evaluate(r, text, value);
        for (uint64_t i = 0; i < r->rows.n; i++) {
            const double rank = r->of[c].direction < 0 ? n + 1 - theirs[i] : theirs[i];
            if (isfinite(r->of[c].value[i])) assert_true(fabs(n * exp(value[i]) - rank) < 1e-9);
        }
    }
}

// Theirs counts equal rows by the mean of their places and from the worst.
static void rank_sums_are_the_reference_s(void **state)
{
    const struct reference *r = need(state);
    const double *const theirs = expected(r, "tenas_rank_sum"), n = (double)r->rows.n;
    double kappa[ROWS_MOST], regions[ROWS_MOST];
    evaluate(r, "lnrank(kappa)", kappa);
    evaluate(r, "lnrank(regions)", regions);
    for (uint64_t i = 0; i < r->rows.n; i++)
        assert_true(fabs(n * (exp(kappa[i]) + exp(regions[i])) - theirs[i]) < 1e-9);
}

static void aggregates_are_the_reference_s(void **state)
{
    const struct reference *r = need(state);
    assert_score(r, "az", "az_aggregate");
    assert_score(r, "vkdnw_agg", "vkdnw_aggregate");
}

// ---- votes --------------------------------------------------------------------------------------
enum { ROWS = 700, COLUMNS = 3 };

// Small whole numbers, so that many are equal; some are no numbers.
static void fill(uint64_t seed, double value[COLUMNS][ROWS])
{
    struct assay_rng rng;
    assay_rng_init(&rng, seed, 0, "test", "votes");
    for (int c = 0; c < COLUMNS; c++)
        for (int i = 0; i < ROWS; i++)
            value[c][i] = assay_rng_below(&rng, 20) ? (double)assay_rng_below(&rng, 30) : NAN;
}

// Every pair of rows, as zero-cost-nas decides it. The first column is better when smaller.
static double count_outvoted(double value[COLUMNS][ROWS], int columns, int i)
{
    int n = 0;
    for (int c = 0; c < columns; c++)
        if (isnan(value[c][i])) return NAN;
    for (int k = 0; k < ROWS; k++) {
        int votes = 0;
        for (int c = 0; c < columns; c++)
            votes +=
                isnan(value[c][k]) || (c ? value[c][i] > value[c][k] : value[c][i] < value[c][k]);
        n += 2 * votes >= columns;
    }
    return n;
}

static void votes_are_counted_pair_by_pair(void **state)
{
    static const char *const formula[] = {"vote(a)", " vote ( a , b )", "vote(a, b,c)"};
    double value[COLUMNS][ROWS], votes[ROWS];
    uint64_t order[ROWS], rank[ROWS];
    (void)state;
    for (int n = 1; n <= COLUMNS; n++) {
        fill((uint64_t)n, value);
        const struct assay_score_column column[] = {
            {"a", -1, value[0], NULL}, {"b", 1, value[1], NULL}, {"c", 1, value[2], NULL}};
        const struct assay_score_rows rows = {.n = ROWS, .column = column, .n_column = COLUMNS};
        struct assay_score_formula f;
        assert_int_equal(assay_score_parse(&f, "t", formula[n - 1], NULL), 0);
        assert_int_equal(f.direction, 1);
        assert_string_equal(assay_score_unit(&f), "rows outvoted");
        assert_int_equal(
            assay_score_evaluate(&f, &rows, votes, &(struct assay_ranking){order, rank}, NULL), 0);
        for (int i = 0; i < ROWS; i++) {
            const double expect = count_outvoted(value, n, i);
            assert_true(isnan(expect) ? isnan(votes[i]) : votes[i] == expect);
        }
        for (int i = 1; i < ROWS && isfinite(votes[order[i]]); i++) {
            const uint64_t a = order[i - 1], b = order[i];
            assert_true(votes[a] > votes[b] ||
                        (votes[a] == votes[b] && value[0][a] <= value[0][b]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranks_are_the_reference_s, open_reference, close_reference),
        cmocka_unit_test_setup_teardown(rank_sums_are_the_reference_s, open_reference,
                                        close_reference),
        cmocka_unit_test_setup_teardown(aggregates_are_the_reference_s, open_reference,
                                        close_reference),
        cmocka_unit_test(votes_are_counted_pair_by_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
