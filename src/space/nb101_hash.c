// SPDX-License-Identifier: Apache-2.0
// The hash that NAS-Bench-101 knows its cells by: every vertex has the MD5 sum of its degrees and
// operation, and takes as often as there are vertices that of its neighbours' sums and its own; the
// cell's is the sum of all. Sums of several cells are computed together, in the lanes of vectors.
#include "nb101.h"

#include <stdio.h>
#include <string.h>

// ---- MD5 (RFC 1321) -----------------------------------------------------------------------------
typedef uint32_t lanes __attribute__((vector_size(4 * NB101_LANES)));

enum { BLOCK = 64, BLOCKS = 5, HEX = 2 * NB101_HASH_BYTES };

// Texts of the same length; the longest is seven sums as Python prints a list of them.
struct texts {
    size_t length;
    uint8_t byte[NB101_LANES][BLOCKS * BLOCK];
};

// clang-format off
static const uint32_t sine[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint8_t turn[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
// clang-format on

static void add_block(lanes sum[4], const lanes word[16])
{
    lanes a = sum[0], b = sum[1], c = sum[2], d = sum[3];
#pragma GCC unroll 64 // so that what turns is known
    for (uint32_t i = 0; i < BLOCK; i++) {
        const uint32_t round = i / 16, s = turn[round][i % 4];
        static const uint8_t step[4] = {1, 5, 3, 7}, first[4] = {0, 1, 5, 0};
        const lanes f = round == 0   ? (b & c) | (~b & d)
                        : round == 1 ? (d & b) | (~d & c)
                        : round == 2 ? b ^ c ^ d
                                     : c ^ (b | ~d);
        const lanes t = a + f + sine[i] + word[(step[round] * i + first[round]) % 16];
        a = d;
        d = c;
        c = b;
        b += t << s | t >> (32 - s);
    }
    sum[0] += a;
    sum[1] += b;
    sum[2] += c;
    sum[3] += d;
}

static uint32_t load(const uint8_t *byte)
{
    return byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
}

// Appends what MD5 does: a bit, zeros, and the length in bits. Returns the number of blocks.
static size_t pad(struct texts *t)
{
    const size_t blocks = (t->length + 8) / BLOCK + 1, bits = 8 * t->length;
    for (uint32_t l = 0; l < NB101_LANES; l++) {
        uint8_t *end = t->byte[l] + blocks * BLOCK;
        memset(t->byte[l] + t->length, 0, blocks * BLOCK - t->length);
        t->byte[l][t->length] = 0x80;
        end[-8] = (uint8_t)bits;
        end[-7] = (uint8_t)(bits >> 8);
    }
    return blocks;
}

static void md5(struct texts *t, uint8_t digest[NB101_LANES][NB101_HASH_BYTES])
{
    const lanes zero = {0};
    lanes sum[4] = {zero + 0x67452301u, zero + 0xefcdab89u, zero + 0x98badcfeu, zero + 0x10325476u};
    const size_t blocks = pad(t);
    for (size_t b = 0; b < blocks; b++) {
        lanes word[16];
        for (uint32_t w = 0; w < 16; w++)
            for (uint32_t l = 0; l < NB101_LANES; l++)
                word[w][l] = load(t->byte[l] + b * BLOCK + 4 * w);
        add_block(sum, word);
    }
    for (uint32_t l = 0; l < NB101_LANES; l++)
        for (uint32_t i = 0; i < NB101_HASH_BYTES; i++)
            digest[l][i] = (uint8_t)(sum[i / 4][l] >> 8 * (i % 4));
}

// ---- of vertices --------------------------------------------------------------------------------
// The sums of a cell's vertices, as hexadecimal digits.
struct sums {
    uint8_t hex[NB101_VERTICES][HEX];
};

static void write_hex(const uint8_t digest[NB101_HASH_BYTES], uint8_t hex[HEX])
{
    for (uint32_t i = 0; i < NB101_HASH_BYTES; i++) {
        hex[2 * i] = (uint8_t) "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = (uint8_t) "0123456789abcdef"[digest[i] & 15];
    }
}

static uint32_t children(const struct nb101_cell *cell, uint32_t vertex)
{
    uint32_t mask = 0;
    for (uint32_t v = vertex + 1; v < cell->n; v++)
        mask |= (uint32_t)(cell->from[v] >> vertex & 1) << v;
    return mask;
}

// The sums of the vertices of a mask in ascending order.
static uint32_t sort(const struct sums *s, uint32_t mask, const uint8_t *sorted[NB101_VERTICES])
{
    uint32_t n = 0;
    for (uint32_t v = 0; v < NB101_VERTICES; v++) {
        if (!(mask & 1u << v)) continue;
        uint32_t at = n++;
        for (; at > 0 && memcmp(sorted[at - 1], s->hex[v], HEX) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = s->hex[v];
    }
    return n;
}

// Writes the sums of a mask's vertices, each between quotes, and separated.
static uint8_t *write_sums(uint8_t *out, const struct sums *s, uint32_t mask, const char *quote,
                           const char *separator)
{
    const uint8_t *sorted[NB101_VERTICES];
    const uint32_t n = sort(s, mask, sorted);
    for (uint32_t i = 0; i < n; i++) {
        out = (uint8_t *)stpcpy((char *)out, i ? separator : "");
        out = (uint8_t *)stpcpy((char *)out, quote);
        memcpy(out, sorted[i], HEX);
        out = (uint8_t *)stpcpy((char *)out + HEX, quote);
    }
    return out;
}

// ---- of cells -----------------------------------------------------------------------------------
enum what { LABEL, NEIGHBOURS, CELL };

// Writes the text that a sum is taken of; returns its length.
static size_t write_text(enum what what, const struct nb101_cell *cell, uint32_t v,
                         const struct sums *s, uint8_t *text)
{
    const uint32_t out = children(cell, v), in = cell->from[v];
    const int op = v == 0 ? -1 : v == cell->n - 1 ? -2 : cell->op[v];
    uint8_t *at = text;
    switch (what) {
    case LABEL:
        return (size_t)sprintf((char *)text, "(%d, %d, %d)", __builtin_popcount(out),
                               __builtin_popcount(in), op);
    case NEIGHBOURS:
        at = write_sums(at, s, in, "", "");
        *at++ = '|';
        at = write_sums(at, s, out, "", "");
        *at++ = '|';
        memcpy(at, s->hex[v], HEX);
        return (size_t)(at + HEX - text);
    default:
        *at++ = '[';
        at = write_sums(at, s, (1u << cell->n) - 1, "'", ", ");
        *at++ = ']';
        return (size_t)(at - text);
    }
}

struct hasher {
    const struct nb101_cell *cell; // (n)
    uint32_t n;
    struct sums old[NB101_LANES], new[NB101_LANES];
    struct texts text;
    uint8_t digest[NB101_LANES][NB101_HASH_BYTES];
};

static void sum_up(struct hasher *h, enum what what, uint32_t v)
{
    for (uint32_t l = 0; l < h->n; l++)
        h->text.length = write_text(what, &h->cell[l], v, &h->old[l], h->text.byte[l]);
    md5(&h->text, h->digest);
}

void nb101_hash(const struct nb101_cell *cell, uint32_t n, uint8_t hash[][NB101_HASH_BYTES])
{
    struct hasher h = {.cell = cell, .n = n};
    for (uint32_t round = 0; round <= cell->n; round++) {
        for (uint32_t v = 0; v < cell->n; v++) {
            sum_up(&h, round == 0 ? LABEL : NEIGHBOURS, v);
            for (uint32_t l = 0; l < n; l++) write_hex(h.digest[l], h.new[l].hex[v]);
        }
        memcpy(h.old, h.new, sizeof h.old);
    }
    sum_up(&h, CELL, 0);
    memcpy(hash, h.digest, n * sizeof *hash);
}
