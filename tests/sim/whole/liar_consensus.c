/* liar_consensus.c - lies of its consensusd: proposals, votes, timeouts, certificates, the genesis ceremony. */
#include "common/base/equivocation.h"
#include "common/base/merkle.h"
#include "services/consensusd/consensus_codec.h"
#include "tests/sim/whole/liar_state.h"

enum {
    IDS_MAX = 64, /* more than a block may have */
    HALF_PPM = LIAR_ALL_PPM / 2,
    CROOKED_PPM = 700000,
    FUTURE_MS = 60000,
    VIEWS_AHEAD_MAX = CONSENSUS_VIEWS_AHEAD_MAX + 10,
};

/* --- saying ------------------------------------------------------------------------------------------------------- */

static struct consensus_codec_sender sender(void)
{
    bool boasts = liar_below(8) == 0;
    return (struct consensus_codec_sender){.index = liar_below(16) ? world.liar : (uint32_t)liar_below(world.n + 2),
                                           .high_qc_view = boasts ? UINT64_MAX : liar.view,
                                           .committed_height = boasts ? UINT64_MAX : 0};
}

static void encode(struct liar_copy *out, const struct consensus_effect *effect)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    const char *topic = "";
    struct consensus_codec_sender from = sender();
    if (consensus_codec_encode(effect, &from, &topic, &bytes, &size) < 0)
        abort();
    liar_copy_set(out,
                  &(struct sim_bus_word){.channel = SIM_BUS_CONSENSUS, .topic = topic, .bytes = span_of(bytes, size)});
    free(bytes);
}

static struct sim_bus_word word_of(const struct liar_copy *copy)
{
    return (struct sim_bus_word){
        .channel = copy->channel, .topic = copy->topic, .bytes = span_of(copy->bytes, copy->size)};
}

static void say(enum lie lie, const struct consensus_effect *effect, uint32_t withhold_ppm)
{
    struct liar_copy copy = {0};
    encode(&copy, effect);
    struct sim_bus_word word = word_of(&copy);
    liar_say_all(lie, &word, withhold_ppm);
    free(copy.bytes);
}

static struct signature sign(const uint8_t *message, size_t size)
{
    struct signature signature;
    sign_message(&signature, &liar.key, span_of(message, size));
    return signature;
}

static struct signature sign_vote(const struct liar_block *block)
{
    uint8_t message[CERT_VOTE_BYTES];
    cert_vote_bytes(message, &world.genesis.chain_id, block->view, block->height, &block->id);
    return sign(message, sizeof message);
}

static struct hash any_hash(void)
{
    struct hash hash;
    for (size_t i = 0; i < HASH_BYTES; i++)
        hash.bytes[i] = (uint8_t)liar_below(256);
    return hash;
}

static const struct qc *any_qc(void)
{
    size_t count = liar.qc_count < LIAR_QCS_MAX ? liar.qc_count : LIAR_QCS_MAX;
    return count ? &liar.qcs[liar_below(count)] : NULL;
}

static size_t newest_qc(void)
{
    size_t newest = 0;
    for (size_t i = 0; i < LIAR_QCS_MAX && i < liar.qc_count; i++) {
        if (liar.qcs[i].view > liar.qcs[newest].view)
            newest = i;
    }
    return newest;
}

static const struct liar_block *any_block(void)
{
    size_t count = liar.block_count < LIAR_BLOCKS_MAX ? liar.block_count : LIAR_BLOCKS_MAX;
    return count ? &liar.blocks[liar_below(count)] : NULL;
}

/* --- proposals ---------------------------------------------------------------------------------------------------- */

/* A proposal in the making. */
struct draft {
    struct consensus_proposal proposal;
    struct hash ids[IDS_MAX];
    bool signs_badly;
    bool wrong_root;
};

static void begin_draft(struct draft *out, const struct consensus_proposal *proposal)
{
    *out = (struct draft){.proposal = *proposal};
    out->proposal.tx_ids = out->ids;
    if (proposal->header.tx_count > 0)
        memcpy(out->ids, proposal->tx_ids, proposal->header.tx_count * sizeof out->ids[0]);
}

static void list_ids(struct draft *draft)
{
    struct hash scratch[IDS_MAX];
    struct block_header *header = &draft->proposal.header;
    draft->proposal.tx_ids = draft->ids;
    header->tx_root = header->tx_count ? merkle_root(draft->ids, header->tx_count, scratch) : (struct hash){0};
}

/* One more transaction: nobody's, one that is there already, or one of the past. */
static void add_id(struct draft *draft)
{
    struct block_header *header = &draft->proposal.header;
    struct span body = liar_any_body();
    uint64_t how = liar_below(3);
    if (header->tx_count == IDS_MAX)
        return;
    struct hash id = any_hash();
    if (how == 1 && header->tx_count > 0)
        id = draft->ids[liar_below(header->tx_count)];
    else if (how == 2 && body.size > 0)
        id = tx_id(body);
    draft->ids[header->tx_count++] = id;
    list_ids(draft);
}

static void bend_ids(struct draft *draft)
{
    struct block_header *header = &draft->proposal.header;
    uint64_t how = liar_below(4);
    if (how < 2 || header->tx_count == 0) {
        for (uint64_t count = how == 0 ? IDS_MAX : 1; count > 0; count--)
            add_id(draft);
    } else if (how == 2) {
        header->tx_count--;
        list_ids(draft);
    } else {
        struct hash first = draft->ids[0];
        memmove(draft->ids, draft->ids + 1, (header->tx_count - 1) * sizeof first);
        draft->ids[header->tx_count - 1] = first;
        list_ids(draft);
    }
}

/* The certificates that a proposal carries. */
static void bend_certificates(struct draft *draft)
{
    struct consensus_proposal *proposal = &draft->proposal;
    const struct qc *old = any_qc();
    switch (liar_below(3)) {
    case 0:
        proposal->tc = proposal->tc || liar.tc.view == 0 ? NULL : &liar.tc;
        break;
    case 1:
        if (old) {
            proposal->justify = old;
            proposal->header.parent_id = old->block_id;
            proposal->header.height = old->height + 1;
            proposal->header.justify_view = old->view;
            proposal->header.justify_signers = qc_signers(old);
        }
        break;
    default:
        proposal->header.justify_signers ^= 1;
        break;
    }
}

static void bend_header(struct draft *draft)
{
    struct block_header *header = &draft->proposal.header;
    switch (liar_below(8)) {
    case 0:
        header->height += liar_below(3);
        break;
    case 1:
        header->view += liar_below(5);
        break;
    case 2:
    case 3:
        header->timestamp_ms = liar_below(4) ? header->timestamp_ms + FUTURE_MS : 1;
        break;
    case 4:
        header->proposer = world.genesis.validators[liar_below(world.n)].id;
        break;
    case 5:
        header->chain_id = any_hash();
        break;
    case 6:
        header->parent_id = any_hash();
        break;
    default:
        draft->signs_badly = true;
        break;
    }
}

static void sign_proposal(struct draft *draft)
{
    struct consensus_proposal *proposal = &draft->proposal;
    struct liar_block block = {
        .view = proposal->header.view, .height = proposal->header.height, .id = block_id(&proposal->header)};
    if (proposal->tc) {
        struct hash attached = tc_hash(proposal->tc);
        uint8_t message[CERT_PROPOSAL_BYTES];
        cert_proposal_bytes(message, &world.genesis.chain_id, &block.id, &attached);
        proposal->signature = sign(message, sizeof message);
    }
    proposal->vote_signature = sign_vote(&block);
    if (draft->wrong_root)
        judge_crooked(&block.id);
    if (draft->signs_badly && proposal->tc && liar_below(2) == 0)
        proposal->signature.bytes[0] ^= 1;
    else if (draft->signs_badly)
        proposal->vote_signature.bytes[0] ^= 1;
}

static void bend_root(struct draft *draft)
{
    struct block_header *header = &draft->proposal.header;
    struct hash *const roots[] = {&header->state_root, &header->state_root, &header->receipt_root, &header->tx_root};
    roots[liar_below(ARRAY_COUNT(roots))]->bytes[liar_below(HASH_BYTES)] ^= 1;
    draft->wrong_root = true;
}

static void bend_proposal(struct draft *draft)
{
    switch (liar_below(6)) {
    case 0:
        bend_certificates(draft);
        break;
    case 1:
        bend_ids(draft);
        break;
    case 2:
        bend_header(draft);
        break;
    default:
        bend_root(draft);
        break;
    }
}

/* Another's proposal, as if it was its own: nothing else may be wrong with it. */
static void propose_out_of_turn(const struct consensus_proposal *heard)
{
    struct draft draft;
    begin_draft(&draft, heard);
    draft.proposal.header.proposer = world.genesis.validators[world.liar].id;
    if (liar_below(2) == 0)
        bend_proposal(&draft);
    sign_proposal(&draft);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_PROPOSAL, .u.proposal = draft.proposal};
    say(LIE_PROPOSAL, &effect, HALF_PPM);
}

/* Once in a view, when the first copy of its own proposal leaves. */
static void prepare(const struct consensus_proposal *own)
{
    struct liar_proposal *prepared = &liar.proposal;
    if (prepared->view == own->header.view)
        return;
    prepared->view = own->header.view;
    free(TAKE(prepared->frame.bytes));
    bool crooked = liar_lies(LIE_PROPOSAL, CROOKED_PPM);
    if (!crooked && !liar_lies(LIE_TWO_BLOCKS, HALF_PPM))
        return;
    struct draft draft;
    begin_draft(&draft, own);
    prepared->instead = crooked;
    if (crooked)
        bend_proposal(&draft);
    else
        draft.proposal.header.timestamp_ms++; /* executed, it gives the same roots */
    sign_proposal(&draft);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_PROPOSAL, .u.proposal = draft.proposal};
    encode(&prepared->frame, &effect);
}

static bool send_proposal(const struct sim_bus_word *word, const struct consensus_proposal *own)
{
    prepare(own);
    const struct liar_proposal *prepared = &liar.proposal;
    if (!prepared->frame.bytes || (!prepared->instead && liar_below(3) == 0))
        return false;
    liar_say(prepared->instead ? LIE_PROPOSAL : LIE_TWO_BLOCKS, word->way, prepared->frame.topic,
             span_of(prepared->frame.bytes, prepared->frame.size));
    return prepared->instead || liar_below(2) == 0;
}

/* --- votes and timeouts ------------------------------------------------------------------------------------------- */

static void say_vote(const struct liar_block *block, uint32_t withhold_ppm)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_VOTE};
    effect.u.vote = (struct consensus_vote){
        .view = block->view, .height = block->height, .block_id = block->id, .signature = sign_vote(block)};
    say(LIE_VOTE, &effect, withhold_ppm);
}

/* For another height, another view, or, seldom, because it costs the liar its turns, another block of the view. */
static void lie_about_vote(const struct liar_block *about)
{
    struct liar_block block = *about;
    uint64_t how = liar_below(16);
    if (how == 0)
        block.id = any_hash();
    else if (how < 8)
        block.height += 1 + liar_below(3);
    else
        block.view += 1 + liar_below(VIEWS_AHEAD_MAX);
    say_vote(&block, (uint32_t)liar_below(LIAR_ALL_PPM));
}

static void say_timeout(uint64_t view, const struct qc *high_qc)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_TIMEOUT};
    uint8_t message[CERT_TIMEOUT_BYTES];
    cert_timeout_bytes(message, &world.genesis.chain_id, view, high_qc->view);
    effect.u.timeout =
        (struct consensus_timeout){.view = view, .high_qc = high_qc, .signature = sign(message, sizeof message)};
    say(LIE_TIMEOUT, &effect, liar_below(2) ? 0 : HALF_PPM);
}

static void lie_about_timeouts(const struct qc *old)
{
    uint64_t view = liar.view;
    switch (liar_below(3)) {
    case 0:
        say_timeout(view + liar_below(3), old);
        break;
    case 1:
        say_timeout(view + liar_below(VIEWS_AHEAD_MAX), old);
        break;
    default:
        say_timeout(view > 2 ? view - 2 : view, old);
        break;
    }
}

/* --- certificates ------------------------------------------------------------------------------------------------- */

/* A quorum's names under the liar's own signature, for the block or another. */
static void forge_qc(struct qc *qc)
{
    if (liar_below(2) == 0)
        qc->block_id = any_hash();
    qc->view += liar_below(3);
    qc->height += liar_below(2);
    struct liar_block block = {.view = qc->view, .height = qc->height, .id = qc->block_id};
    qc->signature_count = world.n;
    for (uint32_t i = 0; i < world.n; i++)
        qc->signatures[i] = (struct cert_signature){.validator = i, .signature = sign_vote(&block)};
}

static void bend_qc(struct qc *qc)
{
    switch (liar_below(6)) {
    case 0:
        for (uint32_t i = 1; i < qc->signature_count; i++)
            qc->signatures[i] = qc->signatures[0];
        break;
    case 1:
        qc->signature_count = qc->signature_count > 1 ? qc->signature_count - 1 : CERT_SIGNERS_MAX;
        break;
    case 2:
        qc->signatures[0].validator = world.n + (uint32_t)liar_below(CERT_SIGNERS_MAX);
        break;
    case 3:
        qc->view += 1 + liar_below(VIEWS_AHEAD_MAX);
        break;
    case 4:
        qc->height += 1;
        break;
    default:
        forge_qc(qc);
        break;
    }
}

static void bend_tc(struct tc *tc)
{
    switch (liar_below(4)) {
    case 0:
        tc->view += 1 + liar_below(VIEWS_AHEAD_MAX);
        break;
    case 1:
        for (uint32_t i = 1; i < tc->signature_count; i++)
            tc->signatures[i] = tc->signatures[0];
        break;
    case 2:
        tc->signature_count = tc->signature_count > 1 ? tc->signature_count - 1 : 0;
        break;
    default:
        bend_qc(&tc->high_qc);
        break;
    }
}

static void say_heartbeat(const struct qc *qc, const struct tc *tc)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_HEARTBEAT};
    struct consensus_heartbeat *heartbeat = &effect.u.heartbeat;
    *heartbeat = (struct consensus_heartbeat){.view = liar_below(2) ? UINT64_MAX : qc->view + 1,
                                              .high_qc = qc,
                                              .high_tc = tc,
                                              .committed_height = liar_below(2) ? UINT64_MAX : 0};
    uint8_t message[CERT_HEARTBEAT_BYTES];
    cert_heartbeat_bytes(message, &world.genesis.chain_id, heartbeat->view, qc->view, heartbeat->committed_height);
    heartbeat->signature = sign(message, sizeof message);
    say(LIE_CERTIFICATE, &effect, 0);
}

/* That another validator voted twice: both signatures are the liar's. */
static void say_proof(void)
{
    struct liar_block blocks[2] = {{.view = liar.view, .height = 1, .id = any_hash()},
                                   {.view = liar.view, .height = 1, .id = any_hash()}};
    struct equivocation proof = {
        .offender = world.genesis.validators[liar_below(world.n)].id, .kind = EQUIVOCATION_VOTE, .view = liar.view};
    for (int i = 0; i < 2; i++)
        proof.statements[i] = (struct equivocation_statement){
            .block_id = blocks[i].id, .height = blocks[i].height, .signature = sign_vote(&blocks[i])};
    if (hash_equal(&proof.offender, &world.genesis.validators[world.liar].id))
        return; /* that would be true */
    struct consensus_effect effect = {.type = CONSENSUS_SEND_EVIDENCE, .u.evidence = &proof};
    say(LIE_CERTIFICATE, &effect, 0);
}

static void lie_about_certificates(const struct qc *known)
{
    struct qc qc = *known;
    struct tc tc = liar.tc;
    uint64_t how = liar_below(4);
    if (how == 0) {
        say_proof();
    } else if (how == 1 && tc.view > 0) {
        bend_tc(&tc);
        struct consensus_effect effect = {.type = CONSENSUS_SEND_NEW_VIEW, .u.new_view = &tc};
        say(LIE_CERTIFICATE, &effect, 0);
    } else {
        if (liar_below(3) > 0) /* else an old one, and nothing is wrong with it */
            bend_qc(&qc);
        if (how == 2)
            say_timeout(liar.view, &qc);
        else
            say_heartbeat(&qc, tc.view > 0 && liar_below(2) == 0 ? &tc : NULL);
    }
}

/* --- the ceremony ------------------------------------------------------------------------------------------------- */

static void lie_about_genesis(void)
{
    struct genesis_ready ready = {.time_ms = (uint64_t)sim_wall_ms()};
    genesis_terms_of(&ready.terms, &world.genesis);
    struct hash *const terms[] = {&ready.terms.chain_id, &ready.terms.config_hash, &ready.terms.peer_hash};
    uint64_t how = liar_below(5);
    if (how < ARRAY_COUNT(terms))
        *terms[how] = any_hash();
    else if (how == ARRAY_COUNT(terms))
        ready.time_ms = liar_below(2) ? UINT64_MAX : ready.time_ms - FUTURE_MS;
    memcpy(ready.nonce, any_hash().bytes, sizeof ready.nonce);
    genesis_ready_sign(&ready, &liar.key);
    struct consensus_codec_sender from = sender();
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (consensus_codec_encode_ready(&ready, &from, &bytes, &size) < 0)
        abort();
    struct sim_bus_word word = {
        .channel = SIM_BUS_CONSENSUS, .topic = CONSENSUS_CODEC_GENESIS_TOPIC, .bytes = span_of(bytes, size)};
    liar_say_all(LIE_GENESIS, &word, HALF_PPM);
    free(bytes);
}

/* --- hooks -------------------------------------------------------------------------------------------------------- */

static struct consensus_codec_frame frame; /* large; its decoding is for the call */

static bool decode(const struct sim_bus_word *word)
{
    if (consensus_codec_decode(&frame, word->bytes, (uint32_t)world.genesis.parameters.block_max_txs) != 0)
        return false;
    if (frame.core == CONSENSUS_CODEC_CONSENSUS)
        return true;
    consensus_codec_deinit(&frame);
    return false;
}

static void remember_qc(const struct qc *qc)
{
    for (size_t i = 0; i < LIAR_QCS_MAX && i < liar.qc_count; i++) {
        if (liar.qcs[i].view == qc->view)
            return;
    }
    liar.qcs[liar.qc_count++ % LIAR_QCS_MAX] = *qc;
    if (qc->view + 1 > liar.view)
        liar.view = qc->view + 1;
}

static void remember(const struct consensus_event *event)
{
    switch ((int)event->type) {
    case CONSENSUS_PROPOSAL:
        liar.blocks[liar.block_count++ % LIAR_BLOCKS_MAX] =
            (struct liar_block){.view = event->u.proposal.header.view,
                                .height = event->u.proposal.header.height,
                                .id = block_id(&event->u.proposal.header)};
        remember_qc(event->u.proposal.justify);
        break;
    case CONSENSUS_TIMEOUT:
        remember_qc(event->u.timeout.high_qc);
        break;
    case CONSENSUS_NEW_VIEW:
        liar.tc = *event->u.new_view;
        break;
    case CONSENSUS_HEARTBEAT:
        remember_qc(event->u.heartbeat.high_qc);
        if (event->u.heartbeat.high_tc)
            liar.tc = *event->u.heartbeat.high_tc;
        break;
    default:
        break;
    }
}

bool liar_consensus_send(const struct sim_bus_word *word)
{
    if (!decode(word))
        return false;
    remember(&frame.event);
    bool lied = frame.event.type == CONSENSUS_PROPOSAL && send_proposal(word, &frame.event.u.proposal);
    if (frame.event.type == CONSENSUS_VOTE && liar_lies(LIE_VOTE, HALF_PPM / 2)) {
        lie_about_vote(&(struct liar_block){
            .view = frame.event.u.vote.view, .height = frame.event.u.vote.height, .id = frame.event.u.vote.block_id});
        lied = liar_below(2) == 0;
    }
    if (frame.event.type == CONSENSUS_TIMEOUT && liar_lies(LIE_TIMEOUT, HALF_PPM)) {
        say_timeout(frame.event.u.timeout.view, any_qc());
        lied = true;
    }
    consensus_codec_deinit(&frame);
    return lied;
}

void liar_consensus_heard(const struct sim_bus_word *word)
{
    if (!decode(word))
        return;
    remember(&frame.event);
    bool is_proposal = frame.event.type == CONSENSUS_PROPOSAL;
    if (is_proposal && liar_lies(LIE_PROPOSAL, HALF_PPM / 4))
        propose_out_of_turn(&frame.event.u.proposal);
    consensus_codec_deinit(&frame);
    if (is_proposal && liar_lies(LIE_VOTE, HALF_PPM / 2))
        lie_about_vote(&liar.blocks[(liar.block_count - 1) % LIAR_BLOCKS_MAX]);
}

void liar_consensus_tick(void)
{
    const struct qc *qc = any_qc();
    const struct liar_block *block = any_block();
    if (liar_lies(LIE_GENESIS, HALF_PPM / 4))
        lie_about_genesis();
    if (block && liar_lies(LIE_VOTE, HALF_PPM / 8))
        lie_about_vote(block);
    if (qc && liar_lies(LIE_TIMEOUT, HALF_PPM / 2))
        lie_about_timeouts(qc);
    if (qc && liar_lies(LIE_CERTIFICATE, HALF_PPM))
        lie_about_certificates(qc);
    if (qc && liar_lies(LIE_SYNC, LIAR_ALL_PPM))
        say_heartbeat(&liar.qcs[newest_qc()], NULL); /* true: who lacks the block asks who showed it first */
}
