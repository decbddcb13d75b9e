/* fuzz_apid_proof.c - bytes of the database's columns: a commit proof, and a receipt. */
#include <stdint.h>

#include "services/apid/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_decref(answers_commit_proof(span_of(data, size)));
    struct answers_transaction transaction = {
        .event_id = span_text("a"), .receipt = span_of(data, size), .kind = size > 0 ? data[0] : 0};
    json_decref(answers_transaction(&transaction));
    return 0;
}
