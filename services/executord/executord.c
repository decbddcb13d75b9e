/* executord.c - decode, call the executor, answer.
 *
 * A Commit is answered after the block is on disk; then whoever waits for its outcome is served. What the executor or
 * the store cannot go on from (no memory for the state, a full or broken disk) ends the daemon: it restarts from its
 * store.
 */
#include "services/executord/executord.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/equivocation.h"
#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/reason.h"
#include "common/edge/admin.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "common/edge/params.h"
#include "services/executord/execution_codec.h"
#include "services/executord/executor.h"
#include "services/executord/executord_metrics.h"
#include "services/executord/executord_store.h"
#include "services/executord/outcome_codec.h"
#include "services/executord/proof_codec.h"
#include "services/executord/query_codec.h"
#include "services/executord/record.h"

enum {
    SPECULATIVE_MAX = 64,
    PEERS_MAX = 16,                   /* that wait for outcomes */
    OUTCOMES_BYTES_MAX = 16 << 20,    /* of one answer, but for a single larger one */
    BLOCK_BYTES_MAX = 16 << 20,       /* so that a block's outcome fits a frame */
    REQUEST_OVERHEAD_BYTES = 2 << 20, /* of a frame with a block: header, proof */
    BODY_OVERHEAD_BYTES = 16,         /* of one body in a frame */
    STATE_ANSWER_BYTES_MAX = 4 << 20, /* value, siblings, header, proof */
    QUEUE_COUNT_MAX = 1000,
    BEAT_MS = 1000,
};

/* persistd asked for outcomes that are not there yet. */
struct ask {
    struct bus_route route;
    struct executord_store_ask ask;
    bool waits;
};

enum { CONDITION_STORE, CONDITION_SOCKETS, CONDITION_COUNT };
static const char *const conditions[CONDITION_COUNT] = {"store", "sockets"};

struct executord {
    const struct executord_config *config;
    struct genesis *genesis;
    struct loop *loop;
    struct bus *bus;
    struct bus_socket *sockets[EXECUTORD_ARROW_COUNT];
    struct metrics *metrics;
    struct admin *admin;
    struct executor *executor;
    struct executord_store *store;
    struct params_facts facts;
    struct span *spans;  /* bodies of the request at hand: block_max_txs */
    uint8_t *answer;     /* of the request at hand */
    size_t answer_bytes; /* room */
    struct ask asks[PEERS_MAX];
    uint64_t epoch;
    uint64_t persisted_height;
    int failure; /* why the loop was stopped; 0: it was asked to */
    struct log_limit bad_frame_limit;
    struct log_limit refused_limit;
};

/* --- helpers ------------------------------------------------------------------------------------------------------ */

static void stop(struct executord *self, int rc, const char *what)
{
    self->failure = log_failure(rc, what);
    loop_stop(self->loop);
}

static void bad_frame(struct executord *self, enum executord_arrow arrow, const struct bus_message *message, int rc)
{
    metrics_add_at(self->metrics, EXECUTORD_METRIC_BAD_FRAMES, arrow, 1);
    log_limited(&self->bad_frame_limit, LOG_LEVEL_WARN, "frame.bad", "arrow=%s peer=%s bytes=%zu error=\"%s\"",
                executord_arrow_names[arrow], LOG_QUOTE_TEXT(message->user_id), message->payload.size, err_text(rc));
}

static struct bytes_writer answer_writer(struct executord *self)
{
    return bytes_writer_of(self->answer, self->answer_bytes);
}

/* A peer that is gone or does not read asks again. */
static int send_to(struct executord *self, enum executord_arrow arrow, const struct bus_route *route,
                   struct span payload)
{
    int rc = bus_send(self->sockets[arrow], route, payload.data, payload.size);
    if (rc < 0) {
        metrics_add(self->metrics, EXECUTORD_METRIC_UNSENT, 1);
        if (rc != -EAGAIN && rc != ERR_PEER_GONE)
            log_error("answer.unsent", "arrow=%s bytes=%zu error=\"%s\"", executord_arrow_names[arrow], payload.size,
                      err_text(rc));
    }
    return rc;
}

static void send_answer(struct executord *self, enum executord_arrow arrow, const struct bus_route *route,
                        const struct bytes_writer *writer)
{
    assert(!writer->failed);
    (void)!send_to(self, arrow, route, bytes_written(writer));
}

static void count_refused(struct executord *self, const struct executor_refused *refused, size_t count)
{
    for (size_t i = 0; i < count; i++)
        metrics_add_at(self->metrics, EXECUTORD_METRIC_REFUSED, refused[i].reason, 1);
}

/* The core asks for a policy's facts. */
static int policy_facts_of(void *context, struct span params, struct policy_facts *out)
{
    static_assert((int)PARAMS_TARGETS_MAX == (int)RECORD_TARGETS_MAX, "all targets fit a record");
    static_assert((int)PARAMS_TARGET_BYTES_MAX == (int)RECORD_TARGET_BYTES_MAX, "each target fits a record");
    static_assert((int)PARAMS_POLICY_ID_BYTES_MAX == (int)RECORD_POLICY_ID_BYTES_MAX, "policy ids fit a record");
    struct executord *self = context;
    params_facts_deinit(&self->facts);
    int rc = params_read(&self->facts, params);
    if (rc < 0)
        return rc == -ENOMEM ? rc : REASON_CONTENT_RULE;
    *out = (struct policy_facts){
        .policy_id = self->facts.policy_id,
        .targets = self->facts.targets,
        .target_count = self->facts.target_count,
        .ttl_s = self->facts.ttl_s,
    };
    return 0;
}

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

/* Answer what a peer waits for, if it is there. */
static void serve_ask(struct executord *self, struct ask *ask)
{
    if (!ask->waits || ask->ask.height_first > executor_committed(self->executor)->header.height)
        return;
    struct span frame;
    int rc = executord_store_outcomes(self->store, &ask->ask, &frame);
    if (rc < 0) {
        stop(self, rc, "read outcomes");
        return;
    }
    rc = send_to(self, EXECUTORD_OUTCOME, &ask->route, frame);
    ask->waits = rc == -EAGAIN;
}

static void serve_asks(struct executord *self)
{
    for (size_t i = 0; i < PEERS_MAX; i++)
        serve_ask(self, &self->asks[i]);
}

static bool same_route(const struct bus_route *a, const struct bus_route *b)
{
    return span_equal(span_of(a->bytes, a->size), span_of(b->bytes, b->size));
}

/* One Ask per peer: a new one replaces the last. */
static struct ask *place_of(struct executord *self, const struct bus_route *route)
{
    struct ask *idle = NULL;
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (same_route(&self->asks[i].route, route))
            return &self->asks[i];
        if (!idle && !self->asks[i].waits)
            idle = &self->asks[i];
    }
    return idle ? idle : &self->asks[0];
}

/* The database's certificate is kept where there is none; persistd is told ours. */
static void take_database_certificate(struct executord *self, const struct bus_route *route, struct span certificate)
{
    if (certificate.size > 0 && executord_store_certificate(self->store).size == 0) {
        int rc = executord_store_put_certificate(self->store, certificate);
        if (rc < 0) {
            stop(self, rc, "store the genesis certificate");
            return;
        }
    }
    struct bytes_writer writer = answer_writer(self);
    outcome_codec_put_genesis(&writer, executord_store_certificate(self->store));
    send_answer(self, EXECUTORD_OUTCOME, route, &writer);
}

static void outcome_message(void *context, struct bus_message *message)
{
    struct executord *self = context;
    struct outcome_codec_request request;
    int rc = outcome_codec_decode(&request, message->payload);
    if (rc < 0) {
        bad_frame(self, EXECUTORD_OUTCOME, message, rc);
        return;
    }
    if (request.kind == OUTCOME_CODEC_ACK) {
        self->persisted_height = request.height;
        metrics_set(self->metrics, EXECUTORD_METRIC_PERSISTED_HEIGHT, (int64_t)request.height);
        return;
    }
    if (request.kind == OUTCOME_CODEC_GENESIS) {
        take_database_certificate(self, &message->route, request.certificate);
        return;
    }
    struct ask *ask = place_of(self, &message->route);
    *ask = (struct ask){
        .route = message->route,
        .ask = {.request = request.request,
                .height_first = request.height_first,
                .count_max = request.count_max,
                .bytes_max = OUTCOMES_BYTES_MAX},
        .waits = true,
    };
    serve_ask(self, ask);
}

/* --- execution ---------------------------------------------------------------------------------------------------- */

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
    struct bytes_writer writer = answer_writer(self);
    execution_codec_put_height(&writer, &(struct execution_codec_height){
                                            .height = last->header.height,
                                            .block_id = last->id,
                                            .state_root = last->header.state_root,
                                            .epoch = self->epoch,
                                            .genesis_header = span_of(genesis.header, sizeof genesis.header),
                                            .inactive = executor_inactive(self->executor),
                                            .certificate = executord_store_certificate(self->store),
                                        });
    send_answer(self, EXECUTORD_EXECUTION, route, &writer);
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
    struct bytes_writer writer = answer_writer(self);
    execution_codec_put_built(&writer, &answer);
    send_answer(self, EXECUTORD_EXECUTION, route, &writer);
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
    struct bytes_writer writer = answer_writer(self);
    execution_codec_put_checked(&writer, &answer);
    send_answer(self, EXECUTORD_EXECUTION, route, &writer);
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
    struct bytes_writer writer = answer_writer(self);
    execution_codec_put_rechecked(&writer, &answer);
    send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    return 0;
}

/* The proof is this block's and has the form of one. Its signatures were verified by consensusd before it asked, and
 * are by every reader; doing it here too would cost a quarter of a millisecond per block (4 x 65 us). */
static int check_proof(const struct executord *self, const struct execution_codec_request *request)
{
    struct proof_codec_proof proof;
    int rc = proof_codec_decode(&proof, request->proof);
    if (rc < 0)
        return rc;
    bool fits = proof.proof.header_count >= 2 &&
                span_equal(span_of(proof.proof.headers, BLOCK_HEADER_BYTES), request->header_bytes) &&
                qc_check_form(&proof.proof.qc, self->genesis) == 0;
    proof_codec_deinit(&proof);
    return fits ? 0 : ERR_MALFORMED;
}

/* "Lower ones are answered again if the id is the same." */
static int commit_below(struct executord *self, const struct execution_codec_request *request)
{
    struct executord_store_head head;
    int rc = executord_store_head(self->store, request->header.height, &head);
    if (rc < 0)
        return rc;
    return span_equal(span_of(head.header, sizeof head.header), request->header_bytes) ? 0 : EXECUTOR_CONFLICT;
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

static int commit_next(struct executord *self, const struct execution_codec_request *request)
{
    struct executor_block block = {.header = &request->header, .bodies = request->bodies};
    const struct version *version;
    int verdict = executor_prepare(self->executor, &block, &version);
    if (verdict == EXECUTOR_BELOW)
        return commit_below(self, request);
    if (verdict != 0)
        return verdict;
    if (check_proof(self, request) < 0) {
        log_error("commit.bad_proof", "height=%" PRIu64, request->header.height);
        return EXECUTOR_BAD_HEADER;
    }
    int rc = executord_store_append(self->store, version, request->proof);
    if (rc < 0)
        return rc;
    executor_commit(self->executor, version);
    tell_punished(self, version);
    metrics_add(self->metrics, EXECUTORD_METRIC_BLOCKS, 1);
    metrics_add(self->metrics, EXECUTORD_METRIC_TXS, request->header.tx_count);
    log_debug("block.durable", "height=%" PRIu64 " txs=%u", request->header.height, request->header.tx_count);
    return 0;
}

static int answer_commit(struct executord *self, const struct bus_route *route,
                         const struct execution_codec_request *request)
{
    uint64_t start_us = loop_now_us();
    int verdict = commit_next(self, request);
    if (verdict < 0)
        return verdict;
    metrics_observe(self->metrics, EXECUTORD_METRIC_COMMIT_TIME, loop_now_us() - start_us);
    struct execution_codec_committed answer = {
        .height = request->header.height,
        .block_id = block_id(&request->header),
        .status = execution_codec_status_of(verdict),
    };
    count_answer(self, answer.status);
    if (verdict != 0)
        log_warn("commit.refused", "height=%" PRIu64 " id=%s status=%d", answer.height, LOG_HASH(&answer.block_id),
                 (int)answer.status);
    struct bytes_writer writer = answer_writer(self);
    execution_codec_put_committed(&writer, &answer);
    send_answer(self, EXECUTORD_EXECUTION, route, &writer);
    serve_asks(self);
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

static void execution_message(void *context, struct bus_message *message)
{
    struct executord *self = context;
    struct execution_codec_request request;
    int rc = execution_codec_decode(&request, message->payload, self->spans,
                                    (size_t)self->genesis->parameters.block_max_txs);
    if (rc < 0) {
        bad_frame(self, EXECUTORD_EXECUTION, message, rc);
        return;
    }
    rc = answer_execution(self, &message->route, &request);
    if (rc < 0)
        stop(self, rc, "execute");
}

/* --- queries ------------------------------------------------------------------------------------------------------ */

static int answer_state(struct executord *self, const struct bus_route *route,
                        const struct query_codec_request *request)
{
    uint64_t height_max = executor_committed(self->executor)->header.height;
    struct query_codec_state state = {
        .request = request->request,
        .status = QUERY_CODEC_OK,
        .height = request->at_height ? request->height : height_max,
        .height_min = executor_height_min(self->executor),
        .height_max = height_max,
    };
    struct executor_value value;
    struct executord_store_head head;
    int verdict = executor_query(self->executor, request->key, state.height, &value);
    if (verdict == EXECUTOR_HEIGHT_UNKNOWN) {
        state.status = QUERY_CODEC_HEIGHT_UNKNOWN;
    } else if (verdict == EXECUTOR_HEIGHT_NOT_RETAINED) {
        state.status = QUERY_CODEC_HEIGHT_NOT_RETAINED;
    } else {
        int rc = executord_store_head(self->store, state.height, &head);
        if (rc < 0)
            return rc;
        state.found = value.found;
        state.value = value.value;
        state.proof = &value.proof;
        state.header = span_of(head.header, sizeof head.header);
        state.commit_proof = head.proof;
    }
    struct bytes_writer writer = answer_writer(self);
    query_codec_put_state(&writer, &state);
    send_answer(self, EXECUTORD_QUERY, route, &writer);
    return 0;
}

enum { STATUS_TEXT_BYTES = 2 * HASH_BYTES + 1 };

static void answer_status(struct executord *self, const struct bus_route *route, uint64_t request)
{
    const struct version *last = executor_committed(self->executor);
    struct executor_usage usage = executor_usage(self->executor);
    char root[STATUS_TEXT_BYTES];
    hex_encode(root, last->header.state_root.bytes, HASH_BYTES);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"height", last->header.height},
        {"persisted_height", self->persisted_height},
        {"state_keys", usage.key_count},
        {"state_bytes", usage.state_bytes},
        {"committed_versions", usage.committed_count},
        {"speculative_versions", usage.speculative_count},
    };
    char texts[ARRAY_COUNT(numbers)][24];
    struct query_codec_item items[ARRAY_COUNT(numbers) + 1];
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        snprintf(texts[i], sizeof texts[i], "%" PRIu64, numbers[i].value);
        items[i] = (struct query_codec_item){numbers[i].name, texts[i]};
    }
    items[ARRAY_COUNT(numbers)] = (struct query_codec_item){"state_root", root};
    struct bytes_writer writer = answer_writer(self);
    query_codec_put_status(&writer, &(struct query_codec_items){request, items, ARRAY_COUNT(items)});
    send_answer(self, EXECUTORD_QUERY, route, &writer);
}

static void query_message(void *context, struct bus_message *message)
{
    struct executord *self = context;
    struct query_codec_request request;
    int rc = query_codec_decode(&request, message->payload);
    if (rc < 0) {
        bad_frame(self, EXECUTORD_QUERY, message, rc);
        return;
    }
    if (request.kind == QUERY_CODEC_STATUS_REQUEST) {
        answer_status(self, &message->route, request.request);
        return;
    }
    rc = answer_state(self, &message->route, &request);
    if (rc < 0)
        stop(self, rc, "read a block's proof");
}

/* --- once a second ------------------------------------------------------------------------------------------------ */

static void show(struct executord *self)
{
    const struct version *last = executor_committed(self->executor);
    struct executor_usage usage = executor_usage(self->executor);
    const struct {
        enum executord_metric metric;
        uint64_t value;
    } gauges[] = {
        {EXECUTORD_METRIC_HEIGHT, last->header.height},
        {EXECUTORD_METRIC_INACTIVE, (uint64_t)__builtin_popcountll(executor_inactive(self->executor))},
        {EXECUTORD_METRIC_STATE_KEYS, usage.key_count},
        {EXECUTORD_METRIC_STATE_BYTES, usage.state_bytes},
        {EXECUTORD_METRIC_STATE_CHUNK_BYTES, usage.chunk_bytes},
        {EXECUTORD_METRIC_VERSIONS, usage.committed_count},
        {EXECUTORD_METRIC_SPECULATIVE, usage.speculative_count},
        {EXECUTORD_METRIC_STORE_BYTES, executord_store_bytes(self->store)},
    };
    for (size_t i = 0; i < ARRAY_COUNT(gauges); i++)
        metrics_set(self->metrics, gauges[i].metric, (int64_t)gauges[i].value);
    char root[STATUS_TEXT_BYTES];
    hex_encode(root, last->header.state_root.bytes, HASH_BYTES);
    admin_status_set_u64(self->admin, "height", last->header.height);
    admin_status_set_text(self->admin, "state_root", root);
    admin_status_set_u64(self->admin, "persisted_height", self->persisted_height);
    admin_status_set_u64(self->admin, "versions", usage.committed_count + usage.speculative_count);
    admin_status_set_u64(self->admin, "state_keys", usage.key_count);
}

static void beat(void *context)
{
    struct executord *self = context;
    show(self);
    admin_beat(self->admin);
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static int load_genesis(struct executord *self)
{
    int rc = genesis_file_load(self->config->common.genesis_file, &self->genesis);
    if (rc < 0)
        return log_failure(rc, "load GENESIS_FILE");
    if (self->genesis->parameters.block_max_bytes > BLOCK_BYTES_MAX)
        return config_problem("GENESIS_FILE", self->config->common.genesis_file,
                              "has block_max_bytes above 16777216, which this executord cannot serve");
    return 0;
}

static int allocate(struct executord *self)
{
    size_t txs = (size_t)self->genesis->parameters.block_max_txs;
    size_t execution_bytes = execution_codec_answer_bytes_max(txs);
    self->answer_bytes = execution_bytes > STATE_ANSWER_BYTES_MAX ? execution_bytes : STATE_ANSWER_BYTES_MAX;
    self->spans = calloc(txs, sizeof self->spans[0]);
    self->answer = malloc(self->answer_bytes);
    return self->spans && self->answer ? 0 : -ENOMEM;
}

static int start_admin(struct executord *self)
{
    int rc = metrics_new(&self->metrics, executord_metrics, EXECUTORD_METRIC_COUNT);
    if (rc < 0)
        return rc;
    return admin_new(&self->admin, &(struct admin_options){
                                       .daemon = "executord",
                                       .node = self->config->common.node_name,
                                       .listen = self->config->common.admin_listen,
                                       .metrics = self->metrics,
                                       .conditions = conditions,
                                       .condition_count = CONDITION_COUNT,
                                   });
}

static int start_executor(struct executord *self)
{
    uint64_t start_ms = loop_now_ms();
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    int rc = executor_new(&self->executor, &(struct executor_options){
                                               .genesis = self->genesis,
                                               .retain_versions = (uint32_t)self->config->state_retain_versions,
                                               .speculative_max = SPECULATIVE_MAX,
                                               .state_bytes_max = self->config->state_bytes_max,
                                               .policy_facts = policy_facts_of,
                                               .policy_facts_context = self,
                                               .seed = seed,
                                           });
    if (rc < 0)
        return log_failure(rc, "start the executor");
    rc = executord_store_open(&self->store, &(struct executord_store_options){
                                                .path = self->config->data_dir,
                                                .map_bytes_max = self->config->store_map_bytes_max,
                                            });
    if (rc < 0)
        return log_failure(rc, "open the store");
    rc = executord_store_load(self->store, self->executor);
    if (rc < 0)
        return log_failure(rc, "load the store");
    const struct version *last = executor_committed(self->executor);
    log_info("store.loaded", "height=%" PRIu64 " id=%s state_root=%s keys=%" PRIu64 " ms=%" PRIu64, last->header.height,
             LOG_HASH(&last->id), LOG_HASH(&last->header.state_root), executor_usage(self->executor).key_count,
             loop_now_ms() - start_ms);
    admin_ready_set(self->admin, CONDITION_STORE, true, NULL);
    return 0;
}

/* What the three sockets are made of. */
struct arrow {
    const char *endpoint;
    const struct config_hex32 *peer_key;
    const char *peer;
    uint32_t frame_bytes_max;
    void (*message)(void *context, struct bus_message *message);
};

static int bind_arrow(struct executord *self, enum executord_arrow index, const struct arrow *arrow,
                      const uint8_t *secret)
{
    const char *name = executord_arrow_names[index];
    int rc = arrow->peer_key->is_set ? bus_allow(self->bus, name, arrow->peer_key->bytes, arrow->peer) : 0;
    if (rc < 0)
        return rc;
    rc = bus_router_bind(&self->sockets[index], self->bus,
                         &(struct bus_options){
                             .name = name,
                             .endpoint = arrow->endpoint,
                             .curve_secret = secret,
                             .frame_bytes_max = arrow->frame_bytes_max,
                             .queue_count_max = QUEUE_COUNT_MAX,
                         });
    if (rc < 0)
        return rc;
    return loop_socket_add(self->loop, self->sockets[index],
                           &(struct loop_socket_handlers){.message = arrow->message, .context = self});
}

static uint32_t execution_frame_bytes_max(const struct executord *self)
{
    const struct genesis_parameters *parameters = &self->genesis->parameters;
    uint64_t bytes =
        parameters->block_max_bytes + parameters->block_max_txs * BODY_OVERHEAD_BYTES + REQUEST_OVERHEAD_BYTES;
    return (uint32_t)(bytes < BUS_FRAME_BYTES_MAX ? bytes : BUS_FRAME_BYTES_MAX);
}

static int bind_arrows(struct executord *self, const uint8_t *secret)
{
    const struct executord_config *config = self->config;
    const struct arrow arrows[EXECUTORD_ARROW_COUNT] = {
        [EXECUTORD_EXECUTION] = {config->execution_endpoint, &config->consensusd_key, "consensusd",
                                 execution_frame_bytes_max(self), execution_message},
        /* The limit is for both directions: answers are large. */
        [EXECUTORD_OUTCOME] = {config->outcome_endpoint, &config->persistd_key, "persistd", BUS_FRAME_BYTES_MAX,
                               outcome_message},
        [EXECUTORD_QUERY] = {config->query_endpoint, &config->apid_key, "apid", STATE_ANSWER_BYTES_MAX, query_message},
    };
    for (size_t i = 0; i < EXECUTORD_ARROW_COUNT; i++) {
        int rc = bind_arrow(self, (enum executord_arrow)i, &arrows[i], secret);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int start_sockets(struct executord *self)
{
    int rc = bus_new(&self->bus);
    if (rc < 0)
        return log_failure(rc, "start the bus");
    uint8_t secret[KEYFILE_KEY_BYTES];
    const char *path = self->config->common.stage_curve_key_file;
    rc = path ? keyfile_read(path, secret) : 0;
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(path));
        return log_failure(rc, "read STAGE_CURVE_KEY_FILE");
    }
    rc = bind_arrows(self, path ? secret : NULL);
    sodium_memzero(secret, sizeof secret);
    if (rc < 0)
        return log_failure(rc, "bind a socket");
    admin_ready_set(self->admin, CONDITION_SOCKETS, true, NULL);
    return 0;
}

int executord_new(struct executord **out, const struct executord_config *config)
{
    CLEANUP(executord_destroy) struct executord *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    self->epoch = (uint64_t)loop_wall_ms();
    int (*const steps[])(struct executord *) = {load_genesis, allocate, start_admin, start_executor, start_sockets};
    int rc = loop_new(&self->loop);
    for (size_t i = 0; i < ARRAY_COUNT(steps) && rc == 0; i++)
        rc = steps[i](self);
    if (rc < 0)
        return rc;
    rc = loop_timer_every(self->loop, BEAT_MS, beat, self, NULL);
    if (rc < 0)
        return rc;
    show(self);
    *out = TAKE(self);
    return 0;
}

void executord_destroy(struct executord **self)
{
    if (!self || !*self)
        return;
    struct executord *daemon = *self;
    for (size_t i = 0; i < EXECUTORD_ARROW_COUNT; i++) {
        if (daemon->sockets[i])
            loop_socket_remove(daemon->loop, daemon->sockets[i]);
        bus_socket_close(&daemon->sockets[i]);
    }
    bus_destroy(&daemon->bus);
    admin_destroy(&daemon->admin);
    metrics_destroy(&daemon->metrics);
    executord_store_close(&daemon->store);
    executor_destroy(&daemon->executor);
    params_facts_deinit(&daemon->facts);
    loop_destroy(&daemon->loop);
    genesis_destroy(&daemon->genesis);
    free(daemon->spans);
    free(daemon->answer);
    free(daemon);
    *self = NULL;
}

int executord_run(struct executord *self)
{
    int rc = loop_run(self->loop);
    return rc < 0 ? rc : self->failure;
}
