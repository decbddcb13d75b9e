/* announce.h - which heights have been announced, and up to which the broker has acknowledged them.
 *
 * Heights are announced in order, at most ANNOUNCE_OUTSTANDING_MAX ahead of the last one in order that is acknowledged.
 * What the broker has not got for sure is announced again, and all behind it, too.
 *
 * Pure. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

/* librdkafka 2.0 sends nothing more of a partition while 5 records are in flight, and its thread spins as long as more
 * are queued. */
enum { ANNOUNCE_OUTSTANDING_MAX = 4 };

struct announce {
    bool started;
    uint64_t next;      /* the height to be announced next, 1 and above */
    uint64_t settled;   /* all heights below are acknowledged */
    uint64_t committed; /* `settled` when it was last written down; 0: never */
    uint16_t round;     /* how often announcing began again */
    bool acknowledged[ANNOUNCE_OUTSTANDING_MAX];
};

/* Begin behind what was announced before: next is the committed offset, or -1 when there is none. */
void announce_start(struct announce *self, int64_t next);

/* Is this height to be announced now? */
bool announce_wants(const struct announce *self, uint64_t height);

/* May the next one be announced as soon as its block is known? */
bool announce_has_room(const struct announce *self);

/* The height (that is wanted) was given to the broker; what it is called there. */
uint64_t announce_sent(struct announce *self, uint64_t height);

/* The broker has it (ok), or may not have it. Words about an earlier round mean nothing. */
void announce_delivered(struct announce *self, uint64_t tag, bool ok);

/* Is there something new to write down? Then *next is the first height that is not acknowledged. */
bool announce_commit_due(struct announce *self, uint64_t *next);
