/* peer_file.h - the records held, in a file of their own, so that a restart does not depend on the one peer that the
 * configuration names.
 *
 * Not among the voting state: what is lost here comes again from any peer, so nothing is synced, and a damaged file is
 * no reason not to start. Each record vouches for itself with its signature.
 *
 * Not pure: a file. Ownership: values. Threads: no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/peer_record.h"
#include "common/base/span.h"

enum { PEER_FILE_BYTES_MAX = GENESIS_VALIDATORS_MAX * (4 + PEER_RECORD_BYTES_MAX) };

/* Records of a file are spans into bytes. What cannot be read ends the list. */
struct peer_file {
    uint8_t bytes[PEER_FILE_BYTES_MAX];
    struct span records[GENESIS_VALIDATORS_MAX];
    size_t record_count;
};

/* Returns 0 (also when there is no file: no records) or -errno. */
MUST_USE int peer_file_read(struct peer_file *out, const char *path);

/* Replace the file, mode 0600. Returns 0, -ENAMETOOLONG or -errno; then the old one is as it was. */
MUST_USE int peer_file_write(const char *path, const struct span *records, size_t record_count);
