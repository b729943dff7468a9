// SPDX-License-Identifier: Apache-2.0
// The search methods: one file each, and one line here; and those that a run names.
#include "method.h"

#include <string.h>

const struct search_method *const search_methods[] = {
    &search_tenas,       &search_marginal, &search_nasi,      &search_nasi_ada,
    &search_nasi_random, &search_random,   &search_evolution, NULL,
};
_Static_assert(ASSAY_LEN(search_methods) == SEARCH_METHODS_MAX + 1, "all may run side by side");

bool assay_search_method(unsigned i, const char **name, const char **help)
{
    if (i + 1 >= ASSAY_LEN(search_methods)) return false;
    *name = search_methods[i]->name;
    *help = search_methods[i]->help;
    return true;
}

// ---- the methods of a run -----------------------------------------------------------------------
// given: the whole value, of which the name is n characters.
static int find_method(const char *given, const char *name, size_t n,
                       const struct search_method **method, struct assay_err *err)
{
    char known[256] = "";
    for (const struct search_method *const *m = search_methods; *m; m++) {
        if (strlen((*m)->name) == n && memcmp((*m)->name, name, n) == 0) return *method = *m, 0;
        const size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", (*m)->name);
    }
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "search.method = '%.200s': '%.*s' is no method, expected some of %s",
                         given, n < 100 ? (int)n : 100, name, known);
}

// Adds a method to those from `first` on. Methods of one run share its records, so that they must
// make the same evaluations by the same metrics.
static int join_method(const struct assay_config *given, const struct assay_space *space,
                       const struct search_method *first, const struct search_method *m,
                       struct assay_config *config, struct assay_err *err)
{
    struct assay_config mine = *given;
    ASSAY_TRY(m->configure(&mine, space, err));
    const char *metrics = assay_config_protocol(&mine)->metrics;
    const char *others = m == first ? metrics : assay_config_protocol(config)->metrics;
    if (m->evaluator != first->evaluator || strcmp(metrics, others) != 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG,
                             "search.method = %.200s: %s and %s do not evaluate the same, but the "
                             "metrics %.100s and %.100s; run them in directories of their own",
                             assay_config_search(given)->method, first->name, m->name, others,
                             metrics);
    *config = mine;
    return 0;
}

// Forgets search.finish where no method reads it, so that nobody asks for its columns.
static void forget_finish(struct assay_config *config, const struct search_method *const *method,
                          int n)
{
    struct assay_search_spec *s = assay_config_edit(config, &assay_search_options);
    bool finishes = false;
    for (int i = 0; i < n; i++) finishes |= method[i]->finishes;
    if (!finishes) *s->finish = '\0';
}

int search_find_methods(const struct assay_config *given, const struct assay_space *space,
                        const struct search_method **method, struct assay_config *config,
                        struct assay_err *err)
{
    const struct assay_search_spec *spec = assay_config_search(given);
    const char *at = spec->method;
    int known = 0;
    for (;; at++) {
        const struct search_method *m;
        at += strspn(at, " ");
        const size_t n = strcspn(at, ", ");
        ASSAY_TRY(find_method(spec->method, at, n, &m, err));
        for (int i = 0; i < known; i++)
            if (method[i] == m)
                return assay_err_set(err, ASSAY_ERR_CONFIG, "search.method: %s is given twice",
                                     m->name);
        method[known++] = m;
        ASSAY_TRY(join_method(given, space, method[0], m, config, err));
        at += n + strspn(at + n, " ");
        if (*at != ',') break;
    }
    if (!*at) return forget_finish(config, method, known), known;
    return assay_err_set(err, ASSAY_ERR_CONFIG,
                         "search.method = %.200s: expected names with commas between",
                         spec->method);
}
