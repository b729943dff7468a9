// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "kern/rungs.h"

#define RUNG(name)                                                                                 \
    {                                                                                              \
        &name##_single, &name##_double                                                             \
    }
static const struct assay_kern *const ladder[][2] = {
    RUNG(assay_kern_baseline),
#if defined(__x86_64__)
    RUNG(assay_kern_avx2),
    RUNG(assay_kern_avx512),
#endif
};

const struct assay_kern *assay_kern_rung(enum assay_precision precision, unsigned i)
{
    return i < ASSAY_LEN(ladder) ? ladder[i][precision] : NULL;
}

const struct assay_kern *assay_kern_precise(const struct assay_kern *kern)
{
    for (unsigned i = 0; i < ASSAY_LEN(ladder); i++)
        if (ladder[i][ASSAY_SINGLE] == kern) return ladder[i][ASSAY_DOUBLE];
    return kern;
}

bool assay_kern_runnable(const struct assay_kern *kern)
{
    return kern->runnable();
}

const char *assay_kern_name(const struct assay_kern *kern)
{
    return kern->name;
}

int assay_kern_select(const struct assay_kern **out, const char *rung,
                      enum assay_precision precision, struct assay_err *err)
{
    const bool automatic = strcmp(rung, "auto") == 0;
    const struct assay_kern *best = NULL;
    char known[128] = "auto";
    for (unsigned i = 0; i < ASSAY_LEN(ladder); i++) {
        const struct assay_kern *kern = ladder[i][precision];
        if (!kern->runnable()) continue;
        strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, kern->name, sizeof known - strlen(known) - 1);
        if (automatic || strcmp(rung, kern->name) == 0) best = kern;
    }
    if (!best) {
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "run.cpu = '%s': expected a rung this CPU can run: %s", rung, known);
    }
    *out = best;
    return ASSAY_OK;
}

double assay_kern_peak(const struct assay_kern *kern, double seconds)
{
    double best = 0;
    const double end = assay_clock_thread() + seconds;
    do {
        const double start = assay_clock_thread();
        const double flops = kern->fma_loop(1000000);
        const double rate = flops / (assay_clock_thread() - start);
        if (rate > best) best = rate;
    } while (assay_clock_thread() < end);
    return best;
}
