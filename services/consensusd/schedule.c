/* schedule.c - plain rotation. */
#include "services/consensusd/schedule.h"

#include <assert.h>
#include <string.h>

void schedule_init(struct schedule *self, const struct genesis *genesis)
{
    assert(genesis->validator_count >= 1 && genesis->validator_count <= GENESIS_VALIDATORS_MAX);
    self->count = genesis->validator_count;
    for (uint32_t i = 0; i < self->count; i++) {
        uint32_t place = i;
        while (place > 0 && memcmp(genesis->validators[self->order[place - 1]].id.bytes,
                                   genesis->validators[i].id.bytes, HASH_BYTES) > 0) {
            self->order[place] = self->order[place - 1];
            place--;
        }
        self->order[place] = (uint8_t)i;
    }
}

uint32_t schedule_leader(const struct schedule *self, uint64_t view)
{
    return self->order[view % self->count];
}
