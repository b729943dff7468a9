// SPDX-License-Identifier: Apache-2.0
// Architectures and supernets as texts: of the space SPACE, or of the one the first byte says.
#include "assay/space.h"
#include "fuzz.h"
#include "space_once.h"

static void try_arch(const struct assay_space *space, const char *text)
{
    struct assay_err err = {0};
    char again[ASSAY_ARCH_MAX];
    uint64_t index, second;
    const int status = assay_space_parse(space, text, &index, &err);
    if (status < 0) {
        must_explain(status, &err);
        return;
    }
    must(index < assay_space_size(space), "an index that is none", NULL);
    must(assay_space_format(space, index, again, sizeof again) >= 0, "no text", NULL);
    must(assay_space_parse(space, again, &second, &err) >= 0, again, &err);
    must(index == second, "another architecture", NULL);
    must(assay_space_canonical(space, index) <= index, "no representative", NULL);
}

static void try_supernet(const struct assay_space *space, const char *text)
{
    struct assay_err err = {0};
    struct assay_supernet mask, second;
    char again[ASSAY_ARCH_MAX];
    const int status = assay_space_parse_supernet(space, text, &mask, &err);
    if (status < 0) {
        must_explain(status, &err);
        return;
    }
    must(assay_space_format_supernet(space, &mask, again, sizeof again) >= 0, "no text", NULL);
    must(assay_space_parse_supernet(space, again, &second, &err) >= 0, again, &err);
    must(memcmp(&mask, &second, sizeof mask) == 0, "another supernet", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct input in = {bytes, n};
#ifdef SPACE
    const struct assay_space *space = open_space(SPACE);
    const bool supernet = false;
#else
    const uint8_t which = take_byte(&in);
    uint32_t spaces = 0;
    while (assay_space_kinds[spaces]) spaces++;
    const struct assay_space *space = open_space(assay_space_kinds[which / 2 % spaces]->name);
    const bool supernet = which % 2 && space->kind->supernet;
#endif
    char *text = malloc(in.n + 1);
    if (!text) abort();
    text[in.n] = 0;
    memcpy(text, in.at, in.n);
    (supernet ? try_supernet : try_arch)(space, text);
    free(text);
    return 0;
}
