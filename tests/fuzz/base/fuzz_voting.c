/* fuzz_voting.c - the voting record. Input: u8 0 and a record as it stands in the file; else a record without its seal,
 * which is put behind it here, so that what lies behind the seal is reached. What is read is written again with the
 * same bytes.
 */
#include "tests/fuzz/base/fuzz.h"

#include <string.h>

#include "common/base/hash.h"
#include "common/base/voting.h"

static size_t seal(uint8_t *record, size_t size)
{
    static const uint8_t domain[] = "cybermesh/voting/v1";
    struct hash hash = hash_of2(span_of(domain, sizeof domain), span_of(record, size));
    memcpy(record + size, hash.bytes, HASH_BYTES);
    return size + HASH_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[VOTING_RECORD_BYTES_MAX + HASH_BYTES], again[VOTING_RECORD_BYTES_MAX];
    static struct voting_record record;
    if (size < 1 || size - 1 > VOTING_RECORD_BYTES_MAX)
        return 0;
    size_t length = size - 1;
    memcpy(bytes, data + 1, length);
    if (data[0] != 0)
        length = seal(bytes, length);
    struct voting_record untouched = {.sequence = 7};
    record = untouched;
    if (voting_record_decode(&record, span_of(bytes, length)) < 0) {
        FUZZ_REQUIRE(record.sequence == 7 && !record.has_voting);
        return 0;
    }
    FUZZ_REQUIRE(voting_record_encode(again, &record) == length);
    FUZZ_REQUIRE(memcmp(again, bytes, length) == 0);
    return 0;
}
