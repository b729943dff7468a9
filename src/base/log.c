// SPDX-License-Identifier: Apache-2.0
#include "assay/base.h"

#include <stdarg.h>

static const char *level_name(enum assay_log_level level)
{
    switch (level) {
    case ASSAY_LOG_ERROR:
        return "error: ";
    case ASSAY_LOG_WARN:
        return "warning: ";
    default:
        return "";
    }
}

void assay_log_line(const struct assay_log *log, enum assay_log_level level, const char *fmt, ...)
{
    if (!log || !log->stream || level == ASSAY_LOG_QUIET || level > log->level) return;
    char text[2048], shown[2048], rank[32] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    assay_text_show(shown, sizeof shown, text, false);
    if (log->rank >= 0) snprintf(rank, sizeof rank, "[%d] ", log->rank);
    // A line is written by one call, so that lines of several ranks on one stream do not mix.
    fprintf(log->stream, "assay: %s%s%s\n", rank, level_name(level), shown);
    fflush(log->stream);
}
