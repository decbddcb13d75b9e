/* ceremony_liar.c - a validator with a good key and bad intent: it forges, replays, mixes certificates and says
 * different things to different validators. It hears everything, and signs with its own key alone.
 */
#include <string.h>

#include "tests/sim/ceremony_world.h"

static void noise(struct world *world, void *out, size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)world_random(world, 256);
}

static uint32_t anybody(struct world *world)
{
    return (uint32_t)world_random(world, world->validator_count);
}

/* Its own GenesisReady: good, or with a time or terms that are wrong. */
static struct genesis_ready own_ready(struct world *world, uint32_t liar)
{
    struct genesis_ready ready = {.terms = world->terms, .time_ms = world_wall_ms(world, liar)};
    noise(world, ready.nonce, sizeof ready.nonce);
    switch (world_random(world, 8)) {
    case 0:
        ready.time_ms += world_random(world, 300000);
        break;
    case 1:
        ready.time_ms -= world_random(world, 300000);
        break;
    case 2:
        noise(world, &ready.time_ms, sizeof ready.time_ms);
        break;
    case 3:
        ready.terms.chain_id.bytes[world_random(world, HASH_BYTES)] ^= 1;
        break;
    case 4:
        ready.terms.config_hash.bytes[world_random(world, HASH_BYTES)] ^= 1;
        break;
    default:
        break;
    }
    genesis_ready_sign(&ready, &world->keys[liar]);
    return ready;
}

static void say_ready(struct world *world, uint32_t liar)
{
    for (uint32_t to = 0; to < world->validator_count; to++) {
        struct genesis_ready ready = own_ready(world, liar);
        if (to == liar || world_random(world, 3) == 0)
            continue;
        world_remember(world, liar, &ready);
        world_send(world, liar, to, &ready, NULL);
    }
}

/* What anybody said once, as if the liar said it now: its own word again, or another's under its name. */
static void replay(struct world *world, uint32_t liar)
{
    const struct world_node *node = &world->nodes[anybody(world)];
    if (node->said_count == 0)
        return;
    const struct genesis_attestation *old = &node->said[world_random(world, node->said_count)].attestation;
    struct genesis_ready ready = {.terms = world->terms, .time_ms = old->time_ms, .signature = old->signature};
    memcpy(ready.nonce, old->nonce, sizeof ready.nonce);
    uint32_t to = anybody(world);
    if (to != liar)
        world_send(world, liar, to, &ready, NULL);
}

/* An attestation in a validator's name: what it said last, what it said at any time, or made up. */
static struct genesis_attestation attestation_of(struct world *world, uint32_t liar, uint32_t validator)
{
    const struct world_node *node = &world->nodes[validator];
    uint64_t choice = world_random(world, 8);
    if (node->said_count > 0 && choice > 0)
        return choice == 1 ? node->said[world_random(world, node->said_count)].attestation
                           : node->said[node->said_count - 1].attestation;
    struct genesis_ready ready = own_ready(world, liar);
    struct genesis_attestation made_up = {
        .validator = validator, .time_ms = ready.time_ms, .signature = ready.signature};
    memcpy(made_up.nonce, ready.nonce, sizeof made_up.nonce);
    return made_up;
}

/* Mixed from what is there: too few, one twice, out of order, of another chain, in another's name. */
static void show_certificate(struct world *world, uint32_t liar)
{
    struct genesis_certificate certificate = {.terms = world->terms, .aggregator = liar};
    uint32_t wanted = 1 + (uint32_t)world_random(world, world->validator_count + 1);
    uint32_t next = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        bool again = world_random(world, 4) == 0;
        uint32_t validator = again && next > 0 ? next - 1 : next++ % world->validator_count;
        certificate.attestations[certificate.count++] = attestation_of(world, liar, validator);
    }
    switch (world_random(world, 12)) {
    case 0:
        certificate.terms.chain_id.bytes[0] ^= 1;
        break;
    case 1:
        certificate.aggregator = anybody(world);
        break;
    case 2:
        certificate.attestations[0].validator = (uint32_t)world_random(world, 100);
        break;
    case 3:
        certificate.count += (uint32_t)world_random(world, 3);
        break;
    default:
        break;
    }
    genesis_certificate_sign(&certificate, &world->keys[liar]);
    if (world_random(world, 8) == 0)
        noise(world, &certificate.signature, sizeof certificate.signature);
    uint32_t to = anybody(world);
    if (to != liar)
        world_send(world, liar, to, NULL, &certificate);
}

void world_lie(struct world *world, uint32_t liar)
{
    switch (world_random(world, 3)) {
    case 0:
        say_ready(world, liar);
        break;
    case 1:
        replay(world, liar);
        break;
    default:
        show_certificate(world, liar);
    }
}
