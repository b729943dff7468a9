// SPDX-License-Identifier: Apache-2.0
// Laws of the roster (who gets what next) and of the simulation that replays it without ranks.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "assay/farm.h"

#include "farm/roster.h"

enum { N = 1000 };

// Costs that spread by a factor of 30, and times that are not quite what costs say.
struct load {
    double cost[N], seconds[N], total, longest;
};

static struct load make_load(void)
{
    struct load load = {.total = 0};
    struct assay_rng rng;

    assay_rng_init(&rng, 5, 0, "load", "sweep");
    for (unsigned i = 0; i < N; i++) {
        load.cost[i] = 1e9 * exp(log(30.0) * (double)assay_rng_below(&rng, 1000) / 1000.0);
        load.seconds[i] =
            1e-10 * load.cost[i] * (0.7 + 0.6e-3 * (double)assay_rng_below(&rng, 1000));
        load.total += load.seconds[i];
        load.longest = fmax(load.longest, load.seconds[i]);
    }
    return load;
}

static struct assay_sim simulate(const struct load *load, int ranks, bool works, double message)
{
    const struct assay_sim_input in = {.cost = load->cost,
                                       .seconds = load->seconds,
                                       .n = N,
                                       .most = 100,
                                       .workers = ranks,
                                       .works = works,
                                       .price = {.message = message, .latency = 5e-4}};
    struct assay_sim sim;
    struct assay_err err = {0};

    assert_int_equal(assay_sim_run(&sim, &in, &err), 0);
    return sim;
}

// Every task is dealt once, and nobody is dealt more than a chunk ahead.
static void test_roster_deals_all(void **state)
{
    const struct load load = make_load();
    struct farm_roster r;
    struct farm_deal deal = {0};
    struct assay_err err = {0};
    double *cost = malloc(sizeof load.cost);
    uint64_t dealt = 0;

    (void)state;
    memcpy(cost, load.cost, sizeof load.cost);
    cost[7] = FARM_NOT_QUEUED;
    assert_int_equal(farm_roster_open(&r, 6, false, &err), 0);
    assert_int_equal(farm_roster_begin(&r, cost, N, &err), 0);
    assert_int_equal(r.queue.n, N - 1);
    while (dealt < N - 1) {
        for (deal = (struct farm_deal){0}; farm_roster_deal(&r, &(struct farm_pace){0}, &deal);) {
            assert_in_range(deal.worker, 1, 5);
            for (uint64_t i = 0; i < deal.n; i++) {
                const uint64_t task = farm_queue_take(&r.queue);
                assert_int_not_equal(task, 7);
                farm_queue_finished(&r.queue, task, load.seconds[task]);
            }
            dealt += deal.n;
        }
        for (int worker = 1; worker < 6; worker++) {
            assert_true(r.share[worker].out <= 9 * r.share[worker].chunk);
            farm_roster_answered(&r, worker, r.share[worker].out);
        }
    }
    assert_int_equal(dealt, N - 1);
    farm_roster_free(&r);
}

// A record waits for as many more as are queued, and no longer.
static void test_records_due(void **state)
{
    (void)state;
    assert_false(farm_records_due(0, 0, 10, 100));
    assert_true(farm_records_due(1, 0, 10, 0));
    assert_true(farm_records_due(3, 3, 10, 0));
    assert_false(farm_records_due(3, 4, 10, 0));
    assert_true(farm_records_due(10, 40, 10, 0));
    assert_true(farm_records_due(1, 40, 10, 60));
    assert_true(assay_farm_records_most(1) > assay_farm_records_most(1000));
    assert_int_equal(assay_farm_records_most((size_t)1 << 30), 1);
}

// Tasks of 1 ms, whose messages take 10: 400 for each of 63 workers, and they lose a sixth.
static void test_brief_tasks_over_a_slow_network(void **state)
{
    enum { TASKS = 26000, RANKS = 64 };
    double *seconds = malloc(TASKS * sizeof *seconds);
    struct assay_sim sim;
    struct assay_err err = {0};

    (void)state;
    for (unsigned i = 0; i < TASKS; i++) seconds[i] = 1e-3;
    const struct assay_sim_input in = {.cost = seconds,
                                       .seconds = seconds,
                                       .n = TASKS,
                                       .most = 1000,
                                       .workers = RANKS,
                                       .price = {.message = 3e-6, .latency = 0.01}};
    assert_int_equal(assay_sim_run(&sim, &in, &err), 0);
    assert_true(sim.efficiency > 0.8);
    free(seconds);
}

// What answers took beside their work is told from workers that had nothing.
static void test_trips(void **state)
{
    struct farm_trip trip;
    struct assay_err err = {0};

    (void)state;
    assert_int_equal(farm_trip_open(&trip, 3, &err), 0);
    for (int i = 0; i < 100; i++) {
        farm_trip_sent(&trip, 1, true, 10 + i);
        farm_trip_answered(&trip, 1, 0.5, 10 + i + 0.52);
        farm_trip_answered(&trip, 1, 0.5, 10 + i + 0.9); // of what was sent ahead: no word of it
        farm_trip_sent(&trip, 2, false, 10 + i);
        farm_trip_answered(&trip, 2, 0.1, 10 + i + 0.9);
    }
    assert_true(fabs(trip.seconds - 0.02) < 1e-3);
    for (int i = 0; i < 100; i++) {
        farm_trip_sent(&trip, 1, true, 200 + i);
        farm_trip_answered(&trip, 1, 0, 205 + i);
    }
    assert_true(trip.seconds <= 0.05 + 1e-9); // rank 0 was late, not the network
    farm_trip_free(&trip);
}

// All the work is done, once; no number of ranks is faster than its share of the work or than the
// longest task; parts of the ranks' time add up.
static void test_simulation_bounds(void **state)
{
    const struct load load = make_load();

    (void)state;
    for (int ranks = 1; ranks <= 2048; ranks = ranks < 8 ? ranks + 1 : 2 * ranks) {
        const bool works = ranks <= 8;
        const struct assay_sim sim = simulate(&load, ranks, works, 2e-5);
        const int evaluators = ranks - 1 + works;
        assert_true(fabs(sim.work - load.total) < 1e-9 * load.total);
        assert_true(sim.longest == load.longest);
        assert_true(sim.wall >= load.longest && sim.wall * evaluators >= 0.999999 * sim.work);
        assert_true(sim.wall <= 1.05 * (load.total / evaluators + 2 * load.longest));
        assert_true(fabs(sim.efficiency + sim.coordinating + sim.tail + sim.waiting - 1) < 1e-6);
        assert_true(ranks == 1 || sim.messages >= 2);
        if (evaluators <= 50) assert_true(sim.wall * evaluators <= 1.1 * load.total);
    }
    assert_true(fabs(simulate(&load, 1, true, 1).wall - load.total) < 1e-9 * load.total);
}

// A slow coordinator is what limits then.
static void test_simulation_names_the_limit(void **state)
{
    const struct load load = make_load();
    const struct assay_sim slow = simulate(&load, 64, false, 0.2),
                           few = simulate(&load, 2, false, 0),
                           many = simulate(&load, 1024, false, 0);

    (void)state;
    assert_string_equal(assay_sim_limit(&slow, 64), "messages to rank 0");
    assert_string_equal(assay_sim_limit(&few, 2), "rank 0 only coordinates");
    assert_string_equal(assay_sim_limit(&many, 1024), "the longest tasks");
    assert_true(slow.load > 0.9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roster_deals_all),
        cmocka_unit_test(test_records_due),
        cmocka_unit_test(test_brief_tasks_over_a_slow_network),
        cmocka_unit_test(test_trips),
        cmocka_unit_test(test_simulation_bounds),
        cmocka_unit_test(test_simulation_names_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
