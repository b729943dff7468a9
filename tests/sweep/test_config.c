// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

#define UNUSED __attribute__((unused))
#define SET(s, n, v)                                                                               \
    {                                                                                              \
        .section = (s), .name = (n), .value = (v), .origin = "test"                                \
    }

static const struct assay_regions_options *regions(const struct assay_config *config)
{
    return assay_config_get(config, &assay_regions_options);
}

static void resolve(struct assay_config *config, const struct assay_setting *setting, size_t n)
{
    struct assay_err err = {0};
    if (assay_config_resolve(config, vocabulary(), setting, n, &err) < 0) fail_msg("%s", err.text);
}

static const struct assay_opt *find(const char *section, const char *name)
{
    const struct assay_opt *opt = assay_opts_find(vocabulary()->key, section, name);
    assert_non_null(opt);
    return opt;
}

// ---- the tables -------------------------------------------------------------------------------

static void keys_are_unique_and_explained(UNUSED void **state)
{
    for (const struct assay_opt *a = vocabulary()->key; a->name; a++) {
        assert_true(strlen(a->help) > 0);
        assert_non_null(a->def);
        assert_ptr_equal(find(a->section, a->name), a);
    }
}

static void enums_agree_with_their_choices(UNUSED void **state)
{
    static const struct {
        const char *section, *name, *value;
        int index;
    } choice[] = {
        {"ntk", "init", "pytorch", ASSAY_INIT_PYTORCH},
        {"ntk", "init", "kaiming-fan-out", ASSAY_INIT_KAIMING_FAN_OUT},
        {"ntk", "init", "kaiming-fan-in", ASSAY_INIT_KAIMING_FAN_IN},
        {"nasi", "labels", "true", ASSAY_LABELS_TRUE},
        {"nasi", "labels", "random", ASSAY_LABELS_RANDOM},
        {"nasi", "labels", "none", ASSAY_LABELS_NONE},
    };
    for (unsigned i = 0; i < ASSAY_LEN(choice); i++) {
        unsigned char block[ASSAY_CONFIG_BYTES];
        char value[ASSAY_TEXT_MAX];
        const struct assay_opt *opt = find(choice[i].section, choice[i].name);
        memcpy(block + opt->offset, &choice[i].index, sizeof(int));
        assay_opts_value(opt, block, value, sizeof value);
        assert_string_equal(value, choice[i].value);
    }
}

// protocol.name's choices are the presets, in order; a preset resolves to its own values and name.
static void presets_are_what_they_say(UNUSED void **state)
{
    int n = 0;
    for (const struct assay_preset *preset = assay_presets; preset->name; preset++, n++) {
        struct assay_setting name = SET("protocol", "name", "");
        strcpy(name.value, preset->name);
        struct assay_config c;
        resolve(&c, &name, 1);
        assert_int_equal(assay_config_protocol(&c)->name, n);
        for (const struct assay_config_value *v = preset->value; v->section; v++) {
            char value[ASSAY_TEXT_MAX];
            if (v->where && strcmp(v->where, assay_config_evaluation(&c)->space) != 0) continue;
            assay_opts_value(find(v->section, v->name), c.block, value, sizeof value);
            assert_string_equal(value, v->value);
        }
    }
    const char *choices = find("protocol", "name")->choices;
    for (; *choices; choices++) n -= *choices == '|';
    assert_int_equal(n, 1);
}

static void presets_hold_the_published_protocols(UNUSED void **state)
{
    struct assay_config code, paper;
    resolve(&code, &(struct assay_setting)SET("protocol", "name", "tenas-code"), 1);
    assert_int_equal(assay_config_ntk(&code)->batch, 72);
    assert_int_equal(assay_config_ntk(&code)->init, ASSAY_INIT_PYTORCH);
    assert_int_equal(regions(&code)->batch * regions(&code)->batches, 3000);
    assert_false(assay_config_protocol(&code)->redraw);
    assert_int_equal(assay_config_protocol(&code)->repeats, 3);
    resolve(&paper, &(struct assay_setting)SET("protocol", "name", "tenas-paper"), 1);
    assert_int_equal(assay_config_ntk(&paper)->batch, 32);
    assert_int_equal(assay_config_ntk(&paper)->init, ASSAY_INIT_KAIMING_FAN_OUT);
    assert_int_equal(regions(&paper)->init, ASSAY_INIT_KAIMING_FAN_IN);
    assert_int_equal(regions(&paper)->batch * regions(&paper)->batches, 5000);
    assert_true(assay_config_protocol(&paper)->redraw);
}

// Those of other proxies are of the benchmark's own size in its space alone.
static void presets_of_proxies_have_the_full_size(UNUSED void **state)
{
    static const char *const name[] = {"suite-zero", "az-nas"}, *const batch[] = {"32", "64"};
    for (int i = 0; i < 2; i++) {
        struct assay_setting s[] = {SET("protocol", "name", ""), SET("space", "name", "nats-sss")};
        struct assay_config c;
        char value[ASSAY_TEXT_MAX];
        strcpy(s[0].value, name[i]);
        resolve(&c, s, 1);
        assert_int_equal(assay_config_net(&c, false).cells, 5);
        assay_opts_value(find("proxies", "batch"), c.block, value, sizeof value);
        assert_string_equal(value, batch[i]);
        resolve(&c, s, 2);
        assert_string_equal(assay_presets[assay_config_protocol(&c)->name].name, name[i]);
        assert_int_equal(assay_config_net(&c, false).channels, 0);
    }
}

// A space brings its own sizes; what is set stands over them.
static void spaces_have_their_own_sizes(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("protocol", "name", "tenas-code"),
                                      SET("space", "name", "darts"), SET("network", "cells", "3"),
                                      SET("cost", "macro", "imagenet")};
    struct assay_config c;
    resolve(&c, s, 2);
    assert_string_equal(assay_presets[assay_config_protocol(&c)->name].name, "tenas-code");
    assert_int_equal(assay_config_ntk(&c)->batch, 14);
    const struct assay_net net = assay_config_net(&c, false), cost = assay_config_cost_net(&c);
    assert_true(net.channels == 1 && net.cells == 2 && net.stem == 1 && !net.thin);
    assert_true(cost.channels == 36 && cost.cells == 20 && cost.stem == 3);
    assert_true(net.macro == ASSAY_MACRO_TENAS && cost.macro == ASSAY_MACRO_CIFAR);
    assert_true(assay_config_net(&c, true).thin);
    resolve(&c, s, ASSAY_LEN(s));
    assert_string_equal(assay_presets[assay_config_protocol(&c)->name].name, "custom");
    assert_int_equal(assay_config_net(&c, false).cells, 3);
    assert_int_equal(assay_config_cost_net(&c).macro, ASSAY_MACRO_IMAGENET);
    resolve(&c, NULL, 0);
    assert_int_equal(assay_config_net(&c, false).channels, 3);
    assert_int_equal(assay_config_cost_net(&c).channels, 16);
    assert_int_equal(assay_config_cost_net(&c).image, 32);
}

// ---- precedence -------------------------------------------------------------------------------

static void later_settings_win_and_presets_stand_below(UNUSED void **state)
{
    const struct assay_setting s[] = {
        SET("ntk", "batch", "8"),
        SET("protocol", "name", "tenas-code"),
        SET("ntk", "batch", "16"),
        SET("protocol", "name", "tenas-paper"),
    };
    struct assay_config c;
    resolve(&c, s, ASSAY_LEN(s));
    assert_int_equal(assay_config_ntk(&c)->batch, 16); // not the preset's 32
    assert_int_equal(regions(&c)->batches, 5);         // the last preset's
    assert_int_equal(assay_config_ntk(&c)->init,
                     ASSAY_INIT_KAIMING_FAN_OUT); // not the first's
    assert_string_equal(assay_presets[assay_config_protocol(&c)->name].name, "custom");
    resolve(&c, s, 2);
    assert_string_equal(assay_presets[assay_config_protocol(&c)->name].name, "custom");
    resolve(&c, s + 1, 1);
    assert_string_equal(assay_presets[assay_config_protocol(&c)->name].name, "tenas-code");
}

static void data_learns_sizes_from_the_network(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("network", "image", "16"),
                                      SET("network", "classes", "7")};
    struct assay_config c;
    resolve(&c, s, ASSAY_LEN(s));
    assert_int_equal(assay_config_data(&c)->image, 16);
    assert_int_equal(assay_config_data(&c)->classes, 7);
}

static void metrics_are_a_set(UNUSED void **state)
{
    struct assay_config a, b;
    resolve(&a, &(struct assay_setting)SET("run", "metrics", "regions, ntk"), 1);
    resolve(&b, &(struct assay_setting)SET("run", "metrics", "ntk,regions,ntk"), 1);
    assert_string_equal(assay_config_protocol(&a)->metrics, "ntk,regions");
    assert_string_equal(assay_config_protocol(&b)->metrics, "ntk,regions");
}

static void impossible_configurations_are_refused(UNUSED void **state)
{
    static const struct {
        struct assay_setting setting;
        const char *text;
    } bad[] = {
        {SET("ntk", "batch", "1"), "from 2 to"},
        {SET("network", "image", "30"), "multiple of 4"},
        {SET("run", "metrics", "ntk,kapa"), "kapa"},
        {SET("run", "metrics", ""), "run.metrics"},
        {SET("protocol", "name", "tenas"), "tenas-code"},
        {SET("nkt", "batch", "72"), "ntk.batch"},
        {SET("score", "a", "kappa +"), "score.a = 'kappa +': position 8"},
        {SET("score", "a b", "kappa"), "score.a b: expected a name"},
        {SET("score", "tenas", "kappa"), "score.tenas: expected a new name"},
        {SET("score", "kappa", "kappa"), "score.kappa: expected a new name"},
        {SET("score", "status", "kappa"), "score.status: expected a new name"},
        {SET("score", "a_stderr", "kappa"), "score.a_stderr: expected a new name"},
    };
    for (unsigned i = 0; i < ASSAY_LEN(bad); i++) {
        struct assay_err err = {0};
        struct assay_config c, before;
        memset(&c, 0x5a, sizeof c);
        before = c;
        assert_int_equal(assay_config_resolve(&c, vocabulary(), &bad[i].setting, 1, &err),
                         ASSAY_ERR_CONFIG);
        assert_memory_equal(&c, &before, sizeof c);
        if (!strstr(err.text, bad[i].text)) fail_msg("'%s' lacks '%s'", err.text, bad[i].text);
    }
}

static void cifar100_needs_its_classes(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("data", "source", "cifar100"), SET("data", "path", "c"),
                                      SET("network", "classes", "100")};
    struct assay_err err = {0};
    struct assay_config c;
    assert_int_equal(assay_config_resolve(&c, vocabulary(), s, 2, &err), ASSAY_ERR_CONFIG);
    assert_non_null(strstr(err.text, "network.classes = 10"));
    resolve(&c, s, 3);
}

// The one output of a proxy that has no classes.
static void one_class_goes_without_labels(UNUSED void **state)
{
    static const char *const source[] = {"gaussian", "hdf5", "cifar10", "cifar100"};
    struct assay_err err = {0};
    struct assay_config c;
    struct assay_setting s[] = {SET("data", "source", ""), SET("data", "path", "c"),
                                SET("network", "classes", "1"), SET("nasi", "labels", "true"),
                                SET("run", "metrics", "ntk_ridge")};
    for (unsigned i = 0; i < ASSAY_LEN(source); i++) {
        strcpy(s[0].value, source[i]);
        const int labelled = i < 2 ? ASSAY_OK : ASSAY_ERR_CONFIG;
        resolve(&c, s, 3);
        assert_int_equal(assay_config_data(&c)->classes, 1);
        assert_int_equal(assay_config_resolve(&c, vocabulary(), s, 4, &err), labelled);
        assert_int_equal(assay_config_resolve(&c, vocabulary(), s, 5, &err), labelled);
        if (labelled < 0)
            assert_non_null(strstr(err.text, "network.classes = 1: data.source = cifar10"));
    }
    strcpy(s[2].value, "9");
    assert_int_equal(assay_config_resolve(&c, vocabulary(), s, 3, &err), ASSAY_ERR_CONFIG);
}

// ---- identity ---------------------------------------------------------------------------------

static void identity_leaves_out_how_and_keeps_what(UNUSED void **state)
{
    static const struct {
        struct assay_setting setting;
        bool same;
    } change[] = {
        {SET("run", "memory", "512"), true},       {SET("run", "cpu", "baseline"), true},
        {SET("run", "checkpoint", "1"), true},     {SET("run", "time_limit", "9"), true},
        {SET("data", "path", "/b"), true},         {SET("run", "seed", "1"), false},
        {SET("run", "repeats", "2"), false},       {SET("run", "metrics", "ntk"), false},
        {SET("run", "members", "true"), false},    {SET("data", "augment", "no"), false},
        {SET("network", "channels", "4"), false},  {SET("candidates", "first", "3"), false},
        {SET("nasi", "labels", "none"), false},    {SET("candidates", "shard", "1/2"), false},
        {SET("run", "precision", "single"), true}, {SET("run", "precision", "double"), false},
        {SET("candidates", "key", "x"), true},     {SET("candidates", "order", "t.csv"), false},
        {SET("score", "mine", ""), true},          {SET("score", "mine", "kappa"), false},
    };
    struct assay_config c;
    resolve(&c, NULL, 0);
    char *plain = assay_config_identity(&c, "sweep");
    assert_non_null(plain);
    for (unsigned i = 0; i < ASSAY_LEN(change); i++) {
        resolve(&c, &change[i].setting, 1);
        char *text = assay_config_identity(&c, "sweep");
        assert_int_equal(strcmp(text, plain) == 0, change[i].same);
        free(text);
    }
    free(plain);
}

static void scores_stand_in_the_identity_when_there_are_some(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("score", "mine", "2*kappa + regions"),
                                      SET("score", "other", "flops"), SET("score", "mine", "kappa"),
                                      SET("score", "gone", "kappa"), SET("score", "gone", "")};
    const char *const job[] = {"sweep", "search"};
    struct assay_config c;
    for (unsigned i = 0; i < ASSAY_LEN(job); i++) {
        resolve(&c, NULL, 0);
        char *none = assay_config_identity(&c, job[i]);
        assert_null(strstr(none, "score"));
        resolve(&c, s, ASSAY_LEN(s));
        char *some = assay_config_identity(&c, job[i]);
        assert_non_null(strstr(some, "\n\n[score]\nmine = kappa\nother = flops\n"));
        assert_null(strstr(some, "gone"));
        free(none);
        free(some);
    }
}

// What is written resolves to the same configuration.
static void resolved_configuration_resolves_to_itself(UNUSED void **state)
{
    const struct assay_setting s[] = {SET("protocol", "name", "tenas-paper"),
                                      SET("ntk", "batch", "9"), SET("run", "checkpoint", "0.1"),
                                      SET("candidates", "archs", "/a b/c")};
    struct assay_setting again[96];
    struct assay_config c, back;
    size_t n = 0;
    resolve(&c, s, ASSAY_LEN(s));
    for (const struct assay_opt *opt = vocabulary()->key; opt->name; opt++, n++) {
        again[n] = (struct assay_setting){.origin = "again"};
        snprintf(again[n].section, sizeof again[n].section, "%s", opt->section);
        snprintf(again[n].name, sizeof again[n].name, "%s", opt->name);
        assay_opts_value(opt, c.block, again[n].value, sizeof again[n].value);
    }
    resolve(&back, again, n);
    for (const struct assay_opt *opt = vocabulary()->key; opt->name; opt++) {
        char value[2][ASSAY_TEXT_MAX];
        assay_opts_value(opt, c.block, value[0], sizeof value[0]);
        assay_opts_value(opt, back.block, value[1], sizeof value[1]);
        assert_string_equal(value[0], value[1]);
    }
}

// ---- options of spaces ------------------------------------------------------------------------
struct count_options {
    uint64_t count;
};

static uint64_t count_size(const struct assay_space *space)
{
    return ((const struct count_options *)space->options)->count;
}

// A space of this test, in a vocabulary beside all others: it gets what its section says, and only
// then the identity mentions it.
static void a_space_gets_its_options(UNUSED void **state)
{
    static const struct assay_opt rows[] = {
        {"count", "count", "of architectures", ASSAY_KEY_U64(1, 9), .def = "7", .with = "count"},
        {.name = NULL},
    };
    static const struct assay_options table = {rows, sizeof(struct count_options)};
    static const struct assay_space_kind kind = {
        .name = "count", .options = &table, .size = count_size};
    static struct assay_vocabulary v;
    const struct assay_setting two = SET("count", "count", "2");
    assay_evaluate_vocabulary(&v);
    assay_vocabulary_add(&v, &table);
    for (size_t n = 0; n < 2; n++) {
        struct assay_config c;
        struct assay_err err = {0};
        struct assay_space space;
        assert_int_equal(assay_config_resolve(&c, &v, &two, n, &err), ASSAY_OK);
        assert_int_equal(assay_config_open_kind(&c, &kind, &space, &err), ASSAY_OK);
        assert_int_equal(assay_space_size(&space), n ? 2 : 7);
        assay_space_close(&space);
        char *identity = assay_config_identity(&c, "sweep");
        assert_int_equal(strstr(identity, "\n[count]\ncount = 2\n") != NULL, n);
        free(identity);
        assert_int_equal(assay_config_open_space(&c, &space, &err), ASSAY_OK);
        assert_string_equal(space.kind->name, "nas-bench-201");
        assay_space_close(&space);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_unique_and_explained),
        cmocka_unit_test(enums_agree_with_their_choices),
        cmocka_unit_test(presets_are_what_they_say),
        cmocka_unit_test(presets_hold_the_published_protocols),
        cmocka_unit_test(presets_of_proxies_have_the_full_size),
        cmocka_unit_test(spaces_have_their_own_sizes),
        cmocka_unit_test(later_settings_win_and_presets_stand_below),
        cmocka_unit_test(data_learns_sizes_from_the_network),
        cmocka_unit_test(metrics_are_a_set),
        cmocka_unit_test(impossible_configurations_are_refused),
        cmocka_unit_test(cifar100_needs_its_classes),
        cmocka_unit_test(one_class_goes_without_labels),
        cmocka_unit_test(identity_leaves_out_how_and_keeps_what),
        cmocka_unit_test(scores_stand_in_the_identity_when_there_are_some),
        cmocka_unit_test(resolved_configuration_resolves_to_itself),
        cmocka_unit_test(a_space_gets_its_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
