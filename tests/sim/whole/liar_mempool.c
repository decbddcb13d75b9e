/* liar_mempool.c - lies about what is asked for: bodies, blocks to catch up with, addresses. */
#include "common/base/peer_record.h"
#include "common/base/tx.h"
#include "common/edge/pb.h"
#include "proto/admission.pb-c.h"
#include "proto/consensus.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "services/mempoold/mempool.h"
#include "tests/sim/whole/events.h"
#include "tests/sim/whole/liar_state.h"

enum {
    OFTEN_PPM = 500000,
    SYNC_PPM = 800000,
    SELDOM_PPM = 60000,
    LARGE_PPM = 3000,
    BODIES_MAX = 48, /* of an answer that it makes */
    LARGE_COUNT = 6,
    REQUESTS_MAX = 40, /* numbers of questions that may have been asked */
    VERSION = 1,
};

typedef Cybermesh__Gossip__V1__GossipFrame gossip_pb;
typedef Cybermesh__Gossip__V1__Bodies bodies_pb;
typedef Cybermesh__Consensus__V1__SyncFrame sync_pb;
typedef Cybermesh__Consensus__V1__BlocksResponse blocks_pb;

/* Say the message on this way; 0: on any of the channel. */
static void say(enum lie lie, enum sim_bus_channel channel, uint64_t way, const ProtobufCMessage *message)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (pb_pack(message, &bytes, &size) < 0)
        abort();
    if (way)
        liar_say(lie, way, "", span_of(bytes, size));
    else
        liar_say_any(lie, channel, span_of(bytes, size));
    free(bytes);
}

/* --- bodies ------------------------------------------------------------------------------------------------------- */

static void swap(ProtobufCBinaryData *items, size_t count)
{
    size_t a = liar_below(count), b = liar_below(count);
    ProtobufCBinaryData kept = items[a];
    items[a] = items[b];
    items[b] = kept;
}

/* One body has a byte changed, or a byte less. */
static void spoil(ProtobufCBinaryData *body)
{
    if (body->len > 1 && liar_below(2) == 0)
        body->len--;
    else if (body->len > 0)
        body->data[liar_below(body->len)] ^= 1;
}

static void say_bodies(enum lie lie, uint64_t way, uint64_t request, ProtobufCBinaryData *items, size_t count)
{
    bodies_pb bodies = CYBERMESH__GOSSIP__V1__BODIES__INIT;
    bodies.request = request;
    bodies.n_bodies = count;
    bodies.bodies = items;
    gossip_pb frame = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__INIT;
    frame.version = liar_below(20) ? VERSION : VERSION + 1;
    frame.body_case = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_BODIES;
    frame.bodies = &bodies;
    say(lie, SIM_BUS_BODIES, way, &frame.base);
}

/* What it remembers, some of it changed. */
static void say_other_bodies(enum lie lie, uint64_t way, uint64_t request)
{
    ProtobufCBinaryData items[BODIES_MAX];
    size_t count = 0;
    for (size_t wanted = liar_below(BODIES_MAX); count < wanted; count++)
        items[count] = pb_bytes(liar_any_body());
    uint8_t changed[TX_BODY_BYTES_MAX];
    if (count > 0 && items[0].len > 0) {
        memcpy(changed, items[0].data, items[0].len);
        items[0].data = changed;
        spoil(&items[0]);
    }
    say_bodies(lie, way, request, items, count);
}

static void bend_bodies(uint64_t way, const bodies_pb *bodies)
{
    ProtobufCBinaryData items[BODIES_MAX];
    size_t count = bodies->n_bodies < BODIES_MAX ? bodies->n_bodies : BODIES_MAX;
    for (size_t i = 0; i < count; i++)
        items[i] = bodies->bodies[i];
    switch (liar_below(6)) {
    case 0:
        count = 0;
        break;
    case 1:
        count = liar_below(count + 1);
        break;
    case 2:
        for (size_t i = 0; i < count; i++)
            swap(items, count);
        break;
    case 3:
        for (size_t i = 1; i < count; i++)
            items[i] = items[0];
        break;
    case 4:
        say_other_bodies(LIE_BODIES, way, bodies->request);
        return;
    default:
        for (size_t i = 0; i < count; i++)
            spoil(&items[i]);
        break;
    }
    say_bodies(LIE_BODIES, way, bodies->request, items, count);
}

bool liar_bodies_send(const struct sim_bus_word *word)
{
    if (!liar_lies(LIE_BODIES, OFTEN_PPM))
        return false;
    gossip_pb *frame = cybermesh__gossip__v1__gossip_frame__unpack(NULL, word->bytes.size, word->bytes.data);
    if (!frame || frame->body_case != CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_BODIES)
        abort(); /* its own mempoold's */
    bend_bodies(word->way, frame->bodies);
    cybermesh__gossip__v1__gossip_frame__free_unpacked(frame, NULL);
    return true;
}

/* Asked: another answer before the true one. Answered: material. */
void liar_mempool_heard(const struct sim_bus_word *word)
{
    gossip_pb *frame = cybermesh__gossip__v1__gossip_frame__unpack(NULL, word->bytes.size, word->bytes.data);
    if (!frame)
        return;
    if (frame->body_case == CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_BODIES) {
        for (size_t i = 0; i < frame->bodies->n_bodies; i++)
            liar_remember_body(span_of(frame->bodies->bodies[i].data, frame->bodies->bodies[i].len));
    } else if (frame->body_case == CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_FETCH &&
               liar_lies(LIE_UNASKED, OFTEN_PPM)) {
        say_other_bodies(LIE_UNASKED, word->way ^ 1, frame->fetch->request);
    }
    cybermesh__gossip__v1__gossip_frame__free_unpacked(frame, NULL);
}

/* More of them than are looked at. */
static void say_many_bodies(void)
{
    uint8_t body = TX_ANOMALY;
    size_t count = MEMPOOL_FETCHED_COUNT_MAX + (size_t)liar_below(2);
    ProtobufCBinaryData *items = must(calloc(count, sizeof *items));
    for (size_t i = 0; i < count; i++)
        items[i] = pb_bytes(span_of(&body, 1));
    say_bodies(LIE_UNASKED, 0, liar_below(REQUESTS_MAX), items, count);
    free(items);
}

/* As large as bodies and frames may be. */
static void say_large_bodies(void)
{
    ProtobufCBinaryData items[LARGE_COUNT];
    size_t size = TX_BODY_BYTES_MAX + (liar_below(4) == 0); /* or one byte more */
    uint8_t *body = must(calloc(1, size));
    body[0] = TX_ANOMALY;
    for (size_t i = 0; i < LARGE_COUNT; i++)
        items[i] = pb_bytes(span_of(body, size));
    say_bodies(LIE_UNASKED, 0, liar_below(REQUESTS_MAX), items, LARGE_COUNT);
    free(body);
}

static void say_fetch(void)
{
    static const size_t counts[] = {0, 1, 3, 40, MEMPOOL_FETCH_COUNT_MAX, MEMPOOL_FETCH_COUNT_MAX + 1};
    size_t count = counts[liar_below(ARRAY_COUNT(counts))];
    uint8_t id[HASH_BYTES + 1] = {(uint8_t)liar_below(256)};
    struct span body = liar_any_body();
    if (body.size > 0 && liar_below(2) == 0)
        memcpy(id, tx_id(body).bytes, HASH_BYTES); /* many times the same: a large answer for a small question */
    ProtobufCBinaryData *ids = must(calloc(count + 1, sizeof *ids));
    for (size_t i = 0; i < count; i++)
        ids[i] = pb_bytes(span_of(id, HASH_BYTES));
    if (count > 0 && liar_below(4) == 0)
        ids[0].len += liar_below(2) ? 1 : (size_t)-1;
    Cybermesh__Gossip__V1__Fetch fetch = CYBERMESH__GOSSIP__V1__FETCH__INIT;
    fetch.request = liar_below(REQUESTS_MAX);
    fetch.n_tx_ids = count;
    fetch.tx_ids = ids;
    gossip_pb frame = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__INIT;
    frame.version = VERSION;
    frame.body_case = CYBERMESH__GOSSIP__V1__GOSSIP_FRAME__BODY_FETCH;
    frame.fetch = &fetch;
    say(LIE_FETCH, SIM_BUS_FETCH, 0, &frame.base);
    free(ids);
}

/* Its blocks have then what nobody else can have. */
static void give(enum lie lie)
{
    struct span body = events_unpublished(lie == LIE_GIFT);
    liar_remember_body(body);
    ProtobufCBinaryData item = pb_bytes(body);
    Cybermesh__Admission__V1__SubmitBatch submit = CYBERMESH__ADMISSION__V1__SUBMIT_BATCH__INIT;
    submit.batch = UINT64_MAX; /* none of ingestd's */
    submit.n_bodies = 1;
    submit.bodies = &item;
    Cybermesh__Admission__V1__AdmissionFrame frame = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__INIT;
    frame.version = VERSION;
    frame.body_case = CYBERMESH__ADMISSION__V1__ADMISSION_FRAME__BODY_SUBMIT;
    frame.submit = &submit;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (pb_pack(&frame.base, &bytes, &size) < 0)
        abort();
    liar_count(lie, "admission", size);
    sim_bus_submit(world.liar, span_of(bytes, size));
    free(bytes);
}

void liar_mempool_tick(void)
{
    if (liar_lies(LIE_GIFT, 2 * SELDOM_PPM))
        give(LIE_GIFT);
    if (liar_lies(LIE_BAD_GIFT, SELDOM_PPM))
        give(LIE_BAD_GIFT);
    if (liar_lies(LIE_FETCH, SELDOM_PPM))
        say_fetch();
    if (liar_lies(LIE_UNASKED, SELDOM_PPM))
        say_other_bodies(LIE_UNASKED, 0, liar_below(REQUESTS_MAX));
    if (liar_lies(LIE_UNASKED, LARGE_PPM))
        say_large_bodies();
    if (liar_lies(LIE_UNASKED, 2 * LARGE_PPM))
        say_many_bodies();
}

/* --- blocks to catch up with -------------------------------------------------------------------------------------- */

static void bend_block(Cybermesh__Consensus__V1__CertifiedBlock *block)
{
    switch (liar_below(4)) {
    case 0:
        block->header.data[liar_below(block->header.len)] ^= 1;
        break;
    case 1:
        if (block->qc->n_signatures > 0)
            block->qc->signatures[0]->signature.data[0] ^= 1;
        break;
    case 2:
        block->qc->view += liar_below(3);
        block->qc->height += 1;
        break;
    default:
        if (block->n_bodies > 1)
            swap(block->bodies, block->n_bodies);
        break;
    }
}

/* One of each block: headers and certificates are as they should be. */
static void spoil_bodies(blocks_pb *blocks)
{
    for (size_t i = 0; i < blocks->n_blocks; i++) {
        Cybermesh__Consensus__V1__CertifiedBlock *block = blocks->blocks[i];
        if (block->n_bodies > 0)
            spoil(&block->bodies[liar_below(block->n_bodies)]);
    }
}

static void bend_order(blocks_pb *blocks)
{
    size_t last = blocks->n_blocks - 1, other = liar_below(blocks->n_blocks);
    Cybermesh__Consensus__V1__CertifiedBlock *kept = blocks->blocks[last];
    blocks->blocks[last] = blocks->blocks[other];
    blocks->blocks[other] = kept;
}

/* Certificates, bodies or headers of one block with another. */
static void mix_blocks(blocks_pb *blocks)
{
    Cybermesh__Consensus__V1__CertifiedBlock *a = blocks->blocks[0], *b = blocks->blocks[blocks->n_blocks - 1];
    if (liar_below(2) == 0) {
        Cybermesh__Proof__V1__Qc *kept = a->qc;
        a->qc = b->qc;
        b->qc = kept;
    } else {
        ProtobufCBinaryData kept = a->header;
        a->header = b->header;
        b->header = kept;
    }
}

static void bend_blocks(blocks_pb *blocks)
{
    switch (liar_below(7)) {
    case 0:
        blocks->request += 1 + liar_below(2);
        break;
    case 1:
        blocks->height_lowest = liar_below(2) ? UINT64_MAX : blocks->height_lowest + 2;
        break;
    case 2:
        blocks->committed_height = UINT64_MAX;
        break;
    case 3:
        if (blocks->n_blocks > 0)
            bend_order(blocks);
        break;
    case 4:
        if (blocks->n_blocks > 0)
            mix_blocks(blocks);
        break;
    default:
        for (size_t i = 0; i < blocks->n_blocks; i++) {
            if (liar_below(3) == 0)
                bend_block(blocks->blocks[i]);
        }
        break;
    }
}

/* Only a part: from the beginning or not, or nothing. */
static void say_part(uint64_t way, sync_pb *frame)
{
    blocks_pb *blocks = frame->response;
    blocks_pb whole = *blocks;
    size_t first = liar_below(3) ? 0 : liar_below(whole.n_blocks + 1);
    blocks->blocks = whole.blocks + first;
    blocks->n_blocks = liar_below(whole.n_blocks - first + 1);
    say(LIE_SYNC, SIM_BUS_SYNC_ANSWER, way, &frame->base);
    *blocks = whole;
}

bool liar_sync_send(const struct sim_bus_word *word)
{
    if (!liar_lies(LIE_SYNC, SYNC_PPM))
        return false;
    sync_pb *frame = cybermesh__consensus__v1__sync_frame__unpack(NULL, word->bytes.size, word->bytes.data);
    bool fits = frame && frame->body_case == CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_RESPONSE;
    uint64_t how = liar_below(4);
    if (fits && how == 0) {
        say_part(word->way, frame);
    } else if (fits) {
        if (how == 1)
            bend_blocks(frame->response);
        else
            spoil_bodies(frame->response);
        say(LIE_SYNC, SIM_BUS_SYNC_ANSWER, word->way, &frame->base);
    }
    if (frame)
        cybermesh__consensus__v1__sync_frame__free_unpacked(frame, NULL);
    return fits;
}

void liar_sync_heard(const struct sim_bus_word *word)
{
    sync_pb *frame = cybermesh__consensus__v1__sync_frame__unpack(NULL, word->bytes.size, word->bytes.data);
    if (!frame)
        return;
    for (size_t i = 0;
         frame->body_case == CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_RESPONSE && i < frame->response->n_blocks;
         i++) {
        const Cybermesh__Consensus__V1__CertifiedBlock *block = frame->response->blocks[i];
        for (size_t k = 0; k < block->n_bodies; k++)
            liar_remember_body(span_of(block->bodies[k].data, block->bodies[k].len));
    }
    cybermesh__consensus__v1__sync_frame__free_unpacked(frame, NULL);
}

static void say_range(void)
{
    static const uint64_t heights[] = {0, 1, 5, UINT32_MAX, UINT64_MAX};
    static const uint32_t counts[] = {0, 1, 300, UINT32_MAX};
    Cybermesh__Consensus__V1__BlocksRequest request = CYBERMESH__CONSENSUS__V1__BLOCKS_REQUEST__INIT;
    request.request = liar_below(REQUESTS_MAX);
    request.height_first = heights[liar_below(ARRAY_COUNT(heights))];
    request.count_max = counts[liar_below(ARRAY_COUNT(counts))];
    sync_pb frame = CYBERMESH__CONSENSUS__V1__SYNC_FRAME__INIT;
    frame.version = VERSION;
    frame.body_case = CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_REQUEST;
    frame.request = &request;
    say(LIE_SYNC_ASK, SIM_BUS_SYNC_QUESTION, 0, &frame.base);
}

/* Where it is: nowhere, or its signature is wrong. */
static void say_where(void)
{
    struct peer_record record = {.version = liar_below(3) ? 1 + liar_below(REQUESTS_MAX) : PEER_RECORD_VERSION_MAX,
                                 .endpoints = {.pub = "tcp://192.0.2.7:1", .sync = "tcp://192.0.2.7:2"}};
    peer_record_sign(&record, &world.genesis.chain_id, &liar.key);
    if (liar_below(2) == 0)
        record.signature.bytes[0] ^= 1;
    else if (liar_below(2) == 0)
        record.validator = world.genesis.validators[liar_below(world.n)].id;
    uint8_t bytes[PEER_RECORD_BYTES_MAX];
    struct span encoded = span_of(bytes, peer_record_encode(bytes, &record, &world.genesis.chain_id));
    Cybermesh__Consensus__V1__PeersRequest request = CYBERMESH__CONSENSUS__V1__PEERS_REQUEST__INIT;
    request.request = liar_below(REQUESTS_MAX);
    request.record = pb_bytes(encoded);
    sync_pb asking = CYBERMESH__CONSENSUS__V1__SYNC_FRAME__INIT;
    asking.version = VERSION;
    asking.body_case = CYBERMESH__CONSENSUS__V1__SYNC_FRAME__BODY_PEERS_REQUEST;
    asking.peers_request = &request;
    say(LIE_SYNC_ASK, SIM_BUS_SYNC_QUESTION, 0, &asking.base);
}

void liar_sync_tick(void)
{
    if (liar_lies(LIE_SYNC_ASK, SELDOM_PPM))
        say_range();
    if (liar_lies(LIE_SYNC_ASK, SELDOM_PPM / 4))
        say_where();
}
