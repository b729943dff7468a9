// SPDX-License-Identifier: Apache-2.0
// A run directory: full disks, size limits, other configurations, second jobs, leftovers.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "journal.h"

// ---- the system says no ------------------------------------------------------------------------

// After a failed append the old records are there, and the next append works.
static void assert_survives(struct assay_journal *journal, void (*give)(void *), void *what)
{
    struct assay_err err = {0};
    assert_int_equal(append(journal, 2, 200, &err), ASSAY_ERR_IO);
    ASSERT_CONTAINS(err.text, "cannot append 200 records");
    ASSERT_CONTAINS(err.text, "its 2 records are safe");
    assert_records(journal, 2);
    give(what);
    assert_int_equal(append(journal, 2, 3, &err), ASSAY_OK);
    assert_records(journal, 5);
    assay_journal_close(journal);
}

static void lift_limit(void *limit)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, limit), 0);
}

static void file_size_limit_keeps_whole_records(void **state)
{
    struct rlimit old, low;
    struct assay_journal *journal = open_ok(*state, 0);
    assert_int_equal(append(journal, 0, 2, NULL), ASSAY_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){.rlim_cur = 2000, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_survives(journal, lift_limit, &old);
    journal = open_ok(*state, 5);
    assay_journal_close(journal);
}

static void remove_file(void *path)
{
    assert_int_equal(unlink(path), 0);
}

static void full_disk_keeps_whole_records(void **state)
{
    const char *dir = scratch_path(state, "disk");
    assert_int_equal(mkdir(dir, 0777), 0);
    if (mount("none", dir, "tmpfs", 0, "size=32k") != 0) {
        print_message("a small tmpfs cannot be mounted here: no full disk to try\n");
        skip();
    }
    struct assay_journal *journal = open_ok(dir, 0);
    assert_int_equal(append(journal, 0, 2, NULL), ASSAY_OK);
    char *fill = strdup(scratch_path(state, "disk/fill"));
    FILE *f = fopen(fill, "wb");
    while (fwrite("x", 1, 1, f) == 1 && fflush(f) == 0) continue;
    fclose(f);
    assert_survives(journal, remove_file, fill);
    journal = open_ok(dir, 5);
    assay_journal_close(journal);
    free(fill);
    assert_int_equal(umount(dir), 0);
}

static void unwritable_places_are_named(void **state)
{
    scratch_write(scratch_path(state, "file"), "", 0);
    open_fails(scratch_path(state, "file/run"), identity, ASSAY_ERR_IO,
               "/file is a file, expected a directory");
    open_fails(scratch_path(state, "file"), identity, ASSAY_ERR_IO,
               "/file is a file, expected a directory");
    assert_int_equal(symlink("/nonexistent/purged", scratch_path(state, "link")), 0);
    open_fails(scratch_path(state, "link"), identity, ASSAY_ERR_IO,
               "/link is a link, and its target /nonexistent/purged does not exist");
    assert_int_equal(symlink("round", scratch_path(state, "round")), 0);
    open_fails(scratch_path(state, "round"), identity, ASSAY_ERR_IO, "/round is a link, and");
    open_fails("/proc/assay", identity, ASSAY_ERR_IO, "cannot create the directory /proc/assay");
}

// ---- who may write -----------------------------------------------------------------------------

static void other_configuration_is_refused_with_a_diff(void **state)
{
    struct assay_err err = {0};
    uint64_t n;
    struct assay_journal *journal = open_ok(*state, 0);
    assay_journal_close(journal);
    open_fails(*state, "[ntk]\nbatch = 64\n[run]\nseed = 1\nrepeats = 3\n", ASSAY_ERR_STATE,
               ":\n  [ntk]\n- batch = 72\n+ batch = 64");
    open_fails(*state, "[ntk]\nbatch = 72\n[run]\nrepeats = 3\n[new]\n", ASSAY_ERR_STATE,
               ":\n  [run]\n- seed = 1\n+ [new]");
    open_fails(*state, "", ASSAY_ERR_STATE, "\n- repeats = 3");
    assert_int_equal(
        assay_journal_open(&journal, *state, &schema, identity, "other", 5, NULL, &n, &err),
        ASSAY_ERR_STATE);
    ASSERT_CONTAINS(err.text, "another list of candidates");
    const struct assay_schema wider = {.column = columns, .n_column = 2, .repeats = 4};
    assert_int_equal(
        assay_journal_open(&journal, *state, &wider, identity, "extra", 5, NULL, &n, &err),
        ASSAY_ERR_STATE);
    ASSERT_CONTAINS(err.text, "records of 288 bytes, this program and configuration write 208");
    assay_journal_close(open_ok(*state, 0));
}

static void second_job_is_refused_with_the_holder(void **state)
{
    int ready[2], done[2];
    char byte = 0, part[64];
    assert_int_equal(pipe(ready) | pipe(done), 0);
    const pid_t child = fork();
    if (child == 0) {
        struct assay_journal *journal = open_ok(*state, 0);
        append(journal, 0, 1, NULL);
        if (write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1) _exit(0);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(part, sizeof part, "in use by process %ld on ", (long)child);
    open_fails(*state, identity, ASSAY_ERR_STATE, part);
    assert_int_equal(write(done[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assay_journal_close(open_ok(*state, 1)); // the lock ends with its holder
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(done[i]);
    }
}

static void stale_temporaries_are_removed(void **state)
{
    const char *const name[] = {"journal.tmp-123", "results.h5.tmp-0123456789abcdef",
                                "search.h5.tmp-1", "config.ini.tmp-99999",
                                "results.h5",      "notes"};
    for (int i = 0; i < 6; i++) scratch_write(scratch_path(state, name[i]), "x", 1);
    assay_journal_close(open_ok(*state, 0));
    for (int i = 0; i < 6; i++)
        assert_int_equal(access(scratch_path(state, name[i]), F_OK), i < 4 ? -1 : 0);
}

// ---- names that are another's ------------------------------------------------------------------

static void assert_holds(const char *path, const char *text)
{
    size_t n;
    char *bytes = (char *)scratch_read(path, &n);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(bytes, text, n);
    free(bytes);
}

static void link_in_place_of_the_lock_is_refused(void **state)
{
    char victim[4096], lock[4096];
    snprintf(victim, sizeof victim, "%s", scratch_path(state, "victim"));
    snprintf(lock, sizeof lock, "%s", scratch_path(state, "lock"));
    assert_int_equal(symlink(victim, lock), 0);
    open_fails(*state, identity, ASSAY_ERR_STATE,
               "/lock is a symbolic link, not the lock of a run");
    assert_int_equal(access(victim, F_OK), -1); // the link dangled, and still does
    scratch_write(victim, "precious", 8);
    open_fails(*state, identity, ASSAY_ERR_STATE,
               "/lock is a symbolic link, not the lock of a run");
    assert_holds(victim, "precious");
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(mkfifo(lock, 0666), 0);
    open_fails(*state, identity, ASSAY_ERR_STATE, "/lock is no regular file");
    assert_int_equal(access(scratch_path(state, "journal"), F_OK), -1);
}

static void file_in_place_of_the_lock_is_refused(void **state)
{
    static const char *const text[] = {"precious\n",
                                       "my notes\n",
                                       "host 12",
                                       "host 12\nmore\n",
                                       "host  12\n",
                                       "12\n",
                                       "host -x\n",
                                       "host 12 more\n",
                                       "\33[2J 12\n",
                                       "host 012\n",
                                       "host 12\nbegun \33[2J\n"};
    char lock[4096], large[400];
    snprintf(lock, sizeof lock, "%s", scratch_path(state, "lock"));
    for (size_t i = 0; i < ASSAY_LEN(text); i++) {
        scratch_write(lock, text[i], strlen(text[i]));
        open_fails(*state, identity, ASSAY_ERR_STATE, "/lock is a file of another kind");
        assert_holds(lock, text[i]);
    }
    memset(large, 'x', sizeof large);
    scratch_write(lock, large, sizeof large);
    open_fails(*state, identity, ASSAY_ERR_STATE, "/lock is a file of another kind");
    assert_int_equal(access(scratch_path(state, "journal"), F_OK), -1);
}

static void lock_of_a_killed_run_is_taken_over(void **state)
{
    char host[256] = "", own[300];
    gethostname(host, sizeof host - 1);
    snprintf(own, sizeof own, "%s %ld\n", host, (long)getpid());
    static const char *const left[] = {"", "node17.cluster 123456\n", "n 1\n"};
    for (size_t i = 0; i < ASSAY_LEN(left); i++) {
        scratch_write(scratch_path(state, "lock"), left[i], strlen(left[i]));
        assay_journal_close(open_ok(*state, 0));
        assert_holds(scratch_path(state, "lock"), own);
    }
}

static void the_lock_tells_who_has_it(void **state)
{
    struct assay_holder h;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    assert_int_equal(assay_holder_read(&h, *state, NULL), ASSAY_OK);
    assert_int_equal(h.lock, ASSAY_LOCK_UNKNOWN);
    assert_int_equal(h.pid, 0);
    struct assay_journal *journal = open_ok(*state, 0);
    append(journal, 0, 3, NULL);
    assay_journal_begin(journal, 3, "a (2), b.c (1)");
    for (int i = 0; i < 2; i++) { // looking changes nothing
        assert_int_equal(assay_holder_read(&h, *state, NULL), ASSAY_OK);
        assert_int_equal(h.lock, ASSAY_LOCK_HELD);
        assert_int_equal(h.pid, getpid());
        assert_string_equal(h.host, host);
        assert_int_equal(h.records, 3);
        assert_int_equal(h.ranks, 3);
        assert_string_equal(h.hosts, "a (2), b.c (1)");
        assert_true(h.begun > 1.7e9 && h.ended == 0);
    }
    open_fails(*state, identity, ASSAY_ERR_STATE, "in use by process");
    assay_journal_end(journal, 75);
    assay_journal_close(journal);
    assert_int_equal(assay_holder_read(&h, *state, NULL), ASSAY_OK);
    assert_int_equal(h.lock, ASSAY_LOCK_FREE);
    assert_int_equal(h.exit_code, 75);
    assert_true(h.ended >= h.begun);
    assay_journal_close(open_ok(*state, 3)); // who comes next writes it anew
    assert_int_equal(assay_holder_read(&h, *state, NULL), ASSAY_OK);
    assert_true(h.begun == 0 && h.ended == 0);
    scratch_write(scratch_path(state, "lock"), "host 12\nnotes\n", 14);
    assert_int_equal(assay_holder_read(&h, *state, NULL), ASSAY_OK);
    assert_int_equal(h.lock, ASSAY_LOCK_UNKNOWN);
}

static void temporary_files_follow_no_link(void **state)
{
    struct assay_err err = {0};
    char name[64], one[4096], other[4096];
    struct stat st;
    scratch_write(scratch_path(state, "victim"), "precious", 8);
    snprintf(name, sizeof name, "config.ini.tmp-%ld", (long)getpid());
    assert_int_equal(symlink("victim", scratch_path(state, name)), 0);
    assert_int_equal(assay_file_replace(*state, "config.ini", "text", 4, &err), ASSAY_OK);
    assert_holds(scratch_path(state, "victim"), "precious");
    assert_holds(scratch_path(state, "config.ini"), "text");
    assert_int_equal(lstat(scratch_path(state, "config.ini"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(assay_file_unique(one, sizeof one, "d/f", &err), ASSAY_OK);
    assert_int_equal(assay_file_unique(other, sizeof other, "d/f", &err), ASSAY_OK);
    assert_memory_equal(one, "d/f.tmp-", 8);
    assert_string_not_equal(one, other);
    assert_int_equal(assay_file_unique(one, 12, "d/f", &err), ASSAY_ERR_INPUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_open, scratch_close)
    const struct CMUnitTest tests[] = {
        TEST(file_size_limit_keeps_whole_records),
        TEST(full_disk_keeps_whole_records),
        TEST(unwritable_places_are_named),
        TEST(other_configuration_is_refused_with_a_diff),
        TEST(second_job_is_refused_with_the_holder),
        TEST(stale_temporaries_are_removed),
        TEST(link_in_place_of_the_lock_is_refused),
        TEST(file_in_place_of_the_lock_is_refused),
        TEST(lock_of_a_killed_run_is_taken_over),
        TEST(the_lock_tells_who_has_it),
        TEST(temporary_files_follow_no_link),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
