// SPDX-License-Identifier: Apache-2.0
// One architecture or supernet with weights and inputs from HDF5 files: how a reference checks the
// program.
#ifndef ASSAY_CLI_FOREIGN_H
#define ASSAY_CLI_FOREIGN_H

#include "assay/sweep.h"

struct foreign_case {
    const struct assay_config *config; // network size, kernel rung and memory limit
    const struct assay_space *space;
    uint64_t index;
    const struct assay_supernet *mask; // the supernet in place of architecture `index`, or NULL
    const char *weights, *batch;       // "file.h5:/group", "file.h5:/dataset"
    int bn;                            // enum assay_bn
    bool thin;
    uint64_t region_batch; // patches per BN batch of the thin network
};

#define FOREIGN_SCALARS 32
struct foreign_scalar {
    const char *name;
    double value;
};

struct foreign {
    struct assay_protocol protocol;
    struct assay_arrays weights, batch;
    struct assay_graph literal, folded;
    const struct assay_graph *graph; // the one that is executed: thin networks literally
    struct assay_exec *exec;
    struct assay_plans *plans;
    struct assay_arena arena;
    double *theta; // of graph
    // Results, borrowed from the arena.
    int verdict;
    char reason[ASSAY_REASON_MAX];
    struct foreign_scalar scalar[FOREIGN_SCALARS];
    uint32_t n_scalar, n, classes;
    const double *logits;     // (n,classes)
    const double *gram;       // (n,n), NULL of the thin network
    const double *eigenvalue; // (n) ascending, NULL of the thin network
    const uint8_t *patterns;  // (n,pattern_bytes) packed sign bits, NULL of the whole network
    size_t pattern_bytes;
};

// A zeroed struct is empty. Errors name the file, the array, and what was expected.
int foreign_evaluate(struct foreign *f, const struct foreign_case *c, struct assay_err *err);
void foreign_finish(struct foreign *f);

// Writes `file` atomically: logits, gram, eigenvalues, patterns as data sets, every scalar and what
// was evaluated as root attributes. With frozen BN the data set gram is frozen_gram as well.
int foreign_dump(const struct foreign *f, const struct foreign_case *c, const char *file,
                 struct assay_err *err);

#endif
