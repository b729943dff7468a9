// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int assay_err_set(struct assay_err *err, int code, const char *fmt, ...)
{
    if (!err) return code;
    char text[sizeof err->text]; // the arguments may point into err->text
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assay_text_show(err->text, sizeof err->text, text, false);
    err->code = code;
    return code;
}

int assay_err_prefix(struct assay_err *err, const char *fmt, ...)
{
    if (!err) return ASSAY_ERR_INPUT;
    char prefix[512], text[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    memcpy(text, err->text, sizeof text);
    assay_err_set(err, err->code, "%s: ", prefix);
    // The text that stands there has been shown once already, so that its line ends stay.
    assay_err_lines(err, text);
    return err->code;
}

void assay_err_lines(struct assay_err *err, const char *lines)
{
    const size_t n = err ? strlen(err->text) : 0;
    if (err) assay_text_show(err->text + n, sizeof err->text - n, lines, true);
}

void assay_bug(const char *file, int line, const char *what)
{
    fflush(NULL);
    fprintf(stderr, "assay: bug at %s:%d: assertion failed: %s\n", file, line, what);
    assay_guard_end(); // the abort is ours, not a library's
    abort();
}

const char *assay_verdict_name(enum assay_verdict verdict)
{
    switch (verdict) {
    case ASSAY_VERDICT_OK:
        return "ok";
    case ASSAY_VERDICT_DEGENERATE:
        return "degenerate";
    case ASSAY_VERDICT_DEAD:
        return "dead";
    case ASSAY_VERDICT_FAILED:
        return "failed";
    }
    return "unknown";
}
