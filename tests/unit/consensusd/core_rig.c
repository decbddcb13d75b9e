/* core_rig.c - keys from fixed seeds, so that every run is the same. */
#include "tests/unit/consensusd/core_rig.h"

#include <string.h>

#include "common/base/merkle.h"

static const uint64_t start_wall_ms = 1700000000000;

static void sort_by_id(struct rig *self)
{
    for (uint32_t i = 0; i < RIG_VALIDATORS; i++) {
        uint32_t place = i;
        for (; place > 0 && memcmp(&self->genesis.validators[self->order[place - 1]].id,
                                   &self->genesis.validators[i].id, HASH_BYTES) > 0;
             place--)
            self->order[place] = self->order[place - 1];
        self->order[place] = i;
    }
}

static void start_core(struct rig *self, const struct consensus_voting *voting, uint64_t floor_view)
{
    struct consensus_config config = {.genesis = &self->genesis,
                                      .self = self->self,
                                      .key = self->keys[self->self],
                                      .block_min_interval_ms = RIG_MIN_INTERVAL_MS,
                                      .block_target_txs = RIG_TARGET_TXS,
                                      .seed = 42,
                                      .root = self->root.header,
                                      .root_id = self->root.id,
                                      .voting = voting,
                                      .floor_view = floor_view,
                                      .now_ms = self->now_ms};
    schedule_genesis(&config.root_schedule, &self->genesis);
    assert_int_equal(consensus_new(&self->core, &config), 0);
}

void rig_start(struct rig *self, uint64_t self_leads, const struct consensus_voting *voting)
{
    rig_start_above(self, self_leads, voting, 0);
}

void rig_start_above(struct rig *self, uint64_t self_leads, const struct consensus_voting *voting, uint64_t floor_view)
{
    memset(self, 0, sizeof *self);
    self->genesis.validator_count = RIG_VALIDATORS;
    self->genesis.parameters = genesis_parameters_default();
    self->genesis.created_ms = start_wall_ms - 1000;
    memset(self->genesis.chain_id.bytes, 7, HASH_BYTES);
    for (uint32_t i = 0; i < RIG_VALIDATORS; i++) {
        uint8_t seed[SIGN_SEED_BYTES];
        memset(seed, (int)(0x11 + i), sizeof seed);
        sign_key_from_seed(&self->keys[i], seed);
        self->genesis.validators[i].sign_key = self->keys[i].public;
        self->genesis.validators[i].id = sign_public_id(&self->keys[i].public);
    }
    sort_by_id(self);
    struct hash state_root = {.bytes = {1}};
    self->root.header = block_genesis(&self->genesis, &state_root);
    rig_reseal(&self->root);
    self->self = rig_leader(self, self_leads);
    self->now_ms = 5000;
    self->wall_ms = start_wall_ms;
    start_core(self, voting, floor_view);
}

void rig_restart(struct rig *self, const struct rig_block *root, const struct consensus_voting *voting)
{
    consensus_destroy(&self->core);
    self->root = *root;
    start_core(self, voting, 0);
}

void rig_stop(struct rig *self)
{
    consensus_destroy(&self->core);
}

uint32_t rig_leader(const struct rig *self, uint64_t view)
{
    return self->order[view % RIG_VALIDATORS];
}

uint32_t rig_others(const struct rig *self)
{
    return RIG_ALL & ~(1u << self->self);
}

void rig_reseal(struct rig_block *block)
{
    block->id = block_id(&block->header);
}

struct rig_block rig_block(const struct rig *self, const struct rig_block *parent, const struct qc *justify,
                           uint64_t view, uint32_t tx_count)
{
    struct rig_block block = {.header = {.chain_id = self->genesis.chain_id,
                                         .height = parent->header.height + 1,
                                         .view = view,
                                         .parent_id = parent->id,
                                         .justify_view = justify->view,
                                         .justify_signers = qc_signers(justify),
                                         .tx_count = tx_count,
                                         .state_root = {.bytes = {2, (uint8_t)view}},
                                         .proposer = self->genesis.validators[rig_leader(self, view)].id,
                                         .timestamp_ms = parent->header.timestamp_ms + 1}};
    assert_true(tx_count <= RIG_TXS_MAX);
    for (uint32_t i = 0; i < tx_count; i++)
        block.tx_ids[i] = (struct hash){.bytes = {3, (uint8_t)view, (uint8_t)i}};
    struct hash scratch[RIG_TXS_MAX];
    if (tx_count > 0)
        block.header.tx_root = merkle_root(block.tx_ids, tx_count, scratch);
    rig_reseal(&block);
    return block;
}

struct qc rig_genesis_qc(const struct rig *self)
{
    return (struct qc){.block_id = self->root.id};
}

static struct signature vote_signature(const struct rig *self, uint32_t signer, const struct rig_block *block)
{
    uint8_t message[CERT_VOTE_BYTES];
    struct signature signature;
    cert_vote_bytes(message, &self->genesis.chain_id, block->header.view, block->header.height, &block->id);
    sign_message(&signature, &self->keys[signer], span_of(message, sizeof message));
    return signature;
}

struct qc rig_qc(const struct rig *self, const struct rig_block *block, uint32_t signers)
{
    struct qc qc = {.view = block->header.view, .height = block->header.height, .block_id = block->id};
    for (uint32_t i = 0; i < RIG_VALIDATORS; i++) {
        if (signers & 1u << i)
            qc.signatures[qc.signature_count++] =
                (struct cert_signature){.validator = i, .signature = vote_signature(self, i, block)};
    }
    return qc;
}

static struct signature timeout_signature(const struct rig *self, uint32_t signer, uint64_t view, uint64_t high_qc_view)
{
    uint8_t message[CERT_TIMEOUT_BYTES];
    struct signature signature;
    cert_timeout_bytes(message, &self->genesis.chain_id, view, high_qc_view);
    sign_message(&signature, &self->keys[signer], span_of(message, sizeof message));
    return signature;
}

void rig_tc_sign(const struct rig *self, struct tc *tc, uint32_t i)
{
    struct tc_signature *each = &tc->signatures[i];
    each->signature = timeout_signature(self, each->validator, tc->view, each->high_qc_view);
}

struct tc rig_tc(const struct rig *self, uint64_t view, uint32_t signers, const struct qc *high_qc)
{
    struct tc tc = {.view = view, .high_qc = *high_qc};
    for (uint32_t i = 0; i < RIG_VALIDATORS; i++) {
        if (!(signers & 1u << i))
            continue;
        tc.signatures[tc.signature_count] = (struct tc_signature){.validator = i, .high_qc_view = high_qc->view};
        rig_tc_sign(self, &tc, tc.signature_count++);
    }
    return tc;
}

void rig_step(struct rig *self, struct consensus_event *event)
{
    event->now_ms = self->now_ms;
    event->wall_ms = self->wall_ms;
    consensus_step(self->core, event, &self->effects);
}

void rig_tick(struct rig *self, uint64_t pass_ms)
{
    self->now_ms += pass_ms;
    self->wall_ms += pass_ms;
    rig_step(self, &(struct consensus_event){.type = CONSENSUS_TICK});
}

struct consensus_event rig_proposal(const struct rig *self, uint32_t signer, const struct rig_block *block,
                                    const struct qc *justify, const struct tc *tc)
{
    struct consensus_event event = {.type = CONSENSUS_PROPOSAL, .sender = signer};
    struct consensus_proposal *proposal = &event.u.proposal;
    *proposal = (struct consensus_proposal){.header = block->header,
                                            .tx_ids = block->tx_ids,
                                            .justify = justify,
                                            .tc = tc,
                                            .vote_signature = vote_signature(self, signer, block)};
    if (tc) {
        struct hash attached = tc_hash(tc);
        uint8_t message[CERT_PROPOSAL_BYTES];
        cert_proposal_bytes(message, &self->genesis.chain_id, &block->id, &attached);
        sign_message(&proposal->signature, &self->keys[signer], span_of(message, sizeof message));
    }
    return event;
}

void rig_propose_by(struct rig *self, uint32_t sender, uint32_t signer, const struct rig_block *block,
                    const struct qc *justify, const struct tc *tc)
{
    struct consensus_event event = rig_proposal(self, signer, block, justify, tc);
    event.sender = sender;
    rig_step(self, &event);
}

void rig_propose(struct rig *self, const struct rig_block *block, const struct qc *justify, const struct tc *tc)
{
    uint32_t leader = rig_leader(self, block->header.view);
    rig_propose_by(self, leader, leader, block, justify, tc);
}

void rig_vote(struct rig *self, uint32_t sender, uint32_t signer, const struct rig_block *block)
{
    rig_step(self, &(struct consensus_event){.type = CONSENSUS_VOTE,
                                             .sender = sender,
                                             .u.vote = {.view = block->header.view,
                                                        .height = block->header.height,
                                                        .block_id = block->id,
                                                        .signature = vote_signature(self, signer, block)}});
}

void rig_timeout(struct rig *self, uint32_t sender, uint64_t view, const struct qc *high_qc)
{
    rig_step(self, &(struct consensus_event){
                       .type = CONSENSUS_TIMEOUT,
                       .sender = sender,
                       .u.timeout = {.view = view,
                                     .high_qc = high_qc,
                                     .signature = timeout_signature(self, sender, view, high_qc->view)}});
}

void rig_new_view(struct rig *self, uint32_t sender, const struct tc *tc)
{
    rig_step(self, &(struct consensus_event){.type = CONSENSUS_NEW_VIEW, .sender = sender, .u.new_view = tc});
}

void rig_heartbeat(struct rig *self, uint32_t sender, const struct qc *high_qc, const struct tc *high_tc)
{
    struct consensus_event event = {.type = CONSENSUS_HEARTBEAT,
                                    .sender = sender,
                                    .u.heartbeat = {.view = high_qc->view + 1, .high_qc = high_qc, .high_tc = high_tc}};
    uint8_t message[CERT_HEARTBEAT_BYTES];
    cert_heartbeat_bytes(message, &self->genesis.chain_id, event.u.heartbeat.view, high_qc->view, 0);
    sign_message(&event.u.heartbeat.signature, &self->keys[sender], span_of(message, sizeof message));
    rig_step(self, &event);
}

void rig_checked(struct rig *self, const struct rig_block *block, bool ok)
{
    rig_step(self,
             &(struct consensus_event){.type = CONSENSUS_CHECKED, .u.checked = {.block_id = block->id, .ok = ok}});
}

void rig_checked_with(struct rig *self, const struct rig_block *block, const struct schedule *schedule)
{
    rig_step(self, &(struct consensus_event){.type = CONSENSUS_CHECKED,
                                             .u.checked = {.block_id = block->id, .ok = true, .schedule = *schedule}});
}

void rig_pool(struct rig *self, uint32_t tx_count, uint64_t oldest_age_ms)
{
    rig_step(self, &(struct consensus_event){.type = CONSENSUS_POOL,
                                             .u.pool = {.tx_count = tx_count, .oldest_age_ms = oldest_age_ms}});
}

void rig_accept(struct rig *self, const struct rig_block *block, const struct qc *justify, const struct tc *tc)
{
    rig_propose(self, block, justify, tc);
    rig_checked(self, block, true);
}

const struct consensus_effect *rig_effect(const struct rig *self, enum consensus_effect_type type, size_t n)
{
    for (size_t i = 0; i < self->effects.count; i++) {
        if (self->effects.items[i].type == type && n-- == 0)
            return &self->effects.items[i];
    }
    return NULL;
}

size_t rig_count(const struct rig *self, enum consensus_effect_type type)
{
    size_t count = 0;
    while (rig_effect(self, type, count))
        count++;
    return count;
}

int rig_place(const struct rig *self, enum consensus_effect_type type)
{
    const struct consensus_effect *effect = rig_effect(self, type, 0);
    return effect ? (int)(effect - self->effects.items) : -1;
}

struct consensus_status rig_status(const struct rig *self)
{
    struct consensus_status status;
    consensus_status(self->core, &status);
    return status;
}

void rig_assert_persisted_first(const struct rig *self, enum consensus_effect_type type)
{
    int persisted = rig_place(self, CONSENSUS_PERSIST), sent = rig_place(self, type);
    assert_true(persisted >= 0 && sent >= 0);
    assert_true(persisted < sent);
}
