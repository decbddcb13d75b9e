/* sync_check.h - what of an answer with blocks may be kept.
 *
 * Pure. Ownership: nothing is kept. Threads: no state.
 */
#pragma once

#include <stddef.h>

#include "services/consensusd/consensus.h"
#include "services/consensusd/consensus_codec.h"

/* How many of the answer's first blocks are what they should be: the bodies are those of the header's tx_root, and the
 * certificate is the block's own and verifies. */
size_t sync_check_good(struct consensus *core, const struct consensus_codec_sync *response);
