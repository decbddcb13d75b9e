/* chain.h - what the tests of persistd share: a chain of blocks, as executord tells of them.
 *
 * Blocks are packed by protobuf-c from the .proto files, so the codecs are tested against another writer.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "common/base/span.h"
#include "common/base/tx.h"
#include "services/persistd/outcome_codec.h"

#define CHAIN_CREATED_MS UINT64_C(1700000000000)

enum { CHAIN_VALIDATORS = 4, CHAIN_OFFENDER = 2, CHAIN_BLOCKS_MAX = 256 };

struct chain_event {
    enum tx_kind kind;
    const char *id;       /* validator evidence has none: it is against chain_validator(CHAIN_OFFENDER) */
    const char *status;   /* NULL: "reported", "accepted"; policies have none */
    size_t content_bytes; /* of the payload; 0: 2 */
};

struct chain {
    struct hash chain_id;
    uint64_t height_next;
    struct hash parent_id;
    unsigned nonce;
    struct span blocks[CHAIN_BLOCKS_MAX]; /* packed Outcome messages by height */
    struct hash ids[CHAIN_BLOCKS_MAX];
};

/* Room for what else a block changes. */
struct chain_change {
    const char *key;
    struct span value;
    bool deleted;
};

/* A chain that has its genesis block: validators, and a producer with all roles. */
void chain_begin(struct chain *self);
void chain_begin_with(struct chain *self, const struct hash *chain_id);
void chain_end(struct chain *self);

/* Add a block. */
void chain_add(struct chain *self, const struct chain_event *events, size_t count);
void chain_add_changes(struct chain *self, const struct chain_event *events, size_t count,
                       const struct chain_change *changes, size_t change_count);
/* `count` anomalies with ids "<prefix>-<i>". */
void chain_add_anomalies(struct chain *self, const char *prefix, size_t count);

/* A frame with these blocks; the caller frees its data. */
struct span chain_frame(const struct chain *self, uint64_t height_first, size_t count);

/* The same, decoded. */
struct chain_run {
    struct span bytes;
    struct outcome_codec_frame frame;
    const struct outcome *outcomes[CHAIN_BLOCKS_MAX];
    size_t count;
};
struct chain_run chain_run(const struct chain *self, uint64_t height_first, size_t count);
void chain_run_end(struct chain_run *run);

/* The key of the one producer; the id of a validator. */
struct sign_public chain_producer(void);
struct hash chain_validator(unsigned index);
