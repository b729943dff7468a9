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

char *sweep_identity_text(const struct assay_config *config, const struct assay_schema *schema,
                          const char *rung, const char *data)
{
    char *settings = assay_config_identity(config, "sweep");
    char *text = settings ? assay_identity_text(settings, schema, rung, data) : NULL;
    free(settings);
    return text;
}

// ---- config.ini ---------------------------------------------------------------------------------
int sweep_config_write(const struct assay_config *config, const char *dir, struct assay_err *err)
{
    char *text = assay_config_text(config);
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
    if (out) text = assay_text_close(out, &text);
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
