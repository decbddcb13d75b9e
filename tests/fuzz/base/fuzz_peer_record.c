/* fuzz_peer_record.c - peer records and endpoints for the network of tests/vectors/peer_records.json: what is read is
 * written back equal, and only endpoints of the grammar come through. */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/hex.h"
#include "common/base/peer_record.h"

static const char *const chain_id = "5d59b683baa3beb5d4b407c9ea87b7fe2cfe8a2c07cf5ff6cdd2e507972ea5fa";
static const char *const sign_key = "4d598fc8b94358ca6f25b1d73f156b09579dc0378122349968fceb7062ca997a"; /* of v2 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct genesis genesis;
    if (genesis.validator_count == 0) {
        genesis.validator_count = 1;
        FUZZ_REQUIRE(hex_decode(genesis.chain_id.bytes, HASH_BYTES, chain_id) == 0);
        FUZZ_REQUIRE(hex_decode(genesis.validators[0].sign_key.bytes, SIGN_PUBLIC_BYTES, sign_key) == 0);
        genesis.validators[0].id = sign_public_id(&genesis.validators[0].sign_key);
    }
    if (peer_record_endpoint_is_valid(span_of(data, size)))
        FUZZ_REQUIRE(size <= PEER_RECORD_ENDPOINT_BYTES_MAX && memcmp(data, "tcp://", 6) == 0 &&
                     !memchr(data, '*', size));
    struct peer_record record;
    uint32_t index = 0;
    if (peer_record_decode(&record, &index, span_of(data, size), &genesis) != 0)
        return 0;
    FUZZ_REQUIRE(index == 0 && peer_record_endpoint_is_valid(span_text(record.endpoints.pub)));
    FUZZ_REQUIRE(peer_record_endpoint_is_valid(span_text(record.endpoints.sync)));
    uint8_t again[PEER_RECORD_BYTES_MAX];
    FUZZ_REQUIRE(peer_record_encode(again, &record, &genesis.chain_id) == size && memcmp(again, data, size) == 0);
    int verdict = peer_record_verify(&record, index, &genesis);
    FUZZ_REQUIRE(verdict == 0 || verdict == PEER_RECORD_BAD_SIGNATURE);
    return 0;
}
