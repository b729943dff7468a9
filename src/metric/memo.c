// SPDX-License-Identifier: Apache-2.0
#include "memo.h"

#include <stdarg.h>
#include <stdio.h>

int assay_memo_alloc(struct assay_subject *s, size_t bytes, void **out, struct assay_err *err)
{
    *out = assay_arena_alloc(s->arena, bytes);
    if (*out) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "metric: no memory left for %zu bytes of scratch",
                         bytes);
}

int assay_memo_get(struct assay_subject *s, struct assay_memo **memo, struct assay_err *err)
{
    if (!s->memo) {
        void *block;
        ASSAY_TRY(assay_memo_alloc(s, sizeof *s->memo, &block, err));
        s->memo = block;
        *s->memo = (struct assay_memo){.pass = PASS_NONE};
    }
    *memo = s->memo;
    return ASSAY_OK;
}

int assay_memo_bind(struct assay_subject *s, const struct assay_graph *g, uint32_t n, bool backward,
                    struct assay_err *err)
{
    const struct assay_plan *plan;
    ASSAY_TRY(
        assay_plans_get(s->plans, g, n, &(struct assay_want){.backward = backward}, &plan, err));
    const uint64_t plans = assay_plans_size(s->plans), limit = s->memory_limit;
    return assay_exec_bind(s->exec, plan, limit > plans ? limit - plans : limit > 0, err);
}

int assay_memo_forward(struct assay_subject *s, enum pass pass, struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(assay_memo_get(s, &memo, err));
    if (pass == PASS_NASI && s->nasi_images == s->images) pass = PASS_IMAGES;
    if (memo->pass == pass) return ASSAY_OK;
    const uint32_t n = pass == PASS_IMAGES ? s->n_image : s->n_nasi;
    memo->pass = PASS_NONE;
    ASSAY_TRY(assay_memo_bind(s, s->net, n, true, err));
    assay_exec_forward(s->exec, s->theta_net, pass == PASS_IMAGES ? s->images : s->nasi_images);
    memo->pass = pass;
    return ASSAY_OK;
}

// Rows begin on cache lines.
size_t assay_memo_jacobian_ld(const struct assay_subject *s)
{
    return (s->net->n_theta + 7) / 8 * 8;
}

size_t assay_memo_jacobian_bytes(const struct assay_subject *s)
{
    const uint64_t rows = assay_pla_rows(assay_subject_rows(s), s->team, 0).count;
    return rows * assay_memo_jacobian_ld(s) * sizeof(double);
}

int assay_memo_jacobian(struct assay_subject *s, struct assay_err *err)
{
    struct assay_memo *memo;
    ASSAY_TRY(assay_memo_get(s, &memo, err));
    if (memo->jac) return ASSAY_OK;
    void *block;
    ASSAY_TRY(assay_memo_alloc(s, assay_memo_jacobian_bytes(s), &block, err));
    memo->jac = block;
    memo->jac_ld = assay_memo_jacobian_ld(s);
    return ASSAY_OK;
}

static uint32_t classes_of(const struct assay_subject *s)
{
    return s->net->node[s->net->n_node - 1].c;
}

uint32_t assay_subject_rows(const struct assay_subject *s)
{
    return s->protocol->ntk_outputs == ASSAY_OUTPUTS_ALL ? s->n_image * classes_of(s) : s->n_image;
}

size_t assay_memo_cotangent_bytes(const struct assay_subject *s, enum assay_outputs outputs)
{
    const size_t classes = classes_of(s);
    return (outputs == ASSAY_OUTPUTS_ALL ? classes * classes : classes) * sizeof(double);
}

// s_n = sum_k logit_k(x_n), or every logit by itself.
int assay_memo_cotangents(struct assay_subject *s, enum assay_outputs outputs, double **cot,
                          uint32_t *count, struct assay_err *err)
{
    const bool all = outputs == ASSAY_OUTPUTS_ALL;
    const uint64_t classes = classes_of(s);
    void *block;
    ASSAY_TRY(assay_memo_alloc(s, assay_memo_cotangent_bytes(s, outputs), &block, err));
    *cot = block;
    *count = all ? (uint32_t)classes : 1;
    for (uint64_t i = 0; i < *count * classes; i++) (*cot)[i] = !all || i % (classes + 1) == 0;
    return ASSAY_OK;
}

int assay_subject_logits(struct assay_subject *s, const double **logits, struct assay_err *err)
{
    ASSAY_TRY(assay_memo_forward(s, PASS_IMAGES, err));
    *logits = assay_exec_logits(s->exec);
    return ASSAY_OK;
}

int assay_metric_degenerate(char *reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, ASSAY_METRIC_REASON, fmt, args);
    va_end(args);
    return ASSAY_VERDICT_DEGENERATE;
}

double assay_metric_sumsq(size_t n, const double *v)
{
    double lane[8] = {0.0}; // eight partial sums: the compiler may not reorder one
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t l = 0; l < 8; l++) lane[l] += v[i + l] * v[i + l];
    }
    for (size_t l = 0; i + l < n; l++) lane[l] += v[i + l] * v[i + l];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}
