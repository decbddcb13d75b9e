/* genesis_store.h - the certificate of the genesis ceremony in the database: the first one stays.
 *
 * Not pure: the database. Ownership: bytes are borrowed for the call. Threads: one owner of the connection.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"
#include "common/edge/pg.h"

enum { GENESIS_STORE_BYTES_MAX = 16384 };

struct genesis_store_certificate {
    uint8_t bytes[GENESIS_STORE_BYTES_MAX];
    size_t size; /* 0: none */
};

/* Put the offered one (empty: none) if the database has none of this chain; *out is what it has then. Returns 0,
 * ERR_TOO_LARGE, or what pg_exec() returns. */
MUST_USE int genesis_store_exchange(struct pg *pg, const struct hash *chain_id, struct span offered,
                                    struct genesis_store_certificate *out);
