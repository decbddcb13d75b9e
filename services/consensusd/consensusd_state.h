/* consensusd_state.h - what the files of the shell share.
 *
 * consensusd.c starts everything and carries effects out; stages.c and its clients speak with mempoold and
 * executord, handover.c hands committed blocks on; peers.c speaks with other validators, sync_blocks.c asks them
 * for blocks and answers them; show.c fills metrics and status.
 *
 * Private to the shell.
 */
#pragma once

#include "common/base/genesis.h"
#include "common/edge/admin.h"
#include "common/edge/bus.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "common/edge/metrics.h"
#include "common/edge/udp.h"
#include "services/consensusd/block_cache.h"
#include "services/consensusd/ceremony.h"
#include "services/consensusd/consensus.h"
#include "services/consensusd/consensus_codec.h"
#include "services/consensusd/consensusd.h"
#include "services/consensusd/consensusd_config.h"
#include "services/consensusd/peer_limits.h"
#include "services/consensusd/peerbook.h"
#include "services/consensusd/safety_store.h"
#include "services/consensusd/sync_pace.h"

enum {
    JOBS_MAX = 1024,
    EVENTS_MAX = 1024, /* that wait for the end of a step */
    RECHECK_TXS = 64,
    RESUME_WINDOW = 8, /* Commits with bodies under way */
    RESEND_MS = 500,
    HANDOVER_HELD_MAX = 32,   /* an execution frame has room for as many beside the Commit's own block */
    RESEND_SHIFT_MAX = 4,     /* at most 8 s */
    SYNC_BYTES_MAX = 1 << 20, /* then an answer has its last block */
    SYNC_BLOCKS = 128,
    SYNC_PER_SECOND = 20,  /* answers to one peer */
    PRUNED_PER_BEAT = 128, /* blocks */
};

enum consensusd_metric {
    CONSENSUSD_METRIC_HEIGHT,
    CONSENSUSD_METRIC_VIEW,
    CONSENSUSD_METRIC_HIGH_QC_VIEW,
    CONSENSUSD_METRIC_BLOCKS_HELD,
    CONSENSUSD_METRIC_BEHIND,
    CONSENSUSD_METRIC_PROPOSED,
    CONSENSUSD_METRIC_VOTES,
    CONSENSUSD_METRIC_TIMEOUTS,
    CONSENSUSD_METRIC_TIMEOUT_CERTIFICATES,
    CONSENSUSD_METRIC_COMMITS,
    CONSENSUSD_METRIC_SIGNATURES,
    CONSENSUSD_METRIC_EQUIVOCATIONS,
    CONSENSUSD_METRIC_OFFENDERS,
    CONSENSUSD_METRIC_PROOFS_HELD,
    CONSENSUSD_METRIC_TIMEOUT_REASONS, /* by enum consensus_timeout_reason */
    CONSENSUSD_METRIC_DROPPED,         /* by enum consensusd_drop */
    CONSENSUSD_METRIC_RECEIVED,        /* by type of message */
    CONSENSUSD_METRIC_PEERS_CONNECTED,
    CONSENSUSD_METRIC_SYNC_ANSWERED,
    CONSENSUSD_METRIC_SYNC_RECEIVED,
    CONSENSUSD_METRIC_STEP_TIME,
    CONSENSUSD_METRIC_PERSIST_TIME,
    CONSENSUSD_METRIC_STORE_BYTES,
    CONSENSUSD_METRIC_SILENT,
    CONSENSUSD_METRIC_HEIGHT_LOWEST,
    CONSENSUSD_METRIC_SYNC_PRUNED,
    CONSENSUSD_METRIC_PEER_CONNECTED, /* these by validator */
    CONSENSUSD_METRIC_PEER_FRAMES,
    CONSENSUSD_METRIC_PEER_BYTES,
    CONSENSUSD_METRIC_PEER_LIMITED,
    CONSENSUSD_METRIC_PEER_BAD,
    CONSENSUSD_METRIC_PEER_HEARD,
    CONSENSUSD_METRIC_PEER_VIEW,
    CONSENSUSD_METRIC_PEER_HEIGHT,
    CONSENSUSD_METRIC_PEER_ROUND_TRIP,
    CONSENSUSD_METRIC_PEER_RECORDS, /* by enum peerbook_result */
    CONSENSUSD_METRIC_BEACONS_DROPPED,
    CONSENSUSD_METRIC_GENESIS_READY,
    CONSENSUSD_METRIC_GENESIS_REFUSALS,
    CONSENSUSD_METRIC_COUNT,
};
/* Those by validator have no label values yet. */
extern const struct metric consensusd_metrics[CONSENSUSD_METRIC_COUNT];

enum consensusd_drop { DROP_STALE, DROP_AHEAD, DROP_BAD, DROP_UNLINKED, DROP_FRAME, DROP_SYNC_LIMIT, DROP_COUNT };

enum {
    CONDITION_STORE,
    CONDITION_MEMPOOLD,
    CONDITION_EXECUTORD,
    CONDITION_GENESIS,
    CONDITION_VOTING,
    CONDITION_SYNC,
    CONDITION_COUNT
};

/* What is asked of mempoold and executord for one effect. */
enum job_kind { JOB_NONE, JOB_BUILD, JOB_CHECK, JOB_RECHECK };
enum job_stage {
    JOB_POOL,    /* mempoold is asked for bodies */
    JOB_EXECUTE, /* executord is asked; waits here too while it is away */
};

struct job {
    enum job_kind kind;
    enum job_stage stage;
    uint64_t request;           /* number of the question under way */
    uint64_t asked_ms;          /* 0: not asked yet */
    uint32_t asked_count;       /* how often */
    struct block_header header; /* CHECK */
    struct hash block_id;       /* CHECK */
    struct hash *tx_ids;        /* CHECK; BUILD and RECHECK: of bodies */
    struct consensus_build build;
    struct hash *excluded; /* BUILD */
    struct hash parent_id; /* RECHECK */
    uint64_t timestamp_ms; /* RECHECK */
    struct span *bodies;   /* BUILD, RECHECK; borrowed from message */
    size_t body_count;
    void *message;
};

/* Where executord stands. */
enum executor_state { EXECUTOR_AWAY, EXECUTOR_RESUMING, EXECUTOR_LIVE };

struct peer {
    struct consensusd *daemon;
    uint32_t index; /* validator */
    char pub_name[BUS_NAME_BYTES_MAX], sync_name[BUS_NAME_BYTES_MAX];
    struct bus_socket *sub, *sync; /* NULL: no address known */
    struct peer_meter meter;
    uint64_t told_view, told_height; /* highest: certificate, committed */
    uint64_t round_trip_us;          /* of the last question about peers; 0: none yet */
    uint64_t connected_wall_ms;      /* since when; 0: not connected */
    uint64_t asked_us;               /* about peers, last */
    uint64_t sync_request;           /* number of our last question */
    bool sync_waiting;               /* it has no answer yet */
    uint64_t second;                 /* for the rate of answers */
    uint32_t answers_in_second;
};

struct consensusd {
    const struct consensusd_config *config;
    struct genesis *genesis;
    uint32_t self;
    struct sign_key key;
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    struct metric metric_table[CONSENSUSD_METRIC_COUNT]; /* with the names of validators */
    const char *validator_names[GENESIS_VALIDATORS_MAX];
    const char *record_results[PEERBOOK_RESULT_COUNT];
    struct admin *admin;
    struct safety_store *store;
    struct block_cache *cache;
    struct consensus *core; /* NULL until the genesis block is known and its ceremony done */
    bool genesis_known;
    struct block_header genesis_header;
    uint64_t committed_height; /* of the core */
    int failure;
    uint32_t timer;
    uint64_t timer_due_ms;
    bool in_step;
    struct consensus_event events[EVENTS_MAX];
    size_t event_count;
    uint64_t waiting_log_ms;

    struct bus_socket *pool, *execution, *query, *pub, *sync;
    struct peer peers[GENESIS_VALIDATORS_MAX]; /* by validator; that of this one is not used */
    struct consensusd_peer_address configured[GENESIS_VALIDATORS_MAX];
    struct peerbook *book;
    const struct bus_route *asker; /* of the question about peers that is being answered */
    uint64_t gossip_told_ms;
    struct udp beacon;
    struct bucket beacon_bucket;
    struct log_limit beacon_limit;
    uint8_t curve_secret[BUS_KEY_BYTES];
    struct sync_pace pace;
    const struct peer *asked; /* for blocks, last */
    bool sync_pruned;         /* nobody reachable has the next block any more */
    bool executor_pruned;     /* executord wants blocks that were pruned here */
    struct log_limit bad_frame_limit;
    struct log_limit silent_limit;
    uint64_t dropped_frames;
    uint64_t dropped_requests; /* for blocks, too many of one peer */

    /* beginning.c */
    struct ceremony *ceremony;
    bool certified; /* the certificate is on disk */
    uint8_t certificate[GENESIS_CERTIFICATE_BYTES_MAX];
    size_t certificate_size;
    bool executor_has_certificate;
    uint32_t ceremony_timer;
    uint32_t connected_before;
    struct log_limit bad_certificate_limit;

    struct job jobs[JOBS_MAX];
    uint64_t request_last;
    enum executor_state executor;
    bool executor_known;
    uint64_t executor_epoch;
    uint64_t executor_height; /* durable there */
    uint64_t resume_sent;     /* last height sent while resuming */
    uint64_t resume_ms;
    /* The last committed blocks, without transactions, which a live executord was not told of yet. */
    struct handover_block {
        struct block_header header;
        uint8_t *proof; /* encoded */
        size_t proof_size;
    } held[HANDOVER_HELD_MAX];
    size_t held_count;
    uint64_t executor_heard_ms, pool_heard_ms;

    /* proofs.c */
    uint64_t proofs_held; /* bit i: proofs[i], which no committed block has */
    uint64_t inactive;    /* bit i: validator i, in executord's last durable state */
    uint64_t proofs_told_ms;
    struct equivocation proofs[GENESIS_VALIDATORS_MAX];
};

/* consensusd.c */
void consensusd_stop(struct consensusd *self, int rc, const char *what);
/* Give an event to the core and carry out what follows; inside a step it waits for the step's end. */
void consensusd_step(struct consensusd *self, const struct consensus_event *event);
int consensusd_start_core(struct consensusd *self);
const char *consensusd_validator_name(const struct consensusd *self, uint32_t index);
void consensusd_bad_frame(struct consensusd *self, const char *arrow, const char *peer, int rc);

/* beginning.c */
int beginning_open(struct consensusd *self);
void beginning_close(struct consensusd *self);
void beginning_beat(struct consensusd *self);
/* Start consensus if everything is there for it. Returns 0, or why it cannot go on. */
int beginning_try(struct consensusd *self);
/* Its times are filled in. */
void beginning_on_message(struct consensusd *self, struct ceremony_event *event);
/* A certificate that was kept: in the store, or by executord. */
void beginning_on_stored(struct consensusd *self, struct span bytes, const char *where);
struct beginning_text {
    char phase[32];    /* "collecting 3/4", "done" */
    char missing[512]; /* names between commas */
    uint32_t ready_count;
    uint64_t refusals;
};
void beginning_show(struct consensusd *self, struct beginning_text *out);

/* stages.c */
int stages_open(struct consensusd *self, const uint8_t *secret);
void stages_close(struct consensusd *self);
void stages_tick(struct consensusd *self); /* every RESEND_MS */
void stages_build(struct consensusd *self, const struct consensus_build *build);
void stages_check(struct consensusd *self, const struct consensus_check *check);
void stages_recheck(struct consensusd *self, const struct hash *parent_id, uint64_t timestamp_ms);
void stages_forget(struct consensusd *self, const struct hash *block_id);
/* Bodies of a block came by sync. */
void stages_bodies_arrived(struct consensusd *self, const struct hash *block_id);

/* proofs.c */
/* A new proof of equivocation: stored, told. Returns 0 or the errors of the store. */
int proofs_take(struct consensusd *self, const struct equivocation *proof);
/* Those of the store, once the core is there. Returns 0, ERR_CORRUPT or the store's errors. */
int proofs_restore(struct consensusd *self);
void proofs_tick(struct consensusd *self); /* every RESEND_MS */
/* executord has these as inactive (bit i: validator i) in its last durable state. */
void proofs_settle(struct consensusd *self, uint64_t inactive);

/* handover.c */
/* Store a committed block; tell mempoold, which transactions are final, and executord. */
void handover_commit(struct consensusd *self, const struct consensus_commit *commit);

/* peers.c */
int peers_open(struct consensusd *self);
void peers_close(struct consensusd *self);
void peers_broadcast(struct consensusd *self, const struct consensus_effect *effect);
/* Does this validator hear it and can it ask it? */
bool peers_is_connected(const struct peer *peer);
/* How many other validators that is. */
uint32_t peers_connected(const struct consensusd *self);
/* Bit i: validator i can be asked now. */
uint64_t peers_reachable(const struct consensusd *self);
/* In place of any earlier connection. */
MUST_USE int peers_connect(struct consensusd *self, uint32_t validator, const struct peerbook_address *address);

/* beacon.c */
MUST_USE int beacon_open(struct consensusd *self);
void beacon_close(struct consensusd *self);

/* peering.c */
MUST_USE int peering_open(struct consensusd *self);
void peering_close(struct consensusd *self);
void peering_tick(struct consensusd *self); /* every BEAT_MS */
/* A record that somebody called out. */
void peering_on_beacon(struct consensusd *self, struct span record);
/* A question or an answer about peers; return 0 or ERR_MALFORMED. */
MUST_USE int peering_on_request(struct peer *peer, const struct bus_route *route, struct span body);
MUST_USE int peering_on_response(struct peer *peer, struct span body);

/* sync_blocks.c */
void sync_blocks_on_request(struct consensusd *self, struct peer *peer, const struct bus_route *route,
                            const struct consensus_codec_sync *request);
void sync_blocks_on_response(struct consensusd *self, struct peer *peer, const struct consensus_codec_sync *response);
/* Ask this validator, if it is a peer, for blocks from height_first up. */
void sync_blocks_ask(struct consensusd *self, uint32_t validator, uint64_t height_first);
/* Look whether anybody reachable has what is missing here; says so once when nobody does. */
void sync_blocks_look(struct consensusd *self, const struct consensus_status *status);

/* show.c */
extern const char *const show_conditions[CONDITION_COUNT];
void show_all(struct consensusd *self);

/* show_peers.c */
/* The metrics of this network's validators. */
int show_peers_metrics(struct consensusd *self);
void show_peers(struct consensusd *self);

/* show.c */
int show_open_query(struct consensusd *self, const uint8_t *secret);
