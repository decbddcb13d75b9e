/* serve_execution.c - consensusd's requests: build, check, recheck and commit blocks.
 *
 * A Commit is answered after the block is on disk; then whoever waits for its outcome is served.
 */
#include <assert.h>
#include <inttypes.h>

#include "common/base/equivocation.h"
#include "common/base/err.h"
#include "common/base/reason.h"
#include "services/executord/execution_codec.h"
#include "services/executord/executord_state.h"
#include "services/executord/proof_codec.h"

static void count_refused(struct executord *self, const struct executor_refused *refused, size_t count)
{
    for (size_t i = 0; i < count; i++)
        metrics_add_at(self->metrics, EXECUTORD_METRIC_REFUSED, refused[i].reason, 1);
}

static void count_answer(struct executord *self, enum execution_codec_status status)
{
    metrics_add_at(self->metrics, EXECUTORD_METRIC_ANSWERS, status, 1);
}

static int answer_height(struct executord *self, const struct bus_route *route,
                         const struct execution_codec_request *request)
{
    if (request->certificate.size > 0 && !span_equal(request->certificate, executord_store_certificate(self->store))) {
        int stored = executord_store_put_certificate(self->store, request->certificate);
        if (stored < 0)
            return stored;
        log_info("genesis.kept", "bytes=%zu", request->certificate.size);
    }
    const struct version *last = executor_committed(self->executor);
    struct executord_store_head genesis;
    int rc = executord_store_head(self->store, 0, &genesis);
    if (rc < 0)
        return rc;
    struct bytes_writer writer = executord_answer_writer(self);
    execution_codec_put_height(&writer, &(struct execution_codec_height){
                                            .height = last->header.height,
                                            .block_id = last->id,
                                            .state_root = last->header.state_root,
                                            .epoch = self->epoch,
                                            .genesis_header = span_of(genesis.header, sizeof genesis.header),
                                            .inactive = executor_inactive(self->executor),
                                            .certificate = executord_store_certificate(self->store),
                                        });
    executord_send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    return 0;
}

static int answer_build(struct executord *self, const struct bus_route *route, struct execution_codec_request *request)
{
    uint64_t start_us = loop_now_us();
    struct executor_built built = {0};
    request->build.bodies = request->bodies;
    int verdict = executor_build(self->executor, &request->build, &built);
    if (verdict < 0)
        return verdict;
    metrics_observe(self->metrics, EXECUTORD_METRIC_BUILD_TIME, loop_now_us() - start_us);
    count_refused(self, built.refused, built.refused_count);
    struct execution_codec_built answer = {
        .request = request->request,
        .status = execution_codec_status_of(verdict),
        .header = verdict == 0 ? &built.version->header : NULL,
        .refused = built.refused,
        .refused_count = built.refused_count,
    };
    if (verdict == 0)
        executor_schedule(self->executor, &built.version->id, &answer.schedule);
    count_answer(self, answer.status);
    struct bytes_writer writer = executord_answer_writer(self);
    execution_codec_put_built(&writer, &answer);
    executord_send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    return 0;
}

static int answer_check(struct executord *self, const struct bus_route *route,
                        const struct execution_codec_request *request)
{
    uint64_t start_us = loop_now_us();
    struct executor_block block = {.header = &request->header, .bodies = request->bodies};
    struct execution_codec_checked answer = {.request = request->request, .block_id = block_id(&request->header)};
    int verdict = executor_check(self->executor, &block, &answer.bad);
    if (verdict < 0)
        return verdict;
    metrics_observe(self->metrics, EXECUTORD_METRIC_CHECK_TIME, loop_now_us() - start_us);
    answer.status = execution_codec_status_of(verdict);
    executor_schedule(self->executor, &answer.block_id, &answer.schedule);
    count_answer(self, answer.status);
    if (verdict == EXECUTOR_BAD_TX)
        count_refused(self, &answer.bad, 1);
    if (verdict != 0)
        log_limited(&self->refused_limit, LOG_LEVEL_WARN, "block.refused",
                    "height=%" PRIu64 " id=%s status=%d index=%u reason=%s", request->header.height,
                    LOG_HASH(&answer.block_id), (int)answer.status, answer.bad.index,
                    reason_text((int)answer.bad.reason));
    struct bytes_writer writer = executord_answer_writer(self);
    execution_codec_put_checked(&writer, &answer);
    executord_send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    return 0;
}

static int answer_recheck(struct executord *self, const struct bus_route *route,
                          struct execution_codec_request *request)
{
    struct executor_built out = {0};
    request->recheck.bodies = request->bodies;
    int verdict = executor_recheck(self->executor, &request->recheck, &out);
    if (verdict < 0)
        return verdict;
    count_refused(self, out.refused, out.refused_count);
    struct execution_codec_built answer = {
        .request = request->request,
        .status = execution_codec_status_of(verdict),
        .refused = out.refused,
        .refused_count = out.refused_count,
    };
    count_answer(self, answer.status);
    struct bytes_writer writer = executord_answer_writer(self);
    execution_codec_put_rechecked(&writer, &answer);
    executord_send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    return 0;
}

/* A block of a Commit, to be made durable. */
struct commit {
    struct block_header header;
    struct span header_bytes;
    struct span proof;
    struct executor_bodies bodies;
};

/* The proof is this block's and has the form of one. Its signatures were verified by consensusd before it asked, and
 * are by every reader; doing it here too would cost a quarter of a millisecond per block (4 x 65 us). */
static int check_proof(const struct executord *self, const struct commit *commit)
{
    struct proof_codec_proof proof;
    int rc = proof_codec_decode(&proof, commit->proof);
    if (rc < 0)
        return rc;
    bool fits = proof.proof.header_count >= 2 &&
                span_equal(span_of(proof.proof.headers, BLOCK_HEADER_BYTES), commit->header_bytes) &&
                qc_check_form(&proof.proof.qc, self->genesis) == 0;
    proof_codec_deinit(&proof);
    return fits ? 0 : ERR_MALFORMED;
}

/* "Lower ones are answered again if the id is the same." */
static int commit_below(struct executord *self, const struct commit *commit)
{
    struct executord_store_head head;
    int rc = executord_store_head(self->store, commit->header.height, &head);
    if (rc < 0)
        return rc;
    return span_equal(span_of(head.header, sizeof head.header), commit->header_bytes) ? 0 : EXECUTOR_CONFLICT;
}

/* The committed block has proof of equivocation: the offender leads no more. */
static void tell_punished(struct executord *self, const struct version *version)
{
    for (uint32_t i = 0; i < version->content->tx_count; i++) {
        struct equivocation proof;
        struct span body = version->content->bodies[i];
        if (!tx_is_validator_evidence(body) || equivocation_decode(&proof, body) != 0)
            continue;
        struct hash id = tx_id(body);
        int offender = genesis_validator_index(self->genesis, &proof.offender);
        metrics_add(self->metrics, EXECUTORD_METRIC_VALIDATOR_EVIDENCE, 1);
        log_warn("validator.punished", "validator=%s kind=%s view=%" PRIu64 " height=%" PRIu64 " tx=%s",
                 LOG_QUOTE_TEXT(self->genesis->validators[offender].name),
                 proof.kind == EQUIVOCATION_VOTE ? "vote" : "proposal", proof.view, version->header.height,
                 LOG_HASH(&id));
    }
}

/* The block becomes the committed one; it is durable when the store has written it. */
static int commit_next(struct executord *self, const struct commit *commit)
{
    struct executor_block block = {.header = &commit->header, .bodies = commit->bodies};
    const struct version *version;
    int verdict = executor_prepare(self->executor, &block, &version);
    if (verdict == EXECUTOR_BELOW)
        return commit_below(self, commit);
    if (verdict != 0)
        return verdict;
    if (check_proof(self, commit) < 0) {
        log_error("commit.bad_proof", "height=%" PRIu64, commit->header.height);
        return EXECUTOR_BAD_HEADER;
    }
    int rc = executord_store_append(self->store, version, commit->proof);
    if (rc < 0)
        return rc;
    executor_commit(self->executor, version);
    tell_punished(self, version);
    metrics_add(self->metrics, EXECUTORD_METRIC_BLOCKS, 1);
    metrics_add(self->metrics, EXECUTORD_METRIC_TXS, commit->header.tx_count);
    return 0;
}

/* The blocks of one Commit, up to the first that is refused; *last is that one, or the Commit's own. They are durable
 * together: nothing is answered in between, and a store that cannot write ends the daemon. */
static int commit_all(struct executord *self, const struct execution_codec_request *request, struct commit *last)
{
    static_assert((int)EXECUTION_CODEC_BEFORE_MAX < (int)EXECUTORD_STORE_APPENDED_MAX, "a Commit fits one write");
    int verdict = 0;
    for (size_t i = 0; i < request->before_count && verdict == 0; i++) {
        *last = (struct commit){.header_bytes = request->before[i].header, .proof = request->before[i].proof};
        verdict = block_header_decode(&last->header, last->header_bytes);
        assert(verdict == 0); /* the frame was decoded */
        verdict = commit_next(self, last);
    }
    if (verdict == 0) {
        *last = (struct commit){.header = request->header,
                                .header_bytes = request->header_bytes,
                                .proof = request->proof,
                                .bodies = request->bodies};
        verdict = commit_next(self, last);
    }
    if (verdict < 0)
        return verdict;
    int rc = executord_store_write(self->store);
    return rc < 0 ? rc : verdict;
}

static int answer_commit(struct executord *self, const struct bus_route *route,
                         const struct execution_codec_request *request)
{
    uint64_t start_us = loop_now_us();
    struct commit last;
    int verdict = commit_all(self, request, &last);
    if (verdict < 0)
        return verdict;
    metrics_observe(self->metrics, EXECUTORD_METRIC_COMMIT_TIME, loop_now_us() - start_us);
    struct execution_codec_committed answer = {
        .height = last.header.height,
        .block_id = block_id(&last.header),
        .status = execution_codec_status_of(verdict),
    };
    count_answer(self, answer.status);
    if (verdict != 0)
        log_warn("commit.refused", "height=%" PRIu64 " id=%s status=%d", answer.height, LOG_HASH(&answer.block_id),
                 (int)answer.status);
    else
        log_debug("block.durable", "height=%" PRIu64 " txs=%u before=%zu", answer.height, last.header.tx_count,
                  request->before_count);
    struct bytes_writer writer = executord_answer_writer(self);
    execution_codec_put_committed(&writer, &answer);
    executord_send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    serve_outcomes_waiting(self);
    return 0;
}

static int answer_execution(struct executord *self, const struct bus_route *route,
                            struct execution_codec_request *request)
{
    switch (request->kind) {
    case EXECUTION_CODEC_HEIGHT_REQUEST:
        return answer_height(self, route, request);
    case EXECUTION_CODEC_BUILD:
        return answer_build(self, route, request);
    case EXECUTION_CODEC_CHECK:
        return answer_check(self, route, request);
    case EXECUTION_CODEC_RECHECK:
        return answer_recheck(self, route, request);
    case EXECUTION_CODEC_COMMIT:
        return answer_commit(self, route, request);
    }
    return 0;
}

void serve_execution_message(void *context, struct bus_message *message)
{
    struct executord *self = context;
    struct execution_codec_request request;
    int rc = execution_codec_decode(&request, message->payload, self->spans,
                                    (size_t)self->genesis->parameters.block_max_txs);
    if (rc < 0) {
        executord_bad_frame(self, EXECUTORD_EXECUTION, message, rc);
        return;
    }
    rc = answer_execution(self, &message->route, &request);
    if (rc < 0)
        executord_stop(self, rc, "execute");
}
