// SPDX-License-Identifier: Apache-2.0
// What errors say of the sources of images is what the list of sources says.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "assay/data.h"

static void sources_with_labels_are_named(void **state)
{
    char text[ASSAY_DATA_LABELLED];
    unsigned n = 0, commas = 0;
    (void)state;
    assay_data_labelled_sources(text, sizeof text);
    for (size_t i = 0; assay_data_sources[i]; i++) {
        const struct assay_data_source *source = assay_data_sources[i];
        assert_int_equal(source->generated, source->labelled == NULL);
        assert_int_equal(strstr(text, source->name) == NULL, source->labelled == NULL);
        n += source->labelled != NULL;
    }
    for (const char *c = text; *c; c++) commas += *c == ',';
    assert_int_equal(commas, n - 1);
    assert_non_null(strstr(text, ", or hdf5 with labels"));
}

static void a_short_text_is_cut(void **state)
{
    char text[8] = "1234567";
    (void)state;
    assay_data_labelled_sources(text, 4);
    assert_string_equal(text, "cif");
    assert_string_equal(text + 4, "567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sources_with_labels_are_named),
                                       cmocka_unit_test(a_short_text_is_cut)};
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
