/* judge.c - what must never happen to whole validators. One that lies is not judged: its processes may end up anywhere.
 *
 * - No fork: every executord makes the same block durable at a height, heights rise by one over all of its lives, and
 *   so do the databases, whose contents at a height are the same everywhere.
 * - Exactly once: a (producer, nonce), an event id and a transaction stand in the ledger at most once, and only what
 * was published and is good.
 * - Nothing lost: an offset is committed only when every record before it is in a persisted block of this very
 *   validator, or its dead letter is with the broker.
 * - A consensusd says one vote and one proposal per view over all of its lives, and its lock does not go back. A vote,
 * a proposal and a timeout are on disk before they leave.
 * - Commit notices come in height order without a gap; after a restart some may come again.
 * - A process ends by itself only when its disk has failed. What it shows of its queues is within their bounds.
 * - In the end the verdicts agree: what is committed is a dead letter nowhere, what is not is one everywhere, for the
 *   same reason where the record alone decides.
 * - Certificates that a consensusd sends verify. Proof of equivocation is told of the liar alone, and stands in the
 *   ledger once. No committed block is of the future.
 * - Nobody votes for a block whose roots the liar changed.
 */
#include <stdarg.h>
#include <stdio.h>

#include "common/base/block.h"
#include "common/base/equivocation.h"
#include "common/base/err.h"
#include "common/base/reason.h"
#include "common/base/tx.h"
#include "common/base/voting.h"
#include "proto/outcome.pb-c.h"
#include "services/consensusd/consensus_codec.h"
#include "tests/sim/whole/bus.h"
#include "tests/sim/whole/world.h"

enum { HEIGHTS_MAX = 4096, VIEWS_MAX = 1 << 14, RECORDS_MAX = 4096, BLOCK_TXS_MAX = 4096, AHEAD_MS_MAX = 20000 };

struct published {
    struct judge_record what;
    uint8_t dead[VALIDATORS_MAX]; /* enum reason; 0: no dead letter */
};

/* What one validator has said and done over all its lives. */
struct conduct {
    struct hash *votes, *proposals; /* by view */
    uint64_t high_qc_view_max;
    uint64_t height; /* of executord */
    bool any_height;
    uint64_t notice_max;
};

static struct judge {
    struct published *records;
    size_t record_count;
    int64_t *numbers[TOPICS][PARTITIONS]; /* offset -> record */
    struct map *txs;                      /* published tx id -> record + 1 */
    struct map *spent;                    /* transactions, nonces and event ids in the ledger -> height + 1 */
    struct map *crooked;                  /* ids of blocks with wrong roots */
    struct judge_committed *blocks;       /* by height */
    uint64_t *contents;                   /* of databases, by height */
    uint64_t height_max;
    struct conduct conduct[VALIDATORS_MAX];
} judge;

void judge_begin(void)
{
    judge = (struct judge){.height_max = 0};
    judge.records = must(calloc(RECORDS_MAX, sizeof *judge.records));
    judge.blocks = must(calloc(HEIGHTS_MAX, sizeof *judge.blocks));
    judge.contents = must(calloc(HEIGHTS_MAX, sizeof *judge.contents));
    for (size_t topic = 0; topic < TOPICS; topic++) {
        for (size_t partition = 0; partition < PARTITIONS; partition++)
            judge.numbers[topic][partition] = must(calloc(RECORDS_MAX, sizeof(int64_t)));
    }
    if (map_new(&judge.txs, 1024, 3) < 0 || map_new(&judge.spent, 1024, 4) < 0 || map_new(&judge.crooked, 16, 5) < 0)
        abort();
    for (uint32_t i = 0; i < world.n; i++) {
        judge.conduct[i].votes = must(calloc(VIEWS_MAX, sizeof(struct hash)));
        judge.conduct[i].proposals = must(calloc(VIEWS_MAX, sizeof(struct hash)));
    }
}

void judge_end(void)
{
    free(judge.records);
    free(judge.blocks);
    free(judge.contents);
    for (size_t topic = 0; topic < TOPICS; topic++) {
        for (size_t partition = 0; partition < PARTITIONS; partition++)
            free(judge.numbers[topic][partition]);
    }
    map_destroy(&judge.txs);
    map_destroy(&judge.spent);
    map_destroy(&judge.crooked);
    for (uint32_t i = 0; i < world.n; i++) {
        free(judge.conduct[i].votes);
        free(judge.conduct[i].proposals);
    }
}

void violate(const char *format, ...)
{
    char what[384];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (world.trace)
        trace_line("VIOLATION: %s", what);
    if (world.violation[0] == '\0')
        snprintf(world.violation, sizeof world.violation,
                 "%s, at %" PRIu64 " ms, seed %" PRIu64 ", %" PRIu32 " validators", what, world.now_us / WORLD_MS,
                 world.seed, world.n);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

int64_t judge_published(const struct judge_record *record)
{
    if (judge.record_count == RECORDS_MAX || record->offset >= RECORDS_MAX)
        abort();
    int64_t number = (int64_t)judge.record_count;
    judge.records[judge.record_count++].what = *record;
    judge.numbers[record->topic][record->partition][record->offset] = number;
    if (record->fate != FATE_REFUSED && !map_find(judge.txs, &record->tx_id) &&
        map_put(judge.txs, &record->tx_id, (void *)(uintptr_t)(number + 1)) < 0)
        abort();
    return number;
}

void judge_unpublished(const struct hash *tx_id)
{
    if (map_put(judge.txs, tx_id, judge.txs) < 0)
        abort();
}

void judge_crooked(const struct hash *block_id)
{
    if (map_put(judge.crooked, block_id, judge.crooked) < 0)
        abort();
}

size_t judge_record_count(void)
{
    return judge.record_count;
}

const struct judge_record *judge_record_at(uint64_t number)
{
    return number < judge.record_count ? &judge.records[number].what : NULL;
}

static struct published *record_at(uint32_t topic, uint32_t partition, int64_t offset)
{
    return &judge.records[judge.numbers[topic][partition][offset]];
}

static bool is_committed(uint32_t validator, const struct published *record)
{
    return record->what.fate != FATE_REFUSED && base_has_tx(world.validators[validator].base, &record->what.tx_id);
}

void judge_offset(uint32_t validator, uint32_t topic, uint32_t partition, int64_t before, int64_t offset)
{
    if (world_is_liar(validator))
        return;
    if (offset > broker_end_offset(topic, partition)) {
        violate("v%" PRIu32 " commits an offset that no record has: %" PRId64, validator, offset);
        return;
    }
    for (int64_t i = before; i < offset; i++) {
        const struct published *record = record_at(topic, partition, i);
        if (!record->dead[validator] && !is_committed(validator, record))
            violate("v%" PRIu32 " commits offset %" PRId64 " of %" PRIu32 "/%" PRIu32 ", but record %" PRId64
                    " is neither persisted nor a dead letter",
                    validator, offset, topic, partition, i);
    }
}

static uint8_t reason_of(const char *text)
{
    for (int reason = 1; reason < REASON_COUNT; reason++) {
        if (strcmp(reason_text(reason), text) == 0)
            return (uint8_t)reason;
    }
    violate("a dead letter with the reason %s", text);
    return REASON_MALFORMED;
}

void judge_dead_letter(uint32_t validator, uint32_t topic, uint32_t partition, int64_t offset, const char *reason)
{
    if (world_is_liar(validator))
        return;
    if (topic >= TOPICS || partition >= PARTITIONS || offset >= broker_end_offset(topic, partition)) {
        violate("v%" PRIu32 ": a dead letter of no record", validator);
        return;
    }
    struct published *record = record_at(topic, partition, offset);
    record->dead[validator] = reason_of(reason);
    if (world.trace)
        trace_line("dead letter of v%" PRIu32 ": %" PRIu32 "/%" PRIu32 "/%" PRId64 " %s", validator, topic, partition,
                   offset, reason);
    if (record->what.fate == FATE_REFUSED && record->dead[validator] != record->what.reason)
        violate("v%" PRIu32 " refuses record %" PRIu32 "/%" PRIu32 "/%" PRId64 " as %s, not %s", validator, topic,
                partition, offset, reason, reason_text(record->what.reason));
}

/* --- the ledger --------------------------------------------------------------------------------------------------- */

static void spend(const char *what, struct hash key, uint64_t height)
{
    uint64_t before = (uint64_t)(uintptr_t)map_find(judge.spent, &key);
    if (before)
        violate("%s twice in the ledger: at %" PRIu64 " and %" PRIu64, what, before - 1, height);
    else if (map_put(judge.spent, &key, (void *)(uintptr_t)(height + 1)) < 0)
        abort();
}

static struct hash event_key(enum tx_kind kind, struct span id)
{
    char event[TX_ID_BYTES_MAX + 8];
    snprintf(event, sizeof event, "%d/%.*s", (int)kind, (int)id.size, (const char *)id.data);
    return hash_of2(span_text("event"), span_text(event));
}

static int64_t spent_at(const struct hash *key)
{
    return (int64_t)(uintptr_t)map_find(judge.spent, key) - 1;
}

int64_t judge_tx_height(const struct hash *tx_id)
{
    return spent_at(tx_id);
}

int64_t judge_anomaly_height(const char *id)
{
    struct hash key = event_key(TX_ANOMALY, span_text(id));
    return spent_at(&key);
}

/* Nobody but the liar can have signed two statements for one view. */
static bool is_proof(const struct equivocation *proof)
{
    int offender = genesis_validator_index(&world.genesis, &proof->offender);
    return offender >= 0 && world_is_liar((uint32_t)offender) && equivocation_verify(proof, &world.genesis) == 0;
}

static void judge_proof(uint64_t height, struct span body)
{
    struct equivocation proof;
    if (equivocation_decode(&proof, body) != 0 || !is_proof(&proof))
        violate("height %" PRIu64 " has proof of an equivocation that was none", height);
    else
        spend("proof of equivocation", hash_of2(span_text("offender"), span_of(proof.offender.bytes, HASH_BYTES)),
              height);
}

static void judge_body(uint64_t height, struct span body)
{
    if (tx_is_validator_evidence(body)) {
        judge_proof(height, body);
        return;
    }
    struct tx tx;
    const char *why;
    struct hash id = tx_id(body);
    if (tx_parse(&tx, body, &why) != 0 || !map_find(judge.txs, &id)) {
        violate("height %" PRIu64 " has a transaction that nobody published as a good one", height);
        return;
    }
    uint8_t nonce[SIGN_PUBLIC_BYTES + TX_NONCE_BYTES];
    memcpy(nonce, tx.producer.bytes, SIGN_PUBLIC_BYTES);
    memcpy(nonce + SIGN_PUBLIC_BYTES, tx.nonce, TX_NONCE_BYTES);
    spend("a transaction", id, height);
    spend("a (producer, nonce)", hash_of2(span_text("nonce"), span_of(nonce, sizeof nonce)), height);
    spend("an event id", event_key(tx.kind, tx.id), height);
}

/* The first who makes a height durable shows its transactions; the block id covers them for all others. */
static void judge_block(uint64_t height, const Cybermesh__Outcome__V1__Outcome *outcome)
{
    struct judge_committed *block = &judge.blocks[height];
    memcpy(block->id.bytes, outcome->block_id.data, HASH_BYTES);
    if (block_header_decode(&block->header, span_of(outcome->header.data, outcome->header.len)) < 0)
        violate("height %" PRIu64 " has no header", height);
    if (block->header.timestamp_ms > (uint64_t)sim_wall_ms() + AHEAD_MS_MAX)
        violate("height %" PRIu64 " is of the future", height);
    judge.height_max = height > judge.height_max ? height : judge.height_max;
    for (size_t i = 0; i < outcome->n_bodies; i++)
        judge_body(height, span_of(outcome->bodies[i].data, outcome->bodies[i].len));
}

void judge_outcome(uint32_t validator, uint64_t height, struct span outcome)
{
    if (world_is_liar(validator))
        return;
    struct conduct *conduct = &judge.conduct[validator];
    Cybermesh__Outcome__V1__Outcome *read = cybermesh__outcome__v1__outcome__unpack(NULL, outcome.size, outcome.data);
    if (!read || height >= HEIGHTS_MAX || read->height != height || read->block_id.len != HASH_BYTES) {
        violate("v%" PRIu32 " stores an outcome that is none, or the simulation is too long", validator);
    } else {
        if (height != (conduct->any_height ? conduct->height + 1 : 0))
            violate("v%" PRIu32 " makes height %" PRIu64 " durable after %" PRIu64, validator, height, conduct->height);
        conduct->height = height;
        conduct->any_height = true;
        if (hash_is_zero(&judge.blocks[height].id))
            judge_block(height, read);
        else if (memcmp(judge.blocks[height].id.bytes, read->block_id.data, HASH_BYTES) != 0)
            violate("a fork: v%" PRIu32 " commits another block at %" PRIu64, validator, height);
    }
    if (read)
        cybermesh__outcome__v1__outcome__free_unpacked(read, NULL);
}

void judge_base(uint32_t validator, uint64_t height, uint64_t contents)
{
    if (world_is_liar(validator))
        return;
    if (height >= HEIGHTS_MAX)
        abort();
    if (judge.contents[height] == 0)
        judge.contents[height] = contents;
    else if (judge.contents[height] != contents)
        violate("the database of v%" PRIu32 " differs at height %" PRIu64, validator, height);
}

const struct judge_committed *judge_committed_at(uint64_t height)
{
    return height < HEIGHTS_MAX && !hash_is_zero(&judge.blocks[height].id) ? &judge.blocks[height] : NULL;
}

uint64_t judge_executord_height(uint32_t validator)
{
    return judge.conduct[validator].height;
}

uint64_t judge_height_max(void)
{
    return judge.height_max;
}

void judge_notice(uint32_t validator, uint64_t height)
{
    if (world_is_liar(validator))
        return;
    struct conduct *conduct = &judge.conduct[validator];
    if (height > conduct->notice_max + 1)
        violate("v%" PRIu32 " announces height %" PRIu64 " after %" PRIu64, validator, height, conduct->notice_max);
    if (height > conduct->notice_max)
        conduct->notice_max = height;
    if ((int64_t)height > base_height(world.validators[validator].base))
        violate("v%" PRIu32 " announces height %" PRIu64 " that it has not persisted", validator, height);
}

/* --- what a consensusd says --------------------------------------------------------------------------------------- */

static void once_per_view(struct hash *known, uint32_t validator, const char *what, uint64_t view,
                          const struct hash *id)
{
    if (view >= VIEWS_MAX)
        return;
    if (!hash_is_zero(&known[view]) && !hash_equal(&known[view], id))
        violate("two %s of v%" PRIu32 " in view %" PRIu64, what, validator, view);
    known[view] = *id;
}

/* The voting state is on disk before the message that depends on it leaves. */
static void must_be_on_disk(uint32_t validator, uint64_t view, const struct hash *voted, uint64_t high_qc_view)
{
    struct voting_record record;
    const struct process *process = &world.validators[validator].stages[STAGE_CONSENSUSD];
    if (disk_voting(&record, process->disks) != 0) {
        violate("v%" PRIu32 " speaks without a voting state", validator);
        return;
    }
    const struct consensus_voting *synced = &record.voting;
    bool stored = record.has_voting && synced->last_voted_view >= view;
    if (voted)
        stored = stored && synced->has_vote && synced->vote_view == view && hash_equal(&synced->vote_block_id, voted);
    else
        stored = stored && synced->has_timeout && synced->timeout_view == view && synced->high_qc.view >= high_qc_view;
    if (!stored)
        violate("a %s of v%" PRIu32 " for view %" PRIu64 " left before it was on disk", voted ? "vote" : "timeout",
                validator, view);
}

static bool is_certificate(const struct qc *qc)
{
    bool genesis = qc->view == 0 && qc->height == 0;
    return genesis || (qc->signature_count > 0 && qc_verify(qc, &world.genesis) == 0);
}

/* What it vouches for. */
static bool is_sound(const struct consensus_event *event)
{
    switch ((int)event->type) {
    case CONSENSUS_PROPOSAL:
        return is_certificate(event->u.proposal.justify) &&
               (!event->u.proposal.tc || tc_verify(event->u.proposal.tc, &world.genesis) == 0);
    case CONSENSUS_TIMEOUT:
        return is_certificate(event->u.timeout.high_qc);
    case CONSENSUS_NEW_VIEW:
        return tc_verify(event->u.new_view, &world.genesis) == 0;
    case CONSENSUS_HEARTBEAT:
        return is_certificate(event->u.heartbeat.high_qc) &&
               (!event->u.heartbeat.high_tc || tc_verify(event->u.heartbeat.high_tc, &world.genesis) == 0);
    case CONSENSUS_EVIDENCE:
        return is_proof(event->u.evidence);
    default:
        return true;
    }
}

void judge_frame(uint32_t validator, struct span payload)
{
    static struct consensus_codec_frame frame; /* large */
    if (world_is_liar(validator))
        return;
    struct conduct *conduct = &judge.conduct[validator];
    if (consensus_codec_decode(&frame, payload, (uint32_t)world.genesis.parameters.block_max_txs) != 0)
        return; /* of another topic */
    const struct consensus_event *event = &frame.event;
    if (frame.core == CONSENSUS_CODEC_CONSENSUS && !is_sound(event))
        violate("v%" PRIu32 " sends a certificate or a proof that is none (message %d)", validator, (int)event->type);
    if (event->type == CONSENSUS_VOTE) {
        if (map_find(judge.crooked, &event->u.vote.block_id))
            violate("v%" PRIu32 " votes for a block with a wrong root", validator);
        once_per_view(conduct->votes, validator, "votes", event->u.vote.view, &event->u.vote.block_id);
        must_be_on_disk(validator, event->u.vote.view, &event->u.vote.block_id, 0);
    } else if (event->type == CONSENSUS_PROPOSAL) {
        struct hash id = block_id(&event->u.proposal.header);
        once_per_view(conduct->proposals, validator, "proposals", event->u.proposal.header.view, &id);
        once_per_view(conduct->votes, validator, "votes", event->u.proposal.header.view, &id);
        must_be_on_disk(validator, event->u.proposal.header.view, &id, 0);
    } else if (event->type == CONSENSUS_TIMEOUT) {
        uint64_t view = event->u.timeout.high_qc->view;
        if (view < conduct->high_qc_view_max)
            violate("the lock of v%" PRIu32 " goes back to %" PRIu64, validator, view);
        conduct->high_qc_view_max = view;
        must_be_on_disk(validator, event->u.timeout.view, NULL, view);
    }
    consensus_codec_deinit(&frame);
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

void judge_ended(const struct process *process)
{
    if (world.trace)
        trace_line("v%" PRIu32 ".%s ended by itself: %s", process->validator, stage_names[process->stage],
                   process->failure);
    if (!process->write_failed && !world_is_liar(process->validator))
        violate("v%" PRIu32 ".%s ended by itself: %s", process->validator, stage_names[process->stage],
                process->failure);
}

void judge_shown(const struct process *process, const char *name, uint64_t value)
{
    static const struct {
        enum stage stage;
        const char *name;
        uint64_t max;
    } bounds[] = {
        {STAGE_INGESTD, "in_flight", 100 + 2 * 1024}, {STAGE_INGESTD, "pending", 100 + 2 * 1024},
        {STAGE_MEMPOOLD, "pool_txs", 60 + 16 * 40},   {STAGE_PERSISTD, "queue_blocks", 128},
        {STAGE_EXECUTORD, "versions", 20 + 64},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bounds); i++) {
        if (bounds[i].stage == process->stage && strcmp(bounds[i].name, name) == 0 && value > bounds[i].max &&
            !world_is_liar(process->validator))
            violate("v%" PRIu32 ".%s shows %s=%" PRIu64, process->validator, stage_names[process->stage], name, value);
    }
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

bool judge_is_whole(uint32_t validator)
{
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        if (!process_is_up(&world.validators[validator].stages[stage]))
            return false;
    }
    return true;
}

static bool has_settled(uint32_t validator)
{
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
            if (broker_committed(validator, topic, partition) < broker_end_offset(topic, partition))
                return false;
        }
    }
    return true;
}

bool judge_is_settled(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        if (judge_is_whole(i) && !world_is_liar(i) && !has_settled(i))
            return false;
    }
    return true;
}

static void judge_verdict(uint32_t validator, const struct published *record)
{
    const struct judge_record *what = &record->what;
    bool committed = is_committed(validator, record);
    bool dead = record->dead[validator] != 0;
    const char *problem = NULL;
    if (what->fate == FATE_COMMITTED && !committed)
        problem = "is good and was refused";
    else if (committed && dead)
        problem = "is committed and a dead letter";
    else if (!committed && !dead)
        problem = "is neither committed nor a dead letter";
    else if (what->fate == FATE_EITHER && !committed && !is_committed(validator, &judge.records[what->rival]))
        problem = "and its rival are both refused";
    if (problem)
        violate("on v%" PRIu32 " record %" PRIu32 "/%" PRIu32 "/%" PRId64 " %s (%s)", validator, what->topic,
                what->partition, what->offset, problem, reason_text(record->dead[validator]));
}

void judge_verdicts(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        for (size_t k = 0; judge_is_whole(i) && !world_is_liar(i) && k < judge.record_count; k++)
            judge_verdict(i, &judge.records[k]);
    }
}

void judge_print(void)
{
    for (uint32_t i = 0; i < world.n; i++) {
        fprintf(stderr, "v%" PRIu32 "%s executord=%" PRIu64 " database=%" PRId64 " announced=%" PRIu64 " up=", i,
                world_is_liar(i) ? " (liar)" : "", judge.conduct[i].height, base_height(world.validators[i].base),
                judge.conduct[i].notice_max);
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            fprintf(stderr, "%d", process_is_up(&world.validators[i].stages[stage]));
        fprintf(stderr, " offsets=");
        for (uint32_t topic = 0; topic < TOPICS; topic++) {
            for (uint32_t partition = 0; partition < PARTITIONS; partition++)
                fprintf(stderr, "%" PRId64 "/%" PRId64 " ", broker_committed(i, topic, partition),
                        broker_end_offset(topic, partition));
        }
        fprintf(stderr, "\n");
    }
}
