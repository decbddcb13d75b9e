/* stateproof.c - hashes and proofs of the state tree. */
#include "common/base/stateproof.h"

#include <string.h>

enum { STATEPROOF_LEAF = 0x02, STATEPROOF_NODE = 0x03 };

static struct hash stateproof_pair(uint8_t prefix, const struct hash *a, const struct hash *b)
{
    uint8_t bytes[1 + 2 * HASH_BYTES] = {prefix};
    memcpy(bytes + 1, a->bytes, HASH_BYTES);
    memcpy(bytes + 1 + HASH_BYTES, b->bytes, HASH_BYTES);
    return hash_of(span_of(bytes, sizeof bytes));
}

struct hash stateproof_key_hash(struct span key)
{
    static const char domain[] = "cybermesh/state-key/v1"; /* with its zero byte */
    return hash_of2(span_of(domain, sizeof domain), key);
}

struct hash stateproof_leaf_hash(const struct stateproof_leaf *leaf)
{
    return stateproof_pair(STATEPROOF_LEAF, &leaf->key_hash, &leaf->value_hash);
}

struct hash stateproof_node_hash(const struct hash *left, const struct hash *right)
{
    return stateproof_pair(STATEPROOF_NODE, left, right);
}

static bool stateproof_same_bits(const struct hash *a, const struct hash *b, uint32_t bits)
{
    for (uint32_t i = 0; i < bits; i++) {
        if (stateproof_bit(a, i) != stateproof_bit(b, i))
            return false;
    }
    return true;
}

/* "Inclusion: leaf.key_hash is the key's and value_hash is H(value)." */
static bool stateproof_includes(const struct stateproof *proof, const struct hash *key_hash, struct span value)
{
    struct hash value_hash = hash_of(value);
    return proof->has_leaf && hash_equal(&proof->leaf.key_hash, key_hash) &&
           hash_equal(&proof->leaf.value_hash, &value_hash);
}

/* "Absence: leaf is null, or another leaf whose key_hash begins with the same depth bits." */
static bool stateproof_excludes(const struct stateproof *proof, const struct hash *key_hash)
{
    if (!proof->has_leaf)
        return true;
    return !hash_equal(&proof->leaf.key_hash, key_hash) &&
           stateproof_same_bits(&proof->leaf.key_hash, key_hash, proof->sibling_count);
}

static struct hash stateproof_root(const struct stateproof *proof, const struct hash *key_hash)
{
    struct hash node = proof->has_leaf ? stateproof_leaf_hash(&proof->leaf) : (struct hash){0};
    for (uint32_t i = 0; i < proof->sibling_count; i++) {
        const struct hash *sibling = &proof->siblings[i];
        bool is_right = stateproof_bit(key_hash, proof->sibling_count - 1 - i) == 1;
        node = is_right ? stateproof_node_hash(sibling, &node) : stateproof_node_hash(&node, sibling);
    }
    return node;
}

int stateproof_verify(const struct hash *root, struct span key, struct span value, const struct stateproof *proof)
{
    if (proof->sibling_count > STATEPROOF_DEPTH_MAX)
        return STATEPROOF_BAD;
    struct hash key_hash = stateproof_key_hash(key);
    bool shown = value.data ? stateproof_includes(proof, &key_hash, value) : stateproof_excludes(proof, &key_hash);
    if (!shown)
        return STATEPROOF_BAD;
    struct hash computed = stateproof_root(proof, &key_hash);
    return hash_equal(&computed, root) ? 0 : STATEPROOF_BAD;
}
