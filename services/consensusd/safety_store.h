/* safety_store.h - what consensusd must not forget: the voting state, the blocks it voted for, the committed blocks,
 * proofs of equivocation that no block has yet.
 *
 * The voting state and the block voted for are on disk before the vote leaves: in one synced write of the journal,
 * which the store follows with its next write, or in the store itself. A commit needs no sync of its own: if it is
 * lost, the certificates that it followed from arrive again; so it waits for the next write of either.
 *
 * Not pure: files. Ownership: see each function. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/cert.h"
#include "common/base/sign.h"
#include "common/base/voting.h"
#include "services/consensusd/consensus.h"
#include "services/consensusd/genesis_certificate.h"

struct safety_store; /* opaque */

struct safety_store_options {
    const char *path;
    uint64_t map_bytes_max;
    struct hash chain_id;
    struct sign_public key; /* whose votes these are */
    const char *mark_path;  /* see common/edge/voted_mark.h; NULL: none */
    uint64_t floor_view;    /* > 0: the operator says that the voting state was lost; see silence.c */
};

/* Begin to use the store. Returns 0; ERR_CONFIG (the store of another validator's key or of another genesis, or older
 * than the mark); ERR_CORRUPT; the errors of store_open() and voted_mark_open(); -ENOMEM. A refusal is logged as
 * `safety.refused` with the file and what to do. */
MUST_USE int safety_store_open(struct safety_store **out, const struct safety_store_options *options);
void safety_store_close(struct safety_store **self);

/* The voting state as it is on disk, or NULL: this key never voted. Valid until the next write. */
const struct consensus_voting *safety_store_voting(const struct safety_store *self);
/* 0, or the view of safety_store_options.floor_view, of this start or an earlier one. */
uint64_t safety_store_floor_view(const struct safety_store *self);

/* The genesis header: read (ERR_NOT_FOUND when it is not there yet), and written once. */
MUST_USE int safety_store_genesis(struct safety_store *self, struct block_header *out);
MUST_USE int safety_store_set_genesis(struct safety_store *self, const struct block_header *header);

/* The certificate of the genesis ceremony (genesis_certificate.h), encoded: read (ERR_NOT_FOUND when it is not there
 * yet, ERR_CORRUPT when it is too large), and written, synced. */
MUST_USE int safety_store_certificate(struct safety_store *self, uint8_t out[static GENESIS_CERTIFICATE_BYTES_MAX],
                                      size_t *size);
MUST_USE int safety_store_set_certificate(struct safety_store *self, struct span certificate);

/* A block with its bodies, from the store: one allocation each, ended with safety_store_block_deinit(). */
struct safety_store_block {
    struct block_header header;
    struct hash id;
    struct qc qc; /* committed: its own, or none (signature_count 0); open: its parent's */
    struct span *bodies;
    size_t body_count;
    struct block_header *proof_headers; /* committed */
    size_t proof_header_count;
    struct qc proof_qc;
    struct schedule schedule; /* committed: of its children */
    uint8_t *memory_[2];
};
void safety_store_block_deinit(struct safety_store_block *block);

/* Write the voting state, and the block voted for with its parent's certificate, and what was queued. Synced, in the
 * journal or the store. */
struct safety_store_vote {
    const struct consensus_voting *voting;
    const struct block_header *header; /* NULL: no block */
    const struct hash *id;
    const struct qc *justify;
    const struct span *bodies; /* NULL: they are stored already */
    size_t body_count;
};
MUST_USE int safety_store_vote(struct safety_store *self, const struct safety_store_vote *vote);

/* Queue a committed block for the next write of journal or store; its bodies come along unless they are stored. Returns
 * 0 or -ENOMEM. */
MUST_USE int safety_store_commit(struct safety_store *self, const struct consensus_commit *commit,
                                 const struct span *bodies, size_t body_count);
/* Queue the removal of an abandoned block that was voted for. */
MUST_USE int safety_store_forget(struct safety_store *self, const struct hash *id, uint64_t height);
/* Write what is queued into the store, also what the journal has already. */
MUST_USE int safety_store_flush(struct safety_store *self);

/* Keep the proof against this validator, in place of an earlier one; synced. */
MUST_USE int safety_store_put_evidence(struct safety_store *self, const struct hash *offender, struct span body);
/* Queue its removal; without one nothing happens. */
MUST_USE int safety_store_drop_evidence(struct safety_store *self, const struct hash *offender);
/* Show each proof; the body ends with the call, and the visitor may not use the store. Stops at its first result other
 * than 0 and returns that. */
typedef int safety_store_evidence_fn(void *context, struct span body);
MUST_USE int safety_store_each_evidence(struct safety_store *self, safety_store_evidence_fn *visit, void *context);

/* Height of the last committed block that is written; 0: none above genesis. */
uint64_t safety_store_height(const struct safety_store *self);
/* Height of the lowest committed block that is here; 0: none. */
uint64_t safety_store_height_first(const struct safety_store *self);

/* Queue the removal of committed blocks below this height, lowest first, at most count_max (below 4096); the last block
 * always stays. Returns 0, ERR_CORRUPT, -ENOMEM or, if something was queued, the errors of safety_store_flush(). */
MUST_USE int safety_store_prune(struct safety_store *self, uint64_t height, size_t count_max);

/* A committed block. Returns 0, ERR_NOT_FOUND, ERR_CORRUPT or -ENOMEM. */
MUST_USE int safety_store_read(struct safety_store *self, uint64_t height, struct safety_store_block *out);

/* Show the blocks that were voted for and are not committed, by rising height; the visitor's block ends with the call.
 */
typedef int safety_store_visit_fn(void *context, const struct safety_store_block *block);
MUST_USE int safety_store_each_open(struct safety_store *self, safety_store_visit_fn *visit, void *context);

uint64_t safety_store_bytes(const struct safety_store *self);
