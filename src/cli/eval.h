// SPDX-License-Identifier: Apache-2.0
#ifndef ASSAY_SRC_CLI_EVAL_H
#define ASSAY_SRC_CLI_EVAL_H

#include "cli.h"
#include "json_write.h"

// What is evaluated: an architecture, a supernet, or the network of an ONNX file.
struct eval_subject {
    const struct assay_space *space;
    const char *file; // the ONNX file, or NULL
    uint64_t index;
    bool is_supernet;
    struct assay_supernet mask;
};
// Lines "space ..." and "arch ..." or "supernet ...", names padded to width.
void eval_print_subject(const struct eval_subject *s, int width);
// The same as keys of an object.
void eval_json_subject(const struct eval_subject *s, struct json *j);
void eval_json_verdict(int32_t verdict, const char *reason, struct json *j);
// Evaluates and prints the configured metrics; returns an exit code, or an error.
int eval_configured(const struct assay_config *config, const struct eval_subject *s,
                    enum cli_format format, struct assay_err *err);

#endif
