// SPDX-License-Identifier: Apache-2.0
// Prints JSON as it goes: commas are its business, nesting is the caller's.
#ifndef ASSAY_SRC_CLI_JSON_WRITE_H
#define ASSAY_SRC_CLI_JSON_WRITE_H

#include "assay/base.h"

struct json {
    FILE *out;  // borrowed
    bool comma; // something stands before the next value or key
};
// A bracket: '{' or '['; and the one that closes it.
void json_begin(struct json *j, char bracket);
void json_end(struct json *j, char bracket);
// Ends a line after the outermost bracket was closed.
void json_line(struct json *j);
// What comes next is the value of this key.
void json_key(struct json *j, const char *key);
// A NULL text is null. Control characters and bytes that are not UTF-8's are shown as by
// assay_text_show.
void json_text(struct json *j, const char *text);
// With as few digits as give the same double again; null where it is not finite, for which JSON has
// no word.
void json_number(struct json *j, double value);
void json_count(struct json *j, uint64_t value);
void json_bool(struct json *j, bool value);
// A number, or null where the text is empty or no finite number.
void json_number_text(struct json *j, const char *text);

#endif
