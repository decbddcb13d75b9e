/* gossip_codec.c - the generated types stay in here. */
#include "services/mempoold/gossip_codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/edge/pb.h"
#include "proto/gossip.pb-c.h"

typedef Cybermesh__Gossip__V1__GossipFrame Frame;

#define FRAME_INIT CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__INIT

static int decode_fetch(struct gossip_codec_frame *out, const Cybermesh__Gossip__V1__Fetch *fetch)
{
    if (fetch->n_tx_ids > MEMPOOL_FETCH_COUNT_MAX)
        return ERR_TOO_LARGE;
    int rc = pb_hashes(fetch->tx_ids, fetch->n_tx_ids, &out->hashes);
    if (rc < 0)
        return rc;
    out->event.kind = MEMPOOL_FETCH;
    out->event.fetch =
        (struct mempool_fetch){.request = fetch->request, .tx_ids = out->hashes, .tx_count = fetch->n_tx_ids};
    return 0;
}

static int decode_bodies(struct gossip_codec_frame *out, const Cybermesh__Gossip__V1__Bodies *bodies)
{
    if (bodies->n_bodies > MEMPOOL_FETCHED_COUNT_MAX)
        return ERR_TOO_LARGE;
    for (size_t i = 0; i < bodies->n_bodies; i++) {
        if (bodies->bodies[i].len == 0 || bodies->bodies[i].len > TX_BODY_BYTES_MAX)
            return ERR_MALFORMED;
    }
    int rc = pb_spans(bodies->bodies, bodies->n_bodies, &out->bodies);
    if (rc < 0)
        return rc;
    out->event.kind = MEMPOOL_BODIES;
    out->event.bodies =
        (struct mempool_bodies){.request = bodies->request, .bodies = out->bodies, .body_count = bodies->n_bodies};
    return 0;
}

static int decode_body(struct gossip_codec_frame *out, const Frame *frame)
{
    if (frame->version != GOSSIP_CODEC_VERSION)
        return ERR_VERSION;
    switch (frame->body_case) {
    case CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_FETCH:
        return decode_fetch(out, frame->fetch);
    case CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_BODIES:
        return decode_bodies(out, frame->bodies);
    case CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY__NOT_SET:
    case _CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY__CASE_IS_INT_SIZE:
        return ERR_MALFORMED;
    }
    return ERR_MALFORMED;
}

int gossip_codec_decode(struct gossip_codec_frame *out, struct span payload)
{
    if (payload.size > GOSSIP_CODEC_FRAME_BYTES_MAX)
        return ERR_TOO_LARGE;
    Frame *frame = cybermesh__gossip__v1__gossip_frame__unpack(NULL, payload.size, payload.data);
    if (!frame)
        return ERR_MALFORMED;
    struct gossip_codec_frame decoded = {.message = frame};
    int rc = decode_body(&decoded, frame);
    if (rc < 0) {
        gossip_codec_deinit(&decoded);
        return rc;
    }
    *out = decoded;
    return 0;
}

void gossip_codec_deinit(struct gossip_codec_frame *frame)
{
    if (frame->message)
        cybermesh__gossip__v1__gossip_frame__free_unpacked(frame->message, NULL);
    free(frame->hashes);
    free(frame->bodies);
    *frame = (struct gossip_codec_frame){0};
}

int gossip_codec_encode_fetch(const struct mempool_question *fetch, uint8_t **out, size_t *size)
{
    Cybermesh__Gossip__V1__Fetch body = CYBERMESH__GOSSIP__V1__FETCH__INIT;
    body.request = fetch->request;
    body.n_tx_ids = fetch->tx_count;
    int rc = pb_hash_items(fetch->tx_ids, fetch->tx_count, &body.tx_ids);
    if (rc < 0)
        return rc;
    Frame frame = FRAME_INIT;
    frame.version = GOSSIP_CODEC_VERSION;
    frame.body_case = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_FETCH;
    frame.fetch = &body;
    rc = pb_pack(&frame.base, out, size);
    free(body.tx_ids);
    return rc;
}

int gossip_codec_encode_bodies(const struct mempool_answer *bodies, uint8_t **out, size_t *size)
{
    Cybermesh__Gossip__V1__Bodies body = CYBERMESH__GOSSIP__V1__BODIES__INIT;
    body.request = bodies->request;
    body.n_bodies = bodies->body_count;
    int rc = pb_items(bodies->bodies, bodies->body_count, &body.bodies);
    if (rc < 0)
        return rc;
    Frame frame = FRAME_INIT;
    frame.version = GOSSIP_CODEC_VERSION;
    frame.body_case = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_BODIES;
    frame.bodies = &body;
    rc = pb_pack(&frame.base, out, size);
    free(body.bodies);
    return rc;
}
