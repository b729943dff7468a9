// SPDX-License-Identifier: Apache-2.0
// Questions about open images.
#include "source.h"

#include <stdarg.h>
#include <string.h>

size_t assay_data_draw_bytes(const struct assay_data *data)
{
    const size_t order = data->count * sizeof(uint64_t);
    return order > data->reading ? order : data->reading;
}

uint64_t assay_data_count(const struct assay_data *data)
{
    return data->count;
}

bool assay_data_generated(const struct assay_data *data)
{
    return !data->pixel;
}

uint64_t assay_data_crops(const struct assay_data *data, uint32_t side)
{
    const uint64_t image = data->spec.image, places = image < side ? 0 : image - side + 1;
    return data->count * CHANNELS * places * places;
}

uint32_t assay_data_channels(const struct assay_data *data)
{
    (void)data;
    return CHANNELS;
}

bool assay_data_labelled(const struct assay_data *data)
{
    return data->label || data->stand_in;
}

struct assay_hash assay_data_digest(const struct assay_data *data)
{
    return data->digest;
}

void assay_data_describe(const struct assay_data *data, char *text, size_t cap)
{
    const struct assay_data_spec *spec = &data->spec;
    const struct assay_data_source *source = data->source;
    const unsigned long long n = data->count, whole = source->whole ? source->whole(spec) : 0;
    if (!data->pixel)
        snprintf(text, cap, "generated images");
    else if (n < whole)
        snprintf(text, cap, "%llu of %s's %llu %s images", n, source->title, whole,
                 strcmp(spec->split, "test") ? "training" : "test");
    else
        snprintf(text, cap, "%llu images", n);
}

const char *assay_data_warning(const struct assay_data *data)
{
    return data->warning;
}

void data_warn(struct assay_data *data, const char *fmt, ...)
{
    const size_t at = strlen(data->warning), cap = sizeof data->warning;
    size_t used = at;
    if (at) used += (size_t)snprintf(data->warning + at, cap - at, "; ");
    if (used >= cap) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(data->warning + used, cap - used, fmt, args);
    va_end(args);
}
