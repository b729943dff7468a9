// SPDX-License-Identifier: Apache-2.0
// When progress is shown, and that it fits the terminal. The clock is a number.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "farm/progress.h"

#define UNUSED __attribute__((unused))

static const struct farm_count count = {
    .done = 120, .total = 300, .failed = 7, .cost_left = 180, .cost_done = 120};

// ---- lines --------------------------------------------------------------------------------------
struct lines {
    FILE *file;
    struct assay_log log;
    struct farm_progress progress;
    long end; // of the file when a line was last seen
};

static struct lines open_lines(void)
{
    struct lines l = {.file = tmpfile()};

    assert_non_null(l.file);
    l.log = (struct assay_log){.stream = l.file, .level = ASSAY_LOG_INFO, .rank = -1};
    return l;
}

// Shows it every second from begin to end; the seconds at which a line came, at most cap.
static unsigned watch(struct lines *l, int begin, int end, int *came, unsigned cap)
{
    unsigned n = 0;

    for (int now = begin; now <= end; now++) {
        farm_progress_show(&l->progress, &count, now);
        const long at = ftell(l->file);
        if (at != l->end && n < cap) came[n++] = now;
        l->end = at;
    }
    return n;
}

static void lines_come_at_growing_intervals(UNUSED void **state)
{
    static const int expected[] = {5, 15, 35, 75, 155, 315, 615, 915};
    struct lines l = open_lines();
    int came[16];

    farm_progress_open(&l.progress, &l.log, &(struct farm_count){0}, 0);
    assert_false(l.progress.bar);
    assert_int_equal(watch(&l, 0, 1000, came, 16), ASSAY_LEN(expected));
    for (unsigned i = 0; i < ASSAY_LEN(expected); i++) assert_int_equal(came[i], expected[i]);
    fclose(l.file);
}

// A search of a hundred rounds does not start with a line in each.
static void intervals_go_on_from_round_to_round(UNUSED void **state)
{
    static const int expected[] = {5, 15, 35, 75};
    struct lines l = open_lines();
    int came[16];
    unsigned n = 0;

    for (int round = 0; round < 10; round++) {
        farm_progress_open(&l.progress, &l.log, &(struct farm_count){0}, 10 * round);
        n += watch(&l, 10 * round, 10 * round + 9, came + n, 16 - n);
    }
    assert_int_equal(n, ASSAY_LEN(expected));
    for (unsigned i = 0; i < n; i++) assert_int_equal(came[i], expected[i]);
    fclose(l.file);
}

static void a_line_says_all(UNUSED void **state)
{
    struct lines l = open_lines();
    char text[256] = "";

    farm_progress_open(&l.progress, &l.log, &(struct farm_count){0}, 0);
    farm_progress_show(&l.progress, &count, 60);
    rewind(l.file);
    assert_non_null(fgets(text, sizeof text, l.file));
    assert_string_equal(text, "assay: 120 of 300 done (40.0 %), 1:30 left, 7 failed, 2/s\n");
    fclose(l.file);
}

// ---- the bar ------------------------------------------------------------------------------------
struct terminal {
    int far; // what is on the screen
    FILE *file;
    struct assay_log log;
    struct farm_progress progress;
};

static void resize(const struct terminal *t, unsigned columns)
{
    const struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};

    assert_int_equal(ioctl(t->far, TIOCSWINSZ, &size), 0);
}

static struct terminal open_terminal(unsigned columns)
{
    struct terminal t = {0};
    int near;

    assert_int_equal(openpty(&t.far, &near, NULL, NULL, NULL), 0);
    assert_int_equal(fcntl(t.far, F_SETFL, O_NONBLOCK), 0);
    resize(&t, columns);
    t.file = fdopen(near, "w");
    assert_non_null(t.file);
    return t;
}

static void close_terminal(struct terminal *t)
{
    fclose(t->file);
    close(t->far);
}

// What a redraw after a minute writes.
static void redraw(struct terminal *t, char *text, size_t cap)
{
    t->progress.shown = 0;
    farm_progress_show(&t->progress, &count, 60);
    const ssize_t n = read(t->far, text, cap - 1);
    assert_true(n > 0);
    text[n] = '\0';
}

static void begin(struct terminal *t)
{
    t->log = (struct assay_log){.stream = t->file, .level = ASSAY_LOG_INFO, .rank = -1};
    farm_progress_open(&t->progress, &t->log, &(struct farm_count){0}, 0);
    assert_true(t->progress.bar);
}

static void the_bar_follows_the_terminal(UNUSED void **state)
{
    static const struct {
        unsigned columns;
        const char *bar, *words;
    } expected[] = {
        {80, "[##########...............] ", "120 of 300 done (40.0 %), 1:30 left, 7 failed, 2/s"},
        {200, "[############..................] ",
         "120 of 300 done (40.0 %), 1:30 left, 7 failed, 2/s"},
        {52, "", "120 of 300 done (40.0 %), 1:30 left, 7 failed, 2/s"},
        {51, "", "120 of 300 done (40.0 %), 1:30 left, 7 failed"},
        {40, "", "120 of 300 done (40.0 %), 1:30 left"},
        {34, "[##...] ", "120 of 300 done (40.0 %)"},
        {10, "", "120 of 30"},
        {1, "", ""},
    };
    struct terminal t = open_terminal(80);

    begin(&t);
    for (unsigned i = 0; i < ASSAY_LEN(expected); i++) {
        char text[512], start[256];
        resize(&t, expected[i].columns);
        redraw(&t, text, sizeof text);
        snprintf(start, sizeof start, "\r%s%s", expected[i].bar, expected[i].words);
        assert_memory_equal(text, start, strlen(start));
        char *end = strstr(text, "\033[K");
        assert_non_null(end);
        assert_string_equal(end, "\033[K");
        assert_in_range(end - text - 1, 0, expected[i].columns - 1);
        assert_null(strchr(text, '\n'));
    }
    close_terminal(&t);
}

static void a_break_wipes_the_bar(UNUSED void **state)
{
    struct terminal t = open_terminal(80);
    char text[512];

    begin(&t);
    redraw(&t, text, sizeof text);
    farm_progress_break(&t.progress);
    fflush(t.file);
    const ssize_t n = read(t.far, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, "\r\033[K");
    close_terminal(&t);
}

static void a_terminal_that_says_nothing_has_80_columns(UNUSED void **state)
{
    struct terminal t = open_terminal(0);

    assert_int_equal(assay_terminal_columns(t.file), 80);
    close_terminal(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_at_growing_intervals),
        cmocka_unit_test(intervals_go_on_from_round_to_round),
        cmocka_unit_test(a_line_says_all),
        cmocka_unit_test(the_bar_follows_the_terminal),
        cmocka_unit_test(a_break_wipes_the_bar),
        cmocka_unit_test(a_terminal_that_says_nothing_has_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
