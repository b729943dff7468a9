// SPDX-License-Identifier: Apache-2.0
#include "assay/store.h"

#include <stdlib.h>
#include <string.h>

struct lines {
    const char **line;
    size_t n;
};

struct output {
    char *text;
    size_t cap, used;
    const char *section; // the section's line while it is not printed yet, or NULL
};

static size_t length(const char *line)
{
    return strcspn(line, "\n");
}

static bool same(const char *a, const char *b)
{
    const size_t n = length(a);
    return n == length(b) && memcmp(a, b, n) == 0;
}

static struct lines split(const char *text)
{
    struct lines lines = {.line = malloc((strlen(text) + 1) * sizeof *lines.line)};
    while (lines.line && *text) {
        lines.line[lines.n++] = text;
        text += length(text);
        if (*text) text++;
    }
    return lines;
}

// common[i * (b.n + 1) + j]: length of the longest common subsequence of a[i..] and b[j..]; NULL
// where there are thousands of lines, which no run has.
static uint32_t *common_lengths(struct lines a, struct lines b)
{
    enum { MOST = 1 << 22 };
    const size_t width = b.n + 1;
    uint32_t *common = a.n < MOST / width ? calloc((a.n + 1) * width, sizeof *common) : NULL;
    for (size_t i = common ? a.n : 0; i-- > 0;) {
        for (size_t j = b.n; j-- > 0;) {
            const uint32_t down = common[(i + 1) * width + j], right = common[i * width + j + 1];
            common[i * width + j] = same(a.line[i], b.line[j]) ? common[(i + 1) * width + j + 1] + 1
                                    : down > right             ? down
                                                               : right;
        }
    }
    return common;
}

static void put(struct output *out, const char *mark, const char *line)
{
    if (out->used >= out->cap) return;
    const int n = snprintf(out->text + out->used, out->cap - out->used, "\n%s%.*s", mark,
                           (int)length(line), line);
    out->used += (size_t)n;
    if (out->used >= out->cap && out->cap > 4) strcpy(out->text + out->cap - 5, "\n...");
}

static void put_difference(struct output *out, const char *mark, const char *line)
{
    if (out->section && line[0] != '[') put(out, "  ", out->section);
    out->section = NULL;
    put(out, mark, line);
}

static void walk(struct output *out, struct lines a, struct lines b, const uint32_t *common)
{
    const size_t width = b.n + 1;
    size_t i = 0, j = 0;
    while (i < a.n || j < b.n) {
        if (i < a.n && j < b.n && same(a.line[i], b.line[j])) {
            if (a.line[i][0] == '[') out->section = a.line[i];
            i++, j++;
        } else if (j == b.n ||
                   (i < a.n && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
            put_difference(out, "- ", a.line[i++]);
        } else {
            put_difference(out, "+ ", b.line[j++]);
        }
    }
}

void assay_diff_lines(const char *old, const char *new, char *text, size_t cap)
{
    struct output out = {.text = text, .cap = cap};
    const struct lines a = split(old), b = split(new);
    uint32_t *common = a.line && b.line ? common_lengths(a, b) : NULL;
    text[0] = 0;
    if (common) walk(&out, a, b, common);
    free(common);
    free(a.line);
    free(b.line);
}
