// SPDX-License-Identifier: Apache-2.0
// The mechanism of configurations, with keys of this test alone.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "assay/config.h"

#define UNUSED __attribute__((unused))
#define SET(s, n, v)                                                                               \
    {                                                                                              \
        .section = (s), .name = (n), .value = (v), .origin = "test"                                \
    }

struct oven {
    uint64_t heat, trays;
    char place[ASSAY_TEXT_MAX];
    double derived; // no key: heat / 2
};
struct bread {
    char kind[ASSAY_TEXT_MAX], shape[ASSAY_TEXT_MAX], knife[ASSAY_TEXT_MAX];
    uint64_t minutes;
};
struct odd {
    char one;
};
#define OVEN(member)  .offset = offsetof(struct oven, member)
#define BREAD(member) .offset = offsetof(struct bread, member)
static const struct assay_opt oven_rows[] = {
    {"oven", "heat", "", ASSAY_KEY_U64(0, 400), OVEN(heat), .def = "200"},
    {"house", "place", "", ASSAY_KEY_TEXT, OVEN(place), .def = "", .role = ASSAY_OPT_LOCAL},
    {"oven", "trays", "", ASSAY_KEY_ANY_U64, OVEN(trays), .def = "1",
     .role = ASSAY_OPT_CIRCUMSTANCE},
    {.name = NULL},
};
static const struct assay_opt bread_rows[] = {
    {"bread", "kind", "", ASSAY_KEY_TEXT, BREAD(kind), .def = "rye"},
    {"bread", "shape", "", ASSAY_KEY_TEXT, BREAD(shape), .def = "round", .job = "sale"},
    {"bread", "knife", "", ASSAY_KEY_TEXT, BREAD(knife), .def = "none", .with = "minutes"},
    {"oven", "minutes", "", ASSAY_KEY_ANY_U64, BREAD(minutes), .def = "40"},
    {"bread", "minutes", "", ASSAY_KEY_ANY_U64, BREAD(minutes), .def = "40", .with = "minutes"},
    {.name = NULL},
};
static const struct assay_opt odd_rows[] = {
    {"odd", "one", "", ASSAY_KEY_TEXT, .def = "", .max = 1},
    {.name = NULL},
};
static const struct assay_options oven = {oven_rows, sizeof(struct oven)},
                                  bread = {bread_rows, sizeof(struct bread)},
                                  odd = {odd_rows, sizeof(struct odd)};

static const struct assay_config_value of_wheat[] = {
    {"oven", "heat", "230", NULL}, {"bread", "minutes", "25", "north"}, {NULL, NULL, NULL, NULL}};

static int bring_kind(struct assay_config *config, struct assay_err *err)
{
    const struct bread *b = assay_config_get(config, &bread);
    const struct oven *o = assay_config_get(config, &oven);
    if (strcmp(b->kind, "wheat") != 0) return 0;
    return assay_config_apply(config, of_wheat, o->place, "wheat", err);
}

static int bring_place(struct assay_config *config, struct assay_err *err)
{
    struct oven *o = assay_config_edit(config, &oven);
    (void)err;
    if (*o->place) o->heat = 100;
    return 0;
}

static int check(struct assay_config *config, struct assay_err *err)
{
    struct oven *o = assay_config_edit(config, &oven);
    o->derived = (double)o->heat / 2;
    return o->heat == 13 ? assay_err_set(err, ASSAY_ERR_CONFIG, "unlucky") : 0;
}

static const struct assay_vocabulary *vocabulary(void)
{
    static const char *const order[] = {"bread", "", "house", NULL};
    static const struct assay_config_source place = {"house", "place", bring_place},
                                            kind = {"bread", "kind", bring_kind};
    static struct assay_vocabulary v = {.order = order};
    if (v.n_table) return &v;
    assay_vocabulary_add(&v, &odd);
    assay_vocabulary_add(&v, &oven);
    assay_vocabulary_add(&v, NULL);
    assay_vocabulary_add(&v, &bread);
    assay_vocabulary_add(&v, &oven);
    assay_vocabulary_add_source(&v, &place);
    assay_vocabulary_add_source(&v, &kind);
    assay_vocabulary_add_check(&v, check);
    return &v;
}

static struct assay_config resolve(const struct assay_setting *setting, size_t n)
{
    struct assay_config config;
    struct assay_err err = {0};
    if (assay_config_resolve(&config, vocabulary(), setting, n, &err) < 0) fail_msg("%s", err.text);
    return config;
}

static void check_text(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

// Tables lie beside each other, aligned; sections that several of them fill stand together.
static void tables_become_one_text(UNUSED void **state)
{
    const struct assay_config c = resolve(NULL, 0);
    assert_int_equal(vocabulary()->n_table, 3);
    assert_int_equal((uintptr_t)assay_config_get(&c, &oven) % _Alignof(max_align_t), 0);
    assert_int_equal((uintptr_t)assay_config_get(&c, &bread) % _Alignof(max_align_t), 0);
    assert_true(((const struct oven *)assay_config_get(&c, &oven))->derived == 100);
    check_text(assay_config_text(&c),
               "[bread]\nkind = rye\nshape = round\nknife = none\nminutes = 40\n"
               "\n[odd]\none = \n"
               "\n[oven]\nheat = 200\ntrays = 1\nminutes = 40\n"
               "\n[house]\nplace = \n");
}

// First what the sources bring, in their order, then the settings.
static void settings_stand_over_what_keys_bring(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("bread", "minutes", "7"), SET("house", "place", "north"),
                                      SET("bread", "kind", "wheat"), SET("oven", "heat", "50")};
    struct assay_config c = resolve(s, 2);
    assert_int_equal(((const struct oven *)assay_config_get(&c, &oven))->heat, 100);
    c = resolve(s + 1, 2);
    assert_int_equal(((const struct oven *)assay_config_get(&c, &oven))->heat, 230);
    assert_int_equal(((const struct bread *)assay_config_get(&c, &bread))->minutes, 25);
    assert_true(assay_config_has(&c, of_wheat, "north", "none"));
    c = resolve(s + 2, 1); // elsewhere
    assert_int_equal(((const struct bread *)assay_config_get(&c, &bread))->minutes, 40);
    assert_true(assay_config_has(&c, of_wheat, "", "none"));
    assert_false(assay_config_has(&c, of_wheat, "north", "none"));
    assert_true(assay_config_has(&c, of_wheat, "north", "minutes"));
    c = resolve(s, 4);
    assert_int_equal(((const struct oven *)assay_config_get(&c, &oven))->heat, 50);
    assert_int_equal(((const struct bread *)assay_config_get(&c, &bread))->minutes, 7);
}

static void an_error_leaves_all_as_it_was(UNUSED void **state)
{
    static const struct {
        struct assay_setting setting;
        const char *text;
    } bad[] = {{SET("oven", "heat", "401"), "test: oven.heat = '401'"},
               {SET("oven", "heat", "13"), "unlucky"},
               {SET("oevn", "trays", "1"), "did you mean oven.trays?"}};
    for (size_t i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_config c = resolve(NULL, 0), before = c;
        struct assay_err err = {0};
        assert_int_equal(assay_config_resolve(&c, vocabulary(), &bad[i].setting, 1, &err),
                         ASSAY_ERR_CONFIG);
        if (!strstr(err.text, bad[i].text)) fail_msg("'%s' lacks '%s'", err.text, bad[i].text);
        assert_memory_equal(&c, &before, sizeof c);
    }
}

static void copies_are_their_own(UNUSED void **state)
{
    const struct assay_config c = resolve(NULL, 0);
    struct assay_config copy = c;
    ((struct oven *)assay_config_edit(&copy, &oven))->heat = 1;
    assert_int_equal(((const struct oven *)assay_config_get(&c, &oven))->heat, 200);
    assert_int_equal(((const struct oven *)assay_config_get(&copy, &oven))->heat, 1);
}

// Circumstances are no part of it, a job's own keys only of its own, and some only with another.
static void identity_has_what_the_rows_say(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("oven", "trays", "9"), SET("house", "place", "n"),
                                      SET("bread", "minutes", "41")};
    struct assay_config c = resolve(s, 2);
    check_text(assay_config_identity(&c, "sale"), "[bread]\nkind = rye\nshape = round\n"
                                                  "\n[odd]\none = \n"
                                                  "\n[oven]\nheat = 100\nminutes = 40\n");
    c = resolve(s, 3);
    check_text(assay_config_identity(&c, "gift"),
               "[bread]\nkind = rye\nknife = none\nminutes = 41\n"
               "\n[odd]\none = \n"
               "\n[oven]\nheat = 100\nminutes = 41\n");
}

static void text_reads_back(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("bread", "shape", "a [b] = c"), SET("oven", "heat", "3")};
    const struct assay_config c = resolve(s, 2);
    struct assay_config back;
    struct assay_err err = {0};
    char *text = assay_config_text(&c);
    assert_non_null(text);
    assert_int_equal(assay_config_parse(&back, vocabulary(), text, &err), 0);
    check_text(assay_config_text(&back), text);
    free(text);
    assert_int_equal(
        assay_config_parse(&back, vocabulary(), "# a comment\n[oven]\nno setting\n", &err),
        ASSAY_ERR_INPUT);
    assert_non_null(strstr(err.text, "'no setting'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_become_one_text),
        cmocka_unit_test(settings_stand_over_what_keys_bring),
        cmocka_unit_test(an_error_leaves_all_as_it_was),
        cmocka_unit_test(copies_are_their_own),
        cmocka_unit_test(identity_has_what_the_rows_say),
        cmocka_unit_test(text_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
