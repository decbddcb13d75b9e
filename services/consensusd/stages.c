/* stages.c - the questions to mempoold and executord: which is under way, and when it is asked again.
 *
 * A job is one effect of the core under way: BUILD and RECHECK take bodies from the pool and have them executed, CHECK
 * resolves a block's bodies and has it executed. A question without an answer is asked again every RESEND_MS, because
 * either side may have restarted; an answer counts only for the question it names. pool_client.c and
 * execution_client.c have the questions and answers themselves.
 */
#include "services/consensusd/stages_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

enum { QUEUE_COUNT_MAX = 1000, FRAME_BYTES_MAX = 64 << 20 };

void stages_send(struct bus_socket *socket, const ProtobufCMessage *message)
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

/* A list of loans; NULL when there is no memory. */
ProtobufCBinaryData *stages_loan_spans(const struct span *spans, size_t count)
{
    ProtobufCBinaryData *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = LOAN(spans[i].data, spans[i].size);
    return list;
}

ProtobufCBinaryData *stages_loan_hashes(const struct hash *hashes, size_t count)
{
    ProtobufCBinaryData *list = calloc(count + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        list[i] = LOAN(hashes[i].bytes, HASH_BYTES);
    return list;
}

void stages_job_end(struct job *job)
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
void stages_job_move(struct job *job, enum job_stage stage)
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

struct job *stages_job_by_request(struct consensusd *self, enum job_kind kind, uint64_t request)
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

void stages_end_jobs(struct consensusd *self, enum job_kind kind)
{
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (self->jobs[i].kind == kind)
            stages_job_end(&self->jobs[i]);
    }
}

/* Ask the question that the job's stage is about. Sent again it keeps its number, so that the answer to any of its
 * copies counts: else an answer that takes longer than RESEND_MS would never do. */
void stages_job_ask(struct consensusd *self, struct job *job)
{
    if (job->stage == JOB_EXECUTE && self->executor != EXECUTOR_LIVE) {
        job->asked_ms = 0;
        return;
    }
    if (job->stage == JOB_EXECUTE && job->kind == JOB_CHECK && !bodies_at_hand(self, job))
        stages_job_move(job, JOB_POOL);
    if (job->asked_ms == 0) {
        job->request = ++self->request_last;
        job->asked_count = 0;
    }
    job->asked_ms = loop_now_ms();
    job->asked_count++;
    if (job->stage == JOB_POOL) {
        if (job->kind == JOB_CHECK)
            pool_client_resolve(self, &job->header, &job->block_id, job->tx_ids, job->request);
        else
            pool_client_take(self, job);
        return;
    }
    switch (job->kind) {
    case JOB_BUILD:
        execution_client_build(self, job);
        break;
    case JOB_CHECK:
        execution_client_check(self, job);
        break;
    case JOB_RECHECK:
        execution_client_recheck(self, job);
        break;
    case JOB_NONE:
        break;
    }
}

void stages_build_failed(struct consensusd *self, uint64_t view)
{
    struct consensus_event event = {.type = CONSENSUS_BUILD_FAILED};
    event.u.built.view = view;
    consensusd_step(self, &event);
}

void stages_rechecked(struct consensusd *self, const struct hash *parent_id, uint32_t live_count)
{
    struct consensus_event event = {.type = CONSENSUS_RECHECKED};
    event.u.rechecked.parent_id = *parent_id;
    event.u.rechecked.live_count = live_count;
    consensusd_step(self, &event);
}

void stages_build(struct consensusd *self, const struct consensus_build *build)
{
    stages_end_jobs(self, JOB_BUILD);
    struct job *job = self->executor == EXECUTOR_LIVE ? job_new(self, JOB_BUILD) : NULL;
    if (job && build->excluded_count > 0) {
        job->excluded = malloc(build->excluded_count * sizeof job->excluded[0]);
        if (!job->excluded)
            stages_job_end(job), job = NULL;
    }
    if (!job) {
        stages_build_failed(self, build->view);
        return;
    }
    if (build->excluded_count > 0)
        memcpy(job->excluded, build->excluded, build->excluded_count * sizeof job->excluded[0]);
    job->build = *build;
    job->build.excluded = NULL;
    job->stage = build->with_txs ? JOB_POOL : JOB_EXECUTE;
    stages_job_ask(self, job);
}

void stages_check(struct consensusd *self, const struct consensus_check *check)
{
    struct job *job = job_of_block(self, &check->block_id);
    if (job)
        stages_job_end(job);
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
            stages_job_end(job);
            return;
        }
        memcpy(job->tx_ids, check->tx_ids, count * sizeof job->tx_ids[0]);
    }
    job->stage = have ? JOB_EXECUTE : JOB_POOL;
    /* The pool remembers the block's transactions by its id, so that they are not proposed again. */
    if (have && count > 0)
        pool_client_resolve(self, &job->header, &job->block_id, job->tx_ids, 0);
    stages_job_ask(self, job);
}

void stages_recheck(struct consensusd *self, const struct hash *parent_id, uint64_t timestamp_ms)
{
    stages_end_jobs(self, JOB_RECHECK);
    struct job *job = job_new(self, JOB_RECHECK);
    if (!job)
        return;
    job->parent_id = *parent_id;
    job->timestamp_ms = timestamp_ms;
    job->stage = JOB_POOL;
    stages_job_ask(self, job);
}

void stages_forget(struct consensusd *self, const struct hash *block_id)
{
    struct job *job = job_of_block(self, block_id);
    if (job)
        stages_job_end(job);
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
    stages_job_move(job, JOB_EXECUTE);
    stages_job_ask(self, job);
}

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
    pool_client_watch(self);
    proofs_tick(self);
    handover_tick(self);
    execution_client_height(self);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &self->jobs[i];
        if (job->kind != JOB_NONE && now_ms >= job->asked_ms + resend_ms(job))
            stages_job_ask(self, job);
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
    int rc = open_stage(self, &self->pool, &pool, pool_client_on_message);
    return rc == 0 ? open_stage(self, &self->execution, &execution, execution_client_on_message) : rc;
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
        stages_job_end(&self->jobs[i]);
    handover_drop_held(self);
}
