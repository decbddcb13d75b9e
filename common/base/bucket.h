/* bucket.h - a token bucket: how much of something may pass in the long run, and how much at once.
 *
 * What passes may be more than is left, once: the bucket is then in debt and nothing passes until it is paid. So a
 * limit on bytes needs no room for the largest message.
 *
 * Pure: time comes with each call. Values, no ownership.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

enum { BUCKET_RATE_MAX = INT32_MAX };

struct bucket {
    uint32_t rate;    /* per second */
    uint32_t burst;   /* at most so much is saved up */
    int64_t level_mt; /* thousandths of a token; below 0: debt */
    uint64_t at_ms;
};

/* A full one. rate and burst are 1..BUCKET_RATE_MAX. */
struct bucket bucket_of(uint32_t rate, uint32_t burst, uint64_t now_ms);

/* Take `amount` (at most BUCKET_RATE_MAX) if the bucket is not empty. now_ms never goes back. Returns whether it
 * passes. */
MUST_USE bool bucket_take(struct bucket *self, uint32_t amount, uint64_t now_ms);

/* Take `amount` in any case: what passed has turned out to cost so much more. */
void bucket_charge(struct bucket *self, uint32_t amount, uint64_t now_ms);
