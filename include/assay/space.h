// SPDX-License-Identifier: Apache-2.0
// space: search spaces: index <-> text <-> graph, supernets, canonical form.
#ifndef ASSAY_SPACE_H
#define ASSAY_SPACE_H

#include "assay/graph.h"

#define ASSAY_ARCH_MAX      1024 // bytes of an architecture's text, as it is written
#define ASSAY_ARCH_TEXT_MAX 8192 // the same, as it is read

// What stands around the cells, where a space leaves a choice (kind->macros). TENAS has a stem of
// one convolution, and BN and ReLU before the classifier. CIFAR and IMAGENET are DARTS's evaluation
// networks, without that BN and ReLU; IMAGENET's stem is three convolutions of stride 2.
enum assay_macro { ASSAY_MACRO_TENAS, ASSAY_MACRO_CIFAR, ASSAY_MACRO_IMAGENET };

// The size of a network. A space whose architectures have channels or cells of their own takes 0
// for them; one without a choice of macro networks takes TENAS and a stem of 0 or 1.
struct assay_net {
    uint32_t channels; // C of the first stage
    uint32_t cells;    // N per stage; darts: all cells, the reduction cells among them
    uint32_t classes;
    uint32_t image; // input height = width
    bool thin; // TE-NAS's linear-region network: C = 1, no stem, input (1,patch,patch), one cell
               // per type
    enum assay_macro macro;
    uint32_t stem;       // channels of the stem in units of C (not IMAGENET's); 0 counts as 1
    const char *section; // whose keys these are, for error texts; NULL: network
};

// ---- supernets ----------------------------------------------------------------------------------
// The network of TE-NAS's search (arXiv 2102.11535): every edge carries all operations that are
// alive, each weighted 1/k when k of them are. Operation 0 is `none`: it counts in k and adds
// nothing. An edge where nothing is alive adds nothing. Parameters are named by cell, edge and
// operation only, as in TE-NAS's code ("cells.0.edges.1<-0.3.op.1.weight").
#define ASSAY_SUPERNET_CELLS 2
#define ASSAY_SUPERNET_EDGES 14

// Which operations are alive; what a space does not have is 0.
struct assay_supernet {
    uint16_t alive[ASSAY_SUPERNET_CELLS][ASSAY_SUPERNET_EDGES]; // bit o: operation o
};

struct assay_space;

struct assay_supernet_kind {
    uint32_t cells, edges, ops; // cell types, edges of each, operations
    uint32_t keep;              // edges that enter a node of an architecture, 0: all
    const char *const *cell_name;
    const char *const *op_name;
    const uint8_t *from, *to; // (edges) "to<-from" in parameter names; grouped by `to`
    int (*build)(const struct assay_space *space, const struct assay_supernet *mask,
                 const struct assay_net *net, struct assay_graph *g, struct assay_err *err);
    // The architecture that a mask is which has one operation on each edge it keeps; and the mask
    // of an architecture.
    uint64_t (*index)(const struct assay_space *space, const struct assay_supernet *mask);
    void (*mask)(const struct assay_space *space, uint64_t index, struct assay_supernet *mask);
};

// ---- one-shot networks --------------------------------------------------------------------------
// The network of NASI's search (arXiv 2109.00817): every choice of an architecture is a mix
// (assay_graph_mix) with an input for each option. The option taken has coefficient 1, the others
// 0, but for choices that are blended. Cells of one type make the same choices.
#define ASSAY_ONESHOT_CHOICES 32
#define ASSAY_ONESHOT_OPTIONS 8
#define ASSAY_ONESHOT_NAME    64

struct assay_oneshot {
    // (mixes, ASSAY_ONESHOT_OPTIONS) coefficients of each mix, in the order of the graph's nodes
    const double *weight;
    bool affine; // BNs have gamma and beta
};

struct assay_oneshot_kind {
    struct assay_net net;   // its size in the paper
    uint32_t choices;       // of an architecture
    uint32_t per_cell;      // mixes of a cell; cell i has [i * per_cell, (i + 1) * per_cell)
    const uint8_t *options; // (choices) how many there are of each
    bool none;              // option 0 of every choice is `none`
    const uint8_t *differs; // (choices) the earlier choice it must differ from, or itself
    // (choices) How many options an architecture has of a choice that the network blends: all have
    // the softmax as their coefficients. 0: it takes one whole. NULL: all are 0.
    const uint8_t *blends;
    // Why kappa of the network is infinite, whatever its weights; NULL: it is not.
    const char *singular;
    // The number of cells of that network, and the choice that a mix of it makes.
    uint32_t (*cells)(const struct assay_space *space, const struct assay_net *net);
    uint32_t (*choice)(const struct assay_space *space, const struct assay_net *net, uint32_t mix);
    int (*build)(const struct assay_space *space, const struct assay_oneshot *shot,
                 const struct assay_net *net, struct assay_graph *g, struct assay_err *err);
    // What an option of a choice is: "2<-1 skip_connect".
    void (*name)(const struct assay_space *space, uint32_t choice, uint32_t option,
                 char text[ASSAY_ONESHOT_NAME]);
    // The architecture of these options (choices); of a blended choice they are a set, bit o:
    // option o.
    uint64_t (*index)(const struct assay_space *space, const uint8_t *option);
};

// ---- drawings -----------------------------------------------------------------------------------
// An architecture as the graph that its paper draws: nodes from left to right, edges between them,
// and the operations chosen, which stand at the ones or the others. All texts are static.
#define ASSAY_DRAWING_NODES 16
#define ASSAY_DRAWING_EDGES 32

struct assay_drawing_edge {
    uint8_t from, to; // from < to
    const char *op;   // NULL: there was nothing to choose
};
struct assay_drawing {
    uint32_t n_cell;
    struct assay_drawing_cell {
        const char *name; // NULL: there are no others
        uint32_t n_node, n_edge;
        const char *node[ASSAY_DRAWING_NODES]; // (n_node) its operation, NULL as of edges
        struct assay_drawing_edge edge[ASSAY_DRAWING_EDGES];
    } cell[ASSAY_SUPERNET_CELLS];
};

// ---- spaces -------------------------------------------------------------------------------------
// An open space: what every callback is given.
struct assay_space {
    const struct assay_space_kind *kind;
    void *options; // the struct that kind->options fills; NULL: it has none
    void *state;   // the kind's own, such as a table of classes
};

// The descriptor of a space, which brings all that is the space's own.
struct space_text; // private to this room: the text, and where in it the reader is
struct assay_space_kind {
    const char *name, *help;
    const char *source; // who published it, NULL: nobody
    // The space's own options, in a section of its name; NULL: it has none. Each row is `with`
    // itself (struct assay_opt), so that the identity of runs in other spaces does not mention it.
    const struct assay_options *options;
    // The sizes that metrics are computed at unless told otherwise (TE-NAS's, where it has them),
    // and that the benchmark trains at. What is 0 in `search` is not for the user to choose; `stem`
    // is 1 where there is no choice.
    struct assay_net search, full;
    uint32_t image_multiple; // what an image's height and width must be divisible by; 0: 1
    unsigned macros; // bit m: enum assay_macro m is a choice, and so is the stem; 0: neither
    uint32_t patch;  // height and width of its thin networks' input; 0: it has none
    bool saturated;  // nearly all patches are regions of their own: regions is no default metric
    // Make space->state of space->options, and free it; both may be NULL.
    int (*open)(struct assay_space *space, struct assay_err *err);
    void (*close)(struct assay_space *space);
    uint64_t (*size)(const struct assay_space *space);
    // Appends the literal network of candidate `index` to an empty graph and finishes it.
    int (*build)(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                 struct assay_graph *g, struct assay_err *err);
    // Characters that an architecture's text may begin with besides brackets, quotes and bars;
    // NULL: any name, such as Genotype.
    const char *begins;
    // A text is so many digits and nothing else, more than an index has; 0: it is never digits
    // alone.
    uint32_t digits;
    // The callers, assay_space_format and assay_space_parse, check text and index.
    int (*format)(const struct assay_space *space, uint64_t index, char *text, size_t cap);
    int (*parse)(const struct assay_space *space, struct space_text *text, uint64_t *index);
    // The benchmark's own hash of an architecture; NULL: it has none.
    int (*hash)(const struct assay_space *space, uint64_t index, char *text, size_t cap);
    // The smallest index that is the same random network, whatever its modules are called; NULL:
    // all differ. Where some are equal in truth, NULL only means that all of them are evaluated.
    uint64_t (*canonical)(const struct assay_space *space, uint64_t index);
    // Draws an architecture into a zeroed drawing; NULL: as the mask of its supernet.
    void (*draw)(const struct assay_space *space, uint64_t index, struct assay_drawing *drawing);
    bool same_literal; // they are the same with all that is dead in them, too
    // Its architectures are networks that users bring (struct assay_collection): each has its own
    // shape of images and may be none (ERR_INPUT of build, which is the candidate's failure).
    bool given;
    const struct assay_supernet_kind *supernet; // NULL: the space has none
    const struct assay_oneshot_kind *oneshot;   // NULL: the space has none
};

extern const struct assay_space_kind *const assay_space_kinds[]; // ends with NULL

// The descriptor of that name, or NULL.
const struct assay_space_kind *assay_space_find(const char *name);
// Opens a space with these values of its options, which are copied; NULL: the defaults.
int assay_space_open_kind(struct assay_space *space, const struct assay_space_kind *kind,
                          const void *options, struct assay_err *err);
// The space of that name, with default options. An unknown name is an error that lists the known
// ones.
int assay_space_open(struct assay_space *space, const char *name, struct assay_err *err);
void assay_space_close(struct assay_space *space);
uint64_t assay_space_size(const struct assay_space *space);
// Refuses a size that no network of the space can have, as do the functions that build.
int assay_space_check(const struct assay_space *space, const struct assay_net *net,
                      struct assay_err *err);
// Builds the literal network of an architecture; *g is reset first. An error if index >= size.
int assay_space_build(const struct assay_space *space, uint64_t index, const struct assay_net *net,
                      struct assay_graph *g, struct assay_err *err);
// The architecture in the space's own notation; negative if index >= size or text is too small
// (ASSAY_ARCH_MAX always suffices).
int assay_space_format(const struct assay_space *space, uint64_t index, char *text, size_t cap);
// Whether a word is an index: digits alone, unless these are a text of the space.
bool assay_space_is_index(const struct assay_space *space, const char *word);
// Reads the space's own notation and those in which other programs print the same, which
// results/notations.md lists. What stands around it in their files and logs ("NAME =", quotes,
// white space, comments) is no part of it, nor is the order of edges within a node. Strict about
// everything else: the error says what was found, at which character (from 1), and what was
// expected. *index is written only on success.
int assay_space_parse(const struct assay_space *space, const char *text, uint64_t *index,
                      struct assay_err *err);
// The same. *other: the text is another encoding of the architecture, and its network would be
// another than that of the benchmark's encoding, which is built.
int assay_space_read(const struct assay_space *space, const char *text, uint64_t *index,
                     bool *other, struct assay_err *err);
// The benchmark's own hash of an architecture; negative where it has none, and as
// assay_space_format.
int assay_space_hash(const struct assay_space *space, uint64_t index, char *text, size_t cap);
uint64_t assay_space_canonical(const struct assay_space *space, uint64_t index);

// Draws an architecture; false: index >= size, or the space draws none.
bool assay_space_draw(const struct assay_space *space, uint64_t index,
                      struct assay_drawing *drawing);

// ---- a benchmark's own order --------------------------------------------------------------------
// The order of a table with a column "index", such as a benchmark's own, which numbers
// architectures.
struct assay_order_row {
    uint64_t number, index; // number: in the table; index: of the architecture
    size_t line;            // of the file
};
struct assay_order {
    const char *file;            // borrowed
    struct assay_order_row *row; // (n) ascending by number, which are distinct
    size_t n;
};
// Reads the table. key: its column of architectures, NULL: "arch". Errors name file and line, and
// --key where there is no such column.
int assay_order_read(struct assay_order *order, const struct assay_space *space, const char *file,
                     const char *key, struct assay_err *err);
void assay_order_free(struct assay_order *order);
// The row of a number, or the one row of an architecture; an error when there is none, or more than
// one.
int assay_order_number(const struct assay_order *order, uint64_t number,
                       const struct assay_order_row **row, struct assay_err *err);
int assay_order_architecture(const struct assay_order *order, uint64_t index,
                             const struct assay_order_row **row, struct assay_err *err);

// ---- networks that are given --------------------------------------------------------------------
// The networks of a space that is `given` are gathered from files into a collection, one block of
// bytes: of each file its name, the digest of its bytes, and its network without weights, or why it
// has none. Who has the block needs no file. A network's number is its place in the list.
struct assay_collection {
    uint8_t *block; // malloc'd; the same for the same files
    size_t n, cap;  // bytes
    uint64_t n_network, n_failed;
    struct assay_collection_seen *seen; // private, like what follows
    uint64_t n_seen, n_slot;
    uint32_t n_line;
};
// Adds the ONNX files of a directory in the order of their names, or of a list in its order: one
// path a line, relative to the list's folder; empty lines and those that begin with # do not count,
// and what is named again counts once. A file that has no network to be read is a network that
// failed; an error if all are so. Says on log which, and what is taken in another way than a file
// has it.
int assay_collection_read(struct assay_collection *c, const char *list, const struct assay_log *log,
                          struct assay_err *err);
// Adds one file under a name.
int assay_collection_add(struct assay_collection *c, const char *name, const char *file,
                         const struct assay_log *log, struct assay_err *err);
void assay_collection_free(struct assay_collection *c);
// ERR_STATE, naming the first file that differs, unless two blocks have the same files.
int assay_collection_compare(const void *now, size_t n_now, const void *then, size_t n_then,
                             struct assay_err *err);
// Opens space onnx with a collection's block, which is borrowed and checked: it may be anybody's.
int assay_space_open_given(struct assay_space *space, const void *block, size_t bytes,
                           struct assay_err *err);
// Opens it with the names alone of n networks, such as a table's: they are told and found by their
// place here, and cannot be built.
int assay_space_open_names(struct assay_space *space, char *const *name, uint64_t n,
                           struct assay_err *err);

// Builds the one-shot network of a space that has one; *g is reset first.
int assay_space_build_oneshot(const struct assay_space *space, const struct assay_oneshot *shot,
                              const struct assay_net *net, struct assay_graph *g,
                              struct assay_err *err);

// ---- supernets of a space -----------------------------------------------------------------------
// Builds the supernet of a mask; *g is reset first. An error if the space has no supernets, or if
// the mask has operations that the space has not.
int assay_space_build_supernet(const struct assay_space *space, const struct assay_supernet *mask,
                               const struct assay_net *net, struct assay_graph *g,
                               struct assay_err *err);
// Reads a mask from its text: for each edge the numbers of its live operations ("1234"; "-": none
// is alive), edges separated by commas, cell types by slashes. Also "full" (all operations but
// `none`) and "full+none". Errors as assay_space_parse's.
int assay_space_parse_supernet(const struct assay_space *space, const char *text,
                               struct assay_supernet *mask, struct assay_err *err);
// This and the functions below are for spaces that have supernets.
//
// Writes a mask as such a text, without the two words; negative if text is too small
// (ASSAY_ARCH_MAX always suffices).
int assay_space_format_supernet(const struct assay_space *space, const struct assay_supernet *mask,
                                char *text, size_t cap);
// Sets every operation alive, `none` too if told so.
void assay_space_full_supernet(const struct assay_space *space, bool none,
                               struct assay_supernet *mask);
// True when no edge has more than one operation alive.
bool assay_supernet_is_discrete(const struct assay_supernet *mask);
// How many operations are alive on an edge.
uint32_t assay_supernet_alive(const struct assay_supernet *mask, uint32_t cell, uint32_t edge);
// The architecture that a discrete mask is; an error says what it has too much or too little of.
int assay_space_supernet_index(const struct assay_space *space, const struct assay_supernet *mask,
                               uint64_t *index, struct assay_err *err);
// The discrete mask of an architecture.
void assay_space_index_supernet(const struct assay_space *space, uint64_t index,
                                struct assay_supernet *mask);

#endif
