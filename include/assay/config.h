// SPDX-License-Identifier: Apache-2.0
// config: option tables that its callers give it, as one INI vocabulary. It knows no key itself.
#ifndef ASSAY_CONFIG_H
#define ASSAY_CONFIG_H

#include "assay/base.h"

struct assay_config;

// ---- the vocabulary -----------------------------------------------------------------------------
// A key whose value brings values of other keys, which stand before all settings: the sizes of a
// space, a preset.
struct assay_config_source {
    const char *section, *name;
    // The key has its value, and all others their defaults or what sources before this one brought.
    int (*bring)(struct assay_config *config, struct assay_err *err);
};

// All keys there are. It is made once at the start of a process, by adding what the rooms bring; a
// zeroed struct is empty. To add more than fits is a bug.
enum {
    ASSAY_CONFIG_KEYS = 384,    // most keys
    ASSAY_CONFIG_TABLES = 96,   // most tables
    ASSAY_CONFIG_SOURCES = 4,   // most sources, and most checks
    ASSAY_CONFIG_BYTES = 32768, // most bytes of all structs that the tables fill
};
struct assay_vocabulary {
    // Sections in the order in which texts show them, the last NULL; "" stands for all that are not
    // listed, in the order in which they were added. NULL: all of them are.
    const char *const *order;
    // The rows of all tables in the order of texts, the last with a NULL name; the offsets are
    // those into the block of struct assay_config.
    struct assay_opt key[ASSAY_CONFIG_KEYS + 1];
    const struct assay_options *table[ASSAY_CONFIG_TABLES];
    size_t at[ASSAY_CONFIG_TABLES]; // where a table's struct lies in the block
    size_t n_key, n_table, n_source, n_check, bytes;
    const struct assay_config_source *source[ASSAY_CONFIG_SOURCES];
    int (*check[ASSAY_CONFIG_SOURCES])(struct assay_config *config, struct assay_err *err);
};
// Adds a table, which is borrowed, like all that follow. NULL, or one that is there, adds nothing,
// so that several metrics may bring the same. A key that is there already is a bug.
void assay_vocabulary_add(struct assay_vocabulary *v, const struct assay_options *table);
// Adds a source; they bring values in the order in which they are added.
void assay_vocabulary_add_source(struct assay_vocabulary *v,
                                 const struct assay_config_source *source);
// Adds a check. Checks are called in this order once all settings stand: they derive fields that
// are no keys, and check what spans several keys.
void assay_vocabulary_add_check(struct assay_vocabulary *v,
                                int (*check)(struct assay_config *config, struct assay_err *err));

// ---- a configuration ----------------------------------------------------------------------------
// A value of every key. Copied by assignment.
struct assay_config {
    const struct assay_vocabulary *vocabulary;                     // borrowed
    _Alignas(max_align_t) unsigned char block[ASSAY_CONFIG_BYTES]; // the struct of every table
};
// The struct that the table fills, which must be one of the vocabulary's.
const void *assay_config_get(const struct assay_config *config, const struct assay_options *table);
void *assay_config_edit(struct assay_config *config, const struct assay_options *table);

// A setting from the command line or a file, in order of increasing precedence.
struct assay_setting {
    char section[64], name[64], value[ASSAY_TEXT_MAX], origin[256];
};
// Defaults, then what the values of the sources' keys bring, then the settings in order; then the
// checks. *config stays as it is after an error.
int assay_config_resolve(struct assay_config *config, const struct assay_vocabulary *vocabulary,
                         const struct assay_setting *setting, size_t n, struct assay_err *err);
// The same from a text that assay_config_text or assay_config_identity made; '#' begins a comment.
int assay_config_parse(struct assay_config *config, const struct assay_vocabulary *vocabulary,
                       const char *text, struct assay_err *err);

// A value in a caller's list, such as that of a preset.
struct assay_config_value {
    const char *section, *name, *value;
    const char *where; // counts in this space only; NULL: in all
};
// Sets those values of a list that count for `where`; the list ends with a NULL section. origin:
// whose values they are, for errors.
int assay_config_apply(struct assay_config *config, const struct assay_config_value *value,
                       const char *where, const char *origin, struct assay_err *err);
// Whether the configuration has all of these values, apart from the key `but` of any section.
bool assay_config_has(const struct assay_config *config, const struct assay_config_value *value,
                      const char *where, const char *but);

// ---- as text ------------------------------------------------------------------------------------
// All keys as an INI text that sets them again; malloc'd, NULL when out of memory.
char *assay_config_text(const struct assay_config *config);
// The same of the keys that determine the numbers of this kind of job.
char *assay_config_identity(const struct assay_config *config, const char *job);

#endif
