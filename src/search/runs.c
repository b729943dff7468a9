// SPDX-License-Identifier: Apache-2.0
#include "runs.h"
#include "seeds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What a random search at equal cost has for itself. Its history is thrown away.
struct search_baseline {
    struct search_context c;
    struct assay_config config;
    struct search_history history;
};

// The runs of a method with all seeds.
struct group {
    const struct search_method *method;
    const struct search_context *c;
    enum assay_found_role role;
    uint64_t samples; // of a random search
    char of[ASSAY_NAME_MAX];
};
struct groups {
    struct group of[2 * SEARCH_METHODS_MAX];
    size_t n;
};

static int no_memory(struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for the search");
}

// ---- random searches at equal cost --------------------------------------------------------------
static bool is_screened(const struct group *g)
{
    return g->method == &search_random && *assay_config_search(g->c->config)->screen;
}

// The random search that a method is compared with, if it is there already.
static struct group *find_group(struct groups *g, const struct search_method *random,
                                const struct assay_config *config)
{
    const struct assay_search_spec *wanted = assay_config_search(config);
    for (size_t i = 0; i < g->n; i++) {
        const struct group *group = &g->of[i];
        if (group->method == random && group->samples == wanted->samples && !is_screened(group) &&
            strcmp(assay_config_search(group->c->config)->by, wanted->by) == 0)
            return &g->of[i];
    }
    return NULL;
}

static int add_baseline(struct search_runs *runs, struct groups *g, const struct search_method *m,
                        const struct search_context *c, struct assay_err *err)
{
    struct search_baseline *b = calloc(1, sizeof *b);
    if (!b) return no_memory(err);
    b->config = *c->config;
    const uint64_t samples = m->equal(c, &b->config);
    struct assay_search_spec *spec = assay_config_edit(&b->config, &assay_search_options);
    *spec->screen = '\0';
    struct group *group = samples ? find_group(g, m->random, &b->config) : NULL;
    if (!samples || group) {
        free(b);
        if (!group || group->role == ASSAY_FOUND_SEARCH) return 0;
    } else {
        group = &g->of[g->n++];
        *group = (struct group){
            .method = m->random, .c = &b->c, .role = ASSAY_FOUND_RANDOM, .samples = samples};
        b->c = *c;
        b->c.config = &b->config;
        b->c.history = &b->history;
        b->c.log = NULL;
        runs->baseline[runs->n_baseline++] = b;
    }
    const size_t at = strlen(group->of);
    snprintf(group->of + at, sizeof group->of - at, "%s%s", at ? ", " : "", m->name);
    return 0;
}

// Groups in the order of the methods, then their baselines.
static int make_groups(struct search_runs *runs, struct groups *g, const struct search_context *c,
                       const struct search_method *const *method, size_t n_method,
                       struct assay_err *err)
{
    for (size_t i = 0; i < n_method; i++) {
        struct assay_config config = *c->config;
        const bool random = method[i]->random == method[i];
        g->of[g->n++] = (struct group){
            .method = method[i], .c = c, .samples = random ? method[i]->equal(c, &config) : 0};
    }
    for (size_t i = 0; i < n_method && assay_config_search(c->config)->baseline; i++)
        ASSAY_TRY(add_baseline(runs, g, method[i], c, err));
    return 0;
}

// ---- the list -----------------------------------------------------------------------------------
static void fill(struct search_runs *runs, struct assay_found_list *found, const struct group *g,
                 const uint64_t *seed, size_t n_seed, bool largest)
{
    for (size_t i = 0; i < n_seed; i++) {
        struct search_run *run = &runs->run[runs->n++];
        struct assay_found *f = &found->item[found->n + i];
        *f = (struct assay_found){
            .method = g->method->name, .seed = seed[i], .role = g->role, .samples = g->samples};
        memcpy(f->of, g->of, sizeof f->of);
        *run = (struct search_run){.method = g->method, .c = g->c, .found = f};
        if (!largest) continue;
        run->largest = f + n_seed;
        *run->largest = *f;
        run->largest->role = ASSAY_FOUND_PARAMS;
    }
    found->n += largest ? 2 * n_seed : n_seed;
}

static int make(struct search_runs *runs, struct assay_found_list *found, const struct groups *g,
                const struct search_context *c, const uint64_t *seed, size_t n_seed,
                struct assay_err *err)
{
    runs->run = calloc(g->n * n_seed, sizeof *runs->run);
    found->item = calloc(2 * g->n * n_seed, sizeof *found->item);
    if (!runs->run || !found->item) return no_memory(err);
    for (size_t i = 0; i < g->n; i++)
        fill(runs, found, &g->of[i], seed, n_seed,
             g->of[i].method->drawn && !is_screened(&g->of[i]) &&
                 assay_config_search(c->config)->baseline);
    return 0;
}

int search_runs_make(struct search_runs *runs, struct assay_found_list *found,
                     const struct search_context *c, const struct search_method *const *method,
                     size_t n_method, struct assay_err *err)
{
    struct groups *g = calloc(1, sizeof *g);
    uint64_t *seed = NULL;
    size_t n_seed;
    int status = g ? search_seeds_parse(assay_config_search(c->config)->seeds, &seed, &n_seed, err)
                   : no_memory(err);
    if (status >= 0) status = make_groups(runs, g, c, method, n_method, err);
    if (status >= 0) status = make(runs, found, g, c, seed, n_seed, err);
    free(seed);
    free(g);
    return status;
}

int search_runs_open(struct search_runs *runs, struct assay_err *err)
{
    for (size_t i = 0; i < runs->n; i++) {
        struct search_run *run = &runs->run[i];
        run->round.err = err;
        ASSAY_TRY(run->method->open(&run->state, run->c, run->found->seed, err));
    }
    return 0;
}

void search_runs_close(struct search_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++) {
        runs->run[i].method->close(runs->run[i].state);
        free(runs->run[i].round.task);
        free(runs->run[i].record);
    }
    for (size_t i = 0; i < runs->n_baseline; i++) {
        search_history_free(&runs->baseline[i]->history);
        free(runs->baseline[i]);
    }
    free(runs->run);
}

// ---- what is found ------------------------------------------------------------------------------
static void set_found(const struct search_context *c, struct assay_found *f, uint64_t index,
                      double seconds)
{
    f->done = true;
    f->index = index;
    f->wall_seconds = seconds;
    assay_space_format(c->space, index, f->arch, sizeof f->arch);
}

static void note_found(const struct search_context *c, const struct assay_found *f)
{
    assay_log_line(c->log, ASSAY_LOG_INFO,
                   "seed %" PRIu64 ": %s found %s; %" PRIu64 " evaluations, %.1f s of CPU time",
                   f->seed, f->method, f->arch, f->evaluations, f->cpu_seconds);
    search_history_text(c->history, "found/method", f->method, "that found it");
    search_history_int(c->history, "found/seed", (int64_t)f->seed, "of the search");
    search_history_text(c->history, "found/arch", f->arch, "the architecture found");
    search_history_int(c->history, "found/index", (int64_t)f->index, "its index in the space");
    search_history_int(c->history, "found/rounds", (int64_t)f->rounds, "of its search");
    search_history_int(c->history, "found/evaluations", (int64_t)f->evaluations,
                       "supernets, architectures or steps, all repeats of each");
    search_history_number(c->history, "run/cpu_seconds", f->cpu_seconds, "of each row of /found");
}

static void note_baseline(const struct search_context *c, const struct assay_found *f)
{
    search_history_text(c->history, "baselines/method", f->method,
                        "whose random architectures they are");
    search_history_int(c->history, "baselines/seed", (int64_t)f->seed, "of the search");
    search_history_int(c->history, "baselines/samples", (int64_t)f->samples,
                       "how many, at the cost of the searches `of`");
    search_history_text(c->history, "baselines/of", f->of, "empty: they are such a search's own");
    search_history_text(c->history, "baselines/by",
                        f->role == ASSAY_FOUND_PARAMS ? "params" : "score",
                        "what decides: the score of these searches, or the parameters");
    search_history_text(c->history, "baselines/arch", f->arch, "the best of them");
    search_history_int(c->history, "baselines/index", (int64_t)f->index, "its index in the space");
}

// The architecture with the most parameters, the first of equal ones, among those that were drawn.
static int find_largest(const struct search_run *run, const struct search_context *c,
                        uint64_t *index, struct assay_err *err)
{
    const struct assay_net net = assay_config_cost_net(c->config);
    uint64_t most = 0, drawn;
    struct assay_graph g;
    int status = 0;
    assay_graph_init(&g);
    for (uint64_t i = 0; status >= 0; i++) {
        if ((drawn = run->method->drawn(run->state, i)) == UINT64_MAX) break;
        status = assay_space_build(c->space, drawn, &net, &g, err);
        const uint64_t params = status < 0 ? 0 : assay_graph_cost(&g).params;
        if (i && params <= most) continue;
        most = params;
        *index = drawn;
    }
    assay_graph_free(&g);
    return status;
}

static int finish(struct search_run *run, const struct search_context *c, uint64_t index,
                  double seconds, struct assay_err *err)
{
    if (index != UINT64_MAX) {
        struct assay_found *f = run->found;
        set_found(c, f, index, seconds);
        if (run->method->best)
            f->n_best = run->method->best(run->state, f->best, ASSAY_LEN(f->best));
        f->role == ASSAY_FOUND_SEARCH ? note_found(c, f) : note_baseline(c, f);
    }
    if (!run->largest) return 0;
    ASSAY_TRY(find_largest(run, c, &index, err));
    set_found(c, run->largest, index, seconds);
    note_baseline(c, run->largest);
    return 0;
}

int search_run_step(struct search_run *run, const struct search_context *c, double seconds,
                    struct assay_err *err)
{
    uint64_t index = UINT64_MAX;
    struct assay_err undecided;
    const bool baseline = run->found->role == ASSAY_FOUND_RANDOM;
    run->round.err = baseline ? &undecided : err;
    int more = run->method->round(run->state, &run->round, &index);
    if (more < 0 && baseline) {
        if (more != ASSAY_ERR_INPUT) return assay_err_set(err, more, "%s", undecided.text);
        assay_log_line(c->log, ASSAY_LOG_INFO, "beside %s: %s", run->found->of, undecided.text);
        more = 0;
        index = UINT64_MAX;
    }
    if (more != 0) return more;
    run->over = true;
    return finish(run, c, index, seconds, err);
}
