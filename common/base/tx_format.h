/* tx_format.h - the format of each kind of transaction, for the files that read, write and check it.
 *
 * One table per kind lists the fields in number order; the encoder and the parser both walk it, so they cannot
 * disagree.
 *
 * Pure. Only for common/base/tx*.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/tx.h"

enum tx_field {
    TX_FIELD_ID,
    TX_FIELD_TYPE,
    TX_FIELD_SOURCE,
    TX_FIELD_SEVERITY,
    TX_FIELD_CONFIDENCE,
    TX_FIELD_TS,
    TX_FIELD_CONTENT_HASH,
    TX_FIELD_CONTENT,
    TX_FIELD_MODEL_VERSION,
    TX_FIELD_PRODUCER_ID,
    TX_FIELD_NONCE,
    TX_FIELD_SIGNATURE,
    TX_FIELD_PUBKEY,
    TX_FIELD_ALG,
    TX_FIELD_REFS,
    TX_FIELD_CUSTODY,
    TX_FIELD_ACTION,
};

enum { TX_FIELDS_MAX = 14 }; /* of the longest message */

/* What differs between the kinds. */
struct tx_format {
    const enum tx_field *fields; /* in number order: the number is the index + 1 */
    size_t field_count;
    size_t content_bytes_max;
    const char *content_too_large;
    uint32_t role;
    struct span domain_v1; /* as deployed: only the policy's has its zero byte */
    struct span domain_v2;
};

/* The format of a kind that is one. */
const struct tx_format *tx_format_of(enum tx_kind kind);
