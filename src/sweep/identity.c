// SPDX-License-Identifier: Apache-2.0
// What a run is, as texts: its configuration, its identity in the journal, its program.
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

char *sweep_config_text(const struct assay_config *config)
{
    const size_t n = assay_opts_format(assay_config_opts, config, NULL, 0) + 1;
    char *text = malloc(n);

    if (text) assay_opts_format(assay_config_opts, config, text, n);
    return text;
}

void assay_data_identity(const struct assay_data *data, char text[ASSAY_DATA_IDENTITY])
{
    const struct assay_hash digest = assay_data_digest(data);
    const int n =
        snprintf(text, ASSAY_DATA_IDENTITY, "%016" PRIx64 "%016" PRIx64 ", ", digest.hi, digest.lo);

    assay_data_describe(data, text + n, ASSAY_DATA_IDENTITY - (size_t)n);
}

// Of a stream of memory: its text, or NULL when there was not enough for all of it.
static char *end_text(FILE *out, char *const *text)
{
    const bool bad = ferror(out);

    if (fclose(out) == 0 && !bad) return *text;
    free(*text);
    return NULL;
}

// The version, the columns, the kernel rung, the arithmetic and the data stand in comments: they
// tell journals apart, not configurations.
char *assay_identity_text(const char *settings, const struct assay_schema *schema, const char *rung,
                          const char *data)
{
    char *text = NULL, arithmetic[SWEEP_ARITHMETIC];
    size_t bytes = 0;

    if (sweep_arithmetic_text(arithmetic, rung, NULL) < 0) return NULL;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    fprintf(out, "# assay " ASSAY_VERSION "\n%s# columns:", settings);
    for (uint32_t i = 0; i < schema->n_column; i++) fprintf(out, " %s", schema->column[i].name);
    fprintf(out, "\n%s# data: %s\n", arithmetic, data);
    return end_text(out, &text);
}

char *sweep_identity_text(const struct assay_config *config, const struct assay_schema *schema,
                          const char *rung, const char *data)
{
    const size_t n = assay_config_identity(config, false, NULL, 0) + 1;
    char *settings = malloc(n), *text = NULL;

    if (settings) {
        assay_config_identity(config, false, settings, n);
        text = assay_identity_text(settings, schema, rung, data);
    }
    free(settings);
    return text;
}

// ---- reading it back ----------------------------------------------------------------------------
// One line of the form that assay_opts_format writes; a section's name stays in *section.
static int parse_line(char *line, char section[64], struct assay_setting *setting, bool *is_setting,
                      struct assay_err *err)
{
    char *value = strstr(line, " =");

    *is_setting = false;
    if (!*line || *line == '#') return 0;
    if (sscanf(line, "[%63[^]]]", section) == 1) return 0;
    if (!value || (size_t)(value - line) >= sizeof setting->name ||
        strlen(value) >= sizeof setting->value)
        return assay_err_set(err, ASSAY_ERR_INPUT, "'%.100s' is no line of a configuration", line);
    *value = '\0';
    value += 2 + (value[2] == ' ');
    strcpy(setting->section, section);
    strcpy(setting->name, line);
    strcpy(setting->value, value);
    strcpy(setting->origin, "stored configuration");
    *is_setting = true;
    return 0;
}

static int parse(struct assay_setting *setting, size_t *n, char *text, struct assay_err *err)
{
    char section[64] = "", *rest = text;

    *n = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        bool is_setting;
        ASSAY_TRY(parse_line(line, section, &setting[*n], &is_setting, err));
        *n += is_setting;
    }
    return 0;
}

int sweep_config_parse(struct assay_config *config, const char *text, struct assay_err *err)
{
    size_t n = 1;

    for (const char *at = text; *at; at++) n += *at == '\n';
    struct assay_setting *setting = malloc(n * sizeof *setting);
    char *copy = strdup(text);
    int status = setting && copy ? parse(setting, &n, copy, err)
                                 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for settings");
    if (!status) status = assay_config_resolve(config, setting, n, err);
    free(copy);
    free(setting);
    return status;
}

// ---- config.ini ---------------------------------------------------------------------------------
int sweep_config_write(const struct assay_config *config, const char *dir, struct assay_err *err)
{
    char *text = sweep_config_text(config);
    if (!text) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for a configuration");
    const int status = assay_file_replace(dir, "config.ini", text, strlen(text), err);
    free(text);
    return status;
}

// ---- the program --------------------------------------------------------------------------------
char *sweep_command_text(void)
{
    char *text = NULL, *word = NULL;
    size_t bytes = 0, cap = 0;

    FILE *in = fopen("/proc/self/cmdline", "r");
    FILE *out = in ? open_memstream(&text, &bytes) : NULL;
    for (int i = 0; out && getdelim(&word, &cap, '\0', in) > 0; i++)
        fprintf(out, "%s%s", i ? " " : "", word);
    const bool whole = out && feof(in);
    if (out) text = end_text(out, &text);
    if (in) fclose(in);
    free(word);
    if (whole) return text;
    free(text);
    return NULL;
}

int sweep_build_id(uint64_t *id, struct assay_err *err)
{
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st = {0};

    *id = 0;
    if (fd < 0 && errno == ENOENT) return 0; // no /proc: none tells its build
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int why = errno;
    if (fd >= 0) close(fd);
    if (bytes == MAP_FAILED)
        return assay_err_set(err, ASSAY_ERR_IO, "cannot read the program file: %s", strerror(why));
    *id = assay_hash64(bytes, (size_t)st.st_size, 0);
    munmap(bytes, (size_t)st.st_size);
    return 0;
}
