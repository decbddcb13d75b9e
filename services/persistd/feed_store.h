/* feed_database.h - answers to the feed's questions from the database, over a connection of their own.
 *
 * Not pure: the database. Ownership: an answer is the caller's to free(). Threads: one owner.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "services/persistd/feed_codec.h"

struct feed_store;

/* Does not connect: the first question does. The texts must outlive it. Returns 0 or -ENOMEM. */
MUST_USE int feed_store_new(struct feed_store **out, const char *dsn, const char *password_file);
void feed_store_destroy(struct feed_store **self);

/* Answer with a whole frame, as of one moment of the database. Returns 0; ERR_PEER_GONE, ERR_RETRY, -ETIMEDOUT and what
 * else pg_exec() says when there is no answer now (the next question connects anew); -ENOMEM. */
MUST_USE int feed_store_answer(struct feed_store *self, const struct feed_codec_question *question, uint8_t **frame,
                               size_t *size);
