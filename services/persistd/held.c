/* held.c - blocks that arrived, and the frames they lie in. */
#include "services/persistd/held.h"

#include <errno.h>
#include <stdlib.h>

struct held_frame {
    struct bus_message message;
    struct outcome_codec_frame decoded;
    size_t holds;
};

int held_frame_new(struct held_frame **out, struct bus_message *message)
{
    struct held_frame *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    bus_message_move(&self->message, message);
    int rc = outcome_codec_decode(&self->decoded, self->message.payload);
    if (rc < 0) {
        bus_message_move(message, &self->message);
        free(self);
        return rc;
    }
    self->holds = 1;
    *out = self;
    return 0;
}

void held_frame_release(struct held_frame **self)
{
    struct held_frame *frame = *self;
    *self = NULL;
    if (!frame || --frame->holds > 0)
        return;
    outcome_codec_deinit(&frame->decoded);
    bus_message_deinit(&frame->message);
    free(frame);
}

const struct outcome_codec_frame *held_frame_decoded(const struct held_frame *self)
{
    return &self->decoded;
}

int held_block_new(struct held_block **out, struct held_frame *frame, const struct outcome *outcome)
{
    struct held_block *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->frame = frame;
    self->outcome = outcome;
    frame->holds++;
    *out = self;
    return 0;
}

void held_block_destroy(struct held_block **self)
{
    if (!self || !*self)
        return;
    held_frame_release(&(*self)->frame);
    free((*self)->message);
    free(*self);
    *self = NULL;
}
