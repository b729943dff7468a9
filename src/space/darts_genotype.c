// SPDX-License-Identifier: Apache-2.0
// An architecture as Python prints it: DARTS's named tuple Genotype.
#include "darts.h"

#include <stdarg.h>

static const char *const key[DARTS_CELLS] = {"normal", "reduce"};

struct writer {
    char *text;
    size_t cap, n; // n: bytes the text needs so far
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *fmt, ...)
{
    va_list args;
    const size_t at = w->n < w->cap ? w->n : w->cap;
    va_start(args, fmt);
    const int len = vsnprintf(w->text + at, w->cap - at, fmt, args);
    va_end(args);
    w->n += len > 0 ? (size_t)len : 0;
}

int darts_format_genotype(const struct darts_genotype *genotype, char *text, size_t cap)
{
    struct writer w = {.text = text, .cap = cap};
    put(&w, "Genotype(");
    for (uint32_t c = 0; c < DARTS_CELLS; c++) {
        put(&w, "%s%s=[", c ? ", " : "", key[c]);
        for (uint32_t e = 0; e < 2 * DARTS_NODES; e++) {
            put(&w, "%s('%s', %u)", e ? ", " : "", darts_op_name[genotype->op[c][e / 2][e % 2]],
                genotype->state[c][e / 2][e % 2]);
        }
        put(&w, "], %s_concat=[2, 3, 4, 5]", key[c]);
    }
    put(&w, ")");
    return w.n < cap ? ASSAY_OK : ASSAY_ERR_INPUT;
}

int darts_format(const struct assay_space *space, uint64_t index, char *text, size_t cap)
{
    struct darts_genotype genotype;
    (void)space;
    darts_decode(index, &genotype);
    return darts_format_genotype(&genotype, text, cap);
}
