// SPDX-License-Identifier: Apache-2.0
// Writing HTML. Texts that stand in a result file are somebody else's: they go through html_text.
#ifndef ASSAY_SRC_REPORT_HTML_H
#define ASSAY_SRC_REPORT_HTML_H

#include "assay/base.h"

void html_text(FILE *out, const char *text);
// A number of four digits, with a space before its unit (NULL: none); NaN is a dash.
void html_number(FILE *out, double value, const char *unit);
// A count with commas between its thousands.
void html_count(FILE *out, uint64_t n);
// A duration: "3.2 ms", "12.3 s", "4.5 min", "2.1 h".
void html_seconds(FILE *out, double seconds);
// A row of a list of facts: its name, and after it what the caller writes up to html_fact_end.
void html_fact(FILE *out, const char *name);
void html_fact_end(FILE *out);
// The document's beginning up to its first heading, and its end.
void html_begin(FILE *out, const char *title);
void html_end(FILE *out);
// A section with a heading; id is a literal, which links lead to.
void html_section(FILE *out, const char *id, const char *heading);
void html_section_end(FILE *out);

#endif
