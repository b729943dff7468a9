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
        cmocka_unit_test(word_distance_is_a_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
