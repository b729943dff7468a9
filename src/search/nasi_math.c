// SPDX-License-Identifier: Apache-2.0
#include "nasi_math.h"

#include "assay/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- choices ------------------------------------------------------------------------------------
static uint8_t best_option(uint32_t n, const double *score)
{
    uint8_t best = 0;
    for (uint8_t i = 1; i < n; i++) {
        if (score[i] > score[best]) best = i;
    }
    return best;
}

static void best_pair(uint32_t n, const double *a, const double *b, uint8_t *i, uint8_t *j)
{
    *i = 0, *j = 1;
    for (uint8_t k = 0; k < n; k++) {
        for (uint8_t l = 0; l < n; l++) {
            if (k != l && a[k] + b[l] > a[*i] + b[*j]) *i = k, *j = l;
        }
    }
}

// The k best, as bits.
static uint8_t best_set(uint32_t n, uint32_t k, const double *score)
{
    uint32_t set = 0;
    for (; k > 0; k--) {
        uint32_t best = n;
        for (uint32_t i = 0; i < n; i++) {
            if (!(set & 1u << i) && (best == n || score[i] > score[best])) best = i;
        }
        set |= 1u << best;
    }
    return (uint8_t)set;
}

uint32_t nasi_blends(const struct assay_oneshot_kind *kind, uint32_t choice)
{
    return kind->blends ? kind->blends[choice] : 0;
}

bool nasi_takes(const struct assay_oneshot_kind *kind, const uint8_t *option, uint32_t choice,
                uint32_t i)
{
    return nasi_blends(kind, choice) ? option[choice] >> i & 1 : option[choice] == i;
}

void nasi_weigh(const struct assay_oneshot_kind *kind, const struct nasi_sample *sample,
                uint32_t choice, double weight[ASSAY_ONESHOT_OPTIONS])
{
    const bool blended = nasi_blends(kind, choice);
    for (uint32_t i = 0; i < ASSAY_ONESHOT_OPTIONS; i++)
        weight[i] = blended ? sample->soft.of[choice][i] : sample->option[choice] == i;
}

void nasi_choose(const struct assay_oneshot_kind *kind, const struct nasi_alpha *score,
                 uint8_t *option)
{
    for (uint32_t c = 0; c < kind->choices; c++) {
        const uint32_t other = kind->differs[c], blended = nasi_blends(kind, c);
        if (blended)
            option[c] = best_set(kind->options[c], blended, score->of[c]);
        else if (other == c)
            option[c] = best_option(kind->options[c], score->of[c]);
        else
            best_pair(kind->options[c], score->of[other], score->of[c], &option[other], &option[c]);
    }
}

static void softmax(uint32_t n, const double *score, double *p)
{
    double largest = score[0], sum = 0;
    for (uint32_t i = 1; i < n; i++) largest = fmax(largest, score[i]);
    for (uint32_t i = 0; i < n; i++) sum += p[i] = exp(score[i] - largest);
    for (uint32_t i = 0; i < n; i++) p[i] /= sum;
}

// Takes `none` out of the options that are chosen from, where the choices have it.
static void leave_none(const struct assay_oneshot_kind *kind, struct nasi_alpha *score)
{
    for (uint32_t c = 0; kind->none && c < kind->choices; c++) score->of[c][0] = -INFINITY;
}

void nasi_draw(const struct assay_oneshot_kind *kind, bool none, uint64_t seed, uint64_t step,
               uint32_t cell, struct nasi_sample *out)
{
    struct nasi_alpha score = {{{0}}};
    memset(out, 0, sizeof *out);
    for (uint32_t c = 0; c < kind->choices; c++) {
        char name[48];
        struct assay_rng rng;
        snprintf(name, sizeof name, "cell %u choice %u", cell, c);
        assay_rng_init(&rng, seed, step, "gumbel", name);
        for (uint32_t i = 0; i < kind->options[c]; i++) // 1 - u is in (0, 1]
            score.of[c][i] = -log(0x1p-60 - log(1 - assay_rng_uniform(&rng)));
    }
    if (!none) leave_none(kind, &score);
    for (uint32_t c = 0; c < kind->choices; c++)
        softmax(kind->options[c], score.of[c], out->soft.of[c]);
    nasi_choose(kind, &score, out->option);
}

void nasi_pull_softmax(uint32_t options, const double *soft, const double *dw, double *dalpha)
{
    double mean = 0;
    for (uint32_t i = 0; i < options; i++) mean += soft[i] * dw[i];
    for (uint32_t i = 0; i < options; i++) dalpha[i] += soft[i] * (dw[i] - mean);
}

// ---- one step -----------------------------------------------------------------------------------
static uint32_t classes(const struct assay_graph *g)
{
    return g->node[g->n_node - 1].c;
}

size_t nasi_scratch(const struct assay_graph *g, uint32_t n)
{
    return 3 * g->n_theta + g->n_in + (size_t)n * classes(g);
}

// Computes the mean gradient grad and dL/dw at theta, which is that of the last forward pass.
static void pull(struct assay_exec *exec, const struct assay_graph *g,
                 const struct nasi_batch *batch, double *cot, double *grad, double *dw)
{
    assay_cross_entropy_cotangent(batch->n, classes(g), assay_exec_logits(exec), batch->label, cot);
    assay_exec_mix_gradient(exec, cot, grad, dw);
}

static double sum_of_squares(const struct assay_graph *g, const struct assay_node *n,
                             const double *v)
{
    double sum = 0;
    for (uint32_t p = n->param; p < n->param + n->n_param; p++) {
        for (uint64_t i = 0; i < g->param[p].size; i++)
            sum += v[g->param[p].offset + i] * v[g->param[p].offset + i];
    }
    return sum;
}

// max over layers of |grad| / |theta|.
static double relative_gradient(const struct assay_graph *g, const double *theta,
                                const double *grad)
{
    double largest = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const double norm = sum_of_squares(g, &g->node[i], theta);
        if (norm > 0) largest = fmax(largest, sum_of_squares(g, &g->node[i], grad) / norm);
    }
    return sqrt(largest);
}

void nasi_trace_step(struct assay_exec *exec, const struct assay_graph *g, const double *theta,
                     const struct nasi_batch *batch, double step, double *scratch, double *trace,
                     double *dw)
{
    double *grad = scratch, *moved = grad + g->n_theta, *unused = moved + g->n_theta,
           *minus = unused + g->n_theta, *cot = minus + g->n_in;
    assay_exec_forward(exec, theta, batch->images);
    pull(exec, g, batch, cot, grad, minus);
    *trace = 0;
    for (uint64_t i = 0; i < g->n_theta; i++) *trace += grad[i] * grad[i];
    if (!dw) return;
    memset(dw, 0, g->n_in * sizeof *dw);
    const double relative = relative_gradient(g, theta, grad), e = step / relative;
    if (!(relative > 0) || !isfinite(e)) return; // there is no gradient, or none that is finite
    for (int sign = -1; sign <= 1; sign += 2) {
        for (uint64_t i = 0; i < g->n_theta; i++) moved[i] = theta[i] + sign * e * grad[i];
        assay_exec_forward_held(exec, moved, batch->images);
        pull(exec, g, batch, cot, unused, sign < 0 ? minus : dw);
    }
    for (uint32_t i = 0; i < g->n_in; i++) dw[i] = (dw[i] - minus[i]) / e;
}

void nasi_trace(struct assay_exec *exec, const struct assay_graph *g, const double *theta,
                const struct nasi_batch *batch, double *scratch, double *trace, double *dw)
{
    nasi_trace_step(exec, g, theta, batch, NASI_STEP, scratch, trace, dw);
}

void nasi_pull_choices(const struct assay_space *space, const struct assay_net *net,
                       const struct assay_graph *g, const struct nasi_sample *sample, bool per_cell,
                       const double *dw, struct nasi_alpha *dalpha)
{
    const struct assay_oneshot_kind *kind = space->kind->oneshot;
    uint32_t mix = 0;
    memset(dalpha, 0, sizeof *dalpha);
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct assay_node *n = &g->node[i];
        if (!n->mix) continue;
        const uint32_t c = kind->choice(space, net, mix),
                       cell = per_cell ? mix / kind->per_cell : 0;
        ASSAY_ASSERT(n->n_in == kind->options[c]);
        nasi_pull_softmax(n->n_in, sample[cell].soft.of[c], dw + n->in, dalpha->of[c]);
        mix++;
    }
    ASSAY_ASSERT(mix == kind->cells(space, net) * kind->per_cell);
}

// ---- all steps ----------------------------------------------------------------------------------
double nasi_norm(const struct nasi_alpha *a)
{
    double sum = 0;
    for (uint32_t c = 0; c < ASSAY_ONESHOT_CHOICES; c++) {
        for (uint32_t i = 0; i < ASSAY_ONESHOT_OPTIONS; i++) sum += a->of[c][i] * a->of[c][i];
    }
    return sqrt(sum);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double nasi_quantile(double *value, size_t n, double quantile)
{
    qsort(value, n, sizeof *value, ascending);
    const double place = quantile * (double)(n - 1);
    const size_t below = (size_t)place, above = below + 1 < n ? below + 1 : below;
    return value[below] + (place - (double)below) * (value[above] - value[below]);
}

void nasi_add(const struct assay_oneshot_kind *kind, const struct nasi_penalty *penalty,
              double trace, const struct nasi_alpha *dalpha, struct nasi_sum *sum)
{
    sum->steps++;
    sum->nu = penalty->adaptive ? (penalty->nu + sum->traces) / (double)sum->steps : penalty->nu;
    const bool over = trace > sum->nu;
    const double slope = over ? 1 - penalty->mu : 1;
    sum->traces += trace;
    sum->over += over;
    sum->norm = fabs(slope) * nasi_norm(dalpha);
    sum->largest = fmax(sum->largest, sum->norm);
    const double scale = penalty->own_norm ? sum->norm : sum->largest;
    if (!(scale > 0)) return;
    for (uint32_t c = 0; c < kind->choices; c++) {
        for (uint32_t i = 0; i < kind->options[c]; i++)
            sum->delta.of[c][i] += slope * dalpha->of[c][i] / scale;
    }
}

uint64_t nasi_decide(const struct assay_space *space, bool none, const struct nasi_sum *sum,
                     uint8_t *option)
{
    const struct assay_oneshot_kind *kind = space->kind->oneshot;
    struct nasi_alpha score = sum->delta;
    if (!none) leave_none(kind, &score);
    nasi_choose(kind, &score, option);
    return kind->index(space, option);
}
