/* fuzz_consensus.c - what another validator publishes: decoded, given to the core it is for, and sent on. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include <sodium.h>

#include "services/consensusd/consensus.h"
#include "services/consensusd/consensus_codec.h"

enum { TXS_MAX = 8, VALIDATORS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct genesis genesis;
static struct consensus *core;
static struct ceremony *collecting; /* a quorum is missing for good: three of four keep silent */

static void core_new(void)
{
    if (core)
        return;
    if (sodium_init() < 0)
        abort();
    struct consensus_config config = {.genesis = &genesis, .block_min_interval_ms = 20, .block_target_txs = 10};
    genesis.validator_count = VALIDATORS;
    genesis.parameters = genesis_parameters_default();
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        struct sign_key key;
        sign_key_from_seed(&key, seed);
        genesis.validators[i].sign_key = key.public;
        genesis.validators[i].id.bytes[0] = (uint8_t)i;
        if (i == 0)
            config.key = key;
    }
    struct hash state_root = {{0}};
    config.root = block_genesis(&genesis, &state_root);
    config.root_id = block_id(&config.root);
    struct ceremony_config ceremony = {.genesis = &genesis, .key = config.key};
    if (consensus_new(&core, &config) < 0 || ceremony_new(&collecting, &ceremony) < 0)
        abort();
}

/* The same message as an effect. */
static bool as_effect(struct consensus_effect *out, const struct consensus_event *event)
{
    switch (event->type) {
    case CONSENSUS_PROPOSAL:
        *out = (struct consensus_effect){.type = CONSENSUS_SEND_PROPOSAL, .u.proposal = event->u.proposal};
        return true;
    case CONSENSUS_VOTE:
        *out = (struct consensus_effect){.type = CONSENSUS_SEND_VOTE, .u.vote = event->u.vote};
        return true;
    case CONSENSUS_TIMEOUT:
        *out = (struct consensus_effect){.type = CONSENSUS_SEND_TIMEOUT, .u.timeout = event->u.timeout};
        return true;
    case CONSENSUS_NEW_VIEW:
        *out = (struct consensus_effect){.type = CONSENSUS_SEND_NEW_VIEW, .u.new_view = event->u.new_view};
        return true;
    case CONSENSUS_HEARTBEAT:
        *out = (struct consensus_effect){.type = CONSENSUS_SEND_HEARTBEAT, .u.heartbeat = event->u.heartbeat};
        return true;
    case CONSENSUS_EVIDENCE:
        *out = (struct consensus_effect){.type = CONSENSUS_SEND_EVIDENCE, .u.evidence = event->u.evidence};
        return true;
    case CONSENSUS_TICK:
    case CONSENSUS_SYNCED:
    case CONSENSUS_RESTORED:
    case CONSENSUS_BUILT:
    case CONSENSUS_BUILD_FAILED:
    case CONSENSUS_ACCUSED:
    case CONSENSUS_CHECKED:
    case CONSENSUS_RECHECKED:
    case CONSENSUS_POOL:
    case CONSENSUS_EXECUTOR_RESET:
        break;
    }
    return false;
}

static int encode(const struct consensus_codec_frame *frame, uint8_t **bytes, size_t *size)
{
    struct consensus_codec_sender sender = {.index = frame->sender,
                                            .high_qc_view = frame->high_qc_view,
                                            .committed_height = frame->event.sender_committed_height};
    struct consensus_effect effect;
    const char *topic = NULL;
    if (frame->core == CONSENSUS_CODEC_CEREMONY)
        return frame->ceremony.type == CEREMONY_READY
                   ? consensus_codec_encode_ready(frame->ceremony.u.ready, &sender, bytes, size)
                   : consensus_codec_encode_genesis(frame->ceremony.u.certificate, &sender, bytes, size);
    assert(as_effect(&effect, &frame->event)); /* only messages are decoded */
    return consensus_codec_encode(&effect, &sender, &topic, bytes, size);
}

static void step(struct consensus_codec_frame *frame)
{
    static uint64_t now_ms;
    struct consensus_effects effects;
    struct ceremony_effects ceremony_effects;
    frame->event.now_ms = frame->ceremony.now_ms = now_ms++;
    frame->event.wall_ms = frame->ceremony.wall_ms = 1700000000000 + now_ms;
    if (frame->core == CONSENSUS_CODEC_CONSENSUS) {
        consensus_step(core, &frame->event, &effects);
        return;
    }
    ceremony_step(collecting, &frame->ceremony, &ceremony_effects);
    assert(!ceremony_certificate(collecting)); /* nobody else's signature can be made */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct consensus_codec_frame frame, again;
    core_new();
    if (consensus_codec_decode(&frame, span_of(data, size), TXS_MAX) < 0)
        return 0;
    uint8_t *bytes = NULL;
    size_t encoded = 0;
    if (encode(&frame, &bytes, &encoded) == 0) {
        assert(consensus_codec_decode(&again, span_of(bytes, encoded), TXS_MAX) == 0);
        assert(again.core == frame.core && again.sender == frame.sender);
        assert(again.event.type == frame.event.type && again.ceremony.type == frame.ceremony.type);
        consensus_codec_deinit(&again);
        free(bytes);
    }
    step(&frame);
    consensus_codec_deinit(&frame);
    return 0;
}
