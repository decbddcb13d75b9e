/* genesis_file.h - genesis.json: read, judged, hashed and written (docs/protocol.md, section 7).
 *
 * Not pure: files, the heap, the log. Threads: no state.
 * Ownership: a loaded genesis belongs to the caller, who ends it with genesis_destroy(), usually
 *   CLEANUP(genesis_destroy) struct genesis *genesis = NULL;
 */
#pragma once

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum {
    GENESIS_FILE_BYTES_MAX = 4 << 20,
    GENESIS_FILE_DETAIL_BYTES = 256, /* room for an explanation, with its zero byte */
};

/* Read a genesis file. What is wrong with it is logged as `genesis.bad`, with the member and what it wants.
 * *out is written only on success. Returns 0; ERR_MALFORMED (content), ERR_TOO_LARGE, -ENOMEM, or -errno of the file.
 */
MUST_USE int genesis_file_load(const char *path, struct genesis **out);

/* Read the file's text. On ERR_MALFORMED detail holds one line that names the member and what it wants, for example
 * `validators[3].sign_key: wants 64 lower-case hex digits` or `parameters.block_maxtxs: unknown member`; else detail is
 * "". Checked are, beyond the form: 1..64 validators and 0..4096 producers; names of 1..64 bytes (validators:
 * letters, digits, `.`, `_`, `-`), distinct among validators and among producers; distinct keys of each sort;
 * at least one role per producer, none twice; every parameter within its limits; view_timeout_min_ms <=
 * view_timeout_initial_ms <= view_timeout_max_ms. Parameters that are left out have their default.
 * *out is written only on success. Returns 0, ERR_MALFORMED, ERR_TOO_LARGE or -ENOMEM. */
MUST_USE int genesis_file_parse(struct span text, struct genesis **out, char detail[static GENESIS_FILE_DETAIL_BYTES]);

/* Accepts NULL and pointer to NULL; leaves *self NULL. */
void genesis_destroy(struct genesis **self);

/* H("cybermesh/genesis/v1\0" || canonical JSON (RFC 8785) of the text's value): the chain id, of any JSON object whose
 * numbers are integers of at most 2^53 - 1 in size, whether it is a good genesis or not.
 * Returns 0, ERR_MALFORMED or -ENOMEM. */
MUST_USE int genesis_file_chain_id(struct hash *out, struct span text);

/* Write a genesis as a new file, mode 0644, synced; every parameter is written out. chain_id and the validators' ids
 * are not looked at: loading the file gives them. An existing file is never replaced; after a failure nothing is left.
 * Returns 0, -EEXIST, -ENOMEM or another -errno. */
MUST_USE int genesis_file_write(const char *path, const struct genesis *genesis);
