// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <string.h>

// Bytes of a line that can be taken from text: whole words that fit, and one in any case.
static size_t take_line(const char *text, size_t room)
{
    const size_t all = strlen(text);
    size_t n = 0;
    while (n < all) {
        const size_t word = n + 1 + strcspn(text + n + 1, " \n");
        if (n && word > room) break;
        n = word;
    }
    return n;
}

static void print_line(FILE *out, const char *text, size_t n)
{
    n -= n && text[n - 1] == '\n'; // the text's last line end
    for (size_t i = 0; i < n; i++) fputc(text[i] == '\n' ? ' ' : text[i], out);
}

void cli_fold(FILE *out, const char *text, size_t indent, const char *next)
{
    const size_t columns = assay_terminal_columns(out);
    const size_t room = columns > indent ? columns - indent : 1;
    while (*text) {
        const size_t n = columns ? take_line(text, room) : strcspn(text, "\n");
        print_line(out, text, n);
        text += n;
        text += *text == ' ' || *text == '\n';
        fprintf(out, "\n%s", *text ? next : "");
    }
}
