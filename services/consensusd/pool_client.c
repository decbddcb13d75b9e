/* pool_client.c - the pool arrow: candidates, bodies of proposed blocks, fates of transactions. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/tx.h"
#include "services/consensusd/stages_state.h"

static void pool_frame(pool_pb *frame)
{
    cybermesh__pool__v1__pool_frame__init(frame);
    frame->version = STAGES_FRAME_VERSION;
}

void pool_client_take(struct consensusd *self, const struct job *job)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__TakeBatch take;
    cybermesh__pool__v1__take_batch__init(&take);
    bool recheck = job->kind == JOB_RECHECK;
    size_t excluded = recheck ? 0 : job->build.excluded_count;
    ProtobufCBinaryData *list = stages_loan_hashes(job->excluded, excluded);
    if (!list)
        return;
    take.request = job->request;
    take.tx_count_max = recheck ? RECHECK_TXS : (uint32_t)self->genesis->parameters.block_max_txs;
    take.tx_bytes_max = self->genesis->parameters.block_max_bytes;
    take.oldest = recheck;
    take.n_excluded_block_ids = excluded;
    take.excluded_block_ids = list;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_TAKE_BATCH;
    frame.take_batch = &take;
    stages_send(self->pool, &frame.base);
    free(list);
}

void pool_client_resolve(struct consensusd *self, const struct block_header *header, const struct hash *block_id,
                         const struct hash *tx_ids, uint64_t request)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Resolve resolve;
    cybermesh__pool__v1__resolve__init(&resolve);
    ProtobufCBinaryData *list = stages_loan_hashes(tx_ids, header->tx_count);
    if (!list)
        return;
    int proposer = genesis_validator_index(self->genesis, &header->proposer);
    resolve.request = request;
    resolve.block_id = LOAN(block_id->bytes, HASH_BYTES);
    resolve.n_tx_ids = header->tx_count;
    resolve.tx_ids = list;
    resolve.proposer = proposer < 0 ? 0 : (uint32_t)proposer;
    resolve.own_block = request == 0;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVE;
    frame.resolve = &resolve;
    stages_send(self->pool, &frame.base);
    free(list);
}

void pool_client_finalized(struct consensusd *self, const struct consensus_commit *commit)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Finalized finalized;
    cybermesh__pool__v1__finalized__init(&finalized);
    ProtobufCBinaryData *list = stages_loan_hashes(commit->tx_ids, commit->header.tx_count);
    if (!list)
        return;
    finalized.height = commit->header.height;
    finalized.block_id = LOAN(commit->block_id.bytes, HASH_BYTES);
    finalized.n_tx_ids = commit->header.tx_count;
    finalized.tx_ids = list;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_FINALIZED;
    frame.finalized = &finalized;
    stages_send(self->pool, &frame.base);
    free(list);
}

void pool_client_watch(struct consensusd *self)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Watch watch;
    cybermesh__pool__v1__watch__init(&watch);
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_WATCH;
    frame.watch = &watch;
    stages_send(self->pool, &frame.base);
}

void pool_client_evidence(struct consensusd *self, const struct span *bodies, size_t count)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Evidence evidence;
    cybermesh__pool__v1__evidence__init(&evidence);
    ProtobufCBinaryData *list = stages_loan_spans(bodies, count);
    if (!list)
        return;
    evidence.n_bodies = count;
    evidence.bodies = list;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_EVIDENCE;
    frame.evidence = &evidence;
    stages_send(self->pool, &frame.base);
    free(list);
}

void pool_client_peers(struct consensusd *self)
{
    Cybermesh__Pool__V1__Peer items[GENESIS_VALIDATORS_MAX];
    Cybermesh__Pool__V1__Peer *list[GENESIS_VALIDATORS_MAX];
    Cybermesh__Pool__V1__Peers peers;
    cybermesh__pool__v1__peers__init(&peers);
    for (uint32_t i = 0; i < self->genesis->validator_count; i++) {
        const struct peerbook_peer *known = peerbook_peer(self->book, i);
        if (i == self->self || !known->held || known->record.endpoints.gossip[0] == '\0')
            continue;
        Cybermesh__Pool__V1__Peer *item = &items[peers.n_peers];
        cybermesh__pool__v1__peer__init(item);
        item->validator = i;
        item->gossip = (char *)(uintptr_t)known->record.endpoints.gossip;
        list[peers.n_peers++] = item;
    }
    if (peers.n_peers == 0)
        return;
    pool_pb frame;
    pool_frame(&frame);
    peers.peers = list;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_PEERS;
    frame.peers = &peers;
    stages_send(self->pool, &frame.base);
}

/* What the committed state refuses leaves the pool, with its reason. What only blocks refuse that are not committed yet
 * stays: when they are, it is refused again; when they are abandoned, it may be executed. */
void pool_client_dropped(struct consensusd *self, const struct job *job,
                         Cybermesh__Execution__V1__RefusedTx *const *refused, size_t count)
{
    if (count == 0)
        return;
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Dropped dropped;
    cybermesh__pool__v1__dropped__init(&dropped);
    Cybermesh__Pool__V1__DroppedTx *items = calloc(count, sizeof *items);
    Cybermesh__Pool__V1__DroppedTx **list = calloc(count, sizeof *list);
    size_t used = 0;
    for (size_t i = 0; items && list && i < count; i++) {
        if (refused[i]->index >= job->body_count || !refused[i]->settled)
            continue;
        cybermesh__pool__v1__dropped_tx__init(&items[used]);
        items[used].tx_id = LOAN(job->tx_ids[refused[i]->index].bytes, HASH_BYTES);
        items[used].reason = refused[i]->reason;
        list[used] = &items[used];
        used++;
    }
    dropped.n_txs = used;
    dropped.txs = list;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_DROPPED;
    frame.dropped = &dropped;
    if (used > 0)
        stages_send(self->pool, &frame.base);
    free(items);
    free(list);
}

static int job_take_bodies(struct job *job, pool_pb *frame, const ProtobufCBinaryData *list, size_t count)
{
    job->bodies = calloc(count + 1, sizeof job->bodies[0]);
    job->tx_ids = calloc(count + 1, sizeof job->tx_ids[0]);
    if (!job->bodies || !job->tx_ids)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        job->bodies[i] = span_of(list[i].data, list[i].len);
        job->tx_ids[i] = tx_id(job->bodies[i]);
    }
    job->body_count = count;
    job->message = frame;
    return 0;
}

/* Returns true when the frame was kept. */
static bool on_batch(struct consensusd *self, pool_pb *frame)
{
    const Cybermesh__Pool__V1__Batch *batch = frame->batch;
    struct job *job = stages_job_by_request(self, JOB_BUILD, batch->request);
    if (!job)
        job = stages_job_by_request(self, JOB_RECHECK, batch->request);
    if (!job || job->stage != JOB_POOL || batch->n_bodies > self->genesis->parameters.block_max_txs)
        return false;
    if (job->kind == JOB_RECHECK && batch->n_bodies == 0) {
        struct hash parent_id = job->parent_id;
        stages_job_end(job);
        stages_rechecked(self, &parent_id, 0);
        return false;
    }
    if (job_take_bodies(job, frame, batch->bodies, batch->n_bodies) < 0) {
        stages_job_end(job);
        return false;
    }
    stages_job_move(job, JOB_EXECUTE);
    stages_job_ask(self, job);
    return true;
}

static void on_resolved(struct consensusd *self, const Cybermesh__Pool__V1__Resolved *resolved)
{
    struct job *job = stages_job_by_request(self, JOB_CHECK, resolved->request);
    if (!job || job->stage != JOB_POOL || resolved->n_bodies != job->header.tx_count)
        return;
    struct span *bodies = calloc(resolved->n_bodies + 1, sizeof *bodies);
    if (!bodies)
        return;
    for (size_t i = 0; i < resolved->n_bodies; i++)
        bodies[i] = span_of(resolved->bodies[i].data, resolved->bodies[i].len);
    int rc = block_cache_put(self->cache, &job->block_id, job->header.height, bodies, resolved->n_bodies);
    free(bodies);
    if (rc < 0) {
        log_warn("cache.full", "height=%llu", (unsigned long long)job->header.height);
        return;
    }
    stages_job_move(job, JOB_EXECUTE);
    stages_job_ask(self, job);
}

void pool_client_on_message(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    pool_pb *frame = cybermesh__pool__v1__pool_frame__unpack(NULL, message->payload.size, message->payload.data);
    if (!frame || frame->version != STAGES_FRAME_VERSION) {
        consensusd_bad_frame(self, "pool", "mempoold", frame ? ERR_VERSION : ERR_MALFORMED);
        if (frame)
            cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
        return;
    }
    self->pool_heard_ms = loop_now_ms();
    bool kept = false;
    if (self->core && frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_PENDING) {
        struct consensus_event event = {.type = CONSENSUS_POOL};
        event.u.pool.tx_count = frame->pending->tx_count;
        event.u.pool.oldest_age_ms = frame->pending->oldest_age_ms;
        consensusd_step(self, &event);
    } else if (self->core && frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_BATCH) {
        kept = on_batch(self, frame);
    } else if (self->core && frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVED) {
        on_resolved(self, frame->resolved);
    }
    if (!kept)
        cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
}

/* --- answers of executord ----------------------------------------------------------------------------------------- */
