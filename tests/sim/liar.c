/* liar.c - lies. Most are refused by a check of the core; a mutant without that check must break an invariant here. */
#include "tests/sim/liar.h"

#include "common/base/cert.h"
#include "tests/sim/cluster_state.h"

enum { QCS_MAX = 12, TCS_MAX = 4, SAID_MAX = 12, TIMEOUT_VIEWS = 4, BLOCKS_MAX = 8 };

/* All timeouts of a view, one per signer: the material of a timeout certificate of one's own choice. */
struct heard_view {
    uint64_t view;
    bool known[NODES_MAX];
    struct tc_signature signatures[NODES_MAX];
    struct qc qcs[NODES_MAX];
};

struct liar {
    struct qc qcs[QCS_MAX]; /* a ring */
    size_t qc_count;
    struct tc tcs[TCS_MAX];
    size_t tc_count;
    struct parcel *said[SAID_MAX];
    size_t said_count;
    struct heard_view heard[TIMEOUT_VIEWS];
    const struct stored *blocks[BLOCKS_MAX];
    size_t block_count;
    uint64_t stale_view; /* the last view with a proposal on an old certificate */
};

struct liar *liar_new(void)
{
    return must(calloc(1, sizeof(struct liar)));
}

void liar_free(struct liar **liar)
{
    if (!*liar)
        return;
    for (size_t i = 0; i < SAID_MAX; i++)
        parcel_release(&(*liar)->said[i]);
    free(*liar);
    *liar = NULL;
}

static bool lies(struct cluster *self, enum lie lie, uint32_t ppm)
{
    return (self->options.lies & (uint32_t)lie) != 0 && random_chance(self, ppm);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void remember_qc(struct liar *liar, const struct qc *qc)
{
    for (size_t i = 0; i < QCS_MAX && i < liar->qc_count; i++) {
        if (liar->qcs[i].view == qc->view)
            return;
    }
    liar->qcs[liar->qc_count++ % QCS_MAX] = *qc;
}

static void remember_tc(struct liar *liar, const struct tc *tc)
{
    if (tc)
        liar->tcs[liar->tc_count++ % TCS_MAX] = *tc;
}

static void remember_timeout(struct liar *liar, uint32_t validator, const struct consensus_timeout *timeout)
{
    struct heard_view *view = &liar->heard[timeout->view % TIMEOUT_VIEWS];
    if (timeout->view > view->view) {
        memset(view, 0, sizeof *view);
        view->view = timeout->view;
    }
    if (timeout->view != view->view || view->known[validator])
        return; /* the first word is the one with the lowest certificate */
    view->known[validator] = true;
    view->signatures[validator] = (struct tc_signature){
        .validator = validator, .high_qc_view = timeout->high_qc->view, .signature = timeout->signature};
    view->qcs[validator] = *timeout->high_qc;
}

static const struct qc *some_qc(struct cluster *self, const struct liar *liar)
{
    size_t count = liar->qc_count < QCS_MAX ? liar->qc_count : QCS_MAX;
    return count ? &liar->qcs[random_below(self, count)] : NULL;
}

static const struct tc *some_tc(struct cluster *self, const struct liar *liar)
{
    size_t count = liar->tc_count < TCS_MAX ? liar->tc_count : TCS_MAX;
    return count ? &liar->tcs[random_below(self, count)] : NULL;
}

/* --- speaking ----------------------------------------------------------------------------------------------------- */

static void say(struct cluster *self, uint32_t index, const struct consensus_effect *effect, uint32_t withhold_ppm)
{
    struct liar *liar = self->nodes[index].lies;
    struct parcel *parcel = mail_parcel_of(effect);
    if (self->options.trace)
        trace_effect(self, index, effect);
    for (uint32_t to = 0; to < self->options.validator_count; to++) {
        if (!random_chance(self, withhold_ppm))
            mail_send(self, MAIL_CONSENSUS, index, to, parcel);
    }
    struct parcel **slot = &liar->said[liar->said_count++ % SAID_MAX];
    parcel_release(slot);
    *slot = parcel;
}

static struct signature sign_vote(const struct cluster *self, uint32_t index, uint64_t view, uint64_t height,
                                  const struct hash *id)
{
    uint8_t message[CERT_VOTE_BYTES];
    struct signature signature;
    cert_vote_bytes(message, &self->genesis.chain_id, view, height, id);
    sign_message(&signature, &self->nodes[index].key, span_of(message, sizeof message));
    return signature;
}

static void say_vote(struct cluster *self, uint32_t index, const struct stored *block, uint64_t height, uint32_t ppm)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_VOTE};
    effect.u.vote =
        (struct consensus_vote){.view = block->header.view,
                                .height = height,
                                .block_id = block->id,
                                .signature = sign_vote(self, index, block->header.view, height, &block->id)};
    say(self, index, &effect, ppm);
}

static void say_block(struct cluster *self, uint32_t index, const struct stored *block, const struct qc *justify,
                      const struct tc *tc, uint32_t ppm)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_PROPOSAL};
    effect.u.proposal = (struct consensus_proposal){
        .header = block->header,
        .tx_ids = block->tx_ids,
        .justify = justify,
        .tc = tc,
        .vote_signature = sign_vote(self, index, block->header.view, block->header.height, &block->id)};
    if (tc) {
        struct hash attached = tc_hash(tc);
        uint8_t message[CERT_PROPOSAL_BYTES];
        cert_proposal_bytes(message, &self->genesis.chain_id, &block->id, &attached);
        sign_message(&effect.u.proposal.signature, &self->nodes[index].key, span_of(message, sizeof message));
    }
    say(self, index, &effect, ppm);
}

/* A block of the liar's own: on this certificate's block, in this view; crooked: with something wrong in it. */
static const struct stored *make_block(struct cluster *self, uint32_t index, uint64_t view, const struct qc *justify,
                                       bool crooked)
{
    const struct stored *parent = model_find(self, &justify->block_id);
    uint64_t parent_ms = parent ? parent->header.timestamp_ms : self->genesis_header.timestamp_ms;
    uint64_t now_ms = start_wall_ms + self->now_ms;
    struct consensus_build build = {.view = view,
                                    .parent_id = justify->block_id,
                                    .height = justify->height + 1,
                                    .justify_view = justify->view,
                                    .justify_signers = qc_signers(justify),
                                    .timestamp_ms =
                                        (now_ms > parent_ms ? now_ms : parent_ms) + 1 + random_below(self, 50),
                                    .with_txs = random_below(self, 2) == 0};
    struct hash ids[BLOCK_TXS_MAX];
    uint32_t count = pool_candidates(self, index, &build, ids);
    count = (uint32_t)random_below(self, count + 1);
    uint64_t trick = crooked ? random_below(self, 5) : 5;
    if (trick == 0 && self->tx_count > 0 && count < BLOCK_TXS_MAX)
        ids[count++] = self->txs[random_below(self, self->tx_count)];
    struct block_header header = model_header(self, index, &build, ids, count);
    if (trick == 1)
        header.state_root.bytes[3] ^= 1;
    if (trick == 2)
        header.justify_signers ^= 1;
    if (trick == 3)
        header.height += 1;
    struct liar *liar = self->nodes[index].lies;
    /* On the other block of the certificate's view, if a liar made one, else on the grandparent. */
    if (trick == 4 && parent)
        header.parent_id = parent->header.parent_id;
    for (size_t i = 0; trick == 4 && i < BLOCKS_MAX; i++) {
        const struct stored *other = liar->blocks[i];
        if (other && other->header.view == justify->view && !hash_equal(&other->id, &justify->block_id))
            header.parent_id = other->id;
    }
    struct hash id = block_id(&header);
    const struct stored *block = model_block(self, &header, &id, ids);
    liar->blocks[liar->block_count++ % BLOCKS_MAX] = block;
    return block;
}

/* --- proposals ---------------------------------------------------------------------------------------------------- */

static void propose_twice(struct cluster *self, uint32_t index, const struct consensus_proposal *proposal)
{
    const struct stored *other = make_block(self, index, proposal->header.view, proposal->justify, false);
    say_block(self, index, other, proposal->justify, proposal->tc, 500000);
}

/* The quorum of timeouts with the lowest certificates, its own among them with the genesis block's. */
static bool choose_timeouts(struct cluster *self, uint32_t index, uint64_t view, struct tc *out)
{
    struct liar *liar = self->nodes[index].lies;
    struct heard_view heard = liar->heard[view % TIMEOUT_VIEWS];
    if (heard.view != view)
        return false;
    uint8_t message[CERT_TIMEOUT_BYTES];
    heard.known[index] = true;
    heard.qcs[index] = (struct qc){.block_id = self->genesis_id};
    heard.signatures[index] = (struct tc_signature){.validator = index};
    cert_timeout_bytes(message, &self->genesis.chain_id, view, 0);
    sign_message(&heard.signatures[index].signature, &self->nodes[index].key, span_of(message, sizeof message));
    bool chosen[NODES_MAX] = {false};
    memset(out, 0, sizeof *out);
    out->view = view;
    for (uint32_t i = 0; i < self->quorum; i++) {
        uint32_t best = NODES_MAX;
        for (uint32_t k = 0; k < self->options.validator_count; k++) {
            if (heard.known[k] && !chosen[k] &&
                (best == NODES_MAX || heard.signatures[k].high_qc_view < heard.signatures[best].high_qc_view))
                best = k;
        }
        if (best == NODES_MAX)
            return false;
        chosen[best] = true;
        out->high_qc = heard.qcs[best];
    }
    for (uint32_t k = 0; k < self->options.validator_count; k++) {
        if (chosen[k])
            out->signatures[out->signature_count++] = heard.signatures[k];
    }
    return true;
}

/* In its own turn after a timeout certificate: on what the chosen timeouts allow, or on what they do not. */
static void propose_stale(struct cluster *self, uint32_t index)
{
    struct liar *liar = self->nodes[index].lies;
    struct consensus_status status;
    consensus_status(self->nodes[index].core, &status);
    if (status.leader != index || status.view <= liar->stale_view || status.view < 2)
        return;
    struct tc tc;
    const struct qc *old = some_qc(self, liar);
    bool has_tc = choose_timeouts(self, index, status.view - 1, &tc);
    if (!has_tc && some_tc(self, liar)) {
        tc = *some_tc(self, liar);
        has_tc = tc.view == status.view - 1;
    }
    if (!has_tc || !old)
        return;
    liar->stale_view = status.view;
    uint64_t trick = random_below(self, 4);
    if (trick == 0) {
        say_block(self, index, make_block(self, index, status.view, &tc.high_qc, false), &tc.high_qc, &tc, 0);
        return;
    }
    if (old->view >= status.view)
        return;
    if (trick == 1) /* a smaller maximum than was signed */
        tc.high_qc = *old;
    if (trick == 2) {
        for (uint32_t i = 0; i < tc.signature_count; i++)
            tc.signatures[i].high_qc_view = old->view;
        tc.high_qc = *old;
    }
    say_block(self, index, make_block(self, index, status.view, old, false), old, &tc, 0);
}

/* When it is another's turn. */
static void propose_out_of_turn(struct cluster *self, uint32_t index, const struct consensus_proposal *proposal)
{
    const struct stored *block = make_block(self, index, proposal->header.view, proposal->justify, false);
    say_block(self, index, block, proposal->justify, proposal->tc, 0);
}

/* Nothing else is wrong with it. */
static void propose_unsigned(struct cluster *self, uint32_t index, const struct consensus_proposal *proposal)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_PROPOSAL, .u.proposal = *proposal};
    bool attached = proposal->tc && random_below(self, 2) == 0;
    struct signature *signature = attached ? &effect.u.proposal.signature : &effect.u.proposal.vote_signature;
    signature->bytes[0] ^= 1;
    say(self, index, &effect, 0);
}

static void propose_invalid(struct cluster *self, uint32_t index, const struct consensus_proposal *proposal)
{
    if (random_below(self, 6) == 0) {
        propose_unsigned(self, index, proposal);
        return;
    }
    const struct qc *justify = proposal->justify;
    say_block(self, index, make_block(self, index, proposal->header.view, justify, true), justify, proposal->tc, 0);
}

/* --- certificates ------------------------------------------------------------------------------------------------- */

static void bend_qc(struct cluster *self, uint32_t index, struct qc *qc)
{
    uint32_t n = self->options.validator_count;
    switch (random_below(self, 10)) {
    case 0: /* one signer many times */
        for (uint32_t i = 0; i < qc->signature_count; i++)
            qc->signatures[i] = qc->signatures[0];
        break;
    case 1: /* more signers than validators */
        for (uint32_t i = qc->signature_count; i < CERT_SIGNERS_MAX; i++)
            qc->signatures[i] = (struct cert_signature){.validator = i};
        qc->signature_count = CERT_SIGNERS_MAX;
        break;
    case 2: /* too few */
        qc->signature_count = qc->signature_count > 1 ? qc->signature_count - 1 : 0;
        break;
    case 3: /* nobody's signature */
        qc->signatures[0].validator = n + 7;
        break;
    case 4: /* unsorted */
        if (qc->signature_count > 1) {
            struct cert_signature swap = qc->signatures[0];
            qc->signatures[0] = qc->signatures[1];
            qc->signatures[1] = swap;
        }
        break;
    case 5: /* a view that nobody voted in */
        qc->view += 1 + random_below(self, 50);
        break;
    case 6:
        qc->height += 1;
        break;
    case 7:
        qc->block_id.bytes[0] ^= 1;
        break;
    case 8:
        qc->view = 0;
        break;
    default: /* made up: a quorum's names under the liar's signature, for a block of its own */
        for (uint32_t i = 0; i < self->quorum; i++)
            qc->signatures[i] = (struct cert_signature){
                .validator = i, .signature = sign_vote(self, index, qc->view + 1, qc->height + 1, &qc->block_id)};
        qc->signature_count = self->quorum;
        qc->view += 1;
        qc->height += 1;
        break;
    }
}

static void bend_tc(struct cluster *self, struct tc *tc)
{
    switch (random_below(self, 5)) {
    case 0:
        tc->view += 1 + random_below(self, 90);
        break;
    case 1:
        for (uint32_t i = 1; i < tc->signature_count; i++)
            tc->signatures[i] = tc->signatures[0];
        break;
    case 2:
        tc->signature_count = tc->signature_count > 1 ? tc->signature_count - 1 : 0;
        break;
    case 3:
        tc->high_qc.view += 1;
        break;
    default:
        tc->signatures[0].validator = self->options.validator_count + 1;
        break;
    }
}

static void say_heartbeat(struct cluster *self, uint32_t index, const struct qc *qc, const struct tc *tc)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_HEARTBEAT};
    struct consensus_heartbeat *heartbeat = &effect.u.heartbeat;
    *heartbeat = (struct consensus_heartbeat){.view = random_below(self, 2) ? UINT64_MAX : qc->view + 1,
                                              .high_qc = qc,
                                              .high_tc = tc,
                                              .committed_height = random_below(self, 2) ? UINT64_MAX : 0};
    uint8_t message[CERT_HEARTBEAT_BYTES];
    cert_heartbeat_bytes(message, &self->genesis.chain_id, heartbeat->view, qc->view, heartbeat->committed_height);
    sign_message(&heartbeat->signature, &self->nodes[index].key, span_of(message, sizeof message));
    say(self, index, &effect, 0);
}

static void say_timeout(struct cluster *self, uint32_t index, uint64_t view, const struct qc *qc)
{
    struct consensus_effect effect = {.type = CONSENSUS_SEND_TIMEOUT};
    effect.u.timeout = (struct consensus_timeout){.view = view, .high_qc = qc};
    uint8_t message[CERT_TIMEOUT_BYTES];
    cert_timeout_bytes(message, &self->genesis.chain_id, view, qc->view);
    sign_message(&effect.u.timeout.signature, &self->nodes[index].key, span_of(message, sizeof message));
    say(self, index, &effect, 0);
}

/* A quorum that is the liar alone, many times. */
static void sign_alone(struct cluster *self, uint32_t index, const struct stored *block, struct qc *qc)
{
    *qc = (struct qc){.view = block->header.view,
                      .height = block->header.height,
                      .block_id = block->id,
                      .signature_count = self->quorum};
    for (uint32_t i = 0; i < self->quorum; i++)
        qc->signatures[i] = (struct cert_signature){
            .validator = index, .signature = sign_vote(self, index, qc->view, qc->height, &qc->block_id)};
}

static void lie_about_certificates(struct cluster *self, uint32_t index)
{
    struct liar *liar = self->nodes[index].lies;
    if (!some_qc(self, liar))
        return;
    struct qc qc = *some_qc(self, liar);
    if (liar->block_count > 0 && random_below(self, 2) == 0)
        sign_alone(self, index, liar->blocks[(liar->block_count - 1) % BLOCKS_MAX], &qc);
    else
        bend_qc(self, index, &qc);
    struct tc tc = some_tc(self, liar) ? *some_tc(self, liar) : (struct tc){0};
    bend_tc(self, &tc);
    struct consensus_effect effect = {.type = CONSENSUS_SEND_NEW_VIEW};
    switch (random_below(self, 4)) {
    case 0:
        say_heartbeat(self, index, &qc, NULL);
        break;
    case 1:
        say_heartbeat(self, index, &qc, &tc);
        break;
    case 2:
        effect.u.new_view = &tc;
        say(self, index, &effect, 0);
        break;
    default:
        say_timeout(self, index, cluster_view(self, index), &qc);
        break;
    }
}

static void lie_about_timeouts(struct cluster *self, uint32_t index)
{
    const struct qc *old = some_qc(self, self->nodes[index].lies);
    uint64_t view = cluster_view(self, index);
    if (!old)
        return;
    struct qc invented = *old;
    switch (random_below(self, 4)) {
    case 0: /* an old lock */
        say_timeout(self, index, view, old);
        break;
    case 1: /* in a hurry */
        say_timeout(self, index, view + 1 + random_below(self, CONSENSUS_VIEWS_AHEAD_MAX + 10), old);
        break;
    case 2: /* a certificate that is not there */
        invented.view = view > 1 ? view - 1 : 1;
        say_timeout(self, index, view, &invented);
        break;
    default: /* in a view that is over */
        say_timeout(self, index, view > 2 ? view - 2 : view, old);
        break;
    }
}

/* Nothing is wrong with any of them: they come too early. */
static void time_out_always(struct cluster *self, uint32_t index)
{
    struct consensus_status status;
    consensus_status(self->nodes[index].core, &status);
    const struct liar *liar = self->nodes[index].lies;
    const struct qc *best = NULL;
    for (size_t i = 0; i < QCS_MAX && i < liar->qc_count; i++) {
        if (!best || liar->qcs[i].view > best->view)
            best = &liar->qcs[i];
    }
    if (!best)
        return;
    for (uint64_t ahead = 0; ahead <= CONSENSUS_VIEWS_AHEAD_MAX; ahead += 1 + random_below(self, 30))
        say_timeout(self, index, status.view + ahead, best);
}

/* --- hooks -------------------------------------------------------------------------------------------------------- */

bool liar_on_effect(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    uint32_t withhold_ppm = lies(self, LIE_WITHHOLD, 500000) ? (uint32_t)random_below(self, 1000001) : 0;
    if (effect->type == CONSENSUS_SEND_PROPOSAL) {
        const struct consensus_proposal *proposal = &effect->u.proposal;
        if (lies(self, LIE_PROPOSE_INVALID, 300000)) {
            propose_invalid(self, index, proposal);
            return random_below(self, 2) == 0;
        }
        if (lies(self, LIE_PROPOSE_TWICE, 700000)) {
            say(self, index, effect, 500000);
            propose_twice(self, index, proposal);
            return true;
        }
    }
    if (effect->type == CONSENSUS_SEND_VOTE) {
        if (lies(self, LIE_VOTE_HEIGHT, 400000)) {
            const struct stored *block = model_find(self, &effect->u.vote.block_id);
            say_vote(self, index, block, block->header.height + 1, withhold_ppm);
            return true;
        }
    }
    if (effect->type == CONSENSUS_SEND_TIMEOUT)
        remember_timeout(self->nodes[index].lies, index, &effect->u.timeout);
    say(self, index, effect, withhold_ppm);
    return true;
}

static void listen_to(struct cluster *self, struct liar *liar, const struct consensus_event *event)
{
    switch ((int)event->type) {
    case CONSENSUS_PROPOSAL: {
        const struct consensus_proposal *proposal = &event->u.proposal;
        struct hash id = block_id(&proposal->header);
        liar->blocks[liar->block_count++ % BLOCKS_MAX] = model_block(self, &proposal->header, &id, proposal->tx_ids);
        remember_qc(liar, proposal->justify);
        remember_tc(liar, proposal->tc);
        break;
    }
    case CONSENSUS_TIMEOUT:
        remember_qc(liar, event->u.timeout.high_qc);
        remember_timeout(liar, event->sender, &event->u.timeout);
        break;
    case CONSENSUS_NEW_VIEW:
        remember_tc(liar, event->u.new_view);
        break;
    case CONSENSUS_HEARTBEAT:
        remember_qc(liar, event->u.heartbeat.high_qc);
        remember_tc(liar, event->u.heartbeat.high_tc);
        break;
    default:
        break;
    }
}

void liar_on_event(struct cluster *self, uint32_t index, const struct consensus_event *event)
{
    struct liar *liar = self->nodes[index].lies;
    if (!self->nodes[event->sender].liar || event->type == CONSENSUS_PROPOSAL)
        listen_to(self, liar, event);
    size_t blocks = liar->block_count < BLOCKS_MAX ? liar->block_count : BLOCKS_MAX;
    const struct stored *some = blocks ? liar->blocks[random_below(self, blocks)] : NULL;
    if (some && lies(self, LIE_VOTE_ALL, event->type == CONSENSUS_PROPOSAL ? 800000 : 50000))
        say_vote(self, index,
                 event->type == CONSENSUS_PROPOSAL ? liar->blocks[(liar->block_count - 1) % BLOCKS_MAX] : some,
                 some->header.height, 0);
    if (some && event->type == CONSENSUS_PROPOSAL && lies(self, LIE_VOTE_TWICE, 500000))
        say_vote(self, index, some, some->header.height, 500000);
    if (lies(self, LIE_PROPOSE_STALE, 200000))
        propose_stale(self, index);
    if (event->type == CONSENSUS_PROPOSAL && lies(self, LIE_PROPOSE_INVALID, 200000))
        propose_out_of_turn(self, index, &event->u.proposal);
    if (lies(self, LIE_CERTIFICATE, 30000))
        lie_about_certificates(self, index);
    if (lies(self, LIE_TIMEOUT, 30000))
        lie_about_timeouts(self, index);
    if (lies(self, LIE_TIMEOUT_ALWAYS, 50000))
        time_out_always(self, index);
    size_t said = liar->said_count < SAID_MAX ? liar->said_count : SAID_MAX;
    if (said && lies(self, LIE_REPLAY, 30000))
        mail_broadcast(self, index, liar->said[random_below(self, said)]);
}

/* A run of the liar's own blocks on the chain that it has, each with a certificate that nobody signed. */
bool liar_on_sync_ask(struct cluster *self, uint32_t index, uint32_t asker, uint64_t height_first)
{
    struct node *node = &self->nodes[index];
    if (!lies(self, LIE_SYNC, 600000))
        return false;
    struct consensus_event event = {.type = CONSENSUS_SYNCED};
    struct parcel *answer = parcel_new(&event);
    struct qc qc = {.block_id = self->genesis_id};
    if (height_first > 1 && height_first - 2 < node->height)
        qc = node->committed[height_first - 2].qc;
    answer->certified = must(calloc(SYNC_BLOCKS_MAX, sizeof *answer->certified));
    uint64_t count = random_below(self, 5);
    for (uint64_t i = 0; i < count; i++) {
        const struct stored *block = make_block(self, index, qc.view + 1, &qc, random_below(self, 3) == 0);
        qc = (struct qc){.view = block->header.view, .height = block->header.height, .block_id = block->id};
        for (uint32_t k = 0; k < self->quorum; k++)
            qc.signatures[k] = (struct cert_signature){
                .validator = k, .signature = sign_vote(self, index, qc.view, qc.height, &qc.block_id)};
        qc.signature_count = self->quorum;
        answer->certified[answer->certified_count++] = (struct certified_copy){.block = block, .qc = qc};
    }
    mail_send(self, MAIL_SYNC_ANSWER, index, asker, answer);
    parcel_release(&answer);
    return true;
}
