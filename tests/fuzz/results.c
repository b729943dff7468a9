// SPDX-License-Identifier: Apache-2.0
// Forged results.h5, to rank, to correlate, and to read what a report does.
#include <fcntl.h>
#include <math.h>

#include "assay/store.h"
#include "cli/cli.h"
#include "forge.h"

enum { ROWS = 5 };

static void *image;
static size_t n_image;
static char truth[64];
extern const struct cli_verb cli_verb_rank, cli_verb_correlate;

// ---- a right one --------------------------------------------------------------------------------
static const struct assay_column columns[] = {{.name = "kappa", .unit = "1", .direction = -1},
                                              {.name = "regions", .unit = "1", .direction = 1}};
static const char *const protocols[] = {"batch 2", "patches 3"};
static const char *const archs[ROWS] = {"none", "conv_1x1", "conv_3x3", "conv_5x5", "conv_7x7"};

static void write_right(const char *dir)
{
    const struct assay_schema schema = {
        .column = columns, .protocol = protocols, .n_column = 2, .repeats = 2, .spectrum_len = 2};
    const struct assay_attr attr = {.name = "space", .text = "null"};
    double value[ROWS][4], none = 0;
    struct assay_record record[ROWS];
    struct assay_row row[ROWS];
    struct assay_err err;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 4; k++) value[i][k] = 1 + i * k;
        record[i] = (struct assay_record){
            .index = (uint64_t)i, .value = value[i], .spectrum = value[i], .verdict = i / 4};
        row[i] = (struct assay_row){.index = (uint64_t)i,
                                    .class_index = (uint64_t)i,
                                    .arch = archs[i],
                                    .record = &record[i],
                                    .extra = &none};
    }
    const struct assay_results results = {.schema = &schema,
                                          .score = assay_scores,
                                          .n_score = 1,
                                          .row = row,
                                          .n_row = ROWS,
                                          .attr = &attr,
                                          .n_attr = 1};
    must(assay_results_write(dir, &results, &err) >= 0, "results", &err);
}

static void read_image(const char *path)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0 || !(image = malloc((size_t)st.st_size))) abort();
    n_image = (size_t)st.st_size;
    if (read(fd, image, n_image) != st.st_size) abort();
    close(fd);
}

static void remove_truth(void)
{
    unlink(truth);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char dir[] = "/dev/shm/assay-fuzz-XXXXXX", path[64];
    (void)argc, (void)argv;
    if (!mkdtemp(dir)) abort();
    write_right(dir);
    snprintf(path, sizeof path, "%s/results.h5", dir);
    read_image(path);
    unlink(path);
    rmdir(dir);
    snprintf(truth, sizeof truth, "/dev/shm/assay-fuzz-%ld.csv", (long)getpid());
    FILE *out = fopen(truth, "w");
    if (!out || fprintf(out, "arch,test_accuracy\n") < 0) abort();
    for (int i = 0; i < ROWS; i++) fprintf(out, "%s,%d\n", archs[i], 90 + i);
    fclose(out);
    atexit(remove_truth);
    if (!freopen("/dev/null", "w", stdout)) abort();
    return 0;
}

// ---- forged ones --------------------------------------------------------------------------------
static const char *const names[] = {
    "/table",
    "/columns",
    "/rankings",
    "/table/index",
    "/table/arch",
    "/table/class",
    "/table/status",
    "/table/status_code",
    "/table/reason",
    "/table/kappa",
    "/table/regions",
    "/table/kappa_stderr",
    "/table/tenas",
    "/columns/name",
    "/columns/unit",
    "/columns/direction",
    "/columns/source",
    "/columns/protocol",
    "/rankings/kappa",
    "/rankings/tenas",
    "/rankings/regions",
    "/ranks/kappa",
    "/repeats/kappa",
    "/run",
    "/run/seconds",
    "/spectrum",
};
static const char *const attrs[] = {"assay_results", "space", "assay_series"};

static void try_verb(const struct cli_verb *verb, char **words)
{
    struct cli_args args;
    struct assay_err err = {0};
    int n = 0;
    while (words[n]) n++;
    int status = cli_args_parse(&args, verb, n, words, &err);
    if (status >= 0) status = verb->run(&args, &err);
    if (status < 0) must_explain(status, &err);
    cli_args_free(&args);
}

// What a report reads beside the table.
static void try_parts(const char *file)
{
    const uint64_t chosen[2] = {0, ROWS - 1};
    struct assay_parts *parts;
    struct assay_values values;
    struct assay_err err = {0};
    const char *text;
    char **texts;
    uint64_t count;
    int status = assay_parts_open(&parts, file, &err);
    if (status >= 0) {
        status = assay_parts_numbers(parts, "run/seconds", &values, &err);
        if (status >= 0)
            status = assay_parts_rows(parts, "spectrum", ROWS, chosen, 2, &values, &err);
        if (status >= 0) status = assay_parts_texts(parts, "table/arch", &texts, &count, &err);
        if (status >= 0) status = assay_parts_attr(parts, "/", "space", &text, &err);
        assay_parts_close(parts);
    }
    if (status < 0) must_explain(status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct input in = {bytes, n};
    char *file = (char *)(uintptr_t)forge(&in, image, n_image, names, ASSAY_LEN(names), attrs,
                                          ASSAY_LEN(attrs), ROWS);
    try_verb(&cli_verb_rank, (char *[]){file, "--columns", "all", NULL});
    try_verb(&cli_verb_rank, (char *[]){file, "--by", "kappa", "--csv", NULL});
    try_verb(&cli_verb_rank, (char *[]){file, "--by", "2*kappa - regions", NULL});
    try_verb(&cli_verb_rank, (char *[]){file, "--by", "lnrank(kappa) + lnrank(regions)", NULL});
    try_verb(&cli_verb_correlate, (char *[]){file, "--truth", truth, "--bootstrap", "3", NULL});
    try_parts(file);
    return 0;
}
