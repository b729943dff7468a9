// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include "assay/la.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(ASSAY_METRIC_REASON <= ASSAY_REASON_MAX, "a metric's reason fits into a record");

struct assay_evaluator {
    const struct assay_config *config; // borrowed
    const struct assay_space *space;   // borrowed
    struct assay_exec *exec;
    struct assay_plans *plans; // of net and thin
    struct assay_graph literal, net, thin;
    struct assay_columns columns;
    struct assay_schema schema;
    unsigned needs; // of all metrics, enum assay_needs
    struct inputs inputs;
    struct assay_draw draw;      // of inputs and weights
    const struct assay_pla *pla; // borrowed; NULL: alone
    struct assay_held held;
    struct assay_arena arena; // scratch of one repeat
};

// ---- networks -----------------------------------------------------------------------------------
static int build_folded(struct assay_evaluator *e, uint64_t index,
                        const struct assay_supernet *mask, bool thin, struct assay_graph *folded,
                        struct assay_err *err)
{
    const struct assay_net size = assay_config_net(e->config, thin);
    ASSAY_TRY(mask ? assay_space_build_supernet(e->space, mask, &size, &e->literal, err)
                   : assay_space_build(e->space, index, &size, &e->literal, err));
    return assay_graph_fold(&e->literal, true, folded, NULL, err);
}

// Builds what the metrics need, of an architecture or of a supernet; *dead: one of the networks
// does not depend on its input.
static int build_networks(struct assay_evaluator *e, uint64_t index,
                          const struct assay_supernet *mask, bool *dead, struct assay_err *err)
{
    *dead = false;
    assay_plans_clear(e->plans);
    if (e->needs & ASSAY_NEEDS_NET) {
        ASSAY_TRY(build_folded(e, index, mask, false, &e->net, err));
        *dead |= assay_graph_is_dead(&e->net);
    }
    if (e->needs & ASSAY_NEEDS_THIN) {
        ASSAY_TRY(build_folded(e, index, mask, true, &e->thin, err));
        *dead |= assay_graph_is_dead(&e->thin);
    }
    return ASSAY_OK;
}

// Weights of one repeat, for what the metrics need. The thin network draws from its own seed: the
// two networks share parameter names, and kappa and regions are meant to be independent.
static int draw_weights(struct assay_evaluator *e, uint64_t repeat, struct assay_subject *s,
                        struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(e->config);
    const uint64_t seed = e->draw.seed, drawn = e->draw.weights + (p->redraw ? repeat : 0);
    double *net = assay_arena_alloc(&e->arena, e->net.n_theta * sizeof *net);
    double *thin = assay_arena_alloc(&e->arena, e->thin.n_theta * sizeof *thin);
    if (!net || !thin) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for weights");
    if (e->needs & ASSAY_NEEDS_NET) {
        assay_init_params(&e->net, (enum assay_init)p->ntk_init, seed, drawn, net);
    }
    if (e->needs & ASSAY_NEEDS_THIN) {
        assay_init_params(&e->thin, (enum assay_init)p->region_init, assay_hash64("thin", 4, seed),
                          drawn, thin);
    }
    s->theta_net = net;
    s->theta_thin = thin;
    return ASSAY_OK;
}

// ---- verdicts -----------------------------------------------------------------------------------
// The worst verdict of all metrics and repeats stands, with its first reason.
static void judge(struct assay_record *record, int verdict, const char *who, const char *reason)
{
    if (verdict <= record->verdict) return;
    record->verdict = verdict;
    memset(record->reason, 0, sizeof record->reason);
    const int room = (int)(sizeof record->reason - strlen(who) - 3); // ": " and the terminator
    snprintf(record->reason, sizeof record->reason, "%s: %.*s", who, room, reason);
}

// Never lets a NaN or infinity pass as a number.
static void check_finite(struct assay_record *record, const struct assay_metric *metric,
                         const double *out)
{
    for (uint32_t i = 0; i < metric->n_column; i++) {
        if (isfinite(out[i])) continue;
        char reason[ASSAY_METRIC_REASON];
        snprintf(reason, sizeof reason, "%s is %g", metric->column[i].name, out[i]);
        judge(record, ASSAY_VERDICT_DEGENERATE, metric->name, reason);
    }
}

static void fill_nan(size_t n, double *v)
{
    for (size_t i = 0; i < n; i++) v[i] = NAN;
}

// ---- memory -------------------------------------------------------------------------------------
static uint64_t graph_bytes(const struct assay_graph *g)
{
    return g->cap_node * sizeof *g->node + g->cap_in * (sizeof *g->in + sizeof *g->coef) +
           g->cap_param * sizeof *g->param + g->cap_text + g->cap_scratch * sizeof *g->scratch;
}

static struct assay_subject make_subject(struct assay_evaluator *e, uint64_t repeat)
{
    const struct repeat_inputs *in = &e->inputs.repeat[repeat];
    return (struct assay_subject){.protocol = assay_config_protocol(e->config),
                                  .net = &e->net,
                                  .thin = &e->thin,
                                  .exec = e->exec,
                                  .plans = e->plans,
                                  .n_image = e->inputs.n_image,
                                  .n_nasi = e->inputs.n_nasi,
                                  .n_patch = e->inputs.n_patch,
                                  .images = in->images,
                                  .image_label = in->image_label,
                                  .nasi_images = in->nasi_images,
                                  .nasi_label = in->nasi_label,
                                  .patches = in->patches,
                                  .arena = &e->arena,
                                  .pla = e->pla,
                                  .team = assay_pla_size(e->pla)};
}

// Of the networks just built, for a rank of a team; *scratch: the sum of the arena's blocks.
static int need_memory(struct assay_evaluator *e, int team, bool dead, struct assay_memory *memory,
                       size_t *scratch, struct assay_err *err)
{
    struct assay_subject s = make_subject(e, 0);
    s.team = team;
    struct assay_need need = {0};
    *scratch = 0;
    if (!dead) {
        ASSAY_TRY(assay_subject_need(&s, e->columns.metric, e->columns.n_metric, &need, err));
        *scratch = need.scratch + assay_arena_block(e->net.n_theta * sizeof(double)) +
                   assay_arena_block(e->thin.n_theta * sizeof(double));
    }
    *memory = (struct assay_memory){.exec = need.exec,
                                    .scratch = assay_arena_footprint(*scratch) + need.buffers,
                                    .inputs = assay_arena_held(&e->inputs.arena),
                                    .graphs = graph_bytes(&e->literal) + graph_bytes(&e->net) +
                                              graph_bytes(&e->thin)};
    memory->total = memory->exec + memory->scratch + memory->inputs + memory->graphs;
    return ASSAY_OK;
}

int assay_evaluator_memory(struct assay_evaluator *e, uint64_t index, struct assay_memory *memory,
                           struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(e->config);
    bool dead;
    size_t scratch;
    ASSAY_TRY(build_networks(e, index, NULL, &dead, err));
    const int team = told->team ? (int)told->team : 1;
    return need_memory(e, team, dead, memory, &scratch, err);
}

// Makes room for a candidate. What an earlier one left behind counts against the limit, and goes
// when it is in the way. *most: what the executor may take, 0: no limit. Returns 1, or 0 when the
// candidate does not fit, which is its verdict.
static int make_room(struct assay_evaluator *e, bool dead, uint64_t *most,
                     struct assay_record *record, struct assay_err *err)
{
    const struct assay_evaluation *told = assay_config_evaluation(e->config);
    struct assay_memory m;
    size_t scratch;
    const uint64_t limit = told->memory << 20, beside = assay_held_evaluating(&e->held);
    ASSAY_TRY(need_memory(e, assay_pla_size(e->pla), dead, &m, &scratch, err));
    if (limit && beside + m.total > limit) {
        char reason[ASSAY_METRIC_REASON];
        snprintf(reason, sizeof reason,
                 "needs %.1f MiB, over the limit of %llu MiB (run.memory); a smaller batch or "
                 "network needs less",
                 (double)(beside + m.total) / 0x1p20, (unsigned long long)told->memory);
        judge(record, ASSAY_VERDICT_FAILED, "memory", reason);
        return 0;
    }
    const uint64_t others = beside + m.total - m.exec - assay_arena_footprint(scratch);
    if (!assay_arena_reserve(&e->arena, scratch, limit ? limit - others - m.exec : 0)) {
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %.1f MiB of scratch",
                             (double)m.scratch / 0x1p20);
    }
    *most = limit ? limit - others - assay_arena_held(&e->arena) : 0;
    return 1;
}

// ---- one candidate ------------------------------------------------------------------------------
static int measure(struct assay_subject *s, const struct assay_metric *metric, double *out,
                   double *spectrum, struct assay_record *record, struct assay_err *err)
{
    struct assay_err failure = {0};
    char reason[ASSAY_METRIC_REASON] = "";
    const int verdict =
        metric->measure(s, out, metric->spectrum ? spectrum : NULL, reason, &failure);
    if (verdict == ASSAY_ERR_MPI || verdict == ASSAY_ERR_MEMORY) // the system's failure
        return assay_err_set(err, verdict, "%s: %s", metric->name, failure.text);
    if (verdict < 0) {
        fill_nan(metric->n_column, out);
        judge(record, ASSAY_VERDICT_FAILED, metric->name, failure.text);
        return ASSAY_OK;
    }
    judge(record, verdict, metric->name, reason);
    check_finite(record, metric, out);
    return ASSAY_OK;
}

// Of a dead candidate only what needs no network is defined. most: bytes of the executor.
static int evaluate_repeat(struct assay_evaluator *e, uint64_t repeat, bool dead, uint64_t most,
                           struct assay_record *record, struct assay_err *err)
{
    struct assay_subject s = make_subject(e, repeat);
    s.memory_limit = most;
    assay_arena_reset(&e->arena);
    if (!dead) ASSAY_TRY(draw_weights(e, repeat, &s, err));
    double *out = record->value + repeat * e->schema.n_column;
    double *spectrum = record->spectrum + repeat * e->schema.spectrum_len;
    for (uint32_t i = 0; i < e->columns.n_metric; i++) {
        const struct assay_metric *metric = e->columns.metric[i];
        const bool mine = metric->collective || assay_pla_rank(e->pla) == 0;
        if (mine && (!dead || !metric->needs))
            ASSAY_TRY(measure(&s, metric, out, spectrum, record, err));
        out += metric->n_column;
    }
    return ASSAY_OK;
}

// Builds the networks and makes room for them; as make_room.
static int set_up(struct assay_evaluator *e, uint64_t index, const struct assay_supernet *mask,
                  bool *dead, uint64_t *most, struct assay_record *record, struct assay_err *err)
{
    ASSAY_TRY(build_networks(e, index, mask, dead, err));
    if (*dead)
        judge(record, ASSAY_VERDICT_DEAD, "network", "the output does not depend on the input");
    return make_room(e, *dead, most, record, err);
}

// Of the repeats first to end - 1.
static int evaluate(struct assay_evaluator *e, uint64_t index, const struct assay_supernet *mask,
                    uint32_t first, uint32_t end, struct assay_record *record,
                    struct assay_err *err)
{
    const double start = assay_clock_thread();
    const struct assay_schema *schema = &e->schema;
    record->index = index;
    record->verdict = ASSAY_VERDICT_OK;
    memset(record->reason, 0, sizeof record->reason);
    fill_nan((size_t)schema->repeats * schema->n_column, record->value);
    fill_nan((size_t)schema->repeats * schema->spectrum_len, record->spectrum);

    bool dead = false;
    uint64_t most = 0;
    const int ready = set_up(e, index, mask, &dead, &most, record, err),
              fits = assay_pla_agree(e->pla, ready, err);
    ASSAY_TRY(fits);
    for (uint32_t r = first; fits && r < end; r++) {
        const int status = evaluate_repeat(e, r, dead, most, record, err);
        if (status < 0) return e->pla ? ASSAY_ERR_MPI : status; // a team's others wait for this one
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
static int check_input(const struct assay_graph *g, const char *network, const char *what,
                       uint32_t channels, uint32_t side, struct assay_err *err)
{
    const struct assay_node *in = &g->node[0];
    if (in->c == channels && in->h == side && in->w == side) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "data: %s are (%u,%u,%u), the %s expects (%u,%u,%u)", what, channels, side,
                         side, network, in->c, in->h, in->w);
}

// The shapes of all candidates of a space are alike: candidate 0 stands for them.
static int check_shape(struct assay_evaluator *e, const struct assay_data *data,
                       struct assay_err *err)
{
    bool dead;
    ASSAY_TRY(build_networks(e, 0, NULL, &dead, err));
    if (e->needs & ASSAY_NEEDS_NET)
        ASSAY_TRY(check_input(&e->net, "network", "images", assay_data_channels(data),
                              assay_config_data(e->config)->image, err));
    if (e->needs & ASSAY_NEEDS_THIN)
        ASSAY_TRY(check_input(&e->thin, "thin network", "patches", 1, 3, err));
    return ASSAY_OK;
}

static int start(struct assay_evaluator *e, const struct assay_data *data, struct assay_err *err)
{
    const struct assay_config *config = e->config;
    const struct assay_protocol *p = assay_config_protocol(config);
    const struct assay_kern *kern;
    ASSAY_TRY(assay_columns_create(&e->columns, config, false, err));
    for (uint32_t i = 0; i < e->columns.n_metric; i++) e->needs |= e->columns.metric[i]->needs;
    e->schema = (struct assay_schema){
        .column = e->columns.column,
        .protocol = e->columns.protocol,
        .n_column = e->columns.n_column,
        .repeats = (uint32_t)p->repeats,
        .spectrum_len = e->columns.spectrum ? assay_kernel_rows(p) : 0,
    };
    ASSAY_TRY(assay_kern_select(&kern, assay_config_evaluation(config)->cpu, err));
    ASSAY_TRY(assay_exec_create(&e->exec, err));
    ASSAY_TRY(assay_plans_create(&e->plans, kern, err));
    ASSAY_TRY(check_shape(e, data, err));
    e->draw.seed = p->seed;
    return inputs_draw(&e->inputs, config, e->needs, data, assay_held_drawing(&e->held), err);
}

int assay_evaluator_create(struct assay_evaluator **out, const struct assay_config *config,
                           const struct assay_space *space, const struct assay_data *data,
                           const struct assay_pla *pla, const struct assay_held *held,
                           struct assay_err *err)
{
    struct assay_evaluator *e = calloc(1, sizeof *e);
    if (!e) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory left for the evaluator");
    e->config = config;
    e->space = space;
    e->pla = pla;
    if (held) e->held = *held;
    assay_graph_init(&e->literal);
    assay_graph_init(&e->net);
    assay_graph_init(&e->thin);
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
    assay_graph_free(&e->literal);
    assay_graph_free(&e->net);
    assay_graph_free(&e->thin);
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
    if (build_networks(e, index, NULL, &dead, NULL) < 0 || dead) return 1.0;
    const double net = e->needs & ASSAY_NEEDS_NET ? assay_graph_cost(&e->net).work : 0;
    const double thin = e->needs & ASSAY_NEEDS_THIN ? assay_graph_cost(&e->thin).work : 0;
    // A coupled kernel is a backward pass of all images for each row; the thin network runs forward
    // only.
    return 1.0 + net * e->inputs.n_image * assay_kernel_rows(assay_config_protocol(e->config)) +
           net * e->inputs.n_nasi + thin * e->inputs.n_patch;
}
