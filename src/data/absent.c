// SPDX-License-Identifier: Apache-2.0
// Files that are not there: an error that names the ways out, and a stand-in for sizes and times.
#include "source.h"

#include <errno.h>
#include <sys/stat.h>

bool assay_data_absent(const struct assay_data_spec *spec)
{
    const struct assay_data_source *source = assay_data_source(spec->source, NULL);
    char file[ASSAY_TEXT_MAX];
    struct stat st;
    if (!source || source->generated || !*spec->path) return false;
    snprintf(file, sizeof file, "%s", spec->path);
    if (source->place && !source->place(spec, file)) return false;
    return stat(file, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

int data_refuse_absent(const struct assay_data_spec *spec, struct assay_err *err)
{
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "data.path = '%.600s': %s, or --set data.source=gaussian for generated "
                         "images",
                         spec->path, assay_data_source(spec->source, NULL)->absent);
}

void data_stand_for(struct assay_data *data)
{
    const struct assay_data_spec *spec = &data->spec;
    const bool known = data->source->whole;
    data->stand_in = true;
    data->element = ELEMENT_U8;
    data->classes = spec->classes;
    data->count = data->room = known ? data->source->whole(spec) : 0;
    data_warn(data, "data.path = '%.300s' is not there: %s", spec->path,
              known ? "sizes and times are told as if it were"
                    : "sizes and times are told without its images");
}
