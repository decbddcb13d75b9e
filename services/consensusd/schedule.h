/* schedule.h - who leads a view: plain rotation over the validators sorted by id. Pure. */
#pragma once

#include <stdint.h>

#include "common/base/genesis.h"

struct schedule {
    uint32_t count;
    uint8_t order[GENESIS_VALIDATORS_MAX]; /* validator indexes, by id */
};

void schedule_init(struct schedule *self, const struct genesis *genesis);

/* The leader's validator index. */
uint32_t schedule_leader(const struct schedule *self, uint64_t view);
