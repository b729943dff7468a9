// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

#include <inttypes.h>
#include <string.h>

// A candidate, and where another table lists it; or a supernet.
struct subject {
    struct assay_space space;
    const char *supernet; // its text as given, or NULL
    struct assay_supernet mask;
    uint64_t index;
    char text[ASSAY_ARCH_MAX];
    const char *order;    // file, or NULL
    const char *key;      // its column of architectures
    char order_index[32]; // its index there
};

static bool is_number(const char *word)
{
    const size_t n = strlen(word);
    return n > 0 && strspn(word, "0123456789") == n;
}

// ---- a benchmark's own order ------------------------------------------------------------------
struct order {
    struct assay_csv csv;
    size_t index, arch; // columns
};

static int order_parse(const struct order *order, const struct assay_space *space, size_t row,
                       uint64_t *index, struct assay_err *err)
{
    const int status =
        assay_space_parse(space, assay_csv_cell(&order->csv, row, order->arch), index, err);
    return status < 0 ? assay_err_prefix(err, "%s:%zu", order->csv.file, order->csv.line[row + 1])
                      : status;
}

// 1: the row's index is word, or its architecture s->index.
static int order_matches(const struct order *order, const struct subject *s, const char *word,
                         size_t row, struct assay_err *err)
{
    uint64_t index;
    if (is_number(word)) return !strcmp(assay_csv_cell(&order->csv, row, order->index), word);
    ASSAY_TRY(order_parse(order, &s->space, row, &index, err));
    return index == s->index;
}

// The one row that matches.
static int order_row(const struct order *order, const struct subject *s, const char *word,
                     size_t *row, struct assay_err *err)
{
    const struct assay_csv *csv = &order->csv;
    *row = csv->n_row;
    for (size_t i = 0; i < csv->n_row; i++) {
        const int matches = order_matches(order, s, word, i, err);
        ASSAY_TRY(matches);
        if (matches && *row < csv->n_row)
            return assay_err_set(err, ASSAY_ERR_INPUT, "%s:%zu: %.200s stands on line %zu already",
                                 csv->file, csv->line[i + 1], word, csv->line[*row + 1]);
        if (matches) *row = i;
    }
    if (*row < csv->n_row) return ASSAY_OK;
    return assay_err_set(err, ASSAY_ERR_INPUT, "%s: none of its %zu rows is %.200s", csv->file,
                         csv->n_row, word);
}

static int order_find(struct subject *s, struct order *order, const char *word,
                      struct assay_err *err)
{
    size_t row;
    ASSAY_TRY(assay_csv_column(&order->csv, "index", NULL, &order->index, err));
    ASSAY_TRY(assay_csv_column(&order->csv, s->key, "--key", &order->arch, err));
    ASSAY_TRY(order_row(order, s, word, &row, err));
    snprintf(s->order_index, sizeof s->order_index, "%s",
             assay_csv_cell(&order->csv, row, order->index));
    return order_parse(order, &s->space, row, &s->index, err);
}

static int look_up(struct subject *s, const char *word, struct assay_err *err)
{
    struct order order;
    ASSAY_TRY(assay_csv_read(&order.csv, s->order, err));
    const int status = order_find(s, &order, word, err);
    assay_csv_free(&order.csv);
    return status;
}

// ---- the candidate ----------------------------------------------------------------------------

static int identify(struct subject *s, const char *word, struct assay_err *err)
{
    const uint64_t last = assay_space_size(&s->space) - 1;
    if (!is_number(word))
        ASSAY_TRY(cli_usage(assay_space_parse(&s->space, word, &s->index, err), err));
    else if (!s->order)
        ASSAY_TRY(cli_parse_u64(word, "INDEX", 0, last, &s->index, err));
    if (s->order) ASSAY_TRY(look_up(s, word, err));
    ASSAY_ASSERT(assay_space_format(&s->space, s->index, s->text, sizeof s->text) >= 0);
    return ASSAY_OK;
}

// Larger spaces are not searched for the other members of a class.
#define SEARCHED_MAX 1000000

static void print_members(const struct subject *s, uint64_t class)
{
    const uint64_t size = assay_space_size(&s->space);
    uint64_t members = 0;
    if (size > SEARCHED_MAX) return;
    for (uint64_t i = 0; i < size; i++) members += assay_space_canonical(&s->space, i) == class;
    printf("members     %" PRIu64 " architectures are this network at initialisation\n", members);
}

static void print_names(const struct subject *s)
{
    const uint64_t class = assay_space_canonical(&s->space, s->index);
    char text[ASSAY_ARCH_MAX];
    assay_space_format(&s->space, class, text, sizeof text);
    printf("space       %s\nindex       %" PRIu64 "\n", s->space.kind->name, s->index);
    if (s->order) printf("its index   %s in %s\n", s->order_index, s->order);
    printf("arch        %s\n", s->text);
    printf("class       %" PRIu64 " %s\n", class, text);
    print_members(s, class);
}

static int identify_supernet(struct subject *s, struct assay_err *err)
{
    ASSAY_TRY(cli_usage(assay_space_parse_supernet(&s->space, s->supernet, &s->mask, err), err));
    ASSAY_ASSERT(assay_space_format_supernet(&s->space, &s->mask, s->text, sizeof s->text) >= 0);
    printf("space       %s\nsupernet    %s\n", s->space.kind->name, s->text);
    return ASSAY_OK;
}

static int build(const struct subject *s, struct assay_graph *g, const struct assay_net *net,
                 struct assay_err *err)
{
    return s->supernet ? assay_space_build_supernet(&s->space, &s->mask, net, g, err)
                       : assay_space_build(&s->space, s->index, net, g, err);
}

// Builds the literal network in g and prints what it costs.
static int print_cost(const struct subject *s, struct assay_graph *g, const struct assay_net *net,
                      struct assay_err *err)
{
    ASSAY_TRY(build(s, g, net, err));
    const struct assay_cost cost = assay_graph_cost(g);
    printf("C=%-2u N=%-2u   %.6f M parameters, %.6f MFLOPs, %" PRIu64 " layers, %" PRIu64
           " ReLU units\n",
           net->channels, net->cells, 1e-6 * (double)cost.params, 1e-6 * (double)cost.flops,
           cost.layers, cost.relus);
    return ASSAY_OK;
}

static int print_networks(const struct subject *s, struct assay_graph *g,
                          struct assay_graph *folded, struct assay_err *err)
{
    const struct assay_net *full = &s->space.kind->full, *search = &s->space.kind->search;
    ASSAY_TRY(print_cost(s, g, full, err));
    ASSAY_TRY(print_cost(s, g, search, err));
    ASSAY_TRY(assay_graph_fold(g, true, folded, NULL, err));
    printf("\nThe network executed at C=%u, N=%u%s:\n", search->channels, search->cells,
           assay_graph_is_dead(folded) ? " (dead: its output does not depend on the image)" : "");
    assay_graph_print(folded, stdout);
    return ASSAY_OK;
}

static int show(struct subject *s, const char *word, struct assay_err *err)
{
    struct assay_graph g, folded;
    ASSAY_TRY(s->supernet ? identify_supernet(s, err) : identify(s, word, err));
    if (!s->supernet) print_names(s);
    assay_graph_init(&g);
    assay_graph_init(&folded);
    const int status = print_networks(s, &g, &folded, err);
    assay_graph_free(&g);
    assay_graph_free(&folded);
    return status;
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    const char *key = cli_value(args, "key");
    struct subject s = {.order = cli_value(args, "order"),
                        .key = key ? key : "arch",
                        .supernet = cli_value(args, "supernet")};
    ASSAY_TRY(cli_check_supernet(args, err));
    if (s.supernet && s.order)
        return assay_err_set(err, ASSAY_ERR_USAGE, "--order: no table lists a supernet");
    if (key && !s.order)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--key is a column of --order TABLE.csv, which is missing");
    ASSAY_TRY(cli_usage(assay_space_open(&s.space, args->position[0], err), err));
    const int status = show(&s, s.supernet ? NULL : args->position[1], err);
    assay_space_close(&s.space);
    return status;
}

static const struct cli_option options[] = {
    CLI_OPTION_SUPERNET,
    {.name = "order",
     .value = "TABLE.csv",
     .help = "INDEX counts as in this table, which has columns index\n"
             "and arch: a benchmark's own order"},
    {.name = "key", .value = "NAME", .help = "that table's column of architectures (arch)"},
    {.name = NULL},
};

const struct cli_verb cli_verb_show = {
    .name = "show",
    .synopsis = "SPACE INDEX|ARCH|--supernet MASK",
    .help = "tell everything about one architecture or supernet but its values",
    .examples = "assay show nas-bench-201 42\n"
                "assay show nas-bench-201 '|nor_conv_3x3~0|+|none~0|skip_connect~1|+"
                "|none~0|none~1|avg_pool_3x3~2|'\n"
                "assay show nas-bench-201 42 --order nb201-cifar10.csv\n"
                "assay show nas-bench-201 --supernet 1234,3,0134,-,13,2\n",
    .option = options,
    .min_position = 1,
    .max_position = 2,
    .run = run,
};
