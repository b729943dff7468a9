// SPDX-License-Identifier: Apache-2.0
#include "assay/store.h"

#include <inttypes.h>
#include <string.h>

#define SECONDS_MOST 1e15 // longer than any evaluation

// A packed record is index, verdict, rank, seconds and reason; then the values and the spectrum.
enum { FIXED = 8 + 4 + 4 + 8 + ASSAY_REASON_MAX };

static size_t value_bytes(const struct assay_schema *schema)
{
    return sizeof(double) * schema->repeats * schema->n_column;
}

static size_t spectrum_bytes(const struct assay_schema *schema)
{
    return sizeof(double) * schema->repeats * schema->spectrum_len;
}

size_t assay_record_bytes(const struct assay_schema *schema)
{
    return FIXED + value_bytes(schema) + spectrum_bytes(schema);
}

void assay_record_pack(const struct assay_schema *schema, const struct assay_record *record,
                       void *bytes)
{
    char *to = bytes;
    memcpy(to, &record->index, 8);
    memcpy(to + 8, &record->verdict, 4);
    memcpy(to + 12, &record->rank, 4);
    memcpy(to + 16, &record->seconds, 8);
    // Bytes behind the end of the text are not kept, so that equal records pack equally.
    memset(to + 24, 0, ASSAY_REASON_MAX);
    memcpy(to + 24, record->reason, strnlen(record->reason, ASSAY_REASON_MAX - 1));
    if (value_bytes(schema)) memcpy(to + FIXED, record->value, value_bytes(schema));
    if (spectrum_bytes(schema))
        memcpy(to + FIXED + value_bytes(schema), record->spectrum, spectrum_bytes(schema));
}

static void unpack_head(const char *from, struct assay_record *record)
{
    memcpy(&record->index, from, 8);
    memcpy(&record->verdict, from + 8, 4);
    memcpy(&record->rank, from + 12, 4);
    memcpy(&record->seconds, from + 16, 8);
    memcpy(record->reason, from + 24, ASSAY_REASON_MAX);
}

void assay_record_head(const void *bytes, struct assay_record *record)
{
    *record = (struct assay_record){.value = NULL};
    unpack_head(bytes, record);
}

void assay_record_unpack(const struct assay_schema *schema, const void *bytes,
                         struct assay_record *record)
{
    const char *from = bytes;
    unpack_head(from, record);
    if (value_bytes(schema)) memcpy(record->value, from + FIXED, value_bytes(schema));
    if (record->spectrum && spectrum_bytes(schema))
        memcpy(record->spectrum, from + FIXED + value_bytes(schema), spectrum_bytes(schema));
}

uint64_t assay_record_index(const void *bytes)
{
    uint64_t index;
    memcpy(&index, bytes, sizeof index);
    return index;
}

void assay_record_spectrum(const struct assay_schema *schema, const void *bytes, double *spectrum)
{
    if (spectrum_bytes(schema))
        memcpy(spectrum, (const char *)bytes + FIXED + value_bytes(schema), spectrum_bytes(schema));
}

int assay_record_check(const void *bytes, struct assay_err *err)
{
    const char *from = bytes;
    uint64_t index;
    int32_t verdict;
    double seconds;
    memcpy(&index, from, 8);
    memcpy(&verdict, from + 8, 4);
    memcpy(&seconds, from + 16, 8);
    if (!(seconds >= 0 && seconds < SECONDS_MOST))
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "candidate %" PRIu64 " took %g seconds: expected a time", index,
                             seconds);
    if (verdict < ASSAY_VERDICT_OK || verdict > ASSAY_VERDICT_FAILED)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "the verdict %" PRId32 " on candidate %" PRIu64 ": expected %d to %d",
                             verdict, index, ASSAY_VERDICT_OK, ASSAY_VERDICT_FAILED);
    const char *fault = "has no end";
    if (memchr(from + 24, 0, ASSAY_REASON_MAX)) fault = assay_text_fault(from + 24);
    if (!fault) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "the reason of candidate %" PRIu64 " %s", index,
                         fault);
}
