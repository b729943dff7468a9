// SPDX-License-Identifier: Apache-2.0
// Texts that somebody else wrote: what of them is shown, and which files are read.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>

#include "assay/base.h"
#include "scratch.h"

static void control_characters_are_shown_as_numbers(UNUSED void **state)
{
    static const char *const text[][2] = {
        {"plain, \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80", NULL}, // ä, euro sign, an emoji
        {"\x1B[31mred\x1B[0m", "\\x1b[31mred\\x1b[0m"},
        {"one\r\ntwo\t\x7F", "one\\x0d\\x0atwo\\x09\\x7f"},
        {"\xC2\x9B"
         "2J",
         "\\xc2\\x9b2J"}, // CSI in one character
        {"a\xE2\x80\xAE"
         "b",
         "a\\xe2\\x80\\xaeb"},                                 // right to left from here on
        {"\xE2\x80\xA8", "\\xe2\\x80\\xa8"},                   // line separator
        {"\xE2\x81\xA6", "\\xe2\\x81\\xa6"},                   // isolate
        {"\xFFx\xC3", "\\xffx\\xc3"},                          // no first byte, cut off
        {"\xC0\x80\xE0\x80\xAF", "\\xc0\\x80\\xe0\\x80\\xaf"}, // overlong
        {"\xED\xA0\x80\xF4\x90\x80\x80",
         "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80"}, // surrogate, too large
    };
    for (size_t i = 0; i < ASSAY_LEN(text); i++) {
        char shown[128];
        assay_text_show(shown, sizeof shown, text[i][0], false);
        assert_string_equal(shown, text[i][1] ? text[i][1] : text[i][0]);
        assert_int_equal(assay_text_fault(text[i][0]) == NULL, text[i][1] == NULL);
        assert_null(assay_text_fault(shown));
    }
}

static void a_text_is_cut_between_characters(UNUSED void **state)
{
    char shown[8];
    assay_text_show(shown, sizeof shown, "12345\xE2\x82\xAC", false);
    assert_string_equal(shown, "12345");
    assay_text_show(shown, sizeof shown, "12\x01\x02", false);
    assert_string_equal(shown, "12\\x01");
    assay_text_show(shown, sizeof shown, "1\n2\r3", true);
    assert_string_equal(shown, "1\n2\\x0d");
}

static void messages_are_one_line(UNUSED void **state)
{
    struct assay_err err = {0};
    char *text = NULL;
    size_t n;
    assay_err_set(&err, ASSAY_ERR_INPUT, "%s: bad", "x\nassay: all is well\x1B[8m");
    assert_string_equal(err.text, "x\\x0aassay: all is well\\x1b[8m: bad");
    assay_err_lines(&err, "\n- one\x07\n+ two");
    assert_int_equal(assay_err_prefix(&err, "%s", "a\nb"), ASSAY_ERR_INPUT);
    assert_string_equal(err.text,
                        "a\\x0ab: x\\x0aassay: all is well\\x1b[8m: bad\n- one\\x07\n+ two");
    FILE *stream = open_memstream(&text, &n);
    const struct assay_log log = {.stream = stream, .level = ASSAY_LOG_INFO, .rank = -1};
    assay_log_line(&log, ASSAY_LOG_INFO, "%s", "a\nb\x9B");
    fclose(stream);
    assert_string_equal(text, "assay: a\\x0ab\\x9b\n");
    free(text);
}

// ---- files --------------------------------------------------------------------------------------
static char *read_ok(const char *path)
{
    struct assay_err err = {0};
    char *text;
    if (assay_text_read(&text, path, path, "a list", &err) < 0) fail_msg("%s", err.text);
    return text;
}

static void refused(const char *path, const char *part)
{
    struct assay_err err = {0};
    char *text;
    assert_true(assay_text_read(&text, path, path, "a list", &err) < 0);
    assert_null(text);
    ASSERT_CONTAINS(err.text, path);
    ASSERT_CONTAINS(err.text, part);
}

static void whole_texts_are_read(void **state)
{
    static const char *const text[][2] = {{"", ""},
                                          {"a", "a\n"},
                                          {"a\nb\n", "a\nb\n"},
                                          {"\xEF\xBB\xBF"
                                           "a\n",
                                           "a\n"},
                                          {"\xEF\xBB\xBF", "\n"}};
    const char *path = scratch_path(state, "list");
    for (size_t i = 0; i < ASSAY_LEN(text); i++) {
        scratch_write(path, text[i][0], strlen(text[i][0]));
        char *read = read_ok(path);
        assert_string_equal(read, text[i][1]);
        free(read);
    }
    char *large = malloc(1000000);
    memset(large, 'x', 1000000);
    scratch_write(path, large, 1000000);
    char *read = read_ok(path);
    assert_int_equal(strlen(read), 1000001);
    assert_memory_equal(read, large, 1000000);
    free(read);
    large[999999] = 0;
    scratch_write(path, large, 1000000);
    refused(path, "list:1: a zero byte");
    free(large);
}

static void what_is_no_text_is_refused(void **state)
{
    const char *path = scratch_path(state, "list");
    refused(path, "No such file");
    refused(*state, "a directory, expected a list");
    refused("/dev/zero", "/dev/zero:1: a zero byte");
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(path, "an empty pipe");
    scratch_write(path, "one\ntwo\0\n", 9);
    refused(path, "list:2: a zero byte");
    scratch_write(path,
                  "\xFF\xFE"
                  "a\0",
                  4);
    refused(path, "UTF-16");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0); // sparse
    refused(path, "UTF-16");
}

// What a program in the background writes slowly is waited for.
static void a_pipe_is_read_to_its_end(UNUSED void **state)
{
    char name[32];
    int end[2];
    assert_int_equal(pipe(end), 0);
    const pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            usleep(20000);
            if (write(end[1], "line\n", 5) != 5) _exit(1);
        }
        _exit(0);
    }
    close(end[1]);
    snprintf(name, sizeof name, "/dev/fd/%d", end[0]);
    char *read = read_ok(name);
    assert_string_equal(read, "line\nline\nline\n");
    free(read);
    close(end[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void regular_files_may_be_asked_for(void **state)
{
    struct assay_err err = {0};
    const char *path = scratch_path(state, "pipe");
    int fd;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(assay_file_open(&fd, path, "it", true, "images", &err), ASSAY_ERR_INPUT);
    assert_string_equal(err.text, "it: not a regular file, expected images");
    assert_int_equal(assay_file_open(&fd, "/dev/null", "it", true, "images", &err),
                     ASSAY_ERR_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(control_characters_are_shown_as_numbers),
                                       TEST(a_text_is_cut_between_characters),
                                       TEST(messages_are_one_line),
                                       TEST(whole_texts_are_read),
                                       TEST(what_is_no_text_is_refused),
                                       TEST(a_pipe_is_read_to_its_end),
                                       TEST(regular_files_may_be_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
