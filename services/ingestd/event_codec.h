/* event_codec.h - the value of a Kafka record as the fields of an event (docs/protocol.md, section 2).
 *
 * Says no to what nobody would check: fields that are not in the tables, at any depth, and wrong wire types. A singular
 * field that is given twice counts with its last value. Limits and forms of the values are tx_parse()'s.
 *
 * Pure. Ownership: fields borrow from the record and from the room. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/reason.h"
#include "common/base/span.h"
#include "common/base/tx.h"

/* Where the repeated fields of one record stand. */
struct event_codec_room {
    struct span refs[TX_REFS_MAX];
    struct tx_custody_fields custody[TX_CUSTODY_MAX];
};

/* Read a record of this kind; tx_encode() then makes its body. Returns 0 (then *out is filled), REASON_TOO_LARGE (above
 * TX_RECORD_BYTES_MAX) or REASON_MALFORMED; *why then says what was wrong (static text). */
MUST_USE int event_codec_read(struct tx_fields *out, struct event_codec_room *room, enum tx_kind kind,
                              struct span record, const char **why);
