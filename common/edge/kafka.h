/* kafka.h - Kafka: a consumer of a group, a producer, and the committed offsets of a group. The adapter of librdkafka.
 *
 * Not pure: sockets and threads of librdkafka's own.
 * Ownership: consumed messages are loans, see kafka_message_release(). What is produced is copied. Options and the
 * texts in them are copied, too. Threads:   one owner per object; every handler is called on the owner's thread, from
 * inside the *_poll functions. librdkafka's threads only log and write to the wake-up descriptor.
 *
 * Waking up: with a wakeup_fd (loop_wakeup_fd(w)) librdkafka writes loop_wakeup_payload to it when something
 * arrives at an *empty* queue. So the owner polls until less than it asked for comes back (or 0), and polls besides
 * from a timer, every KAFKA_POLL_INTERVAL_MS or more often: paused or not, full or not.
 *
 * A broker that is away, a topic that does not exist yet and a lost coordinator are retried for ever inside; they are
 * logged at a limited rate and visible in *_connected(). Nothing here ends the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    KAFKA_TOPIC_COUNT_MAX = 16,
    KAFKA_RECORD_BYTES_MAX = 2 << 20, /* produced or fetched: 1 MiB of value, key and headers beside it */
    KAFKA_FETCH_QUEUE_KIB = 16 << 10, /* fetched and not yet taken, of all partitions together */
    KAFKA_BATCH_COUNT_MAX = 1024,     /* messages of one kafka_consumer_poll() */
    KAFKA_HEADER_COUNT_MAX = 16,      /* of a produced record */
    KAFKA_SESSION_TIMEOUT_MS = 45000, /* a broker may stand still so long before it has to form the group anew */
    KAFKA_POLL_INTERVAL_MS = 500,
    KAFKA_STATISTICS_INTERVAL_MS = 1000, /* age of *_connected() and kafka_consumer_lag() at most */
    KAFKA_PARTITION_ANY = -1,
};

/* --- consumer ----------------------------------------------------------------------------------------------------- */

struct kafka_consumer;

struct kafka_partition {
    uint32_t topic;    /* index into the options' topics */
    int32_t partition; /* from 0 */
};

struct kafka_offset {
    uint32_t topic;
    int32_t partition;
    int64_t offset; /* the next one to read: offset of the last final record + 1 */
};

/* One record, on loan. Spans are valid until kafka_message_release(). */
struct kafka_message {
    uint32_t topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* the broker's (or what the topic is configured for); -1 if there is none */
    struct span key;      /* data is NULL when the record has none */
    struct span value;
    void *handle; /* librdkafka's message; NULL: released */
    struct kafka_consumer *lender;
};

struct kafka_consumer_options {
    const char *brokers;   /* host:port,host:port */
    const char *client_id; /* NODE_NAME */
    const char *group_id;
    const char *instance_id; /* static membership: a restart takes its partitions back at once; NULL: none */
    const char *const *topics;
    uint32_t topic_count; /* 1..KAFKA_TOPIC_COUNT_MAX */
    int wakeup_fd;        /* -1: none */

    /* Partitions came (all that are ours now: eager assignment), or all of them go. Records of a partition are read
     * from its committed offset, or from the beginning when there is none. In revoked() what is final may still be
     * committed with kafka_consumer_commit_sync(); afterwards results of those records mean nothing. Messages on loan
     * stay valid. Either may be NULL. */
    void (*assigned)(void *context, const struct kafka_partition *partitions, size_t count);
    void (*revoked)(void *context, const struct kafka_partition *partitions, size_t count);
    void *context;
};

/* Subscribe. Does not wait for a broker. Returns 0, -EINVAL (options: logged with librdkafka's words) or -ENOMEM. */
MUST_USE int kafka_consumer_new(struct kafka_consumer **out, const struct kafka_consumer_options *options);

/* Leave the group and end; no handler is called. Commits nothing: kafka_consumer_commit_sync() before. All messages
 * must have been released. May take some seconds. Accepts NULL and pointer to NULL; leaves *self NULL. */
void kafka_consumer_destroy(struct kafka_consumer **self);

/* Take up to count_max (at most KAFKA_BATCH_COUNT_MAX) records that have arrived, and let handlers run. Never waits.
 * Records of one partition come in offset order. A record that was fetched before its partition was revoked is not
 * given out. Returns the number of messages.
 *
 * When librdkafka gives the consumer up (fenced by another one with its instance_id, refused by the broker: logged),
 * revoked() is called, nothing more comes and kafka_consumer_connected() is false until all messages are released. Then
 * the consumer is made anew inside, at most every few seconds, and goes on behind the committed offsets. */
MUST_USE size_t kafka_consumer_poll(struct kafka_consumer *self, struct kafka_message *messages, size_t count_max);

/* Give a record back. Releasing twice is harmless. */
void kafka_message_release(struct kafka_message *message);

/* Stop and continue reading all that we have and will get. Both may be repeated, and hold over a rebalance. After a
 * pause records that were fetched already are dropped inside and fetched again after the resume: none is lost, none
 * comes twice. */
void kafka_consumer_pause(struct kafka_consumer *self);
void kafka_consumer_resume(struct kafka_consumer *self);

/* Commit offsets without waiting; failures are logged and counted, and the next commit carries the newer offset anyway.
 * Batch them: once per second. Partitions that are not assigned now are left out.
 * Returns 0 (nothing to commit too), ERR_RETRY (the consumer is being made anew) or -EIO (logged). */
MUST_USE int kafka_consumer_commit(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count);

/* The same, waiting for the broker: at shutdown and in revoked(). Returns 0 or ERR_RETRY (no answer in time, refused,
 * or the consumer is being made anew). */
MUST_USE int kafka_consumer_commit_sync(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count,
                                        uint32_t timeout_ms);

/* Is any broker connected? From the statistics, so late by KAFKA_STATISTICS_INTERVAL_MS. */
bool kafka_consumer_connected(const struct kafka_consumer *self);

/* Number of partitions assigned now. */
size_t kafka_consumer_partition_count(const struct kafka_consumer *self);

/* Records of the assigned partitions behind the committed offsets, -1 while unknown. From the statistics. */
int64_t kafka_consumer_lag(const struct kafka_consumer *self);

/* --- producer ----------------------------------------------------------------------------------------------------- */

struct kafka_producer;

struct kafka_producer_options {
    const char *brokers;
    const char *client_id;
    uint32_t queue_count_max; /* records not yet acknowledged; 0: 10000 */
    uint32_t queue_kib_max;   /* their bytes; 0: 65536 */
    uint32_t linger_ms;       /* how long a batch waits for more; above 0, librdkafka's thread spins through the last
                               * fraction of a millisecond of every wait */
    int wakeup_fd;            /* -1: none */

    /* Once for every record that kafka_produce() took. rc is 0: written by all in-sync replicas; or ERR_RETRY: not
     * known to be written, produce it again; or ERR_TOO_LARGE: the broker will never take it. kafka_produce() may be
     * called from here. */
    void (*delivered)(void *context, uint64_t tag, int rc);
    void *context;
};

struct kafka_header {
    const char *name;
    struct span value;
};

struct kafka_record {
    const char *topic;
    int32_t partition; /* or KAFKA_PARTITION_ANY: by the key's hash, or any for a record without key */
    struct span key;   /* data NULL: none */
    struct span value;
    const struct kafka_header *headers;
    size_t header_count; /* at most KAFKA_HEADER_COUNT_MAX */
    uint64_t tag;        /* comes back in delivered() */
};

/* An idempotent producer (acks=all: no duplicates, no reordering inside a partition by retries). Does not wait for a
 * broker. Records wait for a broker that is away as long as it takes. Returns 0, -EINVAL (options, logged) or -ENOMEM.
 */
MUST_USE int kafka_producer_new(struct kafka_producer **out, const struct kafka_producer_options *options);

/* End; what is not delivered is dropped without a call of delivered(). kafka_producer_flush() before.
 * Accepts NULL and pointer to NULL; leaves *self NULL. */
void kafka_producer_destroy(struct kafka_producer **self);

/* Queue a record; everything is copied. Returns 0; -EAGAIN (queue full, or the producer is just being renewed: again
 * after a delivered()); ERR_TOO_LARGE (above KAFKA_RECORD_BYTES_MAX); -EINVAL (headers); -ENOMEM; ERR_RETRY (anything
 * else, logged: a topic or partition that is not there, ...). */
MUST_USE int kafka_produce(struct kafka_producer *self, const struct kafka_record *record);

/* Let delivered() run. Never waits. After a fatal error of the idempotent producer (logged) all outstanding records are
 * reported with ERR_RETRY and the producer is renewed inside. Returns 0, or a failure of the renewal (-ENOMEM,
 * -EINVAL): poll again later. */
MUST_USE int kafka_producer_poll(struct kafka_producer *self);

/* Wait until everything is delivered, calling delivered(). Returns 0 or ERR_RETRY (timeout). */
MUST_USE int kafka_producer_flush(struct kafka_producer *self, uint32_t timeout_ms);

/* Records taken and not yet reported. */
size_t kafka_producer_outstanding(const struct kafka_producer *self);

/* Is any broker connected? Late by KAFKA_STATISTICS_INTERVAL_MS; a broker also closes connections that are idle for
 * minutes, so for readiness ask the consumer. */
bool kafka_producer_connected(const struct kafka_producer *self);

/* --- committed offsets of a group without being its member -------------------------------------------------------- */

struct kafka_group;

struct kafka_group_options {
    const char *brokers;
    const char *client_id;
    const char *group_id; /* must have no members */
};

/* Does not wait for a broker. Returns 0, -EINVAL (options, logged) or -ENOMEM. */
MUST_USE int kafka_group_new(struct kafka_group **out, const struct kafka_group_options *options);
void kafka_group_destroy(struct kafka_group **self);

/* Read the committed offset; *offset is -1 when there is none. Waits for timeout_ms at most.
 * Returns 0 or ERR_RETRY (no answer in time, no coordinator, no such topic: logged). */
MUST_USE int kafka_group_committed(struct kafka_group *self, const char *topic, int32_t partition, uint32_t timeout_ms,
                                   int64_t *offset);

/* Commit an offset and wait for the broker, timeout_ms at most; with 0 without waiting, failures are then logged by
 * a later kafka_group_poll(). Returns 0, ERR_RETRY or -ENOMEM. */
MUST_USE int kafka_group_commit(struct kafka_group *self, const char *topic, int32_t partition, int64_t offset,
                                uint32_t timeout_ms);

/* Take the answers of commits that were not waited for. Never waits. Call it every second or so. */
void kafka_group_poll(struct kafka_group *self);
