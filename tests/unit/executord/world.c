/* world.c */
#include "tests/unit/executord/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cert.h"

void world_genesis(struct world *world)
{
    static const uint32_t roles[WORLD_PRODUCERS] = {PRODUCER_ROLE_ANOMALY, PRODUCER_ROLE_EVIDENCE,
                                                    PRODUCER_ROLE_POLICY};
    *world = (struct world){0};
    struct genesis *genesis = &world->genesis;
    genesis->created_ms = WORLD_CREATED_MS;
    genesis->parameters = genesis_parameters_default();
    genesis->chain_id = hash_of(span_text("the chain"));
    genesis->validator_count = WORLD_VALIDATORS;
    for (unsigned i = 0; i < genesis->validator_count; i++) {
        struct genesis_validator *validator = &genesis->validators[i];
        snprintf(validator->name, sizeof validator->name, "v%u", i + 1);
        uint8_t seed[SIGN_SEED_BYTES];
        memset(seed, (int)(0x10 + i), sizeof seed);
        sign_key_from_seed(&world->keys[i], seed);
        validator->sign_key = world->keys[i].public;
        validator->id = sign_public_id(&validator->sign_key);
    }
    for (unsigned i = 0; i < WORLD_PRODUCERS; i++) {
        snprintf(world->producers[i].name, sizeof world->producers[i].name, "producer-%u", i);
        memset(world->producers[i].key.bytes, (int)(0x40 + i), SIGN_PUBLIC_BYTES);
        world->producers[i].roles = roles[i];
    }
    genesis->producer_count = WORLD_PRODUCERS;
    genesis->producers = world->producers;
}

static int facts_of(void *context, struct span params, struct policy_facts *out)
{
    struct world *world = context;
    (void)params;
    *out = world->facts;
    return world->facts_verdict;
}

struct executor_options world_options(struct world *world, uint64_t seed)
{
    return (struct executor_options){
        .genesis = &world->genesis,
        .retain_versions = 5,
        .speculative_max = 4,
        .state_bytes_max = 256 << 20,
        .policy_facts = facts_of,
        .policy_facts_context = world,
        .seed = seed,
    };
}

void world_start(struct world *world, uint64_t seed)
{
    struct executor_options options = world_options(world, seed);
    assert_int_equal(executor_new(&world->executor, &options), 0);
}

void world_end(struct world *world)
{
    executor_destroy(&world->executor);
}

struct world_body world_body(const struct world *world, const struct world_event *event)
{
    static const unsigned char_of_kind[] = {
        [TX_ANOMALY] = WORLD_ANOMALIES, [TX_EVIDENCE] = WORLD_EVIDENCE, [TX_POLICY] = WORLD_POLICIES};
    static const uint8_t zeros[SIGN_BYTES];
    uint8_t producer[SIGN_PUBLIC_BYTES];
    unsigned index = event->producer ? event->producer - 1 : char_of_kind[event->kind];
    memset(producer, (int)(0x40 + index), sizeof producer);
    uint8_t nonce[TX_NONCE_BYTES] = {0};
    memcpy(nonce, &event->nonce, sizeof event->nonce);
    struct span refs[16];
    for (size_t i = 0; i < event->refs && i < 16; i++)
        refs[i] = span_of(producer, sizeof producer);
    struct tx_fields fields = {
        .kind = event->kind,
        .id = span_text(event->id),
        .type = span_text("port_scan"),
        .source = span_text(event->source ? event->source : "sensor"),
        .model_version = span_text("1.0"),
        .action = span_text("drop"),
        .alg = span_text(event->alg ? event->alg : "Ed25519-v2"),
        .content = span_text("{}"),
        .severity = 7,
        .confidence = 0.5,
        .ts = event->ts ? event->ts : WORLD_CREATED_S,
        .content_hash = span_of(zeros, HASH_BYTES),
        .producer_id = span_of(producer, sizeof producer),
        .nonce = span_of(nonce, sizeof nonce),
        .signature = span_of(zeros, SIGN_BYTES),
        .pubkey = span_of(producer, sizeof producer),
        .refs = refs,
        .ref_count = event->refs,
    };
    struct world_body body = {.size = tx_encoded_size(&fields)};
    body.data = malloc(body.size);
    assert_non_null(body.data);
    tx_encode(body.data, &fields);
    (void)world;
    return body;
}

static void say_vote(struct equivocation_statement *statement, const struct world *world,
                     const struct equivocation *proof, uint32_t offender, struct hash block_id)
{
    uint8_t message[CERT_VOTE_BYTES];
    statement->block_id = block_id;
    statement->height = 7;
    cert_vote_bytes(message, &world->genesis.chain_id, proof->view, statement->height, &block_id);
    sign_message(&statement->signature, &world->keys[offender], span_of(message, sizeof message));
}

static void say_proposal(struct equivocation_statement *statement, const struct world *world,
                         const struct equivocation *proof, uint32_t offender, struct hash parent_id)
{
    uint8_t message[CERT_PROPOSAL_BYTES];
    statement->header = (struct block_header){.chain_id = world->genesis.chain_id,
                                              .height = 7,
                                              .view = proof->view,
                                              .parent_id = parent_id,
                                              .proposer = proof->offender};
    statement->block_id = block_id(&statement->header);
    cert_proposal_bytes(message, &world->genesis.chain_id, &statement->block_id, &statement->tc_hash);
    sign_message(&statement->signature, &world->keys[offender], span_of(message, sizeof message));
}

struct equivocation world_proof(const struct world *world, uint32_t offender, enum equivocation_kind kind,
                                uint64_t view)
{
    struct equivocation proof = {.offender = world->genesis.validators[offender].id, .kind = kind, .view = view};
    void (*say)(struct equivocation_statement *, const struct world *, const struct equivocation *, uint32_t,
                struct hash) = kind == EQUIVOCATION_VOTE ? say_vote : say_proposal;
    say(&proof.statements[0], world, &proof, offender, hash_of(span_text("one block")));
    say(&proof.statements[1], world, &proof, offender, hash_of(span_text("another block")));
    return proof;
}

struct world_body world_proof_body(const struct equivocation *proof)
{
    struct world_body body = {.data = malloc(EQUIVOCATION_BODY_BYTES_MAX)};
    assert_non_null(body.data);
    body.size = equivocation_encode(body.data, proof);
    return body;
}

void world_body_free(struct world_body *body)
{
    free(body->data);
    *body = (struct world_body){0};
}

struct span world_span(const struct world_body *body)
{
    return span_of(body->data, body->size);
}

struct executor_build world_build_on(const struct version *parent, const struct span *bodies, size_t count)
{
    return (struct executor_build){
        .parent_id = parent->id,
        .height = parent->header.height + 1,
        .view = parent->header.view + 1,
        .justify_view = parent->header.view,
        .justify_signers = 0xf,
        .proposer = hash_of(span_text("proposer")),
        .timestamp_ms = parent->header.timestamp_ms + 1000,
        .bodies = {.items = bodies, .count = count},
    };
}

const struct version *world_commit(struct world *world, const struct span *bodies, size_t count)
{
    struct executor_build build = world_build_on(executor_committed(world->executor), bodies, count);
    struct executor_built built;
    assert_int_equal(executor_build(world->executor, &build, &built), 0);
    assert_int_equal(built.refused_count, 0);
    const struct version *prepared;
    struct executor_block block = {.header = &built.version->header};
    assert_int_equal(executor_prepare(world->executor, &block, &prepared), 0);
    executor_commit(world->executor, prepared);
    return executor_committed(world->executor);
}
