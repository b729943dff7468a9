// SPDX-License-Identifier: Apache-2.0
#include "farm/pending.h"

#include <stdlib.h>

#define FLUSH_SECONDS 0.1 // for which records wait at most
#define FLUSH_BYTES   (1u << 20)

void farm_pending_open(struct farm_pending *p, struct assay_journal *journal, size_t bytes)
{
    *p = (struct farm_pending){.journal = journal, .bytes = bytes, .flushed = assay_clock_wall()};
}

int farm_pending_reserve(struct farm_pending *p, size_t n, struct assay_err *err)
{
    n += p->n;
    if (n <= p->cap) return 0;
    char *more = realloc(p->record, 2 * n * p->bytes);
    if (!more) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for %zu records", 2 * n);
    p->record = more;
    p->cap = 2 * n;
    return 0;
}

char *farm_pending_end(const struct farm_pending *p)
{
    return p->record + p->n * p->bytes;
}

uint64_t farm_pending_place(const struct farm_pending *p)
{
    return assay_journal_records(p->journal) + p->n;
}

int farm_pending_flush(struct farm_pending *p, struct assay_err *err)
{
    const size_t n = p->n;

    p->flushed = assay_clock_wall();
    if (!n) return 0;
    p->n = 0;
    return assay_journal_append(p->journal, p->record, n, err);
}

int farm_pending_flush_due(struct farm_pending *p, bool at_once, struct assay_err *err)
{
    const bool due =
        at_once || assay_clock_wall() - p->flushed > FLUSH_SECONDS || p->n * p->bytes > FLUSH_BYTES;

    return due ? farm_pending_flush(p, err) : 0;
}

void farm_pending_close(struct farm_pending *p)
{
    free(p->record);
    p->record = NULL;
}
