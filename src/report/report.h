// SPDX-License-Identifier: Apache-2.0
// Private to report: the sections of a report, in a file each. Each writes nothing where the result
// file has nothing for it.
#ifndef ASSAY_SRC_REPORT_REPORT_H
#define ASSAY_SRC_REPORT_REPORT_H

#include "assay/report.h"
#include "assay/stats.h"

struct report {
    const struct assay_report *in;
    const struct assay_table *table; // in->table
    FILE *html;
    struct assay_err *err;
};

// What was run: the protocol, its circumstances, and what failed.
int report_about(struct report *r);
// The best architectures by one ranking, as pictures.
int report_top(struct report *r);

// ---- helpers ------------------------------------------------------------------------------------
// Position of the name in the table's rankings, or -1.
int report_ranking(const struct assay_table *t, const char *name);
// " (smaller is better)", or an empty text.
const char *report_direction(int direction);

#endif
