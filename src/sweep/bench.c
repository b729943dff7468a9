// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <stdlib.h>
#include <string.h>

int sweep_bench_open(struct sweep_bench *bench, const struct assay_job *job, int rank,
                     struct assay_err *err)
{
    const struct assay_schema *schema = job->schema(job->self);
    const size_t values = (size_t)schema->repeats * schema->n_column;

    *bench = (struct sweep_bench){.job = job, .bytes = assay_record_bytes(schema), .rank = rank};
    bench->number =
        calloc(values + (size_t)schema->repeats * schema->spectrum_len + 1, sizeof(double));
    if (!bench->number) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a record");
    bench->record.value = bench->number;
    bench->record.spectrum = bench->number + values;
    return 0;
}

int sweep_bench_evaluate(struct sweep_bench *bench, const void *task, void *packed,
                         struct assay_err *err)
{
    const struct assay_job *job = bench->job;

    ASSAY_TRY(job->evaluate(job->self, task, &bench->record, err));
    bench->record.rank = bench->rank;
    memcpy(&bench->record.index, task, sizeof bench->record.index);
    assay_record_pack(job->schema(job->self), &bench->record, packed);
    return 0;
}

void sweep_bench_close(struct sweep_bench *bench)
{
    free(bench->number);
    *bench = (struct sweep_bench){0};
}
