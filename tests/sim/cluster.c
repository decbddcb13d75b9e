/* cluster.c - the simulated cluster: a queue of events by virtual time, cores that react, effects that become events.
 */
#include "tests/sim/cluster.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/merkle.h"
#include "services/consensusd/consensus.h"

enum {
    NODES_MAX = 64,
    TXS_MAX = 20000,
    HEIGHTS_MAX = 4096,
    BLOCK_TXS_MAX = 500,
    EXECUTE_MS = 2,
    SYNC_BLOCKS_MAX = 16,
    VIEWS_TRACKED = 1 << 14,
};

/* What a validator stored about a block; contents are the same everywhere, so they are kept once. */
struct stored {
    struct block_header header;
    struct hash id;
    struct hash *tx_ids;
};

struct certified_copy {
    const struct stored *block;
    struct qc qc;
};

enum mail_type { MAIL_CONSENSUS, MAIL_SYNC_ASK, MAIL_SYNC_ANSWER, MAIL_CHECKED, MAIL_BUILT, MAIL_RECHECKED, MAIL_TICK };

struct mail {
    uint64_t at_ms;
    uint64_t order; /* first come, first served within a millisecond */
    enum mail_type type;
    uint32_t to;
    uint32_t life; /* of the receiver: what was asked before a crash is not answered after it */
    struct consensus_event event;
    struct qc *qc;
    struct tc *tc;
    struct hash *tx_ids;
    uint64_t height_first;
    struct certified_copy *certified;
    size_t certified_count;
};

struct node {
    struct consensus *core; /* NULL: down */
    uint32_t life;
    struct sign_key key;
    /* disk */
    bool has_voting;
    struct consensus_voting voting;
    struct certified_copy *pending; /* with the parent's certificate */
    size_t pending_count, pending_capacity;
    struct certified_copy *committed; /* by height - 1 */
    uint64_t height;
    struct block_header root;
    struct hash root_id;
    /* pool: which transactions are finished */
    uint8_t *done;
    uint64_t committed_txs;
    uint64_t pooled_from_ms;
    /* invariants */
    struct hash *votes; /* by view */
    uint64_t voted_view_max;
};

struct cluster {
    struct cluster_options options;
    struct genesis genesis;
    struct block_header genesis_header;
    struct hash genesis_id;
    uint64_t random;
    uint64_t now_ms;
    uint64_t mail_count, mail_order;
    size_t mail_capacity;
    struct mail **mail; /* binary heap */
    struct node nodes[NODES_MAX];
    bool cut[NODES_MAX][NODES_MAX];
    uint32_t tx_count;
    struct map *blocks;   /* id -> struct stored */
    struct map *tx_index; /* tx id -> index + 1 */
    struct hash *final;   /* by height: the block everybody commits */
    char violation[256];
};

static const uint64_t start_wall_ms = 1700000000000;

static uint64_t random_next(struct cluster *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random;
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void violate(struct cluster *self, const char *what, uint32_t node, uint64_t number)
{
    if (self->violation[0] == '\0')
        snprintf(self->violation, sizeof self->violation,
                 "%s: validator %" PRIu32 ", %" PRIu64 ", at %" PRIu64 " ms, seed %" PRIu64, what, node, number,
                 self->now_ms, self->options.seed);
}

static struct hash tx_id_of(uint32_t index)
{
    return hash_of2(span_text("simulated transaction"), span_of(&index, sizeof index));
}

/* The queue. */

static bool mail_before(const struct mail *a, const struct mail *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void mail_put(struct cluster *self, struct mail *mail)
{
    if (self->mail_count == self->mail_capacity) {
        self->mail_capacity = self->mail_capacity ? self->mail_capacity * 2 : 1024;
        self->mail = must(realloc(self->mail, self->mail_capacity * sizeof *self->mail));
    }
    mail->order = self->mail_order++;
    size_t at = self->mail_count++;
    while (at > 0 && mail_before(mail, self->mail[(at - 1) / 2])) {
        self->mail[at] = self->mail[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    self->mail[at] = mail;
}

static struct mail *mail_take(struct cluster *self)
{
    struct mail *first = self->mail[0];
    struct mail *last = self->mail[--self->mail_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= self->mail_count)
            break;
        if (child + 1 < self->mail_count && mail_before(self->mail[child + 1], self->mail[child]))
            child++;
        if (!mail_before(self->mail[child], last))
            break;
        self->mail[at] = self->mail[child];
        at = child;
    }
    self->mail[at] = last;
    return first;
}

static void mail_free(struct mail *mail)
{
    free(mail->qc);
    free(mail->tc);
    free(mail->tx_ids);
    free(mail->certified);
    free(mail);
}

static struct mail *mail_new(struct cluster *self, enum mail_type type, uint32_t to, uint64_t delay_ms)
{
    struct mail *mail = must(calloc(1, sizeof *mail));
    mail->type = type;
    mail->to = to;
    mail->life = self->nodes[to].life;
    mail->at_ms = self->now_ms + delay_ms;
    return mail;
}

static void *copy_of(const void *data, size_t size)
{
    if (!data || size == 0)
        return NULL;
    return memcpy(must(malloc(size)), data, size);
}

/* The simulated executor: every block is valid, its state root follows from its parent's and its transactions. */

static struct hash executed_root(const struct hash *parent_root, const struct hash *tx_root)
{
    return hash_of2(span_of(parent_root, sizeof *parent_root), span_of(tx_root, sizeof *tx_root));
}

static const struct stored *block_known(struct cluster *self, const struct block_header *header, const struct hash *id,
                                        const struct hash *tx_ids)
{
    struct stored *stored = map_find(self->blocks, id);
    if (stored)
        return stored;
    stored = must(calloc(1, sizeof *stored));
    stored->header = *header;
    stored->id = *id;
    stored->tx_ids = copy_of(tx_ids, header->tx_count * sizeof *tx_ids);
    if (map_put(self->blocks, id, stored) < 0)
        abort();
    return stored;
}

static struct hash parent_root(struct cluster *self, const struct hash *parent_id)
{
    if (hash_equal(parent_id, &self->genesis_id))
        return self->genesis_header.state_root;
    const struct stored *parent = map_find(self->blocks, parent_id);
    return parent ? parent->header.state_root : (struct hash){0};
}

/* Disk and invariants. */

static void note_vote(struct cluster *self, uint32_t index, const struct consensus_voting *voting)
{
    struct node *node = &self->nodes[index];
    if (voting->last_voted_view < node->voted_view_max)
        violate(self, "voting state went back", index, voting->last_voted_view);
    node->voted_view_max = voting->last_voted_view;
    if (!voting->has_vote || voting->vote_view >= VIEWS_TRACKED)
        return;
    struct hash *known = &node->votes[voting->vote_view];
    if (!hash_is_zero(known) && !hash_equal(known, &voting->vote_block_id))
        violate(self, "two votes in a view", index, voting->vote_view);
    *known = voting->vote_block_id;
}

static void persist(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    struct node *node = &self->nodes[index];
    note_vote(self, index, effect->u.persist.voting);
    node->has_voting = true;
    node->voting = *effect->u.persist.voting;
    if (!effect->u.persist.block_id)
        return;
    const struct stored *stored = map_find(self->blocks, effect->u.persist.block_id);
    if (!stored) {
        violate(self, "a vote for a block that nobody has", index, node->voting.vote_view);
        return;
    }
    if (node->pending_count == node->pending_capacity) {
        node->pending_capacity = node->pending_capacity ? node->pending_capacity * 2 : 64;
        node->pending = must(realloc(node->pending, node->pending_capacity * sizeof *node->pending));
    }
    node->pending[node->pending_count++] = (struct certified_copy){.block = stored, .qc = *effect->u.persist.justify};
}

static void note_txs(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    struct node *node = &self->nodes[index];
    for (uint32_t i = 0; i < commit->header.tx_count; i++) {
        size_t tx = (size_t)map_find(self->tx_index, &commit->tx_ids[i]);
        if (tx == 0 || node->done[tx - 1]) {
            violate(self, "a transaction committed twice", index, commit->header.height);
            continue;
        }
        node->done[tx - 1] = 1;
        node->committed_txs++;
    }
}

static void check_proof(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    uint8_t *bytes = must(malloc(commit->proof_header_count * BLOCK_HEADER_BYTES));
    for (size_t i = 0; i < commit->proof_header_count; i++)
        block_header_encode(bytes + i * BLOCK_HEADER_BYTES, &commit->proof_headers[i]);
    struct cert_commit_proof proof = {
        .headers = bytes, .header_count = commit->proof_header_count, .qc = *commit->proof_qc};
    struct block_header header;
    const char *why = "";
    if (cert_commit_proof_verify(&header, &proof, &self->genesis, &why) != 0 || header.height != commit->header.height)
        violate(self, "a commit without proof", index, commit->header.height);
    free(bytes);
}

static void commit(struct cluster *self, uint32_t index, const struct consensus_commit *commit)
{
    struct node *node = &self->nodes[index];
    uint64_t height = commit->header.height;
    if (height != node->height + 1 || height >= HEIGHTS_MAX || !hash_equal(&commit->header.parent_id, &node->root_id)) {
        violate(self, "commits out of order", index, height);
        return;
    }
    if (hash_is_zero(&self->final[height]))
        self->final[height] = commit->block_id;
    else if (!hash_equal(&self->final[height], &commit->block_id))
        violate(self, "a fork", index, height);
    /* A few proofs in full: the rest costs time and says the same. */
    if (height % 16 == 1 || commit->proof_header_count > 2)
        check_proof(self, index, commit);
    note_txs(self, index, commit);
    struct certified_copy *copy = &node->committed[height - 1];
    copy->block = block_known(self, &commit->header, &commit->block_id, commit->tx_ids);
    if (commit->qc)
        copy->qc = *commit->qc;
    node->height = height;
    node->root = commit->header;
    node->root_id = commit->block_id;
}

/* Effects become mail. */

static void deliver(struct cluster *self, uint32_t from, uint32_t to, const struct mail *like)
{
    if (self->cut[from][to] || random_next(self) % 1000000 < self->options.loss_ppm)
        return;
    uint64_t spread = self->options.delay_ms_max - self->options.delay_ms_min + 1;
    struct mail *mail = mail_new(self, like->type, to, self->options.delay_ms_min + random_next(self) % spread);
    mail->event = like->event;
    mail->event.sender = from;
    mail->height_first = like->height_first;
    mail->qc = copy_of(like->qc, sizeof *like->qc);
    mail->tc = copy_of(like->tc, sizeof *like->tc);
    if (like->tx_ids)
        mail->tx_ids = copy_of(like->tx_ids, like->event.u.proposal.header.tx_count * sizeof *like->tx_ids);
    mail->certified = copy_of(like->certified, like->certified_count * sizeof *like->certified);
    mail->certified_count = like->certified_count;
    mail_put(self, mail);
}

static void broadcast(struct cluster *self, uint32_t from, const struct mail *like)
{
    for (uint32_t to = 0; to < self->options.validator_count; to++) {
        if (to == from)
            continue;
        deliver(self, from, to, like);
        if (random_next(self) % 1000000 < self->options.duplicate_ppm)
            deliver(self, from, to, like);
    }
}

#define LOAN(type, pointer) ((type *)(uintptr_t)(pointer))

static void send(struct cluster *self, uint32_t from, const struct consensus_effect *effect)
{
    struct mail like = {.type = MAIL_CONSENSUS};
    switch ((int)effect->type) {
    case CONSENSUS_SEND_PROPOSAL:
        like.event.type = CONSENSUS_PROPOSAL;
        like.event.u.proposal = effect->u.proposal;
        like.qc = LOAN(struct qc, effect->u.proposal.justify);
        like.tc = LOAN(struct tc, effect->u.proposal.tc);
        like.tx_ids = effect->u.proposal.header.tx_count ? LOAN(struct hash, effect->u.proposal.tx_ids) : NULL;
        break;
    case CONSENSUS_SEND_VOTE:
        like.event.type = CONSENSUS_VOTE;
        like.event.u.vote = effect->u.vote;
        break;
    case CONSENSUS_SEND_TIMEOUT:
        like.event.type = CONSENSUS_TIMEOUT;
        like.event.u.timeout = effect->u.timeout;
        like.qc = LOAN(struct qc, effect->u.timeout.high_qc);
        break;
    case CONSENSUS_SEND_NEW_VIEW:
        like.event.type = CONSENSUS_NEW_VIEW;
        like.tc = LOAN(struct tc, effect->u.new_view);
        break;
    case CONSENSUS_SEND_HEARTBEAT:
        like.event.type = CONSENSUS_HEARTBEAT;
        like.event.u.heartbeat = effect->u.heartbeat;
        like.qc = LOAN(struct qc, effect->u.heartbeat.high_qc);
        like.tc = LOAN(struct tc, effect->u.heartbeat.high_tc);
        break;
    default:
        abort();
    }
    broadcast(self, from, &like);
}

static bool is_excluded(struct cluster *self, const struct consensus_build *build, const struct hash *tx)
{
    for (size_t i = 0; i < build->excluded_count; i++) {
        const struct stored *block = map_find(self->blocks, &build->excluded[i]);
        for (uint32_t k = 0; block && k < block->header.tx_count; k++) {
            if (hash_equal(&block->tx_ids[k], tx))
                return true;
        }
    }
    return false;
}

static void build(struct cluster *self, uint32_t index, const struct consensus_build *build)
{
    struct node *node = &self->nodes[index];
    struct mail *mail = mail_new(self, MAIL_BUILT, index, EXECUTE_MS);
    mail->tx_ids = must(malloc(BLOCK_TXS_MAX * sizeof *mail->tx_ids));
    uint32_t count = 0;
    for (uint32_t i = 0; build->with_txs && i < self->tx_count && count < BLOCK_TXS_MAX; i++) {
        struct hash id = tx_id_of(i);
        if (!node->done[i] && !is_excluded(self, build, &id))
            mail->tx_ids[count++] = id;
    }
    struct hash scratch[BLOCK_TXS_MAX];
    struct hash tx_root = merkle_root(mail->tx_ids, count, scratch);
    struct hash before = parent_root(self, &build->parent_id);
    mail->event.type = CONSENSUS_BUILT;
    mail->event.u.built.view = build->view;
    mail->event.u.built.header = (struct block_header){.chain_id = self->genesis.chain_id,
                                                       .height = build->height,
                                                       .view = build->view,
                                                       .parent_id = build->parent_id,
                                                       .justify_view = build->justify_view,
                                                       .justify_signers = build->justify_signers,
                                                       .tx_count = count,
                                                       .tx_root = tx_root,
                                                       .receipt_root = tx_root,
                                                       .state_root = executed_root(&before, &tx_root),
                                                       .proposer = self->genesis.validators[index].id,
                                                       .timestamp_ms = build->timestamp_ms};
    struct hash id = block_id(&mail->event.u.built.header);
    block_known(self, &mail->event.u.built.header, &id, mail->tx_ids);
    mail_put(self, mail);
}

static void check(struct cluster *self, uint32_t index, const struct consensus_check *check)
{
    block_known(self, &check->header, &check->block_id, check->tx_ids);
    struct hash before = parent_root(self, &check->header.parent_id);
    struct hash root = executed_root(&before, &check->header.tx_root);
    struct mail *mail = mail_new(self, MAIL_CHECKED, index, EXECUTE_MS);
    mail->event.type = CONSENSUS_CHECKED;
    mail->event.u.checked.block_id = check->block_id;
    mail->event.u.checked.ok = hash_equal(&root, &check->header.state_root);
    mail_put(self, mail);
}

static void recheck(struct cluster *self, uint32_t index)
{
    struct mail *mail = mail_new(self, MAIL_RECHECKED, index, EXECUTE_MS);
    mail->event.type = CONSENSUS_RECHECKED;
    mail->event.u.rechecked.live_count = self->tx_count - (uint32_t)self->nodes[index].committed_txs;
    mail_put(self, mail);
}

static void carry_out(struct cluster *self, uint32_t index, const struct consensus_effect *effect)
{
    struct mail like = {.type = MAIL_SYNC_ASK};
    switch (effect->type) {
    case CONSENSUS_PERSIST:
        persist(self, index, effect);
        break;
    case CONSENSUS_SEND_PROPOSAL:
    case CONSENSUS_SEND_VOTE:
    case CONSENSUS_SEND_TIMEOUT:
    case CONSENSUS_SEND_NEW_VIEW:
    case CONSENSUS_SEND_HEARTBEAT:
        send(self, index, effect);
        break;
    case CONSENSUS_BUILD:
        build(self, index, &effect->u.build);
        break;
    case CONSENSUS_CHECK:
        check(self, index, &effect->u.check);
        break;
    case CONSENSUS_RECHECK:
        recheck(self, index);
        break;
    case CONSENSUS_COMMIT:
        commit(self, index, &effect->u.commit);
        break;
    case CONSENSUS_SYNC:
        like.height_first = effect->u.sync.height_first;
        deliver(self, index, effect->u.sync.peer, &like);
        break;
    case CONSENSUS_FORGET:
        break;
    }
}

static void wake_at_deadline(struct cluster *self, uint32_t index)
{
    uint64_t due_ms = consensus_deadline_ms(self->nodes[index].core);
    uint64_t delay_ms = due_ms > self->now_ms ? due_ms - self->now_ms : 1;
    struct mail *tick = mail_new(self, MAIL_TICK, index, delay_ms);
    tick->event.type = CONSENSUS_TICK;
    mail_put(self, tick);
}

static void step(struct cluster *self, uint32_t index, struct consensus_event *event)
{
    struct node *node = &self->nodes[index];
    event->now_ms = self->now_ms;
    event->wall_ms = start_wall_ms + self->now_ms;
    struct consensus_effects effects;
    consensus_step(node->core, event, &effects);
    for (size_t i = 0; i < effects.count; i++)
        carry_out(self, index, &effects.items[i]);
    struct consensus_status status;
    consensus_status(node->core, &status);
    if (status.committed_height != node->height)
        violate(self, "core and disk disagree about the height", index, status.committed_height);
}

static void tell_pool(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    uint32_t waiting = self->tx_count - (uint32_t)node->committed_txs;
    struct consensus_event event = {.type = CONSENSUS_POOL};
    event.u.pool.tx_count = waiting;
    event.u.pool.oldest_age_ms = waiting ? self->now_ms - node->pooled_from_ms : 0;
    step(self, index, &event);
}

static void answer_sync(struct cluster *self, const struct mail *ask)
{
    struct node *node = &self->nodes[ask->to];
    struct certified_copy found[SYNC_BLOCKS_MAX];
    struct mail answer = {.type = MAIL_SYNC_ANSWER, .certified = found};
    uint64_t height = ask->height_first;
    for (; height >= 1 && height <= node->height && answer.certified_count < SYNC_BLOCKS_MAX; height++) {
        if (node->committed[height - 1].qc.signature_count == 0)
            break;
        found[answer.certified_count++] = node->committed[height - 1];
    }
    struct consensus_certified open[SYNC_BLOCKS_MAX];
    size_t count = 0;
    if (height > node->height)
        count = consensus_certified(node->core, height, open, SYNC_BLOCKS_MAX - answer.certified_count);
    for (size_t i = 0; i < count; i++) {
        struct hash id = block_id(&open[i].header);
        found[answer.certified_count++] = (struct certified_copy){
            .block = block_known(self, &open[i].header, &id, open[i].tx_ids), .qc = *open[i].qc};
    }
    deliver(self, ask->to, ask->event.sender, &answer);
}

static void hand_over(struct cluster *self, struct mail *mail)
{
    struct consensus_event *event = &mail->event;
    struct consensus_certified blocks[SYNC_BLOCKS_MAX * 2];
    switch (mail->type) {
    case MAIL_CONSENSUS:
        if (event->type == CONSENSUS_PROPOSAL) {
            event->u.proposal.justify = mail->qc;
            event->u.proposal.tc = mail->tc;
            event->u.proposal.tx_ids = mail->tx_ids;
        } else if (event->type == CONSENSUS_TIMEOUT) {
            event->u.timeout.high_qc = mail->qc;
        } else if (event->type == CONSENSUS_NEW_VIEW) {
            event->u.new_view = mail->tc;
        } else if (event->type == CONSENSUS_HEARTBEAT) {
            event->u.heartbeat.high_qc = mail->qc;
            event->u.heartbeat.high_tc = mail->tc;
        }
        break;
    case MAIL_SYNC_ASK:
        answer_sync(self, mail);
        return;
    case MAIL_SYNC_ANSWER:
        for (size_t i = 0; i < mail->certified_count; i++)
            blocks[i] = (struct consensus_certified){.header = mail->certified[i].block->header,
                                                     .tx_ids = mail->certified[i].block->tx_ids,
                                                     .qc = &mail->certified[i].qc};
        event->type = CONSENSUS_SYNCED;
        event->u.synced.blocks = blocks;
        event->u.synced.count = mail->certified_count;
        break;
    case MAIL_BUILT:
        event->u.built.tx_ids = mail->tx_ids;
        break;
    case MAIL_CHECKED:
    case MAIL_RECHECKED:
    case MAIL_TICK:
        break;
    }
    step(self, mail->to, event);
    if (mail->type == MAIL_TICK)
        wake_at_deadline(self, mail->to);
}

/* Answers of a validator's own executor, and its clock, end with its life; the network's mail does not. */
static bool belongs_to_a_past_life(const struct cluster *self, const struct mail *mail)
{
    bool own = mail->type == MAIL_CHECKED || mail->type == MAIL_BUILT || mail->type == MAIL_RECHECKED ||
               mail->type == MAIL_TICK;
    return own && mail->life != self->nodes[mail->to].life;
}

void cluster_run(struct cluster *self, uint64_t duration_ms)
{
    uint64_t until_ms = self->now_ms + duration_ms;
    while (self->mail_count > 0 && self->mail[0]->at_ms <= until_ms && self->violation[0] == '\0') {
        struct mail *mail = mail_take(self);
        self->now_ms = mail->at_ms;
        bool up = self->nodes[mail->to].core != NULL;
        if (up && !belongs_to_a_past_life(self, mail)) {
            hand_over(self, mail);
            /* A core may ask for an earlier wake-up than the tick that is queued. */
            if (mail->type != MAIL_TICK && consensus_deadline_ms(self->nodes[mail->to].core) <= self->now_ms + 1) {
                struct consensus_event tick = {.type = CONSENSUS_TICK};
                step(self, mail->to, &tick);
            }
        }
        mail_free(mail);
    }
    if (self->violation[0] == '\0')
        self->now_ms = until_ms;
}

static int node_start(struct cluster *self, uint32_t index)
{
    struct node *node = &self->nodes[index];
    struct consensus_config config = {.genesis = &self->genesis,
                                      .self = index,
                                      .key = node->key,
                                      .block_min_interval_ms = 20,
                                      .block_target_txs = 200,
                                      .seed = random_next(self),
                                      .root = node->root,
                                      .root_id = node->root_id,
                                      .voting = node->has_voting ? &node->voting : NULL,
                                      .now_ms = self->now_ms};
    int rc = consensus_new(&node->core, &config);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < node->pending_count; i++) {
        const struct stored *block = node->pending[i].block;
        if (block->header.height <= node->height)
            continue;
        struct consensus_event event = {.type = CONSENSUS_RESTORED};
        event.u.restored = (struct consensus_certified){
            .header = block->header, .tx_ids = block->tx_ids, .justify = &node->pending[i].qc};
        step(self, index, &event);
    }
    wake_at_deadline(self, index);
    tell_pool(self, index);
    return 0;
}

int cluster_new(struct cluster **out, const struct cluster_options *options)
{
    struct cluster *self = must(calloc(1, sizeof *self));
    self->options = *options;
    self->random = options->seed * 2654435761u + 88172645463325252u;
    self->genesis.validator_count = options->validator_count;
    self->genesis.parameters = genesis_parameters_default();
    memset(self->genesis.chain_id.bytes, 7, HASH_BYTES);
    self->genesis.created_ms = start_wall_ms - 1000;
    self->final = must(calloc(HEIGHTS_MAX, sizeof *self->final));
    if (map_new(&self->blocks, 1024, 1) < 0 || map_new(&self->tx_index, 1024, 2) < 0)
        abort();
    for (uint32_t i = 0; i < options->validator_count; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1), (uint8_t)options->seed};
        sign_key_from_seed(&self->nodes[i].key, seed);
        self->genesis.validators[i].sign_key = self->nodes[i].key.public;
        self->genesis.validators[i].id = sign_public_id(&self->nodes[i].key.public);
    }
    struct hash state_root = {{1}};
    self->genesis_header = block_genesis(&self->genesis, &state_root);
    self->genesis_id = block_id(&self->genesis_header);
    for (uint32_t i = 0; i < options->validator_count; i++) {
        struct node *node = &self->nodes[i];
        node->done = must(calloc(TXS_MAX, 1));
        node->votes = must(calloc(VIEWS_TRACKED, sizeof *node->votes));
        node->committed = must(calloc(HEIGHTS_MAX, sizeof *node->committed));
        node->root = self->genesis_header;
        node->root_id = self->genesis_id;
    }
    *out = self;
    for (uint32_t i = 0; i < options->validator_count; i++) {
        int rc = node_start(self, i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void cluster_destroy(struct cluster **self)
{
    if (!self || !*self)
        return;
    struct cluster *cluster = *self;
    while (cluster->mail_count > 0)
        mail_free(mail_take(cluster));
    free(cluster->mail);
    size_t cursor = 0;
    struct hash key;
    for (struct stored *block = map_next(cluster->blocks, &cursor, &key); block;
         block = map_next(cluster->blocks, &cursor, &key)) {
        free(block->tx_ids);
        free(block);
    }
    map_destroy(&cluster->blocks);
    map_destroy(&cluster->tx_index);
    for (uint32_t i = 0; i < cluster->options.validator_count; i++) {
        struct node *node = &cluster->nodes[i];
        consensus_destroy(&node->core);
        free(node->pending);
        free(node->committed);
        free(node->done);
        free(node->votes);
    }
    free(cluster->final);
    free(cluster);
    *self = NULL;
}

void cluster_submit(struct cluster *self, uint32_t count)
{
    for (uint32_t i = 0; i < count && self->tx_count < TXS_MAX; i++) {
        struct hash id = tx_id_of(self->tx_count++);
        if (map_put(self->tx_index, &id, (void *)(uintptr_t)self->tx_count) < 0)
            abort();
    }
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        struct node *node = &self->nodes[i];
        node->pooled_from_ms = self->now_ms;
        if (node->core)
            tell_pool(self, i);
    }
}

void cluster_crash(struct cluster *self, uint32_t validator)
{
    struct node *node = &self->nodes[validator];
    consensus_destroy(&node->core);
    node->life++;
}

void cluster_restart(struct cluster *self, uint32_t validator)
{
    struct node *node = &self->nodes[validator];
    if (node->core)
        return;
    node->pooled_from_ms = self->now_ms;
    if (node_start(self, validator) < 0)
        abort();
}

void cluster_cut(struct cluster *self, uint32_t a, uint32_t b, bool cut)
{
    self->cut[a][b] = cut;
    self->cut[b][a] = cut;
}

void cluster_set_loss(struct cluster *self, uint32_t loss_ppm)
{
    self->options.loss_ppm = loss_ppm;
}

uint64_t cluster_now_ms(const struct cluster *self)
{
    return self->now_ms;
}

uint64_t cluster_height(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].height;
}

uint64_t cluster_committed_txs(const struct cluster *self, uint32_t validator)
{
    return self->nodes[validator].committed_txs;
}

uint64_t cluster_view(const struct cluster *self, uint32_t validator)
{
    struct consensus_status status = {0};
    if (self->nodes[validator].core)
        consensus_status(self->nodes[validator].core, &status);
    return status.view;
}

bool cluster_is_settled(const struct cluster *self)
{
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        if (self->nodes[i].core && self->nodes[i].committed_txs != self->tx_count)
            return false;
    }
    return true;
}

const char *cluster_violation(const struct cluster *self)
{
    return self->violation;
}

uint64_t cluster_settle(struct cluster *self, uint64_t limit_ms)
{
    uint64_t start_ms = self->now_ms;
    while (!cluster_is_settled(self) && self->now_ms - start_ms < limit_ms && self->violation[0] == '\0')
        cluster_run(self, 10);
    return cluster_is_settled(self) && self->violation[0] == '\0' ? self->now_ms - start_ms : UINT64_MAX;
}

void cluster_print(const struct cluster *self)
{
    for (uint32_t i = 0; i < self->options.validator_count; i++) {
        struct consensus_status status = {0};
        if (self->nodes[i].core)
            consensus_status(self->nodes[i].core, &status);
        fprintf(stderr,
                "validator %u up=%d height=%" PRIu64 " txs=%" PRIu64 "/%u view=%" PRIu64 " leader=%u voted=%" PRIu64
                " high_qc=%" PRIu64 "@%" PRIu64 " blocks=%u behind=%d timeouts=%" PRIu64 " bad=%" PRIu64
                " stale=%" PRIu64 " ahead=%" PRIu64 " unlinked=%" PRIu64 "\n",
                i, self->nodes[i].core != NULL, self->nodes[i].height, self->nodes[i].committed_txs, self->tx_count,
                status.view, status.leader, status.last_voted_view, status.high_qc_view, status.high_qc_height,
                status.blocks_held, status.behind, status.counters.timeouts_sent, status.counters.dropped_bad,
                status.counters.dropped_stale, status.counters.dropped_ahead, status.counters.dropped_unlinked);
    }
}
