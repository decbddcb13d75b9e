/* stages_state.h - what the files share that speak with mempoold and executord: jobs, and frames of both arrows.
 *
 * Private to peering.c, stages.c, pool_client.c, execution_client.c, handover.c and proofs.c.
 */
#pragma once

#include "proto/execution.pb-c.h"
#include "proto/pool.pb-c.h"
#include "services/consensusd/consensusd_state.h"

enum { STAGES_FRAME_VERSION = 1 };

/* Short names of generated types. */
typedef Cybermesh__Pool__V1__PoolFrame pool_pb;
typedef Cybermesh__Execution__V1__ExecutionFrame execution_pb;

#define LOAN(pointer, length) ((ProtobufCBinaryData){.len = (length), .data = (uint8_t *)(uintptr_t)(pointer)})

/* stages.c */
void stages_send(struct bus_socket *socket, const ProtobufCMessage *message);
/* Lists of loans, freed by the caller; NULL when there is no memory. */
ProtobufCBinaryData *stages_loan_spans(const struct span *spans, size_t count);
ProtobufCBinaryData *stages_loan_hashes(const struct hash *hashes, size_t count);
void stages_job_end(struct job *job);
/* The next question gets a number of its own. */
void stages_job_move(struct job *job, enum job_stage stage);
struct job *stages_job_by_request(struct consensusd *self, enum job_kind kind, uint64_t request);
void stages_end_jobs(struct consensusd *self, enum job_kind kind);
/* Ask the question that the job's stage is about. */
void stages_job_ask(struct consensusd *self, struct job *job);
void stages_build_failed(struct consensusd *self, uint64_t view);
void stages_rechecked(struct consensusd *self, const struct hash *parent_id, uint32_t live_count);

/* pool_client.c */
void pool_client_take(struct consensusd *self, const struct job *job);
void pool_client_resolve(struct consensusd *self, const struct block_header *header, const struct hash *block_id,
                         const struct hash *tx_ids, uint64_t request);
void pool_client_finalized(struct consensusd *self, const struct consensus_commit *commit);
void pool_client_watch(struct consensusd *self);
/* Proofs of equivocation that no committed block has. */
void pool_client_evidence(struct consensusd *self, const struct span *bodies, size_t count);
/* Where other validators' mempoold are. */
void pool_client_peers(struct consensusd *self);
/* What execution refused leaves the pool, with its reason. */
void pool_client_dropped(struct consensusd *self, const struct job *job,
                         Cybermesh__Execution__V1__RefusedTx *const *refused, size_t count);
void pool_client_on_message(void *context, struct bus_message *message);

/* execution_client.c */
void execution_client_build(struct consensusd *self, const struct job *job);
void execution_client_check(struct consensusd *self, const struct job *job);
void execution_client_recheck(struct consensusd *self, const struct job *job);
/* count 0: executord has executed the block, or there are none. */
struct execution_client_bodies {
    const struct span *items;
    size_t count;
};
/* This block, with those held before it. */
void execution_client_commit(struct consensusd *self, const struct handover_block *block,
                             struct execution_client_bodies bodies);
void execution_client_height(struct consensusd *self);
void execution_client_on_message(void *context, struct bus_message *message);

/* handover.c */
/* executord says that it stands at this height. */
void handover_begin(struct consensusd *self, uint64_t height);
/* It has made more of what it was sent durable. */
void handover_continue(struct consensusd *self);
/* Every RESEND_MS: tell of the blocks that are held. */
void handover_tick(struct consensusd *self);
void handover_drop_held(struct consensusd *self);
