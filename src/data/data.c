// SPDX-License-Identifier: Apache-2.0
// Opening a source.
#include "source.h"

#include <stdlib.h>
#include <string.h>

static void set_statistics(struct assay_data *data)
{
    for (int c = 0; c < CHANNELS; c++) {
        data->mean[c] = data->spec.normalise ? data->source->mean[c] / 255 : 0;
        data->std[c] = data->spec.normalise ? data->source->std[c] / 255 : 1;
    }
}

static int check_spec(const struct assay_data_spec *spec, const struct assay_data_source *source,
                      struct assay_err *err)
{
    if (strcmp(spec->split, "train") != 0 && strcmp(spec->split, "test") != 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "data split '%s': expected train or test",
                             spec->split);
    if (!source->generated && !spec->path[0])
        return assay_err_set(err, ASSAY_ERR_CONFIG, "data.path is empty: expected %s",
                             source->path);
    if (spec->image == 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "image size 0: expected at least 1");
    if (spec->classes == 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "0 classes: expected at least 1");
    return ASSAY_OK;
}

static int load(struct assay_data *data, struct assay_err *err)
{
    const struct assay_data_source *source = data->source;
    if (source->check) ASSAY_TRY(source->check(&data->spec, err));
    if (assay_data_absent(&data->spec)) return data_refuse_absent(&data->spec, err);
    return source->load(data, err);
}

static int create(struct assay_data **out, const struct assay_data_spec *spec,
                  struct assay_err *err)
{
    const struct assay_data_source *source = assay_data_source(spec->source, err);
    if (!source) return ASSAY_ERR_CONFIG;
    ASSAY_TRY(check_spec(spec, source, err));
    struct assay_data *data = calloc(1, sizeof *data);
    if (!data) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    data->spec = *spec;
    data->source = source;
    set_statistics(data);
    *out = data;
    return ASSAY_OK;
}

int assay_data_open_in(struct assay_data **out, const struct assay_data_spec *spec,
                       const struct assay_data_memory *memory, struct assay_err *err)
{
    struct assay_data *data;
    ASSAY_TRY(create(&data, spec, err));
    data->memory = memory;
    const int status = load(data, err);
    if (status < 0) {
        assay_data_close(data);
        return status;
    }
    data_finish(data);
    *out = data;
    return status;
}

int assay_data_open(struct assay_data **out, const struct assay_data_spec *spec,
                    struct assay_err *err)
{
    return assay_data_open_in(out, spec, NULL, err);
}

int assay_data_stand_in(struct assay_data **out, const struct assay_data_spec *spec,
                        struct assay_err *err)
{
    const struct assay_data_source *source = assay_data_source(spec->source, NULL);
    ASSAY_ASSERT(assay_data_absent(spec));
    if (source->check) ASSAY_TRY(source->check(spec, err));
    ASSAY_TRY(create(out, spec, err));
    data_stand_for(*out);
    return ASSAY_OK;
}

int assay_data_attach(struct assay_data **out, const struct assay_data_spec *spec,
                      const void *block, struct assay_err *err)
{
    ASSAY_TRY(create(out, spec, err));
    data_find(*out, block);
    return ASSAY_OK;
}

void assay_data_close(struct assay_data *data)
{
    if (!data) return;
    if (data->owned) free(data->block);
    free(data);
}
