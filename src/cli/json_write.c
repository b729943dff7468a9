// SPDX-License-Identifier: Apache-2.0
#include "json_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void separate(struct json *j)
{
    if (j->comma) fputs(", ", j->out);
    j->comma = true;
}

void json_begin(struct json *j, char bracket)
{
    separate(j);
    fputc(bracket, j->out);
    j->comma = false;
}

void json_end(struct json *j, char bracket)
{
    fputc(bracket, j->out);
    j->comma = true;
}

void json_line(struct json *j)
{
    fputc('\n', j->out);
    j->comma = false;
}

static void put_string(struct json *j, const char *text)
{
    char shown[4 * ASSAY_TEXT_MAX];
    if (assay_text_fault(text)) {
        assay_text_show(shown, sizeof shown, text, false);
        text = shown;
    }
    fputc('"', j->out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', j->out);
        fputc(*text, j->out);
    }
    fputc('"', j->out);
}

void json_key(struct json *j, const char *key)
{
    separate(j);
    put_string(j, key);
    fputs(": ", j->out);
    j->comma = false;
}

void json_text(struct json *j, const char *text)
{
    separate(j);
    if (text)
        put_string(j, text);
    else
        fputs("null", j->out);
}

void json_number(struct json *j, double value)
{
    char text[32] = "null";
    separate(j);
    for (int digits = 15; isfinite(value) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, j->out);
}

void json_count(struct json *j, uint64_t value)
{
    separate(j);
    fprintf(j->out, "%" PRIu64, value);
}

void json_bool(struct json *j, bool value)
{
    separate(j);
    fputs(value ? "true" : "false", j->out);
}

void json_number_text(struct json *j, const char *text)
{
    separate(j);
    fputs(*text && isfinite(strtod(text, NULL)) ? text : "null", j->out);
}
