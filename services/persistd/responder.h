/* responder.h - the thread that answers the feed's questions from the database.
 *
 * Not pure: a thread, the database. Ownership: as said below. Threads: all functions and the handler on the loop's
 * thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/edge/bus.h"
#include "common/edge/loop.h"
#include "services/persistd/feed_codec.h"

enum { RESPONDER_QUEUE_COUNT_MAX = 64 };

struct responder;

struct responder_options {
    struct loop *loop;
    const char *dsn;
    const char *password_file; /* may be NULL */
    /* rc 0: *frame is the answer, and the handler's to take. Else there is none: who asked will ask again. */
    void (*done)(void *context, const struct bus_route *route, int rc, uint8_t **frame, size_t size);
    void *context;
};

/* Returns 0, -ENOMEM or the errors of workers_new(). The texts must outlive it. */
MUST_USE int responder_new(struct responder **out, const struct responder_options *options);
void responder_destroy(struct responder **self);

/* The question is copied. Returns 0; -EAGAIN (as many questions wait as may) or -ENOMEM. */
MUST_USE int responder_ask(struct responder *self, const struct feed_codec_question *question,
                           const struct bus_route *route);
