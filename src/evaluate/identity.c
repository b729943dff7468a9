// SPDX-License-Identifier: Apache-2.0
// What determines the numbers of a run, as a text.
#include "assay/evaluate.h"

#include <inttypes.h>
#include <stdlib.h>

void assay_data_identity(const struct assay_data *data, char text[ASSAY_DATA_IDENTITY])
{
    const struct assay_hash digest = assay_data_digest(data);
    const int n =
        snprintf(text, ASSAY_DATA_IDENTITY, "%016" PRIx64 "%016" PRIx64 ", ", digest.hi, digest.lo);

    assay_data_describe(data, text + n, ASSAY_DATA_IDENTITY - (size_t)n);
}

// The version, the columns, the kernel rung, the arithmetic and the data stand in comments: they
// tell journals apart, not configurations.
char *assay_identity_text(const char *settings, const struct assay_schema *schema, const char *rung,
                          enum assay_precision precision, const char *data)
{
    char *text = NULL, arithmetic[ASSAY_ARITHMETIC_TEXT];
    size_t bytes = 0;

    if (assay_arithmetic_text(arithmetic, rung, precision, NULL) < 0) return NULL;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    fprintf(out, "# assay " ASSAY_VERSION "\n%s# columns:", settings);
    for (uint32_t i = 0; i < schema->n_column; i++) fprintf(out, " %s", schema->column[i].name);
    fprintf(out, "\n%s# data: %s\n", arithmetic, data);
    return assay_text_close(out, &text);
}
