/* fuzz_persistd_record.c - the value of a record, or a receipt. */
#include <stdint.h>
#include <stdlib.h>

#include "services/persistd/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span value = span_of(data, size);
    struct record_anomaly anomaly;
    struct record_evidence evidence;
    struct record_policy policy;
    struct record_producer producer;
    struct record_validator validator;
    struct record_receipt receipt;
    uint8_t *list = malloc(size + 1);
    if (!list)
        abort();
    (void)!record_anomaly_decode(&anomaly, value);
    if (record_evidence_decode(&evidence, value) == 0 && record_refs_join(list, &evidence) > size)
        abort();
    if (record_policy_decode(&policy, value) == 0 && record_targets_join(list, &policy) > size)
        abort();
    (void)!record_producer_decode(&producer, value);
    (void)!record_validator_decode(&validator, value);
    (void)!record_receipt_decode(&receipt, value);
    free(list);
    return 0;
}
