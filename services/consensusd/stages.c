/* stages.c - the questions to mempoold and executord.
 *
 * A job is one effect of the core under way: BUILD and RECHECK take bodies from the pool and have them executed, CHECK
 * resolves a block's bodies and has it executed. A question without an answer is asked again every RESEND_MS, because
 * either side may have restarted; an answer counts only for the question it names.
 *
 * executord is away, resuming or live. Whenever its epoch is new, it is told the committed blocks above its durable
 * height, with bodies, and then the core asks its checks again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/reason.h"
#include "common/base/tx.h"
#include "proto/execution.pb-c.h"
#include "proto/pool.pb-c.h"
#include "services/consensusd/consensusd_state.h"

enum { FRAME_VERSION = 1, QUEUE_COUNT_MAX = 1000, FRAME_BYTES_MAX = 64 << 20 };

/* Short names of generated types. */
typedef Cybermesh__Pool__V1__PoolFrame pool_pb;
typedef Cybermesh__Execution__V1__ExecutionFrame execution_pb;

#define LOAN(pointer, length) ((ProtobufCBinaryData){.len = (length), .data = (uint8_t *)(uintptr_t)(pointer)})

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void send_frame(struct bus_socket *socket, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *frame = malloc(size ? size : 1);
    if (!frame)
        return; /* asked again later */
    protobuf_c_message_pack(message, frame);
    int rc = bus_send_take(socket, NULL, &frame, size);
    if (rc < 0 && rc != -EAGAIN)
        log_error("frame.unsent", "bytes=%zu error=\"%s\"", size, err_text(rc));
    free(frame);
}

static void pool_frame(pool_pb *frame)
{
    cybermesh__pool__v1__pool_frame__init(frame);
    frame->version = FRAME_VERSION;
}

static void execution_frame(execution_pb *frame)
{
    cybermesh__execution__v1__execution_frame__init(frame);
    frame->version = FRAME_VERSION;
}

/* A list of loans; NULL when there is no memory. */
static ProtobufCBinaryData *loan_spans(const struct span *spans, size_t count)
{
    ProtobufCBinaryData *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = LOAN(spans[i].data, spans[i].size);
    return list;
}

static ProtobufCBinaryData *loan_hashes(const struct hash *hashes, size_t count)
{
    ProtobufCBinaryData *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = LOAN(hashes[i].bytes, HASH_BYTES);
    return list;
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static void job_end(struct job *job)
{
    free(job->tx_ids);
    free(job->excluded);
    free(job->bodies);
    if (job->message)
        cybermesh__pool__v1__pool_frame__free_unpacked(job->message, NULL);
    *job = (struct job){0};
}

static struct job *job_new(struct consensusd *self, enum job_kind kind)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        if (job->kind != JOB_NONE)
            continue;
        job->kind = kind;
        return job;
    }
    log_error("jobs.full", "count=%d", JOBS_MAX);
    return NULL;
}

/* The next question gets a number of its own. */
static void job_move(struct job *job, enum job_stage stage)
{
    job->stage = stage;
    job->asked_ms = 0;
}

/* Are the bodies of the block to be checked in the cache? Those of one without transactions always are. */
static bool bodies_at_hand(const struct consensusd *self, const struct job *job)
{
    const struct block_cache_entry *entry = block_cache_find(self->cache, &job->block_id);
    return (entry ? entry->body_count : 0) == job->header.tx_count;
}

static struct job *job_by_request(struct consensusd *self, enum job_kind kind, uint64_t request)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        if (job->kind == kind && job->request == request && job->asked_ms)
            return job;
    }
    return NULL;
}

static struct job *job_of_block(struct consensusd *self, const struct hash *block_id)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        if (job->kind == JOB_CHECK && hash_equal(&job->block_id, block_id))
            return job;
    }
    return NULL;
}

static void end_jobs(struct consensusd *self, enum job_kind kind)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (self->jobs[i].kind == kind)
            job_end(&self->jobs[i]);
    }
}

/* --- questions to mempoold ---------------------------------------------------------------------------------------- */

static void ask_take(struct consensusd *self, const struct job *job)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__TakeBatch take;
    cybermesh__pool__v1__take_batch__init(&take);
    bool recheck = job->kind == JOB_RECHECK;
    size_t excluded = recheck ? 0 : job->build.excluded_count;
    ProtobufCBinaryData *list = loan_hashes(job->excluded, excluded);
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
    send_frame(self->pool, &frame.base);
    free(list);
}

static void send_resolve(struct consensusd *self, const struct block_header *header, const struct hash *block_id,
                         const struct hash *tx_ids, uint64_t request)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Resolve resolve;
    cybermesh__pool__v1__resolve__init(&resolve);
    ProtobufCBinaryData *list = loan_hashes(tx_ids, header->tx_count);
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
    send_frame(self->pool, &frame.base);
    free(list);
}

static void send_finalized(struct consensusd *self, const struct consensus_commit *commit)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Finalized finalized;
    cybermesh__pool__v1__finalized__init(&finalized);
    ProtobufCBinaryData *list = loan_hashes(commit->tx_ids, commit->header.tx_count);
    if (!list)
        return;
    finalized.height = commit->header.height;
    finalized.block_id = LOAN(commit->block_id.bytes, HASH_BYTES);
    finalized.n_tx_ids = commit->header.tx_count;
    finalized.tx_ids = list;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_FINALIZED;
    frame.finalized = &finalized;
    send_frame(self->pool, &frame.base);
    free(list);
}

static void send_watch(struct consensusd *self)
{
    pool_pb frame;
    pool_frame(&frame);
    Cybermesh__Pool__V1__Watch watch;
    cybermesh__pool__v1__watch__init(&watch);
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_WATCH;
    frame.watch = &watch;
    send_frame(self->pool, &frame.base);
}

/* What execution refused leaves the pool, with its reason. */
static void send_dropped(struct consensusd *self, const struct job *job,
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
        if (refused[i]->index >= job->body_count)
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
        send_frame(self->pool, &frame.base);
    free(items);
    free(list);
}

/* --- questions to executord --------------------------------------------------------------------------------------- */

static void ask_build(struct consensusd *self, const struct job *job)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Build build;
    cybermesh__execution__v1__build__init(&build);
    ProtobufCBinaryData *list = loan_spans(job->bodies, job->body_count);
    if (!list)
        return;
    build.request = job->request;
    build.parent_id = LOAN(job->build.parent_id.bytes, HASH_BYTES);
    build.height = job->build.height;
    build.view = job->build.view;
    build.justify_view = job->build.justify_view;
    build.justify_signers = job->build.justify_signers;
    build.proposer = LOAN(self->genesis->validators[self->self].id.bytes, HASH_BYTES);
    build.timestamp_ms = job->build.timestamp_ms;
    build.n_bodies = job->body_count;
    build.bodies = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILD;
    frame.build = &build;
    send_frame(self->execution, &frame.base);
    free(list);
}

static void ask_check(struct consensusd *self, const struct job *job)
{
    const struct block_cache_entry *entry = block_cache_find(self->cache, &job->block_id);
    size_t count = entry ? entry->body_count : 0;
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Check check;
    cybermesh__execution__v1__check__init(&check);
    uint8_t header[BLOCK_HEADER_BYTES];
    block_header_encode(header, &job->header);
    ProtobufCBinaryData *list = loan_spans(entry ? entry->bodies : NULL, count);
    if (!list)
        return;
    check.request = job->request;
    check.header = LOAN(header, sizeof header);
    check.n_bodies = count;
    check.bodies = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_CHECK;
    frame.check = &check;
    send_frame(self->execution, &frame.base);
    free(list);
}

static void ask_recheck(struct consensusd *self, const struct job *job)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Recheck recheck;
    cybermesh__execution__v1__recheck__init(&recheck);
    ProtobufCBinaryData *list = loan_spans(job->bodies, job->body_count);
    if (!list)
        return;
    recheck.request = job->request;
    recheck.parent_id = LOAN(job->parent_id.bytes, HASH_BYTES);
    recheck.timestamp_ms = job->timestamp_ms;
    recheck.n_bodies = job->body_count;
    recheck.bodies = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_RECHECK;
    frame.recheck = &recheck;
    send_frame(self->execution, &frame.base);
    free(list);
}

/* The proof as protobuf; bodies NULL: executord has executed the block. */
static void send_commit(struct consensusd *self, const struct block_header *header, struct span proof,
                        const struct span *bodies, size_t body_count)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Commit commit;
    cybermesh__execution__v1__commit__init(&commit);
    uint8_t encoded[BLOCK_HEADER_BYTES];
    block_header_encode(encoded, header);
    ProtobufCBinaryData *list = loan_spans(bodies, body_count);
    if (!list)
        return;
    commit.header = LOAN(encoded, sizeof encoded);
    commit.proof = LOAN(proof.data, proof.size);
    commit.n_bodies = body_count;
    commit.bodies = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT;
    frame.commit = &commit;
    send_frame(self->execution, &frame.base);
    free(list);
}

static void ask_height(struct consensusd *self)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__HeightRequest request;
    cybermesh__execution__v1__height_request__init(&request);
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT_REQUEST;
    frame.height_request = &request;
    send_frame(self->execution, &frame.base);
}

/* --- a job's way -------------------------------------------------------------------------------------------------- */

/* Ask the question that the job's stage is about. Sent again it keeps its number, so that the answer to any of its
 * copies counts: else an answer that takes longer than RESEND_MS would never do. */
static void job_ask(struct consensusd *self, struct job *job)
{
    if (job->stage == JOB_EXECUTE && self->executor != EXECUTOR_LIVE) {
        job->asked_ms = 0;
        return;
    }
    if (job->stage == JOB_EXECUTE && job->kind == JOB_CHECK && !bodies_at_hand(self, job))
        job_move(job, JOB_POOL);
    if (job->asked_ms == 0) {
        job->request = ++self->request_last;
        job->asked_count = 0;
    }
    job->asked_ms = loop_now_ms();
    job->asked_count++;
    if (job->stage == JOB_POOL) {
        if (job->kind == JOB_CHECK)
            send_resolve(self, &job->header, &job->block_id, job->tx_ids, job->request);
        else
            ask_take(self, job);
        return;
    }
    switch (job->kind) {
    case JOB_BUILD:
        ask_build(self, job);
        break;
    case JOB_CHECK:
        ask_check(self, job);
        break;
    case JOB_RECHECK:
        ask_recheck(self, job);
        break;
    case JOB_NONE:
        break;
    }
}

static void build_failed(struct consensusd *self, uint64_t view)
{
    struct consensus_event event = {.type = CONSENSUS_BUILD_FAILED};
    event.u.built.view = view;
    consensusd_step(self, &event);
}

void stages_build(struct consensusd *self, const struct consensus_build *build)
{
    end_jobs(self, JOB_BUILD);
    struct job *job = self->executor == EXECUTOR_LIVE ? job_new(self, JOB_BUILD) : NULL;
    if (job && build->excluded_count > 0) {
        job->excluded = malloc(build->excluded_count * sizeof job->excluded[0]);
        if (!job->excluded)
            job_end(job), job = NULL;
    }
    if (!job) {
        build_failed(self, build->view);
        return;
    }
    if (build->excluded_count > 0)
        memcpy(job->excluded, build->excluded, build->excluded_count * sizeof job->excluded[0]);
    job->build = *build;
    job->build.excluded = NULL;
    job->stage = build->with_txs ? JOB_POOL : JOB_EXECUTE;
    job_ask(self, job);
}

void stages_check(struct consensusd *self, const struct consensus_check *check)
{
    struct job *job = job_of_block(self, &check->block_id);
    if (job)
        job_end(job);
    job = job_new(self, JOB_CHECK);
    if (!job)
        return;
    job->header = check->header;
    job->block_id = check->block_id;
    uint32_t count = check->header.tx_count;
    bool have = bodies_at_hand(self, job);
    if (count > 0) {
        job->tx_ids = malloc(count * sizeof job->tx_ids[0]);
        if (!job->tx_ids) {
            job_end(job);
            return;
        }
        memcpy(job->tx_ids, check->tx_ids, count * sizeof job->tx_ids[0]);
    }
    job->stage = have ? JOB_EXECUTE : JOB_POOL;
    /* The pool remembers the block's transactions by its id, so that they are not proposed again. */
    if (have && count > 0)
        send_resolve(self, &job->header, &job->block_id, job->tx_ids, 0);
    job_ask(self, job);
}

void stages_recheck(struct consensusd *self, const struct hash *parent_id, uint64_t timestamp_ms)
{
    end_jobs(self, JOB_RECHECK);
    struct job *job = job_new(self, JOB_RECHECK);
    if (!job)
        return;
    job->parent_id = *parent_id;
    job->timestamp_ms = timestamp_ms;
    job->stage = JOB_POOL;
    job_ask(self, job);
}

void stages_forget(struct consensusd *self, const struct hash *block_id)
{
    struct job *job = job_of_block(self, block_id);
    if (job)
        job_end(job);
    const struct block_cache_entry *entry = block_cache_find(self->cache, block_id);
    if (entry && entry->stored && safety_store_forget(self->store, block_id, entry->height) < 0)
        log_warn("store.kept", "id=%s", LOG_HASH(block_id));
    block_cache_remove(self->cache, block_id);
}

void stages_bodies_arrived(struct consensusd *self, const struct hash *block_id)
{
    struct job *job = job_of_block(self, block_id);
    if (!job || job->stage != JOB_POOL || !block_cache_find(self->cache, block_id))
        return;
    job_move(job, JOB_EXECUTE);
    job_ask(self, job);
}

/* --- commits ------------------------------------------------------------------------------------------------------ */

void stages_commit(struct consensusd *self, const struct consensus_commit *commit)
{
    struct block_cache_entry *entry = block_cache_find(self->cache, &commit->block_id);
    static const struct span none[1];
    const struct span *bodies = entry && entry->stored ? NULL : entry ? entry->bodies : none;
    size_t body_count = entry ? entry->body_count : 0;
    int rc = body_count == commit->header.tx_count ? safety_store_commit(self->store, commit, bodies, body_count)
                                                   : ERR_NOT_FOUND; /* it was executed, so its bodies were here */
    if (rc < 0) {
        consensusd_stop(self, rc, "store a committed block");
        return;
    }
    self->committed_height = commit->header.height;
    send_finalized(self, commit);
    if (self->executor != EXECUTOR_LIVE)
        return;
    uint8_t *proof = NULL;
    size_t size = 0;
    rc = consensus_codec_encode_proof(commit->proof_headers, commit->proof_header_count, commit->proof_qc, &proof,
                                      &size);
    if (rc < 0) {
        consensusd_stop(self, rc, "encode a commit proof");
        return;
    }
    send_commit(self, &commit->header, span_of(proof, size), NULL, 0);
    free(proof);
}

static void resume_send(struct consensusd *self, uint64_t height)
{
    struct safety_store_block block;
    int rc = safety_store_read(self->store, height, &block);
    if (rc < 0) {
        consensusd_stop(self, rc, "read a committed block");
        return;
    }
    uint8_t *proof = NULL;
    size_t size = 0;
    rc = consensus_codec_encode_proof(block.proof_headers, block.proof_header_count, &block.proof_qc, &proof, &size);
    if (rc == 0)
        send_commit(self, &block.header, span_of(proof, size), block.bodies, block.body_count);
    free(proof);
    safety_store_block_deinit(&block);
}

/* Committed blocks that executord does not have, a window at a time; then it is live. */
static void resume(struct consensusd *self)
{
    while (self->resume_sent < self->committed_height && self->resume_sent < self->executor_height + RESUME_WINDOW &&
           self->failure == 0)
        resume_send(self, ++self->resume_sent);
    if (self->executor_height < self->committed_height)
        return;
    self->executor = EXECUTOR_LIVE;
    log_info("executor.live", "height=%llu", (unsigned long long)self->executor_height);
    end_jobs(self, JOB_CHECK);
    end_jobs(self, JOB_BUILD);
    struct consensus_event event = {.type = CONSENSUS_EXECUTOR_RESET};
    consensusd_step(self, &event);
}

static void resume_begin(struct consensusd *self, uint64_t height)
{
    self->executor = EXECUTOR_RESUMING;
    self->executor_height = height;
    self->resume_sent = height;
    self->resume_ms = loop_now_ms();
    if (self->core)
        resume(self);
}

/* --- answers of mempoold ------------------------------------------------------------------------------------------ */

/* Keep the bodies of the answer: they are borrowed from the frame, which the job owns from now on. */
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

static void rechecked(struct consensusd *self, uint32_t live_count)
{
    struct consensus_event event = {.type = CONSENSUS_RECHECKED};
    event.u.rechecked.live_count = live_count;
    consensusd_step(self, &event);
}

/* Returns true when the frame was kept. */
static bool on_batch(struct consensusd *self, pool_pb *frame)
{
    const Cybermesh__Pool__V1__Batch *batch = frame->batch;
    struct job *job = job_by_request(self, JOB_BUILD, batch->request);
    if (!job)
        job = job_by_request(self, JOB_RECHECK, batch->request);
    if (!job || job->stage != JOB_POOL || batch->n_bodies > self->genesis->parameters.block_max_txs)
        return false;
    if (job->kind == JOB_RECHECK && batch->n_bodies == 0) {
        job_end(job);
        rechecked(self, 0);
        return false;
    }
    if (job_take_bodies(job, frame, batch->bodies, batch->n_bodies) < 0) {
        job_end(job);
        return false;
    }
    job_move(job, JOB_EXECUTE);
    job_ask(self, job);
    return true;
}

static void on_resolved(struct consensusd *self, const Cybermesh__Pool__V1__Resolved *resolved)
{
    struct job *job = job_by_request(self, JOB_CHECK, resolved->request);
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
    job_move(job, JOB_EXECUTE);
    job_ask(self, job);
}

static void on_pool(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    pool_pb *frame = cybermesh__pool__v1__pool_frame__unpack(NULL, message->payload.size, message->payload.data);
    if (!frame || frame->version != FRAME_VERSION) {
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

/* The bodies that were not refused are the block's. */
static int keep_built(struct consensusd *self, const struct job *job, const Cybermesh__Execution__V1__Built *built,
                      const struct block_header *header, struct hash **ids)
{
    struct span *bodies = calloc(job->body_count + 1, sizeof *bodies);
    *ids = calloc(job->body_count + 1, sizeof **ids);
    size_t count = 0, refused = 0;
    for (size_t i = 0; bodies && *ids && i < job->body_count; i++) {
        if (refused < built->n_refused && built->refused[refused]->index == i) {
            refused++;
            continue;
        }
        bodies[count] = job->bodies[i];
        (*ids)[count++] = job->tx_ids[i];
    }
    int rc = bodies && *ids ? 0 : -ENOMEM;
    struct hash id = block_id(header);
    if (rc == 0 && count != header->tx_count)
        rc = ERR_MALFORMED;
    if (rc == 0)
        rc = block_cache_put(self->cache, &id, header->height, bodies, count);
    free(bodies);
    return rc;
}

/* Who leads a block's children. Returns 0 (none told: count 0) or ERR_MALFORMED. */
static int take_leaders(const struct consensusd *self, struct schedule *out, const ProtobufCBinaryData *leaders)
{
    *out = (struct schedule){.count = 0};
    if (leaders->len > self->genesis->validator_count)
        return ERR_MALFORMED;
    uint64_t seen = 0;
    for (size_t i = 0; i < leaders->len; i++) {
        uint8_t index = leaders->data[i];
        if (index >= self->genesis->validator_count || seen >> index & 1)
            return ERR_MALFORMED;
        seen |= UINT64_C(1) << index;
        out->leaders[i] = index;
    }
    out->count = (uint32_t)leaders->len;
    return 0;
}

static void on_built(struct consensusd *self, const Cybermesh__Execution__V1__Built *built)
{
    struct job *job = job_by_request(self, JOB_BUILD, built->request);
    if (!job || job->stage != JOB_EXECUTE)
        return;
    send_dropped(self, job, built->refused, built->n_refused);
    uint64_t view = job->build.view;
    struct consensus_event event = {.type = CONSENSUS_BUILT};
    struct hash *ids = NULL;
    int rc = built->status == CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK
                 ? block_header_decode(&event.u.built.header, span_of(built->header.data, built->header.len))
                 : ERR_RETRY;
    rc = rc == 0 ? take_leaders(self, &event.u.built.schedule, &built->leaders) : rc;
    rc = rc == 0 ? keep_built(self, job, built, &event.u.built.header, &ids) : rc;
    job_end(job);
    if (rc < 0) {
        log_debug("build.failed", "view=%llu status=%d", (unsigned long long)view, (int)built->status);
        build_failed(self, view);
    } else {
        event.u.built.view = view;
        event.u.built.tx_ids = ids;
        consensusd_step(self, &event);
    }
    free(ids);
    if (built->status == CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT)
        self->executor_known = false;
}

enum verdict { VERDICT_NONE, VERDICT_OK, VERDICT_REFUSED };

/* Is it on the way to the highest certificate? */
static bool is_certified(const struct consensusd *self, const struct job *job)
{
    struct consensus_certified found;
    if (consensus_certified(self->core, job->header.height, &found, 1) == 0)
        return false;
    struct hash id = block_id(&found.header);
    return hash_equal(&id, &job->block_id);
}

/* executord may be ahead: it was told of commits that this store lost in a crash, since they were not synced. Then it
 * has a block at that height already and does not execute it again (STATUS_CONFLICT). What a quorum has certified was
 * executed by a quorum; anything else at that height gets no verdict. */
static enum verdict verdict_of(struct consensusd *self, const struct job *job, Cybermesh__Execution__V1__Status status)
{
    switch (status) {
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK:
        return VERDICT_OK;
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT:
        return is_certified(self, job) ? VERDICT_OK : VERDICT_NONE;
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT:
        self->executor_known = false; /* begin again from its height, which is asked every RESEND_MS */
        return VERDICT_NONE;
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_TX:
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_ROOT:
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER:
        return VERDICT_REFUSED;
    case CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNSPECIFIED:
    case _CYBERMESH__EXECUTION__V1__STATUS_IS_INT_SIZE:
        break;
    }
    return VERDICT_NONE;
}

static void on_checked(struct consensusd *self, const Cybermesh__Execution__V1__Checked *checked)
{
    struct job *job = job_by_request(self, JOB_CHECK, checked->request);
    if (!job || job->stage != JOB_EXECUTE)
        return;
    enum verdict verdict = verdict_of(self, job, checked->status);
    if (verdict == VERDICT_NONE)
        return; /* asked again after RESEND_MS */
    struct consensus_event event = {.type = CONSENSUS_CHECKED};
    event.u.checked.block_id = job->block_id;
    event.u.checked.ok = verdict == VERDICT_OK;
    if (take_leaders(self, &event.u.checked.schedule, &checked->leaders) < 0) {
        consensusd_bad_frame(self, "execution", "executord", ERR_MALFORMED);
        return;
    }
    if (!event.u.checked.ok)
        log_error("block.refused", "height=%llu id=%s status=%d index=%u reason=%s",
                  (unsigned long long)job->header.height, LOG_HASH(&job->block_id), (int)checked->status,
                  checked->index, reason_text((int)checked->reason));
    job_end(job);
    consensusd_step(self, &event);
}

static void on_rechecked(struct consensusd *self, const Cybermesh__Execution__V1__Rechecked *answer)
{
    struct job *job = job_by_request(self, JOB_RECHECK, answer->request);
    if (!job || job->stage != JOB_EXECUTE)
        return;
    bool ok = answer->status == CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK && answer->n_refused <= job->body_count;
    uint32_t live = ok ? (uint32_t)(job->body_count - answer->n_refused) : 0;
    if (ok)
        send_dropped(self, job, answer->refused, answer->n_refused);
    job_end(job);
    if (ok)
        rechecked(self, live);
}

static void on_committed(struct consensusd *self, const Cybermesh__Execution__V1__Committed *committed)
{
    if (committed->status != CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK) {
        log_warn("commit.refused", "height=%llu status=%d", (unsigned long long)committed->height,
                 (int)committed->status);
        self->executor_known = false;
        return;
    }
    if (committed->height > self->executor_height)
        self->executor_height = committed->height;
    self->resume_ms = loop_now_ms();
    if (self->executor == EXECUTOR_RESUMING && self->core)
        resume(self);
}

/* A new validator learns the genesis block; a known one must see the same. */
static int take_genesis(struct consensusd *self, const Cybermesh__Execution__V1__Height *height)
{
    struct block_header header;
    int rc = block_header_decode(&header, span_of(height->genesis_header.data, height->genesis_header.len));
    if (rc < 0 || header.height != 0 || !hash_equal(&header.chain_id, &self->genesis->chain_id))
        return ERR_MALFORMED;
    if (self->core) {
        struct hash ours = block_id(&self->genesis_header), theirs = block_id(&header);
        if (hash_equal(&ours, &theirs))
            return 0;
        log_error("genesis.differs", "ours=%s executord=%s", LOG_HASH(&ours), LOG_HASH(&theirs));
        return ERR_CONFLICT;
    }
    self->genesis_header = header;
    rc = safety_store_set_genesis(self->store, &header);
    return rc == 0 ? consensusd_start_core(self) : rc;
}

static void on_height(struct consensusd *self, const Cybermesh__Execution__V1__Height *height)
{
    int rc = take_genesis(self, height);
    if (rc == ERR_MALFORMED) {
        consensusd_bad_frame(self, "execution", "executord", rc);
        return;
    }
    if (rc < 0) {
        consensusd_stop(self, rc, "begin at the genesis block");
        return;
    }
    bool same = self->executor_known && self->executor_epoch == height->epoch;
    /* Commits that went astray: what it has not got after RESEND_MS is sent again. */
    bool stuck = height->height < self->committed_height && height->height == self->executor_height &&
                 loop_now_ms() >= self->resume_ms + RESEND_MS;
    if (same && !stuck) {
        if (height->height > self->executor_height) {
            self->executor_height = height->height;
            self->resume_ms = loop_now_ms();
        }
        return;
    }
    self->executor_known = true;
    self->executor_epoch = height->epoch;
    log_info("executor.resume", "its_height=%llu ours=%llu", (unsigned long long)height->height,
             (unsigned long long)self->committed_height);
    resume_begin(self, height->height);
}

static void on_execution(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    execution_pb *frame =
        cybermesh__execution__v1__execution_frame__unpack(NULL, message->payload.size, message->payload.data);
    if (!frame || frame->version != FRAME_VERSION) {
        consensusd_bad_frame(self, "execution", "executord", frame ? ERR_VERSION : ERR_MALFORMED);
        if (frame)
            cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
        return;
    }
    self->executor_heard_ms = loop_now_ms();
    if (frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT)
        on_height(self, frame->height);
    else if (self->core && frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILT)
        on_built(self, frame->built);
    else if (self->core && frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_CHECKED)
        on_checked(self, frame->checked);
    else if (self->core && frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_RECHECKED)
        on_rechecked(self, frame->rechecked);
    else if (self->core && frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMITTED)
        on_committed(self, frame->committed);
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
}

/* --- once in a while ---------------------------------------------------------------------------------------------- */

/* executord answers in order and executes what it is asked twice, so a slow one is asked again late and ever more
 * seldom; if it was restarted, its new epoch tells.
 */
static uint64_t resend_ms(const struct job *job)
{
    if (job->stage == JOB_POOL)
        return RESEND_MS;
    uint32_t shift = job->asked_count + 1;
    return (uint64_t)RESEND_MS << (shift < RESEND_SHIFT_MAX ? shift : RESEND_SHIFT_MAX);
}

void stages_tick(struct consensusd *self)
{
    uint64_t now_ms = loop_now_ms();
    send_watch(self);
    ask_height(self);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        if (job->kind != JOB_NONE && now_ms >= job->asked_ms + resend_ms(job))
            job_ask(self, job);
    }
}

static int open_stage(struct consensusd *self, struct bus_socket **out, const struct bus_options *options,
                      void (*on_message)(void *, struct bus_message *))
{
    int rc = bus_dealer_connect(out, self->bus, options);
    struct loop_socket_handlers handlers = {.message = on_message, .context = self};
    return rc == 0 ? loop_socket_add(self->loop, *out, &handlers) : rc;
}

int stages_open(struct consensusd *self, const uint8_t *secret)
{
    struct bus_options pool = {.name = "pool",
                               .endpoint = self->config->pool_endpoint,
                               .curve_secret = secret,
                               .server_public = self->config->mempoold_key.bytes,
                               .frame_bytes_max = FRAME_BYTES_MAX,
                               .queue_count_max = QUEUE_COUNT_MAX};
    struct bus_options execution = pool;
    execution.name = "execution";
    execution.endpoint = self->config->execution_endpoint;
    execution.server_public = self->config->executord_key.bytes;
    int rc = open_stage(self, &self->pool, &pool, on_pool);
    return rc == 0 ? open_stage(self, &self->execution, &execution, on_execution) : rc;
}

static void close_socket(struct consensusd *self, struct bus_socket **socket)
{
    if (*socket)
        loop_socket_remove(self->loop, *socket);
    bus_socket_close(socket);
}

void stages_close(struct consensusd *self)
{
    close_socket(self, &self->pool);
    close_socket(self, &self->execution);
    for (size_t i = 0; i < JOBS_MAX; i++)
        job_end(&self->jobs[i]);
}
