// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"
#include "networks.h"
#include "verdict.h"

#include "assay/la.h"

#include <stdlib.h>
#include <string.h>

struct assay_evaluator {
    const struct assay_config *config; // borrowed
    struct assay_exec *exec;
    struct assay_plans *plans; // of the networks
    struct assay_columns columns;
    struct assay_schema schema;
    struct assay_demand demand;
    struct networks networks;
    struct inputs inputs;
    struct assay_draw draw; // of inputs and weights
    const double *theta[ASSAY_DEMAND_PASSES];
    const struct assay_pla *pla; // borrowed; NULL: alone
    uint32_t blocks;             // of the Jacobian, on all ranks of the team
    struct assay_held held;
    struct assay_arena arena; // scratch of one repeat
    uint32_t channels;        // of the images
};

static bool is_given(const struct assay_evaluator *e)
{
    return e->networks.space->kind->given;
}

// Whether a status says that a network is at fault, and not the system.
static bool is_refusal(int status)
{
    return status == ASSAY_ERR_INPUT || status == ASSAY_ERR_CONFIG;
}

static int build_networks(struct assay_evaluator *e, uint64_t index,
                          const struct assay_supernet *mask, bool *dead, struct assay_err *err)
{
    const struct assay_graph *graph[ASSAY_NETWORKS];
    assay_plans_clear(e->plans);
    ASSAY_TRY(networks_build(&e->networks, index, mask, dead, err));
    for (int i = 0; i < ASSAY_NETWORKS; i++)
        graph[i] = networks_graph(&e->networks, (enum assay_network)i);
    return assay_demand_taps(&e->demand, graph, err);
}

// Whether the networks just built take the images that there are.
static int check_shape(const struct assay_evaluator *e, struct assay_err *err)
{
    return networks_check(&e->networks, e->channels, assay_config_data(e->config)->image, err);
}

// ---- memory -------------------------------------------------------------------------------------
static struct assay_subject make_subject(struct assay_evaluator *e, uint64_t repeat)
{
    struct assay_subject s = {.protocol = assay_config_protocol(e->config),
                              .demand = &e->demand,
                              .exec = e->exec,
                              .plans = e->plans,
                              .theta = e->theta,
                              .given = inputs_of(&e->inputs, repeat),
                              .arena = &e->arena,
                              .pla = e->pla,
                              .team = assay_pla_size(e->pla),
                              .blocks = e->blocks};
    for (int i = 0; i < ASSAY_NETWORKS; i++)
        s.graph[i] = networks_graph(&e->networks, (enum assay_network)i);
    return s;
}

// The memory that the networks just built need on a rank of a team; *scratch: the sum of the
// arena's blocks. Returns 1 where more blocks of the Jacobian would need less.
static int need_memory(struct assay_evaluator *e, int team, bool dead, uint32_t blocks,
                       struct assay_memory *memory, size_t *scratch, struct assay_err *err)
{
    struct assay_subject s = make_subject(e, 0);
    s.team = team, s.blocks = blocks;
    struct assay_need need = {0};
    *scratch = 0;
    if (!dead) {
        ASSAY_TRY(assay_subject_need(&s, &need, err));
        *scratch = need.scratch + networks_weight_bytes(&e->networks);
    }
    const uint64_t twice = need.late < need.exec ? need.late : need.exec;
    *memory =
        (struct assay_memory){.exec = need.exec,
                              .scratch = assay_arena_footprint(*scratch) + need.buffers - twice,
                              .inputs = assay_arena_held(&e->inputs.arena),
                              .graphs = networks_bytes(&e->networks),
                              .blocks = blocks};
    memory->total = memory->exec + memory->scratch + memory->inputs + memory->graphs;
    return need.divides;
}

#define BLOCKS_MOST 4096

// With as few blocks as fit into `room` bytes (0: any), or with the most.
static int fit_memory(struct assay_evaluator *e, int team, bool dead, uint64_t room,
                      struct assay_memory *memory, size_t *scratch, struct assay_err *err)
{
    for (uint32_t blocks = 1;; blocks += blocks / 8 + 1) {
        const int divides = need_memory(e, team, dead, blocks, memory, scratch, err);
        ASSAY_TRY(divides);
        const bool last = blocks + blocks / 8 + 1 > BLOCKS_MOST;
        if (!room || memory->total <= room || !divides || last) return ASSAY_OK;
    }
}

int assay_evaluator_memory(struct assay_evaluator *e, uint64_t index, uint64_t room,
                           struct assay_memory *memory, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(e->config);
    bool dead;
    size_t scratch;
    const int team = told->team ? (int)told->team : 1;
    int status = build_networks(e, index, NULL, &dead, err);
    if (status >= 0) status = fit_memory(e, team, dead, room, memory, &scratch, err);
    if (!is_given(e) || !is_refusal(status)) return status;
    *memory = (struct assay_memory){.total = 0}; // it is not executed
    return ASSAY_OK;
}

// Makes room for a candidate. What an earlier one left behind counts against the limit, and goes
// when it is in the way. *most: what the executor may take, 0: no limit. Returns 0 when the
// candidate does not fit, which is its verdict, or more the fewer blocks its Jacobian is made in.
static int make_room(struct assay_evaluator *e, bool dead, uint64_t *most,
                     struct assay_record *record, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(e->config);
    struct assay_memory m;
    size_t scratch;
    const uint64_t limit = told->memory << 20, beside = assay_held_evaluating(&e->held);
    const uint64_t room = !limit ? 0 : limit > beside ? limit - beside : 1;
    ASSAY_TRY(fit_memory(e, assay_pla_size(e->pla), dead, room, &m, &scratch, err));
    if (limit && beside + m.total > limit) {
        char reason[ASSAY_METRIC_REASON];
        snprintf(reason, sizeof reason,
                 "needs %.1f MiB, over the limit of %llu MiB (run.memory); a smaller batch or "
                 "network needs less",
                 (double)(beside + m.total) / 0x1p20, (unsigned long long)told->memory);
        verdict_note(record, ASSAY_VERDICT_FAILED, "memory", reason);
        return 0;
    }
    const uint64_t others = beside + m.total - m.exec - assay_arena_footprint(scratch);
    if (!assay_arena_reserve(&e->arena, scratch, limit ? limit - others - m.exec : 0)) {
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %.1f MiB of scratch",
                             (double)m.scratch / 0x1p20);
    }
    *most = limit ? limit - others - assay_arena_held(&e->arena) : 0;
    return 1 + BLOCKS_MOST - (int)m.blocks;
}

// ---- one candidate ------------------------------------------------------------------------------
static int measure(struct assay_subject *s, const struct assay_use *use, double *out,
                   double *spectrum, struct assay_record *record, struct assay_err *err)
{
    const struct assay_metric *metric = use->metric;
    struct assay_err failure = {0};
    char reason[ASSAY_METRIC_REASON] = "";
    const int verdict =
        assay_subject_measure(s, use, out, metric->spectrum ? spectrum : NULL, reason, &failure);
    if (verdict == ASSAY_ERR_MPI || verdict == ASSAY_ERR_MEMORY) // not the candidate's failure
        return assay_err_set(err, verdict, "%s: %s", metric->name, failure.text);
    if (verdict < 0) {
        verdict_fill_nan(metric->n_column, out);
        verdict_note(record, ASSAY_VERDICT_FAILED, metric->name, failure.text);
        return ASSAY_OK;
    }
    verdict_note(record, verdict, metric->name, reason);
    if (verdict != ASSAY_VERDICT_OK || !*reason) verdict_check(record, metric, out);
    return ASSAY_OK;
}

// Runs all metrics of one repeat; of a dead candidate only what needs no network is defined. most:
// bytes that the executor may take.
static int evaluate_repeat(struct assay_evaluator *e, uint64_t repeat, bool dead, uint64_t most,
                           struct assay_record *record, struct assay_err *err)
{
    struct assay_subject s = make_subject(e, repeat);
    s.memory_limit = most;
    assay_arena_reset(&e->arena);
    const uint64_t drawn = e->draw.weights + (s.protocol->redraw ? repeat : 0);
    if (!dead)
        ASSAY_TRY(networks_draw(&e->networks, e->draw.seed, drawn, e->draw.thin, &e->arena,
                                e->theta, err));
    double *out = record->value + repeat * e->schema.n_column;
    double *spectrum = record->spectrum + repeat * e->schema.spectrum_len;
    for (uint32_t i = 0; i < e->demand.n_use; i++) {
        const struct assay_use *use = &e->demand.use[i];
        const bool mine = use->metric->collective || assay_pla_rank(e->pla) == 0;
        if (mine && (!dead || !use->n_pass))
            ASSAY_TRY(measure(&s, use, out, spectrum, record, err));
        out += use->metric->n_column;
    }
    return ASSAY_OK;
}

// Builds the networks and makes room for them; returns what make_room does.
static int build_and_fit(struct assay_evaluator *e, uint64_t index,
                         const struct assay_supernet *mask, bool *dead, uint64_t *most,
                         struct assay_record *record, struct assay_err *err)
{
    ASSAY_TRY(build_networks(e, index, mask, dead, err));
    if (is_given(e)) ASSAY_TRY(check_shape(e, err));
    if (*dead)
        verdict_note(record, ASSAY_VERDICT_DEAD, "network",
                     "the output does not depend on the input");
    return make_room(e, *dead, most, record, err);
}

// The same. Of networks that are given one may be none, take other images, or have an operation
// that is not executed, which is its verdict: returns 0.
static int set_up(struct assay_evaluator *e, uint64_t index, const struct assay_supernet *mask,
                  bool *dead, uint64_t *most, struct assay_record *record, struct assay_err *err)
{
    struct assay_err failure = {0};
    const int ready = build_and_fit(e, index, mask, dead, most, record, &failure);
    if (ready >= 0) return ready;
    if (!is_given(e) || !is_refusal(ready)) return assay_err_set(err, ready, "%s", failure.text);
    verdict_note(record, ASSAY_VERDICT_FAILED, "network", failure.text);
    return 0;
}

// Evaluates the repeats from first to end - 1.
static int evaluate(struct assay_evaluator *e, uint64_t index, const struct assay_supernet *mask,
                    uint32_t first, uint32_t end, struct assay_record *record,
                    struct assay_err *err)
{
    const double start = assay_clock_thread();
    const struct assay_schema *schema = &e->schema;
    record->index = index;
    record->verdict = ASSAY_VERDICT_OK;
    memset(record->reason, 0, sizeof record->reason);
    verdict_fill_nan((size_t)schema->repeats * schema->n_column, record->value);
    verdict_fill_nan((size_t)schema->repeats * schema->spectrum_len, record->spectrum);

    bool dead = false;
    uint64_t most = 0;
    const int ready = set_up(e, index, mask, &dead, &most, record, err),
              fits = assay_pla_agree(e->pla, ready, err);
    ASSAY_TRY(fits);
    e->blocks = 1 + BLOCKS_MOST - (uint32_t)fits; // the most that any rank of the team needs
    for (uint32_t r = first; fits && r < end; r++) {
        const int status = evaluate_repeat(e, r, dead, most, record, err);
        if (status < 0) return e->pla ? ASSAY_ERR_MPI : status; // the rest of a team waits for this
    }
    record->seconds = assay_clock_thread() - start;
    return ASSAY_OK;
}

int assay_evaluate(struct assay_evaluator *e, uint64_t index, struct assay_record *record,
                   struct assay_err *err)
{
    return evaluate(e, index, NULL, 0, e->schema.repeats, record, err);
}

int assay_evaluate_repeat(struct assay_evaluator *e, uint64_t index, uint32_t repeat,
                          struct assay_record *record, struct assay_err *err)
{
    return evaluate(e, index, NULL, repeat, repeat + 1, record, err);
}

int assay_evaluate_supernet(struct assay_evaluator *e, const struct assay_supernet *mask,
                            struct assay_record *record, struct assay_err *err)
{
    return evaluate(e, UINT64_MAX, mask, 0, e->schema.repeats, record, err);
}

// ---- the evaluator ------------------------------------------------------------------------------
// Candidate 0 stands for all, where the shapes of all candidates of a space are alike.
static int check_space(struct assay_evaluator *e, const struct assay_data *data,
                       struct assay_err *err)
{
    bool dead;
    e->channels = assay_data_channels(data);
    if (is_given(e)) return ASSAY_OK;
    ASSAY_TRY(build_networks(e, 0, NULL, &dead, err));
    return check_shape(e, err);
}

static int start(struct assay_evaluator *e, const struct assay_data *data, struct assay_err *err)
{
    const struct assay_config *config = e->config;
    const struct assay_protocol *p = assay_config_protocol(config);
    const struct assay_kern *kern;
    ASSAY_TRY(assay_columns_create(&e->columns, config, false, err));
    ASSAY_TRY(assay_config_demand(config, &e->demand, err));
    e->schema = (struct assay_schema){
        .column = e->columns.column,
        .protocol = e->columns.protocol,
        .n_column = e->columns.n_column,
        .repeats = (uint32_t)p->repeats,
        .spectrum_len = e->columns.spectrum,
    };
    ASSAY_TRY(assay_config_kern(config, &kern, err));
    ASSAY_TRY(assay_exec_create(&e->exec, err));
    ASSAY_TRY(assay_plans_create(&e->plans, kern, err));
    ASSAY_TRY(check_space(e, data, err));
    e->draw.seed = p->seed;
    return inputs_draw(&e->inputs, config, &e->demand, data, assay_held_drawing(&e->held), err);
}

int assay_evaluator_create(struct assay_evaluator **out, const struct assay_config *config,
                           const struct assay_space *space, const struct assay_data *data,
                           const struct assay_pla *pla, const struct assay_held *held,
                           struct assay_err *err)
{
    struct assay_evaluator *e = calloc(1, sizeof *e);
    if (!e) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the evaluator");
    e->config = config;

    e->pla = pla;
    if (held) e->held = *held;
    networks_init(&e->networks, config, space, &e->demand);
    int status = assay_la_start(err);
    if (status >= 0) status = start(e, data, err);
    if (status < 0) {
        assay_evaluator_destroy(e);
        return status;
    }
    *out = e;
    return ASSAY_OK;
}

int assay_evaluator_draw(struct assay_evaluator *e, const struct assay_draw *draw,
                         const struct assay_data *data, struct assay_err *err)
{
    const bool same = draw->seed == e->draw.seed && draw->batches == e->draw.batches;
    e->draw = *draw;
    return same ? ASSAY_OK
                : inputs_redraw(&e->inputs, assay_config_protocol(e->config), draw, data, err);
}

void assay_evaluator_destroy(struct assay_evaluator *e)
{
    if (!e) return;
    assay_exec_destroy(e->exec);
    assay_plans_destroy(e->plans);
    networks_finish(&e->networks);
    assay_demand_free(&e->demand);
    assay_columns_free(&e->columns);
    inputs_finish(&e->inputs);
    assay_arena_finish(&e->arena);
    free(e);
}

const struct assay_schema *assay_evaluator_schema(const struct assay_evaluator *e)
{
    return &e->schema;
}

double assay_evaluator_cost(struct assay_evaluator *e, uint64_t index)
{
    bool dead;
    struct networks *n = &e->networks;
    assay_plans_clear(e->plans);
    n->built.unnamed = true;
    const int status = networks_build(n, index, NULL, &dead, NULL);
    n->built.unnamed = false;
    if (status < 0 || dead) return 1.0;
    double cost = 1.0, work[ASSAY_NETWORKS];
    networks_work(n, work);
    for (uint32_t i = 0; i < e->demand.n_pass; i++) cost += networks_pass_cost(n, i, work);
    return cost;
}
