/* twins.c - runs one scenario: cores that hear each other at once, within their side of the view's partition; when
 * nobody has anything to say, all timers expire.
 */
#include "tests/sim/twins.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/merkle.h"
#include "services/consensusd/consensus.h"

enum {
    QUEUE_MAX = 4096,
    HEIGHTS_MAX = 64,
    CONNECTED_VIEWS = 5,
    SYNC_MAX = 16,
    TIMER_MS = 100000,
    POOL_TXS = 1000,
    ROUNDS_MAX = 60,
    QUIET_ROUNDS = 4
};

struct message {
    uint32_t from, to; /* instances */
    struct consensus_event event;
    struct qc qc;
    struct tc tc;
    struct hash tx;
};

struct committed {
    struct block_header header;
    struct hash tx;
    struct hash id;
    struct qc qc;
};

struct instance {
    struct consensus *core;
    uint32_t validator;
    uint64_t height;
    struct committed blocks[HEIGHTS_MAX];
};

struct twins {
    const struct twins_scenario *scenario;
    struct genesis genesis;
    struct block_header genesis_header;
    struct instance instances[TWINS_INSTANCES_MAX];
    uint32_t count;
    uint64_t now_ms;
    struct message *queue[QUEUE_MAX]; /* a ring */
    size_t first, waiting;
    bool overflow;
    bool mended; /* the partitions are over */
};

static const struct twins_scenario *current;

uint32_t __real_genesis_quorum(uint32_t validator_count);
uint32_t __wrap_genesis_quorum(uint32_t validator_count);
struct schedule;
uint32_t __wrap_schedule_leader(const struct schedule *self, uint64_t view);

uint32_t __wrap_genesis_quorum(uint32_t validator_count)
{
    return current && current->quorum ? current->quorum : __real_genesis_quorum(validator_count);
}

/* After the scenario's views honest validators lead in turn. */
uint32_t __wrap_schedule_leader(const struct schedule *self, uint64_t view)
{
    (void)self;
    if (view >= 1 && view <= current->views)
        return current->view[view - 1].leader;
    return current->doubled + (uint32_t)(view % (current->validators - current->doubled));
}

static bool is_doubled(const struct twins *self, uint32_t instance)
{
    return self->instances[instance].validator < self->scenario->doubled;
}

static bool connected(const struct twins *self, uint64_t view, uint32_t a, uint32_t b)
{
    if (self->mended || view == 0 || view > self->scenario->views)
        return true;
    const struct twins_view *of = &self->scenario->view[view - 1];
    return of->side[a] == of->side[b];
}

static struct message *message_new(uint32_t from, uint32_t to, enum consensus_event_type type)
{
    struct message *message = malloc(sizeof *message);
    if (!message)
        abort();
    message->from = from;
    message->to = to;
    memset(&message->event, 0, sizeof message->event);
    message->event.type = type;
    return message;
}

static void enqueue(struct twins *self, struct message *message)
{
    if (self->waiting == QUEUE_MAX) {
        self->overflow = true;
        free(message);
        return;
    }
    self->queue[(self->first + self->waiting++) % QUEUE_MAX] = message;
}

/* A copy for one receiver; all a message points to lies in the copy. */
static struct message *copy_for(uint32_t from, uint32_t to, const struct consensus_effect *effect)
{
    struct message *copy = message_new(from, to, CONSENSUS_TICK);
    struct consensus_event *event = &copy->event;
    switch ((int)effect->type) {
    case CONSENSUS_SEND_PROPOSAL:
        event->type = CONSENSUS_PROPOSAL;
        event->u.proposal = effect->u.proposal;
        copy->qc = *effect->u.proposal.justify;
        event->u.proposal.justify = &copy->qc;
        if (effect->u.proposal.tc) {
            copy->tc = *effect->u.proposal.tc;
            event->u.proposal.tc = &copy->tc;
        }
        if (effect->u.proposal.header.tx_count > 0)
            copy->tx = effect->u.proposal.tx_ids[0];
        event->u.proposal.tx_ids = &copy->tx;
        break;
    case CONSENSUS_SEND_VOTE:
        event->type = CONSENSUS_VOTE;
        event->u.vote = effect->u.vote;
        break;
    case CONSENSUS_SEND_TIMEOUT:
        event->type = CONSENSUS_TIMEOUT;
        event->u.timeout = effect->u.timeout;
        copy->qc = *effect->u.timeout.high_qc;
        event->u.timeout.high_qc = &copy->qc;
        break;
    case CONSENSUS_SEND_NEW_VIEW:
        event->type = CONSENSUS_NEW_VIEW;
        copy->tc = *effect->u.new_view;
        event->u.new_view = &copy->tc;
        break;
    case CONSENSUS_SEND_HEARTBEAT:
        event->type = CONSENSUS_HEARTBEAT;
        event->u.heartbeat = effect->u.heartbeat;
        copy->qc = *effect->u.heartbeat.high_qc;
        event->u.heartbeat.high_qc = &copy->qc;
        if (effect->u.heartbeat.high_tc) {
            copy->tc = *effect->u.heartbeat.high_tc;
            event->u.heartbeat.high_tc = &copy->tc;
        }
        break;
    default:
        abort(); /* a message that this program does not know */
    }
    event->sender = 0;
    return copy;
}

static void broadcast(struct twins *self, uint32_t from, uint64_t view, const struct consensus_effect *effect)
{
    for (uint32_t to = 0; to < self->count; to++) {
        if (self->instances[to].validator == self->instances[from].validator || !connected(self, view, from, to))
            continue;
        struct message *message = copy_for(from, to, effect);
        message->event.sender = self->instances[from].validator;
        enqueue(self, message);
    }
}

/* Each block has one transaction, which names its maker: the copies' blocks of a view differ. */
static void build(struct twins *self, uint32_t index, const struct consensus_build *build)
{
    struct message *answer = message_new(index, index, CONSENSUS_BUILT);
    uint64_t what[] = {index, build->view};
    answer->tx = hash_of(span_of(what, sizeof what));
    struct hash scratch;
    struct hash root = merkle_root(&answer->tx, 1, &scratch);
    answer->event.u.built.view = build->view;
    answer->event.u.built.tx_ids = &answer->tx;
    answer->event.u.built.header =
        (struct block_header){.chain_id = self->genesis.chain_id,
                              .height = build->height,
                              .view = build->view,
                              .parent_id = build->parent_id,
                              .justify_view = build->justify_view,
                              .justify_signers = build->justify_signers,
                              .tx_count = 1,
                              .tx_root = root,
                              .proposer = self->genesis.validators[self->instances[index].validator].id,
                              .timestamp_ms = build->timestamp_ms};
    enqueue(self, answer);
}

static void check(struct twins *self, uint32_t index, const struct consensus_check *check)
{
    struct message *answer = message_new(index, index, CONSENSUS_CHECKED);
    answer->event.u.checked.block_id = check->block_id;
    answer->event.u.checked.ok = true;
    enqueue(self, answer);
}

static void recheck(struct twins *self, uint32_t index, const struct hash *parent_id)
{
    struct message *answer = message_new(index, index, CONSENSUS_RECHECKED);
    answer->event.u.rechecked.parent_id = *parent_id;
    answer->event.u.rechecked.live_count = POOL_TXS;
    enqueue(self, answer);
}

static void commit(struct twins *self, uint32_t index, const struct consensus_commit *commit)
{
    struct instance *instance = &self->instances[index];
    if (commit->header.height != instance->height + 1 || commit->header.height > HEIGHTS_MAX)
        abort();
    struct committed *block = &instance->blocks[instance->height++];
    block->header = commit->header;
    block->id = commit->block_id;
    if (commit->header.tx_count > 0)
        block->tx = commit->tx_ids[0];
    block->qc.signature_count = 0;
    if (commit->qc)
        block->qc = *commit->qc;
    if (self->scenario->trace)
        printf("  instance %" PRIu32 " commits height %" PRIu64 " view %" PRIu64 " %02x%02x\n", index,
               commit->header.height, commit->header.view, commit->block_id.bytes[0], commit->block_id.bytes[1]);
}

static void run_effects(struct twins *self, uint32_t index, const struct consensus_effects *effects);

static void step(struct twins *self, uint32_t index, struct consensus_event *event)
{
    event->now_ms = self->now_ms;
    event->wall_ms = 1700000000000 + self->now_ms;
    struct consensus_effects effects;
    consensus_step(self->instances[index].core, event, &effects);
    run_effects(self, index, &effects);
}

/* What the asked validator's copy on this side has, answered in the next event. */
static void answer_sync(struct twins *self, uint32_t asker, uint32_t peer, uint64_t height)
{
    struct consensus_certified found[SYNC_MAX];
    size_t count = 0;
    struct instance *instance = &self->instances[peer];
    for (; height >= 1 && height <= instance->height && count < SYNC_MAX; height++) {
        const struct committed *block = &instance->blocks[height - 1];
        if (block->qc.signature_count == 0)
            break;
        found[count++] = (struct consensus_certified){.header = block->header, .tx_ids = &block->tx, .qc = &block->qc};
    }
    if (height > instance->height)
        count += consensus_certified(instance->core, height, found + count, SYNC_MAX - count);
    struct consensus_event event = {.type = CONSENSUS_SYNCED, .sender = instance->validator};
    event.u.synced.blocks = found;
    event.u.synced.count = count;
    step(self, asker, &event);
}

static void sync_with(struct twins *self, uint32_t index, uint32_t validator, uint64_t height)
{
    struct consensus_status status;
    consensus_status(self->instances[index].core, &status);
    for (uint32_t peer = 0; peer < self->count; peer++) {
        if (peer != index && self->instances[peer].validator == validator &&
            connected(self, status.view, index, peer)) {
            answer_sync(self, index, peer, height);
            return;
        }
    }
}

static void run_effects(struct twins *self, uint32_t index, const struct consensus_effects *effects)
{
    uint64_t sync_height = 0;
    uint32_t sync_peer = 0;
    for (size_t i = 0; i < effects->count; i++) {
        const struct consensus_effect *effect = &effects->items[i];
        switch ((int)effect->type) {
        case CONSENSUS_PERSIST:
        case CONSENSUS_FORGET:
            break; /* nobody crashes here */
        case CONSENSUS_SEND_EVIDENCE:
            break; /* that a twin is found out changes no rule */
        case CONSENSUS_SEND_PROPOSAL:
            broadcast(self, index, effect->u.proposal.header.view, effect);
            break;
        case CONSENSUS_SEND_VOTE:
            broadcast(self, index, effect->u.vote.view, effect);
            break;
        case CONSENSUS_SEND_TIMEOUT:
            broadcast(self, index, effect->u.timeout.view, effect);
            break;
        case CONSENSUS_SEND_NEW_VIEW:
            broadcast(self, index, effect->u.new_view->view, effect);
            break;
        case CONSENSUS_SEND_HEARTBEAT:
            broadcast(self, index, effect->u.heartbeat.view, effect);
            break;
        case CONSENSUS_BUILD:
            build(self, index, &effect->u.build);
            break;
        case CONSENSUS_CHECK:
            check(self, index, &effect->u.check);
            break;
        case CONSENSUS_RECHECK:
            recheck(self, index, &effect->u.recheck.parent_id);
            break;
        case CONSENSUS_COMMIT:
            commit(self, index, &effect->u.commit);
            break;
        case CONSENSUS_SYNC:
            sync_peer = effect->u.sync.peer;
            sync_height = effect->u.sync.height_first;
            break;
        default:
            fprintf(stderr, "twins do not know effect %d\n", (int)effect->type);
            abort();
        }
    }
    if (sync_height > 0)
        sync_with(self, index, sync_peer, sync_height);
}

static void deliver_all(struct twins *self)
{
    while (self->waiting > 0) {
        struct message *message = self->queue[self->first];
        self->first = (self->first + 1) % QUEUE_MAX;
        self->waiting--;
        /* The run ends some views after the scenario: who is there stops listening. */
        struct consensus_status status;
        consensus_status(self->instances[message->to].core, &status);
        if (status.view <= self->scenario->views + CONNECTED_VIEWS)
            step(self, message->to, &message->event);
        free(message);
    }
}

static void tick_all(struct twins *self, uint64_t ms)
{
    self->now_ms += ms;
    for (uint32_t i = 0; i < self->count; i++) {
        struct consensus_event tick = {.type = CONSENSUS_TICK};
        step(self, i, &tick);
    }
    deliver_all(self);
}

/* Grows whenever anybody moves on. */
static uint64_t sum_of_views(const struct twins *self)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        struct consensus_status status;
        consensus_status(self->instances[i].core, &status);
        sum += status.view + status.high_qc_view + status.committed_height;
    }
    return sum;
}

static bool all_done(const struct twins *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        struct consensus_status status;
        consensus_status(self->instances[i].core, &status);
        if (status.view <= self->scenario->views + CONNECTED_VIEWS - 1)
            return false;
    }
    return true;
}

static void begin(struct twins *self)
{
    static struct sign_key keys[TWINS_INSTANCES_MAX];
    static bool have_keys;
    const struct twins_scenario *scenario = self->scenario;
    for (uint32_t i = 0; i < TWINS_INSTANCES_MAX && !have_keys; i++) {
        uint8_t seed[SIGN_SEED_BYTES] = {(uint8_t)(i + 1)};
        sign_key_from_seed(&keys[i], seed);
    }
    have_keys = true;
    self->genesis.validator_count = scenario->validators;
    self->genesis.parameters = genesis_parameters_default();
    self->genesis.created_ms = 1600000000000;
    for (uint32_t i = 0; i < scenario->validators; i++) {
        self->genesis.validators[i].sign_key = keys[i].public;
        self->genesis.validators[i].id = sign_public_id(&keys[i].public);
    }
    struct hash state_root = {{1}};
    self->genesis_header = block_genesis(&self->genesis, &state_root);
    self->count = scenario->validators + scenario->doubled;
    self->now_ms = 1000;
    for (uint32_t i = 0; i < self->count; i++) {
        struct instance *instance = &self->instances[i];
        instance->validator = i < scenario->validators ? i : i - scenario->validators;
        struct consensus_config config = {.genesis = &self->genesis,
                                          .self = instance->validator,
                                          .key = keys[instance->validator],
                                          .block_target_txs = 1,
                                          .seed = i + 1,
                                          .root = self->genesis_header,
                                          .root_id = block_id(&self->genesis_header),
                                          .now_ms = self->now_ms};
        if (consensus_new(&instance->core, &config) < 0)
            abort();
    }
    for (uint32_t i = 0; i < self->count; i++) {
        struct consensus_event pool = {.type = CONSENSUS_POOL};
        pool.u.pool.tx_count = POOL_TXS;
        pool.u.pool.oldest_age_ms = 0;
        step(self, i, &pool);
    }
    deliver_all(self);
}

static void judge(const struct twins *self, struct twins_result *out)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t a = 0; a < self->count; a++) {
        const struct instance *one = &self->instances[a];
        for (uint64_t h = 0; h < one->height; h++)
            out->fingerprint = (out->fingerprint ^ one->blocks[h].id.bytes[0] ^
                                (uint64_t)one->blocks[h].id.bytes[1] << 8 ^ (uint64_t)a << 16) *
                               1099511628211u;
        if (is_doubled(self, a))
            continue;
        out->heights = one->height > out->heights ? one->height : out->heights;
        least = one->height < least ? one->height : least;
        for (uint32_t b = a + 1; b < self->count; b++) {
            const struct instance *other = &self->instances[b];
            for (uint64_t h = 0; h < one->height && h < other->height && !is_doubled(self, b); h++)
                out->fork = out->fork || !hash_equal(&one->blocks[h].id, &other->blocks[h].id);
        }
    }
    out->stuck = out->heights == 0 || self->overflow;
    if (self->scenario->trace)
        printf("  heights %" PRIu64 "..%" PRIu64 " overflow %d\n", least, out->heights, self->overflow);
}

void twins_run(struct twins_result *out, const struct twins_scenario *scenario)
{
    /* Megabytes that are used again: what is below an instance's height was written in this run. */
    static struct twins memory;
    struct twins *self = &memory;
    for (uint32_t i = 0; i < TWINS_INSTANCES_MAX; i++)
        self->instances[i].height = 0;
    self->first = self->waiting = 0;
    self->overflow = self->mended = false;
    current = scenario;
    self->scenario = scenario;
    memset(out, 0, sizeof *out);
    out->fingerprint = 14695981039346656037u;
    begin(self);
    uint32_t quiet = 0;
    for (uint32_t i = 0; i < ROUNDS_MAX && !all_done(self); i++) {
        uint64_t before = sum_of_views(self);
        tick_all(self, i % 2 ? TIMER_MS : CONSENSUS_HEARTBEAT_MS);
        quiet = sum_of_views(self) == before ? quiet + 1 : 0;
        /* A view whose partition leaves nobody a quorum would last for ever. */
        self->mended = self->mended || quiet >= QUIET_ROUNDS;
    }
    judge(self, out);
    for (uint32_t i = 0; i < self->count; i++)
        consensus_destroy(&self->instances[i].core);
}
