/* fuzz_stateproof.c - state proofs. Input: root, u8 has_leaf, key_hash, value_hash, u16 sibling count, u8 key size,
 * key, u8 has_value, then the siblings' bytes as far as they go; what remains is the value.
 */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/stateproof.h"

/* Place the proof where the key belongs and work out the root it then has. */
static struct hash root_of(const struct stateproof *proof, struct span key)
{
    struct hash key_hash = stateproof_key_hash(key);
    struct hash node = proof->has_leaf ? stateproof_leaf_hash(&proof->leaf) : (struct hash){0};
    for (uint32_t i = 0; i < proof->sibling_count; i++) {
        const struct hash *sibling = &proof->siblings[i];
        node = stateproof_bit(&key_hash, proof->sibling_count - 1 - i) ? stateproof_node_hash(sibling, &node)
                                                                       : stateproof_node_hash(&node, sibling);
    }
    return node;
}

/* One proof never shows two different things about a key. */
static void require_one_truth(const struct hash *root, struct span key, struct span value,
                              const struct stateproof *proof)
{
    int present = stateproof_verify(root, key, value, proof);
    int other = stateproof_verify(root, key, span_text("another value than any in the corpus"), proof);
    int absent = stateproof_verify(root, key, (struct span){0}, proof);
    FUZZ_REQUIRE((present == 0) + (other == 0) + (absent == 0) <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stateproof proof;
    struct hash root;
    struct bytes_reader reader = bytes_reader_of(span_of(data, size));
    bytes_get_copy(&reader, root.bytes, HASH_BYTES);
    proof.has_leaf = bytes_get_u8(&reader) & 1;
    bytes_get_copy(&reader, proof.leaf.key_hash.bytes, HASH_BYTES);
    bytes_get_copy(&reader, proof.leaf.value_hash.bytes, HASH_BYTES);
    proof.sibling_count = bytes_get_u16(&reader);
    struct span key = bytes_get_span(&reader, bytes_get_u8(&reader));
    bool has_value = bytes_get_u8(&reader) & 1;
    if (reader.failed)
        return 0;
    for (uint32_t i = 0; i < proof.sibling_count && i < STATEPROOF_DEPTH_MAX; i++) {
        if (bytes_left(&reader) < HASH_BYTES)
            return 0;
        bytes_get_copy(&reader, proof.siblings[i].bytes, HASH_BYTES);
    }
    struct span value = has_value ? bytes_get_span(&reader, bytes_left(&reader)) : span_text("");
    require_one_truth(&root, key, value, &proof);
    if (proof.sibling_count > STATEPROOF_DEPTH_MAX)
        return 0;
    root = root_of(&proof, key);
    require_one_truth(&root, key, value, &proof);
    proof.has_leaf = true;
    proof.leaf = (struct stateproof_leaf){.key_hash = stateproof_key_hash(key), .value_hash = hash_of(value)};
    root = root_of(&proof, key);
    FUZZ_REQUIRE(stateproof_verify(&root, key, value, &proof) == 0);
    return 0;
}
