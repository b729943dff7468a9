// SPDX-License-Identifier: Apache-2.0
// What a run is, as texts: its configuration, its identity in the journal, its program.
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

char *sweep_identity_text(const struct assay_config *config, const struct assay_schema *schema,
                          const char *rung, const char *data)
{
    char *settings = assay_config_identity(config, "sweep");
    const enum assay_precision precision =
        (enum assay_precision)assay_config_protocol(config)->precision;
    char *text = settings ? assay_identity_text(settings, schema, rung, precision, data) : NULL;
    free(settings);
    return text;
}

// ---- config.ini ---------------------------------------------------------------------------------
int assay_config_write(const struct assay_config *config, const char *dir, struct assay_err *err)
{
    char *text = assay_config_text(config);
    if (!text) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");
    const int status = assay_file_replace(dir, "config.ini", text, strlen(text), err);
    free(text);
    return status;
}

// ---- the program --------------------------------------------------------------------------------
char *sweep_command_text(void)
{
    char *text = NULL, *word = NULL;
    size_t bytes = 0, cap = 0;

    FILE *in = fopen("/proc/self/cmdline", "r");
    FILE *out = in ? open_memstream(&text, &bytes) : NULL;
    for (int i = 0; out && getdelim(&word, &cap, '\0', in) > 0; i++)
        fprintf(out, "%s%s", i ? " " : "", word);
    const bool whole = out && feof(in);
    if (out) text = assay_text_close(out, &text);
    if (in) fclose(in);
    free(word);
    if (whole) return text;
    free(text);
    return NULL;
}
