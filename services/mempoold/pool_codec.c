/* pool_codec.c - the generated types stay in here. */
#include "services/mempoold/pool_codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/genesis.h"
#include "common/edge/pb.h"
#include "proto/pool.pb-c.h"

typedef Cybermesh__Pool__V1__PoolFrame Frame;

#define FRAME_INIT CYBERMESH__POOL__V1__POOL_FRAME__INIT

static int decode_take_batch(struct pool_codec_frame *out, const Cybermesh__Pool__V1__TakeBatch *take)
{
    if (take->n_excluded_block_ids > MEMPOOL_EXCLUDED_COUNT_MAX)
        return ERR_TOO_LARGE;
    int rc = pb_hashes(take->excluded_block_ids, take->n_excluded_block_ids, &out->hashes);
    if (rc < 0)
        return rc;
    out->event.kind = MEMPOOL_TAKE_BATCH;
    out->event.take_batch = (struct mempool_take_batch){
        .request = take->request,
        .tx_count_max = take->tx_count_max,
        .tx_bytes_max = take->tx_bytes_max,
        .excluded = out->hashes,
        .excluded_count = take->n_excluded_block_ids,
        .oldest = take->oldest,
    };
    return 0;
}

static int decode_resolve(struct pool_codec_frame *out, const Cybermesh__Pool__V1__Resolve *resolve)
{
    out->event.kind = MEMPOOL_RESOLVE;
    out->event.resolve = (struct mempool_resolve){
        .request = resolve->request,
        .tx_count = resolve->n_tx_ids,
        .proposer = resolve->proposer,
        .own_block = resolve->own_block,
    };
    int rc = pb_hash(&resolve->block_id, &out->event.resolve.block_id);
    if (rc < 0)
        return rc;
    rc = pb_hashes(resolve->tx_ids, resolve->n_tx_ids, &out->hashes);
    out->event.resolve.tx_ids = out->hashes;
    return rc;
}

static int decode_finalized(struct pool_codec_frame *out, const Cybermesh__Pool__V1__Finalized *finalized)
{
    out->event.kind = MEMPOOL_FINALIZED;
    out->event.finalized = (struct mempool_finalized){.tx_count = finalized->n_tx_ids};
    int rc = pb_hash(&finalized->block_id, &out->event.finalized.block_id);
    if (rc < 0)
        return rc;
    rc = pb_hashes(finalized->tx_ids, finalized->n_tx_ids, &out->hashes);
    out->event.finalized.tx_ids = out->hashes;
    return rc;
}

static int decode_dropped(struct pool_codec_frame *out, const Cybermesh__Pool__V1__Dropped *dropped)
{
    if (dropped->n_txs > MEMPOOL_DROPPED_COUNT_MAX)
        return ERR_TOO_LARGE;
    out->dropped = calloc(dropped->n_txs ? dropped->n_txs : 1, sizeof *out->dropped);
    if (!out->dropped)
        return -ENOMEM;
    for (size_t i = 0; i < dropped->n_txs; i++) {
        int rc = pb_hash(&dropped->txs[i]->tx_id, &out->dropped[i].id);
        if (rc < 0)
            return rc;
        if (dropped->txs[i]->reason >= REASON_COUNT)
            return ERR_MALFORMED;
        out->dropped[i].reason = dropped->txs[i]->reason;
    }
    out->event.kind = MEMPOOL_DROPPED;
    out->event.dropped = (struct mempool_dropped){.txs = out->dropped, .tx_count = dropped->n_txs};
    return 0;
}

static int decode_evidence(struct pool_codec_frame *out, const Cybermesh__Pool__V1__Evidence *evidence)
{
    if (evidence->n_bodies > GENESIS_VALIDATORS_MAX)
        return ERR_TOO_LARGE;
    out->spans = calloc(evidence->n_bodies ? evidence->n_bodies : 1, sizeof *out->spans);
    if (!out->spans)
        return -ENOMEM;
    for (size_t i = 0; i < evidence->n_bodies; i++)
        out->spans[i] = span_of(evidence->bodies[i].data, evidence->bodies[i].len);
    out->event.kind = MEMPOOL_EVIDENCE;
    out->event.evidence = (struct mempool_evidence){.bodies = out->spans, .body_count = evidence->n_bodies};
    return 0;
}

static int decode_peers(struct pool_codec_frame *out, const Cybermesh__Pool__V1__Peers *peers)
{
    for (size_t i = 0; i < peers->n_peers; i++) {
        const Cybermesh__Pool__V1__Peer *peer = peers->peers[i];
        struct span gossip = span_text(peer->gossip);
        if (peer->validator >= GENESIS_VALIDATORS_MAX || out->gossip[peer->validator][0] != '\0' ||
            !peer_record_endpoint_is_valid(gossip))
            return ERR_MALFORMED;
        memcpy(out->gossip[peer->validator], gossip.data, gossip.size); /* a valid one fits */
        out->event.peers |= UINT64_C(1) << peer->validator;
    }
    out->event.kind = MEMPOOL_PEERS;
    return 0;
}

static int decode_body(struct pool_codec_frame *out, const Frame *frame)
{
    if (frame->version != POOL_CODEC_VERSION)
        return ERR_VERSION;
    switch (frame->body_case) {
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_WATCH:
        out->event.kind = MEMPOOL_WATCH;
        return 0;
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_TAKE_BATCH:
        return decode_take_batch(out, frame->take_batch);
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVE:
        return decode_resolve(out, frame->resolve);
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_FINALIZED:
        return decode_finalized(out, frame->finalized);
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_DROPPED:
        return decode_dropped(out, frame->dropped);
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_EVIDENCE:
        return decode_evidence(out, frame->evidence);
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_PEERS:
        return decode_peers(out, frame->peers);
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_PENDING:
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_BATCH:
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVED:
    case CYBERMESH__POOL__V1__POOL_FRAME__BODY__NOT_SET:
    case _CYBERMESH__POOL__V1__POOL_FRAME__BODY__CASE_IS_INT_SIZE:
        return ERR_MALFORMED;
    }
    return ERR_MALFORMED;
}

int pool_codec_decode(struct pool_codec_frame *out, struct span payload)
{
    if (payload.size > POOL_CODEC_FRAME_BYTES_MAX)
        return ERR_TOO_LARGE;
    Frame *frame = cybermesh__pool__v1__pool_frame__unpack(NULL, payload.size, payload.data);
    if (!frame)
        return ERR_MALFORMED;
    struct pool_codec_frame decoded = {.message = frame};
    int rc = decode_body(&decoded, frame);
    if (rc < 0) {
        pool_codec_deinit(&decoded);
        return rc;
    }
    *out = decoded;
    return 0;
}

void pool_codec_deinit(struct pool_codec_frame *frame)
{
    if (frame->message)
        cybermesh__pool__v1__pool_frame__free_unpacked(frame->message, NULL);
    free(frame->hashes);
    free(frame->dropped);
    free(frame->spans);
    *frame = (struct pool_codec_frame){0};
}

int pool_codec_encode_pending(const struct mempool_pending *pending, uint8_t **out, size_t *size)
{
    Cybermesh__Pool__V1__Pending body = CYBERMESH__POOL__V1__PENDING__INIT;
    body.tx_count = pending->tx_count;
    body.tx_bytes = pending->tx_bytes;
    body.oldest_age_ms = pending->oldest_age_ms;
    Frame frame = FRAME_INIT;
    frame.version = POOL_CODEC_VERSION;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_PENDING;
    frame.pending = &body;
    return pb_pack(&frame.base, out, size);
}

int pool_codec_encode_batch(const struct mempool_answer *batch, uint8_t **out, size_t *size)
{
    Cybermesh__Pool__V1__Batch body = CYBERMESH__POOL__V1__BATCH__INIT;
    body.request = batch->request;
    body.n_bodies = batch->body_count;
    int rc = pb_items(batch->bodies, batch->body_count, &body.bodies);
    if (rc < 0)
        return rc;
    Frame frame = FRAME_INIT;
    frame.version = POOL_CODEC_VERSION;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_BATCH;
    frame.batch = &body;
    rc = pb_pack(&frame.base, out, size);
    free(body.bodies);
    return rc;
}

int pool_codec_encode_resolved(const struct mempool_answer *resolved, uint8_t **out, size_t *size)
{
    Cybermesh__Pool__V1__Resolved body = CYBERMESH__POOL__V1__RESOLVED__INIT;
    body.request = resolved->request;
    body.block_id = pb_bytes(span_of(resolved->block_id.bytes, HASH_BYTES));
    body.n_bodies = resolved->body_count;
    int rc = pb_items(resolved->bodies, resolved->body_count, &body.bodies);
    if (rc < 0)
        return rc;
    Frame frame = FRAME_INIT;
    frame.version = POOL_CODEC_VERSION;
    frame.body_case = CYBERMESH__POOL__V1__POOL_FRAME__BODY_RESOLVED;
    frame.resolved = &body;
    rc = pb_pack(&frame.base, out, size);
    free(body.bodies);
    return rc;
}
