/* test_ingestd.c - the daemon itself, in a process of its own: Kafka is librdkafka's mock cluster, mempoold and
 * persistd are played here over ipc, with protobuf-c's code for their frames. Events are those of
 * tests/vectors/events.json.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sodium.h>

#include "common/base/block.h"
#include "common/base/err.h"
#include "common/base/tx.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/kafka.h"
#include "common/edge/keyfile.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "proto/admission.pb-c.h"
#include "proto/control.pb-c.h"
#include "proto/feed.pb-c.h"
#include "tests/unit/base/vectors.h"

typedef Cybermesh__Admission__V1__AdmissionFrame Admission;
typedef Cybermesh__Feed__V1__FeedFrame Feed;

enum topic { DEAD_LETTERS, NOTICES };

enum { WAIT_MS_MAX = 20000, SUBMITTED_MAX = 128, EVENT_COUNT = 12, BLOCK_COUNT_MAX = 64, FRAME_BYTES_MAX = 8 << 20 };

static const char *const topics[] = {"ai.anomalies.v1", "ai.evidence.v1", "ai.policy.v1", "ai.dlq.v1",
                                     "control.commits.v1"};

struct event {
    int kind;
    struct blob record;
    struct blob body;
    struct hash tx_id;
    struct sign_public producer;
};

static struct {
    const char *program;
    char directory[64];
    rd_kafka_t *mock_handle;
    rd_kafka_mock_cluster_t *mock;
    struct bus *bus;
    struct bus_socket *admission, *feed, *pub;
    struct bus_route ingestd;
    struct kafka_producer *producer;
    struct kafka_consumer *reader; /* of dead letters and notices */
    pid_t child;
    struct event events[EVENT_COUNT];
    struct sign_key control;

    uint64_t epoch;
    uint32_t verdict; /* mempoold's answer to everything */
    struct hash submitted[SUBMITTED_MAX];
    size_t submitted_count;
    uint64_t acknowledged; /* RejectedAck */
    struct feed_block {
        struct hash tx_id;
        bool has_tx;
    } blocks[BLOCK_COUNT_MAX]; /* by height */
    uint64_t height;
    bool knows_all; /* persistd's answer to lookups: everything that a block holds */
    size_t lookup_count;
    uint64_t asked_max; /* the greatest height from which on blocks that are there were asked for */
    struct kafka_message seen[SUBMITTED_MAX];
    size_t seen_count;
    size_t delivered;
} w;

/* --- the world ---------------------------------------------------------------------------------------------------- */

static void delivered(void *context, uint64_t tag, int rc)
{
    assert_int_equal(rc, 0);
    w.delivered++;
}

static void load_events(void)
{
    json_t *root = vectors_load("events.json");
    size_t index, count = 0;
    json_t *test_case;
    VECTORS_EACH(root, index, test_case)
    {
        if (count == EVENT_COUNT)
            break;
        if (vectors_integer(test_case, "ts") < 1) /* too far from the broker's time */
            continue;
        struct event *event = &w.events[count++];
        struct blob key = vectors_bytes(test_case, "producer_id");
        *event = (struct event){.kind = (int)vectors_integer(test_case, "kind"),
                                .record = vectors_bytes(test_case, "record"),
                                .body = vectors_bytes(test_case, "body"),
                                .tx_id = vectors_hash(test_case, "tx_id")};
        memcpy(event->producer.bytes, key.data, sizeof event->producer.bytes);
        blob_free(&key);
    }
    assert_int_equal(count, EVENT_COUNT);
    json_decref(root);
}

static void write_files(void)
{
    struct genesis genesis = {.network = "test", .created_ms = 1000, .validator_count = 1};
    genesis.parameters = genesis_parameters_default();
    struct genesis_validator *validator = &genesis.validators[0];
    uint8_t seed[KEYFILE_KEY_BYTES] = {9};
    sign_key_from_seed(&w.control, seed);
    snprintf(validator->name, sizeof validator->name, "v1");
    memset(validator->sign_key.bytes, 1, 32);
    memset(validator->consensus_curve_key, 2, 32);
    memset(validator->mempool_curve_key, 3, 32);
    validator->control_key = w.control.public;
    assert_int_equal(genesis_file_write("genesis.json", &genesis), 0);
    assert_int_equal(keyfile_write("control.key", seed), 0);
    seed[0] = 8;
    assert_int_equal(keyfile_write("other.key", seed), 0);
}

static void open_broker(void)
{
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    w.mock_handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    assert_non_null(w.mock_handle);
    w.mock = rd_kafka_mock_cluster_new(w.mock_handle, 1);
    assert_non_null(w.mock);
    for (size_t i = 0; i < ARRAY_COUNT(topics); i++)
        assert_int_equal(rd_kafka_mock_topic_create(w.mock, topics[i], 1, 1), 0);
    const char *brokers = rd_kafka_mock_cluster_bootstraps(w.mock);
    assert_int_equal(kafka_producer_new(&w.producer, &(struct kafka_producer_options){.brokers = brokers,
                                                                                      .client_id = "test",
                                                                                      .wakeup_fd = -1,
                                                                                      .delivered = delivered}),
                     0);
    assert_int_equal(kafka_consumer_new(&w.reader, &(struct kafka_consumer_options){.brokers = brokers,
                                                                                    .client_id = "test",
                                                                                    .group_id = "test",
                                                                                    .topics = topics + 3,
                                                                                    .topic_count = 2,
                                                                                    .wakeup_fd = -1}),
                     0);
}

static struct bus_options options_of(const char *name, const char *endpoint)
{
    return (struct bus_options){
        .name = name, .endpoint = endpoint, .frame_bytes_max = FRAME_BYTES_MAX, .queue_count_max = 1000};
}

static int setup(void **state)
{
    log_open("test", NULL, LOG_LEVEL_ERROR);
    snprintf(w.directory, sizeof w.directory, "/tmp/ingestd-test-XXXXXX");
    assert_non_null(mkdtemp(w.directory));
    assert_int_equal(chdir(w.directory), 0);
    load_events();
    write_files();
    open_broker();
    struct bus_options admission = options_of("admission", "ipc://ipc/admission.sock");
    struct bus_options feed = options_of("feed", "ipc://ipc/feed.sock");
    struct bus_options pub = options_of("feed_pub", "ipc://ipc/feed_pub.sock");
    assert_int_equal(bus_new(&w.bus), 0);
    assert_int_equal(bus_router_bind(&w.admission, w.bus, &admission), 0);
    assert_int_equal(bus_router_bind(&w.feed, w.bus, &feed), 0);
    assert_int_equal(bus_pub_bind(&w.pub, w.bus, &pub), 0);
    w.epoch = 1;
    w.verdict = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_POOLED;
    return 0;
}

static int teardown(void **state)
{
    for (size_t i = 0; i < w.seen_count; i++)
        kafka_message_release(&w.seen[i]);
    kafka_consumer_destroy(&w.reader);
    kafka_producer_destroy(&w.producer);
    rd_kafka_mock_cluster_destroy(w.mock);
    rd_kafka_destroy(w.mock_handle);
    bus_socket_close(&w.admission);
    bus_socket_close(&w.feed);
    bus_socket_close(&w.pub);
    bus_destroy(&w.bus);
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        blob_free(&w.events[i].record);
        blob_free(&w.events[i].body);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", w.directory);
    return system(command);
}

/* --- the process -------------------------------------------------------------------------------------------------- */

static pid_t spawn(const char *key_file, const char *in_flight_max)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that fails */
    const char *level = getenv("INGESTD_TEST_LOG_LEVEL");
    char text[16];
    snprintf(text, sizeof text, "%s", level ? level : "error");
    clearenv();
    setenv("NODE_NAME", "v1", 1);
    setenv("GENESIS_FILE", "genesis.json", 1);
    setenv("ADMIN_LISTEN", "127.0.0.1:0", 1);
    setenv("LOG_LEVEL", text, 1);
    setenv("KAFKA_BROKERS", rd_kafka_mock_cluster_bootstraps(w.mock), 1);
    setenv("KAFKA_CONSUMER_GROUP_ID", "group", 1);
    setenv("KAFKA_MAX_TIMESTAMP_SKEW", "10000d", 1);
    setenv("KAFKA_IN_FLIGHT_MAX_RECORDS", in_flight_max, 1);
    setenv("CONTROL_KEY_FILE", key_file, 1);
    close_range(3, ~0U, 0); /* the broker's listening socket, above all */
    execl(w.program, w.program, (char *)NULL);
    _exit(127);
}

static void start(void)
{
    w.child = spawn("control.key", "1000");
}

static void end(int signal)
{
    int status;
    assert_int_equal(kill(w.child, signal), 0);
    assert_int_equal(waitpid(w.child, &status, 0), w.child);
    if (signal == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    w.child = 0;
}

/* --- mempoold ----------------------------------------------------------------------------------------------------- */

static void send_admission(const Admission *frame)
{
    static uint8_t buffer[65536];
    size_t size = cybermesh__admission__v1__admission_frame__pack(frame, buffer);
    (void)!bus_send(w.admission, &w.ingestd, buffer, size);
}

static void answer_verdicts(uint64_t batch, size_t count)
{
    Cybermesh__Admission__V1__Verdict values[SUBMITTED_MAX];
    assert_true(count <= SUBMITTED_MAX);
    for (size_t i = 0; i < count; i++)
        values[i] = (Cybermesh__Admission__V1__Verdict)w.verdict;
    Cybermesh__Admission__V1__Verdicts body = CYBERMESH__ADMISSION__V1__VERDICTS__INIT;
    body.batch = batch;
    body.n_verdicts = count;
    body.verdicts = values;
    body.free_txs = 1000;
    body.free_bytes = 10 << 20;
    body.epoch = w.epoch;
    Admission frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_VERDICTS;
    frame.verdicts = &body;
    send_admission(&frame);
}

static void reject(const struct hash *id, uint32_t reason, uint64_t sequence)
{
    struct hash copy = *id;
    Cybermesh__Admission__V1__RejectedTx tx = CYBERMESH__ADMISSION__V1__REJECTED_TX__INIT;
    tx.tx_id = (ProtobufCBinaryData){.len = HASH_BYTES, .data = copy.bytes};
    tx.reason = reason;
    Cybermesh__Admission__V1__RejectedTx *list[] = {&tx};
    Cybermesh__Admission__V1__Rejected body = CYBERMESH__ADMISSION__V1__REJECTED__INIT;
    body.sequence = sequence;
    body.n_txs = 1;
    body.txs = list;
    Admission frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED;
    frame.rejected = &body;
    send_admission(&frame);
}

static void on_admission(const struct bus_message *message)
{
    Admission *frame =
        cybermesh__admission__v1__admission_frame__unpack(NULL, message->payload.size, message->payload.data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    w.ingestd = message->route;
    if (frame->body_case == CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_HELLO)
        answer_verdicts(0, 0);
    if (frame->body_case == CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED_ACK)
        w.acknowledged = frame->rejected_ack->sequence;
    if (frame->body_case == CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_SUBMIT) {
        for (size_t i = 0; i < frame->submit->n_bodies; i++) {
            assert_true(w.submitted_count < SUBMITTED_MAX);
            ProtobufCBinaryData body = frame->submit->bodies[i];
            w.submitted[w.submitted_count++] = tx_id(span_of(body.data, body.len));
        }
        answer_verdicts(frame->submit->batch, frame->submit->n_bodies);
    }
    cybermesh__admission__v1__admission_frame__free_unpacked(frame, NULL);
}

/* --- persistd ----------------------------------------------------------------------------------------------------- */

/* A Persisted message with everything it points to. */
struct persisted {
    Cybermesh__Feed__V1__Persisted message;
    uint8_t header[BLOCK_HEADER_BYTES];
    struct hash id;
    struct hash tx_id;
    ProtobufCBinaryData tx_ids[1];
    char *ids[1];
};

static void make_persisted(struct persisted *out, uint64_t height)
{
    static uint8_t proof[] = {1, 2, 3};
    const struct feed_block *block = &w.blocks[height];
    struct block_header header = {.height = height, .tx_count = block->has_tx, .timestamp_ms = 1760000000123};
    memset(out, 0, sizeof *out);
    block_header_encode(out->header, &header);
    out->id = block_id(&header);
    out->tx_id = block->tx_id;
    out->tx_ids[0] = (ProtobufCBinaryData){.len = HASH_BYTES, .data = out->tx_id.bytes};
    static char id[] = "6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11";
    out->ids[0] = id;
    Cybermesh__Feed__V1__Persisted message = CYBERMESH__FEED__V1__PERSISTED__INIT;
    message.height = height;
    message.block_id = (ProtobufCBinaryData){.len = HASH_BYTES, .data = out->id.bytes};
    message.header = (ProtobufCBinaryData){.len = BLOCK_HEADER_BYTES, .data = out->header};
    message.proof = (ProtobufCBinaryData){.len = sizeof proof, .data = proof};
    message.n_tx_ids = block->has_tx;
    message.tx_ids = out->tx_ids;
    message.anomaly_count = block->has_tx;
    message.n_anomaly_ids = block->has_tx;
    message.anomaly_ids = out->ids;
    out->message = message;
}

static void pack_feed(const Feed *frame, uint8_t **out, size_t *size)
{
    *size = cybermesh__feed__v1__feed_frame__get_packed_size(frame);
    *out = malloc(*size);
    assert_non_null(*out);
    cybermesh__feed__v1__feed_frame__pack(frame, *out);
}

static void answer_feed(const struct bus_route *route, const Feed *frame)
{
    uint8_t *bytes;
    size_t size;
    pack_feed(frame, &bytes, &size);
    (void)!bus_send_take(w.feed, route, &bytes, size);
    free(bytes);
}

static void answer_producers(const struct bus_route *route, uint64_t request)
{
    Cybermesh__Feed__V1__ProducerRecord records[EVENT_COUNT];
    Cybermesh__Feed__V1__ProducerRecord *list[EVENT_COUNT];
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        cybermesh__feed__v1__producer_record__init(&records[i]);
        records[i].key = (ProtobufCBinaryData){.len = 32, .data = w.events[i].producer.bytes};
        records[i].roles = 7;
        records[i].active = true;
        list[i] = &records[i];
    }
    Cybermesh__Feed__V1__Producers body = CYBERMESH__FEED__V1__PRODUCERS__INIT;
    body.request = request;
    body.height = w.height;
    body.n_producers = EVENT_COUNT;
    body.producers = list;
    Feed frame = CYBERMESH__FEED__V1__FEED_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS;
    frame.producers = &body;
    answer_feed(route, &frame);
}

static void answer_range(const struct bus_route *route, const Cybermesh__Feed__V1__RangeRequest *request)
{
    struct persisted blocks[BLOCK_COUNT_MAX];
    Cybermesh__Feed__V1__Persisted *list[BLOCK_COUNT_MAX];
    Cybermesh__Feed__V1__Range body = CYBERMESH__FEED__V1__RANGE__INIT;
    if (request->height_first <= w.height && request->height_first > w.asked_max)
        w.asked_max = request->height_first;
    for (uint64_t h = request->height_first; h <= w.height; h++) {
        make_persisted(&blocks[body.n_blocks], h);
        list[body.n_blocks] = &blocks[body.n_blocks].message;
        body.n_blocks++;
    }
    body.request = request->request;
    body.blocks = list;
    body.height_last = w.height;
    Feed frame = CYBERMESH__FEED__V1__FEED_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE;
    frame.range = &body;
    answer_feed(route, &frame);
}

static bool is_in_a_block(const uint8_t *id)
{
    for (uint64_t h = 1; h <= w.height; h++) {
        if (w.blocks[h].has_tx && memcmp(w.blocks[h].tx_id.bytes, id, HASH_BYTES) == 0)
            return true;
    }
    return false;
}

static void answer_lookup(const struct bus_route *route, const Cybermesh__Feed__V1__LookupRequest *request)
{
    ProtobufCBinaryData found[SUBMITTED_MAX];
    Cybermesh__Feed__V1__Lookup body = CYBERMESH__FEED__V1__LOOKUP__INIT;
    body.request = request->request;
    body.found = found;
    for (size_t i = 0; i < request->n_tx_ids && i < SUBMITTED_MAX; i++) {
        if (w.knows_all && is_in_a_block(request->tx_ids[i].data))
            found[body.n_found++] = request->tx_ids[i];
    }
    w.lookup_count++;
    Feed frame = CYBERMESH__FEED__V1__FEED_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP;
    frame.lookup = &body;
    answer_feed(route, &frame);
}

static void on_feed(const struct bus_message *message)
{
    Feed *frame = cybermesh__feed__v1__feed_frame__unpack(NULL, message->payload.size, message->payload.data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    if (frame->body_case == CYBERMESH__FEED__V1__FEED_FRAME__BODY_PRODUCERS_REQUEST)
        answer_producers(&message->route, frame->producers_request->request);
    if (frame->body_case == CYBERMESH__FEED__V1__FEED_FRAME__BODY_RANGE_REQUEST)
        answer_range(&message->route, frame->range_request);
    if (frame->body_case == CYBERMESH__FEED__V1__FEED_FRAME__BODY_LOOKUP_REQUEST)
        answer_lookup(&message->route, frame->lookup_request);
    cybermesh__feed__v1__feed_frame__free_unpacked(frame, NULL);
}

/* A block with this event (NULL: none) is persisted; it may be published. */
static void persist(const struct event *event, bool publish)
{
    w.height++;
    assert_true(w.height < BLOCK_COUNT_MAX);
    w.blocks[w.height] = (struct feed_block){.has_tx = event};
    if (event)
        w.blocks[w.height].tx_id = event->tx_id;
    if (!publish)
        return;
    struct persisted block;
    make_persisted(&block, w.height);
    Feed frame = CYBERMESH__FEED__V1__FEED_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__FEED__V1__FEED_FRAME__BODY_PERSISTED;
    frame.persisted = &block.message;
    uint8_t *bytes;
    size_t size;
    pack_feed(&frame, &bytes, &size);
    assert_int_equal(bus_publish_take(w.pub, "blocks", &bytes, size), 0);
    free(bytes);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void serve_once(void)
{
    struct bus_message message;
    while (bus_receive(w.admission, &message) == 0) {
        on_admission(&message);
        bus_message_deinit(&message);
    }
    while (bus_receive(w.feed, &message) == 0) {
        on_feed(&message);
        bus_message_deinit(&message);
    }
    uint64_t now_ms = loop_now_ms();
    bus_socket_tend(w.admission, now_ms);
    bus_socket_tend(w.feed, now_ms);
    bus_socket_tend(w.pub, now_ms);
    assert_int_equal(kafka_producer_poll(w.producer), 0);
    w.seen_count += kafka_consumer_poll(w.reader, w.seen + w.seen_count, SUBMITTED_MAX - w.seen_count);
    poll(NULL, 0, 5);
}

#define SERVE_UNTIL(condition)                                                                                         \
    do {                                                                                                               \
        uint64_t deadline_ms = loop_now_ms() + WAIT_MS_MAX;                                                            \
        while (!(condition)) {                                                                                         \
            if (loop_now_ms() > deadline_ms)                                                                           \
                fail_msg("line %d: never: %s", __LINE__, #condition);                                                  \
            serve_once();                                                                                              \
        }                                                                                                              \
    } while (0)

static void serve_for(uint64_t ms)
{
    for (uint64_t end_ms = loop_now_ms() + ms; loop_now_ms() < end_ms;)
        serve_once();
}

static void produce(const char *topic, struct span key, struct span value)
{
    size_t before = w.delivered;
    assert_int_equal(kafka_produce(w.producer, &(struct kafka_record){.topic = topic, .key = key, .value = value}), 0);
    SERVE_UNTIL(w.delivered > before);
}

static void produce_event(const struct event *event)
{
    produce(topics[event->kind - 1], span_of(NULL, 0), blob_span(&event->record));
}

static size_t submissions_of(const struct event *event)
{
    size_t count = 0;
    for (size_t i = 0; i < w.submitted_count; i++)
        count += hash_equal(&w.submitted[i], &event->tx_id);
    return count;
}

static int64_t committed(const char *group_id, const char *topic)
{
    struct kafka_group *group;
    int64_t offset = -1;
    assert_int_equal(
        kafka_group_new(&group, &(struct kafka_group_options){.brokers = rd_kafka_mock_cluster_bootstraps(w.mock),
                                                              .client_id = "test",
                                                              .group_id = group_id}),
        0);
    assert_int_equal(kafka_group_committed(group, topic, 0, 10000, &offset), 0);
    kafka_group_destroy(&group);
    return offset;
}

/* How many records of this topic were read. */
static size_t seen_count(uint32_t topic)
{
    size_t count = 0;
    for (size_t i = 0; i < w.seen_count; i++)
        count += w.seen[i].topic == topic;
    return count;
}

/* The n-th of them, from 0. */
static const struct kafka_message *seen(uint32_t topic, size_t n)
{
    size_t i = 0;
    assert_true(n < seen_count(topic));
    while (w.seen[i].topic != topic || n-- > 0)
        i++;
    return &w.seen[i];
}

static const char *header_of(const struct kafka_message *message, const char *name)
{
    static char text[256];
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    assert_int_equal(rd_kafka_message_headers(message->handle, &headers), 0);
    if (rd_kafka_header_get_last(headers, name, &value, &size))
        fail_msg("no header %s", name);
    snprintf(text, sizeof text, "%.*s", (int)size, (const char *)value);
    return text;
}

/* --- stories: one after the other, in one world ------------------------------------------------------------------- */

static void a_key_that_is_not_the_validators_is_refused(void **state)
{
    int status;
    pid_t child = spawn("other.key", "1000");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static void an_event_is_submitted_and_its_offset_committed_when_it_is_persisted(void **state)
{
    start();
    persist(NULL, false);
    produce_event(&w.events[0]);
    SERVE_UNTIL(submissions_of(&w.events[0]) == 1);
    serve_for(1500);
    assert_int_equal(committed("group", topics[w.events[0].kind - 1]), -1);
    persist(&w.events[0], true);
    SERVE_UNTIL(committed("group", topics[w.events[0].kind - 1]) == 1);
}

static void heights_are_announced_in_order_from_1(void **state)
{
    SERVE_UNTIL(seen_count(NOTICES) > 1);
    for (size_t i = 0; i < 2; i++) {
        const struct kafka_message *message = seen(NOTICES, i);
        uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)(i + 1)};
        vectors_assert_equal("key", message->key, span_of(key, sizeof key));
        assert_string_equal(header_of(message, "version"), "1");
        assert_string_equal(header_of(message, "type"), "CommitEvent");
        assert_string_equal(header_of(message, "validator"), "v1");
        Cybermesh__Control__V1__CommitEvent *event =
            cybermesh__control__v1__commit_event__unpack(NULL, message->value.size, message->value.data);
        assert_non_null(event);
        assert_int_equal(event->height, i + 1);
        assert_int_equal(event->timestamp, 1760000000);
        assert_int_equal(event->n_anomaly_ids, i);
        assert_int_equal(event->proof.len, 3);
        assert_memory_equal(event->pubkey.data, w.control.public.bytes, 32);
        cybermesh__control__v1__commit_event__free_unpacked(event, NULL);
    }
    SERVE_UNTIL(committed("group.commits", topics[4]) == 3);
}

static void what_is_refused_becomes_a_dead_letter(void **state)
{
    const char value[] = "no protobuf";
    produce(topics[2], span_text("its key"), span_text(value));
    SERVE_UNTIL(seen_count(DEAD_LETTERS) > 0);
    const struct kafka_message *message = seen(DEAD_LETTERS, 0);
    vectors_assert_equal("key", message->key, span_text("its key"));
    vectors_assert_equal("value", message->value, span_text(value));
    assert_string_equal(header_of(message, "original_topic"), "ai.policy.v1");
    assert_string_equal(header_of(message, "original_partition"), "0");
    assert_string_equal(header_of(message, "original_offset"), "0");
    assert_string_equal(header_of(message, "reason"), "MALFORMED");
    assert_true(strlen(header_of(message, "error")) > 0);
    assert_string_equal(header_of(message, "validator"), "v1");
    const char *failed_at = header_of(message, "failed_at");
    assert_int_equal(strlen(failed_at), strlen("2026-11-21T05:00:00.123Z"));
    assert_true(failed_at[10] == 'T' && failed_at[23] == 'Z');
    SERVE_UNTIL(committed("group", topics[2]) == 1);
}

static void what_mempoold_rejects_later_becomes_a_dead_letter_and_is_acknowledged(void **state)
{
    produce_event(&w.events[1]);
    SERVE_UNTIL(submissions_of(&w.events[1]) == 1);
    reject(&w.events[1].tx_id, REASON_ID_CONFLICT, 77);
    SERVE_UNTIL(w.acknowledged == 77 && seen_count(DEAD_LETTERS) > 1);
    assert_string_equal(header_of(seen(DEAD_LETTERS, 1), "reason"), "ID_CONFLICT");
    vectors_assert_equal("value", seen(DEAD_LETTERS, 1)->value, blob_span(&w.events[1].record));
}

/* Nothing is lost: the record stays until its dead letter is acknowledged. */
static void a_dead_letter_that_the_broker_refuses_is_sent_again_and_its_offset_waits(void **state)
{
    enum { PRODUCE = 0 }; /* Kafka's number of the request */
    const struct event *event = &w.events[11];
    produce_event(event);
    SERVE_UNTIL(submissions_of(event) == 1);
    int64_t before = committed("group", topics[event->kind - 1]);
    rd_kafka_mock_push_request_errors(w.mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    reject(&event->tx_id, REASON_ID_CONFLICT, 78);
    SERVE_UNTIL(seen_count(DEAD_LETTERS) > 2 || committed("group", topics[event->kind - 1]) > before);
    assert_int_equal(seen_count(DEAD_LETTERS), 3);
    vectors_assert_equal("value", seen(DEAD_LETTERS, 2)->value, blob_span(&event->record));
    SERVE_UNTIL(committed("group", topics[event->kind - 1]) > before);
}

static void what_is_not_persisted_in_time_is_looked_up_and_submitted_again(void **state)
{
    produce_event(&w.events[2]);
    SERVE_UNTIL(submissions_of(&w.events[2]) == 1);
    size_t lookups = w.lookup_count;
    SERVE_UNTIL(w.lookup_count > lookups && submissions_of(&w.events[2]) >= 2);
    assert_true(submissions_of(&w.events[2]) <= 3);
}

static void what_a_lookup_finds_is_final(void **state)
{
    int64_t before = committed("group", topics[w.events[2].kind - 1]);
    w.knows_all = true;
    w.height++; /* persisted, but nobody says so: a publication that was lost */
    w.blocks[w.height] = (struct feed_block){.has_tx = true, .tx_id = w.events[2].tx_id};
    SERVE_UNTIL(committed("group", topics[w.events[2].kind - 1]) > before);
    SERVE_UNTIL(seen_count(NOTICES) > 2); /* its notice comes, too */
}

static void after_a_restart_of_mempoold_all_is_submitted_again(void **state)
{
    w.verdict = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_DUPLICATE;
    produce_event(&w.events[3]);
    SERVE_UNTIL(submissions_of(&w.events[3]) == 1);
    w.epoch++;
    uint64_t start_ms = loop_now_ms();
    SERVE_UNTIL(submissions_of(&w.events[3]) == 2);
    assert_true(loop_now_ms() - start_ms < 2000); /* without a lookup */
    w.verdict = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_POOLED;
}

static void verdicts_rate_and_full_mean_later(void **state)
{
    w.verdict = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_RATE;
    produce_event(&w.events[4]);
    SERVE_UNTIL(submissions_of(&w.events[4]) >= 3);
    w.verdict = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_FULL;
    size_t before = submissions_of(&w.events[4]);
    SERVE_UNTIL(submissions_of(&w.events[4]) >= before + 2);
    w.verdict = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_POOLED;
    persist(&w.events[4], true);
}

static void killed_it_reads_again_what_was_not_final_and_announces_on(void **state)
{
    SERVE_UNTIL(committed("group.commits", topics[4]) == 5);
    end(SIGKILL);
    w.submitted_count = 0;
    start();
    SERVE_UNTIL(submissions_of(&w.events[3]) == 1);
    assert_int_equal(submissions_of(&w.events[0]), 0);
    persist(&w.events[3], true);
    SERVE_UNTIL(seen_count(NOTICES) > 4);
    assert_int_equal(seen(NOTICES, 4)->key.data[7], 5);
    SERVE_UNTIL(committed("group.commits", topics[4]) == 6);
}

static void a_broker_that_was_away_gets_everything(void **state)
{
    assert_int_equal(rd_kafka_mock_broker_set_down(w.mock, 1), 0);
    persist(NULL, true);
    serve_for(1500);
    assert_int_equal(rd_kafka_mock_broker_set_up(w.mock, 1), 0);
    SERVE_UNTIL(seen_count(NOTICES) > 5);
    assert_int_equal(seen(NOTICES, 5)->key.data[7], 6);
    SERVE_UNTIL(committed("group.commits", topics[4]) == 7);
    produce_event(&w.events[5]);
    SERVE_UNTIL(submissions_of(&w.events[5]) == 1);
    int64_t before = committed("group", topics[w.events[5].kind - 1]);
    persist(&w.events[5], true);
    SERVE_UNTIL(committed("group", topics[w.events[5].kind - 1]) > before);
}

/* As one is whose join the broker answers twice. What is committed is the offset of a record that a lookup finds, so
 * that no commit for notices comes between. */
static void fenced_it_is_a_new_member_and_reads_again_what_was_not_committed(void **state)
{
    enum { OFFSET_COMMIT = 8 };
    const char *topic = topics[w.events[5].kind - 1];
    int64_t before = committed("group", topic);
    SERVE_UNTIL(committed("group.commits", topics[4]) == (int64_t)w.height + 1);
    rd_kafka_mock_push_request_errors(w.mock, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    w.submitted_count = 0;
    w.knows_all = true;
    produce_event(&w.events[5]);
    SERVE_UNTIL(committed("group", topic) == before + 1);
    assert_int_equal(submissions_of(&w.events[5]), 2);
}

static void it_ends_at_sigterm(void **state)
{
    end(SIGTERM);
}

static size_t submitted_of(size_t first, size_t last)
{
    size_t count = 0;
    for (size_t i = first; i <= last; i++)
        count += submissions_of(&w.events[i]) > 0;
    return count;
}

static void with_too_much_in_flight_it_reads_no_further_and_goes_on_when_half_is_final(void **state)
{
    w.child = spawn("control.key", "4");
    w.knows_all = true;
    for (size_t i = 6; i < 10; i++)
        produce_event(&w.events[i]);
    SERVE_UNTIL(submitted_of(6, 9) == 4);
    produce_event(&w.events[10]);
    serve_for(1000);
    persist(&w.events[6], true);
    serve_for(1000);
    assert_int_equal(submitted_of(10, 10), 0);
    for (size_t i = 7; i < 10; i++)
        persist(&w.events[i], true);
    SERVE_UNTIL(submitted_of(10, 10) == 1);
    persist(&w.events[10], true);
    SERVE_UNTIL(committed("group.commits", topics[4]) == (int64_t)w.height + 1);
    end(SIGTERM);
}

static uint64_t noticed(size_t n)
{
    return seen(NOTICES, n)->key.data[7];
}

static void blocks_that_come_together_are_asked_for_once_and_announced_in_order(void **state)
{
    enum { COUNT = 20 };
    SERVE_UNTIL(noticed(seen_count(NOTICES) - 1) == w.height); /* the broker had it, its reader perhaps not yet */
    size_t before = seen_count(NOTICES);
    uint64_t first = w.height + 1;
    for (int i = 0; i < COUNT; i++)
        persist(NULL, false);
    assert_int_equal(rd_kafka_mock_broker_set_rtt(w.mock, 1, 100), 0); /* ms: it could ask several times meanwhile */
    start();
    SERVE_UNTIL(seen_count(NOTICES) >= before + COUNT);
    assert_int_equal(rd_kafka_mock_broker_set_rtt(w.mock, 1, 0), 0);
    SERVE_UNTIL(committed("group.commits", topics[4]) == (int64_t)w.height + 1);
    assert_int_equal(seen_count(NOTICES), before + COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(noticed(before + i), first + i);
    assert_int_equal(w.asked_max, first);
}

/* Between two notices, from the n-th on. */
static int64_t longest_wait_ms(size_t n)
{
    int64_t longest_ms = 0;
    for (size_t i = n + 1; i < seen_count(NOTICES); i++) {
        int64_t wait_ms = seen(NOTICES, i)->timestamp_ms - seen(NOTICES, i - 1)->timestamp_ms;
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
    }
    return longest_ms;
}

/* The failed height and all behind it come again, and the block of none is asked for again; of those behind it that
 * went out with it, some may be there already. */
static void after_a_failure_in_their_middle_notices_come_from_the_first_that_is_missing_without_a_question(void **state)
{
    enum { COUNT = 20, PRODUCE = 0 };
    size_t before = seen_count(NOTICES);
    uint64_t first = w.height + 1;
    rd_kafka_mock_push_request_errors(w.mock, PRODUCE, 3, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    for (int i = 0; i < COUNT; i++)
        persist(NULL, false);
    SERVE_UNTIL(committed("group.commits", topics[4]) == (int64_t)w.height + 1);
    SERVE_UNTIL(seen_count(NOTICES) > before && noticed(seen_count(NOTICES) - 1) == w.height);
    size_t count = seen_count(NOTICES), beginning = 0, again = 1; /* heights in order at either end */
    while (beginning < COUNT && noticed(before + beginning) == first + beginning)
        beginning++;
    while (again < COUNT && noticed(count - 1 - again) == w.height - again)
        again++;
    assert_true(beginning > 0 && beginning + again >= COUNT);
    assert_in_range(count - before, COUNT, COUNT + 3);
    assert_in_range(longest_wait_ms(before), 950, WAIT_MS_MAX); /* it did fail, and was waited for */
    assert_int_equal(w.asked_max, first);
    end(SIGTERM);
}

int main(int argc, char *argv[])
{
    if (argc < 2 || sodium_init() < 0)
        return 1;
    w.program = realpath(argv[1], NULL); /* it is started in another directory */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_is_not_the_validators_is_refused),
        cmocka_unit_test(an_event_is_submitted_and_its_offset_committed_when_it_is_persisted),
        cmocka_unit_test(heights_are_announced_in_order_from_1),
        cmocka_unit_test(what_is_refused_becomes_a_dead_letter),
        cmocka_unit_test(what_mempoold_rejects_later_becomes_a_dead_letter_and_is_acknowledged),
        cmocka_unit_test(a_dead_letter_that_the_broker_refuses_is_sent_again_and_its_offset_waits),
        cmocka_unit_test(what_is_not_persisted_in_time_is_looked_up_and_submitted_again),
        cmocka_unit_test(what_a_lookup_finds_is_final),
        cmocka_unit_test(after_a_restart_of_mempoold_all_is_submitted_again),
        cmocka_unit_test(verdicts_rate_and_full_mean_later),
        cmocka_unit_test(killed_it_reads_again_what_was_not_final_and_announces_on),
        cmocka_unit_test(a_broker_that_was_away_gets_everything),
        cmocka_unit_test(fenced_it_is_a_new_member_and_reads_again_what_was_not_committed),
        cmocka_unit_test(it_ends_at_sigterm),
        cmocka_unit_test(with_too_much_in_flight_it_reads_no_further_and_goes_on_when_half_is_final),
        cmocka_unit_test(blocks_that_come_together_are_asked_for_once_and_announced_in_order),
        cmocka_unit_test(
            after_a_failure_in_their_middle_notices_come_from_the_first_that_is_missing_without_a_question),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
