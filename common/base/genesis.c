/* genesis.c - quorum arithmetic and look-ups over the genesis file. */
#include "common/base/genesis.h"

uint32_t genesis_faults_max(uint32_t validator_count)
{
    return validator_count == 0 ? 0 : (validator_count - 1) / 3;
}

uint32_t genesis_quorum(uint32_t validator_count)
{
    return (validator_count + genesis_faults_max(validator_count)) / 2 + 1;
}

int genesis_validator_index(const struct genesis *genesis, const struct hash *id)
{
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        if (hash_equal(&genesis->validators[i].id, id))
            return (int)i;
    }
    return -1;
}

int genesis_validator_named(const struct genesis *genesis, const char *name)
{
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        if (strcmp(genesis->validators[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

struct genesis_parameters genesis_parameters_default(void)
{
    return (struct genesis_parameters){
#define GENESIS_DEFAULT(name, default_value, min, max) .name = (default_value),
        GENESIS_PARAMETERS(GENESIS_DEFAULT)
#undef GENESIS_DEFAULT
            .require_v2 = false,
        .custody_verification = true,
    };
}
