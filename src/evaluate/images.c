// SPDX-License-Identifier: Apache-2.0
// The images of a run: on each host one rank reads and checks them into memory that all of its
// ranks see.
#include "assay/evaluate.h"

#include <inttypes.h>
#include <stdlib.h>

// What a process takes later, whatever it computes: code and data of libraries that are used for
// the first time (BLAS, the executor): 1.2 to 1.9 MiB were seen. Under a launcher the libraries of
// MPI took up to 3 MiB more than in a process alone, as plan mostly is; half of that is here, too.
#define LATER (UINT64_C(2) << 20)

// What the program takes, in whole MiB, since what is resident differs by some pages from start to
// start.
static uint64_t program_bytes(void)
{
    return (assay_resident() + LATER + (1 << 20) - 1) >> 20 << 20;
}

struct assay_images {
    const struct assay_config *config; // borrowed, while they are opened
    struct assay_comm *host;           // the ranks that share them; NULL: a single rank
    struct assay_shared *shared;       // holds the images, or
    void *own;                         // does
    bool told;                         // the other ranks of the host know the size
    int sharing;                       // ranks of a host
    struct assay_data *data;
    uint64_t program, share, drawing; // bytes, the most of any rank
};

// ---- the rank that reads ------------------------------------------------------------------------
static uint64_t share_of(const struct assay_images *images, uint64_t bytes)
{
    const uint64_t ranks = (uint64_t)images->sharing;

    return (bytes + ranks - 1) / ranks;
}

static int check_limit(const struct assay_images *images, uint64_t bytes, struct assay_err *err)
{
    const uint64_t limit = assay_config_evaluation(images->config)->memory,
                   share = share_of(images, bytes);

    if (!limit || images->program + share <= limit << 20) return 0;
    return assay_err_set(err, ASSAY_ERR_MEMORY,
                         "%.300s: images of %.1f MiB, which the ranks of a host share (%d here), "
                         "and %.1f for the program make %.1f MiB a rank, over the limit of %" PRIu64
                         " MiB (run.memory, --memory)",
                         assay_config_data(images->config)->path, (double)bytes / 0x1p20,
                         images->sharing, (double)images->program / 0x1p20,
                         (double)(images->program + share) / 0x1p20, limit);
}

// The other ranks wait to be told the size; 0: there will be nothing.
static int tell_size(struct assay_images *images, uint64_t bytes, struct assay_err *err)
{
    images->told = true;
    return assay_comm_share(images->host, 0, &bytes, sizeof bytes, err);
}

static int take_shared(void *self, size_t bytes, void **block, struct assay_err *err)
{
    struct assay_images *images = self;

    ASSAY_TRY(check_limit(images, bytes, err));
    ASSAY_TRY(tell_size(images, bytes, err));
    ASSAY_TRY(assay_shared_create(&images->shared, images->host, bytes, err));
    *block = assay_shared_block(images->shared);
    return 0;
}

static int take_own(void *self, size_t bytes, void **block, struct assay_err *err)
{
    struct assay_images *images = self;

    ASSAY_TRY(check_limit(images, bytes, err));
    *block = images->own = malloc(bytes);
    if (*block) return 0;
    return assay_err_set(err, ASSAY_ERR_MEMORY, "%s: no memory for %.1f MiB of images",
                         assay_config_data(images->config)->path, (double)bytes / 0x1p20);
}

static int open_alone(struct assay_images *images, struct assay_err *err)
{
    const struct assay_data_memory memory = {images, take_own};

    return assay_data_open_in(&images->data, assay_config_data(images->config), &memory, err);
}

static int read_images(struct assay_images *images, struct assay_err *err)
{
    const struct assay_data_memory memory = {images, take_shared};
    const int status =
        assay_data_open_in(&images->data, assay_config_data(images->config), &memory, err);

    if (!images->told) ASSAY_TRY(tell_size(images, 0, err));
    return status;
}

// ---- the others ---------------------------------------------------------------------------------
static int await_images(struct assay_images *images, struct assay_err *err)
{
    uint64_t bytes = 0;

    ASSAY_TRY(assay_comm_share(images->host, 0, &bytes, sizeof bytes, err));
    return bytes ? assay_shared_create(&images->shared, images->host, bytes, err) : 0;
}

static int see_images(struct assay_images *images, struct assay_err *err)
{
    ASSAY_TRY(assay_shared_publish(images->shared, err));
    if (images->data) return 0;
    return assay_data_attach(&images->data, assay_config_data(images->config),
                             assay_shared_block(images->shared), err);
}

// ---- together -----------------------------------------------------------------------------------
static int open_on_host(struct assay_images *images, struct assay_comm *comm, struct assay_err *err)
{
    const bool alone =
        images->sharing == 1 ||
        assay_data_source(assay_config_data(images->config)->source, NULL)->generated;
    int status;

    if (alone)
        status = open_alone(images, err);
    else if (assay_comm_rank(images->host) == 0)
        status = read_images(images, err);
    else
        status = await_images(images, err);
    ASSAY_TRY(assay_comm_agree(comm, status, err));
    status = alone ? 0 : see_images(images, err);
    return assay_comm_agree(comm, status, err);
}

static int agree_on_most(struct assay_comm *comm, uint64_t *bytes, struct assay_err *err)
{
    double most = (double)*bytes;

    ASSAY_TRY(assay_comm_max(comm, &most, err));
    *bytes = (uint64_t)most;
    return 0;
}

static void weigh(struct assay_images *images)
{
    images->share = share_of(images, assay_data_bytes(images->data));
    images->drawing = assay_data_draw_bytes(images->data);
}

static int open_together(struct assay_images *images, struct assay_comm *comm,
                         struct assay_err *err)
{
    ASSAY_TRY(assay_comm_split_host(comm, &images->host, err));
    images->sharing = assay_comm_size(images->host);
    ASSAY_TRY(agree_on_most(comm, &images->program, err));
    ASSAY_TRY(open_on_host(images, comm, err));
    weigh(images);
    ASSAY_TRY(agree_on_most(comm, &images->share, err));
    return agree_on_most(comm, &images->drawing, err);
}

static int open_images(struct assay_images *images, struct assay_comm *comm, struct assay_err *err)
{
    images->program = program_bytes();
    if (comm) return open_together(images, comm, err);
    ASSAY_TRY(open_alone(images, err));
    weigh(images);
    return 0;
}

int assay_images_open(struct assay_images **out, const struct assay_config *config,
                      struct assay_comm *comm, int sharing, struct assay_err *err)
{
    struct assay_images *images = calloc(1, sizeof *images);

    *out = NULL;
    int status = images ? 0 : assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for images");
    if (comm) status = assay_comm_agree(comm, status, err);
    if (images) {
        images->config = config;
        images->sharing = sharing;
    }
    if (status >= 0) status = open_images(images, comm, err);
    if (status < 0)
        assay_images_close(images);
    else
        *out = images;
    return status;
}

int assay_images_stand_in(struct assay_images **out, const struct assay_config *config, int sharing,
                          struct assay_err *err)
{
    struct assay_images *images = calloc(1, sizeof *images);

    *out = images;
    if (!images) return assay_err_set(err, ASSAY_ERR_MEMORY, "no memory for images");
    *images =
        (struct assay_images){.config = config, .sharing = sharing, .program = program_bytes()};
    ASSAY_TRY(assay_data_stand_in(&images->data, assay_config_data(config), err));
    weigh(images);
    return 0;
}

// ---- what is open -------------------------------------------------------------------------------
const struct assay_data *assay_images_data(const struct assay_images *images)
{
    return images->data;
}

struct assay_held assay_images_held(const struct assay_images *images, bool keeps)
{
    return (struct assay_held){.program = images->program,
                               .images = images->share,
                               .drawing = images->drawing,
                               .keeps = keeps};
}

uint64_t assay_held_drawing(const struct assay_held *held)
{
    return held->program + held->images + held->drawing;
}

uint64_t assay_held_evaluating(const struct assay_held *held)
{
    return held->program + (held->keeps ? held->images + held->drawing : 0);
}

void assay_images_close(struct assay_images *images)
{
    if (!images) return;
    assay_data_close(images->data);
    assay_shared_free(images->shared);
    free(images->own);
    assay_comm_free(images->host);
    free(images);
}
