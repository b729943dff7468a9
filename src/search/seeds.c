// SPDX-License-Identifier: Apache-2.0
#include "seeds.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char *text, const char *at, const char *what, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "search.seeds = %.200s: %s at character %zu, expected seeds and ranges "
                         "such as 0-3, 7",
                         text, what, (size_t)(at - text) + 1);
}

static const char *skip_blank(const char *at)
{
    while (*at == ' ' || *at == '\t') at++;
    return at;
}

static bool read_number(const char **at, uint64_t *x)
{
    char *end;
    if (!isdigit((unsigned char)**at)) return false;
    errno = 0;
    *x = strtoull(*at, &end, 10);
    *at = skip_blank(end);
    return !errno;
}

static int add_range(const char *text, const char *at, uint64_t first, uint64_t last,
                     uint64_t *seed, size_t *n, struct assay_err *err)
{
    if (last < first) return refuse(text, at, "a range that ends before it begins", err);
    if (last - first >= SEARCH_SEEDS_MAX - *n) return refuse(text, at, "more than 1000 seeds", err);
    for (uint64_t i = 0; i <= last - first; i++) {
        for (size_t k = 0; k < *n; k++)
            if (seed[k] == first + i) return refuse(text, at, "a seed that stands before", err);
        seed[(*n)++] = first + i;
    }
    return 0;
}

static int parse(const char *text, uint64_t *seed, size_t *n, struct assay_err *err)
{
    const char *at = skip_blank(text);
    for (*n = 0;;) {
        const char *const start = at;
        uint64_t first, last;
        if (!read_number(&at, &first)) return refuse(text, at, "no seed", err);
        last = first;
        if (*at == '-') {
            at = skip_blank(at + 1);
            if (!read_number(&at, &last)) return refuse(text, at, "no end of the range", err);
        }
        ASSAY_TRY(add_range(text, start, first, last, seed, n, err));
        if (!*at) return 0;
        if (*at != ',') return refuse(text, at, "something else", err);
        at = skip_blank(at + 1);
    }
}

int search_seeds_parse(const char *text, uint64_t **seed, size_t *n, struct assay_err *err)
{
    uint64_t *out = malloc(SEARCH_SEEDS_MAX * sizeof *out);
    if (!out) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for seeds");
    const int status = parse(text, out, n, err);
    if (status < 0)
        free(out);
    else
        *seed = out;
    return status;
}
