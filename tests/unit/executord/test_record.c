/* test_record.c - each encoder gives protobuf-c's bytes for the same values, and protobuf-c reads them back. */
#include "tests/unit/executord/world.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/record.pb-c.h"
#include "services/executord/record.h"

static uint8_t key[32] = {1, 2, 3};
static uint8_t id[32] = {9, 8, 7};
static uint8_t hash[32] = {4, 5, 6};
static char text_long[257];

struct buffer {
    uint8_t data[RECORD_BYTES_MAX];
    struct bytes_writer writer;
};

static struct bytes_writer *buffer_start(struct buffer *buffer)
{
    buffer->writer = bytes_writer_of(buffer->data, sizeof buffer->data);
    return &buffer->writer;
}

static ProtobufCBinaryData binary(uint8_t *data, size_t size)
{
    return (ProtobufCBinaryData){.data = data, .len = size};
}

static void assert_packed(const struct buffer *buffer, const ProtobufCMessage *message)
{
    static uint8_t packed[RECORD_BYTES_MAX];
    assert_false(buffer->writer.failed);
    size_t size = protobuf_c_message_get_packed_size(message);
    assert_int_equal(buffer->writer.size, size);
    protobuf_c_message_pack(message, packed);
    assert_memory_equal(packed, buffer->data, size);
    ProtobufCMessage *back = protobuf_c_message_unpack(message->descriptor, NULL, buffer->writer.size, buffer->data);
    assert_non_null(back);
    protobuf_c_message_free_unpacked(back, NULL);
}

static struct buffer buffer;

static void anomalies_are_protobuf(void **state)
{
    static const struct {
        char *type;
        uint32_t severity;
        uint32_t ppm;
        char *source;
        int64_t ts;
        uint64_t height;
    } cases[] = {{(char *)(uintptr_t) "scan", 1, 1000000, (char *)(uintptr_t) "s", 1700000000, 1},
                 {text_long, 10, 0, text_long, -5, UINT64_MAX},
                 {(char *)(uintptr_t) "x", 200, 127, (char *)(uintptr_t) "Zürich", 0, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        record_anomaly_encode(buffer_start(&buffer), &(struct record_anomaly){
                                                         .type = span_text(cases[i].type),
                                                         .severity = cases[i].severity,
                                                         .confidence_ppm = cases[i].ppm,
                                                         .source = span_text(cases[i].source),
                                                         .ts = cases[i].ts,
                                                         .status = span_text("reported"),
                                                         .producer = span_of(key, 32),
                                                         .tx_id = span_of(id, 32),
                                                         .height = cases[i].height,
                                                     });
        Cybermesh__Record__V1__Anomaly message;
        cybermesh__record__v1__anomaly__init(&message);
        message.type = cases[i].type;
        message.severity = cases[i].severity;
        message.confidence_ppm = cases[i].ppm;
        message.source = cases[i].source;
        message.ts = cases[i].ts;
        message.status = (char *)(uintptr_t) "reported";
        message.producer = binary(key, 32);
        message.tx_id = binary(id, 32);
        message.height = cases[i].height;
        assert_packed(&buffer, &message.base);
    }
}

static void evidence_is_protobuf(void **state)
{
    struct world world;
    world_genesis(&world);
    for (size_t refs = 0; refs <= 3; refs++) {
        struct world_body body = world_body(&world, &(struct world_event){TX_EVIDENCE, .id = "e", .refs = refs});
        struct tx tx;
        const char *why;
        assert_int_equal(tx_parse(&tx, world_span(&body), &why), 0);
        record_evidence_encode(buffer_start(&buffer), &(struct record_evidence){
                                                          .type = span_text("pcap"),
                                                          .refs_of = &tx,
                                                          .content_hash = span_of(hash, 32),
                                                          .custody_count = 300,
                                                          .ts = 7,
                                                          .status = span_text("accepted"),
                                                          .producer = span_of(key, 32),
                                                          .tx_id = span_of(id, 32),
                                                          .height = 128,
                                                      });
        Cybermesh__Record__V1__Evidence message;
        cybermesh__record__v1__evidence__init(&message);
        ProtobufCBinaryData items[3];
        struct hash ref_hashes[3];
        for (uint32_t i = 0; i < refs; i++) {
            ref_hashes[i] = tx_ref(&tx, i);
            items[i] = binary(ref_hashes[i].bytes, 32);
        }
        message.type = (char *)(uintptr_t) "pcap";
        message.n_refs = refs;
        message.refs = items;
        message.content_hash = binary(hash, 32);
        message.custody_count = 300;
        message.ts = 7;
        message.status = (char *)(uintptr_t) "accepted";
        message.producer = binary(key, 32);
        message.tx_id = binary(id, 32);
        message.height = 128;
        assert_packed(&buffer, &message.base);
        world_body_free(&body);
    }
}

static void policies_are_protobuf(void **state)
{
    char *targets[] = {(char *)(uintptr_t) "10.1.2.3", (char *)(uintptr_t) "", (char *)(uintptr_t) "10.0.0.0/8"};
    struct span spans[] = {span_text(targets[0]), span_text(targets[1]), span_text(targets[2])};
    for (unsigned bare = 0; bare < 2; bare++) {
        record_policy_encode(buffer_start(&buffer), &(struct record_policy){
                                                        .rule = span_text("block"),
                                                        .action = span_text("drop"),
                                                        .policy_id = bare ? (struct span){0} : span_text("p-1"),
                                                        .targets = spans,
                                                        .target_count = bare ? 0 : 3,
                                                        .ttl_s = bare ? 0 : 3600,
                                                        .expires_at_s = bare ? 0 : 1700003600,
                                                        .active = true,
                                                        .ts = 1700000000,
                                                        .content_hash = span_of(hash, 32),
                                                        .producer = span_of(key, 32),
                                                        .tx_id = span_of(id, 32),
                                                        .height = 3,
                                                    });
        Cybermesh__Record__V1__Policy message;
        cybermesh__record__v1__policy__init(&message);
        message.rule = (char *)(uintptr_t) "block";
        message.action = (char *)(uintptr_t) "drop";
        message.policy_id = bare ? message.policy_id : (char *)(uintptr_t) "p-1";
        message.targets = targets;
        message.n_targets = bare ? 0 : 3;
        message.ttl_s = bare ? 0 : 3600;
        message.expires_at_s = bare ? 0 : 1700003600;
        message.active = true;
        message.ts = 1700000000;
        message.content_hash = binary(hash, 32);
        message.producer = binary(key, 32);
        message.tx_id = binary(id, 32);
        message.height = 3;
        assert_packed(&buffer, &message.base);
    }
}

static void producers_are_protobuf_and_read_back(void **state)
{
    struct record_producer record = {.name = span_text("sensor-1"), .roles = 15, .active = true};
    record_producer_encode(buffer_start(&buffer), &record);
    Cybermesh__Record__V1__Producer message;
    cybermesh__record__v1__producer__init(&message);
    message.name = (char *)(uintptr_t) "sensor-1";
    message.roles = 15;
    message.active = true;
    assert_packed(&buffer, &message.base);
    struct record_producer back;
    assert_int_equal(record_producer_decode(&back, bytes_written(&buffer.writer)), 0);
    assert_true(span_equal(back.name, record.name));
    assert_int_equal(back.roles, 15);
    assert_true(back.active);
}

static void validators_are_protobuf_and_read_back(void **state)
{
    for (uint32_t index = 0; index < 64; index += 63) {
        struct record_validator record = {.name = span_text("v1"),
                                          .sign_key = span_of(key, 32),
                                          .index = index,
                                          .standing = {.active = index == 0,
                                                       .reputation_ppm = 950000,
                                                       .blocks_proposed = 1,
                                                       .blocks_committed = UINT64_C(1) << 40,
                                                       .views_missed = index,
                                                       .last_active_height = 7}};
        record_validator_encode(buffer_start(&buffer), &record);
        Cybermesh__Record__V1__Validator message;
        cybermesh__record__v1__validator__init(&message);
        message.name = (char *)(uintptr_t) "v1";
        message.sign_key = binary(key, 32);
        message.active = index == 0;
        message.index = index;
        message.reputation_ppm = 950000;
        message.blocks_proposed = 1;
        message.blocks_committed = UINT64_C(1) << 40;
        message.views_missed = index;
        message.last_active_height = 7;
        assert_packed(&buffer, &message.base);
        struct record_validator back;
        assert_int_equal(record_validator_decode(&back, bytes_written(&buffer.writer)), 0);
        assert_true(span_equal(back.name, record.name) && span_equal(back.sign_key, record.sign_key));
        assert_int_equal(back.index, index);
        assert_int_equal(back.standing.active, index == 0);
        assert_int_equal(back.standing.reputation_ppm, 950000);
        assert_int_equal(back.standing.blocks_proposed, 1);
        assert_int_equal(back.standing.blocks_committed, UINT64_C(1) << 40);
        assert_int_equal(back.standing.views_missed, index);
        assert_int_equal(back.standing.last_active_height, 7);
    }
}

static void schedules_are_protobuf_and_read_back(void **state)
{
    struct schedule schedule = {.count = 3, .leaders = {2, 0, 63}};
    record_schedule_encode(buffer_start(&buffer), &schedule);
    Cybermesh__Record__V1__Schedule message;
    cybermesh__record__v1__schedule__init(&message);
    message.leaders = binary(schedule.leaders, 3);
    assert_packed(&buffer, &message.base);
    struct schedule back;
    assert_int_equal(record_schedule_decode(&back, bytes_written(&buffer.writer)), 0);
    assert_int_equal(back.count, 3);
    assert_memory_equal(back.leaders, schedule.leaders, 3);
    assert_int_equal(record_schedule_decode(&back, span_of("", 0)), ERR_MALFORMED);
    assert_string_equal(record_key_schedule(64).text, "schedule/64");
}

static void nonces_are_protobuf_and_read_back(void **state)
{
    static const int64_t times[] = {0, 1, 1700086400, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        struct record_nonce record = {.expires_at_s = times[i]};
        memcpy(record.tx_id.bytes, id, 32);
        record_nonce_encode(buffer_start(&buffer), &record);
        Cybermesh__Record__V1__Nonce message;
        cybermesh__record__v1__nonce__init(&message);
        message.tx_id = binary(id, 32);
        message.expires_at_s = times[i];
        assert_packed(&buffer, &message.base);
        struct record_nonce back;
        assert_int_equal(record_nonce_decode(&back, bytes_written(&buffer.writer)), 0);
        assert_int_equal(back.expires_at_s, times[i]);
        assert_true(hash_equal(&back.tx_id, &record.tx_id));
    }
}

static void receipts_are_protobuf_and_within_their_bound(void **state)
{
    char id_text[TX_ID_BYTES_MAX + 1];
    memset(id_text, 'x', TX_ID_BYTES_MAX);
    id_text[TX_ID_BYTES_MAX] = '\0';
    struct record_key record_key = record_key_event(TX_EVIDENCE, span_text(id_text));
    record_receipt_encode(buffer_start(&buffer), &(struct record_receipt){
                                                     .tx_id = span_of(id, 32),
                                                     .kind = TX_EVIDENCE,
                                                     .key = record_key_span(&record_key),
                                                     .value_hash = span_of(hash, 32),
                                                     .status = span_text("0123456789abcdef"),
                                                 });
    Cybermesh__Record__V1__Receipt message;
    cybermesh__record__v1__receipt__init(&message);
    message.tx_id = binary(id, 32);
    message.kind = TX_EVIDENCE;
    message.key = record_key.text;
    message.value_hash = binary(hash, 32);
    message.status = (char *)(uintptr_t) "0123456789abcdef";
    assert_packed(&buffer, &message.base);
    assert_int_equal(buffer.writer.size, RECORD_RECEIPT_BYTES_MAX);
}

static void keys_are_as_the_page_says(void **state)
{
    struct sign_public producer;
    memset(producer.bytes, 0xab, sizeof producer.bytes);
    uint8_t nonce[TX_NONCE_BYTES];
    memset(nonce, 0x01, sizeof nonce);
    struct hash validator;
    memset(validator.bytes, 0xcd, HASH_BYTES);
    assert_string_equal(record_key_event(TX_ANOMALY, span_text("a 1")).text, "anomaly/a 1");
    assert_string_equal(record_key_event(TX_EVIDENCE, span_text("a")).text, "evidence/a");
    assert_string_equal(record_key_event(TX_POLICY, span_text("a/b")).text, "policy/a/b");
    assert_string_equal(record_key_producer(&producer).text,
                        "producer/abababababababababababababababababababababababababababababababab");
    assert_string_equal(record_key_validator(&validator).text,
                        "validator/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd");
    assert_string_equal(record_key_validator_evidence(&validator).text,
                        "validator_evidence/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd");
    struct record_key nonce_key = record_key_nonce(&producer, nonce);
    assert_string_equal(nonce_key.text, "nonce/abababababababababababababababababababababababababababababababab/"
                                        "01010101010101010101010101010101");
    assert_true(record_key_is_nonce(record_key_span(&nonce_key)));
    assert_false(record_key_is_nonce(span_text("nonce")));
    assert_false(record_key_is_nonce(span_text("policy/nonce/")));
    struct hash expected = stateproof_key_hash(record_key_span(&nonce_key));
    assert_true(hash_equal(&nonce_key.hash, &expected));
}

static void bytes_that_are_no_record_are_malformed(void **state)
{
    static const uint8_t bad[][6] = {{0x08}, {0x0a, 5, 1}, {0x00, 0}, {0x0d, 1, 2, 3}, {0x0b}};
    static const size_t sizes[] = {1, 3, 2, 4, 1};
    struct record_nonce nonce = {.expires_at_s = 77};
    struct record_producer producer = {.roles = 77};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(record_nonce_decode(&nonce, span_of(bad[i], sizes[i])), ERR_MALFORMED);
        assert_int_equal(record_producer_decode(&producer, span_of(bad[i], sizes[i])), ERR_MALFORMED);
    }
    assert_int_equal(nonce.expires_at_s, 77);
    assert_int_equal(producer.roles, 77);
}

int main(void)
{
    memset(text_long, 'a', sizeof text_long - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anomalies_are_protobuf),
        cmocka_unit_test(evidence_is_protobuf),
        cmocka_unit_test(policies_are_protobuf),
        cmocka_unit_test(producers_are_protobuf_and_read_back),
        cmocka_unit_test(validators_are_protobuf_and_read_back),
        cmocka_unit_test(schedules_are_protobuf_and_read_back),
        cmocka_unit_test(nonces_are_protobuf_and_read_back),
        cmocka_unit_test(receipts_are_protobuf_and_within_their_bound),
        cmocka_unit_test(keys_are_as_the_page_says),
        cmocka_unit_test(bytes_that_are_no_record_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
