// SPDX-License-Identifier: Apache-2.0
// Configuration files, and what is stored of a configuration.
#include "cli/cli.h"
#include "fuzz.h"

static void try_again(const struct assay_config *config)
{
    struct assay_config second;
    struct assay_err err = {0};
    char *text = assay_config_text(config);
    must(text, "no text", NULL);
    must(assay_config_parse(&second, cli_vocabulary(), text, &err) >= 0, text, &err);
    char *again = assay_config_text(&second);
    must(again && strcmp(text, again) == 0, text, &err);
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct cli_settings settings = {0};
    const struct cli_args args = {0};
    struct assay_config config;
    struct assay_err err = {0};
    int status = cli_settings_read(&settings, memory_file(bytes, n), &args, &err);
    if (status >= 0)
        status = assay_config_resolve(&config, cli_vocabulary(), settings.item, settings.n, &err);
    cli_settings_free(&settings);
    if (status < 0)
        must_explain(status, &err);
    else
        try_again(&config);
    return 0;
}
