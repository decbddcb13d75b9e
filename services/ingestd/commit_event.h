/* commit_event.h - the notice of a persisted block (docs/protocol.md, section 14).
 *
 * Pure but for memory. Ownership: the encoded event is the caller's. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/sign.h"
#include "common/base/span.h"
#include "services/ingestd/feed_codec.h"

enum { COMMIT_EVENT_IDS_MAX = 10000 };

/* Is this text a version-4 UUID (8-4-4-4-12 hex digits)? */
bool commit_event_is_uuid4(struct span text);

/* Make the record value of this block for this topic. *out, of *size bytes, is the caller's to free(). Returns 0 or
 * -ENOMEM. */
MUST_USE int commit_event_encode(const struct feed_codec_block *block, const char *topic, const struct sign_key *key,
                                 uint8_t **out, size_t *size);
