/* cluster_state.h - what the files of the simulated cluster share.
 *
 * cluster.c carries out effects; mail.c is the queue and the network; model.c the executor; model_pool.c the
 * transactions and the pools; disk.c what survives a crash; invariants.c what must never happen; liar.c the validators
 * that lie.
 */
#pragma once

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "services/consensusd/consensus.h"
#include "tests/sim/cluster.h"

enum {
    NODES_MAX = 16,
    TXS_MAX = 8192,
    HEIGHTS_MAX = 8192,
    BLOCK_TXS_MAX = 100,
    SYNC_BLOCKS_MAX = 16,
    VIEWS_TRACKED = 1 << 14,
};

/* A block that somebody made; contents are the same everywhere, so they are kept once. */
struct stored {
    struct block_header header;
    struct hash id;
    struct hash *tx_ids;
    const struct stored *parent;                   /* NULL: not known, or the genesis block's child */
    struct hash model_root;                        /* the state root that execution gives */
    uint64_t voters;                               /* bits of the honest validators that voted for it */
    struct schedule_standing standings[NODES_MAX]; /* after the block */
    struct schedule schedule;                      /* of its children; count 0: its parent is not known */
};

struct certified_copy {
    const struct stored *block;
    struct qc qc;
};

/* A message's contents, shared by its copies. The event's pointers lead into the parcel. */
struct parcel {
    uint32_t references;
    struct consensus_event event;
    struct qc qc;
    struct tc tc;
    struct equivocation evidence;
    struct hash *tx_ids;
    uint64_t height_first; /* MAIL_SYNC_ASK */
    struct certified_copy *certified;
    size_t certified_count;
};

enum mail_type {
    MAIL_CONSENSUS,
    MAIL_SYNC_ASK,
    MAIL_SYNC_ANSWER,
    MAIL_EXECUTED, /* the executor answers: BUILT, BUILD_FAILED, CHECKED, RECHECKED, EXECUTOR_RESET */
    MAIL_POOL,
    MAIL_TICK,
    MAIL_WRITTEN,
};

struct mail {
    uint64_t at_ms;
    uint64_t order; /* first come, first served within a millisecond */
    enum mail_type type;
    uint32_t from, to;
    uint32_t life;          /* of the receiver: what was asked before a crash is not answered after it */
    uint32_t executor_life; /* the same of its executor */
    uint64_t tick;
    struct parcel *parcel; /* owned reference, or NULL */
};

struct link {
    bool cut;
    uint64_t clogged_until_ms;
};

/* What a validator signed and sent, over all its lives. */
struct history {
    struct hash *votes;     /* by view */
    struct hash *proposals; /* by view */
    uint64_t *timeouts;     /* by view: 1 + the view of the certificate it named first; 0: none */
    uint64_t vote_view_max, timeout_view_max, timeout_high_qc_view_max, proposal_view_max;
};

struct disk {
    /* Synced. */
    bool has_voting;
    struct consensus_voting voting;
    struct certified_copy *open; /* blocks voted for, each with its parent's certificate */
    size_t open_count, open_capacity;
    uint64_t height;
    uint64_t write_ms_max;
};

struct node {
    struct consensus *core; /* NULL: down */
    uint32_t life, executor_life;
    bool liar;
    struct sign_key key;
    struct disk disk;
    struct history history;
    /* Committed blocks by height - 1; those above disk.height are lost at a crash. */
    struct certified_copy *committed;
    uint64_t height;
    struct hash root_id;
    uint64_t flushed_ms;
    /* Effects not yet carried out; they wait while a write is under way. */
    struct consensus_effects effects;
    size_t effect_next;
    bool writing;
    uint64_t written_ms;
    bool crash_armed;
    uint32_t crash_countdown;
    /* Clocks. */
    uint64_t born_ms, monotonic_base_ms, tick_ms, tick;
    int64_t drift_ppt, wall_skew_ms;
    uint32_t idle_ticks;
    /* Executor and pool. */
    uint64_t execute_ms_max;
    uint32_t build_fail_ppm;
    uint8_t *done;        /* by transaction: committed */
    uint8_t *gone;        /* by transaction: refused by the executor, or never in this pool */
    uint32_t gone_prefix; /* transactions below are done or gone */
    uint64_t committed_txs;
    uint64_t gone_txs; /* and not done */
    uint64_t pooled_from_ms;
    uint64_t talk;     /* messages that are no heartbeats, and questions for blocks */
    struct liar *lies; /* liar.c; NULL: honest */
};

struct cluster {
    struct cluster_options options;
    struct genesis genesis;
    struct block_header genesis_header;
    struct hash genesis_id;
    struct stored genesis_block;
    uint32_t quorum;
    uint64_t random;
    uint64_t now_ms;
    uint64_t late_ms_max; /* of duplicates */
    uint64_t mail_count, mail_order;
    size_t mail_capacity;
    struct mail *mail; /* binary heap */
    struct node nodes[NODES_MAX];
    struct link links[NODES_MAX][NODES_MAX]; /* from, to */
    uint32_t tx_count, pair_count;
    struct hash *txs;
    uint32_t *twins;        /* by transaction: 1 + the one with the same nonce; 0: none */
    uint64_t *submitted_ms; /* by transaction */
    struct map *blocks;     /* id -> struct stored */
    struct map *tx_index;   /* tx id -> index + 1 */
    struct hash *final;     /* by height: the block everybody commits */
    uint64_t steps, fingerprint;
    uint64_t evidence_count; /* told by honest validators */
    char violation[256];
};

static const uint64_t start_wall_ms = 1700000000000;

static inline uint64_t random_next(struct cluster *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random * 2685821657736338717u;
}

/* 0 .. count - 1 */
static inline uint64_t random_below(struct cluster *self, uint64_t count)
{
    return count ? (random_next(self) >> 11) % count : 0;
}

static inline bool random_chance(struct cluster *self, uint32_t ppm)
{
    return ppm > 0 && random_below(self, 1000000) < ppm;
}

static inline void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* mail.c */
struct parcel *parcel_new(const struct consensus_event *event);
void parcel_release(struct parcel **parcel);
/* Queue for a validator itself: its clock, executor, pool or disk. Takes the parcel. */
void mail_self(struct cluster *self, enum mail_type type, uint32_t to, uint64_t delay_ms, struct parcel *parcel);
void mail_put(struct cluster *self, const struct mail *mail);
struct mail mail_take(struct cluster *self);
/* Through the network; the parcel stays the caller's. */
void mail_send(struct cluster *self, enum mail_type type, uint32_t from, uint32_t to, struct parcel *parcel);
void mail_broadcast(struct cluster *self, uint32_t from, struct parcel *parcel);
/* A parcel with copies of all that the effect's message points to. */
struct parcel *mail_parcel_of(const struct consensus_effect *effect);

/* model.c */
struct stored *model_block(struct cluster *self, const struct block_header *header, const struct hash *id,
                           const struct hash *tx_ids);
struct stored *model_find(const struct cluster *self, const struct hash *id);
/* Who leads the children of a block, by the executor. */
const struct schedule *model_schedule(const struct cluster *self, const struct hash *id);
/* The genesis block's standings and schedule. */
void model_begin(struct cluster *self);
/* The header of a block made of these transactions on this parent, with the state root that execution gives. */
struct block_header model_header(struct cluster *self, uint32_t proposer, const struct consensus_build *build,
                                 const struct hash *tx_ids, uint32_t tx_count);
void model_on_build(struct cluster *self, uint32_t node, const struct consensus_build *build);
void model_on_check(struct cluster *self, uint32_t node, const struct consensus_check *check);
void model_on_recheck(struct cluster *self, uint32_t node, const struct hash *parent_id);
/* Is the transaction, or one of its nonce, executed on the chain that ends with this block (NULL: the genesis block),
 * as the validator knows it? */
bool model_is_spent(const struct cluster *self, uint32_t node, const struct stored *block, uint32_t tx);

/* model_pool.c */
/* The number of a transaction; TXS_MAX: nobody's. */
uint32_t pool_number(const struct cluster *self, const struct hash *tx);
uint32_t pool_waiting(const struct cluster *self, uint32_t node);
/* Transactions that the validator's pool would put into a block, the executor's refusals left out; at most
 * BLOCK_TXS_MAX. */
uint32_t pool_candidates(struct cluster *self, uint32_t node, const struct consensus_build *build, struct hash *out);
/* Of the transactions that wait longest, how many would be executed on this block? */
uint32_t pool_recheck(struct cluster *self, uint32_t node, const struct stored *parent);
void pool_on_commit(struct cluster *self, uint32_t node, const struct consensus_commit *commit);
void pool_roll_back(struct cluster *self, uint32_t node, uint64_t height);
/* All that was refused is there again: a validator reads its input anew. */
void pool_refill(struct cluster *self, uint32_t node);
void pool_tell(struct cluster *self, uint32_t node);

/* disk.c */
void disk_write(struct cluster *self, uint32_t node, const struct consensus_effect *effect);
/* Is the block, or a later one, on this validator's disk, or with the next write? */
bool disk_has(const struct cluster *self, uint32_t node, const struct stored *block);
void disk_flush(struct cluster *self, uint32_t node);
void disk_crash(struct cluster *self, uint32_t node);
void disk_free(struct disk *disk);

/* invariants.c */
void violate(struct cluster *self, const char *what, uint32_t node, uint64_t number);
void invariants_sent(struct cluster *self, uint32_t node, const struct consensus_effect *effect);
void invariants_written(struct cluster *self, uint32_t node, const struct consensus_voting *voting);
void invariants_committed(struct cluster *self, uint32_t node, const struct consensus_commit *commit);
void invariants_stepped(struct cluster *self, uint32_t node, size_t effect_count);
void invariants_restarted(struct cluster *self, uint32_t node);

/* liar.c */
struct liar *liar_new(void);
void liar_free(struct liar **liar);
/* A message of the liar's own core: returns true when it was dealt with (changed, kept back, sent to some). */
bool liar_on_effect(struct cluster *self, uint32_t node, const struct consensus_effect *effect);
/* Something came to the liar: remember it, and perhaps speak. */
void liar_on_event(struct cluster *self, uint32_t node, const struct consensus_event *event);
/* Somebody asks for blocks: true when a lie was sent. */
bool liar_on_sync_ask(struct cluster *self, uint32_t node, uint32_t asker, uint64_t height_first);

/* trace.c */
void trace_event(const struct cluster *self, uint32_t node, const struct consensus_event *event);
void trace_effect(const struct cluster *self, uint32_t node, const struct consensus_effect *effect);
void trace_note(const struct cluster *self, uint32_t node, const char *what, uint64_t number);
