// SPDX-License-Identifier: Apache-2.0
// A benchmark's figures as a table, each beside its target, or as JSON.
#ifndef ASSAY_TESTS_BENCH_REPORT_H
#define ASSAY_TESTS_BENCH_REPORT_H

#include "bench.h"

enum goal { AT_MOST, AT_LEAST, NO_GOAL };

struct report {
    bool json;
    int n_prefix;
    char **prefix;
    unsigned rows, missed;
    struct assay_space nb201, darts;
    const struct assay_kern *kern;
};

static inline bool wanted(const struct report *r, const char *name)
{
    for (int i = 0; i < r->n_prefix; i++) {
        if (strncmp(name, r->prefix[i], strlen(r->prefix[i])) == 0) return true;
    }
    return r->n_prefix == 0;
}

static inline void print_row(struct report *r, const char *name, double value, enum goal goal,
                             double target, const char *note)
{
    const bool ok = goal == NO_GOAL || (goal == AT_MOST ? value <= target : value >= target);
    char bound[32] = "";
    if (goal != NO_GOAL)
        snprintf(bound, sizeof bound, "%s %.3g", goal == AT_MOST ? "<=" : ">=", target);
    r->missed += !ok;
    if (!r->json) {
        printf("%-34s %10s %10.4g  %-6s %s\n", name, bound, value,
               goal == NO_GOAL ? "" : (ok ? "ok" : "MISSED"), note);
    } else {
        printf("%s\n  {\"figure\": \"%s\", \"target\": \"%s\", \"reached\": %.6g, \"ok\": %s, "
               "\"note\": \"%s\"}",
               r->rows ? "," : "", name, bound, value,
               goal == NO_GOAL ? "null" : (ok ? "true" : "false"), note);
    }
    r->rows++;
    fflush(stdout);
}

#endif
