// SPDX-License-Identifier: Apache-2.0
// What a run directory's journal holds, read without asking for the right to write there.
#include "run.h"

#include <stdlib.h>
#include <string.h>

static int open_schema(struct sweep_archive *a, struct assay_err *err)
{
    const struct assay_protocol *p = assay_config_protocol(&a->config);

    ASSAY_TRY(assay_columns_create(&a->columns, &a->config, false, err));
    a->schema = (struct assay_schema){.column = a->columns.column,
                                      .protocol = a->columns.protocol,
                                      .n_column = a->columns.n_column,
                                      .repeats = (uint32_t)p->repeats,
                                      .spectrum_len = a->columns.spectrum};
    return 0;
}

static int open_candidates(struct sweep_archive *a, struct assay_err *err)
{
    struct sweep_list list;

    ASSAY_TRY(sweep_list_split(&list, &a->config, a->list, a->n_list, err));
    ASSAY_TRY(sweep_given_space(&a->config, list.block, list.n_block, &a->space, err));
    return sweep_candidates_unpack(&a->candidates, list.spans, list.n_spans,
                                   assay_config_members(&a->config), &a->space, err);
}

int sweep_archive_open(struct sweep_archive *a, const struct assay_vocabulary *vocabulary,
                       const char *dir, bool whole, struct assay_err *err)
{
    struct sweep_shard shard;

    ASSAY_TRY(assay_journal_peek(dir, &a->identity, &a->list, &a->n_list, err));
    if (strstr(a->identity, "\n[search]\n"))
        return assay_err_set(err, ASSAY_ERR_STATE,
                             "%s holds a search: `assay search` with the same configuration writes "
                             "its search.h5 again",
                             dir);
    if (whole) sweep_shard_strip(a->identity);
    if (assay_config_parse(&a->config, vocabulary, a->identity, err) < 0)
        return assay_err_prefix(err, "%s/journal", dir);
    ASSAY_TRY(sweep_shard_parse(&shard, assay_config_candidates(&a->config)->shard, err));
    ASSAY_TRY(open_schema(a, err));
    if (open_candidates(a, err) < 0) return assay_err_prefix(err, "%s/journal", dir);
    sweep_candidates_shard(&a->candidates, shard);
    return 0;
}

int sweep_archive_load(struct sweep_archive *a, const char *dir, struct assay_err *err)
{
    return assay_ledger_read(&a->ledger, &a->journal, &a->schema,
                             sweep_candidates_tasks(&a->candidates), dir, err);
}

void sweep_archive_close(struct sweep_archive *a)
{
    assay_ledger_free(&a->ledger);
    assay_journal_close(a->journal);
    sweep_candidates_free(&a->candidates);
    assay_columns_free(&a->columns);
    assay_space_close(&a->space);
    free(a->identity);
    free(a->list);
    *a = (struct sweep_archive){0};
}
