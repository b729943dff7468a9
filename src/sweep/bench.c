// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <stdlib.h>

int sweep_bench_open(struct sweep_bench *bench, struct assay_evaluator *e, int rank,
                     struct assay_err *err)
{
    const struct assay_schema *schema = assay_evaluator_schema(e);
    const size_t values = (size_t)schema->repeats * schema->n_column;

    *bench =
        (struct sweep_bench){.evaluator = e, .bytes = assay_record_bytes(schema), .rank = rank};
    bench->number =
        calloc(values + (size_t)schema->repeats * schema->spectrum_len + 1, sizeof(double));
    if (!bench->number) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a record");
    bench->record.value = bench->number;
    bench->record.spectrum = bench->number + values;
    return 0;
}

int sweep_bench_evaluate(struct sweep_bench *bench, uint64_t candidate, void *packed,
                         struct assay_err *err)
{
    bench->record.rank = bench->rank;
    ASSAY_TRY(assay_evaluate(bench->evaluator, candidate, &bench->record, err));
    assay_record_pack(assay_evaluator_schema(bench->evaluator), &bench->record, packed);
    return 0;
}

void sweep_bench_close(struct sweep_bench *bench)
{
    free(bench->number);
    *bench = (struct sweep_bench){0};
}
