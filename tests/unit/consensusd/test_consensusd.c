/* test_consensusd.c - the daemon itself: real processes that speak with each other over tcp, and over ipc with this
 * test, which plays mempoold and executord for each of them.
 *
 * The executor that is played keeps what it is told to commit, verifies each commit proof against the genesis file, and
 * can lose its speculative versions, as a restarted executord does. After each story the chains of all validators are
 * compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/block.h"
#include "common/base/cert.h"
#include "common/base/merkle.h"
#include "common/base/reason.h"
#include "common/base/sign.h"
#include "common/base/tx.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "proto/execution.pb-c.h"
#include "proto/pool.pb-c.h"
#include "proto/proof.pb-c.h"
#include "services/consensusd/consensus_codec.h"
#include "services/consensusd/safety_store.h"

typedef Cybermesh__Execution__V1__ExecutionFrame execution_pb;
typedef Cybermesh__Pool__V1__PoolFrame pool_pb;

enum {
    VALIDATORS_MAX = 4,
    HEIGHTS_MAX = 4096,
    VERSIONS_MAX = 8192,
    TXS_MAX = 256,
    BLOCK_TXS = 64,
    FRAME_BYTES = 1 << 20,
    PATIENCE_MS = 30000,
    MESSAGES_PER_TURN = 32,
};

struct version {
    bool lost; /* executord was restarted */
    struct block_header header;
    struct hash id;
    uint32_t tx_count;
    uint32_t txs[BLOCK_TXS]; /* indexes of transactions */
};

struct validator {
    char name[8];
    pid_t pid; /* 0: not running */
    uint16_t pub_port, sync_port;
    struct bus_socket *pool, *execution;
    struct bus_route pool_route;
    /* mempoold */
    bool pooled[TXS_MAX];
    uint32_t dropped_reason[TXS_MAX];
    uint32_t watches;       /* how often consensusd asked for news */
    uint32_t proofs;        /* how often it handed a proof of equivocation over */
    struct hash proof_hash; /* of the last */
    /* executord */
    uint64_t epoch;
    struct version versions[VERSIONS_MAX];
    size_t version_count;
    struct hash chain[HEIGHTS_MAX]; /* committed, by height */
    uint64_t height;
    uint32_t executed[TXS_MAX]; /* how often */
    uint64_t conflicts;         /* STATUS_CONFLICT answers */
    uint64_t refused;           /* STATUS_BAD_ROOT answers */
    bool lies;                  /* the blocks that it builds have a wrong root */
    unsigned retention;         /* BLOCK_RETENTION */
    uint64_t inactive;          /* who equivocated, in its state */
};

static const char *daemon_path;
static char directory[] = "/tmp/consensusd-test-XXXXXX";
static struct bus *bus;
static struct genesis *genesis;
static struct block_header genesis_header;
static struct validator validators[VALIDATORS_MAX];
static uint32_t validator_count;
static char texts[TXS_MAX][32]; /* bodies */
static uint64_t submitted_ms[TXS_MAX];
static uint32_t tx_count;
static long build_ms;              /* how long executord takes to build a block */
static uint32_t refused_unsettled; /* answers whose refusals only an uncommitted block causes */
static uint32_t refused_count;     /* by any answer */
static uint8_t buffer[FRAME_BYTES];
static struct bus_socket *liar;
static bool logs_to_files; /* of the daemons: vN/log */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct span body_of(uint32_t tx)
{
    return span_text(texts[tx]);
}

static struct hash id_of(uint32_t tx)
{
    return tx_id(body_of(tx));
}

static bool is_bad(struct span body)
{
    return body.size >= 3 && memcmp(body.data, "bad", 3) == 0;
}

static int find_tx(struct span body)
{
    for (uint32_t i = 0; i < tx_count; i++) {
        if (span_equal(body_of(i), body))
            return (int)i;
    }
    return -1;
}

static void answer(struct bus_socket *socket, const struct bus_route *route, const ProtobufCMessage *message)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof buffer);
    size_t size = protobuf_c_message_pack(message, buffer);
    int rc = bus_send(socket, route, buffer, size);
    (void)rc; /* who is gone asks again */
}

static struct version *version_by_id(struct validator *self, const uint8_t *id, bool lost_too)
{
    for (size_t i = self->version_count; i-- > 0;) {
        struct version *version = &self->versions[i];
        if (memcmp(version->id.bytes, id, HASH_BYTES) == 0 && (lost_too || !version->lost))
            return version;
    }
    return NULL;
}

/* --- mempoold, played --------------------------------------------------------------------------------------------- */

static void pool_answer(struct validator *self, pool_pb *frame)
{
    frame->version = 1;
    if (self->pool_route.size > 0)
        answer(self->pool, &self->pool_route, &frame->base);
}

static void tell_pending(struct validator *self)
{
    pool_pb frame;
    Cybermesh__Pool__V1__Pending pending;
    cybermesh__pool__v1__pool_frame__init(&frame);
    cybermesh__pool__v1__pending__init(&pending);
    for (uint32_t i = 0; i < tx_count; i++) {
        if (self->pooled[i] && pending.tx_count++ == 0)
            pending.oldest_age_ms = now_ms() - submitted_ms[i];
    }
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_PENDING;
    frame.pending = &pending;
    pool_answer(self, &frame);
}

static void on_take(struct validator *self, const Cybermesh__Pool__V1__TakeBatch *take)
{
    pool_pb frame;
    Cybermesh__Pool__V1__Batch batch;
    cybermesh__pool__v1__pool_frame__init(&frame);
    cybermesh__pool__v1__batch__init(&batch);
    ProtobufCBinaryData bodies[BLOCK_TXS];
    bool excluded[TXS_MAX] = {false};
    for (size_t i = 0; i < take->n_excluded_block_ids; i++) {
        const struct version *block = version_by_id(self, take->excluded_block_ids[i].data, true);
        for (uint32_t k = 0; block && k < block->tx_count; k++)
            excluded[block->txs[k]] = true;
    }
    for (uint32_t i = 0; i < tx_count && batch.n_bodies < BLOCK_TXS && batch.n_bodies < take->tx_count_max; i++) {
        if (self->pooled[i] && !excluded[i])
            bodies[batch.n_bodies++] = (ProtobufCBinaryData){body_of(i).size, (uint8_t *)texts[i]};
    }
    batch.request = take->request;
    batch.bodies = bodies;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_BATCH;
    frame.batch = &batch;
    pool_answer(self, &frame);
}

static void on_resolve(struct validator *self, const Cybermesh__Pool__V1__Resolve *resolve)
{
    if (resolve->own_block)
        return;
    pool_pb frame;
    Cybermesh__Pool__V1__Resolved resolved;
    cybermesh__pool__v1__pool_frame__init(&frame);
    cybermesh__pool__v1__resolved__init(&resolved);
    ProtobufCBinaryData bodies[BLOCK_TXS];
    for (size_t k = 0; k < resolve->n_tx_ids; k++) {
        for (uint32_t i = 0; i < tx_count; i++) {
            struct hash id = id_of(i);
            if (memcmp(id.bytes, resolve->tx_ids[k].data, HASH_BYTES) == 0)
                bodies[resolved.n_bodies++] = (ProtobufCBinaryData){body_of(i).size, (uint8_t *)texts[i]};
        }
    }
    if (resolved.n_bodies != resolve->n_tx_ids)
        return;
    resolved.request = resolve->request;
    resolved.block_id = resolve->block_id;
    resolved.bodies = bodies;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVED;
    frame.resolved = &resolved;
    pool_answer(self, &frame);
}

static void leave_pool(struct validator *self, const ProtobufCBinaryData *id, uint32_t reason)
{
    for (uint32_t i = 0; i < tx_count; i++) {
        struct hash own = id_of(i);
        if (memcmp(own.bytes, id->data, HASH_BYTES) != 0)
            continue;
        self->pooled[i] = false;
        self->dropped_reason[i] = reason;
    }
}

static void on_evidence(struct validator *self, const Cybermesh__Pool__V1__Evidence *evidence)
{
    assert_int_equal(evidence->n_bodies, 1);
    self->proof_hash = hash_of(span_of(evidence->bodies[0].data, evidence->bodies[0].len));
    self->proofs++;
}

static void on_pool(struct validator *self, struct bus_message *message)
{
    pool_pb *frame = cybermesh__pool__v1__pool_frame__unpack(NULL, message->payload.size, message->payload.data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    self->pool_route = message->route;
    if (frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_WATCH)
        self->watches++, tell_pending(self);
    else if (frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_EVIDENCE)
        on_evidence(self, frame->evidence);
    else if (frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_TAKE_BATCH)
        on_take(self, frame->take_batch);
    else if (frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVE)
        on_resolve(self, frame->resolve);
    else if (frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_FINALIZED)
        for (size_t i = 0; i < frame->finalized->n_tx_ids; i++)
            leave_pool(self, &frame->finalized->tx_ids[i], 0);
    else if (frame->body_case == CYBERMESH__POOL__V1__POOL_FRAME__BODY_DROPPED)
        for (size_t i = 0; i < frame->dropped->n_txs; i++)
            leave_pool(self, &frame->dropped->txs[i]->tx_id, frame->dropped->txs[i]->reason);
    else
        fail_msg("pool frame %d", (int)frame->body_case);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
}

/* --- executord, played -------------------------------------------------------------------------------------------- */

static void keep_version(struct validator *self, const struct version *version)
{
    assert_true(self->version_count < VERSIONS_MAX);
    self->versions[self->version_count++] = *version;
}

/* Only the last committed version outlives executord's process. */
static void executor_restart(struct validator *self)
{
    for (size_t i = 0; i < self->version_count; i++)
        self->versions[i].lost = !hash_equal(&self->versions[i].id, &self->chain[self->height]);
    self->epoch++;
}

static void execute(struct version *version, const struct version *parent, const ProtobufCBinaryData *bodies,
                    size_t count)
{
    struct hash ids[BLOCK_TXS], scratch[BLOCK_TXS];
    version->tx_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct span body = span_of(bodies[i].data, bodies[i].len);
        int tx = find_tx(body);
        assert_true(tx >= 0);
        if (is_bad(body))
            continue;
        ids[version->tx_count] = tx_id(body);
        version->txs[version->tx_count++] = (uint32_t)tx;
    }
    version->header.tx_count = version->tx_count;
    version->header.tx_root = merkle_root(ids, version->tx_count, scratch);
    version->header.receipt_root = version->header.tx_root;
    version->header.state_root = hash_of2(span_of(parent->header.state_root.bytes, HASH_BYTES),
                                          span_of(version->header.tx_root.bytes, HASH_BYTES));
    version->id = block_id(&version->header);
}

/* Nobody's standing changes here: all lead for ever, in the order of their ids. */
static ProtobufCBinaryData everybody(void)
{
    static struct schedule schedule;
    schedule_genesis(&schedule, genesis);
    return (ProtobufCBinaryData){schedule.count, schedule.leaders};
}

static void on_build(struct validator *self, const Cybermesh__Execution__V1__Build *build,
                     Cybermesh__Execution__V1__Built *built, uint8_t encoded[static BLOCK_HEADER_BYTES])
{
    built->request = build->request;
    built->status = CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT;
    const struct version *parent = version_by_id(self, build->parent_id.data, false);
    if (!parent || build->height <= self->height)
        return;
    struct version version = {.header = {.chain_id = genesis->chain_id,
                                         .height = build->height,
                                         .view = build->view,
                                         .parent_id = parent->id,
                                         .justify_view = build->justify_view,
                                         .justify_signers = build->justify_signers,
                                         .timestamp_ms = build->timestamp_ms}};
    memcpy(version.header.proposer.bytes, build->proposer.data, HASH_BYTES);
    execute(&version, parent, build->bodies, build->n_bodies);
    if (self->lies) {
        version.header.state_root.bytes[0] ^= 1;
        version.id = block_id(&version.header);
    }
    keep_version(self, &version);
    block_header_encode(encoded, &version.header);
    built->status = CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
    built->header = (ProtobufCBinaryData){BLOCK_HEADER_BYTES, encoded};
    built->leaders = everybody();
}

static Cybermesh__Execution__V1__Status check(struct validator *self, const ProtobufCBinaryData *encoded,
                                              const ProtobufCBinaryData *bodies, size_t count)
{
    struct version version = {0};
    assert_int_equal(block_header_decode(&version.header, span_of(encoded->data, encoded->len)), 0);
    struct hash id = block_id(&version.header);
    if (version_by_id(self, id.bytes, false))
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
    if (version.header.height <= self->height) {
        self->conflicts++;
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_CONFLICT;
    }
    const struct version *parent = version_by_id(self, version.header.parent_id.bytes, false);
    if (!parent)
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT;
    execute(&version, parent, bodies, count);
    if (!hash_equal(&version.id, &id)) {
        self->refused++;
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_BAD_ROOT;
    }
    keep_version(self, &version);
    return CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
}

static void assert_proved(const struct hash *id, const ProtobufCBinaryData *proof)
{
    Cybermesh__Proof__V1__CommitProof *pb = cybermesh__proof__v1__commit_proof__unpack(NULL, proof->len, proof->data);
    assert_non_null(pb);
    uint8_t headers[8][BLOCK_HEADER_BYTES];
    assert_in_range(pb->n_headers, 2, ARRAY_COUNT(headers));
    for (size_t i = 0; i < pb->n_headers; i++)
        memcpy(headers[i], pb->headers[i].data, BLOCK_HEADER_BYTES);
    static struct cert_commit_proof commit_proof;
    commit_proof = (struct cert_commit_proof){.headers = headers[0], .header_count = pb->n_headers};
    commit_proof.qc.view = pb->qc->view;
    commit_proof.qc.height = pb->qc->height;
    memcpy(commit_proof.qc.block_id.bytes, pb->qc->block_id.data, HASH_BYTES);
    commit_proof.qc.signature_count = (uint32_t)pb->qc->n_signatures;
    for (size_t i = 0; i < pb->qc->n_signatures; i++) {
        commit_proof.qc.signatures[i].validator = pb->qc->signatures[i]->validator;
        memcpy(commit_proof.qc.signatures[i].signature.bytes, pb->qc->signatures[i]->signature.data, SIGN_BYTES);
    }
    struct block_header proved;
    const char *why = "";
    assert_int_equal(cert_commit_proof_verify(&proved, &commit_proof, genesis, &why), 0);
    struct hash proved_id = block_id(&proved);
    assert_true(hash_equal(&proved_id, id));
    cybermesh__proof__v1__commit_proof__free_unpacked(pb, NULL);
}

/* A block of a Commit. */
static Cybermesh__Execution__V1__Status commit_block(struct validator *self, const struct block_header *header,
                                                     const Cybermesh__Execution__V1__Commit *commit)
{
    struct hash id = block_id(header);
    assert_proved(&id, &commit->proof);
    if (header->height <= self->height) {
        assert_true(hash_equal(&id, &self->chain[header->height]));
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
    }
    if (header->height > self->height + 1)
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT;
    if (!version_by_id(self, id.bytes, false) && commit->n_bodies == header->tx_count)
        (void)check(self, &commit->header, commit->bodies, commit->n_bodies);
    const struct version *version = version_by_id(self, id.bytes, false);
    if (!version)
        return CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT;
    assert_true(header->height < HEIGHTS_MAX);
    self->chain[++self->height] = id;
    for (uint32_t i = 0; i < version->tx_count; i++)
        self->executed[version->txs[i]]++;
    return CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
}

static void on_commit(struct validator *self, const Cybermesh__Execution__V1__Commit *commit,
                      Cybermesh__Execution__V1__Committed *committed, struct hash *id)
{
    uint64_t height = 0;
    committed->status = CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK;
    for (size_t i = 0; i <= commit->n_before && committed->status == CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK; i++) {
        Cybermesh__Execution__V1__Commit each = *commit;
        if (i < commit->n_before) {
            each.header = commit->before[i]->header;
            each.proof = commit->before[i]->proof;
            each.n_bodies = 0;
        }
        struct block_header header;
        assert_int_equal(block_header_decode(&header, span_of(each.header.data, each.header.len)), 0);
        assert_true(i == commit->n_before || header.tx_count == 0);
        assert_true(i == 0 || header.height == height + 1);
        height = header.height;
        *id = block_id(&header);
        committed->status = commit_block(self, &header, &each);
    }
    committed->height = height;
    committed->block_id = (ProtobufCBinaryData){HASH_BYTES, id->bytes};
}

static void on_execution(struct validator *self, struct bus_message *message)
{
    execution_pb *frame =
        cybermesh__execution__v1__execution_frame__unpack(NULL, message->payload.size, message->payload.data);
    assert_non_null(frame);
    execution_pb out;
    cybermesh__execution__v1__execution_frame__init(&out);
    out.version = 1;
    out.body_case = frame->body_case + 1; /* each answer follows its question */
    Cybermesh__Execution__V1__Height height;
    Cybermesh__Execution__V1__Built built;
    Cybermesh__Execution__V1__Checked checked;
    Cybermesh__Execution__V1__Rechecked rechecked;
    Cybermesh__Execution__V1__Committed committed;
    uint8_t encoded[BLOCK_HEADER_BYTES];
    struct hash id;
    if (frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_HEIGHT_REQUEST) {
        cybermesh__execution__v1__height__init(out.height = &height);
        height.height = self->height;
        height.inactive = self->inactive;
        height.epoch = self->epoch;
        height.block_id = (ProtobufCBinaryData){HASH_BYTES, self->chain[self->height].bytes};
        block_header_encode(encoded, &genesis_header);
        height.genesis_header = (ProtobufCBinaryData){sizeof encoded, encoded};
    } else if (frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_BUILD) {
        cybermesh__execution__v1__built__init(out.built = &built);
        nanosleep(&(struct timespec){.tv_nsec = build_ms * 1000000}, NULL);
        on_build(self, frame->build, &built, encoded);
        static Cybermesh__Execution__V1__RefusedTx refused[BLOCK_TXS];
        static Cybermesh__Execution__V1__RefusedTx *list[BLOCK_TXS];
        built.refused = list;
        for (size_t i = 0; i < frame->build->n_bodies; i++) {
            if (!is_bad(span_of(frame->build->bodies[i].data, frame->build->bodies[i].len)))
                continue;
            cybermesh__execution__v1__refused_tx__init(list[built.n_refused] = &refused[built.n_refused]);
            refused[built.n_refused].index = (uint32_t)i;
            refused[built.n_refused].settled = refused_unsettled == 0;
            refused[built.n_refused++].reason = REASON_CONTENT_RULE;
        }
        refused_unsettled -= built.n_refused > 0 && refused_unsettled > 0;
        refused_count += (uint32_t)built.n_refused;
    } else if (frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_CHECK) {
        cybermesh__execution__v1__checked__init(out.checked = &checked);
        checked.request = frame->check->request;
        checked.status = check(self, &frame->check->header, frame->check->bodies, frame->check->n_bodies);
        checked.leaders = everybody();
    } else if (frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_RECHECK) {
        cybermesh__execution__v1__rechecked__init(out.rechecked = &rechecked);
        rechecked.request = frame->recheck->request;
        rechecked.status = version_by_id(self, frame->recheck->parent_id.data, false)
                               ? CYBERMESH__EXECUTION__V1__STATUS__STATUS_OK
                               : CYBERMESH__EXECUTION__V1__STATUS__STATUS_UNKNOWN_PARENT;
    } else if (frame->body_case == CYBERMESH__EXECUTION__V1__EXECUTION_FRAME__BODY_COMMIT) {
        cybermesh__execution__v1__committed__init(out.committed = &committed);
        on_commit(self, frame->commit, &committed, &id);
    } else {
        fail_msg("execution frame %d", (int)frame->body_case);
    }
    answer(self->execution, &message->route, &out.base);
    cybermesh__execution__v1__execution_frame__free_unpacked(frame, NULL);
}

/* Play all parts for a moment. */
static void play(void)
{
    bool idle = true;
    for (uint32_t i = 0; i < validator_count; i++) {
        struct validator *self = &validators[i];
        struct bus_message message;
        for (int n = 0; n < MESSAGES_PER_TURN && bus_receive(self->pool, &message) == 0; n++) {
            on_pool(self, &message);
            bus_message_deinit(&message);
            idle = false;
        }
        for (int n = 0; n < MESSAGES_PER_TURN && bus_receive(self->execution, &message) == 0; n++) {
            on_execution(self, &message);
            bus_message_deinit(&message);
            idle = false;
        }
    }
    if (idle)
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

/* --- the daemons -------------------------------------------------------------------------------------------------- */

/* A port of this machine that nobody listens at, below those that the kernel gives to outgoing connections: one of them
 * would take it while the validator that should listen there is down.
 */
static uint16_t free_port(void)
{
    enum { FIRST = 11000, COUNT = 8000 };
    static uint16_t next;
    for (int tries = 0; tries < COUNT; tries++) {
        uint16_t port = (uint16_t)(FIRST + ((unsigned)getpid() * 16 + next++) % COUNT);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (rc == 0)
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

static void put_env(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put_env(const char *name, const char *format, ...)
{
    char value[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    setenv(name, value, 1);
}

static void start(uint32_t index)
{
    struct validator *self = &validators[index];
    char peers[1024] = "";
    for (uint32_t i = 0; i < validator_count; i++) {
        size_t used = strlen(peers);
        if (i != index)
            snprintf(peers + used, sizeof peers - used, "%s%s=tcp://127.0.0.1:%u|tcp://127.0.0.1:%u", used ? "," : "",
                     validators[i].name, validators[i].pub_port, validators[i].sync_port);
    }
    self->pid = fork();
    assert_true(self->pid >= 0);
    if (self->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    signal(SIGXFSZ, SIG_IGN);         /* a write above the limit fails instead */
    clearenv();
    put_env("NODE_NAME", "%s", self->name);
    put_env("GENESIS_FILE", "../genesis.json");
    put_env("LOG_LEVEL", "%s", "warn");
    put_env("ADMIN_LISTEN", "127.0.0.1:0");
    put_env("BLOCK_RETENTION", "%u", self->retention);
    put_env("SIGN_KEY_FILE", "sign.key");
    put_env("CONSENSUS_CURVE_KEY_FILE", "curve.key");
    put_env("CONSENSUS_PUB_BIND", "tcp://127.0.0.1:%u", self->pub_port);
    put_env("CONSENSUS_SYNC_BIND", "tcp://127.0.0.1:%u", self->sync_port);
    if (peers[0])
        put_env("CONSENSUS_PEERS", "%s", peers);
    if (chdir(self->name) == 0 && (!logs_to_files || freopen("log", "w", stderr)))
        execl(daemon_path, "consensusd", (char *)NULL);
    _exit(127);
}

static void stop(uint32_t index, int signal)
{
    struct validator *self = &validators[index];
    int status = 0;
    assert_int_equal(kill(self->pid, signal), 0);
    assert_int_equal(waitpid(self->pid, &status, 0), self->pid);
    if (signal == SIGTERM)
        assert_int_equal(status, 0);
    self->pid = 0;
}

static void bind_stage(struct bus_socket **out, uint32_t index, const char *stage)
{
    char name[32], endpoint[64];
    snprintf(name, sizeof name, "%s-%u", stage, index);
    snprintf(endpoint, sizeof endpoint, "ipc://v%u/ipc/%s.sock", index, stage);
    struct bus_options options = {
        .name = name, .endpoint = endpoint, .frame_bytes_max = FRAME_BYTES, .queue_count_max = 10000};
    assert_int_equal(bus_router_bind(out, bus, &options), 0);
}

static void make_validator(uint32_t index, struct genesis *written)
{
    struct validator *self = &validators[index];
    struct genesis_validator *known = &written->validators[index];
    snprintf(self->name, sizeof self->name, "v%u", index);
    snprintf(known->name, sizeof known->name, "v%u", index);
    assert_int_equal(mkdir(self->name, 0700), 0);
    uint8_t seed[32] = {(uint8_t)(index + 1), 0x51}, curve[32] = {0xc0, (uint8_t)(index + 1)};
    struct sign_key key;
    sign_key_from_seed(&key, seed);
    known->sign_key = key.public;
    bus_curve_public(known->consensus_curve_key, curve);
    memset(known->control_key.bytes, (int)(0x20 + index), 32);
    memset(known->mempool_curve_key, (int)(0x40 + index), 32);
    char path[32];
    snprintf(path, sizeof path, "v%u/sign.key", index);
    assert_int_equal(keyfile_write(path, seed), 0);
    snprintf(path, sizeof path, "v%u/curve.key", index);
    assert_int_equal(keyfile_write(path, curve), 0);
    self->pub_port = free_port();
    self->sync_port = free_port();
}

static void make_cluster(uint32_t count)
{
    validator_count = count;
    struct genesis *written = calloc(1, sizeof *written);
    assert_non_null(written);
    snprintf(written->network, sizeof written->network, "test");
    written->created_ms = 1700000000000;
    written->validator_count = count;
    written->parameters = genesis_parameters_default();
    for (uint32_t i = 0; i < count; i++)
        make_validator(i, written);
    assert_int_equal(genesis_file_write("genesis.json", written), 0);
    free(written);
    assert_int_equal(genesis_file_load("genesis.json", &genesis), 0);
    struct hash state_root = {{7}};
    genesis_header = block_genesis(genesis, &state_root);
    for (uint32_t i = 0; i < count; i++) {
        struct version version = {.header = genesis_header, .id = block_id(&genesis_header)};
        keep_version(&validators[i], &version);
        validators[i].chain[0] = version.id;
        validators[i].epoch = 1;
        bind_stage(&validators[i].pool, i, "pool");
        bind_stage(&validators[i].execution, i, "execution");
    }
}

/* A new transaction in every pool. */
static void submit(const char *kind)
{
    assert_true(tx_count < TXS_MAX);
    snprintf(texts[tx_count], sizeof texts[0], "%s %u", kind, tx_count);
    submitted_ms[tx_count++] = now_ms();
    for (uint32_t i = 0; i < validator_count; i++) {
        validators[i].pooled[tx_count - 1] = true;
        tell_pending(&validators[i]);
    }
}

static bool is_final(const struct validator *self)
{
    for (uint32_t i = 0; i < tx_count; i++) {
        if (self->pooled[i] || (self->executed[i] != 1 && !is_bad(body_of(i))))
            return false;
    }
    return true;
}

/* Until every transaction is final at every running validator. */
static void settle(void)
{
    uint64_t deadline_ms = now_ms() + PATIENCE_MS;
    for (bool done = false; !done;) {
        if (now_ms() > deadline_ms)
            fail_msg("not settled: heights %llu %llu %llu %llu", (unsigned long long)validators[0].height,
                     (unsigned long long)validators[1].height, (unsigned long long)validators[2].height,
                     (unsigned long long)validators[3].height);
        play();
        done = true;
        for (uint32_t i = 0; i < validator_count; i++)
            done = done && (validators[i].pid == 0 || is_final(&validators[i]));
    }
}

static void play_for(uint64_t duration_ms)
{
    uint64_t end_ms = now_ms() + duration_ms;
    while (now_ms() < end_ms)
        play();
}

static int setup(uint32_t count)
{
    memset(validators, 0, sizeof validators);
    tx_count = 0;
    build_ms = 0;
    refused_unsettled = 0;
    refused_count = 0;
    strcpy(directory + sizeof directory - 7, "XXXXXX");
    if (sodium_init() < 0 || !mkdtemp(directory) || chdir(directory) < 0 || bus_new(&bus) < 0)
        return -1;
    make_cluster(count);
    for (uint32_t i = 0; i < count; i++)
        start(i);
    return 0;
}

static int setup_one(void **state)
{
    return setup(1);
}

static int setup_four(void **state)
{
    return setup(4);
}

static int setup_four_with_logs(void **state)
{
    logs_to_files = true;
    return setup(4);
}

static int teardown(void **state)
{
    logs_to_files = false;
    for (uint32_t i = 0; i < validator_count; i++) {
        if (validators[i].pid > 0)
            kill(validators[i].pid, SIGKILL), waitpid(validators[i].pid, NULL, 0);
        bus_socket_close(&validators[i].pool);
        bus_socket_close(&validators[i].execution);
    }
    bus_socket_close(&liar);
    bus_destroy(&bus);
    genesis_destroy(&genesis);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return chdir("/") < 0 ? -1 : system(command);
}

static void assert_one_chain(void)
{
    for (uint32_t i = 1; i < validator_count; i++) {
        uint64_t common = validators[i].height < validators[0].height ? validators[i].height : validators[0].height;
        assert_memory_equal(validators[i].chain, validators[0].chain, (common + 1) * sizeof(struct hash));
    }
}

static bool log_has(uint32_t index, const char *text)
{
    char path[32];
    snprintf(path, sizeof path, "v%u/log", index);
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(buffer, 1, sizeof buffer - 1, file) : 0;
    if (file)
        fclose(file);
    buffer[size] = '\0';
    return strstr((const char *)buffer, text) != NULL;
}

/* --- stories ------------------------------------------------------------------------------------------------------ */

static void one_validator_commits_alone(void **state)
{
    for (int i = 0; i < 5; i++) {
        submit("tx");
        settle();
    }
    assert_in_range(validators[0].height, 5, 50);
    stop(0, SIGTERM);
}

static void what_execution_refuses_leaves_the_pool_with_its_reason(void **state)
{
    submit("bad");
    submit("tx");
    settle();
    assert_int_equal(validators[0].dropped_reason[0], REASON_CONTENT_RULE);
    assert_int_equal(validators[0].executed[0], 0);
    assert_int_equal(validators[0].dropped_reason[1], 0);
}

/* What causes it may be abandoned: it is no dead letter yet. */
static void what_an_uncommitted_block_refuses_stays_in_the_pool(void **state)
{
    refused_unsettled = 1;
    submit("bad");
    submit("tx");
    settle();
    assert_int_equal(refused_unsettled, 0);
    assert_true(refused_count >= 2); /* it was refused again before it left */
    assert_int_equal(validators[0].dropped_reason[0], REASON_CONTENT_RULE);
}

/* A question is asked again every 500 ms; the answer to the first must do. */
static void a_slow_executord_is_waited_for(void **state)
{
    build_ms = 700;
    submit("tx");
    settle();
    submit("tx");
    settle();
}

static void without_work_there_are_no_blocks(void **state)
{
    submit("tx");
    settle();
    play_for(300); /* the blocks that finish the last one */
    uint64_t height = validators[0].height;
    play_for(1500);
    assert_int_equal(validators[0].height, height);
}

static void a_killed_validator_goes_on_where_it_was(void **state)
{
    for (int i = 0; i < 6; i++) {
        submit("tx");
        settle();
        stop(0, SIGKILL);
        start(0);
    }
    submit("tx");
    settle();
}

static void a_restarted_executord_is_told_what_it_lacks(void **state)
{
    submit("tx");
    settle();
    executor_restart(&validators[0]);
    submit("tx");
    settle();
    /* Its disk is new: everything again, from the first block. */
    struct validator *self = &validators[0];
    memset(self->executed, 0, sizeof self->executed);
    self->height = 0;
    executor_restart(self);
    submit("tx");
    settle();
}

/* A store in which the highest certificate known is that of the last committed block, and nothing above it. */
static void write_store_at(const struct version *root)
{
    static struct consensus_voting voting;
    uint8_t seed[32] = {1, 0x51}, message[CERT_VOTE_BYTES];
    struct sign_key key;
    sign_key_from_seed(&key, seed);
    voting = (struct consensus_voting){.last_voted_view = root->header.view};
    struct qc *qc = &voting.high_qc;
    *qc = (struct qc){
        .view = root->header.view, .height = root->header.height, .block_id = root->id, .signature_count = 1};
    cert_vote_bytes(message, &genesis->chain_id, qc->view, qc->height, &qc->block_id);
    sign_message(&qc->signatures[0].signature, &key, span_of(message, sizeof message));
    struct safety_store_options options = {.path = "v0/data/consensusd",
                                           .map_bytes_max = (uint64_t)256 << 20,
                                           .chain_id = genesis->chain_id,
                                           .key = key.public,
                                           .mark_path = "v0/sign.key.voted"};
    struct safety_store *store = NULL;
    struct block_header proof[] = {root->header, root->header};
    struct schedule schedule;
    schedule_genesis(&schedule, genesis);
    struct consensus_commit commit = {.block_id = root->id,
                                      .header = root->header,
                                      .schedule = &schedule,
                                      .qc = qc,
                                      .proof_headers = proof,
                                      .proof_header_count = 2,
                                      .proof_qc = qc};
    struct safety_store_vote vote = {.voting = &voting};
    static const struct span none[1];
    assert_int_equal(safety_store_open(&store, &options), 0);
    assert_int_equal(safety_store_set_genesis(store, &genesis_header), 0);
    assert_int_equal(safety_store_commit(store, &commit, none, 0), 0);
    assert_int_equal(safety_store_vote(store, &vote), 0);
    safety_store_close(&store);
}

static void a_validator_builds_on_the_block_it_restarted_with(void **state)
{
    stop(0, SIGKILL);
    struct validator *self = &validators[0];
    struct version root = {.header = {.chain_id = genesis->chain_id,
                                      .height = 1,
                                      .view = 1,
                                      .parent_id = block_id(&genesis_header),
                                      .proposer = genesis->validators[0].id,
                                      .timestamp_ms = genesis_header.timestamp_ms + 1}};
    execute(&root, &self->versions[0], NULL, 0);
    keep_version(self, &root);
    self->chain[++self->height] = root.id;
    assert_int_equal(system("rm -rf v0/data v0/sign.key.voted"), 0);
    write_store_at(&root);
    start(0);
    submit("tx");
    settle();
    stop(0, SIGTERM);
}

static void four_validators_commit_the_same(void **state)
{
    for (int i = 0; i < 20; i++) {
        submit("tx");
        play_for(20);
    }
    settle();
    assert_one_chain();
    for (uint32_t i = 0; i < 4; i++)
        stop(i, SIGTERM);
}

static void three_go_on_and_the_fourth_catches_up(void **state)
{
    submit("tx");
    settle();
    stop(3, SIGKILL);
    for (int i = 0; i < 10; i++) {
        submit("tx");
        settle();
    }
    start(3);
    submit("tx");
    settle();
    assert_one_chain();
}

static void a_block_with_a_wrong_root_gets_no_vote(void **state)
{
    validators[3].lies = true;
    for (int i = 0; i < 12 && validators[0].refused == 0; i++) {
        submit("tx");
        settle();
    }
    assert_true(validators[0].refused > 0);
    submit("tx");
    settle();
    assert_one_chain();
}

/* Commits are not synced, so a crash may take back what executord was told and made durable. (The mark is taken back
 * too: without it the older store would be refused.) */
static void a_validator_whose_executord_is_ahead_catches_up(void **state)
{
    submit("tx");
    settle();
    play_for(600); /* commits are on disk */
    stop(3, SIGTERM);
    assert_int_equal(system("cp -r v3/data v3/before && cp v3/sign.key.voted v3/before.voted"), 0);
    start(3);
    for (int i = 0; i < 5; i++) {
        submit("tx");
        settle();
    }
    stop(3, SIGKILL);
    executor_restart(&validators[3]);
    assert_int_equal(system("rm -rf v3/data && mv v3/before v3/data && mv v3/before.voted v3/sign.key.voted"), 0);
    start(3);
    submit("tx");
    settle();
    assert_true(validators[3].conflicts > 0);
    assert_one_chain();
}

static void all_killed_at_once_go_on(void **state)
{
    for (int round = 0; round < 3; round++) {
        submit("tx");
        play_for(10);
        for (uint32_t i = 0; i < 4; i++)
            stop(i, SIGKILL);
        for (uint32_t i = 0; i < 4; i++)
            start(i);
        settle();
    }
    assert_one_chain();
}

static void restart_keeping(uint32_t index, unsigned blocks)
{
    stop(index, SIGKILL);
    validators[index].retention = blocks;
    start(index);
}

static void wait_for_log(uint32_t index, const char *text)
{
    uint64_t deadline_ms = now_ms() + PATIENCE_MS;
    while (!log_has(index, text)) {
        if (now_ms() > deadline_ms)
            fail_msg("v%u never says %s", index, text);
        play_for(20);
    }
}

static void what_all_who_are_there_have_pruned_is_missed_until_one_comes_who_has_it(void **state)
{
    enum { KEPT = 100 };
    restart_keeping(0, KEPT);
    restart_keeping(1, KEPT);
    submit("tx");
    settle();
    stop(3, SIGTERM);
    uint64_t away_since = validators[3].height;
    while (validators[0].height < away_since + KEPT + 20) {
        submit("tx");
        settle();
    }
    play_for(1500); /* two beats of the daemons, in which they prune */
    stop(2, SIGKILL);
    start(3);
    wait_for_log(3, "sync.pruned");
    assert_int_equal(validators[3].height, away_since);
    start(2);
    submit("tx");
    settle();
    assert_one_chain();
}

/* Its store is gone and what it would need is pruned: it stays behind, and the validator says so and does not end. */
static void an_executord_below_what_is_kept_is_named(void **state)
{
    enum { KEPT = 100 };
    restart_keeping(3, KEPT);
    while (validators[3].height < KEPT + 20) {
        submit("tx");
        settle();
    }
    play_for(1500);
    validators[3].height = 0;
    validators[3].version_count = 1;
    executor_restart(&validators[3]);
    wait_for_log(3, "executor.pruned");
    play_for(1000);
    assert_int_equal(validators[3].height, 0);
    assert_int_equal(waitpid(validators[3].pid, NULL, WNOHANG), 0);
}

/* A heartbeat that names one validator, from the socket of another one: everything in it is true but the sender. */
static void publish_heartbeat_of(uint32_t index, struct bus_socket *pub)
{
    static struct qc none;
    none.block_id = block_id(&genesis_header);
    uint8_t seed[32] = {(uint8_t)(index + 1), 0x51}, message[CERT_HEARTBEAT_BYTES];
    struct sign_key key;
    sign_key_from_seed(&key, seed);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_HEARTBEAT};
    effect.u.heartbeat = (struct consensus_heartbeat){.view = 1, .high_qc = &none};
    cert_heartbeat_bytes(message, &genesis->chain_id, 1, 0, 0);
    sign_message(&effect.u.heartbeat.signature, &key, span_of(message, sizeof message));
    struct consensus_codec_sender sender = {.index = index};
    const char *topic = "";
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode(&effect, &sender, &topic, &frame, &size), 0);
    assert_int_equal(bus_publish_take(pub, topic, &frame, size), 0);
    free(frame);
}

/* This test speaks in the place of v3, and v0 hears it. */
static void take_the_place_of_the_last(void)
{
    stop(3, SIGKILL);
    uint8_t secret[32] = {0xc0, 4};
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", validators[3].pub_port);
    struct bus_options options = {.name = "liar",
                                  .endpoint = endpoint,
                                  .curve_secret = secret,
                                  .frame_bytes_max = FRAME_BYTES,
                                  .queue_count_max = 100};
    assert_int_equal(bus_allow(bus, "liar", genesis->validators[0].consensus_curve_key, "v0"), 0);
    assert_int_equal(bus_pub_bind(&liar, bus, &options), 0);
}

static void who_speaks_in_anothers_name_is_not_heard(void **state)
{
    take_the_place_of_the_last();
    uint64_t deadline_ms = now_ms() + PATIENCE_MS;
    while (!log_has(0, "frame.bad")) {
        assert_true(now_ms() < deadline_ms);
        publish_heartbeat_of(1, liar);
        play_for(20);
    }
    assert_true(log_has(0, "peer=\"v3\""));
}

/* The validator voted for two blocks in view 1. */
static struct equivocation proof_against(uint32_t index)
{
    uint8_t seed[32] = {(uint8_t)(index + 1), 0x51}, message[CERT_VOTE_BYTES];
    struct sign_key key;
    sign_key_from_seed(&key, seed);
    struct equivocation proof = {.offender = genesis->validators[index].id, .kind = EQUIVOCATION_VOTE, .view = 1};
    for (uint8_t i = 0; i < 2; i++) {
        struct equivocation_statement *vote = &proof.statements[i];
        vote->height = 1;
        vote->block_id = (struct hash){{i}};
        cert_vote_bytes(message, &genesis->chain_id, proof.view, vote->height, &vote->block_id);
        sign_message(&vote->signature, &key, span_of(message, sizeof message));
    }
    assert_int_equal(equivocation_verify(&proof, genesis), 0);
    return proof;
}

static void publish_proof(const struct equivocation *proof)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_EVIDENCE, .u.evidence = proof};
    struct consensus_codec_sender sender = {.index = 3};
    const char *topic = "";
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(consensus_codec_encode(&effect, &sender, &topic, &frame, &size), 0);
    assert_int_equal(bus_publish_take(liar, topic, &frame, size), 0);
    free(frame);
}

/* Until the proof came to the first three validators' mempoold twice; meanwhile it is published, if given. */
static void wait_for_proofs(const struct equivocation *published)
{
    uint64_t deadline_ms = now_ms() + PATIENCE_MS;
    for (bool done = false; !done;) {
        assert_true(now_ms() < deadline_ms);
        if (published)
            publish_proof(published);
        play_for(20);
        done = true;
        for (uint32_t i = 0; i < 3; i++)
            done = done && validators[i].proofs >= 2;
    }
}

static void restart_three(int signal)
{
    for (uint32_t i = 0; i < 3; i++)
        stop(i, signal);
    play(); /* what they sent before they ended */
    for (uint32_t i = 0; i < 3; i++) {
        validators[i].proofs = validators[i].watches = 0;
        start(i);
    }
}

/* Only v0 hears it from outside; the others from one another. */
static void a_proof_is_handed_over_through_restarts_until_its_offender_is_inactive(void **state)
{
    take_the_place_of_the_last();
    struct equivocation proof = proof_against(3);
    uint8_t body[EQUIVOCATION_BODY_BYTES_MAX];
    struct hash expected = hash_of(span_of(body, equivocation_encode(body, &proof)));
    wait_for_proofs(&proof);
    bus_socket_close(&liar);
    restart_three(SIGKILL);
    wait_for_proofs(NULL);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(hash_equal(&validators[i].proof_hash, &expected));
        validators[i].inactive = 1 << 3;
    }
    for (uint32_t i = 0; i < 3; i++)
        wait_for_log(i, "validator.inactive validator=\"v3\"");
    /* With executords that say nothing: the stores have forgotten it. */
    for (uint32_t i = 0; i < 3; i++)
        validators[i].inactive = 0;
    restart_three(SIGTERM);
    uint64_t deadline_ms = now_ms() + PATIENCE_MS;
    while (validators[0].watches < 4 || validators[1].watches < 4 || validators[2].watches < 4) {
        assert_true(now_ms() < deadline_ms);
        play();
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(validators[i].proofs, 0);
}

/* A vote that is not on disk may be forgotten: whose disk fails ends, and what it would have said is not said. */
static void who_cannot_write_its_vote_ends(void **state)
{
    submit("tx");
    settle();
    play_for(500); /* the empty block behind it */
    const struct rlimit nothing = {0, 0};
    assert_int_equal(prlimit(validators[0].pid, RLIMIT_FSIZE, &nothing, NULL), 0);
    submit("tx");
    uint64_t deadline_ms = now_ms() + PATIENCE_MS;
    int status = 0;
    while (waitpid(validators[0].pid, &status, WNOHANG) == 0) {
        assert_true(now_ms() < deadline_ms);
        play();
    }
    validators[0].pid = 0;
    play_for(100);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    assert_int_equal(validators[0].executed[tx_count - 1], 0); /* a vote alone would have committed it */
}

static void a_store_of_another_network_is_refused(void **state)
{
    submit("tx");
    settle();
    stop(0, SIGTERM);
    assert_int_equal(system("sed -i 's/\"test\"/\"other\"/' genesis.json"), 0);
    start(0);
    int status = 0;
    assert_int_equal(waitpid(validators[0].pid, &status, 0), validators[0].pid);
    validators[0].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 127);
}

int main(int argc, char *argv[])
{
    assert_int_equal(argc, 2);
    daemon_path = realpath(argv[1], NULL); /* it is started in another directory */
    const struct CMUnitTest tests[] = {
#define ALONE(name) cmocka_unit_test_setup_teardown(name, setup_one, teardown)
#define FOUR(name) cmocka_unit_test_setup_teardown(name, setup_four, teardown)
        ALONE(one_validator_commits_alone),
        ALONE(what_execution_refuses_leaves_the_pool_with_its_reason),
        ALONE(what_an_uncommitted_block_refuses_stays_in_the_pool),
        ALONE(a_slow_executord_is_waited_for),
        ALONE(without_work_there_are_no_blocks),
        ALONE(a_killed_validator_goes_on_where_it_was),
        ALONE(a_restarted_executord_is_told_what_it_lacks),
        ALONE(a_store_of_another_network_is_refused),
        ALONE(who_cannot_write_its_vote_ends),
        ALONE(a_validator_builds_on_the_block_it_restarted_with),
        FOUR(four_validators_commit_the_same),
        FOUR(three_go_on_and_the_fourth_catches_up),
        FOUR(a_validator_whose_executord_is_ahead_catches_up),
        FOUR(all_killed_at_once_go_on),
        FOUR(a_block_with_a_wrong_root_gets_no_vote),
        cmocka_unit_test_setup_teardown(who_speaks_in_anothers_name_is_not_heard, setup_four_with_logs, teardown),
        cmocka_unit_test_setup_teardown(what_all_who_are_there_have_pruned_is_missed_until_one_comes_who_has_it,
                                        setup_four_with_logs, teardown),
        cmocka_unit_test_setup_teardown(a_proof_is_handed_over_through_restarts_until_its_offender_is_inactive,
                                        setup_four_with_logs, teardown),
        cmocka_unit_test_setup_teardown(an_executord_below_what_is_kept_is_named, setup_four_with_logs, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
