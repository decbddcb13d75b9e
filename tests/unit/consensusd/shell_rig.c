#include "tests/unit/consensusd/shell_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/err.h"

struct shell_rig shell;

/* --- in the place of the world ------------------------------------------------------------------------------------ */

int __wrap_bus_send_take(struct bus_socket *self, const struct bus_route *route, uint8_t **payload, size_t size);
int __wrap_bus_send_take(struct bus_socket *self, const struct bus_route *route, uint8_t **payload, size_t size)
{
    (void)route;
    assert_true(shell.sent_count < RIG_SENT_MAX);
    shell.sent[shell.sent_count++] = (struct shell_sent){self, TAKE(*payload), size};
    return 0;
}

bool __wrap_bus_socket_is_connected(const struct bus_socket *self);
bool __wrap_bus_socket_is_connected(const struct bus_socket *self)
{
    return self != NULL;
}

uint64_t __wrap_loop_now_ms(void);
uint64_t __wrap_loop_now_ms(void)
{
    return shell.now_ms;
}

void __wrap_consensusd_step(struct consensusd *self, const struct consensus_event *event);
void __wrap_consensusd_step(struct consensusd *self, const struct consensus_event *event)
{
    (void)self;
    assert_true(shell.event_count < RIG_EVENTS_MAX);
    shell.events[shell.event_count++] = event->type;
    shell.event = *event;
}

void __wrap_consensusd_stop(struct consensusd *self, int rc, const char *what);
void __wrap_consensusd_stop(struct consensusd *self, int rc, const char *what)
{
    (void)what;
    self->failure = rc;
}

size_t __wrap_consensus_certified(const struct consensus *self, uint64_t height_first, struct consensus_certified *out,
                                  size_t capacity);
size_t __wrap_consensus_certified(const struct consensus *self, uint64_t height_first, struct consensus_certified *out,
                                  size_t capacity)
{
    (void)self;
    shell.certified_from = height_first;
    size_t count = shell.certified_count < capacity ? shell.certified_count : capacity;
    for (size_t i = 0; i < count; i++)
        out[i] = shell.certified[i];
    return count;
}

void __wrap_peers_broadcast(struct consensusd *self, const struct consensus_effect *effect);
void __wrap_peers_broadcast(struct consensusd *self, const struct consensus_effect *effect)
{
    (void)self;
    (void)effect;
    shell.broadcasts++;
}

/* --- the rig ------------------------------------------------------------------------------------------------------ */

void shell_start(void)
{
    assert_true(sodium_init() >= 0);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    shell = (struct shell_rig){.now_ms = 100000};
    snprintf(shell.directory, sizeof shell.directory, "/tmp/shell-XXXXXX");
    assert_non_null(mkdtemp(shell.directory));
    shell.genesis = (struct genesis){
        .chain_id = sample_hash(0xc1), .validator_count = RIG_VALIDATORS, .parameters = genesis_parameters_default()};
    for (uint32_t i = 0; i < RIG_VALIDATORS; i++) {
        const uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&shell.keys[i], seed);
        struct genesis_validator *validator = &shell.genesis.validators[i];
        snprintf(validator->name, sizeof validator->name, "v%u", i);
        validator->sign_key = shell.keys[i].public;
        validator->id = sign_public_id(&shell.keys[i].public);
    }
    struct consensusd *daemon = shell.daemon = calloc(1, sizeof *daemon);
    assert_non_null(daemon);
    daemon->genesis = &shell.genesis;
    daemon->self = RIG_SELF;
    daemon->pace = sync_pace_of(SYNC_BLOCKS);
    /* Handles that nobody looks into: a core, and the sockets. */
    daemon->core = (struct consensus *)&shell.daemon;
    daemon->execution = (struct bus_socket *)&daemon->execution;
    daemon->pool = (struct bus_socket *)&daemon->pool;
    for (uint32_t i = 0; i < RIG_VALIDATORS; i++)
        daemon->peers[i] = (struct peer){
            .daemon = daemon, .index = i, .sync = i == RIG_SELF ? NULL : (struct bus_socket *)&daemon->peers[i]};
    const struct safety_store_options options = {.path = shell.directory,
                                                 .map_bytes_max = (uint64_t)256 << 20,
                                                 .chain_id = shell.genesis.chain_id,
                                                 .key = shell.keys[RIG_SELF].public};
    assert_int_equal(safety_store_open(&daemon->store, &options), 0);
    assert_int_equal(block_cache_new(&daemon->cache, 1), 0);
    assert_int_equal(show_peers_metrics(daemon), 0);
}

void shell_forget(void)
{
    for (size_t i = 0; i < shell.sent_count; i++)
        free(shell.sent[i].frame);
    shell.sent_count = shell.event_count = shell.broadcasts = 0;
}

int shell_stop(void **state)
{
    (void)state;
    shell_forget();
    for (size_t i = 0; i < JOBS_MAX; i++)
        stages_job_end(&shell.daemon->jobs[i]);
    block_cache_destroy(&shell.daemon->cache);
    safety_store_close(&shell.daemon->store);
    metrics_destroy(&shell.daemon->metrics);
    free(shell.daemon);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", shell.directory);
    assert_int_equal(system(command), 0);
    return 0;
}

struct hash shell_block_id(uint64_t height)
{
    const struct block_header header = sample_header(height, 0);
    return block_id(&header);
}

void shell_commit(uint64_t height, size_t body_count, size_t body_bytes)
{
    struct span bodies[4];
    uint8_t *bytes = calloc(1, body_bytes + 1);
    assert_true(bytes && body_count <= ARRAY_COUNT(bodies));
    for (size_t i = 0; i < body_count; i++)
        bodies[i] = span_of(bytes, body_bytes);
    const struct qc qc = sample_qc(height, 3);
    const struct block_header proof[] = {sample_header(height, (uint32_t)body_count), sample_header(height + 1, 0)};
    const struct hash tx_ids[4] = {{{0}}};
    const struct consensus_commit commit = {.block_id = shell_block_id(height),
                                            .header = proof[0],
                                            .tx_ids = tx_ids,
                                            .qc = &qc,
                                            .proof_headers = proof,
                                            .proof_header_count = 2,
                                            .proof_qc = &qc};
    assert_int_equal(block_cache_put(shell.daemon->cache, &commit.block_id, height, bodies, body_count), 0);
    handover_commit(shell.daemon, &commit);
    block_cache_prune(shell.daemon->cache, height);
    assert_int_equal(shell.daemon->failure, 0);
    free(bytes);
}

execution_pb *shell_execution_frame(size_t n)
{
    for (size_t i = 0; i < shell.sent_count; i++) {
        const struct shell_sent *sent = &shell.sent[i];
        if (sent->socket == shell.daemon->execution && n-- == 0)
            return cybermesh__execution__v1__execution_frame__unpack(NULL, sent->size, sent->frame);
    }
    return NULL;
}

execution_pb *shell_execution_sent(Cybermesh__Execution__V1__ExecutionFrame__BodyCase body, size_t n)
{
    for (size_t i = 0;; i++) {
        execution_pb *frame = shell_execution_frame(i);
        if (!frame || (frame->body_case == body && n-- == 0))
            return frame;
        cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
    }
}

pool_pb *shell_pool_sent(Cybermesh__Pool__V1__PoolFrame__BodyCase body, size_t n)
{
    for (size_t i = 0; i < shell.sent_count; i++) {
        const struct shell_sent *sent = &shell.sent[i];
        if (sent->socket != shell.daemon->pool)
            continue;
        pool_pb *frame = cybermesh__pool__v1__pool_frame__unpack(NULL, sent->size, sent->frame);
        if (frame && frame->body_case == body && n-- == 0)
            return frame;
        cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
    }
    return NULL;
}

void shell_execution_says(execution_pb *frame)
{
    static uint8_t bytes[1 << 16];
    frame->version = STAGES_FRAME_VERSION;
    assert_true(protobuf_c_message_get_packed_size(&frame->base) <= sizeof bytes);
    struct bus_message message = {.payload = span_of(bytes, protobuf_c_message_pack(&frame->base, bytes))};
    execution_client_on_message(shell.daemon, &message);
}

void shell_pool_says(pool_pb *frame)
{
    static uint8_t bytes[1 << 16];
    frame->version = STAGES_FRAME_VERSION;
    assert_true(protobuf_c_message_get_packed_size(&frame->base) <= sizeof bytes);
    struct bus_message message = {.payload = span_of(bytes, protobuf_c_message_pack(&frame->base, bytes))};
    pool_client_on_message(shell.daemon, &message);
}

void shell_execution_committed(uint64_t height, Cybermesh__Execution__V1__Status status)
{
    execution_pb frame;
    Cybermesh__Execution__V1__Committed body;
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__committed__init(&body);
    body.height = height;
    body.status = status;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMITTED;
    frame.committed = &body;
    shell_execution_says(&frame);
}
