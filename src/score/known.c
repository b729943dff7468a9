// SPDX-License-Identifier: Apache-2.0
#include "assay/score.h"

#include <string.h>

const struct assay_score assay_scores[] = {
    {.name = "tenas",
     .formula = "kappa + regions",
     .unit = "rank sum",
     .source = "TE-NAS (arXiv 2102.11535): rank of kappa + rank of regions among these rows",
     .protocol = "as of kappa and regions"},
    {.name = "az",
     .formula = "lnrank(flops) + lnrank(az_expressivity) + lnrank(az_progressivity) + "
                "lnrank(az_trainability)",
     .unit = "sum of ln(rank/M)",
     .source = "AZ-NAS (arXiv 2403.19232): of its metrics and FLOPs",
     .protocol = "as of flops and az_expressivity"},
    {.name = "vkdnw_agg",
     .formula = "lnrank(vkdnw_single) + lnrank(jacov) + lnrank(az_expressivity) + "
                "lnrank(az_trainability) + lnrank(flops)",
     .unit = "sum of ln(rank/M)",
     .source = "VKDNW (arXiv 2502.04975): of VKDNW, jacov, two of AZ-NAS and FLOPs",
     .protocol = "as of vkdnw_single, jacov, az_expressivity and flops"},
    {.name = "vote",
     .formula = "vote(synflow, jacov, snip)",
     .unit = "rows outvoted",
     .source = "zero-cost-nas (arXiv 2101.08134): rows that two of the three hold strictly worse",
     .protocol = "as of synflow, jacov and snip"},
    {.name = "assay",
     .formula = "lnrank(log_kappa) + lnrank(regions) + lnrank(params) + lnrank(params_live) + "
                "lnrank(jacov) + lnrank(vkdnw_entropy)",
     .unit = "sum of ln(rank/M)",
     .source = "this program: chosen on every other architecture of NAS-Bench-201 (CIFAR-10)",
     .protocol = "as of log_kappa, regions, params, jacov and vkdnw_entropy"},
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
    if (f->vote) return "rows outvoted";
    return f->direction < 0 ? "rank sum" : "sum of ln(rank/M)";
}
