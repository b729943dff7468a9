// SPDX-License-Identifier: Apache-2.0
// Weights exported from another program, named as in its state_dict, for a network of this one.
#include "weights.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void weights_shape_text(uint32_t ndim, const uint64_t *shape, char *text, size_t cap)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t d = 0; d < ndim && used < cap; d++) {
        used += (size_t)snprintf(text + used, cap - used, "%s%" PRIu64, d ? "," : "(", shape[d]);
    }
    if (used < cap) snprintf(text + used, cap - used, "%s", ndim ? ")" : "a scalar");
}

static const struct assay_array *find_array(const struct assay_arrays *arrays, const char *name)
{
    for (size_t i = 0; i < arrays->n; i++) {
        if (strcmp(arrays->item[i].name, name) == 0) return &arrays->item[i];
    }
    return NULL;
}

// Finds the array of a literal parameter and checks its shape.
static int match(const struct assay_arrays *arrays, const struct assay_graph *g, uint32_t param,
                 const char *where, const struct assay_array **out, struct assay_err *err)
{
    const struct assay_param *p = &g->param[param];
    const char *name = assay_graph_param_name(g, param);
    uint64_t shape[4] = {0};
    char expected[96], seen[192];
    for (uint32_t d = 0; d < p->ndim; d++) shape[d] = p->shape[d];
    weights_shape_text(p->ndim, shape, expected, sizeof expected);
    const struct assay_array *array = find_array(arrays, name);
    if (!array) {
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: no weight '%s', expected one of shape %s",
                             where, name, expected);
    }
    if (array->ndim != p->ndim || memcmp(array->shape, shape, p->ndim * sizeof *shape) != 0) {
        weights_shape_text(array->ndim, array->shape, seen, sizeof seen);
        return assay_err_set(err, ASSAY_ERR_INPUT, "%s: weight '%s' has shape %s, expected %s",
                             where, name, seen, expected);
    }
    if (array->integer) {
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: weight '%s' is of %s, expected floating point", where, name,
                             array->type);
    }
    for (uint64_t i = 0; i < array->size; i++) {
        if (isfinite(array->value[i])) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: weight '%s' has the value %g, expected finite numbers", where,
                             name, array->value[i]);
    }
    *out = array;
    return ASSAY_OK;
}

// The first array whose name is this parameter's behind a prefix ("module."), or NULL.
static const struct assay_array *find_prefixed(const struct assay_arrays *arrays, const char *param)
{
    for (size_t i = 0; i < arrays->n; i++) {
        const char *name = arrays->item[i].name;
        const size_t n = strlen(name), tail = strlen(param);
        if (n > tail && name[n - tail - 1] == '.' && strcmp(name + n - tail, param) == 0)
            return &arrays->item[i];
    }
    return NULL;
}

// Takes off a prefix of all names: wrappers of a network (DataParallel, torch.compile) put their
// own before those of all its weights.
static int strip_prefix(struct assay_arrays *arrays, const struct assay_graph *g, const char *where,
                        struct assay_err *err)
{
    char prefix[sizeof arrays->item->name];
    const char *param = NULL;
    const struct assay_array *seen = NULL;
    for (uint32_t i = 0; i < g->n_param && !seen; i++) {
        param = assay_graph_param_name(g, i);
        if (find_array(arrays, param)) return ASSAY_OK;
        seen = find_prefixed(arrays, param);
    }
    if (!seen) return ASSAY_OK;
    const size_t n = strlen(seen->name) - strlen(param);
    snprintf(prefix, sizeof prefix, "%.*s", (int)n, seen->name);
    for (size_t i = 0; i < arrays->n; i++) {
        if (strncmp(arrays->item[i].name, prefix, n) == 0) continue;
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "%s: weight '%s%s' where '%s' is expected; '%s' could be taken off if "
                             "every name began with it, but '%s' does not",
                             where, prefix, param, param, prefix, arrays->item[i].name);
    }
    for (size_t i = 0; i < arrays->n; i++) {
        char *name = arrays->item[i].name;
        memmove(name, name + n, strlen(name + n) + 1);
    }
    return ASSAY_OK;
}

// Whether an array is no weight: running statistics of a state_dict take no part in train mode.
static bool is_buffer(const struct assay_graph *g, const char *name)
{
    static const char *const suffix[] = {".running_mean", ".running_var", ".num_batches_tracked"};
    const size_t length = strlen(name);
    for (size_t s = 0; s < ASSAY_LEN(suffix); s++) {
        const size_t tail = strlen(suffix[s]);
        if (length <= tail || strcmp(name + length - tail, suffix[s]) != 0) continue;
        for (uint32_t i = 0; i < g->n_param; i++) {
            const char *param = assay_graph_param_name(g, i);
            if (g->param[i].role == ASSAY_BN_GAMMA && strlen(param) == length - tail + 7 &&
                memcmp(param, name, length - tail) == 0) {
                return true;
            }
        }
    }
    return false;
}

static int refuse_extra(const struct assay_arrays *arrays, const struct assay_graph *g,
                        const char *where, struct assay_err *err)
{
    for (size_t i = 0; i < arrays->n; i++) {
        const char *name = arrays->item[i].name;
        bool known = is_buffer(g, name);
        for (uint32_t p = 0; p < g->n_param && !known; p++) {
            known = strcmp(assay_graph_param_name(g, p), name) == 0;
        }
        if (!known) {
            return assay_err_set(err, ASSAY_ERR_INPUT,
                                 "%s: weight '%s' is not a parameter of this network", where, name);
        }
    }
    return ASSAY_OK;
}

int weights_check(struct assay_arrays *arrays, const char *where, const struct assay_graph *literal,
                  struct assay_err *err)
{
    const struct assay_array *array;
    ASSAY_TRY(strip_prefix(arrays, literal, where, err));
    for (uint32_t i = 0; i < literal->n_param; i++)
        ASSAY_TRY(match(arrays, literal, i, where, &array, err));
    return refuse_extra(arrays, literal, where, err);
}

void weights_fill(const struct assay_arrays *arrays, const struct assay_graph *g, double *theta)
{
    for (uint32_t i = 0; i < g->n_param; i++) {
        const struct assay_param *p = &g->param[i];
        const struct assay_array *array = find_array(arrays, assay_graph_param_name(g, i));
        memcpy(theta + p->offset, array->value, p->size * sizeof *theta);
    }
}
