/* feed.h - where ingestd stands in the feed of persisted blocks, and what to ask persistd next.
 *
 * First the producers are asked for; their height is where following begins. From then on every height is applied once,
 * in order: as it is published, or out of a range when one was missed. A second reader of the same blocks, announcing,
 * may be behind; then ranges are asked for it in turn.
 *
 * Pure. Threads: one owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "services/ingestd/feed_codec.h"

enum {
    FEED_SILENCE_MS = 500, /* a question without an answer is asked again; nothing new for so long: a range is asked */
};

enum feed_verdict { FEED_APPLY, FEED_OLD, FEED_GAP };

enum feed_question_kind { FEED_ASK_NOTHING, FEED_ASK_PRODUCERS, FEED_ASK_RANGE };

struct feed {
    bool known;      /* the producers are */
    uint64_t next;   /* height to be applied next */
    uint64_t newest; /* height that persistd is known to have */
    uint64_t request;
    bool asking;
    bool asked_for_announce; /* the last range */
    uint64_t asked_ms;
    uint64_t heard_ms; /* a block or an answer */
};

struct feed_question {
    enum feed_question_kind kind;
    struct feed_codec_range_request range; /* RANGE; PRODUCERS: its request */
};

/* The producers as of this height came. */
void feed_producers(struct feed *self, uint64_t height);

/* A block of this height is there. APPLY: it is the next one, and counts as applied now. */
enum feed_verdict feed_block(struct feed *self, uint64_t height, uint64_t now_ms);

/* The answer with this number is complete; height is the newest that persistd has. */
void feed_answered(struct feed *self, uint64_t request, uint64_t height, uint64_t now_ms);

/* What to ask now. announce: the height that announcing waits for, 0 when it cannot take one. */
struct feed_question feed_ask(struct feed *self, uint64_t announce, uint64_t now_ms);
