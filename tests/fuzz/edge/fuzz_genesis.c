/* fuzz_genesis.c - any bytes as a genesis file: what is refused is explained, what is accepted keeps the limits and has
 * the chain id of its text.
 */
#include <assert.h>
#include <string.h>

#include "common/base/err.h"
#include "common/edge/genesis_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(genesis_destroy) struct genesis *genesis = NULL;
    char detail[GENESIS_FILE_DETAIL_BYTES];
    memset(detail, 'x', sizeof detail);
    int rc = genesis_file_parse(span_of(data, size), &genesis, detail);
    assert(rc == 0 || rc == ERR_MALFORMED || rc == ERR_TOO_LARGE);
    assert(memchr(detail, '\0', sizeof detail) && (*detail != '\0') == (rc == ERR_MALFORMED));
    assert((genesis != NULL) == (rc == 0));
    if (rc < 0)
        return 0;
    assert(genesis->validator_count >= 1 && genesis->validator_count <= GENESIS_VALIDATORS_MAX);
    assert(genesis->producer_count <= GENESIS_PRODUCERS_MAX);
    for (uint32_t i = 0; i < genesis->producer_count; i++)
        assert(genesis->producers[i].roles != 0);
    struct hash chain_id;
    rc = genesis_file_chain_id(&chain_id, span_of(data, size));
    assert(rc == 0 && hash_equal(&chain_id, &genesis->chain_id));
    return 0;
}
