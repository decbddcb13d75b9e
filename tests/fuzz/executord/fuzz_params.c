/* fuzz_params.c - a policy's params. */
#include <assert.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/edge/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct params_facts facts;
    if (params_read(&facts, span_of(data, size)) < 0)
        return 0;
    assert(facts.target_count <= PARAMS_TARGETS_MAX && facts.ttl_s <= PARAMS_TTL_S_MAX);
    assert(facts.policy_id.size <= PARAMS_POLICY_ID_BYTES_MAX && text_is_clean(facts.policy_id));
    for (size_t i = 0; i < facts.target_count; i++) {
        assert(facts.targets[i].size >= 1 && facts.targets[i].size <= PARAMS_TARGET_BYTES_MAX);
        assert(text_is_clean(facts.targets[i]));
    }
    params_facts_deinit(&facts);
    return 0;
}
