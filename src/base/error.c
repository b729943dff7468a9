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
    memcpy(err->text, text, sizeof text);
    err->code = code;
    return code;
}

int assay_err_prefix(struct assay_err *err, const char *fmt, ...)
{
    if (!err) return ASSAY_ERR_INPUT;
    char prefix[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    return assay_err_set(err, err->code, "%s: %s", prefix, err->text);
}

void assay_bug(const char *file, int line, const char *what)
{
    fflush(NULL);
    fprintf(stderr, "assay: bug at %s:%d: assertion failed: %s\n", file, line, what);
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
