// SPDX-License-Identifier: Apache-2.0
// The configured metrics of one architecture or supernet, as a table.
#include "eval.h"
#include "text_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct view {
    const struct assay_config *config;
    const struct assay_schema *schema;
    const struct assay_columns *counted;
    const struct assay_record *record;
    const double *count;
    enum cli_format format;
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
    v->table.n_key = 1;
    text_table_add(&v->table, "column");
    text_table_add(&v->table, repeats > 1 ? "mean" : "value");
    for (uint32_t r = 0; repeats > 1 && r < repeats; r++) {
        text_table_add(&v->table, "repeat %u", r);
    }
    text_table_add(&v->table, "unit");
    text_table_add(&v->table, "protocol");
}

// The number of a protocol's text among the different ones of the table, from 1.
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

static void print_arch(const struct assay_space *space, const char *what, uint64_t index, int width)
{
    char text[ASSAY_ARCH_MAX];
    assay_space_format(space, index, text, sizeof text);
    printf("%-*s %" PRIu64 " %s\n", width, what, index, text);
}

void eval_print_subject(const struct eval_subject *s, int width)
{
    char text[ASSAY_ARCH_MAX];
    printf("%-*s %s\n", width, "space", s->file ? "onnx" : s->space->kind->name);
    if (s->file) {
        assay_print_line(stdout, "%-*s %s", width, "file", s->file);
        return;
    }
    if (!s->is_supernet) {
        print_arch(s->space, "arch", s->index, width);
        return;
    }
    assay_space_format_supernet(s->space, &s->mask, text, sizeof text);
    printf("%-*s %s\n", width, "supernet", text);
}

static int print_view(struct view *v, const struct eval_subject *s, struct assay_err *err)
{
    const struct assay_record *record = v->record;
    eval_print_subject(s, 9);
    if (!s->is_supernet && record->index != s->index)
        print_arch(s->space, "class of", record->index, 9);
    printf("%-9s %s%s%s\n", "status", assay_verdict_name((enum assay_verdict)record->verdict),
           record->reason[0] ? ": " : "", record->reason);
    printf("%-9s %.3f s\n\n", "CPU time", record->seconds);
    add_header(v);
    add_rows(v);
    const int status = text_table_print(&v->table, CLI_TEXT, stdout, err);
    printf("\n");
    const uint32_t last = print_protocols(v->schema->protocol, v->schema->n_column, 0);
    print_protocols(v->counted->protocol, v->counted->n_column, last);
    return status;
}

// ---- JSON ---------------------------------------------------------------------------------------
void eval_json_subject(const struct eval_subject *s, struct json *j)
{
    char text[ASSAY_ARCH_MAX];
    json_key(j, "space");
    json_text(j, s->file ? "onnx" : s->space->kind->name);
    if (s->file) {
        json_key(j, "file");
        json_text(j, s->file);
        return;
    }
    if (s->is_supernet) {
        assay_space_format_supernet(s->space, &s->mask, text, sizeof text);
        json_key(j, "supernet");
        json_text(j, text);
        return;
    }
    assay_space_format(s->space, s->index, text, sizeof text);
    json_key(j, "index");
    json_count(j, s->index);
    json_key(j, "arch");
    json_text(j, text);
}

void eval_json_verdict(int32_t verdict, const char *reason, struct json *j)
{
    json_key(j, "status");
    json_text(j, assay_verdict_name((enum assay_verdict)verdict));
    json_key(j, "reason");
    json_text(j, reason);
}

// Begins a column, which the caller ends.
static void begin_column(struct json *j, const struct assay_column *column, const char *protocol,
                         double value)
{
    json_key(j, column->name);
    json_begin(j, '{');
    json_key(j, "value");
    json_number(j, value);
    json_key(j, "unit");
    json_text(j, column->unit);
    json_key(j, "direction");
    json_number(j, column->direction);
    json_key(j, "source");
    json_text(j, column->source);
    json_key(j, "protocol");
    json_text(j, protocol);
}

static void json_columns(const struct view *v, struct json *j)
{
    const struct assay_schema *schema = v->schema;
    for (uint32_t c = 0; c < schema->n_column; c++) {
        begin_column(j, &schema->column[c], schema->protocol[c], mean_of(v, c));
        json_key(j, "repeats");
        json_begin(j, '[');
        for (uint32_t r = 0; r < schema->repeats; r++)
            json_number(j, v->record->value[(size_t)r * schema->n_column + c]);
        json_end(j, ']');
        json_end(j, '}');
    }
    for (uint32_t c = 0; c < v->counted->n_column; c++) {
        begin_column(j, &v->counted->column[c], v->counted->protocol[c], v->count[c]);
        json_end(j, '}');
    }
}

static void json_view(const struct view *v, const struct eval_subject *s)
{
    struct json j = {.out = stdout};
    json_begin(&j, '{');
    eval_json_subject(s, &j);
    if (!s->is_supernet) {
        json_key(&j, "class");
        json_count(&j, v->record->index);
    }
    eval_json_verdict(v->record->verdict, v->record->reason, &j);
    json_key(&j, "seconds");
    json_number(&j, v->record->seconds);
    json_key(&j, "columns");
    json_begin(&j, '{');
    json_columns(v, &j);
    json_end(&j, '}');
    json_end(&j, '}');
    json_line(&j);
}

// ---- evaluating ---------------------------------------------------------------------------------
// Evaluates the class's representative, as a sweep does, unless members are evaluated one by one.
static int measure(const struct view *v, struct assay_evaluator *e, const struct eval_subject *s,
                   struct assay_record *record, struct assay_err *err)
{
    if (s->is_supernet) return assay_evaluate_supernet(e, &s->mask, record, err);
    const bool itself = assay_config_members(v->config);
    const uint64_t what = itself ? s->index : assay_space_canonical(s->space, s->index);
    return assay_evaluate(e, what, record, err);
}

// Counts columns of the architecture itself, not of its class's representative.
static int count(const struct view *v, const struct eval_subject *s, double *out,
                 struct assay_err *err)
{
    const struct assay_net net = assay_config_cost_net(v->config);
    struct assay_graph g;
    if (!v->counted->n_metric) return ASSAY_OK;
    assay_graph_init(&g);
    const int status = s->is_supernet
                           ? assay_space_build_supernet(s->space, &s->mask, &net, &g, err)
                           : assay_space_build(s->space, s->index, &net, &g, err);
    if (status >= 0) assay_columns_count(v->counted, &g, out);
    assay_graph_free(&g);
    return status;
}

static int evaluate_one(struct view *v, struct assay_evaluator *e, const struct eval_subject *s,
                        struct assay_err *err)
{
    struct assay_record record = {0};
    const size_t repeats = v->schema->repeats;
    double *value = calloc(repeats * v->schema->n_column + v->counted->n_column + 1, sizeof *value);
    double *spectrum = calloc(repeats * v->schema->spectrum_len + 1, sizeof *spectrum);
    int status =
        value && spectrum ? ASSAY_OK : assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    record.value = value;
    record.spectrum = spectrum;
    if (status >= 0) status = measure(v, e, s, &record, err);
    double *counted = value + repeats * v->schema->n_column;
    if (status >= 0) status = count(v, s, counted, err);
    v->record = &record;
    v->count = counted;
    if (status >= 0 && v->format == CLI_JSON)
        json_view(v, s);
    else if (status >= 0)
        status = print_view(v, s, err);
    if (status >= 0 && record.verdict == ASSAY_VERDICT_FAILED)
        status = ASSAY_EXIT_FAILED_CANDIDATES;
    free(value);
    free(spectrum);
    return status;
}

static void warn(const struct assay_data *data)
{
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_WARN, .rank = -1};
    const char *warning = assay_data_warning(data);
    if (*warning) assay_log_line(&log, ASSAY_LOG_WARN, "%s", warning);
}

static int create(struct assay_evaluator **e, const struct assay_config *config,
                  const struct eval_subject *s, const struct assay_images *images,
                  struct assay_err *err)
{
    const struct assay_held held = assay_images_held(images, false);
    const struct assay_data *data = assay_images_data(images);
    const int status = assay_evaluator_create(e, config, s->space, data, NULL, &held, err);
    if (status >= 0) warn(data);
    return status;
}

int eval_configured(const struct assay_config *config, const struct eval_subject *s,
                    enum cli_format format, struct assay_err *err)
{
    struct assay_images *images = NULL;
    struct assay_evaluator *e = NULL;
    struct assay_columns counted = {0};
    int status = assay_images_open(&images, config, NULL, 1, err);
    if (status >= 0) status = create(&e, config, s, images, err);
    assay_images_close(images);
    if (status >= 0) status = assay_columns_create(&counted, config, true, err);
    if (status >= 0) {
        struct view v = {.config = config,
                         .schema = assay_evaluator_schema(e),
                         .counted = &counted,
                         .format = format};
        status = evaluate_one(&v, e, s, err);
        text_table_free(&v.table);
    }
    assay_columns_free(&counted);
    assay_evaluator_destroy(e);
    return status;
}
