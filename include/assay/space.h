// SPDX-License-Identifier: Apache-2.0
// space: search spaces: index <-> text <-> graph, supernets, canonical form.
#ifndef ASSAY_SPACE_H
#define ASSAY_SPACE_H

#include "assay/graph.h"

#define ASSAY_ARCH_MAX 1024

// The macro network around a cell.
struct assay_net {
    uint32_t channels; // C of the first stage
    uint32_t cells;    // N cells per stage
    uint32_t classes;
    uint32_t image; // input height = width
    bool thin; // TE-NAS's linear-region network: C = 1, first cell only, no stem, input (1,3,3)
};

// A descriptor; instances are opened because some spaces hold a table of classes.
struct assay_space_kind {
    const char *name, *help;
    int (*open)(void **state, struct assay_err *err); // may be NULL
    void (*close)(void *state);                       // may be NULL
    uint64_t (*size)(void);
    // Appends the literal network of candidate `index` to an empty graph and finishes it.
    int (*build)(uint64_t index, const struct assay_net *net, struct assay_graph *g,
                 struct assay_err *err);
    // Text and index are checked by assay_space_format and assay_space_parse.
    int (*format)(uint64_t index, char *text, size_t cap);
    int (*parse)(const char *text, uint64_t *index, struct assay_err *err);
    // The smallest index whose network is the same function at initialisation.
    uint64_t (*canonical)(const void *state, uint64_t index);
};

extern const struct assay_space_kind *const assay_space_kinds[]; // ends with NULL

struct assay_space {
    const struct assay_space_kind *kind;
    void *state;
};

// An unknown name is an error that lists the known ones.
int assay_space_open(struct assay_space *space, const char *name, struct assay_err *err);
void assay_space_close(struct assay_space *space);
uint64_t assay_space_size(const struct assay_space *space);
// Errors if index >= size. *g is reset first.
int assay_space_build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                      struct assay_graph *g, struct assay_err *err);
// The architecture in the space's own notation; negative if index >= size or text is too small
// (ASSAY_ARCH_MAX always suffices).
int assay_space_format(const struct assay_space *space, uint64_t index, char *text, size_t cap);
// Tolerant of white space and of the order of edges within a node, strict about everything else:
// the error says what was found, at which character (from 1), and what was expected. *index is
// written only on success.
int assay_space_parse(const struct assay_space *space, const char *text, uint64_t *index,
                      struct assay_err *err);
uint64_t assay_space_canonical(const struct assay_space *space, uint64_t index);

#endif
