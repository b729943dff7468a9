// SPDX-License-Identifier: Apache-2.0
// Makes the passes that metrics declared, each once, and shows them to who taps them.
#include "subject.h"

#include <string.h>

#define NOT_HELD UINT32_MAX

int memo_alloc(struct assay_subject *s, size_t bytes, void **out, struct assay_err *err)
{
    *out = assay_arena_alloc(s->arena, bytes);
    if (*out) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "metric: no memory left for %zu bytes of scratch",
                         bytes);
}

static size_t state_bytes(const struct assay_subject *s, const struct assay_use *use)
{
    return use->metric->state ? use->metric->state(s, use) : 0;
}

size_t memo_bytes(const struct assay_subject *s)
{
    size_t bytes = assay_arena_block(sizeof(struct assay_memo));
    for (uint32_t i = 0; i < s->demand->n_use; i++) {
        const size_t state = state_bytes(s, &s->demand->use[i]);
        if (state) bytes += assay_arena_block(state);
    }
    return bytes;
}

int memo_get(struct assay_subject *s, struct assay_memo **out, struct assay_err *err)
{
    void *block;
    *out = s->memo;
    if (s->memo) return ASSAY_OK;
    ASSAY_TRY(memo_alloc(s, sizeof *s->memo, &block, err));
    struct assay_memo *memo = memset(block, 0, sizeof *memo);
    memo->held = NOT_HELD;
    for (uint32_t i = 0; i < s->demand->n_use; i++) {
        const size_t state = state_bytes(s, &s->demand->use[i]);
        if (state) ASSAY_TRY(memo_alloc(s, state, &memo->state[i], err));
        if (state) memset(memo->state[i], 0, state);
    }
    *out = s->memo = memo;
    return ASSAY_OK;
}

// ---- what a pass is of --------------------------------------------------------------------------
const struct assay_graph *forward_graph(const struct assay_subject *s,
                                        const struct assay_forward *f)
{
    return s->graph[s->demand->weights[f->weights].network];
}

uint32_t forward_images(const struct assay_subject *s, const struct assay_forward *f)
{
    const uint64_t n = s->demand->input[f->input].input.n / f->parts;
    return (uint32_t)(f->take && f->take < n ? f->take : n);
}

uint32_t forward_batch(const struct assay_subject *s, const struct assay_forward *f)
{
    const uint32_t n = forward_images(s, f);
    return f->batch && f->batch < n ? (uint32_t)f->batch : n;
}

const struct assay_graph *assay_subject_graph(const struct assay_subject *s,
                                              const struct assay_use *use, uint32_t pass)
{
    return s->graph[wanted_pass(s, use, pass)->pass.network];
}

uint32_t assay_subject_images(const struct assay_subject *s, const struct assay_use *use,
                              uint32_t pass)
{
    return forward_images(s, wanted_forward(s, wanted_pass(s, use, pass)));
}

uint32_t assay_subject_classes(const struct assay_subject *s)
{
    const struct assay_graph *g =
        s->graph[ASSAY_NET] ? s->graph[ASSAY_NET] : s->graph[ASSAY_NET_LITERAL];
    return outputs_of(g);
}

const double *assay_subject_theta(const struct assay_subject *s, const struct assay_use *use,
                                  uint32_t pass)
{
    return s->theta[wanted_pass(s, use, pass)->weights];
}

// The first image of a forward pass in its input.
static size_t first_image(const struct assay_subject *s, const struct assay_forward *f)
{
    return (size_t)f->part * (s->demand->input[f->input].input.n / f->parts);
}

static const uint32_t *labels_of(const struct assay_subject *s, const struct assay_wanted_pass *p)
{
    const struct assay_forward *f = wanted_forward(s, p);
    return s->given[f->input].label[p->pass.labels] + first_image(s, f);
}

const uint32_t *assay_subject_labels(const struct assay_subject *s, const struct assay_use *use,
                                     uint32_t pass)
{
    return labels_of(s, wanted_pass(s, use, pass));
}

// ---- taps ---------------------------------------------------------------------------------------
// A pass in the making, and who looks on.
struct making {
    struct assay_subject *s;
    uint32_t forward, pass; // pass: whose gradient is made, or NOT_HELD
    uint32_t first;         // image of the pass that its batch begins with
};

static bool looks_on(const struct making *made, uint32_t pass)
{
    return made->pass == NOT_HELD ? made->s->demand->pass[pass].forward == made->forward
                                  : pass == made->pass;
}

// The next of all metrics' passes, from number *at on, that looks on; false: there is none left.
static bool next_look(const struct making *made, uint32_t *at, struct assay_look *look)
{
    const struct assay_demand *d = made->s->demand;
    for (; *at < d->n_use * ASSAY_METRIC_PASSES; ++*at) {
        const struct assay_use *use = &d->use[*at / ASSAY_METRIC_PASSES];
        const uint32_t k = *at % ASSAY_METRIC_PASSES;
        if (k >= use->n_pass || !looks_on(made, use->pass[k])) continue;
        *look = (struct assay_look){.subject = made->s,
                                    .use = use,
                                    .pass = k,
                                    .graph = assay_subject_graph(made->s, use, k),
                                    .state = made->s->memo->state[use->index]};
        ++*at;
        return true;
    }
    return false;
}

// A block as the pass counts its images.
static struct assay_block in_pass(const struct making *made, const struct assay_block *block)
{
    struct assay_block b = *block;
    b.first += made->first;
    return b;
}

static void show_value(void *self, const struct assay_block *block, const double *value)
{
    const struct making *made = self;
    const struct assay_block b = in_pass(made, block);
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);)
        if (look.use->metric->value) look.use->metric->value(&look, &b, value);
}

static void show_gradient(void *self, const struct assay_block *block, const double *gradient,
                          const double *kept)
{
    const struct making *made = self;
    const struct assay_block b = in_pass(made, block);
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);)
        if (look.use->metric->gradient) look.use->metric->gradient(&look, &b, gradient, kept);
}

static void show_replace(void *self, const struct assay_block *block, double *gradient)
{
    const struct making *made = self;
    const struct assay_block b = in_pass(made, block);
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);)
        if (look.use->metric->replace) look.use->metric->replace(&look, &b, gradient);
}

static void show_layer(void *self, uint32_t param, uint32_t first, uint32_t count,
                       const double *row)
{
    const struct making *made = self;
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);)
        if (look.use->metric->layer)
            look.use->metric->layer(&look, param, made->first + first, count, row);
}

static void show_products(void *self, const struct assay_products *products)
{
    const struct making *made = self;
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);)
        if (look.use->metric->products) look.use->metric->products(&look, products);
}

static void show_batch(const struct making *made, uint32_t count, const double *gradient)
{
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);)
        if (look.use->metric->batch) look.use->metric->batch(&look, made->first, count, gradient);
}

// ---- forward passes -----------------------------------------------------------------------------
int memo_plan(const struct assay_subject *s, const struct assay_forward *f, uint32_t n,
              const struct assay_plan **plan, struct assay_err *err)
{
    const struct assay_want want = {.backward = f->backward,
                                    .precise = f->precise,
                                    .held = f->curvature,
                                    .single = f->single,
                                    .tap = f->tapped ? f->tap : NULL,
                                    .norm = f->norms == ASSAY_NORMS_BATCH ? NULL : f->norm};
    return assay_plans_get(s->plans, forward_graph(s, f), n, &want, plan, err);
}

int memo_bind(struct assay_subject *s, const struct assay_plan *plan, struct assay_err *err)
{
    const uint64_t plans = assay_plans_size(s->plans), limit = s->memory_limit;
    return assay_exec_bind(s->exec, plan, limit > plans ? limit - plans : limit > 0, err);
}

const double *forward_input(const struct assay_subject *s, const struct assay_forward *f,
                            uint32_t first)
{
    const struct assay_node *in = &forward_graph(s, f)->node[0];
    return s->given[f->input].x + (first_image(s, f) + first) * in->c * in->h * in->w;
}

// Forward of images [first, first + n), shown unless that was done before. bound: the executor is
// bound for so many.
static int run_batch(struct assay_subject *s, uint32_t forward, uint32_t first, uint32_t n,
                     bool bound, struct assay_err *err)
{
    const struct assay_forward *f = &s->demand->forward[forward];
    struct making made = {.s = s, .forward = forward, .pass = NOT_HELD, .first = first};
    const struct assay_taps taps = {.self = &made, .value = show_value};
    const struct assay_plan *plan;
    s->memo->held = NOT_HELD;
    if (!bound) ASSAY_TRY(memo_plan(s, f, n, &plan, err));
    if (!bound) ASSAY_TRY(memo_bind(s, plan, err));
    assay_exec_set_taps(s->exec, s->memo->shown[forward] ? NULL : &taps);
    assay_exec_forward(s->exec, s->theta[f->weights], forward_input(s, f, first));
    assay_exec_set_taps(s->exec, NULL);
    return ASSAY_OK;
}

void memo_release(struct assay_subject *s)
{
    assay_exec_release(s->exec);
    s->memo->held = NOT_HELD;
}

int memo_hold(struct assay_subject *s, uint32_t forward, struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(memo_get(s, &memo, err));
    if (memo->held == forward && !memo->part) return ASSAY_OK;
    const struct assay_forward *f = &s->demand->forward[forward];
    const uint32_t n = forward_images(s, f);
    ASSAY_ASSERT(n == forward_batch(s, f));
    ASSAY_TRY(run_batch(s, forward, 0, n, false, err));
    memo->shown[forward] = true;
    memo->held = forward;
    memo->part = false;
    return ASSAY_OK;
}

// ---- pull-backs ---------------------------------------------------------------------------------
size_t memo_gradient_bytes(const struct assay_subject *s, const struct assay_wanted_pass *pass)
{
    const struct assay_forward *f = wanted_forward(s, pass);
    const struct assay_graph *g = forward_graph(s, f);
    return ((size_t)forward_batch(s, f) * outputs_of(g) + g->n_theta) * sizeof(double);
}

static int reserve_gradient(struct assay_subject *s, const struct assay_wanted_pass *pass,
                            struct done_pass *done, struct assay_err *err)
{
    void *block;
    if (done->gradient) return ASSAY_OK;
    ASSAY_TRY(memo_alloc(s, memo_gradient_bytes(s, pass), &block, err));
    done->gradient = block;
    done->cot = done->gradient + forward_graph(s, wanted_forward(s, pass))->n_theta;
    return ASSAY_OK;
}

// Layers, and what convolutions pull back, are shown where somebody looks at them: each costs
// another product.
static struct assay_taps taps_of(const struct making *made, bool blocks)
{
    struct assay_taps taps = {
        .self = (void *)made, .gradient = show_gradient, .replace = blocks ? show_replace : NULL};
    struct assay_look look;
    for (uint32_t at = 0; next_look(made, &at, &look);) {
        if (look.use->metric->layer) taps.layer = show_layer;
        if (look.use->metric->products) taps.products = show_products;
    }
    return taps;
}

// Of the batch the executor holds.
static void pull_batch(struct assay_subject *s, const struct making *made, uint32_t n,
                       const struct done_pass *done)
{
    const struct assay_wanted_pass *pass = &s->demand->pass[made->pass];
    const uint32_t classes = outputs_of(forward_graph(s, wanted_forward(s, pass)));
    const bool reads = pass->pass.labels != ASSAY_LABELS_NONE;
    pull_cotangent(pass->pass.pull, n, classes, assay_exec_logits(s->exec),
                   reads ? labels_of(s, pass) + made->first : NULL, done->cot);
    const struct assay_taps taps = taps_of(made, pass->pass.pull == ASSAY_PULL_BLOCKS);
    assay_exec_set_taps(s->exec, &taps);
    assay_exec_gradient(s->exec, pass->pass.bn, done->cot, done->gradient);
    assay_exec_set_taps(s->exec, NULL);
    show_batch(made, n, done->gradient);
}

// Batch by batch; a pass in one batch stays with the executor.
static int make_pass(struct assay_subject *s, uint32_t index, struct assay_err *err)
{
    const struct assay_wanted_pass *pass = &s->demand->pass[index];
    const struct assay_forward *f = wanted_forward(s, pass);
    const uint32_t n = forward_images(s, f), batch = forward_batch(s, f);
    const bool pull = has_gradient(&pass->pass), whole = n == batch;
    struct done_pass *done = &s->memo->pass[index];
    uint32_t bound = 0;
    if (pull) ASSAY_TRY(reserve_gradient(s, pass, done, err));
    if (whole) ASSAY_TRY(memo_hold(s, pass->forward, err));
    for (uint32_t first = 0; (pull || !s->memo->shown[pass->forward]) && first < n;
         first += batch) {
        const uint32_t count = n - first < batch ? n - first : batch;
        if (!whole) ASSAY_TRY(run_batch(s, pass->forward, first, count, count == bound, err));
        bound = count;
        const struct making made = {
            .s = s, .forward = pass->forward, .pass = index, .first = first};
        if (pull) pull_batch(s, &made, count, done);
    }
    s->memo->shown[pass->forward] = true;
    done->made = true;
    return ASSAY_OK;
}

int assay_subject_run(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                      struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_ASSERT(wanted_pass(s, use, pass)->pass.pull != ASSAY_PULL_WEIGHTS);
    ASSAY_TRY(memo_get(s, &memo, err));
    return memo->pass[use->pass[pass]].made ? ASSAY_OK : make_pass(s, use->pass[pass], err);
}

void *assay_subject_state(const struct assay_subject *s, const struct assay_use *use)
{
    return s->memo ? s->memo->state[use->index] : NULL;
}

int assay_subject_logits(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                         const double **logits, struct assay_err *err)
{
    ASSAY_TRY(memo_hold(s, wanted_pass(s, use, pass)->forward, err));
    *logits = assay_exec_logits(s->exec);
    return ASSAY_OK;
}

int assay_subject_gradient(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                           const double **gradient, struct assay_err *err)
{
    ASSAY_TRY(assay_subject_run(s, use, pass, err));
    *gradient = s->memo->pass[use->pass[pass]].gradient;
    return ASSAY_OK;
}

int assay_subject_measure(struct assay_subject *s, const struct assay_use *use, double *out,
                          double *spectrum, char *reason, struct assay_err *err)
{
    return use->metric->measure(s, use, out, spectrum, reason, err);
}
