/* merkle.c - the binary Merkle tree over a block's transactions and receipts.
 *
 * A level is folded in place: the hashes of a level of n nodes are the first n of scratch, those of the next level
 * overwrite the first half. Where n is odd the last node moves up unchanged.
 */
#include "common/base/merkle.h"

#include <assert.h>
#include <string.h>

#include "common/base/err.h"

enum { MERKLE_LEAF = 0x00, MERKLE_NODE = 0x01 };

static struct hash merkle_leaf(const struct hash *item)
{
    uint8_t bytes[1 + HASH_BYTES] = {MERKLE_LEAF};
    memcpy(bytes + 1, item->bytes, HASH_BYTES);
    return hash_of(span_of(bytes, sizeof bytes));
}

static struct hash merkle_node(const struct hash *left, const struct hash *right)
{
    uint8_t bytes[1 + 2 * HASH_BYTES] = {MERKLE_NODE};
    memcpy(bytes + 1, left->bytes, HASH_BYTES);
    memcpy(bytes + 1 + HASH_BYTES, right->bytes, HASH_BYTES);
    return hash_of(span_of(bytes, sizeof bytes));
}

static void merkle_leaves(struct hash *scratch, const struct hash *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        scratch[i] = merkle_leaf(&items[i]);
}

/* Fold a level of count nodes (two or more) into the next and return the next level's count. */
static size_t merkle_fold(struct hash *level, size_t count)
{
    for (size_t i = 0; i < count / 2; i++)
        level[i] = merkle_node(&level[2 * i], &level[2 * i + 1]);
    if (count % 2 == 1)
        level[count / 2] = level[count - 1];
    return count / 2 + count % 2;
}

struct hash merkle_root(const struct hash *items, size_t count, struct hash *scratch)
{
    if (count == 0)
        return (struct hash){0};
    merkle_leaves(scratch, items, count);
    while (count > 1)
        count = merkle_fold(scratch, count);
    return scratch[0];
}

size_t merkle_path(struct hash path[static MERKLE_PATH_MAX], const struct hash *items, size_t count, size_t index,
                   struct hash *scratch)
{
    assert(index < count);
    merkle_leaves(scratch, items, count);
    size_t path_count = 0;
    while (count > 1) {
        size_t sibling = index ^ 1;
        if (sibling < count) {
            assert(path_count < MERKLE_PATH_MAX);
            path[path_count++] = scratch[sibling];
        }
        count = merkle_fold(scratch, count);
        index /= 2;
    }
    return path_count;
}

int merkle_verify(const struct hash *root, const struct hash *item, size_t count, size_t index, const struct hash *path,
                  size_t path_count)
{
    if (index >= count)
        return ERR_MALFORMED;
    struct hash node = merkle_leaf(item);
    size_t used = 0;
    while (count > 1) {
        if ((index ^ 1) < count) {
            if (used == path_count)
                return ERR_MALFORMED;
            const struct hash *sibling = &path[used++];
            node = index % 2 == 0 ? merkle_node(&node, sibling) : merkle_node(sibling, &node);
        }
        count = count / 2 + count % 2;
        index /= 2;
    }
    return used == path_count && hash_equal(&node, root) ? 0 : ERR_MALFORMED;
}
