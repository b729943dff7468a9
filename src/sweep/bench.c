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

size_t sweep_item_bytes(const struct assay_job *job)
{
    return job->task_bytes + sizeof(uint32_t) * 2;
}

void sweep_item_make(void *item, const struct assay_job *job, const void *task, uint32_t repeat)
{
    memset((char *)item + job->task_bytes, 0, sizeof(uint32_t) * 2);
    memcpy(item, task, job->task_bytes);
    memcpy((char *)item + job->task_bytes, &repeat, sizeof repeat);
}

int sweep_bench_evaluate(struct sweep_bench *bench, const void *item, void *packed,
                         uint32_t *repeat, struct assay_err *err)
{
    const struct assay_job *job = bench->job;

    memcpy(repeat, (const char *)item + job->task_bytes, sizeof *repeat);
    ASSAY_TRY(*repeat == SWEEP_WHOLE
                  ? job->evaluate(job->self, item, &bench->record, err)
                  : job->evaluate_repeat(job->self, item, *repeat, &bench->record, err));
    bench->record.rank = bench->rank;
    memcpy(&bench->record.index, item, sizeof bench->record.index);
    assay_record_pack(job->schema(job->self), &bench->record, packed);
    return 0;
}

void sweep_bench_close(struct sweep_bench *bench)
{
    free(bench->number);
    *bench = (struct sweep_bench){0};
}
