// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "foreign.h"
#include "text_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- what the command line says -----------------------------------------------------------------
static const char *const foreign_only[] = {"bn", "regions-batch", "network", "dump"};

static int add_network(struct cli_settings *settings, const struct cli_args *args,
                       struct assay_err *err)
{
    static const char *const key[] = {"channels", "cells", "classes", "image"};
    for (size_t i = 0; i < ASSAY_LEN(key); i++) {
        const char *value = cli_value(args, key[i]);
        if (!value) continue;
        char origin[32];
        snprintf(origin, sizeof origin, "--%s", key[i]);
        ASSAY_TRY(cli_settings_add(settings, "network", key[i], value, origin, err));
    }
    return ASSAY_OK;
}

// --channels and its like are short for --set network.channels and stand over it.
static int resolve(struct assay_config *config, const struct cli_args *args, struct assay_err *err)
{
    struct cli_settings settings = {0};
    const char *file = cli_value(args, "config");
    int status = file ? cli_settings_read(&settings, file, err) : ASSAY_OK;
    if (status >= 0) status = cli_settings_set(&settings, args, err);
    if (status >= 0) status = add_network(&settings, args, err);
    if (status >= 0) status = assay_config_resolve(config, settings.item, settings.n, err);
    cli_settings_free(&settings);
    return status;
}

// An index or the architecture's text.
static int parse_arch(const struct assay_space *space, const char *word, uint64_t *index,
                      struct assay_err *err)
{
    if (word[0] && word[strspn(word, "0123456789")] == '\0') {
        return cli_parse_u64(word, "ARCH", 0, assay_space_size(space) - 1, index, err);
    }
    return assay_space_parse(space, word, index, err);
}

static int parse_choice(const struct cli_args *args, const char *option, const char *first,
                        const char *second, int *out, struct assay_err *err)
{
    const char *word = cli_value(args, option);
    *out = 0;
    if (!word || strcmp(word, first) == 0) return ASSAY_OK;
    *out = 1;
    if (strcmp(word, second) == 0) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_USAGE, "--%s: '%s', expected %s or %s", option, word, first,
                         second);
}

// ---- the configured metrics ---------------------------------------------------------------------
struct view {
    const struct assay_config *config;
    const struct assay_schema *schema;
    const struct assay_columns *counted;
    const struct assay_record *record;
    const double *count;
    struct text_table table;
};

static double mean_of(const struct view *v, uint32_t column)
{
    double sum = 0.0;
    for (uint32_t r = 0; r < v->schema->repeats; r++) {
        sum += v->record->value[(size_t)r * v->schema->n_column + column];
    }
    return sum / v->schema->repeats;
}

static void add_header(struct view *v)
{
    const uint32_t repeats = v->schema->repeats;
    v->table.n_column = 4 + (repeats > 1 ? repeats : 0);
    text_table_add(&v->table, "column");
    text_table_add(&v->table, repeats > 1 ? "mean" : "value");
    for (uint32_t r = 0; repeats > 1 && r < repeats; r++) {
        text_table_add(&v->table, "repeat %u", r);
    }
    text_table_add(&v->table, "unit");
    text_table_add(&v->table, "protocol");
}

// Number of the protocol text among the different ones of the table, from 1.
static uint32_t protocol_number(const char *const *protocol, uint32_t column)
{
    uint32_t number = 1;
    for (uint32_t i = 1; i <= column; i++) number += strcmp(protocol[i], protocol[i - 1]) != 0;
    return number;
}

static void add_rows(struct view *v)
{
    const struct assay_schema *schema = v->schema;
    const uint32_t repeats = schema->repeats > 1 ? schema->repeats : 0;
    uint32_t number = 0;
    for (uint32_t c = 0; c < schema->n_column; c++) {
        number = protocol_number(schema->protocol, c);
        text_table_add(&v->table, "%s", schema->column[c].name);
        text_table_add_number(&v->table, mean_of(v, c), 10);
        for (uint32_t r = 0; r < repeats; r++) {
            text_table_add_number(&v->table, v->record->value[(size_t)r * schema->n_column + c],
                                  10);
        }
        text_table_add(&v->table, "%s", schema->column[c].unit);
        text_table_add(&v->table, "[%u]", number);
    }
    for (uint32_t c = 0; c < v->counted->n_column; c++) {
        text_table_add(&v->table, "%s", v->counted->column[c].name);
        text_table_add_number(&v->table, v->count[c], 10);
        for (uint32_t r = 0; r < repeats; r++) text_table_add_number(&v->table, NAN, 10);
        text_table_add(&v->table, "%s", v->counted->column[c].unit);
        text_table_add(&v->table, "[%u]", number + protocol_number(v->counted->protocol, c));
    }
}

static uint32_t print_protocols(const char *const *protocol, uint32_t n, uint32_t number)
{
    for (uint32_t c = 0; c < n; c++) {
        if (c == 0 || strcmp(protocol[c], protocol[c - 1]) != 0) {
            printf("[%u] %s\n", ++number, protocol[c]);
        }
    }
    return number;
}

static void print_arch(const struct assay_space *space, const char *what, uint64_t index)
{
    char text[ASSAY_ARCH_MAX];
    assay_space_format(space, index, text, sizeof text);
    printf("%-9s %" PRIu64 " %s\n", what, index, text);
}

static int print_view(struct view *v, const struct assay_space *space, uint64_t index,
                      struct assay_err *err)
{
    const struct assay_record *record = v->record;
    printf("%-9s %s\n", "space", space->kind->name);
    print_arch(space, "arch", index);
    if (record->index != index) print_arch(space, "class of", record->index);
    printf("%-9s %s%s%s\n", "status", assay_verdict_name((enum assay_verdict)record->verdict),
           record->reason[0] ? ": " : "", record->reason);
    printf("%-9s %.3f s\n\n", "CPU time", record->seconds);
    add_header(v);
    add_rows(v);
    const int status = text_table_print(&v->table, false, stdout, err);
    printf("\n");
    const uint32_t last = print_protocols(v->schema->protocol, v->schema->n_column, 0);
    print_protocols(v->counted->protocol, v->counted->n_column, last);
    return status;
}

// Evaluates the class's representative, as a sweep does, unless members are evaluated one by one.
static int evaluate_one(struct view *v, struct assay_evaluator *e, const struct assay_space *space,
                        uint64_t index, struct assay_err *err)
{
    struct assay_graph scratch;
    struct assay_record record = {0};
    const size_t repeats = v->schema->repeats;
    double *value = calloc(repeats * v->schema->n_column + v->counted->n_column + 1, sizeof *value);
    double *spectrum = calloc(repeats * v->schema->spectrum_len + 1, sizeof *spectrum);
    int status =
        value && spectrum ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    assay_graph_init(&scratch);
    record.value = value;
    record.spectrum = spectrum;
    const uint64_t what = v->config->members ? index : assay_space_canonical(space, index);
    if (status >= 0) status = assay_evaluate(e, what, &record, err);
    double *count = value + repeats * v->schema->n_column;
    if (status >= 0) {
        status = assay_columns_count(v->counted, v->config, space, index, &scratch, count, err);
    }
    v->record = &record;
    v->count = count;
    if (status >= 0) status = print_view(v, space, index, err);
    if (status >= 0 && record.verdict == ASSAY_VERDICT_FAILED)
        status = ASSAY_EXIT_FAILED_CANDIDATES;
    assay_graph_free(&scratch);
    free(value);
    free(spectrum);
    return status;
}

static int eval_configured(const struct assay_config *config, const struct assay_space *space,
                           uint64_t index, struct assay_err *err)
{
    struct assay_data *data = NULL;
    struct assay_evaluator *e = NULL;
    struct assay_columns counted = {0};
    int status = assay_data_open(&data, &config->data, err);
    if (status >= 0) status = assay_evaluator_create(&e, config, space, data, err);
    if (status >= 0) status = assay_columns_create(&counted, config, true, err);
    if (status >= 0) {
        struct view v = {
            .config = config, .schema = assay_evaluator_schema(e), .counted = &counted};
        status = evaluate_one(&v, e, space, index, err);
        text_table_free(&v.table);
    }
    assay_columns_free(&counted);
    assay_evaluator_destroy(e);
    if (data) assay_data_close(data);
    return status;
}

// ---- foreign weights ----------------------------------------------------------------------------
static void print_foreign(const struct foreign *f, const struct foreign_case *c)
{
    printf("%-24s %s\n", "space", c->space->kind->name);
    print_arch(c->space, "arch", c->index);
    printf("%-24s %s%s%s\n", "status", assay_verdict_name((enum assay_verdict)f->verdict),
           f->reason[0] ? ": " : "", f->reason);
    printf("%-24s %s\n", "network", c->thin ? "thin" : "net");
    if (!c->thin) printf("%-24s %s\n", "bn", c->bn == ASSAY_BN_BATCH ? "batch" : "frozen");
    for (uint32_t i = 0; i < f->n_scalar; i++) {
        printf("%-24s %.17g\n", f->scalar[i].name, f->scalar[i].value);
    }
}

static int eval_foreign(const struct cli_args *args, struct foreign_case *c, struct assay_err *err)
{
    int thin;
    c->weights = cli_value(args, "weights");
    c->batch = cli_value(args, "batch");
    c->region_batch = 1000;
    ASSAY_TRY(parse_choice(args, "bn", "batch", "frozen", &c->bn, err));
    ASSAY_TRY(parse_choice(args, "network", "net", "thin", &thin, err));
    ASSAY_TRY(cli_u64(args, "regions-batch", 1, 1000000, &c->region_batch, err));
    c->thin = thin;
    struct foreign f = {0};
    int status = foreign_evaluate(&f, c, err);
    const char *dump = cli_value(args, "dump");
    if (status >= 0 && dump) status = foreign_dump(&f, c, dump, err);
    if (status >= 0) print_foreign(&f, c);
    foreign_finish(&f);
    return status;
}

// ---- the verb -----------------------------------------------------------------------------------
// Weights and their batch come together, and some options mean nothing without them.
static int check_combination(const struct cli_args *args, struct assay_err *err)
{
    const bool weights = cli_value(args, "weights"), batch = cli_value(args, "batch");
    if (weights != batch) {
        return assay_err_set(err, ASSAY_ERR_USAGE, "--%s needs --%s as well",
                             weights ? "weights" : "batch", weights ? "batch" : "weights");
    }
    for (size_t i = 0; !weights && i < ASSAY_LEN(foreign_only); i++) {
        if (cli_value(args, foreign_only[i])) {
            return assay_err_set(err, ASSAY_ERR_USAGE, "--%s needs --weights and --batch",
                                 foreign_only[i]);
        }
    }
    if (weights && cli_value(args, "image")) {
        return assay_err_set(err, ASSAY_ERR_USAGE, "--image: the batch of --batch has a size");
    }
    return ASSAY_OK;
}

static int eval_in(const struct cli_args *args, const struct assay_config *config,
                   const struct assay_space *space, struct assay_err *err)
{
    uint64_t index;
    ASSAY_TRY(parse_arch(space, args->position[1], &index, err));
    if (!cli_value(args, "weights")) return eval_configured(config, space, index, err);
    struct foreign_case c = {.config = config, .space = space, .index = index};
    return eval_foreign(args, &c, err);
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    ASSAY_TRY(check_combination(args, err));
    struct assay_space space;
    struct assay_config *config = malloc(sizeof *config);
    if (!config) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    int status = resolve(config, args, err);
    if (status >= 0) status = assay_space_open(&space, args->position[0], err);
    if (status >= 0) {
        status = eval_in(args, config, &space, err);
        assay_space_close(&space);
    }
    free(config);
    return status;
}

static const struct cli_option options[] = {
    {.name = "config", .letter = 'c', .value = "FILE", .help = "configuration (INI)"},
    CLI_OPTION_SET,
    {.name = "channels", .value = "C", .help = "short for --set network.channels=C"},
    {.name = "cells", .value = "N", .help = "short for --set network.cells=N"},
    {.name = "classes", .value = "K", .help = "short for --set network.classes=K"},
    {.name = "image", .value = "S", .help = "short for --set network.image=S"},
    {.name = "weights",
     .value = "FILE.h5:/GROUP",
     .help = "weights from elsewhere, one data set per parameter, named as in\n"
             "the reference network's state_dict; needs --batch"},
    {.name = "batch", .value = "FILE.h5:/SET", .help = "their input, (n,c,h,w), as it is"},
    {.name = "bn",
     .value = "batch|frozen",
     .help = "BN differentiated through the batch's statistics (batch),\n"
             "or with them held constant (frozen); with --weights"},
    {.name = "network",
     .value = "net|thin",
     .help = "the whole network, or the thin one for regions; with --weights"},
    {.name = "regions-batch",
     .value = "B",
     .help = "inputs per BN batch of the thin network (1000); with --weights"},
    {.name = "dump",
     .value = "FILE.h5",
     .help = "write logits, gram, eigenvalues (thin: patterns) as data sets and\n"
             "every scalar as an attribute; with --weights"},
    {0},
};

const struct cli_verb cli_verb_eval = {
    .name = "eval",
    .synopsis = "SPACE ARCH",
    .help = "evaluate one architecture, given as text or index",
    .about = "Prints every column of the configured metrics: mean over the repeats, each repeat's\n"
             "value, unit and protocol. Equal to what a sweep with the same configuration stores.\n"
             "With --weights and --batch it evaluates weights exported from another program.\n",
    .examples = "assay eval nas-bench-201 1462 -c configs/nb201-tenas.ini\n"
                "assay eval nas-bench-201 "
                "'|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|'\n"
                "assay eval nas-bench-201 1462 --channels 3 --cells 1 --weights g.h5:/weights \\\n"
                "    --batch g.h5:/batch/x --bn frozen --dump out.h5\n",
    .option = options,
    .min_position = 2,
    .max_position = 2,
    .run = run,
};
