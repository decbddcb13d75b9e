/* tally.h - votes and timeouts by view, each with a verified signature: where certificates are formed from, and the
 * memory that spares a signature a second verification.
 *
 * Pure. Ownership: owns a fixed window of views, allocated at start.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/cert.h"

enum { TALLY_VIEWS = 128 };

struct tally_vote {
    bool known;
    uint64_t height;
    struct hash block_id;
    struct signature signature;
};

struct tally_timeout {
    bool known;    /* it came with its highest certificate, and counts */
    bool verified; /* its signature was verified; alone: it was seen inside a certificate */
    uint64_t high_qc_view;
    struct signature signature;
};

struct tally_view {
    uint64_t view;
    struct tally_vote *votes;       /* by validator */
    struct tally_timeout *timeouts; /* by validator */
    uint32_t timeout_count;
    struct qc best_qc; /* of the timeouts, the one with the greatest view */
};

struct tally; /* opaque */

MUST_USE int tally_new(struct tally **out, uint32_t validator_count);
void tally_destroy(struct tally **self);

/* The view's record; a newer view takes the place of the one TALLY_VIEWS before it. NULL: the view is too old. */
struct tally_view *tally_at(struct tally *self, uint64_t view);

/* If count votes of the view are for this block at this height, write their certificate and return true. A vote that
 * names another height signs other bytes: in the certificate it would spoil it. */
bool tally_qc(const struct tally *self, const struct tally_view *view, uint64_t height, const struct hash *block_id,
              uint32_t count, struct qc *out);

/* The same for timeouts: at least count of them. */
bool tally_tc(const struct tally *self, const struct tally_view *view, uint32_t count, struct tc *out);
