// SPDX-License-Identifier: Apache-2.0
// A program that enumerates the cells of NAS-Bench-101, as its authors did, and writes the tables
// of nb101.h and nb1shot1.h as the source of an assembler; or, with --list, their hashes, vertices,
// edges, operations, and how many encodings of NAS-Bench-1Shot1's spaces lead to them, in the order
// of the enumeration. It runs when assay is built.
#include "nb1shot1.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint8_t hash[NB101_HASH_BYTES];
    uint32_t code, order;
    uint32_t encodings[NB1SHOT1_SPACES], first[NB1SHOT1_SPACES]; // that lead to it; the smallest
};

struct list {
    struct entry *entry; // (NB101_SIZE)
    uint32_t n;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "nb101_table: %s\n", what);
    exit(1);
}

// ---- enumeration --------------------------------------------------------------------------------
static bool is_cell(const struct nb101_cell *cell)
{
    struct nb101_cell pruned = *cell;
    return nb101_prune(&pruned) && pruned.n == cell->n && nb101_edges(cell) <= NB101_EDGES;
}

static void append(struct list *list, const struct nb101_cell *cell, const uint32_t *code,
                   uint32_t n)
{
    uint8_t hash[NB101_LANES][NB101_HASH_BYTES];
    if (list->n + n > NB101_SIZE) fail("more cells than the space has");
    nb101_hash(cell, n, hash);
    for (uint32_t i = 0; i < n; i++) {
        struct entry *e = &list->entry[list->n];
        *e = (struct entry){.code = code[i], .order = list->n++};
        memcpy(e->hash, hash[i], sizeof e->hash);
    }
}

// Appends the cells with these edges that are the first of their kind. code: of the first, whose
// operations are all 0.
static void append_all(struct list *list, uint32_t code, uint32_t interior)
{
    struct nb101_cell cell[NB101_LANES];
    uint32_t kept[NB101_LANES], n = 0, labels = 1;
    while (interior-- > 0) labels *= NB101_OPS;
    for (uint32_t i = 0; i < labels; i++) {
        nb101_decode(code + i, &cell[n]);
        if (nb101_first(&cell[n]) == code + i) kept[n++] = code + i;
        if (n < NB101_LANES && (n == 0 || i + 1 < labels)) continue;
        append(list, cell, kept, n);
        n = 0;
    }
}

static void enumerate(struct list *list)
{
    for (uint32_t n = 2; n <= NB101_VERTICES; n++) {
        struct nb101_cell cell = {.n = n};
        const uint32_t first = nb101_encode(&cell);
        cell.from[1] = 1;
        const uint32_t step = nb101_encode(&cell) - first; // the lowest edge
        for (uint32_t edges = 0; edges < 1u << n * (n - 1) / 2; edges++) {
            nb101_decode(first + edges * step, &cell);
            if (is_cell(&cell)) append_all(list, first + edges * step, n - 2);
        }
    }
    if (list->n != NB101_SIZE) fail("fewer cells than the space has");
}

static int by_code(const void *code, const void *entry)
{
    const uint32_t x = *(const uint32_t *)code, y = ((const struct entry *)entry)->code;
    return (x > y) - (x < y);
}

static struct entry *find(const struct list *list, uint32_t code)
{
    return bsearch(&code, list->entry, list->n, sizeof *list->entry, by_code);
}

static void count_encodings(const struct list *list, uint32_t space)
{
    const struct nb1shot1 *s = &nb1shot1_space[space];
    uint32_t cells = 0;
    for (uint32_t encoding = 0; encoding < s->encodings; encoding++) {
        struct nb101_cell cell;
        nb1shot1_decode(s, encoding, &cell);
        if (!nb101_prune(&cell)) fail("an encoding without a path");
        struct entry *e = find(list, nb101_encode(&cell));
        if (!e) e = find(list, nb101_first(&cell));
        if (!e) fail("an encoding of no cell");
        if (e->encodings[space]++ > 0) continue;
        e->first[space] = encoding;
        cells++;
    }
    if (cells != s->cells) fail("another number of cells of NAS-Bench-1Shot1");
}

// ---- output -------------------------------------------------------------------------------------
static void print_list(const struct list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct entry *e = &list->entry[i];
        struct nb101_cell cell;
        uint32_t edges = 0;
        nb101_decode(e->code, &cell);
        for (uint32_t v = 1; v < cell.n; v++) edges |= (uint32_t)cell.from[v] << v * (v - 1) / 2;
        for (uint32_t k = 0; k < NB101_HASH_BYTES; k++) printf("%02x", e->hash[k]);
        printf(" %" PRIu32 " %" PRIu32 " ", cell.n, edges);
        for (uint32_t v = 1; v + 1 < cell.n; v++) printf("%u", cell.op[v]);
        for (uint32_t s = 0; s < NB1SHOT1_SPACES; s++) printf(" %" PRIu32, e->encodings[s]);
        putchar('\n');
    }
}

static uint32_t prefix(const struct entry *e)
{
    return (uint32_t)e->hash[0] << 24 | (uint32_t)e->hash[1] << 16 | (uint32_t)e->hash[2] << 8 |
           e->hash[3];
}

static int by_hash(const void *a, const void *b)
{
    return memcmp(((const struct entry *)a)->hash, ((const struct entry *)b)->hash,
                  NB101_HASH_BYTES);
}

static void begin_table(const char *name)
{
    printf(".globl %s\n.balign 64\n%s:\n", name, name);
}

static void print_cells(const struct list *list, uint32_t space)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->entry[i].encodings[space])
            printf(".long %" PRIu32 ", %" PRIu32 "\n", i, list->entry[i].first[space]);
}

static void print_tables(struct list *list)
{
    uint32_t *rank = malloc(list->n * sizeof *rank);
    if (!rank) fail("out of memory");
    qsort(list->entry, list->n, sizeof *list->entry, by_hash);
    for (uint32_t i = 0; i < list->n; i++) rank[list->entry[i].order] = i;
    puts(".section .rodata");
    begin_table("nb101_code");
    for (uint32_t i = 0; i < list->n; i++) printf(".long %" PRIu32 "\n", list->entry[i].code);
    begin_table("nb101_prefix");
    for (uint32_t i = 0; i < list->n; i++) printf(".long %" PRIu32 "\n", prefix(&list->entry[i]));
    begin_table("nb101_by_code");
    for (uint32_t i = 0; i < list->n; i++) printf(".long %" PRIu32 "\n", rank[i]);
    begin_table("nb1shot1_cells");
    for (uint32_t s = 0; s < NB1SHOT1_SPACES; s++) print_cells(list, s);
    puts(".section .note.GNU-stack,\"\",%progbits");
    free(rank);
}

int main(int argc, char **argv)
{
    struct list list = {.entry = calloc(NB101_SIZE, sizeof *list.entry)};
    if (!list.entry) fail("out of memory");
    enumerate(&list);
    for (uint32_t s = 0; s < NB1SHOT1_SPACES; s++) count_encodings(&list, s);
    if (argc > 1 && strcmp(argv[1], "--list") == 0)
        print_list(&list);
    else
        print_tables(&list);
    free(list.entry);
    if (fflush(stdout) != 0 || ferror(stdout)) fail("cannot write the tables");
    return 0;
}
