/* offsets.h - which records have been read and are not final yet, and which offsets may be committed.
 *
 * Each assigned partition has a window: its records in offset order, from the first that is not final. The committable
 * offset of a partition is that record's, or the one behind the last record when all are final. A record is
 *
 *   VERIFYING -> PENDING -> FINAL            committed in a block that is persisted
 *   VERIFYING -> DEAD_LETTERING -> FINAL     refused, and the broker has the dead letter
 *   PENDING -> DEAD_LETTERING -> FINAL       refused by execution
 *
 * A record is named by a number below offsets_capacity(), so that its owner can keep things beside it in an array. When
 * its partition is revoked, a PENDING record is gone at once; one that is with somebody else (a thread that verifies
 * it, the broker that takes the dead letter) stays until it is reported, and what is reported then means nothing.
 *
 * Pure. Bounded by its limits. Ownership: all memory is its own. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

enum { OFFSETS_PARTITION_COUNT_MAX = 1024 };

#define OFFSETS_NONE UINT32_MAX

struct offsets; /* opaque */

struct offsets_limits {
    uint32_t record_count_max; /* above one of these there is no room ... */
    uint64_t record_bytes_max;
    uint32_t extra_count; /* ... but so many records more are taken: those that were on their way */
};

enum offsets_state { OFFSETS_VERIFYING, OFFSETS_PENDING, OFFSETS_DEAD_LETTERING, OFFSETS_FINAL, OFFSETS_STATE_COUNT };

enum offsets_verdict { OFFSETS_GONE = 1 };

struct offsets_partition {
    uint32_t topic;
    int32_t partition;
};

/* Where a record stands. */
struct offsets_position {
    struct offsets_partition of;
    int64_t offset; /* 0 and above */
};

/* Returns 0, -EINVAL (limits) or -ENOMEM. */
MUST_USE int offsets_new(struct offsets **out, const struct offsets_limits *limits);
/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void offsets_destroy(struct offsets **self);

uint32_t offsets_capacity(const struct offsets *self);

/* Begin a window; one that is there stays as it is. Returns 0 or ERR_FULL (OFFSETS_PARTITION_COUNT_MAX). */
MUST_USE int offsets_assign(struct offsets *self, struct offsets_partition partition);

/* End a window, one PENDING record at a time: returns the next one, which is gone now, and OFFSETS_NONE when all are.
 * Call until then. */
MUST_USE uint32_t offsets_revoke(struct offsets *self, struct offsets_partition partition);

/* A record was read; it is VERIFYING. Returns 0, ERR_NOT_FOUND (no such window), ERR_CONFLICT (not behind the last one
 * of its window: it was read before) or ERR_FULL (no room even beyond the limits). */
MUST_USE int offsets_read(struct offsets *self, const struct offsets_position *position, uint64_t bytes,
                          uint32_t *record);

/* The record is something else now. Returns 0, or OFFSETS_GONE: its partition was revoked, and the record is gone. */
MUST_USE int offsets_move(struct offsets *self, uint32_t record, enum offsets_state state);

enum offsets_state offsets_state(const struct offsets *self, uint32_t record);

/* A committable offset that was not told yet; with `again` also those that were. Fills at most count_max, returns how
 * many; call once. */
size_t offsets_commits(struct offsets *self, bool again, struct offsets_position *out, size_t count_max);

/* Is there room for more records? */
bool offsets_has_room(const struct offsets *self);

/* Is at least half of the limits free? For going on after a stop. */
bool offsets_is_half_free(const struct offsets *self);

struct offsets_usage {
    uint32_t count;                       /* records of all states, also those whose partition was revoked */
    uint32_t counts[OFFSETS_STATE_COUNT]; /* by state */
    uint64_t bytes;                       /* of those that are not FINAL */
    uint32_t partitions;
};
struct offsets_usage offsets_usage(const struct offsets *self);
