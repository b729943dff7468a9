// SPDX-License-Identifier: Apache-2.0
#include "stages.h"

#include "blocks.h"

static uint32_t add_stage(const struct space_stages *s, const struct space_stage *stage,
                          struct assay_graph *g, uint32_t x, uint32_t *number)
{
    if (stage->reduced) {
        char name[32];
        assay_graph_name(g, name, sizeof name, "cells.%u", (*number)++);
        x = space_residual(g, x, stage->reduced, s->affine, name);
        assay_graph_feature(g, ASSAY_FEATURE_REDUCTION, x);
    }
    for (uint32_t i = 0; i < stage->cells; i++) {
        const uint32_t stride = i == 0 && stage->stride ? stage->stride : 1;
        x = s->cell(s->self, g, x, stage->c, stride, (*number)++);
        assay_graph_feature(g, ASSAY_FEATURE_CELL, x);
    }
    return x;
}

static uint32_t add_stages(const struct space_stages *s, struct assay_graph *g, uint32_t x)
{
    uint32_t number = 0;
    x = s->stem ? s->stem(g, x, s->stem_c, s->affine)
                : space_conv_bn(g, x, s->stem_c, s->affine, "stem");
    assay_graph_feature(g, ASSAY_FEATURE_STEM, x);
    for (uint32_t i = 0; i < s->n; i++) x = add_stage(s, &s->stage[i], g, x, &number);
    return x;
}

int space_stages_build(const struct space_stages *s, const struct assay_net *net,
                       struct assay_graph *g, struct assay_err *err)
{
    const bool whole = s->patch || !net->thin;
    uint32_t x =
        s->patch && net->thin ? assay_graph_input(g, 1, s->patch, s->patch) : space_input(g, net);
    x = !whole ? s->cell(s->self, g, x, 1, 1, 0) : add_stages(s, g, x);
    if (s->widen) x = s->widen(g, x, s->stem_c);
    if (s->plain)
        space_classify_by(g, x, net->classes, s->classifier ? s->classifier : "classifier");
    else
        space_head(g, x, s->patch && net->thin ? 0 : net->classes, s->affine);
    return assay_graph_finish(g, err);
}
