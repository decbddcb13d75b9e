/* fuzz_consensus.c - what another validator publishes: decoded, given to a core, and sent on. */
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
    if (consensus_new(&core, &config) < 0)
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
    case CONSENSUS_CHECKED:
    case CONSENSUS_RECHECKED:
    case CONSENSUS_POOL:
    case CONSENSUS_EXECUTOR_RESET:
        break;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct consensus_codec_frame frame, again;
    static uint64_t now_ms;
    core_new();
    if (consensus_codec_decode(&frame, span_of(data, size), TXS_MAX) < 0)
        return 0;
    struct consensus_effect effect;
    assert(as_effect(&effect, &frame.event)); /* only messages are decoded */
    struct consensus_codec_sender sender = {.index = frame.event.sender,
                                            .high_qc_view = frame.high_qc_view,
                                            .committed_height = frame.event.sender_committed_height};
    const char *topic = NULL;
    uint8_t *bytes = NULL;
    size_t encoded = 0;
    if (consensus_codec_encode(&effect, &sender, &topic, &bytes, &encoded) == 0) {
        assert(consensus_codec_decode(&again, span_of(bytes, encoded), TXS_MAX) == 0);
        assert(again.event.type == frame.event.type && again.event.sender == frame.event.sender);
        consensus_codec_deinit(&again);
        free(bytes);
    }
    struct consensus_effects effects;
    frame.event.now_ms = now_ms++;
    frame.event.wall_ms = 1700000000000 + now_ms;
    consensus_step(core, &frame.event, &effects);
    consensus_codec_deinit(&frame);
    return 0;
}
