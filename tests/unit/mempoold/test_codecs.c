/* The frames of the four arrows, read and written through the generated types of the other side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "proto/admission.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "proto/pool.pb-c.h"
#include "proto/query.pb-c.h"
#include "services/mempoold/admission_codec.h"
#include "services/mempoold/gossip_codec.h"
#include "services/mempoold/pool_codec.h"
#include "services/mempoold/query_codec.h"

typedef Cybermesh__Admission__V1__AdmissionFrame AdmissionFrame;
typedef Cybermesh__Pool__V1__PoolFrame PoolFrame;
typedef Cybermesh__Gossip__V1__GossipFrame GossipFrame;
typedef Cybermesh__Query__V1__QueryFrame QueryFrame;

enum { FRAME_BYTES = 1 << 20 };
static uint8_t frame_bytes_[FRAME_BYTES];

static struct span packed(const ProtobufCMessage *message)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= FRAME_BYTES);
    return span_of(frame_bytes_, protobuf_c_message_pack(message, frame_bytes_));
}

static ProtobufCBinaryData bytes(const void *data, size_t size)
{
    ProtobufCBinaryData item = {.len = size};
    memcpy(&item.data, &data, sizeof item.data);
    return item;
}

static void a_batch_of_bodies_is_read(void **state)
{
    (void)state;
    ProtobufCBinaryData bodies[] = {bytes("one", 3), bytes("", 0)};
    Cybermesh__Admission__V1__SubmitBatch submit = CYBERMESH__ADMISSION__V1__SUBMIT_BATCH__INIT;
    submit.batch = 5;
    submit.n_bodies = 2;
    submit.bodies = bodies;
    AdmissionFrame frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_SUBMIT;
    frame.submit = &submit;
    struct admission_codec_frame read;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_SUBMIT);
    assert_int_equal(read.event.submit.batch, 5);
    assert_int_equal(read.event.submit.body_count, 2);
    assert_true(span_equal(read.event.submit.bodies[0], span_text("one")));
    assert_int_equal(read.event.submit.bodies[1].size, 0);
    admission_codec_deinit(&read);

    submit.batch = 0;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    submit.batch = 1;
    frame.version = 2;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), ERR_VERSION);
    frame.version = 1;
    submit.n_bodies = MEMPOOL_SUBMIT_COUNT_MAX + 1;
    submit.bodies = calloc(submit.n_bodies, sizeof *submit.bodies);
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), ERR_TOO_LARGE);
    free(submit.bodies);
    assert_int_equal(admission_codec_decode(&read, span_text("\xff\xff")), ERR_MALFORMED);
    assert_int_equal(admission_codec_decode(&read, span_of("", 0)), ERR_VERSION);
    assert_int_equal(admission_codec_decode(&read, span_of("", (size_t)ADMISSION_CODEC_FRAME_BYTES_MAX + 1)),
                     ERR_TOO_LARGE);
}

static void hello_and_acknowledgements_are_read_and_our_own_answers_are_not(void **state)
{
    (void)state;
    Cybermesh__Admission__V1__Hello hello = CYBERMESH__ADMISSION__V1__HELLO__INIT;
    Cybermesh__Admission__V1__RejectedAck ack = CYBERMESH__ADMISSION__V1__REJECTED_ACK__INIT;
    Cybermesh__Admission__V1__Verdicts verdicts = CYBERMESH__ADMISSION__V1__VERDICTS__INIT;
    AdmissionFrame frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    struct admission_codec_frame read;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_HELLO;
    frame.hello = &hello;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_HELLO);
    admission_codec_deinit(&read);
    ack.sequence = 77;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED_ACK;
    frame.rejected_ack = &ack;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_REJECTED_ACK);
    assert_int_equal(read.event.rejected_ack, 77);
    admission_codec_deinit(&read);
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_VERDICTS;
    frame.verdicts = &verdicts;
    assert_int_equal(admission_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
}

static void verdicts_and_rejections_are_written(void **state)
{
    (void)state;
    const enum mempool_verdict verdicts[] = {MEMPOOL_VERDICT_POOLED, MEMPOOL_VERDICT_BAD};
    uint8_t *out = NULL;
    size_t size = 0;
    struct mempool_verdicts told = {
        .batch = 3, .verdicts = verdicts, .verdict_count = 2, .free_txs = 9, .free_bytes = 1u << 20};
    assert_int_equal(admission_codec_encode_verdicts(&told, 42, &out, &size), 0);
    AdmissionFrame *frame = cybermesh__admission__v1__admission_frame__unpack(NULL, size, out);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    assert_int_equal(frame->verdicts->batch, 3);
    assert_int_equal(frame->verdicts->n_verdicts, 2);
    assert_int_equal(frame->verdicts->verdicts[1], CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_BAD);
    assert_int_equal(frame->verdicts->free_txs, 9);
    assert_int_equal(frame->verdicts->free_bytes, 1 << 20);
    assert_int_equal(frame->verdicts->epoch, 42);
    cybermesh__admission__v1__admission_frame__free_unpacked(frame, NULL);
    free(out);

    const struct rejections_tx txs[] = {{.id = {{7}}, .reason = REASON_ID_CONFLICT}};
    struct rejections_notice rejected = {.sequence = 12, .txs = txs, .tx_count = 1};
    assert_int_equal(admission_codec_encode_rejected(&rejected, &out, &size), 0);
    frame = cybermesh__admission__v1__admission_frame__unpack(NULL, size, out);
    assert_non_null(frame);
    assert_int_equal(frame->rejected->sequence, 12);
    assert_int_equal(frame->rejected->n_txs, 1);
    assert_memory_equal(frame->rejected->txs[0]->tx_id.data, txs[0].id.bytes, HASH_BYTES);
    assert_int_equal(frame->rejected->txs[0]->reason, REASON_ID_CONFLICT);
    cybermesh__admission__v1__admission_frame__free_unpacked(frame, NULL);
    free(out);
}

static void what_consensusd_says_is_read(void **state)
{
    (void)state;
    const uint8_t block[HASH_BYTES] = {1}, tx[HASH_BYTES] = {2};
    ProtobufCBinaryData ids[] = {bytes(tx, HASH_BYTES), bytes(tx, HASH_BYTES)};
    PoolFrame frame = CYBERMESH__POOL__V1__POOL_FRAME__INIT;
    frame.version = 1;
    struct pool_codec_frame read;

    Cybermesh__Pool__V1__Watch watch = CYBERMESH__POOL__V1__WATCH__INIT;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_WATCH;
    frame.watch = &watch;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_WATCH);
    pool_codec_deinit(&read);

    Cybermesh__Pool__V1__TakeBatch take = CYBERMESH__POOL__V1__TAKE_BATCH__INIT;
    take.request = 8;
    take.tx_count_max = 10;
    take.tx_bytes_max = 1000;
    take.oldest = true;
    take.n_excluded_block_ids = 2;
    take.excluded_block_ids = ids;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_TAKE_BATCH;
    frame.take_batch = &take;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_TAKE_BATCH);
    assert_int_equal(read.event.take_batch.request, 8);
    assert_int_equal(read.event.take_batch.tx_count_max, 10);
    assert_int_equal(read.event.take_batch.tx_bytes_max, 1000);
    assert_int_equal(read.event.take_batch.excluded_count, 2);
    assert_memory_equal(read.event.take_batch.excluded[1].bytes, tx, HASH_BYTES);
    assert_true(read.event.take_batch.oldest);
    pool_codec_deinit(&read);

    Cybermesh__Pool__V1__Resolve resolve = CYBERMESH__POOL__V1__RESOLVE__INIT;
    resolve.request = 9;
    resolve.block_id = bytes(block, HASH_BYTES);
    resolve.n_tx_ids = 2;
    resolve.tx_ids = ids;
    resolve.proposer = 3;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVE;
    frame.resolve = &resolve;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_RESOLVE);
    assert_memory_equal(read.event.resolve.block_id.bytes, block, HASH_BYTES);
    assert_int_equal(read.event.resolve.tx_count, 2);
    assert_int_equal(read.event.resolve.proposer, 3);
    assert_false(read.event.resolve.own_block);
    pool_codec_deinit(&read);
    ids[1].len = 31;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    ids[1].len = 32;
    resolve.block_id.len = 0;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
}

static void fates_are_read(void **state)
{
    (void)state;
    const uint8_t block[HASH_BYTES] = {1}, tx[HASH_BYTES] = {2};
    ProtobufCBinaryData ids[] = {bytes(tx, HASH_BYTES)};
    PoolFrame frame = CYBERMESH__POOL__V1__POOL_FRAME__INIT;
    frame.version = 1;
    struct pool_codec_frame read;

    Cybermesh__Pool__V1__Finalized finalized = CYBERMESH__POOL__V1__FINALIZED__INIT;
    finalized.height = 4;
    finalized.block_id = bytes(block, HASH_BYTES);
    finalized.n_tx_ids = 1;
    finalized.tx_ids = ids;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_FINALIZED;
    frame.finalized = &finalized;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_FINALIZED);
    assert_int_equal(read.event.finalized.tx_count, 1);
    assert_memory_equal(read.event.finalized.tx_ids[0].bytes, tx, HASH_BYTES);
    pool_codec_deinit(&read);

    Cybermesh__Pool__V1__DroppedTx one = CYBERMESH__POOL__V1__DROPPED_TX__INIT;
    Cybermesh__Pool__V1__DroppedTx *txs[] = {&one};
    one.tx_id = bytes(tx, HASH_BYTES);
    one.reason = REASON_COUNT - 1;
    Cybermesh__Pool__V1__Dropped dropped = CYBERMESH__POOL__V1__DROPPED__INIT;
    dropped.n_txs = 1;
    dropped.txs = txs;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_DROPPED;
    frame.dropped = &dropped;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_DROPPED);
    assert_int_equal(read.event.dropped.tx_count, 1);
    assert_int_equal(read.event.dropped.txs[0].reason, REASON_COUNT - 1);
    pool_codec_deinit(&read);
    ProtobufCBinaryData proof = bytes(tx, HASH_BYTES), proofs[BLOCKS_VALIDATORS_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(proofs); i++)
        proofs[i] = proof;
    Cybermesh__Pool__V1__Evidence evidence = CYBERMESH__POOL__V1__EVIDENCE__INIT;
    evidence.n_bodies = BLOCKS_VALIDATORS_MAX;
    evidence.bodies = proofs;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_EVIDENCE;
    frame.evidence = &evidence;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_EVIDENCE);
    assert_int_equal(read.event.evidence.body_count, BLOCKS_VALIDATORS_MAX);
    assert_int_equal(read.event.evidence.bodies[1].size, HASH_BYTES);
    assert_memory_equal(read.event.evidence.bodies[1].data, tx, HASH_BYTES);
    pool_codec_deinit(&read);
    evidence.n_bodies++;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_TOO_LARGE);

    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_DROPPED;
    frame.dropped = &dropped;
    one.reason = REASON_COUNT;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    one.reason = 0;
    frame.version = 0;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_VERSION);
}

static void where_others_are_is_read(void **state)
{
    (void)state;
    PoolFrame frame = CYBERMESH__POOL__V1__POOL_FRAME__INIT;
    Cybermesh__Pool__V1__Peer one, two;
    cybermesh__pool__v1__peer__init(&one);
    cybermesh__pool__v1__peer__init(&two);
    Cybermesh__Pool__V1__Peer *list[] = {&one, &two};
    Cybermesh__Pool__V1__Peers peers = CYBERMESH__POOL__V1__PEERS__INIT;
    char first[] = "tcp://192.0.2.1:20002", second[] = "tcp://[2001:db8::2]:20002", bad[] = "ipc://ipc/pool.sock";
    one.gossip = first;
    two.validator = 63;
    two.gossip = second;
    peers.n_peers = 2;
    peers.peers = list;
    frame.version = POOL_CODEC_VERSION;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_PEERS;
    frame.peers = &peers;
    struct pool_codec_frame read;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_PEERS);
    assert_string_equal(read.gossip[0], first);
    assert_string_equal(read.gossip[1], "");
    assert_string_equal(read.gossip[63], second);
    pool_codec_deinit(&read);
    two.validator = 64;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    two.validator = 0;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    two.validator = 1;
    two.gossip = bad;
    assert_int_equal(pool_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
}

static void answers_to_consensusd_are_written(void **state)
{
    (void)state;
    const struct span bodies[] = {span_text("one"), span_text("three")};
    struct mempool_answer answer = {.request = 6, .block_id = {{9}}, .bodies = bodies, .body_count = 2};
    uint8_t *out = NULL;
    size_t size = 0;
    assert_int_equal(pool_codec_encode_batch(&answer, &out, &size), 0);
    PoolFrame *frame = cybermesh__pool__v1__pool_frame__unpack(NULL, size, out);
    assert_int_equal(frame->batch->request, 6);
    assert_int_equal(frame->batch->n_bodies, 2);
    assert_memory_equal(frame->batch->bodies[1].data, "three", 5);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
    free(out);

    assert_int_equal(pool_codec_encode_resolved(&answer, &out, &size), 0);
    frame = cybermesh__pool__v1__pool_frame__unpack(NULL, size, out);
    assert_int_equal(frame->resolved->request, 6);
    assert_memory_equal(frame->resolved->block_id.data, answer.block_id.bytes, HASH_BYTES);
    assert_int_equal(frame->resolved->n_bodies, 2);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
    free(out);

    struct mempool_pending pending = {.tx_count = 3, .tx_bytes = 5000, .oldest_age_ms = 12};
    assert_int_equal(pool_codec_encode_pending(&pending, &out, &size), 0);
    frame = cybermesh__pool__v1__pool_frame__unpack(NULL, size, out);
    assert_int_equal(frame->pending->tx_count, 3);
    assert_int_equal(frame->pending->tx_bytes, 5000);
    assert_int_equal(frame->pending->oldest_age_ms, 12);
    cybermesh__pool__v1__pool_frame__free_unpacked(frame, NULL);
    free(out);
}

static void questions_and_answers_between_validators_survive_the_way(void **state)
{
    (void)state;
    const struct hash ids[] = {{{1}}, {{2}}};
    uint8_t *out = NULL;
    size_t size = 0;
    struct gossip_codec_frame read;
    struct mempool_question question = {.request = 4, .tx_ids = ids, .tx_count = 2};
    assert_int_equal(gossip_codec_encode_fetch(&question, &out, &size), 0);
    assert_int_equal(gossip_codec_decode(&read, span_of(out, size)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_FETCH);
    assert_int_equal(read.event.fetch.request, 4);
    assert_int_equal(read.event.fetch.tx_count, 2);
    assert_true(hash_equal(&read.event.fetch.tx_ids[1], &ids[1]));
    gossip_codec_deinit(&read);
    free(out);

    const struct span bodies[] = {span_text("one")};
    struct mempool_answer answer = {.request = 4, .bodies = bodies, .body_count = 1};
    assert_int_equal(gossip_codec_encode_bodies(&answer, &out, &size), 0);
    assert_int_equal(gossip_codec_decode(&read, span_of(out, size)), 0);
    assert_int_equal(read.event.kind, MEMPOOL_BODIES);
    assert_int_equal(read.event.bodies.request, 4);
    assert_int_equal(read.event.bodies.body_count, 1);
    assert_true(span_equal(read.event.bodies.bodies[0], bodies[0]));
    gossip_codec_deinit(&read);
    free(out);
}

static void gossip_above_its_limits_is_refused(void **state)
{
    (void)state;
    struct gossip_codec_frame read;
    Cybermesh__Gossip__V1__Fetch fetch = CYBERMESH__GOSSIP__V1__FETCH__INIT;
    Cybermesh__Gossip__V1__Bodies bodies = CYBERMESH__GOSSIP__V1__BODIES__INIT;
    GossipFrame frame = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__INIT;
    frame.version = 1;
    fetch.n_tx_ids = MEMPOOL_FETCH_COUNT_MAX + 1;
    fetch.tx_ids = calloc(fetch.n_tx_ids, sizeof *fetch.tx_ids);
    frame.body_case = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_FETCH;
    frame.fetch = &fetch;
    assert_int_equal(gossip_codec_decode(&read, packed(&frame.base)), ERR_TOO_LARGE);
    fetch.n_tx_ids = 1; /* empty, so no hash */
    assert_int_equal(gossip_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
    free(fetch.tx_ids);

    ProtobufCBinaryData empty = bytes("", 0);
    bodies.n_bodies = 1;
    bodies.bodies = &empty;
    frame.body_case = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_BODIES;
    frame.bodies = &bodies;
    assert_int_equal(gossip_codec_decode(&read, packed(&frame.base)), ERR_MALFORMED);
}

static void the_status_is_asked_for_and_told_as_text(void **state)
{
    (void)state;
    Cybermesh__Query__V1__StatusRequest request = CYBERMESH__QUERY__V1__STATUS_REQUEST__INIT;
    Cybermesh__Query__V1__StateRequest other = CYBERMESH__QUERY__V1__STATE_REQUEST__INIT;
    QueryFrame frame = CYBERMESH__QUERY__V1__QUERY_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATUS_REQUEST;
    request.request = 31;
    frame.status_request = &request;
    uint64_t number = 0;
    assert_int_equal(query_codec_decode(&number, packed(&frame.base)), 0);
    assert_int_equal(number, 31);
    frame.body_case = CYBERMESH__QUERY__V1__QUERY_FRAME__BODY_STATE_REQUEST;
    frame.state_request = &other;
    assert_int_equal(query_codec_decode(&number, packed(&frame.base)), ERR_MALFORMED);
    frame.version = 3;
    assert_int_equal(query_codec_decode(&number, packed(&frame.base)), ERR_VERSION);

    const struct query_codec_item items[] = {{"pool_txs", 12}, {"epoch", UINT64_MAX}};
    uint8_t *out = NULL;
    size_t size = 0;
    assert_int_equal(query_codec_encode_status(31, items, 2, &out, &size), 0);
    QueryFrame *status = cybermesh__query__v1__query_frame__unpack(NULL, size, out);
    assert_int_equal(status->status->request, 31);
    assert_int_equal(status->status->n_items, 2);
    assert_string_equal(status->status->items[0]->name, "pool_txs");
    assert_string_equal(status->status->items[0]->value, "12");
    assert_string_equal(status->status->items[1]->value, "18446744073709551615");
    cybermesh__query__v1__query_frame__free_unpacked(status, NULL);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_of_bodies_is_read),
        cmocka_unit_test(hello_and_acknowledgements_are_read_and_our_own_answers_are_not),
        cmocka_unit_test(verdicts_and_rejections_are_written),
        cmocka_unit_test(what_consensusd_says_is_read),
        cmocka_unit_test(fates_are_read),
        cmocka_unit_test(where_others_are_is_read),
        cmocka_unit_test(answers_to_consensusd_are_written),
        cmocka_unit_test(questions_and_answers_between_validators_survive_the_way),
        cmocka_unit_test(gossip_above_its_limits_is_refused),
        cmocka_unit_test(the_status_is_asked_for_and_told_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
