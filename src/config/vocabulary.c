// SPDX-License-Identifier: Apache-2.0
// All keys there are, in one table over one block of memory.
#include "assay/config.h"

#include <string.h>

// The place of a section in the order of texts. Sections that are not listed have that of "", or
// stand behind all.
static size_t section_rank(const struct assay_vocabulary *v, const char *section)
{
    size_t rank = SIZE_MAX;
    for (size_t i = 0; v->order && v->order[i]; i++) {
        if (strcmp(v->order[i], section) == 0) return i;
        if (!*v->order[i]) rank = i;
    }
    return rank;
}

// The place of a new row: behind those of its section or, when it opens one, behind all rows whose
// sections come before.
static size_t row_place(const struct assay_vocabulary *v, const char *section)
{
    const size_t rank = section_rank(v, section);
    for (size_t i = v->n_key; i > 0; i--)
        if (strcmp(v->key[i - 1].section, section) == 0) return i;
    size_t i = v->n_key;
    while (i > 0 && section_rank(v, v->key[i - 1].section) > rank) i--;
    return i;
}

static void add_row(struct assay_vocabulary *v, const struct assay_opt *opt, size_t at)
{
    ASSAY_ASSERT(v->n_key < ASSAY_CONFIG_KEYS);
    ASSAY_ASSERT(!assay_opts_find(v->key, opt->section, opt->name));
    const size_t place = row_place(v, opt->section);
    memmove(&v->key[place + 1], &v->key[place], (v->n_key - place) * sizeof *v->key);
    v->key[place] = *opt;
    v->key[place].offset += at;
    v->n_key++;
}

void assay_vocabulary_add(struct assay_vocabulary *v, const struct assay_options *table)
{
    const size_t align = _Alignof(max_align_t);
    for (size_t i = 0; i < v->n_table; i++)
        if (v->table[i] == table) return;
    if (!table) return;
    ASSAY_ASSERT(v->n_table < ASSAY_CONFIG_TABLES);
    ASSAY_ASSERT(table->size <= ASSAY_CONFIG_BYTES - v->bytes);
    v->table[v->n_table] = table;
    v->at[v->n_table++] = v->bytes;
    for (const struct assay_opt *opt = table->opt; opt->name; opt++) add_row(v, opt, v->bytes);
    v->bytes += (table->size + align - 1) / align * align;
}

void assay_vocabulary_add_source(struct assay_vocabulary *v,
                                 const struct assay_config_source *source)
{
    ASSAY_ASSERT(v->n_source < ASSAY_CONFIG_SOURCES);
    v->source[v->n_source++] = source;
}

void assay_vocabulary_add_check(struct assay_vocabulary *v,
                                int (*check)(struct assay_config *config, struct assay_err *err))
{
    ASSAY_ASSERT(v->n_check < ASSAY_CONFIG_SOURCES);
    v->check[v->n_check++] = check;
}
