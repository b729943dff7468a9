// SPDX-License-Identifier: Apache-2.0
#include "cifar.h"

static const struct cifar_layout layout = {
    .name = "CIFAR-100",
    .directory = "cifar-100-binary",
    .train = {"train.bin"},
    .test = {"test.bin"},
    .images = {50000, 10000},
    .label_bytes = 2,
    .limit = {20, 100}, // coarse, fine
};

static int check(const struct assay_data_spec *spec, struct assay_err *err)
{
    return cifar_check(spec, &layout, err);
}

static uint64_t whole(const struct assay_data_spec *spec)
{
    return cifar_whole(spec, &layout);
}

static int load(struct assay_data *data, struct assay_err *err)
{
    return cifar_load(data, &layout, err);
}

const struct assay_data_source assay_data_cifar100 = {
    .name = "cifar100",
    .help = "data.path = directory of CIFAR-100's binary version, all of its files or the first "
            "of them",
    .classes = 100,
    .mean = CIFAR100_MEAN,
    .std = CIFAR100_STD,
    .title = "CIFAR-100",
    .whole = whole,
    .labelled = "cifar100",
    .path = "the directory of CIFAR's binary files",
    .absent = "no such directory; expected CIFAR-100's binary version "
              "(jobs/fetch-cifar.sh 100 fetches and unpacks "
              "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz)",
    .check = check,
    .load = load,
};
