// SPDX-License-Identifier: Apache-2.0
// Packed records on their way into the journal, which are written a few at a time.
#ifndef ASSAY_SRC_FARM_PENDING_H
#define ASSAY_SRC_FARM_PENDING_H

#include "assay/store.h"

struct farm_pending {
    struct assay_journal *journal; // borrowed
    size_t bytes;                  // of a record
    char *record;                  // (n), and room for more behind them
    size_t n, cap;
    double flushed; // when they were last written
};
void farm_pending_open(struct farm_pending *p, struct assay_journal *journal, size_t bytes);
// Makes room for n records more, ERR_MEMORY; then the first of these.
int farm_pending_reserve(struct farm_pending *p, size_t n, struct assay_err *err);
char *farm_pending_end(const struct farm_pending *p);
// Where the record behind them will stand in the journal.
uint64_t farm_pending_place(const struct farm_pending *p);
int farm_pending_flush(struct farm_pending *p, struct assay_err *err);
// The same when they have waited long or are many; at once where the caller comes by seldom.
int farm_pending_flush_due(struct farm_pending *p, bool at_once, struct assay_err *err);
void farm_pending_close(struct farm_pending *p);

#endif
