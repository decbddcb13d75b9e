/* params.h - what may be known of a policy's params: text and integers, never a number with a fraction or exponent.
 *
 * A function of the bytes alone, because the ledger's state is made of what it gives. Members of another type, and
 * texts beyond the limits here or with control characters, are as if they were not there. docs/protocol.md, "JSON",
 * says which params are an object of the allowed form.
 *
 * Pure but for memory (Jansson). Ownership: facts hold the parsed params; params_facts_deinit() ends them and their
 * spans. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/span.h"

enum {
    PARAMS_TARGETS_MAX = 1000,       /* further ones are not taken */
    PARAMS_TARGET_BYTES_MAX = 64,    /* 1..: an address or a prefix */
    PARAMS_POLICY_ID_BYTES_MAX = 128 /* 1.. */
};
#define PARAMS_TTL_S_MAX UINT64_C(315360000) /* ten years */

struct params_facts {
    struct span policy_id;                   /* .policy_id; empty: none */
    size_t target_count;                     /* of targets */
    struct span targets[PARAMS_TARGETS_MAX]; /* .target.ips, then .target.cidrs, in their order */
    uint64_t ttl_s;                          /* .guardrails.ttl_seconds, 1..PARAMS_TTL_S_MAX; 0: none */
    void *document_;
};

/* On success *out is filled. Returns 0; ERR_MALFORMED (no JSON object of the allowed form); -ENOMEM. */
MUST_USE int params_read(struct params_facts *out, struct span params_json);

/* Accepts facts that are all zero. */
void params_facts_deinit(struct params_facts *self);
