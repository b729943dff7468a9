// SPDX-License-Identifier: Apache-2.0
// data: input batches: image files, arrays, or Gaussian noise, as (n,c,h,w).
#ifndef ASSAY_DATA_H
#define ASSAY_DATA_H

#include "assay/base.h"

struct assay_data_spec {
    char source[32];           // name of a struct assay_data_source
    char path[ASSAY_TEXT_MAX]; // of its files
    char split[16];            // "train" or "test"
    bool augment;              // random crop (zero padding image / 8: 4 at 32) and horizontal flip
    bool normalise;   // per channel, (x - mean) / std of the source; values must be from 0 to 1:
                      // a warning follows otherwise, and an error above 16
    uint32_t image;   // height and width of images drawn
    uint32_t classes; // of generated labels
};
extern const struct assay_options assay_data_options; // [data]; image and classes are no keys

struct assay_data; // read-only after open, owned by the caller

// ---- sources ------------------------------------------------------------------------------------
// Where images come from: a descriptor, which brings all that is known of them.
#define ASSAY_DATA_CHANNELS 3 // of an image
struct assay_data_source {
    const char *name, *help; // help: what they are, and what data.path says
    bool generated;          // noise, which needs no path and is neither augmented nor normalised
    uint32_t classes;        // how many outputs a network has at least
    double mean[ASSAY_DATA_CHANNELS], std[ASSAY_DATA_CHANNELS]; // of channels, of values 0 to 255

    // What follows is for sources that are not generated. The data set's own name, and how many
    // images its split has; NULL: any data set may be meant.
    const char *title;
    uint64_t (*whole)(const struct assay_data_spec *spec);
    const char *labelled; // "hdf5 with labels": what of it has labels of its own; NULL: nothing
    const char *path;     // what data.path must be
    const char *absent;   // what is said when that is not there: "no such file; expected ..."
    // Finds the file or directory in the path; false: there is none in it. NULL: the path is the
    // file.
    bool (*place)(const struct assay_data_spec *spec, char file[ASSAY_TEXT_MAX]);
    // Refuses what can be refused before any file is there; NULL: nothing.
    int (*check)(const struct assay_data_spec *spec, struct assay_err *err);
    // Fills a zeroed data, whose spec is set; the room it made before an error stays in it.
    int (*load)(struct assay_data *data, struct assay_err *err);
};
extern const struct assay_data_source *const assay_data_sources[]; // ends with NULL
// The source of that name; NULL, with an error that lists the known ones, for any other name.
const struct assay_data_source *assay_data_source(const char *name, struct assay_err *err);
// The sources whose images have labels of their own, for errors: "cifar10, cifar100, or hdf5 with
// labels".
#define ASSAY_DATA_LABELLED 256 // bytes it takes at most
void assay_data_labelled_sources(char *text, size_t cap);

// ---- images -------------------------------------------------------------------------------------
// Reads and checks the whole source. Every defect (missing or truncated file, label out of range,
// wrong shape or type, values that are not stored) is an error naming the file, what was seen and
// what was expected.
int assay_data_open(struct assay_data **out, const struct assay_data_spec *spec,
                    struct assay_err *err);
// Images and labels lie in one block of memory, and what opens them may say where. take gives room
// for that many bytes, aligned to 64, which stays its own and outlives the data. It is called once,
// when the size is known and before the first image is read, and never for generated images.
struct assay_data_memory {
    void *self;
    int (*take)(void *self, size_t bytes, void **block, struct assay_err *err);
};
int assay_data_open_in(struct assay_data **out, const struct assay_data_spec *spec,
                       const struct assay_data_memory *memory, struct assay_err *err);
// Whether the spec names files that are not there, which assay_data_open refuses. Where only sizes
// and times matter there is a stand-in: generated images and labels, which count as having the
// bytes of the whole split (none where the files' size is unknown), with a warning that says so.
bool assay_data_absent(const struct assay_data_spec *spec);
int assay_data_stand_in(struct assay_data **out, const struct assay_data_spec *spec,
                        struct assay_err *err);
// Opens the images of a block that was filled by the same spec, here or by another process.
int assay_data_attach(struct assay_data **out, const struct assay_data_spec *spec,
                      const void *block, struct assay_err *err);
void assay_data_close(struct assay_data *data);
// Bytes of the block, and of what opening it or drawing a batch took beside; 0 for generated
// images.
size_t assay_data_bytes(const struct assay_data *data);
size_t assay_data_draw_bytes(const struct assay_data *data);
uint64_t assay_data_count(const struct assay_data *data); // images held; 0 for generated ones
bool assay_data_generated(const struct assay_data *data); // there are as many as are asked for
// How many places and channels patches of that height and width can be taken from; 0 for generated
// ones.
uint64_t assay_data_crops(const struct assay_data *data, uint32_t side);
// Channels of an image: 3.
uint32_t assay_data_channels(const struct assay_data *data);
// Whether the images have labels of their own; otherwise labels are drawn uniformly.
bool assay_data_labelled(const struct assay_data *data);
// An error if labels are not classes of the network, 0 to spec.classes - 1.
int assay_data_check_labels(const struct assay_data *data, struct assay_err *err);
// The images in words, such as "4000 of CIFAR-10's 50000 training images": a text that depends on
// the data alone, not on where they are.
#define ASSAY_DATA_WORDS 96 // bytes it takes at most
void assay_data_describe(const struct assay_data *data, char *text, size_t cap);
// What a user should see before trusting what comes of these images, such as the CIFAR files that
// are missing, as one line; "" for nothing. Known where they were read, not where attached.
#define ASSAY_DATA_WARNING 512
const char *assay_data_warning(const struct assay_data *data);
// A digest of all pixels and labels held, by which a run can tell that its data changed.
struct assay_hash assay_data_digest(const struct assay_data *data);

// Draws n different images at random, as float64 (n,c,image,image), and their labels (may be NULL;
// sources without labels give uniform ones, so ask assay_data_labelled first where true ones are
// meant). Errors: fewer images than n, labels that are not classes of the network. Noise is neither
// augmented nor normalised. What is drawn depends on (seed, repeat, name) alone; a smaller n gives
// the first images of a larger.
int assay_data_batch(const struct assay_data *data, uint64_t seed, uint64_t repeat,
                     const char *name, uint32_t n, double *x, uint32_t *label,
                     struct assay_err *err);
// Noise (n,c,image,image) in the shape of the images, every value N(0,1). role: a draw of its own.
void assay_data_noise(const struct assay_data *data, uint64_t seed, uint64_t repeat,
                      const char *name, const char *role, uint32_t n, double *x);
// Draws n patches (n,1,side,side): a random crop (TE-NAS: 3x3) of one random channel of a random
// normalised image, never augmented. Source: TE-NAS released code. The images are shuffled, and
// again once all have given a patch: those of 10 images are usually different as well, while n
// above assay_data_crops is bound to repeat some.
int assay_data_patches(const struct assay_data *data, uint64_t seed, uint64_t repeat,
                       const char *name, uint32_t side, uint32_t n, double *x,
                       struct assay_err *err);

// ---- arrays in HDF5 files ----------------------------------------------------------------------
// These are read for weights and batches from elsewhere.
#define ASSAY_ARRAY_DIMS 8
struct assay_array {
    char name[256]; // link name inside the group
    uint32_t ndim;
    uint64_t shape[ASSAY_ARRAY_DIMS], size;
    double *value; // row-major, owned by the list
    bool integer;  // what was stored: integers, or floating point
    char type[48]; // the same in words: "32-bit floating point"
};
struct assay_arrays {
    struct assay_array *item;
    size_t n;
};
// Reads one data set, or every data set of a group in order of names, named by "file.h5:/path", as
// float64. Errors name the file and the path: not HDF5, missing, empty, not numeric, wider than
// float64, a nested group, values that are not stored (never written, or in files that are gone).
int assay_arrays_read(struct assay_arrays *arrays, const char *where, struct assay_err *err);
void assay_arrays_free(struct assay_arrays *arrays);

#endif
