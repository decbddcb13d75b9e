/* slab.h - memory of the state: pieces of a few sizes cut from large chunks, reused after they are freed.
 *
 * The state is millions of small pieces that live as long as the versions which share them. They come from here, so
 * that a transaction costs no malloc and the whole state has one limit.
 *
 * Pure. Ownership: pieces are the caller's until slab_free(); slab_destroy() frees the chunks whether or not their
 * pieces were freed. Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

enum {
    SLAB_STEP_BYTES = 64,              /* a cache line: a tree node is one, and is never split over two */
    SLAB_SMALL_BYTES_MAX = 512,        /* up to here sizes rise by SLAB_STEP_BYTES, above by doubling */
    SLAB_PIECE_BYTES_MAX = 256 * 1024, /* the largest piece */
    SLAB_CHUNK_BYTES_DEFAULT = 1024 * 1024,
};

struct slab; /* opaque */

struct slab_options {
    uint64_t bytes_max;   /* of all chunks together */
    uint32_t chunk_bytes; /* at least SLAB_PIECE_BYTES_MAX; 0: SLAB_CHUNK_BYTES_DEFAULT */
};

/* On success *out belongs to the caller. Returns 0, -EINVAL or -ENOMEM. */
MUST_USE int slab_new(struct slab **out, const struct slab_options *options);
void slab_destroy(struct slab **self);

/* A piece of size bytes (1..SLAB_PIECE_BYTES_MAX), aligned to SLAB_STEP_BYTES. NULL when the limit is reached or memory
 * is out. */
void *slab_alloc(struct slab *self, size_t size);

/* Give a piece back; size is what it was asked with. NULL is ignored. */
void slab_free(struct slab *self, void *piece, size_t size);

/* Bytes of the pieces in use, and of all chunks. */
uint64_t slab_used_bytes(const struct slab *self);
uint64_t slab_chunk_bytes(const struct slab *self);
