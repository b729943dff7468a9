// SPDX-License-Identifier: Apache-2.0
// What a sweep will take on how many ranks: tasks, time, memory, disk.
#include "run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOOD_EFFICIENCY 0.9
#define POOR_EFFICIENCY 0.5    // rows below it are not printed
#define LONG_SECONDS    3600.0 // of wall time, above which more ranks are suggested
#define RANKS_MOST      65536
#define RANKS_MANY      64
#define FILLED_ROWS     200 // of which is told what all take
#define LIMIT_FACTOR    1.3 // of the time asked of Slurm over the time expected
#define LIMIT_MARGIN    120.0
#define MEMORY_FACTOR   1.2 // of the memory asked of Slurm over the memory expected
#define MEMORY_MARGIN   16.0

// `meson test --benchmark farm` measures 0.3 us a message in shared memory, 2.5 by TCP; a record
// costs 0.5 us, and 0.85 ns a byte for copies and checksums. The latency is half of the longest nap
// of a rank that waits for messages, and more than a network's.
static struct assay_sim_price price_of(size_t record)
{
    return (struct assay_sim_price){
        .message = 3e-6, .record = 0.5e-6 + 0.85e-9 * (double)record, .latency = 500e-6};
}

struct forecast {
    struct sweep_outline outline;
    struct sweep_calibration times;
    double starting;   // seconds before the first task, without what all ranks weigh together
    double filling;    // of rank 0, while it hands out tasks
    double publishing; // after the last task
    FILE *out;
    struct assay_err *err;
};

// The times of the items that tasks are cut into; malloc'd, NULL when out of memory.
static double *cut_times(const double *time, uint64_t n, uint32_t cut)
{
    double *item = malloc((n * cut + 1) * sizeof *item);

    for (uint64_t i = 0; item && i < n * cut; i++) item[i] = time[i / cut] / cut;
    return item;
}

static struct assay_teams teams_of(const struct forecast *f, int ranks)
{
    const struct assay_farm_spec spec = assay_config_farm(&f->outline.config, NULL);

    return assay_teams_make(&spec, ranks);
}

static int simulate(struct forecast *f, int ranks, struct assay_sim *sim)
{
    const struct assay_schema *schema = assay_evaluator_schema(f->outline.evaluator);
    const struct assay_teams teams = teams_of(f, ranks);
    ASSAY_TRY(assay_teams_check(&teams, f->err));
    const uint64_t n = f->outline.candidates.n_task;
    const uint32_t cut = assay_farm_cut(n, schema->repeats, assay_teams_evaluating(&teams));
    double *cost = cut_times(f->times.cost, n, cut), *seconds = cut_times(f->times.seconds, n, cut);
    for (uint64_t i = 0; seconds && i < n * cut; i++) seconds[i] /= teams.size;
    const struct assay_sim_input input = {.cost = cost,
                                          .seconds = seconds,
                                          .n = n * cut,
                                          .most =
                                              assay_farm_records_most(assay_record_bytes(schema)),
                                          .workers = teams.workers,
                                          .works = teams.works,
                                          .price = price_of(assay_record_bytes(schema))};

    const int status = cost && seconds
                           ? assay_sim_run(sim, &input, f->err)
                           : assay_err_set(f->err, ASSAY_ERR_MEMORY, "no memory for a simulation");
    free(cost);
    free(seconds);
    return status;
}

// ---- before and after the tasks -----------------------------------------------------------------
// Seconds that rank 0 takes to fill all rows, told from the first.
static int time_filling(struct forecast *f)
{
    struct sweep_outline *o = &f->outline;
    struct sweep_publisher p;

    ASSAY_TRY(sweep_publisher_open(&p, "", &o->config, &o->space, &o->candidates,
                                   assay_evaluator_schema(o->evaluator), "", NULL, f->err));
    const double start = assay_clock_thread();
    int more = 1;
    while (more > 0 && p.n_filled < FILLED_ROWS) more = sweep_publisher_fill(&p, 0, f->err);
    f->filling =
        (assay_clock_thread() - start) * (double)o->candidates.n_row / fmax((double)p.n_filled, 1);
    sweep_publisher_close(&p);
    return more < 0 ? more : 0;
}

static int time_ends(struct forecast *f)
{
    const struct sweep_outline *o = &f->outline;

    ASSAY_TRY(time_filling(f));
    f->starting = o->opening;
    f->publishing =
        sweep_publish_seconds(&o->candidates, assay_evaluator_schema(o->evaluator), o->n_extra);
    return 0;
}

// Rows that rank 0 has had no time to fill between messages are filled at the end.
static double ending(const struct forecast *f, const struct assay_sim *sim)
{
    return f->publishing + fmax(f->filling - sim->wall * (1 - sim->load), 0);
}

static double wall_of(const struct forecast *f, int ranks, const struct assay_sim *sim)
{
    return f->starting + f->times.weighing / ranks + sim->wall + ending(f, sim);
}

// Of all the time that is paid for, start and end included.
static double efficiency_of(const struct forecast *f, int ranks, const struct assay_sim *sim)
{
    return sim->efficiency * sim->wall / fmax(wall_of(f, ranks, sim), 1e-9);
}

// ---- words --------------------------------------------------------------------------------------
// A duration as Slurm reads it, [D-]HH:MM:SS.
static const char *clock_text(char *text, size_t cap, double seconds)
{
    const uint64_t s = (uint64_t)seconds, days = s / 86400;
    char first[24] = "";

    if (days) snprintf(first, sizeof first, "%" PRIu64 "-", days);
    snprintf(text, cap, "%s%02u:%02u:%02u", first, (unsigned)(s / 3600 % 24),
             (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    return text;
}

static double limit_of(double seconds)
{
    return 60 * ceil((LIMIT_FACTOR * seconds + LIMIT_MARGIN) / 60);
}

// How many ranks share a host; nodes are taken to be like this machine.
static int ranks_of_host(int ranks)
{
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus > 0 && cpus < ranks ? (int)cpus : ranks;
}

// MiB to ask for each of that many ranks on a node, which hold the images once.
static double memory_of(struct sweep_outline *o, int sharing)
{
    sweep_outline_share(o, sharing);
    const double each = (double)sweep_outline_host(o) / sharing / 0x1p20;

    return ceil(MEMORY_FACTOR * each + MEMORY_MARGIN);
}

static void print_sizes(const struct forecast *f)
{
    const struct sweep_outline *o = &f->outline;
    const size_t record = assay_record_bytes(assay_evaluator_schema(o->evaluator));

    fprintf(f->out, "disk: journal %.1f MiB, results.h5 about %.1f MiB\n",
            (double)o->candidates.n_task * (double)(record + sizeof(uint64_t)) / 0x1p20,
            sweep_results_bytes(&o->candidates, assay_evaluator_schema(o->evaluator), o->n_extra) /
                0x1p20);
}

static void print_times(const struct forecast *f, const char *replay)
{
    const struct sweep_calibration *t = &f->times;

    if (replay)
        assay_print_line(
            f->out, "times: of %" PRIu64 " candidates as %s recorded them, others by their cost",
            t->n_measured, replay);
    else
        fprintf(f->out, "times: %" PRIu64 " candidates measured in %.1f s, others by their cost\n",
                t->n_measured, t->spent);
    fprintf(f->out,
            "rank 0: %.3g s before the first candidate, and %.3g s that all ranks share; %.3g s of "
            "rows between messages; %.3g s to publish after the last\n",
            f->starting, f->times.weighing, f->filling, f->publishing);
    fprintf(f->out, "work: %.3g core-hours (%.4g s of CPU time), %.3g s the longest candidate\n",
            t->total / 3600, t->total, t->longest);
}

// Prints the words at the end of a line of the table, or below the line where the terminal has no
// room beside it.
static void print_limit(const struct forecast *f, const char *words)
{
    enum { BEFORE = 78 };
    const int columns = (int)assay_terminal_columns(f->out);

    if (columns && BEFORE + (int)strlen(words) > columns && *words)
        fprintf(f->out, "\n%*s\n", columns, words);
    else
        fprintf(f->out, "%s%s\n", *words ? "  " : "", words);
}

static const char *limit_words(const struct forecast *f, int ranks, const struct assay_sim *sim)
{
    const double efficiency = efficiency_of(f, ranks, sim);

    if (efficiency > 0.99) return "";
    if (sim->efficiency - efficiency > 1 - sim->efficiency) return "start-up and publishing";
    return assay_sim_limit(sim, teams_of(f, ranks).workers);
}

static void print_row(const struct forecast *f, int ranks, const struct assay_sim *sim)
{
    char wall[32];

    fprintf(f->out, "%6d  %11s  %9.1f %%  %5.1f %%  %7.1f %%  %10.3g  %6.2f %%", ranks,
            clock_text(wall, sizeof wall, ceil(wall_of(f, ranks, sim))),
            100 * efficiency_of(f, ranks, sim), 100 * sim->tail, 100 * sim->waiting,
            (double)sim->messages / fmax(sim->wall, 1e-9), 100 * sim->load);
    print_limit(f, limit_words(f, ranks, sim));
}

// ---- ranks --------------------------------------------------------------------------------------
// The suggested number of ranks: of those that work well, the fewest that end within LONG_SECONDS,
// or else the most.
static int try_all(struct forecast *f, int *best, struct assay_sim *of_best, int *last)
{
    struct assay_sim sim;
    double efficiency = 1;
    int first = (int)assay_config_evaluation(&f->outline.config)->team;
    const struct assay_teams teams = teams_of(f, first);

    if (!assay_teams_evaluating(&teams)) first++;
    *best = *last = 0;
    for (int ranks = first; ranks <= RANKS_MOST && efficiency >= POOR_EFFICIENCY; ranks *= 2) {
        ASSAY_TRY(simulate(f, ranks, &sim));
        print_row(f, ranks, &sim);
        efficiency = efficiency_of(f, ranks, &sim);
        if (efficiency >= GOOD_EFFICIENCY) *last = ranks;
        const bool enough = *best && wall_of(f, *best, of_best) <= LONG_SECONDS;
        if (*best && (enough || efficiency < GOOD_EFFICIENCY)) continue;
        *best = ranks;
        *of_best = sim;
    }
    return 0;
}

// Says where one rank 0 ends, and what goes further, of a sweep that is long enough for many ranks.
static void print_end(const struct forecast *f, int last)
{
    if (last < RANKS_MANY || last * 2 > RANKS_MOST) return;
    fputc('\n', f->out);
    assay_print_line(f->out,
                     "one rank 0 keeps about %d ranks at work for %.0f %% of the time; for more, "
                     "divide the candidates among runs that have a rank 0 each (--shard 1/2 and "
                     "so on), and join them by `assay merge`",
                     last, 100 * GOOD_EFFICIENCY);
}

static int choose(struct forecast *f, int ranks)
{
    struct assay_sim sim;
    char text[32], tasks[48] = "";

    fprintf(f->out, "\n%6s  %11s  %11s  %7s  %9s  %10s  %8s", "ranks", "wall time", "efficiency",
            "tail", "waiting", "messages/s", "rank 0");
    print_limit(f, "what limits it");
    if (ranks) {
        ASSAY_TRY(simulate(f, ranks, &sim));
        print_row(f, ranks, &sim);
    } else {
        int last;
        ASSAY_TRY(try_all(f, &ranks, &sim, &last));
        print_end(f, last);
    }
    const int sharing = ranks_of_host(ranks);
    if (f->outline.images && ranks > 1)
        snprintf(tasks, sizeof tasks, " --ntasks-per-node=%d", sharing);
    fprintf(f->out, "\nsuggested: --ntasks=%d%s --time=%s --mem-per-cpu=%.0fM\n", ranks, tasks,
            clock_text(text, sizeof text, limit_of(wall_of(f, ranks, &sim))),
            memory_of(&f->outline, sharing));
    return 0;
}

// A team's candidate may be too large for the one rank that measures.
static int say_untimed(struct forecast *f, const struct assay_forecast *spec, uint64_t team)
{
    const int ranks = spec->ranks ? spec->ranks : (int)team;

    assay_print_line(f->out,
                     "times: not measured, as one rank alone has %s; a run's own serve (--replay)",
                     f->err->text);
    fprintf(f->out, "\nsuggested: --ntasks=%d --mem-per-cpu=%.0fM\n", ranks,
            memory_of(&f->outline, ranks_of_host(ranks)));
    return 0;
}

static int forecast(struct forecast *f, const struct assay_config *config,
                    const struct assay_forecast *spec)
{
    const int sharing = ranks_of_host(spec->ranks ? spec->ranks : RANKS_MOST);

    ASSAY_TRY(sweep_outline_open(&f->outline, config, sharing, f->err));
    if (!assay_config_evaluation(config)->team)
        ASSAY_TRY(sweep_team_fit(&f->outline, spec->ranks ? spec->ranks : RANKS_MOST, f->err));
    ASSAY_TRY(sweep_memory_check(&f->outline.most, &f->outline.config, &f->outline.space, f->err));
    const uint64_t team = assay_config_evaluation(&f->outline.config)->team;
    if (team > 1)
        fprintf(f->out, "teams: %" PRIu64 " ranks evaluate a candidate together (run.team)\n",
                team);
    ASSAY_TRY(sweep_outline_print(&f->outline, f->out, f->err));
    print_sizes(f);
    fflush(f->out);
    const int timed = sweep_calibrate(&f->times, &f->outline, spec->seconds, spec->replay, f->err);
    if (timed == ASSAY_ERR_MEMORY && team > 1) return say_untimed(f, spec, team);
    ASSAY_TRY(timed);
    ASSAY_TRY(time_ends(f));
    print_times(f, spec->replay);
    return choose(f, spec->ranks);
}

int assay_sweep_forecast(const struct assay_config *config, const struct assay_forecast *spec,
                         FILE *out, struct assay_err *err)
{
    struct forecast f = {.out = out, .err = err};

    const int status = forecast(&f, config, spec);
    sweep_calibration_free(&f.times);
    sweep_outline_close(&f.outline);
    return status;
}
