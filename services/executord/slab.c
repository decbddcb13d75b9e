/* slab.c - memory of the state.
 *
 * One free list per size class; what no free list has is cut from the current chunk. The rest of a chunk that is too
 * small for the next piece is left (less than one piece per chunk). Chunks are returned only at the end: a state that
 * shrank will grow again.
 */
#include "services/executord/slab.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
    SMALL_CLASSES = SLAB_SMALL_BYTES_MAX / SLAB_STEP_BYTES,
    LARGE_CLASSES = 9, /* 1 KiB .. 256 KiB */
    CLASS_COUNT = SMALL_CLASSES + LARGE_CLASSES,
};

static_assert((SLAB_SMALL_BYTES_MAX << LARGE_CLASSES) == SLAB_PIECE_BYTES_MAX, "the last class is the largest piece");

struct piece {
    struct piece *next;
};

struct chunk {
    struct chunk *next;
    uint8_t *data; /* the first aligned byte of memory */
    uint8_t memory[];
};

struct slab {
    struct chunk *chunks; /* the first is the one being cut */
    size_t cut_bytes;     /* of it */
    size_t chunk_bytes;
    uint64_t bytes_max;
    uint64_t total_bytes;
    uint64_t used_bytes;
    struct piece *free[CLASS_COUNT];
};

int slab_new(struct slab **out, const struct slab_options *options)
{
    size_t chunk_bytes = options->chunk_bytes ? options->chunk_bytes : SLAB_CHUNK_BYTES_DEFAULT;
    if (chunk_bytes < SLAB_PIECE_BYTES_MAX || options->bytes_max < chunk_bytes)
        return -EINVAL;
    struct slab *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->chunk_bytes = chunk_bytes;
    self->bytes_max = options->bytes_max;
    *out = self;
    return 0;
}

void slab_destroy(struct slab **self)
{
    if (!self || !*self)
        return;
    struct chunk *chunk = (*self)->chunks;
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(*self);
    *self = NULL;
}

static size_t class_of(size_t size)
{
    if (size <= SLAB_SMALL_BYTES_MAX)
        return (size - 1) / SLAB_STEP_BYTES;
    size_t index = SMALL_CLASSES;
    for (size_t bytes = 2 * SLAB_SMALL_BYTES_MAX; bytes < size; bytes *= 2)
        index++;
    return index;
}

static size_t class_bytes(size_t index)
{
    return index < SMALL_CLASSES ? (index + 1) * SLAB_STEP_BYTES
                                 : (size_t)SLAB_SMALL_BYTES_MAX << (index - SMALL_CLASSES + 1);
}

static int chunk_add(struct slab *self)
{
    if (self->total_bytes + self->chunk_bytes > self->bytes_max)
        return -ENOMEM;
    struct chunk *chunk = malloc(sizeof *chunk + self->chunk_bytes + SLAB_STEP_BYTES);
    if (!chunk)
        return -ENOMEM;
    chunk->data = chunk->memory + SLAB_STEP_BYTES - (uintptr_t)chunk->memory % SLAB_STEP_BYTES;
    chunk->next = self->chunks;
    self->chunks = chunk;
    self->cut_bytes = 0;
    self->total_bytes += self->chunk_bytes;
    return 0;
}

void *slab_alloc(struct slab *self, size_t size)
{
    assert(size > 0 && size <= SLAB_PIECE_BYTES_MAX);
    size_t index = class_of(size);
    size_t bytes = class_bytes(index);
    struct piece *piece = self->free[index];
    if (piece) {
        self->free[index] = piece->next;
        self->used_bytes += bytes;
        return piece;
    }
    if (!self->chunks || self->chunk_bytes - self->cut_bytes < bytes) {
        if (chunk_add(self) < 0)
            return NULL;
    }
    void *cut = self->chunks->data + self->cut_bytes;
    self->cut_bytes += bytes;
    self->used_bytes += bytes;
    return cut;
}

void slab_free(struct slab *self, void *piece, size_t size)
{
    if (!piece)
        return;
    size_t index = class_of(size);
    struct piece *head = piece;
    head->next = self->free[index];
    self->free[index] = head;
    assert(self->used_bytes >= class_bytes(index));
    self->used_bytes -= class_bytes(index);
}

uint64_t slab_used_bytes(const struct slab *self)
{
    return self->used_bytes;
}

uint64_t slab_chunk_bytes(const struct slab *self)
{
    return self->total_bytes;
}
