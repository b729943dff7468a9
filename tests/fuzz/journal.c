// SPDX-License-Identifier: Apache-2.0
// Journals whose checksums are right and all else may be wrong, to pack and to merge. What becomes
// a results.h5 can be read again.
#include "assay/store.h"
#include "cli/cli.h"
#include "fuzz.h"
#include "sweep/run.h"

static char run[2][64], merged[64];

static void remove_run(const char *dir)
{
    static const char *const name[] = {"journal", "lock", "results.h5", "config.ini"};
    char path[128];
    for (size_t i = 0; i < ASSAY_LEN(name); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void finish(void)
{
    for (int i = 0; i < 2; i++) remove_run(run[i]);
    remove_run(merged);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    for (int i = 0; i < 2; i++) {
        snprintf(run[i], sizeof run[i], "/dev/shm/assay-fuzz-%ld-%d", (long)getpid(), i);
        if (mkdir(run[i], 0700) != 0) abort();
    }
    snprintf(merged, sizeof merged, "/dev/shm/assay-fuzz-%ld-m", (long)getpid());
    atexit(finish);
    return 0;
}

// ---- the parts ----------------------------------------------------------------------------------
// Settings in their order, some of them another value, and some lines that nobody knows.
static char *make_identity(struct input *in)
{
    char *text = NULL, word[64];
    size_t n;
    FILE *out = open_memstream(&text, &n);
    const char *section = "";
    const size_t n_opts = cli_vocabulary()->n_key;
    struct assay_config config;
    if (!out || assay_config_resolve(&config, cli_vocabulary(), NULL, 0, NULL) < 0) abort();
    fprintf(out, "# assay\n[space]\nname = %s\n[run]\nmetrics = %s\nrepeats = %d\n",
            take_byte(in) % 4 ? "null" : "darts", take_byte(in) % 2 ? "null" : "null,cost",
            1 + take_byte(in) % 3);
    for (unsigned edits = take_byte(in) % 8; edits > 0; edits--) {
        const uint8_t which = take_byte(in);
        const struct assay_opt *opt = &cli_vocabulary()->key[which % n_opts];
        if (which < 240) {
            if (strcmp(section, opt->section) != 0) fprintf(out, "[%s]\n", opt->section);
            section = opt->section;
            fprintf(out, "%s = ", opt->name);
        }
        if (take_byte(in) % 2)
            fprintf(out, "%llu\n", (unsigned long long)take_size(in));
        else
            fprintf(out, "%s\n", take_text(in, word, sizeof word));
    }
    fprintf(out, "# cpu: none\n# arithmetic: %d\n", ASSAY_ARITHMETIC);
    fclose(out);
    return text;
}

static size_t make_spans(struct input *in, uint64_t span[32])
{
    const size_t n = take_byte(in) % 8;
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        span[2 * i] = take_byte(in) % 8 ? end + take_byte(in) % 2 : take_size(in);
        span[2 * i + 1] = take_byte(in) % 8 ? 1 + take_byte(in) % 2 : take_size(in);
        end = span[2 * i] + span[2 * i + 1] + 1;
    }
    return n * 16 + (take_byte(in) == 255);
}

// As many as this program would make of the identity, if it does.
static uint64_t bytes_of_record(const char *identity)
{
    struct assay_config config;
    struct assay_columns columns;
    if (assay_config_parse(&config, cli_vocabulary(), identity, NULL) < 0) return 144;
    if (assay_columns_create(&columns, &config, false, NULL) < 0) return 144;
    const struct assay_schema schema = {.column = columns.column,
                                        .n_column = columns.n_column,
                                        .repeats =
                                            (uint32_t)assay_config_protocol(&config)->repeats,
                                        .spectrum_len = columns.spectrum};
    const uint64_t bytes = assay_record_bytes(&schema);
    assay_columns_free(&columns);
    return bytes;
}

static void put_records(struct input *in, FILE *out, uint64_t bytes, uint64_t seed)
{
    unsigned char *record = calloc(1, bytes);
    if (!record) abort();
    for (uint64_t i = 0, n = take_byte(in) % 8; i < n; i++) {
        const uint64_t index = take_byte(in) % 8 ? i : take_size(in);
        const uint32_t verdict = take_byte(in) % 8 ? take_byte(in) % 4 : (uint32_t)take_size(in);
        take(in, record, bytes < 256 ? bytes : 256);
        memcpy(record, &index, 8);
        memcpy(record + 8, &verdict, 4);
        if (take_byte(in) % 8) memset(record + 24, 0, ASSAY_REASON_MAX);
        const uint64_t checksum = assay_hash64(record, bytes, seed + i) + (take_byte(in) == 255);
        fwrite(record, bytes, 1, out);
        fwrite(&checksum, 8, 1, out);
    }
    free(record);
}

static void write_journal(struct input *in, const char *dir, const char *identity)
{
    char path[128], *header = NULL;
    uint64_t span[32];
    size_t n_header;
    const size_t n_span = make_spans(in, span);
    const uint64_t right = bytes_of_record(identity);
    const uint64_t bytes = right < 1 << 20 ? right : 144;
    const uint64_t number[] = {take_byte(in) == 255 ? take_size(in) : right, strlen(identity),
                               take_byte(in) == 255 ? take_size(in) : n_span};
    const uint32_t version[] = {1, 0x01020304};
    FILE *out = open_memstream(&header, &n_header);
    fwrite("assayjnl", 8, 1, out);
    fwrite(version, sizeof version, 1, out);
    fwrite(number, sizeof number, 1, out);
    fwrite(identity, strlen(identity), 1, out);
    fwrite(span, n_span, 1, out);
    fflush(out);
    const uint64_t checksum = assay_hash64(header, n_header, 0);
    fwrite(&checksum, 8, 1, out);
    put_records(in, out, bytes, checksum);
    for (unsigned n = take_byte(in) % 4; n > 0; n--) fputc(take_byte(in), out);
    fclose(out);
    snprintf(path, sizeof path, "%s/journal", dir);
    out = fopen(path, "w");
    if (!out || fwrite(header, n_header, 1, out) != 1 || fclose(out) != 0) abort();
    free(header);
}

// ---- the verbs ----------------------------------------------------------------------------------
static void check_results(const char *dir)
{
    struct assay_err err = {0};
    struct assay_table *table;
    char path[128];
    snprintf(path, sizeof path, "%s/results.h5", dir);
    must(assay_table_read(&table, path, &err) >= 0, "results that cannot be read", &err);
    assay_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct input in = {bytes, n};
    const char *const from[] = {run[0], run[1]};
    int status, exit_code;
    char *identity = make_identity(&in);
    for (int i = 0; i < 2; i++) {
        struct assay_err err = {0};
        if (i && take_byte(&in) % 4 == 0) {
            free(identity);
            identity = make_identity(&in);
        }
        write_journal(&in, run[i], identity);
        status = assay_sweep_pack(cli_vocabulary(), run[i], NULL, &err);
        if (status < 0)
            must_explain(status, &err);
        else
            check_results(run[i]);
    }
    free(identity);
    struct assay_err err = {0};
    remove_run(merged);
    status = assay_sweep_merge(cli_vocabulary(), from, 2, merged, take_byte(&in) % 4, NULL,
                               &exit_code, &err);
    if (status < 0)
        must_explain(status, &err);
    else
        check_results(merged);
    return 0;
}
