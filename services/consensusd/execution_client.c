/* execution_client.c - the execution arrow: build, check and recheck, commits, executord's height and genesis block. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/reason.h"
#include "services/consensusd/stages_state.h"

static void execution_frame(execution_pb *frame)
{
    cybermesh__execution__v1__execution_frame__init(frame);
    frame->version = STAGES_FRAME_VERSION;
}

void execution_client_build(struct consensusd *self, const struct job *job)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Build build;
    cybermesh__execution__v1__build__init(&build);
    ProtobufCBinaryData *list = stages_loan_spans(job->bodies, job->body_count);
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
    stages_send(self->execution, &frame.base);
    free(list);
}

void execution_client_check(struct consensusd *self, const struct job *job)
{
    const struct block_cache_entry *entry = block_cache_find(self->cache, &job->block_id);
    size_t count = entry ? entry->body_count : 0;
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Check check;
    cybermesh__execution__v1__check__init(&check);
    uint8_t header[BLOCK_HEADER_BYTES];
    block_header_encode(header, &job->header);
    ProtobufCBinaryData *list = stages_loan_spans(entry ? entry->bodies : NULL, count);
    if (!list)
        return;
    check.request = job->request;
    check.header = LOAN(header, sizeof header);
    check.n_bodies = count;
    check.bodies = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_CHECK;
    frame.check = &check;
    stages_send(self->execution, &frame.base);
    free(list);
}

void execution_client_recheck(struct consensusd *self, const struct job *job)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Recheck recheck;
    cybermesh__execution__v1__recheck__init(&recheck);
    ProtobufCBinaryData *list = stages_loan_spans(job->bodies, job->body_count);
    if (!list)
        return;
    recheck.request = job->request;
    recheck.parent_id = LOAN(job->parent_id.bytes, HASH_BYTES);
    recheck.timestamp_ms = job->timestamp_ms;
    recheck.n_bodies = job->body_count;
    recheck.bodies = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_RECHECK;
    frame.recheck = &recheck;
    stages_send(self->execution, &frame.base);
    free(list);
}

typedef Cybermesh__Execution__V1__EmptyBlock empty_block_pb;

void execution_client_commit(struct consensusd *self, const struct handover_block *block,
                             struct execution_client_bodies bodies)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__Commit commit;
    cybermesh__execution__v1__commit__init(&commit);
    uint8_t headers[HANDOVER_HELD_MAX + 1][BLOCK_HEADER_BYTES];
    empty_block_pb before[HANDOVER_HELD_MAX];
    empty_block_pb *list[HANDOVER_HELD_MAX];
    for (size_t i = 0; i < self->held_count; i++) {
        const struct handover_block *held = &self->held[i];
        block_header_encode(headers[i], &held->header);
        cybermesh__execution__v1__empty_block__init(&before[i]);
        before[i].header = LOAN(headers[i], BLOCK_HEADER_BYTES);
        before[i].proof = LOAN(held->proof, held->proof_size);
        list[i] = &before[i];
    }
    uint8_t *header = headers[HANDOVER_HELD_MAX];
    block_header_encode(header, &block->header);
    ProtobufCBinaryData *loans = stages_loan_spans(bodies.items, bodies.count);
    if (!loans)
        return;
    commit.header = LOAN(header, BLOCK_HEADER_BYTES);
    commit.proof = LOAN(block->proof, block->proof_size);
    commit.n_bodies = bodies.count;
    commit.bodies = loans;
    commit.n_before = self->held_count;
    commit.before = list;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT;
    frame.commit = &commit;
    stages_send(self->execution, &frame.base);
    free(loans);
}

void execution_client_height(struct consensusd *self)
{
    execution_pb frame;
    execution_frame(&frame);
    Cybermesh__Execution__V1__HeightRequest request;
    cybermesh__execution__v1__height_request__init(&request);
    if (self->certified && !self->executor_has_certificate)
        request.genesis_certificate = LOAN(self->certificate, self->certificate_size);
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT_REQUEST;
    frame.height_request = &request;
    stages_send(self->execution, &frame.base);
}

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
    struct job *job = stages_job_by_request(self, JOB_BUILD, built->request);
    if (!job || job->stage != JOB_EXECUTE)
        return;
    pool_client_dropped(self, job, built->refused, built->n_refused);
    uint64_t view = job->build.view;
    struct consensus_event event = {.type = CONSENSUS_BUILT};
    struct hash *ids = NULL;
    int rc = built->status == CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK
                 ? block_header_decode(&event.u.built.header, span_of(built->header.data, built->header.len))
                 : ERR_RETRY;
    rc = rc == 0 ? take_leaders(self, &event.u.built.schedule, &built->leaders) : rc;
    rc = rc == 0 ? keep_built(self, job, built, &event.u.built.header, &ids) : rc;
    stages_job_end(job);
    if (rc < 0) {
        log_debug("build.failed", "view=%llu status=%d", (unsigned long long)view, (int)built->status);
        stages_build_failed(self, view);
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
    struct job *job = stages_job_by_request(self, JOB_CHECK, checked->request);
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
    stages_job_end(job);
    consensusd_step(self, &event);
}

static void on_rechecked(struct consensusd *self, const Cybermesh__Execution__V1__Rechecked *answer)
{
    struct job *job = stages_job_by_request(self, JOB_RECHECK, answer->request);
    if (!job || job->stage != JOB_EXECUTE)
        return;
    bool ok = answer->status == CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK && answer->n_refused <= job->body_count;
    uint32_t live = ok ? (uint32_t)(job->body_count - answer->n_refused) : 0;
    if (ok)
        pool_client_dropped(self, job, answer->refused, answer->n_refused);
    struct hash parent_id = job->parent_id;
    stages_job_end(job);
    if (ok)
        stages_rechecked(self, &parent_id, live);
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
        handover_continue(self);
}

/* A new validator learns the genesis block; a known one must see the same. */
static int take_genesis(struct consensusd *self, const Cybermesh__Execution__V1__Height *height)
{
    struct block_header header;
    int rc = block_header_decode(&header, span_of(height->genesis_header.data, height->genesis_header.len));
    if (rc < 0 || header.height != 0 || !hash_equal(&header.chain_id, &self->genesis->chain_id))
        return ERR_MALFORMED;
    if (self->genesis_known) {
        struct hash ours = block_id(&self->genesis_header), theirs = block_id(&header);
        if (hash_equal(&ours, &theirs))
            return 0;
        log_error("genesis.differs", "ours=%s executord=%s", LOG_HASH(&ours), LOG_HASH(&theirs));
        return ERR_CONFLICT;
    }
    self->genesis_header = header;
    rc = safety_store_set_genesis(self->store, &header);
    self->genesis_known = rc == 0;
    return rc == 0 ? beginning_try(self) : rc;
}

/* executord keeps a copy of our certificate, or of the database's: ours may have been lost. */
static void take_certificate(struct consensusd *self, const ProtobufCBinaryData *bytes)
{
    struct span theirs = span_of(bytes->data, bytes->len);
    if (theirs.size > 0)
        beginning_on_stored(self, theirs, "executord");
    self->executor_has_certificate = span_equal(theirs, span_of(self->certificate, self->certificate_size));
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
    proofs_settle(self, height->inactive);
    take_certificate(self, &height->genesis_certificate);
    bool same = self->executor_known && self->executor_epoch == height->epoch;
    /* Commits that went astray: what it has not got after RESEND_MS is sent again. */
    bool stuck = height->height < self->committed_height - self->held_count &&
                 height->height == self->executor_height && loop_now_ms() >= self->resume_ms + RESEND_MS;
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
    handover_begin(self, height->height);
}

void execution_client_on_message(void *context, struct bus_message *message)
{
    struct consensusd *self = context;
    execution_pb *frame =
        cybermesh__execution__v1__execution_frame__unpack(NULL, message->payload.size, message->payload.data);
    if (!frame || frame->version != STAGES_FRAME_VERSION) {
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
