/* safety_store_state.h - the store itself, for the files that keep it: safety_store_open.c refuses or begins,
 * safety_store.c writes and reads.
 *
 * Private to them.
 */
#pragma once

#include "common/edge/journal.h"
#include "common/edge/store.h"
#include "common/edge/voted_mark.h"
#include "common/edge/voting_store.h"
#include "services/consensusd/safety_store.h"

enum { SAFETY_STORE_OPS_MAX = 4096 };

struct safety_store {
    struct store *store;
    struct store_table meta, blocks, bodies, open, evidence;
    /* Queued; keys and values in memory of their own; room for the voting record. */
    struct store_op ops[SAFETY_STORE_OPS_MAX + 1];
    uint8_t *memory[SAFETY_STORE_OPS_MAX];
    size_t op_count;
    size_t journaled_count; /* of them, the first: they are in the journal */
    struct journal journal;
    uint64_t height;
    uint64_t height_first;       /* lowest committed block here; 0: none */
    struct voting_record record; /* as it is on disk */
    uint8_t record_bytes[VOTING_RECORD_BYTES_MAX];
    struct voted_mark_file mark; /* fd -1: none */
    bool mark_is_void;           /* it is of a state that was lost, as the operator says */
};

/* How far the record says that the key was used. */
struct voted_mark safety_store_mark_of(const struct voting_record *record);
/* Write what is queued and the record, which takes the number of this write. */
MUST_USE int safety_store_write_with(struct safety_store *self, struct voting_record *record);
