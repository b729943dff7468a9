// SPDX-License-Identifier: Apache-2.0
// What the files of room onnx share.
#ifndef ASSAY_SRC_ONNX_INSIDE_H
#define ASSAY_SRC_ONNX_INSIDE_H

#include "assay/onnx.h"
#include "wire.h"

struct parse {
    struct assay_onnx *m;
    struct assay_err *err;
};

// Sets an error, which gets the file's name in front later, and returns its code.
int onnx_bad(const struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// What is wrong with bytes that are no message.
int onnx_damaged(const struct parse *p, const char *what);
// Makes room for one more in a list that may have at most `most`.
int onnx_room(const struct parse *p, void **list, uint32_t n, uint32_t *cap, size_t size,
              const char *what);
// Appends a zeroed element to a list of the model and makes `out` point to it.
#define ONNX_APPEND(p, list, out)                                                                  \
    do {                                                                                           \
        void *list_ = (p)->m->list;                                                                \
        const int room_ = onnx_room((p), &list_, (p)->m->n_##list, &(p)->m->cap_##list,            \
                                    sizeof *(p)->m->list, #list);                                  \
        (p)->m->list = list_;                                                                      \
        if (room_ < 0) return room_;                                                               \
        (out) = &(p)->m->list[(p)->m->n_##list++];                                                 \
        memset((out), 0, sizeof *(out));                                                           \
    } while (0)
// Takes a field of bytes as a text that may be shown: of at most 4096 bytes, none of them zero.
int onnx_text(const struct parse *p, const struct wire_field *f, struct assay_onnx_text *out);

// Read the messages of a tensor and of the whole model.
int onnx_tensor(const struct parse *p, struct wire w, struct assay_onnx_tensor *t);
int onnx_model(const struct parse *p, struct wire w);

#endif
