/* test_executord.c - the daemon itself, in a process of its own, spoken to over its ipc sockets as consensusd, persistd
 * and apid do.
 */
#include "tests/unit/executord/world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/log.h"
#include "proto/execution.pb-c.h"
#include "proto/outcome.pb-c.h"
#include "proto/proof.pb-c.h"
#include "proto/query.pb-c.h"
#include "services/executord/executord.h"

typedef Cybermesh__Execution__V1__ExecutionFrame Execution;
typedef Cybermesh__Outcome__V1__OutcomeFrame Outcome;
typedef Cybermesh__Query__V1__QueryFrame Query;

enum { ANSWER_MS_MAX = 10000, RESEND_MS = 500, FRAME_BYTES = 1 << 20, SIGNERS = 3 };

static const char directory_name[] = "/tmp/executord-test-XXXXXX";
static char directory[sizeof directory_name];
static struct world world; /* the genesis, to make bodies with */
static struct bus *bus;
static struct bus_socket *execution, *outcome, *query;
static pid_t child;
static uint8_t buffer[FRAME_BYTES];

static struct executord_config config = {
    .common = {.node_name = (char *)(uintptr_t) "v1",
               .genesis_file = (char *)(uintptr_t) "genesis.json",
               .admin_listen = (char *)(uintptr_t) "127.0.0.1:0",
               .log_level = LOG_LEVEL_WARN},
    .data_dir = (char *)(uintptr_t) "data",
    .store_map_bytes_max = 64 << 20,
    .state_retain_versions = 10,
    .state_bytes_max = 64 << 20,
    .execution_endpoint = (char *)(uintptr_t) "ipc://ipc/execution.sock",
    .outcome_endpoint = (char *)(uintptr_t) "ipc://ipc/outcome.sock",
    .query_endpoint = (char *)(uintptr_t) "ipc://ipc/query.sock",
};

/* --- the process -------------------------------------------------------------------------------------------------- */

static void start(void)
{
    child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    signal(SIGXFSZ, SIG_IGN);         /* refuse_writes(): a write fails, as on a full disk */
    struct executord *daemon = NULL;
    int rc = executord_new(&daemon, &config);
    if (rc == 0)
        rc = executord_run(daemon);
    executord_destroy(&daemon);
    _exit(rc == 0 ? 0 : 1);
}

static int stop(int signal)
{
    int status = 0;
    assert_int_equal(kill(child, signal), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* From here on it finds its disk full. */
static void refuse_writes(void)
{
    const struct rlimit none = {0, 0};
    assert_int_equal(prlimit(child, RLIMIT_FSIZE, &none, NULL), 0);
}

/* Its exit status; it ends by itself. */
static int wait_end(void)
{
    int status = 0;
    pid_t ended = 0;
    for (unsigned waited = 0; ended == 0 && waited < ANSWER_MS_MAX; waited += 10) {
        ended = waitpid(child, &status, WNOHANG);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(ended, child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void connect_to(struct bus_socket **out, const char *name, const char *endpoint)
{
    struct bus_options options = {
        .name = name, .endpoint = endpoint, .frame_bytes_max = FRAME_BYTES, .queue_count_max = 100};
    assert_int_equal(bus_dealer_connect(out, bus, &options), 0);
}

static int setup(void **state)
{
    memcpy(directory, directory_name, sizeof directory);
    if (sodium_init() < 0 || !mkdtemp(directory) || chdir(directory) < 0)
        return -1;
    world_genesis(&world);
    for (unsigned i = 0; i < world.genesis.validator_count; i++) {
        memset(world.genesis.validators[i].control_key.bytes, (int)(0x20 + i), 32);
        memset(world.genesis.validators[i].consensus_curve_key, (int)(0x30 + i), 32);
        memset(world.genesis.validators[i].mempool_curve_key, (int)(0x50 + i), 32);
    }
    strcpy(world.genesis.network, "test");
    if (genesis_file_write("genesis.json", &world.genesis) < 0)
        return -1;
    start(); /* before this process has threads */
    if (bus_new(&bus) < 0)
        return -1;
    for (unsigned waited = 0; access("ipc/query.sock", F_OK) < 0 && waited < ANSWER_MS_MAX; waited += 10)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    connect_to(&execution, "execution", config.execution_endpoint);
    connect_to(&outcome, "outcome", config.outcome_endpoint);
    connect_to(&query, "query", config.query_endpoint);
    return 0;
}

static int teardown(void **state)
{
    bus_socket_close(&execution);
    bus_socket_close(&outcome);
    bus_socket_close(&query);
    bus_destroy(&bus);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return chdir("/") < 0 ? -1 : system(command);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static void send_frame(struct bus_socket *socket, const ProtobufCMessage *frame)
{
    size_t size = protobuf_c_message_pack(frame, buffer);
    int rc = -EAGAIN;
    for (unsigned waited = 0; rc == -EAGAIN && waited < ANSWER_MS_MAX; waited++) {
        rc = bus_send(socket, NULL, buffer, size);
        if (rc == -EAGAIN)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(rc, 0);
}

/* The next answer; NULL when none came in time. */
static void *receive_frame(struct bus_socket *socket, const ProtobufCMessageDescriptor *type, unsigned wait_ms)
{
    for (unsigned waited = 0; waited <= wait_ms; waited++) {
        struct bus_message message;
        if (bus_receive(socket, &message) == 0) {
            void *frame = protobuf_c_message_unpack(type, NULL, message.payload.size, message.payload.data);
            bus_message_deinit(&message);
            assert_non_null(frame);
            return frame;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

/* "A DEALER side re-sends its standing request after 500 ms without an answer, so either side may restart." */
static void *call(struct bus_socket *socket, const ProtobufCMessage *frame)
{
    for (unsigned waited = 0; waited < ANSWER_MS_MAX; waited += RESEND_MS) {
        send_frame(socket, frame);
        void *answer = receive_frame(socket, frame->descriptor, RESEND_MS);
        if (answer)
            return answer;
    }
    abort(); /* cmocka reports it */
}

/* An answer's field in the frame is its request's + 1; a second answer to a request sent twice is passed over. */
static Execution *execution_call(Execution *frame)
{
    frame->version = 1;
    Execution *answer = call(execution, &frame->base);
    while ((int)answer->body_case != (int)frame->body_case + 1) {
        cybermesh__execution__v1__execution_frame__free_unpacked(answer, NULL);
        answer = receive_frame(execution, frame->base.descriptor, ANSWER_MS_MAX);
        if (!answer)
            abort();
    }
    return answer;
}

static void execution_free(Execution *frame)
{
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
}

/* Height, epoch and id of the durable block. */
struct durable {
    uint64_t height;
    uint64_t epoch;
    struct hash id;
};

static struct durable ask_height(void)
{
    Execution frame;
    Cybermesh__Execution__V1__HeightRequest request;
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__height_request__init(&request);
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT_REQUEST;
    frame.height_request = &request;
    Execution *answer = execution_call(&frame);
    assert_int_equal(answer->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT);
    struct block_header genesis;
    struct span genesis_header = span_of(answer->height->genesis_header.data, answer->height->genesis_header.len);
    assert_int_equal(block_header_decode(&genesis, genesis_header), 0);
    assert_int_equal(genesis.height, 0);
    struct durable durable = {.height = answer->height->height, .epoch = answer->height->epoch};
    memcpy(durable.id.bytes, answer->height->block_id.data, HASH_BYTES);
    execution_free(answer);
    return durable;
}

/* Build a block on the durable one, time rising with its height. body NULL: one without transactions. Its header as it
 * came. */
static void build(uint8_t header[static BLOCK_HEADER_BYTES], const struct durable *parent,
                  const struct world_body *body)
{
    Execution frame;
    Cybermesh__Execution__V1__Build request;
    cybermesh__execution__v1__execution_frame__init(&frame);
    cybermesh__execution__v1__build__init(&request);
    ProtobufCBinaryData item = {body ? body->size : 0, body ? body->data : NULL};
    uint8_t proposer[32] = {1};
    struct hash parent_id = parent->id;
    request.request = 77;
    request.parent_id = (ProtobufCBinaryData){HASH_BYTES, parent_id.bytes};
    request.height = parent->height + 1;
    request.view = parent->height + 1;
    request.justify_view = parent->height;
    request.proposer = (ProtobufCBinaryData){32, proposer};
    request.timestamp_ms = WORLD_CREATED_MS + 1000 * (parent->height + 1);
    request.n_bodies = body ? 1 : 0;
    request.bodies = &item;
    frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILD;
    frame.build = &request;
    Execution *answer = execution_call(&frame);
    assert_int_equal(answer->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILT);
    assert_int_equal(answer->built->request, 77);
    assert_int_equal(answer->built->status, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(answer->built->n_refused, 0);
    assert_int_equal(answer->built->header.len, BLOCK_HEADER_BYTES);
    memcpy(header, answer->built->header.data, BLOCK_HEADER_BYTES);
    execution_free(answer);
}

/* A proof with the form of one: two headers and a quorum of signatures. */
static size_t proof_pack(uint8_t out[static 4096], uint8_t *header)
{
    ProtobufCBinaryData headers[2] = {{BLOCK_HEADER_BYTES, header}, {BLOCK_HEADER_BYTES, header}};
    Cybermesh__Proof__V1__Signature signatures[SIGNERS];
    Cybermesh__Proof__V1__Signature *pointers[SIGNERS];
    uint8_t bytes[SIGN_BYTES] = {0};
    uint8_t id[HASH_BYTES] = {5};
    for (uint32_t i = 0; i < SIGNERS; i++) {
        cybermesh__proof__v1__signature__init(&signatures[i]);
        signatures[i].validator = i;
        signatures[i].signature = (ProtobufCBinaryData){sizeof bytes, bytes};
        pointers[i] = &signatures[i];
    }
    Cybermesh__Proof__V1__Qc qc;
    cybermesh__proof__v1__qc__init(&qc);
    qc.view = 2;
    qc.height = 2;
    qc.block_id = (ProtobufCBinaryData){sizeof id, id};
    qc.n_signatures = SIGNERS;
    qc.signatures = pointers;
    Cybermesh__Proof__V1__CommitProof proof;
    cybermesh__proof__v1__commit_proof__init(&proof);
    proof.n_headers = 2;
    proof.headers = headers;
    proof.qc = &qc;
    return cybermesh__proof__v1__commit_proof__pack(&proof, out);
}

struct commit_frame {
    Execution frame;
    Cybermesh__Execution__V1__Commit commit;
    uint8_t proof[4096];
    ProtobufCBinaryData body;
};

static void commit_frame_init(struct commit_frame *out, uint8_t *header, uint8_t *proved_header,
                              const struct world_body *body)
{
    cybermesh__execution__v1__execution_frame__init(&out->frame);
    cybermesh__execution__v1__commit__init(&out->commit);
    out->body = (ProtobufCBinaryData){body ? body->size : 0, body ? body->data : NULL};
    out->commit.header = (ProtobufCBinaryData){BLOCK_HEADER_BYTES, header};
    out->commit.proof = (ProtobufCBinaryData){proof_pack(out->proof, proved_header), out->proof};
    out->commit.n_bodies = body ? 1 : 0;
    out->commit.bodies = &out->body;
    out->frame.version = 1;
    out->frame.body_case = CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT;
    out->frame.commit = &out->commit;
}

static Cybermesh__Execution__V1__Status commit(uint8_t *header, uint8_t *proved_header, const struct world_body *body)
{
    struct commit_frame frame;
    commit_frame_init(&frame, header, proved_header, body);
    Execution *answer = execution_call(&frame.frame);
    assert_int_equal(answer->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMITTED);
    Cybermesh__Execution__V1__Status status = answer->committed->status;
    execution_free(answer);
    return status;
}

/* Answers to what was sent twice are passed over. */
static bool commit_was_answered(void)
{
    bool answered = false;
    for (Execution *frame; (frame = receive_frame(execution, &cybermesh__execution__v1__execution_frame__descriptor,
                                                  RESEND_MS)) != NULL;) {
        answered |= frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMITTED;
        execution_free(frame);
    }
    return answered;
}

static void ask_outcomes(uint64_t height_first)
{
    Outcome frame;
    Cybermesh__Outcome__V1__Ask ask;
    cybermesh__outcome__v1__outcome_frame__init(&frame);
    cybermesh__outcome__v1__ask__init(&ask);
    ask.request = 5;
    ask.height_first = height_first;
    ask.count_max = 100;
    frame.version = 1;
    frame.body_case = CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_ASK;
    frame.ask = &ask;
    send_frame(outcome, &frame.base);
}

/* How many blocks the next answer holds, or 0 when there is none within wait_ms. */
static size_t outcomes_received(unsigned wait_ms)
{
    Outcome *frame = receive_frame(outcome, &cybermesh__outcome__v1__outcome_frame__descriptor, wait_ms);
    if (!frame)
        return 0;
    assert_int_equal(frame->body_case, CYBERMESH__OUTCOME__V1__OUTCOME_FRAME__BODY_OUTCOMES);
    assert_int_equal(frame->outcomes->request, 5);
    size_t count = frame->outcomes->n_blocks;
    cybermesh__outcome__v1__outcome_frame__free_unpacked(frame, NULL);
    return count;
}

/* Ask for a key at the latest height and verify the proof against the header that came. */
static bool state_has(const char *key)
{
    Query frame;
    Cybermesh__Query__V1__StateRequest request;
    cybermesh__query__v1__query_frame__init(&frame);
    cybermesh__query__v1__state_request__init(&request);
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST;
    frame.state_request = &request;
    request.key.len = strlen(key);
    request.key.data = (uint8_t *)(uintptr_t)key;
    Query *answer = call(query, &frame.base);
    assert_int_equal(answer->body_case, CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE);
    const Cybermesh__Query__V1__State *got = answer->state;
    assert_int_equal(got->status, CYBERMESH__QUERY__V1__STATE_STATUS__STATE_OK);
    struct block_header header;
    assert_int_equal(block_header_decode(&header, span_of(got->header.data, got->header.len)), 0);
    assert_int_equal(header.height, got->height);
    assert_int_equal(got->proof.len > 0, got->height > 0);
    struct stateproof proof = {.has_leaf = got->has_leaf, .sibling_count = (uint32_t)got->n_siblings};
    if (got->has_leaf) {
        memcpy(proof.leaf.key_hash.bytes, got->leaf_key_hash.data, HASH_BYTES);
        memcpy(proof.leaf.value_hash.bytes, got->leaf_value_hash.data, HASH_BYTES);
    }
    for (size_t i = 0; i < got->n_siblings; i++)
        memcpy(proof.siblings[i].bytes, got->siblings[i].data, HASH_BYTES);
    struct span value = got->found ? span_of(got->value.data, got->value.len) : (struct span){0};
    assert_int_equal(stateproof_verify(&header.state_root, span_text(key), value, &proof), 0);
    bool found = got->found;
    cybermesh__query__v1__query_frame__free_unpacked(answer, NULL);
    return found;
}

static void send_garbage(struct bus_socket *socket)
{
    uint8_t garbage[64];
    randombytes_buf(garbage, sizeof garbage);
    assert_int_equal(bus_send(socket, NULL, garbage, sizeof garbage), 0);
}

/* --- the story ---------------------------------------------------------------------------------------------------- */

static void a_block_is_durable_served_and_there_after_a_kill(void **state)
{
    struct durable genesis = ask_height();
    assert_int_equal(genesis.height, 0);
    struct world_body first = world_body(&world, &(struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    struct world_body second = world_body(&world, &(struct world_event){TX_POLICY, .id = "b", .nonce = 2});
    uint8_t one[BLOCK_HEADER_BYTES], two[BLOCK_HEADER_BYTES];
    build(one, &genesis, &first);

    ask_outcomes(0);
    assert_int_equal(outcomes_received(ANSWER_MS_MAX), 1);
    ask_outcomes(1);
    assert_int_equal(outcomes_received(50), 0); /* it waits */
    assert_false(state_has("anomaly/a"));
    build(two, &genesis, &second);
    assert_int_equal(commit(one, two, NULL), CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER);
    assert_int_equal(commit(one, one, NULL), CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(outcomes_received(ANSWER_MS_MAX), 1);
    assert_true(state_has("anomaly/a"));
    assert_int_equal(commit(one, one, NULL), CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(commit(two, two, NULL), CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT);

    send_garbage(execution);
    send_garbage(outcome);
    send_garbage(query);
    struct durable before = ask_height();
    assert_int_equal(before.height, 1);
    build(two, &before, &second);
    assert_true(WIFSIGNALED(stop(SIGKILL)));

    start();
    struct durable after = ask_height();
    assert_int_equal(after.height, 1);
    assert_true(hash_equal(&after.id, &before.id));
    assert_true(after.epoch != before.epoch);
    assert_int_equal(commit(two, two, NULL), CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT);
    assert_int_equal(commit(two, two, &second), CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_true(state_has("policy/b"));
    size_t received = 0;
    for (unsigned tries = 0; received == 0 && tries < ANSWER_MS_MAX / RESEND_MS; tries++) {
        ask_outcomes(0);
        received = outcomes_received(RESEND_MS);
    }
    assert_int_equal(received, 3);
    int status = stop(SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    /* "A Commit is answered after the block is on disk": one that cannot be written ends the daemon. */
    start();
    struct durable last = ask_height();
    assert_int_equal(last.height, 2);
    struct world_body third = world_body(&world, &(struct world_event){TX_ANOMALY, .id = "c", .nonce = 3});
    uint8_t three[BLOCK_HEADER_BYTES];
    build(three, &last, &third);
    refuse_writes();
    struct commit_frame frame;
    commit_frame_init(&frame, three, three, NULL);
    send_frame(execution, &frame.frame.base);
    assert_int_equal(wait_end(), 1);
    assert_false(commit_was_answered());
    world_body_free(&first);
    world_body_free(&second);
    world_body_free(&third);
}

static struct durable durable_of(const uint8_t header[static BLOCK_HEADER_BYTES])
{
    struct block_header decoded;
    assert_int_equal(block_header_decode(&decoded, span_of(header, BLOCK_HEADER_BYTES)), 0);
    return (struct durable){.height = decoded.height, .id = block_id(&decoded)};
}

enum { TOGETHER = 4 }; /* three blocks without transactions, and one with */

/* A Commit of the last of these with those before it, which is answered with this height and status. */
static void commit_together(uint8_t headers[][BLOCK_HEADER_BYTES], uint8_t proved[][BLOCK_HEADER_BYTES], size_t count,
                            uint64_t height, Cybermesh__Execution__V1__Status status)
{
    static uint8_t proofs[TOGETHER][4096];
    Cybermesh__Execution__V1__EmptyBlock before[TOGETHER], *list[TOGETHER];
    for (size_t i = 0; i < count - 1; i++) {
        cybermesh__execution__v1__empty_block__init(list[i] = &before[i]);
        before[i].header = (ProtobufCBinaryData){BLOCK_HEADER_BYTES, headers[i]};
        before[i].proof = (ProtobufCBinaryData){proof_pack(proofs[i], proved[i]), proofs[i]};
    }
    struct commit_frame frame;
    commit_frame_init(&frame, headers[count - 1], proved[count - 1], NULL);
    frame.commit.n_before = count - 1;
    frame.commit.before = list;
    Execution *answer = execution_call(&frame.frame);
    assert_int_equal(answer->body_case, CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMITTED);
    assert_int_equal(answer->committed->height, height);
    assert_int_equal(answer->committed->status, status);
    struct durable answered = durable_of(headers[height - 1]);
    assert_memory_equal(answer->committed->block_id.data, answered.id.bytes, HASH_BYTES);
    execution_free(answer);
}

/* A refused one ends the Commit: what stands before it is durable, and what is behind it is not. */
static void blocks_of_one_commit_are_durable_together(void **state)
{
    (void)state;
    struct durable parent = ask_height();
    struct world_body body = world_body(&world, &(struct world_event){TX_ANOMALY, .id = "a", .nonce = 1});
    uint8_t headers[TOGETHER][BLOCK_HEADER_BYTES];
    for (size_t i = 0; i < TOGETHER; i++) {
        build(headers[i], &parent, i == TOGETHER - 1 ? &body : NULL);
        parent = durable_of(headers[i]);
    }
    uint8_t proved[TOGETHER][BLOCK_HEADER_BYTES];
    memcpy(proved, headers, sizeof proved);
    memcpy(proved[1], headers[0], BLOCK_HEADER_BYTES);
    commit_together(headers, proved, TOGETHER, 2, CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_HEADER);
    assert_int_equal(ask_height().height, 1);
    ask_outcomes(2);
    assert_int_equal(outcomes_received(50), 0);
    commit_together(headers, headers, TOGETHER, TOGETHER, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    assert_int_equal(outcomes_received(ANSWER_MS_MAX), TOGETHER - 1); /* one answer to who waited */
    assert_true(state_has("anomaly/a"));
    assert_true(WIFSIGNALED(stop(SIGKILL)));
    start();
    assert_int_equal(ask_height().height, TOGETHER);
    commit_together(headers, headers, TOGETHER, TOGETHER, CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK);
    (void)stop(SIGTERM);
    world_body_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_of_one_commit_are_durable_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_block_is_durable_served_and_there_after_a_kill, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
