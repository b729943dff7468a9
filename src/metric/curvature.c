// SPDX-License-Identifier: Apache-2.0
// Second derivatives of what a pass pulls back.
#include "subject.h"

struct scalar {
    const struct assay_subject *s;
    const struct assay_use *use;
    uint32_t pass;
};

static void cotangent(void *self, const double *logits, double *cot)
{
    const struct scalar *of = self;
    const struct assay_pass *pass = &wanted_pass(of->s, of->use, of->pass)->pass;
    const bool reads = pass->labels != ASSAY_LABELS_NONE;
    pull_cotangent(pass->pull, assay_subject_images(of->s, of->use, of->pass),
                   outputs_of(assay_subject_graph(of->s, of->use, of->pass)), logits,
                   reads ? assay_subject_labels(of->s, of->use, of->pass) : NULL, cot);
}

int assay_subject_curvature(struct assay_subject *s, const struct assay_use *use, uint32_t pass,
                            const double *way, double *product, struct assay_err *err)
{
    const struct assay_wanted_pass *wanted = wanted_pass(s, use, pass);
    const struct assay_forward *f = wanted_forward(s, wanted);
    struct scalar of = {.s = s, .use = use, .pass = pass};
    const struct assay_scalar scalar = {.self = &of, .cotangent = cotangent};
    ASSAY_ASSERT(wanted->pass.curvature && wanted->pass.bn == ASSAY_BN_BATCH);
    ASSAY_TRY(memo_hold(s, wanted->forward, err));
    assay_exec_curvature(s->exec, s->theta[f->weights], forward_input(s, f, 0), &scalar, way,
                         product);
    s->memo->held = UINT32_MAX;
    return ASSAY_OK;
}
