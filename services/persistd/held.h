/* held.h - blocks that arrived and are not yet in the database, with the memory they borrow from.
 *
 * Not pure: a message of the bus. Ownership: a held block is ended with held_block_destroy(); the last one of a frame
 * ends the frame. Threads: made and ended on the loop's thread; read by the writer's while it is in a run.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/bus.h"
#include "services/persistd/outcome.h"
#include "services/persistd/outcome_codec.h"

struct held_frame; /* an Outcomes frame as it arrived, decoded */

struct held_block {
    struct held_frame *frame;
    const struct outcome *outcome;
    uint8_t *message; /* what the feed says of it; made by the writer */
    size_t message_size;
};

/* Take a message and decode it; its blocks are made with held_block_new(). On failure the message stays where it is.
 * Returns 0, -ENOMEM or what outcome_codec_decode() returns. */
MUST_USE int held_frame_new(struct held_frame **out, struct bus_message *message);

/* The caller's own hold on the frame ends; its blocks keep it alive. */
void held_frame_release(struct held_frame **self);

const struct outcome_codec_frame *held_frame_decoded(const struct held_frame *self);

/* Hold one outcome of the frame. Returns 0 or -ENOMEM. */
MUST_USE int held_block_new(struct held_block **out, struct held_frame *frame, const struct outcome *outcome);
void held_block_destroy(struct held_block **self);
