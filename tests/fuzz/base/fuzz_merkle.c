/* fuzz_merkle.c - paths. Input: u16 count, u16 index, then hashes: the first 64 are the items of a tree, and the same
 * bytes are offered as root, item and path.
 */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/base/merkle.h"

enum { HASHES_MAX = 64 };

/* Every item's own path holds; with any bit of it changed it does not. */
static void require_paths(const struct hash *items, size_t count, size_t index)
{
    struct hash scratch[HASHES_MAX], path[MERKLE_PATH_MAX];
    struct hash root = merkle_root(items, count, scratch);
    size_t path_count = merkle_path(path, items, count, index, scratch);
    FUZZ_REQUIRE(merkle_verify(&root, &items[index], count, index, path, path_count) == 0);
    for (size_t i = 0; i < path_count; i++) {
        path[i].bytes[index % HASH_BYTES] ^= 1;
        FUZZ_REQUIRE(merkle_verify(&root, &items[index], count, index, path, path_count) == ERR_MALFORMED);
        path[i].bytes[index % HASH_BYTES] ^= 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes_reader reader = bytes_reader_of(span_of(data, size));
    size_t count = bytes_get_u16(&reader), index = bytes_get_u16(&reader);
    struct hash hashes[HASHES_MAX];
    size_t hash_count = 0;
    while (hash_count < HASHES_MAX && bytes_left(&reader) >= HASH_BYTES)
        bytes_get_copy(&reader, hashes[hash_count++].bytes, HASH_BYTES);
    if (reader.failed || hash_count < 2)
        return 0;
    int rc = merkle_verify(&hashes[0], &hashes[1], count, index, hashes + 2, hash_count - 2);
    FUZZ_REQUIRE(rc == 0 || rc == ERR_MALFORMED);
    require_paths(hashes, hash_count, index % hash_count);
    return 0;
}
