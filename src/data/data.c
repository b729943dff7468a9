// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <stdlib.h>
#include <string.h>

// Channel means and deviations as in the TE-NAS release, of values 0..255.
static const double cifar10_mean[CHANNELS] = {125.3, 123.0, 113.9};
static const double cifar10_std[CHANNELS] = {63.0, 62.1, 66.7};
static const double cifar100_mean[CHANNELS] = {129.3, 124.1, 112.4};
static const double cifar100_std[CHANNELS] = {68.2, 65.4, 70.4};

static void set_statistics(struct assay_data *data)
{
    const bool hundred = data->spec.source == ASSAY_SOURCE_CIFAR100;
    for (int c = 0; c < CHANNELS; c++) {
        const double mean = hundred ? cifar100_mean[c] : cifar10_mean[c];
        const double std = hundred ? cifar100_std[c] : cifar10_std[c];
        data->mean[c] = data->spec.normalise ? mean / 255 : 0;
        data->std[c] = data->spec.normalise ? std / 255 : 1;
    }
}

static int check_spec(const struct assay_data_spec *spec, struct assay_err *err)
{
    if (strcmp(spec->split, "train") != 0 && strcmp(spec->split, "test") != 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "data split '%s': expected train or test",
                             spec->split);
    if (spec->source != ASSAY_SOURCE_GAUSSIAN && !spec->path[0])
        return assay_err_set(err, ASSAY_ERR_CONFIG, "data.path is empty: expected %s",
                             spec->source == ASSAY_SOURCE_HDF5
                                 ? "file.h5:/dataset"
                                 : "the directory of CIFAR's binary files");
    if (spec->image == 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "image size 0: expected at least 1");
    if (spec->classes == 0)
        return assay_err_set(err, ASSAY_ERR_CONFIG, "0 classes: expected at least 1");
    return ASSAY_OK;
}

static int load(struct assay_data *data, struct assay_err *err)
{
    switch (data->spec.source) {
    case ASSAY_SOURCE_GAUSSIAN:
        data->classes = data->spec.classes;
        return ASSAY_OK;
    case ASSAY_SOURCE_CIFAR10:
    case ASSAY_SOURCE_CIFAR100:
        return assay_data_load_cifar(data, err);
    case ASSAY_SOURCE_HDF5:
        return assay_data_load_hdf5(data, err);
    }
    assay_bug(__FILE__, __LINE__, "data source");
}

int assay_data_open(struct assay_data **out, const struct assay_data_spec *spec,
                    struct assay_err *err)
{
    ASSAY_TRY(check_spec(spec, err));
    struct assay_data *data = calloc(1, sizeof *data);
    if (!data) return assay_err_set(err, ASSAY_ERR_MEMORY, "out of memory");
    data->spec = *spec;
    set_statistics(data);
    const int status = load(data, err);
    if (status < 0)
        assay_data_close(data);
    else
        *out = data;
    return status;
}

void assay_data_close(struct assay_data *data)
{
    if (!data) return;
    free(data->pixel);
    free(data->label);
    free(data);
}

uint64_t assay_data_count(const struct assay_data *data)
{
    return data->count;
}

uint32_t assay_data_channels(const struct assay_data *data)
{
    (void)data;
    return CHANNELS;
}

bool assay_data_labelled(const struct assay_data *data)
{
    return data->label != NULL;
}

struct assay_hash assay_data_digest(const struct assay_data *data)
{
    const size_t bytes = data->count * image_values(data) * element_size(data->element);
    const struct assay_hash part[2] = {
        data->pixel ? assay_hash128(data->pixel, bytes) : (struct assay_hash){0},
        data->label ? assay_hash128(data->label, data->count * sizeof *data->label)
                    : (struct assay_hash){0},
    };
    return assay_hash128(part, sizeof part);
}
