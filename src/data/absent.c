// SPDX-License-Identifier: Apache-2.0
// Files that are not there: the error names the ways out, and a stand-in tells sizes and times.
#include "h5.h"
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

// The directory, or the file in front of ":/"; false where the path says neither.
static bool place_of(const struct assay_data_spec *spec, char file[ASSAY_TEXT_MAX])
{
    struct assay_h5_place place;
    if (spec->source == ASSAY_SOURCE_GAUSSIAN || !*spec->path) return false;
    if (spec->source == ASSAY_SOURCE_HDF5 && assay_h5_split(&place, spec->path, NULL) < 0)
        return false;
    snprintf(file, ASSAY_TEXT_MAX, "%s",
             spec->source == ASSAY_SOURCE_HDF5 ? place.file : spec->path);
    return true;
}

bool assay_data_absent(const struct assay_data_spec *spec)
{
    char file[ASSAY_TEXT_MAX];
    struct stat st;
    return place_of(spec, file) && stat(file, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

int assay_data_refuse_absent(const struct assay_data_spec *spec, struct assay_err *err)
{
    static const char other[] = "or --set data.source=gaussian for generated images";
    if (spec->source == ASSAY_SOURCE_HDF5)
        return assay_err_set(err, ASSAY_ERR_INPUT,
                             "data.path = '%.600s': no such file; expected an HDF5 file, %s",
                             spec->path, other);
    return assay_err_set(err, ASSAY_ERR_INPUT,
                         "data.path = '%.600s': no such directory; expected %s's binary version "
                         "(https://www.cs.toronto.edu/~kriz/%s, unpacked), %s",
                         spec->path, assay_data_cifar_name(spec),
                         spec->source == ASSAY_SOURCE_CIFAR10 ? "cifar-10-binary.tar.gz"
                                                              : "cifar-100-binary.tar.gz",
                         other);
}

void assay_data_stand_for(struct assay_data *data)
{
    const struct assay_data_spec *spec = &data->spec;
    const bool cifar = spec->source != ASSAY_SOURCE_HDF5;
    data->stand_in = true;
    data->element = ELEMENT_U8;
    data->classes = spec->classes;
    data->count = data->room = cifar ? assay_data_cifar_whole(spec) : 0;
    assay_data_warn(data, "data.path = '%.300s' is not there: %s", spec->path,
                    cifar ? "sizes and times are told as if it were"
                          : "sizes and times are told without its images");
}
