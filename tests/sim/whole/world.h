/* world.h - whole validators on virtual time: what the files of this simulation share.
 *
 * The six processes of every validator are the real ones, shells and cores, as their *_new() makes them. What stands
 * under them is virtual: common/edge/{loop,workers,bus,store,journal_file,voted_mark,kafka,admin,keyfile}.h, persistd's
 * database.h and feed_store.h, and apid's database.h, http.h and watch.h are implemented here a second time, on one
 * queue of events. So who asks whom, what is resumed by height after a restart, and every frame are the real thing.
 *
 * A run is a function of its seed. Time is in microseconds. A handler takes no time, but for synced writes; what a
 * process does behind one happens later. Threads: one owner, one world at a time per program.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/attr.h"
#include "common/base/block.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/map.h"
#include "common/base/sign.h"
#include "common/base/span.h"
#include "common/base/voting.h"

enum stage {
    STAGE_EXECUTORD,
    STAGE_CONSENSUSD,
    STAGE_MEMPOOLD,
    STAGE_PERSISTD,
    STAGE_INGESTD,
    STAGE_APID,
    STAGE_COUNT
};
extern const char *const stage_names[STAGE_COUNT];

enum {
    VALIDATORS_MAX = 16,
    TOPICS = 3,     /* of events, in the order of enum tx_kind */
    PARTITIONS = 2, /* of each */
    PRODUCERS = 4,  /* that the genesis file names */
};

#define WORLD_MS UINT64_C(1000)

struct loop;
struct disk;
struct base; /* a validator's database */
struct http; /* apid's listener */

/* One process: a life ends with a kill, a stop or its own failure. */
struct process {
    uint32_t validator;
    enum stage stage;
    uint64_t life;
    void *daemon; /* NULL: down */
    void *config; /* of this life */
    struct loop *loop;
    struct http *http; /* APID */
    bool dead;         /* killed: nothing that it still does counts */
    bool stopped;      /* by loop_stop() */
    bool crash_armed;
    uint32_t crash_countdown; /* of calls that leave the process */
    uint64_t busy_until_us;
    uint64_t stalled_until_us; /* by one long wait */
    uint64_t born_us, clock_base_us;
    char failure[256]; /* its last error line */
    struct disk *disks;
    /* Faults. */
    uint64_t write_us_max; /* of a synced write */
    uint32_t write_fail_ppm;
    bool write_failed; /* in this life: then it may end by itself */
};

struct link {
    bool cut;
    uint64_t clogged_until_us;
};

struct validator {
    struct process stages[STAGE_COUNT];
    int64_t drift_ppt, wall_skew_ms;
    struct base *base;
    uint64_t base_away_until_us;
    uint32_t base_fail_ppm; /* of transactions, in each way that a transaction can */
};

/* What happens at a time. It is void when the process has another life by then. */
struct world_event {
    uint64_t at_us, order;
    struct process *process; /* NULL: nobody's */
    uint64_t life;
    bool aside; /* on a thread of its own: not held up by what the loop's thread does */
    void (*run)(void *thing, uint64_t number);
    void (*drop)(void *thing); /* when it is void; NULL: nothing to do */
    void *thing;
    uint64_t number;
};

struct world {
    uint64_t seed, random, random_libsodium;
    uint32_t n, faults_max;
    uint32_t liar; /* who lies to the others (liar.h); VALIDATORS_MAX: nobody */
    uint64_t now_us;
    uint64_t spent_us; /* by the running handler */
    struct process *current;
    struct world_event *events; /* binary heap */
    size_t event_count, event_capacity;
    uint64_t event_order;
    struct genesis genesis;
    struct validator validators[VALIDATORS_MAX];
    struct link links[VALIDATORS_MAX][VALIDATORS_MAX];
    /* Between validators. */
    uint64_t delay_us_min, delay_us_max;
    uint32_t loss_ppm, duplicate_ppm;
    uint64_t steps, fingerprint;
    bool trace;
    char violation[512]; /* "" or the first */
};

extern struct world world;

/* --- chance ------------------------------------------------------------------------------------------------------- */

uint64_t world_random(void);
/* The next number of another source, whose state this is. */
uint64_t world_random_of(uint64_t *state);
uint64_t world_below(uint64_t count); /* 0 .. count - 1; 0 of none */
bool world_chance(uint32_t ppm);

/* --- time and events ---------------------------------------------------------------------------------------------- */

/* The running process's time: behind what it waited for. */
uint64_t world_now_us(void);
/* Later, for the running process; of another one or nobody with world_at(). */
void world_after(uint64_t delay_us, void (*run)(void *thing, uint64_t number), void *thing, uint64_t number);
void world_at(const struct world_event *event);
/* Let time pass, up to the first violation. */
void world_run(uint64_t duration_us);

/* A call that leaves the running process: false when it is dead, or dies with this very call. */
bool world_point(void);
/* The running process waits. */
void world_wait(uint64_t duration_us);
/* A number that another run of the seed must give again. */
void world_mark(uint64_t number);

/* --- lives -------------------------------------------------------------------------------------------------------- */

void world_begin(uint64_t seed, uint32_t validator_count, bool trace);
void world_end(void);
/* Start a process that is down. One that cannot start is down again, with its failure. */
void process_start(struct process *process);
/* kill -9. */
void process_kill(struct process *process);
/* SIGTERM: it may tidy up. */
void process_stop(struct process *process);
static inline bool world_is_liar(uint32_t validator)
{
    return validator == world.liar;
}
static inline bool process_is_up(const struct process *process)
{
    return process->daemon != NULL;
}

/* --- stages.c: the six daemons ------------------------------------------------------------------------------------ */

MUST_USE int stages_open(struct process *process);
void stages_close(struct process *process);
/* Keys come from their file's name. */
void stages_key(uint8_t out[static 32], const char *path);
void stages_genesis(struct genesis *out, uint32_t validator_count);
/* Keys of the genesis file's producers. */
void stages_producer_key(struct sign_key *out, uint32_t producer);

/* --- edge files: what a life leaves behind ------------------------------------------------------------------------ */

void disk_free(struct disk **disks);
/* The voting record that consensusd left. Returns 0 or ERR_CORRUPT (also: there is none). */
MUST_USE int disk_voting(struct voting_record *out, const struct disk *disks);
/* A power failure: what was written without a sync may be older. */
void disk_lag(struct disk *disks);
void broker_begin(void);
void broker_end(void);
struct base *base_new(void);
void base_free(struct base **base);

/* --- broker.c ----------------------------------------------------------------------------------------------------- */

struct broker_record {
    struct span key, value; /* owned by the broker */
    int64_t timestamp_ms;
};

/* Append an event; returns its offset. */
int64_t broker_publish(uint32_t topic, uint32_t partition, struct span value);
/* The broker answers nobody until then. */
void broker_away(uint64_t duration_us);
void broker_rebalance(uint32_t validator);
int64_t broker_committed(uint32_t validator, uint32_t topic, uint32_t partition);
int64_t broker_end_offset(uint32_t topic, uint32_t partition);

/* --- base.c: what the judge asks ---------------------------------------------------------------------------------- */

bool base_has_tx(const struct base *base, const struct hash *tx_id);
/* -1: empty. */
int64_t base_height(const struct base *base);

/* --- judge.c: what must never happen to validators that do not lie ------------------------------------------------ */

void judge_begin(void);
void judge_end(void);
void violate(const char *format, ...) PRINTF_LIKE(1, 2);
/* A record was published. kind: what must become of it. */
enum fate {
    FATE_COMMITTED, /* good, and nobody else has its nonce or id */
    FATE_EITHER,    /* of two that have a nonce or id in common: one of the two */
    FATE_REFUSED,   /* bad */
};
struct judge_record {
    uint32_t topic, partition;
    int64_t offset;
    enum fate fate;
    int reason;        /* REFUSED: why */
    struct hash tx_id; /* REFUSED: zero */
    int64_t rival;     /* EITHER: number of the other record */
    char anomaly[64];  /* id of the anomaly that it reports; "": it does not, or is bad */
};
/* Returns the record's number. */
int64_t judge_published(const struct judge_record *record);
size_t judge_record_count(void);
/* NULL: no such number. */
const struct judge_record *judge_record_at(uint64_t number);
/* A good transaction that is in no record: somebody's gift to the liar's pool. */
void judge_unpublished(const struct hash *tx_id);
/* The liar made a block with a wrong root: nobody may vote for it. */
void judge_crooked(const struct hash *block_id);
/* executord has made a block durable. */
void judge_outcome(uint32_t validator, uint64_t height, struct span outcome);
/* consensusd publishes. */
void judge_frame(uint32_t validator, struct span payload);
/* The database has these contents at this height. */
void judge_base(uint32_t validator, uint64_t height, uint64_t contents);
/* The broker took a dead letter, a commit notice, an offset. */
void judge_dead_letter(uint32_t validator, uint32_t topic, uint32_t partition, int64_t offset, const char *reason);
void judge_notice(uint32_t validator, uint64_t height);
void judge_offset(uint32_t validator, uint32_t topic, uint32_t partition, int64_t before, int64_t offset);
/* A stage shows a number. */
void judge_shown(const struct process *process, const char *name, uint64_t value);
/* A process ended by itself. */
void judge_ended(const struct process *process);
/* What the ledger has. */
struct judge_committed {
    struct hash id;
    struct block_header header;
};
/* NULL: nobody has committed this height. */
const struct judge_committed *judge_committed_at(uint64_t height);
/* Where a transaction, or the one that reports an anomaly, stands; -1: nowhere. */
int64_t judge_tx_height(const struct hash *tx_id);
int64_t judge_anomaly_height(const char *id);
/* What its executord has made durable. */
uint64_t judge_executord_height(uint32_t validator);
/* Are all of its stages up? */
bool judge_is_whole(uint32_t validator);
/* Is everything published final on every validator that is whole? */
bool judge_is_settled(void);
/* Once settled: the verdicts agree. */
void judge_verdicts(void);
uint64_t judge_height_max(void);
/* On stderr: what to look at when a seed fails. */
void judge_print(void);

/* edge.c */
void trace_line(const char *format, ...) PRINTF_LIKE(1, 2);

static inline void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}
