// SPDX-License-Identifier: Apache-2.0
// The picture of an architecture.
#ifndef ASSAY_SRC_REPORT_CELL_H
#define ASSAY_SRC_REPORT_CELL_H

#include "assay/space.h"

// Finds and draws the architecture of that text; the index is looked at first, since most files
// have that of the space. False: the space does not know it.
bool cell_find(const struct assay_space *space, uint64_t index, const char *arch,
               struct assay_drawing *drawing);
// Writes an SVG picture of each cell: nodes on a line, edges above them. Lines are solid, of skips
// dashed, of pooling dotted; `none` has no line.
void cell_print(FILE *out, const struct assay_drawing *drawing);

#endif
