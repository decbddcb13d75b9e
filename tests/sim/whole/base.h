/* base.h - what a validator's database holds of its blocks, for those who read it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/block.h"
#include "common/base/hash.h"
#include "common/base/sign.h"
#include "common/base/tx.h"

struct base;

struct base_tx {
    struct hash id;
    enum tx_kind kind;
    char event_id[TX_ID_BYTES_MAX + 1];
    struct sign_public producer;
    int64_t ts;
    uint8_t *receipt;
    size_t receipt_size;
};

struct base_block {
    struct hash id;
    uint8_t header[BLOCK_HEADER_BYTES];
    uint8_t *proof;
    size_t proof_size;
    uint32_t counts[TX_KIND_COUNT];
    uint64_t size_bytes;
    struct base_tx *txs;
    uint32_t tx_count;
};

/* The running process's database; NULL: it does not answer. */
struct base *base_reached(void);
/* NULL: no such height. */
const struct base_block *base_block_at(const struct base *base, uint64_t height);
/* Its block, and its place there; NULL: no such transaction. */
const struct base_block *base_block_of(const struct base *base, const struct hash *tx_id, uint32_t *index);
