/* admission_codec.c against protobuf-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/err.h"
#include "common/base/reason.h"
#include "proto/admission.pb-c.h"
#include "services/ingestd/admission_codec.h"

typedef Cybermesh__Admission__V1__AdmissionFrame Frame;

static struct admission_codec_room room;
static uint8_t buffer[1 << 20];

static int decode(const Frame *frame, struct admission_codec_frame *out)
{
    assert_true(cybermesh__admission__v1__admission_frame__get_packed_size(frame) <= sizeof buffer);
    size_t size = cybermesh__admission__v1__admission_frame__pack(frame, buffer);
    return admission_codec_decode(out, &room, span_of(buffer, size));
}

static Frame verdicts_frame(Cybermesh__Admission__V1__Verdicts *body)
{
    Frame frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_VERDICTS;
    frame.verdicts = body;
    return frame;
}

static void verdicts_are_read(void **state)
{
    Cybermesh__Admission__V1__Verdict values[] = {1, 2, 3, 4, 5};
    Cybermesh__Admission__V1__Verdicts body = CYBERMESH__ADMISSION__V1__VERDICTS__INIT;
    body.batch = UINT64_MAX;
    body.n_verdicts = 5;
    body.verdicts = values;
    body.free_txs = 7;
    body.free_bytes = UINT64_C(1) << 40;
    body.epoch = 1795240000000;
    Frame frame = verdicts_frame(&body);
    struct admission_codec_frame out;
    assert_int_equal(decode(&frame, &out), 0);
    assert_int_equal(out.kind, ADMISSION_CODEC_VERDICTS);
    assert_true(out.verdicts.batch == UINT64_MAX);
    assert_int_equal(out.verdicts.count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(out.verdicts.verdicts[i], i + 1);
    assert_int_equal(out.verdicts.free_txs, 7);
    assert_true(out.verdicts.free_bytes == UINT64_C(1) << 40);
    assert_int_equal(out.verdicts.epoch, 1795240000000);
}

static void verdicts_have_a_bound_and_are_known_ones(void **state)
{
    static Cybermesh__Admission__V1__Verdict values[PENDING_BATCH_COUNT_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        values[i] = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_POOLED;
    Cybermesh__Admission__V1__Verdicts body = CYBERMESH__ADMISSION__V1__VERDICTS__INIT;
    body.verdicts = values;
    body.n_verdicts = PENDING_BATCH_COUNT_MAX;
    Frame frame = verdicts_frame(&body);
    struct admission_codec_frame out;
    assert_int_equal(decode(&frame, &out), 0);
    body.n_verdicts++;
    assert_int_equal(decode(&frame, &out), ERR_TOO_LARGE);
    body.n_verdicts = 1;
    values[0] = CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_UNSPECIFIED;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    values[0] = (Cybermesh__Admission__V1__Verdict)PENDING_VERDICT_COUNT;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
}

static void rejections_are_read(void **state)
{
    uint8_t ids[2][HASH_BYTES] = {{1}, {2}};
    Cybermesh__Admission__V1__RejectedTx txs[2];
    Cybermesh__Admission__V1__RejectedTx *list[2] = {&txs[0], &txs[1]};
    for (size_t i = 0; i < 2; i++) {
        cybermesh__admission__v1__rejected_tx__init(&txs[i]);
        txs[i].tx_id.data = ids[i];
        txs[i].tx_id.len = HASH_BYTES;
        txs[i].reason = i == 0 ? REASON_NONE : REASON_ID_CONFLICT;
    }
    Cybermesh__Admission__V1__Rejected body = CYBERMESH__ADMISSION__V1__REJECTED__INIT;
    body.sequence = 9;
    body.n_txs = 2;
    body.txs = list;
    Frame frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED;
    frame.rejected = &body;
    struct admission_codec_frame out;
    assert_int_equal(decode(&frame, &out), 0);
    assert_int_equal(out.kind, ADMISSION_CODEC_REJECTED);
    assert_int_equal(out.sequence, 9);
    assert_int_equal(out.rejected_count, 2);
    assert_memory_equal(out.rejected[1].tx_id.bytes, ids[1], HASH_BYTES);
    assert_int_equal(out.rejected[0].reason, 0);
    assert_int_equal(out.rejected[1].reason, REASON_ID_CONFLICT);

    txs[1].reason = REASON_COUNT;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    txs[1].reason = 1;
    txs[1].tx_id.len = HASH_BYTES - 1;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    txs[1].tx_id.len = 0;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
}

static void other_frames_are_refused(void **state)
{
    struct admission_codec_frame out;
    Cybermesh__Admission__V1__Hello hello = CYBERMESH__ADMISSION__V1__HELLO__INIT;
    Frame frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = 1;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED); /* no body */
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_HELLO;
    frame.hello = &hello;
    assert_int_equal(decode(&frame, &out), ERR_MALFORMED);
    frame.version = 2;
    assert_int_equal(decode(&frame, &out), ERR_VERSION);
    assert_int_equal(admission_codec_decode(&out, &room, span_of("\xff", 1)), ERR_MALFORMED);
    assert_int_equal(admission_codec_decode(&out, &room, span_of(NULL, 0)), ERR_VERSION);
}

static Frame *written(const struct bytes_writer *writer)
{
    assert_false(writer->failed);
    Frame *frame = cybermesh__admission__v1__admission_frame__unpack(NULL, writer->size, writer->data);
    assert_non_null(frame);
    assert_int_equal(frame->version, 1);
    return frame;
}

static void what_is_said_is_understood(void **state)
{
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    admission_codec_put_hello(&writer);
    Frame *frame = written(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_HELLO);
    cybermesh__admission__v1__admission_frame__free_unpacked(frame, NULL);

    writer = bytes_writer_of(buffer, sizeof buffer);
    admission_codec_put_rejected_ack(&writer, 1795240000000);
    frame = written(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED_ACK);
    assert_int_equal(frame->rejected_ack->sequence, 1795240000000);
    cybermesh__admission__v1__admission_frame__free_unpacked(frame, NULL);
}

static void a_batch_is_the_size_that_was_told(void **state)
{
    static const size_t sizes[] = {1, 127, 128, 700, 20000};
    static uint8_t body[20000];
    uint64_t items_bytes = 0;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        items_bytes += admission_codec_body_bytes(sizes[i]);
    struct bytes_writer writer = bytes_writer_of(buffer, items_bytes + ADMISSION_CODEC_FRAME_EXTRA_BYTES);
    admission_codec_put_submit_head(&writer, UINT64_MAX, items_bytes);
    size_t head = writer.size;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        admission_codec_put_body_head(&writer, sizes[i]);
        bytes_put(&writer, body, sizes[i]);
    }
    assert_int_equal(writer.size, head + items_bytes);
    Frame *frame = written(&writer);
    assert_int_equal(frame->body_case, CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_SUBMIT);
    assert_true(frame->submit->batch == UINT64_MAX);
    assert_int_equal(frame->submit->n_bodies, ARRAY_COUNT(sizes));
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        assert_int_equal(frame->submit->bodies[i].len, sizes[i]);
    cybermesh__admission__v1__admission_frame__free_unpacked(frame, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_read),          cmocka_unit_test(verdicts_have_a_bound_and_are_known_ones),
        cmocka_unit_test(rejections_are_read),        cmocka_unit_test(other_frames_are_refused),
        cmocka_unit_test(what_is_said_is_understood), cmocka_unit_test(a_batch_is_the_size_that_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
