// SPDX-License-Identifier: Apache-2.0
// Networks in ONNX files, which stand where a space and an architecture do: onnx FILE.
#ifndef ASSAY_SRC_CLI_ONNX_H
#define ASSAY_SRC_CLI_ONNX_H

#include "cli.h"

#include "assay/data.h"
#include "assay/onnx.h"

struct cli_onnx {
    const char *file;
    struct assay_onnx model;
    struct assay_graph graph; // the literal network
    struct assay_onnx_net net;
};
// Whether that is what the command line names.
bool cli_is_onnx(const struct cli_args *args);
// Reads the file and warns of what is taken in another way than it stands there. The caller closes
// it, also after an error.
int cli_onnx_open(struct cli_onnx *o, const struct cli_args *args, struct assay_err *err);
void cli_onnx_close(struct cli_onnx *o);
// The file's weights as what evaluates weights from elsewhere takes; the caller frees them, also
// after an error.
int cli_onnx_weights(const struct cli_onnx *o, struct assay_arrays *arrays, struct assay_err *err);
// Prints the network as it was understood, and what it counts.
int cli_onnx_show(const struct cli_args *args, struct assay_err *err);

#endif
