// SPDX-License-Identifier: Apache-2.0
#include "runs.h"

#include <stdlib.h>
#include <string.h>

static int wrong(const struct runs *runs, struct report *r, const char *name)
{
    return assay_err_set(r->err, ASSAY_ERR_INPUT,
                         "%s: %s/%s is missing, or not of the length of %s/seed; the file is "
                         "damaged",
                         assay_parts_file(r->in->parts), runs->group, name, runs->group);
}

int runs_numbers(const struct runs *runs, struct report *r, const char *name, uint64_t width,
                 struct assay_values *values)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", runs->group, name);
    ASSAY_TRY(assay_parts_numbers(r->in->parts, path, values, r->err));
    if (values->n == runs->n && values->width && (!width || values->width == width))
        return ASSAY_OK;
    return wrong(runs, r, name);
}

int runs_texts(const struct runs *runs, struct report *r, const char *name, char ***texts)
{
    char path[96];
    uint64_t n;
    snprintf(path, sizeof path, "%s/%s", runs->group, name);
    ASSAY_TRY(assay_parts_texts(r->in->parts, path, texts, &n, r->err));
    return n == runs->n ? ASSAY_OK : wrong(runs, r, name);
}

static bool is_of(const struct run *run, const char *method, double seed)
{
    return run->seed == seed && (!method || strcmp(run->method, method) == 0);
}

static uint8_t find(struct runs *runs, const char *method, double seed)
{
    uint32_t i = 0;
    while (i < runs->n_run && !is_of(&runs->run[i], method, seed)) i++;
    if (i == RUNS_MOST) return RUNS_MOST;
    if (i == runs->n_run) runs->run[runs->n_run++] = (struct run){method, seed, 0};
    runs->run[i].n++;
    return (uint8_t)i;
}

int runs_read(struct runs *runs, struct report *r, const char *group)
{
    char path[96];
    struct assay_values seed;
    char **method = NULL;
    uint64_t n_method;
    *runs = (struct runs){.group = group};
    snprintf(path, sizeof path, "%s/seed", group);
    ASSAY_TRY(assay_parts_numbers(r->in->parts, path, &seed, r->err));
    snprintf(path, sizeof path, "%s/method", group);
    ASSAY_TRY(assay_parts_texts(r->in->parts, path, &method, &n_method, r->err));
    runs->n = seed.n;
    if (seed.n && seed.width != 1) return wrong(runs, r, "seed");
    if (method && n_method != seed.n) return wrong(runs, r, "method");
    runs->of = malloc(seed.n + 1);
    if (!runs->of) return assay_err_set(r->err, ASSAY_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < seed.n; i++)
        runs->of[i] = find(runs, method ? method[i] : NULL, seed.value[i]);
    return ASSAY_OK;
}

void runs_free(struct runs *runs)
{
    free(runs->of);
}

void runs_name(const struct runs *runs, uint32_t run, char *text, size_t cap)
{
    const struct run *of = &runs->run[run];
    snprintf(text, cap, "%.60s%sseed %.0f", of->method ? of->method : "", of->method ? ", " : "",
             of->seed);
}
