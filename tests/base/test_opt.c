// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "assay/base.h"

#define UNUSED __attribute__((unused))

// ---- options ----------------------------------------------------------------------------------

struct object {
    uint64_t number;
    double real;
    bool flag;
    int choice;
    char text[ASSAY_TEXT_MAX];
    char shortish[8];
    char word[16];
};

#define FIELD(member) .offset = offsetof(struct object, member)
static const struct assay_opt table[] = {
    {"one", "number", "", ASSAY_KEY_U64(2, 64), FIELD(number), .def = "4"},
    {"one", "real", "", ASSAY_KEY_F64(-1, 1), FIELD(real), .def = "0.1"},
    {"one", "flag", "", ASSAY_KEY_BOOL, FIELD(flag), .def = "true"},
    {"two", "choice", "", ASSAY_KEY_CHOICE("a|b|cc"), FIELD(choice), .def = "b"},
    {"two", "text", "", ASSAY_KEY_TEXT, FIELD(text), .def = ""},
    {"two", "short", "", ASSAY_KEY_TEXT, FIELD(shortish), .def = "abc", .max = 8},
    {"two", "word", "", ASSAY_KEY_TEXT, FIELD(word), .def = "train", .max = 16,
     .choices = "train|test"},
    {.name = NULL},
};

static void options_have_their_defaults(UNUSED void **state)
{
    struct object o;
    memset(&o, 0xff, sizeof o);
    assay_opts_defaults(table, &o);
    assert_int_equal(o.number, 4);
    assert_true(o.real == 0.1);
    assert_true(o.flag);
    assert_int_equal(o.choice, 1);
    assert_string_equal(o.text, "");
    assert_string_equal(o.shortish, "abc");
    assert_string_equal(o.word, "train");
}

static void options_refuse_and_keep_the_old_value(UNUSED void **state)
{
    static const struct {
        const char *section, *name, *value, *expected;
    } bad[] = {
        {"one", "number", "1", "from 2 to 64"},
        {"one", "number", "65", "from 2 to 64"},
        {"one", "number", "-4", "a whole number"},
        {"one", "number", "4.5", "a whole number"},
        {"one", "number", "", "a whole number"},
        {"one", "number", "4x", "a whole number"},
        {"one", "number", "99999999999999999999", ""},
        {"one", "real", "2", "a number from -1 to 1"},
        {"one", "real", "nan", "a number"},
        {"one", "real", "1e999", "a number"},
        {"one", "real", "0.5 ", "a number"},
        {"one", "flag", "maybe", "true or false"},
        {"two", "choice", "c", "one of a|b|cc"},
        {"two", "choice", "", "one of a|b|cc"},
        {"two", "choice", "a|b", "one of a|b|cc"},
        {"two", "short", "12345678", "at most 7"},
        {"two", "text", "a\nb", "control"},
        {"two", "text", " a", "blanks"},
        {"two", "text", "a ; b", "' ;'"},
        {"two", "word", "both", "train|test"},
    };
    struct object o, before;
    memset(&o, 0, sizeof o);
    assay_opts_defaults(table, &o);
    before = o;
    for (unsigned i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_err err = {0};
        const int status = assay_opts_set(table, &o, bad[i].section, bad[i].name, bad[i].value,
                                          "file.ini:12", &err);
        assert_int_equal(status, ASSAY_ERR_CONFIG);
        assert_memory_equal(&o, &before, sizeof o);
        assert_ptr_equal(strstr(err.text, "file.ini:12: "), err.text);
        assert_non_null(strstr(err.text, bad[i].name));
        char shown[64];
        assay_text_show(shown, sizeof shown, bad[i].value, false);
        assert_non_null(strstr(err.text, shown));
        assert_non_null(strstr(err.text, bad[i].expected));
    }
}

static void options_name_the_nearest_key(UNUSED void **state)
{
    struct object o = {0};
    struct assay_err err = {0};
    assert_int_equal(assay_opts_set(table, &o, "one", "nunber", "3", "--set", &err),
                     ASSAY_ERR_CONFIG);
    assert_string_equal(err.text, "--set: unknown key one.nunber; did you mean one.number?");
    assert_int_equal(assay_opts_set(table, &o, "tow", "text", "3", "--set", &err),
                     ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "two.text"));
    assert_int_equal(assay_opts_set(table, &o, "model", "dropout", "3", "--set", &err),
                     ASSAY_ERR_CONFIG);
    assert_null(strstr(err.text, "did you mean"));
}

// What format writes, set reads back, for every type.
static void options_round_trip(UNUSED void **state)
{
    struct object o, back;
    memset(&o, 0, sizeof o);
    memset(&back, 0, sizeof back);
    assay_opts_defaults(table, &o);
    assay_opts_defaults(table, &back);
    o.number = 63;
    o.real = 1.0 / 3.0;
    o.flag = false;
    o.choice = 2;
    strcpy(o.text, "/data/a;b = [c]#d");
    strcpy(o.word, "test");
    char text[512], line[64], section[16] = "", name[16], value[64];
    const size_t n = assay_opts_format(table, &o, text, sizeof text);
    assert_int_equal(n, strlen(text));
    for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
        snprintf(line, sizeof line, "%s", at);
        if (sscanf(line, "[%15[a-z]]", section) == 1) continue;
        assert_int_equal(sscanf(line, "%15[a-z] = %63[^\n]", name, value), 2);
        assert_int_equal(assay_opts_set(table, &back, section, name, value, "t", NULL), 0);
    }
    assert_memory_equal(&o, &back, sizeof o);
}

static void options_format_tells_its_length(UNUSED void **state)
{
    struct object o;
    assay_opts_defaults(table, &o);
    char text[512], cut[20];
    const size_t n = assay_opts_format(table, &o, text, sizeof text);
    assert_int_equal(assay_opts_format(table, &o, NULL, 0), n);
    memset(cut, 'x', sizeof cut);
    assert_int_equal(assay_opts_format(table, &o, cut, sizeof cut - 1), n);
    assert_int_equal(strlen(cut), sizeof cut - 2);
    assert_int_equal(cut[sizeof cut - 1], 'x');
    assert_memory_equal(cut, text, sizeof cut - 2);
}

// ---- keys that the user names ----------------------------------------------------------------

struct names {
    uint64_t number;
    char line[ASSAY_TEXT_MAX];
    char text[ASSAY_TEXT_MAX];
};

static const struct assay_opt named[] = {
    {"one", "number", "", ASSAY_OPT_U64, offsetof(struct names, number), "4", .min = 2, .max = 64},
    {"own", "NAME", "", ASSAY_OPT_NAMED, offsetof(struct names, line), .def = ""},
    {"two", "text", "", ASSAY_OPT_TEXT, offsetof(struct names, text), .def = ""},
    {.name = NULL},
};

static void set_name(struct names *o, const char *name, const char *value)
{
    struct assay_err err = {0};
    if (assay_opts_set(named, o, "own", name, value, "t", &err) < 0) fail_msg("%s", err.text);
}

static void assert_formats_as(const struct names *o, const char *expected)
{
    char text[2 * ASSAY_TEXT_MAX];
    assert_int_equal(assay_opts_format(named, o, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void named_keys_keep_their_order_and_may_go(UNUSED void **state)
{
    struct names o;
    memset(&o, 0xff, sizeof o);
    assay_opts_defaults(named, &o);
    assert_formats_as(&o, "[one]\nnumber = 4\n\n[two]\ntext = \n");
    set_name(&o, "b", "x = [y] # = z");
    set_name(&o, "a_1", "2");
    set_name(&o, "b", "3");
    assert_formats_as(&o, "[one]\nnumber = 4\n\n[own]\nb = 3\na_1 = 2\n\n[two]\ntext = \n");
    set_name(&o, "b", "x = [y] # = z");
    const char *at = o.line;
    char name[ASSAY_NAME_MAX], value[ASSAY_TEXT_MAX];
    assert_true(assay_opts_named(&at, name, value));
    assert_string_equal(name, "b");
    assert_string_equal(value, "x = [y] # = z");
    assert_true(assay_opts_named(&at, name, value));
    assert_string_equal(name, "a_1");
    assert_false(assay_opts_named(&at, name, value));
    set_name(&o, "b", "");
    set_name(&o, "never", "");
    set_name(&o, "a_1", "");
    assert_string_equal(o.line, "");
}

static void named_keys_refuse_and_keep_what_stood(UNUSED void **state)
{
    char name[ASSAY_NAME_MAX + 1] = "", value[ASSAY_TEXT_MAX + 1] = "", half[ASSAY_TEXT_MAX / 2];
    memset(name, 'n', sizeof name - 1);
    memset(value, 'v', sizeof value - 1);
    memset(half, 'h', sizeof half);
    half[sizeof half - 1] = '\0';
    const struct {
        const char *name, *value, *expected;
    } bad[] = {
        {"", "1", "a name of letters"},
        {"a b", "1", "a name of letters"},
        {"1a", "1", "no digit first"},
        {"a.b", "1", "a name of letters"},
        {"a=b", "1", "a name of letters"},
        {name, "1", "at most 63"},
        {"a", "x\ny = 2", "control"},
        {"a", " 1", "blanks"},
        {"a", value, "a shorter text"},
        {"a", value + 1, "at most 1023 bytes in all lines"},
        {"a", half, "at most 1023 bytes in all lines"},
    };
    struct names o, before;
    memset(&o, 0, sizeof o);
    assay_opts_defaults(named, &o);
    set_name(&o, "first", half);
    set_name(&o, "last", "1");
    before = o;
    for (unsigned i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_err err = {0};
        assert_int_equal(assay_opts_set(named, &o, "own", bad[i].name, bad[i].value, "f:1", &err),
                         ASSAY_ERR_CONFIG);
        assert_memory_equal(&o, &before, sizeof o);
        assert_ptr_equal(strstr(err.text, "f:1: own."), err.text);
        assert_non_null(strstr(err.text, bad[i].expected));
    }
    set_name(&o, "first", "1");
    set_name(&o, "a", half);
}

// ---- words ------------------------------------------------------------------------------------

static void word_distance_is_a_metric(UNUSED void **state)
{
    static const char *const word[] = {"", "top", "stop", "batch", "batches", "kitten", "sitting"};
    assert_int_equal(assay_word_distance("kitten", "sitting"), 3);
    for (unsigned i = 0; i < ASSAY_LEN(word); i++) {
        for (unsigned j = 0; j < ASSAY_LEN(word); j++) {
            const unsigned d = assay_word_distance(word[i], word[j]);
            assert_int_equal(d, assay_word_distance(word[j], word[i]));
            assert_int_equal(d == 0, i == j);
            for (unsigned k = 0; k < ASSAY_LEN(word); k++)
                assert_true(d <= assay_word_distance(word[i], word[k]) +
                                     assay_word_distance(word[k], word[j]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_have_their_defaults),
        cmocka_unit_test(options_refuse_and_keep_the_old_value),
        cmocka_unit_test(options_name_the_nearest_key),
        cmocka_unit_test(options_round_trip),
        cmocka_unit_test(options_format_tells_its_length),
        cmocka_unit_test(named_keys_keep_their_order_and_may_go),
        cmocka_unit_test(named_keys_refuse_and_keep_what_stood),
        cmocka_unit_test(word_distance_is_a_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
