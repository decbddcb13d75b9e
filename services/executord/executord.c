/* executord.c - starting, ending, and what the three that serve its arrows have in common.
 *
 * What the executor or the store cannot go on from (no memory for the state, a full or broken disk) ends the daemon: it
 * restarts from its store.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/reason.h"
#include "common/edge/keyfile.h"
#include "services/executord/execution_codec.h"
#include "services/executord/executord_state.h"
#include "services/executord/record.h"

enum {
    SPECULATIVE_MAX = 64,
    BLOCK_BYTES_MAX = 16 << 20,       /* so that a block's outcome fits a frame */
    REQUEST_OVERHEAD_BYTES = 2 << 20, /* of a frame with a block: header, proof */
    BODY_OVERHEAD_BYTES = 16,         /* of one body in a frame */
    STATE_ANSWER_BYTES_MAX = 4 << 20, /* value, siblings, header, proof */
    QUEUE_COUNT_MAX = 1000,
    BEAT_MS = 1000,
};

enum { CONDITION_STORE, CONDITION_SOCKETS, CONDITION_COUNT };
static const char *const conditions[CONDITION_COUNT] = {"store", "sockets"};

/* --- answers ------------------------------------------------------------------------------------------------------ */

void executord_stop(struct executord *self, int rc, const char *what)
{
    self->failure = log_failure(rc, what);
    loop_stop(self->loop);
}

void executord_bad_frame(struct executord *self, enum executord_arrow arrow, const struct bus_message *message, int rc)
{
    metrics_add_at(self->metrics, EXECUTORD_METRIC_BAD_FRAMES, arrow, 1);
    log_limited(&self->bad_frame_limit, LOG_LEVEL_WARN, "frame.bad", "arrow=%s peer=%s bytes=%zu error=\"%s\"",
                executord_arrow_names[arrow], LOG_QUOTE_TEXT(message->user_id), message->payload.size, err_text(rc));
}

struct bytes_writer executord_answer_writer(struct executord *self)
{
    return bytes_writer_of(self->answer, self->answer_bytes);
}

/* A peer that is gone or does not read asks again. */
int executord_send(struct executord *self, enum executord_arrow arrow, const struct bus_route *route,
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

void executord_send_answer(struct executord *self, enum executord_arrow arrow, const struct bus_route *route,
                           const struct bytes_writer *writer)
{
    assert(!writer->failed);
    (void)!executord_send(self, arrow, route, bytes_written(writer));
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
    char root[2 * HASH_BYTES + 1];
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
                                 execution_frame_bytes_max(self), serve_execution_message},
        /* The limit is for both directions: answers are large. */
        [EXECUTORD_OUTCOME] = {config->outcome_endpoint, &config->persistd_key, "persistd", BUS_FRAME_BYTES_MAX,
                               serve_outcomes_message},
        [EXECUTORD_QUERY] = {config->query_endpoint, &config->apid_key, "apid", STATE_ANSWER_BYTES_MAX,
                             serve_queries_message},
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
