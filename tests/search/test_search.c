// SPDX-License-Identifier: Apache-2.0
// TE-NAS's ranks and pruning on numbers made by hand, against its published code's rules; lists of
// seeds. Whole searches are in cli/ and mpi/.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/prune.h"
#include "search/seeds.h"

// kappa and regions, summed as a formula says; NULL: the one column of kappa.
static struct search_by make_by(const char *formula)
{
    static const struct assay_column kappa = {.name = "kappa", .direction = -1},
                                     regions = {.name = "regions", .direction = 1};
    struct search_by by = {
        .sum = formula, .column = {&kappa, &regions}, .n_column = formula ? 2 : 1};
    struct assay_err err;
    if (formula) assert_int_equal(assay_score_parse(&by.formula, "by", formula, &err), ASSAY_OK);
    by.direction = by.formula.direction;
    return by;
}

// ---- changes -----------------------------------------------------------------------------------
static void changes_are_relative(void **state)
{
    (void)state;
    for (int direction = -1; direction <= 1; direction += 2) {
        assert_true(prune_delta(100, 75, direction) == 0.25);
        assert_true(prune_delta(1000, 1100, direction) == -0.1);
        assert_true(prune_delta(-4, -5, direction) == 0.25);
        assert_true(prune_delta(0, 7, direction) == 0);
    }
}

// A broken network never looks like an improvement.
static void broken_networks_change_most(void **state)
{
    const double broken[] = {INFINITY, -INFINITY, NAN};
    (void)state;
    for (unsigned i = 0; i < ASSAY_LEN(broken); i++) {
        assert_true(prune_delta(100, broken[i], -1) == -INFINITY);
        assert_true(prune_delta(100, broken[i], 1) == INFINITY);
        assert_true(prune_delta(broken[i], 100, -1) == 1);
        assert_true(prune_delta(broken[i], 100, 1) == -1);
        assert_true(prune_delta(broken[i], INFINITY, -1) == 0);
    }
}

static void rounds_to_three_digits(void **state)
{
    (void)state;
    assert_true(prune_round(0.123456) == 0.123);
    assert_true(prune_round(-0.0098765) == -0.00988);
    assert_true(prune_round(1234.5) == 1230);
    assert_true(prune_round(9.999) == 10);
    assert_true(prune_round(0) == 0);
    assert_true(prune_round(-INFINITY) == -INFINITY);
}

// ---- ranks -------------------------------------------------------------------------------------
static void ties_share_a_rank_and_the_next_is_one_more(void **state)
{
    struct prune_candidate c[] = {{.delta = {0.1, 0.0}},  {.delta = {0.3, 0.2}},
                                  {.delta = {0.1, -0.1}}, {.delta = {-INFINITY, INFINITY}},
                                  {.delta = {-0.2, 0.0}}, {.delta = {0.3, 0.2}}};
    static const uint32_t kappa[] = {1, 0, 1, 3, 2, 0}, regions[] = {1, 2, 0, 3, 1, 2};
    const struct search_by by = make_by("kappa + 3*regions"), one = make_by(NULL);
    struct assay_err err;
    (void)state;
    assert_int_equal(prune_rank(c, ASSAY_LEN(c), &by, &err), ASSAY_OK);
    for (unsigned i = 0; i < ASSAY_LEN(c); i++) {
        assert_int_equal(c[i].rank[0], kappa[i]);
        assert_int_equal(c[i].rank[1], regions[i]);
        assert_true(c[i].sum == kappa[i] + 3.0 * regions[i]);
    }
    assert_int_equal(prune_rank(c, ASSAY_LEN(c), &one, &err), ASSAY_OK);
    for (unsigned i = 0; i < ASSAY_LEN(c); i++) assert_true(c[i].sum == kappa[i]);
}

// Formulas of other kinds see what is lost, and what breaks the network is lost most.
static void other_formulas_keep_what_is_lost_most(void **state)
{
    const struct search_by ln = make_by("lnrank(kappa) + lnrank(regions)"),
                           vote = make_by("vote(kappa, regions)");
    struct prune_candidate c[] = {{.delta = {0.5, -0.5}}, // better without it
                                  {.delta = {-0.5, 0.5}},
                                  {.delta = {0, 0}},
                                  {.delta = {-INFINITY, INFINITY}}};
    struct assay_err err;
    (void)state;
    assert_int_equal(prune_rank(c, 4, &ln, &err), ASSAY_OK);
    for (int i = 0; i < 4; i++) {
        static const double place[] = {1, 3, 2, 4};
        assert_true(fabs(c[i].sum - 2 * log(place[i] / 4)) < 1e-12);
    }
    assert_int_equal(prune_rank(c, 4, &vote, &err), ASSAY_OK);
    assert_true(c[0].sum == 0 && c[1].sum == 2 && c[2].sum == 1 && c[3].sum == 3);
}

static struct prune_candidate candidate(uint32_t edge, uint32_t op, uint32_t kappa,
                                        uint32_t regions)
{
    return (struct prune_candidate){
        .edge = edge, .op = op, .rank = {kappa, regions}, .sum = kappa + regions};
}

// Ranks decide within edges, or within the edges of a node: differences between these say nothing.
static void ties_are_within_groups(void **state)
{
    const struct assay_supernet_kind *darts = assay_space_find("darts")->supernet;
    struct prune_candidate c[] = {candidate(2, 1, 0, 4), candidate(2, 2, 0, 4),
                                  candidate(3, 1, 5, 2), candidate(3, 2, 5, 3)};
    (void)state;
    bool tied[2];
    prune_find_ties(c, ASSAY_LEN(c), 2, NULL, tied);
    assert_true(tied[0] && !tied[1]);
    prune_find_ties(c, 3, 2, NULL, tied);
    assert_true(tied[0] && tied[1]);
    prune_find_ties(c, 3, 2, darts, tied); // edges 2 and 3 enter the same node
    assert_true(!tied[0] && !tied[1]);
}

// ---- operations --------------------------------------------------------------------------------
static void the_lowest_sum_of_each_edge_goes(void **state)
{
    struct assay_supernet mask = {.alive = {{0x1e, 0x0a, 0x08}}};
    struct prune_candidate c[] = {
        candidate(0, 1, 3, 3), candidate(0, 2, 4, 1), candidate(0, 3, 0, 5),
        candidate(0, 4, 2, 5), candidate(1, 1, 9, 9), candidate(1, 3, 8, 8),
    };
    (void)state;
    prune_ops(c, ASSAY_LEN(c), 1, &mask);
    // Sums 6, 5, 5, 7: of equal ones the lower rank of kappa.
    assert_int_equal(mask.alive[0][0], 0x16);
    assert_int_equal(mask.alive[0][1], 0x02);
    assert_int_equal(mask.alive[0][2], 0x08);
    assert_true(c[2].pruned && c[5].pruned && !c[0].pruned && !c[1].pruned && !c[4].pruned);
}

// Ranks 0 and 1 of kappa, 1 and 0 of regions; equal sums are decided by the first column.
static void weights_count_in_the_sum(void **state)
{
    static const struct {
        const char *formula;
        uint32_t gone;
    } row[] = {{"kappa + regions", 1},     {"2*kappa + regions", 1}, {"kappa + 2*regions", 2},
               {"kappa + 0.5*regions", 1}, {"kappa - regions", 1},   {"regions - kappa", 2}};
    (void)state;
    for (unsigned i = 0; i < ASSAY_LEN(row); i++) {
        const struct search_by by = make_by(row[i].formula);
        struct assay_supernet mask = {.alive = {{0x6}}};
        struct prune_candidate c[] = {{.op = 1, .delta = {0.5, 0.5}}, {.op = 2}};
        struct assay_err err;
        assert_int_equal(prune_rank(c, 2, &by, &err), ASSAY_OK);
        prune_ops(c, 2, 1, &mask);
        assert_int_equal(mask.alive[0][0], 0x6 & ~(1u << row[i].gone));
    }
}

static void equal_ranks_prune_the_earlier(void **state)
{
    struct assay_supernet mask = {.alive = {{0x06}}};
    struct prune_candidate c[] = {candidate(0, 1, 1, 1), candidate(0, 2, 1, 1)};
    (void)state;
    prune_ops(c, 2, 1, &mask);
    assert_int_equal(mask.alive[0][0], 0x04);
}

static void no_edge_is_emptied(void **state)
{
    for (uint64_t number = 1; number < 9; number++) {
        struct assay_supernet mask = {.alive = {{0x1e, 0x06}}};
        struct prune_candidate c[] = {candidate(0, 1, 0, 0), candidate(0, 2, 1, 0),
                                      candidate(0, 3, 2, 0), candidate(0, 4, 3, 0),
                                      candidate(1, 1, 4, 0), candidate(1, 2, 5, 0)};
        prune_ops(c, ASSAY_LEN(c), number, &mask);
        assert_int_equal(assay_supernet_alive(&mask, 0, 0), number < 3 ? 4 - number : 1);
        assert_int_equal(mask.alive[0][1], 0x04);
    }
    (void)state;
}

// ---- edges -------------------------------------------------------------------------------------
// Into each node of darts two edges stay; the others go by their ranks within the node.
static void two_edges_of_a_node_stay(void **state)
{
    const struct assay_supernet_kind *k = assay_space_find("darts")->supernet;
    const struct search_by by = make_by("kappa + regions");
    struct prune_candidate c[7] = {{0}};
    struct assay_supernet mask = {{{0}}};
    struct assay_err err;
    static const double kappa[7] = {0.1, 0.5, -0.3, 0.2, 0.2, 0.9, -0.9};
    static const double regions[7] = {0.1, 0.0, 0.2, 0.1, 0.0, 0.3, -0.1};
    (void)state;
    for (uint32_t i = 0; i < 7; i++) {
        c[i] = (struct prune_candidate){
            .cell = 1, .edge = 2 + i, .op = 3, .delta = {kappa[i], regions[i]}};
        mask.alive[1][2 + i] = 1 << 3;
    }
    assert_int_equal(prune_edges(c, 7, k, &by, &mask, &err), ASSAY_OK);
    // Node 1, edges 2 to 4: ranks of kappa 1 0 2, of regions 1 0 2: edge 3 goes.
    assert_true(!c[0].pruned && c[1].pruned && !c[2].pruned);
    // Node 2, edges 5 to 8: kappa 1 1 0 2, regions 2 1 3 0, sums 3 2 3 2: of 6 and 8 first 6, for
    // its kappa, then 8.
    assert_true(!c[3].pruned && c[4].pruned && !c[5].pruned && c[6].pruned);
    assert_int_equal(mask.alive[1][3], 0);
    assert_int_equal(mask.alive[1][6] | mask.alive[1][8], 0);
    assert_int_equal(mask.alive[1][5] & mask.alive[1][7], 1 << 3);
}

// ---- seeds -------------------------------------------------------------------------------------
static void seeds_are_lists_and_ranges(void **state)
{
    static const uint64_t expected[] = {7, 0, 1, 2, 3, 18446744073709551615u};
    struct assay_err err = {0};
    uint64_t *seed;
    size_t n;
    (void)state;
    assert_int_equal(search_seeds_parse(" 7, 0-3 ,18446744073709551615", &seed, &n, &err), 0);
    assert_int_equal(n, ASSAY_LEN(expected));
    assert_memory_equal(seed, expected, sizeof expected);
    free(seed);
}

static void wrong_seeds_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no seed at character 1"},
        {"1,", "no seed at character 3"},
        {"3-1", "ends before it begins"},
        {"1-", "no end of the range"},
        {"1,0-3", "stands before"},
        {"1 2", "something else at character 3"},
        {"-1", "no seed at character 1"},
        {"0-1000", "more than 1000"},
        {"0-18446744073709551615", "more than 1000"},
        {"18446744073709551616", "no seed"},
    };
    (void)state;
    for (unsigned i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_err err = {0};
        uint64_t *seed;
        size_t n;
        assert_int_equal(search_seeds_parse(bad[i].text, &seed, &n, &err), ASSAY_ERR_CONFIG);
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_relative),
        cmocka_unit_test(broken_networks_change_most),
        cmocka_unit_test(rounds_to_three_digits),
        cmocka_unit_test(ties_share_a_rank_and_the_next_is_one_more),
        cmocka_unit_test(other_formulas_keep_what_is_lost_most),
        cmocka_unit_test(ties_are_within_groups),
        cmocka_unit_test(the_lowest_sum_of_each_edge_goes),
        cmocka_unit_test(weights_count_in_the_sum),
        cmocka_unit_test(equal_ranks_prune_the_earlier),
        cmocka_unit_test(no_edge_is_emptied),
        cmocka_unit_test(two_edges_of_a_node_stay),
        cmocka_unit_test(seeds_are_lists_and_ranges),
        cmocka_unit_test(wrong_seeds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
