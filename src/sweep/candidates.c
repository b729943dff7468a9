// SPDX-License-Identifier: Apache-2.0
// Which candidates a configuration names: a range, a sample of it, or a file.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct list {
    uint64_t *index, n, cap;
};

static int append(struct list *list, uint64_t index, struct assay_err *err)
{
    if (list->n == list->cap) {
        const uint64_t cap = list->cap ? 2 * list->cap : 1024;
        uint64_t *more = realloc(list->index, cap * sizeof *more);
        if (!more)
            return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %" PRIu64 " candidates",
                                 cap);
        list->index = more;
        list->cap = cap;
    }
    list->index[list->n++] = index;
    return 0;
}

static int check_number(const struct assay_config *config, uint64_t n, struct assay_err *err)
{
    if (n <= SWEEP_CANDIDATES_MAX) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "%s: %" PRIu64 " candidates are too many to evaluate, expected at most "
                         "%d: choose some with candidates.sample (--sample), candidates.count "
                         "(--count) or candidates.archs (--archs)",
                         config->space, n, SWEEP_CANDIDATES_MAX);
}

// ---- a file -------------------------------------------------------------------------------------
// Without the comment and the white space around.
static char *strip(char *line)
{
    line[strcspn(line, "#")] = '\0';
    line += strspn(line, " \t\r\n");
    size_t n = strlen(line);
    while (n && strchr(" \t\r\n", line[n - 1])) n--;
    line[n] = '\0';
    return line;
}

static int read_lines(struct list *list, char *rest, const char *name,
                      const struct assay_space *space, struct assay_err *err)
{
    uint64_t number = 1, index;

    for (char *line; (line = strsep(&rest, "\n")); number++) {
        const char *text = strip(line);
        if (!*text) continue;
        if (assay_space_parse(space, text, &index, err) < 0)
            return assay_err_prefix(err, "%s:%" PRIu64, name, number);
        ASSAY_TRY(append(list, index, err));
    }
    return 0;
}

static int from_file(struct list *list, const struct assay_config *config,
                     const struct assay_space *space, struct assay_err *err)
{
    char *text, who[ASSAY_TEXT_MAX + 32];

    snprintf(who, sizeof who, "candidates.archs = %.400s", config->archs);
    ASSAY_TRY(assay_text_read(&text, config->archs, who, "one architecture per line", err));
    const int status = read_lines(list, text, config->archs, space, err);
    free(text);
    ASSAY_TRY(status);
    if (!list->n)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: no architecture in the file, expected one per line", who);
    return check_number(config, list->n, err);
}

// ---- a range, or a sample of it -----------------------------------------------------------------
// True when x was not in the set (open addressing, x + 1 stored, mask + 1 slots) and now is.
static bool add_to_set(uint64_t *slot, uint64_t mask, uint64_t x)
{
    uint64_t i = assay_hash64(&x, sizeof x, 0) & mask;

    while (slot[i] && slot[i] != x + 1) i = (i + 1) & mask;
    const bool fresh = !slot[i];
    slot[i] = x + 1;
    return fresh;
}

// n of `count` without replacement, uniform over the subsets (R. Floyd, CACM 30(9), 1987).
static int sample(struct list *list, const struct assay_config *config, uint64_t count,
                  struct assay_err *err)
{
    struct assay_rng rng;
    uint64_t mask = 15;
    int status = 0;

    while (mask < 2 * config->sample) mask = 2 * mask + 1;
    uint64_t *slot = calloc(mask + 1, sizeof *slot);
    if (!slot)
        return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a sample of %" PRIu64,
                             config->sample);
    assay_rng_init(&rng, config->sample_seed, 0, "candidates", config->space);
    for (uint64_t i = count - config->sample; !status && i < count; i++) {
        const uint64_t x = assay_rng_below(&rng, i + 1);
        const bool fresh = add_to_set(slot, mask, x);
        if (!fresh) add_to_set(slot, mask, i);
        status = append(list, config->first + (fresh ? x : i), err);
    }
    free(slot);
    return status;
}

// How many candidates there are from candidates.first on.
static int find_count(const struct assay_config *config, uint64_t size, uint64_t *count,
                      struct assay_err *err)
{
    if (config->first >= size)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.first = %" PRIu64 ": %s has the candidates 0 to %" PRIu64,
                             config->first, config->space, size - 1);
    const uint64_t rest = size - config->first;
    *count = config->count ? config->count : rest;
    if (*count > rest)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.count = %" PRIu64 ": %s has %" PRIu64
                             " candidates from %" PRIu64 " on",
                             config->count, config->space, rest, config->first);
    if (config->sample > *count)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "candidates.sample = %" PRIu64 ": there are %" PRIu64
                             " candidates to choose from",
                             config->sample, *count);
    return 0;
}

static int from_range(struct list *list, const struct assay_config *config,
                      const struct assay_space *space, struct assay_err *err)
{
    uint64_t count = 0;

    ASSAY_TRY(find_count(config, assay_space_size(space), &count, err));
    ASSAY_TRY(check_number(config, config->sample ? config->sample : count, err));
    if (config->sample) return sample(list, config, count, err);
    for (uint64_t i = 0; i < count; i++) ASSAY_TRY(append(list, config->first + i, err));
    return 0;
}

int sweep_plan_make(struct sweep_plan *plan, const struct assay_config *config,
                    const struct assay_space *space, struct assay_err *err)
{
    struct list list = {0};
    const int status = *config->archs ? from_file(&list, config, space, err)
                                      : from_range(&list, config, space, err);

    if (status) {
        free(list.index);
        return status;
    }
    return sweep_plan_fill(plan, list.index, list.n, config->members, space, err);
}
