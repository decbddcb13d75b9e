/* fuzz_proof.c - commit proofs. */
#include <assert.h>
#include <stdint.h>

#include "services/executord/proof_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proof_codec_proof proof;
    if (proof_codec_decode(&proof, span_of(data, size)) < 0)
        return 0;
    assert(proof.proof.qc.signature_count <= CERT_SIGNERS_MAX);
    assert(proof.proof.header_count * BLOCK_HEADER_BYTES <= size);
    proof_codec_deinit(&proof);
    return 0;
}
