/* announce.h - the ring of commit notices: which are made, which were given to the broker, which it has acknowledged.
 *
 * Notices are made in height order and stay here until they and all before them are acknowledged. They are given to the
 * broker in that order, in bursts of ANNOUNCE_OUTSTANDING_MAX. The broker's word comes once for each that was given;
 * the next burst begins when all words are in, with the first notice that the broker has not got for sure.
 *
 * Pure but for memory. Ownership: notices are taken and freed here. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    ANNOUNCE_OUTSTANDING_MAX = 4, /* librdkafka 2.0 sends nothing more of a partition while 5 records are in flight, and
                                   * its thread spins as long as more are queued */
    ANNOUNCE_COUNT_MAX = 32,      /* notices held */
    ANNOUNCE_BYTES_MAX =
        1 << 20, /* of notices held, but for the one that reaches it; a notice of 10000 ids is 380 KB */
};

struct announce {
    bool started;
    uint64_t next;      /* the height whose notice is to be made next, 1 and above */
    uint64_t given;     /* all heights below were given to the broker */
    uint64_t burst_end; /* heights from here on belong to later bursts */
    uint32_t waiting;   /* words of this burst that have not come */
    uint64_t settled;   /* all heights below are acknowledged */
    uint64_t committed; /* `settled` when it was last written down; 0: never */
    size_t bytes;       /* of the notices held: those of settled..next-1 */
    struct announce_held {
        uint8_t *notice;
        size_t size;
        bool acknowledged;      /* when it was given last */
    } held[ANNOUNCE_COUNT_MAX]; /* notice of height h at h % ANNOUNCE_COUNT_MAX */
};

/* A notice for the broker. */
struct announce_notice {
    uint64_t height;
    struct span value; /* on loan until it is acknowledged */
};

/* Begin behind what was announced before: next is the committed offset, or -1 when there is none. All zero is one that
 * has not begun. */
void announce_start(struct announce *self, int64_t next);

/* Free what is held. */
void announce_deinit(struct announce *self);

/* Is the notice of this height the next one, and is there room for it? */
bool announce_wants(const struct announce *self, uint64_t height);

/* Is the block of the next height to be asked for when it did not come by itself? When half of the room is free, so
 * that one answer serves for many. */
bool announce_asks(const struct announce *self);

/* Take the notice, of size bytes from malloc, of the next height (which is wanted); *notice is NULL afterwards. */
void announce_add_take(struct announce *self, uint8_t **notice, size_t size);

/* The next notice for the broker, which counts as given. False: none for the time being. */
MUST_USE bool announce_give(struct announce *self, struct announce_notice *out);

/* The broker's word, once for each notice that was given: it has it (ok), or may not have it. */
void announce_delivered(struct announce *self, uint64_t height, bool ok);

/* Is there something new to write down? Then *next is the first height that is not acknowledged. */
bool announce_commit_due(struct announce *self, uint64_t *next);
