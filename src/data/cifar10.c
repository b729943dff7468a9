// SPDX-License-Identifier: Apache-2.0
#include "cifar.h"

static const struct cifar_layout layout = {
    .name = "CIFAR-10",
    .directory = "cifar-10-batches-bin",
    .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
              "data_batch_5.bin"},
    .test = {"test_batch.bin"},
    .images = {10000, 10000},
    .label_bytes = 1,
    .limit = {10},
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

const struct assay_data_source assay_data_cifar10 = {
    .name = "cifar10",
    .help = "data.path = directory of CIFAR-10's binary version, all of its files or the first "
            "of them",
    .classes = 10,
    .mean = CIFAR10_MEAN,
    .std = CIFAR10_STD,
    .title = "CIFAR-10",
    .whole = whole,
    .labelled = "cifar10",
    .path = "the directory of CIFAR's binary files",
    .absent = "no such directory; expected CIFAR-10's binary version "
              "(jobs/fetch-cifar.sh fetches and unpacks "
              "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz)",
    .check = check,
    .load = load,
};
