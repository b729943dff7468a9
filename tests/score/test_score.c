// SPDX-License-Identifier: Apache-2.0
// Ranks and formulas against their definitions, counted row by row.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/score.h"

#define UNUSED __attribute__((unused))

enum { ROWS = 60, COLUMNS = 4 };

// Small whole numbers, so that many are equal; some are no numbers, some rows are not ok.
struct fixture {
    double value[COLUMNS][ROWS];
    bool ok[ROWS];
    struct assay_score_column column[COLUMNS];
    struct assay_score_rows rows;
};

static void fill(struct fixture *f, uint64_t seed)
{
    static const char *const name[COLUMNS] = {"kappa", "regions", "params", "entropy"};
    static const int direction[COLUMNS] = {-1, 1, 1, 0};
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    struct assay_rng rng;
    assay_rng_init(&rng, seed, 0, "test", "score");
    for (int i = 0; i < ROWS; i++) {
        f->ok[i] = assay_rng_below(&rng, 8) > 0;
        for (int c = 0; c < COLUMNS; c++) {
            f->value[c][i] = (double)assay_rng_below(&rng, 12) - 3;
            if (assay_rng_below(&rng, 10) == 0) f->value[c][i] = odd[assay_rng_below(&rng, 3)];
        }
    }
    for (int c = 0; c < COLUMNS; c++)
        f->column[c] = (struct assay_score_column){
            .name = name[c], .direction = direction[c], .value = f->value[c]};
    f->rows =
        (struct assay_score_rows){.n = ROWS, .ok = f->ok, .column = f->column, .n_column = COLUMNS};
}

// ---- the definitions ----------------------------------------------------------------------------
static bool valid(const struct fixture *f, int c, int i)
{
    return f->ok[i] && isfinite(f->value[c][i]);
}

static bool is_better(const struct fixture *f, int c, int i, int than)
{
    if (valid(f, c, i) != valid(f, c, than)) return valid(f, c, i);
    return valid(f, c, i) && f->column[c].direction * (f->value[c][i] - f->value[c][than]) > 0;
}

static int count_better(const struct fixture *f, int c, int i)
{
    int n = 0;
    for (int k = 0; k < ROWS; k++) n += is_better(f, c, k, i);
    return n;
}

static int count_worse(const struct fixture *f, int c, int i)
{
    int n = 0;
    for (int k = 0; k < ROWS; k++) n += is_better(f, c, i, k);
    return n;
}

static double ln_rank(const struct fixture *f, int c, int i)
{
    const int worse = count_worse(f, c, i), equal = ROWS - worse - count_better(f, c, i);
    return log((worse + (equal + 1) / 2.0) / ROWS);
}

// ---- ranks --------------------------------------------------------------------------------------
static void a_rank_is_one_more_than_the_better_rows(UNUSED void **state)
{
    struct fixture f;
    uint64_t order[ROWS], rank[ROWS];
    const struct assay_ranking ranking = {order, rank};
    for (uint64_t seed = 0; seed < 20; seed++) {
        fill(&f, seed);
        for (int c = 0; c < COLUMNS - 1; c++) {
            assert_true(assay_score_rank(&f.rows, f.value[c], f.column[c].direction, &ranking));
            for (int i = 0; i < ROWS; i++) assert_int_equal(rank[i], 1 + count_better(&f, c, i));
            for (int i = 1; i < ROWS; i++) {
                assert_true(rank[order[i - 1]] <= rank[order[i]]);
                if (rank[order[i - 1]] == rank[order[i]]) assert_true(order[i - 1] < order[i]);
            }
        }
    }
}

static void no_rows_have_no_ranks(UNUSED void **state)
{
    struct assay_score_formula formula;
    struct fixture f;
    fill(&f, 0);
    f.rows.n = 0;
    assert_true(assay_score_rank(&f.rows, NULL, 1, &(struct assay_ranking){NULL, NULL}));
    assert_int_equal(assay_score_parse(&formula, "t", "lnrank(kappa)", NULL), 0);
    assert_int_equal(assay_score_evaluate(&formula, &f.rows, NULL, NULL, NULL), 0);
}

// ---- sums ---------------------------------------------------------------------------------------
static void evaluate(const struct fixture *f, const char *text, double value[ROWS],
                     const struct assay_ranking *ranking, int direction)
{
    struct assay_score_formula formula;
    struct assay_err err = {0};
    if (assay_score_parse(&formula, "t", text, &err) < 0) fail_msg("%s", err.text);
    assert_int_equal(formula.direction, direction);
    if (assay_score_evaluate(&formula, &f->rows, value, ranking, &err) < 0)
        fail_msg("%s", err.text);
}

static void assert_sum(const struct fixture *f, const char *text, const double weight[3], bool ln)
{
    double value[ROWS];
    evaluate(f, text, value, NULL, ln ? 1 : -1);
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        bool whole = true;
        for (int c = 0; c < 3; c++) {
            if (weight[c] == 0) continue;
            whole &= valid(f, c, i);
            sum += weight[c] * (ln ? ln_rank(f, c, i) : 1 + count_better(f, c, i));
        }
        if (whole)
            assert_true(fabs(value[i] - sum) <= (ln ? 1e-12 : 0));
        else
            assert_true(isnan(value[i]));
    }
}

static void sums_are_of_weighted_ranks(UNUSED void **state)
{
    struct fixture f;
    for (uint64_t seed = 0; seed < 20; seed++) {
        fill(&f, seed);
        assert_sum(&f, "kappa", (double[3]){1, 0, 0}, false);
        assert_sum(&f, "kappa + regions", (double[3]){1, 1, 0}, false);
        assert_sum(&f, "2*kappa+regions", (double[3]){2, 1, 0}, false);
        assert_sum(&f, " - kappa + 0.5 * regions - 25e-2*params ", (double[3]){-1, 0.5, -0.25},
                   false);
        assert_sum(&f, "kappa + .5*regions + kappa", (double[3]){2, 0.5, 0}, false);
        assert_sum(&f, "lnrank(kappa)", (double[3]){1, 0, 0}, true);
        assert_sum(&f, "lnrank ( kappa ) + 3 * lnrank(regions)-lnrank(params)",
                   (double[3]){1, 3, -1}, true);
    }
}

// A column that brings its ranks is not ranked again.
static void given_ranks_are_taken(UNUSED void **state)
{
    struct fixture f;
    uint64_t order[2][ROWS], rank[2][ROWS];
    double made[ROWS], taken[ROWS];
    for (uint64_t seed = 0; seed < 5; seed++) {
        fill(&f, seed);
        evaluate(&f, "lnrank(kappa) + lnrank(regions)", made, NULL, 1);
        for (int c = 0; c < 2; c++) {
            const struct assay_ranking ranking = {order[c], rank[c]};
            assert_true(assay_score_rank(&f.rows, f.value[c], f.column[c].direction, &ranking));
            f.column[c].rank = rank[c];
        }
        evaluate(&f, "lnrank(kappa) + lnrank(regions)", taken, NULL, 1);
        assert_memory_equal(made, taken, sizeof made);
    }
}

// Equal sums are decided by the first term, in the direction of the sum.
static void ties_are_decided_by_the_first_term(UNUSED void **state)
{
    static const char *const formula[] = {"kappa + regions", "regions + kappa", "-regions + kappa",
                                          "lnrank(regions) + lnrank(kappa)"};
    static const int first[] = {0, 1, 1, 1}, sign[] = {1, 1, -1, 1};
    uint64_t order[ROWS], rank[ROWS];
    double value[ROWS];
    int ties = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct fixture f;
        const unsigned k = seed % ASSAY_LEN(formula);
        const int c = first[k], direction = k == 3 ? 1 : -1;
        fill(&f, seed);
        evaluate(&f, formula[k], value, &(struct assay_ranking){order, rank}, direction);
        for (int i = 1; i < ROWS; i++) {
            const int a = (int)order[i - 1], b = (int)order[i];
            assert_true(isfinite(value[a]) || !isfinite(value[b])); // undefined ones last
            if (!isfinite(value[a])) assert_int_equal(rank[a], rank[b]);
            if (!isfinite(value[b])) continue;
            assert_true(direction * (value[a] - value[b]) >= 0);
            if (value[a] != value[b]) continue;
            const int order_of_first = sign[k] * (count_better(&f, c, a) - count_better(&f, c, b));
            assert_true(order_of_first <= 0);
            assert_int_equal(rank[a] == rank[b], order_of_first == 0);
            ties++;
        }
    }
    assert_true(ties > 100);
}

// ---- formulas -----------------------------------------------------------------------------------
static void other_names_stand_for_columns(UNUSED void **state)
{
    struct assay_score_formula f;
    struct assay_err err = {0};
    assert_int_equal(assay_score_parse(&f, "--by", "2*ntk_kappa + regions", &err), ASSAY_OK);
    assert_string_equal(f.term[0].column, "kappa");
    assert_string_equal(f.term[1].column, "regions");
    assert_string_equal(f.text, "2*ntk_kappa + regions");
    assert_string_equal(assay_alias_column("layers_weight"), "layers");
    assert_string_equal(assay_alias_column("layers"), "layers");
}

static void wrong_formulas_name_the_position(UNUSED void **state)
{
    static const struct {
        const char *text, *expected;
    } bad[] = {
        {"", "position 1: expected a column, not the end"},
        {"  ", "position 3: expected a column, not the end"},
        {"kappa +", "position 8: expected a column, not the end"},
        {"kappa regions", "position 7: expected '+', '-' or the end, not 'r'"},
        {"kappa * 2", "position 7: expected '+', '-' or the end, not '*'"},
        {"2 kappa", "position 3: expected '*' behind a weight, not 'k'"},
        {"2", "position 2: expected '*' behind a weight, not the end"},
        {"2*", "position 3: expected a column, not the end"},
        {"2*3*kappa", "position 3: expected a column, not '3'"},
        {"+ - kappa", "position 3: expected a column, not '-'"},
        {"kappa -- regions", "position 8: expected a column, not '-'"},
        {".*kappa", "position 1: expected a number, not '.'"},
        {"0x2*kappa", "position 2: expected a decimal number, not 'x'"},
        {"2000000*kappa", "position 1: expected a weight of at most 1e6, not '2'"},
        {"kappa + 1e999*regions", "position 9: expected a weight of at most 1e6, not '1'"},
        {"nan*kappa", "position 4: expected '+', '-' or the end, not '*'"},
        {"(kappa + regions)", "position 1: expected a column, not '('"},
        {"2*(kappa)", "position 3: expected a column, not '('"},
        {"log(kappa)", "position 1: expected a column or lnrank(a column), not 'l'"},
        {"lnrank()", "position 8: expected a column, not ')'"},
        {"lnrank(kappa", "position 13: expected ')' behind the column of lnrank, not the end"},
        {"lnrank(2*kappa)", "position 8: expected a column, not '2'"},
        {"lnrank(lnrank(kappa))", "position 14: expected ')' behind the column of lnrank, not '('"},
        {"lnrank(kappa) + regions", "position 17: expected lnrank(a column), as before"},
        {"kappa + lnrank(regions)", "position 16: expected a column, as before"},
        {"kappa/2", "position 6: expected '+', '-' or the end, not '/'"},
        {"kappa; regions", "position 6: expected"},
        {"vote()", "position 6: expected a column, not ')'"},
        {"vote(kappa regions)", "position 12: expected ',' or ')' behind a column of vote"},
        {"vote(2*kappa)", "position 6: expected a column, not '2'"},
        {"vote(kappa) + regions", "position 13: expected the end behind vote(...), not '+'"},
        {"regions + vote(kappa)", "position 11: expected a column or lnrank(a column), not 'v'"},
    };
    for (unsigned i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_score_formula f;
        struct assay_err err = {0};
        assert_int_equal(assay_score_parse(&f, "score.x", bad[i].text, &err), ASSAY_ERR_CONFIG);
        char start[64];
        snprintf(start, sizeof start, "score.x = '%s': position ", bad[i].text);
        assert_ptr_equal(strstr(err.text, start), err.text);
        if (!strstr(err.text, bad[i].expected)) fail_msg("%s", err.text);
    }
}

static void wrong_columns_are_named(UNUSED void **state)
{
    struct assay_score_formula formula;
    struct assay_err err = {0};
    struct fixture f;
    uint32_t index[ASSAY_SCORE_TERMS];
    fill(&f, 0);
    assert_int_equal(assay_score_parse(&formula, "--by", "kappa + kapa", &err), 0);
    assert_int_equal(assay_score_bind(&formula, f.column, COLUMNS, index, &err), ASSAY_ERR_CONFIG);
    assert_string_equal(err.text, "--by = 'kappa + kapa': position 9: unknown column 'kapa'; "
                                  "there are: kappa, regions, params");
    assert_int_equal(assay_score_parse(&formula, "--by", "2*entropy", &err), 0);
    assert_int_equal(assay_score_bind(&formula, f.column, COLUMNS, index, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "position 3: column 'entropy' ranks nothing"));
    assert_int_equal(assay_score_parse(&formula, "--by", "regions + kappa", &err), 0);
    assert_int_equal(assay_score_bind(&formula, f.column, COLUMNS, index, &err), 0);
    assert_int_equal(index[0], 1);
    assert_int_equal(index[1], 0);
    assert_int_equal(assay_score_bind(&formula, f.column, 0, index, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "there are: none"));
}

// Whatever somebody writes, nothing is long or deep.
static void huge_formulas_are_refused(UNUSED void **state)
{
    enum { LONG = 1 << 20 };
    static const struct {
        const char *piece, *expected;
        size_t times;
    } bad[] = {
        {"(", "a formula of 1048576 bytes, expected at most 1023", LONG},
        {"lnrank(", "a formula of", LONG / 7},
        {"(", "position 1: expected a column", ASSAY_TEXT_MAX - 1},
        {"lnrank(", "position 14: expected ')'", 100},
        {"k+", "expected at most 32 terms", 33},
        {"k", "a column's name of at most 63 letters", 64},
        {"-", "position 2: expected a column", 500},
    };
    char *text = malloc(LONG + 1);
    assert_non_null(text);
    for (unsigned i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_score_formula f;
        struct assay_err err = {0};
        const size_t n = strlen(bad[i].piece);
        for (size_t k = 0; k < bad[i].times; k++) memcpy(text + k * n, bad[i].piece, n);
        text[bad[i].times * n] = '\0';
        assert_int_equal(assay_score_parse(&f, "t", text, &err), ASSAY_ERR_CONFIG);
        if (!strstr(err.text, bad[i].expected)) fail_msg("%s", err.text);
    }
    free(text);
}

// Texts that nobody chose end in a formula that is true to itself, or in an error.
static void random_formulas_parse_or_fail(UNUSED void **state)
{
    static const char *const piece[] = {"kappa", "regions", "lnrank", "(", ")", "+", "-",    "*",
                                        "2",     "1e3",     ".",      " ", "x", "_", "\xc3", "0"};
    struct assay_rng rng;
    int good = 0;
    assay_rng_init(&rng, 1, 0, "test", "formulas");
    for (int i = 0; i < 20000; i++) {
        char text[256] = "";
        struct assay_score_formula f;
        struct assay_err err = {0};
        for (uint64_t n = assay_rng_below(&rng, 12); n > 0; n--)
            strcat(text, piece[assay_rng_below(&rng, ASSAY_LEN(piece))]);
        if (assay_score_parse(&f, "t", text, &err) < 0) {
            assert_int_equal(err.code, ASSAY_ERR_CONFIG);
            continue;
        }
        good++;
        assert_in_range(f.n_term, 1, ASSAY_SCORE_TERMS);
        for (uint32_t t = 0; t < f.n_term; t++) {
            const struct assay_score_term *term = &f.term[t];
            assert_memory_equal(text + term->at - 1, term->column, strlen(term->column));
            assert_true(fabs(term->weight) <= ASSAY_SCORE_WEIGHT);
            assert_int_equal(term->lnrank, f.direction > 0);
        }
    }
    assert_in_range(good, 100, 10000);
}

static void known_scores_are_formulas(UNUSED void **state)
{
    for (const struct assay_score *s = assay_scores; s->name; s++) {
        struct assay_score_formula f;
        struct assay_err err = {0};
        if (assay_score_parse(&f, s->name, s->formula, &err) < 0) fail_msg("%s", err.text);
        assert_string_equal(assay_score_unit(&f), s->unit);
        assert_ptr_equal(assay_score_find(s->name), s);
    }
    assert_null(assay_score_find("tena"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_is_one_more_than_the_better_rows),
        cmocka_unit_test(no_rows_have_no_ranks),
        cmocka_unit_test(sums_are_of_weighted_ranks),
        cmocka_unit_test(given_ranks_are_taken),
        cmocka_unit_test(ties_are_decided_by_the_first_term),
        cmocka_unit_test(other_names_stand_for_columns),
        cmocka_unit_test(wrong_formulas_name_the_position),
        cmocka_unit_test(wrong_columns_are_named),
        cmocka_unit_test(huge_formulas_are_refused),
        cmocka_unit_test(random_formulas_parse_or_fail),
        cmocka_unit_test(known_scores_are_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
