/* merkle.h - the binary Merkle tree over a block's transactions and receipts (docs/protocol.md, "Block").
 *
 * leaf H(0x00 || item), node H(0x01 || left || right), an odd node moves up unchanged, no items: 32 zero bytes.
 *
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"

enum { MERKLE_PATH_MAX = 32 };

/* Root over count items. scratch has room for count hashes (may be NULL when count is 0). */
struct hash merkle_root(const struct hash *items, size_t count, struct hash *scratch);

/* Path of item index (< count), from the leaf up, without an entry at a level where the node moves up unchanged.
 * Writes at most MERKLE_PATH_MAX hashes and returns how many. scratch as above. */
size_t merkle_path(struct hash path[static MERKLE_PATH_MAX], const struct hash *items, size_t count, size_t index,
                   struct hash *scratch);

/* 0, or ERR_MALFORMED when index, count and path do not lead to root. */
MUST_USE int merkle_verify(const struct hash *root, const struct hash *item, size_t count, size_t index,
                           const struct hash *path, size_t path_count);
