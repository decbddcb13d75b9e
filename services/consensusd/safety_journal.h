/* safety_journal.h - the journal of the safety store: what is written there between two writes of the store.
 *
 * An entry has the voting record and the operations that were queued since the entry before it. The store's next write
 * has them all. Private to the files of the safety store.
 */
#pragma once

#include "common/base/attr.h"
#include "services/consensusd/safety_store_state.h"

/* Write the record, which becomes the store's, and the operations that are not in the journal yet. Returns 0; ERR_FULL:
 * they are for the store; or the errors of journal_append(). */
MUST_USE int safety_journal_append(struct safety_store *self, const struct voting_record *record);

/* At the start: queue the operations of all entries behind the store's last write, whose tables are open. Returns 0,
 * ERR_CORRUPT or -ENOMEM. */
MUST_USE int safety_journal_replay(struct safety_store *self, const struct journal_content *content);
