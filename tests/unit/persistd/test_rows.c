/* test_rows.c - blocks become rows. */
#include "tests/unit/persistd/chain.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "proto/record.pb-c.h"
#include "services/persistd/rows.h"

struct story {
    struct chain chain;
    struct chain_run run;
    struct rows rows;
    const char *why;
};

static int begin(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    chain_begin(&s->chain);
    rows_init(&s->rows, 1);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct story *s = *state;
    chain_run_end(&s->run);
    rows_deinit(&s->rows);
    chain_end(&s->chain);
    free(s);
    return 0;
}

static int build(struct story *s, uint64_t height_first, size_t count)
{
    chain_run_end(&s->run);
    s->run = chain_run(&s->chain, height_first, count);
    return rows_build(&s->rows, s->run.outcomes, count, &s->why);
}

static void assert_text(struct span actual, const char *expected)
{
    assert_int_equal(actual.size, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.size);
}

static void genesis_gives_its_validators_and_producers(void **state)
{
    struct story *s = *state;
    assert_int_equal(build(s, 0, 1), 0);
    assert_int_equal(s->rows.blocks.count, 1);
    assert_int_equal(s->rows.txs.count, 0);
    assert_int_equal(s->rows.producers.count, 1);
    assert_int_equal(s->rows.validators.count, CHAIN_VALIDATORS);
    assert_int_equal(s->rows.states.count, CHAIN_VALIDATORS + 1);
    struct sign_public key = chain_producer();
    assert_memory_equal(s->rows.producers.items[0].key, key.bytes, sizeof key.bytes);
    assert_text(s->rows.producers.items[0].record.name, "sensor-1");
    assert_int_equal(s->rows.producers.items[0].record.roles, 7);
    assert_true(s->rows.producers.items[0].record.active);
    for (size_t i = 0; i < CHAIN_VALIDATORS; i++) {
        const struct rows_validator *row = &s->rows.validators.items[i];
        struct hash id = chain_validator(row->record.index);
        assert_memory_equal(row->id, id.bytes, HASH_BYTES);
    }
}

static void each_kind_has_its_row_at_its_position(void **state)
{
    struct story *s = *state;
    chain_add(&s->chain,
              (struct chain_event[]){{.kind = TX_POLICY, .id = "p"},
                                     {.kind = TX_ANOMALY, .id = "a"},
                                     {.kind = TX_EVIDENCE, .id = "e"},
                                     {.kind = TX_ANOMALY, .id = "A"}},
              4);
    assert_int_equal(build(s, 1, 1), 0);
    const struct rows_block *block = &s->rows.blocks.items[0];
    assert_int_equal(block->counts[TX_ANOMALY], 2);
    assert_int_equal(block->counts[TX_EVIDENCE], 1);
    assert_int_equal(block->counts[TX_POLICY], 1);
    assert_int_equal(s->rows.txs.count, 4);
    size_t bytes = s->run.outcomes[0]->header_bytes.size;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(s->rows.txs.items[i].index, i);
        assert_int_equal(s->rows.txs.items[i].height, 1);
        bytes += s->rows.txs.items[i].body.size;
    }
    assert_int_equal(block->size_bytes, bytes);
    assert_int_equal(s->rows.anomalies.count, 2);
    assert_int_equal(s->rows.anomalies.items[0].tx->index, 1);
    assert_text(s->rows.anomalies.items[0].tx->event_id, "a");
    assert_text(s->rows.anomalies.items[0].record.status, "reported");
    assert_int_equal(s->rows.anomalies.items[0].record.severity, 7);
    assert_int_equal(s->rows.anomalies.items[0].record.confidence_ppm, 500000);
    assert_int_equal(s->rows.anomalies.items[1].tx->index, 3);
    assert_int_equal(s->rows.evidence.items[0].tx->index, 2);
    assert_int_equal(s->rows.evidence.items[0].refs.size, 2 * HASH_BYTES);
    assert_memory_equal(s->rows.evidence.items[0].refs.data + HASH_BYTES, s->rows.txs.items[2].tx_id.bytes, HASH_BYTES);
    assert_text(s->rows.policies.items[0].targets, "10.0.0.1\n10.1.0.0/16");
    assert_int_equal(s->rows.policies.items[0].record.ttl_s, 60);
}

static void proof_against_a_validator_has_the_time_of_its_block_and_no_producer(void **state)
{
    struct story *s = *state;
    chain_add(&s->chain, (struct chain_event[]){{.kind = TX_VALIDATOR_EVIDENCE}, {.kind = TX_ANOMALY, .id = "a"}}, 2);
    assert_int_equal(build(s, 1, 1), 0);
    assert_int_equal(s->rows.blocks.items[0].counts[TX_VALIDATOR_EVIDENCE], 1);
    assert_int_equal(s->rows.blocks.items[0].counts[TX_EVIDENCE], 0);
    assert_int_equal(s->rows.txs.count, 2);
    const struct rows_tx *tx = &s->rows.txs.items[0];
    struct hash offender = chain_validator(CHAIN_OFFENDER);
    char hex[2 * HASH_BYTES + 1];
    hex_encode(hex, offender.bytes, HASH_BYTES);
    assert_int_equal(tx->kind, TX_VALIDATOR_EVIDENCE);
    assert_text(tx->event_id, hex);
    assert_int_equal(tx->ts, CHAIN_CREATED_MS / 1000 + 1);
    assert_int_equal(s->rows.validator_evidence.count, 1);
    const struct rows_validator_evidence *row = &s->rows.validator_evidence.items[0];
    assert_ptr_equal(row->tx, tx);
    assert_true(hash_equal(&row->offender, &offender));
    assert_int_equal(row->kind, EQUIVOCATION_VOTE);
    assert_int_equal(row->view, 1);
    assert_int_equal(s->rows.anomalies.count, 1);
}

static void a_proof_that_is_none_is_refused(void **state)
{
    struct story *s = *state;
    chain_add(&s->chain, (struct chain_event[]){{.kind = TX_VALIDATOR_EVIDENCE}}, 1);
    assert_int_equal(build(s, 1, 1), 0);
    struct span *bodies = (struct span *)(uintptr_t)s->run.outcomes[0]->bodies;
    struct span whole = bodies[0];
    for (size_t size = 1; size < whole.size; size += whole.size - 2) {
        bodies[0] = span_of(whole.data, size);
        assert_int_equal(rows_build(&s->rows, s->run.outcomes, 1, &s->why), ERR_MALFORMED);
        assert_int_equal(s->rows.validator_evidence.count, 0);
    }
}

static void nonces_are_in_no_row(void **state)
{
    struct story *s = *state;
    chain_add_anomalies(&s->chain, "a", 3);
    assert_int_equal(build(s, 1, 1), 0);
    assert_int_equal(s->run.outcomes[0]->change_count, 6);
    assert_int_equal(s->rows.states.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(s->rows.states.items[i].key.data, "anomaly/", 8);
}

static struct chain_change producer_change(uint8_t *room, const char *name, char key[static 80])
{
    struct sign_public producer = chain_producer();
    Cybermesh__Record__V1__Producer record;
    cybermesh__record__v1__producer__init(&record);
    record.name = (char *)(uintptr_t)name;
    size_t size = cybermesh__record__v1__producer__pack(&record, room);
    char hex[65];
    hex_encode(hex, producer.bytes, sizeof producer.bytes);
    snprintf(key, 80, "producer/%s", hex);
    return (struct chain_change){.key = key, .value = span_of(room, size)};
}

static void of_a_key_that_several_blocks_change_the_last_value_stays(void **state)
{
    struct story *s = *state;
    uint8_t room[2][100];
    char key[80];
    struct chain_change first = producer_change(room[0], "one", key);
    chain_add_changes(&s->chain, NULL, 0, &first, 1);
    struct chain_change second = producer_change(room[1], "two", key);
    chain_add_changes(&s->chain, NULL, 0, &second, 1);
    struct chain_change gone = {.key = "anomaly/gone", .deleted = true};
    chain_add_changes(&s->chain, NULL, 0, &gone, 1);
    assert_int_equal(build(s, 0, 4), 0);
    assert_int_equal(s->rows.producers.count, 1);
    assert_text(s->rows.producers.items[0].record.name, "two");
    assert_int_equal(s->rows.producers.items[0].height, 2);
    assert_int_equal(s->rows.states.count, CHAIN_VALIDATORS + 2);
    assert_true(s->rows.states.items[s->rows.states.count - 1].deleted);
    assert_int_equal(s->rows.blocks.count, 4);
}

static void transactions_of_later_blocks_follow(void **state)
{
    struct story *s = *state;
    chain_add_anomalies(&s->chain, "a", 2);
    chain_add_anomalies(&s->chain, "b", 0);
    chain_add_anomalies(&s->chain, "c", 1);
    assert_int_equal(build(s, 1, 3), 0);
    assert_int_equal(s->rows.blocks.items[0].tx_first, 0);
    assert_int_equal(s->rows.blocks.items[1].tx_first, 2);
    assert_int_equal(s->rows.blocks.items[2].tx_first, 2);
    assert_int_equal(s->rows.txs.items[2].height, 3);
    assert_int_equal(s->rows.txs.items[2].index, 0);
}

/* Spoil one thing of a good block, and see which check notices. */
static void assert_refused(struct story *s, const char *why)
{
    assert_int_equal(rows_build(&s->rows, s->run.outcomes, 1, &s->why), ERR_MALFORMED);
    assert_string_equal(s->why, why);
    assert_int_equal(s->rows.blocks.count, 0);
    assert_int_equal(s->rows.txs.count, 0);
}

static void rows_that_are_not_the_headers_are_refused(void **state)
{
    struct story *s = *state;
    chain_add_anomalies(&s->chain, "a", 3);
    assert_int_equal(build(s, 1, 1), 0);
    struct outcome *outcome = &s->run.frame.outcomes[0];
    struct span *bodies = (struct span *)(uintptr_t)outcome->bodies;
    struct span *receipts = (struct span *)(uintptr_t)outcome->receipts;
    struct outcome_change *changes = (struct outcome_change *)(uintptr_t)outcome->changes;

    struct span body = bodies[0];
    bodies[0] = bodies[1];
    assert_refused(s, "bodies are not those of the header's tx_root");
    bodies[0] = span_of(body.data, body.size - 1);
    assert_refused(s, "a body cannot be read");
    bodies[0] = body;

    struct span receipt = receipts[0];
    receipts[0] = receipts[1];
    assert_refused(s, "receipts are not those of the header's receipt_root");
    receipts[0] = receipt;

    struct outcome_change change = changes[0];
    changes[0].deleted = true;
    assert_refused(s, "a receipt names a record that is not among the changes");
    changes[0] = change;
    changes[0].key = span_text("anomaly/\n");
    assert_refused(s, "a key of the state is no text");
    changes[0] = change;
    changes[0].value = span_text("\x0b");
    assert_refused(s, "a record cannot be read");
    changes[0] = change;
    assert_int_equal(rows_build(&s->rows, s->run.outcomes, 1, &s->why), 0);
}

static void swapped_receipts_are_refused_even_with_their_root(void **state)
{
    struct story *s = *state;
    chain_add_anomalies(&s->chain, "a", 2);
    assert_int_equal(build(s, 1, 1), 0);
    struct outcome *outcome = &s->run.frame.outcomes[0];
    struct span *receipts = (struct span *)(uintptr_t)outcome->receipts;
    struct span first = receipts[0];
    receipts[0] = receipts[1];
    receipts[1] = first;
    struct hash items[2] = {hash_of(receipts[0]), hash_of(receipts[1])};
    struct hash joined[2];
    for (int i = 0; i < 2; i++)
        joined[i] = hash_of2(span_of("\0", 1), span_of(items[i].bytes, HASH_BYTES));
    uint8_t node[1 + 2 * HASH_BYTES] = {1};
    memcpy(node + 1, joined, 2 * HASH_BYTES);
    outcome->header.receipt_root = hash_of(span_of(node, sizeof node));
    assert_refused(s, "a receipt is not its transaction's");
}

static void a_producer_that_the_state_lost_has_no_row(void **state)
{
    struct story *s = *state;
    uint8_t room[100];
    char key[80];
    struct chain_change change = producer_change(room, "one", key);
    change.value = (struct span){0};
    change.deleted = true;
    chain_add_changes(&s->chain, NULL, 0, &change, 1);
    assert_int_equal(build(s, 0, 2), 0);
    assert_int_equal(s->rows.producers.count, 0);
}

static void records_that_several_receipts_name_are_refused_before_they_overflow(void **state)
{
    struct story *s = *state;
    const struct chain_event event = {.kind = TX_EVIDENCE, .id = "e"};
    chain_add(&s->chain, (struct chain_event[]){event, event, event, event, event}, 5);
    assert_int_equal(build(s, 1, 1), 0);
    struct outcome_change *changes = (struct outcome_change *)(uintptr_t)s->run.outcomes[0]->changes;
    for (size_t i = 1; i < 5; i++)
        changes[i].key = span_text("nonce/");
    rows_deinit(&s->rows);
    assert_refused(s, "a record cannot be read");
}

static void bad_members_are_refused(void **state)
{
    struct story *s = *state;
    static const char *const keys[] = {"producer/", "producer/zz", "validator/12"};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        struct chain_change change = {.key = keys[i], .value = span_text("")};
        chain_add_changes(&s->chain, NULL, 0, &change, 1);
        assert_int_equal(build(s, 1 + i, 1), ERR_MALFORMED);
        assert_string_equal(s->why, "a producer or validator cannot be read");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(genesis_gives_its_validators_and_producers, begin, end),
        cmocka_unit_test_setup_teardown(each_kind_has_its_row_at_its_position, begin, end),
        cmocka_unit_test_setup_teardown(proof_against_a_validator_has_the_time_of_its_block_and_no_producer, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_proof_that_is_none_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(nonces_are_in_no_row, begin, end),
        cmocka_unit_test_setup_teardown(of_a_key_that_several_blocks_change_the_last_value_stays, begin, end),
        cmocka_unit_test_setup_teardown(transactions_of_later_blocks_follow, begin, end),
        cmocka_unit_test_setup_teardown(rows_that_are_not_the_headers_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(swapped_receipts_are_refused_even_with_their_root, begin, end),
        cmocka_unit_test_setup_teardown(a_producer_that_the_state_lost_has_no_row, begin, end),
        cmocka_unit_test_setup_teardown(records_that_several_receipts_name_are_refused_before_they_overflow, begin,
                                        end),
        cmocka_unit_test_setup_teardown(bad_members_are_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
