/* test_record.c - records as protobuf-c packs them; texts and numbers that the database would not take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/record.pb-c.h"
#include "services/persistd/record.h"

static uint8_t packed[4096];

static struct span pack(const void *message)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof packed);
    return span_of(packed, protobuf_c_message_pack(message, packed));
}

static char *text(const char *value)
{
    return (char *)(uintptr_t)value;
}

static void assert_text(struct span actual, const char *expected)
{
    assert_int_equal(actual.size, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.size);
}

static Cybermesh__Record__V1__Anomaly anomaly_of(const char *type, uint32_t severity)
{
    Cybermesh__Record__V1__Anomaly message;
    cybermesh__record__v1__anomaly__init(&message);
    message.type = text(type);
    message.severity = severity;
    message.confidence_ppm = 3;
    message.source = text("s");
    message.ts = -5;
    message.status = text("reported");
    message.producer = (ProtobufCBinaryData){.data = (uint8_t *)text("pp"), .len = 2};
    message.tx_id = (ProtobufCBinaryData){.data = (uint8_t *)text("tt"), .len = 2};
    message.height = 9;
    return message;
}

static void an_anomaly_is_read(void **state)
{
    Cybermesh__Record__V1__Anomaly message = anomaly_of("scan", INT32_MAX);
    struct record_anomaly record;
    assert_int_equal(record_anomaly_decode(&record, pack(&message)), 0);
    assert_text(record.type, "scan");
    assert_int_equal(record.severity, INT32_MAX);
    assert_int_equal(record.confidence_ppm, 3);
    assert_text(record.source, "s");
    assert_int_equal(record.ts, -5);
    assert_text(record.status, "reported");
    assert_text(record.producer, "pp");
    assert_text(record.tx_id, "tt");
}

static void what_a_column_does_not_take_is_refused(void **state)
{
    struct record_anomaly record = {.severity = 77};
    Cybermesh__Record__V1__Anomaly message = anomaly_of("a\nb", 1);
    assert_int_equal(record_anomaly_decode(&record, pack(&message)), ERR_MALFORMED);
    message = anomaly_of("\xff", 1);
    assert_int_equal(record_anomaly_decode(&record, pack(&message)), ERR_MALFORMED);
    message = anomaly_of("a", (uint32_t)INT32_MAX + 1);
    assert_int_equal(record_anomaly_decode(&record, pack(&message)), ERR_MALFORMED);
    assert_int_equal(record.severity, 77); /* untouched */
}

static void lists_are_joined(void **state)
{
    ProtobufCBinaryData refs[] = {{.data = (uint8_t *)text("one"), .len = 3},
                                  {.data = (uint8_t *)text("two"), .len = 3}};
    Cybermesh__Record__V1__Evidence message;
    cybermesh__record__v1__evidence__init(&message);
    message.type = text("pcap");
    message.refs = refs;
    message.n_refs = 2;
    message.custody_count = 4;
    struct record_evidence evidence;
    uint8_t room[sizeof packed];
    assert_int_equal(record_evidence_decode(&evidence, pack(&message)), 0);
    assert_text(span_of(room, record_refs_join(room, &evidence)), "onetwo");
    assert_int_equal(evidence.custody_count, 4);

    char *targets[] = {text("10.0.0.1"), text("10.0.0.0/8"), text("::1")};
    Cybermesh__Record__V1__Policy policy_message;
    cybermesh__record__v1__policy__init(&policy_message);
    policy_message.targets = targets;
    policy_message.ttl_s = 60;
    policy_message.active = true;
    for (size_t count = 0; count <= 3; count++) {
        static const char *const expected[] = {"", "10.0.0.1", "10.0.0.1\n10.0.0.0/8", "10.0.0.1\n10.0.0.0/8\n::1"};
        struct record_policy policy;
        policy_message.n_targets = count;
        assert_int_equal(record_policy_decode(&policy, pack(&policy_message)), 0);
        assert_text(span_of(room, record_targets_join(room, &policy)), expected[count]);
        assert_int_equal(policy.ttl_s, 60);
        assert_true(policy.active);
    }
    targets[1] = text("a\rb");
    struct record_policy policy;
    assert_int_equal(record_policy_decode(&policy, pack(&policy_message)), ERR_MALFORMED);
}

static void members_and_receipts_are_read(void **state)
{
    Cybermesh__Record__V1__Producer producer_message;
    cybermesh__record__v1__producer__init(&producer_message);
    producer_message.name = text("soc-1");
    producer_message.roles = 12;
    producer_message.active = true;
    struct record_producer producer;
    assert_int_equal(record_producer_decode(&producer, pack(&producer_message)), 0);
    assert_text(producer.name, "soc-1");
    assert_int_equal(producer.roles, 12);
    assert_true(producer.active);

    Cybermesh__Record__V1__Validator validator_message;
    cybermesh__record__v1__validator__init(&validator_message);
    validator_message.name = text("v2");
    validator_message.sign_key = (ProtobufCBinaryData){.data = (uint8_t *)text("kk"), .len = 2};
    validator_message.active = true;
    validator_message.index = 1;
    validator_message.reputation_ppm = 700000;
    validator_message.blocks_proposed = 2;
    validator_message.blocks_committed = 3;
    validator_message.views_missed = 4;
    validator_message.last_active_height = 5;
    struct record_validator validator;
    assert_int_equal(record_validator_decode(&validator, pack(&validator_message)), 0);
    assert_text(validator.name, "v2");
    assert_text(validator.sign_key, "kk");
    assert_int_equal(validator.index, 1);
    assert_true(validator.active);
    assert_int_equal(validator.reputation_ppm, 700000);
    assert_int_equal(validator.blocks_proposed, 2);
    assert_int_equal(validator.blocks_committed, 3);
    assert_int_equal(validator.views_missed, 4);
    assert_int_equal(validator.last_active_height, 5);
    validator_message.views_missed = UINT64_MAX;
    assert_int_equal(record_validator_decode(&validator, pack(&validator_message)), ERR_MALFORMED);

    Cybermesh__Record__V1__Receipt receipt_message;
    cybermesh__record__v1__receipt__init(&receipt_message);
    receipt_message.tx_id = (ProtobufCBinaryData){.data = (uint8_t *)text("tt"), .len = 2};
    receipt_message.kind = 1;
    receipt_message.key = text("anomaly/a");
    struct record_receipt receipt;
    assert_int_equal(record_receipt_decode(&receipt, pack(&receipt_message)), 0);
    assert_text(receipt.tx_id, "tt");
    assert_text(receipt.key, "anomaly/a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_anomaly_is_read),
        cmocka_unit_test(what_a_column_does_not_take_is_refused),
        cmocka_unit_test(lists_are_joined),
        cmocka_unit_test(members_and_receipts_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
