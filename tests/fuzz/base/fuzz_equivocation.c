/* fuzz_equivocation.c - any bytes as proof of equivocation: what is read, written again, is the same bytes; it is
 * judged without an assertion, and no event's parser takes it.
 */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/equivocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct genesis genesis = {.validator_count = 1};
    struct span body = span_of(data, size);
    struct equivocation proof, checked;
    int verdict = equivocation_decode(&proof, body);
    FUZZ_REQUIRE(verdict == 0 || verdict == REASON_MALFORMED);
    if (verdict != 0) {
        FUZZ_REQUIRE(equivocation_check(&checked, body, &genesis) == REASON_MALFORMED);
        return 0;
    }
    uint8_t again[EQUIVOCATION_BODY_BYTES_MAX];
    FUZZ_REQUIRE(equivocation_encode(again, &proof) == size && memcmp(again, data, size) == 0);
    FUZZ_REQUIRE(tx_is_validator_evidence(body));
    struct tx tx;
    const char *why;
    FUZZ_REQUIRE(tx_parse(&tx, body, &why) == REASON_MALFORMED);
    genesis.validators[0].id = proof.offender; /* its key is 32 zero bytes: nothing verifies */
    verdict = equivocation_check(&checked, body, &genesis);
    FUZZ_REQUIRE(verdict == REASON_BAD_SIGNATURE ||
                 (verdict == REASON_CONTENT_RULE && proof.kind == EQUIVOCATION_PROPOSAL));
    return 0;
}
