// SPDX-License-Identifier: Apache-2.0
// An architecture on the command line, by its text or by a number.
#include "cli.h"

static int find_row(const struct assay_order *order, const struct assay_space *space,
                    const char *word, const struct assay_order_row **row, struct assay_err *err)
{
    uint64_t index, number;
    if (assay_space_is_index(space, word)) {
        ASSAY_TRY(cli_parse_u64(word, "INDEX", 0, UINT64_MAX, &number, err));
        return assay_order_number(order, number, row, err);
    }
    ASSAY_TRY(cli_usage(assay_space_parse(space, word, &index, err), err));
    return assay_order_architecture(order, index, row, err);
}

static int look_up(struct cli_architecture *a, const struct assay_space *space, const char *key,
                   const char *word, struct assay_err *err)
{
    struct assay_order order;
    const struct assay_order_row *row;
    ASSAY_TRY(assay_order_read(&order, space, a->order, key, err));
    const int status = find_row(&order, space, word, &row, err);
    if (status >= 0) {
        a->index = row->index;
        a->number = row->number;
    }
    assay_order_free(&order);
    return status;
}

static int parse(const struct assay_space *space, const char *word, uint64_t *index,
                 struct assay_err *err)
{
    const struct assay_log log = {.stream = stderr, .level = ASSAY_LOG_WARN, .rank = -1};
    char text[ASSAY_ARCH_MAX];
    bool other;
    ASSAY_TRY(cli_usage(assay_space_read(space, word, index, &other, err), err));
    if (!other) return ASSAY_OK;
    ASSAY_ASSERT(assay_space_format(space, *index, text, sizeof text) >= 0);
    assay_log_line(
        &log, ASSAY_LOG_WARN,
        "this is another encoding of %s, whose network and names of weights stand for it", text);
    return ASSAY_OK;
}

int cli_architecture(struct cli_architecture *a, const struct cli_args *args,
                     const struct assay_space *space, const char *word, struct assay_err *err)
{
    *a = (struct cli_architecture){.order = cli_value(args, "order")};
    if (a->order) return look_up(a, space, cli_value(args, "key"), word, err);
    if (!assay_space_is_index(space, word)) return parse(space, word, &a->index, err);
    return cli_parse_u64(word, "INDEX", 0, assay_space_size(space) - 1, &a->index, err);
}

int cli_check_order(const struct cli_args *args, struct assay_err *err)
{
    const bool order = cli_value(args, "order");
    if (order && cli_value(args, "supernet"))
        return assay_err_set(err, ASSAY_ERR_USAGE, "--order: no table lists a supernet");
    if (cli_value(args, "key") && !order)
        return assay_err_set(err, ASSAY_ERR_USAGE,
                             "--key is a column of --order TABLE.csv, which is missing");
    return ASSAY_OK;
}
