// SPDX-License-Identifier: Apache-2.0
// The images of a run: on each host one rank reads and checks them into memory that all of its
// ranks see.
#include "run.h"

#include <stdlib.h>

struct assay_images {
    struct assay_comm *host;     // the ranks that share them; NULL: a single rank
    struct assay_shared *shared; // NULL: the data's own memory
    struct assay_data *data;
};

// ---- the rank that reads ------------------------------------------------------------------------
// The others wait to be told the size, 0: there will be nothing.
static int tell_size(struct assay_images *images, uint64_t bytes, struct assay_err *err)
{
    return assay_comm_share(images->host, 0, &bytes, sizeof bytes, err);
}

struct reading {
    struct assay_images *images;
    bool told;
};

static int take(void *self, size_t bytes, void **block, struct assay_err *err)
{
    struct reading *r = self;

    r->told = true;
    ASSAY_TRY(tell_size(r->images, bytes, err));
    ASSAY_TRY(assay_shared_create(&r->images->shared, r->images->host, bytes, err));
    *block = assay_shared_block(r->images->shared);
    return 0;
}

static int read_images(struct assay_images *images, const struct assay_data_spec *spec,
                       struct assay_err *err)
{
    struct reading r = {.images = images};
    const struct assay_data_memory memory = {&r, take};
    const int status = assay_data_open_in(&images->data, spec, &memory, err);

    if (!r.told) ASSAY_TRY(tell_size(images, 0, err));
    return status;
}

// ---- the others ---------------------------------------------------------------------------------
static int await_images(struct assay_images *images, struct assay_err *err)
{
    uint64_t bytes = 0;

    ASSAY_TRY(assay_comm_share(images->host, 0, &bytes, sizeof bytes, err));
    return bytes ? assay_shared_create(&images->shared, images->host, bytes, err) : 0;
}

static int see_images(struct assay_images *images, const struct assay_data_spec *spec,
                      struct assay_err *err)
{
    ASSAY_TRY(assay_shared_publish(images->shared, err));
    if (images->data) return 0;
    return assay_data_attach(&images->data, spec, assay_shared_block(images->shared), err);
}

// ---- together -----------------------------------------------------------------------------------
static int open_together(struct assay_images *images, const struct assay_data_spec *spec,
                         struct assay_comm *comm, struct assay_err *err)
{
    int status;

    ASSAY_TRY(assay_comm_split_host(comm, &images->host, err));
    const bool alone = assay_comm_size(images->host) == 1 || spec->source == ASSAY_SOURCE_GAUSSIAN;
    if (alone)
        status = assay_data_open(&images->data, spec, err);
    else if (assay_comm_rank(images->host) == 0)
        status = read_images(images, spec, err);
    else
        status = await_images(images, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    status = alone ? 0 : see_images(images, spec, err);
    return assay_comm_agree(comm, status, err);
}

int assay_images_open(struct assay_images **out, const struct assay_data_spec *spec,
                      struct assay_comm *comm, struct assay_err *err)
{
    struct assay_images *images = calloc(1, sizeof *images);

    *out = NULL;
    int status = images ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for images");
    if (comm) status = assay_comm_agree(comm, status, err);
    if (status >= 0)
        status = comm ? open_together(images, spec, comm, err)
                      : assay_data_open(&images->data, spec, err);
    if (status < 0)
        assay_images_close(images);
    else
        *out = images;
    return status;
}

const struct assay_data *assay_images_data(const struct assay_images *images)
{
    return images->data;
}

uint64_t assay_images_share(const struct assay_images *images)
{
    const uint64_t ranks = images->shared ? (uint64_t)assay_comm_size(images->host) : 1;

    return (assay_data_bytes(images->data) + ranks - 1) / ranks;
}

void assay_images_close(struct assay_images *images)
{
    if (!images) return;
    assay_data_close(images->data);
    assay_shared_free(images->shared);
    assay_comm_free(images->host);
    free(images);
}
