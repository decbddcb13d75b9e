/* ingestd_state.h - what the files of ingestd's shell share: intake.c (Kafka in, dead letters, offsets), admission.c
 * (mempoold), follow.c (persistd, commit notices) and ingestd.c (life).
 *
 * For these files only. Threads: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/reason.h"
#include "common/base/sign.h"
#include "common/edge/admin.h"
#include "common/edge/bus.h"
#include "common/edge/kafka.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "common/edge/metrics.h"
#include "common/edge/txcheck.h"
#include "common/edge/workers.h"
#include "services/ingestd/admission_codec.h"
#include "services/ingestd/announce.h"
#include "services/ingestd/feed.h"
#include "services/ingestd/feed_codec.h"
#include "services/ingestd/ingestd_config.h"
#include "services/ingestd/ingestd_metrics.h"
#include "services/ingestd/offsets.h"
#include "services/ingestd/pending.h"
#include "services/ingestd/producers.h"

enum {
    INGESTD_POLL_COUNT_MAX = 512, /* records of one poll */
    INGESTD_TICK_MS = 50,
    INGESTD_BEAT_MS = 1000,
};

/* A record in flight: the message is on loan until the record is final. */
struct ingestd_record {
    struct kafka_message message;
    uint32_t body_bytes;
    enum reason reason; /* of a dead letter */
    const char *why;    /* static text */
    uint64_t retry_ms;  /* of a dead letter that waits in dead_queue */
};

struct ingestd {
    const struct ingestd_config *config;
    struct genesis *genesis;
    struct sign_key control_key;
    struct txcheck_context checks;
    struct loop *loop;
    struct metrics *metrics;
    struct admin *admin;
    struct bus *bus;
    struct bus_socket *admission;
    struct bus_socket *feed_dealer;
    struct bus_socket *feed_sub;
    struct loop_wakeup *consumer_wakeup;
    struct loop_wakeup *producer_wakeup;
    struct kafka_consumer *consumer;
    struct kafka_producer *producer;
    struct kafka_group *group;
    struct workers *verifiers;
    struct workers *resumer;

    struct offsets *offsets;
    struct pending *pending;
    struct producers *producers; /* NULL: not known yet */
    struct feed feed;
    struct announce announce;

    struct ingestd_record *records; /* offsets_capacity() */
    uint32_t *dead_queue;           /* ring of records whose dead letter is to be produced again */
    uint32_t dead_first;
    uint32_t dead_count;
    bool paused;
    uint64_t announce_not_before_ms;
    uint64_t admission_sent_ms;
    uint64_t admission_heard_ms; /* 0: never */
    uint64_t beats;
    int failure; /* why the loop was stopped; 0: it was asked to */

    struct pending_batch batch; /* at hand */
    struct admission_codec_room admission_room;
    struct hash ids[PENDING_LOOKUP_COUNT_MAX];

    struct log_limit bad_frame_log[INGESTD_ARROW_COUNT];
    struct log_limit unsent_log;
    struct log_limit refused_log;
    struct log_limit bad_verdict_log;
};

/* End the daemon: what a restart may mend. */
void ingestd_stop(struct ingestd *self, int rc, const char *what);

/* Count and log a frame that is not what it should be. */
void ingestd_bad_frame(struct ingestd *self, enum ingestd_arrow arrow, int rc);

/* --- intake.c ----------------------------------------------------------------------------------------------------- */

MUST_USE int intake_open(struct ingestd *self);

/* Commit what is final, give all messages back and leave the group. */
void intake_close(struct ingestd *self);

/* Read what has arrived, as far as there is room. */
void intake_poll(struct ingestd *self);

/* Pause or resume reading. */
void intake_flow(struct ingestd *self);

/* Produce waiting dead letters. */
void intake_tick(struct ingestd *self);

/* Commit offsets; again: also those that were committed before. */
void intake_commit(struct ingestd *self, bool again);

/* The transaction is persisted: its records are final. */
void intake_finish(struct ingestd *self, const struct hash *tx_id);

/* The transaction is refused: its records become dead letters. */
void intake_refuse(struct ingestd *self, const struct hash *tx_id, enum reason reason, const char *why);

/* The broker's word about a dead letter. */
void intake_delivered(struct ingestd *self, uint32_t record, int rc);

/* --- admission.c -------------------------------------------------------------------------------------------------- */

void admission_message(void *context, struct bus_message *message);

/* Submit what is queued and has credit. */
void admission_submit(struct ingestd *self);

/* Ask for credit when nothing else was said for a while. */
void admission_tick(struct ingestd *self);

/* --- follow.c ----------------------------------------------------------------------------------------------------- */

void follow_feed_message(void *context, struct bus_message *message);
void follow_sub_message(void *context, struct bus_message *message);

/* Ask what is to be asked, announce on. */
void follow_tick(struct ingestd *self);

/* Find out where announcing resumes. */
void follow_resume(struct ingestd *self);

/* Write down how far announcing came; wait_ms: for the broker, 0 at most not. */
void follow_commit(struct ingestd *self, uint32_t wait_ms);

/* The broker's word about a commit notice. */
void follow_delivered(struct ingestd *self, uint64_t height, int rc);
