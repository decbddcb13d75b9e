/* feed.c - one question at a time. */
#include "services/ingestd/feed.h"

void feed_producers(struct feed *self, uint64_t height)
{
    if (self->known)
        return; /* changes come with the blocks */
    self->known = true;
    self->next = height + 1;
    if (height > self->newest)
        self->newest = height;
}

enum feed_verdict feed_block(struct feed *self, uint64_t height, uint64_t now_ms)
{
    self->heard_ms = now_ms;
    if (height > self->newest)
        self->newest = height;
    if (!self->known || height < self->next)
        return FEED_OLD;
    if (height > self->next)
        return FEED_GAP;
    self->next++;
    return FEED_APPLY;
}

void feed_answered(struct feed *self, uint64_t request, uint64_t height, uint64_t now_ms)
{
    self->heard_ms = now_ms;
    if (height > self->newest)
        self->newest = height;
    if (request == self->request)
        self->asking = false;
}

/* The first height of the range to ask for, 0 for none: missed blocks first, but not twice before the other reader. */
static uint64_t range_first(struct feed *self, uint64_t announce, uint64_t now_ms)
{
    bool missed = self->next <= self->newest;
    bool behind = announce > 0 && announce <= self->newest && announce != self->next;
    if (behind && (!missed || !self->asked_for_announce)) {
        self->asked_for_announce = true;
        return announce;
    }
    self->asked_for_announce = false;
    return missed || now_ms >= self->heard_ms + FEED_SILENCE_MS ? self->next : 0;
}

struct feed_question feed_ask(struct feed *self, uint64_t announce, uint64_t now_ms)
{
    struct feed_question question = {.kind = FEED_ASK_NOTHING};
    if (self->asking && now_ms < self->asked_ms + FEED_SILENCE_MS)
        return question;
    if (!self->known) {
        question.kind = FEED_ASK_PRODUCERS;
    } else {
        question.range.height_first = range_first(self, announce, now_ms);
        question.range.count_max = FEED_CODEC_RANGE_BLOCKS_MAX;
        if (question.range.height_first == 0)
            return question;
        question.kind = FEED_ASK_RANGE;
    }
    self->asking = true;
    self->asked_ms = now_ms;
    question.range.request = ++self->request;
    return question;
}
