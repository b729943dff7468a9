// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <string.h>

enum { WORD_MAX = 255 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    const unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

// Levenshtein's recurrence, one row at a time; longer words are cut.
unsigned assay_word_distance(const char *a, const char *b)
{
    const size_t n = strnlen(a, WORD_MAX), m = strnlen(b, WORD_MAX);
    unsigned row[WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            const unsigned above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

unsigned assay_word_near(const char *word)
{
    const size_t n = strnlen(word, WORD_MAX) / 3;
    return n ? (unsigned)n : 1;
}
