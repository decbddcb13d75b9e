/* consensus_codec.c - generated types end here; what leaves is checked, so the core may trust its form. */
#include "services/consensusd/consensus_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "proto/consensus.pb-c.h"

/* Short names of generated types. */
typedef Cybermesh__Consensus__V1__ConsensusFrame frame_pb;
typedef Cybermesh__Consensus__V1__SyncFrame sync_pb;
typedef Cybermesh__Consensus__V1__TimeoutCertificate tc_pb;
typedef Cybermesh__Consensus__V1__TimeoutSignature tc_signature_pb;
typedef Cybermesh__Proof__V1__Qc qc_pb;
typedef Cybermesh__Proof__V1__Signature signature_pb;

/* Decoding. */

static int get_hash(struct hash *out, const ProtobufCBinaryData *data)
{
    if (data->len != HASH_BYTES)
        return ERR_MALFORMED;
    memcpy(out->bytes, data->data, HASH_BYTES);
    return 0;
}

static int get_signature(struct signature *out, const ProtobufCBinaryData *data)
{
    if (data->len != SIGN_BYTES)
        return ERR_MALFORMED;
    memcpy(out->bytes, data->data, SIGN_BYTES);
    return 0;
}

static int get_qc(struct qc *out, const qc_pb *pb)
{
    if (!pb || pb->n_signatures > CERT_SIGNERS_MAX)
        return ERR_MALFORMED;
    memset(out, 0, sizeof *out);
    out->view = pb->view;
    out->height = pb->height;
    out->signature_count = (uint32_t)pb->n_signatures;
    int rc = get_hash(&out->block_id, &pb->block_id);
    for (size_t i = 0; i < pb->n_signatures && rc == 0; i++) {
        out->signatures[i].validator = pb->signatures[i]->validator;
        rc = get_signature(&out->signatures[i].signature, &pb->signatures[i]->signature);
    }
    return rc;
}

static int get_tc(struct tc *out, const tc_pb *pb)
{
    if (!pb || pb->n_signatures > CERT_SIGNERS_MAX)
        return ERR_MALFORMED;
    memset(out, 0, sizeof *out);
    out->view = pb->view;
    out->signature_count = (uint32_t)pb->n_signatures;
    int rc = get_qc(&out->high_qc, pb->high_qc);
    for (size_t i = 0; i < pb->n_signatures && rc == 0; i++) {
        out->signatures[i].validator = pb->signatures[i]->validator;
        out->signatures[i].high_qc_view = pb->signatures[i]->high_qc_view;
        rc = get_signature(&out->signatures[i].signature, &pb->signatures[i]->signature);
    }
    return rc;
}

static int get_tx_ids(struct consensus_codec_frame *out, const Cybermesh__Consensus__V1__Proposal *pb,
                      uint32_t tx_count_max)
{
    if (pb->n_tx_ids > tx_count_max)
        return ERR_TOO_LARGE;
    if (pb->n_tx_ids != out->event.u.proposal.header.tx_count)
        return ERR_MALFORMED;
    if (pb->n_tx_ids == 0)
        return 0;
    out->tx_ids = malloc(pb->n_tx_ids * sizeof out->tx_ids[0]);
    if (!out->tx_ids)
        return -ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < pb->n_tx_ids && rc == 0; i++)
        rc = get_hash(&out->tx_ids[i], &pb->tx_ids[i]);
    out->event.u.proposal.tx_ids = out->tx_ids;
    return rc;
}

/* A proposal has a signature of its own if and only if a TC is attached. */
static int get_attached(struct consensus_codec_frame *out, const Cybermesh__Consensus__V1__Proposal *pb)
{
    if (!pb->tc)
        return pb->signature.len == 0 ? 0 : ERR_MALFORMED;
    out->event.u.proposal.tc = &out->tc;
    int rc = get_tc(&out->tc, pb->tc);
    return rc == 0 ? get_signature(&out->event.u.proposal.signature, &pb->signature) : rc;
}

static int get_proposal(struct consensus_codec_frame *out, const Cybermesh__Consensus__V1__Proposal *pb,
                        uint32_t tx_count_max)
{
    struct consensus_proposal *proposal = &out->event.u.proposal;
    out->event.type = CONSENSUS_PROPOSAL;
    int rc = block_header_decode(&proposal->header, span_of(pb->header.data, pb->header.len));
    rc = rc == 0 ? get_qc(&out->qc, pb->justify) : rc;
    rc = rc == 0 ? get_attached(out, pb) : rc;
    rc = rc == 0 ? get_signature(&proposal->vote_signature, &pb->vote_signature) : rc;
    proposal->justify = &out->qc;
    return rc == 0 ? get_tx_ids(out, pb, tx_count_max) : rc;
}

static int get_ready(struct consensus_codec_frame *out, const Cybermesh__Consensus__V1__GenesisReady *pb)
{
    struct genesis_ready *ready = &out->ready;
    out->core = CONSENSUS_CODEC_CEREMONY;
    out->ceremony.type = CEREMONY_READY;
    out->ceremony.u.ready = ready;
    if (pb->nonce.len != sizeof ready->nonce)
        return ERR_MALFORMED;
    memcpy(ready->nonce, pb->nonce.data, sizeof ready->nonce);
    ready->time_ms = pb->time_ms;
    int rc = get_hash(&ready->terms.chain_id, &pb->chain_id);
    rc = rc == 0 ? get_hash(&ready->terms.config_hash, &pb->config_hash) : rc;
    rc = rc == 0 ? get_hash(&ready->terms.peer_hash, &pb->peer_hash) : rc;
    return rc == 0 ? get_signature(&ready->signature, &pb->signature) : rc;
}

static int get_genesis(struct consensus_codec_frame *out, const Cybermesh__Consensus__V1__GenesisAnnouncement *pb)
{
    out->core = CONSENSUS_CODEC_CEREMONY;
    out->ceremony.type = CEREMONY_CERTIFICATE;
    out->ceremony.u.certificate = &out->certificate;
    return genesis_certificate_decode(&out->certificate, span_of(pb->certificate.data, pb->certificate.len));
}

static int get_body(struct consensus_codec_frame *out, const frame_pb *pb, uint32_t tx_count_max)
{
    struct consensus_event *event = &out->event;
    int rc = 0;
    switch (pb->body_case) {
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_PROPOSAL:
        return get_proposal(out, pb->proposal, tx_count_max);
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_VOTE:
        event->type = CONSENSUS_VOTE;
        event->u.vote.view = pb->vote->view;
        event->u.vote.height = pb->vote->height;
        rc = get_hash(&event->u.vote.block_id, &pb->vote->block_id);
        return rc == 0 ? get_signature(&event->u.vote.signature, &pb->vote->signature) : rc;
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_TIMEOUT:
        event->type = CONSENSUS_TIMEOUT;
        event->u.timeout.view = pb->timeout->view;
        event->u.timeout.high_qc = &out->qc;
        rc = get_qc(&out->qc, pb->timeout->high_qc);
        return rc == 0 ? get_signature(&event->u.timeout.signature, &pb->timeout->signature) : rc;
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_NEW_VIEW:
        event->type = CONSENSUS_NEW_VIEW;
        event->u.new_view = &out->tc;
        return get_tc(&out->tc, pb->new_view->tc);
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_HEARTBEAT:
        event->type = CONSENSUS_HEARTBEAT;
        event->u.heartbeat.view = pb->heartbeat->view;
        event->u.heartbeat.committed_height = pb->heartbeat->committed_height;
        event->u.heartbeat.high_qc = &out->qc;
        event->u.heartbeat.high_tc = pb->heartbeat->high_tc ? &out->tc : NULL;
        rc = get_qc(&out->qc, pb->heartbeat->high_qc);
        rc = rc == 0 && pb->heartbeat->high_tc ? get_tc(&out->tc, pb->heartbeat->high_tc) : rc;
        return rc == 0 ? get_signature(&event->u.heartbeat.signature, &pb->heartbeat->signature) : rc;
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_EVIDENCE:
        event->type = CONSENSUS_EVIDENCE;
        event->u.evidence = &out->evidence;
        rc = equivocation_decode(&out->evidence, span_of(pb->evidence->body.data, pb->evidence->body.len));
        return rc == 0 ? 0 : ERR_MALFORMED;
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_GENESIS_READY:
        return get_ready(out, pb->genesis_ready);
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_GENESIS:
        return get_genesis(out, pb->genesis);
    case CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY__NOT_SET:
    case _CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY__CASE_IS_INT_SIZE:
        break;
    }
    return ERR_MALFORMED;
}

int consensus_codec_decode(struct consensus_codec_frame *out, struct span payload, uint32_t tx_count_max)
{
    frame_pb *pb = cybermesh__consensus__v1__consensus_frame__unpack(NULL, payload.size, payload.data);
    if (!pb)
        return ERR_MALFORMED;
    out->tx_ids = NULL;
    memset(&out->event, 0, sizeof out->event);
    memset(&out->ceremony, 0, sizeof out->ceremony);
    out->core = CONSENSUS_CODEC_CONSENSUS;
    int rc = pb->version == CONSENSUS_CODEC_VERSION ? 0 : ERR_VERSION;
    out->high_qc_view = pb->high_qc_view;
    out->sender = out->event.sender = out->ceremony.sender = pb->sender;
    out->event.sender_committed_height = pb->committed_height;
    rc = rc == 0 ? get_body(out, pb, tx_count_max) : rc;
    cybermesh__consensus__v1__consensus_frame__free_unpacked(pb, NULL);
    if (rc < 0)
        consensus_codec_deinit(out);
    return rc;
}

void consensus_codec_deinit(struct consensus_codec_frame *frame)
{
    free(frame->tx_ids);
    frame->tx_ids = NULL;
}

/* Encoding: generated structs on the stack that borrow from the core's values. */

#define LOAN(pointer, length) ((ProtobufCBinaryData){.len = (length), .data = (uint8_t *)(uintptr_t)(pointer)})

struct qc_room {
    qc_pb pb;
    signature_pb signatures[CERT_SIGNERS_MAX];
    signature_pb *list[CERT_SIGNERS_MAX];
};

struct tc_room {
    tc_pb pb;
    struct qc_room high_qc;
    tc_signature_pb signatures[CERT_SIGNERS_MAX];
    tc_signature_pb *list[CERT_SIGNERS_MAX];
};

static qc_pb *put_qc(struct qc_room *room, const struct qc *qc)
{
    cybermesh__proof__v1__qc__init(&room->pb);
    room->pb.view = qc->view;
    room->pb.height = qc->height;
    room->pb.block_id = LOAN(qc->block_id.bytes, HASH_BYTES);
    room->pb.n_signatures = qc->signature_count;
    room->pb.signatures = room->list;
    for (uint32_t i = 0; i < qc->signature_count; i++) {
        cybermesh__proof__v1__signature__init(&room->signatures[i]);
        room->signatures[i].validator = qc->signatures[i].validator;
        room->signatures[i].signature = LOAN(qc->signatures[i].signature.bytes, SIGN_BYTES);
        room->list[i] = &room->signatures[i];
    }
    return &room->pb;
}

static tc_pb *put_tc(struct tc_room *room, const struct tc *tc)
{
    cybermesh__consensus__v1__timeout_certificate__init(&room->pb);
    room->pb.view = tc->view;
    room->pb.high_qc = put_qc(&room->high_qc, &tc->high_qc);
    room->pb.n_signatures = tc->signature_count;
    room->pb.signatures = room->list;
    for (uint32_t i = 0; i < tc->signature_count; i++) {
        cybermesh__consensus__v1__timeout_signature__init(&room->signatures[i]);
        room->signatures[i].validator = tc->signatures[i].validator;
        room->signatures[i].high_qc_view = tc->signatures[i].high_qc_view;
        room->signatures[i].signature = LOAN(tc->signatures[i].signature.bytes, SIGN_BYTES);
        room->list[i] = &room->signatures[i];
    }
    return &room->pb;
}

static int pack(const ProtobufCMessage *message, uint8_t **out, size_t *size)
{
    *size = protobuf_c_message_get_packed_size(message);
    *out = malloc(*size);
    if (!*out)
        return -ENOMEM;
    protobuf_c_message_pack(message, *out);
    return 0;
}

static int pack_proposal(frame_pb *frame, const struct consensus_proposal *proposal, uint8_t **out, size_t *size)
{
    Cybermesh__Consensus__V1__Proposal pb;
    cybermesh__consensus__v1__proposal__init(&pb);
    struct qc_room qc;
    struct tc_room tc;
    uint8_t header[BLOCK_HEADER_BYTES];
    block_header_encode(header, &proposal->header);
    uint32_t count = proposal->header.tx_count;
    ProtobufCBinaryData *ids = calloc(count ? count : 1, sizeof *ids);
    if (!ids)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        ids[i] = LOAN(proposal->tx_ids[i].bytes, HASH_BYTES);
    pb.header = LOAN(header, sizeof header);
    pb.n_tx_ids = count;
    pb.tx_ids = ids;
    pb.justify = put_qc(&qc, proposal->justify);
    if (proposal->tc) {
        pb.tc = put_tc(&tc, proposal->tc);
        pb.signature = LOAN(proposal->signature.bytes, SIGN_BYTES);
    }
    pb.vote_signature = LOAN(proposal->vote_signature.bytes, SIGN_BYTES);
    frame->body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_PROPOSAL;
    frame->proposal = &pb;
    int rc = pack(&frame->base, out, size);
    free(ids);
    return rc;
}

static int pack_vote(frame_pb *frame, const struct consensus_vote *vote, uint8_t **out, size_t *size)
{
    Cybermesh__Consensus__V1__Vote pb;
    cybermesh__consensus__v1__vote__init(&pb);
    pb.view = vote->view;
    pb.height = vote->height;
    pb.block_id = LOAN(vote->block_id.bytes, HASH_BYTES);
    pb.signature = LOAN(vote->signature.bytes, SIGN_BYTES);
    frame->body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_VOTE;
    frame->vote = &pb;
    return pack(&frame->base, out, size);
}

static int pack_timeout(frame_pb *frame, const struct consensus_timeout *timeout, uint8_t **out, size_t *size)
{
    Cybermesh__Consensus__V1__Timeout pb;
    cybermesh__consensus__v1__timeout__init(&pb);
    struct qc_room qc;
    pb.view = timeout->view;
    pb.high_qc = put_qc(&qc, timeout->high_qc);
    pb.signature = LOAN(timeout->signature.bytes, SIGN_BYTES);
    frame->body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_TIMEOUT;
    frame->timeout = &pb;
    return pack(&frame->base, out, size);
}

static int pack_new_view(frame_pb *frame, const struct tc *certificate, uint8_t **out, size_t *size)
{
    Cybermesh__Consensus__V1__NewView pb;
    cybermesh__consensus__v1__new_view__init(&pb);
    struct tc_room tc;
    pb.tc = put_tc(&tc, certificate);
    frame->body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_NEW_VIEW;
    frame->new_view = &pb;
    return pack(&frame->base, out, size);
}

static int pack_evidence(frame_pb *frame, const struct equivocation *evidence, uint8_t **out, size_t *size)
{
    Cybermesh__Consensus__V1__Evidence pb;
    cybermesh__consensus__v1__evidence__init(&pb);
    uint8_t body[EQUIVOCATION_BODY_BYTES_MAX];
    size_t body_size = equivocation_encode(body, evidence);
    pb.body = LOAN(body, body_size);
    frame->body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_EVIDENCE;
    frame->evidence = &pb;
    return pack(&frame->base, out, size);
}

static int pack_heartbeat(frame_pb *frame, const struct consensus_heartbeat *heartbeat, uint8_t **out, size_t *size)
{
    Cybermesh__Consensus__V1__Heartbeat pb;
    cybermesh__consensus__v1__heartbeat__init(&pb);
    struct qc_room qc;
    struct tc_room tc;
    pb.view = heartbeat->view;
    pb.high_qc = put_qc(&qc, heartbeat->high_qc);
    pb.high_tc = heartbeat->high_tc ? put_tc(&tc, heartbeat->high_tc) : NULL;
    pb.committed_height = heartbeat->committed_height;
    pb.signature = LOAN(heartbeat->signature.bytes, SIGN_BYTES);
    frame->body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_HEARTBEAT;
    frame->heartbeat = &pb;
    return pack(&frame->base, out, size);
}

static frame_pb frame_of(const struct consensus_codec_sender *sender)
{
    frame_pb frame;
    cybermesh__consensus__v1__consensus_frame__init(&frame);
    frame.version = CONSENSUS_CODEC_VERSION;
    frame.sender = sender->index;
    frame.high_qc_view = sender->high_qc_view;
    frame.committed_height = sender->committed_height;
    return frame;
}

int consensus_codec_encode(const struct consensus_effect *effect, const struct consensus_codec_sender *sender,
                           const char **topic, uint8_t **out, size_t *size)
{
    frame_pb frame = frame_of(sender);
    switch (effect->type) {
    case CONSENSUS_SEND_PROPOSAL:
        *topic = "consensus/proposal";
        return pack_proposal(&frame, &effect->u.proposal, out, size);
    case CONSENSUS_SEND_VOTE:
        *topic = "consensus/vote";
        return pack_vote(&frame, &effect->u.vote, out, size);
    case CONSENSUS_SEND_TIMEOUT:
        *topic = "consensus/viewchange";
        return pack_timeout(&frame, &effect->u.timeout, out, size);
    case CONSENSUS_SEND_NEW_VIEW:
        *topic = "consensus/newview";
        return pack_new_view(&frame, effect->u.new_view, out, size);
    case CONSENSUS_SEND_HEARTBEAT:
        *topic = "consensus/heartbeat";
        return pack_heartbeat(&frame, &effect->u.heartbeat, out, size);
    case CONSENSUS_SEND_EVIDENCE:
        *topic = "consensus/evidence";
        return pack_evidence(&frame, effect->u.evidence, out, size);
    case CONSENSUS_PERSIST:
    case CONSENSUS_BUILD:
    case CONSENSUS_CHECK:
    case CONSENSUS_RECHECK:
    case CONSENSUS_COMMIT:
    case CONSENSUS_SYNC:
    case CONSENSUS_FORGET:
        break;
    }
    return -EINVAL;
}

int consensus_codec_encode_ready(const struct genesis_ready *ready, const struct consensus_codec_sender *sender,
                                 uint8_t **out, size_t *size)
{
    frame_pb frame = frame_of(sender);
    Cybermesh__Consensus__V1__GenesisReady pb;
    cybermesh__consensus__v1__genesis_ready__init(&pb);
    pb.chain_id = LOAN(ready->terms.chain_id.bytes, HASH_BYTES);
    pb.config_hash = LOAN(ready->terms.config_hash.bytes, HASH_BYTES);
    pb.peer_hash = LOAN(ready->terms.peer_hash.bytes, HASH_BYTES);
    pb.nonce = LOAN(ready->nonce, sizeof ready->nonce);
    pb.time_ms = ready->time_ms;
    pb.signature = LOAN(ready->signature.bytes, SIGN_BYTES);
    frame.body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_GENESIS_READY;
    frame.genesis_ready = &pb;
    return pack(&frame.base, out, size);
}

int consensus_codec_encode_genesis(const struct genesis_certificate *certificate,
                                   const struct consensus_codec_sender *sender, uint8_t **out, size_t *size)
{
    frame_pb frame = frame_of(sender);
    Cybermesh__Consensus__V1__GenesisAnnouncement pb;
    cybermesh__consensus__v1__genesis_announcement__init(&pb);
    uint8_t bytes[GENESIS_CERTIFICATE_BYTES_MAX];
    pb.certificate = LOAN(bytes, genesis_certificate_encode(bytes, certificate));
    frame.body_case = CYBERMESH__CONSENSUS__V1__CONSENSUS_FRAME__BODY_GENESIS;
    frame.genesis = &pb;
    return pack(&frame.base, out, size);
}

int consensus_codec_encode_proof(const struct block_header *headers, size_t header_count, const struct qc *qc,
                                 uint8_t **out, size_t *size)
{
    Cybermesh__Proof__V1__CommitProof pb;
    cybermesh__proof__v1__commit_proof__init(&pb);
    struct qc_room room;
    uint8_t *bytes = malloc(header_count * BLOCK_HEADER_BYTES);
    ProtobufCBinaryData *list = calloc(header_count, sizeof *list);
    int rc = -ENOMEM;
    if (bytes && list) {
        for (size_t i = 0; i < header_count; i++) {
            block_header_encode(bytes + i * BLOCK_HEADER_BYTES, &headers[i]);
            list[i] = LOAN(bytes + i * BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES);
        }
        pb.n_headers = header_count;
        pb.headers = list;
        pb.qc = put_qc(&room, qc);
        rc = pack(&pb.base, out, size);
    }
    free(bytes);
    free(list);
    return rc;
}

/* Sync. */

static int get_block(struct consensus_codec_block *out, const Cybermesh__Consensus__V1__CertifiedBlock *pb,
                     uint32_t tx_count_max)
{
    if (pb->n_bodies > tx_count_max)
        return ERR_TOO_LARGE;
    int rc = block_header_decode(&out->header, span_of(pb->header.data, pb->header.len));
    rc = rc == 0 ? get_qc(&out->qc, pb->qc) : rc;
    if (rc < 0)
        return rc;
    if (out->header.tx_count != pb->n_bodies)
        return ERR_MALFORMED;
    out->bodies = calloc(pb->n_bodies ? pb->n_bodies : 1, sizeof out->bodies[0]);
    if (!out->bodies)
        return -ENOMEM;
    out->body_count = pb->n_bodies;
    for (size_t i = 0; i < pb->n_bodies; i++)
        out->bodies[i] = span_of(pb->bodies[i].data, pb->bodies[i].len);
    return 0;
}

static int get_response(struct consensus_codec_sync *out, const Cybermesh__Consensus__V1__BlocksResponse *pb,
                        uint32_t tx_count_max)
{
    if (pb->n_blocks > CONSENSUS_CODEC_SYNC_BLOCKS_MAX)
        return ERR_TOO_LARGE;
    out->request = pb->request;
    out->committed_height = pb->committed_height;
    out->height_lowest = pb->height_lowest;
    out->blocks = calloc(pb->n_blocks ? pb->n_blocks : 1, sizeof out->blocks[0]);
    if (!out->blocks)
        return -ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < pb->n_blocks && rc == 0; i++) {
        out->block_count = i + 1;
        rc = get_block(&out->blocks[i], pb->blocks[i], tx_count_max);
    }
    return rc;
}

int consensus_codec_decode_sync(struct consensus_codec_sync *out, struct span payload, uint32_t tx_count_max)
{
    memset(out, 0, sizeof *out);
    sync_pb *pb = cybermesh__consensus__v1__sync_frame__unpack(NULL, payload.size, payload.data);
    if (!pb)
        return ERR_MALFORMED;
    out->message = pb;
    int rc = ERR_MALFORMED;
    if (pb->version != CONSENSUS_CODEC_VERSION) {
        rc = ERR_VERSION;
    } else if (pb->body_case == CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_REQUEST) {
        out->is_request = true;
        out->request = pb->request->request;
        out->height_first = pb->request->height_first;
        out->count_max = pb->request->count_max;
        rc = 0;
    } else if (pb->body_case == CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_RESPONSE) {
        rc = get_response(out, pb->response, tx_count_max);
    }
    if (rc < 0)
        consensus_codec_sync_deinit(out);
    return rc;
}

void consensus_codec_sync_deinit(struct consensus_codec_sync *sync)
{
    for (size_t i = 0; i < sync->block_count; i++)
        free(sync->blocks[i].bodies);
    free(sync->blocks);
    if (sync->message)
        cybermesh__consensus__v1__sync_frame__free_unpacked(sync->message, NULL);
    memset(sync, 0, sizeof *sync);
}

int consensus_codec_encode_request(uint64_t request, uint64_t height_first, uint32_t count_max, uint8_t **out,
                                   size_t *size)
{
    sync_pb frame;
    cybermesh__consensus__v1__sync_frame__init(&frame);
    Cybermesh__Consensus__V1__BlocksRequest pb;
    cybermesh__consensus__v1__blocks_request__init(&pb);
    pb.request = request;
    pb.height_first = height_first;
    pb.count_max = count_max;
    frame.version = CONSENSUS_CODEC_VERSION;
    frame.body_case = CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_REQUEST;
    frame.request = &pb;
    return pack(&frame.base, out, size);
}

/* One block of a response and the memory that it borrows. */
struct block_room {
    Cybermesh__Consensus__V1__CertifiedBlock pb;
    struct qc_room qc;
    uint8_t header[BLOCK_HEADER_BYTES];
    ProtobufCBinaryData *bodies;
};

static int put_block(struct block_room *room, const struct consensus_codec_block *block)
{
    cybermesh__consensus__v1__certified_block__init(&room->pb);
    room->bodies = calloc(block->body_count ? block->body_count : 1, sizeof room->bodies[0]);
    if (!room->bodies)
        return -ENOMEM;
    for (size_t i = 0; i < block->body_count; i++)
        room->bodies[i] = LOAN(block->bodies[i].data, block->bodies[i].size);
    block_header_encode(room->header, &block->header);
    room->pb.header = LOAN(room->header, sizeof room->header);
    room->pb.qc = put_qc(&room->qc, &block->qc);
    room->pb.n_bodies = block->body_count;
    room->pb.bodies = room->bodies;
    return 0;
}

int consensus_codec_encode_response(const struct consensus_codec_sync *response, uint8_t **out, size_t *size)
{
    size_t block_count = response->block_count;
    sync_pb frame;
    cybermesh__consensus__v1__sync_frame__init(&frame);
    Cybermesh__Consensus__V1__BlocksResponse pb;
    cybermesh__consensus__v1__blocks_response__init(&pb);
    struct block_room *rooms = calloc(block_count ? block_count : 1, sizeof *rooms);
    Cybermesh__Consensus__V1__CertifiedBlock **list = calloc(block_count ? block_count : 1, sizeof *list);
    int rc = rooms && list ? 0 : -ENOMEM;
    for (size_t i = 0; i < block_count && rc == 0; i++) {
        rc = put_block(&rooms[i], &response->blocks[i]);
        list[i] = &rooms[i].pb;
    }
    if (rc == 0) {
        pb.request = response->request;
        pb.n_blocks = block_count;
        pb.blocks = list;
        pb.committed_height = response->committed_height;
        pb.height_lowest = response->height_lowest;
        frame.version = CONSENSUS_CODEC_VERSION;
        frame.body_case = CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_RESPONSE;
        frame.response = &pb;
        rc = pack(&frame.base, out, size);
    }
    for (size_t i = 0; rooms && i < block_count; i++)
        free(rooms[i].bodies);
    free(rooms);
    free(list);
    return rc;
}
