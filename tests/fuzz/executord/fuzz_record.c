/* fuzz_record.c - records that are read back: what is read and written again reads the same. */
#include <assert.h>
#include <stdint.h>

#include "services/executord/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_nonce nonce;
    if (record_nonce_decode(&nonce, span_of(data, size)) == 0) {
        uint8_t bytes[64];
        struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
        record_nonce_encode(&writer, &nonce);
        struct record_nonce again;
        int rc = record_nonce_decode(&again, bytes_written(&writer));
        assert(rc == 0 && again.expires_at_s == nonce.expires_at_s && hash_equal(&again.tx_id, &nonce.tx_id));
    }
    struct record_producer producer;
    if (record_producer_decode(&producer, span_of(data, size)) == 0)
        assert(producer.name.size <= size);
    struct record_validator_evidence evidence;
    if (record_validator_evidence_decode(&evidence, span_of(data, size)) == 0)
        assert(evidence.status.size <= size &&
               (evidence.kind == EQUIVOCATION_VOTE || evidence.kind == EQUIVOCATION_PROPOSAL));
    return 0;
}
