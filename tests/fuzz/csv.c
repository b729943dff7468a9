// SPDX-License-Identifier: Apache-2.0
// Tables of accuracies.
#include "cli/truth.h"
#include "fuzz.h"
#include "space_once.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const name[] = {"test_accuracy", "arch", "a", ""};
    struct input in = {bytes, n};
    struct assay_err err = {0};
    struct truth truth;
    const uint8_t which = take_byte(&in);
    const struct truth_options options = {
        .file = memory_file(in.at, in.n), .target = name[which % 4], .key = name[which / 4 % 4]};
    const struct assay_space *space = open_space(which & 16 ? "nas-bench-201" : "null");
    const int status = truth_read(&truth, &options, space, &err);
    if (status < 0) must_explain(status, &err);
    for (size_t i = 0; status >= 0 && i < truth.n; i++)
        must(truth_of(&truth, truth.row[i].index) == truth.row[i].value, "another accuracy", NULL);
    if (status >= 0) truth_free(&truth);
    return 0;
}
