/* fuzz_peers.c - frames about peers: read, given to a book of peers, and written back. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/base/wire.h"
#include "services/consensusd/peer_codec.h"
#include "services/consensusd/peerbook.h"

enum { VALIDATORS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct genesis genesis;
static struct peerbook *book;

static void book_new(void)
{
    if (book)
        return;
    if (sodium_init() < 0)
        abort();
    static struct peerbook_config config;
    struct sign_key key;
    genesis.validator_count = VALIDATORS;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&key, seed);
        genesis.validators[i].sign_key = key.public;
        genesis.validators[i].id = sign_public_id(&key.public);
    }
    config = (struct peerbook_config){.genesis = &genesis, .self = VALIDATORS - 1, .key = &key, .advertises = true};
    strcpy(config.own.pub, "tcp://127.0.0.1:1");
    strcpy(config.own.sync, "tcp://127.0.0.1:2");
    if (peerbook_new(&book, &config) < 0)
        abort();
    struct peerbook_event start = {.type = PEERBOOK_START, .wall_ms = 1000};
    struct peerbook_effects effects;
    peerbook_step(book, &start, &effects);
}

static void give(struct peerbook_event *event)
{
    static uint64_t now_ms = 1000;
    struct peerbook_effects effects;
    event->now_ms = now_ms += 500;
    peerbook_step(book, event, &effects);
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint8_t bytes[PEER_RECORD_BYTES_MAX];
        struct peer_record record;
        uint32_t index = 0;
        size_t size = peerbook_record(book, i, bytes);
        /* What is held is good. */
        assert(size == 0 || (peer_record_decode(&record, &index, span_of(bytes, size), &genesis) == 0 && index == i &&
                             peer_record_verify(&record, i, &genesis) == 0));
    }
    struct peerbook_event tick = {.type = PEERBOOK_TICK, .now_ms = now_ms};
    peerbook_step(book, &tick, &effects);
}

static void on_request(struct span body)
{
    struct peer_codec_request request, again;
    static uint8_t frame[PEER_CODEC_FRAME_BYTES_MAX];
    uint32_t field = 0;
    struct span written;
    if (peer_codec_decode_request(&request, body, VALIDATORS) < 0)
        return;
    size_t size = peer_codec_encode_request(frame, &request);
    assert(wire_frame_open(span_of(frame, size), &field, &written) == 0 && field == PEER_CODEC_REQUEST);
    assert(peer_codec_decode_request(&again, written, VALIDATORS) == 0 && again.request == request.request);
    assert(memcmp(again.versions, request.versions, sizeof again.versions) == 0);
    struct peerbook_event event = {.type = PEERBOOK_ASKED,
                                   .request = request.request,
                                   .records = &request.record,
                                   .record_count = request.record.size > 0,
                                   .versions = request.versions};
    give(&event);
}

static void on_response(struct span body)
{
    struct peer_codec_response response;
    if (peer_codec_decode_response(&response, body, VALIDATORS) < 0)
        return;
    /* As from a beacon: an answer that nobody waits for would not be looked at. */
    struct peerbook_event event = {
        .type = PEERBOOK_HEARD, .records = response.records, .record_count = response.record_count};
    give(&event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    book_new();
    uint32_t field = 0;
    struct span body;
    if (wire_frame_open(span_of(data, size), &field, &body) < 0)
        return 0;
    if (field == PEER_CODEC_REQUEST)
        on_request(body);
    else if (field == PEER_CODEC_RESPONSE)
        on_response(body);
    return 0;
}
