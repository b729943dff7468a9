// SPDX-License-Identifier: Apache-2.0
#include "assay/score.h"

#include <string.h>

const struct assay_score assay_scores[] = {
    {.name = "tenas",
     .formula = "kappa + regions",
     .unit = "rank sum",
     .source = "TE-NAS (arXiv 2102.11535): rank of kappa + rank of regions among these rows",
     .protocol = "as of kappa and regions"},
    {.name = NULL},
};

const struct assay_score *assay_score_find(const char *name)
{
    for (const struct assay_score *s = assay_scores; s->name; s++)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

const char *assay_score_unit(const struct assay_score_formula *f)
{
    return f->direction < 0 ? "rank sum" : "sum of ln(rank/M)";
}
