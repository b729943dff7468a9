// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "json_write.h"
#include "onnx.h"

#include <inttypes.h>

// An architecture, or a supernet.
struct subject {
    struct assay_space space;
    const char *supernet; // its text as given, or NULL
    struct assay_supernet mask;
    struct cli_architecture arch;
    char text[ASSAY_ARCH_MAX];
};

static int identify(struct subject *s, const struct cli_args *args, struct assay_err *err)
{
    ASSAY_TRY(cli_architecture(&s->arch, args, &s->space, args->position[1], err));
    ASSAY_ASSERT(assay_space_format(&s->space, s->arch.index, s->text, sizeof s->text) >= 0);
    return ASSAY_OK;
}

// 0: the space is too large to count them.
static uint64_t count_members(const struct subject *s, uint64_t class)
{
    const uint64_t size = assay_space_size(&s->space);
    uint64_t members = 0;
    if (size > CLI_WALKED_MAX) return 0;
    for (uint64_t i = 0; i < size; i++) members += assay_space_canonical(&s->space, i) == class;
    return members;
}

static void print_members(const struct subject *s, uint64_t class)
{
    const uint64_t members = count_members(s, class);
    if (members)
        printf("members     %" PRIu64 " architectures are this network at initialisation\n",
               members);
}

static void print_names(const struct subject *s)
{
    const uint64_t class = assay_space_canonical(&s->space, s->arch.index);
    char text[ASSAY_ARCH_MAX], hash[64];
    assay_space_format(&s->space, class, text, sizeof text);
    printf("space       %s\nindex       %" PRIu64 "\n", s->space.kind->name, s->arch.index);
    if (s->arch.order)
        assay_print_line(stdout, "its index   %" PRIu64 " in %s", s->arch.number, s->arch.order);
    printf("arch        %s\n", s->text);
    if (assay_space_hash(&s->space, s->arch.index, hash, sizeof hash) >= 0)
        printf("hash        %s\n", hash);
    printf("class       %" PRIu64 " %s\n", class, text);
    print_members(s, class);
}

static int identify_supernet(struct subject *s, struct assay_err *err)
{
    ASSAY_TRY(cli_usage(assay_space_parse_supernet(&s->space, s->supernet, &s->mask, err), err));
    ASSAY_ASSERT(assay_space_format_supernet(&s->space, &s->mask, s->text, sizeof s->text) >= 0);
    return ASSAY_OK;
}

static int build(const struct subject *s, struct assay_graph *g, const struct assay_net *net,
                 struct assay_err *err)
{
    return s->supernet ? assay_space_build_supernet(&s->space, &s->mask, net, g, err)
                       : assay_space_build(&s->space, s->arch.index, net, g, err);
}

// Builds the literal network in g and prints what it costs.
static int print_cost(const struct subject *s, struct assay_graph *g, const struct assay_net *net,
                      struct assay_err *err)
{
    ASSAY_TRY(build(s, g, net, err));
    const struct assay_cost cost = assay_graph_cost(g);
    if (net->channels) printf("C=%-2u ", net->channels);
    if (net->cells) printf("N=%-2u   ", net->cells);
    printf("%.6f M parameters, %.6f MFLOPs, %" PRIu64 " layers, %" PRIu64 " ReLU units\n",
           1e-6 * (double)cost.params, 1e-6 * (double)cost.flops, cost.layers, cost.relus);
    return ASSAY_OK;
}

static int print_networks(const struct subject *s, struct assay_graph *g,
                          struct assay_graph *folded, struct assay_err *err)
{
    const struct assay_net *full = &s->space.kind->full, *search = &s->space.kind->search;
    if (search->channels) ASSAY_TRY(print_cost(s, g, full, err));
    ASSAY_TRY(print_cost(s, g, search, err));
    ASSAY_TRY(assay_graph_fold(g, true, folded, NULL, err));
    printf("\nThe network executed");
    if (search->channels) printf(" at C=%u", search->channels);
    if (search->cells) printf(", N=%u", search->cells);
    printf("%s:\n",
           assay_graph_is_dead(folded) ? " (dead: its output does not depend on the image)" : "");
    assay_graph_print(folded, stdout);
    return ASSAY_OK;
}

// ---- JSON ---------------------------------------------------------------------------------------
static void json_size(struct json *j, const struct assay_net *net)
{
    if (net->channels) json_key(j, "channels");
    if (net->channels) json_count(j, net->channels);
    if (net->cells) json_key(j, "cells");
    if (net->cells) json_count(j, net->cells);
}

static int json_cost(const struct subject *s, struct assay_graph *g, const struct assay_net *net,
                     struct json *j, struct assay_err *err)
{
    ASSAY_TRY(build(s, g, net, err));
    const struct assay_cost cost = assay_graph_cost(g);
    json_begin(j, '{');
    json_size(j, net);
    json_key(j, "params");
    json_count(j, cost.params);
    json_key(j, "flops");
    json_count(j, cost.flops);
    json_key(j, "layers");
    json_count(j, cost.layers);
    json_key(j, "relus");
    json_count(j, cost.relus);
    json_end(j, '}');
    return ASSAY_OK;
}

static void json_names(const struct subject *s, struct json *j)
{
    const uint64_t class = assay_space_canonical(&s->space, s->arch.index);
    const uint64_t members = count_members(s, class);
    char text[ASSAY_ARCH_MAX], hash[64];
    json_key(j, "index");
    json_count(j, s->arch.index);
    json_key(j, "arch");
    json_text(j, s->text);
    if (assay_space_hash(&s->space, s->arch.index, hash, sizeof hash) >= 0) {
        json_key(j, "hash");
        json_text(j, hash);
    }
    assay_space_format(&s->space, class, text, sizeof text);
    json_key(j, "class");
    json_count(j, class);
    json_key(j, "class_arch");
    json_text(j, text);
    if (members) json_key(j, "members");
    if (members) json_count(j, members);
}

static int json_show(const struct subject *s, struct assay_graph *g, struct assay_graph *folded,
                     struct assay_err *err)
{
    const struct assay_net *full = &s->space.kind->full, *search = &s->space.kind->search;
    struct json j = {.out = stdout};
    json_begin(&j, '{');
    json_key(&j, "space");
    json_text(&j, s->space.kind->name);
    if (s->supernet) json_key(&j, "supernet");
    if (s->supernet)
        json_text(&j, s->text);
    else
        json_names(s, &j);
    json_key(&j, "networks");
    json_begin(&j, '[');
    if (search->channels) ASSAY_TRY(json_cost(s, g, full, &j, err));
    ASSAY_TRY(json_cost(s, g, search, &j, err));
    json_end(&j, ']');
    ASSAY_TRY(assay_graph_fold(g, true, folded, NULL, err));
    json_key(&j, "dead");
    json_bool(&j, assay_graph_is_dead(folded));
    json_end(&j, '}');
    json_line(&j);
    return ASSAY_OK;
}

// ---- the verb -----------------------------------------------------------------------------------
static int print_show(const struct subject *s, struct assay_graph *g, struct assay_graph *folded,
                      struct assay_err *err)
{
    if (s->supernet)
        printf("space       %s\nsupernet    %s\n", s->space.kind->name, s->text);
    else
        print_names(s);
    return print_networks(s, g, folded, err);
}

static int show(struct subject *s, const struct cli_args *args, struct assay_err *err)
{
    struct assay_graph g, folded;
    int json = 0;
    ASSAY_TRY(cli_choice(args, "format", &json, err));
    ASSAY_TRY(s->supernet ? identify_supernet(s, err) : identify(s, args, err));
    assay_graph_init(&g);
    assay_graph_init(&folded);
    const int status = (json ? json_show : print_show)(s, &g, &folded, err);
    assay_graph_free(&g);
    assay_graph_free(&folded);
    return status;
}

static int run(const struct cli_args *args, struct assay_err *err)
{
    struct subject s = {.supernet = cli_value(args, "supernet")};
    ASSAY_TRY(cli_check_supernet(args, err));
    ASSAY_TRY(cli_check_order(args, err));
    if (cli_is_onnx(args)) return cli_onnx_show(args, err);
    ASSAY_TRY(cli_usage(assay_space_open(&s.space, args->position[0], err), err));
    const int status = show(&s, args, err);
    assay_space_close(&s.space);
    return status;
}

static const struct cli_option options[] = {
    CLI_OPTION_SUPERNET,
    CLI_OPTIONS_ORDER,
    CLI_OPTION_JSON,
    {.name = NULL},
};

const struct cli_verb cli_verb_show = {
    .name = "show",
    .synopsis = "SPACE INDEX|ARCH|--supernet MASK",
    .help = "tell everything about one architecture or supernet but its values",
    .about = "The space onnx has no architectures but files: assay show onnx FILE.onnx prints the\n"
             "network that was read of one, and what it counts.\n",
    .examples = "assay show nas-bench-201 42\n"
                "assay show nas-bench-201 '|nor_conv_3x3~0|+|none~0|skip_connect~1|+"
                "|none~0|none~1|avg_pool_3x3~2|'\n"
                "assay show nas-bench-201 42 --order nb201-cifar10.csv\n"
                "assay show nas-bench-201 --supernet 1234,3,0134,-,13,2\n"
                "assay show onnx net.onnx\n",
    .option = options,
    .min_position = 1,
    .max_position = 2,
    .run = run,
};
