/* admission_codec.c - the generated types stay in here. */
#include "services/mempoold/admission_codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/edge/pb.h"
#include "proto/admission.pb-c.h"

typedef Cybermesh__Admission__V1__AdmissionFrame Frame;

#define FRAME_INIT CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT

static_assert((int)MEMPOOL_VERDICT_POOLED == CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_POOLED, "same numbers");
static_assert((int)MEMPOOL_VERDICT_DUPLICATE == CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_DUPLICATE, "same numbers");
static_assert((int)MEMPOOL_VERDICT_FULL == CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_FULL, "same numbers");
static_assert((int)MEMPOOL_VERDICT_RATE == CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_RATE, "same numbers");
static_assert((int)MEMPOOL_VERDICT_BAD == CYBERMESH__ADMISSION__V1__VERDICT__VERDICT_BAD, "same numbers");

static int decode_submit(struct admission_codec_frame *out, const Cybermesh__Admission__V1__SubmitBatch *submit)
{
    if (submit->batch == 0)
        return ERR_MALFORMED;
    if (submit->n_bodies > MEMPOOL_SUBMIT_COUNT_MAX)
        return ERR_TOO_LARGE;
    int rc = pb_spans(submit->bodies, submit->n_bodies, &out->bodies);
    if (rc < 0)
        return rc;
    out->event.kind = MEMPOOL_SUBMIT;
    out->event.submit =
        (struct mempool_submit){.batch = submit->batch, .bodies = out->bodies, .body_count = submit->n_bodies};
    return 0;
}

static int decode_body(struct admission_codec_frame *out, const Frame *frame)
{
    if (frame->version != ADMISSION_CODEC_VERSION)
        return ERR_VERSION;
    switch (frame->body_case) {
    case CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_HELLO:
        out->event.kind = MEMPOOL_HELLO;
        return 0;
    case CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_SUBMIT:
        return decode_submit(out, frame->submit);
    case CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED_ACK:
        out->event.kind = MEMPOOL_REJECTED_ACK;
        out->event.rejected_ack = frame->rejected_ack->sequence;
        return 0;
    case CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_VERDICTS:
    case CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED:
    case CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY__NOT_SET:
    case _CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY__CASE_IS_INT_SIZE:
        return ERR_MALFORMED;
    }
    return ERR_MALFORMED;
}

int admission_codec_decode(struct admission_codec_frame *out, struct span payload)
{
    if (payload.size > ADMISSION_CODEC_FRAME_BYTES_MAX)
        return ERR_TOO_LARGE;
    Frame *frame = cybermesh__admission__v1__admission_frame__unpack(NULL, payload.size, payload.data);
    if (!frame)
        return ERR_MALFORMED;
    struct admission_codec_frame decoded = {.message = frame};
    int rc = decode_body(&decoded, frame);
    if (rc < 0) {
        admission_codec_deinit(&decoded);
        return rc;
    }
    *out = decoded;
    return 0;
}

void admission_codec_deinit(struct admission_codec_frame *frame)
{
    if (frame->message)
        cybermesh__admission__v1__admission_frame__free_unpacked(frame->message, NULL);
    free(frame->bodies);
    *frame = (struct admission_codec_frame){0};
}

int admission_codec_encode_verdicts(const struct mempool_verdicts *verdicts, uint64_t epoch, uint8_t **out,
                                    size_t *size)
{
    Cybermesh__Admission__V1__Verdict *values = NULL;
    if (verdicts->verdict_count > 0) {
        values = calloc(verdicts->verdict_count, sizeof *values);
        if (!values)
            return -ENOMEM;
    }
    for (size_t i = 0; i < verdicts->verdict_count; i++)
        values[i] = (Cybermesh__Admission__V1__Verdict)verdicts->verdicts[i];

    Cybermesh__Admission__V1__Verdicts body = CYBERMESH__ADMISSION__V1__VERDICTS__INIT;
    body.batch = verdicts->batch;
    body.n_verdicts = verdicts->verdict_count;
    body.verdicts = values;
    body.free_txs = verdicts->free_txs;
    body.free_bytes = verdicts->free_bytes;
    body.epoch = epoch;
    Frame frame = FRAME_INIT;
    frame.version = ADMISSION_CODEC_VERSION;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_VERDICTS;
    frame.verdicts = &body;
    int rc = pb_pack(&frame.base, out, size);
    free(values);
    return rc;
}

int admission_codec_encode_rejected(const struct rejections_notice *rejected, uint8_t **out, size_t *size)
{
    assert(rejected->tx_count <= REJECTIONS_NOTICE_MAX);
    Cybermesh__Admission__V1__RejectedTx txs[REJECTIONS_NOTICE_MAX];
    Cybermesh__Admission__V1__RejectedTx *pointers[REJECTIONS_NOTICE_MAX];
    for (size_t i = 0; i < rejected->tx_count; i++) {
        txs[i] = (Cybermesh__Admission__V1__RejectedTx)CYBERMESH__ADMISSION__V1__REJECTED_TX__INIT;
        txs[i].tx_id = pb_bytes(span_of(rejected->txs[i].id.bytes, HASH_BYTES));
        txs[i].reason = rejected->txs[i].reason;
        pointers[i] = &txs[i];
    }
    Cybermesh__Admission__V1__Rejected body = CYBERMESH__ADMISSION__V1__REJECTED__INIT;
    body.sequence = rejected->sequence;
    body.n_txs = rejected->tx_count;
    body.txs = pointers;
    Frame frame = FRAME_INIT;
    frame.version = ADMISSION_CODEC_VERSION;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_REJECTED;
    frame.rejected = &body;
    return pb_pack(&frame.base, out, size);
}
