// SPDX-License-Identifier: Apache-2.0
// Searches, then prints what the seeds found, side by side.
#include "cli.h"
#include "text_table.h"
#include "truth.h"

#include "assay/search.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- summary -----------------------------------------------------------------------------------
struct summary {
    const struct assay_config *config;
    const struct assay_found_list *found;
    struct assay_space space;
    const struct truth *truth; // NULL without --truth
    uint64_t oracle;           // accuracies that are looked up for each search; 0: none
    double wall;               // of the whole run
    int ranks;
    struct assay_err *err;
};

// "tenas"; "random(122)", the best of so many random architectures by the same score;
// "params(122)", the one of them with the most parameters.
static void label_of(const struct assay_found *f, char *text, size_t cap)
{
    if (f->role == ASSAY_FOUND_SEARCH)
        snprintf(text, cap, "%s", f->method);
    else
        snprintf(text, cap, "%s(%" PRIu64 ")", f->role == ASSAY_FOUND_PARAMS ? "params" : f->method,
                 f->samples);
}

static int count_cost(const struct summary *s, uint64_t index, struct assay_cost *cost)
{
    struct assay_graph g;
    const struct assay_net net = assay_config_cost_net(s->config);
    assay_graph_init(&g);
    const int status = assay_space_build(&s->space, index, &net, &g, s->err);
    if (status >= 0) *cost = assay_graph_cost(&g);
    assay_graph_free(&g);
    return status;
}

// A table of another encoding of a network that is the same with all that is dead in it, too, is
// of the network that was found.
static double accuracy_of(const struct summary *s, uint64_t index)
{
    const double accuracy = truth_of(s->truth, index);
    if (!isnan(accuracy) || !s->space.kind->same_literal) return accuracy;
    return truth_of(s->truth, assay_space_canonical(&s->space, index));
}

static void add_row(const struct summary *s, struct text_table *t, size_t i,
                    const struct assay_cost *cost)
{
    const struct assay_found *f = &s->found->item[i];
    char label[ASSAY_NAME_MAX];
    label_of(f, label, sizeof label);
    text_table_add(t, "%s", label);
    text_table_add(t, "%" PRIu64, f->seed);
    text_table_add(t, "%" PRIu64, f->index);
    text_table_add(t, "%" PRIu64, cost->params);
    text_table_add(t, "%" PRIu64, cost->flops);
    text_table_add(t, "%" PRIu64, f->evaluations);
    text_table_add(t, "%.1f", f->cpu_seconds);
    if (s->truth) text_table_add_number(t, accuracy_of(s, f->index), 4);
    text_table_add(t, "%s", f->arch);
}

static int print_found(const struct summary *s)
{
    static const char *const head[] = {"method", "seed",        "index", "params",
                                       "flops",  "evaluations", "CPU s"};
    const size_t n = s->truth ? 9 : 8;
    struct text_table t = {.n_column = n, .n_key = 2, .soft = n - 1};
    for (size_t i = 0; i < ASSAY_LEN(head); i++) text_table_add(&t, "%s", head[i]);
    if (s->truth) text_table_add(&t, "accuracy");
    text_table_add(&t, "arch");
    int status = 0;
    for (size_t i = 0; status >= 0 && i < s->found->n; i++) {
        struct assay_cost cost;
        if (!s->found->item[i].done) continue;
        status = count_cost(s, s->found->item[i].index, &cost);
        if (status >= 0) add_row(s, &t, i, &cost);
    }
    if (status >= 0) status = text_table_print(&t, CLI_TEXT, stdout, s->err);
    text_table_free(&t);
    return status;
}

// ---- one line for each method ------------------------------------------------------------------
// How many of the n seeds from first on found the most frequent network.
static size_t count_agreeing(const struct summary *s, size_t first, size_t n)
{
    const struct assay_found *f = s->found->item + first;
    size_t most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t same = 0;
        for (size_t k = 0; k < n; k++)
            same += f[k].done && f[i].done &&
                    assay_space_canonical(&s->space, f[k].index) ==
                        assay_space_canonical(&s->space, f[i].index);
        if (same > most) most = same;
    }
    return most;
}

// Mean and spread of accuracies, as they come (Welford); those that are not known are left out.
struct moments {
    size_t n;
    double mean, square; // sum of squares about the mean
};

static void add(struct moments *m, double x)
{
    if (isnan(x)) return;
    const double off = x - m->mean;
    m->mean += off / (double)++m->n;
    m->square += off * (x - m->mean);
}

static void print_moments(const struct moments *m, size_t n)
{
    if (!m->n) {
        printf("not known");
        return;
    }
    printf("mean %.2f", m->mean);
    if (m->n > 1) printf(", standard deviation %.2f", sqrt(m->square / (double)(m->n - 1)));
    printf(" over %zu", m->n);
    if (m->n < n) printf(" of %zu", n);
}

static double found_accuracy(const struct summary *s, const struct assay_found *f)
{
    return f->done ? accuracy_of(s, f->index) : NAN;
}

// Prints the accuracy over those of the n searches whose network the truth knows.
static void print_accuracy(const struct summary *s, size_t first, size_t n)
{
    const struct assay_found *f = s->found->item + first;
    struct moments m = {0};
    for (size_t i = 0; i < n; i++) add(&m, found_accuracy(s, &f[i]));
    printf("; %s: ", s->truth->options.target);
    print_moments(&m, n);
}

static void print_what(const struct assay_found *f, double cpu)
{
    char label[ASSAY_NAME_MAX];
    label_of(f, label, sizeof label);
    printf("%s: ", label);
    if (f->role == ASSAY_FOUND_PARAMS) {
        printf("the most parameters among the architectures of %s", f->method);
        if (*f->of) printf("(%" PRIu64 ")", f->samples);
        return;
    }
    if (f->role == ASSAY_FOUND_RANDOM)
        printf("the best of random architectures at the cost of %s, by the same score; ", f->of);
    printf("%.1f s of CPU time a search", cpu);
}

// Prints a line about the n searches of one method, of which a baseline may have found nothing.
static void print_method(const struct summary *s, size_t first, size_t n)
{
    double cpu = 0;
    bool done = false;
    for (size_t i = 0; i < n; i++) {
        cpu += s->found->item[first + i].cpu_seconds;
        done |= s->found->item[first + i].done;
    }
    if (!done) return;
    print_what(&s->found->item[first], cpu / (double)n);
    if (n > 1) printf("; %zu of %zu seeds found the same network", count_agreeing(s, first, n), n);
    if (s->truth) print_accuracy(s, first, n);
    printf("\n");
}

// ---- what a few true accuracies would change ----------------------------------------------------
// The best accuracy among the first architectures of a search; NaN where the truth knows none of
// them. Adds those that it knows to *known.
static double best_known(const struct summary *s, const struct assay_found *f, size_t *known)
{
    double best = NAN;
    for (size_t i = 0; i < f->n_best && i < s->oracle; i++) {
        const double accuracy = accuracy_of(s, f->best[i]);
        if (isnan(accuracy)) continue;
        ++*known;
        if (isnan(best) || accuracy > best) best = accuracy;
    }
    return best;
}

// Prints a line about the n searches of one method.
static void print_oracle(const struct summary *s, size_t first, size_t n)
{
    const struct assay_found *f = s->found->item + first;
    struct moments m = {0};
    size_t known = 0;
    for (size_t i = 0; i < n; i++) add(&m, best_known(s, &f[i], &known));
    printf("%s, if the accuracies of the %" PRIu64 " best of each search decided: ", f->method,
           s->oracle);
    if (f->n_best)
        print_moments(&m, n);
    else
        printf("it compares no architectures");
    printf("; %zu looked up\n", known);
}

static bool is_same(const struct assay_found *a, const struct assay_found *b)
{
    return a->method == b->method && a->role == b->role && strcmp(a->of, b->of) == 0;
}

// Whether random searches were evaluated that no method named.
static bool has_baselines(const struct assay_found_list *found)
{
    for (size_t i = 0; i < found->n; i++)
        if (found->item[i].role == ASSAY_FOUND_RANDOM) return true;
    return false;
}

static size_t count_searches(const struct assay_found_list *found)
{
    size_t n = 0;
    for (size_t i = 0; i < found->n; i++) n += found->item[i].role == ASSAY_FOUND_SEARCH;
    return n;
}

static int summarise(struct summary *s)
{
    const size_t n_search = count_searches(s->found);
    ASSAY_TRY(assay_config_open_space(s->config, &s->space, s->err));
    ASSAY_TRY(print_found(s));
    for (size_t i = 0, n; i < s->found->n; i += n) {
        for (n = 1; i + n < s->found->n; n++)
            if (!is_same(&s->found->item[i + n], &s->found->item[i])) break;
        print_method(s, i, n);
        if (s->oracle && s->found->item[i].role == ASSAY_FOUND_SEARCH) print_oracle(s, i, n);
    }
    if (s->truth) truth_print_left_out(s->truth, "", stdout);
    printf("%zu search%s in %.1f s on %d rank%s, %.1f s each%s\n", n_search,
           n_search > 1 ? "es" : "", s->wall, s->ranks, s->ranks > 1 ? "s" : "",
           s->wall / (double)n_search,
           has_baselines(s->found) ? " with what stands beside them" : "");
    return 0;
}

// ---- the verb ----------------------------------------------------------------------------------
static bool all_done(const struct assay_found_list *found)
{
    bool done = found->n > 0;
    for (size_t i = 0; i < found->n; i++)
        done &= found->item[i].done || found->item[i].role != ASSAY_FOUND_SEARCH;
    return done;
}

static int conclude(struct summary *s)
{
    if (!all_done(s->found)) return 0;
    const int status = summarise(s);
    assay_space_close(&s->space);
    return status;
}

// The table is read before anything is computed or written, so that a long search does not end with
// a table that cannot be read.
static int read_truth(struct truth *truth, const struct truth_options *options,
                      const struct assay_config *config, struct assay_err *err)
{
    struct assay_space space;
    ASSAY_TRY(assay_config_open_space(config, &space, err));
    const int status = truth_read(truth, options, &space, err);
    assay_space_close(&space);
    return status;
}

static int search(const struct cli_args *args, const struct assay_config *config,
                  const struct truth *truth, uint64_t oracle, struct assay_err *err)
{
    const int rank = assay_comm_rank(args->comm);
    const struct assay_log log = {
        .stream = stderr,
        .level = cli_flag(args, "quiet") ? ASSAY_LOG_WARN : ASSAY_LOG_INFO,
        .rank = rank == 0 ? -1 : rank,
    };
    struct assay_found_list found;
    int code = ASSAY_EXIT_COMPLETE;
    const double start = assay_clock_wall();
    int status =
        assay_search_run(config, cli_value(args, "output"), args->comm, &log, &found, &code, err);
    struct summary s = {.config = config,
                        .found = &found,
                        .truth = truth,
                        .oracle = oracle,
                        .wall = assay_clock_wall() - start,
                        .ranks = assay_comm_size(args->comm),
                        .err = err};
    if (status >= 0 && rank == 0) status = conclude(&s);
    assay_found_free(&found);
    ASSAY_TRY(assay_comm_agree(args->comm, status, err));
    return code;
}

static int read_words(const struct cli_args *args, struct assay_config *config,
                      struct truth_options *truth, uint64_t *oracle, struct assay_err *err)
{
    const char *dir = cli_value(args, "output");
    if (!dir || !*dir)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "search: -o DIR is missing or empty: where results go");
    ASSAY_TRY(truth_options(truth, args, err));
    ASSAY_TRY(cli_u64(args, "oracle", 1, ASSAY_FOUND_BEST, oracle, err));
    if (*oracle && !truth->file)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--oracle looks accuracies up in --truth FILE, which is missing");
    ASSAY_TRY(cli_config(config, args->position[0], args, err));
    const char *space = assay_config_evaluation(config)->space;
    if (!assay_space_find(space)->given) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "space.name = %s: its networks are given, and a search makes its own; "
                         "sweep them",
                         space);
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct assay_config config;
    struct truth_options options;
    struct truth truth = {0};
    uint64_t oracle = 0;
    ASSAY_TRY(assay_comm_agree(args->comm, read_words(args, &config, &options, &oracle, err), err));
    int status = 0;
    if (options.file && assay_comm_rank(args->comm) == 0)
        status = read_truth(&truth, &options, &config, err);
    status = assay_comm_agree(args->comm, status, err);
    if (status >= 0) status = search(args, &config, options.file ? &truth : NULL, oracle, err);
    truth_free(&truth);
    return status;
}

static const struct cli_option options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "DIR",
     .help = "run directory: journal, search.h5, config.ini; the same\n"
             "command with the same directory resumes"},
    CLI_OPTIONS_TRUTH,
    {.name = "oracle",
     .value = "K",
     .help = "also tell what it would change if the true accuracies of the K\n"
             "best of each search decided between them (at most 100)"},
    CLI_OPTION_SET,
    {.name = "quiet", .letter = 'q', .help = "print only the summary, warnings and errors"},
    {.name = NULL},
};

const struct cli_verb cli_verb_search = {
    .name = "search",
    .synopsis = "CONFIG -o DIR [options]",
    .help = "search a space for one architecture, on all ranks",
    .about =
        "CONFIG is an INI file, or the name of one that was installed (nb201-tenas-search); its\n"
        "section [search] names the method (`assay list methods`) and the seeds, each of which is\n"
        "a search of its own. All evaluations of a round are independent and spread over all\n"
        "ranks. A search that was stopped or killed is resumed by the same command, as a sweep\n"
        "is.\n",
    .examples =
        "mpirun -n 2 assay search configs/nb201-tenas-search.ini -o runs/te\n"
        "mpirun -n 2 assay search configs/nb201-nasi-search.ini -o runs/nasi\n"
        "assay search configs/darts-tenas-search.ini -o runs/d --set search.seeds=0-3\n"
        "assay search configs/nb201-tenas-search.ini -o runs/te --truth accuracy.csv\n"
        "assay search configs/nb201-tenas-search.ini -o runs/te --truth accuracy.csv --oracle 10\n"
        "assay search configs/nb201-tenas-search.ini -o runs/r --set search.method=random\n",
    .option = options,
    .min_position = 1,
    .max_position = 1,
    .parallel = true,
    .run = run,
};
