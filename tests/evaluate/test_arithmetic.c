// SPDX-License-Identifier: Apache-2.0
// Numbers to the bit: who changes one raises ASSAY_ARITHMETIC.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <string.h>

#include "rung_wide.h"
#include "assay/evaluate.h"

// Where no fused multiply-add may be used, every compiler rounds alike. The rungs that have it
// differ between gcc and clang; of theirs the widest one's tiles are here, compiled without.
#if defined(__x86_64__) && !defined(__FMA__)
#    define KNOWN true
#else
#    define KNOWN false
#endif

_Static_assert(ASSAY_ARITHMETIC == 5, "put here the fingerprints of the new arithmetic, and it");
#define BASELINE 0x5a8f481ac8097822
#define WIDE     0x9bef17024545a27f

static uint64_t fingerprint(const struct assay_kern *kern)
{
    struct assay_err err = {0};
    uint64_t hash;
    assert_int_equal(assay_arithmetic_fingerprint(&hash, kern, &err), 0);
    return hash;
}

static void assert_fingerprint(const struct assay_kern *kern, uint64_t expected)
{
    const uint64_t hash = fingerprint(kern);
    if (hash == expected) return;
    fail_msg(
        "%s kernels have the fingerprint 0x%016" PRIx64 ", by arithmetic %d it is 0x%016" PRIx64
        ". If numbers were to change, raise ASSAY_ARITHMETIC (include/assay/evaluate.h) and put "
        "the new fingerprint here",
        kern->name, hash, ASSAY_ARITHMETIC, expected);
}

static void a_changed_bit_is_noticed(void **state)
{
    (void)state;
    if (!KNOWN) skip();
    assert_string_equal(assay_kern_name(assay_kern_rung(ASSAY_SINGLE, 0)), "baseline");
    assert_fingerprint(assay_kern_rung(ASSAY_SINGLE, 0), BASELINE);
    assert_fingerprint(&assay_kern_wide_single, WIDE);
}

static void a_fingerprint_is_the_same_again(void **state)
{
    (void)state;
    for (unsigned i = 0; assay_kern_rung(ASSAY_SINGLE, i); i++) {
        const struct assay_kern *kern = assay_kern_rung(ASSAY_SINGLE, i);
        if (assay_kern_runnable(kern)) assert_true(fingerprint(kern) == fingerprint(kern));
    }
}

// A rung that rounds one number otherwise is another arithmetic; one that only counts is not.
static const struct assay_kern *plain;
static unsigned calls;

static void count_axpy(size_t n, double a, const double *x, double *y, bool accumulate)
{
    calls++;
    plain->axpy_f64(n, a, x, y, accumulate);
}

static void round_axpy(size_t n, double a, const double *x, double *y, bool accumulate)
{
    count_axpy(n, a, x, y, accumulate);
    y[0] *= 1 + 0x1p-52;
}

static void one_rounding_of_one_kernel_counts(void **state)
{
    (void)state;
    struct assay_kern other = *(plain = assay_kern_rung(ASSAY_SINGLE, 0));
    other.axpy_f64 = count_axpy;
    assert_true(fingerprint(&other) == fingerprint(plain) && calls > 0);
    other.axpy_f64 = round_axpy;
    assert_true(fingerprint(&other) != fingerprint(plain));
}

static void an_identity_is_judged(void **state)
{
    (void)state;
    struct assay_err err = {0};
    char own[ASSAY_ARITHMETIC_TEXT], twice[ASSAY_ARITHMETIC_TEXT], text[2 * ASSAY_ARITHMETIC_TEXT];
    assert_int_equal(assay_arithmetic_text(own, "baseline", ASSAY_SINGLE, &err), 0);
    static const struct {
        const char *line, *with, *says;
    } other[] = {
        {"# arithmetic: ", "# arithmetic: 987", "computed by arithmetic 987, this build computes"},
        {"# arithmetic: ", "", "names no arithmetic"},
        {"# fingerprint: ", "# fingerprint: 0123456789abcdef",
         "fingerprint 0123456789abcdef, this"},
        {"# fingerprint: ", "", "fingerprint none, this"},
    };
    snprintf(text, sizeof text, "# assay 0\n%s", own);
    assert_int_equal(assay_arithmetic_check(text, "dir", &err), 0);
    for (size_t i = 0; i < ASSAY_LEN(other); i++) {
        const char *at = strstr(own, other[i].line), *end = strchr(at, '\n');
        snprintf(text, sizeof text, "# assay 0\n%.*s%s%s", (int)(at - own), own, other[i].with,
                 end);
        assert_int_equal(assay_arithmetic_check(text, "dir", &err), ASSAY_ERR_STATE);
        assert_non_null(strstr(err.text, other[i].says));
        assert_non_null(strstr(err.text, "dir/journal"));
    }
    // Kernels of double are told apart, and checked by themselves.
    assert_int_equal(assay_arithmetic_text(twice, "baseline", ASSAY_DOUBLE, &err), 0);
    assert_non_null(strstr(twice, "# cpu: baseline, double\n"));
    snprintf(text, sizeof text, "# assay 0\n%s", twice);
    assert_int_equal(assay_arithmetic_check(text, "dir", &err), 0);
    snprintf(text, sizeof text, "# assay 0\n# cpu: baseline%s", strchr(twice, '\n'));
    assert_int_equal(assay_arithmetic_check(text, "dir", &err), ASSAY_ERR_STATE);
    // Numbers of kernels that nobody here can run cannot be checked.
    snprintf(text, sizeof text, "# assay 0\n# cpu: cray-1\n# arithmetic: %d\n", ASSAY_ARITHMETIC);
    assert_int_equal(assay_arithmetic_check(text, "dir", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_bit_is_noticed),
        cmocka_unit_test(a_fingerprint_is_the_same_again),
        cmocka_unit_test(one_rounding_of_one_kernel_counts),
        cmocka_unit_test(an_identity_is_judged),
    };
    return cmocka_run_group_tests_name("arithmetic", tests, NULL, NULL);
}
